import { expect, test } from "bun:test";
import { parsePrograms } from "../src/cmd-completions.ts";
import { commands, loadCommands } from "../src/commands.ts";
import { listNames, placesOf } from "../src/completion.ts";
import { completionShells } from "../src/completion-scripts.ts";
import { settings } from "../src/settings.ts";
import { shellInits } from "../src/shell-init.ts";
import { createFakeSys } from "./fake-sys.ts";

const loaded = await loadCommands();
const programs = parsePrograms(loaded);
const records = loaded.flatMap(({ record }) => record ?? []);

const plainKeys = Object.keys(settings).filter((key) => !key.includes("<"));

test("every command and verb of the table is a place to complete, once", () => {
  const places = programs.map((program) => placesOf(program).map(({ path }) => path.join(" ")));
  const typed = [commands.csm, commands.csd].map((rows) => rows.filter(({ load, summary }) => load ?? summary).map(({ word }) => word));
  expect(places.map((paths) => paths.toSorted())).toEqual(typed.map((words) => words.toSorted()));
});

test("every summary is one line", () => {
  const summaries = programs.flatMap((program) =>
    placesOf(program).flatMap(({ word }) => [word.summary, ...word.flags.map(({ summary }) => summary)]),
  );
  expect(summaries.filter((summary) => summary.includes("\n"))).toEqual([]);
});

test("every command shows an example", () => {
  for (const record of records) expect([record.name, record.examples.length > 0]).toEqual([record.name, true]);
});

test.each([
  ["csm", ["profiles", "rm"], ["profiles"], []],
  ["csm", ["profiles", "rename"], ["profiles"], []],
  ["csm", ["profiles", "add"], [], []],
  ["csm", ["shell-init"], [], ["bash", "zsh", "fish", "pwsh"]],
  ["csm", ["config"], [], ["show", "get", "set", "unset", "keys", "check", ...plainKeys]],
  ["csd", ["send"], ["driven"], []],
] as const)("%s %j takes names of %j and the words %j", (name, path, names, choices) => {
  const program = programs.find((known) => known.name === name);
  const place = program && placesOf(program).find((known) => known.path.join() === path.join());
  expect([place?.word.names, place?.word.choices]).toEqual([[...names], [...choices]] as never);
});

test.each(Object.keys(completionShells))("the script of %s names every command", (shell) => {
  const script = completionShells[shell]?.(programs) ?? "";
  for (const record of records) expect(script).toContain(record.name.split(" ").at(-1) ?? "?");
});

// No PowerShell runs here: what can be checked is that its strings and brackets close where they should.
test.each([
  ["completions", () => completionShells.pwsh?.(programs) ?? ""],
  ["cas", () => shellInits.pwsh?.cas ?? ""],
  ["cas completions", () => shellInits.pwsh?.completions(programs) ?? ""],
  ["prompt", () => shellInits.pwsh?.prompt ?? ""],
])("PowerShell: the brackets and strings of the %s close, in any code page", (_, render) => {
  expect(unclosed(render())).toBe("");
  expect(render()).toMatch(/^[\x20-\x7e\n]+$/);
});

test.each([
  ["{ 'a' }", ""],
  ["{ 'a }", "}'"],
  ["( { ) }", "expected }"],
  ['"$(f "x")"', ""],
])("the check itself: %j", (code, expected) => expect(unclosed(code)).toBe(expected));

/** Empty when all close; else what is wrong. Inside double quotes, `$( … )` is code again. */
function unclosed(code: string): string {
  const closing: Record<string, string> = { "{": "}", "(": ")", "[": "]" };
  const open: string[] = [];
  for (let index = 0; index < code.length; index++) {
    const [character = "", top] = [code[index], open.at(-1)];
    if (top === "'") {
      if (character === "'") open.pop();
    } else if (top === '"') {
      if (character === '"') open.pop();
      else if (code.startsWith("$(", index)) {
        open.push(")");
        index++;
      }
    } else if (character === "'" || character === '"') open.push(character);
    else if (closing[character] !== undefined) open.push(closing[character]);
    else if (Object.values(closing).includes(character)) {
      if (top !== character) return `expected ${top}`;
      open.pop();
    }
  }
  return open.join("");
}

test("names of sessions: only live ones, only plain words, each once", () => {
  const session = (pid: number, name: string) => JSON.stringify({ pid, sessionId: `id-${pid}`, cwd: "/", name });
  const dir = "/home/dev/.claude/sessions";
  const sys = createFakeSys({
    files: {
      [`${dir}/1.json`]: session(1, "fix-it"),
      [`${dir}/2.json`]: session(2, "gone"),
      [`${dir}/3.json`]: session(3, "two words"),
      [`${dir}/4.json`]: session(4, "$(x)"),
      [`${dir}/5.json`]: session(5, "fix-it"),
      [`${dir}/6.json`]: "{",
      [`${dir}/7.json`]: JSON.stringify({ pid: 7, sessionId: "id-7", cwd: "/" }),
    },
  });
  for (const pid of [1, 3, 4, 5, 6, 7]) sys.alive.add(pid);
  expect(listNames(sys, "sessions")).toEqual(["fix-it", "id-7"]);
  expect(listNames(sys, "toString")).toEqual([]);
});

test("a broken registry completes nothing and says nothing", () => {
  expect(listNames(createFakeSys({ files: { "/home/dev/.config/claude-as/profiles.json": "{" } }), "profiles")).toEqual([]);
});
