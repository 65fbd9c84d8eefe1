import { addTokens, type Burn, burnWindowMs, estimateBurn, type Forecast, forecastCost, noTokens } from "./accounting.ts";
import { type Calendar, mondayOf, monthOf } from "./calendar.ts";
import type { Tokens } from "./claude-tokens.ts";
import { type Cell, type Merged, quarterMs } from "./cost-records.ts";

export const groupings = ["daily", "weekly", "monthly", "session", "project", "model", "block", "account", "machine"] as const;
export type Grouping = (typeof groupings)[number];

/** Where a transcript belongs. */
export interface FileOrigin {
  /** Undefined for a config dir that is no profile. */
  profile: string | undefined;
  sessionId: string;
  /** The folder it ran in, or its slug. */
  project: string;
}

export interface CostRow {
  /** Day, Monday, month, session id, folder, model, or the start of the block. */
  key: string;
  tokens: Tokens;
  webSearches: number;
  costUsd: number;
  /** Answers whose model has no price, which the cost leaves out. */
  unpriced: number;
  messages: number;
  models: string[];
  lastAt: number;
  /** Of a session: its title or its newest prompt. */
  title?: string;
  /** Of a session; its file may have gone. */
  transcript?: string;
  /** Of a session. */
  origin?: FileOrigin | undefined;
  block?: Block;
}

/** Five hours, as the usage limits of a subscription count them: from the full hour of the first answer. */
export interface Block {
  startAt: number;
  endAt: number;
  isActive: boolean;
  /** Undefined where too little is known. */
  burn?: Burn | undefined;
  forecast?: Forecast | undefined;
}

export interface ReportOptions {
  grouping: Grouping;
  calendar: Calendar;
  now: number;
  /** First and last day, included. */
  since?: string;
  until?: string;
  /** The moment where it is no whole day, epoch ms; true to a quarter of an hour. */
  sinceAt?: number;
  profile?: string;
}

export interface Report {
  rows: CostRow[];
  totals: CostRow;
  unpricedModels: string[];
}

const hour = 3_600_000;
const blockMs = 5 * hour;

export function createReport({ models, cells, spends }: Merged, origins: readonly FileOrigin[], options: ReportOptions): Report {
  const days = new Map<number, string>();
  const dayOf = (quarter: number): string => {
    const known = days.get(quarter);
    if (known !== undefined) return known;
    const dayText = options.calendar.dayOf(quarter * quarterMs);
    days.set(quarter, dayText);
    return dayText;
  };
  const isWanted = ({ quarter, file }: Cell) =>
    (options.profile === undefined || origins[file]?.profile === options.profile) &&
    (options.since === undefined || dayOf(quarter) >= options.since) &&
    (options.sinceAt === undefined || (quarter + 1) * quarterMs > options.sinceAt) &&
    (options.until === undefined || dayOf(quarter) <= options.until);
  const wanted = cells.filter(isWanted);
  const blockOf = options.grouping === "block" ? findBlocks(wanted) : () => 0;
  const keyOf = createKey(options.grouping, { models, origins, dayOf, blockOf });
  const rows = new Map<string, CostRow>();
  const totals = emptyRow("total");
  for (const cell of wanted) {
    const key = keyOf(cell);
    const row = rows.get(key) ?? emptyRow(key);
    rows.set(key, row);
    const model = models[cell.model] ?? "";
    addCell(row, cell, model);
    addCell(totals, cell, model);
    if (options.grouping === "session") row.origin = origins[cell.file];
    if (options.grouping === "block")
      row.block ??= { startAt: blockOf(cell.quarter), endAt: blockOf(cell.quarter) + blockMs, isActive: false };
  }
  const sorted = sortRows([...rows.values()], options.grouping);
  const last = sorted.at(-1);
  if (last?.block !== undefined) describeActive(last, last.block, spends, origins, options);
  const unpriced = new Set(wanted.filter((cell) => cell.unpriced > 0).map((cell) => models[cell.model] ?? ""));
  return { rows: sorted, totals, unpricedModels: [...unpriced].sort() };
}

interface KeyParts {
  models: readonly string[];
  origins: readonly FileOrigin[];
  dayOf(quarter: number): string;
  blockOf(quarter: number): number;
}

function createKey(grouping: Grouping, { models, origins, dayOf, blockOf }: KeyParts): (cell: Cell) => string {
  const keys: Record<Grouping, (cell: Cell) => string> = {
    daily: ({ quarter }) => dayOf(quarter),
    weekly: ({ quarter }) => mondayOf(dayOf(quarter)),
    monthly: ({ quarter }) => monthOf(dayOf(quarter)),
    session: ({ file }) => origins[file]?.sessionId ?? "",
    project: ({ file }) => origins[file]?.project ?? "",
    model: ({ model }) => models[model] ?? "",
    account: ({ file }) => origins[file]?.profile ?? "claude",
    machine: () => "this machine",
    block: ({ quarter }) => new Date(blockOf(quarter)).toISOString(),
  };
  return keys[grouping];
}

/** The start of the block that each quarter of an hour lies in. Blocks start at full hours, so no quarter is split. */
function findBlocks(cells: readonly Cell[]): (quarter: number) => number {
  const starts = new Map<number, number>();
  let start = Number.NEGATIVE_INFINITY;
  for (const quarter of [...new Set(cells.map((cell) => cell.quarter))].sort((a, b) => a - b)) {
    const at = quarter * quarterMs;
    if (at >= start + blockMs) start = Math.floor(at / hour) * hour;
    starts.set(quarter, start);
  }
  return (quarter) => starts.get(quarter) ?? 0;
}

export const emptyRow = (key: string): CostRow => ({
  ...{ key, tokens: noTokens(), webSearches: 0, costUsd: 0, unpriced: 0, messages: 0, models: [], lastAt: 0 },
});

function addCell(row: CostRow, cell: Cell, model: string): void {
  addTokens(row.tokens, cell);
  row.webSearches += cell.webSearches;
  row.costUsd += cell.costUsd;
  row.unpriced += cell.unpriced;
  row.messages += cell.messages;
  row.lastAt = Math.max(row.lastAt, cell.lastAt);
  if (!row.models.includes(model)) row.models.push(model);
}

const isByTime = (grouping: Grouping): boolean => ["daily", "weekly", "monthly", "block"].includes(grouping);

/** By time where the key is one, so that the newest stands last, next to the prompt; else the dearest last. */
export function sortRows(rows: CostRow[], grouping: Grouping): CostRow[] {
  if (grouping === "session") return rows.sort((a, b) => a.lastAt - b.lastAt);
  if (!isByTime(grouping)) return rows.sort((a, b) => a.costUsd - b.costUsd || (a.key < b.key ? -1 : 1));
  return rows.sort((a, b) => (a.key < b.key ? -1 : 1));
}

function describeActive(
  row: CostRow,
  block: Block,
  spends: Merged["spends"],
  origins: readonly FileOrigin[],
  options: ReportOptions,
): void {
  const { now, profile } = options;
  block.isActive = now >= block.startAt && now < block.endAt;
  if (!block.isActive) return;
  const own = spends.filter(({ at, file }) => at > now - burnWindowMs && (profile === undefined || origins[file]?.profile === profile));
  block.burn = estimateBurn(own, now);
  block.forecast = forecastCost(row.costUsd, block.burn, now, block.endAt);
}
