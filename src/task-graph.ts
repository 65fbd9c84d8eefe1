import type { RuleProblem } from "./rules.ts";
import { type Condition, isMet, isOver, type TaskState } from "./task-condition.ts";
import type { Template } from "./task-template.ts";

/** One session to run, of a file of tasks; of a task with a matrix one for each of its values. */
export interface Task {
  /** Its name, with its values of the matrix: `build[os=linux]`. */
  id: string;
  name: string;
  /** Values of the matrix, by their keys. */
  matrix: Readonly<Record<string, string>>;
  /** Absolute. */
  cwd: string;
  /** `renderTemplate` makes a text of it, once what it depends on is over. */
  prompt: Template;
  /** Ids, each once. */
  dependsOn: readonly string[];
  condition: Condition;
  /** As it is written, for people. */
  conditionText: string;
  model?: string;
  permissionMode?: string;
  /** A name; `auto`: whoever the scorer picks as it starts. */
  profile: string;
  timeoutMs?: number;
  /** Attempts after the first. */
  retries: number;
  budgetUsd?: number;
  /** In a worktree of its own. */
  isWorktree: boolean;
  env: Readonly<Record<string, string>>;
  /** The JSON schema that its answer must meet. */
  outputs?: Readonly<Record<string, unknown>>;
  /** Of the tasks of a group one at a time. */
  concurrency?: string;
  /** Labels that a machine must have; `repo:NAME` says which folder it is there. */
  needs?: readonly string[];
  /** Below that folder, in each machine's own words for it. */
  folder?: string;
  /** Where it stands in the file, from 1. */
  line: number;
}

/** A file of tasks, checked. */
export interface TaskGraph {
  /** Absolute. */
  file: string;
  /** Each after those that it depends on, and as in the file otherwise. */
  tasks: readonly Task[];
  /** So many run at once. */
  jobs: number;
  maxTasks: number;
  budgetUsd?: number;
  /** Of a weekly window of each account that pays. */
  budgetPercent?: number;
}

export interface CheckedTasks {
  graph: TaskGraph;
  problems: RuleProblem[];
  /** There are more of them than `max_tasks`, and none is looked at. */
  excess?: string;
}

/** What a graph is made of. */
interface Node {
  id: string;
  dependsOn: readonly string[];
}

const maxCycles = 10;

/**
 * Each after those that it depends on, and in the given order otherwise; and the ways that lead back: a, b, a, of which one step is left
 * out of the order. Ids are known, each once.
 */
export function sortNodes<T extends Node>(nodes: readonly T[]): { sorted: T[]; cycles: string[][] } {
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const sorted: T[] = [];
  const cycles: string[][] = [];
  const done = new Set<string>();
  // A chain may be longer than the stack is deep.
  const way: { node: T; next: number }[] = [];
  const onWay = new Set<string>();
  const enter = (node: T) => {
    way.push({ node, next: 0 });
    onWay.add(node.id);
  };
  for (const start of nodes) {
    if (!done.has(start.id)) enter(start);
    for (let step = way.at(-1); step !== undefined; step = way.at(-1)) {
      const { node } = step;
      const id = node.dependsOn[step.next++];
      if (id === undefined) {
        way.pop();
        onWay.delete(node.id);
        done.add(node.id);
        sorted.push(node);
      } else if (onWay.has(id)) {
        if (cycles.length >= maxCycles) continue;
        const ids = way.map((each) => each.node.id);
        cycles.push([...ids.slice(ids.indexOf(id)), id]);
      } else {
        const next = done.has(id) ? undefined : byId.get(id);
        if (next !== undefined) enter(next);
      }
    }
  }
  return { sorted, cycles };
}

/** What a run may do now. */
interface Next {
  /** To start, or to go on with where it is paused; in the order of the graph, no more than there are jobs free. */
  start: Task[];
  /** Never to be run: their condition is not met. */
  skip: { task: Task; why: string }[];
  /** Nothing is left to do once these are skipped. */
  isOver: boolean;
}

/**
 * `stateOf`: of each id, `pending` of one that nobody has touched. `canStart`: is there an account for it now, is its pause over; asked
 * of those alone that may start otherwise. A paused task has no job, but keeps its group: it has left half its work there.
 */
export function decideNext(
  { tasks, jobs }: Pick<TaskGraph, "tasks" | "jobs">,
  stateOf: (id: string) => TaskState,
  canStart: (task: Task, state: TaskState) => boolean = (_, state) => state === "pending",
): Next {
  const next: Next = { start: [], skip: [], isOver: true };
  const skipped = new Set<string>();
  const failed = new Set<string>();
  const stateNow = (id: string): TaskState => (skipped.has(id) ? "skipped" : stateOf(id));
  const busy = new Map<string, string>();
  let free = jobs;
  for (const { id, concurrency } of tasks) {
    const state = stateOf(id);
    if (state === "running") free--;
    if ((state === "running" || state === "paused") && concurrency !== undefined) busy.set(concurrency, id);
  }
  for (const task of tasks) {
    const { id, dependsOn, concurrency } = task;
    const state = stateOf(id);
    const outcomes = { dependsOn, stateOf: stateNow, hasFailed: (other: string) => failed.has(other) };
    const isAfterFailure = () => dependsOn.some(outcomes.hasFailed);
    if (state === "failed" || (state === "skipped" && isAfterFailure())) failed.add(id);
    if (isOver(state)) continue;
    const isReady = state === "paused" || (state === "pending" && dependsOn.every((other) => isOver(stateNow(other))));
    if (isReady && state === "pending" && !isMet(task.condition, outcomes)) {
      skipped.add(id);
      if (isAfterFailure()) failed.add(id);
      next.skip.push({ task, why: whyNot(task, stateNow) });
      continue;
    }
    next.isOver = false;
    const isFree = free > 0 && (concurrency === undefined || (busy.get(concurrency) ?? id) === id);
    if (!isReady || !isFree || !canStart(task, state)) continue;
    next.start.push(task);
    free--;
    if (concurrency !== undefined) busy.set(concurrency, id);
  }
  return next;
}

function whyNot({ condition, dependsOn }: Task, stateOf: (id: string) => TaskState): string {
  const states = dependsOn.map((id) => ({ id, state: stateOf(id) }));
  const culprit = states.find(({ state }) => state === "failed") ?? states.find(({ state }) => state !== "succeeded");
  if (condition.kind === "success" && culprit !== undefined)
    return culprit.state === "failed" ? `${culprit.id} failed` : `${culprit.id} was ${culprit.state}`;
  return condition.kind === "failure" ? "nothing before it failed" : "its condition is not met";
}
