import { expect, test } from "bun:test";
import { belowHome, createPaint, duration, fit, fitPath, fold, table, width } from "../src/format.ts";

const family = "👩‍👩‍👧‍👦";

test.each<[text: string, columns: number]>([
  ["", 0],
  ["abc", 3],
  ["日本", 4],
  ["é", 1],
  ["e\u0301", 1],
  [family, 2],
  ["\u001b[31mred\u001b[0m", 3],
])("width of %j is %i", (text, columns) => {
  expect(width(text)).toBe(columns);
});

test.each<[rule: string, text: string, columns: number, cut: string]>([
  ["what fits stays", "abcdef", 6, "abcdef"],
  ["what does not ends in an ellipsis", "abcdef", 5, "abcd…"],
  ["one column is the ellipsis", "abcdef", 1, "…"],
  ["wide characters are never halved", "日本語", 5, "日本…"],
  ["and leave a column free where they must", "日本語", 4, "日…"],
  ["joined emoji stay whole", `a${family}b`, 3, "a…"],
  ["and are kept where they fit", `${family}bcd`, 4, `${family}b…`],
  ["a combining mark stays with its letter", "e\u0301fgh", 3, "e\u0301f…"],
])("fit: %s", (_, text, columns, cut) => {
  expect(fit(text, columns)).toBe(cut);
  expect(width(cut)).toBeLessThanOrEqual(columns);
});

test.each<[rule: string, path: string, columns: number, cut: string]>([
  ["what fits stays", "~/a/b", 5, "~/a/b"],
  ["the end of a path is kept", "/home/dev/app", 8, "…dev/app"],
  ["wide characters are never halved", "/日本語", 6, "…本語"],
  ["one column is the ellipsis", "/home", 1, "…"],
])("fitPath: %s", (_, path, columns, cut) => {
  expect(fitPath(path, columns)).toBe(cut);
  expect(width(cut)).toBeLessThanOrEqual(columns);
});

test.each<[ms: number, text: string]>([
  [-5000, "0s"],
  [0, "0s"],
  [999, "0s"],
  [1000, "1s"],
  [59_999, "59s"],
  [60_000, "1m"],
  [130_000, "2m 10s"],
  [3_599_000, "59m 59s"],
  [3_600_000, "1h"],
  [3_605_000, "1h"],
  [18_180_000, "5h 3m"],
  [86_400_000, "1d"],
  [86_400_000 + 300_000, "1d"],
  [90_000_000, "1d 1h"],
  [30 * 86_400_000, "30d"],
])("duration: %i ms is %s", (ms, text) => {
  expect(duration(ms)).toBe(text);
});

const columns = [{ title: "NAME", minWidth: 4 }, { title: "STATE" }, { title: "CWD", minWidth: 5, fit: fitPath }];
const rows = [
  ["billing-worker", "idle", "/home/dev/billing"],
  ["日本", "blocked", "/x"],
];

test.each<[rule: string, rows: string[][], maxWidth: number | undefined, lines: string[]]>([
  ["no rows leave the titles", [], undefined, ["NAME  STATE  CWD"]],
  [
    "columns are as wide as their widest cell, wide characters counted",
    rows,
    undefined,
    ["NAME            STATE    CWD", "billing-worker  idle     /home/dev/billing", "日本            blocked  /x"],
  ],
  [
    "too wide: the last column that may shrink gives first",
    rows,
    36,
    ["NAME            STATE    CWD", "billing-worker  idle     …ev/billing", "日本            blocked  /x"],
  ],
  [
    "then the one before it, down to its least width",
    rows,
    24,
    ["NAME      STATE    CWD", "billing…  idle     …ling", "日本      blocked  /x"],
  ],
  ["a column without a least width is cut last", rows, 18, ["NAME  STATE    CWD", "bil…  idle     …ng", "日本  blocked  /x"]],
  ["a row is never wider than the terminal", rows, 12, ["NAME  STATE", "bil…  idle", "日本  block…"]],
  ["hostile cells are one printable line", [["a\u001b[31mb\nc", "x\ty", "\u202ez"]], undefined, ["NAME  STATE  CWD", "ab c  x y    z"]],
  ["a short row leaves no blanks behind", [["a"]], undefined, ["NAME  STATE  CWD", "a"]],
])("table: %s", (_, cells, maxWidth, lines) => {
  expect(table(columns, cells, maxWidth)).toEqual(lines);
});

test.each<[rule: string, hasColor: boolean, painted: string]>([
  ["a style and its end", true, "\u001b[33mlate\u001b[0m"],
  ["nothing without colour", false, "late"],
])("paint: %s", (_, hasColor, painted) => {
  expect(createPaint(hasColor)("yellow", "late")).toBe(painted);
});

test.each<[rule: string, text: string, columns: number, lines: string[]]>([
  ["between words", "one two three", 8, ["one two ", "three"]],
  ["inside a word that is too long", "abcdefgh", 3, ["abc", "def", "gh"]],
  ["lines stay lines", "a\n\nb", 5, ["a", "", "b"]],
  ["wide characters", "日本語日本語", 5, ["日本", "語日", "本語"]],
  ["never inside a family or a flag", "👩‍👩‍👧‍👦👩‍👩‍👧‍👦🇩🇪🇫🇷", 3, ["👩‍👩‍👧‍👦", "👩‍👩‍👧‍👦", "🇩🇪", "🇫🇷"]],
  ["between words of any script", "größe щит 日本", 7, ["größe ", "щит ", "日本"]],
  ["a character that is wider than all", "日本", 1, ["日", "本"]],
])("folded: %s", (_, text, columns, lines) => {
  expect(fold(text, columns)).toEqual(lines);
  if (columns > 1) expect(lines.every((line) => width(line) <= columns)).toBe(true);
});

test.each([
  ["/home/me/app", "/home/me", "~/app"],
  ["/home/me", "/home/me", "/home/me"],
  ["/home/mel/app", "/home/me", "/home/mel/app"],
  ["C:\\Users\\me\\app", "C:\\Users\\me", "~\\app"],
  ["C:\\Users\\mel", "C:\\Users\\me", "C:\\Users\\mel"],
  ["/home/me/app", undefined, "/home/me/app"],
])("%s below %s is %s", (path, home, shown) => expect(belowHome(path, home)).toBe(shown));
