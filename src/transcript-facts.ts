import { describeInput } from "./claude-calls.ts";
import { plainRefusal } from "./claude-hooks.ts";
import { parseTranscriptLine, type TranscriptEvent } from "./claude-transcript.ts";
import { parseRecord, parseTime } from "./json.ts";
import { printable, printableLine } from "./printable.ts";

/** What a transcript says of its conversation as a whole; texts are as hostile as they were written. */
export interface TranscriptFacts {
  /** Of `/rename` and `--name`. */
  customTitle?: string;
  agentName?: string;
  /** Made up by Claude Code. */
  aiTitle?: string;
  lastPrompt?: string;
  /** The first one that a person wrote. */
  firstPrompt?: string;
  permissionMode?: string;
  /** Of the newest answer. */
  model?: string;
  /** Folder of the first entry; a session may move on, its transcript does not. */
  cwd?: string;
  /** Epoch ms. */
  startedAt?: number;
  /** Prompts that a person wrote. */
  turns: number;
  /** `cli`, or what started it: `sdk-cli` for `claude -p`. */
  entrypoint?: string;
  /** It holds a conversation, not snapshots, titles and the like alone. */
  hasEntries?: boolean;
  /** claude takes it for the side chain of a sub-agent. */
  isSideChain?: boolean;
  /** Of a team of agents, which resumes its members itself. */
  teamName?: string;
  /** It went on in a background session. */
  isMovedOn?: boolean;
}

export const noFacts: TranscriptFacts = { turns: 0 };

const scripted: ReadonlySet<string> = new Set(["sdk-cli", "sdk-ts", "sdk-py"]);

/**
 * A person's conversation that can be resumed, as `claude -c` chooses (2.1.329): no script's by its first entrypoint, none without
 * an entry, none with a side chain in its first 64 KB, none of a team, none that went on in the background.
 */
export const isPersonal = ({ hasEntries, entrypoint = "", isSideChain, teamName, isMovedOn }: TranscriptFacts): boolean =>
  hasEntries === true && !scripted.has(entrypoint) && isSideChain !== true && teamName === undefined && isMovedOn !== true;

/** So much of its begin claude reads to judge a transcript. */
const headBytes = 64 * 1024;

/**
 * Adds what these whole lines say to what the lines before them said; `at` is their place in the file. The bytes are searched first
 * and only lines that matter are parsed: a transcript of 1 MB costs less than 1 ms, so that none needs to be guessed from a part.
 */
export function readFacts(bytes: Buffer, before: TranscriptFacts = noFacts, at = 0): { facts: TranscriptFacts; prompts: string[] } {
  const lines = isCompact(bytes) ? bytes : compact(bytes);
  const prompts = readPrompts(lines);
  const found: Found = {
    ...readTitles(lines),
    permissionMode: lastWith(lines, needles.permissionMode, (entry) => (hasMode(entry) ? entry.permissionMode : undefined)),
    model: lastWith(lines, needles.assistant, readModel),
    firstPrompt: before.firstPrompt ?? prompts[0],
    cwd: before.cwd ?? firstWith(lines, needles.cwd, (entry) => (isFilled(entry.cwd) ? entry.cwd : undefined)),
    startedAt: before.startedAt ?? firstWith(lines, needles.timestamp, readTime),
    entrypoint:
      before.entrypoint ?? firstWith(lines, needles.entrypoint, (entry) => (isFilled(entry.entrypoint) ? entry.entrypoint : undefined)),
    teamName:
      before.teamName ??
      (at < headBytes ? firstWith(lines, needles.teamName, (entry) => (isFilled(entry.teamName) ? entry.teamName : undefined)) : undefined),
    hasEntries: before.hasEntries ?? (entryNeedles.some((needle) => lines.includes(needle)) || undefined),
    isSideChain: before.isSideChain ?? (lines.subarray(0, Math.max(0, headBytes - at)).includes(needles.sideChain) || undefined),
    isMovedOn: readMovedOn(lines, before.isMovedOn === true),
  };
  const present = Object.entries(found).filter(([, value]) => value !== undefined);
  return { facts: { ...before, ...Object.fromEntries(present), turns: before.turns + prompts.length }, prompts };
}

type Found = { [key in Exclude<keyof TranscriptFacts, "turns">]?: TranscriptFacts[key] | undefined };

/** Titles and the newest prompt alone, added to what was known: some microseconds, for a list of many sessions. */
export function readSubject(bytes: Buffer, before: TranscriptFacts = noFacts): TranscriptFacts {
  const lines = isCompact(bytes) ? bytes : compact(bytes);
  const found: Found = readTitles(lines);
  // claude's own record of it comes late.
  found.lastPrompt = newestPrompt(lines) ?? found.lastPrompt;
  return { ...before, ...Object.fromEntries(Object.entries(found).filter(([, value]) => value !== undefined)) };
}

/** The same of the two ends of a transcript: claude repeats its titles near the end, and looks for them nowhere else (2.1.329). */
export function subjectOfEnds({ head, tail }: { head: Buffer; tail: Buffer }): TranscriptFacts {
  const newest = readSubject(tail);
  const isTold = newest.lastPrompt !== undefined && (newest.customTitle ?? newest.aiTitle) !== undefined;
  return isTold ? newest : { ...readSubject(head), ...newest };
}

/** What stands for a conversation in a list; empty before its first prompt. */
export const titleOf = (facts: TranscriptFacts): string =>
  facts.customTitle ?? facts.aiTitle ?? facts.lastPrompt ?? facts.firstPrompt ?? facts.agentName ?? "";

/** What tells a conversation from others where its name is shown already; empty where nothing does. */
export const subtitleOf = ({ lastPrompt, ...facts }: TranscriptFacts, name: string): string =>
  ([facts.customTitle, facts.aiTitle, lastPrompt, facts.firstPrompt].find((text) => text !== undefined && text !== name) ?? "").slice(
    0,
    maxSubtitle,
  );

/** Prompts of a megabyte are pasted. */
const maxSubtitle = 200;

const labelLength = 80;

/** The title on one line of at most 80 characters. */
export function labelOf(facts: TranscriptFacts): string {
  const label = printable(titleOf(facts).slice(0, 4096)).replace(/[\t\n]/g, " ");
  return label.length <= labelLength ? label : [...label].slice(0, labelLength).join("");
}

type Entry = Record<string, unknown>;

/** Quotes inside texts are escaped, so these stand for keys and values of the entries themselves. */
const needles = {
  title: Buffer.from('-title"'),
  agentName: Buffer.from('"agent-name"'),
  lastPrompt: Buffer.from('"last-prompt"'),
  permissionMode: Buffer.from('"permissionMode":"'),
  assistant: Buffer.from('"type":"assistant"'),
  user: Buffer.from('"type":"user"'),
  cwd: Buffer.from('"cwd":"'),
  timestamp: Buffer.from('"timestamp":"'),
  entrypoint: Buffer.from('"entrypoint":"'),
  teamName: Buffer.from('"teamName":"'),
  parentUuid: Buffer.from('"parentUuid":'),
  sideChain: Buffer.from('"isSidechain":true'),
  movedOn: Buffer.from('"type":"continued-in"'),
};

/** claude looks for the first one alone; each of its own entries has it. */
const entryNeedles = [needles.parentUuid, needles.user, needles.assistant];

/** Undefined where these lines say nothing of it; what is written after the note goes on here. */
function readMovedOn(lines: Buffer, wasMoved: boolean): boolean | undefined {
  const movedAt = lines.lastIndexOf(needles.movedOn);
  const saidAt = Math.max(lines.lastIndexOf(needles.user), lines.lastIndexOf(needles.assistant));
  if (movedAt > saidAt) return true;
  return wasMoved && saidAt >= 0 ? false : undefined;
}

const isFilled = (value: unknown): value is string => typeof value === "string" && value !== "";

function readTitles(lines: Buffer): Pick<Found, "customTitle" | "aiTitle" | "agentName" | "lastPrompt"> {
  const found: ReturnType<typeof readTitles> = {};
  for (const entry of entriesWith(lines, needles.title)) {
    if (entry.type === "custom-title" && isFilled(entry.customTitle)) found.customTitle = entry.customTitle;
    if (entry.type === "ai-title" && isFilled(entry.aiTitle)) found.aiTitle = entry.aiTitle;
  }
  found.agentName = lastWith(lines, needles.agentName, (entry) => (isFilled(entry.agentName) ? entry.agentName : undefined));
  found.lastPrompt = lastWith(lines, needles.lastPrompt, (entry) =>
    isFilled(entry.lastPrompt) ? ownText(entry.lastPrompt) || undefined : undefined,
  );
  return found;
}

const hasMode = (entry: Entry): entry is Entry & { permissionMode: string } =>
  (entry.type === "permission-mode" || entry.type === "user") && isFilled(entry.permissionMode);

function readModel(entry: Entry): string | undefined {
  const message = entry.message as { model?: unknown } | undefined;
  const isAnswer = entry.type === "assistant" && entry.isSidechain !== true;
  return isAnswer && isFilled(message?.model) && message.model !== "<synthetic>" ? message.model : undefined;
}

const readTime = (entry: Entry): number | undefined => parseTime(entry.timestamp);

/** As Claude Code writes it; compared byte by byte, as making a text of each would take a third of the whole search. */
const resultHead = Buffer.from(',"message":{"role":"user","content":[{"tool_use_id"');

/** Most user lines by number and volume are results of tools: they are told by their first bytes. */
function isResult(bytes: Buffer, from: number): boolean {
  if (bytes.compare(resultHead, 0, resultHead.length, from, Math.min(bytes.length, from + resultHead.length)) === 0) return true;
  return resultMark.test(bytes.toString("latin1", from, from + headLength));
}

const resultMark = /"tool_use_id"|"tool_result"/;
const headLength = 96;
/** Turns that Claude Code starts by itself. */
const automatic = /"origin":\{"kind":"(?!human")/;
/** What editors and surroundings put before a prompt, and into it (2.1.329): the person did not write it. */
const surroundings = /<(ide_opened_file|ide_selection|ide_diagnostics)(?:\s[^>]*)?>[\s\S]*?<\/\1>\s*/g;
const leading =
  /^\s*<(terminal|browser|browser_instruction|post-tool-use-hook|user-memory-input|user-prompt-submit-hook|system-reminder|system_reminder)(?:\s[^>]*)?>[\s\S]*?<\/\1>\s*/;
/** All of it is a machine's. */
const machineText =
  /^\s*<(?:task-notification|system-reminder|command-message|command-name|tick|fork-boilerplate|mcp-resource-update|mcp-polling-update|teammate-message|channel\s|cross-session-message|agent-message)\b/;

/** What the person wrote; empty where that is nothing. */
function ownText(text: string): string {
  let own = text.replace(surroundings, "");
  for (let before = ""; own !== before; ) {
    before = own;
    own = own.replace(leading, "");
  }
  return machineText.test(own) ? "" : own.trim();
}

function readPrompts(bytes: Buffer): string[] {
  const prompts: string[] = [];
  for (let at = bytes.indexOf(needles.user); at >= 0; ) {
    let next = at + needles.user.length;
    if (!isResult(bytes, next)) {
      const line = lineAt(bytes, at);
      next = line.end;
      prompts.push(...promptsOf(bytes.toString("utf8", line.start, line.end)));
    }
    at = bytes.indexOf(needles.user, next);
  }
  return prompts;
}

function newestPrompt(bytes: Buffer): string | undefined {
  for (let at = bytes.lastIndexOf(needles.user); at >= 0; ) {
    const { start, end } = lineAt(bytes, at);
    const prompt = isResult(bytes, at + needles.user.length) ? undefined : promptsOf(bytes.toString("utf8", start, end)).at(-1);
    if (prompt !== undefined || start === 0) return prompt;
    at = bytes.lastIndexOf(needles.user, start - 1);
  }
  return undefined;
}

/** Those that a person wrote. */
const promptsOf = (line: string): string[] =>
  parseTranscriptLine(line).flatMap((event) => {
    const own = event.kind === "prompt" && !automatic.test(line) ? ownText(event.text) : "";
    return own === "" ? [] : [own];
  });

function lineAt(bytes: Buffer, at: number): { start: number; end: number } {
  const end = bytes.indexOf(10, at);
  return { start: bytes.lastIndexOf(10, at) + 1, end: end < 0 ? bytes.length : end };
}

/** Undefined for anything but an object: torn lines and noise vanish. */
const parseEntry = (bytes: Buffer, start: number, end: number): Entry | undefined => parseRecord(bytes.toString("utf8", start, end));

function* entriesWith(bytes: Buffer, needle: Buffer): Generator<Entry> {
  for (let at = bytes.indexOf(needle); at >= 0; ) {
    const { start, end } = lineAt(bytes, at);
    const entry = parseEntry(bytes, start, end);
    if (entry !== undefined) yield entry;
    at = bytes.indexOf(needle, end);
  }
}

function firstWith<T>(bytes: Buffer, needle: Buffer, read: (entry: Entry) => T | undefined): T | undefined {
  for (const entry of entriesWith(bytes, needle)) {
    const value = read(entry);
    if (value !== undefined) return value;
  }
  return undefined;
}

function lastWith<T>(bytes: Buffer, needle: Buffer, read: (entry: Entry) => T | undefined): T | undefined {
  for (let at = bytes.lastIndexOf(needle); at >= 0; ) {
    const { start, end } = lineAt(bytes, at);
    const entry = parseEntry(bytes, start, end);
    const value = entry === undefined ? undefined : read(entry);
    if (value !== undefined || start === 0) return value;
    at = bytes.lastIndexOf(needle, start - 1);
  }
  return undefined;
}

/** Claude Code writes no blanks between keys and values; other tools that write transcripts may, if only in some lines. */
const isCompact = (bytes: Buffer): boolean => !['"type": ', '"type" ', '"type":\t', '"type"\t'].some((mark) => bytes.includes(mark));

function compact(bytes: Buffer): Buffer {
  const lines: string[] = [];
  for (let start = 0; start < bytes.length; ) {
    const newline = bytes.indexOf(10, start);
    const end = newline < 0 ? bytes.length : newline;
    const entry = parseEntry(bytes, start, end);
    if (entry !== undefined) lines.push(JSON.stringify(entry));
    start = end + 1;
  }
  return Buffer.from(lines.join("\n"));
}

/** One line of a transcript for a person; empty for what says nothing to one. */
export const renderTranscript = (line: string): string =>
  parseTranscriptLine(line)
    .map(renderEvent)
    .filter((text) => text !== "")
    .join("\n");

function renderEvent(event: TranscriptEvent): string {
  switch (event.kind) {
    case "prompt":
      return `> ${printable(event.text).replaceAll("\n", "\n  ")}`;
    case "text":
      return printable(event.text);
    case "tool":
      return `* ${event.toolUse.name} ${printableLine(describeInput(event.toolUse.input)).slice(0, 160)}`;
    case "result":
      return event.isError ? renderFailure(event) : "";
    case "interrupt":
      return "! interrupted";
    case "error":
      return `! ${printable(event.error.message)}`;
    default:
      return "";
  }
}

function renderFailure({ text = "", isRefused }: Extract<TranscriptEvent, { kind: "result" }>): string {
  const line = printableLine(text).trim();
  if (isRefused !== true) return `! ${line.slice(0, 160)}`;
  return line === "refused" || line === plainRefusal ? "! refused" : `! refused: ${line}`;
}
