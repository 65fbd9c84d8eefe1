import { type AnyCommand, type App, command, flagsOf, type LoadedCommand } from "./cmd-record.ts";
import { builtPrograms, type Flag, type NameKind, type Program, type Word } from "./completion.ts";
import { completionShells } from "./completion-scripts.ts";
import { unknownWord } from "./errors.ts";

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
    if (render === undefined) throw unknownWord("no completion for", args.shell, Object.keys(completionShells));
    app.exact(render(await readPrograms(app)));
  },
});

export const readPrograms = async (app: App): Promise<Program[]> => builtPrograms() ?? parsePrograms(await app.commands());

/** Verbs stand behind their word. */
export function parsePrograms(commands: readonly LoadedCommand[]): Program[] {
  return ["csm", "csd"].map((name) => {
    const own = commands.filter(({ program }) => program === name);
    const words = own.flatMap(({ word, record, summary }): Word[] => {
      if (word.includes(" ")) return [];
      if (record === undefined) return summary === undefined ? [] : [{ ...bareWord(word, summary), flags: [] }];
      const verbs = own.flatMap((verb) =>
        verb.word.startsWith(`${word} `) && verb.record !== undefined
          ? [parseWord(name, verb.record, verb.word.slice(word.length + 1))]
          : [],
      );
      // A word that is short for its one verb takes what that one takes behind it.
      const isShort = record.name !== `${name} ${word}`;
      return [{ ...(isShort ? bareWord(word, firstLine(record.summary)) : parseWord(name, record, word)), verbs }];
    });
    return { name, words };
  });
}

const helpFlag: Flag = { flag: "--help", summary: "show help", takesValue: false };
const bareWord = (word: string, summary: string): Word => ({ word, summary, flags: [helpFlag], names: [], choices: [], verbs: [] });

function parseWord(program: string, record: AnyCommand, word: string): Word {
  const flags = flagsOf(record).map(([flag, definition]): Flag => {
    const names = kindOf(program, flag.slice(2));
    const takesValue = definition.type !== "boolean";
    return { flag, summary: firstLine(definition.description ?? ""), takesValue, ...(takesValue && names !== undefined ? { names } : {}) };
  });
  const positionals = Object.entries(record.args as Record<string, { type?: string }>).filter(([, { type }]) => type === "positional");
  return {
    word,
    summary: firstLine(record.summary),
    flags: [...flags, helpFlag],
    names: positionals.flatMap(([name]) => kindOf(program, name) ?? []),
    choices: [...positionals.flatMap(([name]) => (name === "shell" ? ["bash", "zsh", "fish", "pwsh"] : [])), ...(record.rest?.words ?? [])],
    verbs: [],
  };
}

/** By the name of the argument: one noun per thing, so `profile` is a profile everywhere. */
const kindOf = (program: string, argument: string): NameKind | undefined =>
  argument === "profile" ? "profiles" : argument === "session" ? (program === "csd" ? "driven" : "sessions") : undefined;

/** The rest of a longer text stands in the command's own help. */
const firstLine = (text: string): string => text.split("\n")[0] ?? "";
