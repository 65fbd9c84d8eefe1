/** What parsed JSON may be: an object, not a list. */
export const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** Undefined for a text that is no JSON, torn ones among them, and for none: whoever must tell those apart parses for himself. */
export function parseJson(text: string | undefined): unknown {
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    // Absence is the answer: files of other programs are read while they are written.
    return undefined;
  }
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

interface Kinds {
  string: string;
  number: number;
  boolean: boolean;
  record: Record<string, unknown>;
  list: unknown[];
}

const isKind: { [K in keyof Kinds]: (value: unknown) => boolean } = {
  string: (value) => typeof value === "string",
  number: (value) => typeof value === "number",
  boolean: (value) => typeof value === "boolean",
  record: isRecord,
  list: Array.isArray,
};

/** Is it an object that has all of these fields, each of its kind? */
export const hasShape = <const S extends Record<string, keyof Kinds>>(
  value: unknown,
  wanted: S,
): value is Record<string, unknown> & { [K in keyof S]: Kinds[S[K]] } =>
  isRecord(value) && Object.entries(wanted).every(([key, kind]) => Object.hasOwn(value, key) && isKind[kind](value[key]));

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
