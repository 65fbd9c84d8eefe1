import { z } from "zod/mini";
import { type UserError, unknownWord } from "./errors.ts";
import { decodeJson, isRecord } from "./json.ts";
import { jsonLines, type KeyLines, tomlLines, yamlLines } from "./key-lines.ts";
import type { RuleProblem } from "./rules.ts";

/** A file that people wrote, as an object; else what is wrong in it, and where. */
type Parsed = { value: Record<string, unknown>; lines: KeyLines } | { line: number; message: string };

/** By the end of its name; JSON otherwise where it begins as an object does, and else TOML. */
export function parseWritten(path: string, text: string): Parsed {
  if (/\.ya?ml$/i.test(path)) return parseStatements(text, yamlLines(text), (part) => Bun.YAML.parse(part));
  const isJson = /\.json$/i.test(path) || (!/\.toml$/i.test(path) && /^\ufeff?\s*\{/.test(text));
  return isJson ? parseJsonText(text) : parseStatements(text, tomlLines(text), (part) => Bun.TOML.parse(part));
}

/** The parser does not tell where it fails: the first statement up to whose end it takes no text is the wrong one. */
function parseStatements(text: string, lines: KeyLines, parse: (text: string) => unknown): Parsed {
  const faultOf = (end?: number): string | undefined => {
    try {
      parse(text.slice(0, end));
      return undefined;
    } catch (error) {
      if (error instanceof RangeError) return "nested too deeply";
      return lower((error as Error).message.replace(/^\w+ Parse error: /, ""));
    }
  };
  const message = faultOf();
  if (message === undefined) {
    const value = parse(text);
    return isRecord(value) ? { value, lines } : { line: 1, message: "it is no table" };
  }
  let [good, bad] = [0, lines.starts.length];
  while (good + 1 < bad) {
    const middle = (good + bad) >> 1;
    if (faultOf(lines.starts[middle]?.offset) === undefined) good = middle;
    else bad = middle;
  }
  return { line: lines.starts[good]?.line ?? 1, message };
}

function parseJsonText(text: string): Parsed {
  const lines = jsonLines(text);
  try {
    const value = decodeJson(text);
    return isRecord(value) ? { value, lines } : { line: 1, message: "it is no object" };
  } catch (error) {
    return { line: lines.stop, message: lower((error as Error).message.replace(/^JSON Parse error: /, "")) };
  }
}

const lower = (message: string): string => message.replace(/^[A-Z](?![A-Z])/, (letter) => letter.toLowerCase());

/** The message of an error for people, and what was meant. */
export const spell = ({ message, hint }: UserError): string => (hint === undefined ? message : `${message}; ${hint}`);

// --- tables of it --------------------------------------------------------------------------------------------------

type Path = readonly (string | number)[];

export interface Reader {
  isProject: boolean;
  at(path: Path): { path: string; line: number };
  /** The file is broken. */
  wrong(path: Path, message: string): void;
  /** It is told, and the file holds without it. */
  ignored(path: Path, message: string): void;
  broken(): RuleProblem[];
}

export function createReader(file: string, isProject: boolean, lines: KeyLines, problems: RuleProblem[]): Reader {
  const broken: RuleProblem[] = [];
  const at = (path: Path) => ({ path: file, line: lines.lineOf(path) });
  const told = (path: Path, message: string): RuleProblem => {
    const problem = { ...at(path), message };
    problems.push(problem);
    return problem;
  };
  return {
    isProject,
    at,
    wrong: (path, message) => void broken.push(told(path, message)),
    ignored: (path, message) => void told(path, `${message}; it is ignored`),
    broken: () => broken,
  };
}

export interface Entry {
  path: Path;
  value: unknown;
  /** Of `[rules.NAME]`, the older tool's form. */
  name?: string;
}

export function listTables(reader: Reader, key: string, value: unknown): Entry[] {
  if (value === undefined) return [];
  if (Array.isArray(value)) return value.map((each: unknown, index) => ({ path: [key, index], value: each }));
  if (isRecord(value)) return Object.entries(value).map(([name, each]) => ({ path: [key, name], value: each, name }));
  reader.wrong([key], `${key} must be tables: [[${key}]]`);
  return [];
}

export interface Field {
  schema: z.ZodMiniType;
  /** There are no other words. */
  words?: readonly string[];
  /** Whatever their case, and what stands between their parts. */
  isLoose?: true;
}

const loose = (typed: string): string => typed.toLowerCase().replace(/[^a-z]/g, "");

/** The first that is none of the words. */
function strangerIn(data: unknown, { words: known, isLoose }: Field): string | undefined {
  if (known === undefined) return undefined;
  const has = (typed: string) => (isLoose === true ? known.some((each) => loose(each) === loose(typed)) : known.includes(typed));
  return [data]
    .flat()
    .map(String)
    .find((typed) => !has(typed));
}

/** The values of a table that are as they must be, by their keys; all else is told. */
export function readFields(reader: Reader, { path, value }: Entry, fields: Readonly<Record<string, Field>>): Record<string, unknown> {
  if (!isRecord(value)) {
    reader.wrong(path, `${String(path[0])} must be tables: [[${String(path[0])}]]`);
    return {};
  }
  const read: Record<string, unknown> = {};
  for (const [key, given] of Object.entries(value)) {
    const field = Object.hasOwn(fields, key) ? fields[key] : undefined;
    if (field === undefined) {
      reader.wrong([...path, key], spell(unknownWord("unknown key", key, Object.keys(fields))));
      continue;
    }
    const { success, data, error } = field.schema.safeParse(given);
    const stranger = success ? strangerIn(data, field) : undefined;
    if (!success) for (const message of new Set(error.issues.map((issue) => issueText(key, issue)))) reader.wrong([...path, key], message);
    else if (stranger !== undefined)
      reader.wrong([...path, key], spell(unknownWord(`unknown ${key.replace("match_", "")}`, stranger, field.words ?? [])));
    else read[key] = data;
  }
  return read;
}

/** `env.A: it must be a text` */
function issueText(key: string, issue: z.core.$ZodIssue): string {
  const place = [key, ...issue.path.filter((step) => typeof step === "string")].join(".");
  const { message } = issue.code === "invalid_key" ? (issue.issues[0] ?? issue) : issue;
  return `${place}: ${lower(message)}`;
}

export const word = z.string().check(z.regex(/\S/, "it is blank"));
/** One text is a list of one. */
export const list = (entry: z.ZodMiniType<string>) =>
  z.pipe(
    z.transform((value: unknown) => (typeof value === "string" ? [value] : value)),
    z.array(entry).check(z.minLength(1, "the list is empty; leave the key out where anything will do")),
  );
export const words: Field = { schema: list(word) };
export const flag: Field = { schema: z.boolean() };
export const atLeast = (from: number): z.ZodMiniType => z.number().check(z.minimum(from));
export const percent: Field = { schema: z.number().check(z.minimum(0), z.maximum(100)) };
export const choice = (known: readonly string[]): Field => ({ schema: z.string(), words: known });

const units: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const timeText = 'a time such as "30s", "10m" or "1h"';
export const durationMs = z.pipe(
  z.string(timeText).check(z.regex(/^\d{1,6}[smhd]$/, timeText)),
  z.transform((typed) => Number(typed.slice(0, -1)) * (units[typed.slice(-1)] ?? 0)),
);
