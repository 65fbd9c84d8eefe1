import { expect, test } from "bun:test";
import { type Candidate, type ScoreOptions, scoreCandidates } from "../src/scorer.ts";
import { defaultsOf } from "../src/settings.ts";

const now = Date.parse("2026-06-01T10:00:00Z");
const HOUR = 3_600_000;
const options = (given: Partial<ScoreOptions> = {}): ScoreOptions => ({ ...defaultsOf("usage"), now, includeCurrent: true, ...given });
const account = (
  name: string,
  session: number | undefined,
  week: number | undefined,
  resetsIn?: number,
  more: Partial<Candidate> = {},
): Candidate => ({
  name,
  windows: {
    ...(session === undefined ? {} : { five_hour: { usedPercent: session } }),
    ...(week === undefined
      ? {}
      : { seven_day: { usedPercent: week, ...(resetsIn === undefined ? {} : { resetsAt: now + resetsIn * HOUR }) } }),
  },
  ...more,
});
const old = (minutes: number) => ({ readAt: now - minutes * 60_000 });
const opus = (usedPercent: number) => ({ five_hour: { usedPercent: 1 }, seven_day: { usedPercent: 50 }, seven_day_opus: { usedPercent } });

test.each<[rule: string, candidates: Candidate[], given: Partial<ScoreOptions>, result: string]>([
  ["the fullest week is drained first", [account("a", 0, 30), account("b", 0, 70)], {}, "b"],
  ["a week of 95 is full", [account("a", 0, 96), account("b", 0, 60)], {}, "b"],
  ["at the border", [account("a", 0, 95), account("b", 0, 94.9)], {}, "b"],
  ["a session of 99 is full", [account("a", 99, 60), account("b", 0, 30)], {}, "b"],
  ["an unknown session is allowed", [account("a", undefined, 60), account("b", 0, 30)], {}, "a"],
  ["equal weeks: the sooner reset", [account("a", 0, 60, 9), account("b", 0, 60, 3)], {}, "b"],
  ["equal weeks: a known reset before an unknown one", [account("a", 0, 60), account("b", 0, 60, 3)], {}, "b"],
  ["equal in all: by name", [account("b", 0, 60), account("a", 0, 60)], {}, "a"],
  ["names go by their bytes", [account("a", 0, 60), account("B", 0, 60)], {}, "B"],
  ["the sole one, full: no room, and not `no change`", [account("a", 0, 97)], { current: "a" }, "all-saturated"],
  ["all failed: no data", [account("a", 0, 5, 1, { error: "no login" })], {}, "no-data"],
  ["no week: no data", [account("a", 5, undefined)], {}, "no-data"],
  ["nobody: no data", [], {}, "no-data"],
  ["40 minutes old: no data", [account("a", 0, 5, 1, old(40))], {}, "no-data"],
  ["with the gate off it decides", [account("a", 0, 5, 1, old(40))], { maxAgeMs: 0 }, "a"],
  ["one fresh profile is enough", [account("a", 0, 50, 1, old(40)), account("b", 0, 5, 1, old(1))], {}, "a"],
  ["undated data decides", [account("a", 0, 5)], {}, "a"],
  ["data of the future decides", [account("a", 0, 5, 1, old(-90))], {}, "a"],
  ["the current one is left", [account("a", 0, 70), account("b", 0, 30)], { current: "a", includeCurrent: false }, "b"],
  ["nowhere to go", [account("a", 0, 70)], { current: "a", includeCurrent: false }, "all-saturated"],
  ["a window that has reset is empty", [account("a", 0, 97, -1), account("b", 0, 30)], {}, "b"],
  ["and has room again", [account("a", 0, 97, -1)], {}, "a"],
  ["the current one stays when another is hardly better", [account("a", 0, 66), account("b", 0, 70)], { current: "a" }, "a"],
  ["but not when it is clearly better", [account("a", 0, 60), account("b", 0, 70)], { current: "a" }, "b"],
  ["nor when the current one is full", [account("a", 99, 66), account("b", 0, 70)], { current: "a" }, "b"],
  ["a disabled one is never chosen", [account("a", 0, 70, 1, { isDisabled: true }), account("b", 0, 30)], {}, "b"],
  ["consume-first: the sooner reset", [account("a", 0, 70, 90), account("b", 0, 10, 5)], { policy: "consume-first" }, "b"],
  ["consume-first: an unknown reset is last", [account("a", 0, 70), account("b", 0, 10, 150)], { policy: "consume-first" }, "b"],
  [
    "consume-first: within an hour one stays",
    [account("a", 0, 70, 5.5), account("b", 0, 10, 5)],
    { policy: "consume-first", current: "a" },
    "a",
  ],
  ["spread: the least used", [account("a", 0, 70), account("b", 0, 30)], { policy: "spread" }, "b"],
  ["spread: the session counts", [account("a", 60, 20), account("b", 0, 30)], { policy: "spread" }, "b"],
  ["a full window of the model in use is full", [{ name: "a", windows: opus(96) }, account("b", 0, 40)], { model: "claude-opus-5-5" }, "b"],
  ["of another model it is not", [{ name: "a", windows: opus(96) }, account("b", 0, 40)], { model: "claude-sonnet-5-5" }, "a"],
  ["nor when no model is known", [{ name: "a", windows: opus(96) }, account("b", 0, 40)], {}, "a"],
  ["other thresholds", [account("a", 50, 60), account("b", 0, 30)], { limitPercent: 50 }, "b"],
])("%s", (_, candidates, given, result) => {
  const ranking = scoreCandidates(candidates, options(given));
  expect(ranking.winner ?? ranking.outcome).toBe(result);
});

test("two near-equal accounts do not flap: whoever is current stays", () => {
  const pick = (a: number, b: number, current: string) =>
    scoreCandidates([account("a", 0, a), account("b", 0, b)], options({ current })).winner;
  expect([pick(50, 52, "a"), pick(54, 52, "a"), pick(54, 56, "a"), pick(50, 52, "b"), pick(54, 52, "b")]).toEqual([
    "a",
    "a",
    "a",
    "b",
    "b",
  ]);
});

test("every row says why, the usable ones first", () => {
  const rows = [
    account("full", 3, 97, 9),
    account("none", undefined, undefined),
    account("bad", 0, 0, 1, { error: "no login" }),
    account("off", 0, 9, 1, { isDisabled: true }),
    account("b", 12.25, 40, 26, old(3)),
  ];
  expect(scoreCandidates(rows, options()).rows.map(({ name, state, reasons }) => `${name} ${state}: ${reasons.join("; ")}`)).toEqual([
    "b viable: week 40%, resets in 1d 2h; 5 h 12.3%; read 3m ago",
    "bad errored: could not be read: no login",
    "full saturated: week 97%, resets in 9h; 5 h 3%; the week is at 95% or more",
    "none no-data: no weekly usage is known",
    "off disabled: disabled in the configuration",
  ]);
});
