import { describe, expect, test } from "bun:test";
import { chmodSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { findCommand } from "../../src/commands.ts";
import { bash, hold, say } from "../../src/stub-script.ts";
import { type Box, claudePath, csmPath, until, useBox } from "./harness.ts";

const sandbox = useBox();
const claude = (box: Box, args: string[]) => box.run([claudePath, ...args]);

/** A script in claude's place that tells what it was started with. */
function fakeClaude(box: Box, name: string, body: string): Record<string, string> {
  const path = join(box.dir, name);
  writeFileSync(path, `#!/bin/sh\n${body}\n`);
  chmodSync(path, 0o755);
  return { ...box.env, CLAUDE_SMART_CLAUDE_BIN: path };
}

/** A shell in a pane of the sandbox, for what only a terminal shows. */
async function openShell(box: Box, name: string): Promise<(line: string) => Promise<void>> {
  const cwd = box.folder(name);
  await box.run(["tmux", "-u", "new-session", "-d", "-s", name, "-x", "120", "-y", "40", "-c", cwd, "bash", "--norc", "-i"]);
  return (line) => box.keys(name, line, "Enter");
}

const running = (box: Box, name: string) =>
  until(`a session runs in ${name}`, async () => {
    const result = await box.csm(["ls", "--json"]);
    const { sessions } = JSON.parse(result.stdout) as { sessions: { cwd: string; pid: number; state: { status: string } }[] };
    return sessions.find((session) => session.cwd.endsWith(`/${name}`) && session.state.status === "idle_done");
  });

const processState = (pid: number) => readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.[0];
const isGone = (pid: number) => {
  try {
    return processState(pid) === "Z";
  } catch {
    return true;
  }
};

describe("words that are not csm's go to claude untouched", () => {
  test("no reserved word is a command of the real claude", async () => {
    const help = (await claude(sandbox.box, ["--help"])).stdout;
    const commands = help
      .slice(help.indexOf("\nCommands:"))
      .split("\n")
      .flatMap((line) => /^ {2}([a-z][a-z|-]*)/.exec(line)?.[1]?.split("|") ?? []);
    expect(commands).toEqual(expect.arrayContaining(["agents", "mcp", "doctor", "plugin", "plugins", "update", "kill"]));
    expect(commands.filter((word) => findCommand("csm", word) !== undefined)).toEqual([]);
  });

  test.each([
    [["-- --version"], ["--", "--version"], ["--version"]],
    [["-- --help"], ["--", "--help"], ["--help"]],
    [["mcp list"], ["mcp", "list"], ["mcp", "list"]],
    [["an unknown flag"], ["--no-such-flag"], ["--no-such-flag"]],
    [["auth status"], ["auth", "status"], ["auth", "status"]],
    [["an unknown option of a command"], ["mcp", "add", "--bad"], ["mcp", "add", "--bad"]],
  ])("%s: same output and code as claude", async (_, ours, theirs) => {
    const { box } = sandbox;
    const [a, b] = [await box.csm(ours), await claude(box, theirs)];
    expect([a.code, a.stdout, a.stderr]).toEqual([b.code, b.stdout, b.stderr]);
  });

  test("-p reaches the model as it was typed, and stdin goes with it", async () => {
    const { box } = sandbox;
    box.stub.scriptAny([say("pong"), say("pong again")]);
    const prompt = "  two  blanks, 'quotes', \"more\", $HOME `x` \\ and 日本 👩‍👩‍👧";
    expect(await box.csm(["-p", prompt])).toMatchObject({ code: 0, stdout: "pong\n" });
    expect(JSON.stringify(box.stub.requests.at(-1)?.body.messages)).toContain(JSON.stringify(prompt).slice(1, -1));
    expect(await box.csm(["-p"], { input: "from stdin" })).toMatchObject({ code: 0, stdout: "pong again\n" });
    expect(JSON.stringify(box.stub.requests.at(-1)?.body.messages)).toContain("from stdin");
  });

  test("arguments keep their bytes and order, also those that are not UTF-8", async () => {
    const { box } = sandbox;
    const env = fakeClaude(box, "args", 'for word in "$@"; do printf "%s" "$word" | od -An -tx1 | tr -d "\\n"; echo; done');
    const script = `exec '${csmPath}' foo "$(printf 'a\\377\\200b')" -- usage "" '-x' "$(printf 'tab\\there')"`;
    const result = await box.run(["bash", "-c", script], { env });
    expect(result.stdout.split("\n").map((line) => line.trim())).toEqual([
      ...["66 6f 6f", "61 ff 80 62", "2d 2d", "75 73 61 67 65", "", "2d 78", "74 61 62 09 68 65 72 65", ""],
    ]);
  });

  test("signals, open files and environment are those of a direct start", async () => {
    const { box } = sandbox;
    const body = 'grep -E "^Sig(Blk|Ign)" /proc/self/status; ls /proc/self/fd | tr "\\n" " "; env | grep -v "^_=" | sort; ulimit -n';
    const env = fakeClaude(box, "probe", body);
    const direct = await box.run(["sh", "-c", `exec '${env.CLAUDE_SMART_CLAUDE_BIN}' x`], { env });
    expect((await box.run(["sh", "-c", `exec '${csmPath}' x`], { env })).stdout).toBe(direct.stdout);
  });

  test("the exit code of claude and death by a signal are passed on", async () => {
    const { box } = sandbox;
    expect((await box.csm(["x"], { env: fakeClaude(box, "code", "exit 42") })).code).toBe(42);
    const killed = await box.run(["bash", "-c", `'${csmPath}' x; echo $?`], { env: fakeClaude(box, "signal", "kill -TERM $$") });
    expect(killed.stdout.trim()).toBe("143");
  });

  test("csm run hands over its flags, then what follows --", async () => {
    const { box } = sandbox;
    const env = fakeClaude(box, "words", 'printf "%s|" "$@"');
    const words = async (args: string[]) => (await box.csm(args, { env })).stdout;
    expect(await words(["run", "--model", "opus", "--effort=high", "--", "--continue", "--", "x"])).toBe(
      "--model|opus|--effort|high|--continue|--|x|",
    );
    expect(await words(["run", "fix", "it", "--now"])).toBe("fix it|--now|");
    expect(await words(["fix", "it", "--now"])).toBe("fix|it|--now|");
    expect(await words([])).toBe("|");
    expect(await words(["--model", "opus"])).toBe("--model|opus|");
    expect(await words(["run", "--permission-mode", "plan"])).toBe("--permission-mode|plan|");
  });
});

describe("claude that cannot be started", () => {
  test("not found: one line that says where it looked and how to install it, code 127", async () => {
    const { box } = sandbox;
    const { CLAUDE_SMART_CLAUDE_BIN: _, ...env }: Record<string, string> = { ...box.env, PATH: "/usr/bin:/nowhere" };
    expect(await box.csm([], { env })).toMatchObject({
      code: 127,
      stderr: "csm: claude not found: looked in /usr/bin, /nowhere; install it with: npm install -g @anthropic-ai/claude-code\n",
    });
  });

  test("a claude on PATH that is csm itself is passed over", async () => {
    const { box } = sandbox;
    const dir = join(box.dir, "links");
    mkdirSync(dir);
    symlinkSync(csmPath, join(dir, "claude"));
    const { CLAUDE_SMART_CLAUDE_BIN: _, ...env }: Record<string, string> = { ...box.env, PATH: dir };
    expect((await box.csm([], { env })).code).toBe(127);
  });

  test("a file that is no program: one line, no hang", async () => {
    const { box } = sandbox;
    const env = fakeClaude(box, "empty", "");
    writeFileSync(String(env.CLAUDE_SMART_CLAUDE_BIN), "\u0000\u0001 no program");
    const result = await box.csm(["x"], { env });
    expect([result.code, result.stderr.split("\n").length]).toEqual([126, 2]);
  });
});

describe("in a terminal", () => {
  test("csm alone becomes claude: same process, and nothing of csm stays", async () => {
    const { box } = sandbox;
    const type = await openShell(box, "alone");
    await type(`sh -c 'echo $$ > ../pid; exec "${csmPath}"'`);
    const session = await running(box, "alone");
    expect(readFileSync(join(box.home, "work/pid"), "utf8")).toBe(`${session.pid}\n`);
    expect(readFileSync(`/proc/${session.pid}/cmdline`, "utf8")).toBe("claude\0");
  });

  test("Ctrl-Z stops it, fg brings it back, Ctrl-C twice ends it, as without csm", async () => {
    const { box } = sandbox;
    const type = await openShell(box, "jobs");
    await type(`'${csmPath}' --permission-mode manual`);
    const { pid } = await running(box, "jobs");
    await box.keys("jobs", "C-z");
    await until("stopped", () => processState(pid) === "T");
    await until("the shell is back", async () => /suspended|Stopped/.test(await box.screen("jobs")));
    await type("fg");
    await until("running again", () => processState(pid) !== "T");
    await until("its screen is back", async () => (await box.screen("jobs")).includes("manual mode on"));
    await box.keys("jobs", "C-c");
    await box.keys("jobs", "C-c");
    await until("ended", () => isGone(pid));
    await type("echo code=$?");
    await until("its code", async () => (await box.screen("jobs")).includes("code=0"));
  });

  test("a new window size reaches it", async () => {
    const { box } = sandbox;
    const type = await openShell(box, "size");
    await type(`'${csmPath}' --permission-mode manual`);
    await running(box, "size");
    const widest = async () =>
      Math.max(...(await box.screen("size")).split("\n").map((line) => [...line].filter((char) => char === "─").length));
    await until("full width", async () => (await widest()) === 120);
    await box.run(["tmux", "resize-window", "-t", "=size:", "-x", "70", "-y", "30"]);
    await until("painted anew", async () => (await widest()) === 70);
  });

  test.each([
    ["SIGTERM", 143],
    ["SIGHUP", 129],
  ] as const)("%s ends it with the code of a direct start", async (signal) => {
    const { box } = sandbox;
    const codes: string[] = [];
    for (const program of [csmPath, claudePath]) {
      const name = `${signal}-${program === csmPath ? "csm" : "direct"}`.toLowerCase();
      const type = await openShell(box, name);
      await type(`'${program}' --permission-mode manual; printf '\\ncode=%s\\n' $?`);
      const { pid } = await running(box, name);
      process.kill(pid, signal);
      codes.push(await until("its code", async () => /^code=(\d+)$/m.exec(await box.screen(name))?.[1]));
    }
    expect(codes[0]).toBe(codes[1] ?? "");
  });

  test("Ctrl-C during -p ends it with the code of a direct start", async () => {
    const { box } = sandbox;
    const codes: string[] = [];
    for (const program of [csmPath, claudePath]) {
      const name = `print-${program === csmPath ? "csm" : "direct"}`;
      box.stub.scriptAny([hold("wait")]);
      const type = await openShell(box, name);
      const before = box.stub.requests.length;
      await type(`'${program}' -p hello; printf '\\ncode=%s\\n' $?`);
      await until("the model is asked", () => box.stub.requests.length > before);
      await box.keys(name, "C-c");
      codes.push(await until("its code", async () => /^code=(\d+)$/m.exec(await box.screen(name))?.[1]));
    }
    expect(codes[0]).toBe(codes[1] ?? "");
  });
});

describe("csm ls", () => {
  test("lists sessions that csd did not start, with name, state, model and gate", async () => {
    const { box } = sandbox;
    const type = await openShell(box, "foreign");
    await type(`'${csmPath}' --permission-mode manual --name nightly`);
    const { pid } = await running(box, "foreign");
    box.stub.scriptAny([bash("touch x && rm -f y")]);
    await box.keys("foreign", "make it", "Enter");
    const listed = await until("the gate is listed", async () => {
      const { sessions } = JSON.parse((await box.csm(["ls", "--json"])).stdout) as { sessions: Record<string, unknown>[] };
      const session = sessions.find((one) => one.pid === pid);
      return (session?.state as { status?: string } | undefined)?.status === "blocked" && session;
    });
    expect(listed).toMatchObject({ name: "nightly", pid, model: "claude-opus-5-5", entrypoint: "cli", driver: null, version: "2.1.329" });
    expect(listed.state).toMatchObject({ status: "blocked", tool: "Bash", source: "session-file" });
    const table = (await box.csm(["ls"])).stdout;
    expect(table.split("\n")[0]).toMatch(/^NAME +STATE +SINCE +AGE +TITLE +CWD +MODEL +SESSION +PID +SOURCE$/);
    expect(table).toMatch(/^nightly +asks Bash +\d+s +\d+s +make it +~\/work\/foreign +opus-5-5 +[0-9a-f]{8} +\d+ +session-file$/m);
    // What it used, and what its process takes, as csm watch --json tells it.
    expect(listed).toMatchObject({ title: "nightly", last_prompt: "make it", usage: { source: "transcript", partly_unpriced: false } });
    const { usage, process } = listed as { usage: Record<string, number>; process: Record<string, number> };
    for (const value of [usage.cost_usd, usage.tokens, usage.context_tokens, process.cpu_percent, process.cpu_over_ms])
      expect(value).toBeGreaterThan(0);
    expect(process.memory_bytes).toBeGreaterThan(10_000_000);
  });
});
