import type { Retry } from "./claude-transcript.ts";
import { present } from "./json.ts";
/**
 * Reads a captured Claude Code screen (`capture-pane -p`): the dialog that is up, with its options and what each of
 * them would do, and the input row. Captures of 2.0.70 to 2.1.329 are the tests. Position says nothing about an option,
 * its wording does: the same number is "No" in one version and "switch to auto mode" in the next.
 */

import { checkbox, type GateKind, kindOf, type MenuOption, meaningOf, parseHeader, type ScreenGate } from "./claude-gate.ts";

export interface Screen {
  gate?: ScreenGate;
  /** Text in the input row, `""` when it is empty, its visible end when it is tall; undefined when there is no input row. */
  input?: string;
  /** Above an input row claude turns its spinner: a turn runs. */
  isBusy?: boolean;
  /** In the place of the spinner: the API has failed, and is asked again. */
  retry?: Retry;
}

const rule = /^\s*[─▔]{8,}/;
/** A tool gate draws it at the edge, a plan indented by two; text of the model stands at other columns. */
const fence = /^(?: {2})?╌{8,}\s*$/;
/** The rule above a draft of more lines than are shown: `─── ↑ 41 more ───`. */
const cutInput = /^─{2,} [↑↓] \d+ more ─/;
/** `─── fix ─`: what is left, below a dialog that is shorter than the screen, of the input row of a session with a name (2.1.329). */
const namedRule = /^─{8,} \S.* ─{1,4}$/;
/** The input row is `❯` + U+00A0 from 2.1.86 on, `>` between two rules before; a menu cursor is `❯` + U+0020. */
const inputRow = /^❯\u00a0/;
const oldInputRow = /^>[\u00a0 ]/;
const cursorRow = /^(\s{0,6})❯ (\S.*)$/;
const footer = /^\s{0,9}(?:(?:Esc|Enter|Space) to \w+|ctrl[-+]g to edit|shift\+tab to approve)/;

/** `✻ Elucidating… (esc to interrupt)` in 2.0.70, `✽ Sautéing…` in 2.1.86: at the edge, where no text of the model stands. */
const spinner = /^[·✢✳✶✻✽*] \S[^…]*…(?:$| \()/;

/** `content` is the same screen without hints, where styles told them apart: a dim text in the input row is no draft. */
export function parseScreen(text: string, content = text): Screen {
  const lines = text.split("\n").map((line) => line.replace(/[ \t]+$/, ""));
  while (lines.length > 0 && lines.at(-1) === "") lines.pop();
  const drafts = content.split("\n").map((line) => line.replace(/[ \t]+$/, ""));
  const inputAt = findInputRow(lines);
  // A dialog replaces the input row, so a menu above one is conversation.
  if (inputAt !== undefined) {
    const first = (drafts[inputAt] ?? "").replace(/^[❯>][\u00a0 ]?/, "");
    const above = readAbove(lines.slice(0, inputAt));
    const isBusy = above.some((line) => spinner.test(line));
    const retry = parseRetry(above.join(" "));
    const input = [first, ...readDraft(lines, drafts, inputAt + 1)].join("\n").trimEnd();
    return { input, ...(isBusy || retry !== undefined ? { isBusy: true } : {}), ...present({ retry }) };
  }
  const cutAt = lines.findLastIndex((line) => cutInput.test(line));
  if (cutAt >= 0)
    return {
      input: readDraft(lines, drafts, cutAt + 1)
        .join("\n")
        .trimEnd(),
    };
  if (namedRule.test(lines.at(-1) ?? "")) lines.pop();
  while (lines.at(-1) === "") lines.pop();
  const gate = parseGate(lines) ?? parseFlatGate(lines);
  return present({ gate });
}

/** Only the paragraph next to the input row counts: the spinner, and a tip below it. */
function readAbove(above: string[]): string[] {
  let end = above.length;
  while (end > 0 && (above[end - 1] === "" || rule.test(above[end - 1] ?? ""))) end--;
  return above.slice(above.lastIndexOf("", end - 1) + 1, end);
}

/**
 * `✻ 500 Internal server error · retrying in 2s · attempt 3/10` (2.1.204 to 2.1.329; it wraps in a narrow pane), and two more of
 * 2.1.329: `No response from the API after 1m · retrying, waiting up to 2m · …`, `Auto mode check unavailable · next try in 5s · …`.
 */
const retryLine =
  /^[·✢✳✶✻✽*] (\S.*?) · (?:retrying|next try)(?: once)?(?:…| in (?:(\d+)m ?)?(?:(\d+)s)?|, waiting up to [^·]+?)(?: · attempt (\d+)\/(\d+)|$)/i;

function parseRetry(text: string): Retry | undefined {
  const [, error, minutes = "0", seconds = "0", attempt = "1", maxAttempts = "1"] = retryLine.exec(text.replace(/\s+/g, " ")) ?? [];
  if (error === undefined) return undefined;
  const waitMs = (Number(minutes) * 60 + Number(seconds)) * 1000;
  return { attempt: Number(attempt), maxAttempts: Number(maxAttempts), waitMs, error };
}

/** Lines of the draft, which are indented by two, up to the closing rule. */
function readDraft(lines: string[], drafts: string[], from: number): string[] {
  const end = lines.findIndex((line, index) => index >= from && rule.test(line));
  return drafts.slice(from, end < 0 ? lines.length : end).map((line) => line.replace(/^ {2}/, ""));
}

function findInputRow(lines: string[]): number | undefined {
  for (let index = lines.length - 1; index >= 0; index--) {
    const line = lines[index] ?? "";
    if (inputRow.test(line) || line === "❯") return index;
    if ((oldInputRow.test(line) || line === ">") && rule.test(lines[index - 1] ?? "")) return index;
  }
  return undefined;
}

function parseGate(lines: string[]): ScreenGate | undefined {
  const cursorAt = lines.findLastIndex((line) => cursorRow.test(line) || (submitRow.test(line) && line.includes("❯")));
  if (cursorAt < 0) return undefined;
  const numberedAt = submitRow.test(lines[cursorAt] ?? "")
    ? lines.findLastIndex((line, at) => at < cursorAt && numberedRow.test(line))
    : cursorAt;
  const menu = numberedRow.test(lines[numberedAt] ?? "") ? readNumberedMenu(lines, numberedAt, cursorAt) : readPlainMenu(lines, cursorAt);
  const below = lines.slice((menu?.end ?? 0) + 1);
  const hints = below.filter((line) => !cutMark.test(line));
  if (menu === undefined || !isTail(hints)) return undefined;
  const block = lines.slice(dialogStart(lines, menu.start), menu.start);
  // A dialog begins below a rule, or at the top of the screen; a block with conversation in it is an answer that draws a menu.
  if (block.some((line) => /^[●❯]/.test(line))) return undefined;
  const cut = [...below, block.find((line) => line.trim() !== "") ?? ""].find((line) => cutMark.test(line));
  return { ...describe(block, menu, cut), ...(hints.some((line) => /\bTab to amend\b/.test(line)) ? { canAmend: true } : {}) };
}

/** A dialog that is taller than the pane: 2.1.329 says so below its options, older ones in its first line. */
const cutMark = /^\s{0,3}↑ \d+ more lines?$/;

interface Menu {
  start: number;
  end: number;
  options: (MenuOption & { continuation: string[]; isField?: boolean })[];
}

/**
 * Below the options only hints may stand, which wrap in a narrow pane (`ctrl+g to edit in Vim ·` / path); anything else means
 * that the menu is part of the conversation, or that its program has gone.
 */
function isTail(rest: string[]): boolean {
  const hints = rest
    .join("\n")
    .split(/\n\s*\n/)
    .map((paragraph) => paragraph.split("\n").filter((line) => line.trim() !== ""));
  return hints.filter((lines) => lines.length > 0).every(isHint);
}

const isHint = (lines: string[]): boolean => {
  const indent = (line: string) => line.length - line.trimStart().length;
  const [first = ""] = lines;
  return footer.test(first) && lines.length <= 4 && lines.every((line) => !rule.test(line) && indent(line) === indent(first));
};

const numberedRow = /^(\s*(?:❯ )?\s*)(\d{1,2})\. (.*)$/;

/** Of a question that takes several answers: it has no number, and stands among those that have. */
const submitRow = /^\s*(?:❯ )?\s*(Submit|Next)$/;

function readNumberedMenu(lines: string[], numberedAt: number, cursorAt: number): Menu | undefined {
  const cursor = numberedRow.exec(lines[numberedAt] ?? "");
  if (cursor === null) return undefined;
  const column = (cursor[1] ?? "").length;
  // 2.1.158 indents an option that fills the line by one column less.
  const rowAt = (index: number) => {
    const match = numberedRow.exec(lines[index] ?? "");
    return match !== null && Math.abs((match[1] ?? "").length - column) <= 1
      ? { number: Number(match[2]), label: match[3] ?? "" }
      : undefined;
  };
  let start = numberedAt;
  let wanted = Number(cursor[2]) - 1;
  for (let index = numberedAt - 1; index >= 0 && wanted > 0; index--) {
    const row = rowAt(index);
    if (row?.number === wanted) [start, wanted] = [index, wanted - 1];
    else if (!isInsideMenu(lines[index] ?? "", column)) break;
  }
  if (wanted !== 0) return undefined;
  const options: Menu["options"] = [];
  const submits: Menu["options"] = [];
  let end = start;
  for (let index = start; index < lines.length; index++) {
    const line = lines[index] ?? "";
    const row = rowAt(index);
    if (row !== undefined && row.number === options.length + 1) {
      options.push({ ...row, meaning: "unknown", isSelected: index === cursorAt, continuation: [] });
      end = index;
      continue;
    }
    const submit = options.some(({ label }) => checkbox.test(label)) ? submitRow.exec(line)?.[1] : undefined;
    if (submit !== undefined) {
      submits.push({ label: submit, meaning: "submit", isSelected: index === cursorAt, continuation: [] });
      end = index;
      continue;
    }
    if (!isInsideMenu(line, column)) break;
    // The field of a plan keeps this hint when a text stands in it.
    const last = options.at(-1);
    if (last !== undefined && end === index - 1 && /^\s+shift\+tab to approve with this feedback/.test(line)) last.isField = true;
    if (line.trim() === "" || rule.test(line) || footer.test(line)) continue;
    if (end === index - 1) options.at(-1)?.continuation.push(line.trim());
    end = index;
  }
  return options.length > 0 ? { start, end, options: [...options, ...submits] } : undefined;
}

/** Continuations, descriptions, blank lines, and the rule that a question dialog draws above its last option. */
const isInsideMenu = (line: string, column: number): boolean =>
  line.trim() === "" || rule.test(line) || line.length - line.trimStart().length >= column;

/** Rows without numbers: `❯ No, exit` / `  Yes, I trust this folder`. */
function readPlainMenu(lines: string[], cursorAt: number): Menu | undefined {
  const column = (cursorRow.exec(lines[cursorAt] ?? "")?.[1] ?? "").length + 2;
  const isRow = (line: string) => /\S/.test(line) && line.replace("❯", " ").search(/\S/) === column;
  let start = cursorAt;
  while (start > 0 && isRow(lines[start - 1] ?? "")) start--;
  let end = cursorAt;
  while (end < lines.length - 1 && isRow(lines[end + 1] ?? "")) end++;
  if (end === start) return undefined;
  const options = lines.slice(start, end + 1).map((line, offset) => ({
    label: line.replace("❯", " ").trim(),
    meaning: "unknown" as const,
    isSelected: start + offset === cursorAt,
    continuation: [],
  }));
  return { start, end, options };
}

function describe(whole: string[], menu: Menu, cut: string | undefined): ScreenGate {
  // What stands in the first line of a cut dialog is no header: it may be anybody's text.
  const block = cut === undefined || whole.includes(cut) ? whole : [cut, "", ...whole];
  const lastFence = block.findLastIndex((line) => fence.test(line));
  const tail = paragraphs(block.slice(lastFence + 1).filter((line) => !rule.test(line)));
  const question = questionOf(tail);
  const asked = question.replaceAll("\n", " ");
  const body = [...paragraphs(block.slice(0, lastFence + 1)), ...tail.filter((part) => part !== question)];
  const { header, ...asker } = parseHeader((paragraphs(block)[0] ?? "").split("\n")[0] ?? "");
  const kind = kindOf(header, asked, menu.options);
  const inner = [(body[0] ?? "").split("\n").slice(1).join("\n"), ...body.slice(1)].filter((part) => part !== "");
  const options = menu.options.map(({ continuation, isField, ...option }) => {
    // What stands below an answer is its description; below any other option it is the wrapped label.
    const label = (kind === "question" ? option.label : [option.label, ...continuation].join(" ")).trim();
    return { ...option, label, meaning: isField === true ? ("free-text" as const) : meaningOf(label, kind) };
  });
  const call = lastFence < 0 ? undefined : readFenced(block, lastFence, cut);
  return {
    kind,
    header,
    question: asked,
    body: inner.join("\n"),
    options: kind === "question" ? markField(options) : options,
    ...present({ ...asker, call, isCut: cut === undefined ? undefined : true }),
  };
}

/** Between the first fence and the last: a command may draw fences of its own. */
function readFenced(block: string[], lastFence: number, cut: string | undefined): string | undefined {
  const from = cut === undefined ? block.findIndex((line) => fence.test(line)) : block.indexOf(cut);
  return from < lastFence ? block.slice(from + 1, lastFence).join("\n") : undefined;
}

/** Once a text stands in it, the field of a question is only told by its place: the last, or the last before the chat. */
function markField(options: MenuOption[]): MenuOption[] {
  if (options.some(({ meaning, number }) => meaning === "free-text" || (meaning === "submit" && number !== undefined))) return options;
  const found = options.findIndex(({ meaning }) => meaning === "chat" || meaning === "submit");
  const chatAt = found < 0 ? options.length : found;
  return options.map((option, index) =>
    index === chatAt - 1 && option.meaning === "choice" ? { ...option, meaning: "free-text" } : option,
  );
}

/** The last paragraph above the options that asks something, or else the last one. */
const questionOf = (tail: string[]): string => tail.findLast((part) => /\?(?:$|\s)/.test(part)) ?? tail.at(-1) ?? "";

/** The dialog begins below the last rule above the options; a fenced command may hold rules of its own. */
function dialogStart(lines: string[], menuStart: number): number {
  let isFenced = false;
  for (let index = menuStart - 1; index >= 0; index--) {
    const line = lines[index] ?? "";
    if (fence.test(line)) isFenced = !isFenced;
    // At the edge only: the plan dialog draws an indented rule above its question too, and a description may be one.
    else if (!isFenced && /^[─▔]{8,}/.test(line)) return index + 1;
  }
  return 0;
}

/** Groups of lines with text, without indentation and fences. */
function paragraphs(lines: string[]): string[] {
  const groups: string[][] = [[]];
  for (const line of lines) {
    if (line.trim() === "" || fence.test(line) || rule.test(line)) groups.push([]);
    else groups.at(-1)?.push(line.trim());
  }
  return groups.filter((group) => group.length > 0).map((group) => group.join("\n"));
}

/** `--ax-screen-reader`: flat text, `1. Yes` rows without a cursor, then `Select with numbers [1-4]…`. */
function parseFlatGate(lines: string[]): ScreenGate | undefined {
  const promptAt = lines.findLastIndex((line) => /^Select with numbers \[\d+-\d+\]/.test(line));
  if (promptAt < 0 || lines.length - promptAt > 4) return undefined;
  let start = promptAt;
  while (start > 0 && /^\d{1,2}\. /.test(lines[start - 1] ?? "")) start--;
  if (start === promptAt) return undefined;
  const options = lines.slice(start, promptAt).map((line, index) => ({
    number: index + 1,
    label: line.replace(/^\d+\. /, "").replace(" — ·", " ·"),
    meaning: "unknown" as const,
    isSelected: false,
  }));
  const headAt = lines.findLastIndex((line, index) => index < start && line.startsWith("Permission Required: "));
  if (headAt < 0) return undefined;
  const question = lines[start - 1] ?? "";
  const header = (lines[headAt] ?? "").replace("Permission Required: ", "");
  const kind: GateKind = /Would you like to proceed/.test(question) ? "plan" : "permission";
  return {
    kind,
    header,
    question,
    body: lines.slice(headAt + 1, start - 1).join("\n"),
    options: options.map((option) => ({ ...option, meaning: meaningOf(option.label, kind) })),
  };
}
