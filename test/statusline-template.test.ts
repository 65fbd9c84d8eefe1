import { expect, test } from "bun:test";
import { mergeSample, parseStatuslineInput } from "../src/statusline-sample.ts";
import { defaultTemplate, placeholderValues, renderTemplate } from "../src/statusline-template.ts";

const now = Date.parse("2026-06-01T10:00:00Z");
const full = {
  session_id: "f1d0213b-f09f-45c9-86fb-3ad5ece79449",
  session_name: "fix the bug",
  cwd: "/home/dev/app",
  model: { id: "claude-opus-5-5", display_name: "Opus 5.5" },
  effort: { level: "high" },
  cost: { total_cost_usd: 1.234 },
  context_window: { used_percentage: 42.4, total_input_tokens: 84_000, context_window_size: 200_000 },
  rate_limits: {
    five_hour: { used_percentage: 72, resets_at: (now + 7_800_000) / 1000 },
    seven_day: { used_percentage: 61, resets_at: (now - 1000) / 1000 },
  },
};
const sampleOf = (input: object, at = now) => parseStatuslineInput(JSON.stringify(input), "/home/dev/.claude.work", at);
const render = (input: object, template: string) => {
  const sample = sampleOf(input);
  return sample && renderTemplate(template, placeholderValues(sample, { profile: "work", host: "mac", where: "work@mac", now }));
};

test.each<[rule: string, input: object, template: string, line: string]>([
  ["the default", full, defaultTemplate, "work · Opus 5.5 · ctx 42% · $1.23 · 5h 72% (2h 10m) · 7d 0% (reset)"],
  ["parts without anything to show are left out", { session_id: "x" }, defaultTemplate, "work"],
  ["so are those between bars, and the words around them", { model: { id: "m" } }, "{model} | 5h {5h} | {where}", "m | work@mac"],
  ["a part with one known value stays", full, "{5h} {5h_reset}{effort}", "72% (2h 10m)high"],
  ["text without placeholders stays", full, "hello · {name}", "hello · fix the bug"],
  ["a mistyped placeholder is seen", full, "{modle} {host}", "{modle} mac"],
  ["names of the prototype are no placeholders", full, "{toString} {cwd}", "{toString} app"],
  ["blanks are drawn together", { model: { display_name: " a   b " } }, "{model}  x", "a b x"],
  ["the id in short", full, "{session}", "f1d0213b"],
  ["escape sequences do not pass", { model: { display_name: "\u001b]0;evil\u0007Opus\nx" } }, "{model}", "Opus x"],
])("%s", (_, input, template, line) => {
  expect(render(input, template)).toBe(line);
});

test.each<[rule: string, text: string]>([
  ["no JSON", "hello"],
  ["a list", "[]"],
  ["null", "null"],
])("%s is no input", (_, text) => {
  expect(parseStatuslineInput(text, "/x", now)).toBeUndefined();
});

test("wrong types lose themselves only", () => {
  expect(
    sampleOf({ session_id: 5, model: "x", cost: { total_cost_usd: "1" }, context_window: null, rate_limits: { five_hour: 3 }, cwd: "/a" }),
  ).toEqual({
    sessionId: "",
    configDir: "/home/dev/.claude.work",
    seenAt: now,
    limitsAt: now,
    windows: {},
    cwd: "/a",
  });
});

test.each(["../../x", "a/b", "", ".", "x".repeat(65), "a\u0000b"])("D21: %p names no file", (session_id) => {
  expect(sampleOf({ session_id })?.sessionId).toBe("");
});

test("what is kept: the same limits keep their age, nothing new is not written, new ones are of now", () => {
  const first = mergeSample(sampleOf(full) as never, undefined) ?? "";
  const again = (at: number, input: object = full) => mergeSample(sampleOf(input, at) as never, first);
  expect(again(now + 5000)).toBeUndefined();
  expect(JSON.parse(again(now + 70_000) ?? "")).toMatchObject({ seenAt: now + 70_000, limitsAt: now });
  expect(JSON.parse(again(now + 5000, { ...full, cost: { total_cost_usd: 2 } }) ?? "")).toMatchObject({ costUsd: 2, limitsAt: now });
  const spent = { ...full, rate_limits: { five_hour: { used_percentage: 73, resets_at: (now + 7_800_000) / 1000 } } };
  expect(JSON.parse(again(now + 5000, spent) ?? "")).toMatchObject({ limitsAt: now + 5000 });
  expect(JSON.parse(mergeSample(sampleOf(full) as never, "{ torn") ?? "")).toMatchObject({ limitsAt: now });
});
