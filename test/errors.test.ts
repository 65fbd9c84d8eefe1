import { expect, test } from "bun:test";
import { exitCode, SilentExit, UserError, unknownWord, usageError } from "../src/errors.ts";

test("exit codes are the ones that scripts rely on", () => {
  expect(exitCode).toEqual({
    ok: 0,
    failure: 1,
    usage: 2,
    bug: 70,
    timeout: 124,
    notRunnable: 126,
    notFound: 127,
    hangUp: 129,
    interrupted: 130,
  });
});

const cause = new Error("below");
const parts = ({ name, message, hint, exitCode, cause }: UserError) => ({ name, message, hint, exitCode, cause });

test.each([
  ["a message alone ends with 1", new UserError("no such x"), { message: "no such x", hint: undefined, exitCode: 1, cause: undefined }],
  [
    "hint, code and cause are kept",
    new UserError("no such x", "make one", 127, { cause }),
    { message: "no such x", hint: "make one", exitCode: 127, cause },
  ],
  [
    "a usage error ends with 2",
    usageError("unknown flag --x", "did you mean --y?"),
    { message: "unknown flag --x", hint: "did you mean --y?", exitCode: 2, cause: undefined },
  ],
])("%s", (_, error, wanted) => {
  expect(parts(error)).toEqual({ name: "UserError", ...wanted });
  expect(error).toBeInstanceOf(Error);
});

test("a silent exit carries only its code", () => {
  const exit = new SilentExit(130);
  expect([exit.exitCode, exit.name, exit instanceof UserError]).toEqual([130, "SilentExit", false]);
});

const known = ["spawn", "send", "state", "approve", "ps", "kill"];

test.each<[rule: string, word: string, known: string[], nearest: string | undefined]>([
  ["itself", "spawn", known, "spawn"],
  ["one letter dropped", "spwn", known, "spawn"],
  ["one letter added", "killl", known, "kill"],
  ["one letter wrong", "stote", known, "state"],
  ["two neighbours swapped", "sned", known, "send"],
  ["a swap counts one: a word of five allows no more", "psawn", known, "spawn"],
  ["two mistakes in six letters", "aprovve", known, "approve"],
  ["two mistakes in five letters are too many", "spxyn", known, undefined],
  ["a short word allows one mistake", "pa", known, "ps"],
  ["two mistakes in a short word", "xy", known, undefined],
  ["of two equally near the first", "kil", ["kill", "kilo"], "kill"],
  ["the nearer wins over the earlier", "state", ["stale", "state"], "state"],
  ["flags are words too", "--yollo", ["--yolo", "--help"], "--yolo"],
  ["nothing known", "x", [], undefined],
  ["an empty word", "", known, undefined],
])("nearest word: %s", (_, word, words, nearest) => {
  const { message, hint } = unknownWord("csd: unknown command", word, words);
  const shown = word.startsWith("-") ? word : JSON.stringify(word);
  expect([message, hint]).toEqual([
    `csd: unknown command ${shown}`,
    nearest === undefined ? `one of: ${words.join(", ")}` : `did you mean ${nearest}?`,
  ]);
});

test.each<[rule: string, word: string, options: Parameters<typeof unknownWord>[3], hint: string, code: number]>([
  ["a usage error, unless told", "xyz", {}, "one of: spawn, send, state, approve, ps, kill", 2],
  ["its own words where none is near", "xyz", { otherwise: "csd --help lists them" }, "csd --help lists them", 2],
  ["not where one is", "spwn", { otherwise: "csd --help lists them", exitCode: 1 }, "did you mean spawn?", 1],
  ["what is said in any case", "spwn", { also: "; or behind --" }, "did you mean spawn?; or behind --", 2],
])("unknown word: %s", (_, word, options, hint, code) => {
  const error = unknownWord("unknown", word, known, options);
  expect([error.hint, error.exitCode]).toEqual([hint, code]);
});
