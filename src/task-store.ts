import { type Database, openDurable } from "./database.ts";
import { UserError } from "./errors.ts";
import { present } from "./json.ts";
import { tell } from "./output.ts";
import { csmDir, tasksDbPath } from "./paths.ts";
import { requireOwnFolder } from "./state-folder.ts";
import type { Sys } from "./sys.ts";
import type { TaskState } from "./task-condition.ts";
import type {
  Breaker,
  Choice,
  Claim,
  FactChange,
  NewEvent,
  Run,
  RunChange,
  RunEvent,
  TaskFacts,
  TaskQueue,
  TaskRow,
  Worker,
} from "./task-queue.ts";
import type { TaskOutput } from "./task-template.ts";

/** A row holds what is looked for by itself; the rest is one JSON, to which keys are added without a step here. */
const steps = [
  `CREATE TABLE run (id TEXT PRIMARY KEY, started_at REAL NOT NULL, ended_at REAL, stop TEXT, facts TEXT NOT NULL) WITHOUT ROWID;
   CREATE TABLE task (run TEXT NOT NULL, id TEXT NOT NULL, position INTEGER NOT NULL, state TEXT NOT NULL,
     fence INTEGER NOT NULL, worker TEXT, lease_until REAL, facts TEXT NOT NULL, PRIMARY KEY (run, id)) WITHOUT ROWID;
   CREATE TABLE output (run TEXT NOT NULL, task TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (run, task)) WITHOUT ROWID;
   CREATE TABLE event (run TEXT NOT NULL, number INTEGER NOT NULL, at REAL NOT NULL, value TEXT NOT NULL, PRIMARY KEY (run, number))
     WITHOUT ROWID;
   CREATE TABLE worker (run TEXT NOT NULL, value TEXT NOT NULL, lease_until REAL NOT NULL, PRIMARY KEY (run, value)) WITHOUT ROWID;
   CREATE TABLE breaker (account TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;`,
];

/** What an earlier attempt has said stays for the one that finds nothing changed; it is no answer of a task that has failed since. */
const selectOutput = `SELECT value FROM output JOIN task ON task.run = output.run AND task.id = output.task
  WHERE output.run = ? AND output.task = ? AND task.state = 'succeeded'`;

interface RunLine {
  id: string;
  started_at: number;
  ended_at: number | null;
  stop: Run["stop"] | null;
  facts: string;
}

interface TaskLine {
  id: string;
  state: TaskState;
  fence: number;
  worker: string | null;
  lease_until: number | null;
  facts: string;
}

/** What has become of a run elsewhere. */
interface News {
  rows: readonly TaskRow[];
  events: readonly RunEvent[];
  outputs: ReadonlyMap<string, TaskOutput>;
}

export interface TaskStore extends TaskQueue {
  /** Of a run that others work on: as they tell it. */
  keep(run: string, news: News): void;
  /** The number of the newest event that is known here; 0 without any. */
  lastEvent(run: string): Promise<number>;
}

/** The queue of this machine, in csm's state folder. */
export function openTaskStore(sys: Sys): TaskStore {
  requireOwnFolder(sys, csmDir(sys));
  const database = openOrExplain(sys);
  const step = <T>(action: () => T): T => database.transaction(action).immediate();
  const addEvent = (run: string, event: NewEvent) =>
    database
      .query("INSERT INTO event SELECT ?1, coalesce(max(number), 0) + 1, ?2, ?3 FROM event WHERE run = ?1")
      .run(run, sys.now(), JSON.stringify(event));
  const end = (claim: Claim, state: TaskState, facts: FactChange, event: NewEvent, output?: TaskOutput) =>
    step(() => {
      if (!changeClaimed(database, claim, facts, { state, isFree: true })) return false;
      if (output !== undefined) database.query("REPLACE INTO output VALUES (?, ?, ?)").run(claim.run, claim.task, JSON.stringify(output));
      addEvent(claim.run, event);
      return true;
    });
  return {
    async create(run, taskIds, event) {
      step(() => {
        const { id, startedAt, ...facts } = run;
        database.query("INSERT INTO run VALUES (?, ?, NULL, NULL, ?)").run(id, startedAt, JSON.stringify(facts));
        const put = database.query("INSERT INTO task VALUES (?, ?, ?, 'pending', 0, NULL, NULL, '{}')");
        for (const [position, task] of taskIds.entries()) put.run(id, task, position);
        addEvent(id, event);
      });
    },
    async readRun(id) {
      const line = database.query("SELECT * FROM run WHERE id = ?").get(id) as RunLine | null;
      return line === null ? undefined : decodeRun(line);
    },
    listRuns: async () => (database.query("SELECT * FROM run ORDER BY started_at DESC, id").all() as RunLine[]).map(decodeRun),
    async changeRun(id, change) {
      step(() => changeRun(database, id, change));
    },
    async removeRun(id) {
      step(() => {
        for (const name of ["task", "output", "event", "worker"]) database.query(`DELETE FROM ${name} WHERE run = ?`).run(id);
        database.query("DELETE FROM run WHERE id = ?").run(id);
      });
    },
    readTasks: async (run) => readRows(database, run),
    readOutput: async (run, task) => {
      const line = database.query(selectOutput).get(run, task) as ValueLine | null;
      return line === null ? undefined : (JSON.parse(line.value) as TaskOutput);
    },
    claim: async (run, worker, leaseMs, pick) =>
      step(() => {
        const { start, skip, most } = pick(readRows(database, run));
        for (const over of skip) skipOne(database, run, over, sys.now());
        for (const { id, why, state } of skip) addEvent(run, { event: state, task: id, text: why });
        return start.slice(0, most).map((id) => claimOne(database, run, id, worker, sys.now() + leaseMs));
      }),
    heartbeat: async (claim, leaseMs, facts = {}) => step(() => changeClaimed(database, claim, facts, { leaseUntil: sys.now() + leaseMs })),
    pause: async (claim, facts, event) => end(claim, "paused", facts, event),
    finish: async (claim, state, facts, event, output) => end(claim, state, facts, event, output),
    async reset(run, tasks) {
      step(() => {
        const put = database.query(
          "UPDATE task SET state = ?, facts = json_patch(facts, ?), fence = fence + 1, worker = NULL WHERE run = ? AND id = ?",
        );
        for (const { id, state, facts = {} } of tasks) put.run(state, patchOf(facts), run, id);
      });
    },
    async note(run, event) {
      step(() => addEvent(run, event));
    },
    readEvents: async (run, after) =>
      (
        database.query("SELECT number, at, value FROM event WHERE run = ? AND number > ? ORDER BY number").all(run, after) as EventLine[]
      ).map(({ number, at, value }): RunEvent => ({ number, at, ...(JSON.parse(value) as NewEvent) })),
    lastEvent: async (run) =>
      (database.query("SELECT coalesce(max(number), 0) AS number FROM event WHERE run = ?").get(run) as { number: number }).number,
    async readBreakers() {
      const lines = database.query("SELECT account, value FROM breaker").all() as { account: string; value: string }[];
      const all = lines.map(({ account, value }): [string, Breaker] => [account, JSON.parse(value) as Breaker]);
      return new Map(all.filter(([, { until }]) => until === undefined || until > sys.now()));
    },
    block: async (account, breaker) =>
      step(() => {
        const line = database.query("SELECT value FROM breaker WHERE account = ?").get(account) as ValueLine | null;
        const before = line === null ? undefined : (JSON.parse(line.value) as Breaker);
        const isKnown = before?.why === breaker.why && (before.until ?? breaker.at) >= (breaker.until ?? breaker.at);
        if (!isKnown) database.query("REPLACE INTO breaker VALUES (?, ?)").run(account, JSON.stringify(breaker));
        return !isKnown;
      }),
    async unblock(account) {
      step(() => database.query("DELETE FROM breaker WHERE account = ?").run(account));
    },
    async attend(run, worker, leaseMs) {
      const value = JSON.stringify(worker);
      if (leaseMs === 0) database.query("DELETE FROM worker WHERE run = ? AND value = ?").run(run, value);
      else database.query("REPLACE INTO worker VALUES (?, ?, ?)").run(run, value, sys.now() + leaseMs);
    },
    readWorkers: async (run) =>
      (database.query("SELECT value FROM worker WHERE run = ? AND lease_until > ?").all(run, sys.now()) as ValueLine[]).map(
        ({ value }) => JSON.parse(value) as Worker,
      ),
    keep: (run, news) => step(() => keep(database, run, news)),
    close: () => database.close(),
  };
}

function openOrExplain(sys: Sys): Database {
  const path = tasksDbPath(sys);
  try {
    return openDurable(path, { steps }, (kept, why) =>
      tell(sys, `the runs of tasks could not be read (${why}); the file is kept as ${kept}, and a new one is begun`),
    );
  } catch (error) {
    if (error instanceof UserError) throw error;
    throw new UserError(`cannot open ${path}: ${(error as Error).message}`, "move it away, or see to its folder", 1, { cause: error });
  }
}

function keep(database: Database, run: string, { rows, events, outputs }: News): void {
  const put = database.query("UPDATE task SET state = ?, fence = ?, worker = ?, lease_until = NULL, facts = ? WHERE run = ? AND id = ?");
  for (const { id, state, fence, worker, facts } of rows)
    put.run(state, fence, worker === undefined ? null : JSON.stringify(worker), JSON.stringify(facts), run, id);
  const tell = database.query("REPLACE INTO event VALUES (?, ?, ?, ?)");
  for (const { number, at, ...event } of events) tell.run(run, number, at, JSON.stringify(event));
  const answer = database.query("REPLACE INTO output VALUES (?, ?, ?)");
  for (const [task, output] of outputs) answer.run(run, task, JSON.stringify(output));
}

interface ValueLine {
  value: string;
}

interface EventLine extends ValueLine {
  number: number;
  at: number;
}

function skipOne(database: Database, run: string, { id, why, state }: Choice["skip"][number], at: number): void {
  const put = database.query("UPDATE task SET state = ?, facts = json_patch(facts, ?) WHERE run = ? AND id = ?");
  put.run(state, JSON.stringify({ reason: why, endedAt: at }), run, id);
}

const decodeRun = ({ id, started_at: startedAt, ended_at: endedAt, stop, facts }: RunLine): Run => ({
  ...(JSON.parse(facts) as Omit<Run, "id" | "startedAt">),
  id,
  startedAt,
  ...present({ endedAt: endedAt ?? undefined, stop: stop ?? undefined }),
});

function changeRun(database: Database, id: string, { graph, endedAt, stop, weeks }: RunChange): void {
  if (graph !== undefined) {
    database.query("UPDATE run SET facts = json_set(facts, '$.graph', json(?)) WHERE id = ?").run(JSON.stringify(graph), id);
    database.query("DELETE FROM task WHERE run = ? AND id NOT IN (SELECT value FROM json_each(?))").run(id, idsOf(graph));
    const put = database.query(
      "INSERT INTO task VALUES (?, ?, ?, 'pending', 0, NULL, NULL, '{}') ON CONFLICT DO UPDATE SET position = excluded.position",
    );
    for (const [position, task] of graph.tasks.entries()) put.run(id, task.id, position);
  }
  if (weeks !== undefined)
    database.query("UPDATE run SET facts = json_set(facts, '$.weeks', json(?)) WHERE id = ?").run(JSON.stringify(weeks), id);
  if (endedAt !== undefined) database.query("UPDATE run SET ended_at = ? WHERE id = ?").run(endedAt, id);
  if (stop !== undefined) database.query("UPDATE run SET stop = ? WHERE id = ?").run(stop, id);
}

const idsOf = ({ tasks }: { tasks: readonly { id: string }[] }): string => JSON.stringify(tasks.map(({ id }) => id));

const readRows = (database: Database, run: string): TaskRow[] =>
  (
    database.query("SELECT id, state, fence, worker, lease_until, facts FROM task WHERE run = ? ORDER BY position").all(run) as TaskLine[]
  ).map(({ worker, lease_until: leaseUntil, facts, ...row }) => ({
    ...row,
    facts: JSON.parse(facts) as TaskFacts,
    ...present({ worker: worker === null ? undefined : (JSON.parse(worker) as Worker), leaseUntil: leaseUntil ?? undefined }),
  }));

function claimOne(database: Database, run: string, task: string, worker: Worker, leaseUntil: number): Claim {
  const { fence } = database
    .query("UPDATE task SET state = 'running', fence = fence + 1, worker = ?, lease_until = ? WHERE run = ? AND id = ? RETURNING fence")
    .get(JSON.stringify(worker), leaseUntil, run, task) as { fence: number };
  return { run, task, fence };
}

const patchOf = (facts: FactChange): string =>
  JSON.stringify(Object.fromEntries(Object.entries(facts).map(([key, value]) => [key, value ?? null])));

interface Change {
  state?: TaskState;
  leaseUntil?: number;
  /** Nobody works on it any more. */
  isFree?: true;
}

/** Facts that are undefined are dropped. False where somebody else has it by now. */
function changeClaimed(database: Database, { run, task, fence }: Claim, facts: FactChange, change: Change): boolean {
  return (
    database
      .query(
        `UPDATE task SET facts = json_patch(facts, ?1), state = coalesce(?2, state), lease_until = coalesce(?3, lease_until),
           worker = CASE WHEN ?4 THEN NULL ELSE worker END
         WHERE run = ?5 AND id = ?6 AND fence = ?7 AND state = 'running'`,
      )
      .run(patchOf(facts), change.state ?? null, change.leaseUntil ?? null, change.isFree === true ? 1 : 0, run, task, fence).changes > 0
  );
}
