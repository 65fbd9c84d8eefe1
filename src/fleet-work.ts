import type { FleetQueue } from "./fleet-queue.ts";
import { missingLabels } from "./fleet-run.ts";
import type { FleetWorker } from "./fleet-task-schema.ts";
import type { Registry } from "./profiles.ts";
import type { Sys } from "./sys.ts";
import { isOver } from "./task-condition.ts";
import { type Engine, forgetLogins, type Post } from "./task-engine.ts";
import { anyProfile } from "./task-expand.ts";
import type { Task, TaskGraph } from "./task-graph.ts";
import { isRepo, type Labels, placeIn } from "./task-labels.ts";
import type { Run, TaskQueue, TaskRow, Worker } from "./task-queue.ts";
import { leaseMs } from "./task-work.ts";

/** What a machine does for the fleet, and what not. */
export interface WorkTerms {
  machine: string;
  jobs: number;
  labels: Labels;
  registry: Registry;
  /** Variables that a task may set. */
  env: readonly string[];
  /** Tasks may ask to be asked nothing. */
  mayBypass: boolean;
}

type Breakers = Pick<TaskQueue, "readBreakers" | "block" | "unblock">;

interface Working {
  sys: Sys;
  queue: FleetQueue;
  /** What runs of this machine alone know of its accounts. */
  local: Breakers;
  worker: Worker;
  terms: WorkTerms;
  /** Of a run, whose folders are those of this machine. */
  createEngine(run: Run, queue: TaskQueue, post: Post): Engine;
  onFailure(run: string, error: Error): void;
  /** What begins and ends here. */
  tell(line: string): void;
  /** How what runs here is to end, once this one is to go. */
  leaves(): "gently" | "now" | undefined;
}

/** The same tasks in the folders of this machine: of a repository where its label says. */
export const placeGraph = (graph: TaskGraph, labels: Labels): TaskGraph => ({
  ...graph,
  tasks: graph.tasks.map((task) => {
    const repo = task.needs?.find(isRepo);
    const place = repo === undefined ? undefined : placeIn(labels, repo, task.folder ?? "");
    return place !== undefined && "cwd" in place ? { ...task, cwd: place.cwd } : task;
  }),
});

/** Why this machine does not take a task, as far as the task alone says; undefined where it does. */
export function whyRefused(sys: Pick<Sys, "isDirectory">, task: Task, { labels, registry, env, mayBypass }: WorkTerms): string | undefined {
  const missing = missingLabels(task, labels);
  if (missing.length > 0) return `it has no ${missing.join(", ")}`;
  const repo = task.needs?.find(isRepo);
  const place = repo === undefined ? undefined : placeIn(labels, repo, task.folder ?? "");
  if (place !== undefined && "why" in place) return place.why;
  if (!sys.isDirectory(task.cwd)) return `there is no folder ${task.cwd}`;
  if (task.profile !== anyProfile && !registry.profiles.some(({ name }) => name === task.profile))
    return `there is no profile ${task.profile}`;
  const foreign = Object.keys(task.env).filter((name) => !env.includes(name));
  if (foreign.length > 0) return `it is given no ${foreign.join(", ")} (--env)`;
  if (task.permissionMode === "bypassPermissions" && !mayBypass) return "nothing bypasses permissions there (--allow-bypass)";
  return undefined;
}

const never = Number.NEGATIVE_INFINITY;
const lookMs = 1000;
const tellMs = 5000;
/** A run whose engine has failed is tried again after this time. */
const againMs = 30_000;
/** Nobody has asked for the result of an older one. */
const keptMs = 30 * 86_400_000;

/** Takes tasks of all runs until it is to leave, and what runs has ended. */
export async function workForFleet(working: Working): Promise<void> {
  const { sys, queue, terms, worker } = working;
  const engines = new Map<string, { engine: Engine; done: Promise<void> }>();
  const notBefore = new Map<string, number>();
  const others = new Map<string, FleetWorker>();
  const judges = new Map<string, Judge>();
  const room = { all: terms.jobs, free: terms.jobs };
  // Its leases are over by now, and others have what it works on: what runs on would be done twice.
  let isCut = false;
  const isLeaving = () => isCut || working.leaves() !== undefined;
  const begin = (run: Run) => {
    const placed = { ...run, graph: placeGraph(run.graph, terms.labels) };
    const judge = createJudge(sys, placed, terms);
    judges.set(run.id, judge);
    const takes = (task: Task, row: TaskRow) => !staysElsewhere(row, terms.machine, others) && !judge().has(task.id);
    const engine = working.createEngine(placed, postQueue(working, isLeaving), { worker, room, takes, isLeaving });
    const done = engine.work().catch((error: Error) => {
      notBefore.set(run.id, sys.now() + againMs);
      working.onFailure(run.id, error);
    });
    engines.set(run.id, { engine, done: done.then(() => void engines.delete(run.id)) });
  };
  const look = async (toldAt: number): Promise<number> => {
    for (const run of await queue.listRuns()) {
      if (sys.now() - run.startedAt > keptMs) await queue.removeRun(run.id);
      else if (run.stop === undefined && !engines.has(run.id) && (notBefore.get(run.id) ?? 0) <= sys.now() && (await isOpen(queue, run)))
        begin(run);
    }
    if (sys.now() - toldAt < tellMs) return toldAt;
    const at = sys.now();
    for (const [run] of judges) if (!engines.has(run)) judges.delete(run);
    const refusals = [...judges].flatMap(([run, judge]) => [...judge()].map(([task, why]) => ({ run, task, why: why.slice(0, 500) })));
    const labels = [...terms.labels.keys()];
    await queue.tellMachine({ v: 1, machine: terms.machine, at, jobs: terms.jobs, labels, refusals: refusals.slice(0, maxRefusals) });
    others.clear();
    for (const each of await queue.readMachines()) others.set(each.machine, each);
    return at;
  };
  const watch = (async () => {
    for (;;) {
      const how = working.leaves();
      isCut = queue.silentMs() > leaseMs || (isCut && engines.size > 0);
      if (how !== undefined || isCut) for (const { engine } of engines.values()) engine.end(how ?? "gently");
      if (how !== undefined && (engines.size === 0 || how === "now")) return;
      await sys.sleep(lookMs);
    }
  })();
  const looks = (async () => {
    await forgetLogins(postQueue(working, isLeaving));
    for (let toldAt = never; working.leaves() === undefined; await sys.sleep(lookMs)) toldAt = isCut ? never : await look(toldAt);
  })();
  await Promise.race([watch, Promise.all([watch, looks])]);
  await Promise.race([Promise.all([...engines.values()].map(({ done }) => done)), sys.sleep(lastWordMs)]);
  await Promise.race([queue.tellMachine(null).catch(() => {}), sys.sleep(lastWordMs)]);
}

/** Nothing is started on an account that a run of this machine alone, or any other machine, has found at its limit. What this one stops as it goes is for whoever comes next; a run that is stopped waits for somebody who says so. */
const postQueue = ({ sys, queue, local, tell }: Working, isLeaving: () => boolean): TaskQueue => ({
  ...queue,
  readBreakers: async () => new Map([...(await local.readBreakers()), ...(await queue.readBreakers())]),
  async block(account, breaker) {
    await local.block(account, breaker);
    return await queue.block(account, breaker);
  },
  async unblock(account) {
    await Promise.all([local.unblock(account), queue.unblock(account)]);
  },
  async claim(run, ...more) {
    const claims = await queue.claim(run, ...more);
    for (const { task } of claims) tell(`${run}: ${task}: begins`);
    return claims;
  },
  async finish(claim, state, ...more) {
    const isDone = await queue.finish(claim, state, ...more);
    tell(`${claim.run}: ${claim.task}: ${isDone ? state : `${state}, and not its own any more`}`);
    return isDone;
  },
  async pause(claim, facts, event) {
    tell(`${claim.run}: ${claim.task}: ${event.text}`);
    if (!isLeaving() || facts.pausedUntil !== undefined || (await queue.readRun(claim.run))?.stop !== undefined)
      return await queue.pause(claim, facts, event);
    const text = "its worker goes; it goes on when there is one";
    return await queue.pause(claim, { ...facts, reason: text, pausedUntil: sys.now() }, { ...event, text });
  },
});

/** Who waits for a server that is gone has nobody to tell. */
const lastWordMs = 5000;
const maxRefusals = 200;

const isOpen = async (queue: FleetQueue, { id }: Run): Promise<boolean> => (await queue.readTasks(id)).some(({ state }) => !isOver(state));

/** Why what is not taken is not, by its id. */
type Judge = () => ReadonlyMap<string, string>;

const judgedMs = 3000;

/** A folder may come, and go. */
function createJudge(sys: Sys, { graph }: Run, terms: WorkTerms): Judge {
  let known: { at: number; refused: Map<string, string> } | undefined;
  return () => {
    if (known !== undefined && sys.now() - known.at < judgedMs) return known.refused;
    const refused = new Map(
      graph.tasks.flatMap((task) => {
        const why = whyRefused(sys, task, terms);
        return why === undefined ? [] : [[task.id, why] as const];
      }),
    );
    known = { at: sys.now(), refused };
    return refused;
  };
}

/** A conversation and its worktree stay where they are as long as that machine works. */
const staysElsewhere = ({ state, facts }: TaskRow, machine: string, others: ReadonlyMap<string, FleetWorker>): boolean =>
  state === "paused" && facts.machine !== undefined && facts.machine !== machine && others.has(facts.machine);
