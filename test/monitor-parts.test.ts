import { expect, test } from "bun:test";
import { join } from "node:path";
import { checkTemplate, createNumbering, eventJson, fillTemplate } from "../src/cmd-watch.ts";
import { createRecorder } from "../src/dashboard.ts";
import { chooseTheme } from "../src/dashboard-theme.ts";
import { readCheckout } from "../src/git.ts";
import { createAgentReader, createFollower } from "../src/monitor-follow.ts";
import { createSampleReader, withSample } from "../src/monitor-gauge.ts";
import { statuslineDir } from "../src/paths.ts";
import type { LiveSession, Meter } from "../src/session.ts";
import { parseStatuslineInput } from "../src/statusline-sample.ts";
import { createLineBuffer } from "../src/tail.ts";
import { createComparison } from "../src/watch.ts";
import { createFakeSys } from "./fake-sys.ts";
import { blocked, session, testNow } from "./sessions.ts";

// --- git ---------------------------------------------------------------------------------------------------------

test.each<[rule: string, files: Record<string, string>, cwd: string, found: unknown]>([
  ["a branch, from a folder below", { "/r/.git/HEAD": "ref: refs/heads/feat/x\n" }, "/r/a/b", { root: "/r", branch: "feat/x" }],
  ["a detached commit", { "/r/.git/HEAD": `${"ab12".repeat(10)}\n` }, "/r", { root: "/r", branch: "ab12ab12" }],
  [
    "a worktree",
    { "/w/.git": "gitdir: /r/.git/worktrees/w\n", "/r/.git/worktrees/w/HEAD": "ref: refs/heads/w\n" },
    "/w",
    { root: "/w", branch: "w" },
  ],
  ["a broken head", { "/r/.git/HEAD": "nonsense" }, "/r", { root: "/r" }],
  ["no repository", {}, "/r/a", undefined],
  ["no folder", {}, "", undefined],
])("checkout: %s", (_, files, cwd, found) => {
  expect(readCheckout(createFakeSys({ files }), cwd)).toEqual(found as never);
});

// --- transcript --------------------------------------------------------------------------------------------------

const path = "/t.jsonl";
const said = (at: number, text: string) =>
  `${JSON.stringify({ type: "assistant", timestamp: new Date(at).toISOString(), message: { id: `m${at}`, model: "x", content: [{ type: "text", text }], stop_reason: "end_turn" } })}\n`;
const prompted = (at: number, text: string) =>
  `${JSON.stringify({ type: "user", uuid: `u${at}`, timestamp: new Date(at).toISOString(), message: { content: text } })}\n`;

function follow(text: string, firstBytes = 1024) {
  const sys = createFakeSys({ files: { [path]: text } });
  const follower = createFollower(sys, path, createLineBuffer(), firstBytes);
  follower.read();
  const after = (change: string) => {
    sys.overwrite(path, change);
    follower.read();
    return follower.turn?.text;
  };
  return { sys, follower, after };
}

test.each<[rule: string, first: string, then: string, text: string]>([
  ["what is added", said(1, "a"), said(1, "a") + said(2, "b"), "b"],
  ["a torn line waits for its end", said(1, "a"), said(1, "a") + said(2, "b").slice(0, 40), "a"],
  ["a file cut short starts over", said(1, "a") + said(2, "bb"), said(1, "a"), "a"],
  ["so does one that was replaced by a longer one (D5)", said(1, "a"), said(5, "other") + said(6, "longer"), "longer"],
  ["a line that is no text", said(1, "a"), `${said(1, "a")}\u0000\ufffd{"type":"assistant"\n${said(3, "c")}`, "c"],
])("follow: %s", (_, first, then, text) => {
  expect(follow(first).after(then)).toBe(text);
});

test("a torn line is read once it is whole, and counted once", () => {
  const { sys, follower, after } = follow(said(1, "a"));
  const [whole] = [said(2, "whole")];
  after(said(1, "a") + whole.slice(0, 30));
  expect(after(said(1, "a") + whole)).toBe("whole");
  const times = follower.work.times.length;
  expect([follower.read(), follower.work.times.length, times]).toEqual([false, 2, 2]);
  sys.done();
});

test("of a long transcript only the end is read, and as much as holds the newest turn", () => {
  const { follower } = follow(prompted(1, "go") + said(2, "x".repeat(50_000)) + said(3, "end"), 256);
  expect(follower.turn?.text).toBe("end");
});

test("a line of several megabytes stops nothing", () => {
  expect(follow(said(1, "a")).after(`${said(1, "a")}{"type":"user","x":"${"y".repeat(5_000_000)}"}\n${said(2, "b")}`)).toBe("b");
});

test("a long turn is bounded, and its newest message is whole", () => {
  const { follower, after } = follow(prompted(1, "go"));
  let text = prompted(1, "go");
  for (let at = 2; at < 2000; at++) text += said(at, `t${at}`);
  expect([after(text), follower.turn?.prompt?.text]).toEqual(["t1999", "go"]);
});

// --- sub-agents --------------------------------------------------------------------------------------------------

test("sub-agents: at work until their file says finished; torn and foreign files are none", async () => {
  const dir = "/p/id/subagents";
  const meta = (finished: boolean) => JSON.stringify({ agentType: "Explore", description: "look", model: "m", finished });
  const sys = createFakeSys({
    files: { [`${dir}/agent-a.meta.json`]: meta(false), [`${dir}/agent-b.meta.json`]: "{", [`${dir}/agent-a.jsonl`]: "" },
  });
  const reader = createAgentReader(sys);
  const running = () => reader.read("/p/id.jsonl").map((agent) => [agent.id, agent.type, agent.isRunning]);
  expect(running()).toEqual([["a", "Explore", true]]);
  sys.overwrite(`${dir}/agent-a.meta.json`, meta(true));
  expect(running()).toEqual([["a", "Explore", false]]);
  expect(createAgentReader(sys).read("/p/other.jsonl")).toEqual([]);
});

// --- watch -------------------------------------------------------------------------------------------------------

test("the first look is told whole, then changes, then what has gone; ids count on", () => {
  const compare = createComparison<LiveSession>();
  const number = createNumbering();
  const idle = session("a", { status: "idle_done" });
  const gate = { ...blocked("a", "ls"), key: idle.key };
  const told = (...sessions: LiveSession[]) =>
    compare(sessions)
      .map((change) => number(change, testNow))
      .map(({ event, id, session: one, old }) => `${id} ${event} ${one?.name} ${old?.status ?? "-"}>${one?.verdict.status}`);
  expect(told(idle)).toEqual(["1 initial a ->idle_done"]);
  expect(told(idle)).toEqual([]);
  expect(told({ ...idle, verdict: { ...idle.verdict, age_ms: 99 } })).toEqual([]);
  expect(told(gate)).toEqual(["2 change a idle_done>blocked"]);
  expect(told({ ...gate, verdict: { ...gate.verdict, options: ["Yes"], choices: [] } as never })).toEqual([]);
  expect(told({ ...blocked("a", "rm"), key: idle.key })).toEqual(["3 change a blocked>blocked"]);
  expect(told({ ...blocked("a", "rm"), key: idle.key, sessionId: "cleared" })).toEqual(["4 change a blocked>blocked"]);
  expect(told(blocked("b", "ls"))).toEqual(["5 change b ->blocked", "6 gone a blocked>dead"]);
  expect(number(undefined, testNow)).toEqual({ event: "heartbeat", id: 7, at: testNow });
});

test("a line of csm watch --json has its time, its id and the state before", () => {
  const [change] = createComparison<LiveSession>()([blocked("a", "ls")]);
  expect(eventJson(createNumbering()(change, testNow))).toMatchObject({
    event: "initial",
    id: 1,
    at: testNow,
    time: "2026-11-20T12:00:00.000Z",
    old: null,
    name: "a",
    state: { status: "blocked", tool: "Bash" },
    session_id: expect.any(String),
  });
});

test("a template is filled with one line per value, and an unknown word is refused", () => {
  const evil = session("a\u001b]0;x\u0007\nb", { status: "idle_done" });
  expect(fillTemplate("{event}|{name}|{state}|{old}|{pid}", { event: "change", id: 3, at: testNow, session: evil })).toBe(
    `change|a b|done|-|${evil.pid}`,
  );
  expect(() => checkTemplate("{nmae}")).toThrow("--format has no {nmae}");
  expect(() => checkTemplate("{toString}")).toThrow("--format has no {toString}");
  expect(() => checkTemplate("{} $")).toThrow("--format has no {}");
  checkTemplate("{name}: {old} -> {state} $5");
});

// --- the rest ----------------------------------------------------------------------------------------------------

test("a recording is an asciicast: a header, output, and a change of size", async () => {
  const sys = createFakeSys({ now: 1000, env: { TERM: "xterm" } });
  const record = createRecorder(sys, "/x.cast");
  record("a", { columns: 80, rows: 24 });
  await sys.sleep(500);
  record('b"\u001b', { columns: 100, rows: 30 });
  expect(
    sys
      .readText("/x.cast")
      ?.trim()
      .split("\n")
      .map((line) => JSON.parse(line) as unknown),
  ).toEqual([
    { version: 2, width: 80, height: 24, timestamp: 1, env: { TERM: "xterm" } },
    [0, "o", "a"],
    [0.5, "r", "100x30"],
    [0.5, "o", 'b"\u001b'],
  ]);
});

test.each<[flag: string | undefined, noColor: string | undefined, theme: string | undefined]>([
  [undefined, undefined, "dark"],
  [undefined, "", "dark"],
  [undefined, "1", "none"],
  ["light", "1", "light"],
  ["pink", undefined, undefined],
  ["constructor", undefined, undefined],
])("theme: flag %p, NO_COLOR %p", (flag, noColor, theme) => {
  expect(chooseTheme(flag, noColor)).toBe(theme as never);
});

// --- what the status line was told -------------------------------------------------------------------------------

const sample = (more: Record<string, unknown> = {}) => ({
  sessionId: "s",
  configDir: "/c",
  seenAt: 10_000,
  limitsAt: 0,
  windows: {},
  contextPercent: 42,
  contextTokens: 84_000,
  contextSize: 200_000,
  costUsd: 1.5,
  ...more,
});

test.each<[rule: string, meter: Meter | undefined, answeredAt: number | undefined, percent: number | undefined, cost: number | undefined]>([
  ["claude's own word on the context wins", { source: "transcript", contextPercent: 8, costUsd: 2 }, 9000, 42, 2],
  ["an answer since then wins over it", { source: "transcript", contextPercent: 50, costUsd: 2 }, 14_000, 50, 2],
  ["its cost where we have no price", { source: "transcript", isPartlyUnpriced: true }, 9000, 42, 1.5],
  ["before the first count", undefined, undefined, 42, 1.5],
])("status line: %s", (_, meter, answeredAt, percent, cost) => {
  const merged = withSample(meter, sample() as never, answeredAt);
  expect([merged?.contextPercent, merged?.costUsd]).toEqual([percent, cost]);
});

test("the end of the prompt cache reaches the monitor through the status line", () => {
  const text = JSON.stringify({ session_id: "s", prompt_cache: { warm: true, expires_at: 1795172160 } });
  expect(withSample(undefined, { ...sample(), ...parseStatuslineInput(text, "/c", 10_000) } as never, undefined)?.cacheExpiresAt).toBe(
    1_795_172_160_000,
  );
});

test("a sample is read again when it has changed, and a broken one is none", () => {
  const sys = createFakeSys({ env: { XDG_STATE_HOME: "/state" } });
  const read = createSampleReader(sys);
  const at = join(statuslineDir(sys), "s.json");
  expect(read("s")).toBeUndefined();
  sys.overwrite(at, JSON.stringify(sample()));
  expect(read("s")?.contextPercent).toBe(42);
  sys.overwrite(at, '{"sessionId":"s"');
  expect(read("s")).toBeUndefined();
  expect(read("../s")).toBeUndefined();
});
