import { width } from "./format.ts";
import { printable } from "./printable.ts";
import { pasteable } from "./sanitize.ts";
import type { Key } from "./tty-keys.ts";

/** A text that is being written, and where its cursor stands: before this UTF-16 unit, always between two characters. */
export interface Draft {
  text: string;
  cursor: number;
}

export const createDraft = (text = ""): Draft => ({ text, cursor: text.length });

/** What a key makes of a draft; undefined for a key that edits nothing here. */
export function editDraft(draft: Draft, { name, text: pasted }: Key, isOneLine = false): Draft | undefined {
  if (name === "paste") return insert(draft, isOneLine ? pasteable(pasted ?? "").replace(/[\n\t]+/g, " ") : pasteable(pasted ?? ""));
  if (isNewLine(name)) return isOneLine ? undefined : insert(draft, "\n");
  const edit = edits[name];
  if (edit !== undefined) return edit(draft);
  return [...name].length === 1 ? insert(draft, name) : undefined;
}

/** Alt-Enter is claude's own key for it; the others reach it where a terminal tells them apart. */
const isNewLine = (name: string): boolean => name === "ctrl-j" || /-enter$/.test(name);

const insert = ({ text, cursor }: Draft, more: string): Draft => ({
  text: text.slice(0, cursor) + more + text.slice(cursor),
  cursor: cursor + more.length,
});

const erase = ({ text, cursor }: Draft, to: number): Draft => ({
  text: text.slice(0, Math.min(cursor, to)) + text.slice(Math.max(cursor, to)),
  cursor: Math.min(cursor, to),
});

type Place = (draft: Draft) => number;
const go =
  (place: Place) =>
  (draft: Draft): Draft => ({ ...draft, cursor: place(draft) });
const eraseTo =
  (place: Place) =>
  (draft: Draft): Draft =>
    erase(draft, place(draft));

const lineBegin: Place = ({ text, cursor }) => text.lastIndexOf("\n", cursor - 1) + 1;
const lineEnd: Place = ({ text, cursor }) => (text.indexOf("\n", cursor) < 0 ? text.length : text.indexOf("\n", cursor));
/** From one character to the next, as a reader counts them: a family of emoji is one. */
const after: Place = ({ text, cursor }) => cursor + (charactersOf(text.slice(cursor, cursor + maxCharacter))[0]?.length ?? 0);
const before: Place = ({ text, cursor }) =>
  cursor - (charactersOf(text.slice(text.lastIndexOf("\n", cursor - 2) + 1, cursor)).at(-1)?.length ?? 0);
const maxCharacter = 64;
const wordBegin: Place = ({ text, cursor }) => text.slice(0, cursor).replace(/[\p{L}\p{N}\p{M}_]*[^\p{L}\p{N}\p{M}_]*$/u, "").length;
const wordEnd: Place = ({ text, cursor }) => cursor + (/^[^\p{L}\p{N}_]*[\p{L}\p{N}\p{M}_]*/u.exec(text.slice(cursor))?.[0].length ?? 0);
/** As a shell's Ctrl-W has it. */
const blankBegin: Place = ({ text, cursor }) => text.slice(0, cursor).replace(/\S*\s*$/, "").length;

const edits: Record<string, (draft: Draft) => Draft> = Object.assign(Object.create(null), {
  left: go(before),
  "ctrl-b": go(before),
  right: go(after),
  "ctrl-f": go(after),
  home: go(lineBegin),
  "ctrl-a": go(lineBegin),
  end: go(lineEnd),
  "ctrl-e": go(lineEnd),
  "alt-left": go(wordBegin),
  "ctrl-left": go(wordBegin),
  "alt-b": go(wordBegin),
  "alt-right": go(wordEnd),
  "ctrl-right": go(wordEnd),
  "alt-f": go(wordEnd),
  "alt-<": go(() => 0),
  "ctrl-home": go(() => 0),
  "alt->": go(({ text }) => text.length),
  "ctrl-end": go(({ text }) => text.length),
  backspace: eraseTo(before),
  delete: eraseTo(after),
  "ctrl-d": eraseTo(after),
  "ctrl-w": eraseTo(blankBegin),
  "alt-backspace": eraseTo(wordBegin),
  "ctrl-backspace": eraseTo(wordBegin),
  "alt-d": eraseTo(wordEnd),
  "alt-delete": eraseTo(wordEnd),
  "ctrl-delete": eraseTo(wordEnd),
  "ctrl-u": eraseTo(lineBegin),
  "ctrl-k": eraseTo(lineEnd),
});

/** A line up or down, in the same column as far as there is one; undefined where there is no such line. */
export function stepLine(draft: Draft, step: -1 | 1): Draft | undefined {
  const begin = lineBegin(draft);
  const end = lineEnd(draft);
  if (step < 0 ? begin === 0 : end === draft.text.length) return undefined;
  const column = width(draft.text.slice(begin, draft.cursor));
  let cursor = step < 0 ? lineBegin({ ...draft, cursor: begin - 1 }) : end + 1;
  const last = step < 0 ? begin - 1 : lineEnd({ ...draft, cursor });
  let used = 0;
  for (const character of charactersOf(draft.text.slice(cursor, last))) {
    used += width(character);
    if (used > column) break;
    cursor += character.length;
  }
  return { ...draft, cursor };
}

const charactersOf = (text: string): string[] =>
  /^[ -~]*$/.test(text) ? text.split("") : [...new Intl.Segmenter().segment(text)].map(({ segment }) => segment);

interface Drawn {
  /** Each no wider than the room. */
  lines: string[];
  /** The line of the cursor. */
  row: number;
}

/** Of a longer text only what stands around the cursor is drawn. */
const maxDrawn = 8000;

/** A draft as lines of at most this width; `mark` draws the character under the cursor. */
export function drawDraft(draft: Draft, columns: number, mark: (character: string) => string): Drawn {
  const from = Math.max(0, draft.cursor - maxDrawn);
  const text = draft.text.slice(from, draft.cursor + maxDrawn);
  const cursor = draft.cursor - from;
  const lines: string[] = [];
  let row = 0;
  let line = "";
  let used = 0;
  const close = () => {
    lines.push(line);
    [line, used] = ["", 0];
  };
  const put = (shown: string, isUnder: boolean) => {
    const cells = width(shown);
    if (used + cells > columns) close();
    if (isUnder) row = lines.length;
    line += isUnder ? mark(shown) : shown;
    used += cells;
  };
  let at = 0;
  for (const character of charactersOf(text)) {
    const isUnder = at === cursor;
    if (character === "\n") {
      if (isUnder) put(" ", true);
      close();
    } else put((character === "\t" ? "  " : printable(character)) || (isUnder ? " " : ""), isUnder);
    at += character.length;
  }
  if (cursor >= text.length) put(" ", true);
  close();
  return { lines, row };
}
