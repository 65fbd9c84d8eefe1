/** What the rows about many sessions and about events need: fifty sessions that cost nothing, and a gate to watch. */
import { appendFileSync, chmodSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { rulesWord } from "../src/program.ts";
import type { Sandbox } from "../src/sandbox.ts";
import { bash, say } from "../src/stub-script.ts";

type Csd = (args: string[], env?: Record<string, string>) => Promise<string>;

/**
 * Live sessions of a program in claude's place that publishes an idle session file and sleeps, each with a transcript of 1 MB:
 * fifty real ones would measure the memory of this machine.
 */
export async function startCrowd(box: Sandbox, csd: Csd, count: number): Promise<void> {
  const fake = join(box.dir, "fake-claude");
  const body = `#!/bin/sh
[ "$1" = --version ] && { echo "2.1.329 (Claude Code)"; exit 0; }
mkdir -p "$HOME/.claude/sessions"
start=$(cut -d' ' -f22 /proc/$$/stat)
printf '{"pid":%s,"sessionId":"%s","cwd":"%s","procStart":"%s","version":"2.1.329","kind":"interactive","entrypoint":"cli","status":"idle","statusUpdatedAt":1}' $$ "$2" "$PWD" "$start" > "$HOME/.claude/sessions/$$.json"
exec sleep 600
`;
  writeFileSync(fake, body);
  chmodSync(fake, 0o755);
  const env = { ...box.env, CLAUDE_SMART_CLAUDE_BIN: fake };
  for (let index = 0; index < count; index++) {
    const spawned = JSON.parse(await csd(["spawn", "--name", `crowd${index}`, "--cwd", box.folder("crowd")], env)) as {
      jsonl_path: string;
    };
    writeTranscript(spawned.jsonl_path);
  }
}

function writeTranscript(path: string): void {
  mkdirSync(dirname(path), { recursive: true });
  const line = (role: "user" | "assistant", text: string, at: number) => {
    const content = role === "user" ? text : [{ type: "text", text }];
    const message = { role, id: `msg_${at}`, model: "claude-opus-5-5", content, stop_reason: role === "user" ? null : "end_turn" };
    return `${JSON.stringify({ type: role, uuid: `u${at}`, timestamp: new Date(at).toISOString(), message })}\n`;
  };
  writeFileSync(path, "");
  for (let at = 1; at <= 100; at++)
    appendFileSync(path, line("user", "x".repeat(5000), at * 2) + line("assistant", "y".repeat(5000), at * 2 + 1));
  appendFileSync(path, `${JSON.stringify({ type: "system", subtype: "turn_duration", timestamp: new Date(1000).toISOString() })}\n`);
}

/** How long after the dialog is on the screen `csd events` prints its line; below zero when the line comes first. */
export async function measureGates(box: Sandbox, csd: Csd, csdPath: string, count: number): Promise<number[]> {
  const spawned = JSON.parse(await csd(["spawn", "--name", "gates", "--cwd", box.folder("gates"), "--permission-mode", "manual"])) as {
    session_id: string;
  };
  box.stub.script(
    spawned.session_id,
    Array.from({ length: count }, (_, index) => [bash(`touch g${index} && rm -f x`), say("Done.")]).flat(),
  );
  const stream = Bun.spawn([csdPath, "events", "gates"], { env: box.env, cwd: box.home, stdout: "pipe", stderr: "ignore" });
  let toldAt = 0;
  const reading = (async () => {
    for await (const chunk of stream.stdout) if (new TextDecoder().decode(chunk).includes('"new":"blocked"')) toldAt = performance.now();
  })();
  const latencies: number[] = [];
  try {
    for (let index = 0; index < count; index++) {
      toldAt = 0;
      await csd(["send", "gates", "Go"]);
      const shownAt = await waitUntilShown(box);
      while (toldAt === 0) await Bun.sleep(1);
      latencies.push(toldAt - shownAt);
      await csd(["approve", "gates"]);
      await csd(["wait", "gates", "--until", "idle_done"]);
    }
  } finally {
    stream.kill();
    await reading;
    await csd(["kill", "gates"]);
  }
  return latencies;
}

/** Wall times of `csd approve`, by the hook that holds the gate or by keys, each beside that of a `csd state` at the same gate. */
export async function measureAnswers(
  box: Sandbox,
  csdPath: string,
  by: "hook" | "keys",
  count: number,
): Promise<Record<"a" | "b", number[]>> {
  const name = `answer-${by}`;
  const call = async (args: string[]) => {
    const startedAt = performance.now();
    const { code, stdout, stderr } = await box.run([csdPath, ...args]);
    if (code !== 0) throw new Error(`csd ${args.join(" ")} ended with code ${code}: ${stderr.trim()}`);
    return { ms: performance.now() - startedAt, told: JSON.parse(stdout) as Record<string, unknown> };
  };
  const { told: spawned } = await call(["spawn", "--name", name, "--cwd", box.folder(name), "--permission-mode", "manual"]);
  const steps = Array.from({ length: count }, (_, index) => [bash(`touch a${index} && rm -f x`), say("Done.")]).flat();
  box.stub.script(String(spawned.session_id), steps);
  const times: Record<"a" | "b", number[]> = { a: [], b: [] };
  try {
    while (times.a.length < count) {
      await call(["send", name, "Go"]);
      await waitUntilShown(box, name);
      // A person takes longer, and a fresh dialog takes no keys.
      await Bun.sleep(700);
      times.b.push((await call(["state", name])).ms);
      const { ms, told } = await call(["approve", name, ...(by === "keys" ? ["--option", "1"] : [])]);
      if (told.channel !== by) throw new Error(`answered by ${told.channel}`);
      times.a.push(ms);
      await call(["wait", name, "--until", "idle_done"]);
    }
  } finally {
    await box.run([csdPath, "kill", name]);
  }
  return times;
}

async function waitUntilShown(box: Sandbox, name = "gates"): Promise<number> {
  for (;;) {
    const screen = await box.run(["tmux", "-u", "capture-pane", "-p", "-t", `=${name}:`]);
    if (screen.stdout.includes("Do you want to proceed?")) return performance.now();
  }
}

/** Wall times of a hook that looks for a limit at the end of a long transcript and finds none. */
export async function measureHooks(box: Sandbox, csm: string, count: number): Promise<number[]> {
  const transcript_path = join(box.dir, "long.jsonl");
  const message = { id: "m", content: [{ type: "text", text: "x".repeat(900) }], usage: { input_tokens: 1 } };
  const line = `${JSON.stringify({ type: "assistant", timestamp: "2026-11-20T10:00:00Z", message })}\n`;
  writeFileSync(transcript_path, line.repeat(Math.ceil(95e6 / line.length)));
  const session_id = crypto.randomUUID();
  const stdin = new TextEncoder().encode(JSON.stringify({ hook_event_name: "Stop", session_id, transcript_path }));
  const times: number[] = [];
  for (let index = 0; index < count; index++) {
    const startedAt = performance.now();
    await Bun.spawn([csm, "hook"], { env: box.env, stdin, stdout: "ignore" }).exited;
    times.push(performance.now() - startedAt);
  }
  rmSync(transcript_path);
  return times;
}

/** What a hook with this many rules takes more than an empty program with the same on stdin; a run of each in turn. */
export async function measureRules(box: Sandbox, csd: string, empty: string, rules: number, count: number): Promise<number[]> {
  const path = join(box.home, ".config/claude-smart/rules.toml");
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const actions = ["deny", "ask", "allow"];
  const rule = (index: number) =>
    `[[rules]]\nname = "r${index}"\nmatch_tool = "Bash"\nmatch_command = ["npm run x${index} *", "tool${index} push --force"]\naction = "${actions[index % 3]}"\n`;
  writeFileSync(path, Array.from({ length: rules }, (_, index) => rule(index)).join("\n"), { mode: 0o600 });
  const input = { hook_event_name: "PreToolUse", session_id: crypto.randomUUID(), cwd: box.folder("rules"), tool_name: "Bash" };
  const stdin = new TextEncoder().encode(JSON.stringify({ ...input, tool_input: { command: "npm test && ls -la | grep x" } }));
  const time = async (argv: string[]) => {
    const startedAt = performance.now();
    await Bun.spawn(argv, { env: box.env, cwd: input.cwd, stdin, stdout: "ignore" }).exited;
    return performance.now() - startedAt;
  };
  const hook = [csd, rulesWord];
  // The first one checks the file.
  await time(hook);
  const times: number[] = [];
  for (let index = 0; index < count; index++) times.push((await time(hook)) - (await time([empty])));
  rmSync(path);
  return times;
}
