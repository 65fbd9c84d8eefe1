import { describe, expect, test } from "bun:test";
import { chooseOption, describeOptions, planKeys, type Wish } from "../src/answer.ts";
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
