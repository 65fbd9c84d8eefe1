/**
 * Reads a captured Claude Code screen (`capture-pane -p`): the dialog that is up, with its options and what each of
 * them would do, and the input row. Captures of 2.0.70 to 2.1.329 are the tests. Position says nothing about an option,
 * its wording does: the same number is "No" in one version and "switch to auto mode" in the next.
 */

/** What choosing an option would do. `unknown` is never chosen unless it is named. */
export type Meaning = "allow-once" | "allow-always" | "mode-switch" | "refuse" | "free-text" | "chat" | "choice" | "submit" | "unknown";

export interface MenuOption {
  /** The number shown, undefined in a menu without numbers. */
  number?: number;
  label: string;
  meaning: Meaning;
  /** The cursor is on it. */
  isSelected: boolean;
}

export type GateKind =
  | "trust"
  | "add-dir"
  | "bypass"
  | "api-key"
  | "settings"
  | "mcp-servers"
  | "permission"
  | "plan"
  | "question"
  | "limit"
  | "dialog";

export interface ScreenGate {
  kind: GateKind;
  /** First line of the dialog: `Bash command`, `Create file`, `Accessing workspace:` … */
  header: string;
  /** The line(s) right above the options. */
  question: string;
  /** What stands between header and question: command, diff, path, plan. */
  body: string;
  options: MenuOption[];
}

export interface Screen {
  gate?: ScreenGate;
  /** Text in the input row, `""` when it is empty; undefined when there is no input row. */
  input?: string;
}

/** Kinds that are only shown before the session file exists. */
export const startupKinds: ReadonlySet<GateKind> = new Set(["trust", "add-dir", "bypass", "api-key", "settings", "mcp-servers"]);

const rule = /^\s*[─▔]{8,}/;
/** A tool gate draws it at the edge, a plan indented by two; text of the model stands at other columns. */
const fence = /^(?: {2})?╌{8,}\s*$/;
/** The input row is `❯` + U+00A0 from 2.1.86 on, `>` between two rules before; a menu cursor is `❯` + U+0020. */
const inputRow = /^❯\u00a0/;
const oldInputRow = /^>[\u00a0 ]/;
const cursorRow = /^(\s{0,6})❯ (\S.*)$/;
const footer = /^\s{0,9}(?:(?:Esc|Enter|Space) to \w+|ctrl\+g to edit|shift\+tab to approve)/;

export function parseScreen(text: string): Screen {
  const lines = text.split("\n").map((line) => line.replace(/[ \t]+$/, ""));
  while (lines.length > 0 && lines.at(-1) === "") lines.pop();
  const inputAt = findInputRow(lines);
  // A dialog replaces the input row, so a menu above one is conversation.
  if (inputAt !== undefined) return { input: readInput(lines, inputAt) };
  const gate = parseGate(lines) ?? parseFlatGate(lines);
  return gate === undefined ? {} : { gate };
}

function findInputRow(lines: string[]): number | undefined {
  for (let index = lines.length - 1; index >= 0; index--) {
    const line = lines[index] ?? "";
    if (inputRow.test(line) || line === "❯") return index;
    if ((oldInputRow.test(line) || line === ">") && rule.test(lines[index - 1] ?? "")) return index;
  }
  return undefined;
}

/** The draft: the input row and its continuation lines, which are indented by two, up to the closing rule. */
function readInput(lines: string[], from: number): string {
  const draft = [(lines[from] ?? "").slice(1).replace(/^[\u00a0 ]/, "")];
  for (let index = from + 1; index < lines.length && !rule.test(lines[index] ?? ""); index++)
    draft.push((lines[index] ?? "").replace(/^ {2}/, ""));
  return draft.join("\n").trimEnd();
}

function parseGate(lines: string[]): ScreenGate | undefined {
  const cursorAt = lines.findLastIndex((line) => cursorRow.test(line));
  if (cursorAt < 0) return undefined;
  const menu = numberedRow.test(lines[cursorAt] ?? "") ? readNumberedMenu(lines, cursorAt) : readPlainMenu(lines, cursorAt);
  if (menu === undefined || !isTail(lines.slice(menu.end + 1))) return undefined;
  const block = lines.slice(dialogStart(lines, menu.start), menu.start);
  // A dialog begins below a rule, or at the top of the screen; a block with conversation in it is an answer that draws a menu.
  return block.some((line) => /^[●❯]/.test(line)) ? undefined : describe(block, menu);
}

interface Menu {
  start: number;
  end: number;
  options: (MenuOption & { continuation: string[] })[];
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

function readNumberedMenu(lines: string[], cursorAt: number): Menu | undefined {
  const cursor = numberedRow.exec(lines[cursorAt] ?? "");
  if (cursor === null) return undefined;
  const column = (cursor[1] ?? "").length;
  // 2.1.158 indents an option that fills the line by one column less.
  const rowAt = (index: number) => {
    const match = numberedRow.exec(lines[index] ?? "");
    return match !== null && Math.abs((match[1] ?? "").length - column) <= 1
      ? { number: Number(match[2]), label: match[3] ?? "" }
      : undefined;
  };
  let start = cursorAt;
  let wanted = Number(cursor[2]) - 1;
  for (let index = cursorAt - 1; index >= 0 && wanted > 0; index--) {
    const row = rowAt(index);
    if (row?.number === wanted) [start, wanted] = [index, wanted - 1];
    else if (!isInsideMenu(lines[index] ?? "", column)) break;
  }
  if (wanted !== 0) return undefined;
  const options: Menu["options"] = [];
  let end = start;
  for (let index = start; index < lines.length; index++) {
    const line = lines[index] ?? "";
    const row = rowAt(index);
    if (row !== undefined && row.number === options.length + 1) {
      options.push({ ...row, meaning: "unknown", isSelected: index === cursorAt, continuation: [] });
      end = index;
      continue;
    }
    if (!isInsideMenu(line, column)) break;
    if (line.trim() === "" || rule.test(line) || footer.test(line)) continue;
    if (end === index - 1) options.at(-1)?.continuation.push(line.trim());
    end = index;
  }
  return options.length > 0 ? { start, end, options } : undefined;
}

/** Continuations, descriptions, blank lines, and the rule that a question dialog draws above its last option. */
const isInsideMenu = (line: string, column: number): boolean =>
  line.trim() === "" || rule.test(line) || line.length - line.trimStart().length > column;

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

function describe(block: string[], menu: Menu): ScreenGate {
  const lastFence = block.findLastIndex((line) => fence.test(line));
  const tail = paragraphs(block.slice(lastFence + 1).filter((line) => !rule.test(line)));
  const question = questionOf(tail);
  const asked = question.replaceAll("\n", " ");
  const body = [...paragraphs(block.slice(0, lastFence + 1)), ...tail.filter((part) => part !== question)];
  const header = (paragraphs(block)[0] ?? "").split("\n")[0] ?? "";
  const kind = kindOf(header, asked, menu.options);
  const inner = [(body[0] ?? "").split("\n").slice(1).join("\n"), ...body.slice(1)].filter((part) => part !== "");
  return {
    kind,
    header,
    question: asked,
    body: inner.join("\n"),
    options: menu.options.map(({ continuation, ...option }) => {
      // What stands below an answer is its description; below any other option it is the wrapped label.
      const label = (kind === "question" ? option.label : [option.label, ...continuation].join(" ")).trim();
      return { ...option, label, meaning: meaningOf(label, kind) };
    }),
  };
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

/** By the first line of the dialog, which is claude's own wording; all below may hold text of the model. */
const kinds: [kind: GateKind, header: RegExp][] = [
  ["trust", /^Accessing workspace:|^Do you trust the files in this folder\?/],
  ["add-dir", /^Adding a new directory:/],
  ["bypass", /^WARNING: Claude Code running in\b/],
  ["api-key", /^Detected a custom API key/],
  ["settings", /^Settings (?:Warning|Error)/],
  ["mcp-servers", /^(?:\d+ )?new MCP servers? found/i],
  ["plan", /^Ready to code\?/],
];

function kindOf(header: string, question: string, options: MenuOption[]): GateKind {
  const labels = options.map((option) => option.label);
  if (labels.some((label) => /^(?:\[.\] )?type something\.?$|^chat about this$|^submit answers$/i.test(label))) return "question";
  if (labels.some((label) => /^stop and wait for limit to reset$/i.test(label))) return "limit";
  const named = kinds.find(([, pattern]) => pattern.test(header))?.[0];
  if (named !== undefined) return named;
  if (/Would you like to proceed\?$/.test(question)) return "plan";
  return /^(?:Do you want to|Claude (?:wants|needs)|Would you like)/.test(question) ? "permission" : "dialog";
}

/** Only the beginning of a label is claude's; behind it may stand a command or a path. */
function meaningOf(label: string, kind: GateKind): Meaning {
  const text = label.toLowerCase().replaceAll("’", "'").trim();
  if (/^(?:\[.\] )?type something|^type here to tell|^tell claude what to change|^other$/.test(text)) return "free-text";
  if (/^chat about this/.test(text)) return "chat";
  if (/^submit\b|^next$|^enable selected/.test(text)) return "submit";
  if (kind === "question") return /^cancel$/.test(text) ? "refuse" : "choice";
  if (/^no\b|^exit\b|^cancel$|^stop and wait/.test(text)) return "refuse";
  if (kind === "mcp-servers" || kind === "limit") return "choice";
  if (/^(?:yes|yes \(recommended\)|yes, (?:proceed|i trust this folder|i accept|add it|manually approve edits)|continue)$/.test(text))
    return "allow-once";
  if (/^yes, (?:and )?(?:switch to|use auto mode|auto-accept|accept edits|bypass)/.test(text)) return "mode-switch";
  if (/^yes, (?:and )?(?:don't ask again|always allow|allow)\b/.test(text)) return "allow-always";
  return "unknown";
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

/** Two captures show the same gate when this text is equal; the cursor may have moved. */
export const gateFingerprint = (gate: ScreenGate): string =>
  [gate.kind, gate.header, gate.question, gate.body, ...gate.options.map((option) => `${option.number ?? ""} ${option.label}`)].join("\n");
