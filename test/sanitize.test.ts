import { expect, test } from "bun:test";
import { pasteable, typeable, withoutDim } from "../src/sanitize.ts";

const family = "👩‍👩‍👧‍👦";

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
