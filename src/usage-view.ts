import type { UsageWindow } from "./claude-usage.ts";
import { duration, fit, isoTime, type Paint, type Style, timed, width, wrap } from "./format.ts";
import { present } from "./json.ts";
import { printableLine } from "./printable.ts";
import { effectiveWindow } from "./scorer.ts";
import type { ProfileUsage, UsageReport } from "./usage.ts";
import type { Reading } from "./usage-ledger.ts";
import { fleetSource, isOfFleet, sourceOf } from "./usage-sources.ts";

export interface ViewOptions {
  paint: Paint;
  /** Width of the terminal; undefined for as wide as it needs. */
  columns: number | undefined;
  recommended?: string;
  hasRegistry: boolean;
}

/** At this share a window counts as nearly used up. */
const nearPercent = 95;
const highPercent = 75;

const disabledText = "usage metering disabled — csm setup turns it on; or set CSM_USAGE_CMD or CLAUDE_USAGE_URL";
const noProfilesText = "(no profiles configured — `csm profiles add <name>`)";
const unavailableText = "usage metering unavailable — no source has answered";

/** What people look at: a bar for each window, when it resets, how old that is and who said so. */
export function renderUsage(report: UsageReport, options: ViewOptions): string[] {
  const { paint, hasRegistry } = options;
  const isKnown = report.profiles.some(({ windows }) => windows.size > 0) || report.foreign.length > 0;
  const shown = report.profiles.filter(isShown);
  const warnings = [staleLine(report), ...(isKnown || report.isConfigured ? [] : [disabledText])].filter((line) => line !== undefined);
  const rows = [
    ...shown.map((profile) => profileRow(profile, report.now, options)),
    ...report.foreign.map((row) => foreignRow(row, report.now)),
  ];
  const ends = [
    ...(hasRegistry || report.foreign.length > 0 ? [] : [noProfilesText]),
    ...(report.isConfigured && !isKnown ? [`${unavailableText}${report.failure === undefined ? "" : `: ${report.failure}`}`] : []),
  ];
  const fill = (line: string) => (options.columns === undefined ? [line] : wrap(line, options.columns));
  return [
    ...warnings.flatMap(fill).map((line) => paint("yellow", line)),
    ...(rows.length === 0 ? [] : renderRows(rows, options)),
    ...ends.flatMap(fill),
  ];
}

/** A folder that is no profile is only worth a row when something is known of it. */
const isShown = ({ isRegistered, windows }: ProfileUsage): boolean => isRegistered || windows.size > 0;

/** Only of a hub: what this machine saw itself shows its age in its row. */
function staleLine({ profiles, now }: UsageReport): string | undefined {
  const newest = newestOf(profiles.flatMap(({ windows }) => [...windows.values()]));
  if (newest === undefined || sourceOf(newest.source).isHub !== true || now - newest.at < 60_000) return undefined;
  return `⚠ hub data is ${oneUnit(now - newest.at)} old (showing last-known cache)`;
}

const newestOf = (readings: readonly Reading[]): Reading | undefined =>
  readings.reduce<Reading | undefined>((newest, reading) => (newest === undefined || reading.at > newest.at ? reading : newest), undefined);

const oneUnit = (ms: number): string => duration(ms).split(" ")[0] ?? "";

interface Row {
  mark: string;
  name: string;
  session: UsageWindow | undefined;
  week: UsageWindow | undefined;
  now: number;
  status: string;
  style: Style | undefined;
  from: string;
  notes: string[];
}

/** Words of the older tool, whose `near_limit` holds for full windows too. */
type UsageStatus = "ok" | "near_limit" | "errored" | "no_data";
type Used = readonly (UsageWindow | undefined)[];

function statusOf(windows: Used, error: string | undefined): UsageStatus {
  if (error !== undefined) return "errored";
  const known = windows.filter((window) => window !== undefined);
  if (known.length === 0) return "no_data";
  return known.some(({ usedPercent }) => usedPercent >= nearPercent) ? "near_limit" : "ok";
}

const statusWords: Record<UsageStatus, [text: string, style: Style | undefined]> = {
  ok: ["ok", "green"],
  near_limit: ["⚠ near-limit", "yellow"],
  errored: ["✖ errored", "red"],
  no_data: ["· no data", "dim"],
};

/** As it is shown: "100%" beside "near" would contradict itself. */
const isAtLimit = (windows: Used): boolean => windows.some((window) => window !== undefined && Math.round(window.usedPercent) >= 100);

function wordOf(windows: Used, error: string | undefined): [text: string, style: Style | undefined] {
  const status = statusOf(windows, error);
  return status === "near_limit" && isAtLimit(windows) ? ["✖ at its limit", "red"] : statusWords[status];
}

function profileRow(profile: ProfileUsage, now: number, { recommended }: ViewOptions): Row {
  const windows = new Map([...profile.windows].map(([name, reading]) => [name, effectiveWindow(reading, now)]));
  const [word, style] = wordOf([...windows.values()], profile.error);
  const newest = newestOf([...profile.windows.values()]);
  const models = [...windows].filter(([name]) => name !== "five_hour" && name !== "seven_day");
  return {
    mark: profile.name === recommended ? "★" : profile.isCurrent ? "*" : " ",
    name: printableLine(profile.isRegistered ? profile.name : `${profile.name} (unreg)`),
    session: windows.get("five_hour"),
    week: windows.get("seven_day"),
    now,
    status: profile.isDisabled ? "disabled" : profile.error === undefined ? word : printableLine(`${word}: ${profile.error}`),
    style: profile.isDisabled ? "dim" : style,
    from: newest === undefined ? "" : `${duration(now - newest.at)} ago, ${sourceOf(newest.source).words}`,
    notes: [
      ...models.map(([name, window]) => `${name.slice("seven_day_".length).replaceAll("_", " ")} week ${windowText(window, now)}`),
      ...(profile.sharedWith.length === 0 ? [] : [printableLine(`same account as ${profile.sharedWith.join(", ")}`)]),
    ],
  };
}

function foreignRow({ name, windows, at, error }: UsageReport["foreign"][number], now: number): Row {
  const [session, week] = [effectiveWindow(windows.five_hour, now), effectiveWindow(windows.seven_day, now)];
  const [word, style] = wordOf([session, week], error);
  const status = error === undefined ? word : printableLine(`${word}: ${error}`);
  return {
    mark: " ",
    name: printableLine(`${name} (unreg)`),
    session,
    week,
    now,
    status,
    style,
    from: `${duration(now - at)} ago, hub`,
    notes: [],
  };
}

const percentText = (value: number): string => `${Math.round(value)}%`.padStart(4);
const resetText = (window: UsageWindow & { isReset?: boolean }, now: number): string =>
  window.isReset === true ? "reset" : window.resetsAt === undefined ? "" : `in ${duration(window.resetsAt - now)}`;
const windowText = (window: UsageWindow | undefined, now: number): string =>
  window === undefined ? "—" : `${percentText(window.usedPercent).trim()} ${resetText(window, now)}`.trim();

/** A bar of eighths, so that a cell shows more than ten steps. */
function bar(usedPercent: number, cells: number): string {
  const eighths = Math.round((Math.min(usedPercent, 100) / 100) * cells * 8);
  const partial = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"][eighths % 8] ?? "";
  return `${"█".repeat(Math.floor(eighths / 8))}${partial}`.padEnd(cells, "░");
}

const styleOf = (usedPercent: number): Style => (usedPercent >= nearPercent ? "red" : usedPercent >= highPercent ? "yellow" : "green");

interface Cell {
  text: string;
  style?: Style | undefined;
}

interface Layout {
  /** 0 for no bar. */
  barCells: number;
  /** Whether age and source are told. */
  hasFrom: boolean;
}

/** What is left out first when the terminal is narrow. */
const layouts: [Layout, ...Layout[]] = [
  { barCells: 10, hasFrom: true },
  { barCells: 5, hasFrom: true },
  { barCells: 8, hasFrom: false },
  { barCells: 4, hasFrom: false },
  { barCells: 0, hasFrom: false },
];

function renderRows(rows: readonly Row[], { paint, columns = Number.POSITIVE_INFINITY }: ViewOptions): string[] {
  let fitting = layOut(rows, layouts[0]);
  for (const layout of layouts.slice(1)) if (fitting.total > columns) fitting = layOut(rows, layout);
  const { table, widths } = fitting;
  return table.flatMap((cells, index) => {
    const row = index === 0 ? undefined : rows[index - 1];
    const line = renderLine(cells, widths, paint, columns);
    return [row === undefined ? paint("bold", line) : line, ...(row?.notes ?? []).map((note) => paint("dim", fit(`    ${note}`, columns)))];
  });
}

function layOut(rows: readonly Row[], { barCells, hasFrom }: Layout): { table: Cell[][]; widths: number[]; total: number } {
  const titles = ["  PROFILE", "5 HOURS", "WEEK", "STATUS", ...(hasFrom ? ["READ"] : [])];
  const cellOf = (window: (UsageWindow & { isReset?: boolean }) | undefined, now: number): Cell => {
    if (window === undefined) return { text: "—", style: "dim" };
    const shares =
      barCells === 0 ? percentText(window.usedPercent).trim() : `${bar(window.usedPercent, barCells)} ${percentText(window.usedPercent)}`;
    return { text: `${shares} ${resetText(window, now)}`.trimEnd(), style: styleOf(window.usedPercent) };
  };
  const table: Cell[][] = [
    titles.map((text) => ({ text })),
    ...rows.map((row) => [
      { text: `${row.mark} ${row.name}`, style: row.mark === "★" ? ("bold" as const) : undefined },
      cellOf(row.session, row.now),
      cellOf(row.week, row.now),
      { text: row.status, style: row.style },
      ...(hasFrom ? [{ text: row.from, style: "dim" as const }] : []),
    ]),
  ];
  const widths = titles.map((_, index) => Math.max(...table.map((cells) => width(cells[index]?.text ?? ""))));
  return { table, widths, total: widths.reduce((sum, cell) => sum + cell + 2, -2) };
}

function renderLine(cells: readonly Cell[], widths: readonly number[], paint: Paint, columns: number): string {
  let used = 0;
  let line = "";
  for (const [index, { text, style }] of cells.entries()) {
    const room = columns - used;
    if (room <= 0) break;
    const shown = room >= (widths[index] ?? 0) ? text : fit(text, room);
    const isLast = index === cells.length - 1;
    const taken = isLast ? 0 : Math.min((widths[index] ?? 0) + 2, room);
    line += (style === undefined ? shown : paint(style, shown)) + " ".repeat(Math.max(0, taken - (isLast ? 0 : width(shown))));
    used += taken;
  }
  return line.trimEnd();
}

/** The older csm's keys, and the common ones beside. */
export function usageJson(report: UsageReport, recommended: string | undefined) {
  const { now } = report;
  const times = report.profiles.flatMap(({ readAt }) => readAt ?? []);
  const newest = times.length === 0 ? undefined : Math.max(...times);
  const registered = report.profiles.filter(isShown).map((profile) => [profile.name, profileJson(profile.name, profile, now)] as const);
  const foreign = report.foreign.map(({ name, windows, at, error }) => {
    const known = new Map(Object.entries(windows).map(([window, value]) => [window, { ...value, at, source: "cache" }]));
    return [name, profileJson(name, { windows: known, ...present({ error }), isRegistered: false }, now)] as const;
  });
  return {
    captured_at: isoTime(newest),
    stale_secs: newest === undefined ? null : Math.max(0, Math.floor((now - newest) / 1000)),
    configured: report.isConfigured,
    recommended: recommended ?? null,
    failure: report.failure ?? null,
    at: newest === undefined ? null : Math.floor(newest),
    time: isoTime(newest),
    profiles: Object.fromEntries([...registered, ...foreign].toSorted(([a], [b]) => (a < b ? -1 : 1))),
  };
}

interface Encodable extends Partial<Omit<ProfileUsage, "windows">> {
  isRegistered: boolean;
  windows: ReadonlyMap<string, UsageWindow & { at: number; source: string }>;
}

function profileJson(name: string, profile: Encodable, now: number) {
  const windows = new Map([...profile.windows].map(([name, reading]) => [name, { ...reading, now: effectiveWindow(reading, now) }]));
  const percentOf = (name: string): number | null => {
    const used = windows.get(name)?.now?.usedPercent;
    return used === undefined ? null : Math.round(used);
  };
  const used = [...windows.values()].map((window) => window.now);
  const reset = windows.get("five_hour")?.now?.resetsAt ?? windows.get("seven_day")?.now?.resetsAt;
  return {
    registered: profile.isRegistered,
    session_pct: percentOf("five_hour"),
    week_all_pct: percentOf("seven_day"),
    week_sonnet_pct: percentOf("seven_day_sonnet"),
    resets: isoTime(reset),
    status: statusOf(used, profile.error),
    at_limit: isAtLimit(used),
    error: profile.error ?? null,
    current: profile.isCurrent ?? false,
    disabled: profile.isDisabled ?? false,
    dir: profile.dir ?? null,
    shares_with: profile.sharedWith ?? [],
    profile: name,
    config_dir: profile.dir ?? null,
    session_percent: windows.get("five_hour")?.now?.usedPercent ?? null,
    week_percent: windows.get("seven_day")?.now?.usedPercent ?? null,
    ...timed("resets", reset),
    windows: Object.fromEntries(
      [...windows].map(([name, { now: window, ...reading }]) => [
        name,
        {
          used_percent: window?.usedPercent ?? null,
          ...timed("resets", reading.resetsAt),
          is_reset: window?.isReset ?? false,
          source: reading.source,
          machine: isOfFleet(reading.source) ? reading.source.slice(fleetSource("").length) : null,
          ...timed("read", reading.at),
          age_ms: Math.max(0, now - reading.at),
          age_secs: Math.max(0, Math.floor((now - reading.at) / 1000)),
        },
      ]),
    ),
  };
}
