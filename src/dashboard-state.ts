import type { Choice } from "./answer.ts";
import type { Draft } from "./dashboard-editor.ts";
import type { Form } from "./dashboard-form.ts";
import { present } from "./json.ts";
import { type LiveSession, type RunGroup, runWords } from "./session.ts";
import { type Beyond, needsPerson, type Rank, statusRow } from "./statuses.ts";
import type { Key } from "./tty-keys.ts";
import { gateOf } from "./verbs.ts";

/** Which sessions stand where: order, groups and filter of the list. */
export const sorts = ["attention", "cost", "context", "name", "age"] as const;
type Sort = (typeof sorts)[number];
export const groups = ["none", "project", "profile", "machine"] as const;
type Group = (typeof groups)[number];

export interface Section {
  title: string;
  kind: Rank | "group";
  /** How many, or how they stand. */
  note: string;
  /** A person is waited for in it. */
  isUrgent?: boolean;
  sessions: LiveSession[];
}

const ranks: [rank: Rank, title: string][] = [
  ["attention", "needs you"],
  ["working", "working"],
  ["idle", "idle"],
  ["unknown", "not known"],
  ["finished", "finished"],
];

export const rankOf = ({ verdict }: LiveSession): Rank => statusRow(verdict.status).rank;

const projectOf = (session: Pick<LiveSession, "worktree" | "cwd">): string =>
  (session.worktree ?? session.cwd).split(/[/\\]/).findLast((part) => part !== "") ?? "/";

const machineOf = ({ machine = "this machine" }: LiveSession): string => machine;

interface Order {
  runs: readonly RunGroup[];
  filter: string;
  sort: Sort;
  group: Group;
}

function orderSessions(sessions: readonly LiveSession[], { filter, sort, group, runs }: Order): Section[] {
  const shown = sessions.filter((session) => fitsFilter(session, filter)).sort(comparators[sort]);
  if (group !== "none") {
    const keys = { project: projectOf, profile: ({ profile = "no profile" }: LiveSession) => profile, machine: machineOf };
    const sections = [...Map.groupBy(shown, keys[group])].map(([title, group]) => toSection(title, "group", group));
    return sections.sort((a, b) => a.title.localeCompare(b.title));
  }
  if (sort !== "attention") return shown.length === 0 ? [] : [toSection(`by ${sort}`, "group", shown)];
  const runSections = runs.length === 0 ? [] : sectionsOfRuns(runs, shown, filter);
  const own = runSections.length === 0 ? shown : shown.filter(({ task }) => !runs.some(({ run }) => run === task?.run));
  return ranks.flatMap(([kind, title]) => {
    const section = toSection(
      title,
      kind,
      own.filter((session) => rankOf(session) === kind),
    );
    // A run stands behind those who need somebody where it does, else behind those who work.
    const behind = runSections.filter(({ isUrgent }) => kind === (isUrgent === true ? "attention" : "working"));
    return section.sessions.length === 0 ? behind : [section, ...behind];
  });
}

const toSection = (title: string, kind: Section["kind"], sessions: LiveSession[]): Section => ({
  ...{ title, kind, sessions, note: String(sessions.length) },
});

/** Also one of which nothing runs now, as while it waits for a reset. */
function sectionsOfRuns(runs: readonly RunGroup[], shown: readonly LiveSession[], filter: string): Section[] {
  return runs.flatMap((run) => {
    const sessions = shown.filter(({ task }) => task?.run === run.run);
    const asking = sessions.filter(needsPerson).length;
    const isThere = sessions.length > 0 || (run.isWorkedOn && filter === "");
    return isThere
      ? { title: run.run, kind: "group" as const, note: runWords(run, asking), isUrgent: asking + run.held > 0, sessions }
      : [];
  });
}

const rankIndex = (session: LiveSession): number => ranks.findIndex(([rank]) => rank === rankOf(session));
/** A stable last word, so that rows do not jump. */
const byKey = (a: LiveSession, b: LiveSession): number => a.pid - b.pid || a.key.localeCompare(b.key);

const comparators: Record<Sort, (a: LiveSession, b: LiveSession) => number> = {
  attention: (a, b) => rankIndex(a) - rankIndex(b) || compareWithin(a, b) || byKey(a, b),
  cost: (a, b) => (b.meter?.costUsd ?? -1) - (a.meter?.costUsd ?? -1) || byKey(a, b),
  context: (a, b) => (b.meter?.contextPercent ?? -1) - (a.meter?.contextPercent ?? -1) || byKey(a, b),
  name: (a, b) => a.name.localeCompare(b.name) || byKey(a, b),
  age: (a, b) => a.since - b.since || byKey(a, b),
};

const urgency = ({ verdict }: LiveSession): number => statusRow(verdict.status).urgency ?? 0;

/** Who has waited longest comes first; of the rest, whoever moved last. */
const compareWithin = (a: LiveSession, b: LiveSession): number =>
  rankOf(a) === "attention"
    ? urgency(a) - urgency(b) || a.since - b.since
    : rankOf(a) === "working"
      ? a.name.localeCompare(b.name)
      : b.since - a.since;

/** Every word of the filter must stand somewhere. */
export function fitsFilter(session: LiveSession, filter: string): boolean {
  const words = filter
    .toLowerCase()
    .split(/\s+/)
    .filter((word) => word !== "");
  if (words.length === 0) return true;
  const { name, cwd, model, branch, profile, sessionId, kind, verdict, driver, task } = session;
  const known = [name, cwd, model, branch, profile, sessionId, kind, verdict.status, driver, projectOf(session), task?.run, task?.id];
  const text = known.join(" ").toLowerCase();
  return words.every((word) => text.includes(word));
}

/** Everything that the dashboard shows, as one value; `reduce` makes the next one. */
export interface DashboardState {
  now: number;
  sessions: LiveSession[];
  /** Programs called claude that are not shown. */
  hidden: number;
  /** Runs of tasks that are not over: their sessions stand together. */
  runs: readonly RunGroup[];
  /** Sessions of other machines that are not among those above. */
  beyond?: Beyond;
  /** Those that ended while it was open; tasks are told of by the head of their run. */
  ended: LiveSession[];
  /** Key of the session under the cursor: it stays with its session however the list is ordered. */
  selected: string | undefined;
  /** The person has put the cursor where it is; until then it stands on what waits. */
  isPlaced: boolean;
  hasDetail: boolean;
  /** First line of the detail, of the help. */
  scroll: number;
  mode: Mode;
  filter: string;
  /** The newest filter that was left: what `n` goes on with. */
  searched: string;
  sort: Sort;
  group: Group;
  /** The cursor goes to whoever begins to wait. */
  isFollowing: boolean;
  /** What was written before, newest last: messages, and drafts that were dropped. */
  history: readonly string[];
  /** Who was there at the first look is not new. */
  hasLooked: boolean;
  /** Of the newest key. */
  pressedAt?: number;
  toast?: { text: string; isError: boolean; until: number };
  /** How the files of rules stand, and the budgets in them; undefined where there are none. */
  rules?: { level: "broken" | "over" | "warning" | "fine"; text: string };
}

export type Mode =
  | { kind: "list" }
  | { kind: "help" }
  | { kind: "filter" | "new"; draft: Draft }
  /** `past` is the place in the history that is shown, `kept` what was being written before. */
  | { kind: "message"; key: string; draft: Draft; past?: number; kept?: Draft }
  /** What is asked, exactly as it was shown; another gate than this is not answered. */
  | { kind: "confirm"; action: "allow" | "deny" | "stop"; key: string; gate: string }
  | { kind: "reason"; key: string; gate: string; draft: Draft }
  /** With a draft while a text is written in place of an option. */
  | { kind: "answer"; key: string; gate: string; form: Form; draft?: Draft };

/** A verb, and what it takes. */
type Deed =
  | { verb: "allow" | "stop"; input: object }
  | { verb: "deny"; input: { reason?: string } }
  | { verb: "answer"; input: { choices: Choice[] } }
  | { verb: "send"; input: { prompt: string; isQueued: boolean } }
  | { verb: "new"; input: { cwd: string } };

/** What the loop has to do; the outcome comes back as an event. */
export type Effect =
  | { do: "quit" | "suspend" | "redraw" }
  /** `gate` is the one that was shown. */
  | ({ do: "act"; key?: string; gate?: string } & Deed)
  | { do: "focus"; key: string }
  | { do: "copy"; text: string };

export type Event =
  | { kind: "sessions"; sessions: LiveSession[]; hidden?: number; runs?: readonly RunGroup[]; beyond?: Beyond; now: number }
  | { kind: "key"; key: Key; page: number; hitKey?: string | undefined }
  | { kind: "told"; text: string; isError: boolean; now: number }
  | { kind: "time"; now: number; rules?: DashboardState["rules"] };

export const createDashboardState = (now: number): DashboardState => ({
  now,
  sessions: [],
  hidden: 0,
  runs: [],
  ended: [],
  selected: undefined,
  isPlaced: false,
  hasDetail: false,
  scroll: 0,
  mode: { kind: "list" },
  filter: "",
  searched: "",
  sort: "attention",
  group: "none",
  isFollowing: false,
  history: [],
  hasLooked: false,
});

/** The sections of the list as they are shown, top to bottom. */
export const listSections = (state: DashboardState): Section[] => orderSessions([...state.sessions, ...state.ended], state);

export const listRows = (state: DashboardState): LiveSession[] => listSections(state).flatMap((section) => section.sessions);

export const findSession = (state: DashboardState, key: string | undefined): LiveSession | undefined =>
  [...state.sessions, ...state.ended].find((session) => session.key === key);

export const selectedSession = (state: DashboardState): LiveSession | undefined => findSession(state, state.selected);

/** A session that leaves the list hands the cursor to its neighbour. */
export function keepSelection(state: DashboardState, before: DashboardState): DashboardState {
  const rows = listRows(state);
  if (rows.some((session) => session.key === state.selected)) return state;
  const index = listRows(before).findIndex((session) => session.key === state.selected);
  const next = rows[Math.min(Math.max(index, 0), rows.length - 1)];
  return { ...state, selected: next?.key };
}

export const toastMs = 6000;

/** The next state after anything but a key. */
export function takeEvent(state: DashboardState, event: Exclude<Event, { kind: "key" }>): DashboardState {
  switch (event.kind) {
    case "time":
      return passTime({ ...withoutRules(state), ...present({ rules: event.rules }) }, event.now);
    case "told":
      return { ...state, toast: { text: event.text, isError: event.isError, until: event.now + toastMs } };
    case "sessions":
      return takeSessions(
        { ...passTime(state, event.now), hidden: event.hidden ?? 0, runs: event.runs ?? [], beyond: event.beyond ?? {} },
        event.sessions,
      );
  }
}

const endedMs = 10 * 60_000;
const maxEnded = 50;

const withoutRules = ({ rules: _, ...state }: DashboardState): DashboardState => state;

function passTime(state: DashboardState, now: number): DashboardState {
  const ended = state.ended.filter((session) => now - session.since < endedMs);
  const { toast, ...rest } = state;
  return { ...rest, now, ended, ...present({ toast: toast !== undefined && toast.until > now ? toast : undefined }) };
}

/** Whoever has pressed a key so lately is about to press the next, for the session that the cursor is on. */
const atKeysMs = 2000;

function takeSessions(state: DashboardState, sessions: LiveSession[]): DashboardState {
  const keys = new Set(sessions.map((session) => session.key));
  // Of other machines not all are listed: one that leaves the list need not have ended.
  const left = state.sessions.filter(({ key, machine }) => machine === undefined && !keys.has(key));
  const gone = left.filter(isKnown).map((session) => endSession(session, state.now));
  const ended = [...gone, ...state.ended.filter((session) => !keys.has(session.key))];
  const next: DashboardState = {
    ...followOn(state, left, sessions),
    sessions,
    hasLooked: true,
    // A conversation stands there once: one that goes on has not ended.
    ended: (ended.length === 0 ? ended : ended.filter((session) => !sessions.some((one) => isSame(session, one)))).slice(0, maxEnded),
  };
  const wanted = findWaiting(state, sessions) ?? findUrgent(state, next) ?? findNew(state, next);
  return keepSelection(keepGate(wanted === undefined ? next : { ...next, selected: wanted.key, scroll: 0 }), state);
}

/** Of a process that said nothing of itself before it ended there is nothing to tell: claude on its way to a conversation, or away. */
const isKnown = ({ sessionId, driver, task }: LiveSession): boolean =>
  task === undefined && (sessionId !== undefined || driver !== undefined);

/** Another process has it by now: under another account, or resumed. */
const isSame = (session: LiveSession, other: LiveSession): boolean =>
  session.sessionId !== undefined && other.sessionId !== undefined
    ? session.sessionId === other.sessionId
    : session.driver !== undefined && session.driver === other.driver;

/** The cursor stays with a conversation that goes on in another process. */
function followOn(state: DashboardState, left: readonly LiveSession[], sessions: readonly LiveSession[]): DashboardState {
  const before = left.find(({ key }) => key === state.selected) ?? state.ended.find(({ key }) => key === state.selected);
  const heir = before && sessions.find((session) => isSame(before, session));
  return heir === undefined ? state : { ...state, selected: heir.key };
}

/** Where nobody has put the cursor anywhere: what waits, the first of the list, and not from one that waits to the next. */
function findUrgent(before: DashboardState, next: DashboardState): LiveSession | undefined {
  if (before.isPlaced || isBusy(before) || !next.sessions.some(needsPerson)) return undefined;
  const first = listRows(next).find(needsPerson);
  const current = findSession(next, next.selected);
  return current !== undefined && needsPerson(current) && first !== undefined && urgency(current) <= urgency(first) ? current : first;
}

/** In the middle of something, or about to be. */
const isBusy = ({ mode, hasDetail, pressedAt, now }: DashboardState): boolean =>
  mode.kind !== "list" || hasDetail || (pressedAt !== undefined && now - pressedAt < atKeysMs);

/** Who has begun to wait, where the cursor is to follow. */
function findWaiting({ mode, isFollowing, sessions: before }: DashboardState, sessions: LiveSession[]): LiveSession | undefined {
  if (!isFollowing || mode.kind !== "list") return undefined;
  const wasQuiet = new Set(before.filter((session) => !needsPerson(session)).map(({ key }) => key));
  return sessions.find((session) => needsPerson(session) && wasQuiet.has(session.key));
}

/** Who has come since the last look, unless the person is in the middle of something. */
function findNew(before: DashboardState, next: DashboardState): LiveSession | undefined {
  if (!before.hasLooked || isBusy(before)) return undefined;
  const known = new Set([...before.sessions, ...before.ended].map(({ key }) => key));
  // Nearly every look brings nobody, and the order of the list costs more than all the rest of one.
  const isNew = ({ key, machine }: LiveSession) => machine === undefined && !known.has(key);
  if (!next.sessions.some(isNew)) return undefined;
  const come = listRows(next).filter(isNew);
  return come.find(needsPerson) ?? come.sort((a, b) => (b.startedAt ?? b.since) - (a.startedAt ?? a.since))[0];
}

const endSession = (session: LiveSession, now: number): LiveSession => ({
  ...session,
  verdict: { status: "dead", source: "process", age_ms: 0 },
  since: now,
  badges: [],
});

/** A question about a gate that has changed or gone is asked no more; what was written for it is kept. */
function keepGate(state: DashboardState): DashboardState {
  const { mode } = state;
  if (!("gate" in mode)) return state;
  const session = state.sessions.find((candidate) => candidate.key === mode.key);
  const isStop = mode.kind === "confirm" && mode.action === "stop";
  if (session !== undefined && (isStop || gateOf(session) === mode.gate)) return state;
  const text = isStop ? "it has ended by itself" : "what was asked is gone: nothing was answered";
  const draft = "draft" in mode ? mode.draft : undefined;
  return {
    ...remember(state, draft?.text ?? ""),
    mode: { kind: "list" },
    toast: { text, isError: true, until: state.now + toastMs },
  };
}

const maxHistory = 200;

/** Puts a text where `up` finds it. */
export const remember = (state: DashboardState, text: string): DashboardState =>
  text.trim() === "" || state.history.at(-1) === text ? state : { ...state, history: [...state.history, text].slice(-maxHistory) };
