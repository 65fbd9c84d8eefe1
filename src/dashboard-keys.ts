import { createDraft, type Draft, editDraft, stepLine } from "./dashboard-editor.ts";
import { choicesOf, createForm, pressForm, writeAnswer } from "./dashboard-form.ts";
import {
  type DashboardState,
  type Effect,
  type Event,
  findSession,
  fitsFilter,
  groups,
  keepSelection,
  listRows,
  type Mode,
  remember,
  selectedSession,
  sorts,
  takeEvent,
  toastMs,
} from "./dashboard-state.ts";
import type { LiveSession } from "./session.ts";
import type { Key } from "./tty-keys.ts";
import { gateOf, isHeld, takesReason, type VerbName, whyNot } from "./verbs.ts";

type Pressed = Omit<Extract<Event, { kind: "key" }>, "kind">;
type Result = { state: DashboardState; effects: Effect[] };
type Press = (state: DashboardState, pressed: Pressed) => Result;
type ModeOf<K extends Mode["kind"]> = Extract<Mode, { kind: K }>;

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
  word?: string | ((state: DashboardState) => string);
  /** Why it can do nothing now: the footer has it dim then, and the key says it. */
  why?(state: DashboardState): string | undefined;
  /** Also while a text is typed or a question is asked. */
  isEverywhere?: boolean;
  press: Press;
}

/** The next state, and what the loop has to do for it. */
export const reduce = (state: DashboardState, event: Event): Result =>
  event.kind === "key" ? pressKey({ ...state, pressedAt: state.now }, event) : quiet(takeEvent(state, event));

/** What a key does in the mode that is on. */
function pressKey(state: DashboardState, pressed: Pressed): Result {
  const { name } = pressed.key;
  const row = rowByKey.get(name);
  if (row?.isEverywhere === true) return row.press(state, pressed);
  switch (state.mode.kind) {
    case "confirm":
      return pressConfirm(state, state.mode, pressed);
    case "answer":
      return pressAnswer(state, state.mode, pressed);
    case "message":
      return pressMessage(state, state.mode, pressed.key);
    case "filter":
    case "new":
    case "reason":
      return pressText(state, state.mode, pressed);
    case "help":
      return pressHelp(state, pressed);
    case "list": {
      if (row === undefined) return quiet(state);
      const why = row.why?.(state);
      return why === undefined ? row.press(state, pressed) : tell(state, why);
    }
  }
}

const quiet = (state: DashboardState): Result => ({ state, effects: [] });
const toList = (state: DashboardState): DashboardState => ({ ...state, mode: { kind: "list" }, scroll: 0 });
const tell = (state: DashboardState, text: string): Result =>
  quiet({ ...state, toast: { text, isError: true, until: state.now + toastMs } });
/** What was said before is out of the way of what is asked now. */
const enter = (state: DashboardState, mode: Mode): Result => {
  const { toast: _, ...rest } = state;
  return quiet({ ...rest, mode, scroll: 0 });
};

// --- asked: yes or no, a reason, answers -------------------------------------------------------------------------

/** Only `y` is yes: a key held down a moment too long must not answer what nobody has read. */
function pressConfirm(state: DashboardState, mode: ModeOf<"confirm">, { key: { name }, page }: Pressed): Result {
  const { action, key, gate } = mode;
  const step = scrollStep(name, page);
  if (step !== undefined) return quiet(scrollBy(state, step));
  const session = findSession(state, key);
  if (name === "r" && canReason(session, mode)) return enter(state, { kind: "reason", key, gate, draft: createDraft() });
  if (name !== "y") return quiet(toList(state));
  const deed: Effect = action === "stop" ? { do: "act", verb: "stop", key, input: {} } : { do: "act", verb: action, key, gate, input: {} };
  return { state: toList(state), effects: [deed] };
}

/** A refusal takes words with it, and so does a plan that is not approved. */
export const canReason = (session: LiveSession | undefined, { action }: Pick<ModeOf<"confirm">, "action">): boolean =>
  session !== undefined && takesReason(session) && (action === "deny" || (action === "allow" && session.verdict.status === "plan_ready"));

function pressAnswer(state: DashboardState, mode: ModeOf<"answer">, { key, page }: Pressed): Result {
  const { draft, form } = mode;
  const session = findSession(state, mode.key);
  if (draft !== undefined) {
    const { draft: _, ...rest } = mode;
    if (key.name === "esc") return quiet({ ...remember(state, draft.text), mode: rest });
    if (key.name === "enter") return quiet({ ...state, mode: { ...rest, form: writeAnswer(form, draft.text) } });
    const edited = editDraft(draft, key, session === undefined || !isHeld(session));
    return quiet(edited === undefined ? state : { ...state, mode: { ...mode, draft: edited } });
  }
  if (key.name === "esc" || key.name === "q") return quiet(toList(state));
  const outcome = pressForm(form, key.name);
  if (outcome === undefined) {
    const step = scrollStep(key.name, page);
    return quiet(step === undefined ? state : scrollBy(state, step));
  }
  if ("form" in outcome) return quiet({ ...state, scroll: 0, mode: { ...mode, form: outcome.form } });
  if (outcome.do === "write") return quiet({ ...state, mode: { ...mode, draft: createDraft(form.answers[form.at]?.text) } });
  return {
    state: toList(state),
    effects: [{ do: "act", verb: "answer", key: mode.key, gate: mode.gate, input: { choices: choicesOf(form) } }],
  };
}

// --- written -----------------------------------------------------------------------------------------------------

const filterMoves = new Set(["up", "down", "ctrl-p", "ctrl-n", "pageup", "pagedown"]);

function pressText(state: DashboardState, mode: ModeOf<"filter" | "new" | "reason">, { key, page }: Pressed): Result {
  const isFilter = mode.kind === "filter";
  if (key.name === "esc")
    return quiet(isFilter ? clearFilter(toList(state)) : toList(remember(state, mode.kind === "reason" ? mode.draft.text : "")));
  if (key.name === "enter") return submitText(toList(state), mode);
  // The list is there while it is filtered.
  const mover = isFilter && filterMoves.has(key.name) ? rowByKey.get(key.name) : undefined;
  if (mover !== undefined) return mover.press(state, { key, page });
  // A field of claude's dialog has one line; its hook takes any text.
  const session = mode.kind === "reason" ? findSession(state, mode.key) : undefined;
  const draft = editDraft(mode.draft, key, session === undefined || !isHeld(session));
  if (draft === undefined) return quiet(state);
  const next = { ...state, mode: { ...mode, draft } };
  return quiet(isFilter ? keepSelection({ ...next, filter: draft.text }, state) : next);
}

function submitText(state: DashboardState, mode: ModeOf<"filter" | "new" | "reason">): Result {
  const text = mode.draft.text.trim();
  if (mode.kind === "filter") return quiet({ ...state, searched: text === "" ? state.searched : text });
  if (mode.kind === "reason")
    return {
      state: remember(state, mode.draft.text),
      effects: [{ do: "act", verb: "deny", key: mode.key, gate: mode.gate, input: text === "" ? {} : { reason: text } }],
    };
  if (text === "") return quiet(state);
  // The cursor may go to the one that comes.
  const { pressedAt: _, ...rest } = state;
  return { state: { ...rest, isPlaced: true }, effects: [{ do: "act", verb: "new", input: { cwd: text } }] };
}

const clearFilter = (state: DashboardState): DashboardState =>
  keepSelection({ ...state, filter: "", searched: state.filter.trim() === "" ? state.searched : state.filter }, state);

function pressMessage(state: DashboardState, mode: ModeOf<"message">, key: Key): Result {
  const { name } = key;
  if (name === "esc") return quiet(toList(remember(state, mode.draft.text)));
  if (name === "enter") return sendMessage(state, mode);
  const step = { up: -1, "ctrl-p": -1, down: 1, "ctrl-n": 1 }[name];
  if (step !== undefined) {
    const draft = stepLine(mode.draft, step < 0 ? -1 : 1);
    return quiet({ ...state, mode: draft === undefined ? stepHistory(state, mode, step) : { ...mode, draft } });
  }
  const draft = editDraft(mode.draft, key);
  return quiet(draft === undefined ? state : { ...state, mode: { ...mode, draft } });
}

/** What is being written stands behind the newest of the history. */
function stepHistory({ history }: DashboardState, mode: ModeOf<"message">, step: number): ModeOf<"message"> {
  const from = mode.past ?? history.length;
  const past = Math.min(Math.max(from + step, 0), history.length);
  if (past === from) return mode;
  const kept: Draft = mode.past === undefined ? mode.draft : (mode.kept ?? createDraft());
  const { kind, key } = mode;
  return past === history.length ? { kind, key, draft: kept } : { kind, key, past, kept, draft: createDraft(history[past]) };
}

/** What cannot be sent now stays where it can be sent later. */
function sendMessage(state: DashboardState, { key, draft: { text } }: ModeOf<"message">): Result {
  if (text.trim() === "") return quiet(toList(state));
  const session = findSession(state, key);
  const why = whyNot(session, "send");
  if (why !== undefined) return tell(state, why);
  const isQueued = session?.verdict.status === "working";
  return { state: toList(remember(state, text)), effects: [{ do: "act", verb: "send", key, input: { prompt: text, isQueued } }] };
}

// --- read --------------------------------------------------------------------------------------------------------

/** As in less; `J` and `K` where the others choose a session. */
const scrollSteps: Readonly<Record<string, (page: number) => number>> = Object.assign(Object.create(null), {
  ...{ J: () => 1, K: () => -1, j: () => 1, k: () => -1, down: () => 1, up: () => -1, "ctrl-j": () => 1, "ctrl-n": () => 1 },
  ...{ "ctrl-p": () => -1, "wheel-down": () => 3, "wheel-up": () => -3 },
  ...{ pagedown: (page: number) => page, " ": (page: number) => page, "ctrl-f": (page: number) => page },
  ...{ pageup: (page: number) => -page, b: (page: number) => -page, "ctrl-b": (page: number) => -page },
  ...{ "ctrl-d": (page: number) => Math.ceil(page / 2), "ctrl-u": (page: number) => -Math.ceil(page / 2) },
  ...{ g: () => Number.NEGATIVE_INFINITY, home: () => Number.NEGATIVE_INFINITY },
  ...{ G: () => Number.MAX_SAFE_INTEGER, end: () => Number.MAX_SAFE_INTEGER },
});

const scrollStep = (name: string, page: number): number | undefined => scrollSteps[name]?.(page);
/** The view says how far it goes at most. */
const scrollBy = (state: DashboardState, step: number): DashboardState => ({ ...state, scroll: Math.max(0, state.scroll + step) });

function pressHelp(state: DashboardState, { key: { name }, page }: Pressed): Result {
  const step = scrollStep(name, page);
  return quiet(step === undefined ? toList(state) : scrollBy(state, step));
}

// --- the list ----------------------------------------------------------------------------------------------------

const place = (state: DashboardState, selected: string | undefined): DashboardState => ({ ...state, selected, isPlaced: true, scroll: 0 });

const move =
  (step: (page: number, count: number) => number): Press =>
  (state, { page }) => {
    const rows = listRows(state);
    if (rows.length === 0) return quiet(state);
    const index = rows.findIndex((session) => session.key === state.selected);
    const next = Math.min(Math.max(index + step(page, rows.length), 0), rows.length - 1);
    return quiet(place(state, rows[next]?.key));
  };

/** The next session, or the one before, that fits what was searched for last; from the end on to the beginning. */
const moveToMatch =
  (direction: 1 | -1): Press =>
  (state) => {
    const rows = listRows(state);
    const from = rows.findIndex((session) => session.key === state.selected);
    const found = [...rows.keys()]
      .map((step) => rows[(from + direction * (step + 1) + 2 * rows.length) % rows.length])
      .find((session) => session !== undefined && fitsFilter(session, state.searched));
    return found === undefined ? tell(state, `no session fits /${state.searched}`) : quiet(place(state, found.key));
  };

const whyNoMatch = ({ searched }: DashboardState): string | undefined =>
  searched === "" ? "nothing was searched for yet: / does" : undefined;

const scroll =
  (step: (page: number) => number): Press =>
  (state, { page }) =>
    quiet(scrollBy(state, step(page)));

const next = <T>(values: readonly T[], current: T): T => values[(values.indexOf(current) + 1) % values.length] as T;

const why =
  (verb: VerbName | "pane") =>
  (state: DashboardState): string | undefined =>
    whyNot(selectedSession(state), verb);

/** Of a row whose `why` has found nothing against it. */
const onSelected =
  (act: (state: DashboardState, session: LiveSession) => Result): Press =>
  (state) => {
    const session = selectedSession(state);
    return session === undefined ? quiet(state) : act(state, session);
  };

/** What `a` does for the session under the cursor: a question is answered, in a message where its turn is over. */
function answerVerb(session: LiveSession | undefined): VerbName {
  if (session?.verdict.status !== "awaiting_answer") return "allow";
  return session.verdict.gate === "question" ? "answer" : "send";
}

const answerWord = (session: LiveSession | undefined): string =>
  answerVerb(session) !== "allow" ? "answer" : session?.verdict.status === "plan_ready" ? "approve" : "allow";

const answer: Press = onSelected((state, session) => {
  const { key, verdict } = session;
  const verb = answerVerb(session);
  const gate = gateOf(session) ?? "";
  const form = verb === "answer" && verdict.status === "awaiting_answer" ? createForm(verdict.questions) : undefined;
  if (verb === "send") return enter(state, { kind: "message", key, draft: createDraft() });
  return enter(state, form === undefined ? { kind: "confirm", action: "allow", key, gate } : { kind: "answer", key, gate, form });
});

const confirm = (action: "deny" | "stop"): Press =>
  onSelected((state, session) => enter(state, { kind: "confirm", action, key: session.key, gate: gateOf(session) ?? "" }));

const writeMessage: Press = onSelected((state, { key }) => enter(state, { kind: "message", key, draft: createDraft() }));
const focus: Press = onSelected((state, session) => ({ state, effects: [{ do: "focus", key: session.key }] }));
const copyId: Press = onSelected((state, { sessionId = "" }) => ({ state, effects: [{ do: "copy", text: sessionId }] }));
const whyNoId = (state: DashboardState): string | undefined => {
  const session = selectedSession(state);
  if (session === undefined) return "no session is selected";
  return session.sessionId === undefined ? `${session.name} has no id yet` : undefined;
};

const click: Press = (state, { hitKey }) => {
  if (hitKey === undefined) return quiet(state);
  return quiet(hitKey === state.selected ? { ...place(state, hitKey), hasDetail: true } : place(state, hitKey));
};

/** A page of the detail where it is open, else of the list. */
const turnPage =
  (part: number): Press =>
  (state, pressed) =>
    (state.hasDetail ? scroll : move)((page) => Math.sign(part) * Math.ceil(page * Math.abs(part)))(state, pressed);

const showDetail =
  (isShown: (state: DashboardState) => boolean): Press =>
  (state) =>
    quiet({ ...state, hasDetail: isShown(state), scroll: 0 });

const goBack: Press = (state) => quiet(state.hasDetail ? { ...state, hasDetail: false, scroll: 0 } : clearFilter(state));

const set =
  (change: (state: DashboardState) => Partial<DashboardState>): Press =>
  (state) =>
    quiet({ ...state, ...change(state) });

const have =
  (effect: Effect): Press =>
  (state) => ({ state, effects: [effect] });

const choosing = "choose a session; the cursor stays with it";
const detail = "its detail, and back";
const scrolling = "scroll the detail, and what is asked";
const halving = "half a page";
const matching = "the next that fits what / was last, the one before";

/** A new key is a row here. The order is the footer's, of which a narrow screen shows the beginning. */
export const keyRows: readonly KeyRow[] = [
  { keys: ["up", "k", "wheel-up", "ctrl-p"], label: "↑/k", part: "move", note: choosing, press: move(() => -1) },
  { keys: ["down", "j", "wheel-down", "ctrl-n", "ctrl-j"], label: "↓/j", part: "move", note: choosing, press: move(() => 1) },
  { keys: ["g", "home"], part: "move", note: choosing, press: move((_, count) => -count) },
  { keys: ["G", "end"], part: "move", note: choosing, press: move((_, count) => count) },
  { keys: ["n"], part: "move", note: matching, why: whyNoMatch, press: moveToMatch(1) },
  { keys: ["N"], part: "move", note: matching, why: whyNoMatch, press: moveToMatch(-1) },
  {
    keys: ["a"],
    part: "act",
    note: "allow what it asks, once; approve its plan; answer its questions",
    word: (state) => answerWord(selectedSession(state)),
    why: (state) => whyNot(selectedSession(state), answerVerb(selectedSession(state))),
    press: answer,
  },
  { keys: ["d"], part: "act", note: "refuse what it asks, also with a reason", word: "deny", why: why("deny"), press: confirm("deny") },
  {
    keys: [" "],
    label: "space",
    part: "move",
    note: detail,
    word: ({ hasDetail }) => (hasDetail ? "list" : "detail"),
    press: showDetail(({ hasDetail }) => !hasDetail),
  },
  { keys: ["right", "l"], label: "→/l", part: "move", note: detail, press: showDetail(() => true) },
  { keys: ["left", "h"], label: "←/h", part: "move", note: detail, press: showDetail(() => false) },
  { keys: ["click"], part: "move", note: "choose a session; once more for its detail", press: click },
  { keys: ["J"], part: "move", note: scrolling, press: scroll(() => 1) },
  { keys: ["K"], part: "move", note: scrolling, press: scroll(() => -1) },
  { keys: ["pagedown", "ctrl-f"], label: "pgdn", part: "move", note: scrolling, press: turnPage(1) },
  { keys: ["pageup", "ctrl-b"], label: "pgup", part: "move", note: scrolling, press: turnPage(-1) },
  { keys: ["ctrl-d"], part: "move", note: halving, press: turnPage(0.5) },
  { keys: ["ctrl-u"], part: "move", note: halving, press: turnPage(-0.5) },
  { keys: ["esc"], part: "move", note: "back from the detail; else clear the filter", press: goBack },
  {
    keys: ["enter"],
    part: "act",
    note: "go to its pane, where tmux's prefix and d come back, or to its window",
    word: "pane",
    why: why("pane"),
    press: focus,
  },
  {
    keys: ["m"],
    part: "act",
    note: "send it a message; alt-enter makes a new line, ↑ brings back the last",
    word: "message",
    why: why("send"),
    press: writeMessage,
  },
  {
    keys: ["/"],
    part: "arrange",
    note: "filter by name, folder, branch, model, state …",
    word: "filter",
    press: (state) => enter(state, { kind: "filter", draft: createDraft(state.filter) }),
  },
  { keys: ["?"], part: "leave", note: "this page", word: "keys", press: (state) => enter(state, { kind: "help" }) },
  { keys: ["x"], part: "act", note: "stop it; asks first", word: "stop", why: why("stop"), press: confirm("stop") },
  { keys: ["q"], part: "leave", note: "quit", word: "quit", press: have({ do: "quit" }) },
  {
    keys: ["c"],
    part: "act",
    note: "start a session in a folder",
    word: "new",
    press: (state) => enter(state, { kind: "new", draft: createDraft(selectedSession(state)?.cwd) }),
  },
  { keys: ["y"], part: "act", note: "copy its id to the clipboard", why: whyNoId, press: copyId },
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
    keys: ["X"],
    part: "arrange",
    note: "forget those that have ended",
    press: (state) => quiet(keepSelection({ ...state, ended: [] }, state)),
  },
  { keys: ["ctrl-c"], part: "leave", note: "quit", isEverywhere: true, press: have({ do: "quit" }) },
  { keys: ["ctrl-z"], part: "leave", note: "suspend", isEverywhere: true, press: have({ do: "suspend" }) },
  { keys: ["ctrl-l"], part: "leave", note: "redraw", isEverywhere: true, press: have({ do: "redraw" }) },
];

const rowByKey = new Map(keyRows.flatMap((row) => row.keys.map((key) => [key, row] as const)));
