import { money } from "./cost-view.ts";
import { type DroppableColumn, duration, fitWhole, isoTime, keepColumns, type Paint, type Style, table, timed } from "./format.ts";
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
  return [headLine(run, rows, status, now), "", ...renderTasks(rows, now, paint, columns)].join("\n");
}

function renderTasks(rows: readonly TaskRow[], now: number, paint: Paint, columns?: number): string[] {
  const styled = (text: string, index: number) => {
    const style = marks[rows[index]?.state ?? "pending"][1];
    return style === undefined ? text : paint(style, text);
  };
  const all: DroppableColumn[] = [
    { title: "", drop: 0, paint: styled },
    { title: "TASK", minWidth: 12, drop: 0 },
    { title: "STATE", drop: 0, paint: styled },
    { title: "ACCOUNT", minWidth: 7, drop: 3 },
    { title: "TIME", drop: 2 },
    { title: "COST", drop: 4 },
    { title: "TOKENS", drop: 5 },
    { title: "NOW", minWidth: 8, drop: 1 },
  ];
  const cells = rows.map((row) => cellsOf(row, now));
  const kept = keepColumns(all, cells, columns);
  const [title = "", ...lines] = table(
    kept.flatMap((index) => all[index] ?? []),
    cells.map((row) => kept.map((index) => row[index] ?? "")),
    columns,
  );
  return [paint("dim", title), ...lines];
}

interface RunScreenLook {
  paint: Paint;
  columns: number;
  rows: number;
  /** What has become of a Ctrl-C. */
  notice?: string;
}

/** Below this nothing but what is told has a line. */
const smallRows = 12;
const stopHint = ["ctrl-c stops it so that it can go on later", "twice ends all now"];

/** The live table: as many tasks as fit, those that run or wait first, and what the others do. As many lines as the screen has at most. */
export function renderRunScreen(run: Run, rows: readonly TaskRow[], status: RunStatus, now: number, look: RunScreenLook): string[] {
  const { paint, columns, notice } = look;
  const gap = look.rows < smallRows ? [] : [""];
  const room = Math.max(1, look.rows - 3 - 2 * gap.length);
  const shown = rows.length <= room ? rows : chooseShown(rows, Math.max(1, room - 1));
  const hidden = rows.length === shown.length ? [] : rows.filter((row) => !shown.includes(row));
  const counts = Object.keys(marks).flatMap((state) => {
    const count = hidden.filter((row) => row.state === state).length;
    return count === 0 ? [] : [`${count} ${state}`];
  });
  const more =
    hidden.length === 0 ? [] : [paint("dim", fitWhole([`   and ${hidden.length} more: ${counts[0]}`, ...counts.slice(1)], columns, ", "))];
  const told =
    notice === undefined ? paint("dim", fitWhole(stopHint, columns, "; ")) : paint("bold", fitWhole(notice.split("; "), columns, "; "));
  const head = paint("bold", fitWhole(headLine(run, rows, status, now).split(", "), columns, ", "));
  const lines = [head, ...gap, ...renderTasks(shown, now, paint, columns), ...more];
  const blank = Array.from({ length: Math.max(0, look.rows - lines.length - 1) }, () => "");
  return [...lines.slice(0, Math.max(1, look.rows - 1)), ...blank, told].slice(-look.rows);
}

/** What one looks for first: what runs, what waits, what went wrong, what comes next. */
const shownOrder: readonly TaskState[] = ["running", "paused", "failed", "pending", "succeeded", "cancelled", "skipped"];

/** In their own order. */
function chooseShown(rows: readonly TaskRow[], count: number): TaskRow[] {
  const rank = ({ state }: TaskRow) => shownOrder.indexOf(state);
  const first = rows.toSorted((a, b) => rank(a) - rank(b) || (b.facts.endedAt ?? 0) - (a.facts.endedAt ?? 0)).slice(0, count);
  const chosen = new Set(first);
  return rows.filter((row) => chosen.has(row));
}

function cellsOf({ id, state, facts }: TaskRow, now: number): string[] {
  const { account = "", startedAt, endedAt, costUsd, tokens, attempt = 1 } = facts;
  return [
    marks[state][0],
    printableLine(id),
    attempt > 1 ? `${state} (${attempt}.)` : state,
    facts.machine === undefined ? account : printableLine(`${facts.machine}/${account}`),
    startedAt === undefined ? "" : duration((endedAt ?? now) - startedAt),
    costUsd === undefined ? "" : money(costUsd),
    tokens === undefined || tokens === 0 ? "" : shortCount(tokens),
    nowText({ state, facts }, now),
  ];
}

/** What it does, or why it does nothing. */
function nowText({ state, facts }: Pick<TaskRow, "state" | "facts">, now: number): string {
  const { activity = "no answer yet", reason = "", pausedUntil } = facts;
  if (state === "running") return printableLine(activity);
  if (state !== "paused") return printableLine(reason);
  return printableLine(pausedUntil === undefined || pausedUntil <= now ? reason : `until ${clock(pausedUntil)}: ${reason}`);
}

const shortCount = (count: number): string =>
  count < 10_000 ? String(count) : count < 1e6 ? `${Math.round(count / 1000)}k` : `${(count / 1e6).toFixed(1)}M`;

const clock = (at: number): string => new Date(at).toTimeString().slice(0, 8);

/** `nightly-3f2a: running, 3 of 8 over, $0.42, 12m` */
export function headLine(run: Run, rows: readonly TaskRow[], status: RunStatus, now: number): string {
  const over = rows.filter(({ state }) => isOver(state)).length;
  const cost = rows.reduce((sum, { facts }) => sum + (facts.costUsd ?? 0), 0);
  const failed = rows.filter(({ state }) => state === "failed").length;
  const untils = rows.flatMap(({ state, facts }) => (state === "paused" && facts.pausedUntil !== undefined ? [facts.pausedUntil] : []));
  const until = Math.min(...untils.filter((at) => at > now));
  const parts = [
    `${run.id}: ${status}${status === "waiting" && until < Number.POSITIVE_INFINITY ? ` until ${clock(until)}` : ""}`,
    `${over} of ${rows.length} tasks over`,
    ...(failed === 0 ? [] : [`${failed} failed`]),
    money(cost),
    duration((run.endedAt ?? now) - run.startedAt),
  ];
  return parts.join(", ");
}

/** What a person is told at the end of a run: how it went, and what did not. */
export function endNotice(run: Run, rows: readonly TaskRow[], now: number) {
  const status = runStatus(run, rows, false);
  const bad = rows.filter(({ state }) => state === "failed" || state === "paused");
  const lines = bad
    .slice(0, maxNamed)
    .map(({ id, state, facts }) => `${id} ${state}${facts.reason === undefined ? "" : `: ${facts.reason}`}`);
  const more = bad.length > maxNamed ? [`and ${bad.length - maxNamed} more: csm tasks status ${run.id}`] : [];
  const cause = status === "succeeded" ? ("finished" as const) : ("failure" as const);
  return { cause, about: run.id, at: now, title: headLine(run, rows, status, now), body: [...lines, ...more].join("\n") };
}

const maxNamed = 10;

/** Their text says what happened. */
const saidEvents: ReadonlySet<RunEvent["event"]> = new Set(["note", "run", "end", "started", "resumed", "retried"]);

/** `18:09:14 build: succeeded ($0.42)` */
export function eventLine({ at, event, task, text, cost_usd: cost }: RunEvent): string {
  const head = `${clock(at)} ${task === undefined ? "" : `${task}: `}${saidEvents.has(event) || text.startsWith(event) ? "" : `${event}: `}`;
  return printableLine(`${head}${text}${cost === undefined ? "" : ` (${money(cost)})`}`);
}

export const eventJson = (run: string, { number, at, event, task, text, account, cost_usd, until }: RunEvent) => ({
  ...{ run, number, event, at: Math.floor(at), time: isoTime(at) ?? "" },
  ...{ task: task ?? null, text, account: account ?? null, cost_usd: cost_usd ?? null },
  ...timed("until", until),
});

const taskJson = ({ id, state, facts }: TaskRow) => ({
  ...{ task: id, status: state, attempt: facts.attempt ?? 0, reason: facts.reason ?? null, activity: facts.activity ?? null },
  ...(facts.machine === undefined ? {} : { machine: facts.machine }),
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
