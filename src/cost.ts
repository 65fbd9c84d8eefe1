import { basename, join, relative, sep } from "node:path";
import type { PriceTable } from "./claude-prices.ts";
import { type CostCache, openCostCache, type Sums } from "./cost-cache.ts";
import { mergeRecords } from "./cost-merge.ts";
import type { FileOrigin } from "./cost-report.ts";
import { type FileScan, scanTranscript } from "./cost-scan.ts";
import { scanAll } from "./cost-threads.ts";
import { costCachePath, projectsDir } from "./paths.ts";
import type { Sys } from "./sys.ts";
import type { FileIdentity } from "./sys-files.ts";
import { createLineBuffer } from "./tail.ts";

export interface Usage {
  sums: Sums;
  origins: FileOrigin[];
  /** Read in this run; what the cache knew was not. */
  readBytes: number;
}

export interface UsageOptions {
  dirs: readonly { name: string | undefined; dir: string }[];
  table: PriceTable;
  /** Names the prices: sums that were made with others are void. */
  tableId: string;
  onProgress?: (doneBytes: number, allBytes: number) => void;
}

/** The use of all models in all transcripts below these config dirs. */
export async function readUsage(sys: Sys, options: UsageOptions): Promise<Usage> {
  const files = findTranscripts(sys, options.dirs);
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

interface Transcript {
  path: string;
  state: FileIdentity;
  profile: string | undefined;
  projectsPath: string;
}

/** Config dirs may share their projects by a link: each file counts once. */
function findTranscripts(sys: Sys, dirs: UsageOptions["dirs"]): Transcript[] {
  const seen = new Set<string>();
  return dirs.flatMap(({ name, dir }) => {
    const projectsPath = projectsDir(dir);
    return sys.findFiles(projectsPath, ".jsonl").flatMap((path): Transcript[] => {
      const state = sys.identify(path);
      if (state === undefined || seen.has(state.id)) return [];
      seen.add(state.id);
      return [{ path, state, profile: name, projectsPath }];
    });
  });
}

async function readScans(sys: Sys, cache: CostCache, files: readonly Transcript[], onProgress?: UsageOptions["onProgress"]) {
  const known = cache.readScans();
  const isKnown = ({ path, state }: Transcript) => {
    const scan = known.get(path);
    return scan !== undefined && scan.id === state.id && scan.size === state.size && scan.modifiedAt === state.modifiedAt;
  };
  const stale = files.filter((file) => !isKnown(file));
  const allBytes = stale.reduce((sum, { state }) => sum + state.size, 0);
  const fresh = stale.filter(({ path }) => !known.has(path)).map(({ path, state }) => ({ path, size: state.size }));
  const read = new Map((await scanAll(sys, fresh, (doneBytes) => onProgress?.(doneBytes, allBytes))).map((scan) => [scan.path, scan]));
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
    unknownFiles: scans.flatMap((scan) => (scan?.format === "unknown format" ? [scan.path] : [])),
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

/** `<slug>/<session>.jsonl`, and `<slug>/<session>/subagents/agent-….jsonl`, which belongs where its session ran. */
function originsOf(files: readonly Transcript[], { cwds }: Sums): FileOrigin[] {
  const parts = files.map(({ path, projectsPath }) => relative(projectsPath, path).split(sep));
  const stem = (of: readonly string[], index: number) => join(files[index]?.projectsPath ?? "", ...of.slice(0, 2)).replace(/\.jsonl$/, "");
  const cwdOf = new Map(parts.flatMap((of, index) => (of.length === 2 ? [[stem(of, index), cwds[index] ?? ""] as const] : [])));
  return parts.map((of, index) => ({
    profile: files[index]?.profile,
    sessionId: basename(of[1] ?? of[0] ?? "", ".jsonl"),
    project: cwdOf.get(stem(of, index)) || cwds[index] || of[0] || "",
  }));
}
