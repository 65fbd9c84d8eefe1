import { join } from "node:path";
import { type App, command } from "./cmd-record.ts";
import { findRun, isUnfinished, liveWorkers, unfinishedArgument } from "./cmd-tasks-run.ts";
import { tasksDir, worktreesDir } from "./paths.ts";
import { type Sys, until } from "./sys.ts";
import { isOver } from "./task-condition.ts";
import { endLeft } from "./task-engine.ts";
import type { Run, TaskRow } from "./task-queue.ts";
import { openTaskStore, type TaskStore } from "./task-store.ts";
import { findWorktree, removeWorktree } from "./task-worktree.ts";

const waitMs = 60_000;

export const tasksStopCommand = command({
  name: "csm tasks stop",
  summary:
    "Stop a run, whoever works on it: nothing new is started, and what runs ends its turn so that csm tasks resume can go on with it.",
  args: {
    run: unfinishedArgument,
    now: { type: "boolean", description: "end all now: each claude, what it has started, and its agents in the background" },
    json: { type: "boolean", description: "print JSON" },
  },
  examples: [
    ["csm tasks stop nightly-3f2a", ""],
    ["csm tasks stop --now", ""],
  ],
  async run({ args, app }) {
    const queue = openTaskStore(app.sys);
    const isOpen = isUnfinished(queue);
    const run = await findRun(queue, args.run, isOpen);
    const how = args.now === true ? "now" : "gently";
    if (await isOpen(run)) await stopRun(app, queue, run, how);
    const rows = await queue.readTasks(run.id);
    const running = rows.filter(({ state }) => state === "running").map(({ id }) => id);
    queue.close();
    if (args.json === true) return app.json<"csm tasks stop">({ run: run.id, stopped: running.length === 0, running });
    app.out(
      running.length === 0
        ? `${run.id} is stopped; csm tasks resume ${run.id} goes on`
        : `${run.id}: still running: ${running.join(", ")}; --now ends them`,
    );
  },
});

/** Machines of the fleet are told, and each ends what it has. */
async function stopElsewhere(sys: Sys, store: TaskStore, run: Run, how: "gently" | "now"): Promise<void> {
  const { fetchNews, openFollowed } = await import("./fleet-run.ts");
  const followed = await openFollowed(sys, store, run, () => {});
  await followed.queue.changeRun(run.id, { stop: how });
  let after = await store.lastEvent(run.id);
  const isDone = async () => {
    after = await fetchNews(followed, after);
    return (await store.readTasks(run.id)).every(({ state }) => state !== "running") ? true : undefined;
  };
  if ((await until(sys, sys.now() + waitMs, 500, isDone)) === true) {
    await store.changeRun(run.id, { endedAt: sys.now() });
    // They leave it one after another.
    for (const worker of await store.readWorkers(run.id)) await store.attend(run.id, worker, 0);
  }
  followed.queue.close();
}

async function stopRun(app: App, queue: TaskStore, run: Run, how: "gently" | "now"): Promise<void> {
  const { sys } = app;
  await queue.changeRun(run.id, { stop: how });
  if (run.isFleet === true) return await stopElsewhere(sys, queue, run, how);
  const isDone = async () => ((await liveWorkers(app, queue, run.id)).length === 0 ? true : undefined);
  if ((await until(sys, sys.now() + waitMs, 100, isDone)) === undefined) return;
  const { createRunner } = await import("./task-session.ts");
  await endLeft(queue, run, createRunner(sys, run), how);
  await queue.changeRun(run.id, { endedAt: sys.now() });
}

export const tasksCleanCommand = command({
  name: "csm tasks clean",
  summary:
    "Remove the worktrees of runs that nobody works on, and what is kept of runs that are over. A worktree with anything that is not committed, merged or pushed stays, and is listed with the reason.",
  args: {
    run: { type: "positional", required: false, description: "only of this run: its name or the beginning of it" },
    json: { type: "boolean", description: "print JSON" },
  },
  examples: [
    ["csm tasks clean", ""],
    ["csm tasks clean nightly-3f2a --json | jq -r '.kept[] | [.path, .why] | @tsv'", ""],
  ],
  async run({ args, app }) {
    const { sys } = app;
    const queue = openTaskStore(sys);
    const runs = args.run === undefined ? await queue.listRuns() : [await findRun(queue, args.run, async () => true)];
    const removed: Place[] = [];
    const kept: Kept[] = [];
    const forgotten: string[] = [];
    for (const run of runs) {
      if ((await liveWorkers(app, queue, run.id)).length > 0) continue;
      const rows = await queue.readTasks(run.id);
      const cleaned = await cleanRun(sys, queue, run, rows);
      removed.push(...cleaned.removed);
      kept.push(...cleaned.kept);
      if (cleaned.kept.length > 0 || rows.some(({ state }: TaskRow) => !isOver(state))) continue;
      await queue.removeRun(run.id);
      for (const dir of [tasksDir(sys), worktreesDir(sys)]) sys.remove(join(dir, run.id));
      forgotten.push(run.id);
    }
    queue.close();
    if (args.json === true) return app.json<"csm tasks clean">({ removed, kept, forgotten });
    const lines = [
      ...removed.map(({ path }) => `removed ${path}`),
      ...kept.map(({ path, why }) => `kept ${path}: ${why}`),
      ...(forgotten.length === 0 ? [] : [`forgotten: ${forgotten.join(", ")}`]),
    ];
    app.out(lines.length === 0 ? "nothing to clean" : lines.join("\n"));
  },
});

interface Place {
  run: string;
  path: string;
  branch: string;
}

type Kept = Place & { why: string };

/** All that lies in the folder of the run: also what no task tells of, as it was begun anew on another machine, or is in the file no more. */
async function cleanRun(sys: Sys, queue: TaskStore, run: Run, rows: readonly TaskRow[]): Promise<{ removed: Place[]; kept: Kept[] }> {
  const [removed, kept]: [Place[], Kept[]] = [[], []];
  const put = (place: Place, { removed: isGone, why = "git keeps it" }: { removed: boolean; why?: string }) => {
    if (isGone) removed.push(place);
    else kept.push({ ...place, why });
    return isGone;
  };
  // Those of other machines are theirs.
  const machine = run.isFleet === true ? (await import("./fleet.ts")).membershipStore(sys).read()?.machine : undefined;
  const told = new Set<string>();
  for (const { id, state, facts } of rows) {
    if (facts.worktree === undefined || facts.machine !== machine) continue;
    const { root, branch } = facts.worktree;
    told.add(root);
    const done = isOver(state) ? await removeWorktree(sys, facts.worktree) : { removed: false, why: `${id} is ${state}` };
    if (put({ run: run.id, path: root, branch }, done)) await queue.reset(run.id, [{ id, state, facts: { worktree: undefined } }]);
  }
  const isRunOver = rows.every(({ state }) => isOver(state));
  const folder = join(worktreesDir(sys), run.id);
  for (const path of sys.list(folder).map((name) => join(folder, name))) {
    if (told.has(path)) continue;
    const worktree = await findWorktree(sys, path);
    const place = { run: run.id, path, branch: worktree?.branch ?? "" };
    const why = isRunOver ? "no task has it, and git knows no worktree there" : "no task has it, and the run is not over";
    put(place, isRunOver && worktree !== undefined ? await removeWorktree(sys, worktree) : { removed: false, why });
  }
  return { removed, kept };
}
