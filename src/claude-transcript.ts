import { parseLimitWording } from "./claude-reset.ts";
import { hasShape, isRecord, parseRecord, parseTime, present, shape } from "./json.ts";

/** One line of a Claude Code transcript that says something about the main conversation (forms as of 2.1.329). */
export type TranscriptEvent =
  | { kind: "prompt"; at: number; uuid: string; text: string }
  | { kind: "text"; at: number; messageId: string; text: string; model: string; stopReason?: string }
  | { kind: "tool"; at: number; messageId: string; toolUse: ToolUse; model: string; stopReason?: string }
  /** `text` only of an error: its beginning, or the reason of a refusal. */
  | { kind: "result"; at: number; toolUseId: string; isError: boolean; isRefused?: true; text?: string }
  | { kind: "interrupt"; at: number }
  | { kind: "error"; at: number; error: ApiError }
  /** A prompt came into the queue of a running turn, or left it: for a turn of its own, or into this one or back to its writer. */
  | { kind: "queue"; at: number; change: "came" | "starts" | "left" }
  | ({ kind: "retry"; at: number } & Retry)
  | { kind: "turn-end"; at: number };

/** A request to the API that failed and is sent again. */
export interface Retry {
  /** The one that comes next. */
  attempt: number;
  maxAttempts: number;
  /** Until then; 0 while it is under way. */
  waitMs: number;
  /** `529 Overloaded`, `Connection refused — …`. */
  error: string;
}

export interface ToolUse {
  id: string;
  name: string;
  input: Record<string, unknown>;
}

export interface ApiError {
  /** Claude Code's class: `rate_limit`, `server_error`, `authentication_failed`, `invalid_request` … */
  class: string;
  message: string;
  limit?: { window: string; resetsAt?: number };
}

/** Undefined when the conversation has ended or not begun; every field comes from the main thread only. */
export interface Turn {
  prompt?: { text: string; uuid: string; at: number };
  model?: string;
  /** Tools called in the newest message that have no result yet, in order. */
  pendingTools: ToolUse[];
  /** All text blocks of the newest message, joined. */
  text: string;
  stopReason?: string;
  end?: "finished" | "interrupted" | "failed";
  error?: ApiError;
  /** Prompts in claude's queue, whose turns have not begun; absent when there is none. */
  queued?: number;
  /** Nothing has come since. Written by 2.0.70 to 2.1.158; later versions only show it. */
  retry?: Retry & { at: number };
  /** Time of the newest event, epoch ms; 0 when there is none. */
  at: number;
}

/** The prompt that claude has put into its queue, as its transcript tells it. */
export function parseQueued(line: string): string | undefined {
  if (!line.startsWith('{"type":"queue-operation"')) return undefined;
  const { operation, content } = shape(parseRecord(line) ?? {}, { operation: "string", content: "string" });
  return operation === "enqueue" ? content : undefined;
}

const marker = /"type"\s*:\s*"(?:user|assistant|system|queue-operation)"/;

/** The events of one line; empty for noise, side chains, torn lines and everything this version does not know. */
export function parseTranscriptLine(line: string): TranscriptEvent[] {
  // Most lines by volume are request snapshots: look before parsing.
  if (!marker.test(line)) return [];
  // None: a torn last line, which the next read brings whole.
  const entry = parseRecord(line);
  if (entry === undefined || entry.isSidechain === true) return [];
  const time = parseTime(entry.timestamp) ?? 0;
  if (entry.type === "queue-operation") return [{ kind: "queue", at: time, change: queueChanges[String(entry.operation)] ?? "left" }];
  if (entry.type === "system") return entry.subtype === "turn_duration" ? [{ kind: "turn-end", at: time }] : retryEvents(entry, time);
  const message = isRecord(entry.message) ? entry.message : {};
  if (entry.type === "assistant")
    return entry.isApiErrorMessage === true
      ? [{ kind: "error", at: time, error: apiError(entry, message, time) }]
      : assistantEvents(message, time);
  if (entry.type === "user") return userEvents(entry, message, time);
  return [];
}

const queueChanges: Readonly<Record<string, "came" | "starts">> = { enqueue: "came", dequeue: "starts" };

function retryEvents(entry: Record<string, unknown>, at: number): TranscriptEvent[] {
  const fields = { retryAttempt: "number", maxRetries: "number", retryInMs: "number", error: "record" } as const;
  if (entry.subtype !== "api_error" || !hasShape(entry, fields)) return [];
  const { retryAttempt: attempt, maxRetries: maxAttempts, retryInMs, error } = entry;
  return [{ kind: "retry", at, attempt, maxAttempts, waitMs: Math.round(retryInMs), error: describeApi(error) }];
}

/** 2.1.158 has words for people, older versions what the API has answered. */
function describeApi({ formatted, status, error, message }: Record<string, unknown>): string {
  if (typeof formatted === "string") return formatted;
  const inner = isRecord(error) && isRecord(error.error) ? error.error.message : message;
  return [status, inner].filter((part) => typeof part === "string" || typeof part === "number").join(" ") || "API error";
}

function assistantEvents(message: Record<string, unknown>, at: number): TranscriptEvent[] {
  const messageId = typeof message.id === "string" ? message.id : "";
  const common = {
    at,
    messageId,
    model: typeof message.model === "string" ? message.model : "",
    ...(typeof message.stop_reason === "string" ? { stopReason: message.stop_reason } : {}),
  };
  const events: TranscriptEvent[] = [];
  for (const block of contentBlocks(message.content)) {
    if (block.type === "text" && typeof block.text === "string") events.push({ kind: "text", text: block.text, ...common });
    if (block.type === "tool_use" && typeof block.name === "string") {
      const toolUse = { id: String(block.id ?? ""), name: block.name, input: isRecord(block.input) ? block.input : {} };
      events.push({ kind: "tool", toolUse, ...common });
    }
  }
  return events;
}

function userEvents(entry: Record<string, unknown>, message: Record<string, unknown>, at: number): TranscriptEvent[] {
  const uuid = typeof entry.uuid === "string" ? entry.uuid : "";
  const events: TranscriptEvent[] = [];
  const prompt: string[] = [];
  for (const block of contentBlocks(message.content)) {
    if (block.type === "tool_result" && typeof block.tool_use_id === "string")
      events.push({
        kind: "result",
        at,
        toolUseId: block.tool_use_id,
        ...(block.is_error === true ? { isError: true, ...describeFailure(entry, block.content) } : { isError: false }),
      });
    else if (block.type === "text" && typeof block.text === "string") {
      if (block.text.startsWith("[Request interrupted by user")) events.push({ kind: "interrupt", at });
      else if (!isLocal(entry, block.text)) prompt.push(block.text);
    }
  }
  return prompt.length === 0 ? events : [...events, { kind: "prompt", at, uuid, text: prompt.join("\n") }];
}

const maxErrorText = 300;

/** What claude writes for "No" in every version, with the reason behind it; the message of a hook stands alone. */
const noReason = "refused";
const refusal = /^The user doesn't want to (?:proceed with this tool use|take this action)[\s\S]*?(?:the user said:\n|$)/;

function describeFailure({ permissionDecision }: Record<string, unknown>, content: unknown): { text: string; isRefused?: true } {
  const whole = contentBlocks(content)
    .map((block) => (typeof block.text === "string" ? block.text : ""))
    .join(" ");
  const isRefused = refusal.test(whole) || (isRecord(permissionDecision) && permissionDecision.decision === "reject");
  const reason = whole.replace(refusal, "").slice(0, maxErrorText);
  return isRefused ? { text: reason || noReason, isRefused } : { text: reason };
}

/** Lines that Claude Code writes about its own slash commands and summaries; no turn belongs to them. */
const isLocal = (entry: Record<string, unknown>, text: string): boolean =>
  (entry.isMeta === true && !isAutomatic(entry)) ||
  entry.isCompactSummary === true ||
  /^<(?:local-command-|command-name|bash-)/.test(text) ||
  text.startsWith("This session is being continued from a previous conversation");

const isAutomatic = (entry: Record<string, unknown>): boolean =>
  isRecord(entry.origin) && (entry.origin.kind === "auto-continuation" || entry.origin.kind === "task-notification");

/** Classes of an error that may be a usage limit; older versions tell none. */
const limitClasses = new Set(["rate_limit", "unknown"]);

function apiError(entry: Record<string, unknown>, message: Record<string, unknown>, at: number): ApiError {
  const text = contentBlocks(message.content)
    .map((block) => (typeof block.text === "string" ? block.text : ""))
    .join("\n");
  const told = typeof entry.error === "string" ? entry.error : "unknown";
  const error: ApiError = { class: told, message: text };
  const quota = isRecord(entry.quotaLimits) ? entry.quotaLimits : undefined;
  if (quota !== undefined && quota.status === "rejected") {
    error.limit = { window: typeof quota.rateLimitType === "string" ? quota.rateLimitType : "unknown" };
    const { resetsAt } = shape({ resetsAt: Number(quota.resetsAt) * 1000 }, { resetsAt: "time" });
    if (typeof quota.resetsAt === "number" && resetsAt !== undefined) error.limit.resetsAt = resetsAt;
  } else if (quota === undefined) return wordedError(told, text, at);
  return error;
}

/** What its class and words alone say, as hooks tell it. */
export const wordedError = (told: string, message: string, at: number): ApiError => ({
  ...{ class: told, message },
  ...present({ limit: limitClasses.has(told) ? parseLimitWording(message, at) : undefined }),
});

/** claude has said that it goes on by itself when the limit resets (2.1.329, after a five-hour limit). */
export const isSelfContinuing = (lines: readonly string[], since: number): boolean =>
  lines.some((line) => {
    if (!line.includes('"informational"') || !/continuing automatically at/i.test(line)) return false;
    const at = /"timestamp":\s?"([^"]+)"/.exec(line)?.[1];
    return at !== undefined && Date.parse(at) >= since;
  });

const contentBlocks = (content: unknown): Record<string, unknown>[] => {
  if (typeof content === "string") return [{ type: "text", text: content }];
  return Array.isArray(content) ? content.filter(isRecord) : [];
};

export const parseLines = (lines: readonly string[]): TranscriptEvent[] => lines.flatMap(parseTranscriptLine);

const latePromptMs = 2000;

/** What comes fast reaches the file of 2.1.158 and 2.1.204 up to 0.3 s before its prompt, which is put before it: replies, refusals. */
function withPromptsFirst<E extends TranscriptEvent>(events: readonly E[]): readonly E[] {
  const isLate = ({ kind, at }: TranscriptEvent, index: number) => kind === "prompt" && at < (events[index - 1]?.at ?? 0);
  if (!events.some(isLate)) return events;
  const ordered: E[] = [];
  for (const event of events) ordered.splice(event.kind === "prompt" ? placeOf(event.at, ordered) : ordered.length, 0, event);
  return ordered;
}

/** Before replies that are a moment younger and have no prompt of their own; a clock that was set back makes more of them younger. */
function placeOf(promptAt: number, events: readonly TranscriptEvent[]): number {
  const first = events.findLastIndex((event) => event.at <= promptAt || event.kind === "prompt") + 1;
  const [before, reply] = [events[first - 1], events[first]];
  const isAnswered = before?.kind === "prompt" || (reply !== undefined && reply.at - promptAt >= latePromptMs);
  return isAnswered ? events.length : first;
}

/** The newest turn, by the order of the lines: their times say nothing when a clock was set back. */
export function decideTurn(parsed: readonly TranscriptEvent[]): Turn {
  const events = withPromptsFirst(parsed.filter((event) => event.kind !== "queue"));
  const queued = countQueued(parsed);
  const turn: Turn = { pendingTools: [], text: "", at: 0, ...(queued === 0 ? {} : { queued }) };
  let messageId: string | undefined;
  const startMessage = (id: string) => {
    if (id === messageId) return;
    messageId = id;
    turn.pendingTools = [];
    turn.text = "";
    delete turn.stopReason;
  };
  for (const event of events) {
    turn.at = event.at;
    delete turn.retry;
    if (event.kind === "retry") {
      const { kind: _, ...retry } = event;
      turn.retry = retry;
      continue;
    }
    if (event.kind === "turn-end") {
      turn.end ??= "finished";
      continue;
    }
    if (event.kind === "result") {
      turn.pendingTools = turn.pendingTools.filter((tool) => tool.id !== event.toolUseId);
      continue;
    }
    if (event.kind === "interrupt") {
      turn.end = "interrupted";
      turn.pendingTools = [];
      continue;
    }
    delete turn.end;
    delete turn.error;
    if (event.kind === "prompt") {
      turn.prompt = { text: event.text, uuid: event.uuid, at: event.at };
      startMessage(`prompt ${event.uuid}`);
    } else if (event.kind === "error") {
      startMessage(`error ${event.at}`);
      turn.end = "failed";
      turn.error = event.error;
      turn.text = event.error.message;
    } else {
      startMessage(event.messageId);
      turn.model = event.model;
      if (event.stopReason !== undefined) turn.stopReason = event.stopReason;
      if (event.kind === "tool") turn.pendingTools.push(event.toolUse);
      else turn.text = turn.text === "" ? event.text : `${turn.text}\n${event.text}`;
    }
  }
  return turn;
}

/** Of these the first tells that a turn has begun: the prompt's own line comes before claude's status says so. */
const answering: ReadonlySet<TranscriptEvent["kind"]> = new Set(["text", "tool", "error", "interrupt"]);

/**
 * One that left for a turn of its own counts until that has begun. The beginning of the file may be cut off, and with it what a
 * prompt that leaves has come by.
 */
function countQueued(events: readonly TranscriptEvent[]): number {
  let waiting = 0;
  let starting = 0;
  for (const event of events) {
    if (answering.has(event.kind)) starting = 0;
    if (event.kind !== "queue") continue;
    waiting = Math.max(0, waiting + (event.change === "came" ? 1 : -1));
    if (event.change === "starts") starting = 1;
  }
  return waiting + starting;
}

const firstEndBytes = 16 * 1024;
/** What is written after the newest prompt and answer is never near this; a line that is longer says nothing that can be read. */
const mostEndBytes = 16 * 1024 * 1024;

/** The newest turn, from as few bytes of the file's end as hold it; undefined without the file. `readEnd` gets whole lines of that end. */
export function readNewestTurn(
  readEnd: (bytes: number) => { lines: readonly string[]; isWhole: boolean } | undefined,
  maxBytes = mostEndBytes,
): Turn | undefined {
  for (let bytes = firstEndBytes; ; bytes *= 4) {
    const end = readEnd(bytes);
    if (end === undefined) return undefined;
    const events = parseLines(end.lines);
    if (end.isWhole || isWholeTurn(events) || bytes * 4 > maxBytes) return decideTurn(events);
  }
}

/** True when these events hold at least one whole message of the newest turn, so that reading further back adds nothing. */
export function isWholeTurn(events: readonly TranscriptEvent[]): boolean {
  const messages = new Set<string>();
  for (const event of events) {
    if (event.kind === "prompt" || event.kind === "error") return true;
    if (event.kind === "text" || event.kind === "tool") messages.add(event.messageId);
  }
  return messages.size > 1;
}

/** True when a finished text asks something: a question mark outside code and web addresses. */
export function asksQuestion(text: string): boolean {
  // Most texts ask nothing, and each look at fifty sessions reads them all: to look for a character takes no time.
  if (!text.includes("?") && !text.includes("？")) return false;
  return proseParagraphs(text).some((paragraph) => /[?？]/.test(paragraph.replace(codeSpan, "").replace(webAddress, "")));
}

const codeSpan = /(?<!`)(`+)(?!`)[\s\S]*?(?<!`)\1(?!`)/g;
/** Without the punctuation of the sentence that it ends. */
const webAddress = /\bhttps?:\/\/\S*[^\s?？.,;:!)\]>'"]/g;
const fenceLine = /^ {0,3}(`{3,}|~{3,})/;

/** Markdown paragraphs outside fenced code; a fence that is not closed runs to the end. */
function proseParagraphs(text: string): string[] {
  const paragraphs: string[] = [""];
  let fence: string | undefined;
  for (const line of text.split("\n")) {
    const mark = fenceLine.exec(line)?.[1] ?? "";
    const info = line.trimStart().slice(mark.length);
    if (fence !== undefined) {
      if (mark.startsWith(fence) && info.trim() === "") fence = undefined;
    } else if (mark !== "" && !(mark.startsWith("`") && info.includes("`"))) fence = mark;
    else if (line.trim() === "") paragraphs.push("");
    else paragraphs[paragraphs.length - 1] += `${line}\n`;
  }
  return paragraphs;
}
