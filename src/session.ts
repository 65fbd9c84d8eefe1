import type { MeterReading } from "./accounting.ts";
import type { SessionFile } from "./claude-session.ts";
import type { TranscriptEvent } from "./claude-transcript.ts";
import {
  belowHome,
  type DroppableColumn,
  duration,
  fit,
  fitPath,
  fitWhole,
  isoTime,
  keepColumns,
  type Paint,
  type Style,
  table,
  timed,
} from "./format.ts";
import { present } from "./json.ts";
import { printableLine } from "./printable.ts";
import type { Verdict } from "./status.ts";
import { needsPerson, type StateRole, stateJson, stateWords, statusRow } from "./statuses.ts";
import type { Place } from "./terminal-row.ts";
import { noFacts, subtitleOf, type TranscriptFacts } from "./transcript-facts.ts";

/** A sub-agent of a session, as its own file tells (2.1.329). */
export interface Agent {
  id: string;
  type: string;
  description: string;
  model?: string;
  isRunning: boolean;
  transcript: string;
}

/** A session as the monitor knows it, whoever started it. */
export interface LiveSession {
  /** Process number and start: stays through `/clear` and `/rename`, and is never a later process's. */
  key: string;
  name: string;
  /** By a person or after its folder; another one tells what the conversation is about. */
  isNameGiven?: true;
  verdict: Verdict;
  /** Epoch ms at which the state began, as far as its source tells. */
  since: number;
  cwd: string;
  /** Of the newest answer; undefined before the first. */
  model?: string;
  /** Undefined while a startup dialog is up and csd does not know the session. */
  sessionId?: string;
  pid: number;
  /** Start of the process, epoch ms. */
  startedAt?: number;
  kind: SessionKind;
  /** `cli`, or `sdk-cli` for `claude -p`. */
  entrypoint?: string;
  version?: string;
  /** Name under which csd drives it. */
  driver?: string;
  /** The task that it is, of a run of `csm tasks`. */
  task?: { run: string; id: string };
  /** Of the fleet; undefined for this one. */
  machine?: string;
  /** Its machine is not heard of: age of what it told last. */
  staleMs?: number;
  /** Undefined for a config dir without a name. */
  profile?: string;
  /** Undefined where only the process is known. */
  configDir?: string;
  /** Not an ordinary process of this user on this machine. */
  where?: Whereabouts;
  /** What is not known of it, and why. */
  note?: string;
  /** `<session>:@<window>.%<pane>`, by claude's own word. */
  tmux?: string;
  /** A tmux server is an ancestor of its process, whatever its environment says; undefined where that is not known yet. */
  isBelowTmux?: boolean;
  /** Where it sits; undefined where that cannot be seen from here. */
  terminal?: Place;
  /** The checkout that it works in. */
  worktree?: string;
  branch?: string;
  transcript?: string;
  /** Titles and prompts, as the two ends of the transcript tell them. */
  facts?: TranscriptFacts;
  agents: Agent[];
  work: Work;
  meter?: Meter;
  load?: Load;
  badges: Badge[];
}

/** A run of `csm tasks` that is not over, as a list heads its sessions. */
export interface RunGroup {
  run: string;
  /** Tasks: all; those of which nothing more becomes; of these the failed ones. */
  total: number;
  over: number;
  failed: number;
  /** Begun, and waiting for a reset or a person; of these those that a person holds up. */
  paused: number;
  held: number;
  isWorkedOn: boolean;
}

/** `3 of 8 over, 1 failed, 2 wait, 1 waits for you`; `asking` of its sessions need a person. */
export function runWords({ total, over, failed, paused, held, isWorkedOn }: RunGroup, asking: number): string {
  const count = (number: number, one: string, many: string) => (number === 0 ? [] : [`${number} ${number === 1 ? one : many}`]);
  return [
    `${over} of ${total} over`,
    ...count(failed, "failed", "failed"),
    ...count(held + asking, "waits for you", "wait for you"),
    ...count(paused - held, "waits", "wait"),
    ...(isWorkedOn ? [] : ["nobody works on it: csm tasks resume"]),
  ].join(", ");
}

/** What tells it from others of its folder: its title or its newest prompt; empty where neither says more than its name. */
export const subjectOf = ({ facts = noFacts, name }: Pick<LiveSession, "facts" | "name">): string => subtitleOf(facts, name);

/** A remark on a session that a person should see. */
export interface Badge {
  kind: "same-file" | "same-worktree" | "same-conversation" | "error-loop" | "stalled" | "context" | "cache-cold" | "unknown-format";
  isAlarm: boolean;
  /** One or two columns. */
  mark: string;
  /** What was seen, in words. */
  text: string;
  /** The file or the checkout that several sessions change. */
  shared?: string;
}

/** What its process takes of the machine. */
interface Load {
  /** Of one processor, the mean of the time that `overMs` tells. */
  cpuPercent: number;
  overMs: number;
  memoryBytes: number;
}

/** What a session has used. Absent parts are not known, or have no price. */
export interface Meter {
  /** Of the main thread's newest answer, 0–100. */
  contextPercent?: number;
  contextTokens?: number;
  contextWindow?: number;
  costUsd?: number;
  /** Some of its messages have no price. */
  isPartlyUnpriced?: boolean;
  burnUsdPerHour?: number;
  /** All kinds together, sub-agents too. */
  tokens?: number;
  /** Time of the newest answer that was counted, epoch ms. */
  answeredAt?: number;
  /** Epoch ms. */
  cacheExpiresAt?: number;
  /** Where context and cost come from. */
  source: "statusline" | "transcript";
}

type SessionKind = "interactive" | "background" | "print" | "sdk";
export type Whereabouts = "container" | "other-user" | "elsewhere";

export function kindOfSession({ kind, entrypoint }: Pick<SessionFile, "kind" | "entrypoint">): SessionKind {
  if (kind === "bg") return "background";
  if (entrypoint === "sdk-cli") return "print";
  return entrypoint?.startsWith("sdk") === true ? "sdk" : "interactive";
}

export const unknownFormat = "its transcript has an unknown format";

export function toMeter({ totals, context, burn }: MeterReading): Meter {
  const { input, output, write5m, write1h, cacheRead } = totals.tokens;
  const tokens = input + output + write5m + write1h + cacheRead;
  const window = context?.window;
  return {
    source: "transcript",
    tokens,
    ...present({
      isPartlyUnpriced: totals.unpriced.length > 0 ? true : undefined,
      costUsd: totals.costUsd > 0 || totals.unpriced.length === 0 ? totals.costUsd : undefined,
      contextTokens: context?.tokens,
      answeredAt: context?.at,
      contextWindow: window,
      contextPercent: context === undefined || window === undefined ? undefined : (context.tokens / window) * 100,
      burnUsdPerHour: burn?.usdPerHour,
    }),
  };
}

/** A session as `csm ls --json` and `csm watch --json` print it: keys are only ever added. `since` is the earlier name of `since_at`. */
export const sessionJson = ({ verdict, work, meter, load, facts = noFacts, ...session }: LiveSession) => ({
  name: session.name,
  state: stateJson(verdict),
  since: session.since,
  ...timed("since", session.since),
  cwd: session.cwd,
  model: session.model ?? null,
  session_id: session.sessionId ?? null,
  pid: session.pid,
  entrypoint: session.entrypoint ?? null,
  version: session.version ?? null,
  driver: session.driver ?? null,
  run: session.task?.run ?? null,
  task: session.task?.id ?? null,
  key: session.key,
  kind: session.kind,
  profile: session.profile ?? null,
  config_dir: session.configDir ?? null,
  where: session.where ?? "here",
  note: session.note ?? null,
  ...timed("started", session.startedAt),
  tmux: session.tmux ?? null,
  terminal: session.terminal?.title ?? null,
  worktree: session.worktree ?? null,
  branch: session.branch ?? null,
  transcript: session.transcript ?? null,
  title: facts.customTitle ?? facts.aiTitle ?? null,
  last_prompt: (facts.lastPrompt ?? facts.firstPrompt)?.slice(0, maxPrompt) ?? null,
  agents: session.agents.map((agent) => ({
    id: agent.id,
    type: agent.type,
    description: agent.description,
    model: agent.model ?? null,
    running: agent.isRunning,
  })),
  badges: session.badges.map((badge) => ({ kind: badge.kind, alarm: badge.isAlarm, text: badge.text })),
  files: [...work.files].map(([path, { edits, at }]) => ({ path, edits, at, time: isoTime(at) })),
  ...(meter === undefined
    ? {}
    : {
        usage: {
          source: meter.source,
          context_percent: meter.contextPercent ?? null,
          context_tokens: meter.contextTokens ?? null,
          context_window: meter.contextWindow ?? null,
          tokens: meter.tokens ?? null,
          cost_usd: meter.costUsd ?? null,
          partly_unpriced: meter.isPartlyUnpriced === true,
          burn_usd_per_hour: meter.burnUsdPerHour ?? null,
        },
      }),
  ...(load === undefined
    ? {}
    : { process: { cpu_percent: round(load.cpuPercent), cpu_over_ms: Math.round(load.overMs), memory_bytes: load.memoryBytes } }),
});

/** Its beginning: prompts of a megabyte are pasted. */
const maxPrompt = 500;

/** To a tenth: more would be noise. */
const round = (percent: number): number => Math.round(percent * 10) / 10;

export interface TableOptions {
  now: number;
  /** Shown as `~`. */
  home: string;
  paint: Paint;
  /** Width of the terminal; undefined for as wide as it needs. */
  columns: number | undefined;
  runs?: readonly RunGroup[];
}

export const roleStyles: Record<StateRole, Style> = {
  attention: "yellow",
  working: "cyan",
  idle: "green",
  limited: "magenta",
  failed: "red",
  unknown: "dim",
  ended: "dim",
};

/** The line above the sessions of a run. */
export const runHead = (run: RunGroup, tasks: readonly LiveSession[], maxWidth = Number.POSITIVE_INFINITY): string =>
  fitWhole([run.run, ...runWords(run, tasks.filter(needsPerson).length).split(", ")], maxWidth, ", ");

/** A table as wide as the terminal; the state carries the colour. Those of a run stand together, below its name, behind all others. */
export function renderSessions(listed: readonly LiveSession[], { now, home, paint, columns: maxWidth, runs = [] }: TableOptions): string[] {
  const groups = runs.map((run) => ({ run, sessions: listed.filter(({ task }) => task?.run === run.run) }));
  const grouped = groups.flatMap((group) => group.sessions);
  const sessions = [...listed.filter((session) => !grouped.includes(session)), ...grouped];
  const verdicts = sessions.map((session) => session.verdict);
  const columns: ListColumn[] = [
    { title: "NAME", minWidth: 10, drop: 0, text: ({ name }) => name },
    {
      title: "STATE",
      minWidth: 8,
      drop: 0,
      paint: (text, row) => paint(roleStyles[statusRow(verdicts[row]?.status ?? "unknown").role], text),
      text: ({ verdict }) => stateWords(verdict, now),
    },
    { title: "SINCE", drop: 0, text: ({ since }) => duration(now - since) },
    { title: "AGE", drop: 3, text: ({ startedAt }) => (startedAt === undefined ? "" : duration(now - startedAt)) },
    { title: "TITLE", minWidth: 28, drop: 0, text: (session) => fit(printableLine(subjectOf(session)), maxTitle) },
    {
      ...{ title: "CWD", minWidth: 8, fit: fitPath, drop: 1 },
      text: ({ cwd }) => belowHome(cwd, home),
    },
    { title: "MODEL", minWidth: 5, drop: 4, text: ({ model }) => (model ?? "-").replace(/^claude-/, "") },
    { title: "SESSION", drop: 2, text: ({ sessionId }) => sessionId?.slice(0, 8) ?? "-" },
    { title: "PID", drop: 5, text: ({ pid }) => String(pid) },
    { title: "SOURCE", minWidth: 7, drop: 6, text: ({ verdict }) => verdict.source },
  ];
  const cells = sessions.map((session) => columns.map(({ text }) => text(session)));
  const kept = keepColumns(columns, cells, maxWidth);
  const [title = "", ...lines] = table(
    kept.flatMap((index) => columns[index] ?? []),
    cells.map((row) => kept.map((index) => row[index] ?? "")),
    maxWidth,
  );
  const own = lines.slice(0, sessions.length - grouped.length);
  let from = own.length;
  const below = groups.flatMap(({ run, sessions: { length }, sessions: tasks }) => {
    if (length === 0 && !run.isWorkedOn) return [];
    const head = runHead(run, tasks, maxWidth);
    from += length;
    return ["", paint("bold", head), ...lines.slice(from - length, from)];
  });
  return [...(sessions.length === 0 ? [] : [paint("bold", title)]), ...own, ...below];
}

interface ListColumn extends DroppableColumn {
  text(session: LiveSession): string;
}

/** A longer one is cut by every terminal. */
const maxTitle = 60;

/** What a session has done, counted from the lines of its transcript that were read. */
export interface Work {
  /** Calls by tool. */
  tools: Map<string, number>;
  /** Files that it edits, by path, newest edit last. */
  files: Map<string, { edits: number; at: number }>;
  /** The newest failed calls, newest last. */
  errors: { at: number; tool: string; text: string }[];
  /** Calls that failed one after another, up to now. */
  failedInRow: number;
  /** Tool of the newest failed call. */
  failingTool?: string;
  /** Times of what happened lately, for the picture of activity. */
  times: number[];
  /** Newest event of any kind; 0 before the first. */
  at: number;
}

export const createWork = (): Work => ({ tools: new Map(), files: new Map(), errors: [], failedInRow: 0, times: [], at: 0 });

const maxErrors = 5;
const maxFiles = 200;
const maxTimes = 400;
const maxOpen = 200;

const editors: Record<string, string> = { Edit: "file_path", Write: "file_path", MultiEdit: "file_path", NotebookEdit: "notebook_path" };

/** Adds events in the order of the file; `open` remembers which call a result belongs to. */
export function addEvents(work: Work, open: Map<string, string>, events: readonly TranscriptEvent[]): void {
  for (const event of events) {
    work.at = Math.max(work.at, event.at);
    if (event.at > 0) work.times.push(event.at);
    if (event.kind === "tool") addCall(work, open, event);
    else if (event.kind === "result") addResult(work, open, event);
    // A person took over: what failed before says nothing about what comes.
    else if (event.kind === "prompt" || event.kind === "interrupt") work.failedInRow = 0;
  }
  if (work.times.length > maxTimes) work.times.splice(0, work.times.length - maxTimes);
}

function addCall(work: Work, open: Map<string, string>, { toolUse, at }: Extract<TranscriptEvent, { kind: "tool" }>): void {
  work.tools.set(toolUse.name, (work.tools.get(toolUse.name) ?? 0) + 1);
  keep(open, toolUse.id, toolUse.name, maxOpen);
  const path = toolUse.input[editors[toolUse.name] ?? ""];
  if (typeof path !== "string") return;
  const edits = (work.files.get(path)?.edits ?? 0) + 1;
  work.files.delete(path);
  keep(work.files, path, { edits, at }, maxFiles);
}

function addResult(work: Work, open: Map<string, string>, event: Extract<TranscriptEvent, { kind: "result" }>): void {
  const tool = open.get(event.toolUseId) ?? "?";
  open.delete(event.toolUseId);
  if (!event.isError) {
    work.failedInRow = 0;
    return;
  }
  work.failedInRow++;
  work.failingTool = tool;
  work.errors.push({ at: event.at, tool, text: event.text ?? "" });
  if (work.errors.length > maxErrors) work.errors.shift();
}

/** The oldest entry leaves when there are too many. */
function keep<K, V>(map: Map<K, V>, key: K, value: V, max: number): void {
  map.set(key, value);
  const oldest = map.keys().next();
  if (map.size > max && !oldest.done) map.delete(oldest.value);
}

/** Events per equal span of time up to now, oldest first. */
export function activity(times: readonly number[], now: number, spans: number, spanMs: number): number[] {
  const counts = new Array<number>(spans).fill(0);
  for (const at of times) {
    const index = spans - 1 - Math.floor((now - at) / spanMs);
    if (index >= 0 && index < spans) counts[index] = (counts[index] ?? 0) + 1;
  }
  return counts;
}
