import { expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type Call, parseCalls, spellCall } from "../src/claude-calls.ts";

const fixtures = join(import.meta.dir, "fixtures/claude-2.1.329");
const linesOf = (name: string) => readFileSync(join(fixtures, name, "transcript.jsonl"), "utf8").split("\n");
const decisions = (name: string) =>
  parseCalls(linesOf(name)).map(({ tool, isOver, decision }) =>
    [
      tool,
      isOver ? "over" : "open",
      decision === undefined ? "untold" : `${decision.isAllowed ? "yes" : "no"} by ${decision.by}`,
      decision?.hook,
    ]
      .filter((word) => word !== undefined)
      .join(" "),
  );

/** What came of each call, as 2.1.329 has written it. */
test.each<[capture: string, calls: string[]]>([
  ["ans-1", ["Bash over yes by person"]],
  ["ans-4", ["Bash over no by person"]],
  ["ans-esc", ["Bash over no by person"]],
  ["ans-no-amend", ["Bash over no by person"]],
  ["ans-down-enter", ["Bash over yes by person"]],
  ["gate-edit", ["Read over yes by rule", "Edit over yes by person"]],
  ["gate-webfetch", ["WebFetch over no by person"]],
  ["hook-allow", ["Bash over yes by hook PermissionRequest"]],
  ["hook-deny", ["Bash over no by hook PermissionRequest"]],
  ["hook-pre-allow", ["Bash over yes by hook"]],
  ["hook-pre-deny", ["Bash over no by hook PreToolUse"]],
  ["bypass-accepted-json", ["Bash over yes by rule"]],
  ["ask-escape", ["AskUserQuestion over no by person"]],
])("%s: %p", (capture, calls) => {
  expect(readdirSync(fixtures)).toContain(capture);
  expect(decisions(capture)).toEqual(calls);
});

/** One call each, captured on each version: refused by Esc, let run and stopped by Esc, allowed by key, allowed through csd. */
const versions = ["2.1.86", "2.1.158", "2.1.204", "2.1.259", "2.1.329"];
test.each(versions)("what came of a call, as %s tells it", (version) => {
  const read = (what: string) => {
    const text = readFileSync(join(import.meta.dir, `fixtures/decisions/${version}-${what}.jsonl`), "utf8");
    return parseCalls(text.split("\n")).map(({ isOver, isSkipped, decision }) => [isOver, isSkipped ?? false, decision]);
  };
  const isNewest = version === "2.1.329";
  expect(read("refused")).toEqual([[true, false, { isAllowed: false, by: "person" }]]);
  expect(read("interrupted")).toEqual([[true, false, undefined]]);
  expect(read("allowed")).toEqual([[true, false, isNewest ? { isAllowed: true, by: "person" } : undefined]]);
  // 2.1.86 says nothing of hooks.
  const byHook = { isAllowed: true, by: "hook", hook: "PermissionRequest" } as const;
  expect(read("allowed-by-hook")).toEqual([[true, false, version === "2.1.86" ? undefined : byHook]]);
});

const line = (fields: object) => JSON.stringify(fields);
const use = (id: string, command: string, more: object = {}) =>
  line({ type: "assistant", message: { id: "m1", content: [{ type: "tool_use", id, name: "Bash", input: { command } }] }, ...more });
const result = (id: string, content: unknown, more: object = {}, isError = true) =>
  line({ type: "user", message: { content: [{ type: "tool_result", tool_use_id: id, content, is_error: isError }] }, ...more });
const outcome = ([call]: Call[]) => [call?.isOver, call?.isSkipped ?? false, call?.decision];
const no = (by: string) => ({ isAllowed: false, by });
const rejected = "The user doesn't want to proceed with this tool use. The tool use was rejected (eg. if it was a file edit …";

/** Lines of versions that write no `permissionDecision`. */
test.each<[string, string, unknown[]]>([
  ["a refusal", result("t1", rejected), [true, false, no("person")]],
  ["a refusal in a block", result("t1", [{ type: "text", text: rejected }]), [true, false, no("person")]],
  ["a refusal before the tool", result("t1", "The user doesn't want to take this action right now. STOP …"), [true, false, no("person")]],
  ["a command that failed", result("t1", "Exit code 1\nThe user doesn't want to proceed with this tool use"), [true, false, undefined]],
  ["the words of a refusal in what a tool printed", result("t1", rejected, {}, false), [true, false, undefined]],
  ["a deny rule of claude's", result("t1", "Permission to use Bash with command ls has been denied."), [true, false, no("rule")]],
  [
    "a mode that does not ask",
    result("t1", "Claude requested permissions to use Bash, but you haven't granted it yet."),
    [true, false, no("rule")],
  ],
  ["a hook before the tool", result("t1", "PreToolUse:Bash hook error: policy says no"), [true, false, no("rule")]],
  ["a denial by kind alone", result("t1", "words of tomorrow", { toolDenialKind: "automode-blocked" }), [true, false, no("rule")]],
  ["called off with another call", result("t1", rejected, { toolDenialKind: "cancelled" }), [true, true, undefined]],
  ["a wrong input", result("t1", "<tool_use_error>InputValidationError: …</tool_use_error>"), [true, true, undefined]],
  ["no result", "", [false, false, undefined]],
])("%s", (_, written, wanted) => {
  expect(outcome(parseCalls([use("t1", "ls"), written]))).toEqual(wanted as never);
});

test("a line that comes once more keeps what came of the call; another call under its id takes its place", () => {
  expect(parseCalls([use("t1", "ls"), result("t1", "ok", {}, false), use("t1", "ls")]).map(({ isOver }) => isOver)).toEqual([true]);
  const again = parseCalls([use("t1", "ls"), result("t1", "ok", {}, false), use("t1", "rm x")]);
  expect(again.map(({ input, isOver }) => [input.command, isOver])).toEqual([["rm x", false]]);
});

test("a call tells where and when it was made, by whom, and in which answer", () => {
  const more = { cwd: "/w", sessionId: "s1", timestamp: "2026-11-20T10:00:00.000Z", isSidechain: true };
  expect(parseCalls([use("t1", "ls", more)])).toEqual([
    {
      ...{ id: "t1", tool: "Bash", input: { command: "ls" }, isOver: false, messageId: "m1", cwd: "/w", sessionId: "s1" },
      ...{ at: Date.parse("2026-11-20T10:00:00.000Z"), isSidechain: true },
    },
  ]);
});

test("older versions (2.0) tell of a sub-agent at work in progress lines", () => {
  const inner = {
    type: "assistant",
    message: { id: "m2", content: [{ type: "tool_use", id: "t2", name: "Bash", input: { command: "ls" } }] },
  };
  const [call] = parseCalls([line({ type: "progress", cwd: "/w", data: { message: inner } })]);
  expect([call?.tool, call?.cwd, call?.isSidechain]).toEqual(["Bash", "/w", true]);
});

test("two spellings of one call are one word", () => {
  expect(spellCall("Edit", { a: 1, replace_all: false })).toBe(spellCall("Edit", { a: 1 }));
  expect(spellCall("mcp__x__y", { a: 1, b: false })).not.toBe(spellCall("mcp__x__y", { a: 1 }));
});
