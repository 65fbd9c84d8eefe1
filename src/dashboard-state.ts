import { type Group, orderSessions, type Section, type Sort } from "./dashboard-order.ts";
import type { LiveSession } from "./monitor-session.ts";
import type { Key } from "./terminal-keys.ts";

/** Everything that the dashboard shows, as one value; `reduce` makes the next one. */
export interface DashboardState {
  now: number;
  sessions: LiveSession[];
  /** Programs called claude that are not shown. */
  hidden: number;
  /** Those that ended while it was open. */
  ended: LiveSession[];
  /** Key of the session under the cursor: it stays with its session however the list is ordered. */
  selected: string | undefined;
  hasDetail: boolean;
  /** First line of the detail, of the help. */
  scroll: number;
  mode: Mode;
  filter: string;
  sort: Sort;
  group: Group;
  /** The cursor goes to whoever begins to wait. */
  isFollowing: boolean;
  toast?: { text: string; isError: boolean; until: number };
}

export type Mode =
  | { kind: "list" }
  | { kind: "help" }
  | { kind: "filter"; text: string }
  | { kind: "message"; key: string; text: string }
  | { kind: "new"; text: string }
  /** What is asked, exactly as it was shown; another gate than this is not answered. */
  | { kind: "confirm"; action: "allow" | "deny" | "stop"; key: string; gate: string };

/** What the loop has to do; the outcome comes back as an event. */
export type Effect =
  | { do: "quit" | "suspend" | "redraw" }
  | { do: "answer"; key: string; wish: "allow-once" | "refuse"; gate: string }
  | { do: "send"; key: string; text: string }
  | { do: "stop" | "focus"; key: string }
  | { do: "start"; cwd: string }
  | { do: "copy"; text: string };

export type Event =
  | { kind: "sessions"; sessions: LiveSession[]; hidden?: number; now: number }
  | { kind: "key"; key: Key; page: number; hitKey?: string | undefined }
  | { kind: "told"; text: string; isError: boolean; now: number }
  | { kind: "time"; now: number };

export const createDashboardState = (now: number): DashboardState => ({
  now,
  sessions: [],
  hidden: 0,
  ended: [],
  selected: undefined,
  hasDetail: false,
  scroll: 0,
  mode: { kind: "list" },
  filter: "",
  sort: "attention",
  group: "none",
  isFollowing: false,
});

/** The sections of the list as they are shown, top to bottom. */
export const listSections = (state: DashboardState): Section[] => orderSessions([...state.sessions, ...state.ended], state);

export const listRows = (state: DashboardState): LiveSession[] => listSections(state).flatMap((section) => section.sessions);

export const selectedSession = (state: DashboardState): LiveSession | undefined =>
  [...state.sessions, ...state.ended].find((session) => session.key === state.selected);

/** Equal only for the same request of the same gate. */
export function gateOf(session: LiveSession): string | undefined {
  const { verdict } = session;
  if (verdict.status === "blocked")
    return JSON.stringify([session.sessionId, verdict.gate, verdict.tool, verdict.input ?? verdict.prompt, session.since]);
  if (verdict.status === "plan_ready") return JSON.stringify([session.sessionId, "plan", verdict.plan, session.since]);
  if (verdict.status === "awaiting_answer" && verdict.gate === "question")
    return JSON.stringify([session.sessionId, "question", verdict.question, session.since]);
  return undefined;
}

/** Somebody has to do something. */
export const needsPerson = ({ verdict }: Pick<LiveSession, "verdict">): boolean =>
  ["blocked", "plan_ready", "awaiting_answer", "limited", "failed"].includes(verdict.status);

/** A session that leaves the list hands the cursor to its neighbour. */
export function keepSelection(state: DashboardState, before: DashboardState): DashboardState {
  const rows = listRows(state);
  if (rows.some((session) => session.key === state.selected)) return state;
  const index = listRows(before).findIndex((session) => session.key === state.selected);
  const next = rows[Math.min(Math.max(index, 0), rows.length - 1)];
  return { ...state, selected: next?.key };
}

export const toastMs = 6000;
