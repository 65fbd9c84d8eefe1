import { isMachineName } from "./fleet-access.ts";
import { isRecord } from "./json.ts";
import type { RunGroup } from "./session.ts";

/**
 * What a machine tells of itself and its sessions. Checked by hand: twenty thousand sessions of a thousand machines are read each
 * time that somebody lists them. Others may be older, newer or hostile: a value that does not fit is none.
 */
export interface MachineState {
  v: 1;
  machine: string;
  /** By its own clock, epoch ms, as are all moments in it. */
  at: number;
  /** What the server's clock is ahead of its own. */
  clock_ms?: number;
  version: string;
  os: string;
  role: string;
  sessions: FleetSession[];
  /** Runs of task files that are not over. */
  runs?: FleetRun[];
}

export interface FleetSession {
  name: string;
  session_id: string | null;
  status: string;
  /** For people, as `csm ls` says it. */
  words: string;
  source: string;
  since_at: number;
  profile: string | null;
  /** Null unless `fleet.share` lets it out. */
  cwd: string | null;
  model: string | null;
  kind: string;
  driver: string | null;
  /** How many run. */
  agents: number;
  gate_id?: string;
  context_percent: number | null;
  cost_usd: number | null;
  tokens: number | null;
  /** Only where `fleet.share` lets it out. */
  title?: string;
}

/** A run of a task file that is not over, without what it is about: how many tasks, and how they stand. */
export interface FleetRun extends Omit<RunGroup, "isWorkedOn"> {
  worked_on: boolean;
}

/** The longest that each text of a session may be: whoever tells one cuts it, as one that is longer is not taken. */
export const longestTexts = {
  ...{ name: 200, session_id: 100, status: 40, words: 200, source: 60, profile: 200, cwd: 4096, model: 100, kind: 40, driver: 200 },
  ...{ gate_id: 200, title: 300 },
} as const;

type Fits = (value: unknown) => boolean;
const text =
  (max: number): Fits =>
  (value) =>
    typeof value === "string" && value.length <= max;
const moment: Fits = (value) => Number.isInteger(value) && (value as number) >= 0 && (value as number) <= 8.64e15;
const count: Fits = (value) => Number.isSafeInteger(value) && (value as number) >= 0;
const amount: Fits = (value) => Number.isFinite(value);
const orNull =
  (fits: Fits): Fits =>
  (value) =>
    value === null || fits(value);
const optional =
  (fits: Fits): Fits =>
  (value) =>
    value === undefined || fits(value);
const rows = <T>(checks: { [K in keyof Required<T>]: Fits }): [string, Fits][] => Object.entries(checks) as [string, Fits][];

const told = (field: keyof typeof longestTexts): Fits => text(longestTexts[field]);

const sessionRows = rows<FleetSession>({
  name: told("name"),
  session_id: orNull(told("session_id")),
  status: told("status"),
  words: told("words"),
  source: told("source"),
  since_at: moment,
  profile: orNull(told("profile")),
  cwd: orNull(told("cwd")),
  model: orNull(told("model")),
  kind: told("kind"),
  driver: orNull(told("driver")),
  agents: count,
  gate_id: optional(told("gate_id")),
  context_percent: orNull(amount),
  cost_usd: orNull(amount),
  tokens: orNull(amount),
  title: optional(told("title")),
});

const runRows = rows<FleetRun>({
  ...{ run: text(200), total: count, over: count, failed: count, paused: count, held: count },
  worked_on: (value) => typeof value === "boolean",
});

/** More than anybody has. */
export const mostSessions = 2000;
export const mostRuns = 50;

const fitsAll = (checks: readonly [string, Fits][], value: unknown): boolean => {
  if (!isRecord(value)) return false;
  for (const [key, fits] of checks) if (!fits(value[key])) return false;
  return true;
};

/** A row that does not fit costs no other one. */
function rowsOf<T>(checks: readonly [string, Fits][], value: unknown, most: number): T[] {
  const list: unknown[] = Array.isArray(value) ? value.slice(0, most) : [];
  return list.filter((each) => fitsAll(checks, each)) as T[];
}

const machineRows = rows<MachineState>({
  v: (value) => value === 1,
  machine: (value) => typeof value === "string" && isMachineName(value),
  at: moment,
  clock_ms: optional(amount),
  version: text(40),
  os: text(40),
  role: text(20),
  sessions: Array.isArray,
  runs: optional(Array.isArray),
});

export function parseMachineState(value: unknown): MachineState | undefined {
  if (!fitsAll(machineRows, value)) return undefined;
  const state = value as MachineState;
  return {
    ...state,
    sessions: rowsOf(sessionRows, state.sessions, mostSessions),
    ...(state.runs === undefined ? {} : { runs: rowsOf<FleetRun>(runRows, state.runs, mostRuns) }),
  };
}
