import { type App, command, createReadProgress } from "./cmd-record.ts";
import { money } from "./cost-view.ts";
import { SilentExit, usageError } from "./errors.ts";
import { type Column, duration, hang, shownPath, table } from "./format.ts";
import { homeDir } from "./paths.ts";
import { printableLine } from "./printable.ts";
import { drawDot, drawMermaid, drawTree } from "./task-drawing.ts";
import { type AccountShare, type Estimate, refusalsOf } from "./task-estimate.ts";
import { anyProfile } from "./task-expand.ts";
import { readTaskFile } from "./task-file.ts";
import { forecastRun } from "./task-forecast.ts";
import type { Task, TaskGraph } from "./task-graph.ts";
import { taskExitRows, taskExits } from "./task-outcome.ts";

const file = { type: "positional", required: true, description: "the file of tasks: JSON, TOML or YAML" } as const;
const json = { type: "boolean", description: "print JSON" } as const;
const fleet = { type: "boolean", description: "for csm tasks run --fleet: folders are not looked for here" } as const;

/** What its verbs do is told by `csm tasks --help`. */
export const tasksCommand = command({
  name: "csm tasks",
  summary: `Check, show and run a graph of tasks: prompts in a file, and what depends on what.

A file holds tasks: name, prompt, cwd and depends_on, which is enough; and model, permission_mode, profile (or account; auto is
whoever the scorer picks), timeout, retries, budget_usd, worktree, env, if (or when), outputs, matrix, concurrency. Beside tasks stand
jobs, max_tasks, budget_usd, budget_percent, retries, and defaults for all tasks. Folders are relative to the file.

A prompt may hold {{TASK.stdout}}, {{TASK.result}}, {{TASK.json.path[0]}} of tasks that it depends on, and {{matrix.KEY}}; \\{{ stays.`,
  codes: taskExitRows(),
  usage: ["csm tasks VERB FILE"],
  args: {},
  examples: [
    ["csm tasks check night.json", "what is wrong, and what it would take"],
    ["csm tasks graph night.json", "what waits for what"],
    ["csm tasks run night.json", "and csm tasks resume, whatever came between"],
  ],
  run() {
    throw usageError("csm tasks: VERB is missing", "csm tasks --help lists them; for example csm tasks check FILE");
  },
});

export const tasksCheckCommand = command({
  name: "csm tasks check",
  summary: `Check a file of tasks, all of it at once, and estimate what a run would take: by past sessions of the same project and model.

Nothing runs. The caps are max_tasks, budget_usd and budget_percent (of the week of each account). What is not known is told, and
refuses nothing.`,
  codes: taskExitRows(["succeeded", "wrong", "refused"]),
  args: { file, fleet, json },
  examples: [
    ["csm tasks check night.json", "what is wrong, and what it would take"],
    ["csm tasks check --json night.toml | jq .estimate.cost_usd", "for programs"],
    ["csm tasks check night.yaml && csm tasks graph night.yaml", ""],
  ],
  async run({ args, app }) {
    const { sys } = app;
    const { graph, problems, excess } = await readTaskFile(sys, args.file, args.fleet === true);
    const progress = createReadProgress(app);
    const isSound = problems.length === 0 && excess === undefined;
    const estimate = isSound ? await forecastRun(sys, graph, progress.show) : undefined;
    progress.clear();
    const refusals = estimate === undefined ? [excess ?? []].flat() : refusalsOf(graph, estimate);
    if (args.json === true)
      app.json<"csm tasks check">({
        ...{ file: graph.file, tasks: graph.tasks.length, ...limitsJson(graph), problems },
        ...{ estimate: estimate === undefined ? null : estimateJson(estimate), refusals },
      });
    else showCheck(app, graph, { problems, estimate, refusals });
    if (problems.length > 0) throw new SilentExit(taskExits.wrong.code);
    if (refusals.length > 0) throw new SilentExit(taskExits.refused.code);
  },
});

interface Checked {
  problems: Awaited<ReturnType<typeof readTaskFile>>["problems"];
  estimate: Estimate | undefined;
  refusals: readonly string[];
}

const maxShown = 50;

function showCheck(app: App, graph: TaskGraph, { problems, estimate, refusals }: Checked): void {
  const shown = shownPath(graph.file, homeDir(app.sys));
  const say = (head: string, text: string) => app.out(hang(head, printableLine(text), app.columns).join("\n"));
  for (const { line, message } of problems.slice(0, maxShown)) say("error: ", `${shown}:${line}: ${message}`);
  if (problems.length > maxShown) say("", `and ${problems.length - maxShown} more errors; --json has all of them`);
  if (estimate !== undefined) {
    const { length } = graph.tasks;
    app.out(printableLine(`${shown}: ${length} ${length === 1 ? "task" : "tasks"}, nothing is wrong`));
    app.out(renderEstimate(app, graph, estimate).join("\n"));
  }
  for (const refusal of refusals) say("refused: ", refusal);
}

const maxAverages = 5;

function renderEstimate(app: App, { jobs, tasks }: TaskGraph, estimate: Estimate): string[] {
  const { unknownTasks, costUsd, workMs, wallMs, averages, accounts } = estimate;
  const unknown = `${unknownTasks === estimate.tasks ? "nothing" : `nothing of ${unknownTasks} tasks`} is known: no past session has a cost`;
  if (averages.length === 0) return [`estimate: ${unknown}`];
  const parts = [
    ...averages
      .slice(0, maxAverages)
      .map(
        (average) =>
          `a task ${money(average.costUsd)} and ${roughly(average.workMs)}: the average of ${average.sessions} sessions (${average.of})`,
      ),
    ...(averages.length > maxAverages ? [`and ${averages.length - maxAverages} other averages; --json has them`] : []),
    ...(unknownTasks === 0 ? [] : [unknown]),
    ...(estimate.tasks === tasks.length ? [] : [`without ${tasks.length - estimate.tasks} that only run after a failure`]),
  ];
  const all = `about ${money(costUsd)}, ${roughly(workMs)} of work, ${roughly(wallMs)} with ${jobs} at once`;
  const lines = [...hang("estimate: ", all, app.columns), ...parts.flatMap((part) => hang("  ", part, app.columns))];
  const columns: Column[] = [
    { title: "PAID BY", minWidth: 8 },
    { title: "TASKS" },
    { title: "COST" },
    { title: "5-HOUR WINDOWS" },
    { title: "WEEKS" },
  ];
  const rows = accounts.map((share) => {
    const { fiveHour, week } = windowsOf(share);
    return [share.profiles.join(", ") || "-", String(share.tasks), money(share.costUsd), windowText(fiveHour), windowText(week)];
  });
  return [...lines, "", ...table(columns, rows, app.columns)];
}

/** In whole minutes. */
const roughly = (ms: number): string => (ms < 60_000 ? "under a minute" : duration(Math.round(ms / 60_000) * 60_000));

const windowsOf = ({ fiveHourPercent, weekPercent }: AccountShare) => ({
  fiveHour: fiveHourPercent === undefined ? null : fiveHourPercent / 100,
  week: weekPercent === undefined ? null : weekPercent / 100,
});
const windowText = (windows: number | null): string =>
  windows === null ? "not known" : windows < 0.01 ? "under 0.01" : windows.toFixed(2);

const limitsJson = ({ jobs, maxTasks, budgetUsd, budgetPercent }: TaskGraph) => ({
  ...{ jobs, max_tasks: maxTasks, budget_usd: budgetUsd ?? null, budget_percent: budgetPercent ?? null },
});

const estimateJson = ({ tasks, unknownTasks, costUsd, workMs, wallMs, averages, accounts }: Estimate) => ({
  ...{ tasks, unknown_tasks: unknownTasks },
  ...(averages.length === 0 ? { cost_usd: null, work_ms: null, wall_ms: null } : { cost_usd: costUsd, work_ms: workMs, wall_ms: wallMs }),
  averages: averages.map((average) => ({ of: average.of, sessions: average.sessions, cost_usd: average.costUsd, work_ms: average.workMs })),
  accounts: accounts.map((share) => {
    const { fiveHour, week } = windowsOf(share);
    return {
      profiles: [...share.profiles],
      tasks: share.tasks,
      cost_usd: share.costUsd,
      five_hour_windows: fiveHour,
      weekly_windows: week,
    };
  }),
});

// --- what waits for what -------------------------------------------------------------------------------------------

const drawings = { tree: drawTree, mermaid: drawMermaid, dot: drawDot } as const;
const formats = [...Object.keys(drawings), "json"];

export const tasksGraphCommand = command({
  name: "csm tasks graph",
  summary: `Draw a file of tasks: each below the last of those that it waits for, or for another program. Nothing runs.`,
  codes: taskExitRows(["succeeded", "wrong", "refused"]),
  args: {
    file,
    format: { type: "string", valueHint: "FORMAT", values: formats, description: `${formats.join(", ")} (default: tree)` },
    fleet,
    json,
  },
  examples: [
    ["csm tasks graph night.json", ""],
    ["csm tasks graph --format mermaid night.json >> NOTES.md", "a flow chart, as GitHub shows it"],
    ["csm tasks graph --format dot night.json | dot -Tsvg > night.svg", ""],
    ["csm tasks graph --json night.json | jq '.tasks[].id'", "in an order in which they may run"],
  ],
  async run({ args, app }) {
    const { graph, problems, excess } = await readTaskFile(app.sys, args.file, args.fleet === true);
    if (problems.length > 0 || excess !== undefined) {
      const shown = shownPath(graph.file, homeDir(app.sys));
      for (const { line, message } of problems.slice(0, maxShown))
        app.tell(`csm tasks graph: ${printableLine(`${shown}:${line}: ${message}`)}`);
      if (excess !== undefined) app.tell(`csm tasks graph: ${shown}: ${excess}`);
      throw new SilentExit((problems.length > 0 ? taskExits.wrong : taskExits.refused).code);
    }
    if (args.json === true || args.format === "json") {
      app.json<"csm tasks graph">({ file: graph.file, ...limitsJson(graph), tasks: graph.tasks.map(taskJson) });
      return;
    }
    const draw = drawings[(args.format ?? "tree") as keyof typeof drawings];
    app.out(draw(graph.tasks).join("\n"));
  },
});

const taskJson = (task: Task) => ({
  ...{ id: task.id, name: task.name, matrix: { ...task.matrix }, line: task.line, cwd: task.cwd, depends_on: [...task.dependsOn] },
  ...{ if: task.conditionText, model: task.model ?? null, permission_mode: task.permissionMode ?? null },
  ...{ profile: task.profile === anyProfile ? null : task.profile, timeout_ms: task.timeoutMs ?? null, retries: task.retries },
  ...{ budget_usd: task.budgetUsd ?? null, worktree: task.isWorktree, concurrency: task.concurrency ?? null },
  needs: [...(task.needs ?? [])],
  outputs: task.outputs === undefined ? null : { ...task.outputs },
});
