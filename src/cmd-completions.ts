import { casVerbs } from "./cas.ts";
import { type AnyCommand, type Argument, command, flagsOf, type LoadedCommand, positionalsOf } from "./cmd-record.ts";
import type { Flag, Values, Word } from "./completion.ts";
import { completionShells } from "./completion-scripts.ts";
import { unknownWord } from "./errors.ts";
import { present } from "./json.ts";
import { forPeople } from "./output.ts";
import { topics } from "./program.ts";
import { statuses } from "./statuses.ts";

const shellNames = ["bash", "zsh", "fish", "pwsh"];

export const completionsCommand = command({
  name: "csm completions",
  summary: "Print a completion script for csm and csd.",
  args: { shell: { type: "positional", required: true, suggestions: shellNames, description: "bash, zsh, fish or pwsh" } },
  examples: [
    ["csm completions bash > ~/.local/share/bash-completion/completions/csm", "and a link named csd beside it"],
    ["csm completions zsh > ~/.zfunc/_csm", ""],
    ["csm completions fish > ~/.config/fish/completions/csm.fish", ""],
    ['eval "$(csm shell-init zsh)"', "or load it with the function cas, in a shell's own start file"],
  ],
  run({ args, app }) {
    const script = completionShells[args.shell.toLowerCase()];
    if (script === undefined) throw unknownWord("no completion for", args.shell, Object.keys(completionShells));
    app.exact(forPeople(app.sys, script));
  },
});

/** What can be typed behind csm, csd and cas. Verbs stand behind their word. */
export function parsePrograms(commands: readonly LoadedCommand[]): Word[] {
  const [csm, csd] = [parseProgram("csm", commands), parseProgram("csd", commands)];
  const wordOf = (...path: string[]) =>
    path.reduce<Word | undefined>((place, word) => place?.verbs.find((verb) => verb.word === word), csm);
  const run = wordOf("run");
  // A word that is none of csm's is claude's, and so is what follows it.
  const bare: Pick<Word, "places" | "rest"> = { places: [{}], rest: { kind: "files" } };
  const flags = [...(run?.flags ?? []).filter(({ flag }) => flag !== helpFlag.flag), ...topFlags];
  return [{ ...csm, ...bare, flags }, csd, parseCas((verb) => wordOf("profiles", verb))];
}

function parseProgram(program: string, commands: readonly LoadedCommand[]): Word {
  const own = commands.filter((row) => row.program === program);
  const words = own.flatMap(({ word, record, summary }): Word[] => {
    if (word.includes(" ")) return [];
    if (record === undefined) return summary === undefined ? [] : [{ ...bareWord(word, summary), flags: [] }];
    const verbs = own.flatMap((verb) =>
      verb.word.startsWith(`${word} `) && verb.record !== undefined ? [parseWord(verb.record, verb.word.slice(word.length + 1))] : [],
    );
    // A word that is short for its one verb takes what that one takes behind it.
    const isShort = record.name !== `${program} ${word}`;
    return [{ ...(isShort ? bareWord(word, firstLine(record.summary)) : parseWord(record, word)), verbs }];
  });
  const listed = words.map((word) =>
    word.word === "help"
      ? {
          ...word,
          places: [{ choices: [...words.map(({ word }) => word), ...topics.filter((topic) => !own.some(({ word }) => word === topic))] }],
        }
      : word,
  );
  return { ...bareWord(program, ""), flags: topFlags, verbs: listed };
}

const profileValues: Values = { kind: "profiles" };

/** The function of csm shell-init. */
function parseCas(profilesVerb: (verb: string) => Word | undefined): Word {
  const verbs: Word[] = [
    { ...bareWord("-", "the profile before this one"), flags: [] },
    { ...bareWord("-g", "for new shells too"), flags: [], places: [profileValues] },
    bareWord("status", "which one this shell is in"),
    { ...bareWord("resync", "take the default again"), flags: [] },
    ...casVerbs.flatMap((verb) => profilesVerb(verb) ?? []),
  ];
  return { ...bareWord("cas", ""), places: [profileValues], verbs };
}

const helpFlag: Flag = { flag: "--help", summary: "show help" };
const topFlags: Flag[] = [helpFlag, { flag: "--version", summary: "print the version" }];
const bareWord = (word: string, summary: string): Word => ({ word, summary, flags: [helpFlag], places: [], verbs: [] });

function parseWord(record: AnyCommand, word: string): Word {
  const names = new Map(Object.entries(record.args as Record<string, Argument>).map(([name, definition]) => [definition, name]));
  const flags = flagsOf(record).map(([flag, definition]): Flag => {
    const name = names.get(definition) ?? "";
    return {
      flag,
      summary: firstLine(definition.description ?? ""),
      ...(definition.type === "boolean" ? {} : { values: valuesOf(name, definition) }),
      ...(record.repeatable?.includes(name) ? { isRepeatable: true } : {}),
    };
  });
  const { kind, words, complete } = record.rest ?? {};
  return {
    word,
    summary: firstLine(record.summary),
    flags: [...flags, helpFlag],
    places: positionalsOf(record).map(([name, definition]) => valuesOf(name, definition)),
    ...(record.rest === undefined ? {} : { rest: present({ choices: words, kind: complete }) }),
    ...(kind === "prompt" ? { isText: true } : {}),
    verbs: [],
  };
}

/** By the name of the argument, or of its value: one noun per thing, so `profile` is a profile everywhere. */
const byName: Readonly<Record<string, Values>> = {
  profile: { kind: "profiles" },
  session: { kind: "sessions" },
  resume: { kind: "conversations" },
  cwd: { kind: "folders" },
  dir: { kind: "folders" },
  FILE: { kind: "files" },
  DIR: { kind: "folders" },
  // claude 2.1.329
  "permission-mode": { choices: ["manual", "plan", "acceptEdits", "auto", "dontAsk", "bypassPermissions"] },
  effort: { choices: ["low", "medium", "high", "xhigh", "max"] },
  model: { choices: ["fable", "opus", "sonnet", "haiku"] },
  "STATE[,STATE]": { choices: statuses },
};

function valuesOf(name: string, { values, suggestions, kind, ...definition }: Argument): Values {
  const hint = "valueHint" in definition ? definition.valueHint : undefined;
  const choices = values ?? suggestions;
  if (choices !== undefined || kind !== undefined) return present({ choices, kind });
  return byName[name] ?? byName[hint ?? ""] ?? {};
}

/** The rest of a longer text stands in the command's own help. */
const firstLine = (text: string): string => text.split("\n")[0] ?? "";
