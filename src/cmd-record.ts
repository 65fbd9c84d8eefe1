import { type ArgDef, type ArgsDef, defineCommand, type ParsedArgs, runCommand } from "citty";
import type { Kind } from "./completion.ts";
import { SilentExit, unknownWord, usageError } from "./errors.ts";
import { type Paint, wrap } from "./format.ts";
import type { Output } from "./output.ts";
import type { PublicJson } from "./public-json.ts";
import type { Sys } from "./sys.ts";

/** What every command is given; the only place from which it reaches the outside. */
export interface App extends Omit<Output, "json"> {
  sys: Sys;
  /** `json<"csm ls">(…)`: what that command prints, as `public-json` has it; `indent` 0 for one line. */
  json<C extends keyof PublicJson = never>(value: PublicJson[C], indent?: number): void;
  /** For stdout: plain off a terminal and under NO_COLOR. */
  paint: Paint;
  /** Size of the terminal; undefined when stdout is none. */
  columns: number | undefined;
  /** Somebody sits at stdin, in a terminal that can show a question. */
  isInteractive: boolean;
}

/** A row of the table of commands and its record, where it has one; `word` as it is typed, with its verb. */
export type LoadedCommand = { program: string; word: string; record: AnyCommand | undefined; summary?: string };

/** What citty knows of an argument, and what it may be. */
export type Argument = ArgDef & {
  /** There are no others: help lists them, and another one is wrong usage. */
  values?: readonly string[];
  /** For completion alone: others are taken too. */
  suggestions?: readonly string[];
  /** For completion, asked for at that moment. Profiles, files and folders are told by the name and the hint. */
  kind?: Kind;
};
type Arguments = Record<string, Argument>;

/** A command as data: help, checks and completion come from it. */
interface CommandRecord<T extends Arguments = Arguments> {
  /** As it is typed: `csm ls`, `csd send`. */
  name: string;
  /** The first line stands in lists; the others in its own help. */
  summary: string;
  /** Behind `usage:`, a line each, where the arguments do not make it. */
  usage?: string[];
  args: T;
  /**
   * What follows the named arguments: a prompt takes every word from its first one on, `words` are more of a kind with flags
   * among them, `claude` takes only those after `--`. `words`: what they may be.
   */
  rest?: { kind: "prompt" | "words" | "after-dashes"; hint: string; about: string; words?: readonly string[]; complete?: Kind };
  /** Flags that may be given more than once; `repeated` holds all their values. */
  repeatable?: string[];
  /** It changes something: that is done to its end, whether or not anybody reads what it says. */
  acts?: true;
  examples: [command: string, effect: string][];
  /** What it ends with, where that says more than done and failed. */
  codes?: readonly (readonly [code: string, about: string])[];
  run(input: { args: ParsedArgs<T>; repeated: Partial<Record<string, string[]>>; rest: string[]; app: App }): Promise<void> | void;
}

export const command = <const T extends Arguments>(record: CommandRecord<T>): CommandRecord<T> => record;

/** The session that a command is about, by any word that means one. */
export const sessionArgument = {
  type: "positional",
  required: true,
  description: "its name as csm ls shows it, its id or the beginning of it, or its title",
} as const;

/** The first day of a report over what lies back. */
export const sinceArgument = {
  type: "string",
  valueHint: "DAY",
  suggestions: ["today", "yesterday", "24h", "7d", "1w"],
  description: "first day: 2026-11-20, yesterday, 24h, 7d or 1w back",
} as const;

const patienceMs = 1000;

/** For who waits at a terminal while transcripts are read, once that takes over a second. */
export function createReadProgress({ sys, progress }: App) {
  const startedAt = sys.now();
  let shownAt = 0;
  return {
    show(doneBytes: number, allBytes: number) {
      const now = sys.now();
      if (now - startedAt < patienceMs || now - shownAt < 100 || !sys.isTerminal(2)) return;
      shownAt = now;
      const megabytes = (bytes: number) => Math.round(bytes / 1e6);
      progress(`reading transcripts: ${megabytes(doneBytes)} of ${megabytes(allBytes)} MB`);
    },
    clear() {
      if (shownAt > 0) progress();
    },
  };
}

// biome-ignore lint/suspicious/noExplicitAny: a table holds records of different arguments
export type AnyCommand = CommandRecord<any>;

/** Checks the words against the record, which citty does not, and runs it. */
export async function runRecord(record: AnyCommand, argv: readonly string[], app: App): Promise<void> {
  const { known, rest, repeated = {}, asksHelp } = splitArguments(record, argv);
  if (asksHelp) return app.out(renderHelp(record, { columns: app.columns }));
  const definition = defineCommand({
    args: record.args as ArgsDef,
    run: ({ args }) => record.run({ args, repeated, rest, app: record.acts === true ? toItsEnd(app) : app }),
  });
  await runCommand(definition, { rawArgs: known });
}

/** A reader of stdout that has gone ends what only tells. */
function toItsEnd(app: App): App {
  const pass =
    <T extends unknown[]>(say: (...words: T) => void) =>
    (...words: T) => {
      try {
        say(...words);
      } catch (error) {
        if (!(error instanceof SilentExit)) throw error;
      }
    };
  // With its getters as they are: what they tell, the terminal has to be asked for.
  const own = {
    out: pass(app.out),
    json: pass(app.json),
    exact: pass(app.exact),
    jsonLines: pass(app.jsonLines),
    redraw: pass(app.redraw),
  };
  return Object.assign(Object.defineProperties({}, Object.getOwnPropertyDescriptors(app)) as App, own);
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
  const positionals = positionalsOf(record);
  const known: string[] = [];
  const seen = new Set<Argument>();
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
      checkValue(record, ...(positionals[taken++] ?? ["", {}]), word);
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
    checkValue(record, flag, definition, value);
    if (!hasValue) known.push(value);
    if (isRepeatable(record, flag)) repeated[flag.slice(2)] = [...(repeated[flag.slice(2)] ?? []), value];
  }
  requirePositionals(record, taken);
  return { known, rest: more, ...(Object.keys(repeated).length > 0 ? { repeated } : {}) };
}

const isRepeatable = (record: AnyCommand, flag: string): boolean => record.repeatable?.includes(flag.slice(2)) ?? false;

function checkValue(record: AnyCommand, name: string, { values }: Argument, value: string): void {
  if (values !== undefined && !values.includes(value))
    throw unknownWord(`${record.name}: unknown ${name.replace(/^--/, "")}`, value, values, { otherwise: `known: ${values.join(", ")}` });
}

function requirePositionals(record: AnyCommand, taken: number): void {
  const required = positionalsOf(record).filter(([, definition]) => definition.required !== false);
  const missing = required[taken];
  if (missing !== undefined) throw usageError(`${record.name}: ${missing[0].toUpperCase()} is missing`, usageLine(record));
}

function unexpected(record: AnyCommand, word: string): Error {
  const hint =
    record.rest?.kind === "after-dashes" ? `flags and words for claude go behind --: ${record.name} -- ${word}` : usageLine(record);
  return usageError(`${record.name}: unexpected word ${JSON.stringify(word)}`, hint);
}

function findFlag(record: AnyCommand, word: string): [flag: string, definition: Argument] {
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
export function flagsOf(record: AnyCommand): [flag: string, definition: Argument][] {
  return Object.entries(record.args as Arguments).flatMap(([name, definition]): [string, Argument][] => {
    if (definition.type === "positional") return [];
    const aliases = "alias" in definition && definition.alias !== undefined ? [definition.alias].flat() : [];
    const long = definition.type === "boolean" && definition.default === true ? `--no-${name}` : `--${name}`;
    return [
      [long, definition],
      ...aliases.map((alias): [string, Argument] => [alias.length === 1 ? `-${alias}` : `--${alias}`, definition]),
    ];
  });
}

export const positionalsOf = (record: AnyCommand): [name: string, definition: Argument][] =>
  Object.entries(record.args as Arguments).filter(([, definition]) => definition.type === "positional");

/** One line for an error; the help has them all. */
const usageLine = (record: AnyCommand): string => `usage: ${usageLines(record)[0]}`;

export function usageLines(record: AnyCommand): string[] {
  if (record.usage !== undefined) return record.usage;
  const words = positionalsOf(record).map(([name, { values, required }]) => {
    const shown = values === undefined ? name.toUpperCase() : values.join("|");
    return required === false ? `[${shown}]` : shown;
  });
  const flags = flagsOf(record).length > 0 ? ["[flags]"] : [];
  return [[record.name, ...flags, ...words, ...(record.rest === undefined ? [] : [record.rest.hint])].join(" ")];
}

/** A terminal may be narrower; wider lines than these are hard to read. */
const maxColumns = 80;

interface HelpLayout {
  /** Of the terminal; undefined where there is none. */
  columns?: number | undefined;
  /** What can stand behind the command, with what it does. */
  verbs?: readonly [verb: string, summary: string][];
}

export function renderHelp(record: AnyCommand, { columns = maxColumns, verbs = [] }: HelpLayout = {}): string {
  const room = Math.min(columns, maxColumns);
  const rest: [string, string][] = record.rest === undefined ? [] : [[record.rest.hint, record.rest.about]];
  const flags = Object.entries(record.args as Arguments)
    .filter(([, definition]) => definition.type !== "positional")
    .map(([name]): [string, string] => flagHelp(record, name));
  const usages = [...usageLines(record), ...(verbs.length === 0 ? [] : [`${record.name} ${verbs.map(([verb]) => verb).join("|")} …`])];
  const sections = [
    section(
      "Arguments",
      [...positionalsOf(record).map(([name, { description = "" }]): [string, string] => [name.toUpperCase(), description]), ...rest],
      room,
    ),
    section(`Verbs (${record.name} VERB --help tells more)`, verbs, room),
    section("Flags", [...flags, ["-h, --help", "show this text"]], room),
    section("Exit codes", record.codes ?? [], room),
    section("Examples", record.examples, room),
  ];
  const usage = usages.flatMap((line, index) => wrapUsage(line, index === 0 ? "usage: " : "       ", room));
  const about = record.summary.split("\n\n").map((part) => wrap(part.replaceAll("\n", " "), room).join("\n"));
  return `${about.join("\n\n")}\n\n${usage.join("\n")}\n${sections.join("")}`;
}

/** Words joined by bars are parted where the line would be too long. */
function wrapUsage(line: string, head: string, room: number): string[] {
  if (head.length + line.length <= room) return [head + line];
  const lines = wrap(line.replaceAll("|", "| "), room - head.length - 4).map((part) => part.replaceAll("| ", "|"));
  return lines.map((part, index) => (index === 0 ? head : " ".repeat(head.length + 4)) + part);
}

export function flagHelp(record: AnyCommand, name: string): [string, string] {
  const definition = (record.args as Arguments)[name];
  const spelled = flagsOf(record).filter(([, other]) => other === definition);
  const short = spelled.filter(([flag]) => !flag.startsWith("--"));
  const long = spelled.filter(([flag]) => flag.startsWith("--"));
  const value = definition?.type === "boolean" ? "" : ` ${definition?.valueHint ?? "VALUE"}`;
  return [`${[...short, ...long].map(([flag]) => flag).join(", ")}${value}`, definition?.description ?? ""];
}

/** So much of a line may be taken by what is explained; a longer one has its own line. */
const maxLeft = 32;

/** Rows in two columns that fit the terminal. */
export function section(title: string, rows: readonly (readonly [left: string, right: string])[], room: number = maxColumns): string {
  if (rows.length === 0) return "";
  const lefts = rows.map(([left]) => left.length).filter((length) => length <= maxLeft);
  const left = Math.max(0, ...lefts);
  const lines = rows.flatMap((row) => renderRow(row, left, room));
  return `\n${title}:\n${lines.join("\n")}\n`;
}

function renderRow([left, right]: readonly [string, string], width: number, room: number): string[] {
  const rights = right === "" ? [] : wrap(right, Math.max(20, room - width - 4));
  const indent = " ".repeat(width + 4);
  if (left.length > width) return [`  ${left}`, ...rights.map((line) => indent + line)];
  const [first = "", ...more] = rights;
  return [`  ${left.padEnd(width)}  ${first}`.trimEnd(), ...more.map((line) => indent + line)];
}
