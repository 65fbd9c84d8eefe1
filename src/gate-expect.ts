import { describeOptions } from "./answer.ts";
import type { MenuOption, ScreenGate } from "./claude-gate.ts";
import { UserError } from "./errors.ts";
import { quotePosix } from "./format.ts";
import type { Gate } from "./gates.ts";
import { present } from "./json.ts";
import { printableLine } from "./printable.ts";

/** What the caller says that a gate asks for. */
export interface Expectation {
  /**
   * Whole texts: the command, path, address or host; of a compound command each part must be among them, and of any other tool its
   * name and each of its fields.
   */
  expect?: readonly string[];
  /** Must stand somewhere in what runs; anything may stand beside it. */
  contains?: readonly string[];
}

/** Compares with what runs, never with a description, a comment or the contents of a file, which the model may word as it likes. */
export function requireExpected(gate: Gate, { expect = [], contains = [] }: Expectation): void {
  if (expect.length === 0 && contains.length === 0) return;
  const subject = describeSubject(gate);
  if (subject === undefined)
    throw new UserError("what the gate asks for is not known; nothing was chosen", "answer it without --expect, or in the pane");
  const { wholes, parts, fields = [], text } = subject;
  const isNamed = (said: string): boolean => expect.includes(said);
  const isExpected = expect.length === 0 || ((wholes.some(isNamed) || parts?.every(isNamed) === true) && fields.every(isNamed));
  const missing = contains.find((wanted) => !text.includes(wanted));
  if (isExpected && missing === undefined) return;
  throw new UserError(
    missing === undefined
      ? `the gate is not for ${expect.map((wanted) => JSON.stringify(wanted)).join(" and ")}; nothing was chosen`
      : `the gate does not contain ${JSON.stringify(missing)}; nothing was chosen`,
    describeExpected(subject),
  );
}

const maxShown = 400;

/** As it would have to be expected. */
function describeExpected({ wholes: [whole], parts = [], fields = [] }: Subject): string {
  const say = (texts: readonly string[]) => texts.map((text) => `--expect ${quotePosix(text)}`).join(" ");
  const ways = [...(whole === undefined ? [] : [[whole, ...fields]]), ...(parts.length > 1 ? [[...parts, ...fields]] : [])];
  return printableLine(`it is for: ${ways.map(say).join(", or part by part: ")}`).slice(0, maxShown);
}

const widening: ReadonlySet<string> = new Set(["mode-switch", "allow-always"]);

/** An option that allows more than this one request is for those who say that they mean it, or what they mean. */
export function requireNarrow(
  gate: ScreenGate,
  { label, meaning, number }: MenuOption,
  { expect = [] }: Expectation,
  isWide: boolean,
): void {
  // What nobody can read in a gate of a tool may allow anything.
  const isWidening = widening.has(meaning) || (meaning === "unknown" && (gate.kind === "permission" || gate.kind === "plan"));
  if (!isWidening || isWide || expect.length > 0) return;
  throw new UserError(
    `option ${number ?? gate.options.findIndex((option) => option.label === label) + 1} ${JSON.stringify(label)} ${
      meaning === "unknown" ? "may allow" : "allows"
    } more than this one request; nothing was chosen`,
    `say so with --widen, or what it is for with --expect; it offers: ${describeOptions(gate)}`,
  );
}

interface Subject {
  /** Each of them names all of it, but the fields. */
  wholes: string[];
  /** What it consists of, where that can be told apart for certain. */
  parts?: string[];
  /** What else decides what runs, as `field=value`. */
  fields?: string[];
  /** Where a substring is looked for. */
  text: string;
}

const pathTools = /^(?:Read|Write|Edit|MultiEdit|NotebookEdit|NotebookRead)$/;
/** They change neither what runs nor where; a field that is not among them may: `dangerouslyDisableSandbox` (2.1.329). */
const plainFields: ReadonlySet<string> = new Set(["command", "description", "timeout", "run_in_background"]);

function describeSubject({ kind, call, dialog }: Gate): Subject | undefined {
  // A startup dialog is claude's own text, with the folder or the key in a line of its own.
  if (call === undefined)
    return dialog === undefined || kind === "permission" || kind === "plan" || kind === "question"
      ? undefined
      : { wholes: dialog.body.split("\n").map((line) => line.trim()), text: dialog.body };
  const { tool, input } = call;
  if (tool === "Bash" || tool === "PowerShell") return describeCommand(tool, input);
  if (pathTools.test(tool)) return named(textOf(input.file_path ?? input.notebook_path), tool);
  if (tool === "WebFetch") {
    const url = textOf(input.url);
    return { ...named(url, tool), wholes: [url, `${tool}(${url})`, ...(URL.canParse(url) ? [new URL(url).host] : [])] };
  }
  if (kind === "plan") return { wholes: [textOf(input.plan)], text: textOf(input.plan) };
  if (kind === "question") {
    const asked = Array.isArray(input.questions) ? (input.questions as { question?: unknown }[]) : [];
    const questions = asked.map(({ question }) => textOf(question));
    return { wholes: questions.length === 1 ? questions : [], parts: questions, text: questions.join("\n") };
  }
  const fields = Object.entries(input).map(fieldOf);
  return { wholes: [tool], fields, text: [tool, ...fields].join("\n") };
}

const textOf = (value: unknown): string => (typeof value === "string" ? value : "");
const fieldOf = ([name, value]: [string, unknown]): string => `${name}=${typeof value === "string" ? value : JSON.stringify(value)}`;

/** In the words of claude's own rules too, which name the tool: `Read(/etc/hosts)`. */
const named = (text: string, tool: string): Subject => ({ wholes: [text, `${tool}(${text})`], text });

function describeCommand(tool: string, input: Record<string, unknown>): Subject {
  const command = textOf(input.command);
  const fields = Object.entries(input).filter(([name, value]) => !plainFields.has(name) && value !== false && value !== null);
  const parts = tool === "Bash" ? splitCommand(command) : undefined;
  return { ...named(command.trim(), tool), fields: fields.map(fieldOf), text: withoutRemarks(command), ...present({ parts }) };
}

/** Words that make of the parts something else than a list. */
const keywords = /^(?:!|\{|\}|if|then|else|elif|fi|for|while|until|do|done|case|esac|select|function|time|coproc|\[\[)(?:\s|$)/;

/**
 * The simple commands of a compound one, as they stand: each with its redirections, so that a person can name it, and without a parser,
 * as nothing is looked into. `shell-parts` tells what would run, which is other words: opened wrappers, files apart from commands. Undefined where a shell would run more than these words say:
 * substitutions, groups, loops, here-documents; or where it may read less, as with comments.
 */
function splitCommand(command: string): string[] | undefined {
  const parts: string[] = [];
  let start = 0;
  const cut = (end: number, next: number) => {
    parts.push(command.slice(start, end).trim());
    start = next;
  };
  for (let at = 0; at < command.length; at++) {
    const char = command[at] ?? "";
    const two = command.slice(at, at + 2);
    if (char === "\\") at++;
    else if (char === "'" || char === '"') {
      const end = closeQuote(command, at);
      if (end === undefined) return undefined;
      at = end;
    } else if (/[`(){}#]|\$[('"]|<<|[<>]\(/.test(/[<>$]/.test(char) ? two : char)) {
      // `a#b` and `{a,b}` are harmless, and not worth the risk.
      return undefined;
    } else if (two === "&&" || two === "||" || two === "|&") cut(at, ++at + 1);
    else if (char === "&" && (command[at - 1] === ">" || command[at + 1] === ">" || command[at - 1] === "<")) continue;
    else if (/[;|&\n\r]/.test(char)) cut(at, at + 1);
  }
  cut(command.length, command.length);
  const told = parts.filter((part) => part !== "");
  return told.length === 0 || told.some((part) => keywords.test(part)) ? undefined : told;
}

/** Where the quote that opens here ends; undefined when it does not, or when a command is hidden in it. */
function closeQuote(command: string, from: number): number | undefined {
  const quote = command[from];
  for (let at = from + 1; at < command.length; at++) {
    const char = command[at];
    if (char === quote) return at;
    if (quote === '"' && (char === "`" || (char === "$" && command[at + 1] === "("))) return undefined;
    if (quote === '"' && char === "\\") at++;
  }
  return undefined;
}

/** The command without its comments and the contents of its here-documents. */
function withoutRemarks(command: string): string {
  const lines: string[] = [];
  const ends: string[] = [];
  let quote = "";
  for (const line of command.split("\n")) {
    const [end] = ends;
    if (end !== undefined) {
      if (line.trim() === end) ends.shift();
      continue;
    }
    const said = withoutComment(line, quote);
    quote = said.quote;
    lines.push(said.text);
    for (const [, , word = ""] of said.text.matchAll(/<<-?\s*(['"\\]?)([\w.-]+)\1/g)) ends.push(word);
  }
  return lines.join("\n");
}

/** `quote`: the one that is open where the line begins, and where it ends. */
function withoutComment(line: string, open: string): { text: string; quote: string } {
  let quote = open;
  for (let at = 0; at < line.length; at++) {
    const char = line[at] ?? "";
    if (char === "\\" && quote !== "'") at++;
    else if (quote !== "") quote = char === quote ? "" : quote;
    else if (char === "'" || char === '"') quote = char;
    else if (char === "#" && (at === 0 || /[\s;&|(]/.test(line[at - 1] ?? ""))) return { text: line.slice(0, at), quote };
  }
  return { text: line, quote };
}
