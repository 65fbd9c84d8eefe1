import type { Paint } from "./format.ts";
import {
  emptyPicker,
  type PickerMenu,
  type PickerOutcome,
  type PickerState,
  pickCursor,
  pickVisible,
  pressKey,
  queryWords,
} from "./picker-state.ts";
import { pageOf, renderPicker } from "./picker-view.ts";
import { openTerminal } from "./tty.ts";

/** Where the rows of a picker come from. */
export interface PickerSource {
  title: string;
  hint: string;
  /** As they are known now. */
  rows(): Pick<PickerState, "rows" | "defaultId" | "progress">;
  /** Reads a little more, at most some tens of milliseconds; false when all is read. */
  readMore?(): boolean;
  /** Looks again at what changes by itself. */
  refresh?(): Promise<void>;
  /** Rows with a word in texts that are not shown. */
  search?(word: string): ReadonlySet<string>;
  preview?(rowId: string): readonly string[];
  /** What to ask before a row is taken; undefined to take it at once. */
  menu?(rowId: string): Promise<Omit<PickerMenu, "rowId" | "cursor"> | undefined>;
}

const refreshMs = 2000;

/** Lets the user choose a row; the terminal is as it was whatever the end. */
export async function runPicker(source: PickerSource, paint: Paint): Promise<PickerOutcome> {
  const terminal = openTerminal();
  try {
    let state: PickerState = { ...emptyPicker, ...source.rows() };
    let hasMore = source.readMore !== undefined;
    for (;;) {
      terminal.draw(renderState(state, source, paint, terminal.columns(), terminal.rows()));
      const key = await terminal.readKey(hasMore ? 0 : refreshMs);
      if (key === undefined) {
        if (hasMore) hasMore = source.readMore?.() ?? false;
        else await source.refresh?.();
        state = withFound(withRows(state, source), source);
        continue;
      }
      const pressed = pressKey(state, key, pageOf(terminal.rows()));
      state = withFound(pressed.state, source);
      const { outcome } = pressed;
      if (outcome === undefined) continue;
      if (outcome.kind === "cancelled" || outcome.optionId !== undefined) return outcome;
      const menu = await source.menu?.(outcome.rowId);
      if (menu === undefined) return outcome;
      state = { ...state, menu: { ...menu, rowId: outcome.rowId, cursor: 0 } };
    }
  } finally {
    terminal.close();
  }
}

function withRows(state: PickerState, source: PickerSource): PickerState {
  const { progress: _, ...rest } = state;
  return { ...rest, ...source.rows() };
}

/** Texts are searched once for each typed word, and again when there are more of them. */
function withFound(state: PickerState, source: PickerSource): PickerState {
  if (source.search === undefined) return state;
  const found = new Map<string, ReadonlySet<string>>();
  for (const word of queryWords(state.query))
    found.set(word, (state.progress === undefined ? state.found.get(word) : undefined) ?? source.search(word));
  return { ...state, found };
}

function renderState(state: PickerState, source: PickerSource, paint: Paint, columns: number, rows: number): string[] {
  const visible = pickVisible(state);
  const row = visible[pickCursor(state, visible)];
  const preview = row === undefined ? [] : (source.preview?.(row.id) ?? []);
  return renderPicker(state, { columns, rows, paint, title: source.title, hint: source.hint, preview });
}
