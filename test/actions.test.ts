import { expect, test } from "bun:test";
import { createActions, type InputOf } from "../src/actions.ts";
import type { LiveSession } from "../src/session.ts";
import type { ListedGate } from "../src/status.ts";
import type { Pane } from "../src/tmux.ts";
import { gateOf, type VerbName } from "../src/verbs.ts";
import { createFakeSys, type FakeSys } from "./fake-sys.ts";
import { blocked, session, testNow } from "./sessions.ts";

const idle: LiveSession = { ...session("a", { status: "idle_done" }), pid: 7, key: "7:70", configDir: "/home/dev/.claude" };
const gate: LiveSession = { ...blocked("a", "ls"), pid: 7, key: "7:70", configDir: "/home/dev/.claude" };
const pane: Pane = {
  ...{ sessionId: "$1", sessionName: "m", paneId: "%3", isActive: true, pid: 7, isDead: false, serverPid: 5 },
  ...{ socketPath: "/tmp/own", width: 220, height: 50, isAlone: true, isLocked: false },
};
const stat = (isForeground: boolean, start = 70) =>
  `7 (claude) S 1 7 7 34816 ${isForeground ? 7 : 9} 4194304 1 2 3 4 5 6 7 8 20 0 19 21 ${start} 123456 789\n`;
const driven = (more: Record<string, unknown> = {}) =>
  JSON.stringify({
    ...{ name: "fix", session_id: "id-7", cwd: "/w", backend: "claude", jsonl_path: "/p/id-7.jsonl", created: 1, version: 1 },
    ...{ pid: 7, process_start: "70", pane: "%9", socket: "/tmp/csd", server_pid: 5, ...more },
  });
const files = { "/proc/7/stat": stat(true), "/home/dev/.local/state/csd/sessions/fix.json": driven() };

/** The words of a refusal, or the first command that was run. */
const tell = (error: Error): string => (error.cause instanceof Error ? error.cause.message : error.message);

function act<V extends Exclude<VerbName, "new">>(
  verb: V,
  one: LiveSession,
  input: InputOf<V>,
  { files: given = files as Record<string, string>, now = one, hasPane = true, shown = gateOf(one) } = {},
): { sys: FakeSys; outcome: Promise<string> } {
  const sys = createFakeSys({ files: given, now: testNow });
  sys.alive.add(7);
  const monitor = {
    readSettled: async () => ({ at: testNow, sessions: [now], isSettled: true, hidden: 0 }),
    findPane: async () => (hasPane ? pane : undefined),
  };
  return {
    sys,
    outcome: createActions(sys, monitor).act(verb, one, input, shown).catch(tell),
  };
}

test.each<[rule: string, one: LiveSession, given: Parameters<typeof act>[3], told: RegExp]>([
  ["another machine's is left alone", { ...idle, where: "elsewhere" }, {}, /^a: elsewhere$/],
  ["a print session has no keyboard", { ...idle, kind: "print" }, {}, /^a is a print session: nobody can type into it$/],
  ["one without a pane is not reached", idle, { hasPane: false }, /^a runs in an unknown terminal: csm knows no way to type there$/],
  ["one behind another program has not the keys", idle, { files: { "/proc/7/stat": stat(false) } }, /^a has not the keyboard of its pane$/],
  ["through its pane, on the server that has it", idle, {}, /"-S","\/tmp\/own".*"%3"/],
  ["through csd's record, where this very process has one", { ...idle, driver: "fix" }, {}, /"-S","\/tmp\/csd".*"%9"/],
  [
    "not through a record of another process that took the name",
    { ...idle, driver: "fix" },
    { files: { ...files, "/home/dev/.local/state/csd/sessions/fix.json": driven({ pid: 8 }) } },
    /"-S","\/tmp\/own".*"%3"/,
  ],
])("send: %s", async (_, one, given, told) => {
  expect(await act("send", one, { prompt: "go on" }, given).outcome).toMatch(told);
});

test("a message is no answer to a question that came up while it was written", async () => {
  const question = { ...idle, verdict: { status: "awaiting_answer", gate: "question", question: "?", gate_id: "q" } as never };
  expect(await act("send", idle, { prompt: "go on" }, { now: question }).outcome).toBe(
    "a asks for something: answer that first (a, d); nothing was typed",
  );
});

test.each<[rule: string, given: Parameters<typeof act>[3]]>([
  ["another gate came up", { now: { ...blocked("a", "rm"), pid: 7, key: "7:70" } }],
  ["it was answered elsewhere", { now: idle }],
  ["the session has gone", { now: { ...gate, key: "7:71" } }],
])("a gate that was shown is not answered when %s", async (_, given) => {
  for (const verb of ["allow", "deny"] as const)
    expect(await act(verb, gate, {}, given).outcome).toBe("the gate has changed since it was shown: nothing was answered");
});

test("no gate is answered that nobody was shown", async () => {
  const { outcome } = act("allow", idle, {}, {});
  expect(await outcome).toBe("the gate has changed since it was shown: nothing was answered");
});

test("the gate that was shown is answered in its pane", async () => {
  expect(await act("allow", gate, {}).outcome).toMatch(/"-S","\/tmp\/own".*"capture-pan"/);
});

test("the gate that was shown is answered also when that of another thread has overtaken it", async () => {
  const listed = (...ids: string[]) => ids.map((gate_id) => ({ gate_id }) as ListedGate);
  const at = (...ids: string[]): LiveSession =>
    ({ ...gate, driver: "fix", verdict: { ...gate.verdict, gate_id: ids[0], gates: listed(...ids) } }) as LiveSession;
  const given = (...ids: string[]) => ({ now: at(...ids), files });
  expect(await act("allow", at("g1"), {}, given("g2", "g1")).outcome).toMatch(/"-S","\/tmp\/csd".*"list-pane"/);
  expect(await act("allow", at("g1"), {}, given("g2")).outcome).toBe("the gate has changed since it was shown: nothing was answered");
});

test("stop ends the process that was shown, and no later one with its number", async () => {
  const right = act("stop", idle, {});
  expect([await right.outcome, right.sys.alive.has(7)]).toEqual(["a is told to end", false]);
  const wrong = act("stop", idle, {}, { files: { "/proc/7/stat": stat(true, 71) } });
  expect([await wrong.outcome, wrong.sys.alive.has(7)]).toEqual(["a has ended already", true]);
  const foreign = act("stop", { ...idle, where: "container", note: "runs in a container" }, {});
  expect([await foreign.outcome, foreign.sys.alive.has(7)]).toEqual(["a: runs in a container", true]);
});

test("stop leaves a background session to claude, whose daemon would start it again", async () => {
  const file = { pid: 7, sessionId: "11111111-2222-4333-8444-555555555555", cwd: "/w", kind: "bg", jobId: "11111111" };
  const given = { ...files, "/home/dev/.claude/sessions/7.json": JSON.stringify(file), "/bin/claude": "" };
  const fake = createFakeSys({ files: given, now: testNow, env: { PATH: "/bin", CLAUDE_CONFIG_DIR: "/elsewhere" } });
  const sys = Object.assign(fake, { isExecutable: (path: string) => path === "/bin/claude" });
  sys.alive.add(7);
  const env = { PATH: "/bin", CLAUDE_CONFIG_DIR: undefined, CSM_PROFILE: "" };
  sys.expectRun(["/bin/claude", "stop", "11111111"], { stdout: "stopped 11111111\n" }, { env, timeoutMs: 5000 });
  sys.expectRun(["/bin/claude", "stop", "11111111"], { code: 1, stderr: "no such job\n" });
  const monitor = {
    readSettled: async () => ({ at: testNow, sessions: [idle], isSettled: true, hidden: 0 }),
    findPane: async () => undefined,
  };
  const stop = () => createActions(sys, monitor).act("stop", idle, {}).catch(tell);
  expect(await stop()).toBe("a is told to end");
  expect(await stop()).toBe("claude stop 11111111 failed: no such job");
  sys.done();
  expect(sys.alive.has(7)).toBe(true);
});

test("stop ends csd's own as csd kill does", async () => {
  const { outcome, sys } = act("stop", { ...idle, driver: "fix" }, {});
  expect(await outcome).toBe('process 7 of session "fix" does not end');
  expect(() => sys.done()).toThrow(/"-S","\/tmp\/csd","list-pane","-t","%9"/);
});

test.each<[rule: string, env: Record<string, string>, prefixes: string[], keys: string]>([
  ["this terminal is lent to tmux", {}, ["C-a"], "C-a d"],
  ["another tmux around it takes the same prefix first", { TMUX: "/tmp/outer,5,0" }, ["C-b", "C-b"], "C-b C-b d"],
  ["another tmux around it has another prefix", { TMUX: "/tmp/outer,5,0" }, ["C-b", "C-a"], "C-b d"],
  ["its own tmux changes over to another session", { TMUX: "/tmp/own,5,0" }, ["C-b"], "C-b L"],
  ["its own tmux changes over to another window", { TMUX: "/tmp/own,5,1" }, ["C-b"], "C-b l"],
  ["a tmux that does not say", {}, [""], "C-b d"],
])("the keys that come back from a pane: %s", async (_, env, prefixes, keys) => {
  const sys = createFakeSys({ files, now: testNow, env });
  const ask = [["-S", "/tmp/own"], []];
  for (const [index, prefix] of prefixes.entries())
    sys.expectRun(["tmux", "-u", ...(ask[index] ?? []), "display-message", "-p", "#{prefix}"], { stdout: `${prefix}\n` });
  const monitor = { readSettled: async () => ({ at: 0, sessions: [], isSettled: true, hidden: 0 }), findPane: async () => pane };
  expect(await createActions(sys, monitor).planFocus(idle)).toMatchObject({ leaveKeys: keys });
  sys.done();
});
