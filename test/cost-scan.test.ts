import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promptLine, usageLine } from "../scripts/usage-lines.ts";
import { createPriceTable } from "../src/claude-prices.ts";
import { readUsage } from "../src/cost.ts";
import { createMeter } from "../src/meter.ts";
import { createSys } from "../src/sys.ts";

let home = "";
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), "csm-scan-"));
});
afterEach(() => rmSync(home, { recursive: true, force: true }));

const caseText = (name: string) => readFileSync(join(import.meta.dir, "fixtures/cases", `${name}.jsonl`), "utf8");
const session = "-a/11111111-1111-4111-8111-111111111111";
const pathOf = (name: string) => join(home, ".claude/projects", name);

function put(name: string, text: string | Buffer): string {
  mkdirSync(dirname(pathOf(name)), { recursive: true });
  writeFileSync(pathOf(name), text);
  return pathOf(name);
}

/** What `csm cost` and `csm top` make of the same session: they must be alike. */
async function read(): Promise<{ costUsd: number; messages: number; unreadable: number; unpriced: number; unknown: string[] }> {
  const sys = createSys({ HOME: home, XDG_STATE_HOME: join(home, "state") });
  const { sums } = await readUsage(sys, {
    dirs: [{ name: undefined, dir: join(home, ".claude") }],
    table: createPriceTable(),
    tableId: "",
  });
  const sum = (field: "costUsd" | "messages" | "unpriced" | "input" | "output") => sums.cells.reduce((all, cell) => all + cell[field], 0);
  const reading = createMeter(sys).update(pathOf(`${session}.jsonl`), sys.now());
  expect(reading?.totals).toMatchObject({ messages: sum("messages"), tokens: { input: sum("input"), output: sum("output") } });
  expect(reading?.totals.costUsd).toBeCloseTo(sum("costUsd"), 9);
  expect(reading?.unreadable).toBe(sums.unreadable);
  return {
    costUsd: Number(sum("costUsd").toFixed(9)),
    messages: sum("messages"),
    unreadable: sums.unreadable,
    unpriced: sum("unpriced"),
    unknown: sums.unknownFiles,
  };
}

test.each<[string, number, number]>([
  ["advisor-cost", 0.601308, 1],
  ["blanks-mixed", 10, 2],
  ["iterations-long-tier", 0.0121, 1],
  ["model-names", 13, 3],
  ["request-id-lost", 5, 1],
])("%s costs $%d in %d answers, in csm cost and in csm top", async (name, costUsd, messages) => {
  put(`${session}.jsonl`, caseText(name));
  expect(await read()).toEqual({ costUsd, messages, unreadable: 0, unpriced: 0, unknown: [] });
});

type Rows = Record<string, unknown>[];
const row = (type: string, input: number, output = 0, more = {}) => ({
  ...{ type, input_tokens: input, output_tokens: output, cache_read_input_tokens: 0, cache_creation_input_tokens: 0 },
  ...more,
});

function withIterations(given: Parameters<typeof usageLine>[0], iterations: Rows): string {
  const entry = JSON.parse(usageLine(given));
  entry.message.usage.iterations = iterations;
  return `${JSON.stringify(entry)}\n`;
}

const advisor = (model: string, input: number, more = {}) => row("advisor_message", input, 0, { model, ...more });
const long = { model: "claude-haiku-5-5", input: 120_000 };

/** What Claude Code 2.1.329 itself said of each, as `total_cost_usd`, when a loopback model answered with this usage. */
const iterations: [string, string, number][] = [
  [
    "three advisors of two models",
    withIterations({ model: "claude-sonnet-5", input: 2 }, [
      row("message", 2),
      advisor("claude-opus-4-8", 1e5),
      advisor("claude-opus-5-5", 1e5),
      advisor("claude-opus-4-8", 1e5),
    ]),
    1.400004,
  ],
  [
    "an advisor whose cache is written for an hour",
    withIterations({ model: "claude-sonnet-5", input: 0, output: 1 }, [
      advisor("claude-opus-4-8", 0, { cache_creation_input_tokens: 1e5, cache_creation: { ephemeral_1h_input_tokens: 1e5 } }),
    ]),
    1.00001,
  ],
  [
    "a fast answer's advisor at its usual price",
    withIterations({ model: "claude-opus-4-8", input: 1e5, speed: "fast" }, [row("message", 1e5), advisor("claude-opus-4-8", 1e5)]),
    1.5,
  ],
  ["two short requests", withIterations(long, [row("message", 60_000), row("message", 60_000)]), 0.012],
  ["a long request and a short one", withIterations({ ...long, input: 121_000 }, [row("message", 120_000), row("message", 1000)]), 0.0601],
  ["rows that are not the whole", withIterations(long, [row("message", 60_000), row("message", 50_000)]), 0.06],
  ["a fallback row, which keeps the whole", withIterations(long, [row("message", 60_000), row("fallback_message", 60_000)]), 0.06],
  [
    "a compaction, which is not paid",
    withIterations({ model: "claude-haiku-5-5", input: 60_000 }, [row("compaction", 90_000, 100), row("message", 60_000)]),
    0.006,
  ],
  [
    "writes for an hour that only the whole tells",
    withIterations({ model: "claude-haiku-5-5", write: 120_000, write1h: 120_000 }, [
      row("message", 0, 0, { cache_creation_input_tokens: 60_000 }),
      row("message", 0, 0, { cache_creation_input_tokens: 60_000 }),
    ]),
    0.024,
  ],
  ["rows that are no records", withIterations({ model: "claude-haiku-5-5", input: 60_000 }, [null, 7, "x"] as never), 0.006],
];

test.each(iterations)("%s", async (_, line, costUsd) => {
  put(`${session}.jsonl`, line);
  expect(await read()).toMatchObject({ costUsd, messages: 1, unreadable: 0, unpriced: 0 });
});

const [first, second] = [usageLine({ id: "m1", input: 1e6 }), usageLine({ id: "m2", input: 1e6 })];
const spaced = (line: string, gap: string) =>
  `${JSON.stringify(JSON.parse(line), null, 1).replace(/\n */g, gap).replace(/": /g, `"${gap}:${gap}`)}\n`;
const bare = (line: string) => line.trimEnd();
const torn = (line: string) => line.slice(0, line.indexOf('"stop_reason"'));

/** Answers, and lines that are missing in the sum. */
test.each<[string, string | Buffer, number, number]>([
  ["compact and spaced lines", first + spaced(second, " "), 2, 0],
  ["tabs around the colons", spaced(first, "\t") + second, 2, 0],
  ["line ends of Windows", (first + second).replaceAll("\n", "\r\n"), 2, 0],
  ["a byte order mark", `\uFEFF${first}${second}`, 2, 0],
  ["a byte order mark before a spaced line", `\uFEFF${spaced(first, " ")}${second}`, 2, 0],
  ["zeros that a crash left before a line", `\0\0\0${first}${second}`, 2, 0],
  ["zeros inside a text of the head", first.replace('"claude-', '"\0claude-') + second, 1, 1],
  ["a key in disguise", first.replace('"input_tokens"', '"input_toke\\u006es"') + second.replace('"usage"', '"us\\u0061ge"'), 2, 0],
  ["a type in disguise", first.replace('"type":"assistant"', '"type":"\\u0061ssistant"') + second, 2, 0],
  ["two answers on one line", bare(first) + second, 2, 0],
  ["three, and a prompt between", bare(first) + bare(promptLine()) + bare(second) + usageLine({ id: "m3", input: 1e6 }), 3, 0],
  ["a prompt and an answer on one line", bare(promptLine()) + first, 1, 0],
  ["an answer and a prompt on one line", bare(first) + promptLine(), 1, 0],
  ["a torn answer before a whole one", torn(first) + second, 1, 1],
  ["a whole answer before a torn one", `${bare(first)}${torn(second)}\n`, 1, 1],
  ["a torn answer on its own line", `${torn(first)}\n${second}`, 1, 1],
  ["a torn prompt before an answer", promptLine().slice(0, 60) + first, 1, 0],
  ["no newline at the end", first + bare(second), 2, 0],
  ["a torn last line", first + torn(second), 1, 0],
  ["the same answer in a resumed file's copy", first + first.replace('"sessionId":"s1"', '"sessionId":"s2"') + second, 2, 0],
  ["an answer that is told with and without request id", usageLine({ id: "m1", request: null, input: 1e6 }) + first + second, 2, 0],
  [
    "an answer without message id, told by its request",
    first.replace('"id":"msg', '"x":"msg').replace('"id":"m1",', "") + first.replace('"id":"m1",', ""),
    1,
    0,
  ],
  ["no milliseconds, and more than three digits", first.replace(".000Z", "Z") + second.replace(".000Z", ".123456Z"), 2, 0],
])("%s", async (_, text, messages, unreadable) => {
  put(`${session}.jsonl`, text);
  expect(await read()).toMatchObject({ costUsd: 5 * messages, messages, unreadable, unknown: [] });
});

test("a file of another encoding is named, not passed over", async () => {
  const path = put(`${session}.jsonl`, Buffer.from(first, "utf16le"));
  expect(await read()).toMatchObject({ messages: 0, unknown: [path] });
});

test("agents of a workflow count wherever they lie, and its log is no transcript", async () => {
  put(`${session}.jsonl`, usageLine({ id: "m1", input: 2e5 }));
  put(`${session}/subagents/agent-a1.jsonl`, usageLine({ id: "m2", input: 2e6, isSidechain: true }));
  put(`${session}/subagents/workflows/wf_1/agent-a2.jsonl`, usageLine({ id: "m3", input: 2e6, isSidechain: true }));
  put(`${session}/subagents/workflows/wf_1/journal.jsonl`, caseText("workflow-journal"));
  mkdirSync(join(home, "elsewhere"));
  writeFileSync(join(home, "elsewhere/agent-a3.jsonl"), usageLine({ id: "m4", input: 2e6, isSidechain: true }));
  symlinkSync(join(home, "elsewhere"), pathOf(`${session}/subagents/workflows/wf_2`));
  symlinkSync(pathOf(`${session}/subagents`), pathOf(`${session}/subagents/workflows/loop`));
  expect(await read()).toEqual({ costUsd: 31, messages: 4, unreadable: 0, unpriced: 0, unknown: [] });
});
