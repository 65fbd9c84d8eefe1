import { expect, test } from "bun:test";
import { encodeBlob, parseBlob } from "../src/usage-blob.ts";

const now = Date.parse("2026-06-01T10:00:00Z");
const iso = "2026-06-01T12:00:00.000Z";
const view = (text: string) => {
  const blob = parseBlob(text, now);
  return blob && { at: blob.capturedAt ?? null, profiles: Object.fromEntries(blob.profiles), errors: Object.fromEntries(blob.errors) };
};
const none = { at: null, profiles: {}, errors: {} };

test.each<[rule: string, value: unknown, blob: object | undefined]>([
  ["{} has no profiles", {}, none],
  ["[] neither", [], none],
  ["whatever else is no blob", { five: 5 }, undefined],
  ["a text is none", "x", undefined],
  [
    "the sections by their names",
    {
      captured_at: "2026-06-01T09:59:00Z",
      profiles: {
        a: { session: { pct: 5, resets: "9pm" }, week_all: { pct: 7, resets: null }, week_sonnet: { pct: 9, resets: "Jun 4 at 9pm" } },
      },
    },
    {
      at: now - 60_000,
      profiles: {
        a: {
          windows: {
            five_hour: { usedPercent: 5, resetsAt: Date.parse("2026-06-01T21:00Z") },
            seven_day: { usedPercent: 7 },
            seven_day_sonnet: { usedPercent: 9, resetsAt: Date.parse("2026-06-04T21:00Z") },
          },
        },
      },
      errors: {},
    },
  ],
  [
    "D17: a broken pct, fraction and text lose nothing else",
    { profiles: { a: { session: { pct: null }, week_all: { pct: 12.5 }, session_stats: null }, b: { week_all: { pct: "40" } } } },
    { ...none, profiles: { a: { windows: { seven_day: { usedPercent: 12.5 } } }, b: { windows: { seven_day: { usedPercent: 40 } } } } },
  ],
  [
    "D17: one profile that is none",
    { profiles: { a: 5, b: { week_all: { pct: 4 } } } },
    { ...none, profiles: { b: { windows: { seven_day: { usedPercent: 4 } } } } },
  ],
  ["D17: profiles that are none", { profiles: "x", errors: 5 }, none],
  ["errors, made printable", { profiles: {}, errors: { a: "no\u001b[31m login", b: 5 } }, { ...none, errors: { a: "no login" } }],
  ["a wrong captured_at is unknown", { captured_at: "yesterday", profiles: {} }, none],
  [
    "epoch resets",
    { profiles: { a: { week_all: { pct: 1, resets_at: Date.parse(iso) / 1000 } } } },
    { ...none, profiles: { a: { windows: { seven_day: { usedPercent: 1, resetsAt: Date.parse(iso) } } } } },
  ],
  [
    "a name of the prototype is a name",
    JSON.parse('{"profiles":{"__proto__":{"week_all":{"pct":1}}}}'),
    { ...none, profiles: JSON.parse('{"__proto__":{"windows":{"seven_day":{"usedPercent":1}}}}') },
  ],
])("%s", (_, value, blob) => {
  expect(view(JSON.stringify(value))).toEqual(blob as never);
});

test("not JSON is no blob", () => expect(parseBlob("<html>", now)).toBeUndefined());

test("a blob reads as it was written, and the older tool can read it", () => {
  const blob = {
    capturedAt: now,
    profiles: new Map([
      [
        "a",
        { capturedAt: now, windows: { five_hour: { usedPercent: 12.4, resetsAt: Date.parse(iso) }, seven_day_opus: { usedPercent: 3 } } },
      ],
    ]),
    errors: new Map([["b", "no login"]]),
  };
  const text = encodeBlob(blob);
  expect(parseBlob(text, now)).toEqual(blob);
  expect(JSON.parse(text).profiles.a.session).toEqual({ pct: 12, resets: "Jun 1 at 12:00pm (UTC)", used_percentage: 12.4, resets_at: iso });
  expect(JSON.parse(text).profiles.a.week_all).toBeNull();
});
