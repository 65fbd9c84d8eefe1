import { isAbsolute } from "node:path";
import type { Calendar } from "./calendar.ts";
import type { Block, CostRow, FileOrigin, Grouping, Report, ReportOptions } from "./cost-report.ts";
import { duration, fit, fitPath, isoTime, type Paint, shownPath, timed, width } from "./format.ts";
import { printableLine } from "./printable.ts";

interface TableOptions {
  grouping: Grouping;
  calendar: Calendar;
  now: number;
  home: string;
  paint: Paint;
  /** Undefined off a terminal: as wide as it needs. */
  columns: number | undefined;
}

interface Column {
  title: string;
  text(row: CostRow): string;
  /** Given up first, from the highest number on, when the table is wider than the terminal. */
  rank: number;
  isLeft?: boolean;
  /** May be cut to this width. */
  minWidth?: number;
  fit?: (text: string, columns: number) => string;
}

/** A table for people: the newest or the dearest row last, next to the prompt. */
export function renderCost(report: Report, options: TableOptions): string[] {
  const { paint } = options;
  const all = createColumns(options);
  const rows = [...report.rows, report.totals];
  for (const [isCompact, rank] of layouts) {
    const columns = all(isCompact).filter((column) => column.rank <= rank);
    const cells = rows.map((row) => columns.map((column) => printableLine(column.text(row))));
    const widths = columns.map((column, index) => Math.max(width(column.title), ...cells.map((line) => width(line[index] ?? ""))));
    if (!shrink(widths, columns, options.columns) && rank > 0) continue;
    const render = (line: string[]) => renderLine(line, columns, widths);
    const body = cells.slice(0, -1).map((line, index) => paintRow(render(line), report.rows[index], paint));
    return [paint("bold", render(columns.map(({ title }) => title))), ...body, paint("bold", render(cells.at(-1) ?? []))];
  }
  return [];
}

/** Whole numbers while there is room for everything; then short ones, and then fewer columns. */
const layouts: [isCompact: boolean, rank: number][] = [[false, 6], ...[6, 5, 4, 3, 2, 1, 0].map((rank): [boolean, number] => [true, rank])];

function createColumns({ grouping, calendar, now, home }: TableOptions): (compact: boolean) => Column[] {
  const isTotal = (row: CostRow) => row.key === "total" && row.lastAt >= 0 && row.origin === undefined && row.block === undefined;
  const day = (at: number) => (at === 0 ? "" : `${calendar.dayOf(at)} ${calendar.timeOf(at)}`);
  const first: Record<Grouping, Column> = {
    daily: { title: "DAY", rank: 0, isLeft: true, text: ({ key }) => key },
    weekly: { title: "WEEK FROM", rank: 0, isLeft: true, text: ({ key }) => key },
    monthly: { title: "MONTH", rank: 0, isLeft: true, text: ({ key }) => key },
    session: { title: "SESSION", rank: 0, isLeft: true, text: (row) => (isTotal(row) ? "total" : row.key.slice(0, 8)) },
    project: { title: "PROJECT", rank: 0, isLeft: true, minWidth: 14, fit: fitPath, text: ({ key }) => shownPath(key, home) },
    model: { title: "MODEL", rank: 0, isLeft: true, minWidth: 14, text: ({ key }) => key },
    account: { title: "ACCOUNT", rank: 0, isLeft: true, minWidth: 8, text: ({ key }) => key },
    machine: { title: "MACHINE", rank: 0, isLeft: true, minWidth: 8, text: ({ key }) => key },
    block: {
      title: "BLOCK",
      rank: 0,
      isLeft: true,
      text: ({ key, block }) => (block === undefined ? key : `${day(block.startAt)}–${calendar.timeOf(block.endAt)}`),
    },
  };
  const project: Column = {
    title: "PROJECT",
    rank: 2,
    isLeft: true,
    minWidth: 10,
    fit: fitPath,
    text: ({ origin }) => (origin === undefined ? "" : shownPath(origin.project, home)),
  };
  const title: Column = {
    title: "TITLE",
    rank: 1,
    isLeft: true,
    minWidth: 16,
    text: (row) => fit(printableLine(row.title ?? ""), maxTitle),
  };
  const last: Column = { title: "LAST", rank: 4, isLeft: true, text: (row) => (isTotal(row) ? "" : day(row.lastAt)) };
  const models: Column = {
    title: "MODELS",
    rank: 3,
    isLeft: true,
    minWidth: 12,
    text: (row) => (isTotal(row) ? "" : [...new Set(row.models.map(shortModel))].join(" ")),
  };
  const left: Column = {
    title: "LEFT",
    rank: 1,
    text: ({ block }) =>
      block?.isActive
        ? duration(block.endAt - now)
            .split(" ")
            .slice(0, 2)
            .join(" ")
        : "",
  };
  return (compact) => {
    const count = (tokens: number) => (compact ? compactCount(tokens) : grouped(String(tokens)));
    return [
      first[grouping],
      ...(grouping === "session" ? [title, project, last] : []),
      ...(grouping === "model" ? [] : [models]),
      { title: "INPUT", rank: 5, text: ({ tokens }) => count(tokens.input) },
      { title: "OUTPUT", rank: 5, text: ({ tokens }) => count(tokens.output) },
      { title: "CACHE WRITE", rank: 6, text: ({ tokens }) => count(tokens.write5m + tokens.write1h) },
      { title: "CACHE READ", rank: 6, text: ({ tokens }) => count(tokens.cacheRead) },
      { title: "TOKENS", rank: 1, text: ({ tokens }) => count(sum(tokens)) },
      ...(grouping === "block" ? [left] : []),
      { title: "COST", rank: 0, text: ({ costUsd, unpriced }) => `${money(costUsd)}${unpriced > 0 ? " + ?" : ""}` },
    ];
  };
}

/** A longer one is cut by every terminal. */
const maxTitle = 60;

const sum = (tokens: CostRow["tokens"]): number => tokens.input + tokens.output + tokens.write5m + tokens.write1h + tokens.cacheRead;

/** `claude-opus-4-8` as `opus-4-8`: the family is all that differs. */
const shortModel = (model: string): string => model.replace(/^claude-/, "").replace(/-20\d{6}$/, "");

/** `1,234,567`, without `Intl`, which takes longer to load than all the rest. */
const grouped = (digits: string): string => digits.replace(/\B(?=(?:\d{3})+$)/g, ",");

export const money = (usd: number): string => {
  const [whole = "", cents = ""] = usd.toFixed(2).split(".");
  return `$${grouped(whole)}.${cents}`;
};

const steps: [size: number, letter: string][] = [
  [1e12, "T"],
  [1e9, "G"],
  [1e6, "M"],
  [1e3, "k"],
];

/** `1.5M`, `42k`, `999` */
export function compactCount(count: number): string {
  // What would round up to the next letter is written with it.
  const [size, letter] = steps.find(([step]) => count >= step * 0.9995) ?? [1, ""];
  const value = count / size;
  return `${letter === "" ? value : value.toPrecision(3).replace(/\.0+$|(\.\d*?)0+$/, "$1")}${letter}`;
}

/** The last column first: the models before the project. True when the table fits now. */
function shrink(widths: number[], columns: readonly Column[], maxWidth = Number.POSITIVE_INFINITY): boolean {
  let excess = widths.reduce((all, columnWidth) => all + columnWidth, 0) + 2 * (widths.length - 1) - maxWidth;
  for (let index = columns.length - 1; index >= 0 && excess > 0; index--) {
    const minWidth = columns[index]?.minWidth;
    if (minWidth === undefined) continue;
    const taken = Math.max(0, Math.min(excess, (widths[index] ?? 0) - minWidth));
    widths[index] = (widths[index] ?? 0) - taken;
    excess -= taken;
  }
  return excess <= 0;
}

const renderLine = (cells: readonly string[], columns: readonly Column[], widths: readonly number[]): string =>
  columns
    .map((column, index) => {
      const text = (column.fit ?? fit)(cells[index] ?? "", widths[index] ?? 0);
      const blanks = " ".repeat(Math.max(0, (widths[index] ?? 0) - width(text)));
      return column.isLeft === true ? text + blanks : blanks + text;
    })
    .join("  ")
    .trimEnd();

const paintRow = (line: string, row: CostRow | undefined, paint: Paint): string =>
  row?.block?.isActive === true ? paint("green", line) : row !== undefined && row.unpriced > 0 ? paint("yellow", line) : line;

export interface CostFacts {
  options: ReportOptions;
  prices: { at: string; source: string };
  unreadable: number;
  unknownFiles: readonly string[];
}

/** The report as a contract for programs. Money in US dollars. */
export function toCostJson(report: Report, { options, prices, unreadable, unknownFiles }: CostFacts) {
  return {
    report: options.grouping,
    timezone: options.calendar.timeZone,
    since: options.since ?? null,
    until: options.until ?? null,
    profile: options.profile ?? null,
    prices: { day: prices.at, source: prices.source },
    rows: report.rows.map((row) => rowJson(row)),
    totals: figures(report.totals),
    unpriced_models: report.unpricedModels,
    unreadable_lines: unreadable,
    unknown_format: [...unknownFiles],
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
  ...timed("last", row.lastAt),
  ...(row.title === undefined ? {} : { title: row.title }),
  ...(row.origin === undefined ? {} : { ...originJson(row.origin), transcript: row.transcript ?? null }),
  ...(row.block === undefined ? {} : blockJson(row.block)),
});

/** `project` is a slug where no line tells the folder. */
const originJson = ({ project, profile, sessionId }: FileOrigin) => ({
  ...{ project, profile: profile ?? null, session_id: sessionId },
  cwd: isAbsolute(project) ? project : null,
});

const blockJson = ({ startAt, endAt, isActive, burn, forecast }: Block) => ({
  start: isoTime(startAt),
  end: isoTime(endAt),
  ...timed("start", startAt),
  ...timed("end", endAt),
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

/** A folder may be named like a formula, which spreadsheets would run, also in the wide forms of its signs; a number is none. */
function csvCell(text: string): string {
  // Blanks and tabs before the sign, which they pass over, go with it.
  const plain = printableLine(text);
  const isNumber = /^[+-]?\d+(?:\.\d+)?(?:e[+-]?\d+)?$/i.test(plain);
  const safe = /^[=+\-@＝＋－＠]/.test(plain) && !isNumber ? `'${plain}` : plain;
  return /[",;]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
