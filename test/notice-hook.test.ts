import { afterAll, beforeEach, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { type HookInput, parseHookInput } from "../src/claude-hooks.ts";
import { accountNotice, causeOf, tellHook } from "../src/notice-hook.ts";
import { causesWith, type NoticeCause, type NotifySettings } from "../src/notices.ts";
import type { Delivery } from "../src/notify.ts";
import { createSys, type Sys } from "../src/sys.ts";

const id = "3dd65871-8441-4443-8f05-d62f49193c85";
const input = (given: Partial<HookInput>): HookInput => ({ event: "Stop", sessionId: id, ...given });

test.each<[rule: string, given: Partial<HookInput>, isLimit: boolean, cause: NoticeCause | undefined]>([
  ["a request", { event: "PermissionRequest", toolName: "Bash" }, false, "permission"],
  ["of a sub-agent", { event: "PermissionRequest", toolName: "Bash", agentType: "x" }, false, "permission"],
  ["questions", { event: "PermissionRequest", toolName: "AskUserQuestion" }, false, "question"],
  ["a plan", { event: "PermissionRequest", toolName: "ExitPlanMode" }, false, "plan"],
  ["a plan of 2.0.70", { event: "PermissionRequest", toolName: "exit_plan_mode" }, false, "plan"],
  ["the end", { event: "Stop" }, false, "finished"],
  ["the end while a shell runs", { event: "Stop", background: ["shell"] }, false, "finished"],
  ["no end while a sub-agent works", { event: "Stop", background: ["shell", "agent"] }, false, undefined],
  ["no end of a sub-agent", { event: "SubagentStop" }, false, undefined],
  ["a limit", { event: "StopFailure", error: "rate_limit" }, true, "limit"],
  ["a limit that a sub-agent meets", { event: "StopFailure", error: "rate_limit", agentType: "x" }, true, "limit"],
  ["a limit in a version without StopFailure", { event: "Stop" }, true, "limit"],
  ["a passing 429", { event: "StopFailure", error: "rate_limit" }, false, "failure"],
  ["a login", { event: "StopFailure", error: "authentication_failed" }, false, "login"],
  ["a login that a sub-agent misses", { event: "StopFailure", error: "authentication_failed", agentType: "x" }, false, "login"],
  ["a failure", { event: "StopFailure", error: "server_error" }, false, "failure"],
  ["no failure of a sub-agent: the main thread goes on", { event: "StopFailure", error: "server_error", agentType: "x" }, false, undefined],
  ["a prompt", { event: "UserPromptSubmit" }, false, undefined],
  ["a call", { event: "PreToolUse", toolName: "Bash" }, false, undefined],
])("cause: %s", (_, given, isLimit, cause) => expect(causeOf(input(given), isLimit)).toBe(cause));

const now = Date.parse("2026-11-20T10:00:00Z");
const limit = { at: now, window: "five_hour", resetsAt: now + 5_400_000, isSelfContinuing: true };

test.each([
  [
    "a limit",
    { cause: "limit", sessions: ["docs", "fix"], limit, wayOn: "csm --profile home --resume x" } as const,
    {
      ...{ about: "a five_hour", title: "work is at its usage limit", sessions: ["docs", "fix"], until: now + 5_400_000 },
      body: "resets in 1h 30m\nsessions: docs, fix\ncsm --profile home --resume x",
    },
  ],
  [
    "a limit of which little is known",
    { cause: "limit", sessions: [] } as const,
    { about: "a ", title: "work is at its usage limit", body: "", sessions: [] },
  ],
  [
    "a login",
    { cause: "login", sessions: ["fix"] } as const,
    { about: "a", title: "work is logged out", body: "claude /login brings it back\nsessions: fix", sessions: ["fix"] },
  ],
])("one message for an account: %s", (_, given, said) => {
  expect(accountNotice({ now, name: "work", account: "a", ...given })).toEqual(said as never);
});

const root = realpathSync(mkdtempSync(join(tmpdir(), "csm-notice-hook-")));
afterAll(() => rmSync(root, { recursive: true, force: true }));
let home = "";
let count = 0;
const put = (path: string, text: string) => {
  mkdirSync(dirname(join(home, path)), { recursive: true });
  writeFileSync(join(home, path), text);
};
beforeEach(() => {
  home = join(root, String(++count));
  for (const name of ["work", "same", "other"])
    put(`.claude.${name}/.claude.json`, JSON.stringify({ oauthAccount: { accountUuid: name === "other" ? "b" : "a" } }));
  const profiles = Object.fromEntries(["work", "same", "other"].map((name) => [name, join(home, `.claude.${name}`)]));
  put(".config/claude-as/profiles.json", JSON.stringify(profiles));
  // This very process is alive, and so is whoever started it; the start tells them from those before.
  put(`.claude.work/sessions/${process.pid}.json`, sessionFile(process.pid, "fix"));
  put(`.claude.same/sessions/${process.ppid}.json`, sessionFile(process.ppid, "docs"));
  put(".claude.work/sessions/999999.json", sessionFile(999_999, "gone"));
});

function sessionFile(pid: number, name: string): string {
  const start = createSys().readText(`/proc/${pid}/stat`)?.split(") ")[1]?.split(" ")[19];
  return JSON.stringify({
    pid,
    sessionId: pid === process.pid ? id : `${id.slice(0, -1)}0`,
    cwd: "/work/app",
    name,
    procStart: start,
    status: "busy",
  });
}

function createWorld(env: Record<string, string> = {}) {
  const started: Delivery[] = [];
  const sys: Sys = {
    ...createSys({ HOME: home, CLAUDE_PID: String(process.pid), CLAUDE_CODE_ENTRYPOINT: "cli", ...env }),
    startDetached: (_, { env: { CSM_NOTICE } }) => void started.push(JSON.parse(CSM_NOTICE ?? "null") as Delivery),
  };
  return { sys, started };
}
const settings: NotifySettings = { causes: causesWith({}), quietHours: [], channels: [{ kind: "desktop", name: "desktop" }] };
const hook = (given: object): HookInput => parseHookInput(JSON.stringify({ session_id: id, ...given })) as HookInput;

test.each<[given: object, title: string, body: string]>([
  [
    { hook_event_name: "PermissionRequest", tool_name: "Bash", tool_input: { command: "npm publish", description: "x" } },
    "fix asks: Bash",
    "npm publish",
  ],
  [
    { hook_event_name: "PermissionRequest", tool_name: "Write", tool_input: { file_path: "/work/app/a.txt", content: "x" } },
    "fix asks: Write",
    "/work/app/a.txt",
  ],
  [
    {
      hook_event_name: "PermissionRequest",
      tool_name: "AskUserQuestion",
      tool_input: { questions: [{ question: "Tabs?" }, { question: "Why?" }] },
    },
    "fix has a question",
    "Tabs?\nWhy?",
  ],
  [
    { hook_event_name: "PermissionRequest", tool_name: "ExitPlanMode", tool_input: { plan: "# Plan\n1. Do" } },
    "fix has a plan",
    "# Plan\n1. Do",
  ],
  [{ hook_event_name: "Stop", last_assistant_message: "All 12 tests pass." }, "fix is done", "All 12 tests pass."],
  [
    { hook_event_name: "StopFailure", error: "server_error", last_assistant_message: "API Error: 529" },
    "fix failed",
    "server_error: API Error: 529",
  ],
])("%j", async (given, title, body) => {
  const { sys, started } = createWorld();
  await tellHook(sys, settings, hook(given), { configDir: join(home, ".claude.work") });
  expect(started.map(({ message }) => message)).toMatchObject([
    { title, body, session: "fix", session_id: id, cwd: "/work/app", project: "app", profile: "work", sessions: ["fix"] },
  ]);
});

test("a login that two profiles share is one message, with the sessions of both that live", async () => {
  const { sys, started } = createWorld();
  const failed = hook({ hook_event_name: "StopFailure", error: "authentication_failed" });
  for (const name of ["work", "same", "work"]) await tellHook(sys, settings, failed, { configDir: join(home, `.claude.${name}`) });
  expect(started.map(({ message: { title, sessions } }) => [title, sessions])).toEqual([["work is logged out", ["docs", "fix"]]]);
  await tellHook(sys, settings, failed, { configDir: join(home, ".claude.other") });
  expect(started.map(({ message: { title } }) => title)).toEqual(["work is logged out", "other is logged out"]);
});

test.each<[rule: string, given: object, env: Record<string, string>]>([
  ["the end of claude -p is told by claude -p", { hook_event_name: "Stop" }, { CLAUDE_CODE_ENTRYPOINT: "sdk-cli" }],
  ["what nobody waits for", { hook_event_name: "UserPromptSubmit" }, {}],
])("silent: %s", async (_, given, env) => {
  const { sys, started } = createWorld(env);
  await tellHook(sys, settings, hook(given), { configDir: join(home, ".claude.work") });
  expect(started).toEqual([]);
});

test("a limit of a session that csm manages is told by its csm", async () => {
  const { sys, started } = createWorld({ CSM_MANAGED: "1" });
  await tellHook(sys, settings, hook({ hook_event_name: "StopFailure", error: "rate_limit" }), {
    configDir: join(home, ".claude.work"),
    limit,
  });
  expect(started).toEqual([]);
});

test("a session of which no file tells goes by its id", async () => {
  const { sys, started } = createWorld({ CLAUDE_PID: "nonsense" });
  await tellHook(sys, settings, hook({ hook_event_name: "Stop" }), { configDir: join(home, ".claude.nowhere") });
  expect(started.map(({ message: { title, profile } }) => [title, profile])).toEqual([["3dd65871 is done", null]]);
});

test.each<[given: object, isTold: boolean]>([
  [{ hook_event_name: "Stop", last_assistant_message: "Done." }, false],
  [{ hook_event_name: "StopFailure", error: "server_error" }, false],
  [{ hook_event_name: "StopFailure", error: "authentication_failed" }, false],
  [{ hook_event_name: "PermissionRequest", tool_name: "Bash", tool_input: { command: "ls" } }, true],
  [{ hook_event_name: "PermissionRequest", tool_name: "AskUserQuestion", tool_input: { questions: [{ question: "?" }] } }, true],
  [{ hook_event_name: "PermissionRequest", tool_name: "ExitPlanMode", tool_input: { plan: "x" } }, true],
])("a task of a run tells what it asks, and its run the rest: %j", async (given, isTold) => {
  const { sys, started } = createWorld({ CSM_TASK: "night-3f2a/build" });
  await tellHook(sys, settings, hook(given), { configDir: join(home, ".claude.work") });
  expect(started.length).toBe(isTold ? 1 : 0);
});
