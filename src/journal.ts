import { join } from "node:path";
import { csmDir } from "./paths.ts";
import { type Log, openLog } from "./store.ts";
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

/** The newest are read, oldest first. */
export const openJournal = (sys: Sys): Log<JournalEntry> =>
  openLog<JournalEntry>(sys, {
    path: join(csmDir(sys), "journal.jsonl"),
    maxBytes,
    readBytes,
    required: { at: "time", event: "string", session: "string" },
    optional: { cwd: "string", from: "string", to: "string", window: "string", resets_at: "time", reason: "string" },
  });
