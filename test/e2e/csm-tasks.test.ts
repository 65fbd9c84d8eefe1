import { expect, test } from "bun:test";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { runTaskRounds } from "../../scripts/task-rounds.ts";
import { addAccounts } from "../../src/sandbox.ts";
import { bash, fail, hold, limit, type ModelRequest, type Reply, say, useTool } from "../../src/stub-script.ts";
import { taskExits } from "../../src/task-outcome.ts";
import { asPublic } from "../public.ts";
import { claudePath, csmPath, type Json, promptOf, root, until, useBox } from "./harness.ts";

/** What the model says, by the first word of the prompt; a test sets its own. */
let answer: (first: string, request: ModelRequest) => Reply = () => say("Done.");
const sandbox = useBox({ login: "subscription", fallback: (request) => answer(promptOf(request), request) });

/** Since it was asked last: what the model was asked, by the first prompts. */
function asked(from: number): string[] {
  const { requests } = sandbox.box.stub;
  return requests
    .slice(from)
    .filter(({ isMainThread }) => isMainThread)
    .map(promptOf);
}
const mark = () => sandbox.box.stub.requests.length;

let files = 0;
function taskFile(tasks: Json[], more: Json = {}): string {
  const cwd = sandbox.box.folder("tasks");
  const path = join(sandbox.box.home, `night-${files++}.json`);
  writeFileSync(path, JSON.stringify({ ...more, tasks: tasks.map((task) => ({ cwd, ...task })) }));
  return path;
}

const start = (...words: string[]) =>
  Bun.spawn([csmPath, "tasks", ...words], { cwd: sandbox.box.home, env: sandbox.box.env, stdin: "ignore", stdout: "pipe", stderr: "pipe" });
const tasks = (...words: string[]) => sandbox.box.csm(["tasks", ...words], { timeoutMs: 80_000 });

async function status(): Promise<{ run: string; status: string; rows: Record<string, Json> }> {
  const { stdout } = await tasks("status", "--json");
  // Nothing is there before the first run has begun.
  const none = { run: "", status: "", tasks: [] };
  const told = stdout === "" ? none : (JSON.parse(stdout) as { run: string; status: string; tasks: Json[] });
  return { ...told, rows: Object.fromEntries(told.tasks.map((row) => [String(row.task), row])) };
}
const states = async () => Object.fromEntries(Object.entries((await status()).rows).map(([name, row]) => [name, row.status]));

/** Processes of the sandbox that were called with this. */
async function processes(word: string): Promise<string[]> {
  const { stdout } = await sandbox.box.run(["ps", "-eo", "pid=,args="]);
  const isOurs = (pid: string) => readEnvironment(pid).includes(`HOME=${sandbox.box.home}\0`);
  return stdout
    .split("\n")
    .map((line) => line.trim().split(" ")[0] ?? "")
    .filter((pid) => pid !== "" && readCommand(pid).includes(word) && isOurs(pid));
}
const readProc = (pid: string, file: string) => {
  try {
    return readFileSync(`/proc/${pid}/${file}`, "utf8");
  } catch {
    // It has ended.
    return "";
  }
};
const readEnvironment = (pid: string) => readProc(pid, "environ");
const readCommand = (pid: string) => readProc(pid, "cmdline");

test("the article's own file: test-web runs beside migrate, and test-api after it with what it said", async () => {
  const { box } = sandbox;
  for (const name of ["api", "web"]) mkdirSync(join(box.home, name), { recursive: true });
  writeFileSync(join(box.home, "article.json"), readFileSync(join(root, "test/fixtures/tasks/article.json")));
  const from = mark();
  answer = (first) => (first.startsWith("Migrate") ? hold("It is $HOME `migrated`") : say("Tested."));
  const child = start("run", "article.json");
  await until("test-web is done beside migrate", async () => (await states())["test-web"] === "succeeded");
  expect(await states()).toEqual({ migrate: "running", "test-api": "pending", "test-web": "succeeded" });
  const held = await until("migrate is asked", () =>
    box.stub.requests.slice(from).find((request) => promptOf(request).startsWith("Migrate")),
  );
  box.stub.release(held.sessionId);
  expect([await child.exited, (await status()).status]).toEqual([0, "succeeded"]);
  expect(asked(from).at(-1)).toBe("Run the tests; the migration said: It is $HOME `migrated`");
});

test("what is printed as JSON is as its schema says", async () => {
  answer = () => say("Done.");
  const file = taskFile([
    { name: "a", prompt: "First" },
    { name: "b", prompt: "Second", depends_on: ["a"] },
  ]);
  const lines = (stdout: string) =>
    stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as Json);
  const ran = lines((await tasks("run", file, "--json")).stdout);
  expect(ran.map((line) => asPublic("csm tasks run", line) as Json)).toEqual(ran);
  expect(ran.at(-1)?.event).toBe("end");
  const run = String(ran[0]?.run);
  const logged = lines((await tasks("logs", run, "--json")).stdout);
  expect(logged.map((line) => asPublic("csm tasks logs", line) as Json)).toEqual(logged);
  expect(logged.map((line) => asPublic("csm tasks resume", line) as Json)).toEqual(logged);
  const whole = async (...words: string[]) => JSON.parse((await tasks(...words, "--json")).stdout) as Json;
  const told = await whole("status", run);
  expect(asPublic("csm tasks status", told) as Json).toEqual(told);
  const all = await whole("list");
  expect(asPublic("csm tasks list", all) as Json).toEqual(all);
  const stopped = await whole("stop", run);
  expect(asPublic("csm tasks stop", stopped) as Json).toEqual(stopped);
  const cleaned = await whole("clean", run);
  expect(asPublic("csm tasks clean", cleaned) as Json).toEqual(cleaned);
});

test("a csm that is killed: its claude works on, two that resume are one, and what is done is not repeated", async () => {
  const { box } = sandbox;
  const from = mark();
  answer = (first) => (first.startsWith("Second") ? hold("B") : say("A"));
  const file = taskFile([
    { name: "a", prompt: "First" },
    { name: "b", prompt: "Second {{a.stdout}}", depends_on: ["a"] },
    { name: "c", prompt: "Third {{b.stdout}}", depends_on: ["b"] },
  ]);
  const killed = start("run", file);
  await until("b is asked", () => asked(from).length === 2);
  killed.kill("SIGKILL");
  await killed.exited;
  expect((await status()).status).toBe("interrupted");
  const both = [start("resume"), start("resume")];
  await until("it is taken up", async () => (await status()).status === "running");
  await until("nobody has asked again", () => asked(from).length === 2);
  box.stub.release(box.stub.requests.findLast((request) => promptOf(request).startsWith("Second"))?.sessionId ?? "");
  expect(await Promise.all(both.map(({ exited }) => exited))).toEqual([0, 0]);
  expect(asked(from)).toEqual(["First", "Second A", "Third B"]);
  expect((await status()).status).toBe("succeeded");
});

test("a claude that is killed with its csm goes on in its own conversation", async () => {
  const from = mark();
  answer = () => (asked(from).length > 1 ? say("Went on.") : hold("Half of it"));
  const killed = start("run", taskFile([{ name: "a", prompt: "Alone" }]));
  await until("it is asked", () => asked(from).length === 1);
  killed.kill("SIGKILL");
  await killed.exited;
  await until("its claude is gone", async () => {
    for (const pid of await processes("--output-format")) process.kill(Number(pid), "SIGKILL");
    return (await processes("--output-format")).length === 0;
  });
  expect((await tasks("resume")).code).toBe(0);
  const sessions = new Set(
    sandbox.box.stub.requests.slice(from).flatMap(({ isMainThread, sessionId }) => (isMainThread ? [sessionId] : [])),
  );
  expect([sessions.size, (await status()).rows.a]).toMatchObject([1, { status: "succeeded", attempt: 1 }]);
});

test("a file that has changed: only what it changes is run again", async () => {
  const from = mark();
  answer = (first) => (first === "One" ? say("1") : first.startsWith("Bad") ? fail(400, "bad") : say(`said ${first}`));
  const file = taskFile([
    { name: "one", prompt: "One" },
    { name: "two", prompt: "Two after {{one.stdout}}", depends_on: ["one"] },
    { name: "bad", prompt: "Bad" },
    { name: "late", prompt: "Late", depends_on: ["bad"] },
  ]);
  expect((await tasks("run", file)).code).toBe(1);
  expect(await states()).toEqual({ one: "succeeded", two: "succeeded", bad: "failed", late: "skipped" });
  const { run } = await status();
  writeFileSync(file, readFileSync(file, "utf8").replace('"Bad"', '"Good"').replace("Two after", "2 after"));
  expect((await tasks("resume", run)).code).toBe(0);
  // claude asks again by itself where it is refused.
  const others = asked(from).filter((prompt) => prompt !== "Bad");
  expect(others.sort()).toEqual(["2 after 1", "Good", "Late", "One", "Two after 1"]);
});

/** A way to end with each code; a new one has to have its own here. */
const ways: Record<keyof typeof taskExits, () => Promise<(number | null)[]>> = {
  succeeded: async () => {
    answer = () => say("Done.");
    const file = taskFile([{ name: "a", prompt: "A" }]);
    return [(await tasks("check", file)).code, (await tasks("graph", file)).code, (await tasks("run", file)).code];
  },
  failed: async () => {
    let isMended = false;
    const from = mark();
    answer = (first) => (first.startsWith("Bad") && !isMended ? say("") : say("Done."));
    const after = { depends_on: ["bad"], if: "always" };
    const file = taskFile([
      { name: "ok", prompt: "Ok" },
      { name: "bad", prompt: "Bad" },
      { name: "mail", prompt: "Mail", ...after },
      { name: "late", prompt: "Late", depends_on: ["bad"] },
    ]);
    const run = await tasks("run", file);
    const { run: id } = await status();
    expect(run.stderr).toContain(`1 of 4 did not succeed; csm tasks resume ${id} --failed runs them again`);
    // As it was: nothing of it is tried again by itself.
    const again = await tasks("resume", id);
    isMended = true;
    // The newest in which something has failed.
    expect((await tasks("resume", "--failed")).code).toBe(0);
    expect([
      await states(),
      asked(from)
        .filter((prompt) => !prompt.startsWith("Bad"))
        .sort(),
    ]).toEqual([
      { ok: "succeeded", bad: "succeeded", mail: "succeeded", late: "succeeded" },
      // What comes after it is looked at again, and what has nothing to do with it is not.
      ["Late", "Mail", "Mail", "Ok"],
    ]);
    return [run.code, again.code];
  },
  wrong: async () => {
    const file = taskFile([{ name: "a" }]);
    const codes = ["check", "graph", "run"].map(async (verb) => (await tasks(verb, file)).code);
    return Promise.all([
      ...codes,
      tasks("run", file, "--jobs", "x").then(({ code }) => code),
      tasks("resume", "nobody").then(({ code }) => code),
    ]);
  },
  refused: async () => {
    const two = [
      { name: "a", prompt: "A" },
      { name: "b", prompt: "B" },
    ];
    const from = mark();
    const many = taskFile(two, { max_tasks: 1 });
    const dear = taskFile(two, { budget_usd: 0.000_001 });
    const refused = [await tasks("check", dear), await tasks("run", dear)];
    expect(refused[1]?.stderr).toMatch(/^csm tasks run: this would take about \$[\d.]+, and budget_usd is \$0.000001; .*--force.*\n$/);
    expect(asked(from)).toEqual([]);
    // All the same: it stops at its cap.
    answer = () => say("Done.");
    const forced = await tasks("run", dear, "--force", "--jobs", "1");
    expect([forced.code, asked(from).length, await states()]).toEqual([1, 1, { a: "cancelled", b: "cancelled" }]);
    const codes = ["check", "graph", "run"].map(async (verb) => (await tasks(verb, many)).code);
    return [...refused.map(({ code }) => code), ...(await Promise.all(codes))];
  },
  limited: async () => {
    answer = () => limit("five_hour", Date.now() + 3_600_000);
    // What is known of the account then is known there alone.
    const env = { ...sandbox.box.env, XDG_STATE_HOME: sandbox.box.folder("limited") };
    const { code } = await sandbox.box.csm(["tasks", "run", taskFile([{ name: "a", prompt: "A" }]), "--on-limit", "stop"], { env });
    return [code];
  },
  stopped: async () => {
    const from = mark();
    answer = () => hold("never");
    const child = start("run", taskFile([{ name: "a", prompt: "A" }]));
    await until("it is asked", () => asked(from).length === 1);
    child.kill("SIGINT");
    return [await child.exited];
  },
};

test.each(Object.entries(ways))("each code means one thing: %s", async (way, codes) => {
  const { code, about } = taskExits[way as keyof typeof taskExits];
  const ended = await codes();
  expect(ended).toEqual(ended.map(() => code));
  const help = (await sandbox.box.csm(["tasks", "--help"])).stdout.replaceAll(/\s+/g, " ");
  expect([help.includes(` ${code} ${about}`), readFileSync(join(root, "README.md"), "utf8").includes(`| ${code} | ${about} |`)]).toEqual([
    true,
    true,
  ]);
});

test.each([
  ["claude -p", [], "\u0007"],
  // What a terminal would take for a key is left out there.
  ["a session that a person sees", ["--interactive"], ""],
])("every byte of a prompt reaches the model in %s, and nothing of it a shell or claude's commands", async (_, flags, control) => {
  const { home } = sandbox.box;
  const hostile = `/compact "q" 'q' $(touch ${home}/pwned) \`touch ${home}/pwned\` \\ {{x}} ${control}é日😀\n\t--help\nend`;
  const long = `${"0123456789abcdé\n".repeat(61_000)}end $HOME`;
  const from = mark();
  answer = (first) => (first === "Say it" ? say(hostile) : say("Read."));
  const file = taskFile([
    { name: "source", prompt: "Say it" },
    { name: "sink", prompt: "{{source.result}}", depends_on: ["source"] },
    { name: "long", prompt: long },
    { name: "signs", prompt: `-p 'a' "b" $(id) \`id\` \\{{x}} !ls #x @/etc/passwd` },
  ]);
  expect((await tasks("run", file, ...flags)).code).toBe(0);
  const seen = asked(from);
  const signs = `-p 'a' "b" $(id) \`id\` {{x}} !ls #x @/etc/passwd`;
  // A line before it keeps claude from taking it for a command, where it is typed.
  const sink = flags.length === 0 ? hostile : `Text:\n${hostile}`;
  expect([seen.includes(sink), seen.includes(long), seen.includes(signs)]).toEqual([true, true, true]);
  expect(existsSync(join(home, "pwned"))).toBe(false);
});

test("an answer must meet its schema: asked once more, then failed", async () => {
  const outputs = { type: "object", required: ["n"], properties: { n: { type: "number" } } };
  let tries = 0;
  answer = (first, { body }) => {
    if (first !== "Late") return say("never");
    tries++;
    return JSON.stringify(body.messages).includes("Answer again") ? useTool("StructuredOutput", { n: 3 }) : say("three");
  };
  const file = taskFile([
    { name: "late", prompt: "Late", outputs },
    { name: "never", prompt: "Never", outputs },
    { name: "after", prompt: "n is {{late.json.n}}", depends_on: ["late"] },
  ]);
  const from = mark();
  expect((await tasks("run", file)).code).toBe(1);
  const { rows } = await status();
  expect([rows.late?.status, rows.never, rows.after?.status]).toMatchObject([
    "succeeded",
    { status: "failed", reason: "its answer is no JSON" },
    "succeeded",
  ]);
  expect([tries > 1, asked(from).includes("n is 3")]).toEqual([true, true]);
});

/** In the background: a loop, one in a session of its own, and one that has left its parent and its environment; none minds a signal. */
const background = (mark: string) =>
  `trap "" TERM HUP INT; setsid sh -c 'while :; do sleep 1; done # ${mark}' & ` +
  `(setsid env -i sh -c 'trap "" TERM HUP; while :; do sleep 1; done # ${mark}' &); while :; do sleep 1; done # ${mark}`;

const token = crypto.randomUUID().slice(0, 8);
const commandsWith = (word: string): string[] =>
  readdirSync("/proc").flatMap((pid) => (/^\d+$/.test(pid) && readCommand(pid).includes(word) ? [readCommand(pid)] : []));

/** Processes of the agents that were started with this prompt: a spare one may have taken it, whose command does not tell. */
function agentsOf(prompt: string): number[] {
  const { workers = {} } = JSON.parse(sandbox.box.sys.readText(join(sandbox.box.configDir, "daemon/roster.json")) || "{}") as {
    workers?: Record<string, { replPid?: number; pid: number; dispatch?: { launch?: { args?: string[] } } }>;
  };
  const own = Object.values(workers).filter(({ dispatch, replPid }) => replPid !== undefined && dispatch?.launch?.args?.includes(prompt));
  return own.flatMap(({ replPid, pid }) => [replPid ?? 0, pid]).filter((pid) => readCommand(String(pid)) !== "");
}

/** An agent of its own, a shell in the background, and a sub-agent with a shell. */
function busy(first: string, { body }: ModelRequest): Reply {
  const [, role, mark = ""] = /^(\w+) (\S+)/.exec(first) ?? [];
  if (JSON.stringify(body.messages).includes("You were interrupted")) return say("Went on.");
  if (role !== "Stop" && role !== "Look") return say("Done.");
  const loop = useTool("Bash", { command: background(mark), run_in_background: true, description: "loop" });
  const foreground = bash(`trap "" TERM; while :; do sleep 1; done # ${mark} agent`);
  if (role === "Look") return foreground;
  const steps = mark.startsWith("seen")
    ? [loop, foreground]
    : [
        bash(`${claudePath} --bg 'Alone ${mark}'`),
        loop,
        useTool("Agent", { description: "look", prompt: `Look ${mark}`, subagent_type: "general-purpose" }),
        // The sub-agent works in the background, and the main thread has an answer of its own.
        foreground,
      ];
  return steps[(body.messages as { role: string }[]).filter(({ role: who }) => who === "assistant").length] ?? say("Over.");
}

test("stopped from elsewhere, and by Ctrl-C once and twice: nothing of it runs on, and it can go on later", async () => {
  const { box } = sandbox;
  mkdirSync(box.configDir, { recursive: true });
  writeFileSync(join(box.configDir, "settings.json"), JSON.stringify({ permissions: { allow: ["Bash", "Agent", "Task"] } }));
  answer = busy;
  const modes = ["once", "twice", "seen"];
  const begun = modes.map((mode) => {
    const file = taskFile([
      { name: "a", prompt: `Stop ${mode}-${token}`, permission_mode: "manual" },
      { name: "b", prompt: "Later", depends_on: ["a"] },
    ]);
    return { mode, file, child: start("run", file, ...(mode === "seen" ? ["--interactive"] : [])) };
  });
  const listed = async () =>
    (JSON.parse((await tasks("list", "--json")).stdout) as { runs: { run: string; file: string; status: string }[] }).runs;
  const stop = async ({ mode, file, child }: (typeof begun)[number]) => {
    const agents = () => agentsOf(`Alone ${mode}-${token}`);
    const left = () => commandsWith(`${mode}-${token}`);
    // A shell of a sub-agent or in front; a loop, one in a session of its own, one with a cleared environment; and an agent.
    const isAll = () => left().length >= 4 && left().some((word) => / agent\b/.test(word)) && (mode === "seen" || agents().length > 0);
    await until(`all of ${mode} runs`, isAll, () => JSON.stringify([left(), agents()]));
    const ofAgent = agents();
    const run = (await listed()).find((one) => one.file === file)?.run ?? "";
    if (mode === "seen") expect((await tasks("stop", run)).code).toBe(0);
    else child.kill("SIGINT");
    if (mode === "twice") child.kill("SIGINT");
    expect([mode, await child.exited]).toEqual([mode, 130]);
    expect([mode, left(), ofAgent.map((pid) => readCommand(String(pid))).join("")]).toEqual([mode, [], ""]);
    return run;
  };
  const runs = await Promise.all(begun.map(stop));
  for (const run of runs) {
    const { tasks: rows, status: now } = JSON.parse((await tasks("status", run, "--json")).stdout) as { tasks: Json[]; status: string };
    expect([run, now, rows.map(({ status: state }) => state)]).toEqual([run, "stopped", ["paused", "pending"]]);
  }
  const resumed = await Promise.all(runs.slice(-2).map((run) => tasks("resume", run)));
  expect(resumed.map(({ code }) => code)).toEqual([0, 0]);
});

test("a worktree of its own from what is committed; it goes when nothing of it would be lost", async () => {
  const { box } = sandbox;
  const repository = box.folder("repository");
  const git = async (...args: string[]) =>
    (await box.run(["git", "-C", repository, "-c", "user.name=a", "-c", "user.email=a@b", ...args])).stdout;
  await git("init", "-q", "-b", "main");
  writeFileSync(join(repository, "a.txt"), "committed");
  await git("add", ".");
  await git("commit", "-qm", "first");
  writeFileSync(join(repository, "a.txt"), "not committed");
  answer = (first) => say(first);
  const file = taskFile([
    { name: "clean", prompt: "Clean", cwd: repository, worktree: true },
    { name: "dirty", prompt: "Dirty", cwd: repository, worktree: true },
  ]);
  expect((await tasks("run", file)).code).toBe(0);
  const { rows, run } = await status();
  const [clean, dirty] = [String(rows.clean?.worktree), String(rows.dirty?.worktree)];
  expect(readFileSync(join(clean, "a.txt"), "utf8")).toBe("committed");
  writeFileSync(join(dirty, "new.txt"), "worth something");
  const first = JSON.parse((await tasks("clean", run, "--json")).stdout) as Json;
  expect(first).toMatchObject({ removed: [{ path: clean }], kept: [{ path: dirty, why: "1 files are not committed" }], forgotten: [] });
  expect([existsSync(clean), existsSync(dirty), (await git("branch", "--list", "csm/*")).trim().split("\n").length]).toEqual([
    false,
    true,
    1,
  ]);
  await box.run(["git", "-C", dirty, "add", "."]);
  await box.run(["git", "-C", dirty, "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "second"]);
  const second = JSON.parse((await tasks("clean", run, "--json")).stdout) as { kept: Json[] };
  expect(second.kept[0]?.why).toMatch(/is neither merged nor pushed$/);
  await git("merge", "-q", String(rows.dirty?.branch));
  await git("checkout", "-q", "--", ".");
  await git("merge", "-q", String(rows.dirty?.branch));
  expect(JSON.parse((await tasks("clean", run, "--json")).stdout)).toMatchObject({ removed: [{ path: dirty }], forgotten: [run] });
});

test("sessions that a person sees: csm is killed, two that resume are one, a rule answers a gate, and a question waits for a person", async () => {
  const { box } = sandbox;
  const rules = join(box.home, ".config/claude-smart/rules.toml");
  mkdirSync(join(rules, ".."), { recursive: true, mode: 0o700 });
  writeFileSync(rules, '[[rules]]\nname = "marks"\nmatch_command = "touch ruled"\naction = "allow"\n', { mode: 0o600 });
  const question = {
    question: "Which?",
    header: "W",
    multiSelect: false,
    options: ["Red", "Blue"].map((label) => ({ label, description: label })),
  };
  const from = mark();
  answer = (first, { body }) => {
    const hasResult = JSON.stringify(body.messages).includes("tool_result");
    if (first === "Ask" && !hasResult) return useTool("AskUserQuestion", { questions: [question] });
    if (first === "Ruled" && !hasResult) return bash("touch ruled");
    return first === "Hold" ? hold("Held.") : say(first);
  };
  const manual = { permission_mode: "manual" };
  const killed = start(
    "run",
    "--interactive",
    taskFile([
      { name: "ask", prompt: "Ask", ...manual },
      { name: "ruled", prompt: "Ruled", ...manual },
      { name: "held", prompt: "Hold", ...manual },
      { name: "next", prompt: "Then {{ask.stdout}} {{held.stdout}}", depends_on: ["ask", "held"] },
    ]),
  );
  await until("a question waits for a person", async () => (await status()).rows.ask?.needs_person === true);
  await until("one works", () => asked(from).includes("Hold"));
  await until("a rule has answered", async () => (await states()).ruled === "succeeded");
  const before = await status();
  expect([before.status, String(before.rows.ask?.activity).startsWith("waits for you")]).toEqual(["running", true]);
  killed.kill("SIGKILL");
  await killed.exited;
  const both = [start("resume"), start("resume")];
  await until("it is taken up", async () => (await status()).status === "running");
  box.stub.release(box.stub.requests.findLast((request) => promptOf(request) === "Hold")?.sessionId ?? "");
  const waiting = await until("all wait for a person", async () => {
    const now = await status();
    return now.status === "waiting" && now.rows.held?.status === "succeeded" && now;
  });
  const { sessions } = JSON.parse((await box.csm(["ls", "--json"])).stdout) as { sessions: { name: string }[] };
  const name = sessions.find((session) => session.name.startsWith(`${waiting.run}.ask-`))?.name ?? "";
  expect((await box.tryCsd(["answer", name, "--choice", "Red"])).code).toBe(0);
  expect(await Promise.all(both.map(({ exited }) => exited))).toEqual([0, 0]);
  const after = await status();
  expect(Object.values(after.rows).map(({ status: state, attempt }) => [state, attempt])).toEqual(Array(4).fill(["succeeded", 1]));
  const ids = (rows: Record<string, Json>) => [rows.ask?.session_id, rows.held?.session_id];
  expect(ids(after.rows)).toEqual(ids(before.rows));
  // The question and the call of a tool are asked about once more with their results, and nothing else is.
  expect(asked(from).sort()).toEqual(["Ask", "Ask", "Hold", "Ruled", "Ruled", "Then Ask Held."]);
  expect(existsSync(join(box.folder("tasks"), "ruled"))).toBe(true);
  writeFileSync(rules, "");
});

test("in both ways to run a task is done only if claude says so", async () => {
  answer = (first) => {
    if (first.startsWith("Empty")) return say("");
    if (first.startsWith("Refused")) return say("I cannot", { stopReason: "refusal" });
    if (first.startsWith("Cut")) return say("half", { stopReason: "max_tokens" });
    if (first.startsWith("Killed")) return bash("kill -9 $CLAUDE_PID");
    return say("Whole.");
  };
  const reasons: Record<string, RegExp> = {
    empty: /^its answer is empty$/,
    refused: /^the model refused|safeguards flagged/,
    cut: /exceeded the \d+ output token maximum|cut off at its greatest length/,
    killed: /^claude ended without an answer, ended by a signal$|^it was killed$/,
  };
  const file = taskFile([
    ...["Empty", "Refused", "Cut", "Killed"].map((word) => ({ name: word.toLowerCase(), prompt: word, permission_mode: "manual" })),
    { name: "whole", prompt: "Whole" },
  ]);
  mkdirSync(sandbox.box.configDir, { recursive: true });
  writeFileSync(join(sandbox.box.configDir, "settings.json"), JSON.stringify({ permissions: { allow: ["Bash"] } }));
  for (const flags of [[], ["--interactive"]]) {
    expect((await tasks("run", file, "--jobs", "5", ...flags)).code).toBe(1);
    const { rows } = await status();
    expect(rows.whole?.status).toBe("succeeded");
    for (const [name, reason] of Object.entries(reasons))
      expect([flags, name, rows[name]?.status, String(rows[name]?.reason)]).toEqual([flags, name, "failed", expect.stringMatching(reason)]);
  }
});

test("limits and logins: nothing new starts on the account, one message, and it goes on by itself", async () => {
  const { box } = sandbox;
  addAccounts(box, csmPath);
  const limited = new Map<string, number>();
  let isLoggedOut = false;
  const met: string[] = [];
  answer = (_, { headers }) => {
    const account = headers["x-profile"] ?? "";
    met.push(account);
    if (isLoggedOut && account === "spare") return fail(401, "expired");
    const at = limited.get(account) ?? 0;
    return at > Date.now() ? limit("five_hour", at) : say("Done.");
  };
  const six = Array.from({ length: 6 }, (_, index) => ({ name: `t${index}`, prompt: `Task ${index}` }));
  // The other account takes over, with the conversations.
  limited.set("main", Date.now() + 3_600_000);
  expect((await tasks("run", taskFile(six, { jobs: 2 }))).code).toBe(0);
  expect([met.filter((account) => account === "main").length, met.filter((account) => account === "spare").length]).toEqual([2, 6]);
  // Whoever names an account waits for it.
  met.length = 0;
  limited.set("spare", (Math.ceil(Date.now() / 1000) + 6) * 1000);
  const waiting = start(
    "run",
    taskFile(
      six.map((task) => ({ ...task, profile: "spare" })),
      { jobs: 2 },
    ),
  );
  await until("it waits", async () => (await status()).status === "waiting");
  expect(met.length).toBeLessThanOrEqual(2);
  expect(await waiting.exited).toBe(0);
  expect((await waiting.stdout.text()).split("is at its usage limit (five_hour); it resets").length).toBe(2);
  // A dead login holds them until somebody has logged in.
  isLoggedOut = true;
  const held = start(
    "run",
    taskFile(
      six.map((task) => ({ ...task, profile: "spare" })),
      { jobs: 2 },
    ),
  );
  await until("it is held", async () => (await status()).rows.t0?.needs_person === true);
  isLoggedOut = false;
  writeFileSync(join(`${box.configDir}.spare`, ".credentials.json"), "{}");
  expect(await held.exited).toBe(0);
  expect((await held.stdout.text()).split("spare is logged out: ").length).toBe(2);
});

test("20 random tasks with failures, limits, a dropped connection and two kills: each took effect as often as its policy allows", async () => {
  const report = await runTaskRounds({ tasks: 20, kills: 2, seed: 5, jobs: 4, claudePath, csmPath });
  expect(report.wrong.join("\n")).toBe("");
  expect([report.limits > 0, (report.states.succeeded ?? 0) > 10]).toEqual([true, true]);
}, 300_000);
