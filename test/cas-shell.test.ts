import { describe, expect, test } from "bun:test";
import { parseCas } from "../src/cas.ts";
import { findDialect } from "../src/cas-shell.ts";

const hostile = ["plain", "ё → 日 😀 \u2014", "it's", "''", "$HOME `x` $(y)", "a\nb\r", "\n", "\\'", "\u2018\u2019\u201a\u201b;x", '"', ""];

// Defect D10: a quote in a folder's name ends no string.
describe("what is quoted reads back as it was", () => {
  test.each(hostile)("POSIX %j", (text) => {
    expect(readPosix(findDialect("zsh").quote(text))).toBe(text);
  });
  test.each(hostile)("PowerShell %j, on one line", (text) => {
    const quoted = findDialect("pwsh").quote(text);
    expect(quoted).not.toMatch(/[^\x20-\x7e\u2014]/);
    expect(readPwsh(quoted)).toBe(text);
  });
  test.each(hostile)("fish %j", (text) => {
    expect(readFish(findDialect("fish").quote(text))).toBe(text);
  });
});

/** As a shell reads single-quoted parts and escaped characters; throws on anything else. */
function readPosix(code: string): string {
  return read(code, [
    [/^'([^']*)'/, (match) => match[1] ?? ""],
    [/^\\(.)/, (match) => match[1] ?? ""],
  ]);
}

function readFish(code: string): string {
  return read(code, [[/^'((?:[^'\\]|\\[\s\S])*)'/, (match) => (match[1] ?? "").replace(/\\([\\'])/g, "$1")]]);
}

/** PowerShell closes a string at any of five quotes and takes two of them for one. */
function readPwsh(code: string): string {
  const quote = "['\\u2018\\u2019\\u201a\\u201b]";
  const text = new RegExp(`^${quote}((?:[^'\\u2018\\u2019\\u201a\\u201b]|${quote}${quote})*)${quote}(?!${quote})`);
  return read(code.replace(/^\((.*)\)$/, "$1"), [
    [text, (match) => (match[1] ?? "").replace(new RegExp(`${quote}(${quote})`, "g"), "$1")],
    [/^\[char\](\d+)/, (match) => String.fromCharCode(Number(match[1]))],
    [/^ \+ /, () => ""],
  ]);
}

function read(code: string, rules: [RegExp, (match: RegExpExecArray) => string][]): string {
  let text = "";
  for (let rest = code; rest !== ""; ) {
    const found = rules.map(([pattern, value]) => [pattern.exec(rest), value] as const).find(([match]) => match !== null);
    if (found?.[0] === undefined || found[0] === null) throw new Error(`this would be code: ${rest}`);
    text += found[1](found[0]);
    rest = rest.slice(found[0][0].length);
  }
  return text;
}

test.each(["zsh", "BASH", "sh", "fish", "pwsh", "PowerShell"])("%s is known", (shell) => void findDialect(shell));
test.each(["tcsh", "", "toString", "__proto__"])("%j is not", (shell) => {
  expect(() => findDialect(shell)).toThrow("unknown shell");
});

test.each<[args: string[], expected: Partial<ReturnType<typeof parseCas>>]>([
  [["--eval", "--shell", "zsh", "--", "work"], { isEval: true, shell: "zsh", words: ["work"] }],
  [["--shell=bash", "--eval", "work", "--eval"], { isEval: true, shell: "bash", words: ["work", "--eval"] }],
  [["--nope", "--eval"], { isEval: false, words: ["--nope", "--eval"] }],
  [["--", "--eval"], { isEval: false, words: ["--eval"] }],
  [["-g", "work"], { words: ["-g", "work"] }],
  [["-"], { words: ["-"] }],
  [["--print-default-dir"], { isDefaultDir: true, words: [] }],
  [[], { words: [] }],
])("parses %j", (args, expected) => expect(parseCas(args)).toMatchObject(expected));
