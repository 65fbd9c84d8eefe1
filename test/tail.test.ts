import { describe, expect, test } from "bun:test";
import type { OpenFile } from "../src/sys-files.ts";
import { createLineBuffer, createTail, followLines, isContinued, readLines } from "../src/tail.ts";
import { createFakeSys, type FakeSys } from "./fake-sys.ts";

const path = "/t/x.jsonl";
const start = (text?: string): FakeSys => createFakeSys({ files: text === undefined ? {} : { [path]: text } });
const open = (sys: FakeSys): OpenFile => sys.openFile(path) as OpenFile;

/** Each step writes the whole file anew, and then polls. */
describe("a file that grows", () => {
  type Step = [text: string | undefined, growth: string, lines?: string];
  test.each<[rule: string, steps: Step[]]>([
    [
      "what is new comes once",
      [
        ["a\n", "grown", "a\n"],
        ["a\n", "same"],
        ["a\nb\nc\n", "grown", "b\nc\n"],
      ],
    ],
    [
      "a torn line waits for its end",
      [
        ["a\nb", "grown", "a\n"],
        ["a\nbc\n", "grown", "bc\n"],
      ],
    ],
    [
      "cut: it starts over",
      [
        ["a\nb\n", "grown", "a\nb\n"],
        ["a\n", "restarted", "a\n"],
      ],
    ],
    [
      "rewritten in its place, and longer: it starts over",
      [
        ["a\n", "grown", "a\n"],
        ["x\ny\n", "restarted", "x\ny\n"],
      ],
    ],
    [
      "gone for a while",
      [
        [undefined, "gone"],
        ["a\n", "grown", "a\n"],
        [undefined, "gone"],
        ["a\nb\n", "grown", "b\n"],
      ],
    ],
    [
      "empty first",
      [
        ["", "grown", ""],
        ["a\n", "grown", "a\n"],
      ],
    ],
  ])("%s", (_, steps) => {
    const sys = start();
    const tail = createTail(sys, path, createLineBuffer());
    for (const [text, growth, lines = ""] of steps) {
      if (text === undefined) sys.remove(path);
      else if (sys.files.get(path) !== text) sys.writePrivate(path, text);
      let [got, restarts] = ["", 0];
      expect(tail.poll({ onLines: (bytes) => (got += bytes.toString()), onRestart: () => restarts++ })).toBe(growth as "grown");
      expect([got, restarts]).toEqual([lines, growth === "restarted" ? 1 : 0]);
    }
  });

  test("from a place in the middle; from its start when it starts over", () => {
    const sys = start("old\nnew\n");
    const tail = createTail(sys, path, createLineBuffer(), 4);
    const read = () => {
      let got = "";
      tail.poll({ onLines: (bytes) => (got += bytes.toString()), onRestart() {} });
      return got;
    };
    expect(read()).toBe("new\n");
    sys.writePrivate(path, "x\n");
    expect(read()).toBe("x\n");
  });

  test("followed until it is over, with a last look; of what is there only the newest", async () => {
    const sys = start("old\na\n\nb\nto");
    const looks: string[][] = [];
    for await (const lines of followLines(sys, path, { isOver: async () => looks.length === 2, read: (line) => line, firstCount: 2 })) {
      looks.push(lines);
      sys.appendPrivate(path, looks.length === 1 ? "rn\n" : "last\n");
    }
    expect(looks).toEqual([["a", "b"], ["torn"], ["last"]]);
  });
});

describe("going on from a mark", () => {
  const first = "one\ntwo\nthr";
  test.each<[rule: string, now: string, isContinued: boolean]>([
    ["untouched", first, true],
    ["grown", `${first}ee\nfour\n`, true],
    ["cut in the torn line", "one\ntwo\n", true],
    ["cut before the mark", "one\n", false],
    ["rewritten, and longer", "ONE\nTWO\nthree\n", false],
  ])("%s", (_, now, expected) => {
    const sys = start(first);
    const { mark, readBytes } = readLines(open(sys), createLineBuffer(), 0, () => undefined);
    expect([mark.position, readBytes]).toEqual([8, 11]);
    sys.writePrivate(path, now);
    expect(isContinued(open(sys), mark)).toBe(expected);
  });

  test("another file of the same text", () => {
    const { mark } = readLines(open(start(first)), createLineBuffer(), 0, () => undefined);
    expect(isContinued({ ...open(start(first)), id: "other" }, mark)).toBe(false);
  });
});

describe("lines longer than the memory for them", () => {
  const long = `{${"x".repeat(3_000_000)}}\n`;
  const read = (keepsWhole: boolean, text: string) => {
    const got: string[] = [];
    const { mark } = readLines(open(start(text)), createLineBuffer(keepsWhole), 0, (bytes) => got.push(bytes.toString()));
    expect(mark.position).toBe(text.length);
    return got.join("");
  };
  test("whole where they have to be", () => expect(read(true, `a\n${long}b\n`) === `a\n${long}b\n`).toBe(true));
  test("else their begin and their end, and the lines around them", () => {
    const got = read(false, `a\n${long}b\n`);
    expect([got.slice(0, 4), got.slice(-5), got.length < 1_000_000]).toEqual(["a\n{x", "x}\nb\n", true]);
  });
  test("a line beyond all measure is left out, whole lines around it are not", () => {
    const endless = `${"y".repeat(40_000_000)}\n`;
    expect(read(true, `a\n${endless}b\n${endless}c\n`)).toBe("a\nb\nc\n");
    expect(read(true, endless)).toBe("");
  });
  test("one that has no end yet is not handed over", () => {
    const buffer = createLineBuffer(true);
    const handed: number[] = [];
    const { mark } = readLines(open(start(`a\n${"y".repeat(40_000_000)}`)), buffer, 0, (lines) => void handed.push(lines.length));
    expect([mark.position, handed, buffer.bytes.length]).toEqual([2, [2], 1 << 24]);
  });
});
