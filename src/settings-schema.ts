import { en } from "zod/locales";
import { z } from "zod/mini";
import { unknownWord, usageError } from "./errors.ts";
import { decodeJson, isRecord, parseJson } from "./json.ts";
import { configPath } from "./paths.ts";
import { type Check, pathOf, type Row, readAt, settings } from "./settings.ts";
import { openStore, type Store } from "./store.ts";
import type { Sys } from "./sys.ts";

// Apart from the rows, so that whoever only reads settings does not load zod. Its functional form is an eighth of the code.
z.config(en());

/** The config file as it stands there: keys that this version does not know stay in it. */
type Config = Readonly<Record<string, unknown>>;

/** For those who write it, or show it: reading throws with the key that is wrong, of one part where only that is asked for. */
export const openConfig = (sys: Sys, part?: string): Store<Config> =>
  openStore<Config>(sys, {
    path: configPath(sys),
    name: "config",
    empty: {},
    mustBeReadable: true,
    decode: (text) => parseConfig(decodeJson(text), part),
  });

/** Throws where the file, or this part of it, is wrong: the reader of settings would take it for nothing said. */
export function checkSettings(sys: Sys, part?: string): void {
  openConfig(sys, part).read();
}

/** Throws with the key that is wrong. */
export function parseConfig(value: unknown, part?: string): Config {
  const [problem] = findProblems(value, part);
  if (problem !== undefined) throw new Error(problem);
  // The value as it was read: the schema would put the keys that it knows first.
  return value as Config;
}

/** Each with its key: `limit.max-hops: invalid input: expected int, received string`. */
function findProblems(value: unknown, part?: string): string[] {
  const result = schema.safeParse(value);
  const issues = result.error?.issues ?? [];
  return issues.flatMap(({ path, message }) => {
    if (part !== undefined && path.length > 0 && path[0] !== part) return [];
    const key = path.length === 0 ? "the file" : keyOf(path.map(String));
    return [`${key}: ${message.replace(/^[A-Z]/, (letter) => letter.toLowerCase())}`];
  });
}

/** A misspelt price would count as none: unlike elsewhere, a key that is not known is wrong here. */
const closedPlace = "prices.<model>";

const schema = placeSchema("");

/** Of all keys that begin with these words. */
function placeSchema(place: string): z.ZodMiniType {
  const start = place === "" ? "" : `${place}.`;
  const inner = Object.keys(settings).filter((key) => key.startsWith(start));
  const words = [...new Set(inner.map((key) => key.slice(start.length).split(".")[0] ?? ""))];
  const [any = ""] = words;
  if (any.startsWith("<")) return z.record(z.string(), placeSchema(start + any));
  const fields = words.map((word) => {
    const row: Row | undefined = (settings as Readonly<Record<string, Row>>)[start + word];
    return [pathOf(word)[0] ?? "", z.optional(row === undefined ? placeSchema(start + word) : valueSchema(row.check))] as const;
  });
  return (place === closedPlace ? z.strictObject : z.looseObject)(Object.fromEntries(fields));
}

function valueSchema(check: Check): z.ZodMiniType {
  const word = z.string().check(z.minLength(1));
  switch (check.kind) {
    case "text":
      return check.canBeEmpty ? z.string() : word;
    case "words":
      return z.array(word);
    case "choice":
      return z.enum(check.words as [string, ...string[]]);
    case "number": {
      const number = (check.isWhole ? z.int() : z.number()).check(z.minimum(check.from));
      return check.to === undefined ? number : number.check(z.maximum(check.to));
    }
    case "rates":
      return z.looseObject(Object.fromEntries(check.names.map((name) => [name, z.number().check(z.minimum(0))])));
  }
}

/** As it is typed. What stands for any word, such as a profile's name, stays as it is. */
function keyOf(path: readonly string[]): string {
  const names = path.map((word) => word.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`));
  const isName = (index: number) =>
    Object.keys(settings).some((key) => key.startsWith(`${names.slice(0, index).join(".")}.<`) && index > 0);
  return path.map((word, index) => (isName(index) ? word : names[index])).join(".");
}

interface Found {
  /** As the rows have it. */
  key: keyof typeof settings;
  row: Row;
  /** Its place in the file. */
  path: string[];
}

/** The row and the place in the file that a typed key means; throws with the keys there are. */
export function findSetting(typed: string): Found {
  const keys = Object.keys(settings) as (keyof typeof settings)[];
  for (const key of keys) {
    const path = matchKey(key, typed);
    if (path !== undefined) return { key, row: settings[key], path };
  }
  throw unknownWord("csm config: unknown key", typed, keys, { otherwise: "csm config keys lists them" });
}

/** Model names hold dots: what stands for any word takes all between its neighbours. */
function matchKey(key: string, typed: string): string[] | undefined {
  const [before = "", after] = key.split(/<\w+>/);
  if (after === undefined) return typed === key || typed === pathOf(key).join(".") ? pathOf(key) : undefined;
  const middle = typed.slice(before.length, typed.length - after.length);
  const isMatch = typed.startsWith(before) && typed.endsWith(after) && middle !== "" && typed.length > key.replace(/<\w+>/, "").length;
  if (!isMatch || ["__proto__", "constructor", "prototype"].includes(middle)) return undefined;
  return [...pathOf(before.slice(0, -1)), middle, ...pathOf(after.slice(1))];
}

/** The config with this value at this place; `undefined` takes it away, and with it the objects that it leaves empty. */
export function withValue(config: Config, [word = "", ...rest]: readonly string[], value: unknown): Config {
  const { [word]: inner, ...others } = config;
  const put = rest.length === 0 ? value : withValue(isRecord(inner) ? inner : {}, rest, value);
  const isGone = put === undefined || (rest.length > 0 && Object.keys(put as object).length === 0);
  if (isGone) return others;
  // An assignment, so that a key keeps its place in the file.
  return Object.hasOwn(config, word) ? { ...config, [word]: put } : { ...others, [word]: put };
}

/** Typed words as the value of a key. */
export function parseSetting({ key, row: { check }, path }: Found, words: readonly string[]): unknown {
  if (check.kind === "words") return [...words];
  if (words.length !== 1) throw usageError(`csm config: ${key} takes one value`, `for example csm config set ${key} VALUE`);
  const [text = ""] = words;
  const value = check.kind === "number" ? parseNumber(text) : check.kind === "rates" ? parseJson(text) : text;
  try {
    return readAt(parseConfig(withValue({}, path, value ?? text)), path);
  } catch (error) {
    throw usageError(`csm config: ${(error as Error).message}`, `${JSON.stringify(text)} was given`);
  }
}

const parseNumber = (text: string): number | undefined => (text.trim() === "" || Number.isNaN(Number(text)) ? undefined : Number(text));

/** Keys of the file that no row has, which therefore say nothing. */
export function findUnknown(value: unknown, path: readonly string[] = []): string[] {
  if (!isRecord(value)) return [];
  return Object.entries(value).flatMap(([word, inner]) => {
    const at = [...path, word];
    const keys = Object.keys(settings);
    if (keys.some((key) => isAt(pathOf(key), at))) return [];
    return keys.some((key) => isAt(pathOf(key).slice(0, at.length), at)) ? findUnknown(inner, at) : [keyOf(at)];
  });
}

const isAt = (path: readonly string[], at: readonly string[]): boolean =>
  path.length === at.length && path.every((word, index) => word.startsWith("<") || word === at[index]);
