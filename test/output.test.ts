import { expect, test } from "bun:test";
import { SilentExit } from "../src/errors.ts";
import { createOutput, tell } from "../src/output.ts";

const hostile = "a\u001b[2J\u009b31m\u202eb\u200b\u001b]0;title\u0007c";
const red = "\u001b[31mred\u001b[0m";

function open({ isTerminal = false, env = {}, isGone = false } = {}) {
  const written: [fd: number, text: string][] = [];
  const sys = { env, isTerminal: () => isTerminal, write: (fd: 1 | 2, text: string) => written.push([fd, text]) > 0 && !isGone };
  return { sys, written, output: createOutput(sys) };
}

test.each<[way: string, isTerminal: boolean, env: Record<string, string>, shown: string]>([
  ["off a terminal nothing of a sequence stays", false, {}, "a31mbc red"],
  ["on a terminal colours stay", true, {}, `a31mbc ${red}`],
  ["not where no colour is wanted", true, { NO_COLOR: "1" }, "a31mbc red"],
  ["nor on a dumb one", true, { TERM: "dumb" }, "a31mbc red"],
])("text for people: %s", (_, isTerminal, env, shown) => {
  const { output, written } = open({ isTerminal, env });
  output.out(`${hostile} ${red}`);
  output.tell(`${hostile} ${red}`);
  expect(written).toEqual([
    [1, `${shown}\n`],
    [2, `${shown}\n`],
  ]);
});

test.each([true, false])("JSON means the same, on a terminal (%p) too", (isTerminal) => {
  const { output, written } = open({ isTerminal });
  output.json({ [hostile]: hostile }, 0);
  expect(JSON.parse(written[0]?.[1] ?? "")).toEqual({ [hostile]: hostile });
  expect(written[0]?.[1]).not.toMatch(/[^\P{Cc}\n]|[\u202e\u200b]/u);
});

test("lines that are JSON already keep their bytes in a pipe, and are escaped on a terminal", () => {
  const line = JSON.stringify({ text: "x\u202ey\u200b" });
  for (const isTerminal of [true, false]) {
    const { output, written } = open({ isTerminal });
    output.jsonLines(line);
    expect(written[0]?.[1]).toBe(isTerminal ? '{"text":"x\\u202ey\\u200b"}\n' : `${line}\n`);
  }
});

test("exact bytes in a pipe, and nothing that moves the terminal on one", () => {
  for (const isTerminal of [true, false]) {
    const { output, written } = open({ isTerminal });
    output.exact(hostile);
    expect(written[0]?.[1]).toBe(isTerminal ? "a31mbc\n" : `${hostile}\n`);
  }
});

test("progress and what is drawn again use their own words, on a terminal only", () => {
  for (const isTerminal of [true, false]) {
    const { output, written } = open({ isTerminal });
    output.progress(hostile);
    output.progress();
    output.redraw(hostile);
    const own = [
      [2, "\r\u001b[Ka31mbc"],
      [2, "\r\u001b[K"],
      [1, "\u001b[H\u001b[Ja31mbc\n"],
    ];
    expect(written as unknown[]).toEqual(isTerminal ? own : [[1, "a31mbc\n"]]);
  }
});

test("a reader that has gone ends the program without a word; one of stderr does not", () => {
  const { output, sys } = open({ isGone: true });
  expect(() => output.out("x")).toThrow(SilentExit);
  expect(() => output.tell("x")).not.toThrow();
  expect(() => tell(sys, "x")).not.toThrow();
});

test("in a locale of ASCII our signs are ASCII, JSON is escaped, and what is a contract keeps its bytes", () => {
  const { output, written } = open({ env: { LC_ALL: "C" } });
  output.out("● app → é");
  output.tell("… ★");
  output.json({ "…": "é" }, 0);
  output.tellJson({ error: "PROMPT…" });
  output.exact("●é\n");
  expect(written.map(([, text]) => text)).toEqual([
    ...["* app -> é\n", "~ *\n", '{"\\u2026":"\\u00e9"}\n', '{"error":"PROMPT\\u2026"}\n', "●é\n"],
  ]);
});

test("a dumb terminal gets lines, and is never told where to write", () => {
  const { output, written } = open({ isTerminal: true, env: { TERM: "dumb", LC_ALL: "C.UTF-8" } });
  output.progress("reading");
  output.redraw("● app");
  output.progress();
  expect(written).toEqual([[1, "● app\n"]]);
});
