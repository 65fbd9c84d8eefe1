import { type AnyCommand, command, flagsOf } from "./cmd-record.ts";
import { completionShells } from "./completion-scripts.ts";
import type { Flag, NameKind, Program, Word } from "./completion-tree.ts";
import { usageError } from "./errors.ts";

export const completionsCommand = command({
  name: "csm completions",
  summary: "Print a completion script for csm and csd.",
  args: { shell: { type: "positional", required: true, description: "bash, zsh, fish or pwsh" } },
  examples: [
    ["csm completions bash > ~/.local/share/bash-completion/completions/csm", "and a link named csd beside it"],
    ["csm completions zsh > ~/.zfunc/_csm", ""],
    ["csm completions fish > ~/.config/fish/completions/csm.fish", ""],
    ['eval "$(csm shell-init zsh)"', "or load it with the function cas, in a shell's own start file"],
  ],
  async run({ args, app }) {
    const render = completionShells[args.shell.toLowerCase()];
    if (render === undefined)
      throw usageError(`no completion for ${JSON.stringify(args.shell)}`, `one of: ${Object.keys(completionShells).join(", ")}`);
    app.out(render(parsePrograms(await app.records())));
  },
});

/** `csm ls` and `csd send` belong to two programs; `csm profiles add` is a verb of `csm profiles`. */
export function parsePrograms(records: AnyCommand[]): Program[] {
  return ["csm", "csd"].map((program) => {
    const own = records
      .filter((record) => record.name.startsWith(`${program} `))
      .map((record) => ({ record, words: record.name.split(" ").slice(1) }));
    const toWord = (record: AnyCommand, path: string[]): Word => {
      const verbs = own.filter(({ words }) => words.length === path.length + 1 && path.every((word, index) => words[index] === word));
      return parseWord(
        program,
        record,
        path.at(-1) ?? "",
        verbs.map((verb) => toWord(verb.record, verb.words)),
      );
    };
    const words = own.filter(({ words }) => words.length === 1).map(({ record, words }) => toWord(record, words));
    if (program === "csm") words.push({ word: "csd", summary: "the session driver", flags: [], names: [], choices: [], verbs: [] });
    return { name: program, words };
  });
}

function parseWord(program: string, record: AnyCommand, word: string, verbs: Word[]): Word {
  const flags = flagsOf(record).map(([flag, definition]): Flag => {
    const names = kindOf(program, flag.slice(2));
    const takesValue = definition.type !== "boolean";
    return { flag, summary: definition.description ?? "", takesValue, ...(takesValue && names !== undefined ? { names } : {}) };
  });
  const positionals = Object.entries(record.args as Record<string, { type?: string }>).filter(([, { type }]) => type === "positional");
  return {
    word,
    summary: record.summary,
    flags: [...flags, { flag: "--help", summary: "show help", takesValue: false }],
    names: positionals.flatMap(([name]) => kindOf(program, name) ?? []),
    choices: [...positionals.flatMap(([name]) => (name === "shell" ? ["bash", "zsh", "fish", "pwsh"] : [])), ...(record.rest?.words ?? [])],
    verbs,
  };
}

/** By the name of the argument: one noun per thing, so `profile` is a profile everywhere. */
const kindOf = (program: string, argument: string): NameKind | undefined =>
  argument === "profile" ? "profiles" : argument === "session" ? (program === "csd" ? "driven" : "sessions") : undefined;
