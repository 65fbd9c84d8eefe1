import type { UsageLine } from "./claude-tokens.ts";

/** One answer as a row of numbers: a hundred thousand of them are read from the cache in the time that objects take to make. */
export const column = {
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

export const recordWidth = 11;
const [sidechainFlag, fastFlag, usFlag] = [1, 2, 4];

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
  rows[from + column.flags] = (usage.isSidechain ? sidechainFlag : 0) | (usage.isFast ? fastFlag : 0) | (usage.isUsOnly ? usFlag : 0);
  rows[from + column.input] = usage.input;
  rows[from + column.output] = usage.output;
  rows[from + column.write5m] = usage.write5m;
  rows[from + column.write1h] = usage.write1h;
  rows[from + column.cacheRead] = usage.cacheRead;
  rows[from + column.webSearches] = usage.webSearches;
}

export function indexOfModel(models: string[], model: string): number {
  const index = models.indexOf(model);
  return index >= 0 ? index : models.push(model) - 1;
}

/** Without the room that is kept for more. */
export const filledRows = ({ rows, count }: Records): Float64Array => rows.subarray(0, count * recordWidth);

export function recordAt({ rows, models }: Records, index: number): UsageLine {
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

export const isSidechainAt = (rows: Float64Array, index: number): boolean =>
  ((rows[index * recordWidth + column.flags] ?? 0) & sidechainFlag) !== 0;
