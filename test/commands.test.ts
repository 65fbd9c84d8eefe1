import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type AnyCommand, renderHelp, runRecord } from "../src/cmd-record.ts";
import { commands, findCommand, loadCommands, type ProgramName, verbsOf } from "../src/commands.ts";
import { width } from "../src/format.ts";
import { renderCsdHelp, renderCsmHelp, renderGroupHelp } from "../src/help.ts";
import { settings, variables } from "../src/settings.ts";

const loaded = await loadCommands();
const names = ["csm", "csd"] as const;

test.each(names)("%s: each word has one row", (program) => {
  const words = commands[program].map(({ word }) => word);
  expect(words).toEqual([...new Set(words)]);
});

test.each(loaded.filter(({ record }) => record !== undefined))("$program $word: its record is the one that the row names", (row) => {
  const { program, word, record } = row;
  const shortFor = [...verbsOf(program, word).keys()].map((verb) => `${program} ${word} ${verb}`);
  expect([`${program} ${word}`, ...shortFor]).toContain(record?.name ?? "");
  expect(record?.summary.split("\n")[0]).toMatch(/^[A-Z]/);
});

test.each([
  ["csm", renderCsmHelp],
  ["csd", renderCsdHelp],
] as const)("help of %s lists each command once, in its section", async (program, render) => {
  const help = await render();
  const listed = [...help.matchAll(/^([A-Z][\w ]*):$|^ {2}([a-z][\w-]*) {2,}\S/gm)];
  const sections: [section: string, word: string][] = [];
  let section = "";
  for (const [, title, word] of listed) {
    if (title !== undefined) section = title;
    else sections.push([section, word ?? ""]);
  }
  const rows = commands[program].filter(({ word, load, summary }) => !word.includes(" ") && (load ?? summary) !== undefined);
  expect(sections).toEqual(rows.map(({ section = "", word }) => [section, word]));
});

test.each([
  ["csm", "toString", false],
  ["csm", "profiles add", false],
  ["csm", "spawn", false],
  ["csd", "spawn", true],
  ["csm", "rules", false],
] as const)("%s %s: a word? %p", (program, word, isOne) => {
  expect(findCommand(program, word) !== undefined).toBe(isOne);
});

const records = loaded.flatMap(({ program, word, record }) => (record === undefined ? [] : [{ program, word, record }]));
const tooWide = (text: string) => text.split("\n").filter((line) => width(line) > 80);

test.each(records)("help of $program $word fits 80 columns and shows examples", ({ record }) => {
  expect(tooWide(renderHelp(record))).toEqual([]);
  expect(record.examples.length).toBeGreaterThan(0);
});

test.each(["profiles", "hub"])("help of csm %s names its verbs, in its usage too", async (word) => {
  const verbs = verbsOf("csm", word);
  const record = await findCommand("csm", word)?.load?.();
  const help = await renderGroupHelp(record as AnyCommand, verbs);
  expect(tooWide(help)).toEqual([]);
  const usage = help.slice(help.indexOf("usage:"), help.indexOf("\n\n", help.indexOf("usage:")));
  for (const verb of verbs.keys()) expect(usage).toContain(verb);
});

test.each([
  ["csm", renderCsmHelp],
  ["csd", renderCsdHelp],
] as const)("help of %s fits 80 columns, and a narrower terminal", async (_, render) => {
  expect(tooWide(await render())).toEqual([]);
  expect((await render(60)).split("\n").filter((line) => width(line) > 60 && !/^ {2}(?:csd|name=)/.test(line))).toEqual([]);
});

/** Each flag and positional of which the record itself says what it may be. */
const closed = records.flatMap(({ record }) =>
  Object.entries(record.args as Record<string, { type: string; values?: readonly string[] }>).flatMap(([name, { type, values }]) =>
    values === undefined ? [] : [{ record, name, words: type === "positional" ? ["nonsense", "x", "y"] : [`--${name}`, "nonsense"] }],
  ),
);

test("there are closed values", () => expect(closed.length).toBeGreaterThan(5));

test.each(closed)("$record.name: another $name is wrong usage", async ({ record, name, words }) => {
  const run = runRecord({ ...record, run: () => undefined }, words, {} as never);
  await expect(run).rejects.toMatchObject({ exitCode: 2, message: expect.stringContaining(`unknown ${name} "nonsense"`) });
});

const readme = readFileSync(join(import.meta.dir, "../README.md"), "utf8");
const rowsOfTables = readme.split("\n").filter((line) => line.startsWith("|"));
const typed = rowsOfTables.flatMap((row) => [...row.matchAll(/`(csm|csd) ([a-z][\w-]*)(?: ([a-z][\w-]*))?/g)]);

test("README has tables of commands", () => expect(typed.length).toBeGreaterThan(30));

test.each(typed.map(([text, program, word, verb]) => [text.slice(1), program, word, verb] as const))(
  "README: %s is there",
  (_, program, word = "", verb) => {
    const name = program as ProgramName;
    expect(findCommand(name, word)?.load).toBeDefined();
    const verbs = verbsOf(name, word);
    if (verbs.size > 0 && verb !== undefined) expect([...verbs.keys()]).toContain(verb);
  },
);

test("README names every command of csd", () => {
  const named = new Set(typed.flatMap(([, program, word]) => (program === "csd" ? [word] : [])));
  expect(commands.csd.map(({ word }) => word).filter((word) => !named.has(word))).toEqual([]);
});

const environment = Object.values({ ...settings, ...variables }).flatMap((row) =>
  "variables" in row ? row.variables.map(({ name }) => name) : [],
);

test.each(environment)("README names the variable %s", (name) => expect(readme).toContain(`\`${name}`));
