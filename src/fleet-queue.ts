import { isAbsolute, join, relative } from "node:path";
import { fleetKeys } from "./fleet-access.ts";
import { type Line, openLine } from "./fleet-line.ts";
import { createMirror, type Mirror, type StoredRow, toWorker } from "./fleet-mirror.ts";
import type { RedisLink } from "./fleet-redis.ts";
import { type FleetWorker, parseFleetWorker, parseTaskFacts } from "./fleet-task-schema.ts";
import { breakerKey } from "./fleet-usage.ts";
import { hasShape, isRecord, parseJson, parseRecord, present } from "./json.ts";
import { tasksDir, worktreesDir } from "./paths.ts";
import type { Sys } from "./sys.ts";
import type { TaskState } from "./task-condition.ts";
import {
  type Breaker,
  type Choice,
  type Claim,
  type FactChange,
  maxLosses,
  type NewEvent,
  type Run,
  type RunChange,
  type RunEvent,
  type TaskFacts,
  type TaskQueue,
  type TaskRow,
  taskEvents,
} from "./task-queue.ts";
import type { TaskOutput } from "./task-template.ts";

/** What the machine that has given a run keeps of it. */
interface RunCopy {
  run: Run;
  rows: readonly TaskRow[];
  outputOf(task: string): Promise<TaskOutput | undefined>;
  /** Of its newest event. */
  lastEvent: number;
}

/** The queue on the server, of all machines. */
export interface FleetQueue extends TaskQueue, Pick<Mirror, "readChanges">, Pick<Line, "silentMs"> {
  /** Puts there what the server does not know, or has forgotten: the number of its tasks. */
  putBack(copy: RunCopy): Promise<number>;
  /** What a task has told of what it does: the newest lines. */
  readLog(run: string, task: string): Promise<string[]>;
  /** Those that work, or have done so just now. */
  readMachines(): Promise<FleetWorker[]>;
  /** What this one takes and does not take; null: it goes. */
  tellMachine(worker: FleetWorker | null): Promise<void>;
}

interface FleetQueueOptions {
  open(): Promise<RedisLink>;
  /** The name of this machine. */
  machine: string;
  /** It works: where other machines have something is nothing to go on with. */
  isWorker: boolean;
  /** Of this machine, whose breakers are looked up. */
  accounts(): Promise<readonly string[]>;
  /** Once it is reached, and once it is not: with the reason. */
  onLink(failure: Error | undefined): void;
}

const againMs = 500;
const keyOf = (run: string): string => `${fleetKeys.run}${run}`;

export function openFleetQueue(sys: Sys, options: FleetQueueOptions): FleetQueue {
  const { machine, isWorker } = options;
  const line = openLine(sys, options);
  const viewOf = (facts: TaskFacts) => (isWorker ? seenFrom(sys, machine, facts) : facts);
  const mirror = createMirror(sys, { line, keyOf, viewOf });
  const step: Step = { evaluate: (script, run, args) => line.evaluate(script, keyOf(run), args), line };
  const claims = createClaims(sys, step, mirror, { machine, viewOf });
  return {
    async create(run, _, event) {
      const rows = run.graph.tasks.map(({ id }) => ({ id, state: "pending" as const, fence: 0, facts: {} }));
      await putBack(sys, step, { run, rows, outputOf: async () => undefined, lastEvent: 0 });
      await step.evaluate("note", run.id, [JSON.stringify(event)]);
    },
    putBack: (copy) => putBack(sys, step, copy),
    readRun: mirror.readRun,
    async listRuns() {
      const runs = await Promise.all(texts(await line.call("ZRANGE", [fleetKeys.runs, "0", "-1", "REV"])).map(mirror.readRun));
      return runs.filter((run) => run !== undefined);
    },
    async changeRun(id, { weeks, ...change }) {
      if (weeks !== undefined) mirror.keepWeeks(id, weeks);
      await changeRun(line, id, change);
    },
    async removeRun(id) {
      await step.evaluate("remove", id, []);
      await line.call("ZREM", [fleetKeys.runs, id]);
      mirror.forget(id);
    },
    readTasks: mirror.readRows,
    readChanges: mirror.readChanges,
    async readOutput(run, task) {
      const text = await line.call("HGET", [`${keyOf(run)}:outputs`, task]);
      return toOutput(typeof text === "string" ? text : undefined);
    },
    ...claims,
    async reset(run, tasks) {
      const byId = new Map((await mirror.readRows(run)).map((row) => [row.id, row]));
      const args = tasks.flatMap(({ id, state, facts }) => [
        id,
        state,
        JSON.stringify({ ...byId.get(id)?.facts, isDead: undefined, ...facts }),
      ]);
      await inChunks(args, 3, (chunk) => step.evaluate("reset", run, chunk));
    },
    note: async (run, event) => void (await step.evaluate("note", run, [JSON.stringify(event)])),
    readEvents: async (run, after) =>
      entriesOf(await line.call("XRANGE", [`${keyOf(run)}:events`, `${after + 1}-0`, "+"])).flatMap(toEvent),
    readLog: async (run, task) =>
      entriesOf(await line.call("XRANGE", [`${keyOf(run)}:log:${task}`, "-", "+"])).map(({ fields }) => fields.get("line") ?? ""),
    ...breakersOf(sys, line, options),
    attend: async (run, worker, leaseMs) => void (await step.evaluate("attend", run, [JSON.stringify(worker), leaseMs])),
    readWorkers: async (run) => texts(await step.evaluate("workers", run, [])).flatMap((text) => toWorker(text) ?? []),
    async readMachines() {
      const names = texts(await line.call("SMEMBERS", [fleetKeys.machines]));
      const told = names.length === 0 ? [] : await line.call("MGET", names.map(fleetKeys.worker));
      return (Array.isArray(told) ? told : []).flatMap((text, at) => {
        const worker = parseFleetWorker(parseJson(typeof text === "string" ? text : undefined));
        return worker?.machine === names[at] ? (worker ?? []) : [];
      });
    },
    async tellMachine(worker) {
      await line.call("SADD", [fleetKeys.machines, machine]);
      await line.call("SET", [fleetKeys.worker(machine), JSON.stringify(worker), "PX", String(worker === null ? 1 : presentMs)]);
    },
    silentMs: line.silentMs,
    close: line.close,
  };
}

/** A machine works as long as it has said so within this time. */
const presentMs = 16_000;

interface Step {
  evaluate(script: Parameters<Line["evaluate"]>[0], run: string, args: readonly (string | number)[]): Promise<unknown>;
  line: Line;
}

interface View {
  machine: string;
  viewOf(facts: TaskFacts): TaskFacts;
}

function createClaims(
  sys: Sys,
  { evaluate }: Step,
  mirror: Mirror,
  { machine, viewOf }: View,
): Pick<TaskQueue, "claim" | "heartbeat" | "pause" | "finish"> {
  /** Facts of what is claimed here: they are written whole. */
  const own = new Map<string, TaskFacts>();
  const nameOf = ({ run, task, fence }: Claim) => JSON.stringify([run, task, fence]);
  const change = (claim: Claim, { process, ...facts }: FactChange): string => {
    const now = { ...own.get(nameOf(claim)), ...(facts as TaskFacts), machine };
    own.set(nameOf(claim), now);
    // What is to be ended here nobody else may name.
    if (process !== undefined && now.dir !== undefined) sys.writePrivate(processPath(now.dir), JSON.stringify(process));
    return JSON.stringify(now);
  };
  const end = async (claim: Claim, state: TaskState, facts: FactChange, event: NewEvent, output?: TaskOutput): Promise<boolean> => {
    const said = output === undefined ? "" : JSON.stringify(output);
    const args = [claim.task, claim.fence, state, change(claim, facts), JSON.stringify(event), said];
    own.delete(nameOf(claim));
    for (;;) {
      const answer = await evaluate("finish", claim.run, args);
      if (answer !== null) return answer === 1;
      // Whoever has given the run puts it back.
      if (mirror.isGone(claim.run) || (await mirror.readRun(claim.run)) === undefined) return false;
      await sys.sleep(againMs);
    }
  };
  return {
    async claim(run, worker, leaseMs, pick) {
      const rows = await mirror.readRows(run);
      const { start, skip, most = Number.MAX_SAFE_INTEGER, isAlone = false } = pick(rows);
      const byId = new Map(rows.map((row) => [row.id, row]));
      await inChunks(skipWords(skip, byId, sys.now()), 5, (chunk) => evaluate("skip", run, chunk));
      const candidates = start.slice(0, perStep).flatMap((id) => byId.get(id) ?? []);
      const jobs = (await mirror.readRun(run))?.graph.jobs;
      if (candidates.length === 0 || most <= 0 || jobs === undefined) return [];
      // It was chosen though its lease is not over: a machine looks its own processes up.
      const isDead = (row: TaskRow) => row.state === "running" && row.leaseUntil !== 0 && row.worker?.host === machine;
      const words = candidates.flatMap((row) => [row.id, row.fence, isDead(row) ? 1 : 0]);
      const answer = await evaluate("claim", run, [JSON.stringify(worker), leaseMs, jobs, most, maxLosses, isAlone ? 1 : 0, ...words]);
      const claimed = Array.isArray(answer) ? answer : [];
      const claims = Array.from({ length: claimed.length / 4 }, (_, at) => {
        const [task, fence, facts, losses] = claimed.slice(4 * at);
        const isSuspect = Number(losses) >= maxLosses - 1;
        const claim: Claim = { run, task: String(task), fence: Number(fence), ...(isSuspect ? { isAlone: true } : {}) };
        const before = parseTaskFacts(String(facts));
        own.set(nameOf(claim), viewOf(before));
        return { claim, before };
      });
      for (const { claim, before } of claims) {
        if (before.sessionId === undefined || before.machine === machine) continue;
        const text = `starts anew on ${machine}: its conversation ${before.sessionId} stays on ${before.machine}, in ${before.cwd}`;
        await evaluate("note", run, [JSON.stringify({ event: "note", task: claim.task, text } satisfies NewEvent)]);
      }
      return claims.map(({ claim }) => claim);
    },
    async heartbeat(claim, leaseMs, facts = {}) {
      const before = own.get(nameOf(claim))?.activity;
      const text = Object.keys(facts).length === 0 ? "" : change(claim, facts);
      const said = facts.activity === undefined || facts.activity === before ? "" : facts.activity.slice(0, maxLogLine);
      const answer = await evaluate("heartbeat", claim.run, [claim.task, claim.fence, leaseMs, text, said]);
      return answer === null ? (await mirror.readRun(claim.run)) !== undefined : answer === 1;
    },
    pause: (claim, facts, event) => end(claim, "paused", facts, event),
    finish: end,
  };
}

const maxLogLine = 300;

const skipWords = (skip: Choice["skip"], byId: ReadonlyMap<string, TaskRow>, now: number): (string | number)[] =>
  skip.flatMap(({ id, why, state }) => {
    const facts = { ...byId.get(id)?.facts, reason: why, endedAt: now };
    return [id, byId.get(id)?.fence ?? 0, state, JSON.stringify(facts), JSON.stringify({ event: state, task: id, text: why })];
  });

/** A server that is asked for much at once lets everybody else wait. */
const perStep = 300;

async function inChunks<T>(words: readonly T[], size: number, send: (chunk: T[]) => Promise<unknown>): Promise<void> {
  for (let at = 0; at < words.length; at += size * perStep) await send(words.slice(at, at + size * perStep));
}

/** What this machine can go on with. Others may write whatever they like: only what csm has made for a task here is its own. */
function seenFrom(sys: Sys, machine: string, { process: _, ...facts }: TaskFacts): TaskFacts {
  const isInside = (dir: string, path: string | undefined) =>
    path === undefined || (isAbsolute(path) && !relative(dir, path).startsWith("..") && !isAbsolute(relative(dir, path)));
  const isOwn =
    facts.machine === machine &&
    isInside(tasksDir(sys), facts.dir) &&
    isInside(worktreesDir(sys), facts.worktree?.root) &&
    (facts.sessionId === undefined || /^[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}$/.test(facts.sessionId));
  if (facts.machine === undefined) return facts;
  if (isOwn) {
    const process = facts.turnAt === undefined || facts.dir === undefined ? undefined : parseRecord(sys.readText(processPath(facts.dir)));
    return hasShape(process, { pid: "number", start: "string", boot: "string" }) ? { ...facts, process } : facts;
  }
  const { sessionId, account, configDir, cwd, worktree, dir, turnAt, costBefore, sessionBefore, nextPrompt, isAskedAgain, ...rest } = facts;
  // Another account of another machine has another limit.
  return { ...rest, ...(rest.pausedUntil === undefined ? {} : { pausedUntil: 0 }) };
}

const processPath = (dir: string): string => join(dir, "pid.json");

const firstFence = 1_000_000;

/**
 * Of a run that is there what it has forgotten, and all of one that is not. Claims that the server has forgotten have lower fences than
 * all that follow.
 */
async function putBack(sys: Sys, { evaluate, line }: Step, { run, rows, outputOf, lastEvent }: RunCopy): Promise<number> {
  const key = keyOf(run.id);
  const tasks = new Map(run.graph.tasks.map((task) => [task.id, task]));
  const top = rows.reduce((most, { fence }) => Math.max(most, fence), 0);
  const isThere = (await line.call("HEXISTS", [key, "epoch"])) === 1;
  const fence = isThere || top > 0 ? top + firstFence : 0;
  const fields = { isInteractive: run.isInteractive, startedAt: run.startedAt, ...present({ onLimit: run.onLimit }) };
  const open = () =>
    evaluate("open", run.id, [
      fence,
      lastEvent,
      sys.randomId(),
      "facts",
      JSON.stringify(fields),
      ...(run.stop === undefined ? [] : ["stop", run.stop]),
    ]);
  if (!isThere) await line.call("SET", [`${key}:graph`, JSON.stringify(run.graph)], 60_000);
  let count = 0;
  for (let at = 0; at < rows.length; at += perStep) {
    const words: string[] = [];
    for (const { id, state, fence, worker, facts } of rows.slice(at, at + perStep)) {
      const task = tasks.get(id);
      const row: StoredRow = {
        s: state,
        f: fence,
        n: 0,
        ...present({ w: worker && JSON.stringify(worker), g: task?.concurrency, d: facts.isDead }),
      };
      const output = state === "succeeded" ? await outputOf(id) : undefined;
      const deps = task === undefined || task.dependsOn.length === 0 ? "" : JSON.stringify(task.dependsOn);
      words.push(id, JSON.stringify(row), JSON.stringify(facts), deps, output === undefined ? "" : JSON.stringify(output));
    }
    count += Number(await evaluate("put", run.id, [putBackLeaseMs, ...words]));
  }
  // Only now is it there for all.
  if (!isThere || count > 0) await open();
  await line.call("ZADD", [fleetKeys.runs, String(run.startedAt), run.id]);
  return count;
}

/** Whoever works on a task that the server had forgotten says so within this time. */
const putBackLeaseMs = 60_000;

async function changeRun(line: Line, id: string, { graph, endedAt, stop }: RunChange): Promise<void> {
  if (graph !== undefined) throw new Error("a run of the fleet keeps its graph");
  const set = present({ endedAt: endedAt ?? undefined, stop: stop ?? undefined });
  const fields = Object.entries(set).flatMap(([name, value]) => [name, String(value)]);
  if (fields.length > 0) await line.call("HSET", [keyOf(id), ...fields]);
  const gone = Object.entries({ endedAt, stop }).flatMap(([name, value]) => (value === null ? [name] : []));
  if (gone.length > 0) await line.call("HDEL", [keyOf(id), ...gone]);
}

function breakersOf(sys: Sys, line: Line, { accounts, machine }: FleetQueueOptions): Pick<TaskQueue, "readBreakers" | "block" | "unblock"> {
  const whys = ["limit", "login"] as const;
  const readBreakers = async () => {
    const told = (await line.call("HGETALL", [fleetKeys.breakers])) as Record<string, string>;
    const found = new Map<string, Breaker>();
    for (const account of await accounts())
      for (const why of whys) {
        const breaker = toBreaker(told[breakerKey(account, machine, why)], why);
        if (breaker !== undefined && (breaker.until === undefined || breaker.until > sys.now())) found.set(account, breaker);
      }
    return found;
  };
  return {
    readBreakers,
    async block(account, breaker) {
      const before = (await readBreakers()).get(account);
      const isKnown = before?.why === breaker.why && (before.until ?? breaker.at) >= (breaker.until ?? breaker.at);
      if (!isKnown) await line.call("HSET", [fleetKeys.breakers, breakerKey(account, machine, breaker.why), JSON.stringify(breaker)]);
      return !isKnown;
    },
    unblock: async (account) =>
      void (await line.call("HDEL", [fleetKeys.breakers, ...whys.map((why) => breakerKey(account, machine, why))])),
  };
}

function toBreaker(text: string | undefined, why: Breaker["why"]): Breaker | undefined {
  const { at, until, text: words } = parseRecord(text) ?? {};
  if (typeof at !== "number" || typeof words !== "string") return undefined;
  return { why, at, text: words, ...present({ until: typeof until === "number" ? until : undefined }) };
}

const texts = (answer: unknown): string[] =>
  (Array.isArray(answer) ? answer : []).filter((each): each is string => typeof each === "string");

interface Entry {
  id: string;
  fields: Map<string, string>;
}

/** Of a stream. */
const entriesOf = (answer: unknown): Entry[] =>
  (Array.isArray(answer) ? (answer as [string, string[]][]) : []).map(([id, words]) => ({
    id,
    fields: new Map(Array.from({ length: words.length / 2 }, (_, at) => [words[2 * at] ?? "", words[2 * at + 1] ?? ""])),
  }));

function toEvent({ id, fields }: Entry): RunEvent[] {
  const { event, task, text, account, cost_usd, until } = parseRecord(fields.get("value")) ?? {};
  const known = taskEvents.find((each) => each === event);
  if (known === undefined || typeof text !== "string") return [];
  const word = (value: unknown) => (typeof value === "string" ? value : undefined);
  const number = (value: unknown) => (typeof value === "number" ? value : undefined);
  const more = present({ task: word(task), account: word(account), cost_usd: number(cost_usd), until: number(until) });
  return [{ number: Number.parseInt(id, 10), at: Number(fields.get("at")), event: known, text, ...more }];
}

function toOutput(text: string | undefined): TaskOutput | undefined {
  const value = parseJson(text);
  if (!isRecord(value) || typeof value.stdout !== "string" || typeof value.result !== "string") return undefined;
  return { stdout: value.stdout, result: value.result, ...present({ json: value.json }) };
}
