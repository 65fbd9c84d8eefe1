import { expect, test } from "bun:test";
import { hasShape, type Kind, parseJson, parseRecord, parseTime, present, shape, withoutWrong } from "../src/json.ts";

test.each([
  ["{}", {}],
  ["[1]", [1]],
  ["null", null],
  ['{"a":1', undefined],
  ["", undefined],
  [undefined, undefined],
])("the JSON in %p", (text, value) => expect(parseJson(text)).toEqual(value as never));

test.each([
  ['{"a":1}', { a: 1 }],
  ["[1]", undefined],
  ["null", undefined],
  ['"a"', undefined],
  ["{", undefined],
])("the object in %p", (text, value) => expect(parseRecord(text)).toEqual(value as never));

test("only fields with a value are present, in their order", () => {
  const fields: { b: number; a?: string | undefined; c: null | undefined } = { b: 0, a: undefined, c: null };
  expect(Object.entries(present(fields))).toEqual([
    ["b", 0],
    ["c", null],
  ]);
});

test("a shape takes the fields of the wanted kind, from where they stand", () => {
  const fields = JSON.parse('{"pid":1,"name":2,"session_id":"s","list":[1],"in":{"a":1},"is":false,"other":1,"none":null}');
  expect(
    shape(fields, {
      pid: "number",
      name: "string",
      id: ["session_id", "string"],
      list: "list",
      in: "record",
      is: "boolean",
      none: "record",
    }),
  ).toEqual({ pid: 1, id: "s", list: [1], in: { a: 1 }, is: false });
});

test("a shape reads no inherited field", () => {
  expect(shape(Object.create({ name: "x" }), { name: "string" })).toEqual({});
  expect(shape({}, { toString: "record" })).toEqual({});
});

test.each([
  ['{"n":1,"in":{},"list":[],"other":1}', true],
  ['{"n":"1","in":{},"list":[]}', false],
  ['{"n":1,"in":[],"list":[]}', false],
  ['{"n":1,"in":{}}', false],
  ["[]", false],
  ["null", false],
])("%p has all that is wanted: %p", (text, expected) => {
  expect(hasShape(parseJson(text), { n: "number", in: "record", list: "list" })).toBe(expected);
});

test("an inherited field is none that an object has", () => expect(hasShape(Object.create({ name: "x" }), { name: "string" })).toBe(false));

test.each<[what: string, text: string, isRead: boolean]>([
  ["a byte order mark", '\ufeff{"a":1}', true],
  ["carriage returns and blank lines", '\r\n\r\n{"a":1}\r\n', true],
  ["two byte order marks", '\ufeff\ufeff{"a":1}', false],
  ["a comment", '// a\n{"a":1}', false],
  ["a comment inside", '{/* a */"a":1}', false],
  ["a trailing comma", '{"a":1,}', false],
  ["NUL bytes", '{"a":1}\0', false],
  ["many levels", `{"a":1,"b":${"[".repeat(499)}${"]".repeat(499)}}`, true],
  ["too many levels", `{"a":1,"b":${"[".repeat(500)}${"]".repeat(500)}}`, false],
  ["100,000 levels of objects", `${'{"a":'.repeat(100_000)}1${"}".repeat(100_000)}`, false],
  ["many brackets, few levels", `{"a":1,"b":[${"[],{},".repeat(2000)}1]}`, true],
  ["many brackets in a text", JSON.stringify({ a: 1, b: "[{".repeat(5000) }), true],
])("JSON with %s", (_, text, isRead) => expect(parseRecord(text)?.a).toBe(isRead ? 1 : undefined));

test.each<[kind: Kind, good: unknown[], wrong: unknown[]]>([
  ["number", [0, -1, 1.5], [Number.POSITIVE_INFINITY, Number.NaN, "1", null]],
  ["time", [0, 1_780_000_000_000.5], [-1, 9e15, 1e300, Number.NaN, Number.POSITIVE_INFINITY, "0"]],
  ["pid", [1, 77, 2 ** 31 - 1], [0, -1, 1.5, 2 ** 31, 1e300, Number.NaN, "77"]],
  [
    "id",
    ["a", "a.b-c_d", "3f2a1b4c-0000-4000-8000-000000000001"],
    ["", ".", "..", "a/b", "../a", "a\\b", "-a", "a\n", "a\0", "a..b", "a b", 1],
  ],
  ["texts", [[], ["a"]], [["a", 1], [null], "a", {}]],
])("what is a %s", (kind, good, wrong) => {
  for (const value of good) expect([value, hasShape({ value }, { value: kind })]).toEqual([value, true]);
  for (const value of wrong) expect([value, hasShape({ value }, { value: kind })]).toEqual([value, false]);
});

test("fields of another kind go, in their order the rest stays", () => {
  const fields = { more: [1], at: 1e300, name: "x", text: 5 };
  expect(Object.entries(withoutWrong(fields, { at: "time", name: "string", text: "string" }))).toEqual([
    ["more", [1]],
    ["name", "x"],
  ]);
});

test.each([
  ["2026-11-20T10:46:32.011Z", Date.UTC(2026, 10, 20, 10, 46, 32, 11)],
  ["+275760-09-13T00:00:00.000Z", undefined],
  ["+999999-01-01T00:00:00Z", undefined],
  ["-000001-01-01T00:00:00Z", undefined],
  ["soon", undefined],
  [5, undefined],
])("the time %p", (text, at) => expect(parseTime(text)).toBe(at as number));
