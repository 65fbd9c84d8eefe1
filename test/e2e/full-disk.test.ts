import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { csdPath, csmPath } from "./harness.ts";

setDefaultTimeout(60_000);

const root = mkdtempSync(join(tmpdir(), "csm-full-"));
const id = "11111111-2222-4333-8444-555555555555";
let home = "";

beforeAll(furnish);
afterAll(() => rmSync(root, { recursive: true, force: true }));

const write = (path: string, text: string) => {
  const full = join(home, path);
  mkdirSync(dirname(full), { recursive: true, mode: 0o700 });
  writeFileSync(full, text, { mode: 0o600 });
};

function furnish(): void {
  home = mkdtempSync(join(root, "home-"));
  write(".claude/settings.json", '{\n  "model": "opus"\n}\n');
  write(".claude.json", "{}");
  write(".config/claude-as/profiles.json", '{"work":"~/.claude","other":"~/.claude.other"}');
  write(".config/claude-as/default", "work\n");
  write(".config/claude-smart/config.json", '{"limit":{"policy":"ask"}}');
  write(`.claude.shared/smart/${id}.json`, '{"model":"opus"}');
  write(".local/state/csd/run/fix/events.jsonl", `${JSON.stringify({ at: 1, event: "Stop" })}\n`);
  write(".local/state/csd/run/fix/gates/none", "");
  write("bin/claude", '#!/bin/sh\nprintf "2.1.329 (Claude Code)\\n"\n');
  chmodSync(join(home, "bin/claude"), 0o700);
}

const filesBelow = (dir: string): string[] =>
  readdirSync(dir, { withFileTypes: true }).flatMap((entry) =>
    entry.isDirectory() ? filesBelow(join(dir, entry.name)) : [join(dir, entry.name)],
  );
/** What was there, with what it says; caches and locks come and go. */
const contents = () =>
  Object.fromEntries(
    filesBelow(home)
      .filter((path) => !/\.db|\/locks\/|\/tmux/.test(path))
      .map((path) => [path, readFileSync(path, "utf8")]),
  );

/** No file of this process and its children may grow, which is what a full disk looks like; also to root. */
const full = ["sh", "-c", `trap "" XFSZ; ulimit -f 0; exec "$0" "$@"`];

function run(program: string, args: readonly string[], options: { input?: string; env?: Record<string, string> } = {}) {
  const result = Bun.spawnSync([...full, program, ...args], {
    cwd: home,
    env: { HOME: home, PATH: `${join(home, "bin")}:${process.env.PATH}`, TMUX_TMPDIR: home, CSM_USAGE_ASK: "0", ...options.env },
    stdin: options.input === undefined ? "ignore" : new TextEncoder().encode(options.input),
    timeout: 30_000,
  });
  return { code: result.exitCode, out: result.stdout.toString(), err: result.stderr.toString() };
}

test.each<[what: string, args: string[]]>([
  ["settings", ["config", "set", "limit.policy", "wait"]],
  ["a new profile", ["profiles", "add", "third", "~/.claude.third"]],
  ["a profile's folder", ["profiles", "set", "other", "~/.claude.else"]],
  ["a profile less", ["profiles", "rm", "other"]],
  ["another default", ["profiles", "use", "other"]],
  ["claude's settings", ["setup", "--yes"]],
  ["what is remembered of a conversation", ["sidecar", "merge", id, "model=sonnet"]],
])("on a full disk %s: one line, no success, and what was there stays", (_, args) => {
  const before = contents();
  const { code, err } = run(csmPath, args);
  expect([code, err.trimEnd().split("\n").length, err]).toEqual([
    1,
    1,
    expect.stringMatching(/^csm: .*(?:too large|no space|full|locked|lock)/i),
  ]);
  expect(contents()).toEqual(before);
});

test("a session is not started, and its name stays free", () => {
  const before = contents();
  const { code, err } = run(csdPath, ["spawn", "--name", "new", "--cwd", home]);
  expect([code, Object.keys(JSON.parse(err))[0]]).toEqual([1, "error"]);
  expect(contents()).toEqual(before);
});

test.each<[what: string, args: string[]]>([
  ["usage", ["usage", "--json"]],
  ["cost", ["cost", "--json"]],
  ["scan", ["scan", "--json"]],
  ["sessions", ["ls", "--json"]],
  ["which account", ["profiles", "--json"]],
])("what only reads goes on, without its cache: %s", (_, args) => {
  const before = contents();
  const { code, out, err } = run(csmPath, args);
  expect([code, err]).toEqual([0, ""]);
  expect(() => JSON.parse(out)).not.toThrow();
  expect(contents()).toEqual(before);
});

test("the status line is shown", () => {
  const input = JSON.stringify({ session_id: id, cwd: home, model: { id: "opus", display_name: "Opus" }, version: "2.1.329" });
  const { code, out } = run(csmPath, ["statusline"], { input });
  expect([code, out.trim() === ""]).toEqual([0, false]);
});

test.each(["UserPromptSubmit", "Stop", "PermissionRequest"])("a hook says nothing and disturbs no turn: %s", (event) => {
  const input = JSON.stringify({ hook_event_name: event, session_id: id, tool_name: "Bash", tool_input: { command: "ls" } });
  const before = contents();
  const { code, out } = run(csdPath, ["--csd-hook"], { input, env: { CSD_CHANNEL: join(home, ".local/state/csd/run/fix") } });
  expect([code, out]).toEqual([0, ""]);
  expect(contents()).toEqual(before);
});

test.each<[what: string, dir: string, args: string[]]>([
  ["settings", ".config/claude-smart", ["config", "set", "limit.policy", "wait"]],
  ["profiles", ".config/claude-as", ["profiles", "add", "third", "~/.claude.third"]],
  ["sidecars", ".claude.shared/smart", ["sidecar", "merge", id, "model=sonnet"]],
  ["claude's settings", ".claude", ["setup", "--yes"]],
  ["locks", ".local/state/csm", ["config", "set", "limit.policy", "wait"]],
])("a folder of %s that may not be written: one line with its path", (_, dir, args) => {
  furnish();
  const folder = join(home, dir);
  mkdirSync(folder, { recursive: true });
  const before = contents();
  // Root may write everywhere: there a file stands where the folder should be.
  if (process.getuid?.() === 0) return;
  chmodSync(folder, 0o500);
  const result = Bun.spawnSync([csmPath, ...args], { cwd: home, env: { HOME: home, PATH: process.env.PATH ?? "" }, stdin: "ignore" });
  const err = result.stderr.toString();
  chmodSync(folder, 0o700);
  expect([result.exitCode, err.trimEnd().split("\n").length, err.includes(dir)]).toEqual([1, 1, true]);
  expect(contents()).toEqual(before);
  expect(statSync(folder).isDirectory()).toBe(true);
});

test.each<[what: string, dir: string, args: string[]]>([
  ["settings", ".config/claude-smart", ["config", "set", "limit.policy", "wait"]],
  ["profiles", ".config/claude-as", ["profiles", "add", "third", "~/.claude.third"]],
  ["locks", ".local/state/csm", ["config", "set", "limit.policy", "wait"]],
  ["sidecars", ".claude.shared/smart", ["sidecar", "merge", id, "model=sonnet"]],
])("a file where the folder of %s should be: one line with its path", (_, dir, args) => {
  furnish();
  const folder = join(home, dir);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(dirname(folder), { recursive: true });
  writeFileSync(folder, "mine");
  const result = Bun.spawnSync([csmPath, ...args], { cwd: home, env: { HOME: home, PATH: process.env.PATH ?? "" }, stdin: "ignore" });
  const err = result.stderr.toString();
  expect([result.exitCode, err.trimEnd().split("\n").length, err.includes(dir) ? "" : err]).toEqual([1, 1, ""]);
  expect(readFileSync(folder, "utf8")).toBe("mine");
});
