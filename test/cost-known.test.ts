import { afterEach, beforeEach, expect, test } from "bun:test";
import { appendFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { type GivenUsage, promptLine, usageLine } from "../scripts/usage-lines.ts";
import { createPriceTable } from "../src/claude-prices.ts";
import { readUsage } from "../src/cost.ts";
import { type KnownReader, type KnownUsage, openKnownUsage } from "../src/cost-known.ts";
import { createSys, type Sys } from "../src/sys.ts";

let home = "";
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), "csm-known-"));
});
afterEach(() => rmSync(home, { recursive: true, force: true }));

const counted = Date.parse("2026-11-20T12:00:00Z");
const sysAt = (now: number): Sys => ({ ...createSys({ HOME: home, XDG_STATE_HOME: join(home, "state") }), now: () => now });
const sources = () => ({ dirs: [{ name: undefined, dir: join(home, ".claude") }], table: createPriceTable(), tableId: "" });
const pathOf = (name: string) => join(home, ".claude/projects", name);
const iso = (offsetSeconds: number) => new Date(counted + offsetSeconds * 1000).toISOString();

function write(name: string, ...lines: GivenUsage[]): void {
  mkdirSync(dirname(pathOf(name)), { recursive: true });
  writeFileSync(pathOf(name), (name.includes("agent-") ? "" : promptLine()) + lines.map(usageLine).join(""));
}
const append = (name: string, ...lines: GivenUsage[]) => appendFileSync(pathOf(name), lines.map(usageLine).join(""));
const count = (now = counted) => readUsage(sysAt(now), sources());

function reading<T>(read: (known: KnownReader) => T, maxBytes = 1e6): T {
  const known = openKnownUsage(sysAt(counted + 3_600_000), sources(), maxBytes);
  try {
    return read(known);
  } finally {
    known.close();
  }
}
const sumOf = ({ cells }: Pick<KnownUsage, "cells">): [input: number, messages: number] => [
  cells.reduce((sum, cell) => sum + cell.input, 0),
  cells.reduce((sum, cell) => sum + cell.messages, 0),
];
const all = (since = 0) => reading((known) => known.all(since));

test("nothing is known before somebody has counted, and a count is due", () => {
  write("-a/s1.jsonl", { id: "m1", input: 5, at: iso(-60) });
  expect(reading((known) => [known.all(0), known.isCountDue()])).toEqual([undefined, true]);
  // One conversation is read by itself all the same.
  expect(sumOf(reading((known) => known.session("s1")) as KnownUsage)).toEqual([5, 1]);
});

test.each<[rule: string, then: () => void, input: number, messages: number]>([
  ["as it was counted", () => {}, 105, 2],
  ["with an answer that came since", () => append("-a/s1.jsonl", { id: "m2", input: 7, at: iso(60) }), 112, 3],
  [
    "an answer counted when it was written in part, now whole",
    () => append("-a/s1.jsonl", { id: "m1", input: 5, output: 1, at: iso(-30) }, { id: "m1", input: 9, output: 50, at: iso(-30) }),
    109,
    2,
  ],
  ["a new conversation", () => write("-b/s9.jsonl", { id: "m8", input: 3, at: iso(30) }), 108, 3],
  ["a new sub-agent", () => write("-a/s1/subagents/agent-x.jsonl", { id: "m8", input: 3, isSidechain: true, at: iso(30) }), 108, 3],
  [
    "a fork counts what is new in it, not what it repeats",
    () => write("-a/s3.jsonl", { id: "m1", input: 5, at: iso(-30) }, { id: "m8", input: 3, at: iso(30) }),
    108,
    3,
  ],
  [
    "a fork of what came since, which both repeat",
    () => {
      append("-a/s1.jsonl", { id: "m2", input: 7, at: iso(60) });
      write("-a/s3.jsonl", { id: "m1", input: 5, at: iso(-30) }, { id: "m2", input: 7, at: iso(60) }, { id: "m8", input: 3, at: iso(90) });
    },
    115,
    4,
  ],
  [
    "an old answer that is repeated at the end",
    () => append("-a/s1.jsonl", { id: "old", input: 100, at: iso(-86_400) }, { id: "m2", input: 7, at: iso(60) }),
    112,
    3,
  ],
])("%s", async (_, then, input, messages) => {
  write("-a/s1.jsonl", { id: "m1", input: 5, at: iso(-30) });
  write("-a/s2.jsonl", { id: "old", input: 100, at: iso(-86_400) });
  await count();
  then();
  expect(sumOf(all() as KnownUsage)).toEqual([input, messages]);
  // The full count says the same.
  expect(sumOf((await count(counted + 3_600_000)).sums)).toEqual([input, messages]);
  expect(sumOf(all() as KnownUsage)).toEqual([input, messages]);
});

test("from a moment on: the quarters of an hour that end after it", async () => {
  write("-a/s1.jsonl", { id: "m1", input: 5, at: iso(-7200) }, { id: "m2", input: 7, at: iso(-60) });
  await count();
  append("-a/s1.jsonl", { id: "m3", input: 11, at: iso(60) });
  expect(sumOf(all(counted - 3_600_000) as KnownUsage)).toEqual([18, 2]);
});

test("origins and models go with what came since", async () => {
  write("-a/s1.jsonl", { id: "m1", input: 5, at: iso(-30), cwd: "/home/dev/a" });
  await count();
  write("-b/s2.jsonl", { id: "m2", input: 7, at: iso(30), cwd: "/home/dev/b", model: "claude-sonnet-5" });
  const usage = all() as KnownUsage;
  const named = usage.cells
    .filter(({ messages }) => messages > 0)
    .map((cell) => [usage.origins[cell.file], usage.models[cell.model], cell.input]);
  expect(named).toEqual([
    [{ profile: undefined, sessionId: "s1", project: "/home/dev/a" }, "claude-opus-4-8", 5],
    [{ profile: undefined, sessionId: "s2", project: "/home/dev/b" }, "claude-sonnet-5", 7],
  ]);
});

test("a conversation by itself: its own file and its sub-agents', also what a fork has taken over", async () => {
  write("-a/s2.jsonl", { id: "m1", input: 5, at: iso(-30) }, { id: "m2", input: 7, at: iso(-20) });
  // Sorted before it, so that the report of all gives it what both have.
  write("-a/s1.jsonl", { id: "m1", input: 5, at: iso(-30) });
  write("-a/s2/subagents/agent-x.jsonl", { id: "m3", input: 11, isSidechain: true, at: iso(-10) });
  // As versions before wrote them: the file says whose it is.
  write("-a/agent-y.jsonl", { id: "m5", input: 17, isSidechain: true, sessionId: "s2", at: iso(-10) });
  await count();
  append("-a/s2.jsonl", { id: "m4", input: 13, at: iso(60) });
  append("-a/agent-y.jsonl", { id: "m6", input: 19, isSidechain: true, sessionId: "s2", at: iso(60) });
  expect(sumOf(reading((known) => known.session("s2")) as KnownUsage)).toEqual([72, 6]);
  expect(sumOf(reading((known) => known.session("nobody")) as KnownUsage)).toEqual([0, 0]);
});

test("more than may be read is left to a count: what was counted is the least", async () => {
  write("-a/s1.jsonl", { id: "m1", input: 5, at: iso(-30) });
  // Where there are rules, each conversation is summed by itself as well.
  mkdirSync(join(home, ".config/claude-smart"), { recursive: true });
  writeFileSync(join(home, ".config/claude-smart/rules.toml"), "");
  await count();
  append("-a/s1.jsonl", ...Array.from({ length: 10 }, (_, index) => ({ id: `n${index}`, input: 1, at: iso(60 + index) })));
  const partial = reading((known) => known.all(0), 500) as KnownUsage;
  expect([partial.isPartial, ...sumOf(partial)]).toEqual([true, 5, 1]);
  const own = reading((known) => known.session("s1"), 500) as KnownUsage;
  expect([own.isPartial, ...sumOf(own)]).toEqual([true, 5, 1]);
  expect(sumOf(all() as KnownUsage)).toEqual([15, 11]);
});

test("sums that were made at other prices are void", async () => {
  write("-a/s1.jsonl", { id: "m1", input: 5, at: iso(-30) });
  await count();
  const known = openKnownUsage(sysAt(counted), { ...sources(), tableId: "other" }, 1e6);
  expect(known.all(0)).toBeUndefined();
  known.close();
});
