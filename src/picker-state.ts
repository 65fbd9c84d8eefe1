import type { Key } from "./tty-keys.ts";

/** A line of a list to choose from; its texts are printable. */
export interface PickerRow {
  id: string;
  /** Short facts that stand in columns before the title; none for a row that is an action of its own. */
  cells: string[];
  title: string;
  /** Somebody has it open. */
  isLive?: boolean;
  /** What typed words are looked for in, in lower case. */
  search: string;
}

/** What to do with a row that cannot simply be opened. */
export interface PickerMenu {
  rowId: string;
  question: string;
  options: { id: string; label: string }[];
  cursor: number;
}

export interface PickerState {
  rows: readonly PickerRow[];
  /** The row that Enter takes when nothing was typed or moved. */
  defaultId?: string;
  query: string;
  /** Rows whose further texts hold a typed word, by word. */
  found: ReadonlyMap<string, ReadonlySet<string>>;
  /** Undefined until the user moves. */
  cursorId?: string;
  menu?: PickerMenu;
  /** How far the reading of further rows has come. */
  progress?: { read: number; total: number };
}

export type PickerOutcome = { kind: "chosen"; rowId: string; optionId?: string } | { kind: "cancelled" };

export const emptyPicker: PickerState = { rows: [], query: "", found: new Map() };

export const queryWords = (query: string): string[] =>
  query
    .toLowerCase()
    .split(/\s+/)
    .filter((word) => word !== "");

/** Rows that hold each typed word; those that hold them all in what is shown come first, else the order stays. */
export function pickVisible({ rows, query, found }: PickerState): PickerRow[] {
  const words = queryWords(query);
  if (words.length === 0) return [...rows];
  const shown = rows.filter((row) => words.every((word) => isIn(row, word)));
  const isShown = new Set(shown);
  const rest = rows.filter((row) => !isShown.has(row) && words.every((word) => isIn(row, word) || found.get(word)?.has(row.id) === true));
  return [...shown, ...rest];
}

/** Shorter ones begin many an id by chance. */
const minIdLength = 3;

const isIn = (row: PickerRow, word: string): boolean =>
  row.search.includes(word) || (word.length >= minIdLength && row.id.startsWith(word));

/** The place of the cursor among the visible rows; -1 when there are none. */
export function pickCursor(state: PickerState, visible: readonly PickerRow[]): number {
  const wanted = [state.cursorId, state.query === "" ? state.defaultId : undefined];
  for (const id of wanted) {
    const at = visible.findIndex((row) => row.id === id);
    if (at >= 0) return at;
  }
  return visible.length > 0 ? 0 : -1;
}

/** What a key makes of the state. `page` is the number of rows on the screen. */
export function pressKey(state: PickerState, key: Key, page: number): { state: PickerState; outcome?: PickerOutcome } {
  if (key.name === "ctrl-c" || key.name === "ctrl-g") return { state, outcome: { kind: "cancelled" } };
  if (state.menu !== undefined) return pressInMenu(state, state.menu, key);
  if (key.name === "esc") return { state, outcome: { kind: "cancelled" } };
  const visible = pickVisible(state);
  const cursor = pickCursor(state, visible);
  if (key.name === "enter") {
    const row = visible[cursor];
    // Nothing matches: to start something else than what was typed would be worse than nothing.
    return row === undefined ? { state } : { state, outcome: { kind: "chosen", rowId: row.id } };
  }
  const step = steps[key.name];
  if (step !== undefined) return { state: moveTo(state, visible, step(cursor, page, visible.length)) };
  const query = editQuery(state.query, key);
  if (query === state.query) return { state };
  const { cursorId: _, ...rest } = state;
  return { state: { ...rest, query } };
}

const steps: Readonly<Record<string, (cursor: number, page: number, count: number) => number>> = {
  up: (cursor) => cursor - 1,
  "ctrl-p": (cursor) => cursor - 1,
  "wheel-up": (cursor) => cursor - 1,
  down: (cursor) => cursor + 1,
  "ctrl-n": (cursor) => cursor + 1,
  "wheel-down": (cursor) => cursor + 1,
  pageup: (cursor, page) => cursor - page,
  pagedown: (cursor, page) => cursor + page,
  home: () => 0,
  end: (_, __, count) => count - 1,
};

function moveTo(state: PickerState, visible: readonly PickerRow[], wanted: number): PickerState {
  const row = visible[Math.min(visible.length - 1, Math.max(0, wanted))];
  return row === undefined ? state : { ...state, cursorId: row.id };
}

const maxQuery = 200;

function editQuery(query: string, { name, text }: Key): string {
  if (name === "backspace") return [...query].slice(0, -1).join("");
  if (name === "ctrl-u") return "";
  if (name === "ctrl-w") return query.replace(/\S*\s*$/, "");
  const typed = name === "paste" ? (text ?? "").replace(/[\p{Cc}\s]+/gu, " ") : [...name].length === 1 ? name : "";
  return [...(query + typed)].slice(0, maxQuery).join("");
}

function pressInMenu(state: PickerState, menu: PickerMenu, { name }: Key): { state: PickerState; outcome?: PickerOutcome } {
  const move = name === "up" || name === "ctrl-p" ? -1 : name === "down" || name === "ctrl-n" || name === "tab" ? 1 : 0;
  if (move !== 0) {
    const cursor = (menu.cursor + move + menu.options.length) % menu.options.length;
    return { state: { ...state, menu: { ...menu, cursor } } };
  }
  if (name === "esc" || name === "backspace") {
    const { menu: _, ...rest } = state;
    return { state: rest };
  }
  const option = name === "enter" ? menu.options[menu.cursor] : menu.options.find(({ label }) => label.toLowerCase().startsWith(name));
  return option === undefined ? { state } : { state, outcome: { kind: "chosen", rowId: menu.rowId, optionId: option.id } };
}
