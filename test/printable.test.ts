import { expect, test } from "bun:test";
import { printable, printableJson, printableLine } from "../src/printable.ts";

const family = "👩‍👩‍👧‍👦";

test.each<[rule: string, text: string, shown: string]>([
  ["plain text stays", "añ 日本 👍", "añ 日本 👍"],
  ["tab and newline stay", "a\tb\nc", "a\tb\nc"],
  ["CRLF becomes LF", "a\r\nb", "a\nb"],
  ["a lone CR, which overwrites a line, goes", "safe\rrm -rf", "saferm -rf"],
  ["colours go", "a\u001b[31mred\u001b[0m b", "ared b"],
  ["cursor movement goes", "a\u001b[2A\u001b[1;1Hb", "ab"],
  ["private modes go", "a\u001b[?1049hb\u001b[>1ub", "abb"],
  ["a window title ended by BEL goes", "x\u001b]0;title\u0007y", "xy"],
  ["a link leaves its text", "x\u001b]8;;http://evil\u001b\\link\u001b]8;;\u001b\\y", "xlinky"],
  ["a device string goes", "x\u001bPq#0\u001b\\y", "xy"],
  ["character sets and single escapes go", "\u001b(Bx\u001b=y\u001bMz", "xyz"],
  ["a cut sequence leaves no escape", "a\u001b[12", "a12"],
  ["an escape at the end goes", "a\u001b", "a"],
  ["an escape sequence inside another does not form a new one", "a\u001b\u001b[31m[31mb", "a[31mb"],
  ["an unended title hides nothing that follows", "ls\u001b]0;x\nrm -rf /", "ls0;x\nrm -rf /"],
  ["eight-bit controls go", "a\u009b31mb\u0085c", "a31mbc"],
  ["NUL, backspace, DEL go", "a\u0000b\b\bc\u007f", "abc"],
  ["direction overrides go", "x\u202egpj.exe\u202c \u2066y\u2069\u200e\u200f", "xgpj.exe y"],
  ["so does the Arabic letter mark", "x\u061cy", "xy"],
  ["emoji joiners stay", family, family],
  ["with skin and heart too", "👩🏽‍💻 ❤️‍🔥", "👩🏽‍💻 ❤️‍🔥"],
  ["a joiner between letters goes", "pay\u200dpal", "paypal"],
  ["zero-width blanks and marks of order go", "a\u200bb\u2060c\ufeffd\u00ade", "abcde"],
  ["tags, which spell unseen words, go", "go\u{e0072}\u{e006d}\u{e0020}", "go"],
  ["selectors that carry hidden bytes go, those of emoji stay", "a\u{e0101}\ufe01 ☎\ufe0e 1\ufe0f\u20e3", "a ☎\ufe0e 1\ufe0f\u20e3"],
  ["fillers that look like nothing go", "a\u3164\uffa0\u115f\u180eb", "ab"],
  ["more marks on a letter than any script has go", `e\u0301 Z${"\u0300".repeat(500)}a`, `e\u0301 Z${"\u0300".repeat(4)}a`],
  ["scripts with marks stay", "क्षि สระ שָׁלוֹם", "क्षि สระ שָׁלוֹם"],
  ["separators of lines are newlines", "a\u2028b\u2029c", "a\nb\nc"],
])("printable: %s", (_, text, shown) => {
  expect(printable(text)).toBe(shown);
});

test.each<[rule: string, text: string, shown: string]>([
  ["every run of blanks is one blank", " a\n\n\tb   c ", "a b c"],
  ["line separators are blanks", "a\u2028b\u2029c\u00a0d", "a b c d"],
  ["what is hidden in it goes first", "a\u001b[31m\nb", "a b"],
])("printableLine: %s", (_, text, shown) => {
  expect(printableLine(text)).toBe(shown);
});

test.each(["plain", "a\u001b[31m\u009b2Jb", "\u202egpj", "go\u{e0072}\u200b", `Z${"\u0300".repeat(9)}`, family, "a\u2028b"])(
  "printableJson of %j holds nothing hidden and means the same",
  (text) => {
    const json = printableJson({ [text]: [text] });
    expect(JSON.parse(json)).toEqual({ [text]: [text] });
    expect(printable(json)).toBe(json);
    expect(printableJson({ text }, 0)).not.toContain("\n");
  },
);
