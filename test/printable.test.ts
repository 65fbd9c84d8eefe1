import { expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { width } from "../src/format.ts";
import { asciiCells, asciiJson, asciiWords, isPlain, needsAscii, printable, printableJson, printableLine } from "../src/printable.ts";

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

test.each<[rule: string, env: Record<string, string>, isNeeded: boolean]>([
  ["none said", {}, true],
  ["said empty", { LC_ALL: "", LANG: "" }, true],
  ["C", { LC_ALL: "C" }, true],
  ["POSIX", { LC_ALL: "POSIX" }, true],
  ["C before a language", { LC_ALL: "C", LANG: "de_DE.UTF-8" }, true],
  ["another encoding", { LANG: "de_DE.ISO-8859-1" }, true],
  ["a language without an encoding", { LANG: "de_DE" }, true],
  ["of characters only", { LC_CTYPE: "en_US.UTF-8", LANG: "C" }, false],
  ["C.UTF-8", { LC_ALL: "C.UTF-8" }, false],
  ["spelled as some do", { LANG: "en_US.utf8" }, false],
  ["Windows, which says it elsewhere", { OS: "Windows_NT" }, false],
])("a locale that shows no more than ASCII: %s", (_, env, isNeeded) => {
  expect(needsAscii(env)).toBe(isNeeded);
});

test.each<[rule: string, text: string, cells: string, words: string]>([
  ["an ellipsis of a cut cell", "a long na…  next", "a long na~  next", "a long na~  next"],
  ["one of prose", "making a sandbox …", "making a sandbox ~", "making a sandbox..."],
  ["one of a usage line", "csd send PROMPT… [WORDS…]", "csd send PROMPT~ [WORDS~]", "csd send PROMPT... [WORDS...]"],
  ["one before a column", "csm COMMAND …     one", "csm COMMAND ~     one", "csm COMMAND ...   one"],
  ["arrows", "shell → work", "shell > work", "shell -> work"],
  ["a dash", "none — none", "none - none", "none - none"],
  ["a bar and what is chosen", "▌ █▌░░", "> #=..", "> #=.."],
  ["people's letters", "café 日本 → naïve", "café 日本 > naïve", "café 日本 -> naïve"],
])("our signs in ASCII: %s", (_, text, cells, words) => {
  expect([asciiCells(text), asciiWords(text)]).toEqual([cells, words]);
  expect(width(asciiCells(text))).toBe(width(text));
});

test("JSON in ASCII is the same value", () => {
  const value = { "…": ["日本", "😀", "\u007f"] };
  const json = asciiJson(JSON.stringify(value));
  expect([isPlain(json), JSON.parse(json)]).toEqual([true, value]);
});

/** Signs of claude's screens, which are read and never said, what people of the demo are called, and what begins a formula of a spreadsheet. */
const foreign = /^(?:cost-view|claude-|driver-keys|demo-fleet|gates|stub)/;

test("arrows, lines, blocks and dots are as harmless beside what is not as they are by themselves", () => {
  const signs = [
    ..."·—…",
    ...Array.from({ length: 0x70 }, (_, index) => String.fromCharCode(0x2190 + index)),
    ...Array.from({ length: 0x100 }, (_, index) => String.fromCharCode(0x2500 + index)),
  ].join("");
  expect([printable(signs), printable(`\u0007${signs}\u202e`), printableLine(signs)]).toEqual([signs, signs, signs]);
});

test("a line is one line, whatever blanks it has", () => {
  expect(["a b", " a", "a ", "a  b", "a\tb", "", "a\u00a0b"].map(printableLine)).toEqual(["a b", "a", "a", "a b", "a b", "", "a b"]);
});

test("each sign in our own words has one of ASCII", () => {
  const src = join(import.meta.dir, "../src");
  const left = readdirSync(src)
    .filter((file) => !foreign.test(file))
    .flatMap((file) => {
      const code = readFileSync(join(src, file), "utf8")
        .replace(/\/\*[\s\S]*?\*\//g, "")
        .replace(/^\s*\/\/.*$/gm, "");
      const signs = [
        ...new Set(
          asciiCells(code)
            .replace(/␞/g, "")
            .match(/[^\p{ASCII}]/gu) ?? [],
        ),
      ];
      return signs.length === 0 ? [] : [`${file}: ${signs.join(" ")}`];
    });
  expect(left).toEqual([]);
});
