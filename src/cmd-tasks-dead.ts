import { type App, command } from "./cmd-record.ts";
import { anew, findAgain, findRun, isFailed } from "./cmd-tasks-run.ts";
import { UserError, usageError } from "./errors.ts";
import { type Column, duration, table, timed } from "./format.ts";
import { printableLine } from "./printable.ts";
import { isOver } from "./task-condition.ts";
import type { Run, TaskRow } from "./task-queue.ts";
import { openTaskStore, type TaskStore } from "./task-store.ts";

export const tasksDeadCommand = command({
  name: "csm tasks dead",
  summary: "List the tasks that were given up: all attempts failed, or their worker in the fleet was lost three times.",
  args: {
    run: { type: "positional", required: false, description: "only of this run: its name or the beginning of it" },
    json: { type: "boolean", description: "print JSON" },
  },
  examples: [
    ["csm tasks dead", "csm tasks retry RUN tries them again"],
    ["csm tasks dead nightly-3f2a --json | jq -r '.tasks[].task'", ""],
  ],
  async run({ args, app }) {
    const queue = openTaskStore(app.sys);
    const runs = args.run === undefined ? await queue.listRuns() : [await findRun(queue, args.run, async () => true)];
    const found: { run: string; row: TaskRow }[] = [];
    for (const { id } of runs) for (const row of (await queue.readTasks(id)).filter(isFailed)) found.push({ run: id, row });
    queue.close();
    if (args.json === true) return app.json<"csm tasks dead">({ tasks: found.map(({ run, row }) => deadJson(run, row)) });
    if (found.length === 0) return app.out("no task was given up");
    const now = app.sys.now();
    const cells = found.map(({ run, row: { id, facts } }) => [
      run,
      printableLine(id),
      facts.endedAt === undefined ? "-" : `${duration(now - facts.endedAt)} ago`,
      printableLine(facts.reason ?? ""),
    ]);
    app.out(table(columns, cells, app.columns).join("\n"));
  },
});

const columns: Column[] = [
  { title: "RUN", minWidth: 8 },
  { title: "TASK", minWidth: 12 },
  { title: "ENDED" },
  { title: "WHY", minWidth: 12 },
];

const deadJson = (run: string, { id, facts }: TaskRow) => ({
  ...{
    run,
    task: id,
    machine: facts.machine ?? null,
    attempt: facts.attempt ?? 0,
    lost: facts.isDead === true,
    reason: facts.reason ?? null,
  },
  ...timed("ended", facts.endedAt),
});

export const tasksRetryCommand = command({
  name: "csm tasks retry",
  summary: "Put tasks that were given up back, and what comes after them: csm tasks resume goes on with them.",
  args: {
    run: { type: "positional", required: true, description: "its name or the beginning of it" },
    task: { type: "string", valueHint: "TASK", description: "only this one; may be given more than once" },
    json: { type: "boolean", description: "print JSON" },
  },
  repeatable: ["task"],
  examples: [
    ["csm tasks retry nightly-3f2a && csm tasks resume nightly-3f2a", ""],
    ["csm tasks retry nightly-3f2a --task build", ""],
  ],
  async run({ args, repeated, app }) {
    const store = openTaskStore(app.sys);
    const run = await findRun(store, args.run, async () => true);
    const rows = await store.readTasks(run.id);
    const wanted = repeated.task ?? rows.filter(isFailed).map(({ id }) => id);
    for (const id of wanted) {
      const row = rows.find((each) => each.id === id);
      if (row === undefined || !isFailed(row))
        throw usageError(
          `csm tasks retry: ${JSON.stringify(id)} is ${row?.state ?? "no task of it"}`,
          "csm tasks dead lists those that were given up",
        );
    }
    if (wanted.length === 0) throw new UserError(`csm tasks retry: nothing of ${run.id} was given up`);
    const back = [...findAgain(run.graph, rows, ({ id }) => wanted.includes(id))];
    await putBack(app, store, run, back);
    store.close();
    if (args.json === true) return app.json<"csm tasks retry">({ run: run.id, retried: back });
    app.out(`${run.id}: ${back.map(printableLine).join(", ")}: to be done; csm tasks resume ${run.id} goes on`);
  },
});

/** Where machines of the fleet still work on the run, they have it at once. */
async function putBack({ sys }: App, store: TaskStore, run: Run, ids: readonly string[]): Promise<void> {
  const resets = ids.map((id) => ({ id, state: "pending" as const, facts: anew }));
  const isOpen = (await store.readTasks(run.id)).some(({ state }) => !isOver(state));
  if (run.isFleet === true && isOpen) {
    const { fetchNews, openFollowed } = await import("./fleet-run.ts");
    const followed = await openFollowed(sys, store, run, () => {});
    await fetchNews(followed);
    await followed.queue.reset(run.id, resets);
    await fetchNews(followed);
    followed.queue.close();
    return;
  }
  await store.reset(run.id, resets);
  await store.changeRun(run.id, { endedAt: null });
  await store.note(run.id, { event: "run", text: `${run.id}: ${ids.length} tasks are put back` });
}
