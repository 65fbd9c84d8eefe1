import { type PriceTable, priceUsage } from "./claude-prices.ts";
import { createIdentity, partsOf, syntheticModel, type Tokens, type UsageLine } from "./claude-tokens.ts";

/** One answer as a row of numbers, with one more for each further part: a hundred thousand of them are read from the cache in the time that objects take to make. */
const column = {
  key: 0,
  messageKey: 1,
  at: 2,
  /** Index into the file's models. */
  model: 3,
  flags: 4,
  input: 5,
  output: 6,
  write5m: 7,
  write1h: 8,
  cacheRead: 9,
  webSearches: 10,
} as const;

const recordWidth = 11;
const [sidechainFlag, fastFlag, usFlag, partFlag] = [1, 2, 4, 8];

/** The answers of one transcript. */
export interface Records {
  rows: Float64Array;
  count: number;
  models: string[];
}

export const createRecords = (rows: Float64Array = new Float64Array(0), models: string[] = []): Records => ({
  rows,
  count: rows.length / recordWidth,
  models,
});

export function pushRecord(records: Records, usage: UsageLine): void {
  for (const [index, part] of partsOf(usage).entries()) pushRow(records, part, index === 0 ? 0 : partFlag);
}

function pushRow(records: Records, usage: UsageLine, flag: number): void {
  const from = records.count++ * recordWidth;
  if (from + recordWidth > records.rows.length) {
    const larger = new Float64Array(Math.max(64 * recordWidth, records.rows.length * 2));
    larger.set(records.rows);
    records.rows = larger;
  }
  const { rows } = records;
  rows[from] = usage.key;
  rows[from + column.messageKey] = usage.messageKey;
  rows[from + column.at] = usage.at;
  rows[from + column.model] = indexOfModel(records.models, usage.model);
  rows[from + column.flags] =
    flag | (usage.isSidechain ? sidechainFlag : 0) | (usage.isFast ? fastFlag : 0) | (usage.isUsOnly ? usFlag : 0);
  rows[from + column.input] = usage.input;
  rows[from + column.output] = usage.output;
  rows[from + column.write5m] = usage.write5m;
  rows[from + column.write1h] = usage.write1h;
  rows[from + column.cacheRead] = usage.cacheRead;
  rows[from + column.webSearches] = usage.webSearches;
}

function indexOfModel(models: string[], model: string): number {
  const index = models.indexOf(model);
  return index >= 0 ? index : models.push(model) - 1;
}

/** Without the room that is kept for more. */
export const filledRows = ({ rows, count }: Records): Float64Array => rows.subarray(0, count * recordWidth);

/** Those of the answers since then. */
export function recordsSince({ rows, count, models }: Records, since: number): Records {
  const wanted = new Float64Array(count * recordWidth);
  let filled = 0;
  for (let from = 0; from < count * recordWidth; from += recordWidth) {
    if ((rows[from + column.at] ?? 0) < since) continue;
    wanted.set(rows.subarray(from, from + recordWidth), filled);
    filled += recordWidth;
  }
  return createRecords(wanted.subarray(0, filled), models);
}

function recordAt({ rows, models }: Records, index: number): UsageLine {
  const from = index * recordWidth;
  const flags = rows[from + column.flags] ?? 0;
  return {
    key: rows[from] ?? 0,
    messageKey: rows[from + column.messageKey] ?? 0,
    at: rows[from + column.at] ?? 0,
    model: models[rows[from + column.model] ?? 0] ?? "",
    isSidechain: (flags & sidechainFlag) !== 0,
    isFast: (flags & fastFlag) !== 0,
    isUsOnly: (flags & usFlag) !== 0,
    input: rows[from + column.input] ?? 0,
    output: rows[from + column.output] ?? 0,
    write5m: rows[from + column.write5m] ?? 0,
    write1h: rows[from + column.write1h] ?? 0,
    cacheRead: rows[from + column.cacheRead] ?? 0,
    webSearches: rows[from + column.webSearches] ?? 0,
  };
}

const hasFlag = ({ rows }: Records, index: number, flag: number): boolean => ((rows[index * recordWidth + column.flags] ?? 0) & flag) !== 0;

/** What one session used of one model in a quarter of an hour: no zone's day begins within one. */
export interface Cell extends Tokens {
  /** Index into the list of files. */
  file: number;
  /** Quarters of an hour since 1970. */
  quarter: number;
  /** Index into the list of models. */
  model: number;
  webSearches: number;
  costUsd: number;
  /** Answers whose model has no price. */
  unpriced: number;
  messages: number;
  lastAt: number;
}

export interface Merged {
  models: string[];
  cells: Cell[];
  /** Of the newest hours, each by itself. */
  spends: { at: number; costUsd: number; file: number }[];
}

export const quarterMs = 15 * 60_000;
/** How far back from the newest answer single spends are kept. */
const spendsMs = 2 * 60 * 60_000;

/** All answers of all transcripts, each counted once, wherever it stands again: forks and copies repeat what was before them. */
export function mergeRecords(files: readonly Records[], table: PriceTable): Merged {
  const models: string[] = [];
  const isCounted = pickOnce(files);
  const cells: Cell[] = [];
  const spends: Merged["spends"] = [];
  const newest = newestMoment(files);
  for (const [file, records] of files.entries()) {
    const ofFile = new Map<number, Cell>();
    let isTaken = false;
    for (let index = 0; index < records.count; index++) {
      const isPart = hasFlag(records, index, partFlag);
      isTaken = isPart ? isTaken : isCounted[file]?.[index] === 1;
      if (!isTaken) continue;
      const usage = recordAt(records, index);
      if (usage.model === syntheticModel) continue;
      const costUsd = priceUsage(table, usage);
      addToCell(ofFile, { file, model: indexOfModel(models, usage.model), usage, costUsd, isPart });
      if (costUsd !== undefined && usage.at > newest - spendsMs) spends.push({ at: usage.at, costUsd, file });
    }
    for (const cell of ofFile.values()) cells.push(cell);
  }
  return { models, cells, spends: spends.sort((a, b) => a.at - b.at) };
}

/**
 * Which rows of which file count, by the rule of `createEntries` in accounting.ts, on numbers: of the same answer the largest
 * row, and a subagent's only where the main conversation has none.
 */
function pickOnce(files: readonly Records[]): Uint8Array[] {
  const isCounted = files.map(({ count }) => new Uint8Array(count));
  const place = { main: new Map<number, number>(), side: new Map<number, number>() };
  const offsets = startOffsets(files);
  const take = (known: Map<number, number>, key: number, file: number, index: number) => {
    const before = known.get(key);
    if (before !== undefined) {
      const [otherFile, other] = findRow(offsets, before);
      if (sizeAt(files[file], index) <= sizeAt(files[otherFile], other)) return;
      mark(isCounted, otherFile, other, 0);
    }
    known.set(key, (offsets[file] ?? 0) + index);
    mark(isCounted, file, index, 1);
  };
  const sides: [file: number, index: number][] = [];
  const identify = createIdentity();
  for (const [file, records] of files.entries())
    for (let index = 0; index < records.count; index++) {
      if (hasFlag(records, index, partFlag)) continue;
      if (hasFlag(records, index, sidechainFlag)) sides.push([file, index]);
      else take(place.main, identify(keysAt(records, index)), file, index);
    }
  if (sides.length === 0) return isCounted;
  const mainMessages = new Set<number>();
  for (const [file, { rows, count }] of files.entries())
    for (let index = 0; index < count; index++)
      if (isCounted[file]?.[index] === 1) mainMessages.add(rows[index * recordWidth + column.messageKey] ?? 0);
  for (const [file, index] of sides) {
    const messageKey = files[file]?.rows[index * recordWidth + column.messageKey] ?? 0;
    if (!mainMessages.has(messageKey)) take(place.side, messageKey, file, index);
  }
  return isCounted;
}

const keysAt = ({ rows }: Records, index: number) => ({
  key: rows[index * recordWidth] ?? 0,
  messageKey: rows[index * recordWidth + column.messageKey] ?? 0,
});

const mark = (isCounted: readonly Uint8Array[], file: number, index: number, value: 0 | 1): void => {
  const ofFile = isCounted[file];
  if (ofFile !== undefined) ofFile[index] = value;
};

function startOffsets(files: readonly Records[]): number[] {
  let offset = 0;
  return files.map(({ count }) => {
    offset += count;
    return offset - count;
  });
}

/** File and row of a row's number among all rows. */
function findRow(offsets: readonly number[], row: number): [file: number, index: number] {
  let [low, high] = [0, offsets.length - 1];
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if ((offsets[middle] ?? 0) <= row) low = middle;
    else high = middle - 1;
  }
  return [low, row - (offsets[low] ?? 0)];
}

/** All tokens of an answer with its parts. */
function sizeAt(records: Records | undefined, index: number): number {
  let size = 0;
  if (records === undefined) return size;
  for (let row = index; row === index || (row < records.count && hasFlag(records, row, partFlag)); row++)
    for (let offset: number = column.input; offset <= column.cacheRead; offset++) size += records.rows[row * recordWidth + offset] ?? 0;
  return size;
}

function newestMoment(files: readonly Records[]): number {
  let newest = 0;
  for (const { rows, count } of files)
    for (let from = column.at; from < count * recordWidth; from += recordWidth) {
      const at = rows[from] ?? 0;
      if (at > newest) newest = at;
    }
  return newest;
}

interface Part {
  file: number;
  model: number;
  usage: UsageLine;
  costUsd: number | undefined;
  /** A further one of an answer that was counted. */
  isPart: boolean;
}

function addToCell(cells: Map<number, Cell>, { file, model, usage, costUsd, isPart }: Part): void {
  const quarter = Math.floor(usage.at / quarterMs);
  // Quarters up to the year 2200 fit below.
  const key = model * 0x800000 + quarter;
  const cell = cells.get(key) ?? emptyCell(file, model, quarter);
  cells.set(key, cell);
  cell.input += usage.input;
  cell.output += usage.output;
  cell.write5m += usage.write5m;
  cell.write1h += usage.write1h;
  cell.cacheRead += usage.cacheRead;
  cell.webSearches += usage.webSearches;
  cell.costUsd += costUsd ?? 0;
  cell.unpriced += costUsd === undefined ? 1 : 0;
  cell.messages += isPart ? 0 : 1;
  cell.lastAt = Math.max(cell.lastAt, usage.at);
}

const emptyCell = (file: number, model: number, quarter: number): Cell => ({
  ...{ file, quarter, model, input: 0, output: 0, write5m: 0, write1h: 0, cacheRead: 0 },
  ...{ webSearches: 0, costUsd: 0, unpriced: 0, messages: 0, lastAt: 0 },
});
