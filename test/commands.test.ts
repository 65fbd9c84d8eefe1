import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { commands, findCommand, loadCommands, type ProgramName, verbsOf } from "../src/commands.ts";
import { renderCsdHelp, renderCsmHelp } from "../src/help.ts";

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
  ["csm", "rules", true],
] as const)("%s %s: a word? %p", (program, word, isOne) => {
  expect(findCommand(program, word) !== undefined).toBe(isOne);
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
