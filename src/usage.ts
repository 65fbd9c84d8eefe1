import { readProfiles, type UsageProfile } from "./accounts.ts";
import type { Windows } from "./claude-usage.ts";
import { parseRecord, present } from "./json.ts";
import { fleetPath } from "./paths.ts";
import { type Registry, readRegistryOrNone } from "./profiles.ts";
import { effectiveWindow, type Ranking, scoreCandidates } from "./scorer.ts";
import { readSettings } from "./settings.ts";
import type { Sys } from "./sys.ts";
import type { Blob } from "./usage-blob.ts";
import { type Ledger, openLedger, type Reading, readingsOf, withKnownEnd } from "./usage-ledger.ts";
import {
  blobCachePath,
  type Fetched,
  fetchBlob,
  isConfigured,
  isOfFleet,
  newestReadings,
  readCachedBlob,
  readSources,
  type Source,
  turnAfterReset,
} from "./usage-sources.ts";

export interface ProfileUsage extends UsageProfile {
  /** By name; the newest trustworthy reading of each. */
  windows: Map<string, Reading>;
  /** When the newest of them was true. */
  readAt?: number;
  /** Other profiles with the same login. */
  sharedWith: string[];
  isDisabled: boolean;
  /** Why a hub could not read it, where nothing newer is known. */
  error?: string;
}

export interface UsageReport {
  now: number;
  /** Registered ones by name, then a folder one is in that is none of them. */
  profiles: ProfileUsage[];
  /** In the hub's answer only: names that no profile here has. */
  foreign: { name: string; windows: Windows; at: number; error?: string }[];
  /** A source of blobs is named in the environment. */
  isConfigured: boolean;
  /** Why the newest fetch brought nothing. */
  failure?: string;
}

export interface UsageOptions {
  registry?: Registry;
  /** Whether to ask the sources that cost something; else what is known is all there is. */
  fetches: boolean;
  /** Whether to look for limits in transcripts; it does when it fetches. */
  looks?: boolean;
  /** Whether to ask claude itself about accounts that are not known well enough. */
  asks?: boolean;
  /** Without what other machines told. */
  isLocal?: boolean;
  warn?: (text: string) => void;
}

/** What every account has used, from all there is to know on this machine and, when asked to, beyond. */
export async function readUsage(given: Sys, options: UsageOptions): Promise<UsageReport> {
  const sys = withKnownPaths(given);
  const registry = options.registry ?? readRegistryOrNone(sys);
  const ledger = openLedger(sys);
  try {
    const profiles = readProfiles(sys, ledger, registry);
    const look = { sys, ledger, profiles };
    await readSources(look, "always");
    const settings = readSettings(sys).part("fetch");
    let failure: string | undefined;
    if (options.looks ?? options.fetches) await readSources(look, "looking");
    if (options.fetches) {
      const fetched = isConfigured(sys, settings) ? await fetchBlob(sys, settings, options.warn ?? (() => {})) : undefined;
      if (fetched !== undefined && "failure" in fetched) failure = fetched.failure;
      else if (fetched !== undefined) recordBlob(sys, ledger, profiles, fetched);
    }
    if (options.asks === true) await readSources(look, "asking");
    const cached = readCachedBlob(sys);
    if (cached !== undefined) recordCached(sys, ledger, profiles, cached);
    return createReport(sys, ledger, profiles, {
      ...present({ cached, failure, isLocal: options.isLocal }),
    });
  } finally {
    ledger.close();
  }
}

/** Each of many profiles is compared with all others: a path is resolved once. */
function withKnownPaths(sys: Sys): Sys {
  const known = new Map<string, string | undefined>();
  const realPath = (path: string) => {
    if (!known.has(path)) known.set(path, sys.realPath(path));
    return known.get(path);
  };
  return { ...sys, realPath };
}

type Answer = Exclude<Fetched, { failure: string }>;

function recordBlob(sys: Sys, ledger: Ledger, profiles: readonly UsageProfile[], { blob, source, at }: Answer): void {
  const accounts = new Map(profiles.filter(({ isRegistered }) => isRegistered).map(({ name, account }) => [name, account]));
  const readings = [...blob.profiles].flatMap(([name, { windows, capturedAt }]) => {
    const account = accounts.get(name);
    return account === undefined ? [] : readingsOf(account, windows, source, Math.min(capturedAt ?? blob.capturedAt ?? at, at));
  });
  ledger.record(readings, sys.now());
}

/** Once for each cache that somebody has written, and for each set of profiles. */
function recordCached(sys: Sys, ledger: Ledger, profiles: readonly UsageProfile[], cached: { blob: Blob; at: number }): void {
  const note = {
    path: blobCachePath(sys),
    modifiedAt: Math.floor(cached.at),
    text: JSON.stringify(profiles.map(({ account }) => account)),
  };
  const known = ledger.fileNotes().get(note.path);
  if (known?.modifiedAt === note.modifiedAt && known.text === note.text) return;
  recordBlob(sys, ledger, profiles, { ...cached, source: "cache" });
  ledger.noteFiles([note]);
}

function createReport(
  sys: Sys,
  ledger: Ledger,
  profiles: readonly UsageProfile[],
  { cached, failure, isLocal }: { cached?: NonNullable<ReturnType<typeof readCachedBlob>>; failure?: string; isLocal?: boolean },
): UsageReport {
  const known = ledger.readings().filter(({ source }) => isLocal !== true || !isOfFleet(source));
  const readings = newestReadings(known.map((reading) => withKnownEnd(reading, sys.now())));
  const settings = readSettings(sys);
  const disabled = new Set(settings.said("usage.disabled"));
  const names = new Set(profiles.map(({ name }) => name));
  const sharers = Map.groupBy(profiles, ({ account }) => account);
  const foreign = [...new Set([...(cached?.blob.profiles.keys() ?? []), ...(cached?.blob.errors.keys() ?? [])])].filter(
    (name) => !names.has(name),
  );
  return {
    now: sys.now(),
    isConfigured: isConfigured(sys, settings.part("fetch")),
    ...present({ failure }),
    profiles: profiles.map((profile) => {
      const windows = readings.get(profile.account) ?? new Map<string, Reading>();
      const times = [...windows.values()].map(({ at }) => at);
      const error = cached?.blob.errors.get(profile.name);
      return {
        ...profile,
        windows,
        ...(times.length === 0 ? {} : { readAt: Math.max(...times) }),
        sharedWith: (sharers.get(profile.account) ?? []).filter((other) => other !== profile).map(({ name }) => name),
        isDisabled: disabled.has(profile.name),
        ...(error === undefined || !profile.isRegistered || Math.max(...times) > (cached?.at ?? 0) ? {} : { error }),
      };
    }),
    foreign: foreign.sort().map((name) => {
      const error = cached?.blob.errors.get(name);
      const profile = cached?.blob.profiles.get(name);
      return {
        name,
        windows: profile?.windows ?? {},
        at: profile?.capturedAt ?? cached?.blob.capturedAt ?? cached?.at ?? 0,
        ...present({ error }),
      };
    }),
  };
}

/** Adds what somebody has learnt of the account of a config dir. */
export function recordUsage(sys: Sys, configDir: string, windows: Windows, source: Source, at = sys.now()): void {
  const ledger = openLedger(sys);
  try {
    ledger.record(readingsOf(accountOf(sys, ledger, configDir), windows, source, at), sys.now());
  } finally {
    ledger.close();
  }
}

/** How long a limit holds that does not say when it ends. */
const unknownLimitMs = { five_hour: 5 * 3_600_000, week: 24 * 3_600_000 };

/** The account of this config dir has reached a limit: the window counts as used up until it resets. */
export function recordLimit(sys: Sys, configDir: string, window: string, resetsAt?: number, at = sys.now()): void {
  const name = /^(?:five_hour|seven_day\w*)$/.test(window) ? window : "five_hour";
  const end = resetsAt ?? at + (name === "five_hour" ? unknownLimitMs.five_hour : unknownLimitMs.week);
  recordUsage(sys, configDir, { [name]: { usedPercent: 100, resetsAt: end } }, "limit", at);
}

/** Undefined where this machine has joined no fleet. */
export function readTurn(sys: Sys, configDir: string, resetsAt: number | undefined): { place: number; of: number } | undefined {
  const own = resetsAt === undefined ? undefined : parseRecord(sys.readText(fleetPath(sys)))?.machine;
  if (resetsAt === undefined || typeof own !== "string") return undefined;
  const ledger = openLedger(sys);
  try {
    return turnAfterReset(ledger.readings(), accountOf(sys, ledger, configDir), resetsAt, own);
  } finally {
    ledger.close();
  }
}

function accountOf(sys: Sys, ledger: Ledger, configDir: string): string {
  const registry: Registry = { profiles: [{ name: "this", dir: configDir }], defaultName: "this" };
  return readProfiles(sys, ledger, registry)[0]?.account ?? `dir:${configDir}`;
}

export interface RankOptions {
  /** The profile one is in; that of the environment unless told. */
  current?: string;
  /** Whether staying is a choice; it is, unless told. */
  includeCurrent?: boolean;
  policy?: string;
  model?: string;
  /** Off where a limited profile must be left with whatever is known. */
  hasAgeGate?: boolean;
}

/** Registered profiles only, in the order in which they should work. */
export function rankAccounts(sys: Sys, report: UsageReport, options: RankOptions): Ranking {
  const { includeCurrent = true, hasAgeGate = true } = options;
  const settings = readSettings(sys, { "usage.policy": options.policy }).part("usage");
  const current = options.current ?? report.profiles.find(({ isCurrent }) => isCurrent)?.name;
  const candidates = report.profiles.filter(({ isRegistered }) => isRegistered).map(createCandidate);
  return scoreCandidates(candidates, {
    ...settings,
    ...(hasAgeGate ? {} : { maxAgeMs: 0 }),
    now: report.now,
    includeCurrent,
    ...present({ current, model: options.model }),
  });
}

const createCandidate = ({ name, windows, readAt, error, isDisabled }: ProfileUsage) => ({
  name,
  windows: Object.fromEntries([...windows].map(([window, reading]) => [window, reading])),
  isDisabled,
  ...present({ readAt, error }),
});

/** A window of a profile at this moment; one that has reset is empty. */
export const windowNow = (profile: Pick<ProfileUsage, "windows">, name: string, now: number) =>
  effectiveWindow(profile.windows.get(name), now);
