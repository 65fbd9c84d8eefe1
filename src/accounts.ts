import { basename, join } from "node:path";
import { type ConfigFacts, parseConfigFacts } from "./claude-usage.ts";
import { statuslineDir } from "./paths.ts";
import { claudeJsonPath, currentProfile, plainDir, profileDirs, type Registry, realDir } from "./profiles.ts";
import { parseSample, type StatuslineSample } from "./statusline-sample.ts";
import { openRecords } from "./store.ts";
import type { Sys } from "./sys.ts";
import { type FileNote, type Ledger, type Reading, readingsOf } from "./usage-ledger.ts";

/** A config dir and the account that pays for it. */
export interface UsageProfile {
  name: string;
  dir: string;
  /** Without links. */
  real: string;
  /** Two profiles with the same login share it. */
  account: string;
  isRegistered: boolean;
  isCurrent: boolean;
}

/** The registered profiles, and the folder one is in where it is none of them. `~/.claude` goes by `claude`. */
export function readProfiles(sys: Sys, ledger: Ledger, registry: Registry): UsageProfile[] {
  const current = currentProfile(sys, registry)?.name;
  const notes = ledger.fileNotes();
  const readings: Reading[] = [];
  const news: FileNote[] = [];
  const realPlain = realDir(sys, plainDir(sys));
  const profiles = profileDirs(sys, registry).map(({ name, dir, real }): UsageProfile => {
    const path = real === realPlain ? claudeJsonPath(sys, { name: "", dir }) : join(dir, ".claude.json");
    const facts = readFacts(sys, path, notes, news);
    const account = facts.accountId ?? `dir:${real}`;
    const cached = facts.cached;
    // What another login of this folder left behind is not this one's.
    if (cached !== undefined && (cached.accountId ?? facts.accountId) === facts.accountId)
      readings.push(...readingsOf(account, cached.windows, "claude-cache", cached.at));
    return {
      name: name ?? plainName(sys, dir),
      dir,
      real,
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
function readFacts(sys: Sys, path: string, notes: ReadonlyMap<string, FileNote>, news: FileNote[]): ConfigFacts {
  const modifiedAt = sys.modifiedAt(path);
  const note = notes.get(path);
  if (modifiedAt === undefined) return {};
  if (note?.modifiedAt === Math.floor(modifiedAt)) return JSON.parse(note.text) as ConfigFacts;
  const facts = parseConfigFacts(sys.readText(path) ?? "", sys.now());
  news.push({ path, modifiedAt: Math.floor(modifiedAt), text: JSON.stringify(facts) });
  return facts;
}

const sampleLifeMs = 2 * 86_400_000;

/** What status lines were told last, one per session; forgotten after two days. `isWanted` leaves files out by when they were written. */
function readStatuslines(sys: Sys, isWanted: (file: string, modifiedAt: number) => boolean): StatuslineSample[] {
  const dir = statuslineDir(sys);
  for (const file of sys.list(dir)) {
    // A temporary file that is old was left by a process that was killed.
    const lifeMs = file.endsWith(".json") ? sampleLifeMs : 60_000;
    if (sys.now() - modifiedIn(sys, dir, file) > lifeMs) sys.remove(join(dir, file));
  }
  const samples = openRecords<StatuslineSample>(sys, { dir, decode: parseSample });
  return samples.list((name) => isWanted(`${name}.json`, modifiedIn(sys, dir, `${name}.json`))).records;
}

const modifiedIn = (sys: Sys, dir: string, file: string): number => sys.modifiedAt(join(dir, file)) ?? 0;

const foldNote = "statuslines";
/** Within one tick of a file system's clock two writes look alike. */
const clockTickMs = 100;

/** Puts what the status lines have said since the last time into the ledger. */
export function foldStatuslines(sys: Sys, ledger: Ledger, profiles: readonly UsageProfile[]): void {
  const now = sys.now();
  const note = ledger.fileNotes().get(foldNote);
  // Each word of a status line is a new file in its folder.
  const changedAt = sys.modifiedAt(statuslineDir(sys)) ?? 0;
  if (note?.modifiedAt === Math.floor(changedAt)) return;
  const seen = note === undefined ? {} : (JSON.parse(note.text) as Record<string, number>);
  const files: Record<string, number> = {};
  const samples = readStatuslines(sys, (name, modifiedAt) => {
    files[name] = modifiedAt;
    return seen[name] !== modifiedAt;
  });
  const accounts = new Map(profiles.map(({ real, account }) => [real, account]));
  const readings = samples.flatMap((sample) => {
    const dir = realDir(sys, sample.configDir);
    return readingsOf(accounts.get(dir) ?? `dir:${dir}`, sample.windows, "statusline", sample.limitsAt);
  });
  ledger.record(readings, now);
  // A folder that has only just changed may change again without looking so: it is looked through once more.
  ledger.noteFiles([
    { path: foldNote, modifiedAt: now - changedAt > clockTickMs ? Math.floor(changedAt) : 0, text: JSON.stringify(files) },
  ]);
}
