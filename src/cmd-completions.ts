import { type AnyCommand, type App, command, flagsOf } from "./cmd-record.ts";
import { builtPrograms, type Flag, type NameKind, type Program, type Word } from "./completion.ts";
import { completionShells } from "./completion-scripts.ts";
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
    app.out(render(await readPrograms(app)));
  },
});

export const readPrograms = async (app: App): Promise<Program[]> => builtPrograms() ?? parsePrograms(await app.records());

/** `csm ls` and `csd send` belong to two programs; `csm profiles add` is a verb of `csm profiles`, which may be no command itself. */
export function parsePrograms(records: AnyCommand[]): Program[] {
  return ["csm", "csd"].map((name) => {
    const own = [...new Set(records)].filter((record) => record.name.startsWith(`${name} `));
    const words = [...new Set(own.map((record) => record.name.split(" ")[1] ?? ""))].map((word) => parseGroup(name, word, own));
    return { name, words: name === "csm" ? [...words, { ...bareWord("csd", "the session driver: csm csd --help"), flags: [] }] : words };
  });
}

function parseGroup(program: string, word: string, records: AnyCommand[]): Word {
  const own = records.find((record) => record.name === `${program} ${word}`);
  const verbs = records.filter((record) => record.name.startsWith(`${program} ${word} `));
  const parsed = verbs.map((verb) => parseWord(program, verb, verb.name.split(" ")[2] ?? ""));
  return { ...(own === undefined ? bareWord(word, firstLine(verbs[0]?.summary ?? "")) : parseWord(program, own, word)), verbs: parsed };
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
