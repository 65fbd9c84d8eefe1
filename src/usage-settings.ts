import { isRecord, parseJson } from "./claude-usage.ts";
import { usageError } from "./errors.ts";
import { configPath } from "./paths.ts";
import { type Policy, policies, type ScoreOptions, scoreDefaults } from "./scorer.ts";
import type { Sys } from "./sys.ts";

type Env = Readonly<Record<string, string | undefined>>;

/** The first variable that is a number counts. */
function readNumber(env: Env, names: readonly string[], fallback: number): number {
  for (const name of names) {
    const text = (env[name] ?? "").trim();
    if (/^\d+(?:\.\d+)?$/.test(text)) return Number(text);
  }
  return fallback;
}

const readText = (env: Env, name: string): string | undefined => (env[name] ?? "").trim() || undefined;

/** Where usage is fetched from, and how long each may take. */
export function readFetchSettings(env: Env) {
  const seconds = (fallback: number, ...names: string[]) => Math.min(readNumber(env, names, fallback), 86_400) * 1000;
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

export type FetchSettings = ReturnType<typeof readFetchSettings>;

/** Any of them is enough: a hub is one too. */
export const isConfigured = ({ url, hub, command }: FetchSettings): boolean => [url, hub, command].some((value) => value !== undefined);

export type ScoreSettings = Omit<ScoreOptions, "now" | "current" | "includeCurrent">;

/** The policy of the command line wins over that of the environment, which wins over the file's. */
export function readScoreSettings(sys: Sys, given: { policy?: string; model?: string } = {}): ScoreSettings {
  const { env } = sys;
  const config = readConfig(sys);
  const policy =
    given.policy ?? readText(env, "CSM_PICK_POLICY") ?? (typeof config.pickPolicy === "string" ? config.pickPolicy : undefined);
  // The older tool does not look at the second name when the first one is there and broken.
  const ageName = readText(env, "CLAUDE_USAGE_MAX_AGE") === undefined ? "CSM_USAGE_MAX_AGE_SECS" : "CLAUDE_USAGE_MAX_AGE";
  return {
    policy: parsePolicy(policy),
    limitPercent: readNumber(env, ["CLAUDE_LIMIT_PCT"], scoreDefaults.limitPercent),
    saturationPercent: readNumber(env, ["CLAUDE_PICK_SATURATION_PCT"], scoreDefaults.saturationPercent),
    maxAgeMs: readNumber(env, [ageName], scoreDefaults.maxAgeMs / 1000) * 1000,
    holdPoints: readNumber(env, ["CSM_PICK_HOLD_POINTS"], scoreDefaults.holdPoints),
    ...(given.model === undefined ? {} : { model: given.model }),
  };
}

function parsePolicy(word: string | undefined): Policy {
  if (word === undefined) return scoreDefaults.policy;
  const policy = policies.find((known) => known === word);
  if (policy === undefined) throw usageError(`unknown policy ${JSON.stringify(word)}`, `there are ${policies.join(", ")}`);
  return policy;
}

/** Profiles that are never chosen: `disabledProfiles` in csm's config file. */
export function readDisabledProfiles(sys: Sys): ReadonlySet<string> {
  const names = readConfig(sys).disabledProfiles;
  return new Set(Array.isArray(names) ? names.filter((name) => typeof name === "string") : []);
}

/** A broken file counts as none here; `csm config` names what is wrong with it. */
function readConfig(sys: Sys): Record<string, unknown> {
  const value = parseJson(sys.readText(configPath(sys)) ?? "");
  return isRecord(value) ? value : {};
}
