import { expect, test } from "bun:test";
import { findMiss, whyUncheckable } from "../src/task-answer.ts";

const schema = {
  type: "object",
  properties: { files: { type: "array", items: { type: "string" } }, count: { type: "integer", minimum: 1 } },
  required: ["files"],
};

test.each([
  [{ files: ["a"], count: 1 }, undefined],
  [{ files: ["a"], more: true }, undefined],
  [{}, "files: Invalid input: expected array, received undefined"],
  [{ files: ["a", 2] }, "files.1: Invalid input: expected string, received number"],
  [{ files: [], count: 0 }, "count: Too small: expected number to be >=1"],
  ["text", "Invalid input: expected object, received string"],
  [undefined, "Invalid input: expected object, received undefined"],
])("of %j the first miss is told, with its place: %p", (answer, miss) => {
  expect(findMiss(schema, answer)).toBe(miss);
});

const text = { type: "string" };
test.each<[schema: object, why: RegExp | undefined]>([
  [schema, undefined],
  [{ $ref: "#/definitions/a", definitions: { a: text } }, undefined],
  [{ $schema: "http://json-schema.org/draft-07/schema#", type: "object", properties: { a: { $ref: "#" } } }, undefined],
  [{ anyOf: [text, { type: "null" }], format: "whatever" }, undefined],
  [{ $ref: "#" }, /leads to itself/],
  [{ definitions: { a: { allOf: [{ $ref: "#/definitions/b" }] }, b: { $ref: "#/definitions/a" } }, type: "string" }, /leads to itself/],
  [{ $defs: { tree: { type: "object", properties: { up: { $ref: "#/$defs/tree" } } } }, $ref: "#/$defs/tree" }, undefined],
  [{ type: "object", if: {}, else: {} }, /if\/then\/else/],
  [{ type: "object", not: { required: ["a"] } }, /not is not supported/],
  [{ type: "object", dependentRequired: { a: ["b"] } }, /dependent/],
  [{ type: "object", unevaluatedProperties: false }, /unevaluatedProperties/],
  [{ type: "array", items: { type: "objekt" } }, /objekt/],
  [{ $ref: "#/definitions/b", definitions: { a: text } }, /#\/.+\/b/],
  [{ $ref: "#/properties/a", properties: { a: text } }, /#\/properties\/a|\$ref/],
  [{ $ref: "https://example.com/schema" }, /\$ref|[Rr]eference/],
  [{ type: "string", pattern: "(" }, /regular expression/],
])("whether an answer can be held to %j is known before it is asked for", (each, why) => {
  const found = whyUncheckable(each);
  if (why === undefined) expect(found).toBeUndefined();
  else expect(found).toMatch(why);
});

test("what older drafts call definitions holds as well", () => {
  const list = { definitions: { name: { type: "string", minLength: 2 } }, type: "array", items: { $ref: "#/definitions/name" } };
  expect([findMiss(list, ["ab"]), findMiss(list, ["a"])]).toEqual([undefined, "0: Too small: expected string to have >=2 characters"]);
});
