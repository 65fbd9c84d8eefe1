import { isRecord, parseJson, parseRecord, shape } from "./json.ts";

/** Tokens of one answer by kind, as Claude Code 2.1.x writes them into `message.usage`. */
export interface Tokens {
  input: number;
  output: number;
  /** Cache writes kept for five minutes; what the line does not attribute counts here, as in Claude Code itself. */
  write5m: number;
  write1h: number;
  cacheRead: number;
}

/** What one transcript line says about the use of a model. */
export interface UsageLine extends Tokens {
  /** Of message id and request id: the same answer is written once per content block, and again in forks and copies. */
  key: number;
  /** Of the message id alone. */
  messageKey: number;
  /** Epoch ms. */
  at: number;
  model: string;
  /** What claude asked for; `[1m]` at its end tells the large window. */
  requestedModel?: string;
  isSidechain: boolean;
  webSearches: number;
  isFast: boolean;
  isUsOnly: boolean;
}

export const promptTokens = (tokens: Tokens): number => tokens.input + tokens.write5m + tokens.write1h + tokens.cacheRead;
export const allTokens = (tokens: Tokens): number => promptTokens(tokens) + tokens.output;

/** The line of Claude Code's errors and interruptions: no model answered, nothing was paid. */
export const syntheticModel = "<synthetic>";

/** One line, parsed as a whole: `none` when it is not about usage, `unreadable` when its usage cannot be understood. */
export function parseUsageLine(line: string): UsageLine | "none" | "unreadable" {
  const parsed = parseJson(line);
  // A damaged line: what it counted is lost, and the caller says so.
  if (parsed === undefined) return "unreadable";
  const entry = findAnswer(parsed);
  if (entry === undefined) return "none";
  const message = isRecord(entry.message) ? entry.message : {};
  const usage = message.usage;
  const time = typeof entry.timestamp === "string" ? Date.parse(entry.timestamp) : Number.NaN;
  if (!isPlausible(time)) return "unreadable";
  if (!isRecord(usage) || typeof message.model !== "string" || message.model === "") return "unreadable";
  return readUsage(entry, message, usage, time, line) ?? "unreadable";
}

const [firstMoment, lastMoment] = [Date.UTC(2000, 0), Date.UTC(2200, 0)];
/** A time at which a model can have answered; a damaged one would open a report of eight thousand years. */
export const isPlausible = (at: number): boolean => at >= firstMoment && at < lastMoment;

/** The assistant's entry in a line: the line itself, or what older versions (2.0, 2.1.0) wrote of a subagent at work. */
function findAnswer(parsed: unknown): Record<string, unknown> | undefined {
  if (!isRecord(parsed)) return undefined;
  if (parsed.type === "assistant") return parsed;
  const inner = parsed.type === "progress" && isRecord(parsed.data) && isRecord(parsed.data.message) ? parsed.data.message : undefined;
  return inner?.type === "assistant" ? { timestamp: parsed.timestamp, isSidechain: true, ...inner } : undefined;
}

function readUsage(
  entry: Record<string, unknown>,
  message: Record<string, unknown>,
  usage: Record<string, unknown>,
  at: number,
  line: string,
): UsageLine | undefined {
  const created = isRecord(usage.cache_creation) ? usage.cache_creation : {};
  const tools = isRecord(usage.server_tool_use) ? usage.server_tool_use : {};
  const [input, output] = [count(usage.input_tokens), count(usage.output_tokens)];
  const [write, hour, cacheRead] = [
    count(usage.cache_creation_input_tokens),
    count(created.ephemeral_1h_input_tokens),
    count(usage.cache_read_input_tokens),
  ];
  const webSearches = count(tools.web_search_requests);
  if (usage.input_tokens == null || usage.output_tokens == null) return undefined;
  if (input === undefined || output === undefined || write === undefined || hour === undefined || cacheRead === undefined) return undefined;
  if (webSearches === undefined) return undefined;
  const write1h = Math.min(hour, write);
  const messageKey = hashString(typeof message.id === "string" ? message.id : line);
  return {
    key: typeof entry.requestId === "string" ? hashString(entry.requestId, messageKey) : messageKey,
    messageKey,
    at,
    model: String(message.model),
    ...(typeof entry.requestedModel === "string" ? { requestedModel: entry.requestedModel } : {}),
    isSidechain: entry.isSidechain === true,
    input,
    output,
    write5m: write - write1h,
    write1h,
    cacheRead,
    webSearches,
    isFast: usage.speed === "fast",
    isUsOnly: usage.inference_geo === "us",
  };
}

/** What a `compact_boundary` line (seen on 2.1.329) says is left of the conversation. */
export function parseCompaction(line: string): { at: number; tokens: number } | undefined {
  // A damaged line: the next answer tells the context again.
  const { type, timestamp, compactMetadata } = shape(parseRecord(line) ?? {}, wantedOfCompaction);
  if (type !== "system" || timestamp === undefined || compactMetadata === undefined) return undefined;
  const at = Date.parse(timestamp);
  const tokens = count(compactMetadata.postTokens ?? Number.NaN);
  return Number.isNaN(at) || tokens === undefined ? undefined : { at, tokens };
}

const wantedOfCompaction = { type: "string", timestamp: "string", compactMetadata: "record" } as const;

const maxCount = 1e15;

/** Absent is none; what is no whole number from 0 is not understood. */
function count(value: unknown): number | undefined {
  if (value === undefined || value === null) return 0;
  return typeof value === "number" && Number.isInteger(value) && value >= 0 && value < maxCount ? value : undefined;
}

const hashString = (text: string, seed?: number): number => hashText(Buffer.from(JSON.stringify(text)), 0, seed);

/**
 * A number for the JSON text whose quote stands here, of 53 bits: among a million answers, two share one with a chance of 1 in
 * 10,000.
 */
export function hashText(bytes: Uint8Array, quoteAt: number, seed = 0): number {
  let low = (0x811c9dc5 ^ seed) | 0;
  let high = (0x9e3779b9 ^ (seed / 0x100000000)) | 0;
  for (let index = quoteAt + 1; index < bytes.length && bytes[index] !== 0x22; index++) {
    low = Math.imul(low ^ (bytes[index] ?? 0), 0x01000193);
    high = Math.imul(high ^ (bytes[index] ?? 0), 0x85ebca6b);
    high ^= high >>> 13;
  }
  low ^= low >>> 15;
  return (high >>> 0) * 0x200000 + (low >>> 11);
}
