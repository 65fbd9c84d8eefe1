import { type Column, duration, fitPath, type Paint, type Style, table } from "./format.ts";
import type { LiveSession } from "./sessions.ts";
import type { Status } from "./status.ts";

export interface TableOptions {
  now: number;
  /** Shown as `~`. */
  home: string;
  paint: Paint;
  /** Width of the terminal; undefined for as wide as it needs. */
  columns: number | undefined;
}

const columns: Column[] = [
  { title: "NAME", minWidth: 8 },
  { title: "STATE" },
  { title: "SINCE" },
  { title: "CWD", minWidth: 8, fit: fitPath },
  { title: "MODEL", minWidth: 5 },
  { title: "SESSION" },
  { title: "PID" },
  { title: "SOURCE", minWidth: 7 },
];

/** A table as wide as the terminal; the state carries the colour. */
export function renderSessions(sessions: LiveSession[], { now, home, paint, columns: maxWidth }: TableOptions): string[] {
  const rows = sessions.map((session) => [
    session.name,
    stateWords(session),
    duration(now - session.since),
    session.cwd.startsWith(`${home}/`) ? `~${session.cwd.slice(home.length)}` : session.cwd,
    (session.model ?? "-").replace(/^claude-/, ""),
    session.sessionId?.slice(0, 8) ?? "-",
    String(session.pid),
    session.verdict.source,
  ]);
  const [title = "", ...lines] = table(columns, rows, maxWidth);
  return [paint("bold", title), ...lines.map((line, index) => colorState(line, sessions[index], paint))];
}

/** `blocked: Bash`, `idle: finished` … what tells sessions of one state apart. */
function stateWords({ verdict }: LiveSession): string {
  if (verdict.status === "blocked") return `blocked: ${verdict.tool ?? verdict.gate}`;
  if (verdict.status === "working" && verdict.tools.length > 0) return `working: ${verdict.tools.join(", ")}`;
  if (verdict.status === "idle_done" && verdict.outcome !== "finished")
    return verdict.outcome === "none" ? "idle_done: no turn yet" : `idle_done: ${verdict.outcome}`;
  if (verdict.status === "failed") return `failed: ${verdict.error}`;
  return verdict.status;
}

const stateStyles: Partial<Record<Status, Style>> = {
  blocked: "yellow",
  awaiting_answer: "yellow",
  plan_ready: "yellow",
  working: "cyan",
  idle_done: "green",
  limited: "magenta",
  failed: "red",
  unknown: "dim",
};

function colorState(line: string, session: LiveSession | undefined, paint: Paint): string {
  const style = session === undefined ? undefined : stateStyles[session.verdict.status];
  if (style === undefined || session === undefined) return line;
  return line.replace(session.verdict.status, paint(style, session.verdict.status));
}
