import { expect, test } from "bun:test";
import { promptLine, toolResultLine, usageLine } from "../scripts/usage-lines.ts";
import type { MeterReading } from "../src/accounting.ts";
import { createMeter } from "../src/meter.ts";
import { createFakeSys } from "./fake-sys.ts";

const path = "/home/dev/.claude/projects/-x/s1.jsonl";
const agent = "/home/dev/.claude/projects/-x/s1/subagents/agent-a1.jsonl";
const now = Date.parse("2026-11-01T12:00:00Z");

function start(files: Record<string, string> = {}) {
  const sys = createFakeSys({ files });
  const meter = createMeter(sys);
  return { sys, meter, read: () => meter.update(path, now) as MeterReading };
}

const inOut = ({ totals }: MeterReading) => [totals.tokens.input, totals.tokens.output];

test("an answer written once per block counts once, by its largest reading", () => {
  const line = (output: number) => usageLine({ id: "m1", input: 10, output });
  const { read } = start({ [path]: promptLine() + line(2) + line(50) + line(5) });
  const reading = read();
  expect(inOut(reading)).toEqual([10, 50]);
  expect(reading.totals.messages).toBe(1);
});

test("what comes later is added, and an unchanged file is not opened again", () => {
  const { sys, read } = start({ [path]: usageLine({ id: "m1", input: 1000, output: 500 }) });
  expect(inOut(read())).toEqual([1000, 500]);
  const { openFile } = sys;
  sys.openFile = () => {
    throw new Error("read again");
  };
  expect(inOut(read())).toEqual([1000, 500]);
  sys.openFile = openFile;
  sys.appendPrivate(path, usageLine({ id: "m2", input: 2000, output: 800 }));
  expect(inOut(read())).toEqual([3000, 1300]);
});

test("a tick reads the new bytes only, however long the file is", () => {
  const { sys, read } = start({ [path]: Array.from({ length: 3000 }, (_, id) => usageLine({ id: `m${id}`, input: 1 })).join("") });
  read();
  const { openFile } = sys;
  let readBytes = 0;
  sys.openFile = (file) => {
    const opened = openFile(file);
    if (opened === undefined) return undefined;
    const count = (buffer: Uint8Array, position: number) => {
      const bytes = opened.read(buffer, position);
      readBytes += bytes;
      return bytes;
    };
    return { ...opened, read: count };
  };
  const line = usageLine({ id: "new", input: 1 });
  sys.appendPrivate(path, line);
  expect(inOut(read())[0]).toBe(3001);
  // Twice 64 bytes tell whether it is still the same file.
  expect(readBytes).toBe(line.length + 128);
});

test("a torn last line waits for its end", () => {
  const line = usageLine({ id: "m2", input: 1000 });
  const { sys, read } = start({ [path]: usageLine({ id: "m1", input: 1000 }) + line.slice(0, 700) });
  expect(inOut(read())[0]).toBe(1000);
  sys.appendPrivate(path, line.slice(700, 750));
  expect(inOut(read())[0]).toBe(1000);
  sys.appendPrivate(path, line.slice(750));
  expect(inOut(read())[0]).toBe(2000);
});

test.each<[string, string]>([
  ["truncated", usageLine({ id: "m9", input: 7 })],
  ["replaced in its place by a longer one", Array.from({ length: 9 }, (_, id) => usageLine({ id: `n${id}`, input: 7 })).join("")],
])("a file that was %s starts over", (_, text) => {
  const { sys, read } = start({ [path]: [1, 2, 3].map((id) => usageLine({ id: `m${id}`, input: 100 })).join("") });
  expect(inOut(read())[0]).toBe(300);
  sys.overwrite(path, text);
  expect(inOut(read())[0]).toBe(7 * text.split("\n").length - 7);
});

test("subagents are found when they come, counted in and told apart", () => {
  const { sys, read } = start({ [path]: usageLine({ id: "m1", model: "claude-sonnet-5", input: 1e6 }) });
  expect(read().subagentCount).toBe(0);
  sys.writePrivate(agent, usageLine({ id: "a1", model: "claude-haiku-4-5-20251001", input: 1e6, isSidechain: true }));
  const reading = read();
  expect(reading.subagentCount).toBe(1);
  expect(reading.totals.costUsd).toBe(3);
  expect(reading.totals.subagents).toMatchObject({ costUsd: 1, messages: 1, tokens: { input: 1e6 } });
  expect(reading.context?.model).toBe("claude-sonnet-5");
});

test.each<[string, string, MeterReading["format"]]>([
  ["a prompt without an answer", promptLine(), "empty"],
  ["nothing", "", "empty"],
  ["an answer", usageLine(), "ok"],
  ["lines that are no transcript", '{"kind":"ai","tokens":{"in":5}}\n', "unknown format"],
  ["no JSON at all", "hello\nworld\n", "unknown format"],
  ["answers under another name", promptLine() + usageLine().replaceAll("assistant", "model") + toolResultLine(), "unknown format"],
  ["usage under another name", promptLine() + usageLine().replaceAll("input_tokens", "tokens_in") + toolResultLine(), "unknown format"],
])("%s is told from a format that is not known", (_, text, format) => {
  expect(start({ [path]: text }).read().format).toBe(format);
});

test("a line that cannot be understood is told, not counted", () => {
  const { read } = start({ [path]: usageLine({ id: "m1", input: 5 }) + usageLine({ id: "m2", input: -5 }) });
  expect(read()).toMatchObject({ format: "ok", unreadable: 1, totals: { messages: 1 } });
});

test("there is no reading without a transcript, nor of one that has gone", () => {
  const { sys, read } = start();
  expect(read()).toBeUndefined();
  sys.writePrivate(path, usageLine({ input: 5 }));
  expect(inOut(read())[0]).toBe(5);
  sys.remove(path);
  expect(read()).toBeUndefined();
});

test("a line of 30 MB is counted, and only its ends are kept", () => {
  const big = usageLine({ id: "m1", input: 5, content: [{ type: "text", text: "x".repeat(30e6) }] });
  const { read } = start({ [path]: big + usageLine({ id: "m2", input: 6 }) });
  expect(inOut(read())[0]).toBe(11);
});

test("10,000 damaged files are read, growing and starting over, without a throw or a sum from nowhere", () => {
  const whole = promptLine() + [1, 2, 3].map((id) => usageLine({ id: `m${id}`, input: id })).join("") + toolResultLine();
  let state = 3;
  const random = (below: number) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 0x100000000) * below);
  };
  const { sys, read } = start();
  for (let round = 0; round < 10_000; round++) {
    const [from, to] = [random(whole.length), random(whole.length)].sort((a, b) => a - b) as [number, number];
    const text =
      [whole.slice(0, from) + whole.slice(to), whole.slice(from, to), `${whole.slice(0, from)}\u0000"{${whole.slice(from)}`][random(3)] ??
      "";
    if (random(3) === 0) sys.appendPrivate(path, text);
    else sys.overwrite(path, text);
    const { totals, format } = read();
    // A cut may join the begin of one answer with the end of another.
    expect(totals.messages).toBeLessThanOrEqual((sys.files.get(path) ?? "").split("assistant").length);
    expect(totals.tokens.input).toBeLessThanOrEqual(3 * totals.messages);
    if (totals.messages > 0) expect(format).toBe("ok");
  }
});
