import { afterAll, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { resolveSessionId } from "../src/candidates.ts";
import { type AnyCommand, type App, runRecord } from "../src/cmd-record.ts";
import { loadCommands } from "../src/commands.ts";
import { createDriver } from "../src/driver.ts";
import { runLauncher } from "../src/launcher.ts";
import { createOutput } from "../src/output.ts";
import { slugOf } from "../src/paths.ts";
import { resolveAddress, resolveProcess, resolveTarget } from "../src/resolve.ts";
import { createSys } from "../src/sys.ts";

const root = realpathSync(mkdtempSync(join(tmpdir(), "csm-resolve-")));
afterAll(() => rmSync(root, { recursive: true, force: true }));
const here = join(root, "work");
const env = { HOME: root, PATH: process.env.PATH, TMUX_TMPDIR: join(root, "tmux"), CLAUDE_SMART_CLAUDE_BIN: "/bin/true" };
for (const dir of [here, join(root, "tmux")]) mkdirSync(dir);

const id = (start: string) => `${start}${"00000000-0000-4000-8000-000000000000".slice(start.length)}`;
const put = (sessionId: string, customTitle: string) => {
  const dir = join(root, ".claude/projects", slugOf(here));
  mkdirSync(dir, { recursive: true });
  const lines = [
    { type: "custom-title", customTitle },
    { parentUuid: null, type: "user", cwd: here, message: { role: "user", content: "x" } },
  ];
  writeFileSync(join(dir, `${sessionId}.jsonl`), lines.map((line) => `${JSON.stringify(line)}\n`).join(""));
  return join(dir, `${sessionId}.jsonl`);
};
/** A session of csd that has ended. */
const drive = (name: string, sessionId: string, title: string) => {
  const dir = join(root, ".local/state/csd/sessions");
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  const record = { name, session_id: sessionId, cwd: here, backend: "claude", jsonl_path: put(sessionId, title), created: 1 };
  writeFileSync(join(dir, `${name}.json`), JSON.stringify({ ...record, permission_mode: null, config_dir: join(root, ".claude") }));
};
drive("first", id("abcd1234"), "Fix the login");
drive("second", id("abcd1235"), "Fix the logout");
drive("abcd", id("eeee0001"), "Third");
put(id("ffff0001"), "Not driven");

const sys = { ...createSys(env), cwd: here, isTerminal: () => false, write: () => true };
const app: App = {
  sys,
  ...createOutput(sys),
  paint: (_, text) => text,
  columns: undefined,
  isInteractive: false,
};

/** What a command needs beside the word. */
const others: Readonly<Record<string, string[]>> = {
  "csd answer": ["--choice", "x"],
  "csm answer": ["--choice", "x"],
  "csm type": ["hello"],
  "csd send": ["x"],
  "csd run": ["x"],
};

/** Every way in which a command of the table takes a session or a conversation. */
const takers = (await loadCommands()).flatMap(({ record }) => {
  if (record === undefined) return [];
  const args = Object.entries(record.args as Record<string, { type?: string; required?: boolean }>);
  const positionals = args.filter(([, { type }]) => type === "positional").map(([name]) => name);
  const calls = args.flatMap(([name, { type }]): [AnyCommand, (word: string) => string[]][] => {
    if (name !== "session" && name !== "resume") return [];
    if (type !== "positional") return [[record, (word) => [`--${name}`, word, ...(others[record.name] ?? [])]]];
    return [[record, (word) => [...positionals.map((own) => (own === name ? word : "read")), ...(others[record.name] ?? [])]]];
  });
  if (record.rest?.hint.includes("SESSION")) calls.push([record, (word) => [word]]);
  return calls.map(([of, argv]) => ({ name: of.name, of, argv }));
});

describe("every command that takes a session asks the one resolver", () => {
  test("the table has them", () => {
    const names = [...new Set(takers.map(({ name }) => name))];
    expect(names).toEqual(
      expect.arrayContaining(["csm run", "csm open", "csm sidecar", "csm reap", "csm log", "csd send", "csd kill", "csd events"]),
    );
    expect(takers.filter(({ name }) => name === "csd run").length).toBe(2);
  });

  test.each(takers)("$name $argv", async ({ of, argv }) => {
    // The words of csm run go to the launcher as they are.
    const run: Promise<unknown> = Promise.resolve(
      of.name === "csm run" ? runLauncher(sys, "run", argv("abcd123")) : runRecord(of, argv("abcd123"), app),
    );
    const { message, hint } = (await run.catch((error: unknown) => error)) as { message: string; hint: string };
    expect(message).toMatch(/^"abcd123" names 2 (?:sessions|conversations)$/);
    expect(hint).toMatch(new RegExp(`  ${id("abcd1234")}  .*Fix the login`));
    expect(hint).toMatch(new RegExp(`  ${id("abcd1235")}  .*Fix the logout`));
  });
});

describe("a word means one session", () => {
  const driver = createDriver(sys);
  test.each([
    ["csd's name", "first", "first"],
    ["a whole id", id("abcd1235"), "second"],
    ["in capitals", id("abcd1235").toUpperCase(), "second"],
    ["the beginning of an id", "abcd1235", "second"],
    ["its title", "Fix the login", "first"],
    ["in any case", "FIX THE LOGIN", "first"],
    ["csd's name before the beginning of an id", "abcd", "abcd"],
  ])("%s: %p", async (_, word, name) => expect((await resolveAddress(driver, word)).name).toBe(name));

  test.each([
    ["a part of a title types into nothing", "login", 'session "login" does not exist'],
    ["nor does its beginning", "Third one", 'session "Third one" does not exist'],
    ["a conversation that nobody has open", id("ffff0001"), `session "${id("ffff0001")}" does not exist`],
    ["one that has ended", "first", 'session "first" is not alive'],
  ])("%s", async (_, word, message) => {
    expect(await resolveTarget(driver, word).catch((error: unknown) => error)).toMatchObject({ message });
  });

  test("what ends a session takes no title: the name of one that has gone may be another one's", async () => {
    expect(await resolveProcess(driver, "Third")).toEqual({ name: "Third" });
    expect(await resolveProcess(driver, "eeee0001")).toEqual({ name: "abcd" });
    expect(await resolveProcess(driver, "gone")).toEqual({ name: "gone" });
  });

  test.each([
    ["Not driven", id("ffff0001")],
    ["first", id("abcd1234")],
    [id("12345678"), id("12345678")],
  ])("the conversation %p", async (word, sessionId) => expect(await resolveSessionId(sys, word)).toBe(sessionId));

  test("an id of which nothing is left is known to those who keep a record of it", async () => {
    expect(await resolveSessionId(sys, "9999", [id("99990001")])).toBe(id("99990001"));
    expect(await resolveSessionId(sys, "9999", [])).toBe("9999");
    expect(await resolveSessionId(sys, "9999").catch((error: unknown) => error)).toMatchObject({
      message: 'no conversation is called "9999"',
    });
  });
});
