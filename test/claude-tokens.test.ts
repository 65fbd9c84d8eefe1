import { expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type GivenUsage, promptLine, toolResultLine, usageLine } from "../scripts/usage-lines.ts";
import { allTokens, parseCompaction, parseUsageLine, promptTokens, type UsageLine } from "../src/claude-tokens.ts";
import { isUnansweredTranscript, scanUsage } from "../src/claude-tokens-scan.ts";

const fixtures = join(import.meta.dir, "fixtures");
const transcripts = readdirSync(fixtures, { recursive: true })
  .map(String)
  .filter((path) => path.endsWith(".jsonl") && path.includes("transcript"))
  .map((path) => readFileSync(join(fixtures, path)));

function scan(text: string | Buffer) {
  const usages: UsageLine[] = [];
  const compactions: { at: number; tokens: number }[] = [];
  const result = scanUsage(Buffer.from(text), {
    onUsage: (usage) => void usages.push(usage),
    onCompact: (at, tokens) => void compactions.push({ at, tokens }),
  });
  return { ...result, found: usages, compactions };
}

type Entry = Record<string, unknown>;
const parse = (line: string) => parseUsageLine(line).usages[0] as UsageLine;
const edit = (line: string, change: (entry: Entry) => void): string => {
  const entry = JSON.parse(line);
  change(entry);
  return `${JSON.stringify(entry)}\n`;
};

test.each<[string, GivenUsage, Partial<UsageLine>]>([
  ["tokens by kind", { input: 1, output: 2, cacheRead: 3, write: 10 }, { input: 1, output: 2, cacheRead: 3, write5m: 10, write1h: 0 }],
  ["writes for an hour apart", { write: 10, write1h: 4 }, { write5m: 6, write1h: 4 }],
  ["fast mode and place", { speed: "fast", geo: "us" }, { isFast: true, isUsOnly: true }],
  ["searches", { searches: 3 }, { webSearches: 3 }],
  ["the model that was asked for", { requestedModel: "claude-opus-4-6[1m]" }, { requestedModel: "claude-opus-4-6[1m]" }],
  ["a side chain", { isSidechain: true }, { isSidechain: true }],
  ["the time", { at: "2026-11-01T10:00:00.123Z" }, { at: Date.UTC(2026, 10, 1, 10, 0, 0, 123) }],
  ["the time of another zone", { at: "2026-11-01T23:30:00-05:00" }, { at: Date.UTC(2026, 10, 2, 4, 30) }],
  ["marks in strings", { content: [{ type: "text", text: '"type":"assistant","usage":{"input_tokens":9' }], input: 4 }, { input: 4 }],
  [
    "a tool whose input has a usage",
    { content: [{ type: "tool_use", input: { usage: { input_tokens: 9, output_tokens: 9 } } }], input: 4 },
    { input: 4 },
  ],
  ["a path with brackets", { cwd: '/home/dev/a{b}[c]"d\\e' }, { input: 0 }],
])("a line tells %s", (_, given, wanted) => {
  const line = usageLine(given);
  expect(parse(line)).toMatchObject(wanted);
  expect(scan(line).found).toEqual([parse(line)]);
});

test("the fast way reads every captured line as the slow one does", () => {
  let count = 0;
  for (const bytes of transcripts) {
    const lines = bytes.toString().split("\n");
    const wanted = lines.filter((line) => line.includes('"assistant"')).flatMap((line) => parseUsageLine(line).usages);
    const { found, unreadable } = scan(bytes);
    count += wanted.length;
    // Blocks of one answer may be passed over as repeats.
    const seen = new Set(found.map(({ key }) => key));
    expect(new Set(wanted.map(({ key }) => key))).toEqual(seen);
    for (const usage of found) expect(wanted).toContainEqual(usage);
    expect(unreadable).toBe(0);
  }
  expect(count).toBeGreaterThan(100);
});

test.each<[string, (entry: Entry) => void]>([
  ["the message behind the type", (entry) => Object.assign(entry, { message: { ...takeMessage(entry) } })],
  ["no request id", (entry) => void delete entry.requestId],
  ["null cache counts", (entry) => Object.assign(usageOf(entry), { cache_read_input_tokens: null, cache_creation: null })],
  ["fields that are not known", (entry) => Object.assign(usageOf(entry), { next: { input_tokens: 7, deep: [{ output_tokens: 7 }] } })],
  [
    "iterations",
    (entry) =>
      Object.assign(usageOf(entry), {
        iterations: [{ type: "message", input_tokens: 7, cache_creation: { ephemeral_1h_input_tokens: 7 } }],
      }),
  ],
  ["ids before the message", (entry) => Object.assign(entry, { origin: { id: "x", model: "y", content: [] } })],
])("a line with %s is read the same both ways", (_, change) => {
  const line = edit(usageLine({ input: 5, output: 6 }), change);
  expect(parse(line)).toMatchObject({ input: 5, output: 6, model: "claude-opus-4-8" });
  expect(scan(line).found).toEqual([parse(line)]);
});

function takeMessage(entry: Record<string, unknown>) {
  const { message } = entry;
  delete entry.message;
  return message as Record<string, unknown>;
}
const messageOf = (entry: Entry) => entry.message as Entry;
const usageOf = (entry: Entry) => messageOf(entry).usage as Entry;

test.each<[string, (entry: Entry) => void]>([
  ["negative tokens", (entry) => Object.assign(usageOf(entry), { output_tokens: -1 })],
  ["half a token", (entry) => Object.assign(usageOf(entry), { output_tokens: 1.5 })],
  ["tokens in words", (entry) => Object.assign(usageOf(entry), { input_tokens: "5" })],
  ["more tokens than there are", (entry) => Object.assign(usageOf(entry), { input_tokens: 1e30 })],
  ["no input", (entry) => void delete usageOf(entry).input_tokens],
  ["no usage", (entry) => void delete messageOf(entry).usage],
  [
    "no usage but that in the input of a tool",
    (entry) => {
      delete messageOf(entry).usage;
      messageOf(entry).content = [{ type: "tool_use", input: { usage: { input_tokens: 9, output_tokens: 9 } } }];
    },
  ],
  ["no model", (entry) => void delete messageOf(entry).model],
  ["no time", (entry) => void delete entry.timestamp],
  ["the year 9999", (entry) => Object.assign(entry, { timestamp: "9999-01-01T00:00:00.000Z" })],
])("a line with %s is told as unreadable", (_, change) => {
  expect(scan(edit(usageLine({ input: 5, output: 6 }), change))).toMatchObject({ usages: 0, unreadable: 1 });
});

test("blanks between keys and values, and the progress lines of older versions, are read", () => {
  const entry = JSON.parse(usageLine({ input: 5 }));
  expect(scan(`${JSON.stringify(entry, null, 1).replaceAll("\n", "")}\n`).found).toEqual([parse(usageLine({ input: 5 }))]);
  const { type, message, requestId, timestamp } = entry;
  const progress = { type: "progress", data: { type: "agent_progress", message: { type, message, requestId, timestamp } }, timestamp };
  expect(scan(`${JSON.stringify(progress)}\n`).found).toMatchObject([{ input: 5, isSidechain: true }]);
});

test("the result of a tool, a prompt and a request snapshot are no usage", () => {
  const snapshot = `${JSON.stringify({ type: "api-request-blob", data: usageLine() })}\n`;
  expect(scan(promptLine() + toolResultLine() + snapshot)).toMatchObject({ usages: 0, unreadable: 0 });
});

test("the same request id under another message is another answer", () => {
  const keys = [usageLine({ id: "a", request: "r" }), usageLine({ id: "b", request: "r" }), usageLine({ id: "a", request: "s" })].map(
    (line) => parse(line).key,
  );
  expect(new Set(keys).size).toBe(3);
});

test("a million ids have a million keys", () => {
  const line = usageLine({ id: "msg_X", request: "req_X" });
  const keys = new Set<number>();
  for (let index = 0; index < 20_000; index++) keys.add(parse(line.replaceAll("_X", `_${index}`)).key);
  expect(keys.size).toBe(20_000);
});

test("a compaction says what is left", () => {
  const line = JSON.stringify({
    type: "system",
    subtype: "compact_boundary",
    timestamp: "2026-11-01T10:00:00.000Z",
    compactMetadata: { postTokens: 2869 },
  });
  expect(parseCompaction(line)).toEqual({ at: Date.UTC(2026, 10, 1, 10), tokens: 2869 });
  expect(scan(`${line}\n`).compactions).toHaveLength(1);
  expect(parseCompaction(line.replace("2869", '"many"'))).toBeUndefined();
  expect(parseCompaction("{")).toBeUndefined();
});

test("a prompt alone is a transcript without answers; a tool's result is not", () => {
  expect(isUnansweredTranscript(Buffer.from(promptLine()))).toBe(true);
  expect(isUnansweredTranscript(Buffer.from(promptLine() + toolResultLine()))).toBe(false);
  expect(isUnansweredTranscript(Buffer.from("hello\n"))).toBe(false);
});

test("10,000 damaged lines and files neither throw nor hang, and count nothing that cannot be", () => {
  const lines = transcripts
    .flatMap((bytes) => bytes.toString().split("\n"))
    .filter((line) => line.includes('"assistant"') && line.length < 4000);
  const random = createRandom(7);
  const startedAt = performance.now();
  for (let round = 0; round < 10_000; round++) {
    const text = [0, 1, 2].map(() => damage(lines[random(lines.length)] ?? "", random)).join("\n");
    const { found, usages, unreadable } = scan(`${text}\n`);
    expect(usages + unreadable).toBeLessThanOrEqual(text.split("assistant").length + 3);
    for (const usage of found) {
      expect(allTokens(usage)).toBeGreaterThanOrEqual(promptTokens(usage));
      expect(Number.isSafeInteger(allTokens(usage))).toBe(true);
    }
  }
  expect(performance.now() - startedAt).toBeLessThan(60_000);
});

/** The same numbers in every run. */
function createRandom(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
    return state % below;
  };
}

const pieces = [
  '"',
  "{",
  "}",
  "[",
  "]",
  "\\",
  "\n",
  "\u0000",
  "9".repeat(400),
  '"usage":{',
  '"type":"assistant"',
  '"content":[',
  "null",
  "-",
  "é",
  "😀",
];

function damage(line: string, random: (below: number) => number): string {
  let text = line;
  for (let times = 1 + random(3); times > 0; times--) {
    const from = random(text.length + 1);
    const to = Math.min(text.length, from + random(40));
    const kinds = [
      () => text.slice(0, from) + text.slice(to),
      () => text.slice(0, from) + (pieces[random(pieces.length)] ?? "") + text.slice(from),
      () => text.slice(0, from) + text.slice(from, to) + text.slice(from),
      () => text.slice(0, from),
      () => text.slice(0, from) + (pieces[random(pieces.length)] ?? "") + text.slice(to),
    ];
    text = kinds[random(kinds.length)]?.() ?? text;
  }
  return text;
}
