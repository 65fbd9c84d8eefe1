import type { Line } from "./fleet-line.ts";
import { type FleetRun, parseFleetRun, parseTaskFacts } from "./fleet-task-schema.ts";
import { isRecord, parseJson, parseRecord, present } from "./json.ts";
import type { Sys } from "./sys.ts";
import type { TaskState } from "./task-condition.ts";
import type { Run, TaskFacts, TaskRow, Worker } from "./task-queue.ts";

/** A row as it stands on the server. */
export interface StoredRow {
  s: TaskState;
  f: number;
  /** How often a worker was lost on it. */
  n: number;
  w?: string;
  /** Its group. */
  g?: string;
  d?: boolean;
}

/** What was read of runs: only what has changed since is asked for again. */
export interface Mirror {
  readRun(id: string): Promise<Run | undefined>;
  readRows(run: string): Promise<TaskRow[]>;
  /** Undefined where the server knows nothing of the run. */
  readChanges(run: string): Promise<{ rows: TaskRow[]; isAnew: boolean } | undefined>;
  /** Nobody has put it back for a while. */
  isGone(run: string): boolean;
  forget(run: string): void;
  /** Of the accounts of this machine, which nobody else has to know. */
  keepWeeks(run: string, weeks: Run["weeks"]): void;
}

interface MirrorOptions {
  line: Line;
  keyOf(run: string): string;
  /** As it is seen from this machine, where that differs. */
  viewOf(facts: TaskFacts): TaskFacts;
}

/** A run that the server does not know is put back within this time by who has given it, or was taken away. */
const graceMs = 60_000;

interface Known {
  run: Run | undefined;
  epoch: string;
  seq: number;
  /** That it was read by: a server that was started anew may have forgotten what it said. */
  connection: number;
  rows: Map<string, TaskRow>;
  stale: ReadonlySet<string>;
  changed: Map<string, TaskRow>;
  isAnew: boolean;
  /** Epoch ms. */
  missingSince?: number | undefined;
  weeks?: Run["weeks"];
}

export function createMirror(sys: Sys, { line, keyOf, viewOf }: MirrorOptions): Mirror {
  const all = new Map<string, Known>();
  const knownOf = (run: string): Known => {
    const known = all.get(run) ?? unread();
    all.set(run, known);
    return known;
  };
  const isGone = (run: string): boolean => {
    const { missingSince } = knownOf(run);
    return missingSince !== undefined && sys.now() - missingSince >= graceMs;
  };
  /** False where the server knows nothing of it. */
  const refresh = async (run: string): Promise<boolean> => {
    const known = knownOf(run);
    const { connection } = known;
    const isSame = connection === line.connection();
    const answer = await line.evaluate("sync", keyOf(run), isSame ? [known.epoch, known.seq] : ["", 0]);
    if (!Array.isArray(answer)) {
      known.missingSince ??= sys.now();
      return false;
    }
    const [epoch, seq, isAll, stale, changed] = answer as [string, number, number, string[], string[]];
    known.missingSince = undefined;
    if (isAll === 1) {
      known.rows = new Map();
      known.isAnew = true;
    }
    for (let at = 0; at < changed.length; at += 3) {
      const row = decodeRow(changed[at] ?? "", changed[at + 1], changed[at + 2], viewOf);
      if (row === undefined) continue;
      known.rows.set(row.id, row);
      known.changed.set(row.id, row);
    }
    Object.assign(known, { epoch, seq: Number(seq), connection: line.connection(), stale: new Set(stale) });
    return true;
  };
  const readRun = async (id: string): Promise<Run | undefined> => {
    const known = knownOf(id);
    const [facts, ...state] = (await line.call("HMGET", [keyOf(id), "facts", "stop", "endedAt"])) as (string | null)[];
    if (facts === null || facts === undefined) {
      known.missingSince ??= sys.now();
      return isGone(id) ? undefined : known.run;
    }
    if (known.run === undefined) {
      const graph = await line.call("GET", [`${keyOf(id)}:graph`], graphMs);
      known.run = toRun(parseFleetRun({ ...parseRecord(facts), id, graph: parseJson(String(graph)) }));
    }
    return known.run && { ...known.run, ...stateOf(state), ...present({ weeks: known.weeks }) };
  };
  return {
    readRun,
    isGone,
    forget: (run) => void all.delete(run),
    keepWeeks(run, weeks) {
      knownOf(run).weeks = weeks;
    },
    async readRows(run) {
      await refresh(run);
      const { rows, stale } = knownOf(run);
      const tasks = (await readRun(run))?.graph.tasks ?? [];
      return tasks.flatMap(({ id }) => {
        const row = rows.get(id);
        if (row === undefined) return [];
        return row.state === "running" ? { ...row, leaseUntil: stale.has(id) ? 0 : Number.MAX_SAFE_INTEGER } : row;
      });
    },
    async readChanges(run) {
      if (!(await refresh(run))) return undefined;
      const known = knownOf(run);
      const { changed, isAnew } = known;
      Object.assign(known, { changed: new Map(), isAnew: false });
      return { rows: [...changed.values()], isAnew };
    },
  };
}

const graphMs = 30_000;

const unread = (): Known => ({
  ...{ run: undefined, epoch: "", seq: 0, connection: 0, isAnew: true },
  ...{ rows: new Map(), stale: new Set<string>(), changed: new Map() },
});

function stateOf([stop, endedAt]: (string | null)[]): Pick<Run, "stop" | "endedAt"> {
  const how: Run["stop"] = stop === "gently" || stop === "now" ? stop : undefined;
  return present({
    stop: how,
    endedAt: endedAt === null || endedAt === undefined ? undefined : Number(endedAt),
  });
}

const toRun = (told: FleetRun | undefined): Run | undefined => told && { ...(told as Run), isFleet: true };

function decodeRow(id: string, text: string | undefined, facts: string | undefined, viewOf: MirrorOptions["viewOf"]): TaskRow | undefined {
  const row = parseRecord(text) as Partial<StoredRow> | undefined;
  if (row === undefined || typeof row.s !== "string" || typeof row.f !== "number") return undefined;
  const told = viewOf(parseTaskFacts(facts));
  const dead = { isDead: true, reason: `its worker was lost ${row.n} times`, needsPerson: true };
  return {
    ...{ id, state: row.s, fence: row.f, facts: row.d === true ? { ...told, ...dead } : told },
    ...present({ worker: toWorker(row.w) }),
  };
}

export function toWorker(text: unknown): Worker | undefined {
  const value = parseJson(typeof text === "string" ? text : undefined);
  if (!isRecord(value)) return undefined;
  const { host, pid, start } = value;
  return typeof host === "string" && typeof pid === "number" && typeof start === "string" ? { host, pid, start } : undefined;
}
