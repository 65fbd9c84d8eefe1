import { UserError } from "./errors.ts";
import { type Membership, requireMembership, targetOf } from "./fleet.ts";
import { type FleetQueue, openFleetQueue } from "./fleet-queue.ts";
import { openLink } from "./fleet-redis.ts";
import type { FleetWorker } from "./fleet-task-schema.ts";
import { present } from "./json.ts";
import { readAccount } from "./notice-hook.ts";
import { currentDir, profilePath, readRegistryOrNone } from "./profiles.ts";
import type { Sys } from "./sys.ts";
import { isOver } from "./task-condition.ts";
import type { Task } from "./task-graph.ts";
import type { Run, TaskRow } from "./task-queue.ts";
import type { TaskStore } from "./task-store.ts";
import type { TaskOutput } from "./task-template.ts";

const accountsMs = 30_000;

/** By the membership of this machine. */
export function openMemberQueue(
  sys: Sys,
  membership: Membership,
  options: { isWorker: boolean; onLink?(failure: Error | undefined): void },
): FleetQueue {
  let known: { at: number; accounts: Promise<string[]> } | undefined;
  return openFleetQueue(sys, {
    open: async () => openLink(await targetOf(sys, membership)),
    machine: membership.machine,
    isWorker: options.isWorker,
    accounts() {
      if (known === undefined || sys.now() - known.at > accountsMs) known = { at: sys.now(), accounts: readAccounts(sys) };
      return known.accounts;
    },
    onLink: (failure) => options.onLink?.(failure),
  });
}

async function readAccounts(sys: Sys): Promise<string[]> {
  const registry = readRegistryOrNone(sys);
  const dirs = [currentDir(sys, registry), ...registry.profiles.map((profile) => profilePath(sys, profile))];
  return [...new Set(await Promise.all(dirs.map(async (dir) => (await readAccount(sys, dir)).account)))];
}

/** The copy of a run that this machine has given to the fleet, and what the fleet has of it. */
export interface Followed {
  run: Run;
  store: TaskStore;
  queue: FleetQueue;
}

const copyOf = async ({ run, store }: Followed) => ({
  run: (await store.readRun(run.id)) ?? run,
  rows: await store.readTasks(run.id),
  outputOf: (task: string) => store.readOutput(run.id, task),
  lastEvent: await store.lastEvent(run.id),
});

/** Gives the fleet a run, or what it has forgotten of one; the number of its tasks. */
export const giveRun = async (followed: Followed): Promise<number> => followed.queue.putBack(await copyOf(followed));

/** Notes here what has become of a run since `last`, or since it was asked last. Puts back what the server has forgotten. */
export async function fetchNews(followed: Followed, last?: number): Promise<number> {
  const { run, store, queue } = followed;
  const after = last ?? (await store.lastEvent(run.id));
  let changes = await queue.readChanges(run.id);
  if (changes === undefined || changes.isAnew) {
    // What was succeeded is not done again because a server has lost its last second.
    const lost = await giveRun(followed);
    if (lost > 0 || changes === undefined) {
      if (lost > 0) await queue.note(run.id, { event: "note", text: `the server had forgotten ${lost} tasks: they are put back` });
      changes = (await queue.readChanges(run.id)) ?? { rows: [], isAnew: true };
    }
  }
  const outputs = new Map<string, TaskOutput>();
  for (const { id, state } of changes.rows) {
    const output = state === "succeeded" ? await queue.readOutput(run.id, id) : undefined;
    if (output !== undefined) outputs.set(id, output);
  }
  const events = await queue.readEvents(run.id, after);
  const told = await queue.readRun(run.id);
  store.keep(run.id, { rows: changes.rows, events, outputs });
  await store.changeRun(run.id, { stop: told?.stop ?? null });
  for (const worker of await queue.readWorkers(run.id)) await store.attend(run.id, worker, workerMs);
  return events.at(-1)?.number ?? after;
}

const workerMs = 10_000;

/** Once, and what a task of it has told of what it does. */
export async function lookAtRun(sys: Sys, store: TaskStore, run: Run, task?: string): Promise<string[]> {
  const followed = await openFollowed(sys, store, run, () => {});
  try {
    await fetchNews(followed);
    return task === undefined ? [] : await followed.queue.readLog(run.id, task);
  } finally {
    followed.queue.close();
  }
}

/** Why nobody takes a task that could be begun, by its id. */
export function whyNobody(run: Run, rows: readonly TaskRow[], workers: readonly FleetWorker[]): Map<string, string> {
  const states = new Map(rows.map(({ id, state }) => [id, state]));
  const found = new Map<string, string>();
  for (const task of run.graph.tasks) {
    const state = states.get(task.id);
    if (state === undefined || isOver(state) || state === "running") continue;
    if (state === "pending" && !task.dependsOn.every((id) => isOver(states.get(id) ?? "pending"))) continue;
    const whys = workers.map((worker) => whyNot(run.id, task, worker));
    if (whys.every((why) => why !== undefined))
      found.set(task.id, workers.length === 0 ? "no machine works: csm fleet work" : `no worker can: ${whys.join("; ")}`);
  }
  return found;
}

function whyNot(run: string, task: Task, { machine, labels, refusals }: FleetWorker): string | undefined {
  const missing = missingLabels(task, new Set(labels));
  if (missing.length > 0) return `${machine} has no ${missing.join(", ")}`;
  const refusal = refusals.find((each) => each.run === run && each.task === task.id);
  return refusal && `${machine}: ${refusal.why}`;
}

export const missingLabels = ({ needs = [] }: Task, labels: { has(label: string): boolean }): string[] =>
  needs.filter((need) => !labels.has(need));

/** All that is left waits for somebody who says so, or comes after what does: no machine goes on with it by itself. */
function isHeld(tasks: readonly Task[], rows: readonly TaskRow[]): boolean {
  const open = rows.filter(({ state }) => !isOver(state));
  const paused = open.filter(({ state, facts }) => state === "paused" && facts.pausedUntil === undefined && facts.needsPerson !== true);
  const held = new Set(paused.map(({ id }) => id));
  const groups = new Set(tasks.flatMap(({ id, concurrency }) => (held.has(id) && concurrency !== undefined ? [concurrency] : [])));
  const waiting = new Set(open.filter(({ state }) => state === "pending").map(({ id }) => id));
  // Each stands behind what it depends on.
  for (const { id, dependsOn, concurrency = "" } of tasks)
    if (waiting.has(id) && (groups.has(concurrency) || dependsOn.some((other) => held.has(other)))) held.add(id);
  return open.length > 0 && open.every(({ id }) => held.has(id));
}

const lookMs = 1000;
/** Whoever starts has not told of itself yet. */
const patienceMs = 5000;

interface Follower {
  /** Until all of it is over, or it is stopped; what is over is taken off the server. */
  work(): Promise<void>;
  stop(how: "gently" | "now"): Promise<void>;
  /** Looks on no longer: the machines go on. */
  leave(): void;
}

/** Looks on while machines of the fleet work on a run, and keeps what they tell. */
export function createFollower(sys: Sys, followed: Followed, onStep: () => Promise<void> | void): Follower {
  const { run, store, queue } = followed;
  let wanted: Run["stop"];
  let isLeaving = false;
  return {
    leave() {
      isLeaving = true;
    },
    async stop(how) {
      wanted = how;
    },
    async work() {
      let after = await store.lastEvent(run.id);
      const lonely: Lonely = new Map();
      for (let told: Run["stop"]; ; await sys.sleep(lookMs)) {
        if (wanted !== told) await queue.changeRun(run.id, { stop: wanted ?? null });
        told = wanted;
        after = await fetchNews(followed, after);
        const rows = await store.readTasks(run.id);
        await tellLonely(sys, followed, rows, lonely);
        await onStep();
        const isDone = rows.every(({ state }) => isOver(state));
        const isStopped = (await store.readRun(run.id))?.stop !== undefined && rows.every(({ state }) => state !== "running");
        if (!isDone && !isStopped && !isLeaving && !isHeld(run.graph.tasks, rows)) continue;
        if (!isLeaving) for (const worker of await store.readWorkers(run.id)) await store.attend(run.id, worker, 0);
        if (isDone) await queue.removeRun(run.id);
        queue.close();
        return;
      }
    },
  };
}

/** Why nobody takes some: since when, and whether it was told. */
type Lonely = Map<string, { since: number; isTold: boolean }>;

const maxNamed = 5;

async function tellLonely(sys: Sys, { run, queue, store }: Followed, rows: readonly TaskRow[], lonely: Lonely): Promise<void> {
  const found = whyNobody(run, rows, await queue.readMachines());
  const changed = rows.flatMap(({ facts: { reason, ...facts }, ...row }) => {
    const why = found.get(row.id);
    return row.state !== "pending" || reason === why ? [] : [{ ...row, facts: { ...facts, ...present({ reason: why }) } }];
  });
  if (changed.length > 0) store.keep(run.id, { rows: changed, events: [], outputs: new Map() });
  const byWhy = new Map<string, string[]>();
  for (const [id, why] of found) byWhy.set(why, [...(byWhy.get(why) ?? []), id]);
  for (const why of lonely.keys()) if (!byWhy.has(why)) lonely.delete(why);
  for (const [why, ids] of byWhy) {
    const { since, isTold } = lonely.get(why) ?? { since: sys.now(), isTold: false };
    const isDue = !isTold && sys.now() - since >= patienceMs;
    lonely.set(why, { since, isTold: isTold || isDue });
    if (!isDue) continue;
    const [task, ...others] = ids;
    const named = `${ids.slice(0, maxNamed).join(", ")}${ids.length > maxNamed ? ` and ${ids.length - maxNamed} more` : ""}`;
    await queue.note(
      run.id,
      others.length === 0 && task !== undefined ? { event: "note", task, text: why } : { event: "note", text: `${named}: ${why}` },
    );
  }
}

/** The run as the fleet has it now; \`onLink\` is told where it cannot be reached. */
export async function openFollowed(sys: Sys, store: TaskStore, run: Run, onLink: (failure: Error | undefined) => void): Promise<Followed> {
  const membership = requireMembership(sys);
  if (membership.role !== "work")
    throw new UserError(`this machine has the role ${membership.role}, and sees no tasks of the fleet`, "join again with --role work");
  return { run, store, queue: openMemberQueue(sys, membership, { isWorker: false, onLink }) };
}
