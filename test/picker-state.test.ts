import { describe, expect, test } from "bun:test";
import { emptyPicker, type PickerOutcome, type PickerState, pickCursor, pickVisible, pressKey } from "../src/picker-state.ts";

const row = (id: string, title: string) => ({ id, cells: [], title, search: title.toLowerCase() });
const rows = [row("new", "new session"), row("aaaa1111", "Fix login"), row("bbbb2222", "Fix build"), row("cccc3333", "Write docs")];
const state: PickerState = {
  ...emptyPicker,
  rows,
  defaultId: "aaaa1111",
  found: new Map([
    ["password", new Set(["cccc3333"])],
    ["fix", new Set(["cccc3333"])],
  ]),
};

function press(from: PickerState, keys: string[]): { state: PickerState; outcome?: PickerOutcome } {
  let now: { state: PickerState; outcome?: PickerOutcome } = { state: from };
  for (const key of keys) now = pressKey(now.state, key.startsWith("paste:") ? { name: "paste", text: key.slice(6) } : { name: key }, 2);
  return now;
}
const typed = (text: string) => [...text];
const cursorOf = (from: PickerState) => {
  const visible = pickVisible(from);
  return visible[pickCursor(from, visible)]?.id;
};

describe("filtering", () => {
  test.each<[rule: string, query: string, ids: string[]]>([
    ["nothing typed: all, in their order", "", ["new", "aaaa1111", "bbbb2222", "cccc3333"]],
    ["any case", "FIX", ["aaaa1111", "bbbb2222", "cccc3333"]],
    ["each word must be there", "fix build", ["bbbb2222"]],
    ["words in any order, titles before texts", "docs fix", ["cccc3333"]],
    ["texts that are not shown", "password", ["cccc3333"]],
    ["the beginning of an id", "bbbb", ["bbbb2222"]],
    ["two letters are no id", "bb", []],
    ["nothing has it", "zzz", []],
    ["blanks alone filter nothing", "   ", ["new", "aaaa1111", "bbbb2222", "cccc3333"]],
  ])("%s", (_, query, ids) => {
    expect(pickVisible({ ...state, query }).map(({ id }) => id)).toEqual(ids);
  });
});

describe("keys", () => {
  test.each<[rule: string, keys: string[], cursor: string | undefined]>([
    ["the default at first", [], "aaaa1111"],
    ["down", ["down"], "bbbb2222"],
    ["not beyond the end", ["down", "down", "down", "down"], "cccc3333"],
    ["not before the start", ["up", "up", "ctrl-p"], "new"],
    ["a page", ["home", "pagedown"], "bbbb2222"],
    ["the end and a page up", ["end", "pageup"], "aaaa1111"],
    ["each edit brings the first match", ["end", ...typed("fix")], "aaaa1111"],
    ["an edit taken back, the default", [...typed("do"), "backspace", "backspace"], "aaaa1111"],
    ["ctrl-u empties the line", [...typed("docs"), "ctrl-u"], "aaaa1111"],
    ["ctrl-w takes a word", [...typed("write docs"), "ctrl-w", "ctrl-w", ...typed("build")], "bbbb2222"],
    ["a paste becomes one line", ["paste:fix\n\u001b build"], "bbbb2222"],
    ["unknown keys do nothing", ["ctrl-y", "left", "delete"], "aaaa1111"],
    ["no match, no cursor", typed("zzz"), undefined],
  ])("%s", (_, keys, cursor) => {
    expect(cursorOf(press(state, keys).state)).toBe(cursor as string);
  });

  test.each<[rule: string, keys: string[], outcome: PickerOutcome | undefined]>([
    ["Enter takes the default", ["enter"], { kind: "chosen", rowId: "aaaa1111" }],
    ["Enter takes the first match", [...typed("docs"), "enter"], { kind: "chosen", rowId: "cccc3333" }],
    ["Enter without a match stays", [...typed("zzz"), "enter"], undefined],
    ["Esc cancels", ["esc"], { kind: "cancelled" }],
    ["also when something was typed", ["x", "esc"], { kind: "cancelled" }],
    ["Ctrl-C cancels", ["ctrl-c"], { kind: "cancelled" }],
    ["Ctrl-G cancels", ["ctrl-g"], { kind: "cancelled" }],
  ])("%s", (_, keys, outcome) => {
    expect(press(state, keys).outcome).toEqual(outcome as PickerOutcome);
  });

  test("the cursor stays on its row when rows come in", () => {
    const moved = press(state, ["down"]).state;
    expect(cursorOf({ ...moved, rows: [row("zzzz0000", "newest"), ...rows] })).toBe("bbbb2222");
    expect(cursorOf({ ...moved, rows: rows.slice(0, 2) })).toBe("aaaa1111");
  });

  test("the line stays short whatever is pasted", () => {
    expect(press(state, [`paste:${"x".repeat(10_000)}`]).state.query.length).toBe(200);
  });
});

describe("the question about a row", () => {
  const options = [
    { id: "attach", label: "Attach" },
    { id: "copy", label: "Copy" },
  ];
  const asked: PickerState = { ...state, menu: { rowId: "aaaa1111", question: "?", options, cursor: 0 } };
  test.each<[rule: string, keys: string[], outcome: PickerOutcome | undefined, isOpen: boolean]>([
    ["Enter takes the first", ["enter"], { kind: "chosen", rowId: "aaaa1111", optionId: "attach" }, true],
    ["down and Enter the second", ["down", "enter"], { kind: "chosen", rowId: "aaaa1111", optionId: "copy" }, true],
    ["it goes round", ["up", "enter"], { kind: "chosen", rowId: "aaaa1111", optionId: "copy" }, true],
    ["a first letter takes its option", ["c"], { kind: "chosen", rowId: "aaaa1111", optionId: "copy" }, true],
    ["another letter does nothing", ["x"], undefined, true],
    ["Esc goes back to the list", ["esc"], undefined, false],
    ["Ctrl-C cancels all", ["ctrl-c"], { kind: "cancelled" }, true],
  ])("%s", (_, keys, outcome, isOpen) => {
    const after = press(asked, keys);
    expect(after.outcome).toEqual(outcome as PickerOutcome);
    expect(after.state.menu !== undefined).toBe(isOpen);
  });
});
