import type { Windows } from "./claude-usage.ts";
import { duration } from "./format.ts";
import { present } from "./json.ts";

/**
 * `drain` empties the fullest account first, so that whole weeks stay whole; `consume-first` spends what would be lost at the
 * next reset; `spread` uses all alike.
 */
export const policies = ["drain", "consume-first", "spread"] as const;
type Policy = (typeof policies)[number];

export interface Candidate {
  name: string;
  windows: Windows;
  /** When the newest of them was read, epoch ms; undefined when nobody said. */
  readAt?: number;
  /** Why it could not be read. */
  error?: string;
  isDisabled?: boolean;
}

export interface ScoreOptions {
  now: number;
  policy: Policy;
  /** The profile one is in. */
  current?: string;
  /** Whether staying is a choice. */
  includeCurrent: boolean;
  /** From here on a 5-hour window counts as used up. */
  limitPercent: number;
  /** From here on a weekly window does. */
  saturationPercent: number;
  /** Data older than this decides nothing; 0 for any age. */
  maxAgeMs: number;
  /** As claude names it; windows of this model count too. */
  model?: string;
  /** By so many points another must be better before one leaves the current. */
  holdPoints: number;
}

type CandidateState = "viable" | "saturated" | "current" | "no-data" | "errored" | "disabled";

export interface Ranked {
  name: string;
  state: CandidateState;
  reasons: string[];
  /** Of the 5-hour window; undefined when unknown. */
  sessionPercent?: number;
  /** The fullest weekly window that counts. */
  weekPercent?: number;
  /** When that one starts over. */
  resetsAt?: number;
}

export interface Ranking {
  outcome: "winner" | "all-saturated" | "no-data";
  winner?: string;
  /** Why nothing could be decided, or why the winner won. */
  why: string;
  /** Best first. */
  rows: Ranked[];
}

/** Every candidate with its reasons, and who should work next. */
export function scoreCandidates(candidates: readonly Candidate[], options: ScoreOptions): Ranking {
  const rows = candidates.map((candidate) => judge(candidate, options)).sort((a, b) => compareRows(a, b, options));
  const usable = rows.filter(({ state }) => state === "viable" || state === "saturated" || state === "current");
  if (usable.length === 0) return { outcome: "no-data", why: "no usable usage data for any profile", rows };
  const stale = staleness(candidates, options);
  if (stale !== undefined) return { outcome: "no-data", why: stale, rows };
  const best = rows.find(({ state }) => state === "viable");
  if (best === undefined) return { outcome: "all-saturated", why: "all accounts saturated", rows };
  const held = rows.find((row) => row.state === "viable" && row.name === options.current && row !== best && isNear(row, best, options));
  if (held === undefined) return { outcome: "winner", winner: best.name, why: whyBest[options.policy], rows };
  held.reasons.push(`kept: ${best.name} is not better by more than ${holdText(options)}`);
  return {
    outcome: "winner",
    winner: held.name,
    why: `near-equal to ${best.name}, so the current one stays`,
    rows: [held, ...rows.filter((row) => row !== held)],
  };
}

const whyBest: Record<Policy, string> = {
  drain: "the fullest week that has room",
  "consume-first": "its week resets soonest",
  spread: "the least used",
};

/** A window whose reset has passed starts over at nothing. */
export function effectiveWindow(
  window: Windows[string] | undefined,
  now: number,
): { usedPercent: number; resetsAt?: number; isReset: boolean } | undefined {
  if (window === undefined) return undefined;
  const isReset = window.resetsAt !== undefined && window.resetsAt <= now;
  return isReset ? { usedPercent: 0, isReset } : { ...window, isReset };
}

function judge(candidate: Candidate, options: ScoreOptions): Ranked {
  const { name, windows } = candidate;
  const { now } = options;
  const session = effectiveWindow(windows.five_hour, now);
  const week = fullestWeek(candidate, options);
  const row: Ranked = {
    name,
    state: "viable",
    reasons: [],
    ...(session === undefined ? {} : { sessionPercent: session.usedPercent }),
    ...(week === undefined ? {} : { weekPercent: week.usedPercent }),
    ...present({ resetsAt: week?.resetsAt }),
  };
  const end = (state: CandidateState, reason: string): Ranked => ({ ...row, state, reasons: [...row.reasons, reason] });
  if (candidate.isDisabled === true) return end("disabled", "disabled in the configuration");
  if (candidate.error !== undefined) return end("errored", `could not be read: ${candidate.error}`);
  if (week === undefined) return end("no-data", "no weekly usage is known");
  row.reasons.push(`week ${percent(week.usedPercent)}${week.label}${resetText(week, now)}`);
  if (session !== undefined) row.reasons.push(`5 h ${percent(session.usedPercent)}${resetText(session, now)}`);
  if (candidate.readAt !== undefined) row.reasons.push(`read ${duration(now - candidate.readAt)} ago`);
  if (!options.includeCurrent && name === options.current) return end("current", "the current one, which is to be left");
  if ((session?.usedPercent ?? -1) >= options.limitPercent) return end("saturated", `5 h is at ${options.limitPercent}% or more`);
  if (week.usedPercent >= options.saturationPercent) return end("saturated", `the week is at ${options.saturationPercent}% or more`);
  return row;
}

/** The weekly window of all models, or a fuller one of the model in use. */
function fullestWeek({ windows }: Candidate, { now, model }: ScoreOptions) {
  const all = effectiveWindow(windows.seven_day, now);
  if (all === undefined) return undefined;
  let fullest = { ...all, label: "" };
  for (const [name, window] of Object.entries(windows)) {
    const own = isOfModel(name, model) ? effectiveWindow(window, now) : undefined;
    if (own !== undefined && own.usedPercent > fullest.usedPercent) fullest = { ...own, label: ` of ${name.slice("seven_day_".length)}` };
  }
  return fullest;
}

/** `seven_day_opus` counts for `claude-opus-5-5`. */
const isOfModel = (name: string, model: string | undefined): boolean =>
  model !== undefined &&
  name.startsWith("seven_day_") &&
  name
    .slice("seven_day_".length)
    .split("_")
    .every((word) => model.toLowerCase().includes(word));

const percent = (value: number): string => `${Math.round(value * 10) / 10}%`;
const resetText = (window: { resetsAt?: number; isReset: boolean }, now: number): string =>
  window.isReset ? " (has reset)" : window.resetsAt === undefined ? "" : `, resets in ${duration(window.resetsAt - now)}`;

/** Set when even the newest data is too old to decide anything. Undated data passes, as do clocks that run ahead. */
function staleness(candidates: readonly Candidate[], { now, maxAgeMs }: ScoreOptions): string | undefined {
  const known = candidates.flatMap(({ readAt }) => readAt ?? []);
  const newest = Math.max(...known);
  if (maxAgeMs === 0 || known.length === 0 || now - newest <= maxAgeMs) return undefined;
  return `the newest usage data is ${duration(now - newest)} old`;
}

const stateOrder: CandidateState[] = ["viable", "current", "saturated", "no-data", "errored", "disabled"];

function compareRows(a: Ranked, b: Ranked, options: ScoreOptions): number {
  const byState = Math.min(1, stateOrder.indexOf(a.state)) - Math.min(1, stateOrder.indexOf(b.state));
  if (byState !== 0) return byState;
  return (a.state === "viable" ? order[options.policy](a, b) : 0) || compareNames(a.name, b.name);
}

const never = Number.MAX_SAFE_INTEGER;
const byReset = (a: Ranked, b: Ranked): number => (a.resetsAt ?? never) - (b.resetsAt ?? never);
const byWeek = (a: Ranked, b: Ranked): number => (a.weekPercent ?? 0) - (b.weekPercent ?? 0);
const load = (row: Ranked): number => Math.max(row.sessionPercent ?? 0, row.weekPercent ?? 0);

const order: Record<Policy, (a: Ranked, b: Ranked) => number> = {
  drain: (a, b) => -byWeek(a, b) || byReset(a, b),
  "consume-first": (a, b) => byReset(a, b) || byWeek(a, b),
  spread: (a, b) => load(a) - load(b) || byReset(a, b),
};

/** By code units, which for the names that a profile may have is the older tool's order of bytes. */
const compareNames = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

const holdMs = 3_600_000;
const holdText = ({ policy, holdPoints }: ScoreOptions): string => (policy === "consume-first" ? duration(holdMs) : `${holdPoints} points`);

/** Near enough that a switch would only be undone by the next few answers. */
function isNear(current: Ranked, best: Ranked, { policy, holdPoints }: ScoreOptions): boolean {
  if (policy === "consume-first") return Math.abs(byReset(current, best)) <= holdMs;
  if (policy === "spread") return Math.abs(load(current) - load(best)) <= holdPoints;
  return Math.abs(byWeek(current, best)) <= holdPoints;
}
