import { isRunLog } from "./agents.ts";
import type { PriceTable } from "./claude-prices.ts";
import { type CostCache, type OwnSums, openCostCache, type Sums } from "./cost-cache.ts";
import { type CostSources, findTranscripts, isSame, originsOf, sessionIdOf, type Transcript } from "./cost-files.ts";
import { mergeRecords } from "./cost-records.ts";
import type { FileOrigin } from "./cost-report.ts";
import { type FileScan, scanTranscript } from "./cost-scan.ts";
import { costCachePath, hasUserRules } from "./paths.ts";
import type { Sys } from "./sys.ts";
import { createLineBuffer } from "./tail.ts";
import { scanAll } from "./threads.ts";

export interface Usage {
  sums: Sums;
  origins: FileOrigin[];
  /** Read in this run; what the cache knew was not. */
  readBytes: number;
}

interface UsageOptions extends CostSources {
  onProgress?: (doneBytes: number, allBytes: number) => void;
}

/** The use of all models in all transcripts below these config dirs. */
export async function readUsage(sys: Sys, options: UsageOptions): Promise<Usage> {
  const at = sys.now();
  const files = findTranscripts(sys, options.dirs);
  const fingerprint = String(Bun.hash(JSON.stringify([options.tableId, files.map(({ path, state }) => [path, state])])));
  const cache = openCostCache(costCachePath(sys));
  try {
    const known = cache.readSums(fingerprint);
    if (known !== undefined) return { sums: known, origins: originsOf(files, known.cwds), readBytes: 0 };
    const { scans, changed, gone } = await readScans(sys, cache, files, options.onProgress);
    const sums = sumScans(scans, options.table);
    // Budgets alone ask for them, and without them add up one session's own files: to sum all twice takes a fifth of the time.
    const own = hasUserRules(sys) ? sumSessions(files, scans, options.table) : new Map<string, OwnSums>();
    keep(() => cache.write(changed, gone, { fingerprint, tableId: options.tableId, at, files }, sums, own));
    return { sums, origins: originsOf(files, sums.cwds), readBytes: changed.reduce((sum, scan) => sum + scan.readBytes, 0) };
  } finally {
    cache.close();
  }
}

async function readScans(sys: Sys, cache: CostCache, files: readonly Transcript[], onProgress?: UsageOptions["onProgress"]) {
  const known = cache.readScans();
  const isKnown = (file: Transcript) => isSame(file, known.get(file.path));
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

/** Each conversation with its sub-agents, as if there were no other. */
function sumSessions(files: readonly Transcript[], scans: readonly (FileScan | undefined)[], table: PriceTable): Map<string, OwnSums> {
  const sessions = Map.groupBy(files.keys(), (index) => sessionIdOf(files[index] as Transcript));
  return new Map(
    [...sessions].map(([id, indexes]) => [
      id,
      mergeRecords(
        indexes.flatMap((index) => scans[index]?.records ?? []),
        table,
      ),
    ]),
  );
}

/** A cache that cannot be written, on a full disk or while another process holds it, only costs time. */
function keep(write: () => void): void {
  try {
    write();
  } catch {
    // The report is right without it; the next run reads the files again.
  }
}
