import { expect, test } from "bun:test";
import { cutTexts } from "../src/cmd-csd-json.ts";

const million = 1 << 20;

test.each<[rule: string, value: unknown]>([
  ["a state", { status: "blocked", input: { command: "ls" }, options: ["Yes", "No"], resets_at: null, held: true }],
  ["the longest answer", { status: "idle_done", text: "x".repeat(900_000) }],
  ["many sessions", { sessions: Array.from({ length: 1000 }, (_, index) => ({ name: `s${index}`, state: { status: "idle_done" } })) }],
])("%s is printed whole", (_, value) => expect(cutTexts(value)).toEqual(value));

test("a text beyond all measure is cut, and says so", () => {
  const { input, status } = cutTexts({ status: "blocked", input: { content: "x".repeat(3 * million) } }) as {
    input: { content: string };
    status: string;
  };
  expect([status, input.content.length < million + 100, /… \[2\d{6} more characters\]$/.test(input.content)]).toEqual([
    "blocked",
    true,
    true,
  ]);
});

test("many texts, and long lists, stay within the same bound", () => {
  const many = Array.from({ length: 100 }, () => "x".repeat(100_000));
  expect(JSON.stringify(cutTexts({ many })).length).toBeLessThan(1.1 * million);
  expect(JSON.stringify(cutTexts({ list: Array.from({ length: 5_000_000 }, () => 1) })).length).toBeLessThan(1.1 * million);
});
