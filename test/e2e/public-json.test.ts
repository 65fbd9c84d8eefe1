import { expect, test } from "bun:test";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { publicJson } from "../../src/public-json.ts";
import { ask, bash, limit, say } from "../../src/stub-script.ts";
import { asPublic } from "../public.ts";
import { type Box, claudePath, csdPath, csmPath, type Json, until, useBox } from "./harness.ts";

const sandbox = useBox({ login: "subscription" });
const checked = new Set<string>();

/** What a command prints, held to its schema: no key more, none less. */
function check(command: string, value: unknown): Json {
  expect(asPublic(command, value) as never).toEqual(value as never);
  checked.add(command);
  return value as Json;
}

async function csm(box: Box, command: string, ...args: string[]): Promise<Json> {
  const { stdout, stderr } = await box.csm([...command.split(" "), ...args]);
  return check(`csm ${command}`, stdout === "" ? { error: stderr } : JSON.parse(stdout));
}

async function csd(box: Box, command: string, ...args: string[]): Promise<Json> {
  const { stdout, stderr } = await box.tryCsd([command, ...args]);
  return check(`csd ${command}`, stdout === "" ? { error: stderr } : JSON.parse(stdout));
}

/** The lines that a command prints until this many are there. */
async function readLines(box: Box, argv: string[], count: number): Promise<Json[]> {
  const stream = Bun.spawn(argv, { env: box.env, cwd: box.home, stdout: "pipe" });
  let text = "";
  const reading = (async () => {
    for await (const chunk of stream.stdout) text += new TextDecoder().decode(chunk);
  })();
  const lines = () => text.split("\n").slice(0, -1);
  await until(`${count} lines of ${argv.slice(1).join(" ")}`, () => lines().length >= count);
  stream.kill();
  await reading;
  return lines().map((line) => JSON.parse(line) as Json);
}

const names = ["name", "session_id", "cwd", "transcript", "profile", "config_dir"] as const;
const reference = (value: Json | undefined) => Object.fromEntries(names.map((key) => [key, value?.[key]]));
const sessionsOf = (value: Json) => value.sessions as Json[];

test("a session is called the same by every command, and each is as its schema says", async () => {
  const { box } = sandbox;
  await box.csm(["profiles", "add", "home", box.configDir]);
  const cwd = box.folder("one");
  const spawned = await csd(box, "spawn", "--name", "one", "--cwd", cwd, "--permission-mode", "manual");
  const form = {
    question: "Which color?",
    header: "Color",
    multiSelect: false,
    options: ["Red", "Blue"].map((label) => ({ label, description: label })),
  };
  box.stub.script(String(spawned.session_id), [
    ...[bash("touch a && rm -f b"), say("Made."), bash("touch c && rm -f d"), say("Not made."), ask(form as never), say("Red.")],
    ...[say("Submitted."), bash("touch e && rm -f f"), say("Made."), bash("touch g && rm -f h"), say("Not made.")],
  ]);
  await csd(box, "send", "one", "Go");
  const gate = check("csd state", await box.reach("one", "blocked"));
  expect(gate).toMatchObject({
    name: "one",
    session_id: spawned.session_id,
    cwd,
    profile: "home",
    state: { status: "blocked", tool: "Bash" },
  });
  const of = (value: Json | undefined) => expect(reference(value)).toEqual(reference(gate));
  of(sessionsOf(await csm(box, "ls", "--json")).find(({ name }) => name === "one"));
  of(sessionsOf(await csd(box, "ps", "--json"))[0]);
  of((await readLines(box, [csmPath, "watch", "--json"], 1)).map((line) => check("csm watch", line))[0]);
  of((await readLines(box, [csdPath, "events", "one"], 1)).map((line) => check("csd events", line))[0]);
  await csd(box, "approve", "one");
  of(await csd(box, "wait", "one", "--until", "idle_done"));
  await csd(box, "send", "one", "Again");
  await box.reach("one", "blocked");
  await csd(box, "deny", "one", "--reason", "no");
  await box.reach("one", "idle_done");
  await csd(box, "send", "one", "Ask");
  await box.reach("one", "awaiting_answer");
  await csd(box, "answer", "one", "--choice", "Red");
  await box.reach("one", "idle_done");
  await csd(box, "interrupt", "one");
  await csd(box, "send", "one", "--no-submit", "a draft");
  await csd(box, "clear", "one");
  await csd(box, "send", "one", "--no-submit", "a draft");
  await csd(box, "submit", "one");
  await box.reach("one", "idle_done");
  for (const verb of ["allow", "deny"]) {
    expect(await csm(box, "type", "--json", "one", "Go on")).toMatchObject({ ok: true, receipt: "turn_started" });
    await box.reach("one", "blocked");
    await csm(box, verb, "one", "--json");
    await box.reach("one", "idle_done");
  }
  for (const command of ["tail", "logs"])
    for (const line of (await box.tryCsd([command, "one", "--json"])).stdout.trim().split("\n")) check(`csd ${command}`, JSON.parse(line));
  const { name: _, ...conversation } = reference(gate);
  expect(sessionsOf(await csm(box, "scan", cwd, "--json"))[0]).toMatchObject({
    ...{ session_id: conversation.session_id, cwd, transcript: conversation.transcript, profile: "home" },
    started_time: expect.any(String),
    live: { pid: expect.any(Number) },
  });
  expect(((await csm(box, "cost", "session", "--json")).rows as Json[])[0]).toMatchObject({
    session_id: conversation.session_id,
    cwd,
    transcript: conversation.transcript,
    profile: "home",
  });
  of(await csd(box, "run", "--json", "--session", "one", "More"));
  await csd(box, "kill", "one");
  const opened = await csm(box, "open", String(conversation.session_id), "--json");
  expect(opened).toMatchObject(conversation);
});

test("so is one that csd did not start, one with another conversation, and one at its limit", async () => {
  const { box } = sandbox;
  const id = crypto.randomUUID();
  const cwd = box.folder("plain");
  box.stub.script(id, [say("Hi.")]);
  await box.run(["tmux", "-u", "new-session", "-d", "-s", "plain", "-x", "120", "-y", "40", "-c", cwd, "bash", "--norc", "-i"]);
  await box.keys("plain", `${claudePath} --session-id ${id} --permission-mode manual`, "Enter");
  const find = async (isIt: (session: Json) => boolean) => sessionsOf(await csm(box, "ls", "--json")).find(isIt);
  const plain = await until("ls shows it", () => find(({ session_id }) => session_id === id));
  expect(reference(await csd(box, "state", String(plain.name)))).toEqual(reference(plain));
  const ran = await csd(box, "run", "--json", "--session", String(plain.name), "Say hi");
  expect(ran).toMatchObject({ name: plain.name, session_id: id, cwd, transcript: expect.stringContaining(id) });
  await box.spawn("clear", [say("A.")]);
  await box.send("clear", "One");
  const before = await box.reach("clear", "idle_done");
  await csd(box, "send", "clear", "/clear");
  const after = await until("another conversation", async () => {
    const now = await csd(box, "state", "clear");
    return now.session_id !== before.session_id && now;
  });
  expect(reference(await find(({ name }) => name === "clear"))).toEqual(reference(after));
  expect(reference(sessionsOf(await csd(box, "ps", "--json")).find(({ name }) => name === "clear"))).toEqual(reference(after));
  const resetsAt = Math.floor(Date.now() / 1000) * 1000 + 3_600_000;
  const resets = { resets_at: resetsAt, resets_time: new Date(resetsAt).toISOString() };
  await box.spawn("full", [limit("five_hour", resetsAt)]);
  await box.send("full", "One");
  expect(check("csd state", await box.reach("full", "limited"))).toMatchObject({ ...resets, state: resets });
  expect((await find(({ name }) => name === "full"))?.state).toMatchObject(resets);
  expect(await until("the log", async () => ((await csm(box, "log", "--json")).entries as Json[])[0])).toMatchObject(resets);
  expect((await csm(box, "usage", "--json", "--no-fetch")).profiles).toMatchObject({ home: { ...resets, windows: { five_hour: resets } } });
});

test("what was lost is told alike", async () => {
  const { box } = sandbox;
  const lost = sessionsOf(await csm(box, "ls", "--json")).find(({ name }) => name === "clear");
  process.kill(Number(lost?.pid), "SIGKILL");
  const found = await until("it is lost", async () => ((await csm(box, "restore", "--json", "--dry-run")).lost as Json[])[0]);
  expect(found).toMatchObject({ ...reference(lost), last_seen_at: expect.any(Number) });
});

test("what knows no session is as its schema says too", async () => {
  const { box } = sandbox;
  mkdirSync(join(box.home, ".config/claude-smart"), { recursive: true });
  writeFileSync(join(box.home, ".config/claude-smart/config.json"), '{"launchCommand":["claude"]}');
  const id = crypto.randomUUID();
  await box.csm(["sidecar", "merge", id, "model=opus"]);
  expect(await csm(box, "sidecar", "read", id)).toMatchObject({ model: "opus", session_id: id, saved_at: null });
  expect(await csm(box, "config")).toEqual({ launchCommand: ["claude"] });
  for (const report of ["daily", "project", "model", "block"]) await csm(box, "cost", report, "--json");
  await csm(box, "restore", "--json", "--dry-run");
  await csm(box, "reap", "--json", "--all");
  await csm(box, "halt", "--json", "--all", "--dry-run");
  await csm(box, "diagnose", "--json");
  await csm(box, "log", "--json");
  await csm(box, "rules replay", "--json");
  await csm(box, "rules suggest", "--json");
  const own =
    '[[rules]]\nname = "a"\nmatch_command = "rm"\naction = "deny"\n[[budgets]]\nname = "b"\nperiod = "day"\nlimit_usd = 9\naction = "ask"\n';
  const rules = `${own}[notify]\n[[notify.channels]]\nkind = "command"\nrun = ["true"]\n`;
  writeFileSync(join(box.home, ".config/claude-smart/rules.toml"), rules);
  await csm(box, "notify test", "--all", "--json");
  await csm(box, "notify", "--json");
  await csm(box, "budget", "--json");
  expect(await csm(box, "rules", "--json")).toMatchObject({ rules: [{ name: "a" }], budgets: [{ name: "b" }], problems: [] });
  await csm(box, "rules list", "--json");
  await csm(box, "rules check", "--json");
  expect(await csm(box, "rules explain", "--json", "ls | rm x")).toMatchObject({ decision: "deny", rule: "a" });
  expect((await csm(box, "rules log", "--json")).entries).not.toEqual([]);
  writeFileSync(join(box.home, "settings.json"), '{"permissions":{"allow":["Bash(ls:*)","Bash(a * b)"]}}');
  await csm(box, "rules import", "settings.json", "--json");
  writeFileSync(
    join(box.home, "night.json"),
    '{"tasks":[{"name":"a","prompt":"x"},{"name":"b","prompt":"{{a.result}}","depends_on":["a"]}]}',
  );
  expect(await csm(box, "tasks check", "night.json", "--json")).toMatchObject({ tasks: 2, problems: [], refusals: [] });
  expect(await csm(box, "tasks graph", "night.json", "--json")).toMatchObject({ tasks: [{ id: "a" }, { id: "b", depends_on: ["a"] }] });
  await csm(box, "usage", "--json", "--no-fetch");
  await csm(box, "pick-account", "--json", "--include-current");
  await csm(box, "profiles", "--json");
  await csm(box, "profiles list", "--json");
  await csm(box, "profiles doctor", "--json");
  await csm(box, "profiles share", "skills", "--dry-run", "--json");
  await csm(box, "setup", "--dry-run", "--json");
  await csm(box, "setup", "--statusline", "--shell", "bash", "--yes", "--json");
});

/** What needs a window, a server, a release or a run of its own is held to its schema where it has that. */
const elsewhere: Readonly<Record<string, string>> = {
  "csm focus": "terminals",
  "csm fleet": "fleet",
  "csm fleet machines": "fleet",
  "csm fleet check": "fleet",
  "csm answer": "fleet-gates",
  "csm fleet asks": "fleet-gates",
  "csm self-update": "self-update",
  ...Object.fromEntries(["dead", "retry"].map((verb) => [`csm tasks ${verb}`, "fleet-tasks"])),
  ...Object.fromEntries(["run", "resume", "logs", "status", "stop", "clean", "list"].map((verb) => [`csm tasks ${verb}`, "csm-tasks"])),
};

test.each(Object.entries(elsewhere))("%s is checked by %s", (command, file) => {
  const text = readFileSync(join(import.meta.dir, `${file}.test.ts`), "utf8");
  expect(text).toContain(`asPublic("${command}"`);
});

test("csd doctor, and with it every command", async () => {
  const { box } = sandbox;
  check("csd doctor", JSON.parse((await box.tryCsd(["doctor", "--json"], { timeoutMs: 80_000 })).stdout));
  expect(Object.keys(publicJson).filter((command) => !checked.has(command) && elsewhere[command] === undefined)).toEqual([]);
});
