import { expect, test } from "bun:test";
import { estimateBurn, forecastBudget, forecastCost } from "../src/accounting.ts";

const minute = 60_000;
const now = 100 * 60 * minute;
const every = (minutes: number, span: number, costUsd: number) =>
  Array.from({ length: Math.floor(span / minutes) }, (_, index) => ({ at: now - index * minutes * minute - 1, costUsd }));

test("a steady hour tells the next one, whatever the tick (D22)", () => {
  const burn = estimateBurn(every(5, 60, 0.5), now);
  expect(burn?.usdPerHour).toBeCloseTo(6, 1);
  expect(burn?.low).toBeCloseTo(burn?.high ?? 0, 6);
});

test("an uneven hour has a wide range around the same middle", () => {
  const burn = estimateBurn([...every(5, 60, 0.1), { at: now - 7 * minute, costUsd: 5 }], now);
  expect(burn?.low).toBe(0);
  expect(burn?.high).toBeGreaterThan(2 * (burn?.usdPerHour ?? 0));
});

test.each<[string, { at: number; costUsd: number }[]]>([
  ["nothing", []],
  ["one answer", every(60, 60, 1)],
  ["ten minutes", every(1, 10, 1)],
  ["what is older than an hour", every(5, 60, 1).map(({ at, costUsd }) => ({ at: at - 61 * minute, costUsd }))],
  ["what lies in the future", every(5, 60, 1).map(({ at, costUsd }) => ({ at: at + 61 * minute, costUsd }))],
])("%s tells no burn", (_, spends) => expect(estimateBurn(spends, now)).toBeUndefined());

test("a forecast has a range, and none without a burn", () => {
  const burn = { usdPerHour: 6, low: 2, high: 10 };
  expect(forecastCost(1, burn, now, now + 30 * minute)).toEqual({ expected: 4, low: 2, high: 6 });
  expect(forecastCost(1, burn, now, now - 30 * minute)).toEqual({ expected: 1, low: 1, high: 1 });
  expect(forecastCost(1, undefined, now, now + 1)).toBeUndefined();
});

test.each<[number, { low: number; high: number } | undefined, ReturnType<typeof forecastBudget>]>([
  [0, { low: 2, high: 10 }, { soonestMs: 60 * minute, latestMs: 300 * minute }],
  [0, { low: 0, high: 10 }, { soonestMs: 60 * minute, latestMs: undefined }],
  [10, { low: 2, high: 10 }, { soonestMs: 0, latestMs: 0 }],
  [12, undefined, { soonestMs: 0, latestMs: 0 }],
  [0, undefined, undefined],
  [0, { low: 0, high: 0 }, undefined],
])("of $10, $%d spent at a burn of %p lasts %p", (spent, range, wanted) => {
  expect(forecastBudget(spent, 10, range === undefined ? undefined : { usdPerHour: 6, ...range })).toEqual(wanted as never);
});
