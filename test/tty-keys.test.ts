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
  ["ctrl-j is no enter", ["\n"], ["ctrl-j"]],
  ["alt-enter", ["\u001b\r"], ["alt-enter"]],
  ["alt-enter in two pieces", ["\u001b", "\r"], ["alt-enter"]],
  ["alt-enter as CSI u", ["\u001b[13;3u"], ["alt-enter"]],
  ["alt-enter as modifyOtherKeys", ["\u001b[27;3;13~"], ["alt-enter"]],
  ["alt-enter with num lock and caps lock on", ["\u001b[13;195u"], ["alt-enter"]],
  ["alt-enter that is let go", ["\u001b[13;3:1u\u001b[13;3:3u"], ["alt-enter"]],
  ["each piece of it on its own", ["\u001b", "[", "1", "3", ";", "3", "u"], ["alt-enter"]],
  ["shift-enter, ctrl-enter", ["\u001b[13;2u\u001b[27;5;13~"], ["shift-enter", "ctrl-enter"]],
  ["a sequence after an escape in one piece", ["\u001b\u001b[A"], ["alt-up"]],
  ["escape twice", ["\u001b\u001b"], ["esc", "esc"]],
  ["letters with alt are never the letter", ["\u001bq\u001by\u001bx\u001b日"], ["alt-q", "alt-y", "alt-x", "alt-日"]],
  ["alt-[ alone", ["\u001b["], ["alt-["]],
  ["alt-] alone", ["\u001b]"], ["alt-]"]],
  ["alt-backspace, alt-tab, alt and ctrl", ["\u001b\u007f\u001b\t\u001b\u0002"], ["alt-backspace", "alt-tab", "alt-ctrl-b"]],
  [
    "arrows with keys held",
    ["\u001b[1;5C\u001b[1;3D\u001b[1;2A\u001b[1;7B\u001bO5C"],
    ["ctrl-right", "alt-left", "shift-up", "alt-ctrl-down", "ctrl-right"],
  ],
  ["delete with keys held", ["\u001b[3;5~\u001b[3;3~\u001b[3^\u001b[3$"], ["ctrl-delete", "alt-delete", "ctrl-delete", "shift-delete"]],
  [
    "letters as CSI u",
    ["\u001b[97;5u\u001b[97;2u\u001b[97:65;2u\u001b[98;3u\u001b[27u\u001b[127;3u\u001b[32u\u001b[99;5u"],
    ["ctrl-a", "A", "A", "alt-b", "esc", "alt-backspace", " ", "ctrl-c"],
  ],
  ["letters as modifyOtherKeys", ["\u001b[27;5;99~\u001b[27;3;113~"], ["ctrl-c", "alt-q"]],
  ["super and hyper are nobody's keys", ["\u001b[113;9u\u001b[1;9Aq"], ["q"]],
  ["keys that write nothing", ["\u001b[57358u\u001b[57441;2uq"], ["q"]],
  ["the keypad", ["\u001bOM\u001bOp\u001bOy\u001bOk\u001b[57414u\u001b[57400u"], ["enter", "0", "9", "+", "enter", "1"]],
  ["function keys are no letters", ["\u001bOP\u001b[15~\u001b[[A\u001b[1;5P\u001b[[Eq"], ["q"]],
  ["back tab in both ways", ["\u001b[Z\u001b[9;2u"], ["backtab", "backtab"]],
  ["rxvt's ends", ["\u001b[7~\u001b[8~"], ["home", "end"]],
  ["a mouse of the old kind is no text", ["\u001b[M !!q"], ["q"]],
  ["an answer about colours is no text", ["\u001b]11;rgb:0000/0000/0000\u0007\u001b]10;rgb:ff\u001b\\q"], ["q"]],
  ["nor one in two pieces", ["\u001b]11;rgb:00", "00/0000/0000\u001b", "\\q"], ["q"]],
  ["nor a device's", ["\u001bP1+r544e=78\u001b\\\u001b_Gi=1;OK\u001b\\q"], ["q"]],
  ["a sequence that another breaks off", ["\u001b[1;\u001b[Aq"], ["up", "q"]],
  ["the focus comes and goes", ["\u001b[I\u001b[Oq"], ["q"]],
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

/** What comes after a pause, in which a lone ESC becomes the key. */
const paused = (...pieces: string[]) => {
  const parser = createKeyParser();
  return pieces
    .flatMap((piece) => [...parser.take(piece), ...parser.flush()])
    .map((key) => (key.text === undefined ? key.name : `${key.name}:${key.text}`));
};

test.each<[rule: string, pieces: string[], keys: string[]]>([
  ["escape, and then enter", ["\u001b", "\r"], ["esc", "enter"]],
  ["the rest of a torn sequence is no text", ["\u001b", "[13;3u", "q"], ["esc", "q"]],
  ["the begin of one is none either", ["\u001b[1", "q"], ["q"]],
  ["what is typed after an escape", ["\u001b", "OK", "[x"], ["esc", "O", "K", "[", "x"]],
  ["a paste that comes slowly holds no keys", ["\u001b[200~a", "q\r", "y\u001b[20", "1~q"], ["paste:a", "paste:q", "paste:\ry", "q"]],
  ["its line ends are whole", ["\u001b[200~a\r", "\nb\u001b[201~"], ["paste:a", "paste:\r\nb"]],
  ["one whose end was lost is left with ctrl-c", ["\u001b[200~a", "\u0003", "q"], ["paste:a", "ctrl-c", "q"]],
])("after a pause: %s", (_, pieces, keys) => {
  expect(paused(...pieces)).toEqual(keys);
});

test("wherever a stream of keys is torn, it is read the same", () => {
  const stream = "a\u001b\r\u001b[13;3u\u001b[200~x\ry\u001b[201~\u001bOP\u001b[1;5Cé😀\u001b[<0;5;7Mq";
  const whole = names(stream);
  for (let at = 1; at < stream.length; at++) {
    if (/[\ud800-\udbff]/.test(stream[at - 1] ?? "")) continue;
    expect([at, names(stream.slice(0, at), stream.slice(at))]).toEqual([at, whole]);
  }
});
