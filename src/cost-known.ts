import { dirname, sep } from "node:path";
import { type LastSums, openCostCache, type Sums } from "./cost-cache.ts";
import { type CostSources, findTranscripts, isSame, originsOf, sessionIdOf, type Transcript } from "./cost-files.ts";
import { type Cell, createRecords, mergeRecords, type Records, recordsSince } from "./cost-records.ts";
import type { FileOrigin } from "./cost-report.ts";
import { type FileScan, scanTranscript } from "./cost-scan.ts";
import { costCachePath } from "./paths.ts";
import type { Sys } from "./sys.ts";
import { createLineBuffer } from "./tail.ts";

/** Use by session and quarter of an hour, as far as it is known without reading whole transcripts. */
export interface KnownUsage extends Pick<Sums, "models" | "cells"> {
  origins: FileOrigin[];
  /** More was written since than may be read: what was used is at least this. */
  isPartial: boolean;
}

export interface KnownReader {
  /** Of all sessions since that moment; undefined where nobody has counted them yet. */
  all(since: number): KnownUsage | undefined;
  /** Of one conversation with its sub-agents, whatever stands in others too; undefined where nobody has counted it and it is too long. */
  session(id: string): KnownUsage | undefined;
  /** Somebody should count anew: the sums are missing, or so much has been written since that each reading takes its time. */
  isCountDue(): boolean;
  close(): void;
}

/** An answer is written some moments after its time. */
const lateMs = 5000;
/** So long before the count its answers may have been written in part. */
const overlapMs = 10 * 60_000;
const dueBytes = 5e5;

/**
 * For those who may not wait: the sums as they were made last, and what has been written since, as far as that is no more than
 * `maxBytes`. Nothing is kept.
 */
export function openKnownUsage(sys: Sys, { dirs, table, tableId }: CostSources, maxBytes: number): KnownReader {
  const files = findTranscripts(sys, dirs);
  const cache = openCostCache(costCachePath(sys));
  const states = cache.readStates();
  const buffer = createLineBuffer();
  const scans = new Map<string, Scanned>();
  let leftBytes = maxBytes;
  let isDue = false;
  const newBytes = (file: Transcript): number => {
    const known = states.get(file.path);
    if (isSame(file, known)) return 0;
    const { id, size } = file.state;
    return known?.id === id && known.size <= size ? size - known.position : size;
  };
  /** Undefined where there is too much to read. */
  const scan = (wanted: readonly Transcript[]): Scanned[] | undefined => {
    const bytes = wanted.reduce((sum, file) => sum + (scans.has(file.path) ? 0 : newBytes(file)), 0);
    if (bytes > dueBytes) isDue = true;
    if (bytes > leftBytes) return undefined;
    leftBytes -= bytes;
    return wanted.map((file) => {
      const known = scans.get(file.path);
      if (known !== undefined) return known;
      const counted = states.has(file.path) ? cache.readScan(file.path) : undefined;
      // Reading on adds to the records that it is given.
      const before = counted && { ...counted, records: { ...counted.records } };
      const scanned = { file, before, now: isSame(file, counted) ? counted : scanTranscript(sys, file.path, buffer, counted) };
      scans.set(file.path, scanned);
      return scanned;
    });
  };
  const merge = (found: readonly Scanned[], recordsOf: (scanned: Scanned) => Records | undefined): KnownUsage => ({
    ...mergeRecords(
      found.map((scanned) => recordsOf(scanned) ?? createRecords()),
      table,
    ),
    origins: originsOf(
      found.map(({ file }) => file),
      found.map(({ now }) => now?.cwd ?? ""),
    ),
    isPartial: false,
  });
  const grownSince = (last: LastSums, wanted: readonly Transcript[], from: (before: FileScan | undefined) => number): KnownUsage => {
    const found = scan(wanted.filter((file) => !isSame(file, states.get(file.path))));
    if (found === undefined) return { ...last, isPartial: true };
    const recent = ({ before }: Scanned, which: FileScan | undefined) => which && recordsSince(which.records, from(before));
    const come = merge(found, (scanned) => recent(scanned, scanned.now));
    return addUsage(
      last,
      come,
      merge(found, (scanned) => recent(scanned, scanned.before)),
    );
  };
  return {
    all(since) {
      const last = cache.readLastSums(tableId, since);
      if (last === undefined) isDue = true;
      if (last === undefined) return undefined;
      // In a file that nobody knew, what is older than the count stands elsewhere too: a fork begins with what it comes from.
      const from = (before: FileScan | undefined) => Math.max(since, last.at - (before === undefined ? lateMs : overlapMs));
      // What was written before holds nothing of later.
      return grownSince(
        last,
        files.filter((file) => file.state.modifiedAt >= since),
        from,
      );
    },
    session(id) {
      const own = ownFiles(files, id);
      const last = cache.readOwnSums(tableId, id);
      if (last !== undefined) return grownSince(last, own, (before) => (before === undefined ? 0 : last.at - overlapMs));
      const found = scan(own);
      return found === undefined ? undefined : merge(found, ({ now }) => now?.records);
    },
    isCountDue: () => isDue,
    close: cache.close,
  };
}

/** Whose is asked of those alone that may be its: in the folder that it lies in. */
function ownFiles(files: readonly Transcript[], id: string): Transcript[] {
  const main = files.find(({ path }) => path.endsWith(`${sep}${id}.jsonl`));
  const isNear = ({ path }: Transcript) => path.includes(id) || (main !== undefined && dirname(path) === dirname(main.path));
  return files.filter((file) => isNear(file) && sessionIdOf(file) === id);
}

interface Scanned {
  file: Transcript;
  /** As it was counted; undefined for one that nobody knew. */
  before: FileScan | undefined;
  now: FileScan | undefined;
}

/** The sums with what has come, and without what was counted of it before. */
function addUsage(last: LastSums, come: KnownUsage, counted: KnownUsage): KnownUsage {
  const models = [...last.models];
  const origins = [...last.origins];
  const add = (usage: KnownUsage, sign: 1 | -1): Cell[] => {
    const place = usage.models.map((model) => indexIn(models, model));
    const offset = origins.length;
    origins.push(...usage.origins);
    return usage.cells.map((cell) => ({ ...(sign > 0 ? cell : negated(cell)), file: cell.file + offset, model: place[cell.model] ?? 0 }));
  };
  return { models, origins, cells: [...last.cells, ...add(come, 1), ...add(counted, -1)], isPartial: false };
}

const indexIn = (list: string[], value: string): number => {
  const index = list.indexOf(value);
  return index >= 0 ? index : list.push(value) - 1;
};

const summed = ["input", "output", "write5m", "write1h", "cacheRead", "webSearches", "costUsd", "unpriced", "messages"] as const;
const negated = (cell: Cell): Cell => ({ ...cell, ...Object.fromEntries(summed.map((field) => [field, -cell[field]])) });
