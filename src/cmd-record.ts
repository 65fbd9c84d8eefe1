import { type ArgDef, type ArgsDef, defineCommand, type ParsedArgs, runCommand } from "citty";
import { unknownWord, usageError } from "./errors.ts";
import type { Paint } from "./format.ts";
import type { Output } from "./output.ts";
import type { Sys } from "./sys.ts";

/** What every command is given; the only place from which it reaches the outside. */
export interface App extends Output {
  sys: Sys;
  /** For stdout: plain off a terminal and under NO_COLOR. */
  paint: Paint;
  /** Size of the terminal; undefined when stdout is none. */
  columns: number | undefined;
  /** Somebody sits at stdin. */
  isInteractive: boolean;
  /** Every command there is, for completion. */
  commands(): Promise<LoadedCommand[]>;
}

/** A row of the table of commands and its record, where it has one; `word` as it is typed, with its verb. */
export type LoadedCommand = { program: string; word: string; record: AnyCommand | undefined; summary?: string };

/** A command as data: help, checks and completion come from it. */
interface CommandRecord<T extends ArgsDef = ArgsDef> {
  /** As it is typed: `csm ls`, `csd send`. */
  name: string;
  summary: string;
  args: T;
  /**
   * What follows the named arguments: a prompt takes every word from its first one on, `words` are more of a kind with flags
   * among them, `claude` takes only those after `--`. `words`: what they may be.
   */
  rest?: { kind: "prompt" | "words" | "after-dashes"; hint: string; about: string; words?: string[] };
  /** Flags that may be given more than once; `repeated` holds all their values. */
  repeatable?: string[];
  examples: [command: string, effect: string][];
  run(input: { args: ParsedArgs<T>; repeated: Partial<Record<string, string[]>>; rest: string[]; app: App }): Promise<void> | void;
}

export const command = <const T extends ArgsDef>(record: CommandRecord<T>): CommandRecord<T> => record;

// biome-ignore lint/suspicious/noExplicitAny: a table holds records of different arguments
export type AnyCommand = CommandRecord<any>;

/** Checks the words against the record, which citty does not, and runs it. */
export async function runRecord(record: AnyCommand, argv: readonly string[], app: App): Promise<void> {
  const { known, rest, repeated = {}, asksHelp } = splitArguments(record, argv);
  if (asksHelp) return app.out(renderHelp(record));
  const definition = defineCommand({
    args: record.args as ArgsDef,
    run: ({ args }) => record.run({ args, repeated, rest, app }),
  });
  await runCommand(definition, { rawArgs: known });
}

interface SplitArguments {
  /** Our own flags and positionals. */
  known: string[];
  /** What lies behind them. */
  rest: string[];
  /** All values of flags that may be repeated. */
  repeated?: Record<string, string[]>;
  /** `--help` stands among our own; behind them it belongs to claude or to a prompt. */
  asksHelp?: true;
}

export function splitArguments(record: AnyCommand, argv: readonly string[]): SplitArguments {
  const positionals = Object.entries(record.args as ArgsDef).filter(([, definition]) => definition.type === "positional");
  const known: string[] = [];
  const seen = new Set<ArgDef>();
  const repeated: Record<string, string[]> = {};
  const more: string[] = [];
  let taken = 0;
  for (let index = 0; index < argv.length; index++) {
    const word = argv[index] ?? "";
    if (word === "--") {
      const rest = argv.slice(index + 1);
      // `--` may also guard a positional that begins with a dash.
      const guarded = record.rest?.kind === "after-dashes" ? [] : rest.splice(0, Math.max(0, positionals.length - taken));
      requirePositionals(record, taken + guarded.length);
      if (rest.length > 0 && record.rest === undefined) throw unexpected(record, rest[0] ?? "");
      return { known: guarded.length > 0 ? [...known, "--", ...guarded] : known, rest: [...more, ...rest] };
    }
    if (!word.startsWith("-") || word === "-") {
      if (taken === positionals.length) {
        if (record.rest?.kind === "words") {
          more.push(word);
          continue;
        }
        if (record.rest?.kind !== "prompt") throw unexpected(record, word);
        requirePositionals(record, taken);
        return { known, rest: argv.slice(index) };
      }
      taken++;
      known.push(word);
      continue;
    }
    if (word === "--help" || word === "-h") return { known: [], rest: [], asksHelp: true };
    const [flag, definition] = findFlag(record, word);
    if (seen.has(definition) && !isRepeatable(record, flag)) throw usageError(`${record.name}: ${flag} is given twice`);
    seen.add(definition);
    known.push(word);
    const hasValue = word.includes("=");
    if (definition.type === "boolean") {
      if (hasValue) throw usageError(`${record.name}: ${flag} takes no value`);
      continue;
    }
    const value = hasValue ? word.slice(word.indexOf("=") + 1) : argv[++index];
    if (value === undefined || value === "" || (!hasValue && value.startsWith("-")))
      throw usageError(`${record.name}: ${flag} needs a value`, `for example ${flag} ${definition.valueHint ?? "VALUE"}`);
    if (!hasValue) known.push(value);
    if (isRepeatable(record, flag)) repeated[flag.slice(2)] = [...(repeated[flag.slice(2)] ?? []), value];
  }
  requirePositionals(record, taken);
  return { known, rest: more, ...(Object.keys(repeated).length > 0 ? { repeated } : {}) };
}

const isRepeatable = (record: AnyCommand, flag: string): boolean => record.repeatable?.includes(flag.slice(2)) ?? false;

function requirePositionals(record: AnyCommand, taken: number): void {
  const required = Object.entries(record.args as ArgsDef).filter(
    ([, definition]) => definition.type === "positional" && definition.required !== false,
  );
  const missing = required[taken];
  if (missing !== undefined) throw usageError(`${record.name}: ${missing[0].toUpperCase()} is missing`, usageLine(record));
}

function unexpected(record: AnyCommand, word: string): Error {
  const hint =
    record.rest?.kind === "after-dashes" ? `flags and words for claude go behind --: ${record.name} -- ${word}` : usageLine(record);
  return usageError(`${record.name}: unexpected word ${JSON.stringify(word)}`, hint);
}

function findFlag(record: AnyCommand, word: string): [flag: string, definition: ArgDef] {
  const typed = word.split("=")[0] ?? word;
  const flags = flagsOf(record);
  const found = flags.find(([flag]) => flag === typed);
  if (found !== undefined) return found;
  throw unknownWord(`${record.name}: unknown flag`, typed, [...flags.map(([flag]) => flag), "--help"], {
    otherwise: `${record.name} --help lists the flags`,
    also: record.rest?.kind === "after-dashes" ? "; flags for claude go behind --" : "",
  });
}

/** Every spelling of every flag. A boolean that is on by default is spelled `--no-…`. */
export function flagsOf(record: AnyCommand): [flag: string, definition: ArgDef][] {
  return Object.entries(record.args as ArgsDef).flatMap(([name, definition]): [string, ArgDef][] => {
    if (definition.type === "positional") return [];
    const aliases = "alias" in definition && definition.alias !== undefined ? [definition.alias].flat() : [];
    const long = definition.type === "boolean" && definition.default === true ? `--no-${name}` : `--${name}`;
    return [[long, definition], ...aliases.map((alias): [string, ArgDef] => [alias.length === 1 ? `-${alias}` : `--${alias}`, definition])];
  });
}

function usageLine(record: AnyCommand): string {
  const positionals = Object.entries(record.args as ArgsDef).filter(([, definition]) => definition.type === "positional");
  const words = positionals.map(([name, definition]) => (definition.required === false ? `[${name.toUpperCase()}]` : name.toUpperCase()));
  const flags = flagsOf(record).length > 0 ? ["[flags]"] : [];
  return ["usage:", record.name, ...flags, ...words, ...(record.rest === undefined ? [] : [record.rest.hint])].join(" ");
}

export function renderHelp(record: AnyCommand): string {
  const entries = Object.entries(record.args as ArgsDef);
  const positionals = entries
    .filter(([, definition]) => definition.type === "positional")
    .map(([name, definition]): [string, string] => [name.toUpperCase(), definition.description ?? ""]);
  const rest: [string, string][] = record.rest === undefined ? [] : [[record.rest.hint, record.rest.about]];
  const flags = entries
    .filter(([, definition]) => definition.type !== "positional")
    .map(([name]): [string, string] => flagHelp(record, name));
  const sections = [
    section("Arguments", [...positionals, ...rest]),
    section("Flags", [...flags, ["-h, --help", "show this text"]]),
    section("Examples", record.examples),
  ];
  return `${record.summary}\n\n${usageLine(record)}\n${sections.join("")}`;
}

function flagHelp(record: AnyCommand, name: string): [string, string] {
  const spelled = flagsOf(record).filter(([, definition]) => definition === (record.args as ArgsDef)[name]);
  const definition = (record.args as ArgsDef)[name];
  const short = spelled.filter(([flag]) => !flag.startsWith("--"));
  const long = spelled.filter(([flag]) => flag.startsWith("--"));
  const value = definition?.type === "boolean" ? "" : ` ${definition?.valueHint ?? "VALUE"}`;
  return [`${[...short, ...long].map(([flag]) => flag).join(", ")}${value}`, definition?.description ?? ""];
}

function section(title: string, rows: [left: string, right: string][]): string {
  if (rows.length === 0) return "";
  const width = Math.max(...rows.map(([left]) => left.length));
  return `\n${title}:\n${rows.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`.trimEnd()).join("\n")}\n`;
}
