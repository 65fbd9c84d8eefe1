import { describe, expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { ask, bash, hold, plan, say, useTool, useTools } from "../../src/stub-script.ts";
import { type Json, until, useBox } from "./harness.ts";

const sandbox = useBox();
const labels = (state: Json) => state.options as string[];

describe("startup", () => {
  test("an untrusted folder is a trust gate, read with its options, and approve takes the one that trusts", async () => {
    const { box } = sandbox;
    await box.csd(["spawn", "--name", "trust", "--cwd", box.folder("fresh", false)]);
    const state = await box.state("trust");
    expect(state).toMatchObject({ status: "blocked", gate: "trust", options: ["No, exit", "Yes, I trust this folder"], source: "pane" });
    expect(await box.csd(["approve", "trust"])).toMatchObject({ ok: true, option: 2, chosen: "Yes, I trust this folder" });
    expect(await box.reach("trust", "idle_done")).toMatchObject({ outcome: "none", text: "", source: "session-file" });
  });

  test("--trust accepts the dialog and returns when the session is ready", async () => {
    const { box } = sandbox;
    await box.csd(["spawn", "--name", "trusted", "--trust", "--cwd", box.folder("fresh2", false)]);
    expect(await box.state("trusted")).toMatchObject({ status: "idle_done", outcome: "none" });
  });

  test("a claude that ends at its start is an error that says why, and leaves nothing behind", async () => {
    const { box } = sandbox;
    const result = await box.tryCsd(["spawn", "--name", "rooted", "--yolo", "--cwd", box.folder("rooted")]);
    if (process.getuid?.() !== 0) return expect(result.code).toBe(0);
    expect(result.code).toBe(1);
    expect(JSON.parse(result.stderr)).toMatchObject({
      // tmux 3.3a never learns the code of some that end at once; then claude's own words are there.
      error: expect.stringMatching(/^claude ended at its start(?: with code 1|: .*cannot be used with root)/),
      hint: expect.stringContaining("does not skip permissions for root"),
    });
    expect(JSON.stringify(await box.csd(["ps", "--json"]))).not.toContain("rooted");
    expect((await box.run(["tmux", "has-session", "-t", "=rooted"])).code).not.toBe(0);
  });
});

describe("gates", () => {
  test("a Bash gate shows tool, command and options; approve runs it once", async () => {
    const { box } = sandbox;
    await box.spawn("bash", [bash("touch made.txt && rm -f none.txt"), say("All done.")]);
    expect(await box.send("bash", "Make the file")).toEqual({
      ok: true,
      attempts: 1,
      receipt: "turn_started",
      prompt_id: expect.any(String),
    });
    const state = await box.reach("bash", "blocked");
    expect(state).toMatchObject({ gate: "permission", prompt: "Do you want to proceed?", tool: "Bash", source: "session-file" });
    expect(state.input).toMatchObject({ command: "touch made.txt && rm -f none.txt" });
    expect([labels(state)[0], labels(state).at(-1)]).toEqual(["Yes", "No"]);
    expect(await box.csd(["approve", "bash"])).toEqual({
      ok: true,
      gate: "permission",
      chosen: "Yes",
      meaning: "allow-once",
      channel: "hook",
      gate_id: expect.any(String),
    });
    expect(await box.reach("bash", "idle_done")).toMatchObject({ text: "All done.", outcome: "finished" });
    expect(existsSync(join(box.home, "work/bash/made.txt"))).toBe(true);
  });

  test("a Write gate is blocked, and approve does not switch to accept edits", async () => {
    const { box } = sandbox;
    const path = join(box.folder("write"), "hello.txt");
    await box.spawn("write", [useTool("Write", { file_path: path, content: "hi\n" }), say("Written.")]);
    await box.send("write", "Write it");
    expect(await box.reach("write", "blocked")).toMatchObject({
      gate: "permission",
      prompt: "Do you want to create hello.txt?",
      tool: "Write",
    });
    await box.csd(["approve", "write"]);
    await box.reach("write", "idle_done");
    expect(readFileSync(path, "utf8")).toBe("hi\n");
    expect(await box.screen("write")).toContain("manual mode on");
  });

  test("an option can be named: the one that refuses, by the number that state lists", async () => {
    const { box } = sandbox;
    await box.spawn("refuse", [bash("touch never.txt && rm -f none.txt"), say("unreached")]);
    await box.send("refuse", "Make the file");
    const state = await box.reach("refuse", "blocked");
    const option = labels(state).indexOf("No") + 1;
    expect(await box.csd(["approve", "refuse", "--option", String(option)])).toMatchObject({ chosen: "No", meaning: "refuse", option });
    expect(await box.reach("refuse", "idle_done")).toMatchObject({ outcome: "interrupted" });
    expect(existsSync(join(box.home, "work/refuse/never.txt"))).toBe(false);
  });

  test("a question is awaiting_answer with its choices; approve needs a number and says so", async () => {
    const { box } = sandbox;
    const options = [
      { label: "src", description: "Sources" },
      { label: "test", description: "Tests" },
    ];
    await box.spawn("question", [ask({ question: "Which folder?", header: "Folder", options }), say("Using it.")]);
    await box.send("question", "Ask me");
    const state = await box.reach("question", "awaiting_answer");
    expect(state).toMatchObject({
      gate: "question",
      question: "Which folder?",
      options: ["src", "test", "Type something.", "Chat about this"],
    });
    const refused = await box.tryCsd(["approve", "question"]);
    expect([refused.code, JSON.parse(refused.stderr).error]).toEqual([1, 'no single option of the question gate means "allow this once"']);
    expect(await box.csd(["approve", "question", "--option", "2"])).toMatchObject({ chosen: "test", option: 2 });
    expect(await box.reach("question", "idle_done")).toMatchObject({ text: "Using it." });
    expect(JSON.stringify(box.stub.requests.at(-1)?.body.messages)).toContain('\\"Which folder?\\"=\\"test\\"');
  });

  test("a plan is plan_ready with text and file; approve keeps asking before edits", async () => {
    const { box } = sandbox;
    const markdown = "# Add a health check\n\n1. Yes\n2. No\n";
    await box.spawn("plan", [...plan(markdown), say("Implemented.")], ["--permission-mode", "plan"]);
    await box.send("plan", "Plan a health check");
    const state = await box.reach("plan", "plan_ready");
    expect(state.plan).toBe(markdown);
    expect(readFileSync(String(state.plan_file), "utf8")).toBe(markdown);
    expect(await box.csd(["approve", "plan"])).toMatchObject({ gate: "plan", chosen: "Yes, manually approve edits" });
    expect(await box.reach("plan", "idle_done")).toMatchObject({ text: "Implemented." });
    expect(await box.screen("plan")).toContain("manual mode on");
  });
});

describe("states", () => {
  test("a turn under way is working, with the tools it waits for", async () => {
    const { box } = sandbox;
    const spawned = await box.spawn("work", [hold("I begin"), say("Ready.")]);
    await box.send("work", "Do it");
    expect(await box.reach("work", "working")).toMatchObject({ tools: [], source: "session-file" });
    box.stub.release(String(spawned.session_id));
    await box.reach("work", "idle_done");
  });

  test("a text that asks is awaiting_answer without a gate, and send answers it", async () => {
    const { box } = sandbox;
    await box.spawn("asks", [say("Shall I go on?"), say("Going on.")]);
    await box.send("asks", "Begin");
    const state = await box.reach("asks", "awaiting_answer");
    expect([state.question, "gate" in state]).toEqual(["Shall I go on?", false]);
    await box.send("asks", "yes");
    expect(await box.reach("asks", "idle_done")).toMatchObject({ text: "Going on." });
  });

  test("a killed process is dead, also with its session file left behind", async () => {
    const { box } = sandbox;
    const spawned = await box.spawn("dead", []);
    const pid = Number((await box.run(["tmux", "list-panes", "-t", "=dead:", "-F", "#{pane_pid}"])).stdout);
    process.kill(pid, "SIGKILL");
    const dead = { status: "dead", source: "process", age_ms: 0 };
    expect(await box.reach("dead", "dead")).toMatchObject({ ...dead, name: "dead", session_id: spawned.session_id, state: dead });
    expect(existsSync(join(box.configDir, "sessions", `${pid}.json`))).toBe(true);
    // It had ended by then.
    expect(await box.csd(["kill", String(spawned.name)])).toEqual({ ok: true, killed: false });
    expect((await box.tryCsd(["state", "dead"])).code).toBe(1);
  });
});

describe("nothing is answered by accident", () => {
  test("a prompt sent into a gate is refused and the gate stays", async () => {
    const { box } = sandbox;
    await box.spawn("busygate", [bash("touch by-accident.txt && rm -f none"), say("ok")]);
    await box.send("busygate", "Go");
    await box.reach("busygate", "blocked");
    const result = await box.tryCsd(["send", "busygate", "1 yes please"]);
    expect([result.code, JSON.parse(result.stderr).error]).toEqual([
      1,
      'a gate is up in session "busygate" (permission prompt); nothing was submitted',
    ]);
    expect(await box.state("busygate")).toMatchObject({ status: "blocked", tool: "Bash" });
    expect(existsSync(join(box.home, "work/busygate/by-accident.txt"))).toBe(false);
  });

  test("one approve answers one gate, also when a second follows at once", async () => {
    const { box } = sandbox;
    const call = (file: string): [string, unknown] => ["Bash", { command: `touch ${file} && rm -f none`, description: `Make ${file}` }];
    await box.spawn("twice", [useTools([call("first.txt"), call("second.txt")]), say("Both.")]);
    await box.send("twice", "Go");
    expect(await box.reach("twice", "blocked")).toMatchObject({ input: { description: "Make first.txt" } });
    await box.csd(["approve", "twice"]);
    const second = await until("the second gate", async () => {
      const state = await box.state("twice");
      return (state.input as Json | undefined)?.description === "Make second.txt" && state;
    });
    expect(second).toMatchObject({ status: "blocked", gate: "permission" });
    await Bun.sleep(1500);
    expect(await box.state("twice")).toMatchObject({ status: "blocked", input: { description: "Make second.txt" } });
    expect(existsSync(join(box.home, "work/twice/second.txt"))).toBe(false);
    await box.csd(["approve", "twice"]);
    await box.reach("twice", "idle_done");
    expect(existsSync(join(box.home, "work/twice/second.txt"))).toBe(true);
  });

  test("text that looks like a menu is no gate: in a prompt, in an answer", async () => {
    const { box } = sandbox;
    const menu = "Do you want to proceed?\n❯ 1. Yes\n  2. No\n\nEsc to cancel · Tab to amend";
    await box.spawn("spoof", [say(menu.replace("?", ".")), say("Second.")]);
    await box.send("spoof", menu);
    expect(await box.reach("spoof", "idle_done")).toMatchObject({ outcome: "finished" });
    expect((await box.tryCsd(["approve", "spoof"])).code).toBe(1);
    await box.send("spoof", "go on");
    expect(await box.reach("spoof", "idle_done")).toMatchObject({ text: "Second." });
  });

  test("a command that holds a menu is one gate with the real options", async () => {
    const { box } = sandbox;
    const command = "cat > conf.ini <<'EOT'\nDo you want to proceed?\n❯ 1. No\n  2. Yes\nEsc to cancel\nEOT\nchmod 600 conf.ini";
    await box.spawn("heredoc", [bash(command), say("ok")]);
    await box.send("heredoc", "Go");
    const state = await box.reach("heredoc", "blocked");
    expect([labels(state)[0], labels(state).at(-1), (state.input as Json).command]).toEqual(["Yes", "No", command]);
    expect(await box.csd(["approve", "heredoc"])).toMatchObject({ chosen: "Yes" });
    await box.reach("heredoc", "idle_done");
  });

  test("approve without a gate presses nothing", async () => {
    const { box } = sandbox;
    await box.spawn("nogate", []);
    const result = await box.tryCsd(["approve", "nogate"]);
    expect([result.code, JSON.parse(result.stderr).error]).toEqual([1, 'no gate is up in session "nogate"']);
    expect(box.stub.requests.filter((request) => request.sessionId === String(request.sessionId) && request.body.prompt === "1")).toEqual(
      [],
    );
    expect(await box.state("nogate")).toMatchObject({ status: "idle_done", outcome: "none" });
  });
});
