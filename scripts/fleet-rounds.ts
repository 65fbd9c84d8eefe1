/**
 * `bun run scripts/fleet-rounds.ts [--tasks N] [--workers N] [--kills N] [--stops N] [--restarts N] [--flushes N] [--seed N]` gives a
 * random graph of tasks to worker processes by way of a real redis-server, and kills them (SIGKILL), stops them for longer than their
 * lease (SIGSTOP), starts the server anew (by turns with SIGTERM and SIGKILL) and lets it forget all (FLUSHALL). A task does nothing but
 * tell that it was done; some kill whoever takes them. Exit code 1 unless each was done exactly once, after what it depends on, and none
 * is lost. What was done between the last look of the machine that has given the run and a FLUSHALL is done again, and counted apart.
 */
import { appendFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { type FleetQueue, openFleetQueue } from "../src/fleet-queue.ts";
import { createFollower, giveRun } from "../src/fleet-run.ts";
import { createSys, type Sys } from "../src/sys.ts";
import { decideNext, type Task, type TaskGraph } from "../src/task-graph.ts";
import { type Claim, maxLosses, type Run, type TaskRow } from "../src/task-queue.ts";
import { openTaskStore } from "../src/task-store.ts";
import { freePort, openPlainLink, startPlainRedis } from "../test/redis-server.ts";
import { createRandom } from "./random.ts";

export interface FleetRoundsOptions {
  tasks: number;
  workers: number;
  kills: number;
  stops: number;
  restarts: number;
  flushes: number;
  seed: number;
  tell?: (line: string) => void;
}

interface FleetRoundsReport {
  succeeded: number;
  dead: number;
  skipped: number;
  /** Times that a worker began a task. */
  attempts: number;
  /** Results that came too late. */
  fenced: number;
  /** Done again as the server had been made to forget it. */
  again: number;
  wrong: string[];
}

const runId = "rounds";
const leaseMs = 2000;
const perWorker = 8;
const isPoison = (id: string): boolean => id.endsWith("-poison");

/** 0 to 1. */
function chances(seed: number): () => number {
  const random = createRandom(seed);
  return () => random(1_000_000) / 1_000_000;
}

function planTasks({ tasks, seed }: FleetRoundsOptions): Task[] {
  const random = chances(seed);
  const names: string[] = [];
  return Array.from({ length: tasks }, (_, index): Task => {
    const kind = random() < Math.min(0.01, 3 / tasks) ? "poison" : "fine";
    const count = index < 4 ? 0 : Math.floor(random() * 2.5);
    const near = Array.from({ length: count }, () => names[Math.max(0, index - 1 - Math.floor(random() * 200))] ?? "");
    const dependsOn = [...new Set(near)].filter((name) => !isPoison(name));
    const id = `task-${index}-${kind}`;
    names.push(id);
    return {
      ...{ id, name: id, matrix: {}, cwd: "/", prompt: ["x"], dependsOn, condition: { kind: "success" }, conditionText: "success" },
      ...{ profile: "auto", retries: 0, isWorktree: false, env: {}, line: 1, ...(random() < 0.02 ? { concurrency: "one" } : {}) },
    };
  });
}

const openQueue = (sys: Sys, port: number, machine: string, isWorker: boolean): FleetQueue =>
  openFleetQueue(sys, { ...{ machine, isWorker, onLink() {}, accounts: async () => [] }, open: () => openPlainLink(port) });

// --- a worker -------------------------------------------------------------------------------------------------------

async function workOn(port: number, name: string, dir: string): Promise<void> {
  const sys = createSys({ HOME: dir });
  const queue = openQueue(sys, port, name, true);
  const say = (line: string) => appendFileSync(join(dir, `${name}.log`), `${line}\n`);
  const self = { host: name, pid: process.pid, start: name };
  const { graph } = (await queue.readRun(runId)) as Run;
  const doOne = async (claim: Claim, task: Task) => {
    say(`began ${claim.task} ${claim.fence}`);
    if (isPoison(claim.task)) process.kill(process.pid, "SIGKILL");
    for (const before of task.dependsOn)
      if ((await queue.readOutput(runId, before))?.result !== before) say(`wrong ${claim.task} began before ${before} was done`);
    await Bun.sleep(Math.random() * 60);
    if (!(await queue.heartbeat(claim, leaseMs))) return say(`fenced ${claim.task} ${claim.fence}`);
    const event = { event: "succeeded", task: claim.task, text: String(claim.fence) } as const;
    const isDone = await queue.finish(claim, "succeeded", {}, event, { stdout: "", result: claim.task });
    say(`${isDone ? "done" : "fenced"} ${claim.task} ${claim.fence}`);
  };
  const tasks = new Map(graph.tasks.map((task) => [task.id, task]));
  for (;;) {
    if ((await queue.readRun(runId)) === undefined) break;
    let isOver = false;
    const claims = await queue.claim(runId, self, leaseMs, (rows) => {
      const next = choose(graph, rows);
      isOver = next.isOver;
      return { ...next, most: perWorker, isAlone: true };
    });
    if (isOver && claims.length === 0) break;
    await Promise.all(claims.map((claim) => doOne(claim, tasks.get(claim.task) as Task)));
    if (claims.length === 0) await Bun.sleep(50);
  }
  queue.close();
}

/** Some of what may start, by chance: others look at the same. */
function choose(graph: TaskGraph, rows: readonly TaskRow[]) {
  const byId = new Map(rows.map((row) => [row.id, row]));
  let left = 4 * perWorker;
  const { start, skip, isOver } = decideNext(
    graph,
    (id) => {
      const row = byId.get(id);
      return row?.state === "running" && row.leaseUntil === 0 ? "paused" : (row?.state ?? "pending");
    },
    () => Math.random() < 0.5 && left-- > 0,
  );
  const over = skip.map(({ task, why }) => ({ id: task.id, why, state: "skipped" as const }));
  return { start: start.map(({ id }) => id), skip: over, isOver };
}

// --- faults ---------------------------------------------------------------------------------------------------------

interface Box {
  port: number;
  dir: string;
  redis: Bun.Subprocess;
  workers: Map<string, Bun.Subprocess>;
}

function startWorker(box: Box, name: string): void {
  const args = [process.execPath, import.meta.path, "--worker", name, "--port", String(box.port), "--dir", box.dir];
  const child = Bun.spawn(args, { stdin: "ignore", stdout: "ignore", stderr: "inherit" });
  box.workers.set(name, child);
  // Whatever has ended it, somebody starts it again.
  void child.exited.then((code) => {
    if (code !== 0 && box.workers.get(name) === child) startWorker(box, name);
  });
}

type Fault = "kill" | "stop" | "restart" | "flush";

async function doFault(box: Box, fault: Fault, count: number, random: () => number): Promise<void> {
  const children = [...box.workers.values()];
  const child = children[Math.floor(random() * children.length)];
  if (fault === "kill") child?.kill("SIGKILL");
  else if (fault === "stop") {
    child?.kill("SIGSTOP");
    await Bun.sleep(leaseMs * 1.3);
    child?.kill("SIGCONT");
  } else if (fault === "restart") {
    box.redis.kill(count % 2 === 0 ? "SIGTERM" : "SIGKILL");
    await box.redis.exited;
    box.redis = await startPlainRedis(box.port, box.dir);
  } else {
    const link = await openPlainLink(box.port);
    await link.call("FLUSHALL", []);
    link.close();
  }
}

/** In a random order, spread over the run. */
async function doFaults(box: Box, options: FleetRoundsOptions, over: () => Promise<number>, isEnded: () => boolean): Promise<number[]> {
  const random = chances(options.seed + 1);
  const { kills, stops, restarts, flushes, tasks, tell = () => {} } = options;
  const kinds = { kill: kills, stop: stops, restart: restarts, flush: flushes };
  const faults = Object.entries(kinds).flatMap(([kind, count]) =>
    Array.from({ length: count }, () => ({ kind: kind as Fault, at: random() })),
  );
  const flushedAt: number[] = [];
  for (const [index, { kind }] of faults.toSorted((a, b) => a.at - b.at).entries()) {
    while ((await over()) < ((index + 0.5) / (faults.length + 1)) * tasks && !isEnded()) await Bun.sleep(50);
    if (isEnded()) break;
    if (kind === "flush") flushedAt.push(Date.now());
    await doFault(box, kind, index, random);
    tell(`${kind} after ${await over()} tasks`);
  }
  return flushedAt;
}

// --- the rounds -----------------------------------------------------------------------------------------------------

export async function runFleetRounds(options: FleetRoundsOptions): Promise<FleetRoundsReport> {
  const dir = mkdtempSync(join(tmpdir(), "csm-fleet-rounds-"));
  mkdirSync(join(dir, "own"), { mode: 0o700 });
  const port = await freePort();
  const box: Box = { port, dir, redis: await startPlainRedis(port, dir), workers: new Map() };
  const sys = createSys({ HOME: join(dir, "own") });
  const store = openTaskStore(sys);
  const queue = openQueue(sys, port, "own", false);
  try {
    const graph: TaskGraph = { file: "/rounds.json", tasks: planTasks(options), jobs: 1000, maxTasks: 10_000 };
    const run: Run = { id: runId, graph, isInteractive: false, startedAt: Date.now(), isFleet: true };
    await store.create(
      run,
      graph.tasks.map(({ id }) => id),
      { event: "run", text: "begun" },
    );
    await queue.listRuns();
    const followed = { run, store, queue };
    await giveRun(followed);
    for (let count = 0; count < options.workers; count++) startWorker(box, `worker${count}`);
    let isEnded = false;
    const follower = createFollower(sys, followed, () => {});
    const faults = doFaults(
      box,
      options,
      () => countOver(port),
      () => isEnded,
    );
    await follower.work();
    isEnded = true;
    const flushedAt = await faults;
    return await compare(graph, await store.readTasks(runId), await store.readEvents(runId, 0), readLogs(dir), flushedAt.length > 0);
  } finally {
    const children = [...box.workers.values()];
    box.workers.clear();
    for (const child of [...children, box.redis]) {
      child.kill("SIGCONT");
      child.kill("SIGKILL");
    }
    await Promise.all([...children, box.redis].map(({ exited }) => exited));
    queue.close();
    store.close();
    rmSync(dir, { recursive: true, force: true });
  }
}

/** Each end of a task is an event. */
async function countOver(port: number): Promise<number> {
  try {
    const link = await openPlainLink(port);
    const count = await link.call("HGET", [`csm:run:${runId}`, "events"]);
    link.close();
    return Number(count);
  } catch {
    // It starts, or has ended.
    return 0;
  }
}

const readLogs = (dir: string): string[] =>
  readdirSync(dir)
    .filter((name) => name.endsWith(".log") && existsSync(join(dir, name)))
    .flatMap((name) => readFileSync(join(dir, name), "utf8").trim().split("\n"));

type Event = Awaited<ReturnType<ReturnType<typeof openTaskStore>["readEvents"]>>[number];

async function compare(
  graph: TaskGraph,
  rows: readonly TaskRow[],
  events: readonly Event[],
  logs: readonly string[],
  wasFlushed: boolean,
): Promise<FleetRoundsReport> {
  const wrong = logs.filter((line) => line.startsWith("wrong "));
  const doneAt = new Map<string, number[]>();
  for (const { event, task = "", number } of events) if (event === "succeeded") doneAt.set(task, [...(doneAt.get(task) ?? []), number]);
  const told = new Map<string, number>();
  for (const line of logs) {
    const [what, task = ""] = line.split(" ");
    if (what === "done") told.set(task, (told.get(task) ?? 0) + 1);
  }
  const states = new Map(rows.map((row) => [row.id, row]));
  let again = 0;
  for (const { id, dependsOn } of graph.tasks) {
    const row = states.get(id);
    const wanted = isPoison(id) ? "failed" : "succeeded";
    if (row?.state !== wanted || (isPoison(id) && row.facts.isDead !== true)) wrong.push(`${id} is ${row?.state}, not ${wanted}`);
    const times = Math.max(doneAt.get(id)?.length ?? 0, told.get(id) ?? 0);
    if (times > 1 && wasFlushed) again += times - 1;
    else if (times !== (wanted === "succeeded" ? 1 : 0)) wrong.push(`${id} was done ${times} times`);
    const own = doneAt.get(id)?.[0] ?? Number.POSITIVE_INFINITY;
    for (const other of dependsOn) if ((doneAt.get(other)?.[0] ?? 0) > own) wrong.push(`${id} was done before ${other}`);
    const begins = logs.filter((line) => isPoison(id) && line.startsWith(`began ${id} `)).length;
    if (begins > maxLosses && !wasFlushed) wrong.push(`${id} was begun ${begins} times`);
  }
  const countOf = (state: string) => rows.filter((row) => row.state === state).length;
  const count = (word: string) => logs.filter((line) => line.startsWith(`${word} `)).length;
  return {
    ...{ succeeded: countOf("succeeded"), dead: countOf("failed"), skipped: countOf("skipped") },
    ...{ attempts: count("began"), fenced: count("fenced"), again, wrong: wrong.slice(0, 50) },
  };
}

if (import.meta.main) {
  const names = ["tasks", "workers", "kills", "stops", "restarts", "flushes", "seed"] as const;
  const defaults = { tasks: 10_000, workers: 20, kills: 20, stops: 8, restarts: 4, flushes: 0, seed: 1 };
  const text = { type: "string" } as const;
  const { values } = parseArgs({
    options: { worker: text, port: text, dir: text, ...Object.fromEntries(names.map((name) => [name, text])) },
  }) as { values: Record<string, string | undefined> };
  if (values.worker !== undefined) await workOn(Number(values.port), values.worker, values.dir ?? "");
  else {
    const startedAt = performance.now();
    const given = Object.fromEntries(names.map((name) => [name, Number(values[name] ?? defaults[name])])) as typeof defaults;
    const report = await runFleetRounds({ ...given, tell: console.log });
    console.log(JSON.stringify({ ...report, seconds: Math.round((performance.now() - startedAt) / 1000) }, null, 2));
    process.exit(report.wrong.length === 0 ? 0 : 1);
  }
}
