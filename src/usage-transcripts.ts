import { parseLines } from "./claude-transcript.ts";
import { parseQuotaLimit } from "./claude-usage.ts";
import type { Sys } from "./sys.ts";
import { listTranscripts } from "./transcript-files.ts";
import { type Ledger, type Reading, readingsOf } from "./usage-ledger.ts";
import type { UsageProfile } from "./usage-profiles.ts";

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
