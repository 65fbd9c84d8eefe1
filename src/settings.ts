import type { PriceOverrides } from "./claude-prices.ts";
import { unknownWord } from "./errors.ts";
import { fleetShares } from "./fleet-access.ts";
import { isRecord, parseRecord } from "./json.ts";
import { limitPolicies } from "./limit.ts";
import { configPath } from "./paths.ts";
import { policies } from "./scorer.ts";
import type { Sys } from "./sys.ts";

/** What a value may be, as data: the reader below judges by it without a package, `settings-schema` makes zod's schema of it. */
export type Check =
  | { kind: "text"; canBeEmpty?: true }
  /** `isSet`: each word counts by itself, a broken one is passed over. */
  | { kind: "words"; isSet?: true }
  | { kind: "choice"; words: readonly string[] }
  | { kind: "number"; from: number; to?: number; isWhole?: true; unit?: string }
  /** An object with a number from 0 under each of these names. */
  | { kind: "rates"; names: readonly string[] };

export interface Row {
  check: Check;
  /** What holds where nobody says anything. */
  default?: unknown;
  about: string;
  /** In their order; the first one that says something counts, before the file. */
  variables?: readonly Variable[];
}

interface Variable {
  name: string;
  /** Where it is not that of the key. */
  unit?: string;
  /** Undefined for a text that says nothing. By the check unless told. */
  read?(text: string): unknown;
  /** Once it is there, the variables behind it are not looked at, whatever it holds. */
  isFinal?: true;
}

const text = { kind: "text" } as const;
const prompt = { kind: "text", canBeEmpty: true } as const;
const choice = <const T extends readonly string[]>(words: T) => ({ kind: "choice", words }) as const;
const count = (from: number) => ({ kind: "number", from, isWhole: true }) as const;
const milliseconds = { kind: "number", from: 0, isWhole: true, unit: "ms" } as const;
const points = { kind: "number", from: 0, to: 100 } as const;
const percent = { kind: "number", from: 0, to: 100, unit: "%" } as const;
const price = { kind: "number", from: 0, unit: "$" } as const;
const tokens = { kind: "number", from: 0 } as const;
const rateNames = ["input", "output", "write5m", "write1h", "cacheRead"] as const;

/** Variables count in seconds. */
const seconds = (name: string, most = Number.POSITIVE_INFINITY): Variable => ({
  name,
  unit: "s",
  read: (text) => {
    const number = parseNumber(text);
    return number === undefined ? undefined : Math.min(number, most) * 1000;
  },
});
/** A timer does not wait much longer. */
const day = 86_400;

/** The keys of `config.json`, one row each. A part in angle brackets stands for any word. */
export const settings = {
  "launch-command": {
    check: { kind: "words" },
    default: ["claude"],
    about: "the program to start and its first words; never split by a shell",
    variables: [{ name: "CLAUDE_SMART_CLAUDE_BIN" }],
  },
  "limit.policy": {
    check: choice(limitPolicies),
    default: "switch",
    about: "at a usage limit: switch, wait, ask or stop",
    variables: [
      { name: "CLAUDE_AUTO_SWITCH", read: (text) => (text === "0" ? "stop" : undefined) },
      { name: "CLAUDE_AUTO_SWITCH_RELAUNCH", read: (text) => (text === "1" ? undefined : "stop") },
    ],
  },
  "limit.handoff-prompt": {
    check: prompt,
    default:
      "The usage limit of account {from} was reached, and this conversation goes on under account {to}. Continue where you left off.",
    about: "what the model is told after a switch; empty for nothing",
    variables: [{ name: "CLAUDE_SMART_RESUME_PROMPT" }],
  },
  "limit.max-hops": {
    check: count(0),
    default: 6,
    about: "switches of one conversation within five hours",
    variables: [{ name: "CLAUDE_MAX_HOPS" }],
  },
  "limit.cooldown-ms": {
    check: milliseconds,
    default: 3000,
    about: "time between two switches on this machine",
    variables: [seconds("CLAUDE_SWITCH_COOLDOWN")],
  },
  "limit.profiles.<profile>.policy": { check: choice(limitPolicies), about: "the same for one profile, as are its other keys" },
  "limit.profiles.<profile>.handoff-prompt": { check: prompt, about: "" },
  "limit.profiles.<profile>.max-hops": { check: count(0), about: "" },
  "limit.profiles.<profile>.cooldown-ms": { check: milliseconds, about: "" },
  "usage.policy": {
    check: choice(policies),
    default: "drain",
    about: "which account comes first: drain, consume-first or spread",
    variables: [{ name: "CSM_PICK_POLICY" }],
  },
  "usage.limit-percent": {
    check: percent,
    default: 99,
    about: "from here on a 5-hour window counts as used up",
    variables: [{ name: "CLAUDE_LIMIT_PCT" }],
  },
  "usage.saturation-percent": {
    check: percent,
    default: 95,
    about: "from here on a weekly window does",
    variables: [{ name: "CLAUDE_PICK_SATURATION_PCT" }],
  },
  "usage.max-age-ms": {
    check: milliseconds,
    default: 1_800_000,
    about: "older data decides nothing; 0 for any age",
    // The older tool does not look at the second name when the first one is there and broken.
    variables: [{ ...seconds("CLAUDE_USAGE_MAX_AGE"), isFinal: true }, seconds("CSM_USAGE_MAX_AGE_SECS")],
  },
  "usage.hold-points": {
    check: points,
    default: 5,
    about: "by so many points another account must be better",
    variables: [{ name: "CSM_PICK_HOLD_POINTS" }],
  },
  "usage.disabled": { check: { kind: "words", isSet: true }, default: [], about: "profiles that are never chosen, by name" },
  "prices.<model>.input": {
    check: price,
    about: "US dollars for a million tokens, instead of the built-in price; the other rates likewise",
  },
  "prices.<model>.output": { check: price, about: "" },
  "prices.<model>.write5m": { check: price, about: "" },
  "prices.<model>.write1h": { check: price, about: "" },
  "prices.<model>.cache-read": { check: price, about: "" },
  "prices.<model>.web-search": { check: price, about: "US dollars for one search" },
  "prices.<model>.context-window": { check: tokens, about: "tokens that a session holds" },
  "prices.<model>.fast": { check: { kind: "rates", names: rateNames }, about: "all rates of the fast mode, as JSON" },
  "prices.<model>.long": {
    check: { kind: "rates", names: [...rateNames, "abovePromptTokens"] },
    about: "all rates of requests whose prompt is longer than abovePromptTokens, as JSON",
  },
  "fleet.labels": {
    check: { kind: "words" },
    about: "what tasks may need of this machine: words, and repo:NAME=/FOLDER for where a repository is here",
  },
  "update.from": {
    check: text,
    about: "a folder or an address with releases of csm, for csm self-update",
    variables: [{ name: "CSM_RELEASES" }],
  },
  "update.public-key": { check: text, about: "of minisign; then a release without its signature is none" },
  "dashboard.error-loop-count": { check: count(1), default: 4, about: "so many failed calls one after another stand out" },
  "dashboard.stalled-ms": { check: milliseconds, default: 300_000, about: "a turn in which nothing happens for so long does" },
  "dashboard.context-warn-percent": { check: percent, default: 80, about: "a context that is this full" },
  "dashboard.context-alarm-percent": { check: percent, default: 92, about: "and one that is nearly so" },
  "dashboard.conflict-ms": { check: milliseconds, default: 1_800_000, about: "edits of one file further apart are no conflict" },
  "dashboard.cache-warn-ms": { check: milliseconds, default: 60_000, about: "how long before its end a prompt cache is told of" },
  "fleet.share": {
    check: choice(fleetShares),
    default: "gates",
    about: "what of sessions the fleet is told: states (names, counts), gates (what they ask, to who may answer), folders, titles",
  },
} as const satisfies Record<string, Row>;

const duration = { kind: "number", from: 0, unit: "ms" } as const;

/** What only the environment says: where usage is fetched from, and how long each source may take. */
export const variables = {
  "fetch.url": { check: text, about: "an address that answers with usage", variables: [{ name: "CLAUDE_USAGE_URL" }] },
  "fetch.token": { check: text, about: "what the address is shown", variables: [{ name: "CSM_HUB_TOKEN" }] },
  "fetch.hub": { check: text, about: "a host whose usage is read over SSH", variables: [{ name: "CLAUDE_HUB_HOSTNAME" }] },
  "fetch.command": { check: text, about: "a command that prints usage", variables: [{ name: "CSM_USAGE_CMD" }] },
  "fetch.ask": {
    check: choice(["on", "off"]),
    default: "on",
    about: "whether claude itself is asked; 0 for never",
    variables: [{ name: "CSM_USAGE_ASK", read: (text) => (text === "0" ? "off" : undefined) }],
  },
  "fetch.command-timeout-ms": {
    check: duration,
    default: 10_000,
    about: "how long the command may take",
    variables: [seconds("CSM_USAGE_CMD_TIMEOUT", day)],
  },
  "fetch.cache-ms": {
    check: duration,
    default: 60_000,
    about: "how long an answer is good",
    variables: [seconds("CLAUDE_USAGE_TTL", day), seconds("CSM_USAGE_TTL_SECS", day)],
  },
  "fetch.cool-down-ms": {
    check: duration,
    default: 120_000,
    about: "how long nobody is asked after a failure",
    variables: [seconds("CLAUDE_USAGE_FAIL_COOLDOWN", day)],
  },
  "fetch.http-timeout-ms": {
    check: duration,
    default: 2000,
    about: "how long the address may take",
    variables: [seconds("CLAUDE_USAGE_HTTP_TIMEOUT", day)],
  },
  "fetch.ssh-timeout-ms": {
    check: duration,
    default: 3000,
    about: "how long SSH may take",
    variables: [seconds("CLAUDE_USAGE_SSH_TIMEOUT", day)],
  },
} as const satisfies Record<string, Row>;

type Rows = typeof settings & typeof variables;
type Key = keyof Rows;
type ValueOf<C extends Check> = C extends { kind: "text" }
  ? string
  : C extends { kind: "words" }
    ? readonly string[]
    : C extends { kind: "choice"; words: readonly (infer W)[] }
      ? W
      : C extends { kind: "number" }
        ? number
        : Readonly<Record<string, number>>;
type Camel<S extends string> = S extends `${infer A}-${infer B}` ? `${A}${Capitalize<Camel<B>>}` : S;
type Part = "limit" | "usage" | "dashboard" | "fetch" | "fleet";

/** All keys of a part, in camel case. */
export type PartOf<P extends Part> = {
  readonly [K in Key as K extends `${P}.${infer Name}` ? (Name extends `${string}.${string}` ? never : Camel<Name>) : never]:
    | ValueOf<Rows[K]["check"]>
    | (Rows[K] extends { default: unknown } ? never : undefined);
};

export interface Settings {
  /** What the command line, the environment or the file says of a key; undefined for nothing. */
  said<K extends Key>(key: K): ValueOf<Rows[K]["check"]> | undefined;
  /** With what holds where nobody says anything; a profile's own settings win over the general ones of the file. */
  part<P extends Part>(part: P, profile?: string): PartOf<P>;
  prices(): PriceOverrides;
}

/**
 * The one reader. The command line (`given`) wins over the environment, which wins over the file. A value that is wrong, or a file
 * that is, counts as nothing said: whoever must not go on then calls `checkSettings` first. Throws on a word that somebody has typed.
 */
export function readSettings(
  sys: Pick<Sys, "env" | "homeDir" | "platform" | "readText">,
  given: { [K in Key]?: string | undefined } = {},
): Settings {
  let known: Record<string, unknown> | undefined;
  const file = () => {
    known ??= parseRecord(sys.homeDir === undefined ? undefined : sys.readText(configPath(sys))) ?? {};
    return known;
  };
  const said = (key: Key, profile?: string): unknown => {
    const row: Row = rows[key];
    const typed = given[key];
    const first = typed === undefined ? readVariables(sys.env, key, row) : requireWord(key, row.check, typed);
    if (first !== undefined || !Object.hasOwn(settings, key)) return first;
    const [part = "", ...path] = pathOf(key);
    const own = profile === undefined ? undefined : accept(row.check, readAt(file(), [part, "profiles", profile, ...path]));
    return own ?? accept(row.check, readAt(file(), [part, ...path]));
  };
  return {
    said: (key) => said(key) as never,
    part: (part, profile) => fill(part, (key) => said(key, profile)),
    prices: () => readPrices(file().prices),
  };
}

/** What holds where nobody says anything. */
export const defaultsOf = <P extends Part>(part: P): PartOf<P> => fill(part, () => undefined);

const rows: Readonly<Record<Key, Row>> = { ...settings, ...variables };

function fill<P extends Part>(part: P, said: (key: Key) => unknown): PartOf<P> {
  const keys = (Object.keys(rows) as Key[]).filter((key) => key.startsWith(`${part}.`) && !key.includes("<"));
  return Object.fromEntries(keys.map((key) => [pathOf(key).at(-1), said(key) ?? rows[key].default])) as unknown as PartOf<P>;
}

function readPrices(said: unknown): PriceOverrides {
  const keys = Object.keys(settings).filter((key) => key.startsWith("prices.")) as (keyof typeof settings)[];
  const models = Object.entries(isRecord(said) ? said : {}).map(([model, rates]) => {
    const values = keys.map((key) => [pathOf(key).at(-1), accept(settings[key].check, readAt(rates, pathOf(key).slice(2)))]);
    return [model, Object.fromEntries(values.filter(([, value]) => value !== undefined))];
  });
  return Object.fromEntries(models);
}

/** What the environment says of a key. Throws on a word that is none of a choice. */
export function readVariables(env: Sys["env"], key: string, { check, variables: names = [] }: Row): unknown {
  for (const { name, read, isFinal } of names) {
    const text = env[name];
    if (text === undefined) continue;
    const value = read === undefined ? parseText(key, check, text) : read(text);
    const isPart = check.kind === "number" && check.isWhole === true && !Number.isInteger(value);
    if (value !== undefined && !isPart) return value;
    if (isFinal === true && text.trim() !== "") return undefined;
  }
  return undefined;
}

function parseText(key: string, check: Check, text: string): unknown {
  if (check.kind === "number") return parseNumber(text);
  if (check.kind === "words") return text === "" ? undefined : [text];
  if (check.kind === "text" && check.canBeEmpty === true) return text;
  return text.trim() === "" ? undefined : requireWord(key, check, text.trim());
}

const parseNumber = (text: string): number | undefined => (/^\d+(?:\.\d+)?$/.test(text.trim()) ? Number(text) : undefined);

function requireWord(key: string, check: Check, word: string): string {
  if (check.kind !== "choice" || check.words.includes(word)) return word;
  throw unknownWord(`unknown ${key.split(".").at(-1)}`, word, check.words, { otherwise: `there are ${check.words.join(", ")}` });
}

/** The value when it is one, undefined otherwise. */
function accept(check: Check, value: unknown): unknown {
  if (check.kind === "words" && check.isSet && Array.isArray(value)) return value.filter(isWord);
  return isValid(check, value) ? value : undefined;
}

const isWord = (value: unknown): boolean => typeof value === "string" && value !== "";

function isValid(check: Check, value: unknown): boolean {
  switch (check.kind) {
    case "text":
      return check.canBeEmpty ? typeof value === "string" : isWord(value);
    case "words":
      return Array.isArray(value) && value.every(isWord);
    case "choice":
      return typeof value === "string" && check.words.includes(value);
    case "number":
      if (typeof value !== "number" || !Number.isFinite(value)) return false;
      return value >= check.from && value <= (check.to ?? value) && (check.isWhole !== true || Number.isSafeInteger(value));
    case "rates":
      return check.names.every((name) => isValid(price, readAt(value, [name])));
  }
}

/** The place of a key in the file: `limit.max-hops` is `limit`, `maxHops`. */
export const pathOf = (key: string): string[] => key.split(".").map(camel);

const camel = (word: string): string => word.replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());

export function readAt(value: unknown, path: readonly string[]): unknown {
  let at = value;
  for (const word of path) at = typeof at === "object" && at !== null && Object.hasOwn(at, word) ? Reflect.get(at, word) : undefined;
  return at;
}
