import { expect, test } from "bun:test";
import { judgeHealth } from "../src/health.ts";
import { createWork, type LiveSession, type Work } from "../src/session.ts";
import { defaultsOf } from "../src/settings.ts";
import { session, testNow } from "./sessions.ts";

const minute = 60_000;
const working = (name: string, work: Partial<Work>, more: Partial<LiveSession> = {}) =>
  session(name, { status: "working", tools: [] } as never, { since: testNow - 10_000, ...more, work: { ...createWork(), ...work } });
const edits = (...paths: [path: string, agoMs: number][]): Partial<Work> => ({
  files: new Map(paths.map(([path, ago]) => [path, { edits: 1, at: testNow - ago }])),
});
const kinds = (sessions: LiveSession[]) =>
  sessions.map((one) => (judgeHealth(sessions, testNow, defaultsOf("dashboard")).get(one.key) ?? []).map((badge) => badge.kind).join(" "));

test.each<[rule: string, sessions: LiveSession[], kinds: string[]]>([
  ["nothing to say", [working("a", {})], [""]],
  ["four failures in a row are a loop", [working("a", { failedInRow: 4, failingTool: "Bash" })], ["error-loop"]],
  ["three are not", [working("a", { failedInRow: 3 })], [""]],
  [
    "no tool and nothing new for five minutes is a stall",
    [working("a", { at: testNow - 6 * minute }, { since: testNow - 7 * minute })],
    ["stalled"],
  ],
  ["four are not", [working("a", { at: testNow - 4 * minute }, { since: testNow - 9 * minute })], [""]],
  [
    "a command that runs for ten minutes is none",
    [session("a", { status: "working", tools: ["Bash"] } as never, { since: testNow - 10 * minute })],
    [""],
  ],
  [
    "nor are sub-agents at work",
    [session("a", { status: "working", tools: [], background: ["subagent"] } as never, { since: testNow - 10 * minute })],
    [""],
  ],
  ["who waits does not stall", [session("a", { status: "idle_done" }, { since: testNow - 60 * minute })], [""]],
  ["two edit one file", [working("a", edits(["/r/x", 0])), working("b", edits(["/r/x", minute]))], ["same-file", "same-file"]],
  ["half an hour apart is no conflict", [working("a", edits(["/r/x", 0])), working("b", edits(["/r/x", 31 * minute]))], ["", ""]],
  [
    "two edit in one checkout",
    [working("a", edits(["/r/x", 0]), { worktree: "/r" }), working("b", edits(["/r/y", 0]), { worktree: "/r" })],
    ["same-worktree", "same-worktree"],
  ],
  ["one only reads there", [working("a", edits(["/r/x", 0]), { worktree: "/r" }), working("b", {}, { worktree: "/r" })], ["", ""]],
  [
    "two worktrees of one repository",
    [working("a", edits(["/r1/x", 0]), { worktree: "/r1" }), working("b", edits(["/r2/x", 0]), { worktree: "/r2" })],
    ["", ""],
  ],
  [
    "one conversation in two processes",
    [working("a", {}, { sessionId: "s" }), working("b", {}, { sessionId: "s", pid: 77, key: "77:1" })],
    ["same-conversation", "same-conversation"],
  ],
  ["context", [working("a", {}, { meter: { source: "transcript", contextPercent: 80 } })], ["context"]],
  ["not yet", [working("a", {}, { meter: { source: "transcript", contextPercent: 79.9 } })], [""]],
  [
    "a cache that has ended, of one at rest",
    [session("a", { status: "idle_done" }, { meter: { source: "statusline", cacheExpiresAt: testNow - 1 } })],
    ["cache-cold"],
  ],
  ["at work it is renewed", [working("a", {}, { meter: { source: "statusline", cacheExpiresAt: testNow - 1 } })], [""]],
])("%s", (_, sessions, expected) => {
  const apart = sessions.map((one, index) => (one.sessionId === "s" ? one : { ...one, sessionId: `id${index}` }));
  expect(kinds(apart)).toEqual(expected);
});

test("a badge says what was seen, alarms first", () => {
  const one = working("a", { failedInRow: 5, failingTool: "Edit" }, { meter: { source: "transcript", contextPercent: 85 } });
  expect(judgeHealth([one], testNow, defaultsOf("dashboard")).get(one.key)).toEqual([
    { kind: "error-loop", isAlarm: true, mark: "↻", text: "5 calls failed one after another, the last of Edit" },
    { kind: "context", isAlarm: false, mark: "◔", text: "context 85 % full" },
  ]);
});

test("the thresholds are the caller's", () => {
  const one = working("a", { failedInRow: 2 });
  const strict = { errorLoopCount: 2, stalledMs: 1, contextWarnPercent: 1, contextAlarmPercent: 2, conflictMs: 1, cacheWarnMs: 1 };
  expect(
    judgeHealth([one], testNow, strict)
      .get(one.key)
      ?.map((badge) => badge.kind),
  ).toEqual(["error-loop", "stalled"]);
});
