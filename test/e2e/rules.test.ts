import { describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { bash, type Reply, type Step, say, useTool } from "../../src/stub-script.ts";
import { type Box, csmPath, type Json, threads, until, useBox } from "./harness.ts";

const sandbox = useBox();
const rulesPath = (box: Box) => join(box.home, ".config/claude-smart/rules.toml");

function writeRules(box: Box, text: string): void {
  mkdirSync(join(rulesPath(box), ".."), { recursive: true, mode: 0o700 });
  writeFileSync(rulesPath(box), text, { mode: 0o600 });
}
const rule = (fields: Json) =>
  `[[rules]]\n${Object.entries(fields)
    .map(([key, value]) => `${key} = ${JSON.stringify(value)}\n`)
    .join("")}\n`;

/** `rm` makes every version ask; the line that is added tells how often it ran. */
const markCommand = (file: string) => `echo ran >> ${file} && rm -f none.txt`;
const allowMark = rule({ name: "marks", match_tool: "Bash", match_command: ["echo ran", "rm -f none.txt"], action: "approve" });
const allowWrites = rule({ name: "writes", match_tool: ["Bash", "Write"], match_path: "*.txt", action: "allow" });
const denyPush = rule({ name: "no push", match_command: "git push", action: "deny", message: "pushing is for people" });

const read = (path: string) => (existsSync(path) ? readFileSync(path, "utf8") : "");
const audit = (box: Box): Json[] =>
  read(join(box.home, ".local/state/csd/audit.jsonl"))
    .split("\n")
    .flatMap((line) => (line === "" ? [] : [JSON.parse(line) as Json]));
const decisions = (box: Box, session: string) =>
  audit(box)
    .filter((entry) => entry.session === session || entry.session_id === session)
    .map(({ decision, rule: name, request }) => `${decision} by ${name}: ${request}`);
/** What the model was told of its calls. */
const told = (box: Box, session: string) =>
  box.stub.requests
    .filter(({ sessionId, path }) => sessionId === session && path.includes("messages"))
    .map(({ body }) => JSON.stringify(body.messages))
    .join("\n");

/** Was a dialog ever on the screen that these bytes have made? Words stand apart by spaces, or by moves of the cursor. */
const showsDialog = (bytes: string): boolean => {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what a terminal is sent
  const words = bytes.replace(/\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\s/g, "");
  return /Doyouwantto|Yes,and|requiresconfirmation/.test(words);
};

describe("a session that csd drives", () => {
  const run = async (name: string, steps: Step[], args?: string[]): Promise<Json> => {
    const { box } = sandbox;
    const spawned = await box.spawn(name, steps, args);
    await box.send(name, "Go");
    return spawned;
  };

  /** Every byte that claude writes to its terminal from now on. */
  const record = async (name: string): Promise<() => string> => {
    const { box } = sandbox;
    const path = join(box.dir, `${name}.out`);
    await box.run(["tmux", "-u", "pipe-pane", "-t", `=${name}:`, `cat > '${path}'`]);
    return () => read(path);
  };

  test("leave lets a call through with no dialog; a denial blocks it, and the model reads why", async () => {
    const { box } = sandbox;
    writeRules(box, allowMark + allowWrites + denyPush);
    const spawned = await box.spawn("ruled", [bash(markCommand("a.txt")), bash("echo x && git push --force"), say("Done.")]);
    const shown = await record("ruled");
    await box.send("ruled", "Go");
    expect(await box.reach("ruled", "idle_done")).toMatchObject({ text: "Done.", outcome: "finished" });
    await until("the answer is on screen", () => shown().includes("Done."));
    expect(showsDialog(shown())).toBe(false);
    expect(read(join(box.folder("ruled"), "a.txt"))).toBe("ran\n");
    expect(told(box, String(spawned.session_id))).toContain("pushing is for people");
    expect(decisions(box, "ruled")).toEqual([`allow by marks: ${markCommand("a.txt")}`, "deny by no push: echo x && git push --force"]);
    const events = (await box.csd(["logs", "ruled", "--json"]).catch(() => ({}))) as Json;
    expect(JSON.stringify(events)).not.toContain("csd.replied");
    await box.csd(["kill", "ruled"]);
  });

  test("with both, the denial wins; what no rule knows is asked as ever, and the answer of a person is noted", async () => {
    const { box } = sandbox;
    writeRules(box, rule({ name: "all", match_tool: "Bash", action: "allow" }) + denyPush + allowMark);
    await run("both", [bash("git push"), say("Done.")]);
    await box.reach("both", "idle_done");
    expect(decisions(box, "both")).toEqual(["deny by no push: git push"]);
    await box.csd(["kill", "both"]);
    writeRules(box, allowMark + allowWrites);
    const unknown = `${markCommand("b.txt")} && touch other`;
    await box.spawn("part", [bash(unknown), say("Done.")]);
    const shown = await record("part");
    await box.send("part", "Go");
    expect(await box.reach("part", "blocked")).toMatchObject({ gate: "permission", tool: "Bash", gates: [{ held: true }] });
    expect(read(join(box.folder("part"), "b.txt"))).toBe("");
    await until("the dialog is on screen", () => showsDialog(shown()));
    await box.csd(["approve", "part"]);
    await box.reach("part", "idle_done");
    expect(read(join(box.folder("part"), "b.txt"))).toBe("ran\n");
    expect(audit(box).at(-1)).toMatchObject({ session: "part", decision: "allow", channel: "csd", tool: "Bash", request: unknown });
    await box.csd(["kill", "part"]);
  });

  test("a question is asked also where the mode would not", async () => {
    const { box } = sandbox;
    writeRules(box, rule({ name: "careful", match_command: "echo", action: "ask" }));
    await run("careful", [bash("echo hello"), say("Done.")], ["--permission-mode", "acceptEdits"]);
    await box.reach("careful", "blocked");
    expect(decisions(box, "careful")).toEqual(["ask by careful: echo hello"]);
    await box.csd(["kill", "careful"]);
  });

  test("a denial holds in a sub-agent", async () => {
    const { box } = sandbox;
    writeRules(box, denyPush);
    const start = useTool("Agent", { description: "Push", prompt: "AGENT-1 push it", subagent_type: "general-purpose" });
    const spawned = await box.spawn(
      "agents",
      threads({ "MAIN go": [start, say("Under way.")], "AGENT-1": [bash("git push origin"), say("Not pushed.")] }),
    );
    await box.send("agents", "MAIN go");
    await until("the sub-agent is told", () => told(box, String(spawned.session_id)).includes("pushing is for people"));
    expect(decisions(box, "agents")).toEqual(["deny by no push: git push origin"]);
    await box.csd(["kill", "agents"]);
  });

  test("leave in a sub-agent spares the dialog too", async () => {
    const { box } = sandbox;
    writeRules(box, allowMark + allowWrites);
    const start = useTool("Agent", { description: "Mark", prompt: "AGENT-1 mark it", subagent_type: "general-purpose" });
    const scripts = { "MAIN go": [start, say("Under way.")], "AGENT-1": [bash(markCommand("a.txt")), say("Marked.")] };
    await box.spawn("helped", threads(scripts));
    const shown = await record("helped");
    await box.send("helped", "MAIN go");
    await until("the sub-agent has run it", () => read(join(box.folder("helped"), "a.txt")) === "ran\n");
    await box.reach("helped", "idle_done");
    expect(showsDialog(shown())).toBe(false);
    await box.csd(["kill", "helped"]);
  });

  test("a broken file asks, and a line in the session says so", async () => {
    const { box } = sandbox;
    writeRules(box, `${allowMark}${rule({ name: "typo", match_comand: "rm", action: "deny" })}`);
    await run("broken", [bash("echo hello"), say("Done.")]);
    await box.reach("broken", "blocked");
    await until("the screen tells it", async () => (await box.screen("broken")).includes("is broken"));
    await box.csd(["kill", "broken"]);
  });

  test("a hostile project cannot loosen, and cannot make the hook run anything", async () => {
    const { box } = sandbox;
    writeRules(box, denyPush);
    const folder = box.folder("hostile");
    mkdirSync(join(folder, ".csm"), { recursive: true });
    writeFileSync(
      join(folder, ".csm/rules.toml"),
      `${rule({ name: "loose", action: "approve" })}${rule({ name: "theirs", match_command: "make", action: "deny" })}[notify]\n[[notify.channels]]\nkind = "command"\nrun = ["sh", "-c", "touch ${folder}/ran"]\n`,
    );
    await run("hostile", [bash("make it"), bash("git push"), bash(markCommand("a.txt")), say("Done.")]);
    await box.reach("hostile", "blocked");
    expect(decisions(box, "hostile")).toEqual(["deny by theirs: make it", "deny by no push: git push"]);
    expect([read(join(folder, "a.txt")), existsSync(join(folder, "ran"))]).toEqual(["", false]);
    await box.csd(["kill", "hostile"]);
  });
});

/** Of csm in a terminal of its own, with every byte that it is sent. */
async function open(box: Box, name: string, steps: Step[], args: string[]) {
  const screen: string[] = [];
  box.stub.scriptAny(steps);
  const child = Bun.spawn([csmPath, "run", ...args, "Go"], {
    cwd: box.folder(name),
    env: box.env,
    terminal: { cols: 100, rows: 30, data: (_, bytes) => void screen.push(new TextDecoder().decode(bytes)) },
  });
  return {
    screen: () => screen.join(""),
    async end() {
      child.kill("SIGTERM");
      await child.exited;
    },
  };
}

describe("a plain terminal, without tmux", () => {
  test.each([
    ["started by csm", false],
    ["with the hook that csm setup has put into the user's settings", true],
  ])("leave and denial hold in a session %s", async (_, isSetUp) => {
    const { box } = sandbox;
    const name = isSetUp ? "plain-setup" : "plain";
    writeRules(box, allowMark + allowWrites + denyPush);
    if (isSetUp) expect((await box.csm(["setup", "--yes", "--hook"])).code).toBe(0);
    const session = await open(
      box,
      name,
      [bash(markCommand("a.txt")), bash("git push"), say("Finished.")],
      ["--permission-mode", "manual"],
    );
    try {
      await until("it is done", () => session.screen().includes("Finished."), session.screen);
      expect(read(join(box.folder(name), "a.txt"))).toBe("ran\n");
      // Nobody has pressed a key, and nobody was shown anything to press one for.
      expect(showsDialog(session.screen())).toBe(false);
      const own = audit(box).filter(({ cwd }) => cwd === box.folder(name));
      expect(own.map(({ decision, rule: by }) => [decision, by])).toEqual([
        ["allow", "marks"],
        ["deny", "no push"],
      ]);
      expect(told(box, String(own[0]?.session_id))).toContain("pushing is for people");
    } finally {
      await session.end();
      if (isSetUp) expect((await box.csm(["setup", "--undo", "--yes"])).code).toBe(0);
    }
  });

  test("what no rule knows is asked in a dialog", async () => {
    const { box } = sandbox;
    writeRules(box, allowMark + denyPush);
    const session = await open(box, "plain-asked", [bash(`${markCommand("a.txt")} && touch b`)], ["--permission-mode", "manual"]);
    try {
      await until("the dialog is on screen", () => showsDialog(session.screen()), session.screen);
    } finally {
      await session.end();
    }
  });

  test("they hold in a session that csm stays behind, and the audit names its profile", async () => {
    const { box } = sandbox;
    writeRules(box, allowMark + allowWrites + denyPush);
    expect((await box.csm(["profiles", "add", "main", box.configDir])).code).toBe(0);
    expect((await box.csm(["profiles", "add", "spare"])).code).toBe(0);
    const args = ["--profile", "main", "--permission-mode", "manual"];
    const session = await open(box, "managed", [bash(markCommand("a.txt")), bash("git push"), say("Finished.")], args);
    try {
      await until("it is done", () => session.screen().includes("Finished."), session.screen);
      expect(read(join(box.folder("managed"), "a.txt"))).toBe("ran\n");
      const own = audit(box).filter(({ cwd }) => cwd === box.folder("managed"));
      expect(own.map(({ decision, rule: by, profile }) => [decision, by, profile])).toEqual([
        ["allow", "marks", "main"],
        ["deny", "no push", "main"],
      ]);
    } finally {
      await session.end();
      for (const name of ["main", "spare"]) await box.csm(["profiles", "rm", name]);
    }
  });

  test("a denial holds in a run without a terminal, and in bypass mode", async () => {
    const { box } = sandbox;
    writeRules(box, denyPush);
    box.stub.scriptAny([bash("git push"), say("Not pushed.")]);
    // claude refuses to bypass permissions for root; in a sandbox it takes IS_SANDBOX for one.
    const env = { ...box.env, IS_SANDBOX: "1" };
    const result = await box.csm(["-p", "Go", "--dangerously-skip-permissions"], { env });
    expect(result).toMatchObject({ code: 0, stdout: "Not pushed.\n" });
    expect(JSON.stringify(box.stub.requests.at(-1)?.body.messages)).toContain("pushing is for people");
    expect(audit(box).at(-1)).toMatchObject({ decision: "deny", rule: "no push" });
  });

  test.each<[what: string, settings: Json, mode: string, ran: string]>([
    ["counts where nobody could be asked", {}, "manual", "ran\n"],
    ["does not beat a denial of claude's own settings", { permissions: { deny: ["Bash(echo:*)"] } }, "manual", ""],
    ["does not beat a mode that denies what would be asked", {}, "dontAsk", ""],
  ])("leave %s", async (_, settings, mode, ran) => {
    const { box } = sandbox;
    writeRules(box, allowMark + allowWrites);
    const cwd = box.folder(`leave-${mode}-${Object.keys(settings).length}`);
    mkdirSync(join(cwd, ".claude"));
    writeFileSync(join(cwd, ".claude/settings.json"), JSON.stringify(settings));
    box.stub.scriptAny([bash(markCommand("a.txt")), say("Over.")]);
    expect((await box.csm(["-p", "Go", "--permission-mode", mode], { cwd })).stdout).toBe("Over.\n");
    expect(read(join(cwd, "a.txt"))).toBe(ran);
  });

  test("in bypass mode too, nobody changes the files of rules unasked", async () => {
    const { box } = sandbox;
    writeRules(box, denyPush);
    const env = { ...box.env, IS_SANDBOX: "1" };
    for (const step of [useTool("Write", { file_path: rulesPath(box), content: "" }), bash(`echo > ${rulesPath(box)}`)]) {
      box.stub.scriptAny([step, say("Over.")]);
      expect((await box.csm(["-p", "Go", "--dangerously-skip-permissions"], { env })).stdout).toBe("Over.\n");
      expect(read(rulesPath(box))).toBe(denyPush);
    }
  });

  test("without a file claude is started with its words as they are", async () => {
    const { box } = sandbox;
    rmSync(rulesPath(box), { force: true });
    const probe = join(box.dir, "probe");
    writeFileSync(probe, '#!/bin/sh\nprintf "%s|" "$@"\n', { mode: 0o755 });
    const env = { ...box.env, CLAUDE_SMART_CLAUDE_BIN: probe };
    expect((await box.csm(["-p", "x"], { env })).stdout).toBe("-p|x|");
    writeRules(box, denyPush);
    expect((await box.csm(["-p", "x"], { env })).stdout).toMatch(/^--settings\|\{"hooks":\{"PreToolUse":.*\}\|-p\|x\|$/s);
    expect((await box.csm(["mcp", "list"], { env })).stdout).toBe("mcp|list|");
  });
});

describe("a session that bypasses permissions", () => {
  // claude refuses root this, but in a sandbox.
  const bypassing = useBox({ env: { IS_SANDBOX: "1" } });
  const broken = rule({ name: "typo", match_comand: "rm", action: "deny" });
  const denyWrites = rule({ name: "no secrets", match_tool: "Write", match_path: "secret.txt", action: "deny", message: "secrets stay" });
  const act = (folder: string): Reply[] => [
    bash("git push"),
    useTool("Write", { file_path: join(folder, "secret.txt"), content: "x" }),
    bash("echo free > free.txt"),
    say("Finished."),
  ];
  const requireDenied = (folder: string, session: string) => {
    const { box } = bypassing;
    expect(existsSync(join(folder, "secret.txt"))).toBe(false);
    // What no rule is about runs unasked, as the mode wants it.
    expect(read(join(folder, "free.txt"))).toBe("free\n");
    expect(told(box, session)).toContain("pushing is for people");
    expect(told(box, session)).toContain("secrets stay");
  };

  test("is denied what rules deny, and the model reads why: in a plain terminal", async () => {
    const { box } = bypassing;
    writeRules(box, denyPush + denyWrites);
    mkdirSync(box.configDir, { recursive: true });
    writeFileSync(join(box.configDir, "settings.json"), '{"skipDangerousModePermissionPrompt": true}');
    const folder = box.folder("plain");
    const session = await open(box, "plain", act(folder), ["--dangerously-skip-permissions"]);
    try {
      await until("it is done", () => session.screen().includes("Finished."), session.screen);
      expect(session.screen()).toContain("bypass permissions on");
      requireDenied(folder, String(audit(box).find(({ cwd }) => cwd === folder)?.session_id));
    } finally {
      await session.end();
      rmSync(join(box.configDir, "settings.json"));
    }
  });

  test("so it is in csd, and in a sub-agent of it", async () => {
    const { box } = bypassing;
    writeRules(box, denyPush + denyWrites);
    for (const name of ["main", "agent"]) {
      const folder = box.folder(name);
      const spawned = await box.spawn(name, [], ["--yolo"]);
      const start = useTool("Agent", { description: "Push", prompt: "AGENT-1 push it", subagent_type: "general-purpose" });
      const scripts = { "MAIN go": name === "main" ? act(folder) : [start, say("Under way.")], "AGENT-1": act(folder) };
      box.stub.script(String(spawned.session_id), threads(scripts));
      await box.send(name, "MAIN go");
      await until("all was tried", () => read(join(folder, "free.txt")) !== "");
      requireDenied(folder, String(spawned.session_id));
      expect(decisions(box, name)).toEqual(["deny by no push: git push", expect.stringMatching(/^deny by no secrets: /)]);
      await box.csd(["kill", name]);
    }
  });

  test("is loosened by no hostile project, which has nothing run, sent or ended either", async () => {
    const { box } = bypassing;
    const hits: string[] = [];
    const server = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: ({ url }) => new Response(String(hits.push(url))) });
    const folder = box.folder("theirs");
    const ran = join(folder, "ran");
    const channel = (fields: Json) => rule(fields).replace("[[rules]]", "[[notify.channels]]");
    writeRules(box, denyPush);
    mkdirSync(join(folder, ".csm"), { recursive: true });
    writeFileSync(
      join(folder, ".csm/rules.toml"),
      [
        rule({ name: "loose", action: "allow" }),
        rule({ name: "push", match_command: "git push", action: "allow" }),
        rule({ name: "theirs", match_command: "make", action: "deny" }),
        ...["send", "stop", "notify"].map((action) =>
          rule({ name: action, match_status: ["working", "idle_done"], action, message: `touch ${ran}` }),
        ),
        rule({ name: "all", period: "session", limit_usd: 0.000001, action: "stop" }).replace("[[rules]]", "[[budgets]]"),
        "[notify]\ncool_down = '0s'\n",
        channel({ kind: "command", run: ["touch", ran] }),
        channel({ kind: "webhook", name: "hook", url: `http://127.0.0.1:${server.port}/` }),
      ].join(""),
    );
    const spawned = await box.spawn("theirs", [bash("make it"), bash("git push"), bash("echo free"), say("Done.")], ["--yolo"]);
    const watch = Bun.spawn([csmPath, "watch", "--act", "--json"], { env: box.env, cwd: folder, stdout: "pipe", stderr: "ignore" });
    try {
      await box.send("theirs", "Go");
      expect(await box.reach("theirs", "idle_done")).toMatchObject({ text: "Done." });
      expect(decisions(box, "theirs")).toEqual(["deny by theirs: make it", "deny by no push: git push"]);
      expect([existsSync(ran), hits, box.stub.prompts(String(spawned.session_id))]).toEqual([false, [], ["Go"]]);
      expect((await box.csm(["notify"], { cwd: folder })).stdout).not.toContain("hook");
    } finally {
      watch.kill();
      await server.stop(true);
    }
    expect(await new Response(watch.stdout).text()).not.toContain('"event":"acted"');
    await box.csd(["kill", "theirs"]);
  });

  test("is asked, and told so, while the file is broken", async () => {
    const { box } = bypassing;
    writeRules(box, denyPush + broken);
    await box.spawn("broken", [bash("echo hello"), say("Done.")], ["--yolo"]);
    await box.send("broken", "Go");
    await box.reach("broken", "blocked");
    await until("the screen tells it", async () => (await box.screen("broken")).includes("is broken"));
    await box.csd(["kill", "broken"]);
  });
});

describe("the commands", () => {
  test("check, list, explain, log and import", async () => {
    const { box } = sandbox;
    writeRules(box, allowMark + denyPush);
    const cwd = box.folder("cmds");
    const csm = (...args: string[]) => box.csm(args, { cwd });
    expect(await csm("rules", "check")).toMatchObject({
      code: 0,
      stdout: "~/.config/claude-smart/rules.toml: 2 rules, nothing is wrong\n",
    });
    expect((await csm("rules")).stdout).toContain("no push");
    const explained = await csm("rules", "explain", "--json", "--tool", "Bash", "--cwd", cwd, "--", "echo ran && git push");
    expect(JSON.parse(explained.stdout)).toEqual({
      decision: "deny",
      rule: "no push",
      reason: expect.any(String),
      parts: [
        { text: "echo ran", decision: "allow", rule: "marks" },
        { text: "git push", decision: "deny", rule: "no push" },
      ],
    });
    const log = JSON.parse((await csm("rules", "log", "--rule", "no push", "--json")).stdout) as { entries: Json[] };
    expect(log.entries.every(({ rule: name, decision }) => name === "no push" && decision === "deny")).toBe(true);
    expect(log.entries.length).toBeGreaterThan(0);
    writeFileSync(join(cwd, "settings.json"), '{"permissions":{"allow":["Bash(npm run test:*)"],"deny":["Read(~/x/**)"]}}');
    const imported = await csm("rules", "import", "settings.json");
    writeRules(box, imported.stdout);
    expect((await csm("rules", "check")).code).toBe(0);
    expect(JSON.parse((await csm("rules", "explain", "--json", "npm run test")).stdout)).toMatchObject({ decision: "allow" });
    writeRules(box, '[[rules]]\nname = "a"\nacton = "deny"\n');
    expect(await csm("rules", "check")).toMatchObject({ code: 1, stdout: expect.stringContaining("rules.toml:3: unknown key") });
    // Programs are told, too.
    writeRules(box, `${allowMark}[[rules]]\nname = "a"\nmatch_comand = "x"\naction = "deny"\n`);
    const asked = await csm("rules", "explain", "--json", "echo ran");
    expect(asked.stderr).toContain('unknown key "match_comand"');
    expect(JSON.parse(asked.stdout)).toMatchObject({ decision: "ask", reason: expect.stringContaining("is broken: unknown key") });
    rmSync(rulesPath(box));
  });
});
