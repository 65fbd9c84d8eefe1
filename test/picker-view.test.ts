import { expect, test } from "bun:test";
import { createPaint, width } from "../src/format.ts";
import { emptyPicker, type PickerRow, type PickerState } from "../src/picker-state.ts";
import { renderPicker } from "../src/picker-view.ts";

const session = (id: string, age: string, mode: string, title: string, isLive = false): PickerRow => ({
  ...{ id, cells: [age, id, mode], title, isLive },
  search: title.toLowerCase(),
});
const rows: PickerRow[] = [
  { id: "new", cells: [], title: "+ new session", search: "new session" },
  session("3f2a1b4c", "2h", "plan", "Fix the login form"),
  session("9cbb0001", "13d", "bypassPermissions", "日本語のとても長いタイトルをつけてみました", true),
];
const state: PickerState = { ...emptyPicker, rows, defaultId: "3f2a1b4c" };
const frame = (columns: number, height: number) => ({
  ...{ columns, rows: height, paint: createPaint(false), title: "csm  ~/work/site", hint: "type to filter" },
  preview: ["> Fix the login form", "", "Done."],
});
const render = (from: PickerState, columns: number, height: number) =>
  renderPicker(from, frame(columns, height)).map((line) => line.trimEnd());

test("80x20", () => {
  expect(render(state, 80, 20).join("\n")).toMatchInlineSnapshot(`
    "csm  ~/work/site
    ❯ type to filter
    ────────────────────────────────────────────────────────────────────────────────
      + new session
    ❯ 2h   3f2a1b4c  plan               Fix the login form
      13d  9cbb0001  bypassPermissions  ● live  日本語のとても長いタイトルをつけて…





    ────────────────────────────────────────────────────────────────────────────────
      > Fix the login form

      Done.




    ↑↓ move · type to filter · enter open · esc cancel"
  `);
});

test("40x10, while it reads, with the question about a live one", () => {
  const options = [
    { id: "a", label: "Attach: show it in this terminal" },
    { id: "c", label: "Copy: go on from here in a conversation of its own" },
  ];
  const menu = { rowId: "9cbb0001", question: "This conversation is open in tmux session main.", options, cursor: 1 };
  expect(render({ ...state, menu, progress: { read: 3, total: 5000 } }, 40, 10).join("\n")).toMatchInlineSnapshot(`
    "csm  ~/work/site     reading 3 of 5000 …
    ❯ type to filter
    ────────────────────────────────────────
      + new session
    ❯ 2h   3f2a1b4c  pl…  Fix the login form
    ────────────────────────────────────────
      This conversation is open in tmux ses…
        Attach: show it in this terminal
      ❯ Copy: go on from here in a conversa…
    ↑↓ move · enter choose"
  `);
});

test.each([
  [80, 24],
  [40, 10],
  [20, 5],
  [10, 3],
  [200, 60],
  [2, 2],
])("at %dx%d there are as many lines as the screen has, and none is wider", (columns, height) => {
  const many = Array.from({ length: 300 }, (_, index) =>
    session(`id${index}`, "1h", "default", `Task ${index} 👩‍👩‍👧‍👦 한국어 ${"x".repeat(index)}`),
  );
  for (const cursorId of ["id0", "id150", "id299", "none"])
    for (const query of ["", "task 1", "zzz"]) {
      const lines = renderPicker({ ...state, rows: many, cursorId, query }, frame(columns, height));
      expect(lines.length).toBeLessThanOrEqual(height);
      expect(Math.max(...lines.map(width))).toBeLessThanOrEqual(Math.max(columns, 4));
    }
});

test("the row under the cursor is always on the screen", () => {
  const many = Array.from({ length: 300 }, (_, index) => session(`id${index}`, "1h", "default", `Task ${index}.`));
  for (let index = 0; index < 300; index += 7)
    expect(render({ ...state, rows: many, cursorId: `id${index}` }, 60, 12).filter((line) => line.startsWith("❯ 1h"))).toEqual([
      expect.stringContaining(`Task ${index}.`),
    ]);
});
