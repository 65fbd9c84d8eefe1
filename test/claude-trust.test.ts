import { expect, test } from "bun:test";
import { isTrusted } from "../src/claude-program.ts";

const projects = (entries: Record<string, unknown>) => JSON.stringify({ projects: entries });
const yes = { hasTrustDialogAccepted: true };

test.each([
  ["the folder itself", projects({ "/work/app": yes }), true],
  ["a folder above it", projects({ "/work": yes }), true],
  ["the root", projects({ "/": yes }), true],
  ["a folder whose name begins alike", projects({ "/work/ap": yes }), false],
  ["a folder below it", projects({ "/work/app/src": yes }), false],
  ["one that was refused", projects({ "/work/app": { hasTrustDialogAccepted: false } }), false],
  ["nothing", "{}", false],
  ["what is no project", projects({ "/work/app": null }), false],
  ["a torn file", '{"projects": {', false],
  ["no file", "", false],
])("trusted through %s: %p", (_, text, expected) => {
  expect(isTrusted(text, "/work/app")).toBe(expected);
});
