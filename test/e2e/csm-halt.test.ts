import { expect, setDefaultTimeout, test } from "bun:test";
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseStat } from "../../src/process.ts";
import { bash, say, useTool } from "../../src/stub-script.ts";
import { asPublic } from "../public.ts";
import { type Box, claudePath, csmPath, type Json, openBox, stubbornServer, threads, until } from "./harness.ts";

setDefaultTimeout(240_000);

/** A sandbox of its own, of which nothing is left whatever has failed. */
async function inBox(run: (box: Box) => Promise<void>): Promise<void> {
  const box = await openBox({ fallback: say("Hello.") });
  try {
    await run(box);
  } finally {
    const left = listProcesses(box, "");
    await box.close();
    for (const { pid } of left) if (!isGone(pid)) process.kill(pid, "SIGKILL");
  }
}

interface Started {
  name: string;
  pid: number;
  sessionId: string;
}

/** Whatever says on its command line, in its environment or by its output that it is of this sandbox or of `word`. */
function listProcesses(box: Box, word: string): { pid: number; text: string }[] {
  return readdirSync("/proc").flatMap((name) => {
    if (!/^\d+$/.test(name)) return [];
    try {
      if (parseStat(readFileSync(`/proc/${name}/stat`, "utf8")) === undefined) return [];
      const command = readFileSync(`/proc/${name}/cmdline`, "utf8").replaceAll("\0", " ");
      const all = [command, readFileSync(`/proc/${name}/environ`, "utf8"), readlinkSync(`/proc/${name}/fd/1`)].join("\n");
      return all.includes(box.dir) && all.includes(word) ? [{ pid: Number(name), text: command }] : [];
    } catch {
      return [];
    }
  });
}

const isGone = (pid: number): boolean => !existsSync(`/proc/${pid}`) || parseStat(readFileSync(`/proc/${pid}/stat`, "utf8")) === undefined;

const readSessionFiles = (box: Box): Json[] =>
  box.sys
    .list(join(box.configDir, "sessions"))
    .filter((file) => file.endsWith(".json"))
    .map((file) => JSON.parse(box.sys.readText(join(box.configDir, "sessions", file)) || "{}") as Json);

const findSession = (box: Box, sessionId: string) => readSessionFiles(box).find((file) => file.sessionId === sessionId);

/** In the background: a loop, one in a session of its own, and one that has left its parent and its environment; none minds a signal. */
const background = (name: string) =>
  `trap "" TERM HUP; setsid sh -c 'while :; do sleep 1; done # ${name}-session' & ` +
  `(setsid env -i sh -c 'trap "" TERM HUP; while :; do sleep 1; done # ${name}-bare' &); while :; do sleep 1; done # ${name}-loop`;

const script = (name: string) =>
  threads({
    begin: [
      useTool("Bash", { command: background(name), run_in_background: true, description: "loop" }),
      useTool("Agent", { description: "look", prompt: "AGENT look", subagent_type: "general-purpose" }),
      say("Started."),
    ],
    AGENT: [bash(`trap "" TERM; while :; do sleep 1; done # ${name}-agent`), say("Over.")],
  });

function claudeFlags(box: Box): string[] {
  writeFileSync(join(box.dir, "server.js"), stubbornServer);
  const config = join(box.dir, "mcp.json");
  writeFileSync(config, JSON.stringify({ mcpServers: { x: { command: process.execPath, args: [join(box.dir, "server.js")] } } }));
  return ["--mcp-config", config, "--allowed-tools", "Bash,Agent"];
}

/** With its background shell, its sub-agent's shell and its MCP server at work. */
async function reachWork(box: Box, { name, sessionId }: Omit<Started, "pid">): Promise<Started> {
  await until(
    `${name} is at work`,
    () =>
      ["session", "bare", "loop", "agent"].every((word) => listProcesses(box, "").some(({ text }) => text.includes(`# ${name}-${word}`))),
    () => box.screen(name),
  );
  return { name, sessionId, pid: Number(findSession(box, sessionId)?.pid) };
}

async function startPlain(box: Box, name: string): Promise<Started> {
  const sessionId = crypto.randomUUID();
  box.stub.script(sessionId, script(name));
  await box.run(["tmux", "-u", "new-session", "-d", "-s", name, "-x", "120", "-y", "40", "-c", box.folder(name), "bash", "--norc", "-i"]);
  await box.keys(name, [claudePath, "--session-id", sessionId, "--permission-mode", "manual", ...claudeFlags(box)].join(" "), "Enter");
  const reach = (status: string) =>
    until(
      `${name} is ${status}`,
      () => findSession(box, sessionId)?.status === status,
      () => box.screen(name),
    );
  await reach("idle");
  await box.keys(name, "begin", "Enter");
  return reachWork(box, { name, sessionId });
}

async function startDriven(box: Box, name: string): Promise<Started> {
  const spawned = await box.spawn(name, script(name), ["--permission-mode", "manual", "--", ...claudeFlags(box)]);
  await box.send(name, "begin");
  return reachWork(box, { name, sessionId: String(spawned.session_id) });
}

/** Two at a time: a machine that many share is slow to start them. */
async function startTen(box: Box, word: string): Promise<Started[]> {
  const started: Started[] = [];
  for (let index = 0; index < 10; index += 2) {
    const pair = [`${word}${index}`, `${word}${index + 1}`];
    started.push(...(await Promise.all(pair.map((name) => (index < 4 ? startDriven(box, name) : startPlain(box, name))))));
  }
  return started;
}

async function halt(box: Box, ...args: string[]) {
  const result = await box.csm(["halt", "--json", ...args]);
  const value = JSON.parse(result.stdout || "null") as { sessions: Json[]; processes: Json[]; left: Json[] };
  expect(asPublic("csm halt", value) as never).toEqual(value as never);
  return { code: result.code, stderr: result.stderr, ...value };
}

/** Each line of each transcript, sub-agents' too, is a whole one. */
function expectWholeTranscripts(box: Box, sessions: readonly Started[]): void {
  const paths = box.sys.findFiles(join(box.configDir, "projects"), ".jsonl");
  for (const { sessionId } of sessions) {
    const own = paths.filter((path) => path.includes(sessionId));
    expect(own.length).toBe(2);
    for (const path of own) {
      const lines = readFileSync(path, "utf8").split("\n");
      expect(lines.pop()).toBe("");
      for (const line of lines) expect(() => JSON.parse(line)).not.toThrow();
    }
  }
}

/** A program called claude, the claude of another home, a pane of the same tmux server, and a shell in the folder of a session. */
async function startBystanders(box: Box): Promise<number[]> {
  const program = join(box.dir, "claude");
  if (!existsSync(program)) copyFileSync("/bin/sleep", program);
  const home = join(box.dir, "other");
  mkdirSync(home, { recursive: true });
  copyFileSync(join(box.home, ".claude.json"), join(home, ".claude.json"));
  const pids: number[] = [];
  for (const [name, command] of [
    ["same-name", `exec ${program} 1000`],
    ["other-home", `HOME=${home} exec ${claudePath}`],
    ["same-folder", `cd ${box.folder("a1")} && sleep 1000; : # a1-loop`],
  ] as const) {
    await box.run(["tmux", "-u", "new-session", "-d", "-s", name, "-c", box.folder("a3"), "sh", "-c", command]);
    const shown = await box.run(["tmux", "-u", "display-message", "-p", "-t", `=${name}:`, "#{pane_pid}"]);
    pids.push(Number(shown.stdout));
  }
  return pids;
}

const isTheirs = (sessions: readonly Started[]) => {
  const words = sessions.flatMap(({ name, sessionId }) => [`# ${name}-`, sessionId]);
  return (box: Box) => {
    const found = words
      .flatMap((word) => listProcesses(box, word))
      .filter(({ text }) => !text.startsWith("tmux") && !text.includes("a1-loop"));
    return found;
  };
};

test.each(["a living claude", "after kill -9 of claude"])(
  "csm halt --all, ten sessions with a background shell, a sub-agent and an MCP server each: %s",
  (way) =>
    inBox(async (box) => {
      const word = way === "a living claude" ? "a" : "b";
      const sessions = await startTen(box, word);
      const bystanders = await startBystanders(box);
      const theirs = isTheirs(sessions);
      const servers = sessions.flatMap(({ sessionId }) => listProcesses(box, sessionId).filter(({ text }) => text.includes("server.js")));
      expect(servers.length).toBe(10);
      if (word === "b") for (const { pid } of sessions) process.kill(pid, "SIGKILL");
      if (word === "b") await until("they are gone", () => sessions.every(({ pid }) => isGone(pid)));

      const shown = await halt(box, "--all", "--dry-run");
      expect(shown.code).toBe(0);
      expect(shown.sessions.map(({ session_id: id }) => id).sort()).toEqual(sessions.map(({ sessionId }) => sessionId).sort());
      expect(shown.sessions.every(({ alive }) => alive === (word === "a"))).toBe(true);
      const listed = new Set(shown.processes.map(({ pid }) => pid));
      // What sleeps a second is another one by now.
      const missed = theirs(box).filter(({ pid, text }) => !listed.has(pid) && !text.startsWith("sleep 1"));
      expect(missed).toEqual([]);
      for (const pid of bystanders) expect(listed.has(pid)).toBe(false);

      const refused = await box.csm(["halt", "--all"]);
      expect([refused.code, refused.stderr]).toEqual([2, expect.stringContaining("nobody to ask; nothing was ended")]);
      const startedAt = Date.now();
      const ended = await halt(box, "--all", "--yes");
      console.log(`csm halt --all, ${way}: ${((Date.now() - startedAt) / 1000).toFixed(1)} s`);
      expect(ended.processes.filter(({ result }) => !["ended", "killed", "gone"].includes(String(result)))).toEqual([]);
      expect([ended.code, ended.sessions.filter(({ result }) => result === "failed")]).toEqual([0, []]);
      expect(theirs(box)).toEqual([]);
      expectWholeTranscripts(box, sessions);
      for (const pid of bystanders) expect(isGone(pid)).toBe(false);
      // The shells that they were started in live on, and csd's records are gone with its panes.
      const panes = (await box.run(["tmux", "-u", "list-sessions", "-F", "#{session_name}"])).stdout.split("\n");
      expect(panes).toEqual(expect.arrayContaining([`${word}4`, `${word}9`]));
      expect(panes.filter((name) => [0, 1, 2, 3].map((index) => `${word}${index}`).includes(name))).toEqual([]);
      expect((await box.tryCsd(["ps"])).stdout).toStartWith("no ");
      // Only those whose claude was killed have left their file, and are not brought back.
      expect(readSessionFiles(box).length).toBe(word === "a" ? 0 : 10);
      expect((await halt(box, "--all", "--dry-run")).processes).toEqual([]);
    }),
);

/** A claude in a pane of its own, as soon as it can be typed into. */
async function startIdle(box: Box, name: string, sessionId = crypto.randomUUID()): Promise<Started> {
  await box.run(["tmux", "-u", "new-session", "-d", "-s", name, "-x", "120", "-y", "40", "-c", box.folder(name), "bash", "--norc", "-i"]);
  await box.keys(name, `${claudePath} --session-id ${sessionId} --permission-mode manual --allowed-tools Bash`, "Enter");
  const file = await until(`${name} is idle`, () => {
    const found = findSession(box, sessionId);
    return found?.status === "idle" && found;
  });
  return { name, sessionId, pid: Number(file.pid) };
}

test("one by its name: it is shown and asked about; nothing ends on no, and all of it on yes", () =>
  inBox(async (box) => {
    const { pid, sessionId } = await startIdle(box, "asked");
    await startIdle(box, "spared");
    await box.run(["tmux", "-u", "new-session", "-d", "-s", "person", "-x", "120", "-y", "40", "-c", box.home, "bash", "--norc", "-i"]);
    const ask = async () => {
      await box.keys("person", "clear", "Enter");
      await until("what stood there is gone", async () => !(await box.screen("person")).includes("End 1 session"));
      await box.keys("person", `${csmPath} halt ${sessionId.slice(0, 8)}`, "Enter");
      await until(
        "it asks",
        async () => (await box.screen("person")).includes("End 1 session"),
        () => box.screen("person"),
      );
      const screen = await box.screen("person");
      expect(screen).toMatch(/PID +AGE +SESSION +COMMAND +WHY/);
      expect(screen).toMatch(new RegExp(`${pid} +\\S+ +asked\\S* +claude .*the session itself`));
      expect(screen).not.toContain("spared");
    };
    await ask();
    await box.keys("person", "n");
    await until("it says so", async () => (await box.screen("person")).includes("nothing was ended"));
    expect(isGone(pid)).toBe(false);
    await ask();
    await box.keys("person", "y");
    await until(
      "it says so",
      async () => (await box.screen("person")).includes("ended 1 session"),
      () => box.screen("person"),
    );
    expect(isGone(pid)).toBe(true);
    expect(readSessionFiles(box).length).toBe(1);
  }));

test("one that is suspended, one at its first question, one of claude's daemon; and never the one that it runs in", () =>
  inBox(async (box) => {
    const suspended = await startIdle(box, "suspended");
    await box.keys("suspended", "hello", "Enter");
    await until("it has said hello", async () => (await box.screen("suspended")).includes("Hello."));
    await box.keys("suspended", "C-z");
    await until("it is stopped", () => readFileSync(`/proc/${suspended.pid}/stat`, "utf8").includes(") T "));
    await box.run([
      "tmux",
      "-u",
      "new-session",
      "-d",
      "-s",
      "first",
      "-x",
      "120",
      "-y",
      "40",
      "-c",
      box.folder("first", false),
      claudePath,
    ]);
    await until("it asks for trust", async () => (await box.screen("first")).includes("Yes, I trust"));
    const first = Number((await box.run(["tmux", "-u", "display-message", "-p", "-t", "=first:", "#{pane_pid}"])).stdout);
    await box.run([claudePath, "--bg", "say hello"], { cwd: box.folder("job") });
    const job = await until("the job is there", () => readSessionFiles(box).find(({ kind, status }) => kind === "bg" && status === "idle"));

    const id = crypto.randomUUID();
    const out = join(box.dir, "own.json");
    box.stub.script(id, [bash(`${csmPath} halt --all --yes --json > ${out}.part 2>&1; mv ${out}.part ${out}`), say("Halted.")]);
    const own = await startIdle(box, "own", id);
    await box.keys("own", "halt them all", "Enter");
    const text = await until(
      "it is done",
      () => box.sys.readText(out),
      () => box.screen("own"),
    );
    const { sessions, left } = JSON.parse(text) as { sessions: Json[]; left: Json[] };
    const results = new Map(sessions.map(({ pid, result }) => [pid, result]));
    expect([...results]).toEqual(
      expect.arrayContaining([
        [suspended.pid, "killed"],
        [first, "ended"],
        [job.pid, "ended"],
      ]),
    );
    expect(results.size).toBe(3);
    expect(left).toEqual([{ name: expect.stringMatching(/^own/), pid: null, why: "this csm was started inside it" }]);
    await until("it goes on", async () => (await box.screen("own")).includes("Halted."));
    expect(isGone(own.pid)).toBe(false);
    for (const pid of [suspended.pid, first, Number(job.pid)]) expect(isGone(pid)).toBe(true);
    const agents = JSON.parse((await box.run([claudePath, "agents", "--json", "--all"])).stdout) as Json[];
    expect(agents.find((agent) => agent.id === job.jobId)).toMatchObject({ state: "stopped" });
    // What was killed on purpose is no crash.
    expect((await box.csm(["restore", "--dry-run"])).stdout).not.toContain(suspended.sessionId.slice(0, 8));
  }));

test.each([
  [[], "which session?"],
  [["--all", "x"], "exclude each other"],
  [["x", "--profile", "p"], "narrow --all down"],
  [["--all", "--yes", "--dry-run"], "contradict"],
  [["--all", "--cwd", "/nowhere", "--yes"], "/nowhere is no folder"],
])("csm halt %p is refused with code 2", (args, words) =>
  inBox(async (box) => {
    const result = await box.csm(["halt", ...args]);
    expect([result.code, result.stderr.includes(words)]).toEqual([2, true]);
  }),
);
