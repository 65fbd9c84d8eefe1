import { expect, test } from "bun:test";
import { createMonitor, type MonitorOptions } from "../src/monitor.ts";
import type { LiveSession } from "../src/session.ts";
import { createFakeSys, type FakeSys } from "./fake-sys.ts";

const now = Date.UTC(2026, 10, 20, 12);
const home = "/home/dev";
const config = `${home}/.claude`;

const stat = (pid: number, start: number, { command = "claude", parent = 1, tty = 34816, state = "S" } = {}) =>
  `${pid} (${command}) ${state} ${parent} ${pid} ${pid} ${tty} ${pid} 4194304 1 2 3 4 5 6 7 8 20 0 19 21 ${start} 123456 789\n`;
const file = (pid: number, start: number, more: Record<string, unknown> = {}) =>
  JSON.stringify({
    pid,
    procStart: String(start),
    sessionId: `id-${pid}`,
    cwd: "/w",
    startedAt: now - 60_000,
    status: "idle",
    statusUpdatedAt: now - 5000,
    version: "2.1.329",
    kind: "interactive",
    entrypoint: "cli",
    name: `s${pid}`,
    ...more,
  });
/** A live process with its session file. */
const alive = (pid: number, start = pid * 10, more: Record<string, unknown> = {}, dir = config): Record<string, string> => ({
  [`/proc/${pid}/stat`]: stat(pid, start),
  [`${dir}/sessions/${pid}.json`]: file(pid, start, more),
});
const assistant = (at: number, text: string) =>
  `${JSON.stringify({
    type: "assistant",
    timestamp: new Date(at).toISOString(),
    message: { id: `m${at}`, role: "assistant", model: "claude-opus-5-5", content: [{ type: "text", text }], stop_reason: "end_turn" },
  })}\n${JSON.stringify({ type: "system", subtype: "turn_duration", timestamp: new Date(at).toISOString() })}\n`;

const fake = (files: Record<string, string>) => createFakeSys({ files, now, homeDir: home, uid: 1000 });
const look = async (sys: FakeSys, options: MonitorOptions = {}): Promise<LiveSession[]> =>
  (await createMonitor(sys, { profiles: () => [{ name: undefined, dir: config }], ...options }).readSettled()).sessions;
const brief = (sessions: LiveSession[]) =>
  sessions.map((one) => `${one.pid} ${one.verdict.status}${one.where === undefined ? "" : ` ${one.where}`}`);
const otherMachine = { "/etc/machine-id": "a".repeat(32) };

test.each<[rule: string, files: Record<string, string>, options: MonitorOptions, seen: string[]]>([
  ["a live one", alive(7), {}, ["7 idle_done"]],
  ["no folder at all", {}, {}, []],
  ["a file that its process left behind", { [`${config}/sessions/7.json`]: file(7, 70) }, {}, []],
  ["but it is told of when asked for", { [`${config}/sessions/7.json`]: file(7, 70, { status: "busy" }) }, { hasDead: true }, ["7 dead"]],
  [
    "a number in new use (D6 of identity)",
    { "/proc/7/stat": stat(7, 71, { command: "vim" }), [`${config}/sessions/7.json`]: file(7, 70) },
    {},
    [],
  ],
  ["a zombie is gone", { "/proc/7/stat": stat(7, 70, { state: "Z" }), [`${config}/sessions/7.json`]: file(7, 70) }, {}, []],
  [
    "garbage among the files",
    { ...alive(7), [`${config}/sessions/8.json`]: "{", [`${config}/sessions/x.json`]: "[]" },
    {},
    ["7 idle_done"],
  ],
  [
    "in a container here: found by its start and its own number",
    {
      "/proc/4711/stat": stat(4711, 70),
      "/proc/4711/status": "Name:\tclaude\nUid:\t1000\t1000\t1000\t1000\nNSpid:\t4711\t7\n",
      [`${config}/sessions/7.json`]: file(7, 70, { status: "busy" }),
    },
    {},
    ["4711 working container"],
  ],
  [
    "on another machine: its idle is hearsay, never a state",
    { ...otherMachine, ...alive(7, 70, { pidDomain: `linux:${"b".repeat(32)}:pid:[1]` }) },
    {},
    ["7 unknown elsewhere"],
  ],
  [
    "another user's, of which only the process is seen",
    { "/proc/9/stat": stat(9, 90), "/proc/9/status": "Uid:\t1001\t1001\t1001\t1001\nNSpid:\t9\n" },
    { hasStrangers: true },
    ["9 unknown other-user"],
  ],
  ["which is not shown unasked", { "/proc/9/stat": stat(9, 90), "/proc/9/status": "Uid:\t1001\t1\t1\t1\nNSpid:\t9\n" }, {}, []],
  [
    "what a session starts under its own name is a part of it",
    { ...alive(7), "/proc/8/stat": stat(8, 80, { parent: 7 }) },
    { hasStrangers: true },
    ["7 idle_done"],
  ],
  ["a program called claude without a terminal", { "/proc/8/stat": stat(8, 80, { tty: 0 }) }, { hasStrangers: true }, []],
  ["a status of a later version is unknown, not idle", alive(7, 70, { status: "dreaming", startedAt: now - 120_000 }), {}, ["7 unknown"]],
  ["a background shell is not idle alone", alive(7, 70, { status: "shell" }), {}, ["7 idle_done"]],
])("%s", async (_, files, options, seen) => {
  const sys = fake(files);
  const before = new Map(sys.files);
  expect(brief(await look(sys, options))).toEqual(seen);
  // Claude's own files are read and nothing else.
  expect(new Map(sys.files)).toEqual(before);
});

test.each<[rule: string, file: string, badges: string[]]>([
  ["by default", "{}", []],
  ["as the user has set it", '{"dashboard":{"stalledMs":1000}}', ["stalled"]],
  ["a wrong value counts as none", '{"dashboard":{"stalledMs":"1000"}}', []],
  ["so does a wrong file", "{", []],
])("a list that counts no tokens judges health %s", async (_, text, badges) => {
  const sys = fake({ ...alive(7, 70, { status: "busy" }), [`${home}/.config/claude-smart/config.json`]: text });
  expect((await look(sys))[0]?.badges.map(({ kind }) => kind)).toEqual(badges as never);
});

test("what runs on is told", async () => {
  expect((await look(fake(alive(7, 70, { status: "shell" }))))[0]?.verdict).toMatchObject({ status: "idle_done", background: ["shell"] });
});

test.each<[kind: string, more: Record<string, unknown>]>([
  ["interactive", {}],
  ["background", { kind: "bg" }],
  ["print", { entrypoint: "sdk-cli", status: "busy" }],
  ["sdk", { entrypoint: "sdk-ts" }],
])("a session of the kind %s is marked", async (kind, more) => {
  expect((await look(fake(alive(7, 70, more))))[0]?.kind).toBe(kind as LiveSession["kind"]);
});

test("all profiles, each session with its own", async () => {
  const work = `${home}/work-config`;
  const sys = fake({ ...alive(7), ...alive(8, 80, {}, work) });
  const sessions = await look(sys, {
    profiles: () => [
      { name: "private", dir: config },
      { name: "work", dir: work },
    ],
  });
  expect(sessions.map(({ pid, profile, configDir }) => [pid, profile, configDir])).toEqual([
    [7, "private", config],
    [8, "work", work],
  ]);
});

test("the same process keeps its key through /clear and /rename; a torn file keeps what it said; another start is another session", async () => {
  const sys = fake(alive(7));
  const monitor = createMonitor(sys, { profiles: () => [{ name: undefined, dir: config }] });
  const path = `${config}/sessions/7.json`;
  const read = async () => {
    await sys.sleep(200);
    return (await monitor.read()).sessions.map(({ key, sessionId, name }) => `${key} ${sessionId} ${name}`);
  };
  expect(await read()).toEqual(["7:70 id-7 s7"]);
  sys.overwrite(path, file(7, 70, { sessionId: "cleared", name: "harbour" }));
  expect(await read()).toEqual(["7:70 cleared harbour"]);
  sys.overwrite(path, '{"pid":7,"sess');
  expect(await read()).toEqual(["7:70 cleared harbour"]);
  sys.overwrite(path, file(7, 71));
  sys.overwrite("/proc/7/stat", stat(7, 71));
  expect(await read()).toEqual(["7:71 id-7 s7"]);
  sys.remove("/proc/7/stat");
  expect(await read()).toEqual([]);
});

test("two sessions in one folder have their own transcripts; one without has none, never the newest of the folder", async () => {
  const sys = fake({
    ...alive(7),
    ...alive(8),
    ...alive(9),
    [`${config}/projects/-w/id-7.jsonl`]: assistant(now - 6000, "seven"),
    [`${config}/projects/-w/id-8.jsonl`]: assistant(now - 6000, "eight"),
  });
  const sessions = (await look(sys)).sort((a, b) => a.pid - b.pid);
  expect(sessions.map(({ verdict }) => (verdict.status === "idle_done" ? verdict.text : ""))).toEqual(["seven", "eight", ""]);
  expect(sessions[2]?.transcript).toBeUndefined();
});

test("a failed look at the processes ends nobody", async () => {
  const sys = createFakeSys({
    files: {
      [`${config}/sessions/7.json`]: file(7, 70, {
        procStart: "Fri Nov 20 11:59:00 2026",
        startedAt: Date.parse("Fri Nov 20 11:59:00 2026"),
      }),
    },
    now,
    homeDir: home,
    platform: "darwin",
  });
  const monitor = createMonitor(sys, { profiles: () => [{ name: undefined, dir: config }] });
  const scan = ["ps", "-axww", ..."pid ppid pgid tpgid tty stat lstart comm".split(" ").flatMap((name) => ["-o", `${name}=`])];
  const some = ["ps", "-o", "pid=", "-o", "stat=", "-o", "lstart=", "-p", "7"];
  sys.expectRun(scan, { stdout: "    7     1     7     7 ttys001 S+   Fri Nov 20 11:59:00 2026 /usr/local/bin/claude\n" });
  // Once, for where it sits.
  sys.expectRun(scan, new Error("cannot start"));
  expect(brief((await monitor.read()).sessions)).toEqual(["7 idle_done"]);
  sys.expectRun(some, new Error("cannot start"));
  expect(brief((await monitor.read()).sessions)).toEqual(["7 idle_done"]);
  await sys.sleep(6000);
  sys.expectRun(scan, new Error("cannot start"));
  sys.expectRun(some, { stdout: "7 S+ Fri Nov 20 11:59:00 2026\n" });
  expect(brief((await monitor.read()).sessions)).toEqual(["7 idle_done"]);
  sys.expectRun(some, { stdout: "", code: 1 });
  expect(brief((await monitor.read()).sessions)).toEqual([]);
  sys.done();
});

test("a look at what has not changed opens no transcript", async () => {
  const sys = fake({ ...alive(7), [`${config}/projects/-w/id-7.jsonl`]: assistant(now - 6000, "seven").repeat(1000) });
  let opened = 0;
  const counting = {
    ...sys,
    openFile: (path: string) => {
      opened++;
      return sys.openFile(path);
    },
  };
  const monitor = createMonitor(counting, { profiles: () => [{ name: undefined, dir: config }], hasMeter: true });
  await monitor.read();
  const first = opened;
  for (let tick = 0; tick < 10; tick++) await monitor.read();
  expect([first > 0, opened - first]).toEqual([true, 0]);
});

test("a session at work is read at each look, one at rest every five seconds, and again as soon as its status moves", async () => {
  const path = (pid: number) => `${config}/projects/-w/id-${pid}.jsonl`;
  const sys = fake({
    ...alive(7, 70, { status: "busy", statusUpdatedAt: now - 60_000 }),
    ...alive(8, 80, { statusUpdatedAt: now - 60_000 }),
    [path(7)]: assistant(now - 70_000, "old"),
    [path(8)]: assistant(now - 70_000, "old"),
  });
  const monitor = createMonitor(sys, { profiles: () => [{ name: undefined, dir: config }] });
  const read = async () => (await monitor.read()).sessions.sort((a, b) => a.pid - b.pid).map(({ work }) => work.at);
  await read();
  for (const pid of [7, 8]) sys.appendPrivate(path(pid), assistant(now, "new"));
  await sys.sleep(1000);
  expect(await read()).toEqual([now, now - 70_000]);
  await sys.sleep(5000);
  expect(await read()).toEqual([now, now]);
  sys.appendPrivate(path(8), assistant(now + 5000, "newer"));
  sys.overwrite(`${config}/sessions/8.json`, file(8, 80, { status: "busy", statusUpdatedAt: now + 6000 }));
  expect(await read()).toEqual([now, now + 5000]);
});

test("ten thousand mutated transcripts and session files: no crash, and no idle that the file did not say", async () => {
  const whole = Buffer.from(
    `${JSON.stringify({ type: "user", uuid: "u", timestamp: new Date(now - 9000).toISOString(), message: { role: "user", content: "go" } })}\n${assistant(now - 6000, "done")}`,
  );
  const session = Buffer.from(file(7, 70, { status: "busy" }));
  let seed = 7;
  const random = (below: number) => {
    seed = (seed * 1103515245 + 12345) % 2147483648;
    return seed % below;
  };
  const mutate = (bytes: Buffer): string => {
    const copy = Buffer.from(bytes);
    for (let change = 0; change <= random(4); change++) {
      const at = random(copy.length);
      if (random(3) === 0) copy.copyWithin(at, random(copy.length));
      else copy[at] = random(256);
    }
    return copy.subarray(0, random(3) === 0 ? random(copy.length) : copy.length).toString("latin1");
  };
  const sys = fake(alive(7, 70, { status: "busy" }));
  const monitor = createMonitor(sys, { profiles: () => [{ name: undefined, dir: config }], hasMeter: true });
  const wrong: string[] = [];
  for (let round = 0; round < 10_000; round++) {
    await sys.sleep(200);
    sys.overwrite(`${config}/projects/-w/id-7.jsonl`, mutate(whole));
    const text = round % 2 === 0 ? session.toString() : mutate(session);
    sys.overwrite(`${config}/sessions/7.json`, text);
    for (const { verdict } of (await monitor.read()).sessions)
      if (verdict.status === "idle_done" && !text.includes('"idle"')) wrong.push(text);
  }
  expect(wrong).toEqual([]);
}, 60_000);

test("a transcript of an unknown format is told as such, and has no numbers", async () => {
  const sys = fake({ ...alive(7), [`${config}/projects/-w/id-7.jsonl`]: '{"v":9,"kind":"reply"}\n'.repeat(5) });
  const [one] = await look(sys, { hasMeter: true });
  expect([one?.note, one?.meter, one?.badges.map((badge) => badge.kind)]).toEqual([
    "its transcript has an unknown format",
    undefined,
    ["unknown-format"],
  ]);
});

const ago = (ms: number) => new Date(now - ms).toISOString();
const line = (fields: object) => `${JSON.stringify(fields)}\n`;
const asked = line({ type: "user", timestamp: ago(60_000), message: { role: "user", content: "Go" } });
const called = line({
  ...{ type: "assistant", timestamp: ago(50_000) },
  message: {
    id: "m",
    role: "assistant",
    model: "x",
    stop_reason: "tool_use",
    content: [{ type: "tool_use", id: "t", name: "Bash", input: {} }],
  },
});

test.each<[rule: string, transcript: string, cpuPercent: number, seen: string]>([
  ["its turn is over, and nothing works", asked + assistant(now - 50_000, "Done."), 2, "idle_done cpu"],
  ["its process works", asked + assistant(now - 50_000, "Done."), 20, "working cpu"],
  ["the model is silent", asked, 2, "working cpu"],
  ["a call without a result: running or at a gate, nobody can tell", asked + called, 2, "unknown cpu"],
  ["a call, and its process works", asked + called, 20, "working cpu"],
  ["nothing was ever said", "", 2, "unknown process"],
])("2.1.86 outside tmux, which publishes no status: %s", async (_, transcript, cpuPercent, seen) => {
  const { version: _v, status: _s, procStart: _p, statusUpdatedAt: _u, ...old } = JSON.parse(file(7, 70)) as Record<string, unknown>;
  const sys = fake({
    [`${config}/sessions/7.json`]: JSON.stringify({ ...old, startedAt: now - 120_000 }),
    [`${config}/projects/-w/id-7.jsonl`]: transcript,
    "/proc/7/status": "VmRSS:\t 1000 kB\n",
  });
  const { readText } = sys;
  sys.readText = (path) => {
    const ticks = Math.round(((sys.now() - now) * cpuPercent) / 1000);
    return path === "/proc/7/stat" ? stat(7, 70).replace(" 5 6 7 8 20 ", ` ${ticks} 0 7 8 20 `) : readText(path);
  };
  const [session] = await look(sys, { hasLoad: true });
  expect(`${session?.verdict.status} ${session?.verdict.source}`).toBe(seen);
  expect(session?.load?.memoryBytes).toBe(1_024_000);
});
