import { describe, expect, test } from "bun:test";
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { bash, say } from "../../src/stub-script.ts";
import { csdPath, csmPath, openBox, root, until, useBox } from "./harness.ts";

describe("odd surroundings", () => {
  const sandbox = useBox({ homeName: "it's a home, ünïcode & more", env: { LC_ALL: "C", LANG: "C" } });

  test.each([
    ["blanks, dots and underscores", "a b.c_d e"],
    ["not ASCII", "é日本😀x"],
    ["quotes, # and $", 'it\'s #{pane_id} $HOME `x` "q"'],
    ["more than 200 characters", `${"long/".repeat(50)}end`],
    ["a leading dash", "-rf"],
  ])("a whole turn with a gate in a folder with %s", async (_, folder) => {
    const { box } = sandbox;
    const cwd = box.folder(folder);
    const spawned = await box.csd(["spawn", "--cwd", cwd, "--permission-mode", "manual"]);
    const name = String(spawned.name);
    expect(spawned.cwd).toBe(cwd);
    box.stub.script(String(spawned.session_id), [bash("touch here.txt && rm -f none"), say("Fertig — 日本.")]);
    await box.send(name, "Mach es — bitte 日本");
    await box.reach(name, "blocked");
    await box.csd(["approve", name]);
    expect(await box.reach(name, "idle_done")).toMatchObject({ text: "Fertig — 日本." });
    expect(existsSync(join(cwd, "here.txt"))).toBe(true);
    expect(existsSync(String(spawned.jsonl_path))).toBe(true);
    expect(box.stub.prompts(String(spawned.session_id))).toEqual(["Mach es — bitte 日本"]);
    const { sessions } = JSON.parse((await box.csm(["ls", "--json"])).stdout) as { sessions: { name: string; cwd: string }[] };
    expect(sessions.find((session) => session.name === name)?.cwd).toBe(cwd);
    expect(await box.csd(["kill", name])).toEqual({ ok: true, killed: true });
  });

  test("a .env and a bunfig.toml in the folder change nothing", async () => {
    const { box } = sandbox;
    const cwd = box.folder("hostile");
    writeFileSync(
      join(cwd, ".env"),
      `CLAUDE_SMART_CLAUDE_BIN=${cwd}/evil\nHOME=${cwd}\nCSM_HOST_REPLACE=${"x"}/evil\nXDG_STATE_HOME=${cwd}\n`,
    );
    writeFileSync(join(cwd, "bunfig.toml"), `preload = ["./evil.ts"]\n[run]\nbun = true\n`);
    writeFileSync(join(cwd, "evil.ts"), `await Bun.write("${cwd}/owned", "yes");\n`);
    writeFileSync(join(cwd, "evil"), `#!/bin/sh\ntouch '${cwd}/owned'\n`);
    chmodSync(join(cwd, "evil"), 0o755);
    const elsewhere = box.folder("calm");
    for (const args of [["statusline"], ["newuuid", "--help"], ["--", "--version"], ["csd", "ps", "--json"]]) {
      const [here, there] = [await box.csm(args, { cwd }), await box.csm(args, { cwd: elsewhere })];
      expect([args, here.code, here.stdout]).toEqual([args, there.code, there.stdout]);
    }
    expect(readdirSync(cwd).sort()).toEqual([".env", "bunfig.toml", "evil", "evil.ts"]);
  });
});

describe("bad input", () => {
  const sandbox = useBox();
  const oneLine = (text: string) => text.split("\n").length === 2 && text.endsWith("\n");

  test.each([
    ["an unknown flag", ["ls", "--jsno"], 2, "csm ls: unknown flag --jsno; did you mean --json?"],
    ["a word too many", ["ls", "all"], 2, 'csm ls: unexpected word "all"; usage: csm ls [flags]'],
    ["a name that no conversation has", ["run", "-r", "nope"], 1, 'csm: no conversation is called "nope"; csm scan --all lists them'],
    ["a flag without its value", ["run", "--model"], 2, "csm run: --model needs a value; for example --model MODEL"],
    ["a value where none belongs", ["ls", "--json=yes"], 2, "csm ls: --json takes no value"],
    ["a wrong value", ["config", "nope"], 2, 'csm config: unknown verb "nope"; known: show, get, set, unset, keys, check'],
  ])("csm, %s: one line, code 2", async (_, args, code, message) => {
    const result = await sandbox.box.csm(args);
    expect([result.code, result.stdout]).toEqual([code, ""]);
    expect(oneLine(result.stderr)).toBe(true);
    expect(result.stderr.trim()).toBe(message);
  });

  test.each([
    ["an unknown session", ["state", "nope"], 1, 'session "nope" does not exist'],
    ["sending to an unknown session", ["send", "nope", "hi"], 1, 'session "nope" does not exist'],
    ["approving an unknown session", ["approve", "nope"], 1, 'session "nope" does not exist'],
    ["a name that leaves the folder", ["state", "../x"], 1, 'invalid session name "../x"'],
    ["an empty name", ["kill", ""], 1, 'invalid session name ""'],
    ["a pattern for a name", ["kill", "*"], 1, 'invalid session name "*"'],
    ["a bad mode", ["spawn", "--permission-mode", "nope"], 2, 'invalid permission mode "nope"'],
    ["two postures", ["spawn", "--yolo", "--auto-accept"], 1, "conflicting permission flags"],
    ["a bad id", ["spawn", "--session-id", "1234"], 2, 'invalid session id "1234"'],
    ["a missing folder", ["spawn", "--cwd", "/no/such/folder"], 1, "no such folder: /no/such/folder"],
    ["an unknown backend", ["spawn", "--backend", "codex", "--yolo", "--auto-accept"], 2, 'unknown backend "codex"'],
    ["no prompt", ["send", "x"], 2, "csd send: PROMPT is missing"],
    ["an unknown command", ["stat"], 2, 'csd: unknown command "stat"'],
    ["a bad number", ["approve", "x", "--option", "-1"], 2, "csd approve: --option needs a value"],
  ])("csd, %s: one JSON line on stderr", async (_, args, code, message) => {
    const result = await sandbox.box.tryCsd(args);
    expect([result.code, result.stdout, oneLine(result.stderr)]).toEqual([code, "", true]);
    expect((JSON.parse(result.stderr) as { error: string }).error).toBe(message);
  });

  test("killing what was never there is told with code 1, and kills nothing with a similar name", async () => {
    const { box } = sandbox;
    await box.spawn("job1", []);
    for (const name of ["job", "job11", "0", "claude", "csd"]) {
      const { code, stdout, stderr } = await box.tryCsd(["kill", name]);
      expect([code, JSON.parse(stdout), oneLine(stderr)]).toEqual([1, { ok: false, killed: false }, true]);
      expect(JSON.parse(stderr)).toEqual({ error: `session "${name}" does not exist`, hint: "csm ls lists the sessions" });
    }
    expect(await box.state("job1")).toMatchObject({ status: "idle_done" });
    expect(await box.csd(["kill", "job1"])).toEqual({ ok: true, killed: true });
    expect((await box.tryCsd(["kill", "job1"])).code).toBe(1);
  });

  test("at a terminal an error is words, not JSON", async () => {
    const { box } = sandbox;
    await box.run(["tmux", "new-session", "-d", "-s", "words", "-x", "120", "-y", "10", "sh"]);
    await box.keys("words", `'${csdPath}' state nope; '${csdPath}' stat`, "Enter");
    await until("both errors", async () => {
      const screen = await box.screen("words");
      return (
        screen.includes('csd: session "nope" does not exist; csm ls lists the sessions\n') &&
        screen.includes('csd: unknown command "stat"; did you mean state?\n')
      );
    });
    await box.run(["tmux", "kill-session", "-t", "=words"]);
  });

  test("a name is taken while its session lives, and free afterwards; a dot in it works", async () => {
    const { box } = sandbox;
    await box.spawn("v1.2", []);
    const again = await box.tryCsd(["spawn", "--name", "v1.2", "--cwd", box.folder("v1.2")]);
    expect([again.code, JSON.parse(again.stderr).error]).toEqual([1, 'session "v1.2" already exists']);
    expect(await box.state("v1.2")).toMatchObject({ status: "idle_done" });
    expect(await box.csd(["kill", "v1.2"])).toEqual({ ok: true, killed: true });
    await box.spawn("v1.2", []);
    await box.csd(["kill", "v1.2"]);
  });

  test("a reader that closes early gets no complaint", async () => {
    const { box } = sandbox;
    const script = `for i in 1 2 3 4 5; do '${csmPath}' --help; '${csmPath}' completions bash; '${csdPath}' ps --json; done 2>err | head -1; cat err`;
    expect((await box.run(["bash", "-c", script])).stdout).toBe(
      "csm starts and watches Claude Code sessions; csd drives them from scripts.\n",
    );
    const closed = await box.run(["bash", "-c", `'${csmPath}' --help >&-; echo $?`]);
    expect([closed.stdout, closed.stderr]).toEqual(["0\n", ""]);
  });

  test("tmux missing: one line that says how to install it", async () => {
    const { box } = sandbox;
    const dir = join(box.dir, "bare");
    mkdirSync(dir);
    const result = await box.tryCsd(["spawn", "--cwd", box.folder("x")], { env: { ...box.env, PATH: dir } });
    expect(result.code).toBe(1);
    expect(JSON.parse(result.stderr)).toMatchObject({
      error: "tmux is not installed or not on PATH",
      hint: expect.stringContaining("install"),
    });
    const demo = await box.csm(["demo"], { env: { ...box.env, PATH: dir } });
    expect([demo.code, oneLine(demo.stderr), demo.stderr]).toEqual([1, true, expect.stringContaining("tmux is not installed")]);
  });

  test("a state folder that cannot be written: one line, and no session is left", async () => {
    const { box } = sandbox;
    const blocked = join(box.dir, "file");
    writeFileSync(blocked, "");
    const env = { ...box.env, XDG_STATE_HOME: blocked };
    const result = await box.tryCsd(["spawn", "--name", "nowhere", "--cwd", box.folder("x")], { env });
    expect([result.code, oneLine(result.stderr), "error" in JSON.parse(result.stderr)]).toEqual([1, true, true]);
    expect((await box.run(["tmux", "has-session", "-t", "=nowhere"])).code).not.toBe(0);
  });

  test("a broken record of one session does not hide the others", async () => {
    const { box } = sandbox;
    await box.spawn("sound", []);
    writeFileSync(join(box.home, ".local/state/csd/sessions/torn.json"), '{"name": "torn", "sess');
    const result = await box.tryCsd(["ps", "--json"]);
    expect(JSON.parse(result.stdout).sessions.map((session: { name: string }) => session.name)).toContain("sound");
    expect(result.stderr).toContain('the record of session "torn" is broken');
    expect(JSON.parse((await box.tryCsd(["state", "torn"])).stderr).hint).toBe("remove it with: csd kill torn");
    await box.csd(["kill", "torn"]);
    expect((await box.tryCsd(["ps", "--json"])).stderr).toBe("");
  });

  test("of eight spawns of one name one goes on, and the others touch nothing of it", async () => {
    const { box } = sandbox;
    const cwd = box.folder("wanted");
    const eight = Array.from({ length: 8 }, () => box.tryCsd(["spawn", "--name", "wanted", "--cwd", cwd, "--permission-mode", "manual"]));
    const results = await Promise.all(eight);
    const [winner, ...more] = results.filter(({ code }) => code === 0);
    expect(more).toEqual([]);
    for (const { code, stderr } of results) if (code !== 0) expect(JSON.parse(stderr).error).toBe('session "wanted" already exists');
    const state = join(box.home, ".local/state/csd");
    expect(readdirSync(join(state, "run/wanted"))).toContain("gates");
    expect(readdirSync(join(state, "claims"))).toEqual([]);
    const { session_id } = JSON.parse(winner?.stdout ?? "") as { session_id: string };
    box.stub.script(session_id, [bash("touch told"), say("done")]);
    await box.send("wanted", "go");
    // Only its hook, through the channel, tells the call while the dialog is up.
    expect(await box.reach("wanted", "blocked")).toMatchObject({ tool: "Bash", input: { command: "touch told" } });
    await until("the hook holds it", () => readdirSync(join(state, "run/wanted/gates")).length > 0);
    await box.csd(["kill", "wanted"]);
    expect(readdirSync(join(state, "run"))).not.toContain("wanted");
  });

  test("a session that is killed while it starts is gone, whoever is first", async () => {
    const { box } = sandbox;
    const args = ["spawn", "--name", "brief", "--cwd", box.folder("brief")];
    for (const waitMs of [0, 30, 60, 120, 250]) {
      const spawning = box.tryCsd(args);
      await Bun.sleep(waitMs);
      const killed = await box.tryCsd(["kill", "brief"]);
      expect(JSON.parse(killed.stdout).ok).toBe(killed.code === 0);
      const { code } = await spawning;
      const { sessions } = (await box.csd(["ps", "--json"])) as { sessions: { name: string }[] };
      // Only where the kill came before the name was taken does the session stay.
      expect(sessions.filter(({ name }) => name === "brief")).toHaveLength(code === 0 ? 1 : 0);
      await box.tryCsd(["kill", "brief"]);
    }
  });

  test("Ctrl-C during spawn leaves no session and no record", async () => {
    const { box } = sandbox;
    const slow = join(box.dir, "slow");
    writeFileSync(slow, "#!/bin/sh\nsleep 60\n");
    chmodSync(slow, 0o755);
    const script = `'${csdPath}' spawn --name slow & pid=$!; until tmux has-session -t =slow 2>/dev/null; do :; done; sleep 0.3; kill -INT $pid; wait $pid; echo $?`;
    const result = await box.run(["bash", "-mc", script], { env: { ...box.env, CLAUDE_SMART_CLAUDE_BIN: slow } });
    expect(result.stdout.trim()).toBe("130");
    expect((await box.run(["tmux", "has-session", "-t", "=slow"])).code).not.toBe(0);
    expect(JSON.stringify(await box.csd(["ps", "--json"]))).not.toContain("slow");
    expect(readdirSync(join(box.home, ".local/state/csd/launch"))).toEqual([]);
  });
});

describe("records and launch files", () => {
  const sandbox = useBox();

  test("only the user can read them, and no secret stands in a process list", async () => {
    const { box } = sandbox;
    await box.spawn("private", []);
    const path = join(box.home, ".local/state/csd/sessions/private.json");
    const mode = await box.run(["stat", "-c", "%a", path, join(path, "..")]);
    expect(mode.stdout).toBe("600\n700\n");
    expect(readFileSync(path, "utf8")).not.toContain("sk-ant");
    expect((await box.run(["bash", "-c", "ps axww | grep -v grep | grep -c sk-ant"])).stdout.trim()).toBe("0");
    expect(readdirSync(join(box.home, ".local/state/csd/launch"))).toEqual([]);
  });

  test.each([
    ["csd", "ps"],
    ["csm", "ls"],
  ])("a spawn that is killed leaves its environment on disk only until the next %s %s", async (program, word) => {
    const { box } = sandbox;
    const launches = join(box.home, ".local/state/csd/launch");
    const slow = box.folder(`slow-tmux-${program}`);
    writeFileSync(join(slow, "tmux"), "#!/bin/sh\nexec sleep 10\n", { mode: 0o755 });
    const script = `'${csdPath}' spawn --name never & pid=$!; until ls '${launches}' | grep -q json$; do :; done; kill -9 $pid; wait $pid; true`;
    await box.run(["bash", "-c", script], { env: { ...box.env, PATH: `${slow}:${box.env.PATH}` } });
    expect(readdirSync(launches)).toHaveLength(1);
    expect((await box.run([program === "csd" ? csdPath : csmPath, word])).code).toBe(0);
    expect(readdirSync(launches)).toEqual([]);
  });

  test("claude gets the caller's environment, without the marks of a session that csd was called from", async () => {
    const { box } = sandbox;
    const env = { ...box.env, CLAUDECODE: "1", CLAUDE_CODE_SESSION_ID: "outer", CLAUDE_CODE_MESSAGING_SOCKET: "/x", MY_OWN: "it's $mine" };
    await box.csd(["spawn", "--name", "nested", "--cwd", box.folder("nested")], { env });
    const pid = (await box.run(["tmux", "list-panes", "-t", "=nested:", "-F", "#{pane_pid}"])).stdout.trim();
    const names = readFileSync(`/proc/${pid}/environ`, "utf8").split("\0");
    expect(names).toContain("MY_OWN=it's $mine");
    expect(names.filter((entry) => /^CLAUDECODE=|^CLAUDE_CODE_(SESSION_ID|MESSAGING)/.test(entry))).toEqual([]);
    expect(names.find((entry) => entry.startsWith("TMUX_PANE="))).toBeDefined();
  });
});

describe("hooks switched off", () => {
  const sandbox = useBox();

  test("csd goes on by session file, transcript and keys", async () => {
    const { box } = sandbox;
    const folder = box.folder("unhooked");
    mkdirSync(join(folder, ".claude"));
    writeFileSync(join(folder, ".claude/settings.local.json"), JSON.stringify({ disableAllHooks: true }));
    const spawned = await box.spawn("unhooked", [bash("touch done.txt"), say("It is done.")]);
    await box.send("unhooked", "go");
    expect(await box.reach("unhooked", "blocked")).toMatchObject({ tool: "Bash", input: { command: "touch done.txt" } });
    await box.csd(["approve", "unhooked"]);
    expect(await box.reach("unhooked", "idle_done")).toMatchObject({ text: "It is done." });
    expect(existsSync(join(folder, "done.txt"))).toBe(true);
    expect(readdirSync(join(box.home, ".local/state/csd/run/unhooked"))).not.toContain("events.jsonl");
    box.stub.script(String(spawned.session_id), [bash("touch not.txt")]);
    await box.send("unhooked", "again");
    await box.reach("unhooked", "blocked");
    await box.csd(["deny", "unhooked"]);
    await box.reach("unhooked", "idle_done");
    expect(existsSync(join(folder, "not.txt"))).toBe(false);
    const run = await box.tryCsd(["run", "--cwd", folder, "--permission-mode", "manual", "say something"]);
    expect(run.code).toBe(0);
  });
});

describe("csm demo", () => {
  test("without a terminal plays one round, exits 0 and leaves nothing", async () => {
    const box = await openBox();
    try {
      const result = await box.csm(["demo"]);
      expect([result.code, result.stderr]).toEqual([0, ""]);
      expect(result.stdout).toContain("no login, nothing of yours is touched");
      expect(result.stdout).toContain("blocked: Bash asks to run `touch marker.txt && ls`: Yes |");
      expect(result.stdout).toMatch(/builder +asks Bash/);
      expect(result.stdout).toContain("chosen: Yes");
      expect(result.stdout).toContain("idle_done: The marker file is there.");
      const inner = /a sandbox in (\S+)\. /.exec(result.stdout)?.[1] ?? "";
      expect(inner).toStartWith(join(box.dir, "tmp"));
      expect(existsSync(inner)).toBe(false);
      expect((await box.run(["bash", "-c", `ps axww -o stat=,args= | grep -v '^Z' | grep -F '${inner}' | grep -v grep`])).stdout).toBe("");
      expect(existsSync(join(box.home, ".claude/sessions"))).toBe(false);
    } finally {
      await box.close();
    }
  });

  test.each(["q", "C-c"])("in a terminal shows the sessions live, answers the gate on a, ends on %s", async (ending) => {
    const box = await openBox();
    try {
      await box.run(["tmux", "-u", "new-session", "-d", "-s", "demo", "-x", "100", "-y", "30", "bash", "--norc", "-i"]);
      await box.keys("demo", `'${csmPath}' demo; echo code=$?`, "Enter");
      let isEverEmpty = false;
      let first = "";
      await until("one works, one waits, one is done", async () => {
        const screen = await box.screen("demo");
        isEverEmpty ||= screen.includes("no session of Claude Code is running");
        if (first === "" && screen.includes("NEEDS YOU")) first = screen;
        return /● +\S.* writer/.test(screen) && /▲ +asks Bash .* builder/.test(screen) && /○ +done .* greeter/.test(screen);
      });
      expect(isEverEmpty).toBe(false);
      // The cursor stands on what waits, nothing of the machine's own is counted, and there is something to try.
      expect(first).toMatch(/▌ +\S+ +(?:asks Bash|question)/);
      expect(first).toContain("Try: a, then y, allows");
      expect(first).not.toContain("unknown (--all)");
      await until("the switch is told, and the usage of both accounts", async () => {
        const screen = await box.screen("demo");
        return screen.includes("nightly: went on in spare instead of main") && /Accounts: main 5h 100%.* · spare 5h \d+%/.test(screen);
      });
      await box.keys("demo", "/");
      await box.keys("demo", "-l", "builder");
      await box.keys("demo", "Enter");
      await box.keys("demo", "a");
      await until("it is shown what is asked", async () => (await box.screen("demo")).includes("Allow this once for builder?"));
      expect(await box.screen("demo")).toMatch(/touch marker\.txt && ls[\s\S]*2\. Yes, and/);
      await box.keys("demo", "y");
      await until("the gate is answered", async () => /○ +done .* builder/.test(await box.screen("demo")));
      await box.keys("demo", ending);
      await until("it ended", async () => (await box.screen("demo")).includes("code=0"));
      expect(await box.screen("demo")).toContain("The sandbox is gone");
      expect(readdirSync(join(box.dir, "tmp")).filter((name) => name.startsWith("csm-sandbox"))).toEqual([]);
    } finally {
      await box.close();
    }
  });
});

describe("the program", () => {
  test("its version is that of package.json, with the commit", async () => {
    const box = await openBox();
    try {
      const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { version: string };
      expect((await box.csm(["--version"])).stdout).toMatch(new RegExp(`^csm ${version.replaceAll(".", "\\.")} \\(.+\\)\n$`));
      expect((await box.tryCsd(["--version"])).stdout).toMatch(/^csd /);
      expect((await box.csm(["csd", "--help"])).stdout).toBe((await box.tryCsd(["--help"])).stdout);
      const bare = await box.tryCsd([]);
      expect([bare.code, bare.stdout, bare.stderr]).toEqual([2, "", (await box.tryCsd(["help"])).stdout]);
    } finally {
      await box.close();
    }
  });

  test.each(["bash", "zsh", "fish"])("its completion is valid %s", async (shell) => {
    const box = await openBox();
    try {
      const path = join(box.dir, "completion");
      writeFileSync(path, (await box.csm(["completions", shell])).stdout);
      const result = await box.run([shell, "-n", path]);
      expect([result.code, result.stderr]).toEqual([0, ""]);
    } finally {
      await box.close();
    }
  });
});
