import { basename, join } from "node:path";
import { type ConfigFacts, parseConfigFacts } from "./claude-usage.ts";
import { parseRecord } from "./json.ts";
import { claudeJsonPath, currentProfile, plainDir, profileDirs, type Registry, realDir } from "./profiles.ts";
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
  if (note?.modifiedAt === Math.floor(modifiedAt)) return (parseRecord(note.text) ?? {}) as ConfigFacts;
  const facts = parseConfigFacts(sys.readText(path) ?? "", sys.now());
  news.push({ path, modifiedAt: Math.floor(modifiedAt), text: JSON.stringify(facts) });
  return facts;
}
