import { present } from "./json.ts";

/** What a dialog of Claude Code asks and what its options mean, by the wording of 2.0.70 to 2.1.329. */

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
  /** Tab turns the option under the cursor into a text field. */
  canAmend?: boolean;
  /** What the dialog fences off, which is what runs in a Bash gate; only its end where the dialog is cut. */
  call?: string;
  /** Type of the sub-agent that asks, as the header names it. */
  agent?: string;
  /** `1 of 2` at the end of the header: of the gates that claude has put in a row, which need not be all that wait. */
  position?: { index: number; count: number };
  /** It is taller than the pane: its begin, and with it whose it is, cannot be seen. */
  isCut?: boolean;
}

/** `Bash command · from the general-purpose agent      1 of 2` (2.1.329). */
export function parseHeader(line: string): Pick<ScreenGate, "header" | "agent" | "position"> {
  const [, header = line, index, count] = /^(.*?)\s{2,}(\d{1,3}) of (\d{1,3})$/.exec(line) ?? [];
  const agent = / · from the (.+) agent$/.exec(header)?.[1];
  return { header, ...present({ agent, position: index === undefined ? undefined : { index: Number(index), count: Number(count) } }) };
}

/** Kinds that are only shown before the session file exists. */
export const startupKinds: ReadonlySet<GateKind> = new Set(["trust", "add-dir", "bypass", "api-key", "settings", "mcp-servers"]);

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

/** ` ☐ Folder`, `←  ☒ Folder  ☐ Checks  ✔ Submit  →` */
const questionHeader = /^(?:← {2})?[☐☒] /;

export function kindOf(header: string, question: string, options: MenuOption[]): GateKind {
  const labels = options.map((option) => option.label);
  if (labels.some((label) => /^(?:\[.\] )?type something\.?$|^chat about this$|^submit answers$/i.test(label))) return "question";
  if (labels.some((label) => /^stop and wait for limit to reset$/i.test(label))) return "limit";
  if (questionHeader.test(header)) return "question";
  const named = kinds.find(([, pattern]) => pattern.test(header))?.[0];
  if (named !== undefined) return named;
  if (/Would you like to proceed\?$/.test(question)) return "plan";
  return /^(?:Do you want to|Claude (?:wants|needs)|Would you like)/.test(question) ? "permission" : "dialog";
}

/** Only the beginning of a label is claude's; behind it may stand a command or a path. */
export function meaningOf(label: string, kind: GateKind): Meaning {
  const text = label.toLowerCase().replaceAll("’", "'").trim();
  if (/^(?:\[.\] )?type something|^type here to tell|^tell claude what to change|^other$/.test(text)) return "free-text";
  if (/^chat about this/.test(text)) return "chat";
  if (/^submit\b|^next$|^enable selected/.test(text)) return "submit";
  if (kind === "question") return /^cancel$/.test(text) ? "refuse" : "choice";
  if (/^no\b|^exit\b|^cancel$|^stop and wait/.test(text)) return "refuse";
  if (kind === "mcp-servers" || kind === "limit") return "choice";
  if (
    /^(?:yes|yes \(recommended\)|yes, (?:proceed|i trust this folder|i accept|add it|(?:and )?manually approve edits)|continue)$/.test(text)
  )
    return "allow-once";
  if (/^yes, (?:and )?(?:switch to|use auto mode|auto-accept|accept edits|bypass)/.test(text)) return "mode-switch";
  if (/^yes, (?:and )?(?:don't ask again|always allow|allow)\b/.test(text)) return "allow-always";
  return "unknown";
}

/**
 * Two captures show the same gate when this text is equal: the cursor may have moved, a box been ticked, and a text been
 * written into a field.
 */
export const gateFingerprint = (gate: ScreenGate): string =>
  [gate.kind, gate.header.replaceAll("☒", "☐"), gate.question, gate.body, ...gate.options.map(optionFingerprint)].join("\n");

const optionFingerprint = ({ number, label, meaning }: MenuOption): string => {
  // "No" becomes "No, and tell Claude what to do differently", and then what is written there.
  const fixed = meaning === "free-text" ? "" : meaning === "refuse" ? label.replace(/^No,.*/, "No") : label.replace(checkbox, "[] ");
  return `${number ?? ""} ${fixed}`;
};

/** `[ ] lint`, `[✔] lint` */
export const checkbox = /^\[.\] /;

/** 2.0.70 spells it small. */
const planTool = /^(?:ExitPlanMode|exit_plan_mode)$/;
export const isPlanTool = (tool: string): boolean => planTool.test(tool);

/** Which tool a dialog's header belongs to. */
const headerTools: [header: RegExp, tool: RegExp][] = [
  [/^Bash command/, /^Bash$/],
  [/^(?:Create|Overwrite|Write) file/, /^Write$/],
  [/^Edit file/, /^(?:Edit|MultiEdit)$/],
  [/^Edit notebook/, /^NotebookEdit$/],
  [/^Read file/, /^Read$/],
  [/^Fetch/, /^WebFetch$/],
  [/^Tool use/, /^mcp__/],
  [/^Ready to code\?/, planTool],
];

const toolsOf = ({ header }: ScreenGate): RegExp | undefined => headerTools.find(([pattern]) => pattern.test(header))?.[1];

/** The header names this kind of tool. */
export const isOfHeader = (tool: string, gate: ScreenGate): boolean => toolsOf(gate)?.test(tool) === true;

/** A call as it is told by a hook or a transcript. */
interface ShownCall {
  tool: string;
  input: Record<string, unknown>;
}

/** The dialog shows this call: its kind, and what runs, whole. Wraps and their marks are passed over. */
export function isShown({ tool, input }: ShownCall, gate: ScreenGate): boolean {
  if (gate.kind === "question") return tool === "AskUserQuestion" && asksThis(input, gate);
  if (gate.kind === "plan") return isPlanTool(tool);
  if (gate.kind !== "permission" && gate.kind !== "dialog") return false;
  const fitting = toolsOf(gate);
  if (fitting !== undefined && !fitting.test(tool)) return false;
  // 2.0.70 names the file in the header.
  const text = `${gate.header}\n${gate.body}\n${gate.question}`;
  if (typeof input.command === "string") return isCommandShown(input.command, gate);
  const path = input.file_path ?? input.notebook_path;
  if (typeof path === "string") return isNamed(path.split(/[/\\]/).at(-1) ?? path, text);
  const texts = Object.values(input).filter((value): value is string => typeof value === "string");
  const longest = texts.map(squeeze).sort((a, b) => b.length - a.length)[0] ?? "";
  return longest === "" ? fitting !== undefined : squeeze(text).includes(longest.slice(0, maxNeedle));
}

const maxNeedle = 60;

/** How much of a call the dialog shows: folders of its path, and the begin of each other field. */
export function countShown({ input }: ShownCall, gate: ScreenGate): number {
  const text = squeeze(`${gate.header}${gate.body}${gate.question}`);
  const beginOf = (value: unknown): string =>
    squeeze(typeof value === "string" ? (value.trim().split("\n")[0] ?? "") : JSON.stringify(value));
  const names = Object.values(input).flatMap((value) =>
    value === (input.file_path ?? input.notebook_path) ? String(value).split(/[/\\]/) : [],
  );
  const hidden = names.findLastIndex((_, at) => !text.includes(squeeze(names.slice(at).join("/"))));
  const begins = Object.values(input).map((value) => beginOf(value).slice(0, maxNeedle));
  return names.length - 1 - hidden + begins.filter((begin) => begin !== "" && text.includes(begin)).length;
}

/** Without wraps and the marks of wrapped lines; what a terminal may draw otherwise than it was written is left out too. */
const squeeze = (text: string): string => text.replace(/[\s│\p{C}]+/gu, "");
const plain = (text: string): string => squeeze(text).replace(/[^!-~]+/g, "");

/** Whole where the dialog fences it off; before 2.1.259 it stands above its description, somewhere in the body. */
function isCommandShown(command: string, { call, body, isCut }: ScreenGate): boolean {
  const fits = (shown: string, wanted: string): boolean => {
    if (wanted === "" || shown === "") return wanted === shown;
    if (isCut === true) return wanted.endsWith(shown);
    return call === undefined ? shown.startsWith(wanted) || shown.includes(wanted) : shown === wanted;
  };
  return [squeeze, plain].some((reduce) => fits(reduce(call ?? body), reduce(command)));
}

/** One of its questions is on the page, or the page that sums up is. */
function asksThis(input: Record<string, unknown>, gate: ScreenGate): boolean {
  if (gate.options.some(({ label }) => /^submit answers$/i.test(label))) return true;
  const questions = Array.isArray(input.questions) ? (input.questions as { question?: unknown }[]) : [];
  const shown = squeeze(gate.question);
  return questions.some(({ question }) => typeof question === "string" && shown !== "" && squeeze(question).endsWith(shown));
}

/** As a word of its own: `a.txt` is not shown by `data.txt`. */
const isNamed = (name: string, body: string): boolean =>
  new RegExp(`(?:^|[\\s/\\\\("'])${name.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")}(?:$|[\\s)"':,?])`, "m").test(body);
