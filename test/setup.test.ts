import { describe, expect, test } from "bun:test";
import { hasRuleHook, planSetup, planUndo, renderDiff } from "../src/setup.ts";

const both = { command: "csm", hook: true, statusline: true };
const ours = (event: string) => [event, [{ hooks: [{ type: "command", command: "csm hook" }] }]];
const ourHooks = Object.fromEntries(["StopFailure", "Stop", "SessionEnd"].map(ours));
const theirs = { hooks: [{ type: "command", command: "notify-me" }] };

const rows: [rule: string, before: Record<string, unknown>, after: Record<string, unknown>][] = [
  ["an empty file", {}, { hooks: ourHooks, statusLine: { type: "command", command: "csm statusline" } }],
  [
    "the user's own hooks stay, and come first",
    { model: "opus", hooks: { Stop: [theirs], PreToolUse: [theirs] } },
    {
      model: "opus",
      hooks: { Stop: [theirs, { hooks: [{ type: "command", command: "csm hook" }] }], PreToolUse: [theirs], ...rest(ourHooks, "Stop") },
      statusLine: { type: "command", command: "csm statusline" },
    },
  ],
  [
    "the user's own status line goes on inside csm's",
    { statusLine: { type: "command", command: "echo 'it''s' me", padding: 1 } },
    {
      statusLine: { type: "command", command: "csm statusline --wrap 'echo '\\''it'\\'''\\''s'\\'' me'", padding: 1 },
      hooks: ourHooks,
    },
  ],
];

function rest(hooks: Record<string, unknown>, without: string): Record<string, unknown> {
  return Object.fromEntries(Object.entries(hooks).filter(([event]) => event !== without));
}

test.each(rows)("put in: %s", (_, before, after) => {
  expect(planSetup(before, both)).toEqual(after);
});

test.each(rows)("a second time changes nothing: %s", (_, before) => {
  const once = planSetup(before, both);
  expect(JSON.stringify(planSetup(once, both))).toBe(JSON.stringify(once));
});

test.each(rows)("taken out again: %s", (_, before) => {
  expect(JSON.stringify(planUndo(planSetup(before, both), both))).toBe(JSON.stringify(before));
});

test("only one part", () => {
  expect(planSetup({}, { ...both, statusline: false })).toEqual({ hooks: ourHooks });
  expect(planSetup({}, { ...both, hook: false })).toEqual({ statusLine: { type: "command", command: "csm statusline" } });
});

test.each([
  ["an older path of csm", "/opt/old/csm hook"],
  ["a quoted one", "'/my tools/csm' hook --owner x"],
])("%s is known as csm's", (_, command) => {
  expect(planUndo({ hooks: { Stop: [{ hooks: [{ type: "command", command }] }] } }, both)).toEqual({});
});

test.each([["mycsm hook"], ["csm hooks"], ["echo csm"]])("%s is not csm's", (command) => {
  const settings = { hooks: { Stop: [{ hooks: [{ type: "command", command }] }] } };
  expect(planUndo(settings, both)).toEqual(settings);
});

test("hooks of a form that nobody knows are left as they are", () => {
  const settings = { hooks: { Stop: "what", Other: [1, null] } };
  expect(planUndo(settings, both)).toEqual(settings);
});

test("the change is shown with two lines around it", () => {
  expect(renderDiff("a\nb\nc\nd\ne\nf", "a\nb\nc\nd\nx\nf")).toEqual(["  c", "  d", "- e", "+ x", "  f"]);
});

describe("the hooks that rules need", () => {
  const rules = [{ event: "PreToolUse" }, { event: "PermissionRequest", matcher: "^Bash$" }] as const;
  const wanted = { command: "csm", hook: true, statusline: false, rules };
  const own = { hooks: { PreToolUse: [theirs] }, model: "opus" };

  test("stand behind the user's own, once", () => {
    const after = planSetup(own, wanted) as { hooks: Record<string, unknown[]> };
    expect(after.hooks.PreToolUse).toEqual([theirs, { hooks: [{ type: "command", command: "csm hook", timeout: 30 }] }]);
    expect(after.hooks.PermissionRequest).toEqual([{ matcher: "^Bash$", hooks: [{ type: "command", command: "csm hook", timeout: 30 }] }]);
    expect(planSetup(after, wanted)).toEqual(after);
  });

  test("go with the rules, and with the rest of csm", () => {
    const after = planSetup(own, wanted);
    expect(Object.keys((planSetup(after, { ...wanted, rules: [] }) as { hooks: object }).hooks)).not.toContain("PermissionRequest");
    expect(planUndo(after, wanted)).toEqual(own);
  });

  test.each([
    ["csm hook", true],
    ["'/opt/x y/csm' hook --owner /c", true],
    ["csm statusline", false],
    ["notify-me", false],
  ])("%s is csm's: %p", (command, isOurs) => {
    expect(hasRuleHook({ hooks: { PreToolUse: [{ hooks: [{ type: "command", command }] }] } }, "PreToolUse")).toBe(isOurs);
    expect(hasRuleHook({ hooks: { PreToolUse: [{ hooks: [{ type: "command", command }] }] } }, "PermissionRequest")).toBe(false);
  });
});
