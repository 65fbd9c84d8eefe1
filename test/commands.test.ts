import { expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type AnyCommand, type Argument, renderHelp, runRecord } from "../src/cmd-record.ts";
import { commands, findCommand, loadCommands, type ProgramName, verbsOf } from "../src/commands.ts";
import { keyRows } from "../src/dashboard-keys.ts";
import { exitCode } from "../src/errors.ts";
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
  ["csm", "gate", false],
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

const root = join(import.meta.dir, "..");
const readme = readFileSync(join(root, "README.md"), "utf8");
const rowsOfTables = readme.split("\n").filter((line) => line.startsWith("|"));
const typed = rowsOfTables.flatMap((row) => [...row.matchAll(/`(csm|csd) ([a-z][\w-]*)(?: ([a-z][\w-]*))?/g)]);

test("README has tables of commands", () => expect(typed.length).toBeGreaterThan(30));

test.each(typed.map(([text, program, word, verb]) => [text.slice(1), program, word, verb] as const))(
  "README: %s is there",
  (_, program, word = "", verb) => {
    const name = program as ProgramName;
    expect(findCommand(name, word)).toBeDefined();
    const verbs = verbsOf(name, word);
    if (verbs.size > 0 && verb !== undefined) expect([...verbs.keys()]).toContain(verb);
  },
);

test.each(["csm", "csd"] as const)("README names every command of %s", (program) => {
  const words = commands[program].map(({ word }) => word).filter((word) => !word.includes(" "));
  expect(words.filter((word) => !new RegExp(`[\`(]${program} ${word}\\b|\`${word}\\b`).test(readme))).toEqual([]);
});

const environment = Object.values({ ...settings, ...variables }).flatMap((row) =>
  "variables" in row ? row.variables.map(({ name }) => name) : [],
);

test.each(environment)("README names the variable %s", (name) => expect(readme).toContain(`\`${name}`));

const examples = [...readme.matchAll(/^```(?:sh|console)\n([\s\S]*?)^```$/gm)].flatMap(
  ([, text = ""]) => text.match(/^(\$| |csm|csd|name=|trap).*/gm) ?? [],
);
const spans = [...readme.replace(/^```[\s\S]*?^```$/gm, "").matchAll(/`([^`\n]+)`/g)].map(([, span = ""]) => span);
/** Every call that README shows, up to the next one of the line: program, words. */
const calls = [...examples, ...spans]
  .flatMap((text) => [...text.replace(/\s#.*/, "").matchAll(/\b(csm|csd) (.*?)(?=\bcs[md] |[;&)>]| \| |$)/g)])
  .map(([, program = "", rest = ""]) => [program as ProgramName, rest.split(/[\s|[\]\\]+/).filter((word) => word !== "")] as const);

const flagsOf = (record: AnyCommand): string[] =>
  Object.entries(record.args as Record<string, Argument>).flatMap(([name, argument]) => {
    const aliases = "alias" in argument ? [argument.alias ?? []].flat() : [];
    return [
      `--${"default" in argument && argument.default === true ? `no-${name}` : name}`,
      ...aliases.map((alias) => `${alias.length === 1 ? "-" : "--"}${alias}`),
    ];
  });

const recordOf = (program: string, words: readonly string[]) => {
  const named = (word: string) => records.find((row) => row.record.name === `${program} ${word}`)?.record;
  return named(words.slice(0, 2).join(" ")) ?? named(words[0] ?? "") ?? (words[0]?.startsWith("-") ? named("run") : undefined);
};

/** Of claude, and of both programs wherever they stand. */
const others = new Set(["--help", "--version", "-p", "--settings"]);

const flagsInReadme = calls.flatMap(([program, words]) => {
  const record = recordOf(program, words);
  const own = words.slice(0, words.includes("--") ? words.indexOf("--") : undefined).filter((word) => /^--?[a-z]/i.test(word));
  return record === undefined ? [] : own.map((flag) => [record.name, flag, record] as const);
});

test("README shows flags", () => expect(flagsInReadme.length).toBeGreaterThan(60));

test.each(flagsInReadme)("README: %s takes %s", (_, flag, record) => {
  if (!others.has(flag)) expect(flagsOf(record)).toContain(flag);
});

test("README: each flag that stands alone is one of a command", () => {
  const known = new Set([...records.flatMap(({ record }) => flagsOf(record)), ...others]);
  const alone = spans.flatMap((span) => (span.startsWith("-") ? span.split(/[\s|[\]=]+/).filter((word) => /^--?[a-z]/i.test(word)) : []));
  expect(alone.filter((flag) => !known.has(flag))).toEqual([]);
});

test("README names every exit code and no other", () => {
  const told = /^Errors of csd[\s\S]*?\n\n/m.exec(readme)?.[0] ?? "";
  const ofRun = records.find(({ record }) => record.name === "csd run")?.record.examples.join(" ") ?? "";
  const codesOfRun = [...(/codes: (.*)$/.exec(ofRun)?.[1]?.matchAll(/\d+/g) ?? [])]
    .map(([code]) => Number(code))
    .filter((code) => code > 0);
  const named = [...told.matchAll(/\b\d+\b/g)].map(([code]) => Number(code));
  expect([...new Set(named)].sort()).toEqual([...new Set([...Object.values(exitCode), ...codesOfRun])].sort());
});

test("README: the keys of the dashboard are its keys", () => {
  const keys = new Set(keyRows.flatMap((row) => row.keys));
  const told = /^In `csm top`[\s\S]*?\n\n[\s\S]*?\n\n/m.exec(readme)?.[0] ?? "";
  const sentence = told.split("\n\n")[0]?.replace("`csm top`", "") ?? "";
  const named = [...sentence.matchAll(/`([^`]+)`/g), ...told.matchAll(/^\| `([^`]+)`/gm), ...told.matchAll(/`(\w)` starts/g)];
  expect(named.length).toBeGreaterThan(8);
  for (const key of named.flatMap(([, span = ""]) => span.split(" "))) expect(keys).toContain(key);
});

const sources = readdirSync(join(root, "src")).map((file) => readFileSync(join(root, "src", file), "utf8"));

test("README: every variable of csm, csd and claude is read somewhere", () => {
  const named = spans.flatMap((span) => span.match(/\b(CLAUDE|CSM|CSD)_[A-Z_]+\b/g) ?? []);
  expect(named.length).toBeGreaterThan(20);
  expect(named.filter((name) => !sources.some((source) => source.includes(name)))).toEqual([]);
});

test("CONTRIBUTING: every file, script and folder that it names is there", () => {
  const text = readFileSync(join(root, "CONTRIBUTING.md"), "utf8");
  const files = readdirSync(join(root, "src")).map((file) => file.replace(/\.ts$/, ""));
  const places = /^## Where things are[\s\S]*?^### Why/m.exec(text)?.[0] ?? "";
  const declared = sources.flatMap((source) =>
    [...source.matchAll(/^(?:export .*?(?:function|const|interface|type|class) (\w+)| {2}(\w+)\?:)/gm)].map(
      ([, name, field]) => name ?? field,
    ),
  );
  const table = [...places.matchAll(/^\|.*$/gm)].flatMap(([row]) => [...row.matchAll(/`([a-z][\w-]*\*?)`/g)].map(([, name = ""]) => name));
  expect(table.length).toBeGreaterThan(100);
  const isThere = (name: string) =>
    files.some((file) => (name.endsWith("*") ? file.startsWith(name.slice(0, -1)) : file === name)) || declared.includes(name);
  expect(table.filter((name) => !isThere(name))).toEqual([]);
  const paths = [...text.matchAll(/\b((?:test|scripts|src)\/[\w./-]*\w)/g)].map(([, path = ""]) => path);
  expect(paths.filter((path) => !existsSync(join(root, path)))).toEqual([]);
  const run = [...text.matchAll(/npm run (\w+)/g)].map(([, script = ""]) => script);
  const known = Object.keys(JSON.parse(readFileSync(join(root, "package.json"), "utf8")).scripts);
  expect(run.filter((script) => !known.includes(script))).toEqual([]);
});
