import { type App, command } from "./cmd-record.ts";
import { findRun, liveWorkers, printEvents } from "./cmd-tasks-run.ts";
import { UserError, usageError } from "./errors.ts";
import { chooseFleet, fleetArgs, readRuns } from "./fleet-option.ts";
import { duration } from "./format.ts";
import { printableLine } from "./printable.ts";
import { isOver } from "./task-condition.ts";
import type { Run, TaskQueue } from "./task-queue.ts";
import { openTaskStore, type TaskStore } from "./task-store.ts";
import { headLine, renderRun, runJson, runStatus } from "./task-view.ts";

const runArgument = {
  type: "positional",
  required: false,
  description: "its name or the beginning of it; the newest one without it",
} as const;

const anyRun = async () => true;

/** Of a run that machines of the fleet work on: as they tell it now, where they can be asked; and what a task has told of what it does. */
async function lookElsewhere({ sys, tell }: App, store: TaskStore, run: Run, task?: string): Promise<string[]> {
  if (run.isFleet !== true || run.endedAt !== undefined || (await store.readTasks(run.id)).every(({ state }) => isOver(state))) return [];
  const { lookAtRun } = await import("./fleet-run.ts");
  try {
    return await lookAtRun(sys, store, run, task);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    tell(`csm tasks: ${printableLine(error.message)}; this is as it was heard of last`);
    return [];
  }
}

async function readStatus(app: App, queue: TaskQueue, run: Run) {
  const rows = await queue.readTasks(run.id);
  const hasWorker = (await liveWorkers(app, queue, run.id)).length > 0;
  return { rows, status: runStatus(run, rows, hasWorker) };
}

export const tasksStatusCommand = command({
  name: "csm tasks status",
  summary: "Show how a run stands: each task with its state, account, time and cost, and what it does now.",
  args: { run: runArgument, json: { type: "boolean", description: "print JSON" } },
  examples: [
    ["csm tasks status", ""],
    ["csm tasks status nightly-3f2a --json | jq -r '.tasks[].status'", ""],
  ],
  async run({ args, app }) {
    const queue = openTaskStore(app.sys);
    const run = await findRun(queue, args.run, anyRun);
    await lookElsewhere(app, queue, run);
    const { rows, status } = await readStatus(app, queue, run);
    queue.close();
    if (args.json === true) return app.json<"csm tasks status">(runJson(run, rows, status));
    app.out(renderRun(run, rows, status, app.sys.now(), app.paint, app.columns));
  },
});

export const tasksListCommand = command({
  name: "csm tasks list",
  summary: "List the runs of task files, the newest first.",
  args: { ...fleetArgs, json: { type: "boolean", description: "print JSON" } },
  examples: [
    ["csm tasks list", ""],
    ["csm tasks list --fleet --json | jq '.remote[].id'", "what is not over on other machines"],
  ],
  async run({ args, app }) {
    const membership = await chooseFleet(app, "csm tasks list", args);
    const asked = membership === undefined ? undefined : readRuns(app, "csm tasks list", membership);
    const queue = openTaskStore(app.sys);
    const runs = await queue.listRuns();
    const read = await Promise.all(runs.map(async (run) => ({ run, ...(await readStatus(app, queue, run)) })));
    queue.close();
    if (args.json === true)
      return app.json<"csm tasks list">({
        runs: read.map(({ run, rows, status }) => ({ ...runJson(run, rows, status), tasks: rows.length })),
        ...(asked === undefined ? {} : { remote: (await asked).map(({ words: _, ...run }) => run) }),
      });
    const now = app.sys.now();
    const lines = [
      ...read.map(({ run, rows, status }) => `${headLine(run, rows, status, now)}, begun ${duration(now - run.startedAt)} ago`),
      ...((await asked) ?? []).map(({ id, words, stale_ms: staleMs }) => {
        const line = `${id}: ${words}`;
        return staleMs === null ? line : app.paint("dim", `${line}, ${duration(staleMs)} ago`);
      }),
    ];
    app.out(lines.length === 0 ? "no tasks have been run yet" : lines.join("\n"));
  },
});

export const tasksLogsCommand = command({
  name: "csm tasks logs",
  summary: "Print what happened in a run, or what a task of it has answered.",
  args: {
    run: runArgument,
    task: { type: "string", valueHint: "TASK", description: "only of this task, and its answer behind it" },
    json: { type: "boolean", description: "one JSON object per line for each event" },
  },
  examples: [
    ["csm tasks logs nightly-3f2a", ""],
    ["csm tasks logs nightly-3f2a --task build", ""],
  ],
  async run({ args, app }) {
    const queue = openTaskStore(app.sys);
    const run = await findRun(queue, args.run, anyRun);
    const known = (await queue.readTasks(run.id)).map(({ id }) => id);
    if (args.task !== undefined && !known.includes(args.task))
      throw usageError(`csm tasks logs: ${run.id} has no task ${JSON.stringify(args.task)}`, `it has ${known.slice(0, 20).join(", ")}`);
    const lines = await lookElsewhere(app, queue, run, args.task);
    const events = await queue.readEvents(run.id, 0);
    printEvents(
      app,
      run.id,
      events.filter(({ task }) => args.task === undefined || task === args.task),
      args.json === true,
    );
    if (args.json !== true && lines.length > 0) app.out(`\n${lines.map(printableLine).join("\n")}`);
    const output = args.task === undefined || args.json === true ? undefined : await queue.readOutput(run.id, args.task);
    queue.close();
    if (output !== undefined) app.exact(`\n${output.result}`);
  },
});
