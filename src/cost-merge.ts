import { createEntries } from "./accounting.ts";
import { type PriceTable, priceUsage } from "./claude-prices.ts";
import { syntheticModel, type Tokens } from "./claude-tokens.ts";
import { indexOfModel, type Records, recordAt } from "./cost-records.ts";

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

interface Entry {
  usage: Tokens;
  file: number;
  model: number;
  at: number;
  webSearches: number;
  costUsd: number | undefined;
}

/** All answers of all transcripts, each counted once, wherever it stands again: forks and copies repeat what was before them. */
export function mergeRecords(files: readonly Records[], table: PriceTable): Merged {
  const models: string[] = [];
  const cells: Map<number, Cell>[] = files.map(() => new Map());
  const live = new Set<Entry>();
  const entries = createEntries<Entry>((entry, sign) => {
    addToCell(cells[entry.file] ?? new Map(), entry, sign);
    if (sign > 0) live.add(entry);
    else live.delete(entry);
  });
  for (const [file, records] of files.entries())
    for (let index = 0; index < records.count; index++) {
      const usage = recordAt(records, index);
      if (usage.model === syntheticModel) continue;
      const costUsd = priceUsage(table, usage);
      const { at, webSearches } = usage;
      entries.add(usage, { usage, file, model: indexOfModel(models, usage.model), at, webSearches, costUsd });
    }
  return {
    models,
    cells: cells.flatMap((ofFile) => [...ofFile.values()].filter(({ messages }) => messages > 0)),
    spends: newestSpends(live),
  };
}

function addToCell(cells: Map<number, Cell>, entry: Entry, sign: 1 | -1): void {
  const quarter = Math.floor(entry.at / quarterMs);
  // Quarters up to the year 2200 fit below.
  const key = entry.model * 0x800000 + quarter;
  const cell = cells.get(key) ?? emptyCell(entry, quarter);
  cells.set(key, cell);
  cell.input += sign * entry.usage.input;
  cell.output += sign * entry.usage.output;
  cell.write5m += sign * entry.usage.write5m;
  cell.write1h += sign * entry.usage.write1h;
  cell.cacheRead += sign * entry.usage.cacheRead;
  cell.webSearches += sign * entry.webSearches;
  cell.costUsd += sign * (entry.costUsd ?? 0);
  cell.unpriced += entry.costUsd === undefined ? sign : 0;
  cell.messages += sign;
  cell.lastAt = Math.max(cell.lastAt, entry.at);
}

const emptyCell = ({ file, model }: Entry, quarter: number): Cell => ({
  ...{ file, quarter, model, input: 0, output: 0, write5m: 0, write1h: 0, cacheRead: 0 },
  ...{ webSearches: 0, costUsd: 0, unpriced: 0, messages: 0, lastAt: 0 },
});

function newestSpends(entries: ReadonlySet<Entry>): Merged["spends"] {
  let newest = 0;
  for (const { at } of entries) newest = Math.max(newest, at);
  const spends: Merged["spends"] = [];
  for (const { at, costUsd, file } of entries) if (costUsd !== undefined && at > newest - spendsMs) spends.push({ at, costUsd, file });
  return spends.sort((a, b) => a.at - b.at);
}
