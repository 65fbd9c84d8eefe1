import { describe, expect, test } from "bun:test";
import { chmodSync, existsSync, mkdirSync, readFileSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { slugOf } from "../../src/paths.ts";
import { say } from "../../src/stub-script.ts";
import { type Box, csmPath, until, useBox } from "./harness.ts";

const sandbox = useBox();

const id = (start: string) => `${start}${"00000000-0000-4000-8000-000000000000".slice(start.length)}`;
const prompt = (text: string, cwd: string) => ({
  ...{ type: "user", message: { role: "user", content: text }, uuid: `u-${text}`, timestamp: "2026-11-20T10:00:00.000Z" },
  ...{ cwd, permissionMode: "default" },
});
const answer = (text: string) => ({
  type: "assistant",
  message: { id: `m-${text}`, role: "assistant", model: "claude-opus-5-5", content: [{ type: "text", text }], stop_reason: "end_turn" },
});

/** A transcript as Claude Code would have left it. */
function putTranscript(box: Box, cwd: string, sessionId: string, entries: (object | string)[], ago = 60, config = ".claude"): string {
  const dir = join(box.home, config, "projects", slugOf(cwd));
  mkdirSync(dir, { recursive: true });
  const path = join(dir, `${sessionId}.jsonl`);
  writeFileSync(path, entries.map((entry) => `${typeof entry === "string" ? entry : JSON.stringify(entry)}\n`).join(""));
  utimesSync(path, Date.now() / 1000 - ago, Date.now() / 1000 - ago);
  return path;
}

/** A prompt and its answer as 2.1.329 writes them, so that it can go on from there. */
function realTurn(cwd: string, sessionId: string, text: string, more: object = {}): object[] {
  const common = { isSidechain: false, userType: "external", entrypoint: "cli", cwd, sessionId, version: "2.1.329", ...more };
  const [asked, said] = [`${sessionId.slice(0, -2)}a1`, `${sessionId.slice(0, -2)}a2`];
  const time = "2026-11-20T10:00:00.000Z";
  return [
    { parentUuid: null, type: "user", message: { role: "user", content: text }, uuid: asked, timestamp: time, ...common },
    { parentUuid: asked, ...answer(`answer to ${text}`), uuid: said, timestamp: time, ...common },
  ];
}

/** A program in claude's place that tells what it was started with, in a file; of being asked for its version it tells nothing. */
function fakeClaude(box: Box): { env: Record<string, string>; started(): string | undefined } {
  const path = join(box.dir, "fake-claude");
  const out = join(box.dir, "started");
  // The rename makes it whole at once.
  const body = `{ printf '%s|' "$@"; echo; echo "dir=$CLAUDE_CONFIG_DIR"; echo "cwd=$PWD"; } > '${out}.new'; mv '${out}.new' '${out}'`;
  writeFileSync(path, `#!/bin/sh\nif [ "$*" = --version ]; then echo "2.1.329 (Claude Code)"; exit; fi\n${body}\n`);
  chmodSync(path, 0o755);
  writeFileSync(out, "");
  return { env: { CLAUDE_SMART_CLAUDE_BIN: path }, started: () => readFileSync(out, "utf8") || undefined };
}

/** A shell in a pane; what is typed in it has a terminal. */
async function openShell(box: Box, name: string, cwd: string, env: Record<string, string> = {}): Promise<(line: string) => Promise<void>> {
  const given = Object.entries(env).flatMap(([key, value]) => ["-e", `${key}=${value}`]);
  const size = ["-x", "100", "-y", "30"];
  await box.run(["tmux", "-u", "new-session", "-d", "-s", name, ...size, ...given, "-c", cwd, "bash", "--norc", "-i"]);
  return (line) => box.keys(name, line, "Enter");
}

const shows = (box: Box, name: string, text: string | RegExp) =>
  until(
    `${name} shows ${text}`,
    async () => {
      const screen = await box.screen(name);
      return (typeof text === "string" ? screen.includes(text) : text.test(screen)) && screen;
    },
    () => box.screen(name),
  );

const live = async (box: Box) =>
  (JSON.parse((await box.csm(["ls", "--json"])).stdout) as { sessions: { session_id: string; pid: number; state: { status: string } }[] })
    .sessions;

describe("conversations of the real claude", () => {
  test("one that claude -p had is listed, found by a part of its id, by its title, and goes on with its earlier turns", async () => {
    const { box } = sandbox;
    const cwd = box.folder("real");
    box.stub.scriptAny([say("The answer is 42."), say("It is 42."), say("Still 42."), say("And on.")]);
    expect((await box.csm(["-p", "What is the answer?"], { cwd })).code).toBe(0);
    const rows = (await box.csm(["scan"], { cwd })).stdout.trim().split("\n");
    expect(rows.length).toBe(1);
    const [sessionId = "", seconds, time, , label] = rows[0]?.split("\t") ?? [];
    expect([label, Math.abs(Number(seconds) - Date.now() / 1000) < 60, /^\d\d-\d\d \d\d:\d\d$/.test(time ?? "")]).toEqual([
      "What is the answer?",
      true,
      true,
    ]);
    const json = JSON.parse((await box.csm(["scan", "real", "--json"], { cwd: join(cwd, "..") })).stdout) as { sessions: object[] };
    expect(json.sessions).toEqual([
      expect.objectContaining({ session_id: sessionId, turns: 1, model: "claude-opus-5-5", live: null, cwd }),
    ]);

    // Also where claude gets the words untouched: it knows whole ids only.
    expect(await box.csm(["-p", "-r", sessionId.slice(0, 8), "And now?"], { cwd })).toMatchObject({ code: 0, stdout: "It is 42.\n" });
    expect(JSON.stringify(box.stub.requests.at(-1)?.body.messages)).toContain("What is the answer?");
    expect((await box.csm(["scan", "--all"])).stdout).toContain(`${sessionId}\t`);

    const type = await openShell(box, "real", cwd);
    await type(`'${csmPath}' -r ${sessionId.slice(0, 8)}`);
    const running = await until("resumed", async () => (await live(box)).find((session) => session.session_id === sessionId));
    await shows(box, "real", "The answer is 42.");
    await until("idle", async () => (await live(box)).find((session) => session.session_id === sessionId)?.state.status === "idle_done");
    await box.keys("real", "-l", "Are you sure?");
    await box.keys("real", "Enter");
    await shows(box, "real", "Still 42.");
    expect(JSON.stringify(box.stub.requests.at(-1)?.body.messages)).toContain("What is the answer?");
    expect(readFileSync(`/proc/${running.pid}/cmdline`, "utf8")).toBe(`claude\0--resume\0${sessionId}\0`);

    // Open now: offered as a place to go to or as a copy, never opened twice.
    const typeHere = await openShell(box, "second", cwd);
    await typeHere(`'${csmPath}' -r ${sessionId.slice(0, 8)}`);
    await shows(box, "second", /is open in tmux session real[\s\S]*Attach[\s\S]*Copy/);
    await box.keys("second", "Down");
    await shows(box, "second", /❯ Copy/);
    await box.keys("second", "Enter");
    const copy = await until("a copy runs", async () => (await live(box)).find((session) => session.session_id !== sessionId));
    expect(readFileSync(`/proc/${copy.pid}/cmdline`, "utf8")).toBe(`claude\0--resume\0${sessionId}\0--fork-session\0`);
    await shows(box, "second", "Still 42.");
    expect((await live(box)).filter((session) => session.session_id === sessionId).length).toBe(1);

    // Not from within tmux: the pane of the first one comes to this terminal.
    const typeThere = await openShell(box, "third", cwd);
    await typeThere(`env -u TMUX '${csmPath}' -r ${sessionId.slice(0, 8)}`);
    await shows(box, "third", /❯ Attach/);
    await box.keys("third", "Enter");
    await shows(box, "third", "Still 42.");
    expect((await live(box)).length).toBe(2);
    const listed = JSON.parse((await box.csm(["scan", "--json"], { cwd })).stdout) as {
      sessions: { session_id: string; live: object | null }[];
    };
    expect(listed.sessions.find((session) => session.session_id === sessionId)?.live).toMatchObject({ pid: running.pid });
  });

  test("csm -c goes on in the newest that nobody has open; /rename gives a name to find it by", async () => {
    const { box } = sandbox;
    const cwd = box.folder("newest");
    const [newest, older] = [id("00ee0002"), id("00ee0001")];
    for (const [sessionId, ago] of [
      [older, 900],
      [newest, 800],
    ] as const)
      putTranscript(box, cwd, sessionId, realTurn(cwd, sessionId, "Hello"), ago);
    box.stub.scriptAny([say("one")]);
    // A script's, and newer.
    await box.csm(["-p", "Of a script"], { cwd });
    const type = await openShell(box, "newest", cwd);
    await type(`'${csmPath}' -c`);
    await until("the newest runs", async () =>
      (await live(box)).some((session) => session.session_id === newest && session.state.status === "idle_done"),
    );
    await box.keys("newest", "-l", "/rename billing worker");
    await box.keys("newest", "Enter");
    await until("renamed", async () => (await box.csm(["scan"], { cwd })).stdout.includes("\tbilling worker"));
    // Claude writes the transcript first, and its session file a moment later.
    await until("its name is listed, with what was last said", async () =>
      /^billing worker .* Hello .*~\/work\/newest/m.test((await box.csm(["ls"], { cwd })).stdout),
    );
    const { env, started } = fakeClaude(box);
    await box.csm(["run", "-c"], { cwd, env: { ...box.env, ...env } });
    expect(started()?.split("\n")[0]).toBe(`--resume|${older}|`);
    const busy = await box.csm(["run", "-r", "billing worker"], { cwd, env: { ...box.env, ...env } });
    expect(busy).toMatchObject({ code: 1, stderr: expect.stringContaining(`conversation ${newest} is open in process`) });
  });
});

describe("the list", () => {
  test("typing filters by title and by prompts, Enter opens, Enter without a match stays, Esc cancels with code 0", async () => {
    const { box } = sandbox;
    const cwd = box.folder("list");
    for (let number = 1; number <= 40; number++)
      putTranscript(box, cwd, id(`aaaa${String(number).padStart(4, "0")}`), [prompt(`Task ${number}`, cwd), answer("ok")], number * 100);
    const login = id("beef1234");
    const entries = [
      prompt("Please repair the login form", cwd),
      answer("Done: it asks for a password."),
      { type: "ai-title", aiTitle: "Web work" },
    ];
    putTranscript(box, cwd, login, entries, 5000);
    const { env, started } = fakeClaude(box);
    const type = await openShell(box, "list", cwd, env);
    const before = (await box.run(["tmux", "-u", "list-panes", "-t", "=list:", "-F", "#{alternate_on} #{cursor_flag}"])).stdout;
    await type(`stty -a > ../list.before; '${csmPath}'; echo "code=$?"; stty -a > ../list.after`);
    await shows(box, "list", /❯ ↻ continue: Task 1/);
    // More rows than the screen has: the list scrolls.
    await box.keys("list", "End");
    await shows(box, "list", /❯ .*Web work[\s\S]*> Please repair the login form[\s\S]*it asks for a password/);
    await box.keys("list", "-l", "zzzz");
    await shows(box, "list", "nothing matches");
    await box.keys("list", "Enter");
    await box.keys("list", "C-u");
    await shows(box, "list", /❯ ↻ continue: Task 1/);
    await box.keys("list", "Escape");
    await shows(box, "list", /csm: cancelled\.\s+code=0/);
    expect(started()).toBeUndefined();
    await until("the shell goes on", () => existsSync(join(cwd, "../list.after")) && statSync(join(cwd, "../list.after")).size > 0);
    expect(readFileSync(join(cwd, "../list.after"), "utf8")).toBe(readFileSync(join(cwd, "../list.before"), "utf8"));
    expect((await box.run(["tmux", "-u", "list-panes", "-t", "=list:", "-F", "#{alternate_on} #{cursor_flag}"])).stdout).toBe(before);

    await type("clear");
    await type(`'${csmPath}' --verbose`);
    await shows(box, "list", /❯ ↻ continue/);
    await box.keys("list", "-l", "repair login");
    await shows(box, "list", /1 of 43[\s\S]*❯ .*Web work/);
    await box.keys("list", "Enter");
    expect(await until("started", started)).toContain(`--resume|${login}|--verbose|`);
  });

  test("Ctrl-C and SIGTERM give the terminal back", async () => {
    const { box } = sandbox;
    const cwd = box.folder("list");
    const type = await openShell(box, "ends", cwd);
    await type(`'${csmPath}'; echo "code=$?"`);
    await shows(box, "ends", /❯ ↻ continue/);
    await box.keys("ends", "C-c");
    await shows(box, "ends", "code=0");
    await type(`clear; sh -c 'echo $$ > ../picker.pid; exec "${csmPath}"'; echo "code=$?"`);
    await shows(box, "ends", /❯ ↻ continue/);
    process.kill(Number(readFileSync(join(cwd, "../picker.pid"), "utf8")), "SIGTERM");
    await shows(box, "ends", "code=143");
    await type("echo still $((40+2))");
    await shows(box, "ends", "still 42");
  });

  test("a prompt alone begins a conversation, without the list; several words of csm run are one prompt", async () => {
    const { box } = sandbox;
    const { env, started } = fakeClaude(box);
    const type = await openShell(box, "prompt", box.folder("list"), env);
    await type(`'${csmPath}' 'fix it'`);
    expect(await until("started", started)).toStartWith("fix it|\n");
    fakeClaude(box);
    await type(`'${csmPath}' run mend the tests --verbose`);
    expect(await until("started again", started)).toStartWith("mend the tests|--verbose|\n");
    fakeClaude(box);
    await type(`'${csmPath}' run -c and the docs`);
    expect(await until("gone on", started)).toMatch(/^--resume\|[0-9a-f-]{36}\|and the docs\|/);
  });

  test("a word that names several opens the list of those, and nothing else is in it", async () => {
    const { box } = sandbox;
    const { env, started } = fakeClaude(box);
    const type = await openShell(box, "several", box.folder("list"), env);
    await type(`'${csmPath}' -r 'Task 4'`);
    // Task 4, and Task 40: the one that was meant whole is alone.
    expect(await until("started", started)).toStartWith(`--resume|${id("aaaa0004")}|`);
    fakeClaude(box);
    await type(`'${csmPath}' -r 'Task 3' --verbose`.replace("Task 3", "task 3"));
    expect(await until("started again", started)).toStartWith(`--resume|${id("aaaa0003")}|`);
    fakeClaude(box);
    await type(`'${csmPath}' -r 'Task' --verbose`);
    const screen = await shows(box, "several", /several are called Task/);
    expect(screen).not.toMatch(/new session|continue:|Web work/);
    await box.keys("several", "-l", "33");
    await shows(box, "several", /1 of 40[\s\S]*❯ .*Task 33/);
    await box.keys("several", "Enter");
    expect(await until("chosen", started)).toStartWith(`--resume|${id("aaaa0033")}|--verbose|`);
  });

  test("a screen of 40x10 still shows the row under the cursor", async () => {
    const { box } = sandbox;
    const type = await openShell(box, "small", box.folder("list"));
    await box.run(["tmux", "resize-window", "-t", "=small:", "-x", "40", "-y", "10"]);
    await type(`'${csmPath}'`);
    await shows(box, "small", /❯ ↻ continue/);
    await box.keys("small", "End");
    const screen = await shows(box, "small", /❯ .*Web work/);
    expect(screen.split("\n").filter((line) => [...line].length > 40)).toEqual([]);
    await box.run(["tmux", "resize-window", "-t", "=small:", "-x", "90", "-y", "24"]);
    await shows(box, "small", /it asks for a password/);
  });
});

describe("profiles", () => {
  const setUp = (box: Box) => {
    for (const name of ["home", "work"]) mkdirSync(join(box.home, `.claude.${name}`), { recursive: true });
    mkdirSync(join(box.home, ".config/claude-as"), { recursive: true });
    const dirs = { home: join(box.home, ".claude.home"), work: join(box.home, ".claude.work") };
    writeFileSync(join(box.home, ".config/claude-as/profiles.json"), JSON.stringify(dirs));
    return dirs;
  };

  test("a conversation opens under the profile that has it; it is brought to another one that is named", async () => {
    const { box } = sandbox;
    const cwd = box.folder("profiles");
    const dirs = setUp(box);
    const sessionId = id("cafe0001");
    putTranscript(box, cwd, sessionId, [prompt("At work", cwd)], 60, ".claude.work");
    const { env, started } = fakeClaude(box);
    const all = { ...box.env, ...env };
    expect((await box.csm(["run", "-r", "cafe0001"], { cwd, env: all })).stderr).toBe("csm: this conversation belongs to profile work\n");
    expect(started()).toBe(`--resume|${sessionId}|\ndir=${dirs.work}\ncwd=${cwd}\n`);
    const brought = await box.csm(["run", "--profile", "home", "-r", "cafe0001"], { cwd, env: all });
    expect([brought.code, brought.stderr]).toEqual([0, "csm: this conversation was brought from profile work\n"]);
    expect(started()).toBe(`--resume|${sessionId}|\ndir=${dirs.home}\ncwd=${cwd}\n`);
    const copies = [dirs.home, dirs.work].map((dir) => readFileSync(join(dir, "projects", slugOf(cwd), `${sessionId}.jsonl`), "utf8"));
    expect(copies[0]).toBe(copies[1] ?? "");
    expect((await box.csm(["run", "--profile", "work", "--resume", sessionId], { cwd, env: all })).code).toBe(0);
    expect((await box.csm(["run", "--profile", "nope"], { cwd, env: all })).stderr).toBe(
      "csm: unknown profile 'nope' — available: home, work; add it with: csm profiles add nope\n",
    );
    await box.csm(["--profile", "work", "mcp", "list"], { cwd, env: all });
    expect(started()).toBe(`mcp|list|\ndir=${dirs.work}\ncwd=${cwd}\n`);
  });

  test("the current profile is kept without a question; -A asks", async () => {
    const { box } = sandbox;
    const cwd = box.folder("accounts");
    const dirs = setUp(box);
    const { env, started } = fakeClaude(box);
    const type = await openShell(box, "accounts", cwd, { ...env, CLAUDE_CONFIG_DIR: dirs.work });
    await type(`'${csmPath}'`);
    expect(await until("started", started)).toContain(`dir=${dirs.work}`);
    fakeClaude(box);
    await type(`'${csmPath}' -A --no-pick`);
    await shows(box, "accounts", /●\s+work .*\(current\)/);
    await box.keys("accounts", "Up");
    await shows(box, "accounts", /●\s+home/);
    await box.keys("accounts", "Enter");
    expect(await until("started", started)).toContain(`dir=${dirs.home}`);
  });
});

test("flags are remembered for a conversation and given again, where the user gives no others", async () => {
  const { box } = sandbox;
  const cwd = box.folder("flags");
  const { env, started } = fakeClaude(box);
  const type = await openShell(box, "flags", cwd, env);
  await type(`'${csmPath}' --model opus --effort high`);
  const sessionId = /--session-id\|([0-9a-f-]{36})\|--model\|opus\|--effort\|high\|$/m.exec(await until("started", started))?.[1] ?? "";
  expect((await box.csm(["sidecar", "flags", sessionId])).stdout).toBe("--effort high\n--model opus\n");
  expect(JSON.parse((await box.csm(["sidecar", "read", sessionId])).stdout)).toMatchObject({
    sessionId,
    cwd,
    effort: "high",
    model: "opus",
  });
  putTranscript(box, cwd, sessionId, [prompt("hello", cwd)]);
  const all = { ...box.env, ...env };
  const resumed = await box.csm(["run", "-c", "--model", "sonnet", "hi"], { cwd, env: all });
  expect(started()).toStartWith(`--resume|${sessionId}|--effort|high|--model|sonnet|hi|\n`);
  expect(resumed.stderr).toContain("csm: with the flags of before: --effort high");
});

test("bytes that are not UTF-8 reach claude among words of ours", async () => {
  const { box } = sandbox;
  const cwd = box.folder("bytes");
  putTranscript(box, cwd, id("fade0001"), [prompt("hello", cwd)]);
  const { env, started } = fakeClaude(box);
  await box.run(["bash", "-c", `exec '${csmPath}' run -r fade0001 "$(printf 'a\\377b')" "$(printf '\\376')" --verbose`], {
    cwd,
    env: { ...box.env, ...env },
  });
  const bytes = readFileSync(join(box.dir, "started"));
  // Two words of one prompt.
  expect(bytes.includes(Buffer.from([0x61, 0xff, 0x62, 0x20, 0xfe, 0x7c]))).toBe(true);
  expect(started()).toStartWith(`--resume|${id("fade0001")}|`);
});

test("launch-command: a wrapper and its words, none of them split by a shell", async () => {
  const { box } = sandbox;
  const cwd = box.folder("wrapper");
  const { env } = fakeClaude(box);
  const { CLAUDE_SMART_CLAUDE_BIN: fake = "", ...rest } = { ...box.env, ...env };
  const set = await box.csm(["config", "set", "launch-command", fake, "happy", "two words; rm"], { env: rest });
  expect([set.code, set.stdout, set.stderr]).toEqual([0, "", ""]);
  await box.csm(["mcp", "list"], { cwd, env: rest });
  expect(readFileSync(join(box.dir, "started"), "utf8")).toStartWith("happy|two words; rm|mcp|list|\n");
  expect((await box.csm(["config", "get", "launch-command"])).stdout).toBe(`${box.env.CLAUDE_SMART_CLAUDE_BIN}\n`);
  await box.csm(["config", "unset", "launch-command"], { env: rest });
  expect((await box.csm(["config"], { env: rest })).stdout).toBe("{}\n");
  expect((await box.csm(["config", "set", "limit.policy", "maybe"])).stderr).toMatch(/^csm config: limit\.policy: invalid option/);
});

describe("hostile texts", () => {
  const hostile = "\u001b[2J\u001b]0;pwned\u0007\u001b[31mred\u001b[?1049l\u009b2J\u202egnp\u2066.exe\r\nx\u0008\u0000é́́́́́́́́́́";
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not come through
  const dangerous = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/;

  test("in titles, prompts and folders cannot reach the terminal, in a list or on the screen (nor does a closed pipe)", async () => {
    const { box } = sandbox;
    const cwd = box.folder("bad\u001b]0;pwned\u0007\u202e\u009b31mname");
    const invalid = Buffer.from([0x80, 0xff, 0xfe, 0xc3]).toString("latin1");
    putTranscript(box, cwd, id("bad00001"), [
      prompt(hostile, cwd),
      answer(`answer ${hostile}`),
      { type: "custom-title", customTitle: `title ${hostile}` },
    ]);
    putTranscript(box, cwd, id("bad00002"), [prompt("x".repeat(1_000_000) + hostile, cwd), answer("y".repeat(1_000_000))], 100);
    const torn = putTranscript(box, cwd, id("bad00003"), [prompt("whole", cwd)], 200);
    writeFileSync(torn, Buffer.concat([readFileSync(torn), Buffer.from(`{"type":"ai-title","aiTitle":"${invalid}`, "latin1")]));
    utimesSync(torn, Date.now() / 1000 - 200, Date.now() / 1000 - 200);
    putTranscript(box, cwd, id("bad00004"), [{ type: "permission-mode", permissionMode: hostile }, prompt("mode", cwd)], 300);

    const list = (await box.csm(["scan"], { cwd })).stdout;
    expect(list.split("\n").map((row) => row.split("\t").length)).toEqual([5, 5, 5, 5, 1]);
    expect(list).not.toMatch(dangerous);
    expect((await box.csm(["scan", "--json"], { cwd })).stdout).not.toMatch(dangerous);
    const piped = await box.run(["bash", "-c", `set -o pipefail; '${csmPath}' scan | true`], { cwd });
    expect([piped.code, piped.stderr]).toEqual([0, ""]);

    const type = await openShell(box, "hostile", cwd);
    const raw = join(box.dir, "raw");
    await box.run(["tmux", "-u", "select-pane", "-t", "=hostile:", "-T", "calm"]);
    await box.run(["tmux", "-u", "pipe-pane", "-t", "=hostile:", `cat > '${raw}'`]);
    await type(`'${csmPath}'`);
    await shows(box, "hostile", /❯ ↻ continue: title red/);
    for (const key of ["Down", "Down", "Down", "Down"]) await box.keys("hostile", key);
    await shows(box, "hostile", /❯ .*mode/);
    await box.keys("hostile", "Escape");
    await shows(box, "hostile", "csm: cancelled.");
    const bytes = readFileSync(raw, "utf8");
    const picker = bytes.slice(bytes.indexOf("\u001b[?1049h"), bytes.indexOf("\u001b[?1049l"));
    expect(picker.length).toBeGreaterThan(500);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: our own sequences: cursor, colours, modes
    expect(picker.replace(/\u001b\[[0-9;?]*[HJKmhl]/g, "")).not.toMatch(dangerous);
    expect(picker).not.toContain("pwned");
    expect((await box.run(["tmux", "-u", "list-panes", "-t", "=hostile:", "-F", "#{pane_title}"])).stdout.trim()).toBe("calm");
  });
});

test("a word means the same to csm run -r and to csm open", async () => {
  const { box } = sandbox;
  const cwd = box.folder("words");
  const other = box.folder("elsewhere");
  const put = (folder: string, start: string, customTitle: string, ago: number) =>
    putTranscript(box, folder, id(start), [{ type: "custom-title", customTitle }, prompt("x", folder)], ago);
  put(cwd, "aaaa1111", "login form", 50);
  put(cwd, "aaaa2222", "Write docs", 40);
  put(cwd, "aaaa3333", "Write tests", 30);
  put(cwd, "aaaa4444", "write TESTS", 60);
  put(other, "bbbb1111", "login", 20);
  put(other, "bbbb2222", "Release", 10);
  const { env: fake, started } = fakeClaude(box);
  const options = { cwd, env: { ...box.env, ...fake } };
  const byRun = async (word: string) => {
    const { code, stderr } = await box.csm(["run", "-r", word], options);
    return code === 0 ? /--resume\|([0-9a-f]{8})/.exec(started() ?? "")?.[1] : stderr;
  };
  const byOpen = async (word: string) => {
    const { code, stderr, stdout } = await box.csm(["open", word, "--print"], options);
    return code === 0 ? /--resume ([0-9a-f]{8})/.exec(stdout)?.[1] : stderr;
  };
  for (const [word, expected] of [
    ["aaaa1", "aaaa1111"],
    [id("bbbb1111"), "bbbb1111"],
    ["login", "aaaa1111"],
    ["form", "aaaa1111"],
    ["Write tests", "aaaa3333"],
    ["write DOCS", "aaaa2222"],
    ["write TESTS", "aaaa4444"],
    ["release", "bbbb2222"],
    [
      "write",
      `csm: "write" names 3 conversations; give one of\n  ${id("aaaa3333")}  Write tests\n  ${id("aaaa2222")}  Write docs\n  ${id("aaaa4444")}  write TESTS\n`,
    ],
    ["bbbb", `csm: "bbbb" names 2 conversations; give one of\n  ${id("bbbb2222")}  Release\n  ${id("bbbb1111")}  login\n`],
    ["nope", 'csm: no conversation is called "nope"; csm scan --all lists them\n'],
  ] as const)
    expect([word, await byRun(word), await byOpen(word)]).toEqual([word, expected, expected]);
});

describe("csm -c goes on where claude -c would (2.1.329)", () => {
  const title = { type: "custom-title", customTitle: "Newest" };
  test.each<[rule: string, newest: (cwd: string, sessionId: string) => object[], isTaken: boolean]>([
    ["a person's", (cwd, sessionId) => realTurn(cwd, sessionId, "Hi"), true],
    ["an editor's", (cwd, sessionId) => realTurn(cwd, sessionId, "Hi", { entrypoint: "claude-vscode" }), true],
    ["a script's", (cwd, sessionId) => realTurn(cwd, sessionId, "Hi", { entrypoint: "sdk-cli" }), false],
    ["an SDK's", (cwd, sessionId) => realTurn(cwd, sessionId, "Hi", { entrypoint: "sdk-ts" }), false],
    [
      "a script's that a person went on with",
      (cwd, sessionId) => [...realTurn(cwd, sessionId, "Hi", { entrypoint: "sdk-cli" }), ...realTurn(cwd, sessionId, "And?")],
      false,
    ],
    ["snapshots alone", () => [{ type: "file-history-snapshot", messageId: "m", snapshot: {}, isSnapshotUpdate: false }], false],
    ["a title alone", (_, sessionId) => [{ ...title, sessionId }], false],
    ["a summary alone", () => [{ type: "summary", summary: "S", leafUuid: "u" }], false],
    ["a bridge alone", (_, sessionId) => [{ type: "bridge-session", sessionId, bridgeSessionId: "b" }], false],
    ["a side chain alone", (cwd, sessionId) => realTurn(cwd, sessionId, "Hi", { isSidechain: true }), false],
    [
      "a side chain behind a conversation",
      (cwd, sessionId) => [...realTurn(cwd, sessionId, "Hi"), ...realTurn(cwd, sessionId, "Sub", { isSidechain: true })],
      false,
    ],
    ["a member of a team", (cwd, sessionId) => realTurn(cwd, sessionId, "Hi", { teamName: "crew" }), false],
  ])("%s", async (rule, newest, isTaken) => {
    const { box } = sandbox;
    const name = rule.replace(/[^a-z]/g, "");
    const cwd = box.folder(`c-${name}`);
    // Another test's session may still be about to end.
    const [older, other] = [crypto.randomUUID(), crypto.randomUUID()];
    putTranscript(box, cwd, older, realTurn(cwd, older, "Older"), 5000);
    putTranscript(box, cwd, other, newest(cwd, other), 100);
    const expected = isTaken ? other : older;
    const { env, started } = fakeClaude(box);
    await box.csm(["run", "-c"], { cwd, env: { ...box.env, ...env } });
    expect(started()?.split("\n")[0]).toBe(`--resume|${expected}|`);
    const size = ["-x", "100", "-y", "30"];
    await box.run(["tmux", "-u", "new-session", "-d", "-s", name, ...size, "-c", cwd, String(box.env.CLAUDE_SMART_CLAUDE_BIN), "-c"]);
    await until("claude goes on", async () => (await live(box)).some(({ session_id }) => session_id === expected));
    await box.run(["tmux", "-u", "kill-session", "-t", `=${name}`]);
  });
});

test("csm scan says of a folder that it is not there, and still lists what one that has gone holds", async () => {
  const { box } = sandbox;
  for (const args of [
    ["scan", "nowhere"],
    ["scan", "nowhere", "--json"],
  ]) {
    const missing = await box.csm(args);
    expect([missing.code, missing.stdout, missing.stderr]).toEqual([
      1,
      "",
      `csm: no such folder: ${join(box.home, "nowhere")}; csm scan --all lists the conversations of every folder\n`,
    ]);
  }
  const gone = join(box.home, "gone");
  putTranscript(box, gone, id("90e00001"), [prompt("Was here", gone)]);
  expect((await box.csm(["scan", "gone"])).stdout).toContain("\tWas here");
  expect((await box.csm(["scan"], { cwd: box.folder("empty") })).code).toBe(0);
});
