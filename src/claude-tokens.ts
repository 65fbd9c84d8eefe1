import { isRecord, parseLine, parseRecord, present, shape } from "./json.ts";

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
  /** The requests that the answer was made of, where there are several: each has its own price tier. */
  requests?: Tokens[];
  /** What the server asked other models meanwhile; no part of the answer's own tokens (2.1.329). */
  advisors?: (Tokens & { model: string })[];
  /** The prompt of the last request, where several make the whole larger than what the conversation holds. */
  lastPromptTokens?: number;
}

export const promptTokens = (tokens: Tokens): number => tokens.input + tokens.write5m + tokens.write1h + tokens.cacheRead;
export const allTokens = (tokens: Tokens): number => promptTokens(tokens) + tokens.output;

/** What is to be paid of an answer, request by request and model by model; the first one stands for the answer. */
export function partsOf(usage: UsageLine): UsageLine[] {
  if (usage.requests === undefined && usage.advisors === undefined) return [usage];
  const { requests = [usage], advisors = [] } = usage;
  const own = requests.map((tokens, index) => ({ ...usage, ...tokensOf(tokens), ...(index === 0 ? {} : { webSearches: 0 }) }));
  return [...own, ...advisors.map((advisor) => ({ ...usage, ...advisor, webSearches: 0, isFast: false }))];
}

const tokensOf = ({ input, output, write5m, write1h, cacheRead }: Tokens): Tokens => ({ input, output, write5m, write1h, cacheRead });

/**
 * Which answer a line belongs to, in the order of the lines. Its message id is always there and its request id is not: a line
 * without one belongs to what else has the same message id.
 */
export function createIdentity(): (usage: Pick<UsageLine, "key" | "messageKey">) => number {
  const first = new Map<number, number>();
  /** The request that an answer turned out to have which was first seen without. */
  const joined = new Map<number, number>();
  return ({ key, messageKey }) => {
    const known = first.get(messageKey);
    if (known === undefined) first.set(messageKey, key);
    if (known === undefined || known === key) return key;
    if (key === messageKey) return known;
    if (known !== messageKey) return key;
    if (!joined.has(messageKey)) joined.set(messageKey, key);
    return joined.get(messageKey) === key ? messageKey : key;
  };
}

/** The line of Claude Code's errors and interruptions: no model answered, nothing was paid. */
export const syntheticModel = "<synthetic>";

/** All answers of one line, and how much in it looks like one and cannot be understood. */
export function parseUsageLine(line: string): { usages: UsageLine[]; unreadable: number } {
  const { values, isWhole } = parseLine(line);
  const entries = values.map(findAnswer).filter(isRecord);
  const usages = entries.flatMap((entry) => readAnswer(entry, line) ?? []);
  const seeming = !isWhole ? Math.max(count(line, /"type"\s*:\s*"assistant"/g), count(line, /"role"\s*:\s*"assistant"/g)) : 0;
  return { usages, unreadable: Math.max(entries.length, seeming) - usages.length };
}

const count = (text: string, pattern: RegExp): number => text.match(pattern)?.length ?? 0;

function readAnswer(entry: Record<string, unknown>, line: string): UsageLine | undefined {
  const message = isRecord(entry.message) ? entry.message : {};
  const time = typeof entry.timestamp === "string" ? Date.parse(entry.timestamp) : Number.NaN;
  if (!isPlausible(time) || !isRecord(message.usage) || typeof message.model !== "string" || message.model === "") return undefined;
  return readUsage(entry, message, message.usage, time, line);
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
  const tokens = readTokens(usage);
  const tools = isRecord(usage.server_tool_use) ? usage.server_tool_use : {};
  const webSearches = toCount(tools.web_search_requests);
  if (tokens === undefined || webSearches === undefined) return undefined;
  const { requestId } = entry;
  const id = [message.id, requestId, entry.uuid].find((value) => typeof value === "string" && value !== "") ?? line;
  const messageKey = hashString(String(id));
  return {
    key: typeof requestId === "string" && id !== requestId ? hashString(requestId, messageKey) : messageKey,
    messageKey,
    at,
    model: String(message.model),
    ...(typeof entry.requestedModel === "string" ? { requestedModel: entry.requestedModel } : {}),
    isSidechain: entry.isSidechain === true,
    ...tokens,
    webSearches,
    isFast: usage.speed === "fast",
    isUsOnly: usage.inference_geo === "us",
    ...readIterations(usage, tokens),
  };
}

/** Undefined when input or output is not told, or any of it is no count. */
function readTokens(usage: Record<string, unknown>): Tokens | undefined {
  const created = isRecord(usage.cache_creation) ? usage.cache_creation : {};
  const [input, output] = [toCount(usage.input_tokens), toCount(usage.output_tokens)];
  const [write, hour, cacheRead] = [
    toCount(usage.cache_creation_input_tokens),
    toCount(created.ephemeral_1h_input_tokens),
    toCount(usage.cache_read_input_tokens),
  ];
  if (usage.input_tokens == null || usage.output_tokens == null) return undefined;
  if (input === undefined || output === undefined || write === undefined || hour === undefined || cacheRead === undefined) return undefined;
  const write1h = Math.min(hour, write);
  return { input, output, write5m: write - write1h, write1h, cacheRead };
}

/**
 * `usage.iterations` of 2.1.329, weighed as that program does: rows `message` are the requests, counted one by one where they come
 * to the whole; rows `advisor_message` are other models'; the last row that is the conversation's own tells what it holds.
 */
export function readIterations(
  usage: Record<string, unknown>,
  whole: Tokens,
): Pick<UsageLine, "requests" | "advisors" | "lastPromptTokens"> {
  const rows = Array.isArray(usage.iterations) ? usage.iterations.filter(isRecord) : [];
  const advisors = rows.flatMap((row) => {
    const tokens = row.type === "advisor_message" && typeof row.model === "string" ? readTokens(row) : undefined;
    return tokens === undefined ? [] : [{ ...tokens, model: String(row.model) }];
  });
  const last = rows.findLast(({ type }) => type !== "advisor_message" && type !== "compaction");
  const held = last?.type === "message" || last?.type === "fallback_message" ? readTokens(last) : undefined;
  const lastPromptTokens = held === undefined || promptTokens(held) === 0 ? undefined : promptTokens(held);
  return present({
    requests: splitRequests(
      rows.filter(({ type }) => type === "message"),
      whole,
    ),
    advisors: advisors.length === 0 ? undefined : advisors,
    lastPromptTokens: lastPromptTokens === promptTokens(whole) ? undefined : lastPromptTokens,
  });
}

function splitRequests(rows: readonly Record<string, unknown>[], whole: Tokens): Tokens[] | undefined {
  const requests = rows.flatMap((row) => readTokens(row) ?? []);
  const isWhole = (kind: (tokens: Tokens) => number) => requests.reduce((sum, tokens) => sum + kind(tokens), 0) === kind(whole);
  const kinds = [(t: Tokens) => t.input, (t: Tokens) => t.output, (t: Tokens) => t.cacheRead, (t: Tokens) => t.write5m + t.write1h];
  if (requests.length < 2 || requests.length < rows.length || !kinds.every(isWhole)) return undefined;
  // Rows need not say how long their writes are kept: what the whole has more of an hour is theirs, in their order.
  let hourly = Math.max(0, whole.write1h - requests.reduce((sum, { write1h }) => sum + write1h, 0));
  return requests.map((tokens, index) => {
    const created = rows[index]?.cache_creation;
    const told = isRecord(created) ? (toCount(created.ephemeral_5m_input_tokens) ?? 0) : 0;
    const moved = Math.min(hourly, Math.max(0, tokens.write5m - told));
    hourly -= moved;
    return { ...tokens, write5m: tokens.write5m - moved, write1h: tokens.write1h + moved };
  });
}

/** What a `compact_boundary` line (seen on 2.1.329) says is left of the conversation. */
export function parseCompaction(line: string): { at: number; tokens: number } | undefined {
  // A damaged line: the next answer tells the context again.
  const { type, timestamp, compactMetadata } = shape(parseRecord(line) ?? {}, wantedOfCompaction);
  if (type !== "system" || timestamp === undefined || compactMetadata === undefined) return undefined;
  const at = Date.parse(timestamp);
  const tokens = toCount(compactMetadata.postTokens ?? Number.NaN);
  return Number.isNaN(at) || tokens === undefined ? undefined : { at, tokens };
}

const wantedOfCompaction = { type: "string", timestamp: "string", compactMetadata: "record" } as const;

const maxCount = 1e15;

/** Absent is none; what is no whole number from 0 is not understood. */
function toCount(value: unknown): number | undefined {
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
