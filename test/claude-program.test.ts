import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { flagValue, isTrusted, parseFlagTable, planResume, splitFlags } from "../src/claude-program.ts";

const table = parseFlagTable(readFileSync(join(import.meta.dir, "fixtures/help-2.1.329.txt"), "utf8"));

test.each([
  ["-r", "optional"],
  ["--resume", "optional"],
  ["--add-dir", "many"],
  ["--allowed-tools", "many"],
  ["--allowedTools", "many"],
  ["--model", "one"],
  ["--dangerously-skip-permissions", "none"],
  ["--debug", "optional"],
  ["--exclude-dynamic-system-prompt-sections", "none"],
  ["--remote-control-session-name-prefix", "one"],
  ["--settings", "one"],
  ["--toString", undefined],
] as [string, string | undefined][])("%s of 2.1.329 takes %s", (flag, arity) => {
  expect(table.get(flag) as string | undefined).toBe(arity);
});

test.each([
  [
    ["--model", "opus", "hi"],
    ["--model opus", "hi"],
  ],
  [
    ["--add-dir", "a", "b", "--model", "m"],
    ["--add-dir a b", "--model m"],
  ],
  [["-d", "hooks"], ["-d hooks"]],
  [
    ["--model=opus", "hi"],
    ["--model=opus", "hi"],
  ],
  [["--append-system-prompt", "--be brief"], ["--append-system-prompt --be brief"]],
  [
    ["--unheard-of", "value", "hi"],
    ["--unheard-of value", "hi"],
  ],
  [
    ["--ide", "hi", "--", "-x"],
    ["--ide", "hi", "--", "-x"],
  ],
  [["--model"], ["--model"]],
] as [string[], string[]][])("%j is read as %j", (args, expected) => {
  expect(splitFlags(args, table).map(({ words }) => words.join(" "))).toEqual(expected);
});

test.each([
  [["fix the bug"], ["--resume", "ID", "--", "go on"]],
  [
    ["--dangerously-skip-permissions", "--add-dir", "x", "y", "--mcp-config", "m.json", "--model", "opus", "--", "do it"],
    ["--resume", "ID", "--dangerously-skip-permissions", "--add-dir", "x", "y", "--mcp-config", "m.json", "--model", "opus", "--", "go on"],
  ],
  [
    ["-c", "--fork-session", "--verbose"],
    ["--resume", "ID", "--verbose", "--", "go on"],
  ],
  [
    ["--resume", "old", "--session-id=new", "-w", "tree", "--name", "n"],
    ["--resume", "ID", "--name", "n", "--", "go on"],
  ],
] as [string[], string[]][])("%j goes on as %j", (args, expected) => {
  expect(planResume(args, table, "ID", "go on")).toEqual(expected);
});

test("without a prompt nothing is said", () => {
  expect(planResume(["--ide", "hello"], table, "ID")).toEqual(["--resume", "ID", "--ide"]);
});

test.each([
  [["--settings", "a", "--settings=b"], "b"],
  [["--model", "m"], undefined],
] as [string[], string | undefined][])("the last value in %j is %j", (args, expected) => {
  expect(flagValue(args, "--settings")).toBe(expected as string);
});

describe("trust", () => {
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
});
