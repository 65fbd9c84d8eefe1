import { type App, command, createReadProgress } from "./cmd-record.ts";
import { SilentExit, UserError, usageError } from "./errors.ts";
import { limitPolicies } from "./limit.ts";
import { createLog } from "./log.ts";
import { movesCursor } from "./output.ts";
import { withLock } from "./store.ts";
import { isOver, type TaskState } from "./task-condition.ts";
import { attendRun, createEngine, isAlive } from "./task-engine.ts";
import { refusalsOf } from "./task-estimate.ts";
import { readTaskFile } from "./task-file.ts";
import type { Task, TaskGraph } from "./task-graph.ts";
import { taskExitRows, taskExits } from "./task-outcome.ts";
import { type FactChange, type Run, type RunEvent, renderInput, type TaskQueue, type TaskRow } from "./task-queue.ts";
import { openTaskStore } from "./task-store.ts";
import { eventJson, eventLine, headLine, renderRun, runExitCode, runStatus } from "./task-view.ts";

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
    interactive: { type: "boolean", description: "in sessions of csd that you can see in tmux and answer, instead of claude -p" },
    "on-limit": limitFlag,
    force: { type: "boolean", description: "begin although the estimate is above budget_usd or budget_percent, which hold while it runs" },
    ...shownFlags,
  },
  examples: [
    ["csm tasks run nightly.json", ""],
    ["csm tasks run nightly.toml --jobs 2 --on-limit wait", ""],
    ["csm tasks run nightly.json --json | jq -r 'select(.event == \"failed\") | .task'", ""],
  ],
  async run({ args, app }) {
    const graph = await readGraph(app, args.file ?? "", args.jobs);
    if (args.force !== true) await requireRoom(app, graph);
    const queue = openTaskStore(app.sys);
    const run: Run = {
      ...{ id: nameRun(graph.file, app.sys.randomId()), graph, isInteractive: args.interactive === true, startedAt: app.sys.now() },
      ...(args["on-limit"] === undefined ? {} : { onLimit: args["on-limit"] }),
    };
    const text = `${graph.tasks.length} tasks of ${graph.file}, ${graph.jobs} at once`;
    await queue.create(
      run,
      graph.tasks.map(({ id }) => id),
      { event: "run", text: `${run.id}: ${text}` },
    );
    await workOn(app, queue, run, 0, args.json === true);
  },
});

export const tasksResumeCommand = command({
  name: "csm tasks resume",
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
    const seen = (await queue.readEvents(run.id, 0)).length;
    // Of two that come at once one prepares it, and the other finds it at work.
    await withLock(app.sys, "tasks", async () => {
      const workers = await liveWorkers(app, queue, run.id);
      // Whoever works on it has the say of what it is.
      if (workers.length > 0)
        app.tell(`csm tasks: process ${workers.map(({ pid }) => pid).join(", ")} works on ${run.id} already; this one joins it`);
      else await prepareResume(app, queue, run, args.failed === true);
      await attendRun(app.sys, queue, run.id);
    });
    await workOn(app, queue, (await queue.readRun(run.id)) ?? run, seen, args.json === true);
  },
});

async function readGraph(app: App, file: string, jobs: string | undefined): Promise<TaskGraph> {
  const count = jobs === undefined ? undefined : Number(jobs);
  if (count !== undefined && !(Number.isInteger(count) && count > 0))
    throw usageError(`csm tasks run: --jobs must be a whole number above 0: ${jobs}`);
  const { graph, problems, excess } = await readTaskFile(app.sys, file);
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
async function prepareResume(app: App, queue: TaskQueue, run: Run, hasFailed: boolean): Promise<void> {
  const graph = app.sys.identify(run.graph.file)?.isFile === true ? await readGraph(app, run.graph.file, undefined) : run.graph;
  await queue.changeRun(run.id, { graph: { ...graph, jobs: run.graph.jobs }, stop: null, endedAt: null });
  const rows = new Map((await queue.readTasks(run.id)).map((row) => [row.id, row]));
  const before = new Map(run.graph.tasks.map((task) => [task.id, wordsOf(task)]));
  const now = app.sys.now();
  const kept = new Set<string>();
  // What comes after one that is run again is looked at again, though none of its words have changed: what happened is another thing.
  const again = new Set<string>();
  const resets: { id: string; state: TaskState; facts?: FactChange }[] = [];
  for (const task of graph.tasks) {
    const row = rows.get(task.id);
    if (row === undefined) continue;
    if (hasFailed && (row.state === "failed" || task.dependsOn.some((id) => again.has(id)))) {
      again.add(task.id);
      resets.push({ id: task.id, state: "pending", facts: { ...fresh, attempt: undefined, hash: undefined } });
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

/** Until it is over or stopped; ends the program with the code of how that was. */
async function workOn(app: App, queue: TaskQueue, run: Run, since: number, isJson: boolean): Promise<never> {
  const { sys } = app;
  (await import("./settings-schema.ts")).checkSettings(sys);
  const [{ readSettings }, { createRunner }] = await Promise.all([import("./settings.ts"), import("./task-session.ts")]);
  const limits = readSettings(sys, { "limit.policy": run.onLimit }).part("limit");
  const runner = createRunner(sys, run);
  const show = createShow(app, queue, run, since, isJson);
  const engine = createEngine({ sys, queue, run, limits, runner, onStep: show });
  const log = createLog(app);
  let signals = 0;
  const stopListening = sys.onEachInterrupt(() => {
    signals++;
    log.warn(signals === 1 ? "stopping: nothing new is started; once more ends all now" : "ending all now");
    void engine.stop(signals === 1 ? "gently" : "now");
  });
  try {
    await engine.work();
  } finally {
    stopListening();
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
  }
  await show(true);
  const missed = rows.filter(({ state }) => state === "failed" || state === "cancelled").length;
  if (missed > 0) app.tell(`csm tasks: ${missed} of ${rows.length} did not succeed; csm tasks resume ${run.id} --failed runs them again`);
  await tellEnd(app, queue, run.id, rows);
  queue.close();
  throw new SilentExit(runExitCode(status === "interrupted" ? "stopped" : status, now));
}

/** A table that is drawn again on a terminal, lines elsewhere. */
function createShow(app: App, queue: TaskQueue, run: Run, since: number, isJson: boolean): (isLast?: boolean) => Promise<void> {
  const { sys } = app;
  let seen = since;
  const isTable = !isJson && sys.isTerminal(1) && movesCursor(sys.env);
  return async (isLast = false) => {
    const events = await queue.readEvents(run.id, seen);
    seen = events.at(-1)?.number ?? seen;
    if (!isTable) return printEvents(app, run.id, events, isJson);
    const rows = await queue.readTasks(run.id);
    const now = (await queue.readRun(run.id)) ?? run;
    app.redraw(renderRun(now, rows, runStatus(now, rows, !isLast), sys.now(), app.paint, app.columns));
  };
}

export function printEvents(app: App, run: string, events: readonly RunEvent[], isJson: boolean): void {
  for (const event of events)
    if (isJson) app.json<"csm tasks run">(eventJson(run, event), 0);
    else app.out(eventLine(event));
}

/** By the rules' `[notify]`: the night is over. */
async function tellEnd({ sys }: App, queue: TaskQueue, id: string, rows: readonly TaskRow[]): Promise<void> {
  const { raiseNotice, readNotify } = await import("./notice-spool.ts");
  const settings = await readNotify(sys);
  const run = await queue.readRun(id);
  if (settings === undefined || run === undefined) return;
  const status = runStatus(run, rows, false);
  const bad = rows.filter(({ state }) => state === "failed" || state === "paused");
  const body = bad
    .map(({ id: task, state, facts }) => `${task} ${state}${facts.reason === undefined ? "" : `: ${facts.reason}`}`)
    .join("\n");
  const cause = status === "succeeded" ? "finished" : "failure";
  await raiseNotice(sys, settings, { cause, about: id, at: sys.now(), title: headLine(run, rows, status, sys.now()), body });
}
