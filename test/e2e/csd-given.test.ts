/** Given/When/Then of the older csd that no other file holds: names, stdin, run, ps, and odd prompts. */
import { describe, expect, test } from "bun:test";
import { chmodSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { bash, fail, hold, plan, say } from "../../src/stub-script.ts";
import { claudePath, csdPath, type Json, until, useBox } from "./harness.ts";

const sandbox = useBox();
const record = (name: string) => join(sandbox.box.home, `.local/state/csd/sessions/${name}.json`);
const idOf = (name: string) => String((JSON.parse(readFileSync(record(name), "utf8")) as Json).session_id);
const errorOf = async (args: string[], input?: string, code = 1) => {
  const result = await sandbox.box.tryCsd(args, input === undefined ? {} : { input });
  expect([result.code, result.stdout]).toEqual([code, ""]);
  return (JSON.parse(result.stderr) as { error: string }).error;
};

describe("names never address another session", () => {
  test("a name that begins another one is free; a number, a window's name and a dash in it mean this session", async () => {
    const { box } = sandbox;
    const names = ["zz9", "zz", "0", "claude", "csd", "a-b"];
    for (const name of names) await box.spawn(name, [say(`I am ${name}.`)]);
    for (const name of names) await box.send(name, `Who is ${name}?`);
    for (const name of names) expect(await box.reach(name, "idle_done")).toMatchObject({ text: `I am ${name}.` });
    for (const name of names) expect(box.stub.prompts(idOf(name))).toEqual([`Who is ${name}?`]);
    expect(await box.csd(["kill", "zz"])).toEqual({ ok: true, killed: true });
    expect(await box.state("zz9")).toMatchObject({ status: "idle_done" });
    for (const name of names.filter((name) => name !== "zz")) await box.csd(["kill", name]);
  });
});

describe("spawn", () => {
  test("a folder behind a link is recorded as what it is, and an id keeps its case", async () => {
    const { box } = sandbox;
    const link = join(box.home, "work/link");
    symlinkSync(box.folder("real"), link);
    const id = "ABCDEF12-0000-4000-8000-00000000000A";
    const spawned = await box.csd(["spawn", "--name", "linked", "--cwd", link, "--session-id", id]);
    expect([spawned.cwd, spawned.session_id, String(spawned.jsonl_path).endsWith(`/${id}.jsonl`)]).toEqual([box.folder("real"), id, true]);
    await box.csd(["kill", "linked"]);
  });

  test("an id in braces or as a URN is refused, as claude takes none", async () => {
    const id = "abcdef12-0000-4000-8000-00000000000a";
    for (const form of [`{${id}}`, `urn:uuid:${id}`, id.replaceAll("-", "")])
      expect(await errorOf(["spawn", "--name", "braced", "--session-id", form], undefined, 2)).toBe(`invalid session id "${form}"`);
  });

  test("an id that a conversation has is told in claude's own words, and nothing is started", async () => {
    const { box } = sandbox;
    const spawned = await box.spawn("used", [say("Taken.")]);
    await box.send("used", "Hello");
    await box.reach("used", "idle_done");
    const args = ["spawn", "--name", "again", "--cwd", box.folder("used"), "--session-id", String(spawned.session_id)];
    expect(await errorOf(args)).toBe(`Session ID ${spawned.session_id} is already in use`);
    // Also where no transcript tells it, as in another folder: one conversation is not opened twice.
    expect(await errorOf(args.with(args.indexOf("--cwd") + 1, box.folder("elsewhere")))).toBe(
      `Session ID ${spawned.session_id} is already in use`,
    );
    await box.csd(["kill", "used"]);
    expect(await errorOf(args)).toBe(`Session ID ${spawned.session_id} is already in use`);
    const own = await box.run([claudePath, "--session-id", String(spawned.session_id), "-p", "x"], { cwd: box.folder("used") });
    expect(own.stderr).toContain(`Session ID ${spawned.session_id} is already in use`);
  });

  test("a relative XDG_STATE_HOME counts as unset", async () => {
    const { box } = sandbox;
    await box.csd(["spawn", "--name", "relative", "--cwd", box.folder("relative")], { env: { ...box.env, XDG_STATE_HOME: "state" } });
    expect(await box.state("relative")).toMatchObject({ status: "idle_done" });
    await box.csd(["kill", "relative"]);
  });

  test("a claude that takes seconds to start gets its first prompt once", async () => {
    const { box } = sandbox;
    const slow = join(box.dir, "slow-claude");
    writeFileSync(slow, `#!/bin/sh\n[ "$1" = --version ] || sleep 3\nexec '${claudePath}' "$@"\n`);
    chmodSync(slow, 0o755);
    const env = { ...box.env, CLAUDE_SMART_CLAUDE_BIN: slow };
    const spawned = await box.csd(["spawn", "--name", "slow", "--cwd", box.folder("slow")], { env });
    box.stub.script(String(spawned.session_id), [say("Here.")]);
    expect(await box.send("slow", "Hello")).toMatchObject({ attempts: 1, receipt: "turn_started" });
    expect(await box.reach("slow", "idle_done")).toMatchObject({ text: "Here." });
    expect(box.stub.prompts(idOf("slow"))).toEqual(["Hello"]);
    await box.csd(["kill", "slow"]);
  });

  test("a version that is not verified is told by spawn, by state also of a dead session, and by ps", async () => {
    const { box } = sandbox;
    await box.spawn("other", []);
    const sidecar = JSON.parse(readFileSync(record("other"), "utf8")) as Json;
    writeFileSync(record("other"), JSON.stringify({ ...sidecar, backend_version: "9.9.9" }));
    process.kill(Number(sidecar.pid), "SIGKILL");
    await box.reach("other", "dead");
    const warning = expect.stringContaining("set CSD_VERIFIED_VERSIONS=9.9.9") as string;
    expect(await box.state("other")).toMatchObject({ status: "dead", marker_warning: warning });
    expect((await box.csd(["ps", "--json"])).sessions).toContainEqual(expect.objectContaining({ name: "other", marker_warning: warning }));
    await box.csd(["kill", "other"]);
  });
});

describe("startup dialogs that a flag has answered", () => {
  // Without this claude refuses to skip permissions for root.
  const permitted = useBox({ env: { IS_SANDBOX: "1" } });

  test("--yolo goes through the trust dialog and the warning of bypass mode; --bypass-permissions stops at the warning", async () => {
    const { box } = permitted;
    const cwd = (name: string) => box.folder(name, false);
    await box.csd(["spawn", "--name", "warned", "--cwd", cwd("warned"), "--bypass-permissions", "--trust"]);
    expect(await box.state("warned")).toMatchObject({ status: "blocked", gate: "bypass" });
    await box.csd(["kill", "warned"]);
    const spawned = await box.csd(["spawn", "--name", "free", "--cwd", cwd("free"), "--yolo"]);
    expect(await box.state("free")).toMatchObject({ status: "idle_done", outcome: "none" });
    box.stub.script(String(spawned.session_id), [bash("touch a && rm -f b"), say("Unasked.")]);
    await box.send("free", "Go");
    expect(await box.csd(["wait", "free", "--timeout", "20"])).toMatchObject({ status: "idle_done", text: "Unasked." });
    await box.csd(["kill", "free"]);
  });

  test("--trust covers a further folder too", async () => {
    const { box } = permitted;
    const more = ["--add-dir", box.folder("further", false)];
    await box.csd(["spawn", "--name", "asked", "--cwd", box.folder("asked"), ...more]);
    expect(await box.state("asked")).toMatchObject({ status: "blocked", gate: "add-dir" });
    await box.csd(["kill", "asked"]);
    await box.csd(["spawn", "--name", "covered", "--cwd", box.folder("covered"), "--trust", ...more]);
    expect(await box.state("covered")).toMatchObject({ status: "idle_done", outcome: "none" });
    await box.csd(["kill", "covered"]);
  });
});

describe("a session that csd did not start", () => {
  const size = ["-x", "120", "-y", "40"];
  const start = (name: string, args: string[]) =>
    sandbox.box.run(["tmux", "-u", "new-session", "-d", "-s", name, ...size, "-c", sandbox.box.folder(`own-${name}`), claudePath, ...args]);
  const mode = ["--permission-mode", "manual"];

  test("is driven in its tmux pane by each name that csm ls shows, by its id and its title", async () => {
    const { box } = sandbox;
    const id = "abcd1234-0000-4000-8000-00000000000d";
    box.stub.script(id, [
      say("Hello."),
      bash("touch x && rm -f y"),
      say("Made."),
      bash("rm -rf z && touch z"),
      say("Refused."),
      hold("On and on"),
    ]);
    await start("alien", ["--session-id", id, ...mode]);
    const listed = await until("it is listed", async () => {
      const { sessions } = JSON.parse((await box.csm(["ls", "--json"])).stdout) as { sessions: (Json & { state: Json })[] };
      return sessions.find(({ session_id, state }) => session_id === id && state.status === "idle_done");
    });
    const name = String(listed.name);
    expect(name).toMatch(/^own-alien-/);
    for (const word of [name, id, id.toUpperCase(), id.slice(0, 8), "alien", String(listed.tmux)])
      expect([word, (await box.state(word)).status]).toEqual([word, "idle_done"]);
    expect(await box.send(name, "Greet me")).toMatchObject({ ok: true });
    expect(await box.csd(["wait", name, "--until", "idle_done", "--timeout", "20"])).toMatchObject({ text: "Hello." });
    expect(await box.state("greet me")).toMatchObject({ status: "idle_done" });
    expect((await box.tryCsd(["tail", name])).stdout).toBe("> Greet me\nHello.\n");

    await box.send("alien", "Make it");
    expect(await box.reach(id.slice(0, 8), "blocked")).toMatchObject({ tool: "Bash" });
    // What is up is read again, and nothing is answered for another one.
    expect((await box.tryCsd(["approve", name, "--expect", "something else"])).code).toBe(1);
    expect(await box.csd(["approve", name, "--expect", "touch x && rm -f y"])).toMatchObject({ ok: true });
    expect(await box.reach(name, "idle_done")).toMatchObject({ text: "Made." });
    await box.send(name, "And this");
    await box.reach(name, "blocked");
    expect(await box.csd(["deny", name, "--reason", "not that"])).toMatchObject({ ok: true });
    expect(await box.reach(name, "idle_done")).toMatchObject({ text: "Refused." });
    await box.send(name, "Go on");
    await box.reach(name, "working");
    expect(await box.csd(["interrupt", name])).toEqual({ ok: true, interrupted: true });
    expect(await box.reach(name, "idle_done")).toMatchObject({ outcome: "interrupted" });

    const logs = JSON.parse((await box.tryCsd(["logs", name])).stderr) as Json;
    expect(logs.error).toBe(`session "${name}" tells csd nothing: it has no hooks of csd, which did not start it`);
    const names = (await box.csm(["completions", "--names", "sessions"])).stdout.split("\n");
    expect(names).toContain(name);
    expect(await box.csd(["kill", name])).toMatchObject({ ok: true });
    await until("it has ended", async () => !(await box.csm(["ls"])).stdout.includes(name));
  });

  test("a word that means two is an error that names them, and nothing is typed", async () => {
    const { box } = sandbox;
    // Two panes of one tmux session: 2.1.329 lets no two sessions have one name.
    await start("twins", ["--name", "elder", ...mode]);
    await box.run([
      "tmux",
      "-u",
      "split-window",
      "-d",
      "-t",
      "=twins:",
      "-c",
      box.folder("own-twins"),
      claudePath,
      "--name",
      "younger",
      ...mode,
    ]);
    await until("both are listed", async () => ((await box.csm(["ls"])).stdout.match(/^(?:elder|younger) /gm) ?? []).length === 2);
    const refused = JSON.parse((await box.tryCsd(["send", "twins", "hello"])).stderr) as Json;
    expect(refused.error).toBe('"twins" names 2 sessions');
    expect(String(refused.hint)).toMatch(/^give one of\n {2}[0-9a-f-]{36} {2}(?:elder|younger)\n {2}[0-9a-f-]{36} {2}(?:elder|younger)$/);
    const screens = await box.run(["tmux", "-u", "list-panes", "-t", "=twins:", "-F", "#{pane_id}"]);
    for (const pane of screens.stdout.trim().split("\n"))
      expect((await box.run(["tmux", "-u", "capture-pane", "-p", "-t", pane])).stdout).not.toContain("hello");
    await box.run(["tmux", "-u", "kill-session", "-t", "=twins"]);
  });

  test("outside tmux it is looked at, and what cannot be done is said before anything is typed", async () => {
    const { box } = sandbox;
    const cwd = box.folder("plain");
    const child = Bun.spawn([claudePath, "--name", "plain one", ...mode], {
      cwd,
      env: box.env,
      terminal: { cols: 100, rows: 30, data() {} },
    });
    await until("it is idle", async () => (await box.tryCsd(["state", "plain one"])).stdout.includes('"idle_done"'));
    for (const args of [
      ["send", "plain one", "hello"],
      ["interrupt", "plain one"],
      ["approve", "plain one"],
      ["attach", "plain one"],
    ])
      expect(await errorOf(args)).toMatch(/^plain one runs in .*: \S/);
    child.kill("SIGTERM");
    await child.exited;
  });
});

describe("odd prompts", () => {
  test("without a letter, already on the screen, or with the end of a paste in it: each exactly once", async () => {
    const { box } = sandbox;
    const prompts = ["👍", "???", "…", "continue", "continue", "1"];
    await box.spawn(
      "odd",
      prompts.map((_, index) => say(`Answer ${index}.`)),
    );
    for (const prompt of prompts) {
      expect(await box.send("odd", prompt)).toMatchObject({ attempts: 1, receipt: "turn_started" });
      await box.reach("odd", "idle_done");
    }
    expect(box.stub.prompts(idOf("odd"))).toEqual(prompts);
    const hostile = "before\u001b[201~\rrm -rf /\rafter";
    await box.csd(["send", "odd", "-"], { input: hostile });
    await box.csd(["wait", "odd", "--until", "idle_done", "--timeout", "20"]);
    const got = box.stub.prompts(idOf("odd")).slice(prompts.length);
    expect(got.length).toBe(1);
    expect(got[0]?.startsWith("before") && got[0].endsWith("after")).toBe(true);
    await box.csd(["kill", "odd"]);
  });

  test("--retries 0 presses nothing and says so; too large a number is a usage error", async () => {
    const { box } = sandbox;
    await box.spawn("never", [say("unreached")]);
    expect(await errorOf(["send", "never", "--retries", "0", "hello"])).toBe("prompt not accepted by the TUI after 0 attempts");
    expect(await box.state("never")).toMatchObject({ outcome: "none" });
    expect((await box.tryCsd(["approve", "never", "--option", "4294967296"])).code).toBe(2);
    await box.csd(["kill", "never"]);
  });
});

describe("run", () => {
  test("bytes that are no UTF-8 become U+FFFD; blanks alone are an empty prompt; with words stdin is not read", async () => {
    const { box } = sandbox;
    box.stub.scriptAny([say("Read.")]);
    const cwd = box.folder("bytes");
    const script = `printf '  a\\377\\376b\\n ' | '${csdPath}' run --json --keep --cwd '${cwd}'`;
    const read = JSON.parse((await box.run(["bash", "-c", script])).stdout) as Json;
    expect(box.stub.prompts(String(read.session_id))).toEqual(["a\ufffd\ufffdb"]);
    expect(await errorOf(["run", "--cwd", cwd], " \n\t ")).toBe("empty prompt");
    box.stub.scriptAny([say("Words.")]);
    // A stdin that never ends must not hold it up.
    const options = { env: box.env, cwd: box.home, stdin: "pipe", stdout: "pipe" } as const;
    const held = Bun.spawn([csdPath, "run", "--session", String(read.session), "words"], options);
    expect(await held.stdout.text()).toBe("Words.\n");
    expect(box.stub.prompts(String(read.session_id)).at(-1)).toBe("words");
    // Open already: never a second time, and the words say where to ask.
    const refused = JSON.parse((await box.tryCsd(["run", "--cwd", cwd, "--resume", String(read.session_id), "x"])).stderr) as Json;
    expect(refused.error).toMatch(new RegExp(`^conversation ${read.session_id} is open in process \\d+$`));
    expect(refused.hint).toBe(`csd run --session ${read.session} asks there`);
    await box.csd(["kill", String(read.session)]);
  });

  test("in a session that has answered before it returns the new answer, also when a turn still runs", async () => {
    const { box } = sandbox;
    const spawned = await box.spawn("again", [say("Old."), hold("Other."), say("New.")]);
    await box.send("again", "One");
    await box.reach("again", "idle_done");
    await box.send("again", "Two");
    const running = box.csd(["run", "--json", "--session", "again", "Three"]);
    await box.reach("again", "working");
    box.stub.release(String(spawned.session_id));
    expect(await running).toMatchObject({ status: "done", text: "New.", session: "again" });
    await box.csd(["kill", "again"]);
  });

  test("a gate from before is reported and not answered, also with --approve-plan", async () => {
    const { box } = sandbox;
    await box.spawn("standing", [...plan("# Plan\n"), say("unreached")], ["--permission-mode", "plan"]);
    await box.send("standing", "Plan it");
    await box.reach("standing", "plan_ready");
    const result = await box.tryCsd(["run", "--json", "--approve-plan", "--session", "standing", "go on"]);
    expect([result.code, JSON.parse(result.stdout)]).toEqual([4, expect.objectContaining({ status: "gated", gate: "plan", options: [] })]);
    expect(await box.state("standing")).toMatchObject({ status: "plan_ready" });
    await box.csd(["kill", "standing"]);
  });

  test("a session of its own that ends, or a turn that fails: told, and what is to go is gone", async () => {
    const { box } = sandbox;
    box.stub.scriptAny([hold("never ends")]);
    const id = "eeeeeeee-0000-4000-8000-00000000000e";
    const running = box.tryCsd(["run", "--cwd", box.folder("ends"), "--session-id", id, "go"]);
    const name = "csd-ends-eeeeeeee";
    await until("the model is asked", () => box.stub.requests.some(({ sessionId, isMainThread }) => sessionId === id && isMainThread));
    process.kill(Number((JSON.parse(readFileSync(record(name), "utf8")) as Json).pid), "SIGKILL");
    expect(await running).toMatchObject({ code: 1, stderr: expect.stringContaining("is not alive") });
    expect(await errorOf(["state", name])).toBe(`session "${name}" does not exist`);
    box.stub.scriptAny([fail(400, "prompt is too long: 300000 tokens > 200000 maximum")]);
    const failed = await box.tryCsd(["run", "--json", "--cwd", box.folder("fails"), "go"]);
    expect([failed.code, (JSON.parse(failed.stdout) as Json).status]).toEqual([6, "failed"]);
    expect(await leftOf("fails")).toEqual([]);
  });

  /** Sessions of csd and of tmux whose name holds this word. */
  const leftOf = async (word: string): Promise<string[]> => {
    const { sessions } = (await sandbox.box.csd(["ps", "--json"])) as { sessions: { name: string }[] };
    const panes = (await sandbox.box.run(["tmux", "list-sessions", "-F", "#{session_name}"])).stdout.split("\n");
    return [...sessions.map(({ name }) => name), ...panes].filter((name) => name.includes(word));
  };

  test.each(["SIGINT", "SIGTERM", "SIGHUP"] as const)("%s ends its session with it; with --keep it stays", async (signal) => {
    const { box } = sandbox;
    for (const flags of [[], ["--keep"]]) {
      const folder = `left-${signal}${flags.join("")}`;
      // Of this session alone: one that is ended before it asks must leave nothing to the next.
      const id = crypto.randomUUID();
      box.stub.script(id, [hold("long")]);
      const argv = [csdPath, "run", ...flags, "--session-id", id, "--cwd", box.folder(folder), "go"];
      const child = Bun.spawn(argv, { env: box.env, cwd: box.home, stdout: "ignore", stderr: "ignore" });
      const [name = ""] = await until("its session", async () => {
        const found = await leftOf(folder);
        return found.length > 0 && (await box.tryCsd(["state", found[0] ?? ""])).stdout.includes('"working"') ? found : undefined;
      });
      child.kill(signal);
      expect(await child.exited).not.toBe(0);
      const left = await leftOf(folder);
      expect(new Set(left)).toEqual(new Set(flags.length === 0 ? [] : [name]));
      if (flags.length > 0) await box.csd(["kill", name]);
    }
  });

  test("a reader of its answer that has gone leaves no session behind", async () => {
    const { box } = sandbox;
    box.stub.scriptAny([say("Nobody reads this.")]);
    await box.run(["bash", "-c", `'${csdPath}' run --cwd '${box.folder("unread")}' go | true; wait`]);
    await until("it is gone", async () => (await leftOf("unread")).length === 0);
  });
});

describe("ps", () => {
  test("a transcript that cannot be read spoils no other row", async () => {
    const { box } = sandbox;
    const spawned = await box.spawn("spoiled", [say("Fine.")]);
    await box.spawn("healthy", []);
    const path = String(spawned.jsonl_path);
    rmSync(path, { force: true });
    mkdirSync(path, { recursive: true });
    const { sessions } = (await box.csd(["ps", "--json"])) as { sessions: { name: string; state: Json }[] };
    const status = (name: string) => sessions.find((session) => session.name === name)?.state.status;
    expect([status("spoiled"), status("healthy")]).toEqual(["idle_done", "idle_done"]);
    rmSync(path, { recursive: true });
    for (const name of ["spoiled", "healthy"]) await box.csd(["kill", name]);
  });
});
