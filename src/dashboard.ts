import type { Actions, InputOf } from "./actions.ts";
import { reduce } from "./dashboard-keys.ts";
import { createDashboardState, type DashboardState, type Effect } from "./dashboard-state.ts";
import type { Theme } from "./dashboard-theme.ts";
import { type Frame, renderDashboard } from "./dashboard-view.ts";
import { UserError } from "./errors.ts";
import { present } from "./json.ts";
import type { LiveSession } from "./session.ts";
import type { Sys } from "./sys.ts";
import { openTerminal, type Terminal } from "./tty.ts";
import type { VerbName } from "./verbs.ts";
import type { Feed } from "./watch.ts";

/** Writes what is drawn as an asciicast (version 2), which `asciinema play` shows. */
export function createRecorder(sys: Pick<Sys, "now" | "overwrite" | "appendPrivate" | "env">, path: string) {
  let startedAt: number | undefined;
  // A path that cannot be written is told of before the screen is taken.
  sys.overwrite(path, "");
  let lastSize = "";
  return (text: string, size: { columns: number; rows: number }): void => {
    const now = sys.now();
    if (startedAt === undefined) {
      startedAt = now;
      const header = {
        version: 2,
        width: size.columns,
        height: size.rows,
        timestamp: Math.floor(now / 1000),
        env: { TERM: sys.env.TERM ?? "" },
      };
      sys.overwrite(path, `${JSON.stringify(header)}\n`);
    }
    const at = (now - startedAt) / 1000;
    const current = `${size.columns}x${size.rows}`;
    const resize = lastSize !== "" && lastSize !== current ? `${JSON.stringify([at, "r", current])}\n` : "";
    lastSize = current;
    sys.appendPrivate(path, `${resize}${JSON.stringify([at, "o", text])}\n`);
  };
}

export interface DashboardOptions {
  sys: Sys;
  feed: Feed<LiveSession>;
  /** Is told, with each picture, which rows of many are wanted. */
  narrow?: (order: Pick<DashboardState, "filter" | "sort">) => void;
  actions: Actions;
  theme: Theme;
  home: string;
  title?: string;
  /** Lines below the title, asked for at each picture. */
  banner?: () => readonly string[];
  /** What rules and budgets do, and how they stand. */
  rules?: { badge(): DashboardState["rules"]; onDeed(tell: (text: string, isError: boolean) => void): void };
  hasMouse?: boolean;
  /** Is told everything that is drawn. */
  record?: (text: string, size: { columns: number; rows: number }) => void;
}

/** Without a file event everything is looked at again after this time. */
const safetyPollMs = 2000;
/** So long the first picture waits for the first look. */
const firstLookMs = 3000;
/** Ages are counted in seconds. */
const clockMs = 1000;

/** The dashboard until it is left; the terminal is as before then, whatever happened. */
export async function runDashboard(options: DashboardOptions): Promise<void> {
  const { sys, feed, record } = options;
  const terminal = openTerminal({
    hasMouse: options.hasMouse === true,
    ...present({ onOutput: record }),
  });
  const stopListening = sys.onInterrupt(() => terminal.close());
  try {
    await loop(options, terminal);
  } finally {
    stopListening();
    terminal.close();
    feed.close();
  }
}

async function loop(options: DashboardOptions, terminal: Terminal): Promise<void> {
  const { sys, feed } = options;
  let state = createDashboardState(sys.now());
  let frame: Frame = { lines: [], hits: [], maxScroll: 0, page: 1 };
  let isOpen = true;
  let failure: unknown;

  const dispatch = (event: Parameters<typeof reduce>[1]) => {
    const result = reduce(state, event);
    state = result.state;
    for (const effect of result.effects) perform(effect);
  };
  const told = (text: string, isError = false) => {
    dispatch({ kind: "told", text, isError, now: sys.now() });
    terminal.wake();
  };
  const fail = (error: unknown) => {
    if (error instanceof UserError) return told(`${error.message}${error.hint === undefined ? "" : `; ${error.hint}`}`, true);
    failure = error;
    isOpen = false;
    terminal.wake();
  };
  options.rules?.onDeed(told);
  const find = (key: string) => state.sessions.find((session) => session.key === key);
  const hands: Hands = { options, terminal, find, told, notice: { isGiven: false, isUp: false } };
  const perform = (effect: Effect) => {
    if (effect.do === "quit") isOpen = false;
    else void carryOut(effect, hands).catch(fail);
  };
  const { promise: firstLook, resolve: seen } = Promise.withResolvers<void>();
  // One after another: the next look begins when this one has been drawn or passed over.
  const follow = async () => {
    while (isOpen) {
      const { sessions, hidden = 0, runs = [], beyond } = await feed.read();
      dispatch({ kind: "sessions", sessions, hidden, runs, now: sys.now(), ...present({ beyond }) });
      seen();
      terminal.wake();
      await feed.next(safetyPollMs);
    }
  };
  const following = follow().catch(fail);
  // An empty list before anybody has looked would say that there is nothing.
  await Promise.race([firstLook, following, sys.sleep(firstLookMs)]);
  while (isOpen) {
    dispatch({ kind: "time", now: sys.now(), ...present({ rules: options.rules?.badge() }) });
    options.narrow?.(state);
    const { theme, home, title } = options;
    const size = { columns: terminal.columns(), rows: terminal.rows() };
    frame = renderDashboard(state, { ...size, theme, home, ...present({ title, banner: options.banner?.() }) });
    state = { ...state, scroll: Math.min(state.scroll, frame.maxScroll) };
    terminal.draw(frame.lines);
    const key = await terminal.readKey(clockMs - (sys.now() % clockMs) + 1);
    if (key !== undefined) dispatch({ kind: "key", key, page: frame.page, hitKey: frame.hits[(key.row ?? 0) - 1] });
  }
  feed.close();
  if (failure !== undefined) throw failure;
  // The look that is under way ends by itself; nobody waits for it.
  void following;
}

interface Hands {
  options: DashboardOptions;
  terminal: Terminal;
  find(key: string): LiveSession | undefined;
  told(text: string, isError?: boolean): void;
  /** How to come back from a pane: told once for long enough to be read; up while a pane is about to be shown. */
  notice: { isGiven: boolean; isUp: boolean };
}

/** So long the words on how to come back stand before the first pane that is shown. */
const noticeMs = 1500;

async function carryOut(effect: Exclude<Effect, { do: "quit" }>, hands: Hands): Promise<void> {
  const { options, terminal, find, told } = hands;
  switch (effect.do) {
    case "suspend":
      await terminal.suspend();
      return terminal.wake();
    case "redraw":
      await terminal.lend(() => undefined);
      return terminal.wake();
    case "act": {
      const session = effect.key === undefined ? undefined : find(effect.key);
      return told(await options.actions.act<VerbName>(effect.verb, session, effect.input as InputOf<VerbName>, effect.gate));
    }
    case "copy":
      copyId(terminal, effect.text);
      return told(`copied ${effect.text}, where the terminal allows it`);
    case "focus":
      return showSession(effect.key, hands);
  }
}

async function showSession(key: string, { options: { sys, actions }, terminal, find, told, notice }: Hands): Promise<void> {
  const session = find(key);
  if (session === undefined) throw new UserError("the session has ended");
  if (notice.isUp) return;
  notice.isUp = true;
  try {
    const plan = await actions.planFocus(session);
    if ("bring" in plan) {
      await plan.bring();
      return told(`${session.name} is in front, in ${plan.title}`);
    }
    told(`${session.name} opens here; ${plan.leaveKeys} comes back to this list`);
    if (!notice.isGiven) await sys.sleep(noticeMs);
    notice.isGiven = true;
    if (plan.isInPlace) await actions.show(plan);
    else await terminal.lend(() => actions.show(plan));
  } finally {
    notice.isUp = false;
  }
  terminal.wake();
}

/** Only an id of our own making reaches the clipboard, never a text of somebody else's. */
function copyId(terminal: Terminal, id: string): void {
  if (!/^[0-9a-f-]{1,64}$/i.test(id)) throw new UserError(`not an id: ${JSON.stringify(id)}`);
  terminal.send(`\u001b]52;c;${Buffer.from(id).toString("base64")}\u0007`);
}
