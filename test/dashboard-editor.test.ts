import { expect, test } from "bun:test";
import { createDraft, type Draft, drawDraft, editDraft, stepLine } from "../src/dashboard-editor.ts";
import { width } from "../src/format.ts";
import type { Key } from "../src/tty-keys.ts";

/** Where the cursor stands, as a bar. */
const shown = ({ text, cursor }: Draft): string => `${text.slice(0, cursor)}|${text.slice(cursor)}`;
const draftOf = (text: string): Draft => ({ text: text.replace("|", ""), cursor: text.indexOf("|") });
const press = (text: string, ...keys: (string | Key)[]): string =>
  shown(
    keys.reduce<Draft>((draft, key) => {
      const pressed = typeof key === "string" ? { name: key } : key;
      if (pressed.name === "up" || pressed.name === "down") return stepLine(draft, pressed.name === "up" ? -1 : 1) ?? draft;
      return editDraft(draft, pressed) ?? draft;
    }, draftOf(text)),
  );

const family = "👩‍👩‍👧‍👦";

test.each<[rule: string, before: string, keys: (string | Key)[], after: string]>([
  ["letters go where the cursor is", "a|c", ["b"], "ab|c"],
  ["left and right", "ab|c", ["left", "left", "right"], "a|bc"],
  ["not past the ends", "|a", ["left", "right", "right", "right"], "a|"],
  ["a family is one character", `a${family}|b`, ["left"], `a|${family}b`],
  ["and is erased whole", `a${family}|b`, ["backspace"], "a|b"],
  ["so is a flag", "🇩🇪🇫🇷|", ["backspace"], "🇩🇪|"],
  ["and a letter with its marks", "xe\u0301\u0302|", ["backspace"], "x|"],
  ["delete", `a|${family}b`, ["delete", "ctrl-d"], "a|"],
  ["a mark that comes alone joins its letter", "e|x", ["\u0301", "left"], "|e\u0301x"],
  ["words", "one two-three |four", ["alt-b", "ctrl-left", "alt-left"], "|one two-three four"],
  ["words to the right", "|one two-three", ["alt-f", "ctrl-right", "alt-right"], "one two-three|"],
  ["words of other scripts", "größe щит|", ["alt-backspace"], "größe |"],
  ["ctrl-w takes up to the blank", "git log --one-line|", ["ctrl-w"], "git log |"],
  ["alt-d takes the word that comes", "a |bc d", ["alt-d"], "a | d"],
  ["ends of the line", "a\nb|c\nd", ["home", "x", "end", "y"], "a\nxbcy|\nd"],
  ["as in a shell", "a\nb|c\nd", ["ctrl-a", "x", "ctrl-e", "y"], "a\nxbcy|\nd"],
  ["to the line's ends", "a\nbc|de\nf", ["ctrl-k", "ctrl-u"], "a\n|\nf"],
  ["to the very ends", "a\nb|c", ["alt-<", "x", "alt->", "y"], "xa\nbcy|"],
  ["a new line", "a|b", ["alt-enter"], "a\n|b"],
  ["a new line by every key that means it", "|", ["shift-enter", "ctrl-enter", "ctrl-j", "alt-ctrl-enter"], "\n\n\n\n|"],
  ["lines keep the column", "abc\nd\nefg|", ["up", "up"], "a|bc\nd\nefg"],
  ["down to the end of a shorter one", "abc|\nd", ["down"], "abc\nd|"],
  ["columns are counted as they look", "日本語\nabcd|", ["up"], "日本|語\nabcd"],
  ["erase joins lines", "a\n|b", ["backspace"], "a|b"],
  ["a paste keeps its lines", "|c", [{ name: "paste", text: "a\r\nb\rc" }], "a\nb\nc|c"],
  ["a paste brings no keys", "|", [{ name: "paste", text: "a\u001b[A\u0003b\u009bc" }], "abc|"],
  ["keys that edit nothing", "a|", ["f1", "alt-x", "esc", "tab", "toString", "__proto__"], "a|"],
])("%s", (_, before, keys, after) => {
  expect(press(before, ...keys)).toBe(after);
});

test("a draft of one line has one line", () => {
  expect(editDraft(draftOf("a|"), { name: "alt-enter" }, true)).toBeUndefined();
  expect(editDraft(draftOf("a|"), { name: "paste", text: "b\r\n\tc" }, true)?.text).toBe("ab c");
});

const draw = (text: string, columns: number) => drawDraft(draftOf(text), columns, (character) => `[${character}]`);

test.each<[rule: string, text: string, columns: number, lines: string[], row: number]>([
  ["the end is a blank of its own", "ab|", 5, ["ab[ ]"], 0],
  ["a character under the cursor", "a|b", 5, ["a[b]"], 0],
  ["a line that is full goes on below", "abcd|", 4, ["abcd", "[ ]"], 1],
  ["a wide one does not stand on the edge", "abc日|", 4, ["abc", "日[ ]"], 1],
  ["the end of a line", "a|\nb", 4, ["a[ ]", "b"], 0],
  ["an empty line", "a\n|\nb", 4, ["a", "[ ]", "b"], 1],
  ["a tab is blanks", "|\ta", 4, ["[  ]a"], 0],
  ["what nobody sees is seen under the cursor", "a|\u200bb", 4, ["a[ ]b"], 0],
])("drawn: %s", (_, text, columns, lines, row) => {
  expect(draw(text, columns)).toEqual({ lines, row });
});

test("no line is wider than its room, whatever is written", () => {
  const parts = [family, "🇩🇪", "日本", "e\u0301", "a", " ", "\n", "\t", "❤️", "1️⃣", "ก็", "\u0301", "👍🏽", "\u200d", "ﷺ"];
  for (let seed = 0; seed < 300; seed++) {
    const text = Array.from({ length: 30 }, (_, index) => parts[(seed * 31 + index * index * 7) % parts.length]).join("");
    for (const columns of [2, 3, 7, 20]) {
      const { lines, row } = drawDraft({ text, cursor: 0 }, columns, (character) => character);
      expect(lines.filter((line) => width(line) > columns)).toEqual([]);
      expect(row).toBeLessThan(lines.length);
    }
  }
});

test("a text of a megabyte is drawn in no time", () => {
  const { lines } = drawDraft(createDraft("日本語 ".repeat(250_000)), 80, (character) => character);
  expect(lines.length).toBeLessThan(1000);
});
