import type { Windows } from "./claude-usage.ts";
import { type Database, openCache } from "./database.ts";
import { hasShape } from "./json.ts";
import { usageDbPath } from "./paths.ts";
import type { Sys } from "./sys.ts";

/** One window of one account as one source saw it. */
export interface Reading {
  account: string;
  window: string;
  /** Name of a row of `sources`; a later version may have written others. */
  source: string;
  usedPercent: number;
  /** Epoch ms. */
  resetsAt?: number;
  /** When it was true, epoch ms. */
  at: number;
}

export const readingsOf = (account: string, windows: Windows, source: string, at: number): Reading[] =>
  Object.entries(windows).map(([window, value]) => ({ account, window, source, at, ...value }));

/** The store of readings, shared by all processes. Safe to delete: what it knows comes again. */
export interface Ledger {
  readings(): Reading[];
  /** Of each account, window and source the newest stays. */
  record(readings: readonly Reading[], now: number): void;
  /** What is known of files since they were last changed. */
  fileNotes(): Map<string, FileNote>;
  noteFiles(notes: readonly FileNote[]): void;
  /** Takes a place among the questions to an account; false when it has been asked often enough. */
  tryAsk(account: string, now: number, limits: { everyMs: number; perHour: number }): boolean;
  close(): void;
}

export interface FileNote {
  path: string;
  modifiedAt: number;
  text: string;
}

const schema = {
  version: 1,
  tables: `
    CREATE TABLE reading (account TEXT, window TEXT, source TEXT, used REAL, resets INTEGER, at INTEGER,
      PRIMARY KEY (account, window, source)) WITHOUT ROWID;
    CREATE TABLE file (path TEXT PRIMARY KEY, modified INTEGER, note TEXT) WITHOUT ROWID;
    CREATE TABLE ask (account TEXT, at INTEGER);`,
};

interface Row {
  account: string;
  window: string;
  source: string;
  used: number;
  resets: number | null;
  at: number;
}

/** The caller closes it. */
export function openLedger(sys: Sys): Ledger {
  const cache = openCache(usageDbPath(sys), schema);
  const all = <T>(sql: string, ...values: (string | number)[]) => cache.use((database) => database.query(sql).all(...values) as T[]);
  const write = (action: (database: Database) => void) => cache.use((database) => database.transaction(() => action(database)).immediate());
  return {
    readings: () => all("SELECT account, window, source, used, resets, at FROM reading").filter(isRow).map(readingOf),
    record(readings, now) {
      if (readings.length === 0) return;
      write((database) => {
        database.run("DELETE FROM reading WHERE at < ?", [now - keptMs]);
        const put = database.query(
          `INSERT INTO reading VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET used = excluded.used, resets = excluded.resets,
           at = excluded.at WHERE excluded.at >= reading.at`,
        );
        for (const { account, window, source, usedPercent, resetsAt, at } of readings.map((reading) => trusted(reading, now)))
          put.run(account, window, source, usedPercent, resetsAt ?? null, at);
      });
    },
    fileNotes: () =>
      new Map(all<{ path: string; modified: number; note: string }>("SELECT * FROM file").map((row) => [row.path, noteOf(row)])),
    noteFiles(notes) {
      if (notes.length === 0) return;
      write((database) => {
        const put = database.query("INSERT OR REPLACE INTO file VALUES (?, ?, ?)");
        for (const { path, modifiedAt, text } of notes) put.run(path, modifiedAt, text);
      });
    },
    tryAsk(account, now, { everyMs, perHour }) {
      let isFree = false;
      write((database) => {
        database.run("DELETE FROM ask WHERE at < ? OR at > ?", [now - HOUR, now + HOUR]);
        const asked = (database.query("SELECT at FROM ask WHERE account = ?").all(account) as { at: number }[]).map(({ at }) => at);
        isFree = asked.length < perHour && asked.every((at) => now - at >= everyMs);
        if (isFree) database.run("INSERT INTO ask VALUES (?, ?)", [account, now]);
      });
      return isFree;
    },
    close: cache.close,
  };
}

/** A page that was damaged on the disk can hold anything. */
const isRow = (row: unknown): row is Row =>
  hasShape(row, { account: "string", window: "string", source: "string", used: "number", at: "time" }) &&
  (row.resets === null || hasShape(row, { resets: "time" }));

const readingOf = ({ account, window, source, used, resets, at }: Row): Reading =>
  resets === null
    ? { account, window, source, usedPercent: used, at }
    : { account, window, source, usedPercent: used, resetsAt: resets, at };

const noteOf = ({ path, modified, note }: { path: string; modified: number; note: string }): FileNote => ({
  path,
  modifiedAt: modified,
  text: note,
});

const HOUR = 3_600_000;
/** No window is so long; who told it may be gone for good. */
const keptMs = 60 * 24 * HOUR;
const toleranceMs = 60_000;

/** No reading is from the future, and no window resets later than its own length allows. */
function trusted(reading: Reading, now: number): Reading {
  const at = reading.at > now + toleranceMs ? now : Math.round(reading.at);
  const longestMs = (reading.window === "five_hour" ? 6 : 8 * 24) * HOUR;
  const { resetsAt, ...rest } = reading;
  return { ...rest, at, ...(resetsAt === undefined || resetsAt > at + longestMs ? {} : { resetsAt: Math.round(resetsAt) }) };
}

const lengthMs = (window: string): number => (window === "five_hour" ? 5 : 7 * 24) * HOUR;

/** A window that does not say when it resets has done so once its whole length has passed. */
export function withKnownEnd(reading: Reading, now: number): Reading {
  const end = reading.at + lengthMs(reading.window);
  return reading.resetsAt === undefined && end <= now ? { ...reading, resetsAt: end } : reading;
}
