import { expect, test } from "bun:test";
import { decodeJson } from "../src/json.ts";
import { editJson } from "../src/json-edit.ts";

const rows: [rule: string, before: string, change: (value: never) => unknown, after: string][] = [
  ["nothing to do", '{ "a":1 }', (value) => value, '{ "a":1 }'],
  ["into an empty object", "{}\n", () => ({ a: [1] }), '{\n  "a": [\n    1\n  ]\n}\n'],
  ["behind the others", '{\n\t"a": 1.0\n}', (value: object) => ({ ...value, b: {} }), '{\n\t"a": 1.0,\n\t"b": {}\n}'],
  ["on one line", '{"a":1}', (value: object) => ({ ...value, b: { c: 2 } }), '{"a":1, "b":{"c":2}}'],
  ["on one line with spaces", '{"a": 1}', (value: object) => ({ ...value, b: 2 }), '{"a": 1, "b": 2}'],
  [
    "with the line ends of Windows",
    '{\r\n  "a": 1\r\n}\r\n',
    (value: object) => ({ ...value, b: [2] }),
    '{\r\n  "a": 1,\r\n  "b": [\r\n    2\r\n  ]\r\n}\r\n',
  ],
  ["behind a byte order mark", '\ufeff{"a":1}', () => ({ a: 2 }), '\ufeff{"a":2}'],
  ["the first one out", '{\n  "a": 1,\n  "b": 1e2\n}', ({ b }: { b: number }) => ({ b }), '{\n  "b": 1e2\n}'],
  ["the last one out", '{\n  "b": 1e2,\n  "a": 1\n}', ({ b }: { b: number }) => ({ b }), '{\n  "b": 1e2\n}'],
  ["one in the middle out", '{"a":1,\n "b":2,\n "c":"\\u00e4"}', ({ a, c }: { a: 1; c: string }) => ({ a, c }), '{"a":1, "c":"\\u00e4"}'],
  ["the only one out", '{ "a": 1 }', () => ({}), "{}"],
  [
    "names that are numbers, and large numbers, stay",
    '{\n  "9": 12345678901234567890,\n  "1": 2\n}',
    (value: object) => ({ ...value, x: 1 }),
    '{\n  "9": 12345678901234567890,\n  "1": 2,\n  "x": 1\n}',
  ],
  [
    "deep inside",
    '{ "hooks": { "Stop": [ {"a":1} ] }, "z": [1,2] }',
    (value: { hooks: { Stop: unknown[] } }) => ({ ...value, hooks: { Stop: [...value.hooks.Stop, { b: 2 }] } }),
    '{ "hooks": { "Stop": [ {"a":1}, {"b":2} ] }, "z": [1,2] }',
  ],
  ["out of a list", "[1, 2, 3]", () => [1, 3], "[1, 3]"],
  ["all else of a list", "[1, 2, 3]", () => [4], "[4]"],
  ["a value of another kind", '{"a": [1]}', () => ({ a: "x" }), '{"a": "x"}'],
  ["one name twice", '{"a":1,"a":2}', () => ({ a: 3 }), '{"a":1,"a":3}'],
  ["signs in texts", '{"a":"},{\\"","b":"]"}', (value: object) => ({ ...value, c: 1 }), '{"a":"},{\\"","b":"]", "c":1}'],
];

test.each(rows)("%s", (_, before, change, after) => {
  expect(editJson(before, change(decodeJson(before) as never))).toBe(after);
});

/** Of any shape, written in any way. */
function randomValue(next: () => number, depth = 0): unknown {
  const kind = Math.floor(next() * (depth > 3 ? 4 : 6));
  const many = <T>(make: (index: number) => T) => Array.from({ length: Math.floor(next() * 4) }, (_, index) => make(index));
  if (kind < 4) return [1.5, 'a "b" \\ {', null, true][kind];
  return kind === 4
    ? many(() => randomValue(next, depth + 1))
    : Object.fromEntries(many((index) => [`k${index}`, randomValue(next, depth + 1)]));
}

test("whatever stands there and is wanted: it says what is wanted, and the same again changes nothing", () => {
  let seed = 7;
  const next = () => {
    seed = (seed * 48_271) % 2_147_483_647;
    return seed / 2_147_483_647;
  };
  for (let round = 0; round < 3000; round++) {
    const [before, after] = [randomValue(next), randomValue(next)];
    const text = JSON.stringify(before, null, [0, 1, 2, "\t"][round % 4]);
    const edited = editJson(text, after);
    expect([text, JSON.parse(edited)]).toEqual([text, after]);
    expect(editJson(edited, after)).toBe(edited);
  }
});
