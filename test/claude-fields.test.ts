import { expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { usageLine } from "../scripts/usage-lines.ts";
import { findUnknownFields } from "../src/claude-fields.ts";

const fixtures = join(import.meta.dir, "fixtures");

test("every captured line holds only fields that stand in a list", () => {
  const lines = readdirSync(fixtures, { recursive: true })
    .map(String)
    .filter((path) => /transcript\.jsonl$/.test(path))
    .flatMap((path) => readFileSync(join(fixtures, path), "utf8").split("\n"));
  expect(lines.length).toBeGreaterThan(500);
  expect([...new Set(lines.flatMap(findUnknownFields))]).toEqual([]);
});

const edit = (change: (entry: { message: { usage: Record<string, unknown> } } & Record<string, unknown>) => void): string => {
  const entry = JSON.parse(usageLine());
  change(entry);
  return JSON.stringify(entry);
};

test.each<[string, string[]]>([
  [usageLine(), []],
  [edit((entry) => Object.assign(entry, { billedTo: "x" })), ["assistant.billedTo"]],
  [edit((entry) => Object.assign(entry.message, { price: 1 })), ["message.price"]],
  [edit((entry) => Object.assign(entry.message.usage, { video_tokens: 1 })), ["usage.video_tokens"]],
  [
    edit((entry) => Object.assign(entry.message.usage, { cache_creation: { ephemeral_1d_input_tokens: 1 } })),
    ["cache_creation.ephemeral_1d_input_tokens"],
  ],
  [
    edit((entry) => Object.assign(entry.message.usage, { iterations: [{ type: "critic_message", tier: 2 }] })),
    ["iteration.tier", "iteration type critic_message"],
  ],
  ['{"type":"billing"}', ["line type billing"]],
  ['{"type":"assi', []],
])("%.60s…", (line, unknown) => expect(findUnknownFields(line)).toEqual(unknown));
