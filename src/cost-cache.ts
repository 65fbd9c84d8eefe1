import { originsOf, type Transcript } from "./cost-files.ts";
import { type Cell, createRecords, filledRows, type Merged, quarterMs } from "./cost-records.ts";
import type { FileOrigin } from "./cost-report.ts";
import type { FileScan } from "./cost-scan.ts";
import { openCache } from "./database.ts";

/** What was read before; it may be deleted at any time. */
export interface CostCache {
  /** The sums of exactly this state of all files, where they were made before. */
  readSums(fingerprint: string): Sums | undefined;
  /** Those that were made last at these prices, of whatever state, from this moment on. */
  readLastSums(tableId: string, since: number): LastSums | undefined;
  /** The same of one conversation by itself; undefined where it was not summed. */
  readOwnSums(tableId: string, sessionId: string): LastSums | undefined;
  readScans(): Map<string, FileScan>;
  readScan(path: string): FileScan | undefined;
  /** Of each file, as far as it is read. */
  readStates(): Map<string, ScanState>;
  /** Replaces what is known of these files, forgets those that are gone, and keeps the sums. */
  write(changed: readonly FileScan[], gone: readonly string[], made: Making, sums: Sums, own: ReadonlyMap<string, OwnSums>): void;
  close(): void;
}

export interface Sums extends Merged {
  /** Of each file, in the order of the list. */
  cwds: string[];
  unreadable: number;
  /** Files without a line that this version understands. */
  unknownFiles: string[];
}

type ScanState = Pick<FileScan, "id" | "size" | "modifiedAt" | "position">;

/** Of what the sums were made. */
interface Making {
  fingerprint: string;
  tableId: string;
  /** When the files were looked at, epoch ms. */
  at: number;
  files: readonly Transcript[];
}

/** What one conversation used with its sub-agents, whatever stands in others too. */
export type OwnSums = Pick<Merged, "models" | "cells">;

export type LastSums = Pick<Sums, "models" | "cells"> & Pick<Making, "at"> & { origins: FileOrigin[] };

/** The largest come last in a row: what stands behind them is reached by reading them. */
const schema = {
  version: 4,
  isExpendable: true as const,
  tables: `
    CREATE TABLE file (path TEXT PRIMARY KEY, id TEXT, size INTEGER, modified_at REAL, position INTEGER, print BLOB,
      cwd TEXT, format TEXT, unreadable INTEGER, models TEXT, records BLOB) WITHOUT ROWID;
    CREATE TABLE sums (fingerprint TEXT, table_id TEXT, at REAL, facts TEXT, origins TEXT, recent BLOB, spends BLOB, cells BLOB);
    CREATE TABLE own (session TEXT PRIMARY KEY, models TEXT, cells BLOB) WITHOUT ROWID;`,
};

interface FileRow extends Omit<FileScan, "modifiedAt" | "print" | "records" | "readBytes"> {
  modified_at: number;
  print: Uint8Array;
  models: string;
  records: Uint8Array;
}

interface SumsRow {
  facts: string;
  cells: Uint8Array;
  spends: Uint8Array;
}

interface LastSumsRow {
  facts: string;
  table_id: string;
  at: number;
  origins: string;
}

interface OwnRow {
  models: string;
  cells: Uint8Array;
}

/** More than the longest period of a budget: what is asked for at every call of a hook stands by itself. */
const recentMs = 32 * 86_400_000;

export function openCostCache(path: string): CostCache {
  const cache = openCache(path, schema);
  return {
    readSums: (fingerprint) =>
      cache.use((database) => {
        const row = database.query("SELECT facts, cells, spends FROM sums WHERE fingerprint = ?").get(fingerprint) as SumsRow | null;
        return row === null ? undefined : decodeSums(row);
      }),
    readLastSums: (tableId, since) =>
      cache.use((database) => {
        const row = database.query("SELECT facts, table_id, at, origins FROM sums").get() as LastSumsRow | null;
        if (row === null || row.table_id !== tableId) return undefined;
        const column = since >= row.at - recentMs ? "recent" : "cells";
        const { cells } = database.query(`SELECT ${column} AS cells FROM sums`).get() as { cells: Uint8Array };
        return {
          ...(JSON.parse(row.facts) as Pick<Sums, "models">),
          at: row.at,
          origins: JSON.parse(row.origins) as FileOrigin[],
          cells: decodeRows(cells, cellFields, decodeCell).filter(({ quarter }) => (quarter + 1) * quarterMs > since),
        };
      }),
    readOwnSums: (tableId, sessionId) =>
      cache.use((database) => {
        const made = database.query("SELECT at FROM sums WHERE table_id = ?").get(tableId) as { at: number } | null;
        if (made === null) return undefined;
        const row = database.query("SELECT models, cells FROM own WHERE session = ?").get(sessionId) as OwnRow | null;
        // It is new, or the sums were made when no budget asked for them.
        if (row === null) return undefined;
        const origins = [{ profile: undefined, sessionId, project: "" }];
        const cells = decodeRows(row.cells, cellFields, decodeCell).map((cell) => ({ ...cell, file: 0 }));
        return { ...made, origins, models: JSON.parse(row.models) as string[], cells };
      }),
    readScans: () =>
      cache.use((database) => {
        const rows = database.query("SELECT * FROM file").all() as FileRow[];
        return new Map(rows.map((row) => [row.path, decodeScan(row)]));
      }),
    readScan: (path) =>
      cache.use((database) => {
        const row = database.query("SELECT * FROM file WHERE path = ?").get(path) as FileRow | null;
        return row === null ? undefined : decodeScan(row);
      }),
    readStates: () =>
      cache.use((database) => {
        const rows = database.query("SELECT path, id, size, modified_at, position FROM file").all() as FileRow[];
        return new Map(rows.map(({ path, modified_at, ...row }) => [path, { ...row, modifiedAt: modified_at }]));
      }),
    write: (changed, gone, { fingerprint, tableId, at, files }, sums, own) =>
      cache.use((database) => {
        const put = database.query("REPLACE INTO file VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
        const drop = database.query("DELETE FROM file WHERE path = ?");
        database
          .transaction(() => {
            for (const scan of changed) put.run(...encodeScan(scan));
            for (const file of gone) drop.run(file);
            database.run("DELETE FROM sums");
            const origins = JSON.stringify(originsOf(files, sums.cwds));
            const recent = encodeCells(sums.cells.filter(({ lastAt }) => lastAt >= at - recentMs - quarterMs));
            database
              .query("INSERT INTO sums VALUES (?, ?, ?, ?, ?, ?, ?, ?)")
              .run(fingerprint, tableId, at, encodeFacts(sums), origins, recent, encodeSpends(sums.spends), encodeCells(sums.cells));
            database.run("DELETE FROM own");
            const putOwn = database.query("INSERT INTO own VALUES (?, ?, ?)");
            for (const [session, { models, cells }] of own) putOwn.run(session, JSON.stringify(models), encodeCells(cells));
          })
          .immediate();
      }),
    close: cache.close,
  };
}

const bytesOf = ({ buffer, byteOffset, byteLength }: Float64Array): Uint8Array =>
  new Uint8Array(buffer as ArrayBuffer, byteOffset, byteLength);
/** A copy, because a blob may begin at any byte. */
const numbersOf = (bytes: Uint8Array): Float64Array => new Float64Array(bytes.slice().buffer as ArrayBuffer);

const encodeScan = (scan: FileScan) =>
  [
    ...[scan.path, scan.id, scan.size, scan.modifiedAt, scan.position, scan.print, scan.cwd, scan.format, scan.unreadable],
    ...[JSON.stringify(scan.records.models), bytesOf(filledRows(scan.records))],
  ] as (string | number | Uint8Array)[];

function decodeScan({ modified_at, print, models, records, ...row }: FileRow): FileScan {
  return {
    ...row,
    modifiedAt: modified_at,
    print: Buffer.from(print),
    records: createRecords(numbersOf(records), JSON.parse(models) as string[]),
    readBytes: 0,
  };
}

const encodeFacts = ({ models, cwds, unreadable, unknownFiles }: Sums): string =>
  JSON.stringify({ models, cwds, unreadable, unknownFiles });

const encodeCells = (cells: readonly Cell[]): Uint8Array => encodeRows(cells, cellFields);
const encodeSpends = (spends: Merged["spends"]): Uint8Array => encodeRows(spends, spendFields);

function encodeRows<K extends string>(rows: readonly Record<K, number>[], fields: readonly K[]): Uint8Array {
  const numbers = new Float64Array(rows.length * fields.length);
  let index = 0;
  for (const row of rows) for (const field of fields) numbers[index++] = row[field];
  return bytesOf(numbers);
}

function decodeSums({ facts, cells, spends }: SumsRow): Sums {
  return {
    ...(JSON.parse(facts) as Pick<Sums, "models" | "cwds" | "unreadable" | "unknownFiles">),
    cells: decodeRows(cells, cellFields, decodeCell),
    spends: decodeRows(spends, spendFields, decodeSpend),
  };
}

function decodeRows<T>(bytes: Uint8Array, fields: readonly string[], decode: (numbers: Float64Array, from: number) => T): T[] {
  const numbers = numbersOf(bytes);
  const rows: T[] = [];
  for (let from = 0; from < numbers.length; from += fields.length) rows.push(decode(numbers, from));
  return rows;
}

const decodeCell = (numbers: Float64Array, from: number): Cell => ({
  file: numbers[from] ?? 0,
  quarter: numbers[from + 1] ?? 0,
  model: numbers[from + 2] ?? 0,
  input: numbers[from + 3] ?? 0,
  output: numbers[from + 4] ?? 0,
  write5m: numbers[from + 5] ?? 0,
  write1h: numbers[from + 6] ?? 0,
  cacheRead: numbers[from + 7] ?? 0,
  webSearches: numbers[from + 8] ?? 0,
  costUsd: numbers[from + 9] ?? 0,
  unpriced: numbers[from + 10] ?? 0,
  messages: numbers[from + 11] ?? 0,
  lastAt: numbers[from + 12] ?? 0,
});

const decodeSpend = (numbers: Float64Array, from: number): Merged["spends"][number] => ({
  at: numbers[from] ?? 0,
  costUsd: numbers[from + 1] ?? 0,
  file: numbers[from + 2] ?? 0,
});

/** The order of their numbers in the cache is the one in which they are taken out. */
const fieldsOf = <T extends object>(decode: (numbers: Float64Array, from: number) => T) =>
  Object.keys(decode(new Float64Array(0), 0)) as (keyof T)[];
const cellFields = fieldsOf(decodeCell);
const spendFields = fieldsOf(decodeSpend);
