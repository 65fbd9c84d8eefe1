import { expect, test } from "bun:test";
import { hasShape, parseJson, parseRecord, present, shape } from "../src/json.ts";

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
