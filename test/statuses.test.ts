import { expect, test } from "bun:test";
import { eventJson, fillTemplate } from "../src/cmd-watch.ts";
import { createDashboardState, listSections } from "../src/dashboard-state.ts";
import { createTheme } from "../src/dashboard-theme.ts";
import { renderDashboard, renderOnce } from "../src/dashboard-view.ts";
import { createPaint } from "../src/format.ts";
import { renderSessions, sessionJson } from "../src/session.ts";
import type { Status, Verdict } from "../src/status.ts";
import { isAtRest, isAtWork, needsPerson, stateWords, statuses, statusRow } from "../src/statuses.ts";
import { session, testNow } from "./sessions.ts";

type Case = [words: string, verdict: { status: Status; [field: string]: unknown }];

const cases: Case[] = [
  ["starting", { status: "spawning" }],
  ["thinking", { status: "working", tools: [] }],
  ["Bash, Read", { status: "working", tools: ["Bash", "Read"] }],
  ["subagent", { status: "working", tools: ["Agent"], background: ["subagent"] }],
  ["question", { status: "awaiting_answer", question: "Which?", gate: "question" }],
  [
    "retry 3/10 in 13s",
    { status: "working", tools: [], retry: { attempt: 3, max_attempts: 10, wait_ms: 13_000, error: "529 Overloaded" } },
  ],
  ["asks you", { status: "awaiting_answer", question: "Shall I go on?" }],
  ["plan to read", { status: "plan_ready", plan: "", plan_file: null, options: [], choices: [] }],
  ["asks Bash", { status: "blocked", gate: "permission", tool: "Bash", prompt: "", options: [], choices: [] }],
  ["asks permission", { status: "blocked", gate: "permission", prompt: "", options: [], choices: [] }],
  ["asks trust", { status: "blocked", gate: "trust", prompt: "", options: [], choices: [] }],
  ["done", { status: "idle_done", outcome: "finished" }],
  ["done, shell on", { status: "idle_done", outcome: "finished", background: ["shell"] }],
  ["ready", { status: "idle_done", outcome: "none" }],
  ["interrupted", { status: "idle_done", outcome: "interrupted" }],
  ["truncated", { status: "idle_done", outcome: "truncated" }],
  ["declined", { status: "idle_done", outcome: "declined" }],
  ["limit", { status: "limited", window: "five_hour", resets_at: null }],
  ["limit, 1h 30m left", { status: "limited", window: "five_hour", resets_at: testNow + 5_400_000 }],
  ["failed: overloaded", { status: "failed", error: "overloaded" }],
  ["ended", { status: "dead" }],
  ["unknown", { status: "unknown" }],
];

test("every status has a case, and the public words stand in their order", () => {
  expect(statuses.filter((status) => !cases.some(([, verdict]) => verdict.status === status))).toEqual([]);
  expect(statuses.join(" ")).toBe("spawning working awaiting_answer plan_ready blocked idle_done limited failed dead unknown");
});

const makeSession = (verdict: Case[1]) => session("it", verdict as never, { pid: 1, sessionId: "0b0e0000" });

test.each(cases)("ls, top and watch say %j for the same state", (words, verdict) => {
  const one = makeSession(verdict);
  expect(stateWords(one.verdict, testNow)).toBe(words);
  const list = renderSessions([one], { now: testNow, home: "/home/dev", paint: createPaint(false), columns: undefined });
  expect(list[1]).toBe(`it    ${words.padEnd(5)}  5s     ~/it  opus-5-5  0b0e0000  1    session-file`);
  const look = { columns: 200, rows: 30, theme: createTheme("none"), home: "/home/dev" };
  const state = createDashboardState(testNow);
  const mark = statusRow(verdict.status).mark;
  expect(renderOnce([one], state, look).map(Bun.stripANSI).join("\n")).toContain(`\n  ${mark}  ${words} `);
  const detail = renderDashboard({ ...state, sessions: [one], selected: one.key, hasDetail: true }, look).lines.map(Bun.stripANSI);
  expect(detail.join("\n")).toContain(` state    ${words} for 5s (session-file, 5s ago)`);
  const event = { event: "change", id: 1, at: testNow, session: one, old: one.verdict } as const;
  expect(fillTemplate("{old}>{state}", event)).toBe(`${words}>${words}`);
});

test.each(cases)("scripts read the status behind %j", (_, verdict) => {
  const one = makeSession(verdict);
  expect(sessionJson(one).state.status).toBe(verdict.status);
  const event = { event: "change", id: 1, at: testNow, session: one, old: one.verdict } as const;
  expect(eventJson(event)).toMatchObject({
    old: verdict.status,
    new: verdict.status,
    old_state: { status: verdict.status },
    state: { status: verdict.status },
  });
});

test("who needs somebody, who has come to rest, whose turn or dialog is open", () => {
  const of = (is: (verdict: Verdict) => boolean) =>
    cases.flatMap(([words, verdict]) => (is(makeSession(verdict).verdict) ? [words] : [])).join("; ");
  expect(of((verdict) => needsPerson({ verdict }))).toBe(
    "question; asks you; plan to read; asks Bash; asks permission; asks trust; limit; limit, 1h 30m left; failed: overloaded",
  );
  expect(statuses.filter((status) => isAtRest({ status } as Verdict)).join(" ")).toBe(
    "awaiting_answer plan_ready blocked idle_done limited failed dead",
  );
  expect(of(isAtWork)).toBe(
    "thinking; Bash, Read; subagent; question; retry 3/10 in 13s; plan to read; asks Bash; asks permission; asks trust",
  );
  expect(isAtWork({ status: "limited", choices: [] } as never)).toBe(true);
});

test("whoever can be helped at once stands before an error, and that before a limit", () => {
  const sessions = (["limited", "unknown", "failed", "dead", "blocked", "working"] as const).map((status, pid) =>
    session(status, { status, resets_at: null, error: "x", gate: "permission" } as never, { pid }),
  );
  const sections = listSections({ ...createDashboardState(testNow), sessions });
  expect(sections.map(({ kind, sessions }) => [kind, ...sessions.map(({ name }) => name)].join(" "))).toEqual([
    "attention blocked failed limited",
    "working working",
    "unknown unknown",
    "finished dead",
  ]);
});

test.each<[columns: number | undefined, head: string]>([
  [undefined, "NAME SINCE STATE AGE TITLE CWD MODEL SESSION PID SOURCE"],
  [150, "NAME SINCE STATE AGE TITLE CWD MODEL SESSION PID SOURCE"],
  [80, "NAME SINCE STATE TITLE CWD SESSION"],
  [60, "NAME SINCE STATE TITLE"],
])("ls tells sessions of one folder apart in %p columns", (columns, head) => {
  const facts = { turns: 1, customTitle: "app-1f", lastPrompt: `Repair the ${"very ".repeat(20)}long login\u001b[2J` };
  const one = session("app-1f", { status: "blocked", gate: "permission", tool: "Bash" } as never, { facts, startedAt: testNow - 90_000 });
  const lines = renderSessions([one], { now: testNow, home: "/home/dev", paint: createPaint(false), columns });
  expect(lines[0]?.split(/ +/).toSorted()).toEqual(head.split(" ").toSorted());
  expect(lines[1]).toContain("Repair the very ver");
  for (const line of lines) expect(line.length).toBeLessThanOrEqual(columns ?? 200);
  expect(sessionJson(one)).toMatchObject({ title: "app-1f", last_prompt: facts.lastPrompt });
});

test("ls paints the state and nothing else, whatever a session is called", () => {
  const one = session("asks Bash", { status: "blocked", gate: "permission", tool: "Bash" } as never, { pid: 1 });
  const [, line = ""] = renderSessions([one], { now: testNow, home: "/home/dev", paint: createPaint(true), columns: 80 });
  expect(line).toStartWith("asks Bash  \u001b[33masks Bash\u001b[0m  5s");
});
