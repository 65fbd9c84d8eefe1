/** Claude behind a wrapper of the user's: one that clears the environment, stays around it, or has its own editor. */
import { describe, expect, test } from "bun:test";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { bash, say } from "../../src/stub-script.ts";
import { type Box, claudePath, csdPath, type Json, until, useBox } from "./harness.ts";

const sandbox = useBox();
const record = (box: Box, name: string): Json => JSON.parse(readFileSync(join(box.home, `.local/state/csd/sessions/${name}.json`), "utf8"));

/** What a wrapper may keep: where claude lives, and how it reaches its model. */
const kept = (box: Box): string =>
  Object.entries(box.env)
    .filter(([name]) => /^(?:HOME|PATH|LANG|TERM|TMPDIR|ANTHROPIC_|DISABLE_|CLAUDE_CODE_)/.test(name))
    .map(([name, value]) => `${name}='${value}'`)
    .join(" ");

/** A wrapper with this body, as csd's claude. */
function wrap(box: Box, name: string, body: string): Record<string, string> {
  const path = join(box.dir, `claude-${name}`);
  writeFileSync(path, `#!/bin/sh\n${body}\n`, { mode: 0o755 });
  return { ...box.env, CLAUDE_SMART_CLAUDE_BIN: path };
}

/** Somebody has used claude there before. */
const ownDir = 'export CLAUDE_CONFIG_DIR="$HOME/.claude-own"; mkdir -p "$CLAUDE_CONFIG_DIR"; cp "$HOME/.claude.json" "$CLAUDE_CONFIG_DIR"';

/** Only the editor key brings it whole: a paste would run it, and turn the tab into blanks. */
const hardPrompt = "!first\tline\nand a second";

describe("a wrapper that", () => {
  test.each<[what: string, body: (claude: string) => string, extra?: Record<string, string>]>([
    ["clears the environment and becomes claude (env -i)", (claude) => `exec ${claude}`],
    ["clears it and stays (sudo, op run)", (claude) => `${claude}\nexit $?`],
    ["stays, two shells deep", (claude) => `sh -c '"$0" "$@"; exit $?' ${claude.replace(/ "\$@"$/, "")} "$@"; exit $?`],
    ["has a config dir of its own", (claude) => `${ownDir}; ${claude.replace("env -i", "env")}`],
    ["clears where csd keeps its state", (claude) => `exec ${claude}`, { XDG_STATE_HOME: "state" }],
  ])("%s: prompts are whole, gates answered by hook, and nothing is left", async (what, body, extra = {}) => {
    const { box } = sandbox;
    const name = `wrapped-${what.replace(/\W+/g, "-").slice(0, 30)}`;
    const state = Object.fromEntries(Object.entries(extra).map(([key, value]) => [key, join(box.dir, value)]));
    const env = { ...wrap(box, name, body(`env -i ${kept(box)} '${claudePath}' "$@"`)), ...state };
    const csd = (...args: string[]) => box.csd(args, { env });
    const spawned = await csd("spawn", "--name", name, "--cwd", box.folder(name), "--permission-mode", "manual");
    box.stub.script(String(spawned.session_id), [bash("touch made.txt && rm -f none"), say("Made.")]);
    expect(await csd("send", name, hardPrompt)).toMatchObject({ attempts: 1, receipt: "turn_started" });
    expect(await csd("wait", name, "--timeout", "20")).toMatchObject({ status: "blocked", tool: "Bash", source: "session-file" });
    expect(box.stub.prompts(String(spawned.session_id))).toEqual([hardPrompt]);
    expect(await csd("approve", name)).toMatchObject({ chosen: "Yes", channel: "hook" });
    expect(await csd("wait", name, "--timeout", "20")).toMatchObject({ status: "idle_done", text: "Made." });
    expect(existsSync(join(box.folder(name), "made.txt"))).toBe(true);
    expect(await csd("kill", name)).toEqual({ ok: true, killed: true });
    const left = (await box.run(["ps", "axww", "-o", "args="])).stdout
      .split("\n")
      .filter((line) => line.includes(String(spawned.session_id)));
    expect(left).toEqual([]);
  });

  test("starts claude in another pid namespace: prompts are pasted, gates answered by keys", async () => {
    const { box } = sandbox;
    const name = "namespace";
    if ((await box.run(["unshare", "--fork", "--pid", "--mount-proc", "true"])).code !== 0) return;
    const env = wrap(box, name, `unshare --fork --pid --mount-proc --kill-child env -i ${kept(box)} '${claudePath}' "$@"\nexit $?`);
    const csd = (...args: string[]) => box.csd(args, { env });
    const spawned = await csd("spawn", "--name", name, "--cwd", box.folder(name), "--permission-mode", "manual");
    box.stub.script(String(spawned.session_id), [bash("touch made.txt && rm -f none"), say("Made.")]);
    expect(await csd("send", name, "Make it")).toMatchObject({ attempts: 1 });
    expect(await csd("wait", name, "--timeout", "20")).toMatchObject({ status: "blocked", tool: "Bash" });
    expect(await csd("approve", name)).toMatchObject({ chosen: "Yes", channel: "keys" });
    expect(await csd("wait", name, "--timeout", "20")).toMatchObject({ status: "idle_done", text: "Made." });
    expect(await csd("kill", name)).toEqual({ ok: true, killed: true });
  });
});

/** Whatever csd sets goes: claude's key opens what EDITOR says. */
const withoutSettings = `for word; do shift; [ "$isNext" = yes ] && isNext= && continue
  [ "$word" = --settings ] && isNext=yes || set -- "$@" "$word"; done`;

describe("where the editor key opens", () => {
  test.each<[what: string, editor: (dir: string) => string]>([
    ["vi", () => "vi"],
    ["a program with a window", (dir) => `${dir}/window`],
    ["one that writes something and returns", (dir) => `${dir}/writer`],
    ["one that ends at once", () => "true"],
  ])("%s: it is left, the prompt is pasted, and the next one at once", async (what, editor) => {
    const { box } = sandbox;
    const name = `editor-${what.replace(/\W+/g, "-")}`;
    writeFileSync(join(box.dir, "window"), "#!/bin/sh\nsleep 300\n", { mode: 0o755 });
    writeFileSync(join(box.dir, "writer"), `#!/bin/sh\nprintf 'not what you wanted' > "$1"\n`, { mode: 0o755 });
    const env = wrap(box, name, `${withoutSettings}\nexec env -i ${kept(box)} EDITOR='${editor(box.dir)}' '${claudePath}' "$@"`);
    const csd = (...args: string[]) => box.csd(args, { env });
    const spawned = await csd("spawn", "--name", name, "--cwd", box.folder(name), "--permission-mode", "manual");
    box.stub.script(String(spawned.session_id), [say("One."), say("Two.")]);
    expect(await csd("send", name, "First, in one line")).toMatchObject({ attempts: 1 });
    await csd("wait", name, "--until", "idle_done", "--timeout", "20");
    expect(record(box, name).has_editor).toBe(false);
    await csd("send", name, "Second");
    await csd("wait", name, "--until", "idle_done", "--timeout", "20");
    expect(box.stub.prompts(String(spawned.session_id))).toEqual(["First, in one line", "Second"]);
    const left = (await box.run(["ps", "axww", "-o", "args="])).stdout
      .split("\n")
      .filter((line) => line.includes(box.dir) && line.includes("claude-prompt-"));
    expect(left).toEqual([]);
    await csd("kill", name);
  });

  test("csd, whatever the user's own settings say; the user's key opens what they say", async () => {
    const { box } = sandbox;
    const own = join(box.dir, "own-visual");
    writeFileSync(own, `#!/bin/sh\nprintf 'from my settings' > "$1"\n`, { mode: 0o755 });
    const settings = join(box.configDir, "settings.json");
    writeFileSync(settings, JSON.stringify({ env: { EDITOR: "vi", VISUAL: own } }));
    const spawned = await box.spawn("settled", [say("One.")]);
    await box.csd(["send", "settled", "-"], { input: hardPrompt });
    await box.reach("settled", "idle_done");
    expect(box.stub.prompts(String(spawned.session_id))).toEqual([hardPrompt]);
    await box.keys("settled", "C-g");
    await until("its text", async () => (await box.screen("settled")).includes("from my settings"));
    writeFileSync(settings, "{}");
    await box.csd(["kill", "settled"]);
  });
});

describe("claude's own flags", () => {
  test("go to claude behind --, beside csd's own settings; --model, --effort and --add-dir stand before it", async () => {
    const { box } = sandbox;
    const settings = join(box.dir, "mine.json");
    writeFileSync(settings, JSON.stringify({ env: { MINE: "1" }, permissions: { deny: ["WebFetch"] } }));
    const more = box.folder("more");
    const name = "flags";
    const start = ["spawn", "--name", name, "--cwd", box.folder(name), "--permission-mode", "manual", "--trust"];
    const own = ["--model", "claude-haiku-4-5", "--effort", "low", "--add-dir", more, "--add-dir", box.folder("third")];
    const rest = ["--", "--append-system-prompt", "Answer in verse.", "--settings", settings];
    const spawned = await box.csd([...start, ...own, ...rest]);
    box.stub.script(String(spawned.session_id), [bash(`echo "$MINE" > '${more}/said.txt' && rm -f none`), say("Done.")]);
    await box.csd(["send", name, "-"], { input: hardPrompt });
    expect(await box.reach(name, "blocked")).toMatchObject({ tool: "Bash" });
    expect(await box.csd(["approve", name])).toMatchObject({ channel: "hook" });
    await box.reach(name, "idle_done");
    expect(readFileSync(join(more, "said.txt"), "utf8")).toBe("1\n");
    expect(box.stub.prompts(String(spawned.session_id))).toEqual([hardPrompt]);
    const request = box.stub.requests.findLast(({ sessionId, isMainThread }) => sessionId === spawned.session_id && isMainThread);
    expect([request?.body.model, JSON.stringify(request?.body.system).includes("Answer in verse.")]).toEqual(["claude-haiku-4-5", true]);
    await box.csd(["kill", name]);
  });

  test("of csd run: behind the prompt, or alone behind --; a prompt that begins with a dash stays one", async () => {
    const { box } = sandbox;
    const cwd = box.folder("run-flags");
    const asked = () => box.stub.requests.findLast(({ isMainThread }) => isMainThread);
    const ask = async (args: string[], input?: string) => {
      box.stub.scriptAny([say("Said.")]);
      const result = await box.tryCsd(["run", "--cwd", cwd, ...args], input === undefined ? {} : { input });
      expect([result.code, result.stdout, result.stderr]).toEqual([0, "Said.\n", ""]);
      return [JSON.stringify(asked()?.body.system).includes("In verse."), box.stub.prompts(String(asked()?.sessionId))] as const;
    };
    expect(await ask(["Go", "on", "--", "--append-system-prompt", "In verse."])).toEqual([true, ["Go on"]]);
    expect(await ask(["--", "--append-system-prompt", "In verse."], "piped")).toEqual([true, ["piped"]]);
    expect(await ask(["--", "--verbose", "is", "what?"])).toEqual([false, ["--verbose is what?"]]);
    expect(await ask(["explain", "git", "checkout", "--", "file"])).toEqual([false, ["explain git checkout -- file"]]);
  });

  test.each([
    ["--resume", ["--", "--resume", "x"]],
    ["-p", ["--", "-p"]],
    ["--permission-mode=plan", ["--", "--permission-mode=plan"]],
    ["--dangerously-skip-permissions", ["--", "--dangerously-skip-permissions"]],
  ])("%s is csd's to say", async (flag, args) => {
    const result = await sandbox.box.tryCsd(["spawn", ...args]);
    expect([result.code, JSON.parse(result.stderr).error]).toEqual([2, `csd: ${flag} cannot be handed to claude`]);
  });

  test("--profile starts it under that profile, also from csd run", async () => {
    const { box } = sandbox;
    const dir = join(box.home, ".claude-work");
    await box.csm(["profiles", "add", "work", dir]);
    writeFileSync(join(dir, ".claude.json"), readFileSync(join(box.home, ".claude.json")));
    const spawned = await box.csd(["spawn", "--name", "seated", "--cwd", box.folder("seated"), "--profile", "work"]);
    expect(String(spawned.jsonl_path).startsWith(`${dir}/projects/`)).toBe(true);
    box.stub.script(String(spawned.session_id), [say("At work.")]);
    await box.send("seated", "Where?");
    expect(await box.reach("seated", "idle_done")).toMatchObject({ text: "At work." });
    expect(existsSync(String(spawned.jsonl_path))).toBe(true);
    await box.csd(["kill", "seated"]);
    const unknown = await box.tryCsd(["run", "--profile", "wrok", "go"]);
    expect([unknown.code, JSON.parse(unknown.stderr).error]).toEqual([1, expect.stringContaining("unknown profile 'wrok'")]);
    expect(csdPath).toContain("csd");
  });
});
