import { basename, join } from "node:path";
import { parseLines } from "./claude-transcript.ts";
import { type ConfigFacts, parseConfigFacts, parseQuotaLimit } from "./claude-usage.ts";
import { statuslineDir } from "./paths.ts";
import { currentProfile, plainDir, profileDirs, profileEnv, type Registry } from "./registry.ts";
import { parseSample, type StatuslineSample } from "./statusline-sample.ts";
import type { Sys } from "./sys.ts";
import { listTranscripts } from "./transcript-files.ts";
import { type FileNote, type Ledger, type Reading, readingsOf } from "./usage-ledger.ts";

/** A config dir and the account that pays for it. */
export interface UsageProfile {
  name: string;
  dir: string;
  /** Two profiles with the same login share it. */
  account: string;
  isRegistered: boolean;
  isCurrent: boolean;
}

const realDir = (sys: Sys, dir: string): string => sys.realPath(dir) ?? dir.replace(/(.)\/+$/, "$1");

/** The registered profiles, and the folder one is in where it is none of them. `~/.claude` goes by `claude`. */
export function readProfiles(sys: Sys, ledger: Ledger, registry: Registry): UsageProfile[] {
  const current = currentProfile(sys, registry)?.name;
  const notes = ledger.fileNotes();
  const readings: Reading[] = [];
  const news: FileNote[] = [];
  const profiles = profileDirs(sys, registry).map(({ name, dir }): UsageProfile => {
    const facts = readFacts(sys, dir, notes, news);
    const account = facts.accountId ?? `dir:${realDir(sys, dir)}`;
    const cached = facts.cached;
    // What another login of this folder left behind is not this one's.
    if (cached !== undefined && (cached.accountId ?? facts.accountId) === facts.accountId)
      readings.push(...readingsOf(account, cached.windows, "claude-cache", cached.at));
    return {
      name: name ?? plainName(sys, dir),
      dir,
      account,
      isRegistered: name !== undefined,
      isCurrent: name !== undefined && name === current,
    };
  });
  if (news.length > 0) {
    ledger.record(readings, sys.now());
    ledger.noteFiles(news);
  }
  return profiles;
}

const plainName = (sys: Sys, dir: string): string => (dir === plainDir(sys) ? "claude" : basename(dir));

/** `.claude.json` may be large: it is looked at again only after a change, and only at two keys. */
function readFacts(sys: Sys, dir: string, notes: ReadonlyMap<string, FileNote>, news: FileNote[]): ConfigFacts {
  const isPlain = profileEnv(sys, { name: "", dir }).CLAUDE_CONFIG_DIR === undefined;
  const path = isPlain ? `${plainDir(sys)}.json` : join(dir, ".claude.json");
  const modifiedAt = sys.modifiedAt(path);
  const note = notes.get(path);
  if (modifiedAt === undefined) return {};
  if (note?.modifiedAt === Math.floor(modifiedAt)) return JSON.parse(note.text) as ConfigFacts;
  const facts = parseConfigFacts(sys.readText(path) ?? "", sys.now());
  news.push({ path, modifiedAt: Math.floor(modifiedAt), text: JSON.stringify(facts) });
  return facts;
}

const sampleLifeMs = 2 * 86_400_000;

/** What status lines were told last, one per session; forgotten after two days. `since` leaves out those that said nothing later. */
export function readStatuslines(sys: Sys, since = 0): StatuslineSample[] {
  const dir = statuslineDir(sys);
  return sys.list(dir).flatMap((name) => {
    const path = join(dir, name);
    const modifiedAt = sys.modifiedAt(path) ?? 0;
    const isSample = name.endsWith(".json");
    // A temporary file that is old was left by a process that was killed.
    if (sys.now() - modifiedAt > (isSample ? sampleLifeMs : 60_000)) sys.remove(path);
    return (isSample && modifiedAt >= since ? parseSample(sys.readText(path) ?? "") : undefined) ?? [];
  });
}

const foldNote = "statuslines";
/** File systems and clocks do not agree to the millisecond. */
const overlapMs = 2000;

/** Puts what the status lines have said since the last time into the ledger. */
export function foldStatuslines(sys: Sys, ledger: Ledger, profiles: readonly UsageProfile[]): void {
  const now = sys.now();
  const accounts = new Map(profiles.map(({ dir, account }) => [realDir(sys, dir), account]));
  const samples = readStatuslines(sys, (ledger.fileNotes().get(foldNote)?.modifiedAt ?? 0) - overlapMs);
  if (samples.length === 0) return;
  const readings = samples.flatMap((sample) => {
    const dir = realDir(sys, sample.configDir);
    return readingsOf(accounts.get(dir) ?? `dir:${dir}`, sample.windows, "statusline", sample.limitsAt);
  });
  ledger.record(readings, now);
  ledger.noteFiles([{ path: foldNote, modifiedAt: now, text: "{}" }]);
}

const limitLifeMs = 7 * 86_400_000;
const tailBytes = 64 * 1024;
const maxTranscripts = 200;
const lookNote = "transcripts";

/**
 * Limits that ended a turn of a session nobody watched: the ends of transcripts that have grown since the last look. One that
 * several accounts can see (linked, or copied to go on elsewhere) does not tell whose limit it was.
 */
export function foldTranscripts(sys: Sys, ledger: Ledger, profiles: readonly UsageProfile[]): void {
  const now = sys.now();
  const since = Math.max(ledger.fileNotes().get(lookNote)?.modifiedAt ?? 0, now - limitLifeMs);
  const accounts = new Map(profiles.map(({ dir, account }) => [dir, account]));
  const files = listTranscripts(sys, { configDirs: profiles.map(({ dir }) => dir) });
  const owners = new Map<string, Set<string | undefined>>();
  for (const { sessionId, configDirs } of files) {
    const owner = owners.get(sessionId) ?? new Set();
    owners.set(sessionId, owner);
    for (const dir of configDirs) owner.add(accounts.get(dir));
  }
  const changed = files.filter((file) => file.modifiedAt >= since).sort((a, b) => b.modifiedAt - a.modifiedAt);
  const readings = changed.slice(0, maxTranscripts).flatMap((file) => {
    const [account, ...others] = owners.get(file.sessionId) ?? [];
    return account === undefined || others.length > 0 ? [] : readLimits(sys, file.path, account);
  });
  ledger.record(readings, now);
  // A line may be written while we look: the next look begins a little earlier.
  ledger.noteFiles([{ path: lookNote, modifiedAt: now - 2000, text: "{}" }]);
}

function readLimits(sys: Sys, path: string, account: string): Reading[] {
  const lines = sys.readTail(path, tailBytes)?.lines ?? [];
  return parseLines(lines.filter((line) => line.includes('"quotaLimits"'))).flatMap((event) => {
    if (event.kind !== "error" || event.error.limit === undefined) return [];
    const windows = parseQuotaLimit(event.error.limit);
    return windows === undefined ? [] : readingsOf(account, windows, "transcript", event.at);
  });
}
