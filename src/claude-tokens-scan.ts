import { hashText, isPlausible, parseCompaction, parseUsageLine, promptTokens, readIterations, type UsageLine } from "./claude-tokens.ts";
import { parseRecord } from "./json.ts";

const [quote, backslash, colon, zero, nine, letterT] = [0x22, 0x5c, 0x3a, 0x30, 0x39, 0x74] as const;

/** The keys that matter, by the depth of the object that they stand in. */
const slot = {
  ...{ message: 0, requestId: 1, timestamp: 2, isSidechain: 3, requestedModel: 4, id: 5, model: 6, speed: 7, geo: 8 },
  ...{ usage: 9, iterations: 10, firstRow: 11, otherRow: 12 },
} as const;
const slots = 13;
const numberSlot = {
  ...{ input: 0, output: 1, write: 2, cacheRead: 3, write5m: 4, write1h: 5, searches: 6 },
  ...{ rowInput: 7, rowWrite: 8, rowRead: 9 },
} as const;
const numberSlots = 10;
const contentSlot = 99;

interface Key {
  name: Buffer;
  slot: number;
  isNumber: boolean;
}

const key = (name: string, at: number, isNumber = false): Key => ({ name: Buffer.from(name), slot: at, isNumber });

const keysByDepth: Key[][] = [
  [],
  [
    key("message", slot.message),
    key("requestId", slot.requestId),
    key("timestamp", slot.timestamp),
    key("isSidechain", slot.isSidechain),
    key("requestedModel", slot.requestedModel),
  ],
  [key("id", slot.id), key("model", slot.model), key("content", contentSlot), key("usage", slot.usage)],
  [
    key("input_tokens", numberSlot.input, true),
    key("output_tokens", numberSlot.output, true),
    key("cache_creation_input_tokens", numberSlot.write, true),
    key("cache_read_input_tokens", numberSlot.cacheRead, true),
    key("speed", slot.speed),
    key("inference_geo", slot.geo),
    key("iterations", slot.iterations),
  ],
  [
    key("ephemeral_5m_input_tokens", numberSlot.write5m, true),
    key("ephemeral_1h_input_tokens", numberSlot.write1h, true),
    key("web_search_requests", numberSlot.searches, true),
  ],
  [
    key("type", slot.firstRow),
    key("input_tokens", numberSlot.rowInput, true),
    key("cache_creation_input_tokens", numberSlot.rowWrite, true),
    key("cache_read_input_tokens", numberSlot.rowRead, true),
  ],
];
const deepest = keysByDepth.length - 1;

const longestKey = 27;
/** By depth and length: most keys of a line are dismissed by one look. */
const keyTable: (Key[] | undefined)[] = new Array((deepest + 1) * (longestKey + 1)).fill(undefined);
for (const [depth, keys] of keysByDepth.entries())
  for (const key of keys) {
    const at = depth * (longestKey + 1) + key.name.length;
    keyTable[at] = [...(keyTable[at] ?? []), key];
  }

interface Fields {
  bytes: Buffer;
  /** Where the value of each text key begins; -1 when it is not there. */
  texts: Int32Array;
  numbers: Float64Array;
  /** Where the usage of the newest line ends. */
  usageEnd: number;
  /** Model names seen, so that a name is made into a string once. */
  models: string[];
  last: UsageLine | undefined;
}

const createFields = (bytes: Buffer): Fields => ({
  bytes,
  texts: new Int32Array(slots),
  numbers: new Float64Array(numberSlots),
  usageEnd: 0,
  models: [],
  last: undefined,
});

/** The same answer with the same usage as in the line before, which is how Claude Code writes the blocks of one: it says nothing new. */
const isRepeat = (usage: UsageLine, last: UsageLine | undefined): boolean =>
  last !== undefined &&
  usage.key === last.key &&
  usage.output === last.output &&
  usage.input === last.input &&
  usage.cacheRead === last.cacheRead &&
  usage.isSidechain === last.isSidechain &&
  usage.requests === undefined &&
  usage.advisors === undefined;

interface Place {
  start: number;
  /** Of the value of the role. */
  roleAt: number;
  usageAt: number;
  /** Of the value `"assistant"`. */
  typeAt: number;
  end: number;
}

/** Printable and without escapes. */
const word = '"([!#-\\[\\]-~]+)"';
const number = "(\\d{1,15})";
const role = '"type":"message","role":"assistant"';
/** As 2.1.329 writes them, which is most of all lines: an engine for patterns reads it several times as fast as we do byte by byte. */
const usualHead = new RegExp(
  `^\\{"parentUuid":(?:null|"[^"\\\\]*"),"isSidechain":(true|false),"message":\\{` +
    `(?:"model":${word},"id":${word},${role}|"id":${word},${role},"model":${word}),"`,
);
const usualTail = new RegExp(
  `^"usage":\\{"input_tokens":${number},"cache_creation_input_tokens":${number},"cache_read_input_tokens":${number},` +
    `"output_tokens":${number}(?:,"output_tokens_details":(?:null|\\{[^{}]*\\}))?` +
    `(?:,"server_tool_use":\\{"web_search_requests":${number},"web_fetch_requests":\\d+\\})?,"service_tier":(?:null|"[a-z]*")` +
    `(?:,"cache_creation":\\{"ephemeral_1h_input_tokens":${number},"ephemeral_5m_input_tokens":\\d+\\})?` +
    `(?:,"inference_geo":(?:null|"([a-z_]*)"))?(?:,"iterations":(?:null|\\[\\]))?(?:,"speed":(?:null|"([a-z]*)"))?(?:,"fallback_credit":null)?\\}` +
    `[^{}]*\\},(?:[^{}]*?"requestId":${word})?(?:[^{}]*?"requestedModel":${word})?[^{}]*?"type":"assistant","uuid":"[^"\\\\]*","timestamp":"`,
);
/** So far behind the role and the type the model and the time have ended. */
const [modelLength, timeLength] = [150, 140];

/** Undefined for any line but the most usual one. */
function matchUsual({ bytes }: Fields, { start, roleAt, usageAt, typeAt, end }: Place): UsageLine | undefined {
  const head = usualHead.exec(bytes.toString("latin1", start, roleAt + modelLength));
  const text = head === null ? "" : bytes.toString("latin1", usageAt, Math.min(end, typeAt + timeLength));
  const tail = head === null ? null : usualTail.exec(text);
  if (head === null || tail === null) return undefined;
  const [begin, isSidechain, modelFirst, , , model = modelFirst ?? ""] = head;
  const [whole, input, writes, cacheRead, output, searches = 0, hour = 0, geo, speed, requestId, requestedModel] = tail;
  const at = parseMoment(bytes, usageAt + whole.length);
  // Before the request's id it would have been passed over.
  if (at === undefined || (requestedModel === undefined && whole.includes('"requestedModel"'))) return undefined;
  if (requestId === undefined && whole.includes('"requestId"')) return undefined;
  const write1h = Math.min(Number(hour), Number(writes));
  const messageKey = hashText(bytes, start + begin.lastIndexOf('"id":') + '"id":'.length);
  const requestAt = requestId === undefined ? -1 : usageAt + whole.lastIndexOf('"requestId":') + '"requestId":'.length;
  return {
    key: requestAt < 0 ? messageKey : hashText(bytes, requestAt, messageKey),
    messageKey,
    at,
    model,
    ...(requestedModel === undefined ? {} : { requestedModel }),
    isSidechain: isSidechain === "true",
    input: Number(input),
    output: Number(output),
    write5m: Number(writes) - write1h,
    write1h,
    cacheRead: Number(cacheRead),
    webSearches: Number(searches),
    isFast: speed === "fast",
    isUsOnly: geo === "us",
  };
}

/** Undefined when the line is not of the usual shape: ids before the content, usage behind it, then flat fields. */
function readFields(fields: Fields, { start, usageAt, typeAt, end }: Place): UsageLine | undefined {
  if (usageAt <= start) return undefined;
  const { bytes, texts, numbers } = fields;
  texts.fill(-1);
  numbers.fill(-1);
  if (walk(fields, start, usageAt, 0) !== contentDepth) return undefined;
  fields.usageEnd = 0;
  const idAt = at(texts, slot.id);
  const modelAt = at(texts, slot.model);
  // What stands between is inside `message`, at depth 2, and what follows beside it, at depth 1: nothing else can be its usage.
  if (idAt < 0 || modelAt < 0 || bytes[idAt] !== quote || bytes[idAt + 1] === quote || walk(fields, usageAt, typeAt, 2) !== 1)
    return undefined;
  const time = readTime(fields, typeAt, end);
  const input = at(numbers, numberSlot.input);
  const output = at(numbers, numberSlot.output);
  const model = modelName(fields, modelAt);
  if (time === undefined || input < 0 || output < 0 || model === undefined) return undefined;
  const write = Math.max(0, at(numbers, numberSlot.write));
  const write1h = Math.min(Math.max(0, at(numbers, numberSlot.write1h)), write);
  const requestAt = at(texts, slot.requestId);
  const messageKey = hashText(bytes, idAt);
  const usage: UsageLine = {
    key: requestAt < 0 || bytes[requestAt] !== quote ? messageKey : hashText(bytes, requestAt, messageKey),
    messageKey,
    at: time,
    model,
    isSidechain: at(texts, slot.isSidechain) >= 0 && bytes[at(texts, slot.isSidechain)] === letterT,
    input,
    output,
    write5m: write - write1h,
    write1h,
    cacheRead: Math.max(0, at(numbers, numberSlot.cacheRead)),
    webSearches: Math.max(0, at(numbers, numberSlot.searches)),
    isFast: startsWith(bytes, at(texts, slot.speed), fastSpeed),
    isUsOnly: startsWith(bytes, at(texts, slot.geo), usOnly),
  };
  const requestedAt = at(texts, slot.requestedModel);
  if (requestedAt >= 0 && bytes[requestedAt] === quote) {
    const requestedModel = modelName(fields, requestedAt);
    if (requestedModel === undefined) return undefined;
    usage.requestedModel = requestedModel;
  }
  if (hasParts(fields, usage)) {
    const parsed = parseRecord(bytes.toString("utf8", at(texts, slot.usage), fields.usageEnd));
    if (parsed === undefined) return undefined;
    Object.assign(usage, readIterations(parsed, usage));
  }
  return usage;
}

/** Whether the rows of `iterations` say more than the sums: newer versions write a row for the only request, too. */
function hasParts({ bytes, texts, numbers }: Fields, usage: UsageLine): boolean {
  if (at(texts, slot.firstRow) < 0) return false;
  if (at(texts, slot.otherRow) >= 0 || !startsWith(bytes, at(texts, slot.firstRow), messageRow)) return true;
  const prompt = at(numbers, numberSlot.rowInput) + at(numbers, numberSlot.rowWrite) + at(numbers, numberSlot.rowRead);
  return prompt !== promptTokens(usage);
}

const messageRow = Buffer.from('"message"');

/** Behind the type stand uuid and timestamp, at least up to 2.1.329; elsewhere they are looked for. */
function readTime(fields: Fields, typeAt: number, end: number): number | undefined {
  const { bytes } = fields;
  const uuidAt = typeAt + assistant.length;
  const timeAt = uuidAt + uuidText.length + 36;
  if (startsWith(bytes, uuidAt, uuidText) && startsWith(bytes, timeAt, timeText)) return parseMoment(bytes, timeAt + timeText.length);
  if (walk(fields, typeAt, end, 1) !== 0) return undefined;
  const found = at(fields.texts, slot.timestamp);
  return found < 0 ? undefined : parseMoment(bytes, found + 1);
}

const uuidText = Buffer.from(',"uuid":"');
const timeText = Buffer.from('","timestamp":"');

const at = (values: Int32Array | Float64Array, index: number): number => values[index] ?? -1;

const fastSpeed = Buffer.from('"fast"');
const usOnly = Buffer.from('"us"');
const startsWith = (bytes: Buffer, from: number, text: Buffer): boolean => {
  if (from < 0) return false;
  for (let index = 0; index < text.length; index++) if (bytes[from + index] !== text[index]) return false;
  return true;
};

/** Undefined for one that is written with escapes, or is empty. */
function modelName({ bytes, models }: Fields, from: number): string | undefined {
  const end = bytes.indexOf(quote, from + 1);
  for (const name of models) if (name.length === end - from - 1 && isText(bytes, from + 1, name)) return name;
  const name = bytes.toString("utf8", from + 1, end);
  if (bytes[from] !== quote || name === "" || name.includes("\\")) return undefined;
  models.push(name);
  return name;
}

const isText = (bytes: Buffer, from: number, text: string): boolean => {
  for (let index = 0; index < text.length; index++) if (bytes[from + index] !== text.charCodeAt(index)) return false;
  return true;
};

const contentDepth = -2;
const firstPrintable = 0x20;
const broken = -1;

/**
 * Walks over JSON that stands at this depth and notes the values of known keys; the result is the depth at the end,
 * `contentDepth` as soon as the content of the message begins, or `broken`. It ends with the entry that it began in.
 */
function walk(fields: Fields, from: number, end: number, startDepth: number): number {
  const { bytes } = fields;
  let depth = startDepth;
  for (let index = from; index < end; index++) {
    const byte = bytes[index];
    if (byte === quote) {
      const textStart = index + 1;
      let isEscaped = false;
      let inside = bytes[textStart] ?? 0;
      for (index = textStart; inside !== quote; inside = bytes[++index] ?? 0) {
        if (inside === backslash) {
          isEscaped = true;
          index++;
        }
        // JSON has no line end inside a string, so none is followed beyond its line.
        else if (inside < firstPrintable) return broken;
      }
      const colonAt = bytes[index + 1] === colon ? index + 1 : skipBlanks(bytes, index + 1);
      if (bytes[colonAt] === colon && depth <= deepest) {
        // It may be a known one in disguise.
        if (isEscaped) return broken;
        const known = findKey(bytes, depth, textStart, index);
        if (known === undefined) continue;
        if (known.slot === contentSlot) {
          // Of `message`, and nothing else that may stand before it.
          if (fields.texts[slot.message] !== -1) return contentDepth;
        } else if (!note(fields, known, skipBlanks(bytes, colonAt + 1))) return broken;
      }
    } else if (byte === 0x7b || byte === 0x5b) depth++;
    else if (byte === 0x7d || byte === 0x5d) {
      if (--depth <= 0) return startDepth > 0 ? depth : broken;
      if (depth === 2 && fields.usageEnd === 0) fields.usageEnd = index + 1;
    }
  }
  return depth;
}

const isBlank = (byte: number | undefined): boolean => byte === 0x20 || byte === 0x09 || byte === 0x0d;

function skipBlanks(bytes: Buffer, from: number): number {
  let index = from;
  while (isBlank(bytes[index])) index++;
  return index;
}

function findKey(bytes: Buffer, depth: number, from: number, end: number): Key | undefined {
  const candidates = end - from > longestKey ? undefined : keyTable[depth * (longestKey + 1) + end - from];
  if (candidates === undefined) return undefined;
  for (const known of candidates) if (known.name[0] === bytes[from] && startsWith(bytes, from, known.name)) return known;
  return undefined;
}

/** False when a number is none that can be counted. */
function note({ bytes, texts, numbers }: Fields, known: Key, from: number): boolean {
  if (!known.isNumber) {
    if (texts[known.slot] === -1) texts[known.slot] = from;
    else if (known.slot === slot.firstRow) texts[slot.otherRow] = from;
    if (known.slot === slot.message) texts[slot.id] = texts[slot.model] = -1;
    return true;
  }
  if (numbers[known.slot] !== -1) return true;
  let value = 0;
  let index = from;
  for (; ; index++) {
    const byte = bytes[index] ?? 0;
    if (byte < zero || byte > nine) break;
    value = value * 10 + byte - zero;
  }
  const next = bytes[index];
  if (index === from || index - from > 15 || (next !== 0x2c && next !== 0x7d && !isBlank(next))) return false;
  numbers[known.slot] = value;
  return true;
}

/** `2026-11-20T10:46:32.011Z` in epoch ms, with any or no digits of a second's part; undefined for any other form. */
function parseMoment(bytes: Buffer, from: number): number | undefined {
  if (bytes[from + 10] !== 0x54) return undefined;
  const [year, month, day] = [digits(bytes, from, 4), digits(bytes, from + 5, 2), digits(bytes, from + 8, 2)];
  const [hour, minute, second] = [digits(bytes, from + 11, 2), digits(bytes, from + 14, 2), digits(bytes, from + 17, 2)];
  let end = from + 19;
  let ms = 0;
  if (bytes[end] === 0x2e)
    for (let unit = 100; isDigit(bytes[++end]); unit /= 10) if (unit >= 1) ms += unit * ((bytes[end] ?? zero) - zero);
  if (bytes[end] !== 0x5a || bytes[end + 1] !== quote || month > 12 || hour > 23 || minute > 59 || second > 59) return undefined;
  const time = Date.UTC(year, month - 1, day, hour, minute, second, ms);
  return isPlausible(time) ? time : undefined;
}

const isDigit = (byte: number | undefined): boolean => byte !== undefined && byte >= zero && byte <= nine;

function digits(bytes: Buffer, from: number, count: number): number {
  let value = 0;
  for (let index = from; index < from + count; index++) {
    const byte = bytes[index] ?? 0;
    value = byte < zero || byte > nine ? Number.NaN : value * 10 + byte - zero;
  }
  return value;
}

/** The loops of this file, for a caller that runs them for a tenth of a second only. */
export const hotLoops: readonly ((...args: never[]) => unknown)[] = [
  ...[walk, skipBlanks, findKey, note, matchUsual, readFields, isRepeat, modelName, parseMoment, digits],
];

interface Scan {
  usages: number;
  /** Lines of the assistant whose usage could not be read. */
  unreadable: number;
}

interface UsageReader {
  onUsage(usage: UsageLine): void;
  /** The conversation was summarised to this many tokens. */
  onCompact?(at: number, tokens: number): void;
}

/** Twice in a line of an answer: its role, before the content, and its type, behind the usage. */
const assistant = Buffer.from('"assistant"');
const typeKey = Buffer.from('"type"');
const usageKey = Buffer.from('"usage"');
const compactMark = Buffer.from('"compact_boundary"');
const newline = 10;

/**
 * Finds the answers among whole lines: looks for bytes first, and reads head and end of a line without its content. A line of
 * another shape is parsed as a whole, and that alone.
 */
export function scanUsage(bytes: Buffer, reader: UsageReader): Scan {
  const scan: Scan = { usages: 0, unreadable: 0 };
  const fields = createFields(bytes);
  for (let found = bytes.indexOf(assistant); found >= 0; ) {
    const start = bytes.lastIndexOf(newline, found) + 1;
    const end = lineEnd(bytes, found);
    const typeAt = bytes.indexOf(assistant, found + assistant.length);
    const isAlone = typeAt < 0 || typeAt > end;
    const next = isAlone ? typeAt : bytes.indexOf(assistant, typeAt + assistant.length);
    // Of more there may be several answers in the line, joined.
    const isUsual = !isAlone && (next < 0 || next > end) && isValueOf(bytes, typeKey, typeAt);
    if (isUsual) readUsual(fields, { start, roleAt: found, usageAt: bytes.lastIndexOf(usageKey, typeAt), typeAt, end }, reader, scan);
    else if (!isOther(bytes, start, found, end)) readWhole(bytes, start, end, reader, scan);
    found = next < 0 || next > end ? next : bytes.indexOf(assistant, end);
  }
  if (reader.onCompact !== undefined) scanCompactions(bytes, reader.onCompact);
  return scan;
}

function readUsual(fields: Fields, place: Place, reader: UsageReader, scan: Scan): void {
  const usage = matchUsual(fields, place) ?? readFields(fields, place);
  if (usage === undefined) readWhole(fields.bytes, place.start, place.end, reader, scan);
  else {
    scan.usages++;
    if (!isRepeat(usage, fields.last)) reader.onUsage(usage);
    fields.last = usage;
  }
}

function readWhole(bytes: Buffer, start: number, end: number, reader: UsageReader, scan: Scan): void {
  const { usages, unreadable } = parseUsageLine(bytes.toString("utf8", start, end));
  scan.usages += usages.length;
  scan.unreadable += unreadable;
  for (const usage of usages) reader.onUsage(usage);
}

/** `"key": "value"`, with or without blanks, of the value that stands here. */
function isValueOf(bytes: Buffer, name: Buffer, valueAt: number): boolean {
  let index = valueAt - 1;
  while (isBlank(bytes[index])) index--;
  if (bytes[index--] !== colon) return false;
  while (isBlank(bytes[index])) index--;
  return startsWith(bytes, index + 1 - name.length, name);
}

const typeHead = Buffer.from('{"type":"');
const ownTypes = ["assistant", "progress"].map((type) => Buffer.from(`${type}"`));

/** A whole line that says first that it is something else, and holds no answer: a request repeats the conversation, 70 kB a line. */
function isOther(bytes: Buffer, start: number, firstAt: number, end: number): boolean {
  if (!startsWith(bytes, start, typeHead) || bytes[end - 1] !== 0x7d) return false;
  if (ownTypes.some((type) => startsWith(bytes, start + typeHead.length, type))) return false;
  for (let at = firstAt; at >= 0 && at < end; at = bytes.indexOf(assistant, at + assistant.length))
    if (isValueOf(bytes, typeKey, at)) return false;
  return true;
}

function lineEnd(bytes: Buffer, from: number): number {
  const end = bytes.indexOf(newline, from);
  return end < 0 ? bytes.length : end;
}

function scanCompactions(bytes: Buffer, onCompact: (at: number, tokens: number) => void): void {
  for (let found = bytes.indexOf(compactMark); found >= 0; ) {
    const end = lineEnd(bytes, found);
    const compaction = parseCompaction(bytes.toString("utf8", bytes.lastIndexOf(newline, found) + 1, end));
    if (compaction !== undefined) onCompact(compaction.at, compaction.tokens);
    found = bytes.indexOf(compactMark, end);
  }
}

const transcriptMarks = ["user", "system", "attachment", "mode", "permission-mode", "summary", "last-prompt", "queue-operation"].map(
  (type) => Buffer.from(`"type":"${type}"`),
);
const resultMark = Buffer.from('"type":"tool_result"');

/**
 * Whether lines without any usage can be a transcript that this version understands: one where nothing was answered yet. Where
 * tools have run, answers must have been written, in words that are not known.
 */
export const isUnansweredTranscript = (bytes: Buffer): boolean =>
  !bytes.includes(resultMark) && transcriptMarks.some((mark) => bytes.includes(mark));
