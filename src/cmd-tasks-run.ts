import { type App, command, createReadProgress } from "./cmd-record.ts";
import { SilentExit, UserError, usageError } from "./errors.ts";
import type { Followed } from "./fleet-run.ts";
import { present } from "./json.ts";
import { limitPolicies } from "./limit.ts";
import { createLinkLog, createLog } from "./log.ts";
import { withLock } from "./store.ts";
import { isOver, type TaskState } from "./task-condition.ts";
import { attendRun, createEngine, type Engine, endLeft, forgetLogins, isAlive } from "./task-engine.ts";
import { refusalsOf } from "./task-estimate.ts";
import { readTaskFile } from "./task-file.ts";
import type { Task, TaskGraph } from "./task-graph.ts";
import { taskExitRows, taskExits } from "./task-outcome.ts";
import { type FactChange, type Run, type RunEvent, renderInput, type TaskQueue, type TaskRow } from "./task-queue.ts";
import { hasForeground, openRunScreen } from "./task-screen.ts";
import { openTaskStore, type TaskStore } from "./task-store.ts";
import { endNotice, eventJson, eventLine, headLine, renderRun, runExitCode, runStatus } from "./task-view.ts";

const shownFlags = {
  json: { type: "boolean", description: "one JSON object per line for each event" },
} as const;

/** What `findRun` with `isUnfinished` finds. */
export const unfinishedArgument = {
  type: "positional",
  required: false,
  description: "its name or the beginning of it; the newest unfinished one without it",
} as const;

export const isUnfinished =
  (queue: TaskQueue) =>
  async ({ id }: Run): Promise<boolean> =>
    (await queue.readTasks(id)).some(({ state }) => !isOver(state));

/** Or something in it has failed. */
const hasMoreToDo =
  (queue: TaskQueue) =>
  async ({ id }: Run): Promise<boolean> =>
    (await queue.readTasks(id)).some(({ state }) => !isOver(state) || state === "failed" || state === "cancelled");

const limitFlag = {
  type: "string",
  valueHint: "POLICY",
  values: limitPolicies,
  description: "at a usage limit, instead of what csm config says: switch, wait, ask (which waits), stop",
} as const;

export const tasksRunCommand = command({
  name: "csm tasks run",
  acts: true,
  summary: `Run a file of tasks: each in a session of its own, what does not depend on each other at the same time. What csm tasks check would refuse is not begun.\n\nCtrl-C once: nothing new is started, and what runs is stopped so that it can go on later. Twice: all is ended now.`,
  codes: taskExitRows(),
  args: {
    file: {
      type: "positional",
      required: true,
      kind: "files",
      description: "JSON, TOML or YAML: csm tasks check tells what is wrong in it",
    },
    jobs: { type: "string", alias: "j", valueHint: "N", description: "so many at once, instead of what the file says" },
    fleet: { type: "boolean", description: "by the machines of the fleet that csm fleet work runs on: prompts and answers go there" },
    interactive: { type: "boolean", description: "in sessions of csd that you can see in tmux and answer, instead of claude -p" },
    "on-limit": limitFlag,
    force: { type: "boolean", description: "begin although the estimate is above budget_usd or budget_percent, which hold while it runs" },
    ...shownFlags,
  },
  examples: [
    ["csm tasks run nightly.json", ""],
    ["csm tasks run nightly.json --fleet", "by the machines that csm fleet work runs on"],
    ["csm tasks run nightly.toml --jobs 2 --on-limit wait", ""],
    ["csm tasks run nightly.json --json | jq -r 'select(.event == \"failed\") | .task'", ""],
  ],
  async run({ args, app }) {
    const isFleet = args.fleet === true;
    const graph = await readGraph(app, args.file ?? "", args.jobs, isFleet);
    if (args.force !== true) await requireRoom(app, graph);
    const queue = openTaskStore(app.sys);
    const run: Run = {
      ...(isFleet ? { isFleet } : {}),
      ...{ id: nameRun(graph.file, app.sys.randomId()), graph, isInteractive: args.interactive === true, startedAt: app.sys.now() },
      ...(args["on-limit"] === undefined ? {} : { onLimit: args["on-limit"] }),
    };
    // Nothing is begun that nobody would hear of.
    const followed = isFleet ? await openFollower(app, queue, run) : undefined;
    const text = `${graph.tasks.length} tasks of ${graph.file}, ${graph.jobs} at once`;
    await queue.create(
      run,
      graph.tasks.map(({ id }) => id),
      { event: "run", text: `${run.id}: ${text}` },
    );
    await workOn(app, { queue, run, since: 0, isJson: args.json === true, ...present({ followed }) });
  },
});

export const tasksResumeCommand = command({
  name: "csm tasks resume",
  acts: true,
  summary: `Go on with a run that was stopped or interrupted: what has succeeded and has not changed is not repeated, what was begun goes on in its own conversation. What has failed stays so, unless its words in the file have changed, or with --failed.`,
  codes: taskExitRows(),
  args: {
    run: unfinishedArgument,
    failed: { type: "boolean", description: "also what has failed, from its beginning, and all that comes after it" },
    ...shownFlags,
  },
  examples: [
    ["csm tasks resume", ""],
    ["csm tasks resume --failed", "only what has failed, in the newest run in which something has"],
    ["csm tasks resume nightly-3f2a", ""],
  ],
  async run({ args, app }) {
    const queue = openTaskStore(app.sys);
    const run = await findRun(queue, args.run, args.failed === true ? hasMoreToDo(queue) : isUnfinished(queue));
    const seen = await queue.lastEvent(run.id);
    const isJson = args.json === true;
    if (run.isFleet === true) {
      const followed = await openFollower(app, queue, run);
      await resumeFleet(app, followed, args.failed === true);
      return await workOn(app, { queue, run, since: seen, isJson, followed });
    }
    // Of two that come at once one prepares it, and the other finds it at work.
    await withLock(app.sys, "tasks", async () => {
      const workers = await liveWorkers(app, queue, run.id);
      // Whoever works on it has the say of what it is.
      if (workers.length > 0)
        app.tell(`csm tasks: process ${workers.map(({ pid }) => pid).join(", ")} works on ${run.id} already; this one joins it`);
      else await prepareResume(app, queue, run, args.failed === true);
      await attendRun(app.sys, queue, run.id);
    });
    await workOn(app, { queue, run: (await queue.readRun(run.id)) ?? run, since: seen, isJson });
  },
});

/** The fleet is asked first: where it cannot be reached nothing has changed. */
async function openFollower(app: App, store: TaskStore, run: Run): Promise<Followed> {
  const { openFollowed } = await import("./fleet-run.ts");
  const lost = (why: string) => `csm tasks: ${why}; the machines go on, and it is tried again`;
  const followed = await openFollowed(app.sys, store, run, createLinkLog(createLog(app), lost));
  await followed.queue.readMachines();
  return followed;
}

async function resumeFleet({ sys }: App, followed: Followed, hasFailed: boolean): Promise<void> {
  const { fetchNews } = await import("./fleet-run.ts");
  const { run, store, queue } = followed;
  await store.changeRun(run.id, { stop: null, endedAt: null });
  await fetchNews(followed);
  await queue.changeRun(run.id, { stop: null });
  const rows = await store.readTasks(run.id);
  const again = hasFailed ? findAgain(run.graph, rows) : new Set<string>();
  const resets = rows.flatMap((row) => {
    if (again.has(row.id)) return [{ id: row.id, state: "pending" as const, facts: anew }];
    // What is done is done, and what runs goes on: on other machines nobody looks at what has changed since.
    const next = row.state === "paused" ? resumed(row, sys.now(), false) : undefined;
    return next === undefined ? [] : [{ id: row.id, ...next }];
  });
  await queue.reset(run.id, resets);
}

export const isFailed = ({ state }: TaskRow): boolean => state === "failed";

/** What has failed, or else `isMeant`, and what comes after it: what happened before it is another thing then. */
export function findAgain({ tasks }: TaskGraph, rows: readonly TaskRow[], isMeant: (row: TaskRow) => boolean = isFailed): Set<string> {
  const again = new Set(rows.filter(isMeant).map(({ id }) => id));
  // Each stands behind what it depends on.
  for (const { id, dependsOn } of tasks) if (dependsOn.some((other) => again.has(other))) again.add(id);
  return again;
}

async function readGraph(app: App, file: string, jobs: string | undefined, isForFleet = false): Promise<TaskGraph> {
  const count = jobs === undefined ? undefined : Number(jobs);
  if (count !== undefined && !(Number.isInteger(count) && count > 0))
    throw usageError(`csm tasks run: --jobs must be a whole number above 0: ${jobs}`);
  const { graph, problems, excess } = await readTaskFile(app.sys, file, isForFleet);
  const [first, ...more] = problems;
  if (first !== undefined)
    throw usageError(
      `csm tasks: ${file}:${first.line}: ${first.message}`,
      more.length === 0 ? "correct the file" : `and ${more.length} more: csm tasks check ${file} tells them`,
    );
  if (excess !== undefined)
    throw new UserError(`csm tasks: ${excess}`, "raise it in the file, or make the file smaller", taskExits.refused.code);
  return count === undefined ? graph : { ...graph, jobs: count };
}

/** What `csm tasks check` would refuse. */
async function requireRoom(app: App, graph: TaskGraph): Promise<void> {
  if (graph.budgetUsd === undefined && graph.budgetPercent === undefined) return;
  const { forecastRun } = await import("./task-forecast.ts");
  const progress = createReadProgress(app);
  const refusals = refusalsOf(graph, await forecastRun(app.sys, graph, progress.show));
  progress.clear();
  if (refusals.length > 0)
    throw new UserError(
      `csm tasks run: this would take ${refusals.join("; ")}`,
      "raise it in the file, or begin all the same with --force: it then stops at the cap",
      taskExits.refused.code,
    );
}

/** A person types it: the name of the file, and four signs. */
function nameRun(file: string, id: string): string {
  const stem = (file.split(/[/\\]/).at(-1) ?? "")
    .replace(/\.[^.]*$/, "")
    .replace(/[^\w.-]+/g, "-")
    .slice(0, 24);
  return `${stem === "" ? "run" : stem}-${id.replaceAll("-", "").slice(0, 4)}`;
}

/** By its name or the beginning of it; without one the newest that `isWanted`. */
export async function findRun(queue: TaskQueue, word: string | undefined, isWanted: (run: Run) => Promise<boolean>): Promise<Run> {
  const runs = await queue.listRuns();
  if (word === undefined) {
    for (const run of runs) if (await isWanted(run)) return run;
    throw usageError(runs.length === 0 ? "no tasks have been run yet" : "no run is unfinished", "csm tasks list shows the runs");
  }
  const found = runs.filter(({ id }) => id === word);
  const begun = found.length > 0 ? found : runs.filter(({ id }) => id.startsWith(word));
  const [run, other] = begun;
  if (run === undefined) throw usageError(`no run ${JSON.stringify(word)}`, "csm tasks list shows the runs");
  if (other !== undefined) throw usageError(`${JSON.stringify(word)} means several runs`, begun.map(({ id }) => id).join(", "));
  return run;
}

export async function liveWorkers(app: App, queue: TaskQueue, run: string) {
  const workers = await queue.readWorkers(run);
  const lives = await Promise.all(workers.map((worker) => isAlive(app.sys, worker)));
  return workers.filter((_, index) => lives[index]);
}

/** The file as it is now, where it still can be read; what waits for nobody knows what is tried again. */
export async function prepareResume(app: App, queue: TaskQueue, run: Run, hasFailed: boolean): Promise<void> {
  const graph = app.sys.identify(run.graph.file)?.isFile === true ? await readGraph(app, run.graph.file, undefined) : run.graph;
  // What is in the file no more nobody would watch.
  const ids = new Set(graph.tasks.map(({ id }) => id));
  await endLeft(queue, run, (await import("./task-session.ts")).createRunner(app.sys, run), "now", (id) => !ids.has(id));
  await queue.changeRun(run.id, { graph: { ...graph, jobs: run.graph.jobs }, stop: null, endedAt: null });
  const rows = new Map((await queue.readTasks(run.id)).map((row) => [row.id, row]));
  const before = new Map(run.graph.tasks.map((task) => [task.id, wordsOf(task)]));
  const now = app.sys.now();
  const kept = new Set<string>();
  const again = hasFailed ? findAgain(graph, [...rows.values()]) : new Set<string>();
  const resets: { id: string; state: TaskState; facts?: FactChange }[] = [];
  for (const task of graph.tasks) {
    const row = rows.get(task.id);
    if (row === undefined) continue;
    if (again.has(task.id)) {
      resets.push({ id: task.id, state: "pending", facts: anew });
      continue;
    }
    const isSame = row.state === "succeeded" && task.dependsOn.every((id) => kept.has(id) || rows.get(id)?.state === "failed");
    if (isSame && (await renderInput(queue, run.id, task).catch(() => undefined))?.hash === row.facts.hash) kept.add(task.id);
    else {
      const next = resumed(row, now, before.get(task.id) !== wordsOf(task));
      if (next !== undefined) resets.push({ id: task.id, ...next });
    }
  }
  await queue.reset(run.id, resets);
  await queue.note(run.id, { event: "run", text: `${run.id}: resumed` });
}

/** All that it says, wherever it stands. */
const wordsOf = ({ line: _, ...task }: Task): string => JSON.stringify(task);

/** Undefined where it stays as it is. */
function resumed({ state, facts }: TaskRow, now: number, hasChanged: boolean): { state: TaskState; facts?: FactChange } | undefined {
  switch (state) {
    case "paused":
      return facts.pausedUntil === undefined ? { state, facts: { pausedUntil: now, needsPerson: undefined } } : undefined;
    case "succeeded":
      return { state: "pending", facts: fresh };
    case "skipped":
    case "cancelled":
      return { state: "pending", facts: { reason: undefined, endedAt: undefined } };
    case "failed":
      return hasChanged ? { state: "pending", facts: { ...fresh, attempt: undefined } } : undefined;
    default:
      return undefined;
  }
}

const fresh: FactChange = {
  ...{ reason: undefined, startedAt: undefined, endedAt: undefined, sessionId: undefined, nextPrompt: undefined, isAskedAgain: undefined },
  denied: undefined,
};

/** As if it had never been begun. */
export const anew: FactChange = { ...fresh, attempt: undefined, hash: undefined, isDead: undefined };

interface Work {
  queue: TaskStore;
  run: Run;
  /** Number of the event that is known already. */
  since: number;
  isJson: boolean;
  /** Machines of the fleet do it. */
  followed?: Followed;
}

type Step = () => Promise<void> | void;

async function openEngine(
  { sys }: App,
  { queue, run, followed }: Work,
  onStep: Step,
): Promise<Pick<Engine, "work" | "stop"> & { leave?(): void }> {
  if (followed !== undefined) {
    const { createFollower, giveRun } = await import("./fleet-run.ts");
    await giveRun(followed);
    return createFollower(sys, followed, onStep);
  }
  (await import("./settings-schema.ts")).checkSettings(sys);
  await forgetLogins(queue);
  const [{ readSettings }, { createRunner }] = await Promise.all([import("./settings.ts"), import("./task-session.ts")]);
  const limits = readSettings(sys, { "limit.policy": run.onLimit }).part("limit");
  return createEngine({ sys, queue, run, limits, runner: createRunner(sys, run), onStep });
}

/** Until it is over or stopped; ends the program with the code of how that was. */
async function workOn(app: App, work: Work): Promise<never> {
  const { sys } = app;
  const { queue, run, since, isJson } = work;
  let signals = 0;
  /** By the machine, or with the terminal: nobody has chosen that. */
  let isCutOff = false;
  const interrupt = () => {
    signals++;
    show.tell(signals === 1 ? "stopping: nothing new is started; ctrl-c once more ends all now" : "ending all now");
    void engine.stop(signals === 1 ? "gently" : "now");
  };
  const show = await createShow(app, { queue, run, since, isJson, interrupt });
  const engine = await openEngine(app, work, show.step);
  const stopListening = sys.onEachInterrupt((name) => {
    // Its terminal has gone.
    if (name === "SIGHUP") show.close();
    isCutOff = name !== "SIGINT";
    // The machines of the fleet need nobody who looks on.
    if (isCutOff && engine.leave !== undefined) engine.leave();
    else interrupt();
  });
  try {
    await engine.work();
  } finally {
    stopListening();
    show.close();
  }
  const rows = await queue.readTasks(run.id);
  const now = (await queue.readRun(run.id)) ?? run;
  const status = runStatus(now, rows, (await liveWorkers(app, queue, run.id)).length > 0);
  if (now.endedAt === undefined && status !== "running" && status !== "waiting") {
    await queue.changeRun(run.id, { endedAt: sys.now() });
    await queue.note(run.id, {
      event: "end",
      text: headLine({ ...now, endedAt: sys.now() }, rows, status === "interrupted" ? "stopped" : status, sys.now()),
    });
    await tellEnd(app, queue, run.id, rows, isCutOff);
  }
  await show.end();
  const missed = rows.filter(({ state }) => state === "failed" || state === "cancelled").length;
  if (missed > 0) app.tell(`csm tasks: ${missed} of ${rows.length} did not succeed; csm tasks resume ${run.id} --failed runs them again`);
  queue.close();
  // The machines go on with what this one looks on at no longer: it is cut off, as a run that was stopped is.
  const isLeft = isCutOff && engine.leave !== undefined;
  throw new SilentExit(runExitCode(status === "interrupted" ? "stopped" : status, isLeft ? { ...now, stop: "gently" } : now));
}

interface Shown {
  queue: TaskQueue;
  run: Run;
  /** Number of the event that is known already. */
  since: number;
  isJson: boolean;
  interrupt(): void;
}

/** A table that is drawn again on a terminal, and stays as it was at the end; lines elsewhere. */
async function createShow(app: App, { queue, run, since, isJson, interrupt }: Shown) {
  const { sys } = app;
  const isTable = !isJson && sys.isTerminal(1) && app.isInteractive && (await hasForeground(sys));
  const screen = isTable ? openRunScreen(sys, { paint: app.paint, onInterrupt: interrupt }) : undefined;
  let seen = since;
  const read = async () => ({ now: (await queue.readRun(run.id)) ?? run, rows: await queue.readTasks(run.id) });
  const step = async () => {
    if (screen === undefined) {
      const events = await queue.readEvents(run.id, seen);
      seen = events.at(-1)?.number ?? seen;
      return printEvents(app, run.id, events, isJson);
    }
    const { now, rows } = await read();
    screen.show(now, rows);
  };
  return {
    step,
    tell: (text: string) => (screen === undefined ? createLog(app).warn(text) : screen.tell(text)),
    close: () => screen?.close(),
    async end() {
      if (screen === undefined) return step();
      const { now, rows } = await read();
      app.out(renderRun(now, rows, runStatus(now, rows, false), sys.now(), app.paint, app.columns));
    },
  };
}

export function printEvents(app: App, run: string, events: readonly RunEvent[], isJson: boolean): void {
  for (const event of events)
    if (isJson) app.json<"csm tasks run">(eventJson(run, event), 0);
    else app.out(eventLine(event));
}

/** By the rules' `[notify]`: the night is over. Whoever has stopped it knows. */
async function tellEnd({ sys }: App, queue: TaskQueue, id: string, rows: readonly TaskRow[], isCutOff: boolean): Promise<void> {
  const { raiseNotice, readNotify } = await import("./notice-spool.ts");
  const settings = await readNotify(sys);
  const run = await queue.readRun(id);
  if (settings === undefined || run === undefined || (run.stop !== undefined && !isCutOff)) return;
  await raiseNotice(sys, settings, endNotice(run, rows, sys.now()));
}
