import { expect, test } from "bun:test";
import { findMiss } from "../src/task-answer.ts";

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
