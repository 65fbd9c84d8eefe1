import { unknownWord } from "./errors.ts";
import { isRecord, parseJson, present } from "./json.ts";
import { configPath } from "./paths.ts";
import { type Policy, policies, type ScoreOptions, scoreDefaults } from "./scorer.ts";
import type { Sys } from "./sys.ts";

type Env = Readonly<Record<string, string | undefined>>;

/** The first variable that is a number counts. */
function readNumber(env: Env, names: readonly string[]): number | undefined {
  for (const name of names) {
    const text = (env[name] ?? "").trim();
    if (/^\d+(?:\.\d+)?$/.test(text)) return Number(text);
  }
  return undefined;
}

const readText = (env: Env, name: string): string | undefined => (env[name] ?? "").trim() || undefined;

/** Where usage is fetched from, and how long each may take. Nowhere from inside a command that this program runs to learn it. */
export function readFetchSettings(given: Env) {
  const env = given[nestedVariable] === "1" ? {} : given;
  const seconds = (fallback: number, ...names: string[]) => Math.min(readNumber(env, names) ?? fallback, 86_400) * 1000;
  return {
    url: readText(env, "CLAUDE_USAGE_URL"),
    token: readText(env, "CSM_HUB_TOKEN"),
    hub: readText(env, "CLAUDE_HUB_HOSTNAME"),
    command: readText(env, "CSM_USAGE_CMD"),
    commandTimeoutMs: seconds(10, "CSM_USAGE_CMD_TIMEOUT"),
    cacheMs: seconds(60, "CLAUDE_USAGE_TTL", "CSM_USAGE_TTL_SECS"),
    coolDownMs: seconds(120, "CLAUDE_USAGE_FAIL_COOLDOWN"),
    httpTimeoutMs: seconds(2, "CLAUDE_USAGE_HTTP_TIMEOUT"),
    sshTimeoutMs: seconds(3, "CLAUDE_USAGE_SSH_TIMEOUT"),
  };
}

/** Set for CSM_USAGE_CMD: a csm in it would wait for the one that waits for it. */
export const nestedVariable = "CSM_USAGE_NESTED";

export type FetchSettings = ReturnType<typeof readFetchSettings>;

type ScoreSettings = Omit<ScoreOptions, "now" | "current" | "includeCurrent">;

/** The command line wins over the environment, which wins over csm's config file. */
export function readScoreSettings(sys: Sys, given: { policy?: string; model?: string } = {}): ScoreSettings {
  const { env } = sys;
  const config = readConfig(sys);
  // The older tool does not look at the second name when the first one is there and broken.
  const ageName = readText(env, "CLAUDE_USAGE_MAX_AGE") === undefined ? "CSM_USAGE_MAX_AGE_SECS" : "CLAUDE_USAGE_MAX_AGE";
  const maxAgeSeconds = readNumber(env, [ageName]);
  const choose = (name: string, key: "limitPercent" | "saturationPercent" | "holdPoints"): number =>
    readNumber(env, [name]) ?? parseAmount(config[key]) ?? scoreDefaults[key];
  return {
    policy:
      parsePolicy(given.policy ?? readText(env, "CSM_PICK_POLICY")) ??
      policies.find((word) => word === config.policy) ??
      scoreDefaults.policy,
    limitPercent: choose("CLAUDE_LIMIT_PCT", "limitPercent"),
    saturationPercent: choose("CLAUDE_PICK_SATURATION_PCT", "saturationPercent"),
    maxAgeMs: maxAgeSeconds === undefined ? (parseAmount(config.maxAgeMs) ?? scoreDefaults.maxAgeMs) : maxAgeSeconds * 1000,
    holdPoints: choose("CSM_PICK_HOLD_POINTS", "holdPoints"),
    ...present({ model: given.model }),
  };
}

function parsePolicy(word: string | undefined): Policy | undefined {
  const policy = policies.find((known) => known === word);
  if (policy === undefined && word !== undefined)
    throw unknownWord("unknown policy", word, policies, { otherwise: `there are ${policies.join(", ")}` });
  return policy;
}

const parseAmount = (value: unknown): number | undefined => (typeof value === "number" && value >= 0 ? value : undefined);

/** Profiles that are never chosen. */
export function readDisabledProfiles(sys: Sys): ReadonlySet<string> {
  const names = readConfig(sys).disabled;
  return new Set(Array.isArray(names) ? names.filter((name) => typeof name === "string") : []);
}

/** The part `usage`. A broken file counts as none here; `csm config` names what is wrong with it. */
function readConfig(sys: Sys): Record<string, unknown> {
  const value = parseJson(sys.readText(configPath(sys)) ?? "");
  return isRecord(value) && isRecord(value.usage) ? value.usage : {};
}
