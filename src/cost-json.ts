import type { Block, CostRow, Report, ReportOptions } from "./cost-report.ts";
import { printableLine } from "./sanitize.ts";

export interface CostFacts {
  options: ReportOptions;
  prices: { at: string; source: string };
  unreadable: number;
  unknownFiles: readonly string[];
}

/** The report as a contract for programs. Money in US dollars, times in ISO 8601. */
export function toCostJson(report: Report, { options, prices, unreadable, unknownFiles }: CostFacts) {
  return {
    report: options.grouping,
    timezone: options.calendar.timeZone,
    since: options.since ?? null,
    until: options.until ?? null,
    profile: options.profile ?? null,
    prices,
    rows: report.rows.map((row) => rowJson(row)),
    totals: figures(report.totals),
    unpriced_models: report.unpricedModels,
    unreadable_lines: unreadable,
    unknown_format: unknownFiles,
  };
}

const figures = ({ tokens, webSearches, costUsd, unpriced, messages }: CostRow) => ({
  input_tokens: tokens.input,
  output_tokens: tokens.output,
  cache_write_5m_tokens: tokens.write5m,
  cache_write_1h_tokens: tokens.write1h,
  cache_read_tokens: tokens.cacheRead,
  total_tokens: tokens.input + tokens.output + tokens.write5m + tokens.write1h + tokens.cacheRead,
  web_searches: webSearches,
  messages,
  cost_usd: costUsd,
  unpriced_messages: unpriced,
});

const rowJson = (row: CostRow) => ({
  key: row.key,
  ...figures(row),
  models: row.models,
  last_at: new Date(row.lastAt).toISOString(),
  ...(row.origin === undefined ? {} : { project: row.origin.project, profile: row.origin.profile ?? null }),
  ...(row.block === undefined ? {} : blockJson(row.block)),
});

const blockJson = ({ startAt, endAt, isActive, burn, forecast }: Block) => ({
  start: new Date(startAt).toISOString(),
  end: new Date(endAt).toISOString(),
  is_active: isActive,
  burn_usd_per_hour: burn === undefined ? null : { expected: burn.usdPerHour, low: burn.low, high: burn.high },
  forecast_usd: forecast ?? null,
});

const csvTitles = [
  ...["key", "project", "profile", "models", "input_tokens", "output_tokens", "cache_write_5m_tokens", "cache_write_1h_tokens"],
  ...["cache_read_tokens", "total_tokens", "web_searches", "messages", "cost_usd", "unpriced_messages"],
];

/** One line per row and one of titles, as RFC 4180 has it but for the line ends. */
export function renderCsv(report: Report): string[] {
  const lines = report.rows.map((row) => [
    ...[row.key, row.origin?.project ?? "", row.origin?.profile ?? "", row.models.join(" ")],
    ...Object.values(figures(row)).map(String),
  ]);
  return [csvTitles, ...lines].map((cells) => cells.map(csvCell).join(","));
}

/** A folder may be named like a formula, which spreadsheets would run. */
function csvCell(text: string): string {
  const plain = printableLine(text);
  const safe = /^[=+@]|^-\D/.test(plain) ? `'${plain}` : plain;
  return /[",]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
