/** What csd has to read and answer rightly on every version of Claude Code. A new scenario is one more record. */
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { ask, bash, hold, limit, plan, type Question, say, useTool } from "../src/stub-script.ts";
import { type Json, type Login, Mismatch, type Right, requireRight, type Stage } from "./compat-stage.ts";

export interface Scenario {
  name: string;
  /** One sentence for the report. */
  right: string;
  /** Usage limits are those of a subscription. */
  login?: Login;
  /** Throws a Mismatch. */
  run(stage: Stage): Promise<void>;
}

interface Choice {
  option: number;
  label: string;
  meaning: string;
}

const choicesOf = (state: Json): Choice[] => (Array.isArray(state.choices) ? (state.choices as Choice[]) : []);
const find = (state: Json, meaning: string): Choice | undefined => choicesOf(state).find((choice) => choice.meaning === meaning);

/** A menu with one way to allow this once, in which nothing is left unread and no "No" counts as anything but a refusal. */
function isWholeMenu(choices: unknown): boolean {
  const all = choicesOf({ choices });
  const isOne = all.filter((choice) => choice.meaning === "allow-once").length === 1;
  return isOne && all.every(({ label, meaning }) => meaning !== "unknown" && /^no\b/i.test(label) === (meaning === "refuse"));
}

const gate = (tool: string, input: (given: Json) => boolean): Right => ({
  gate: "permission",
  tool,
  input: (given: unknown) => typeof given === "object" && given !== null && input(given as Json),
  choices: isWholeMenu,
});

/** `rm` makes every version ask; the line that is added tells how often it ran. */
const markCommand = (file: string): string => `echo ran >> ${file} && rm -f none.txt`;
const mark = (file: string) => bash(markCommand(file), `Mark ${file}`);
const markGate = (file: string): Right => gate("Bash", ({ command }) => command === markCommand(file));

const read = (path: string): string => (existsSync(path) ? readFileSync(path, "utf8") : "");

function requireFile(path: string, text: string): void {
  if (read(path) !== text)
    throw new Mismatch("wrong answer", "other effect", `${path} holds ${JSON.stringify(read(path))}, not ${JSON.stringify(text)}`);
}

/** Taking the option that refuses, by the number that the state gives it. */
async function refuse(stage: Stage, state: Json): Promise<boolean> {
  const choice = find(state, "refuse");
  if (choice === undefined) return false;
  await stage.approve(["--option", String(choice.option)], { meaning: "refuse", chosen: choice.label });
  return true;
}

const allowedOnce: Right = { meaning: "allow-once" };
const finished = (text: string): Right => ({ text, outcome: "finished" });
const interrupted: Right = { outcome: "interrupted" };

/** The session asked before its first act, so it is in the mode that asks: the next act shows whether it still is. */
async function requireSecondGate(stage: Stage, file: string): Promise<void> {
  await stage.reach("blocked", markGate(file));
  requireFile(join(stage.folder, file), "");
}

const trustMenu: Right = {
  gate: "trust",
  choices: isWholeMenu,
  options: (labels: unknown) => Array.isArray(labels) && labels.length === 2,
};

const folders: Question = {
  question: "Which folder?",
  header: "Folder",
  options: [
    { label: "src", description: "Sources" },
    { label: "test", description: "Tests" },
  ],
};
const checks: Question = {
  question: "Which checks should run?",
  header: "Checks",
  multiSelect: true,
  options: [
    { label: "lint", description: "Static analysis" },
    { label: "unit", description: "Unit tests" },
  ],
};

/** Read, then answered: through the hook where the version has one, else by keys, page by page. */
async function answerForm(stage: Stage, questions: Question[], firstOptions: string[], choices: string[], told: string): Promise<void> {
  await stage.spawn([ask(...questions), say("Using them.")]);
  await stage.send("Ask me");
  const texts = questions.map(({ question }) => question);
  const given = (found: unknown) =>
    Array.isArray(found) &&
    Bun.deepEquals(
      found.map((entry: Json) => entry.question),
      texts,
    );
  const labels = (found: unknown) =>
    Array.isArray(found) && firstOptions.every((label) => found.some((shown) => String(shown).includes(label)));
  await stage.reach("awaiting_answer", { gate: "question", question: texts.join("\n"), questions: given, options: labels });
  const answered = await stage.tryCsd(["answer", stage.name, ...choices.flatMap((choice) => ["--choice", choice])]);
  if (answered.code !== 0) throw new Mismatch("not answered", "answer fails", answered.stderr.trim());
  await stage.reach("idle_done", finished("Using them."));
  requireModelGot(stage, told);
}

/** They do not tell a hook before the call what it must know to give leave there: it answers the dialog, which may be painted by then. */
const flashing = ["2.0.70", "2.1.86", "2.1.158"];

const rulesOf = (stage: Stage) => join(stage.box.home, ".config/claude-smart/rules.toml");

/** What this version can do of rules: through csd, which sets its hooks. */
async function runRuled(stage: Stage, rules: string): Promise<void> {
  const path = rulesOf(stage);
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  writeFileSync(path, rules, { mode: 0o600 });
  try {
    await stage.spawn([mark("a.txt"), bash("git push --force origin"), say("Over.")]);
    const shown = join(stage.box.dir, `${stage.name}.out`);
    await stage.box.run(["tmux", "-u", "pipe-pane", "-t", `=${stage.name}:`, `cat > '${shown}'`]);
    await stage.send("Go");
    await stage.reach("idle_done", finished("Over."));
    // Words stand apart by blanks, or by moves of the cursor.
    const isShown = /Do\W+(?:\d*C)?you\W+(?:\d*C)?want/.test(read(shown));
    if (isShown && !flashing.includes(stage.version))
      throw new Mismatch("wrong answer", "dialog is shown", "of a call that leave was given for");
    if (isShown) stage.remark("its dialog is seen for a moment");
    requireFile(join(stage.folder, "a.txt"), "ran\n");
    requireModelGot(stage, "pushing is for people");
  } finally {
    rmSync(path, { force: true });
  }
}

/** Until the limit resets: nothing of the scenario takes so long. */
const limitMs = 7_200_000;
const minuteMs = 60_000;

/** claude swallows keys that come in the first moments of a dialog. */
const swallowedMs = 700;

export const scenarios: Scenario[] = [
  {
    name: "trust gate",
    right: "an untrusted folder is blocked/trust with both options; approve trusts and the session becomes ready",
    async run(stage) {
      await stage.spawn([], ["--cwd", stage.box.folder(stage.name, false)]);
      await stage.reach("blocked", trustMenu);
      await stage.approve([], allowedOnce);
      await stage.reach("idle_done", { outcome: "none", text: "" });
    },
  },
  {
    name: "spawn --trust",
    right: "spawn accepts the trust dialog itself and returns when the session is ready",
    async run(stage) {
      await stage.spawn([say("Here.")], ["--trust", "--cwd", stage.box.folder(stage.name, false)]);
      await stage.reach("idle_done", { outcome: "none", text: "" });
      await stage.send("Hello");
      await stage.reach("idle_done", finished("Here."));
    },
  },
  {
    name: "spawn manual",
    right: "--permission-mode manual starts a session that asks, also where claude calls that mode default",
    async run(stage) {
      await stage.spawn([mark("a.txt")], ["--permission-mode", "manual"]);
      await stage.send("Go");
      await requireSecondGate(stage, "a.txt");
    },
  },
  {
    name: "rules",
    right: "leave lets a call run with no key pressed, a denial blocks the next one, and the model is told why",
    run: (stage) =>
      runRuled(
        stage,
        `[[rules]]
name = "marks"
match_tool = ["Bash", "Write"]
match_command = ["echo ran", "rm -f none.txt"]
action = "allow"
[[rules]]
name = "files"
match_tool = ["Bash", "Write"]
match_path = "*.txt"
action = "allow"
[[rules]]
name = "push"
match_command = "git push"
action = "deny"
message = "pushing is for people"
`,
      ),
  },
  {
    name: "Bash gate",
    right: "blocked with tool Bash and the command; approve runs it once and switches no mode: a second call gates again",
    async run(stage) {
      await stage.spawn([mark("a.txt"), mark("b.txt"), say("Both done.")]);
      await stage.send("Make the files");
      await stage.reach("blocked", markGate("a.txt"));
      requireFile(join(stage.folder, "a.txt"), "");
      await stage.approve([], allowedOnce);
      await requireSecondGate(stage, "b.txt");
      requireFile(join(stage.folder, "a.txt"), "ran\n");
      await stage.approve([], allowedOnce);
      await stage.reach("idle_done", finished("Both done."));
      requireFile(join(stage.folder, "b.txt"), "ran\n");
    },
  },
  {
    name: "Bash refused",
    right: "the option whose meaning is refuse runs nothing; a menu without one is left with Esc",
    async run(stage) {
      await stage.spawn([mark("a.txt"), say("unreached")]);
      await stage.send("Make the file");
      const state = await stage.reach("blocked", markGate("a.txt"));
      const isRefused = await refuse(stage, state);
      if (!isRefused) await leaveFreeTextMenu(stage, state);
      await stage.reach("idle_done", interrupted);
      requireFile(join(stage.folder, "a.txt"), "");
      if (!isRefused) stage.remark("no such option");
    },
  },
  {
    name: "refused with a reason",
    right: "deny with a reason runs nothing; the model reads it and the turn goes on",
    async run(stage) {
      await stage.spawn([mark("a.txt"), say("Then not.")]);
      await stage.send("Make the file");
      await stage.reach("blocked", markGate("a.txt"));
      const denied = await stage.tryCsd(["deny", stage.name, "--reason", "use 2 other files"]);
      if (denied.code !== 0) throw new Mismatch("not answered", "deny fails", denied.stderr.trim());
      await stage.reach("idle_done", finished("Then not."));
      requireFile(join(stage.folder, "a.txt"), "");
      requireModelGot(stage, "use 2 other files");
    },
  },
  {
    name: "Write gate",
    right: "blocked with tool Write and its file; approve writes it and does not switch to accept edits",
    async run(stage) {
      const [first, second] = [join(stage.folder, "first.txt"), join(stage.folder, "second.txt")];
      await stage.spawn([
        useTool("Write", { file_path: first, content: "one\n" }),
        useTool("Write", { file_path: second, content: "two\n" }),
        say("Written."),
      ]);
      await stage.send("Write them");
      await stage.reach("blocked", { ...gate("Write", (input) => input.file_path === first), prompt: /first\.txt/ });
      requireFile(first, "");
      await stage.approve([], allowedOnce);
      await stage.reach("blocked", { ...gate("Write", (input) => input.file_path === second), prompt: /second\.txt/ });
      requireFile(first, "one\n");
      requireFile(second, "");
      await stage.approve([], allowedOnce);
      await stage.reach("idle_done", finished("Written."));
      requireFile(second, "two\n");
    },
  },
  {
    name: "Edit gate",
    right: "blocked with tool Edit and its file; approve makes the change once",
    async run(stage) {
      const path = join(stage.folder, "list.txt");
      writeFileSync(path, "old\nold\n");
      const edit = { file_path: path, old_string: "old\nold", new_string: "new\nold" };
      await stage.spawn([useTool("Read", { file_path: path }), useTool("Edit", edit), mark("a.txt"), say("Edited.")]);
      await stage.send("Edit it");
      await stage.reach("blocked", { ...gate("Edit", (input) => input.file_path === path), prompt: /list\.txt/ });
      requireFile(path, "old\nold\n");
      await stage.approve([], allowedOnce);
      await requireSecondGate(stage, "a.txt");
      requireFile(path, "new\nold\n");
    },
  },
  {
    name: "read outside",
    right: "reading outside the folder is blocked with tool Read and its path; approve gives the model the text",
    async run(stage) {
      const path = join(stage.box.home, `outside-${stage.name}.txt`);
      writeFileSync(path, "kingfisher\n");
      await stage.spawn([useTool("Read", { file_path: path }), say("I read it.")]);
      await stage.send("Read it");
      await stage.reach(
        "blocked",
        gate("Read", (input) => input.file_path === path),
      );
      await stage.approve([], allowedOnce);
      await stage.reach("idle_done", finished("I read it."));
      requireModelGot(stage, "kingfisher");
    },
  },
  {
    name: "MCP tool",
    right: "a tool of a project's MCP server is blocked with its full name and input; approve calls it once",
    async run(stage) {
      const { ready, called } = writeMcpServer(stage.folder);
      await stage.spawn([useTool("mcp__demo__create_note", { text: "hello" }), say("Noted.")]);
      await waitForFile(ready);
      await stage.send("Take a note");
      await stage.reach(
        "blocked",
        gate("mcp__demo__create_note", (input) => input.text === "hello"),
      );
      requireFile(called, "");
      await stage.approve([], allowedOnce);
      await stage.reach("idle_done", finished("Noted."));
      requireFile(called, "hello\n");
    },
  },
  {
    name: "WebFetch",
    right: "blocked with tool WebFetch and its address; refusing fetches nothing",
    async run(stage) {
      const url = `${stage.box.stub.url}/page`;
      await stage.spawn([useTool("WebFetch", { url, prompt: "Summarise" }), say("unreached")]);
      await stage.send("Fetch the page");
      const state = await stage.reach(
        "blocked",
        gate("WebFetch", (input) => input.url === url),
      );
      const isRefused = await refuse(stage, state);
      if (!isRefused) await leaveFreeTextMenu(stage, state);
      await stage.reach("idle_done", interrupted);
      if (!isRefused) stage.remark("no such option");
    },
  },
  {
    name: "question",
    right: "awaiting_answer with the choices; approve --option 2 gives the model the second answer",
    async run(stage) {
      await stage.spawn([ask(folders), say("Using it.")]);
      await stage.send("Ask me");
      const isMenu = (options: unknown) => Array.isArray(options) && options[0] === "src" && options[1] === "test";
      await stage.reach("awaiting_answer", { gate: "question", question: "Which folder?", options: isMenu });
      const unclear = await stage.tryCsd(["approve", stage.name]);
      if (unclear.code === 0) throw new Mismatch("wrong answer", "approve guessed", unclear.stdout);
      await stage.approve(["--option", "2"], { chosen: "test" });
      await stage.reach("idle_done", finished("Using it."));
      requireModelGot(stage, '\\"Which folder?\\"=\\"test\\"');
    },
  },
  {
    name: "multi-select",
    right: "awaiting_answer with the question and its boxes; answer gives the model both choices",
    run: (stage) => answerForm(stage, [checks], ["lint", "unit"], ["lint", "unit"], '=\\"lint, unit\\"'),
  },
  {
    name: "several questions",
    right: "awaiting_answer with all questions and the options of the first; answer gives the model an answer to each",
    run: (stage) =>
      answerForm(
        stage,
        [folders, checks],
        ["src", "test"],
        ["test", "unit"],
        '\\"Which folder?\\"=\\"test\\", \\"Which checks should run?\\"=\\"unit\\"',
      ),
  },
  {
    name: "plan",
    right: "plan_ready with the text; approve keeps asking before acts: afterwards a Bash call gates",
    async run(stage) {
      const text = "# Add a health check\n\n1. Yes\n2. No\n";
      await stage.spawn([...plan(text), mark("a.txt"), say("Implemented.")], ["--permission-mode", "plan"]);
      await stage.send("Plan a health check");
      await stage.reach("plan_ready", { plan: text, choices: isWholeMenu });
      await stage.approve([], { gate: "plan", meaning: "allow-once" });
      await requireSecondGate(stage, "a.txt");
    },
  },
  {
    name: "bypass warning",
    right: "blocked/bypass with both options; approve accepts. For root, who may not skip permissions, spawn fails and says so",
    async run(stage) {
      if (process.getuid?.() === 0) return refuseRoot(stage);
      await stage.spawn([], ["--bypass-permissions"]);
      await stage.reach("blocked", { gate: "bypass", choices: isWholeMenu });
      await stage.approve([], allowedOnce);
      await stage.reach("idle_done", { outcome: "none" });
    },
  },
  {
    name: "send into a gate",
    right: "a prompt sent while a gate is up is refused, the gate stays and nothing runs",
    async run(stage) {
      await stage.spawn([mark("a.txt"), say("unreached")]);
      await stage.send("Go");
      await stage.reach("blocked", markGate("a.txt"));
      const sent = await stage.tryCsd(["send", stage.name, "1 yes please"]);
      await Bun.sleep(swallowedMs);
      await stage.reach("blocked", markGate("a.txt"));
      requireFile(join(stage.folder, "a.txt"), "");
      if (sent.code !== 1 || !sent.stderr.includes("a gate is up")) throw new Mismatch("wrong answer", "prompt was sent", sent.stdout);
    },
  },
  {
    name: "working, then done",
    right: "working while the model speaks, idle_done with its text after",
    async run(stage) {
      await stage.spawn([hold("I begin"), say("unreached")]);
      await stage.send("Do it");
      await stage.reach("working", { tools: [] });
      await Bun.sleep(1500);
      await stage.reach("working", { tools: [] });
      stage.box.stub.release(stage.sessionId);
      await stage.reach("idle_done", finished("I begin"));
    },
  },
  {
    name: "tool at work",
    right: "working with tool Bash while an allowed command runs, idle_done after",
    async run(stage) {
      const command = "until [ -e go.txt ]; do sleep 0.1; done && rm -f none.txt";
      await stage.spawn([bash(command, "Wait for the file"), say("It came.")]);
      await stage.send("Wait");
      await stage.reach(
        "blocked",
        gate("Bash", (input) => input.command === command),
      );
      await stage.approve([], allowedOnce);
      await Bun.sleep(1500);
      await stage.reach("working", { tools: ["Bash"] });
      writeFileSync(join(stage.folder, "go.txt"), "");
      await stage.reach("idle_done", finished("It came."));
    },
  },
  {
    name: "usage limit",
    right: "limited, with its window and reset, and no other rest before it; csd run ends with code 5 and the same",
    login: "subscription",
    async run(stage) {
      // Older versions only say the minute.
      const resetsAt = Math.floor((Date.now() + limitMs) / minuteMs) * minuteMs;
      const limited: Right = { window: "five_hour", resets_at: resetsAt };
      // 2.0.70 asks again before it gives up.
      const refusals = Array.from({ length: 20 }, () => limit("five_hour", resetsAt));
      await stage.spawn(refusals);
      await stage.send("Hello");
      await stage.reach("limited", limited);
      const id = crypto.randomUUID();
      stage.box.stub.script(id, refusals);
      const ran = await stage.tryCsd(["run", "--session-id", id, "--cwd", stage.folder, "Hello"]);
      if (ran.code !== 5) throw new Mismatch("not read", `run ends with ${ran.code}`, ran.stderr.trim());
      requireRight("not read", JSON.parse(ran.stderr) as Json, { status: "limited", ...limited });
    },
  },
  {
    name: "killed",
    right: "dead after kill -9, and forgotten after csd kill",
    async run(stage) {
      await stage.spawn([]);
      const panes = await stage.box.run(["tmux", "-u", "list-panes", "-t", `=${stage.name}:`, "-F", "#{pane_pid}"]);
      process.kill(Number(panes.stdout), "SIGKILL");
      await waitForEnd(Number(panes.stdout));
      await stage.reach("dead", { source: "process" });
      const killed = await stage.tryCsd(["kill", stage.name]);
      const after = await stage.tryCsd(["state", stage.name]);
      if (killed.code !== 0 || after.code !== 1) throw new Mismatch("failed", "not forgotten", `${killed.stderr}${after.stdout}`);
    },
  },
];

/** 2.0.70 offers a text field in place of "No": csd must not choose it, and Esc refuses. */
async function leaveFreeTextMenu(stage: Stage, state: Json): Promise<void> {
  const field = find(state, "free-text");
  if (field === undefined) throw new Mismatch("not read", "no way out", JSON.stringify(state.choices));
  const chosen = await stage.tryCsd(["approve", stage.name, "--option", String(field.option)]);
  if (chosen.code === 0) throw new Mismatch("wrong answer", "chose a field", chosen.stdout);
  await Bun.sleep(swallowedMs);
  await stage.keys("Escape");
}

function requireModelGot(stage: Stage, text: string): void {
  const messages = JSON.stringify(stage.lastRequest()?.body.messages ?? []);
  if (!messages.includes(text)) throw new Mismatch("wrong answer", "model got other", `no ${text} in: ${messages.slice(-2000)}`);
}

async function refuseRoot(stage: Stage): Promise<void> {
  const result = await stage.tryCsd(["spawn", "--name", stage.name, "--bypass-permissions", "--cwd", stage.folder]);
  if (result.code !== 1) throw new Mismatch("failed", "root may bypass", result.stdout);
  requireRight("failed", JSON.parse(result.stderr) as Json, {
    error: /^claude ended at its start/,
    hint: /does not skip permissions for root/,
  });
  stage.remark("refused to root");
}

/** A stdio MCP server with one tool. The files say that claude has listed its tools, and what it was called with. */
function writeMcpServer(folder: string): { ready: string; called: string } {
  const paths = { ready: join(folder, "mcp-ready"), called: join(folder, "mcp-called") };
  const script = join(folder, "mcp-server.cjs");
  writeFileSync(script, mcpServer(paths.ready, paths.called));
  const command = Bun.which("node") ?? process.execPath;
  writeFileSync(join(folder, ".mcp.json"), JSON.stringify({ mcpServers: { demo: { type: "stdio", command, args: [script], env: {} } } }));
  return paths;
}

const mcpServer = (ready: string, called: string): string => `
const { appendFileSync, writeFileSync } = require("node:fs");
const schema = { type: "object", properties: { text: { type: "string" } }, required: ["text"] };
const answers = {
  initialize: ({ protocolVersion }) => ({ protocolVersion, capabilities: { tools: {} }, serverInfo: { name: "demo", version: "1.0.0" } }),
  "tools/list": () => {
    setTimeout(() => writeFileSync(${JSON.stringify(ready)}, ""), 200);
    return { tools: [{ name: "create_note", title: "Create note", description: "Takes a note", inputSchema: schema }] };
  },
  "tools/call": ({ arguments: input }) => {
    appendFileSync(${JSON.stringify(called)}, input.text + "\\n");
    return { content: [{ type: "text", text: "noted" }] };
  },
};
require("node:readline").createInterface({ input: process.stdin }).on("line", (line) => {
  const { id, method, params } = JSON.parse(line);
  if (id === undefined) return;
  const answer = answers[method];
  const reply = answer ? { result: answer(params) } : { error: { code: -32601, message: "no such method" } };
  process.stdout.write(JSON.stringify({ jsonrpc: "2.0", id, ...reply }) + "\\n");
});
`;

const fileTimeoutMs = 10_000;

async function waitForFile(path: string): Promise<void> {
  const deadline = Date.now() + fileTimeoutMs;
  while (!existsSync(path)) {
    if (Date.now() > deadline) throw new Mismatch("failed", "server not asked", "claude did not list the tools of the MCP server");
    await Bun.sleep(30);
  }
}

async function waitForEnd(pid: number): Promise<void> {
  const deadline = Date.now() + fileTimeoutMs;
  while (isThere(pid) && Date.now() < deadline) await Bun.sleep(10);
}

function isThere(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    // No such process.
    return false;
  }
}
