import { describeInput } from "./claude-calls.ts";
import type { Role, Theme } from "./dashboard-theme.ts";
import { duration, fit, fitPath, shownPath, width } from "./format.ts";
import { isRecord } from "./json.ts";
import { printable, printableLine } from "./printable.ts";
import { type LiveSession, subjectOf } from "./session.ts";
import type { Source } from "./status.ts";
import { needsPerson, stateWords, statusRow } from "./statuses.ts";

/** One row of the list: cells as wide as their columns. */
export interface Column {
  title: string;
  width: number;
  /** Grows into what is left, up to this. */
  maxWidth?: number;
  isRight?: boolean;
  /** The higher, the sooner it leaves a narrow screen. 0 stays. */
  drop: number;
  /** How a text that is too long is cut; at its end, where none is given. */
  fit?(text: string, columns: number): string;
  cell(session: LiveSession, view: View): [role: Role, text: string];
}

interface View {
  now: number;
  /** Shown as `~`. */
  home: string;
}

/** Where a state comes from, in one letter; the help explains them. */
export const sourceMarks: Record<Source, string> = { hook: "h", "session-file": "f", transcript: "t", pane: "p", process: "x", cpu: "c" };

/** What nobody hears of now stands back. */
export const roleOf = ({ verdict, staleMs }: LiveSession): Role => (staleMs === undefined ? statusRow(verdict.status).role : "dim");

export const contextBar = (percent: number, cells: number): string => {
  const eighths = Math.round((Math.min(Math.max(percent, 0), 100) / 100) * cells * 8);
  const full = "█".repeat(Math.floor(eighths / 8));
  const part = eighths % 8 === 0 ? "" : ([..."▏▎▍▌▋▊▉"][(eighths % 8) - 1] ?? "");
  return (full + part).padEnd(cells, "░");
};

/** As the badge says it, so that both follow the same setting. */
export function contextRole({ badges }: Pick<LiveSession, "badges">): Role {
  const badge = badges.find(({ kind }) => kind === "context");
  return badge === undefined ? "bar" : badge.isAlarm ? "alarm" : "warn";
}

export const money = (usd: number): string => (usd >= 100 ? `$${usd.toFixed(0)}` : usd >= 10 ? `$${usd.toFixed(1)}` : `$${usd.toFixed(2)}`);

export const amount = (count: number): string =>
  count >= 999_500 ? `${(count / 1e6).toFixed(1)}M` : count >= 1000 ? `${Math.round(count / 1000)}k` : String(count);

/** In front, as what comes behind is cut. */
const staleWords = ({ staleMs }: LiveSession): string => (staleMs === undefined ? "" : `${duration(staleMs).split(" ")[0]} ago: `);

const ageOf = (session: LiveSession, now: number): string =>
  duration(now - session.since)
    .split(" ")
    .slice(0, 2)
    .join(" ");

export const lastTitle = "LAST WORDS";

const columns: Column[] = [
  {
    title: "",
    width: 2,
    drop: 0,
    cell: (session) => [roleOf(session), statusRow(session.verdict.status).mark],
  },
  {
    title: "STATE",
    width: 13,
    maxWidth: 34,
    drop: 0,
    cell: (session, { now }) => [roleOf(session), staleWords(session) + stateWords(session.verdict, now)],
  },
  { title: "BY", width: 2, drop: 9, cell: (session) => ["dim", sourceMarks[session.verdict.source]] },
  {
    title: "FOR",
    width: 7,
    isRight: true,
    drop: 0,
    cell: (session, { now }) => [needsPerson(session) ? "attention" : "dim", ageOf(session, now)],
  },
  { title: "NAME", width: 14, maxWidth: 40, drop: 0, cell: (session) => ["text", session.name] },
  { title: "TITLE", width: 16, maxWidth: 60, drop: 1, cell: (session) => ["dim", subjectOf(session)] },
  {
    title: "",
    width: 3,
    drop: 2,
    cell: ({ badges }) => [
      badges.some((badge) => badge.isAlarm) ? "alarm" : "warn",
      badges
        .slice(0, 3)
        .map((badge) => badge.mark)
        .join(""),
    ],
  },
  { title: "PROFILE", width: 8, maxWidth: 14, drop: 6, cell: ({ profile }) => ["dim", profile ?? ""] },
  {
    title: "FOLDER",
    width: 14,
    maxWidth: 60,
    drop: 11,
    fit: fitPath,
    cell: ({ cwd }, { home }) => ["dim", shownPath(cwd, home)],
  },
  { title: "BRANCH", width: 10, maxWidth: 60, drop: 5, cell: ({ branch }) => ["dim", branch ?? ""] },
  { title: "MODEL", width: 9, maxWidth: 14, drop: 4, cell: ({ model }) => ["dim", (model ?? "").replace(/^claude-/, "")] },
  {
    title: "CONTEXT",
    width: 11,
    drop: 1,
    cell: (session) => {
      const percent = session.meter?.contextPercent;
      if (percent === undefined) return ["dim", ""];
      return [contextRole(session), `${contextBar(percent, 6)}${`${Math.round(percent)}%`.padStart(5)}`];
    },
  },
  {
    title: "COST",
    width: 7,
    isRight: true,
    drop: 3,
    cell: ({ meter }) => [
      "cost",
      meter?.costUsd === undefined
        ? meter?.isPartlyUnpriced === true
          ? "?"
          : ""
        : `${money(meter.costUsd)}${meter.isPartlyUnpriced === true ? "+" : ""}`,
    ],
  },
  {
    title: "$/H",
    width: 6,
    isRight: true,
    drop: 7,
    cell: ({ meter }) => ["dim", meter?.burnUsdPerHour === undefined || meter.burnUsdPerHour < 0.005 ? "" : money(meter.burnUsdPerHour)],
  },
  {
    title: "TOKENS",
    width: 6,
    isRight: true,
    drop: 8,
    cell: ({ meter }) => ["dim", meter?.tokens === undefined ? "" : amount(meter.tokens)],
  },
  {
    title: "SUB",
    width: 3,
    isRight: true,
    drop: 10,
    cell: ({ agents }) => {
      const running = agents.filter((agent) => agent.isRunning).length;
      return [running > 0 ? "working" : "dim", agents.length === 0 ? "" : running > 0 ? `${running}▸` : String(agents.length)];
    },
  },
  {
    title: lastTitle,
    width: 24,
    maxWidth: Number.POSITIVE_INFINITY,
    drop: 12,
    cell: (session) => [needsPerson(session) ? "asked" : "dim", lastWords(session)],
  },
];

const gap = 1;

/** The columns that fit, the rest of the width shared among those that can use it. */
export function fitColumns(totalWidth: number, sessions: readonly LiveSession[], view: View): Column[] {
  const used = columns.filter((column) => column.drop === 0 || sessions.some((session) => column.cell(session, view)[1] !== ""));
  const chosen = [...used].map((column) => ({ ...column }));
  const total = () => chosen.reduce((sum, column) => sum + column.width + gap, -gap);
  while (total() > totalWidth) {
    const last = chosen.reduce((worst, column, index) => (column.drop > (chosen[worst]?.drop ?? 0) ? index : worst), 0);
    if (chosen[last]?.drop === 0) break;
    chosen.splice(last, 1);
  }
  // Who stays longest on a narrow screen grows first on a wide one.
  const growing = chosen.filter((column) => column.maxWidth !== undefined).sort((a, b) => a.drop - b.drop);
  for (const column of growing) {
    const room = totalWidth - total();
    if (room <= 0) break;
    const most = column.maxWidth ?? 0;
    // Whoever takes all the rest need not be measured.
    const isAll = most === Number.POSITIVE_INFINITY;
    const wanted = isAll ? most : Math.max(...sessions.map((session) => width(printableLine(column.cell(session, view)[1]))), 0);
    column.width += Math.min(room, Math.max(0, Math.min(wanted, most) - column.width));
  }
  return chosen;
}

const padTo = (text: string, columnWidth: number, isRight = false): string => {
  const cut = fit(text, columnWidth);
  const blanks = " ".repeat(Math.max(0, columnWidth - width(cut)));
  return isRight ? blanks + cut : cut + blanks;
};

export const renderHeader = (chosen: readonly Column[], theme: Theme): string =>
  theme.paint(
    "dim",
    chosen
      .map((column) => padTo(column.title, column.width, column.isRight))
      .join(" ")
      .trimEnd(),
  );

export const renderRow = (session: LiveSession, chosen: readonly Column[], view: View, theme: Theme): string =>
  chosen
    .map((column) => {
      const [role, text] = column.cell(session, view);
      // Only the words are painted: a colour behind blanks would be a bar.
      const cut = (column.fit ?? fit)(oneLine(text), column.width);
      const blanks = " ".repeat(Math.max(0, column.width - width(cut)));
      return column.isRight === true ? blanks + theme.paint(role, cut) : theme.paint(role, cut) + blanks;
    })
    .join(" ");

/** Without control characters; blanks stay, as they align. */
const oneLine = (text: string): string => printable(text).replace(/[\t\n]/g, " ");

/** More of a text is on no line. */
const maxWords = 300;

/** What somebody who waits wants, on one line. */
export function preview({ verdict }: LiveSession): string {
  const input = (value: unknown): string => (isRecord(value) ? describeInput(value) : value === undefined ? "" : JSON.stringify(value));
  const words = (): string => {
    switch (verdict.status) {
      case "blocked":
        return input(verdict.input) || verdict.subject?.split("\n").slice(1).join(" ") || verdict.prompt;
      case "plan_ready":
        return verdict.plan ?? verdict.plan_file ?? "";
      case "awaiting_answer":
        return verdict.question;
      case "limited":
      case "failed":
        return verdict.text;
      default:
        return "";
    }
  };
  return printableLine(words().slice(0, maxWords));
}

/** What was said last: by the session, or to one that has not answered yet. */
function lastWords(session: LiveSession): string {
  const { verdict, facts } = session;
  const words = needsPerson(session) ? preview(session) : "text" in verdict ? verdict.text : "";
  // What a row shows is cleaned there, once.
  return (words === "" ? (facts?.lastPrompt ?? "") : words).slice(0, maxWords).replace(/\s+/g, " ");
}
