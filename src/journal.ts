import { join } from "node:path";
import { csmDir } from "./paths.ts";
import type { Sys } from "./sys.ts";

/** One step of what csm did about a limit, in words that explain it later. */
export interface JournalEntry {
  /** Epoch ms. */
  at: number;
  event: "limit" | "switch" | "wait" | "continue" | "ask" | "stop" | "refused" | "failed";
  session: string;
  cwd?: string;
  from?: string;
  to?: string;
  window?: string;
  resets_at?: number;
  /** Lower case, no full stop. */
  reason?: string;
}

const maxBytes = 1024 * 1024;
const readBytes = 512 * 1024;

const journalPath = (sys: Sys): string => join(csmDir(sys), "journal.jsonl");

export function appendJournal(sys: Sys, entry: JournalEntry): void {
  const path = journalPath(sys);
  const size = sys.identify(path)?.size ?? 0;
  // The older half is kept next to it once.
  if (size > maxBytes) {
    sys.writePrivate(`${path}.1`, sys.readText(path) ?? "");
    sys.remove(path);
  }
  sys.appendPrivate(path, `${JSON.stringify(entry)}\n`);
}

/** Oldest first; lines that are torn or of another kind are passed over. */
export function readJournal(sys: Sys): JournalEntry[] {
  return (sys.readTail(journalPath(sys), readBytes)?.lines ?? []).flatMap((line) => {
    try {
      const entry = JSON.parse(line) as JournalEntry;
      return typeof entry.at === "number" && typeof entry.event === "string" && typeof entry.session === "string" ? [entry] : [];
    } catch {
      // Torn by a full disk.
      return [];
    }
  });
}
