import { type Column, duration, fitPath, type Paint, type Style, table } from "./format.ts";
import { type LiveSession, stateWords } from "./monitor-session.ts";
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
