/** What parsed JSON may be: an object, not a list. */
export const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** Deeper is no record of anybody's, and walking it would overflow the stack: `JSON.parse` takes 100,000 levels, nothing after it does. */
const maxDepth = 500;

/**
 * The one reader of JSON that others wrote; throws with what is wrong. As claude 2.1.329 reads settings.json, settings.local.json,
 * `--settings`, .mcp.json and .claude.json: a byte order mark is passed over; comments and trailing commas are wrong.
 */
export function decodeJson(text: string): unknown {
  const value: unknown = JSON.parse(text.charCodeAt(0) === 0xfeff ? text.slice(1) : text);
  if (hasOpeners(text) && !isWithin(value, maxDepth)) throw new SyntaxError(`nested deeper than ${maxDepth} levels`);
  return value;
}

/** So many brackets that it may be too deep: most texts are told by this alone, without a walk over what they hold. */
function hasOpeners(text: string): boolean {
  let count = 0;
  for (const opener of ["{", "["])
    for (let at = text.indexOf(opener); at >= 0; at = text.indexOf(opener, at + 1)) if (++count > maxDepth) return true;
  return false;
}

function isWithin(value: unknown, levels: number): boolean {
  if (typeof value !== "object" || value === null) return true;
  if (levels === 0) return false;
  for (const inner of Array.isArray(value) ? value : Object.values(value))
    if (typeof inner === "object" && !isWithin(inner, levels - 1)) return false;
  return true;
}

/** Undefined for a text that is no JSON, torn ones among them, and for none: whoever must tell those apart decodes it. */
export function parseJson(text: string | undefined): unknown {
  if (text === undefined) return undefined;
  try {
    return decodeJson(text);
  } catch {
    // Absence is the answer: files of other programs are read while they are written.
    return undefined;
  }
}

/** Behind the object that begins here; undefined when it does not end within so many characters. */
export function endOfObject(text: string, from: number, maxLength = Number.POSITIVE_INFINITY): number | undefined {
  let depth = 0;
  let isText = false;
  for (let at = from; at < text.length && at < from + maxLength; at++) {
    const sign = text[at];
    if (isText) {
      if (sign === "\\") at++;
      else if (sign === '"') isText = false;
    } else if (sign === '"') isText = true;
    else if (sign === "{") depth++;
    else if (sign === "}" && --depth === 0) return at + 1;
  }
  return undefined;
}

/**
 * What a line of JSON that others append to a file says, without what a crash of the machine, or another program, leaves before and
 * behind it; of one that was joined or torn, the whole objects in it.
 */
export function parseLine(line: string): { values: unknown[]; isWhole: boolean } {
  const value = parseJson(line) ?? parseJson(line.replace(noise, ""));
  return value === undefined ? { values: findObjects(line), isWhole: false } : { values: [value], isWhole: true };
}

const noise = /^[\uFEFF\0\s]+|[\0\s]+$/g;

/** So many times the length of a line are looked through for what is whole in it. */
const mostPasses = 50;

/** The whole objects in a line where several were joined, or one was torn before the next: from each brace on, as far as it reaches. */
function findObjects(line: string): unknown[] {
  const found: unknown[] = [];
  let passes = 0;
  for (let from = line.indexOf("{"); from >= 0 && passes < mostPasses; ) {
    const end = endOfObject(line, from);
    const value = end === undefined ? undefined : parseJson(line.slice(from, end));
    if (value !== undefined) found.push(value);
    passes += ((end ?? line.length) - from) / line.length;
    from = line.indexOf("{", value === undefined ? from + 1 : end);
  }
  return found;
}

/** The object in a text; undefined for everything else. */
export function parseRecord(text: string | undefined): Record<string, unknown> | undefined {
  const value = parseJson(text);
  return isRecord(value) ? value : undefined;
}

type Present<T> = { [K in keyof T as undefined extends T[K] ? never : K]: T[K] } & {
  [K in keyof T as undefined extends T[K] ? K : never]?: Exclude<T[K], undefined>;
};

/** The fields that have a value, in their order: an absent one must not be written as `undefined`. */
export function present<T extends object>(fields: T): Present<T> {
  const out: Partial<T> = {};
  for (const key in fields) if (fields[key] !== undefined) out[key] = fields[key];
  return out as unknown as Present<T>;
}

export type Kind = keyof Kinds;

interface Kinds {
  string: string;
  /** Finite: `1e400` is none. */
  number: number;
  boolean: boolean;
  record: Record<string, unknown>;
  list: unknown[];
  texts: string[];
  /** Epoch ms that a date can be made of, from 1970 to the end of the year 9999. */
  time: number;
  /** Of a process: 0 and what is negative would be groups of processes to a signal. */
  pid: number;
  /** A part of a path: one word, which leads nowhere else. */
  id: string;
}

/** Nothing that comes from others becomes a part of a path, unless this says so. */
export const isPathWord = (text: string): boolean => /^[A-Za-z0-9_][A-Za-z0-9._-]{0,199}$/.test(text) && !text.includes("..");

/** Epoch ms of a text such as `2026-11-20T10:46:32.011Z`; undefined for what is none, and beyond what may be a time. */
export function parseTime(text: unknown): number | undefined {
  const at = typeof text === "string" ? Date.parse(text) : Number.NaN;
  return isKind.time(at) ? at : undefined;
}

const lastMoment = Date.UTC(9999, 11, 31);
const lastPid = 2 ** 31 - 1;
const isBetween = (value: unknown, from: number, to: number): boolean => typeof value === "number" && value >= from && value <= to;

const isKind: { [K in keyof Kinds]: (value: unknown) => boolean } = {
  string: (value) => typeof value === "string",
  number: Number.isFinite,
  boolean: (value) => typeof value === "boolean",
  record: isRecord,
  list: Array.isArray,
  texts: (value) => Array.isArray(value) && value.every((item) => typeof item === "string"),
  time: (value) => isBetween(value, 0, lastMoment),
  pid: (value) => isBetween(value, 1, lastPid) && Number.isInteger(value),
  id: (value) => typeof value === "string" && isPathWord(value),
};

/** Is it an object that has all of these fields, each of its kind? */
export const hasShape = <const S extends Readonly<Record<string, Kind>>>(
  value: unknown,
  wanted: S,
): value is Record<string, unknown> & { [K in keyof S]: Kinds[S[K]] } =>
  isRecord(value) && Object.entries(wanted).every(([key, kind]) => Object.hasOwn(value, key) && isKind[kind](value[key]));

/** The same fields without those that are of another kind than is wanted; what nobody wants stays. */
export const withoutWrong = (fields: Record<string, unknown>, wanted: Readonly<Record<string, Kind>>): Record<string, unknown> =>
  Object.fromEntries(
    Object.entries(fields).filter(([key, value]) => {
      const kind = Object.hasOwn(wanted, key) ? wanted[key] : undefined;
      return kind === undefined || isKind[kind](value);
    }),
  );

/**
 * Narrow reading for hot paths, which load no schema library: the fields of `wanted` that have the wanted kind, and nothing else.
 * An array names another key to read a field from: `{ sessionId: ["session_id", "string"] }`.
 */
export function shape<const S extends Record<string, keyof Kinds | readonly [key: string, kind: keyof Kinds]>>(
  fields: Record<string, unknown>,
  wanted: S,
): {
  [K in keyof S]?: S[K] extends keyof Kinds ? Kinds[S[K]] : S[K] extends readonly [string, infer N extends keyof Kinds] ? Kinds[N] : never;
} {
  const out: Record<string, unknown> = {};
  for (const name in wanted) {
    const want = wanted[name] as keyof Kinds | readonly [string, keyof Kinds];
    const [key, kind] = typeof want === "string" ? [name, want] : want;
    const value = Object.hasOwn(fields, key) ? fields[key] : undefined;
    if (isKind[kind](value)) out[name] = value;
  }
  return out as ReturnType<typeof shape<S>>;
}
