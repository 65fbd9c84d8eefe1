import { fit, fitWhole, type Paint, width } from "./format.ts";
import { type PickerMenu, type PickerRow, type PickerState, pickCursor, pickVisible } from "./picker-state.ts";

interface PickerFrame {
  columns: number;
  rows: number;
  paint: Paint;
  /** What one chooses among, and where. */
  title: string;
  /** Stands in the empty line of the query. */
  hint: string;
  /** Of the row under the cursor, printable; the end of it is shown. */
  preview: readonly string[];
}

/** Below this height the list gets all the room. */
const minRowsForPreview = 14;
/** Title, query, rule above the list, and keys below it. */
const frameRows = 4;

/** How many rows of the list fit on the screen. */
export const pageOf = (rows: number): number => Math.max(1, rows - frameRows - previewRows(rows));

/** With its rule. */
const previewRows = (rows: number): number => (rows < minRowsForPreview ? 0 : Math.min(12, Math.floor(rows * 0.4)));

/** Exactly as many lines as the screen has, none wider than it. */
export function renderPicker(state: PickerState, frame: PickerFrame): string[] {
  const { columns, rows, paint } = frame;
  const visible = pickVisible(state);
  const cursor = pickCursor(state, visible);
  const page = pageOf(rows);
  const top = scrollTop(cursor, page, visible.length);
  const list = visible.slice(top, top + page);
  const widths = columnWidths(list);
  const lines = [
    renderTitle(state, visible.length, frame),
    renderQuery(state.query, frame),
    paint("dim", "─".repeat(columns)),
    ...list.map((row, index) => renderRow(row, widths, top + index === cursor, frame)),
    ...(visible.length === 0 ? [paint("dim", fit("  nothing matches", columns))] : []),
  ];
  const below = state.menu === undefined ? renderPreview(frame) : renderMenu(state.menu, frame);
  const blank = Math.max(0, rows - lines.length - below.length - 1);
  // A low screen shows the menu over the end of the list.
  const above = [...lines, ...Array<string>(blank).fill("")].slice(0, Math.max(0, rows - below.length - 1));
  return [...above, ...below, paint("dim", fitWhole(state.menu === undefined ? keyHelp : menuHelp, columns, " · "))].slice(0, rows);
}

const keyHelp = ["↑↓ move", "type to filter", "enter open", "esc cancel"];
const menuHelp = ["↑↓ move", "enter choose", "esc back to the list", "ctrl-c cancel"];

/** The cursor stays in the middle of a list that is longer than the screen. */
const scrollTop = (cursor: number, page: number, count: number): number =>
  Math.max(0, Math.min(cursor - Math.floor(page / 2), count - page));

const minColumnsForState = 30;

function renderTitle({ progress, rows }: PickerState, visible: number, { title, columns, paint }: PickerFrame): string {
  const count = visible === rows.length ? "" : `${visible} of ${rows.length}`;
  const state = progress === undefined ? count : `reading ${progress.read} of ${progress.total} …`;
  const right = columns < minColumnsForState ? "" : state;
  const left = fit(title, Math.max(1, columns - width(right) - 1));
  return `${paint("bold", left)}${" ".repeat(Math.max(0, columns - width(left) - width(right)))}${paint("dim", fit(right, columns))}`;
}

function renderQuery(query: string, { columns, paint, hint }: PickerFrame): string {
  if (query === "") return `${paint("cyan", "❯")} ${paint("dim", fit(hint, columns - 2))}`;
  // The end is where one types.
  let shown = query;
  while (width(shown) > Math.max(0, columns - 4)) shown = [...shown].slice(1).join("");
  return `${paint("cyan", "❯")} ${shown}▏`;
}

const columnWidths = (rows: readonly PickerRow[]): number[] => {
  const count = Math.max(0, ...rows.map((row) => row.cells.length));
  return Array.from({ length: count }, (_, index) => Math.max(...rows.map((row) => width(row.cells[index] ?? ""))));
};

function renderRow(row: PickerRow, widths: readonly number[], isCursor: boolean, { columns, paint }: PickerFrame): string {
  const mark = isCursor ? paint("cyan", "❯ ") : "  ";
  const cells = row.cells.map((cell, index) => cell + " ".repeat(Math.max(0, (widths[index] ?? 0) - width(cell))));
  // Half of a narrow screen is left to the title.
  const facts = row.cells.length === 0 ? "" : `${fit(cells.join("  "), Math.max(1, Math.floor((columns - 4) / 2)))}  `;
  const badge = row.isLive === true ? "● live  " : "";
  const title = fit(row.title, Math.max(1, columns - 2 - width(facts) - width(badge)));
  return `${mark}${paint("dim", facts)}${badge === "" ? "" : paint("green", badge)}${isCursor ? paint("bold", title) : title}`;
}

function renderPreview({ rows, columns, paint, preview }: PickerFrame): string[] {
  const height = previewRows(rows);
  if (height === 0) return [];
  const lines = preview.slice(-(height - 1)).map((line) => {
    const text = fit(line, columns - 2);
    return `  ${line.startsWith("> ") ? paint("cyan", text) : text}`;
  });
  return [paint("dim", "─".repeat(columns)), ...lines, ...Array<string>(height - 1 - lines.length).fill("")];
}

function renderMenu({ question, options, cursor }: PickerMenu, { columns, paint }: PickerFrame): string[] {
  const lines = options.map(({ label }, index) => {
    const text = fit(label, columns - 4);
    return index === cursor ? `  ${paint("cyan", "❯")} ${paint("bold", text)}` : `    ${text}`;
  });
  return [paint("dim", "─".repeat(columns)), paint("yellow", fit(`  ${question}`, columns)), ...lines];
}
