import { pressKey } from "./dashboard-keys.ts";
import { type DashboardState, type Effect, type Event, gateOf, keepSelection, needsPerson, toastMs } from "./dashboard-state.ts";
import type { LiveSession } from "./monitor-session.ts";

const endedMs = 10 * 60_000;
const maxEnded = 50;

/** The next state, and what the loop has to do for it. */
export function reduce(state: DashboardState, event: Event): { state: DashboardState; effects: Effect[] } {
  switch (event.kind) {
    case "time":
      return { state: passTime(state, event.now), effects: [] };
    case "told":
      return { state: { ...state, toast: { text: event.text, isError: event.isError, until: event.now + toastMs } }, effects: [] };
    case "sessions":
      return { state: takeSessions({ ...passTime(state, event.now), hidden: event.hidden ?? 0 }, event.sessions), effects: [] };
    case "key":
      return pressKey(state, event);
  }
}

function passTime(state: DashboardState, now: number): DashboardState {
  const ended = state.ended.filter((session) => now - session.since < endedMs);
  const { toast, ...rest } = state;
  return { ...rest, now, ended, ...(toast !== undefined && toast.until > now ? { toast } : {}) };
}

function takeSessions(state: DashboardState, sessions: LiveSession[]): DashboardState {
  const keys = new Set(sessions.map((session) => session.key));
  const gone = state.sessions.filter((session) => !keys.has(session.key)).map((session) => endSession(session, state.now));
  const before = new Map(state.sessions.map((session) => [session.key, session]));
  const waiting = sessions.find(
    (session) => needsPerson(session) && before.has(session.key) && !needsPerson(before.get(session.key) ?? session),
  );
  const next: DashboardState = {
    ...state,
    sessions,
    ended: [...gone, ...state.ended.filter((session) => !keys.has(session.key))].slice(0, maxEnded),
    ...(state.isFollowing && waiting !== undefined && state.mode.kind === "list" ? { selected: waiting.key, scroll: 0 } : {}),
  };
  return keepSelection(keepConfirm(next), state);
}

const endSession = (session: LiveSession, now: number): LiveSession => ({
  ...session,
  verdict: { status: "dead", source: "process", age_ms: 0 },
  since: now,
  badges: [],
});

/** A question about a gate that has changed or gone is asked no more. */
function keepConfirm(state: DashboardState): DashboardState {
  const { mode } = state;
  if (mode.kind !== "confirm") return state;
  const session = state.sessions.find((candidate) => candidate.key === mode.key);
  const isSame = session !== undefined && (mode.action === "stop" || gateOf(session) === mode.gate);
  if (isSame) return state;
  return {
    ...state,
    mode: { kind: "list" },
    toast: { text: "what was asked is gone: nothing was answered", isError: true, until: state.now + toastMs },
  };
}
