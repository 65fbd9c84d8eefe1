import { afterAll, beforeAll, expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openFile, readInto, readTail, readText } from "../src/sys-files.ts";

let dir = "";
const at = (name: string) => join(dir, name);

beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), "csm-files-"));
  writeFileSync(at("text"), "ein Wort\nnoch eins");
  writeFileSync(at("empty"), "");
  mkdirSync(at("folder"));
  execFileSync("mkfifo", [at("pipe")]);
  symlinkSync("/dev/zero", at("zero"));
  symlinkSync(at("pipe"), at("link-to-pipe"));
  symlinkSync(at("nowhere"), at("broken-link"));
  symlinkSync(at("text"), at("link"));
  writeFileSync(at("huge"), "{");
  truncateSync(at("huge"), 17 * 1024 * 1024);
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

test.each([
  ["text", "ein Wort\nnoch eins"],
  ["link", "ein Wort\nnoch eins"],
  ["empty", ""],
])("the text of %s", (name, text) => expect(readText(at(name))).toBe(text));

const noFiles = ["missing", "folder", "pipe", "zero", "link-to-pipe", "broken-link", "text/below-a-file"];

test.each(noFiles)("%s is no file: every reader answers at once, with nothing", (name) => {
  expect(readText(at(name))).toBeUndefined();
  expect(readTail(at(name), 100)).toBeUndefined();
  expect(openFile(at(name))).toBeUndefined();
  expect(readInto(at(name), 0, new Uint8Array(10))).toBe(0);
});

test("a text that is larger than any settings or record is none", () => {
  expect(readText(at("huge"))).toBeUndefined();
  expect(readText(at("text"), 17)).toBeUndefined();
  expect(readText(at("text"), 18)).toBe("ein Wort\nnoch eins");
});

test("the process table names no sizes and is read to its end", () => {
  expect(readText("/proc/self/stat")).toMatch(/^\d+ \(/);
  expect(readText("/proc/self/environ")).toContain("PATH=");
  expect(readText("/proc/999999999/stat")).toBeUndefined();
});

test("the end of a file begins at a line", () => {
  expect(readTail(at("text"), 12)).toEqual({ lines: ["noch eins"], isWhole: false, size: 18 });
  expect(readTail(at("text"), 100)).toEqual({ lines: ["ein Wort", "noch eins"], isWhole: true, size: 18 });
});

test.each([
  [9, "noch eins"],
  [18, ""],
  [99, ""],
])("the bytes from offset %p", (offset, text) => {
  const bytes = new Uint8Array(20);
  expect(new TextDecoder().decode(bytes.subarray(0, readInto(at("text"), offset, bytes)))).toBe(text);
});

const killRounds = 10;

test("a file that is being replaced is whole at any moment, also when its writer is killed", async () => {
  const texts = ["a", "b"].map((letter) => letter.repeat(3_000_000));
  writeFileSync(at("settings"), texts[0] ?? "");
  const writer = `import { readText, replaceText } from ${JSON.stringify(join(import.meta.dir, "../src/sys-files.ts"))};
    const texts = ["a", "b"].map((letter) => letter.repeat(3_000_000));
    for (let turn = 0; ; turn++) {
      replaceText(process.argv[1], readText(process.argv[1]), texts[turn % 2]);
      if (turn === 0) console.log("begun");
    }`;
  for (let round = 0; round < killRounds; round++) {
    const child = Bun.spawn([process.execPath, "-e", writer, at("settings")], { stdout: "pipe" });
    await child.stdout.getReader().read();
    for (let look = 0; look < round * 2; look++) expect(texts.includes(readFileSync(at("settings"), "utf8"))).toBe(true);
    child.kill("SIGKILL");
    await child.exited;
    expect(texts.includes(readFileSync(at("settings"), "utf8"))).toBe(true);
  }
}, 30_000);
