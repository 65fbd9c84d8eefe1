import { expect, test } from "bun:test";
import { pasteable, printable, printableJson, printableLine, typeable, withoutDim } from "../src/sanitize.ts";

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

test.each<[rule: string, text: string, pasted: string]>([
  ["a prompt stays", "fix `x`\n\tand y 👍", "fix `x`\n\tand y 👍"],
  ["CR, which submits, becomes LF", "a\rb\r\nc\n", "a\nb\nc\n"],
  ["the end of a bracketed paste goes", "a\u001b[201~\rrm -rf /\r", "a\nrm -rf /\n"],
  ["also when it is hidden in itself", "a\u001b[20\u001b[201~1~b", "a201~b"],
  ["also in eight bits", "a\u009b201~b", "a201~b"],
  ["editing keys go", "a\u0001\u0003\u0004\u0015\u001a\u007fb", "ab"],
  ["arrow keys go", "a\u001b[A\u001bOAb", "aAb"],
  ["emoji joiners and direction marks of a language stay", `${family}\u200f`, `${family}\u200f`],
])("pasteable: %s", (_, text, pasted) => {
  expect(pasteable(text)).toBe(pasted);
});

test.each<[rule: string, text: string, typed: string]>([
  ["line ends and tabs stay as they are", "a\tb\r\nc\rd\n", "a\tb\r\nc\rd\n"],
  ["the end of a bracketed paste goes", "a\u001b[201~\rb", "a\rb"],
  ["editing keys go", "a\u0001\u0003\u0000b", "ab"],
])("typeable: %s", (_, text, typed) => {
  expect(typeable(text)).toBe(typed);
});

test.each<[rule: string, styled: string, plain: string]>([
  ["a dim hint goes", "❯\u00a0\u001b[2mPress up to edit\u001b[0m", "❯\u00a0"],
  ["the cursor on the first letter of a hint is part of it", "> \u001b[7mT\u001b[0;2mry this\u001b[0m", "> "],
  ["the cursor inside a draft is not", "> fi\u001b[7mx\u001b[0m it", "> fix it"],
  ["nor is it at the end of one, above a dim rule", "> fi\u001b[7mx\u001b[0m\n\u001b[2m──", "> fix\n"],
  ["a draft stays", "❯\u00a0\u001b[1mfix\u001b[0m it", "❯\u00a0fix it"],
  ["22 ends it", "\u001b[2mx\u001b[22my", "y"],
  ["an empty code ends it", "\u001b[2mx\u001b[my", "y"],
  ["bold and dim in one code", "\u001b[1;2mx\u001b[0my", "y"],
  ["a colour does not end it", "\u001b[2m\u001b[31mx\u001b[39my", ""],
  ["off and on in one code is on", "\u001b[22;2mx", ""],
  ["lines stay lines", "\u001b[2ma\nb\u001b[0m\nc", "\n\nc"],
  ["colour 2 is not dim", "\u001b[38;5;2mx\u001b[48;5;2my", "xy"],
  ["red 2 is not dim", "\u001b[38;2;2;2;2mx", "x"],
  ["dim after a colour is", "\u001b[38;5;2;2mx", ""],
  ["colour 2 of an underline is not", "\u001b[58;5;2mx", "x"],
  ["nor with colons", "\u001b[38:2::1:2:2mx\u001b[4:2my", "xy"],
  ["other sequences go", "a\u001b]8;;http://x\u001b\\b\u001b]8;;\u001b\\", "ab"],
])("withoutDim: %s", (_, styled, plain) => {
  expect(withoutDim(styled)).toBe(plain);
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
