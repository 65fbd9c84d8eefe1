import { isRunLog } from "./agents.ts";
import type { PriceTable } from "./claude-prices.ts";
import { type Cell, createRecords, filledRows, type Merged, mergeRecords } from "./cost-records.ts";
import type { FileOrigin } from "./cost-report.ts";
import { type FileScan, scanTranscript } from "./cost-scan.ts";
import { openCache } from "./database.ts";
import { costCachePath } from "./paths.ts";
import type { Sys } from "./sys.ts";
import { createLineBuffer } from "./tail.ts";
import { scanAll } from "./threads.ts";
import { listThreads, type ThreadFile } from "./transcripts.ts";

/** What was read before; it may be deleted at any time. */
interface CostCache {
  /** The sums of exactly this state of all files, where they were made before. */
  readSums(fingerprint: string): Sums | undefined;
  readScans(): Map<string, FileScan>;
  /** Replaces what is known of these files, forgets those that are gone, and keeps the sums. */
  write(changed: readonly FileScan[], gone: readonly string[], fingerprint: string, sums: Sums): void;
  close(): void;
}

interface Sums extends Merged {
  /** Of each file, in the order of the list. */
  cwds: string[];
  unreadable: number;
  /** Files without a line that this version understands. */
  unknownFiles: string[];
}

const schema = {
  version: 2,
  isExpendable: true as const,
  tables: `
    CREATE TABLE file (path TEXT PRIMARY KEY, id TEXT, size INTEGER, modified_at REAL, position INTEGER, print BLOB,
      cwd TEXT, format TEXT, unreadable INTEGER, models TEXT, records BLOB) WITHOUT ROWID;
    CREATE TABLE sums (fingerprint TEXT, facts TEXT, cells BLOB, spends BLOB);`,
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

function openCostCache(path: string): CostCache {
  const cache = openCache(path, schema);
  return {
    readSums: (fingerprint) =>
      cache.use((database) => {
        const row = database.query("SELECT facts, cells, spends FROM sums WHERE fingerprint = ?").get(fingerprint) as SumsRow | null;
        return row === null ? undefined : decodeSums(row);
      }),
    readScans: () =>
      cache.use((database) => {
        const rows = database.query("SELECT * FROM file").all() as FileRow[];
        return new Map(rows.map((row) => [row.path, decodeScan(row)]));
      }),
    write: (changed, gone, fingerprint, sums) =>
      cache.use((database) => {
        const put = database.query("REPLACE INTO file VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
        const drop = database.query("DELETE FROM file WHERE path = ?");
        database
          .transaction(() => {
            for (const scan of changed) put.run(...encodeScan(scan));
            for (const file of gone) drop.run(file);
            database.run("DELETE FROM sums");
            database
              .query("INSERT INTO sums VALUES (?, ?, ?, ?)")
              .run(fingerprint, encodeFacts(sums), encodeCells(sums.cells), encodeSpends(sums.spends));
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

/** The order of a cell's numbers in the cache. */
const cellFields = [
  ...(["file", "quarter", "model", "input", "output", "write5m", "write1h", "cacheRead"] as const),
  ...(["webSearches", "costUsd", "unpriced", "messages", "lastAt"] as const),
];

const encodeCells = (cells: readonly Cell[]): Uint8Array => encodeRows(cells, cellFields);
const spendFields = ["at", "costUsd", "file"] as const;
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
    spends: decodeRows(spends, spendFields, (numbers, from) => ({
      at: numbers[from] ?? 0,
      costUsd: numbers[from + 1] ?? 0,
      file: numbers[from + 2] ?? 0,
    })),
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

export interface Usage {
  sums: Sums;
  origins: FileOrigin[];
  /** Read in this run; what the cache knew was not. */
  readBytes: number;
}

interface UsageOptions {
  dirs: readonly { name: string | undefined; dir: string }[];
  table: PriceTable;
  /** Names the prices: sums that were made with others are void. */
  tableId: string;
  onProgress?: (doneBytes: number, allBytes: number) => void;
}

/** The use of all models in all transcripts below these config dirs. */
export async function readUsage(sys: Sys, options: UsageOptions): Promise<Usage> {
  const files = listThreads(sys, options.dirs);
  const fingerprint = String(Bun.hash(JSON.stringify([options.tableId, files.map(({ path, state }) => [path, state])])));
  const cache = openCostCache(costCachePath(sys));
  try {
    const known = cache.readSums(fingerprint);
    if (known !== undefined) return { sums: known, origins: originsOf(files, known), readBytes: 0 };
    const { scans, changed, gone } = await readScans(sys, cache, files, options.onProgress);
    const sums = sumScans(scans, options.table);
    keep(() => cache.write(changed, gone, fingerprint, sums));
    return { sums, origins: originsOf(files, sums), readBytes: changed.reduce((sum, scan) => sum + scan.readBytes, 0) };
  } finally {
    cache.close();
  }
}

async function readScans(sys: Sys, cache: CostCache, files: readonly ThreadFile[], onProgress?: UsageOptions["onProgress"]) {
  const known = cache.readScans();
  const isKnown = ({ path, state }: ThreadFile) => {
    const scan = known.get(path);
    return scan !== undefined && scan.id === state.id && scan.size === state.size && scan.modifiedAt === state.modifiedAt;
  };
  const stale = files.filter((file) => !isKnown(file));
  const allBytes = stale.reduce((sum, { state }) => sum + state.size, 0);
  const fresh = stale.filter(({ path }) => !known.has(path)).map(({ path, state }) => ({ path, size: state.size }));
  const read = new Map(
    (await scanAll(sys, "usage", fresh, (doneBytes) => onProgress?.(doneBytes, allBytes))).map((scan) => [scan.path, scan]),
  );
  const buffer = createLineBuffer();
  const changed: FileScan[] = [];
  const scans = files.map((file): FileScan | undefined => {
    const before = known.get(file.path);
    if (isKnown(file)) return before;
    const scan = read.get(file.path) ?? scanTranscript(sys, file.path, buffer, before);
    if (scan !== undefined) changed.push(scan);
    return scan;
  });
  const paths = new Set(files.map(({ path }) => path));
  return { scans, changed, gone: [...known.keys()].filter((path) => !paths.has(path)) };
}

function sumScans(scans: readonly (FileScan | undefined)[], table: PriceTable): Sums {
  const noRecords = { rows: new Float64Array(0), count: 0, models: [] };
  return {
    ...mergeRecords(
      scans.map((scan) => scan?.records ?? noRecords),
      table,
    ),
    cwds: scans.map((scan) => scan?.cwd ?? ""),
    unreadable: scans.reduce((sum, scan) => sum + (scan?.unreadable ?? 0), 0),
    unknownFiles: scans.flatMap((scan) => (scan?.format === "unknown format" && !isRunLog(scan.path) ? [scan.path] : [])),
  };
}

/** A cache that cannot be written, on a full disk or while another process holds it, only costs time. */
function keep(write: () => void): void {
  try {
    write();
  } catch {
    // The report is right without it; the next run reads the files again.
  }
}

/** A sub-agent's transcript belongs where its session ran. */
function originsOf(files: readonly ThreadFile[], { cwds }: Sums): FileOrigin[] {
  const cwdOf = new Map(files.flatMap(({ path, transcript }, index) => (path === transcript ? [[transcript, cwds[index] ?? ""]] : [])));
  return files.map(({ profile, sessionId, transcript, slug }, index) => ({
    profile,
    sessionId,
    project: cwdOf.get(transcript) || cwds[index] || slug,
  }));
}
