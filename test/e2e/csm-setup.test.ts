/** The guided pass, and who is told that there is one. What each part does to a file is in setup-parts.test.ts, what a crash leaves in faults.test.ts. */
import { beforeEach, expect, test } from "bun:test";
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { type Box, csmPath, type Json, until, useBox } from "./harness.ts";

const at = useBox({ login: "subscription" });
const home = (path: string) => join(at.box.home, path);
const put = (path: string, text: string) => {
  mkdirSync(dirname(home(path)), { recursive: true });
  writeFileSync(home(path), text);
};
const bashEnv = () => ({ ...at.box.env, SHELL: "/bin/bash" });
const setup = (...args: string[]) => at.box.csm(["setup", ...args], { env: bashEnv() });
const made = [".config", ".bashrc", ".zfunc", ".local", ".claude.work", ".claude.torn"];
beforeEach(() => {
  for (const path of made) rmSync(home(path), { recursive: true, force: true });
  put(".claude/settings.json", '{ "model": "opus" }\n');
  put(".bashrc", "alias l=ls\n");
});

/** A claude that comes up and says so: what csm becomes. */
function fakeClaude(box: Box): string {
  const path = join(box.dir, "fake-claude");
  writeFileSync(path, '#!/bin/sh\n[ "$1" = --version ] && echo "2.1.329 (Claude Code)" || echo "claude is up"\n');
  chmodSync(path, 0o755);
  return path;
}

async function openShell(name: string) {
  const { box } = at;
  const env = ["-e", `CLAUDE_SMART_CLAUDE_BIN=${fakeClaude(box)}`, "-e", "SHELL=/bin/bash"];
  const words = ["new-session", "-d", "-s", name, "-x", "140", "-y", "60", "-c", box.folder(name), ...env];
  const path = `${dirname(csmPath)}:${box.env.PATH}`;
  await box.run(["tmux", "-u", ...words, "bash --norc --noprofile -i"], { env: { ...box.env, PATH: path } });
  const screen = () => box.screen(name);
  const shows = (text: string) => until(`${name} shows ${text}`, async () => (await screen()).includes(text), screen);
  await shows("bash-");
  return {
    shows,
    screen,
    keys: (...keys: string[]) => box.keys(name, ...keys),
    close: () => box.run(["tmux", "kill-session", "-t", `=${name}`]),
  };
}

test("asks what is wanted, shows it, asks again, and does that alone", async () => {
  const shell = await openShell("guided");
  await shell.keys("csm setup", "Enter");
  await shell.shows("Set up what?");
  expect(await shell.screen()).toContain("claude 2.1.329: ");
  // All but the first two.
  await shell.keys("Space", "Down", "Space", "Enter");
  await shell.shows("change it?");
  await shell.keys("y");
  await shell.shows("csm setup --undo takes it all out again");
  expect(existsSync(home(".config/claude-smart"))).toBe(false);
  expect(readFileSync(home(".bashrc"), "utf8")).toBe(
    'alias l=ls\ncommand -v csm >/dev/null && eval "$(csm shell-init bash)"  # csm setup\n',
  );
  expect(readFileSync(home(".claude/settings.json"), "utf8")).toMatch(/^\{ "model": "opus", "hooks": .*csm statusline/);
  await shell.keys("clear; csm setup", "Enter");
  await shell.shows("Set up what?");
  await shell.keys("C-c");
  await shell.shows("bash-");
  await shell.close();
});

test("a new shell has cas and completions", async () => {
  await setup("--shell", "bash", "--yes");
  const env = { ...bashEnv(), PATH: `${dirname(csmPath)}:${at.box.env.PATH}` };
  const { stdout } = await at.box.run(["bash", "-ic", "type -t cas; complete -p csm csd"], { env });
  expect(stdout).toBe("function\ncomplete -o nosort -F _csm csm\ncomplete -o nosort -F _csd csd\n");
});

test("completions alone are found where bash looks for them", async () => {
  await setup("--completions", "--yes");
  const dir = home(".local/share/bash-completion/completions");
  expect(readdirSync(dir).sort()).toEqual(["csd", "csm"]);
  const { stdout } = await at.box.run(["bash", "-c", `. ${join(dir, "csd")}; complete -p csd`], { env: bashEnv() });
  expect(stdout).toBe("complete -o nosort -F _csd csd\n");
});

test("nobody is asked where there is nobody, and nothing is done", async () => {
  const result = await setup();
  expect([result.code, result.stderr]).toEqual([2, "csm setup: there is nobody to ask; add --yes, or look first with --dry-run\n"]);
  expect((await setup("--json")).stderr).toBe("csm setup: with --json nobody is asked; add --yes, or look first with --dry-run\n");
  const nowhere = await at.box.csm(["setup", "--completions", "--yes"], { env: { ...at.box.env, SHELL: "/bin/sh" } });
  expect([nowhere.code, nowhere.stderr]).toEqual([2, "csm setup: which shell? $SHELL does not say; add --shell bash\n"]);
  expect(readFileSync(home(".bashrc"), "utf8")).toBe("alias l=ls\n");
});

test("one broken file of several: nothing is changed anywhere", async () => {
  put(".config/claude-as/profiles.json", JSON.stringify({ main: "~/.claude", torn: "~/.claude.torn" }));
  put(".claude.torn/settings.json", "{ // a comment\n}");
  const { code, stderr } = await setup("--all", "--yes");
  expect([code, stderr]).toEqual([
    1,
    `csm: ${home(".claude.torn/settings.json")} is no JSON object; correct it first; nothing was changed\n`,
  ]);
  expect([readFileSync(home(".bashrc"), "utf8"), existsSync(home(".config/claude-smart"))]).toEqual(["alias l=ls\n", false]);
  expect(readFileSync(home(".claude/settings.json"), "utf8")).toBe('{ "model": "opus" }\n');
});

test("as JSON: what was found, and each file with what is done to it", async () => {
  const dry = JSON.parse((await setup("--dry-run", "--json")).stdout) as { changes: Json[]; profiles: Json[] };
  expect(dry.profiles).toEqual([expect.objectContaining({ config_dir: home(".claude") })]);
  expect(dry.changes.map(({ parts, change, done }) => [parts, change, done])).toEqual([
    [["rules", "notify"], "create", false],
    [["hook", "statusline"], "edit", false],
    [["shell"], "edit", false],
    [["completions"], "create", false],
    [["completions"], "create", false],
  ]);
  const done = JSON.parse((await setup("--yes", "--json")).stdout) as { changes: Json[] };
  expect(done.changes.every((change) => change.done === true)).toBe(true);
  const backup = String(done.changes[1]?.backup);
  expect(readFileSync(backup, "utf8")).toBe('{ "model": "opus" }\n');
  const again = JSON.parse((await setup("--yes", "--json")).stdout) as { changes: Json[] };
  expect(again.changes.every(({ change }) => change === "none")).toBe(true);
});

test("a first start of csm by itself says once that there is a setup; what scripts read never does", async () => {
  const told = "csm setup offers the status line";
  const piped = await at.box.csm([], { env: { ...at.box.env, CLAUDE_SMART_CLAUDE_BIN: fakeClaude(at.box) } });
  expect([piped.stdout, piped.stderr]).toEqual(["claude is up\n", ""]);
  const shell = await openShell("first");
  await shell.keys("csm -p x 2>&1 | cat", "Enter");
  await shell.shows("claude is up");
  expect(await shell.screen()).not.toContain(told);
  const start = async (turn: string) => {
    // What is typed is not yet what is printed, and what the one before printed may stand there still.
    await shell.keys(`clear; csm; echo over-'${turn}'`, "Enter");
    await shell.shows(`over-${turn}`);
    expect(await shell.screen()).toContain("claude is up");
    return (await shell.screen()).includes(told);
  };
  expect([await start("one"), await start("two")]).toEqual([true, false]);
  await shell.close();
});

test("nor is one who has set it up, whoever did it", async () => {
  await setup("--statusline", "--yes");
  rmSync(home(".local"), { recursive: true, force: true });
  const shell = await openShell("known");
  await shell.keys("csm", "Enter");
  await shell.shows("claude is up");
  expect(await shell.screen()).not.toContain("csm setup offers");
  await shell.close();
});
