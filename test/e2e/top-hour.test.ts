import { expect, test } from "bun:test";
import { faultsOf, runHour } from "../../scripts/top-hour.ts";
import { csmPath, useBox } from "./harness.ts";

const sandbox = useBox();

/** A tenth of the looks of an hour; `bun run scripts/top-hour.ts` has all of them. */
const ticks = 180;

test("csm top with rules, budgets and a channel: each occasion is told once, and memory stays", async () => {
  const hour = await runHour(sandbox.box, csmPath, ticks);
  expect(faultsOf(hour)).toEqual([]);
  expect([...new Set(hour.expected.map((line) => line.split(" ")[0]))].sort()).toEqual(["budget", "rule"]);
});

test("what is told twice, not at all or unasked, and what grows, is a fault", () => {
  const rssBytes = [...Array(10).fill(80e6), ...Array(10).fill(90e6), ...Array(10).fill(120e6)];
  expect(faultsOf({ ticks: 30, rssBytes, expected: ["a", "b", "b"], told: ["b", "b", "b", "c"] })).toEqual([
    "a: told 0 times, not 1",
    "b: told 3 times, not 2",
    "c: told 1 times, not 0",
    "memory grew from 80 MB to 120 MB",
  ]);
});
