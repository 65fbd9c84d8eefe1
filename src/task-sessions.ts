import { type Database, openToRead } from "./database.ts";
import { present } from "./json.ts";
import { tasksDbPath } from "./paths.ts";
import type { LiveSession, RunGroup } from "./session.ts";
import type { Sys } from "./sys.ts";

/** Which sessions are tasks of which run, by what its workers have noted of each: its conversation, and its process. */
interface TaskSessions {
  /** Sets `task` of those that are one, and tells of the runs that are not over. */
  mark(sessions: readonly LiveSession[]): RunGroup[];
  close(): void;
}

interface TaskLine {
  run: string;
  id: string;
  session: string;
  pid: number | null;
  start: string | null;
}

interface Known {
  version: number;
  runs: Omit<RunGroup, "isWorkedOn">[];
  tasks: ReadonlyMap<string, LiveSession["task"]>;
}

/** What has not changed since the look before is not read again. */
export function openTaskSessions(sys: Sys): TaskSessions {
  let database: Database | undefined;
  let known: Known | undefined;
  const read = (from: Database): Known => {
    const { data_version: version } = from.query("PRAGMA data_version").get() as { data_version: number };
    if (known === undefined || known.version !== version) known = { version, ...readRuns(from) };
    return known;
  };
  const close = () => {
    database?.close();
    [database, known] = [undefined, undefined];
  };
  return {
    mark(sessions) {
      // Asked each time: a file that was put aside is another one.
      if (sys.modifiedAt(tasksDbPath(sys)) === undefined) {
        close();
        return [];
      }
      try {
        database ??= openToRead(tasksDbPath(sys));
        const { runs, tasks } = read(database);
        for (const session of sessions) Object.assign(session, present({ task: findTask(tasks, session) }));
        return withWorkers(database, runs, sys.now());
      } catch {
        // Busy, torn, or of a newer csm: csm tasks says so, and a list is shown without it.
        close();
        return [];
      }
    },
    close,
  };
}

/** By its conversation, and by its process, which stays where a person clears the conversation. */
const findTask = (tasks: Known["tasks"], { sessionId, key }: LiveSession): LiveSession["task"] =>
  (sessionId === undefined ? undefined : tasks.get(sessionId)) ?? tasks.get(key);

function readRuns(database: Database): Omit<Known, "version"> {
  const runs = database
    .query(
      `SELECT run.id AS run, count(*) AS total, sum(state IN ('succeeded', 'failed', 'skipped', 'cancelled')) AS over,
         sum(state = 'failed') AS failed, sum(state = 'paused') AS paused, sum(state = 'paused' AND task.facts ->> '$.needsPerson' = 1) AS held
       FROM run JOIN task ON task.run = run.id WHERE run.ended_at IS NULL GROUP BY run.id ORDER BY run.started_at, run.id`,
    )
    .all() as { run: string; total: number; over: number; failed: number; paused: number; held: number | null }[];
  const lines = database
    .query(
      `SELECT task.run, task.id, task.facts ->> '$.sessionId' AS session, task.facts -> 'process' ->> 'pid' AS pid,
         task.facts -> 'process' ->> 'start' AS start
       FROM run JOIN task ON task.run = run.id WHERE run.ended_at IS NULL AND session IS NOT NULL`,
    )
    .all() as TaskLine[];
  const tasks = lines.flatMap(({ run, id, session, pid, start }) => {
    const task = { run, id };
    return pid === null ? [[session, task] as const] : ([[session, task] as const, [`${pid}:${start}`, task] as const] as const);
  });
  return { runs: runs.map(({ held, ...run }) => ({ ...run, held: held ?? 0 })), tasks: new Map(tasks) };
}

function withWorkers(database: Database, runs: Known["runs"], now: number): RunGroup[] {
  if (runs.length === 0) return [];
  const lines = database.query("SELECT DISTINCT run FROM worker WHERE lease_until > ?").all(now) as { run: string }[];
  const worked = new Set(lines.map(({ run }) => run));
  return runs.map((run) => ({ ...run, isWorkedOn: worked.has(run.run) }));
}
