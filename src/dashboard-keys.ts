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
  takeEvent,
  toastMs,
} from "./dashboard-state.ts";
import type { LiveSession } from "./session.ts";
import { needsPerson } from "./statuses.ts";

type Pressed = Omit<Extract<Event, { kind: "key" }>, "kind">;
type Result = { state: DashboardState; effects: Effect[] };
type Press = (state: DashboardState, pressed: Pressed) => Result;

/** One thing that can be done from the list; the footer, the help page and what a key does are read from its row. */
export interface KeyRow {
  /** The keys that do it, as `tty-keys` names them. */
  keys: string[];
  /** How people read the key, where its name is not it. */
  label?: string;
  /** Where the help page has it. */
  part: "move" | "act" | "arrange" | "leave";
  /** What it does; rows of one part with the same note share a line of the help page. */
  note: string;
  /** Its word in the footer; undefined keeps it out. */
  word?: string | ((state: DashboardState) => string | undefined);
  /** Also while a text is typed or a question is asked. */
  isEverywhere?: boolean;
  press: Press;
}

/** The next state, and what the loop has to do for it. */
export const reduce = (state: DashboardState, event: Event): Result =>
  event.kind === "key" ? pressKey(state, event) : quiet(takeEvent(state, event));

/** What a key does in the mode that is on. */
function pressKey(state: DashboardState, pressed: Pressed): Result {
  const { name } = pressed.key;
  const row = rowByKey.get(name);
  if (row?.isEverywhere === true) return row.press(state, pressed);
  switch (state.mode.kind) {
    case "confirm":
      return pressConfirm(state, state.mode, name);
    case "filter":
    case "message":
    case "new":
      return pressText(state, state.mode, pressed);
    case "help":
      return pressHelp(state, pressed);
    case "list":
      return row?.press(state, pressed) ?? quiet(state);
  }
}

const quiet = (state: DashboardState): Result => ({ state, effects: [] });
const toList = (state: DashboardState): DashboardState => ({ ...state, mode: { kind: "list" } });
const tell = (state: DashboardState, text: string): Result =>
  quiet({ ...state, toast: { text, isError: true, until: state.now + toastMs } });

/** Only `y` is yes: a key held down a moment too long must not answer what nobody has read. */
function pressConfirm(state: DashboardState, mode: Extract<Mode, { kind: "confirm" }>, name: string): Result {
  if (scrolls[name] !== undefined) return quiet({ ...state, scroll: Math.max(0, state.scroll + (scrolls[name] ?? 0)) });
  if (name !== "y") return quiet(toList(state));
  if (mode.action === "stop") return { state: toList(state), effects: [{ do: "stop", key: mode.key }] };
  const wish = mode.action === "allow" ? "allow-once" : "refuse";
  return { state: toList(state), effects: [{ do: "answer", key: mode.key, wish, gate: mode.gate }] };
}

function pressText(state: DashboardState, mode: Extract<Mode, { text: string }>, { key: { name, text: pasted } }: Pressed): Result {
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

const move =
  (step: (page: number, count: number) => number): Press =>
  (state, { page }) => {
    const rows = listRows(state);
    if (rows.length === 0) return quiet(state);
    const index = rows.findIndex((session) => session.key === state.selected);
    const next = Math.min(Math.max(index + step(page, rows.length), 0), rows.length - 1);
    return quiet({ ...state, selected: rows[next]?.key, scroll: 0 });
  };

const scroll =
  (step: (page: number) => number): Press =>
  (state, { page }) =>
    quiet({ ...state, scroll: Math.max(0, state.scroll + step(page)) });

const next = <T>(values: readonly T[], current: T): T => values[(values.indexOf(current) + 1) % values.length] as T;

const onSelected =
  (act: (state: DashboardState, session: LiveSession) => Result): Press =>
  (state) => {
    const session = selectedSession(state);
    if (session === undefined) return tell(state, "no session is selected");
    if (session.verdict.status === "dead") return tell(state, `${session.name} has ended`);
    return act(state, session);
  };

const confirmAnswer = (action: "allow" | "deny"): Press =>
  onSelected((state, session) => {
    const gate = gateOf(session);
    if (gate === undefined) return tell(state, `${session.name} asks for nothing`);
    if (session.verdict.status === "awaiting_answer" && action === "allow")
      return tell(state, `${session.name} asks a question: answer it in its pane (enter), or with csd answer`);
    return quiet({ ...state, mode: { kind: "confirm", action, key: session.key, gate }, scroll: 0 });
  });

const stop: Press = onSelected((state, session) =>
  quiet({ ...state, mode: { kind: "confirm", action: "stop", key: session.key, gate: "" } }),
);
const writeMessage: Press = onSelected((state, session) => quiet({ ...state, mode: { kind: "message", key: session.key, text: "" } }));
const focus: Press = onSelected((state, session) => ({ state, effects: [{ do: "focus", key: session.key }] }));
const copyId: Press = onSelected((state, session) =>
  session.sessionId === undefined
    ? tell(state, `${session.name} has no id yet`)
    : { state, effects: [{ do: "copy", text: session.sessionId }] },
);

const click: Press = (state, { hitKey }) => {
  if (hitKey === undefined) return quiet(state);
  return quiet(hitKey === state.selected ? { ...state, hasDetail: true } : { ...state, selected: hitKey, scroll: 0 });
};

/** A page of the detail where it is open, else of the list. */
const turnPage =
  (direction: 1 | -1): Press =>
  (state, pressed) =>
    (state.hasDetail ? scroll : move)((page) => direction * page)(state, pressed);

const showDetail =
  (isShown: (state: DashboardState) => boolean): Press =>
  (state) =>
    quiet({ ...state, hasDetail: isShown(state), scroll: 0 });

const goBack: Press = (state) =>
  quiet(state.hasDetail ? { ...state, hasDetail: false, scroll: 0 } : keepSelection({ ...state, filter: "" }, state));

const set =
  (change: (state: DashboardState) => Partial<DashboardState>): Press =>
  (state) =>
    quiet({ ...state, ...change(state) });

const have =
  (effect: Effect): Press =>
  (state) => ({ state, effects: [effect] });

const whereAsked =
  (word: string) =>
  (state: DashboardState): string | undefined => {
    const session = selectedSession(state);
    return session !== undefined && needsPerson(session) ? word : undefined;
  };

const choosing = "choose a session; the cursor stays with it";
const detail = "its detail, and back";
const scrolling = "scroll the detail";

/** A new key is a row here. The order is the footer's, of which a narrow screen shows the beginning. */
export const keyRows: readonly KeyRow[] = [
  { keys: ["up", "wheel-up"], label: "↑", part: "move", note: choosing, press: move(() => -1) },
  { keys: ["down", "wheel-down"], label: "↓", part: "move", note: choosing, press: move(() => 1) },
  { keys: ["g", "home"], part: "move", note: choosing, press: move((_, count) => -count) },
  { keys: ["G", "end"], part: "move", note: choosing, press: move((_, count) => count) },
  { keys: ["a"], part: "act", note: "allow what it asks, once; shows it first", word: whereAsked("allow"), press: confirmAnswer("allow") },
  { keys: ["d"], part: "act", note: "refuse what it asks; shows it first", word: whereAsked("deny"), press: confirmAnswer("deny") },
  {
    keys: [" "],
    label: "space",
    part: "move",
    note: detail,
    word: ({ hasDetail }) => (hasDetail ? "list" : "detail"),
    press: showDetail(({ hasDetail }) => !hasDetail),
  },
  { keys: ["right"], label: "→", part: "move", note: detail, press: showDetail(() => true) },
  { keys: ["left"], label: "←", part: "move", note: detail, press: showDetail(() => false) },
  { keys: ["click"], part: "move", note: "choose a session; once more for its detail", press: click },
  { keys: ["J"], part: "move", note: scrolling, press: scroll(() => 1) },
  { keys: ["K"], part: "move", note: scrolling, press: scroll(() => -1) },
  { keys: ["pagedown"], label: "pgdn", part: "move", note: scrolling, press: turnPage(1) },
  { keys: ["pageup"], label: "pgup", part: "move", note: scrolling, press: turnPage(-1) },
  { keys: ["esc"], part: "move", note: "back from the detail; else clear the filter", press: goBack },
  { keys: ["enter"], part: "act", note: "go to its pane (tmux)", word: "focus", press: focus },
  { keys: ["m"], part: "act", note: "send it a message", word: "message", press: writeMessage },
  {
    keys: ["/"],
    part: "arrange",
    note: "filter by name, folder, branch, model, state …",
    word: "filter",
    press: set(({ filter }) => ({ mode: { kind: "filter", text: filter } })),
  },
  { keys: ["?"], part: "leave", note: "this page", word: "keys", press: set(() => ({ mode: { kind: "help" }, scroll: 0 })) },
  { keys: ["q"], part: "leave", note: "quit", word: "quit", press: have({ do: "quit" }) },
  {
    keys: ["n"],
    part: "act",
    note: "start a session",
    word: "new",
    press: set((state) => ({ mode: { kind: "new", text: selectedSession(state)?.cwd ?? "" } })),
  },
  { keys: ["k"], part: "act", note: "stop it; asks first", word: "stop", press: stop },
  { keys: ["y"], part: "act", note: "copy its id to the clipboard", press: copyId },
  {
    keys: ["s"],
    part: "arrange",
    note: `sort by ${sorts.join(", ")}`,
    word: ({ sort }) => `sort: ${sort}`,
    press: set(({ sort }) => ({ sort: next(sorts, sort) })),
  },
  {
    keys: ["p"],
    part: "arrange",
    note: `group by ${groups.slice(1).join(" or ")}`,
    word: "group",
    press: set(({ group }) => ({ group: next(groups, group) })),
  },
  {
    keys: ["f"],
    part: "arrange",
    note: "follow: the cursor goes to whoever begins to wait",
    word: "follow",
    press: set(({ isFollowing }) => ({ isFollowing: !isFollowing })),
  },
  {
    keys: ["x"],
    part: "arrange",
    note: "forget those that have ended",
    press: (state) => quiet(keepSelection({ ...state, ended: [] }, state)),
  },
  { keys: ["ctrl-c"], part: "leave", note: "quit", isEverywhere: true, press: have({ do: "quit" }) },
  { keys: ["ctrl-z"], part: "leave", note: "suspend", isEverywhere: true, press: have({ do: "suspend" }) },
  { keys: ["ctrl-l"], part: "leave", note: "redraw", isEverywhere: true, press: have({ do: "redraw" }) },
];

const rowByKey = new Map(keyRows.flatMap((row) => row.keys.map((key) => [key, row] as const)));
