import type { TaskState } from "./task-condition.ts";
import type { Task, TaskGraph } from "./task-graph.ts";
import { renderTemplate, type TaskOutput } from "./task-template.ts";

/** A run of a graph. */
export interface Run {
  id: string;
  graph: TaskGraph;
  /** Sessions that a person can see, instead of `claude -p`. */
  isInteractive: boolean;
  /** Instead of what the settings say. */
  onLimit?: string;
  /** Machines of the fleet work on it; here is a copy. */
  isFleet?: true;
  /** Epoch ms. */
  startedAt: number;
  endedAt?: number;
  /** Somebody wants it to end: `gently`, or `now`. */
  stop?: "gently" | "now";
  /** How much of its week each account had used when the run first looked, of 100. */
  weeks?: Readonly<Record<string, number>>;
}

/** Who works on a task: a process of a machine, as it is since its start. */
export interface Worker {
  host: string;
  pid: number;
  start: string;
}

/** What is known of a task of a run; all but its id and state only once there is something. */
export interface TaskRow {
  id: string;
  state: TaskState;
  /** How often it was claimed: what a worker says of it counts only with the newest. */
  fence: number;
  worker?: Worker;
  /** Epoch ms: whoever works on it has said so until then. */
  leaseUntil?: number;
  facts: TaskFacts;
}

/** What the workers note of a task. */
export interface TaskFacts {
  /** Of those that a retry counts, from 1; absent of a task that has not begun. */
  attempt?: number;
  /** Of what its answer came from: prompt, inputs, model and settings. Only of one that has succeeded. */
  hash?: string;
  sessionId?: string;
  /** Of the fleet: where what follows is. */
  machine?: string;
  /** It was given up: whoever worked on it was lost again and again. */
  isDead?: boolean;
  /** The seat that its conversation lies in. */
  account?: string;
  configDir?: string;
  cwd?: string;
  worktree?: { root: string; repository: string; branch: string; base: string };
  startedAt?: number;
  endedAt?: number;
  /** Epoch ms; absent while nobody knows. */
  pausedUntil?: number;
  /** Of its state, in words. */
  reason?: string;
  /** A person has to do something. */
  needsPerson?: boolean;
  /** What it does now; hostile text. */
  activity?: string;
  costUsd?: number;
  tokens?: number;
  /** Its process, until what it said is noted. */
  process?: { pid: number; start: string; boot: string };
  /** Where what it prints goes. */
  dir?: string;
  /** It was asked again for an answer that meets its schema. */
  isAskedAgain?: boolean;
  /** Calls of tools that nobody has allowed. */
  denied?: number;
  /** What its conversation is told as it goes on. */
  nextPrompt?: string;
  /** When its newest turn began. */
  turnAt?: number;
  /** What it had cost before that, and of it in this conversation. */
  costBefore?: { usd: number; tokens: number };
  sessionBefore?: { usd: number; tokens: number };
}

/** What is undefined goes. */
export type FactChange = { [K in keyof TaskFacts]?: TaskFacts[K] | undefined };

export const taskEvents = [
  ...(["run", "started", "resumed", "paused", "retried", "kept", "note", "end"] as const),
  ...(["succeeded", "failed", "skipped", "cancelled"] as const),
];

export interface RunEvent {
  /** From 1, within its run. */
  number: number;
  at: number;
  event: (typeof taskEvents)[number];
  task?: string;
  /** For people; hostile text. */
  text: string;
  account?: string;
  cost_usd?: number;
  /** Epoch ms. */
  until?: number;
}

export type NewEvent = Omit<RunEvent, "number" | "at">;

/** A task that a worker has, until it says otherwise or its lease is over. */
export interface Claim {
  run: string;
  task: string;
  fence: number;
  /** It may be what ends its workers: nothing is done beside it, so that it alone is given up for that. */
  isAlone?: true;
}

/** So often in a row the worker of a task in the fleet is lost until that is the task's fault. */
export const maxLosses = 3;

/** Why nothing is started on an account. */
export interface Breaker {
  why: "limit" | "login";
  at: number;
  /** Epoch ms; absent where a person has to do something first. */
  until?: number;
  /** For people. */
  text: string;
}

/** What a look at all tasks of a run may change, as one step. */
export interface Choice {
  start: string[];
  skip: { id: string; why: string; state: "skipped" | "cancelled" }[];
  /** So many of `start` at most, for who has room for no more. */
  most?: number;
  /** The worker does nothing else. */
  isAlone?: boolean;
}

/** Null takes it away. */
export interface RunChange {
  graph?: TaskGraph;
  endedAt?: number | null;
  stop?: Run["stop"] | null;
  weeks?: Run["weeks"];
}

/**
 * What keeps runs. Several workers of one run use it at once: a step is whole or has not been, and what a worker says of a task that
 * somebody else has claimed since is refused (false).
 */
export interface TaskQueue {
  create(run: Run, taskIds: readonly string[], event: NewEvent): Promise<void>;
  readRun(id: string): Promise<Run | undefined>;
  /** Newest first. */
  listRuns(): Promise<Run[]>;
  changeRun(id: string, change: RunChange): Promise<void>;
  removeRun(id: string): Promise<void>;
  readTasks(run: string): Promise<TaskRow[]>;
  readOutput(run: string, task: string): Promise<TaskOutput | undefined>;
  /** `pick` sees the tasks as they are in this step. */
  claim(run: string, worker: Worker, leaseMs: number, pick: (rows: TaskRow[]) => Choice): Promise<Claim[]>;
  /** Notes facts and prolongs the lease. */
  heartbeat(claim: Claim, leaseMs: number, facts?: FactChange): Promise<boolean>;
  pause(claim: Claim, facts: FactChange, event: NewEvent): Promise<boolean>;
  finish(claim: Claim, state: TaskState, facts: FactChange, event: NewEvent, output?: TaskOutput): Promise<boolean>;
  /** For a run that nobody works on. */
  reset(run: string, tasks: readonly { id: string; state: TaskState; facts?: FactChange }[]): Promise<void>;
  note(run: string, event: NewEvent): Promise<void>;
  readEvents(run: string, after: number): Promise<RunEvent[]>;
  /** By account, those that hold at this moment. */
  readBreakers(): Promise<Map<string, Breaker>>;
  /** Sooner or later than one that is there counts too. False where the same is known already. */
  block(account: string, breaker: Breaker): Promise<boolean>;
  unblock(account: string): Promise<void>;
  /** Tells that a worker is there, also while nothing runs; `leaseMs` 0: that it goes. */
  attend(run: string, worker: Worker, leaseMs: number): Promise<void>;
  readWorkers(run: string): Promise<Worker[]>;
  close(): void;
}

/** What a task is given, once what it depends on is over, and the mark of all that its answer comes from. */
export async function renderInput(
  queue: Pick<TaskQueue, "readOutput">,
  run: string,
  task: Task,
): Promise<{ prompt: string; hash: string }> {
  const outputs = new Map<string, TaskOutput>();
  for (const part of task.prompt)
    if (typeof part !== "string" && !outputs.has(part.id)) {
      const output = await queue.readOutput(run, part.id);
      if (output !== undefined) outputs.set(part.id, output);
    }
  const prompt = renderTemplate(task.prompt, (id) => outputs.get(id));
  const { cwd, model, permissionMode, profile, env, outputs: schema, isWorktree } = task;
  const all = JSON.stringify([prompt, cwd, model, permissionMode, profile, env, schema, isWorktree]);
  return { prompt, hash: new Bun.CryptoHasher("sha256").update(all).digest("hex") };
}
