import { describe, expect, test } from "bun:test";
import { type Choice, chooseOption, describeOptions, parseQuestions, planAnswers, planKeys, type Wish } from "../src/answer.ts";
import type { Meaning, MenuOption, ScreenGate } from "../src/claude-gate.ts";

/** `1 allow-once Yes*` is option 1 under the cursor; `-` has no number. */
const option = (text: string): MenuOption => {
  const [number = "", meaning = "", ...label] = text.split(" ");
  return {
    ...(number === "-" ? {} : { number: Number(number) }),
    meaning: meaning as Meaning,
    label: label.join(" ").replace("*", ""),
    isSelected: text.endsWith("*"),
  };
};

const gate = (...options: string[]): ScreenGate => ({
  kind: "permission",
  header: "Bash command",
  question: "Do you want to proceed?",
  body: "ls",
  options: options.map(option),
});

const bash = gate(
  "1 allow-once Yes*",
  "2 allow-always Yes, and don't ask again",
  "3 mode-switch Yes, and switch to auto mode",
  "4 refuse No",
);
const trust = gate("- refuse No, exit*", "- allow-once Yes, I trust this folder");
const plan = gate(
  "1 mode-switch Yes, and use auto mode*",
  "2 allow-once Yes, manually approve edits",
  "3 free-text Tell Claude what to change",
);
const oldBash = gate("1 allow-once Yes*", "2 allow-always Yes, don't ask again", "3 free-text Type here to tell Claude");
const twice = gate("1 allow-once Yes*", "2 allow-once Yes", "3 refuse No", "4 refuse No, and tell Claude");
const amended = gate("1 unknown Yes, use another name*", "2 refuse No");
const shifted = gate("2 allow-always Yes, and don't ask again", "3 mode-switch Yes, and switch*", "4 refuse No");
const none = gate();

const allow: Wish = { meaning: "allow-once" };
const refuse: Wish = { meaning: "refuse" };

test.each<[rule: string, gate: ScreenGate, wish: Wish, label: string]>([
  ["allowing takes the one that allows once", bash, allow, "Yes"],
  ["wherever it stands", trust, allow, "Yes, I trust this folder"],
  ["never another mode, though it stands first", plan, allow, "Yes, manually approve edits"],
  ["refusing takes the one that refuses", bash, refuse, "No"],
  ["though it is selected", trust, refuse, "No, exit"],
  ["a number takes that option, whatever it means", bash, { option: 3 }, "Yes, and switch to auto mode"],
  ["without numbers the position counts", trust, { option: 2 }, "Yes, I trust this folder"],
])("choose: %s", (_, menu, wish, label) => {
  expect(chooseOption(menu, wish).label).toBe(label);
});

const bashOffer = "1 Yes · 2 Yes, and don't ask again · 3 Yes, and switch to auto mode · 4 No";

test.each<[rule: string, gate: ScreenGate, wish: Wish, message: string, hint: string]>([
  ["a number above the menu", bash, { option: 5 }, "the permission gate has no option 5", `it offers: ${bashOffer}`],
  ["zero", bash, { option: 0 }, "the permission gate has no option 0", `it offers: ${bashOffer}`],
  ["a fraction", bash, { option: 1.5 }, "the permission gate has no option 1.5", `it offers: ${bashOffer}`],
  [
    "a position that shows another number",
    shifted,
    { option: 1 },
    "the permission gate has no option 1",
    "it offers: 2 Yes, and don't ask again · 3 Yes, and switch · 4 No",
  ],
  [
    "two that allow",
    twice,
    allow,
    'no single option of the permission gate means "allow this once"',
    "choose with --option N: 1 Yes · 2 Yes · 3 No · 4 No, and tell Claude",
  ],
  [
    "two that refuse",
    twice,
    refuse,
    'no single option of the permission gate means "refuse"',
    "choose with --option N: 1 Yes · 2 Yes · 3 No · 4 No, and tell Claude",
  ],
  [
    "none that allows",
    amended,
    allow,
    'no single option of the permission gate means "allow this once"',
    "choose with --option N: 1 Yes, use another name · 2 No",
  ],
  [
    "none that refuses, as in 2.0.70",
    oldBash,
    refuse,
    'no single option of the permission gate means "refuse"',
    "choose with --option N: 1 Yes · 2 Yes, don't ask again · 3 Type here to tell Claude",
  ],
  ["no options at all", none, allow, 'no single option of the permission gate means "allow this once"', "choose with --option N: "],
])("refused with the menu: %s", (_, menu, wish, message, hint) => {
  expect(() => chooseOption(menu, wish)).toThrow(expect.objectContaining({ message, hint, exitCode: 1 }));
});

test("without numbers the positions are described", () => {
  expect(describeOptions(trust)).toBe("1 No, exit · 2 Yes, I trust this folder");
});

describe("keys", () => {
  const ten = gate(...Array.from({ length: 11 }, (_, index) => `${index + 1} choice ${index + 1}${index === 1 ? "*" : ""}`));
  const hidden = gate("- refuse No", "- allow-once Yes");
  const flat = gate("1 allow-once Yes", "2 refuse No");

  test.each<[rule: string, gate: ScreenGate, index: number, keys: ReturnType<typeof planKeys>]>([
    ["a number is pressed", bash, 3, { digit: "4" }],
    ["also where no cursor is seen", flat, 0, { digit: "1" }],
    ["nine is the last digit", ten, 8, { digit: "9" }],
    ["ten is reached with the cursor", ten, 9, { moves: 8 }],
    ["without numbers the cursor moves down", trust, 1, { moves: 1 }],
    ["or stays", trust, 0, { moves: 0 }],
    ["or moves up", gate("- allow-once Yes", "- refuse No (recommended)*"), 0, { moves: -1 }],
    ["a cursor that is not seen is not moved", hidden, 1, undefined],
  ])("%s", (_, menu, index, keys) => {
    const chosen = menu.options[index];
    expect(chosen && planKeys(menu, chosen)).toEqual(keys);
  });
});

const form = {
  questions: [
    { question: "Which folder?", header: "Folder", options: [{ label: "src" }, { label: "a=b, c" }] },
    { question: "Which checks?", header: "Folder", multiSelect: true, options: [{ label: "lint" }, { label: "unit" }] },
  ],
};
const answersOf = (choices: Choice[], text?: string): unknown => {
  try {
    return Object.values(planAnswers(form, choices, text).answers);
  } catch (error) {
    return (error as Error).message;
  }
};

test.each<[rule: string, choices: Choice[], text: string | undefined, answers: unknown]>([
  ["typed, in order", ["src", "lint"], undefined, ["src", "lint"]],
  ["typed, the text goes to the one that is left", ["src"], "all of them", ["src", "all of them"]],
  [
    "by place, where two headers are alike",
    [
      { part: 1, labels: ["unit"] },
      { part: 0, labels: ["src"] },
    ],
    undefined,
    ["src", "unit"],
  ],
  [
    "by place, a label that reads like an address",
    [
      { part: 0, labels: ["a=b, c"] },
      { part: 1, labels: ["lint", "unit"] },
    ],
    undefined,
    ["a=b, c", "lint, unit"],
  ],
  [
    "by place, a text for each",
    [
      { part: 0, labels: [], text: "docs" },
      { part: 1, labels: [], text: "none" },
    ],
    undefined,
    ["docs", "none"],
  ],
  [
    "by place, a text beside the ticks",
    [
      { part: 0, labels: ["src"] },
      { part: 1, labels: ["lint"], text: "and more" },
    ],
    undefined,
    ["src", "lint, and more"],
  ],
  ["by place, a label that is not offered", [{ part: 0, labels: ["docs"] }], undefined, 'question 1 does not offer ["docs"]'],
  ["by place, a question that is not asked", [{ part: 2, labels: [] }], undefined, "question 3 does not offer []"],
  ["none stays open", [{ part: 0, labels: ["src"] }], undefined, "1 of 2 questions would stay without an answer"],
  ["a text too many", ["src", "lint"], "more", 'every question has a choice; "more" answers none'],
])("answers: %s", (_, choices, text, answers) => {
  expect(answersOf(choices, text)).toEqual(answers);
});

test("one question of one answer can be answered with one key, its text in the field behind the options", () => {
  const one = { questions: form.questions.slice(0, 1) };
  expect(planAnswers(one, [{ part: 0, labels: ["a=b, c"] }], undefined).single).toEqual({ option: 2 });
  expect(planAnswers(one, [{ part: 0, labels: [], text: "docs" }], undefined).single).toEqual({ option: 3, text: "docs" });
  expect(planAnswers({ questions: form.questions.slice(1) }, ["lint"], undefined).single).toBeUndefined();
});

test("what a model makes of questions is read as far as it goes", () => {
  const shaped = { question: "", header: "", isMulti: false, labels: [], details: [] };
  expect(parseQuestions([null, 3, "x", {}, { options: [null, 7, { label: 5 }] }])).toEqual([
    shaped,
    { ...shaped, labels: [""], details: [""] },
  ]);
  for (const value of [undefined, null, "x", {}, 7]) expect(parseQuestions(value)).toEqual([]);
});
