import { en } from "zod/locales";
import { z } from "zod/mini";
import { exitCode, UserError, unknownWord } from "./errors.ts";
import { configPath } from "./paths.ts";
import { openStore, type Store } from "./store.ts";
import type { Sys } from "./sys.ts";

// The functional form of zod: an eighth of the code, which every copy of this program carries as byte code too.
const text = z.string().check(z.minLength(1));
const count = (from: number) => z.optional(z.int().check(z.minimum(from)));
const percent = z.optional(z.number().check(z.minimum(0), z.maximum(100)));
const milliseconds = count(0);
const amount = z.optional(z.number().check(z.minimum(0)));

const limit = z.looseObject({
  policy: z.optional(z.enum(["switch", "wait", "ask", "stop"])),
  handoffPrompt: z.optional(z.string()),
  maxHops: count(0),
  cooldownMs: milliseconds,
});

const rates = { input: amount, output: amount, write5m: amount, write1h: amount, cacheRead: amount };

/** `config.json`. Keys that this version does not know stay in the file. */
const schema = z.looseObject({
  launchCommand: z.optional(z.array(text)),
  limit: z.optional(z.extend(limit, { profiles: z.optional(z.record(z.string(), limit)) })),
  usage: z.optional(
    z.looseObject({
      policy: z.optional(z.enum(["drain", "consume-first", "spread"])),
      limitPercent: percent,
      saturationPercent: percent,
      maxAgeMs: milliseconds,
      holdPoints: percent,
      disabled: z.optional(z.array(text)),
    }),
  ),
  prices: z.optional(z.record(z.string(), z.looseObject({ ...rates, webSearch: amount, contextWindow: amount }))),
  dashboard: z.optional(
    z.looseObject({
      errorLoopCount: count(1),
      stalledMs: milliseconds,
      contextWarnPercent: percent,
      contextAlarmPercent: percent,
      conflictMs: milliseconds,
      cacheWarnMs: milliseconds,
    }),
  ),
});

z.config(en());

export type Config = z.infer<typeof schema>;

export const openConfig = (sys: Sys): Store<Config> =>
  openStore<Config>(sys, {
    path: configPath(sys),
    name: "config",
    empty: {},
    decode: (text) => parseConfig(JSON.parse(text)),
  });

/** Throws with the key that is wrong. */
export function parseConfig(value: unknown): Config {
  const result = schema.safeParse(value);
  // The value as it was read: the schema would put the keys that it knows first.
  if (result.success) return value as Config;
  const [issue] = result.error.issues;
  const path = (issue?.path ?? []).map(String);
  throw new Error(`${path.length === 0 ? "the file" : keyOf(path)}: ${issue?.message.replace(/^[A-Z]/, (letter) => letter.toLowerCase())}`);
}

export interface Setting {
  /** As it is typed: `limit.handoff-prompt`. A part in brackets stands for any word. */
  key: string;
  about: string;
  /** What holds where the file says nothing. */
  default: unknown;
}

export const settings: readonly Setting[] = [
  { key: "launch-command", about: "the program to start and its first words; never split by a shell", default: ["claude"] },
  { key: "limit.policy", about: "at a usage limit: switch, wait, ask or stop", default: "switch" },
  { key: "limit.handoff-prompt", about: "what the model is told after a switch; empty for nothing", default: undefined },
  { key: "limit.max-hops", about: "switches of one conversation within five hours", default: 6 },
  { key: "limit.cooldown-ms", about: "time between two switches on this machine", default: 3000 },
  { key: "limit.profiles.<profile>.policy", about: "the same for one profile, as are its other keys", default: undefined },
  { key: "limit.profiles.<profile>.handoff-prompt", about: "", default: undefined },
  { key: "limit.profiles.<profile>.max-hops", about: "", default: undefined },
  { key: "limit.profiles.<profile>.cooldown-ms", about: "", default: undefined },
  { key: "usage.policy", about: "which account comes first: drain, consume-first or spread", default: "drain" },
  { key: "usage.limit-percent", about: "from here on a 5-hour window counts as used up", default: 99 },
  { key: "usage.saturation-percent", about: "from here on a weekly window does", default: 95 },
  { key: "usage.max-age-ms", about: "older data decides nothing; 0 for any age", default: 1_800_000 },
  { key: "usage.hold-points", about: "by so many points another account must be better", default: 5 },
  { key: "usage.disabled", about: "profiles that are never chosen, by name", default: undefined },
  ...["input", "output", "write5m", "write1h", "cache-read", "web-search", "context-window"].map((rate) => ({
    key: `prices.<model>.${rate}`,
    about: rate === "input" ? "US dollars for a million tokens, instead of the built-in price; the other rates likewise" : "",
    default: undefined,
  })),
  { key: "dashboard.error-loop-count", about: "so many failed calls one after another stand out", default: 4 },
  { key: "dashboard.stalled-ms", about: "a turn in which nothing happens for so long does", default: 300_000 },
  { key: "dashboard.context-warn-percent", about: "a context that is this full", default: 80 },
  { key: "dashboard.context-alarm-percent", about: "and one that is nearly so", default: 92 },
  { key: "dashboard.conflict-ms", about: "edits of one file further apart are no conflict", default: 1_800_000 },
  { key: "dashboard.cache-warn-ms", about: "how long before its end a prompt cache is told of", default: 60_000 },
];

/** The place in the file that a typed key means; throws with the keys there are. */
export function findSetting(typed: string): { setting: Setting; path: string[] } {
  for (const setting of settings) {
    const words = matchKey(setting.key, typed);
    if (words !== undefined) return { setting, path: words };
  }
  const keys = settings.map(({ key }) => key);
  throw unknownWord("csm config: unknown key", typed, keys, { exitCode: exitCode.failure });
}

/** Model names hold dots: what stands for any word takes all between its neighbours. */
function matchKey(key: string, typed: string): string[] | undefined {
  const [before, after] = key.split(/<\w+>/);
  if (after === undefined) return typed === key || typed === camel(key) ? key.split(".").map(camel) : undefined;
  const middle = typed.slice(before?.length, typed.length - after.length);
  const isMatch =
    typed.startsWith(before ?? "") && typed.endsWith(after) && middle !== "" && typed.length > key.replace(/<\w+>/, "").length;
  if (!isMatch || ["__proto__", "constructor", "prototype"].includes(middle)) return undefined;
  return [...split(before), middle, ...split(after)];
}

const split = (part = ""): string[] =>
  part
    .split(".")
    .filter((word) => word !== "")
    .map(camel);
const camel = (word: string): string => word.replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());
const keyOf = (path: readonly string[]): string =>
  path.map((word) => word.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)).join(".");

export function readAt(config: unknown, path: readonly string[]): unknown {
  let value = config;
  for (const word of path)
    value = typeof value === "object" && value !== null && Object.hasOwn(value, word) ? Reflect.get(value, word) : undefined;
  return value;
}

/** The config with this value at this place; `undefined` takes it away, and with it the objects that it leaves empty. */
export function withValue(config: Config, path: readonly string[], value: unknown): Config {
  return putAt(config, path, value) as Config;
}

function putAt(
  object: Readonly<Record<string, unknown>>,
  [word = "", ...rest]: readonly string[],
  value: unknown,
): Record<string, unknown> {
  const { [word]: inner, ...others } = object;
  const isObject = typeof inner === "object" && inner !== null && !Array.isArray(inner);
  const put = rest.length === 0 ? value : putAt(isObject ? (inner as Record<string, unknown>) : {}, rest, value);
  const isGone = put === undefined || (rest.length > 0 && Object.keys(put as object).length === 0);
  if (isGone) return others;
  // An assignment, so that a key keeps its place in the file.
  return Object.hasOwn(object, word) ? { ...object, [word]: put } : { ...others, [word]: put };
}

/** Typed words as the value of a key: as a text, else as the number or the truth that they spell. */
export function parseSetting({ key }: Setting, path: readonly string[], words: readonly string[]): unknown {
  if (key === "launch-command" || key === "usage.disabled") return [...words];
  if (words.length !== 1) throw new UserError(`csm config: ${key} takes one value`, `for example csm config set ${key} VALUE`);
  const [text = ""] = words;
  const number = text.trim() === "" ? Number.NaN : Number(text);
  const candidates = Number.isNaN(number) ? [text] : [number, text];
  const problems: string[] = [];
  for (const value of candidates) {
    try {
      parseConfig(withValue({}, path, value));
      return value;
    } catch (error) {
      problems.push((error as Error).message);
    }
  }
  throw new UserError(`csm config: ${problems[0] ?? `${key}: invalid value`}`, `${JSON.stringify(text)} was given`);
}
