import { money } from "./cost-view.ts";
import { type Column, duration, isoTime, type Paint, type Style, table, timed } from "./format.ts";
import { printableLine } from "./printable.ts";
import { isOver, type TaskState } from "./task-condition.ts";
import { taskExits } from "./task-outcome.ts";
import type { Run, RunEvent, TaskRow } from "./task-queue.ts";

export const runStatuses = ["running", "waiting", "stopped", "interrupted", "succeeded", "failed"] as const;
/**
 * `waiting`: somebody works on it, and nothing of it runs now. `stopped`: it can go on when somebody says so. `interrupted`: whoever
 * worked on it is gone. The last two are over.
 */
type RunStatus = (typeof runStatuses)[number];

export function runStatus(run: Run, rows: readonly TaskRow[], hasWorker: boolean): RunStatus {
  if (rows.every(({ state }) => isOver(state)))
    return rows.some(({ state }) => state === "failed" || state === "cancelled") ? "failed" : "succeeded";
  // One that asks a person is held open, and does nothing.
  if (hasWorker) return rows.some(({ state, facts }) => state === "running" && facts.needsPerson !== true) ? "running" : "waiting";
  return run.endedAt !== undefined ? "stopped" : "interrupted";
}

/** Of a run that nobody works on any more. */
export function runExitCode(status: RunStatus, run: Run): number {
  if (status === "succeeded" || status === "failed") return taskExits[status].code;
  return (run.stop === undefined ? taskExits.limited : taskExits.stopped).code;
}

const marks: Readonly<Record<TaskState, [mark: string, style: Style | undefined]>> = {
  pending: ["·", "dim"],
  running: ["●", "cyan"],
  paused: ["◷", "yellow"],
  succeeded: ["✔", "green"],
  failed: ["✖", "red"],
  skipped: ["–", "dim"],
  cancelled: ["✖", "yellow"],
};

/** What a person sees of a run; `columns` undefined off a terminal. */
export function renderRun(run: Run, rows: readonly TaskRow[], status: RunStatus, now: number, paint: Paint, columns?: number): string {
  const lines = table(
    viewColumns,
    rows.map((row) => cellsOf(row, now)),
    columns,
  );
  return [headLine(run, rows, status, now), "", ...lines.map((line, index) => paintLine(line, rows[index - 1], paint))].join("\n");
}

const viewColumns: Column[] = [
  { title: "" },
  { title: "TASK", minWidth: 12 },
  { title: "STATE" },
  { title: "ACCOUNT", minWidth: 6 },
  { title: "TIME" },
  { title: "COST" },
  { title: "TOKENS" },
  { title: "NOW", minWidth: 8 },
];

function paintLine(line: string, row: TaskRow | undefined, paint: Paint): string {
  const style = row === undefined ? "dim" : marks[row.state][1];
  return style === undefined ? line : paint(style, line);
}

function cellsOf({ id, state, facts }: TaskRow, now: number): string[] {
  const { account = "", startedAt, endedAt, costUsd, tokens, attempt = 1 } = facts;
  return [
    marks[state][0],
    printableLine(id),
    attempt > 1 ? `${state} (${attempt}.)` : state,
    account,
    startedAt === undefined ? "" : duration((endedAt ?? now) - startedAt),
    costUsd === undefined ? "" : money(costUsd),
    tokens === undefined || tokens === 0 ? "" : shortCount(tokens),
    nowText({ state, facts }, now),
  ];
}

/** What it does, or why it does nothing. */
function nowText({ state, facts }: Pick<TaskRow, "state" | "facts">, now: number): string {
  const { activity = "", reason = "", pausedUntil } = facts;
  if (state === "running") return printableLine(activity);
  if (state !== "paused") return printableLine(reason);
  return printableLine(`${reason}${pausedUntil === undefined || pausedUntil <= now ? "" : `, until ${clock(pausedUntil)}`}`);
}

const shortCount = (count: number): string =>
  count < 10_000 ? String(count) : count < 1e6 ? `${Math.round(count / 1000)}k` : `${(count / 1e6).toFixed(1)}M`;

const clock = (at: number): string => new Date(at).toTimeString().slice(0, 8);

/** `nightly-3f2a: running, 3 of 8 over, $0.42, 12m` */
export function headLine(run: Run, rows: readonly TaskRow[], status: RunStatus, now: number): string {
  const over = rows.filter(({ state }) => isOver(state)).length;
  const cost = rows.reduce((sum, { facts }) => sum + (facts.costUsd ?? 0), 0);
  const failed = rows.filter(({ state }) => state === "failed").length;
  const parts = [
    `${run.id}: ${status}`,
    `${over} of ${rows.length} tasks over`,
    ...(failed === 0 ? [] : [`${failed} failed`]),
    money(cost),
    duration((run.endedAt ?? now) - run.startedAt),
  ];
  return parts.join(", ");
}

/** `18:09:14 build  succeeded` */
export const eventLine = ({ at, event, task, text, cost_usd: cost }: RunEvent): string =>
  printableLine(
    `${clock(at)} ${task === undefined ? "" : `${task}: `}${event === "note" || event === "run" || event === "end" || text.startsWith(event) ? "" : `${event}: `}${text}${cost === undefined ? "" : ` (${money(cost)})`}`,
  );

export const eventJson = (run: string, { number, at, event, task, text, account, cost_usd, until }: RunEvent) => ({
  ...{ run, number, event, at: Math.floor(at), time: isoTime(at) ?? "" },
  ...{ task: task ?? null, text, account: account ?? null, cost_usd: cost_usd ?? null },
  ...timed("until", until),
});

const taskJson = ({ id, state, facts }: TaskRow) => ({
  ...{ task: id, status: state, attempt: facts.attempt ?? 0, reason: facts.reason ?? null, activity: facts.activity ?? null },
  ...{ account: facts.account ?? null, session_id: facts.sessionId ?? null, config_dir: facts.configDir ?? null, cwd: facts.cwd ?? null },
  ...{ cost_usd: facts.costUsd ?? null, tokens: facts.tokens ?? null, denied: facts.denied ?? 0 },
  ...{ needs_person: facts.needsPerson === true, worktree: facts.worktree?.root ?? null, branch: facts.worktree?.branch ?? null },
  ...timed("started", facts.startedAt),
  ...timed("ended", facts.endedAt),
  ...timed("until", facts.pausedUntil),
});

export const runJson = (run: Run, rows: readonly TaskRow[], status: RunStatus) => ({
  ...{ run: run.id, file: run.graph.file, status, interactive: run.isInteractive, stop: run.stop ?? null },
  ...{
    cost_usd: rows.reduce((sum, { facts }) => sum + (facts.costUsd ?? 0), 0),
    tokens: rows.reduce((sum, { facts }) => sum + (facts.tokens ?? 0), 0),
  },
  ...timed("started", run.startedAt),
  ...timed("ended", run.endedAt),
  tasks: rows.map(taskJson),
});
