import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ask, bash, hold, limit, plan, type Step, say, useTool, useTools } from "../../src/stub-script.ts";
import { type Box, claudePath, csmPath, type Json, openBox, until } from "./harness.ts";

interface Listed {
  name: string;
  key: string;
  pid: number;
  cwd: string;
  session_id: string | null;
  kind: string;
  state: {
    status: string;
    source: string;
    tool?: string;
    outcome?: string;
    background?: string[];
    options?: string[];
    [key: string]: unknown;
  };
  agents: { type: string; running: boolean }[];
  [key: string]: unknown;
}

setDefaultTimeout(90_000);
let box: Box;
beforeAll(async () => {
  box = await openBox({ login: "subscription" });
});
afterAll(() => box.close());

const list = async (...flags: string[]): Promise<Listed[]> =>
  (JSON.parse((await box.csm(["ls", "--json", ...flags])).stdout) as { sessions: Listed[] }).sessions;

const find = async (pid: number): Promise<Listed | undefined> => (await list()).find((session) => session.pid === pid);

const reach = (what: string, pid: number, isThere: (session: Listed) => boolean): Promise<Listed> =>
  until(
    what,
    async () => {
      const session = await find(pid);
      return session !== undefined && isThere(session) && session;
    },
    async () => JSON.stringify(await find(pid)),
  );

interface Plain {
  pid: number;
  id: string;
  write(text: string): void;
  kill(signal?: NodeJS.Signals): Promise<void>;
  shown(): string;
}

/** claude as a user starts it: in a terminal of its own, with neither csd nor tmux. */
async function openPlain(folder: string, steps: Step[], args: string[] = [], id: string = crypto.randomUUID()): Promise<Plain> {
  box.stub.script(id, steps);
  let shown = "";
  const flags = args.some((arg) => arg === "--resume") ? [] : ["--session-id", id];
  const child = Bun.spawn([claudePath, "--permission-mode", "manual", ...flags, ...args], {
    cwd: box.folder(folder),
    env: box.env,
    terminal: {
      cols: 120,
      rows: 40,
      data: (_, data) => {
        shown += Buffer.from(data).toString();
      },
    },
  });
  await reach(`${folder} is ready`, child.pid, ({ state }) => state.status === "idle_done");
  return {
    pid: child.pid,
    id,
    write: (text) => child.terminal?.write(text),
    shown: () => shown,
    async kill(signal = "SIGTERM") {
      child.kill(signal);
      await child.exited;
    },
  };
}

/** The text, and Enter as a key of its own. */
async function prompt(plain: Plain, text: string): Promise<void> {
  const before = box.stub.prompts(plain.id).length;
  plain.write(text);
  await Bun.sleep(150);
  plain.write("\r");
  await until(`the model has ${text}`, () => box.stub.prompts(plain.id).length > before, plain.shown);
}

describe("claude in a plain terminal, without csd and tmux", () => {
  test("idle, busy, waiting with its reason, idle again, gone", async () => {
    const plain = await openPlain("plain", [bash("touch x && rm -f y"), hold("A long"), say("Done.")]);
    expect(await find(plain.pid)).toMatchObject({
      kind: "interactive",
      session_id: plain.id,
      state: { outcome: "none", source: "session-file" },
    });
    await prompt(plain, "Go");
    const waiting = await reach("it waits", plain.pid, ({ state }) => state.status === "blocked");
    expect(waiting.state).toMatchObject({
      gate: "permission",
      tool: "Bash",
      input: { command: "touch x && rm -f y" },
      source: "session-file",
    });
    // A digit that comes before the dialog is painted becomes a draft, and claude holds the dialog back while one stands (2.1.329).
    await until("the dialog is painted", () => plain.shown().includes("4. "), plain.shown);
    // Keys are swallowed for 0.6 s after that.
    await Bun.sleep(700);
    plain.write("1");
    await reach("it works", plain.pid, ({ state }) => state.status === "working");
    // Esc ends the turn without a hook and without an end line.
    plain.write("\u001b");
    expect((await reach("it is interrupted", plain.pid, ({ state }) => state.status === "idle_done")).state.outcome).toBe("interrupted");
    await plain.kill();
    expect(await find(plain.pid)).toBeUndefined();
  });

  test("/clear and /rename are followed: the same key, a new id, the old numbers gone", async () => {
    const plain = await openPlain("clear", [say("First.")]);
    await prompt(plain, "Hello");
    const before = await reach("it answered", plain.pid, ({ state }) => state.text === "First.");
    plain.write("/rename harbour");
    await Bun.sleep(150);
    plain.write("\r");
    await reach("it has its name", plain.pid, ({ name }) => name === "harbour");
    plain.write("/clear");
    await Bun.sleep(150);
    plain.write("\r");
    const after = await reach(
      "it has a new id",
      plain.pid,
      ({ session_id, state }) => session_id !== plain.id && state.status === "idle_done",
    );
    expect([after.key, after.state.outcome]).toEqual([before.key, "none"]);
    await plain.kill();
  });

  test("kill -9 leaves its file, which is no session and is not removed", async () => {
    const plain = await openPlain("killed", []);
    const dir = join(box.configDir, "sessions");
    await plain.kill("SIGKILL");
    expect(await find(plain.pid)).toBeUndefined();
    expect((await list("--all")).find((session) => session.pid === plain.pid)).toMatchObject({
      state: { status: "dead", source: "process" },
    });
    expect(readdirSync(dir)).toContain(`${plain.pid}.json`);
    // Its number in new use: the file names another start.
    const file = JSON.parse(readFileSync(join(dir, `${plain.pid}.json`), "utf8")) as Record<string, unknown>;
    writeFileSync(join(dir, `${process.pid}.json`), JSON.stringify({ ...file, pid: process.pid, status: "busy" }));
    expect(await find(process.pid)).toBeUndefined();
    rmSync(join(dir, `${process.pid}.json`));
  });

  test("two sessions in one folder keep their own transcripts, also resumed in a dotted, non-ASCII folder", async () => {
    const folder = "a.b_c é日本";
    const [one, two] = await Promise.all([openPlain(folder, [say("One.")]), openPlain(folder, [say("Two.")])]);
    await Promise.all([prompt(one, "Say one"), prompt(two, "Say two")]);
    await reach("one answered", one.pid, ({ state }) => state.text === "One.");
    await reach("two answered", two.pid, ({ state }) => state.text === "Two.");
    await one.kill();
    const again = await openPlain(folder, [say("One again.")], ["--resume", one.id], one.id);
    expect((await find(again.pid))?.state.text).toBe("One.");
    await prompt(again, "Go on");
    const resumed = await reach("it goes on", again.pid, ({ state }) => state.text === "One again.");
    expect([resumed.session_id, (await find(two.pid))?.state.text]).toEqual([one.id, "Two."]);
    await Promise.all([again.kill(), two.kill()]);
  });

  test("a sub-agent at work, a long command and a background shell are told apart from idle and from waiting", async () => {
    const [agent, shell, long] = await Promise.all([
      openPlain("agent", [
        useTool("Agent", { description: "Look around", prompt: "List it", subagent_type: "general-purpose" }),
        // Whoever asks first: the agent and its parent wait both.
        hold("The agent looks"),
        hold("Its parent waits"),
      ]),
      openPlain(
        "shell",
        [useTool("Bash", { command: "for i in $(seq 60); do sleep 1; done", run_in_background: true }), say("It runs.")],
        ["--allowed-tools", "Bash"],
      ),
      openPlain("long", [bash("for i in $(seq 60); do sleep 1; done")], ["--allowed-tools", "Bash"]),
    ]);
    await Promise.all([prompt(agent, "Delegate"), prompt(shell, "Serve"), prompt(long, "Build")]);
    await reach("its agent runs", agent.pid, ({ agents, state }) => agents.some(({ running }) => running) && state.status === "working");
    const served = await reach(
      "its shell runs on",
      shell.pid,
      ({ state }) => state.status === "idle_done" && state.background !== undefined,
    );
    expect(served.state).toMatchObject({ outcome: "finished", background: ["shell"] });
    const isBuilding = ({ state }: Listed) => state.status === "working" && (state.tools as string[]).includes("Bash");
    expect((await reach("it builds", long.pid, isBuilding)).state).toMatchObject({ source: "session-file", tools: ["Bash"] });
    await Promise.all([agent.kill("SIGKILL"), shell.kill("SIGKILL"), long.kill("SIGKILL")]);
  });

  test("a limit with its end, a question, a plan", async () => {
    const resetsAt = Math.ceil(Date.now() / 1000) * 1000 + 3_600_000;
    const options = [
      { label: "A", description: "a" },
      { label: "B", description: "b" },
    ];
    const [limited, asking, planning] = await Promise.all([
      openPlain("limited", [limit("five_hour", resetsAt)]),
      openPlain("asking", [ask({ question: "Which?", header: "Pick", options })]),
      openPlain("planning", plan("# The plan\n\n1. Do it"), ["--permission-mode", "plan"]),
    ]);
    await Promise.all([prompt(limited, "Go"), prompt(asking, "Ask me"), prompt(planning, "Plan it")]);
    const told = await reach("it is limited", limited.pid, ({ state }) => state.status === "limited");
    expect(told.state).toMatchObject({ window: "five_hour", resets_at: resetsAt });
    const asked = await reach("it asks", asking.pid, ({ state }) => state.status === "awaiting_answer");
    expect(asked.state).toMatchObject({ question: "Which?", gate: "question" });
    const planned = await reach("its plan is up", planning.pid, ({ state }) => state.status === "plan_ready");
    expect(planned.state.plan).toContain("# The plan");
    await Promise.all([limited.kill(), asking.kill()]);
    await planning.kill();
  });

  test("claude -p is marked", async () => {
    const id = crypto.randomUUID();
    box.stub.script(id, [hold("Printing")]);
    const child = Bun.spawn([claudePath, "-p", "--session-id", id, "Print"], {
      cwd: box.folder("print"),
      env: box.env,
      stdin: "ignore",
      stdout: "ignore",
      stderr: "ignore",
    });
    const printed = await reach("it prints", child.pid, ({ state }) => state.status === "working");
    expect([printed.kind, printed.entrypoint]).toEqual(["print", "sdk-cli"]);
    child.kill("SIGKILL");
    await child.exited;
  });
});

describe("claude in tmux", () => {
  const tmux = (...args: string[]) => box.run(["tmux", "-u", ...args]);

  test("started by hand in a shell: its options are read from its own pane, and csm watch tells each change in order", async () => {
    const id = crypto.randomUUID();
    // Both answers are held back: what the session file says for less than a look is never told.
    box.stub.script(id, [
      hold("Thinking aloud"),
      { ...useTools([["Bash", { command: "touch x && rm -f y" }]], "Looking"), isHeld: true },
      say("Done."),
    ]);
    await tmux("new-session", "-d", "-s", "hand", "-x", "120", "-y", "40", "-c", box.folder("hand"), "bash", "--norc", "-i");
    await tmux("send-keys", "-t", "=hand:", `'${claudePath}' --permission-mode manual --session-id ${id}`, "Enter");
    const ready = await until("it is ready", async () =>
      (await list()).find(({ session_id, state }) => session_id === id && state.status === "idle_done"),
    );
    const lines: Record<string, unknown>[] = [];
    const watch = Bun.spawn([csmPath, "watch", "--json", "--heartbeat", "0.5"], { env: box.env, cwd: box.home, stdout: "pipe" });
    const reading = (async () => {
      let rest = "";
      for await (const chunk of watch.stdout) {
        const parts = (rest + new TextDecoder().decode(chunk)).split("\n");
        rest = parts.pop() ?? "";
        lines.push(...parts.map((line) => JSON.parse(line) as Record<string, unknown>));
      }
    })();
    const seen = (event: string, status?: string) =>
      lines.find(
        (line) =>
          line.event === event && (status === undefined || (line.session_id === id && (line.state as Listed["state"]).status === status)),
      );
    await until("watch begins", () => seen("initial", "idle_done"));
    await tmux("send-keys", "-t", "=hand:", "Go");
    await Bun.sleep(150);
    await tmux("send-keys", "-t", "=hand:", "Enter");
    // The answer is held back: working is told before a word of it has come.
    await until("it is told as working", () => seen("change", "working"));
    await until("the model was asked", () => box.stub.prompts(id).length > 0);
    box.stub.release(id);
    await until("it ended its turn", () =>
      lines.some((line) => line.session_id === id && (line.state as Listed["state"]).status === "idle_done" && line.event === "change"),
    );
    await tmux("send-keys", "-t", "=hand:", "More");
    await Bun.sleep(150);
    await tmux("send-keys", "-t", "=hand:", "Enter");
    const isWorking = (line: Record<string, unknown>) => line.event === "change" && (line.state as Listed["state"]).status === "working";
    await until("it is told as working again", () => lines.filter((line) => line.session_id === id && isWorking(line)).length > 1);
    box.stub.release(id);
    await until("it is told as blocked", () => seen("change", "blocked"));
    const blocked = await until("its options are known", async () => {
      const session = await find(ready.pid);
      return (session?.state.options?.length ?? 0) > 0 && session;
    });
    expect(blocked.state).toMatchObject({ status: "blocked", tool: "Bash" });
    expect(blocked.state.options?.[0]).toBe("Yes");
    expect(blocked.tmux).toMatch(/^hand:@\d+\.%\d+$/);
    await until("silence is filled", () => seen("heartbeat"));
    await tmux("kill-session", "-t", "=hand");
    await until("it is told as gone", () => seen("gone"));
    watch.kill();
    await reading;
    const own = lines.filter((line) => line.session_id === id).map((line) => `${line.event} ${(line.state as Listed["state"]).status}`);
    expect(own.filter((line, index) => line !== own[index - 1])).toEqual([
      "initial idle_done",
      "change working",
      "change idle_done",
      "change working",
      "change blocked",
      "gone dead",
    ]);
    const ids = lines.map((line) => line.id as number);
    expect(ids).toEqual(ids.map((_, index) => index + 1));
    expect(lines.every((line) => typeof line.at === "number" && typeof line.time === "string")).toBe(true);
  });

  test("a session of csd is told by csm exactly as csd tells it, at a gate and when it is done", async () => {
    await box.spawn("twin", [bash("touch a && rm -f b"), say("All done.")]);
    await box.send("twin", "Go");
    for (const status of ["blocked", "idle_done"]) {
      await box.reach("twin", status);
      // The transcript comes a moment after the hook: both move to it, each when it looks.
      const looks: unknown[] = [];
      await until(
        `csm and csd say the same of ${status}`,
        async () => {
          const said = { ...((await box.state("twin")).state as Json), age_ms: undefined };
          const twin = (await list()).find(({ driver }) => driver === "twin");
          looks.splice(0, 2, said, { ...twin?.state, age_ms: undefined });
          return Bun.deepEquals(looks[0], looks[1]);
        },
        () => JSON.stringify(looks),
      );
      if (status === "blocked") await box.csd(["approve", "twin"]);
    }
    await box.csd(["kill", "twin"]);
  });

  test("a startup dialog, before there is a session file, is a gate and not silence", async () => {
    await tmux("new-session", "-d", "-s", "trust", "-x", "120", "-y", "40", "-c", box.folder("new", false), "bash", "--norc", "-i");
    await tmux("send-keys", "-t", "=trust:", `'${claudePath}'`, "Enter");
    const asked = await until("it asks for trust", async () => (await list()).find(({ state }) => state.gate === "trust"));
    expect(asked).toMatchObject({ session_id: null, state: { status: "blocked", source: "pane" }, cwd: box.folder("new", false) });
    await tmux("kill-session", "-t", "=trust");
  });
});
