import { printableLine } from "./printable.ts";

/** Columns a text takes in a terminal; wide characters count two. */
export const width = (text: string): number => Bun.stringWidth(text);

/** Cut to at most `columns`, with an ellipsis where something was lost. */
export function fit(text: string, columns: number): string {
  // Most texts are plain, and a segmenter costs more than all the rest.
  if (plain.test(text)) return text.length <= columns ? text : `${text.slice(0, Math.max(0, columns - 1))}…`;
  if (width(text) <= columns) return text;
  let kept = "";
  for (const { segment } of new Intl.Segmenter().segment(text)) {
    if (width(kept + segment) > columns - 1) break;
    kept += segment;
  }
  return `${kept}…`;
}

const plain = /^[\x20-\x7e]*$/;

/** As many of the parts as there is room for, each whole; only the first is cut where it has none. */
export function fitWhole(parts: readonly string[], columns: number, between: string): string {
  let line = fit(parts[0] ?? "", columns);
  for (const part of parts.slice(1)) {
    if (width(line) + width(between) + width(part) > columns) break;
    line += between + part;
  }
  return line;
}

/** Broken at blanks into lines of at most `columns`; a longer word stays whole. Lines that are there stay apart. */
export const wrap = (text: string, columns: number): string[] => Bun.wrapAnsi(text, columns, { hard: false, trim: true }).split("\n");

/** `text` behind `head`, in lines of at most `columns`; those after the first stand below its beginning, with 20 columns at least. */
export function hang(head: string, text: string, columns = Number.POSITIVE_INFINITY): string[] {
  const room = Math.max(20, columns - head.length);
  const lines = text.length <= room ? [text] : wrap(text, room);
  return lines.map((line, index) => (index === 0 ? head : " ".repeat(head.length)) + line);
}

/** Lines of at most `columns`, without exception: broken between words where that is possible, and never inside a character. */
export function fold(text: string, columns: number): string[] {
  return text.split("\n").flatMap((line) => (plain.test(line) ? foldPlain(line, columns) : foldWide(line, columns)));
}

const foldPlain = (line: string, columns: number): string[] =>
  line.length <= columns ? [line] : Bun.wrapAnsi(line, columns, { hard: true, trim: false }).split("\n");

function foldWide(line: string, columns: number): string[] {
  const lines: string[] = [];
  let kept = "";
  for (const { segment } of new Intl.Segmenter().segment(line)) {
    if (width(kept + segment) > columns && kept !== "") {
      const blankAt = segment === " " ? -1 : kept.lastIndexOf(" ");
      const end = blankAt > 0 ? blankAt + 1 : kept.length;
      lines.push(kept.slice(0, end));
      kept = kept.slice(end);
    }
    kept += segment;
  }
  return [...lines, kept];
}

/** As people write a path below their home. */
export const belowHome = (path: string, home: string | undefined): string =>
  home !== undefined && path.startsWith(home) && /^[/\\]/.test(path.slice(home.length)) ? `~${path.slice(home.length)}` : path;

/** The home itself, too. */
export const shownPath = (path: string, home: string): string => (path === home ? "~" : belowHome(path, home));

/** Cut in the middle of a path, keeping its end, which tells folders apart. */
export function fitPath(path: string, columns: number): string {
  if (width(path) <= columns) return path;
  let kept = "";
  for (const { segment } of [...new Intl.Segmenter().segment(path)].reverse()) {
    if (width(segment + kept) > columns - 1) break;
    kept = segment + kept;
  }
  return `…${kept}`;
}

const units: [letter: string, ms: number][] = [
  ["d", 86_400_000],
  ["h", 3_600_000],
  ["m", 60_000],
  ["s", 1000],
];

/** A length of time in its one or two largest units: `3s`, `2m 10s`, `5h 3m`. */
export function duration(ms: number): string {
  let rest = Math.max(0, Math.floor(ms / 1000) * 1000);
  const parts: string[] = [];
  for (const [letter, size] of units) {
    const count = Math.floor(rest / size);
    rest -= count * size;
    if (count > 0 || parts.length > 0) parts.push(`${count}${letter}`);
  }
  if (parts.length === 0) return "0s";
  return parts
    .slice(0, 2)
    .filter((part, index) => index === 0 || !part.startsWith("0"))
    .join(" ");
}

/** A moment by the one rule of the public JSON: `<what>_at` in epoch ms and `<what>_time` in ISO. Both are null where it is not known. */
export const timed = <W extends string>(what: W, at: number | null | undefined) =>
  ({ [`${what}_at`]: typeof at === "number" ? Math.floor(at) : null, [`${what}_time`]: isoTime(at ?? undefined) }) as {
    [K in `${W}_at`]: number | null;
  } & {
    [K in `${W}_time`]: string | null;
  };

/** ISO 8601; null for no time, and for one that no date can be made of. */
export function isoTime(at: number | undefined): string | null {
  const date = new Date(at ?? Number.NaN);
  return Number.isNaN(date.getTime()) ? null : date.toISOString();
}

export interface Column {
  title: string;
  /** Shrinks to this width, last column first, when the table is wider than the terminal. */
  minWidth?: number;
  fit?: (text: string, columns: number) => string;
  /** Styles a cell that is cut already; rows count from 0. */
  paint?: (text: string, row: number) => string;
}

export interface DroppableColumn extends Column {
  /** The higher, the sooner it leaves a narrow terminal; 0 stays. */
  drop: number;
}

/** Which of the columns say something, and find room when each is as narrow as it may be. */
export function keepColumns(
  columns: readonly DroppableColumn[],
  rows: readonly (readonly string[])[],
  maxWidth = Number.POSITIVE_INFINITY,
): number[] {
  const least = columns.map(({ title, minWidth }, index) => {
    const natural = Math.max(title.length, ...rows.map((row) => width(printableLine(row[index] ?? ""))));
    return Math.min(natural, minWidth ?? natural);
  });
  let kept = [...columns.keys()].filter((index) => rows.some((row) => row[index] !== ""));
  const dropOf = (index: number) => columns[index]?.drop ?? 0;
  const total = () => kept.reduce((sum, index) => sum + (least[index] ?? 0) + 2, -2);
  while (total() > maxWidth && kept.some((index) => dropOf(index) > 0)) {
    const last = Math.max(...kept.map(dropOf));
    kept = kept.filter((index) => dropOf(index) < last);
  }
  return kept;
}

/** Left-aligned table without trailing blanks; `maxWidth` undefined means as wide as it needs. */
export function table(columns: Column[], rows: string[][], maxWidth?: number): string[] {
  const cells = [columns.map((column) => column.title), ...rows.map((row) => row.map(printableLine))];
  const widths = columns.map((_, index) => Math.max(...cells.map((row) => width(row[index] ?? ""))));
  if (maxWidth !== undefined) {
    shrink(widths, columns, maxWidth);
    clip(widths, maxWidth);
  }
  return cells.map((row, line) =>
    row
      .map((cell, index) => {
        const columnWidth = widths[index] ?? 0;
        const column = columns[index];
        const text = columnWidth === 0 ? "" : (column?.fit ?? fit)(cell, columnWidth);
        const painted = line === 0 ? text : (column?.paint?.(text, line - 1) ?? text);
        return painted + " ".repeat(Math.max(0, columnWidth - width(text)));
      })
      .join("  ")
      .trimEnd(),
  );
}

function shrink(widths: number[], columns: Column[], maxWidth: number): void {
  let excess = widths.reduce((sum, columnWidth) => sum + columnWidth, 0) + 2 * (widths.length - 1) - maxWidth;
  for (let index = widths.length - 1; index >= 0 && excess > 0; index--) {
    const columnWidth = widths[index] ?? 0;
    const minWidth = columns[index]?.minWidth;
    if (minWidth === undefined || columnWidth <= minWidth) continue;
    const taken = Math.min(excess, columnWidth - minWidth);
    widths[index] = columnWidth - taken;
    excess -= taken;
  }
}

/** Where even the least is too wide, what stands furthest to the right goes first: a row is one line. */
function clip(widths: number[], maxWidth: number): void {
  let room = maxWidth;
  for (const [index, columnWidth] of widths.entries()) {
    widths[index] = Math.max(0, Math.min(columnWidth, room));
    room -= columnWidth + 2;
  }
}

const ansi = { bold: "1", dim: "2", red: "31", green: "32", yellow: "33", blue: "34", magenta: "35", cyan: "36" } as const;
export type Style = keyof typeof ansi;
export type Paint = (style: Style, text: string) => string;

export const createPaint =
  (hasColor: boolean): Paint =>
  (style, text) =>
    hasColor ? `\u001b[${ansi[style]}m${text}\u001b[0m` : text;

/** One word of a POSIX shell, whatever the text holds. */
export const quotePosix = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;
