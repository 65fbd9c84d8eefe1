import { sourceMarks } from "./dashboard-row.ts";
import {
  type DashboardState,
  type Effect,
  type Event,
  gateOf,
  groups,
  keepSelection,
  listRows,
  type Mode,
  selectedSession,
  sorts,
  toastMs,
} from "./dashboard-state.ts";
import type { Theme } from "./dashboard-theme.ts";
import { fit, width } from "./format.ts";
import type { LiveSession } from "./session.ts";
import { needsPerson } from "./statuses.ts";
import type { Key } from "./tty-keys.ts";

interface Pressed {
  key: Key;
  /** Rows of one page. */
  page: number;
  hitKey?: string | undefined;
}
type Result = { state: DashboardState; effects: Effect[] };

const quiet = (state: DashboardState): Result => ({ state, effects: [] });
const toList = (state: DashboardState): DashboardState => ({ ...state, mode: { kind: "list" } });
const tell = (state: DashboardState, text: string): Result =>
  quiet({ ...state, toast: { text, isError: true, until: state.now + toastMs } });

/** What a key does in the mode that is on. */
export function pressKey(state: DashboardState, pressed: Pressed): Result {
  const { name } = pressed.key;
  if (name === "ctrl-c") return { state, effects: [{ do: "quit" }] };
  if (name === "ctrl-z") return { state, effects: [{ do: "suspend" }] };
  if (name === "ctrl-l") return { state, effects: [{ do: "redraw" }] };
  switch (state.mode.kind) {
    case "confirm":
      return pressConfirm(state, state.mode, name);
    case "filter":
    case "message":
    case "new":
      return pressText(state, state.mode, pressed.key);
    case "help":
      return pressHelp(state, pressed);
    case "list":
      return (bindings[name] ?? (() => quiet(state)))(state, pressed);
  }
}

/** Only `y` is yes: a key held down a moment too long must not answer what nobody has read. */
function pressConfirm(state: DashboardState, mode: Extract<Mode, { kind: "confirm" }>, name: string): Result {
  if (scrolls[name] !== undefined) return quiet({ ...state, scroll: Math.max(0, state.scroll + (scrolls[name] ?? 0)) });
  if (name !== "y") return quiet(toList(state));
  if (mode.action === "stop") return { state: toList(state), effects: [{ do: "stop", key: mode.key }] };
  const wish = mode.action === "allow" ? "allow-once" : "refuse";
  return { state: toList(state), effects: [{ do: "answer", key: mode.key, wish, gate: mode.gate }] };
}

function pressText(state: DashboardState, mode: Extract<Mode, { text: string }>, { name, text: pasted }: Key): Result {
  const write = (text: string): Result => {
    const next = { ...state, mode: { ...mode, text } };
    return quiet(mode.kind === "filter" ? keepSelection({ ...next, filter: text }, state) : next);
  };
  if (name === "esc") return quiet(mode.kind === "filter" ? keepSelection({ ...toList(state), filter: "" }, state) : toList(state));
  if (name === "enter") return submitText(toList(state), mode);
  if (name === "backspace") return write([...mode.text].slice(0, -1).join(""));
  if (name === "ctrl-u") return write("");
  if (name === "paste") return write(mode.text + (pasted ?? "").replace(/\s*\n\s*/g, mode.kind === "message" ? "\n" : " "));
  return [...name].length === 1 ? write(mode.text + name) : quiet(state);
}

function submitText(state: DashboardState, mode: Extract<Mode, { text: string }>): Result {
  if (mode.kind === "filter") return quiet(state);
  if (mode.text.trim() === "") return quiet(state);
  if (mode.kind === "new") return { state, effects: [{ do: "start", cwd: mode.text.trim() }] };
  return { state, effects: [{ do: "send", key: mode.key, text: mode.text }] };
}

function pressHelp(state: DashboardState, { key: { name }, page }: Pressed): Result {
  const step = { down: 1, j: 1, up: -1, k: -1, pagedown: page, pageup: -page, " ": page }[name];
  if (step === undefined) return quiet({ ...toList(state), scroll: 0 });
  return quiet({ ...state, scroll: Math.max(0, state.scroll + step) });
}

const scrolls: Record<string, number> = { J: 1, K: -1, pagedown: 8, pageup: -8 };

type Binding = (state: DashboardState, pressed: Pressed) => Result;

const move =
  (step: (page: number, count: number) => number): Binding =>
  (state, { page }) => {
    const rows = listRows(state);
    if (rows.length === 0) return quiet(state);
    const index = rows.findIndex((session) => session.key === state.selected);
    const next = Math.min(Math.max(index + step(page, rows.length), 0), rows.length - 1);
    return quiet({ ...state, selected: rows[next]?.key, scroll: 0 });
  };

const scroll =
  (step: (page: number) => number): Binding =>
  (state, { page }) =>
    quiet({ ...state, scroll: Math.max(0, state.scroll + step(page)) });

const next = <T>(values: readonly T[], current: T): T => values[(values.indexOf(current) + 1) % values.length] as T;

const onSelected =
  (act: (state: DashboardState, session: LiveSession) => Result): Binding =>
  (state) => {
    const session = selectedSession(state);
    if (session === undefined) return tell(state, "no session is selected");
    if (session.verdict.status === "dead") return tell(state, `${session.name} has ended`);
    return act(state, session);
  };

const confirmAnswer = (action: "allow" | "deny"): Binding =>
  onSelected((state, session) => {
    const gate = gateOf(session);
    if (gate === undefined) return tell(state, `${session.name} asks for nothing`);
    if (session.verdict.status === "awaiting_answer" && action === "allow")
      return tell(state, `${session.name} asks a question: answer it in its pane (enter), or with csd answer`);
    return quiet({ ...state, mode: { kind: "confirm", action, key: session.key, gate }, scroll: 0 });
  });

const quit: Binding = (state) => ({ state, effects: [{ do: "quit" }] });
const toggleDetail: Binding = (state) => quiet({ ...state, hasDetail: !state.hasDetail, scroll: 0 });
const down = move(() => 1);
const up = move(() => -1);

const bindings: Record<string, Binding> = Object.assign(Object.create(null) as Record<string, Binding>, {
  q: quit,
  down,
  up,
  "wheel-down": down,
  "wheel-up": up,
  g: move((_, count) => -count),
  home: move((_, count) => -count),
  G: move((_, count) => count),
  end: move((_, count) => count),
  pagedown: (state: DashboardState, pressed: Pressed) => (state.hasDetail ? scroll((page) => page) : move((page) => page))(state, pressed),
  pageup: (state: DashboardState, pressed: Pressed) => (state.hasDetail ? scroll((page) => -page) : move((page) => -page))(state, pressed),
  J: scroll(() => 1),
  K: scroll(() => -1),
  " ": toggleDetail,
  right: (state: DashboardState) => quiet({ ...state, hasDetail: true, scroll: 0 }),
  left: (state: DashboardState) => quiet({ ...state, hasDetail: false, scroll: 0 }),
  esc: (state: DashboardState) =>
    state.hasDetail ? quiet({ ...state, hasDetail: false, scroll: 0 }) : quiet(keepSelection({ ...state, filter: "" }, state)),
  click: (state: DashboardState, { hitKey }: Pressed) =>
    hitKey === undefined
      ? quiet(state)
      : hitKey === state.selected
        ? quiet({ ...state, hasDetail: true })
        : quiet({ ...state, selected: hitKey, scroll: 0 }),
  a: confirmAnswer("allow"),
  d: confirmAnswer("deny"),
  k: onSelected((state, session) => quiet({ ...state, mode: { kind: "confirm", action: "stop", key: session.key, gate: "" } })),
  m: onSelected((state, session) => quiet({ ...state, mode: { kind: "message", key: session.key, text: "" } })),
  enter: onSelected((state, session) => ({ state, effects: [{ do: "focus", key: session.key }] })),
  y: onSelected((state, session) =>
    session.sessionId === undefined
      ? tell(state, `${session.name} has no id yet`)
      : { state, effects: [{ do: "copy", text: session.sessionId }] },
  ),
  n: (state: DashboardState) => quiet({ ...state, mode: { kind: "new", text: selectedSession(state)?.cwd ?? "" } }),
  "/": (state: DashboardState) => quiet({ ...state, mode: { kind: "filter", text: state.filter } }),
  s: (state: DashboardState) => quiet({ ...state, sort: next(sorts, state.sort) }),
  p: (state: DashboardState) => quiet({ ...state, group: next(groups, state.group) }),
  f: (state: DashboardState) => quiet({ ...state, isFollowing: !state.isFollowing }),
  x: (state: DashboardState) => quiet(keepSelection({ ...state, ended: [] }, state)),
  "?": (state: DashboardState) => quiet({ ...state, mode: { kind: "help" }, scroll: 0 }),
});

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

const help: [title: string, rows: [string, string][]][] = [
  [
    "move",
    [
      ["↑ ↓ g G", "choose a session; the cursor stays with it"],
      ["space → ←", "its detail, and back"],
      ["J K pgdn pgup", "scroll the detail"],
    ],
  ],
  [
    "act on the session under the cursor",
    [
      ["a", "allow what it asks, once; shows it first, then asks"],
      ["d", "refuse what it asks; shows it first, then asks"],
      ["enter", "go to its pane (tmux)"],
      ["m", "send it a message"],
      ["k", "stop it; asks first"],
      ["y", "copy its id to the clipboard"],
      ["n", "start a session"],
    ],
  ],
  [
    "arrange",
    [
      ["/", "filter by name, folder, branch, model, state …"],
      ["s", "sort by attention, cost, context, name, age"],
      ["p", "group by project or profile"],
      ["f", "follow: the cursor goes to whoever begins to wait"],
      ["x", "forget those that have ended"],
      ["ctrl-z  ctrl-l  q", "suspend, redraw, quit"],
    ],
  ],
  [
    "marks",
    [
      ["▲ ● ○ ◷ ✖ × ?", "needs you, works, idle, at a limit, failed, ended, not known"],
      [Object.values(sourceMarks).join(" "), `who says so: ${Object.keys(sourceMarks).join(", ")}`],
      ["⚔ ⋈ ⧉", "edits the same file, the same checkout; two processes in one conversation"],
      ["↻ ⧖ ◔ ❄", "calls fail in a row; stalled; context nearly full; prompt cache gone"],
      ["2▸ in SUB", "two sub-agents at work"],
    ],
  ],
];

/** What each key and each mark means. */
export function helpLines(theme: Theme, columns: number): string[] {
  const keyWidth = Math.max(...help.flatMap(([, rows]) => rows.map(([key]) => width(key))));
  return help.flatMap(([title, rows], index) => [
    ...(index === 0 ? [] : [""]),
    ` ${theme.paint("section", title.toUpperCase())}`,
    ...rows.map(
      ([key, text]) =>
        `  ${theme.paint("key", key + " ".repeat(keyWidth - width(key)))}  ${fit(text, Math.max(10, columns - keyWidth - 5))}`,
    ),
  ]);
}
