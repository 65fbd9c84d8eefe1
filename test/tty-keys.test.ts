import { expect, test } from "bun:test";
import { createKeyParser } from "../src/tty-keys.ts";

const names = (...pieces: string[]) => {
  const parser = createKeyParser();
  return [...pieces.flatMap((piece) => parser.take(piece)), ...parser.flush()].map((key) =>
    key.text === undefined ? key.name : `${key.name}:${key.text}`,
  );
};

test.each<[rule: string, pieces: string[], keys: string[]]>([
  ["letters, also several at once", ["ab"], ["a", "b"]],
  ["a letter of two code units is one key", ["é😀"], ["é", "😀"]],
  ["enter, tab, backspace, escape", ["\r\t\u007f\u001b"], ["enter", "tab", "backspace", "esc"]],
  ["control keys", ["\u0003\u001a\u000c"], ["ctrl-c", "ctrl-z", "ctrl-l"]],
  ["arrows of both kinds", ["\u001b[A\u001bOB\u001b[C\u001bOD"], ["up", "down", "right", "left"]],
  ["pages and ends", ["\u001b[5~\u001b[6~\u001b[H\u001b[4~"], ["pageup", "pagedown", "home", "end"]],
  ["an arrow in two pieces", ["\u001b", "[A"], ["up"]],
  ["an arrow in three", ["\u001b", "[", "A"], ["up"]],
  ["a lone escape", ["\u001b"], ["esc"]],
  ["an unknown sequence is no key", ["\u001b[99;1Xq"], ["q"]],
  ["a terminal's answer is no key", ["\u001b[?62;22cq"], ["q"]],
  ["a paste is one key, however it comes", ["\u001b[200~a\r", "b\u001b[201~q"], ["paste:a\rb", "q"]],
  ["a paste holds no keys", ["\u001b[200~qy\u001b[A\u001b[201~"], ["paste:qy\u001b[A"]],
  ["a paste without an end ends when nothing follows", ["\u001b[200~ab"], ["paste:ab"]],
  [
    "a click and the wheel; a release says nothing",
    ["\u001b[<0;5;7M\u001b[<0;5;7m\u001b[<64;1;1M\u001b[<65;1;1M"],
    ["click", "wheel-up", "wheel-down"],
  ],
])("%s", (_, pieces, keys) => {
  expect(names(...pieces)).toEqual(keys);
});

test("a click knows its row", () => {
  expect(createKeyParser().take("\u001b[<0;12;7M")).toEqual([{ name: "click", row: 7 }]);
});
