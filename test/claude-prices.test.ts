import { expect, test } from "bun:test";
import { type GivenUsage, usageLine } from "../scripts/usage-lines.ts";
import { contextWindow, createPriceTable, modelId, type PriceOverrides, priceUsage } from "../src/claude-prices.ts";
import { parseUsageLine, type UsageLine } from "../src/claude-tokens.ts";

const table = createPriceTable();
const million = 1e6;
const cost = (given: GivenUsage, prices = table): number | undefined =>
  priceUsage(prices, parseUsageLine(usageLine(given)).usages[0] as UsageLine);

/** US dollars for a million tokens of each kind: input, output, writes for five minutes and an hour, reads. */
test.each<[model: string, prices: number[]]>([
  ["claude-3-haiku-20240307", [0.25, 1.25, 0.3, 0.5, 0.03]],
  ["claude-3-5-haiku-20241022", [0.8, 4, 1, 1.6, 0.08]],
  ["claude-haiku-4-5-20251001", [1, 5, 1.25, 2, 0.1]],
  ["claude-3-7-sonnet-20250219", [3, 15, 3.75, 6, 0.3]],
  ["claude-sonnet-4-20250514", [3, 15, 3.75, 6, 0.3]],
  ["claude-sonnet-4-5-20250929", [3, 15, 3.75, 6, 0.3]],
  ["claude-sonnet-4-6", [3, 15, 3.75, 6, 0.3]],
  ["claude-sonnet-5", [2, 10, 2.5, 4, 0.2]],
  ["claude-sonnet-5-5", [2, 10, 2.5, 4, 0.1]],
  ["claude-opus-4-20250514", [15, 75, 18.75, 30, 1.5]],
  ["claude-opus-4-1-20250805", [15, 75, 18.75, 30, 1.5]],
  ["claude-opus-4-5-20251101", [5, 25, 6.25, 10, 0.5]],
  ["claude-opus-4-6", [5, 25, 6.25, 10, 0.5]],
  ["claude-opus-5", [5, 25, 6.25, 10, 0.5]],
  ["claude-opus-5-5", [4, 20, 5, 8, 0.2]],
  ["claude-fable-5", [10, 50, 12.5, 20, 1]],
  ["claude-fable-5-1", [10, 50, 12.5, 20, 0.25]],
  ["claude-fable-5-2", [8, 40, 10, 16, 0.2]],
  ["claude-mythos-5", [10, 50, 12.5, 20, 1]],
])("%s costs what Claude Code 2.1.329 takes for it", (model, prices) => {
  const kinds: GivenUsage[] = [
    { input: million },
    { output: million },
    { write: million },
    { write: million, write1h: million },
    { cacheRead: million },
  ];
  expect(kinds.map((kind) => cost({ model, ...kind }))).toEqual(prices);
});

test.each<[string, GivenUsage, number | undefined]>([
  ["a model that is not known has no price", { model: "claude-next-9", input: million }, undefined],
  ["another maker's neither", { model: "gpt-4o", input: million }, undefined],
  ["a family name is no model", { model: "opus", input: million }, undefined],
  ["a line of claude's own costs nothing", { model: "<synthetic>", input: million, output: million }, 0],
  ["a short prompt of haiku 5.5", { model: "claude-haiku-5-5", input: 100_000 }, 0.01],
  ["a long one, as a whole", { model: "claude-haiku-5-5", input: 90_000, cacheRead: 10_001 }, 0.04550005],
  ["fast mode", { model: "claude-opus-5", input: million, speed: "fast" }, 10],
  ["fast mode of a model without it", { model: "claude-sonnet-5", input: million, speed: "fast" }, 2],
  ["only in the USA", { model: "claude-opus-5", input: million, geo: "us" }, 5.5],
  ["searches", { model: "claude-opus-5", searches: 3 }, 0.03],
])("%s", (_, given, usd) => {
  const spent = cost(given);
  if (usd === undefined) expect(spent).toBeUndefined();
  else expect(spent).toBeCloseTo(usd, 12);
});

test.each<[string, string]>([
  ["claude-haiku-4-5-20251001", "claude-haiku-4-5"],
  ["claude-haiku-4-5@20251001", "claude-haiku-4-5"],
  ["us.anthropic.claude-haiku-4-5-20251001-v1:0", "claude-haiku-4-5"],
  ["anthropic.claude-opus-5", "claude-opus-5"],
  ["anthropic/claude-opus-5", "claude-opus-5"],
  ["claude-opus-4-6[1m]", "claude-opus-4-6"],
  ["claude-opus-5-5", "claude-opus-5-5"],
])("%s is %s", (model, id) => expect(modelId(model)).toBe(id));

test.each<[string, PriceOverrides, GivenUsage, number | undefined]>([
  [
    "replaces one price and leaves the others",
    { "claude-opus-5": { input: 1 } },
    { model: "claude-opus-5", input: million, output: million },
    26,
  ],
  [
    "gives a new model its price",
    { "claude-next-9": { input: 1, output: 2 } },
    { model: "claude-next-9", input: million, output: million },
    3,
  ],
  [
    "derives what it leaves out of a new model",
    { "claude-next-9": { input: 1, output: 2 } },
    { model: "claude-next-9", cacheRead: million, write: million },
    1.35,
  ],
  [
    "of a new model, told in part, leaves it unpriced",
    { "claude-next-9": { output: 2 } },
    { model: "claude-next-9", output: million },
    undefined,
  ],
])("an override %s", (_, overrides, given, usd) => {
  const spent = cost(given, createPriceTable(overrides));
  if (usd === undefined) expect(spent).toBeUndefined();
  else expect(spent).toBeCloseTo(usd, 12);
});

test.each<[string, number, number | undefined]>([
  ["claude-opus-5-5", 0, 1_000_000],
  ["claude-haiku-4-5-20251001", 0, 200_000],
  ["claude-sonnet-4-5-20250929", 150_000, 200_000],
  ["claude-sonnet-4-5-20250929", 200_001, 1_000_000],
  ["claude-opus-4-6[1m]", 0, 1_000_000],
  ["claude-3-5-haiku-20241022", 0, 200_000],
  ["claude-next-9", 0, undefined],
])("the window of %s with %d tokens in it is %p", (model, seen, window) =>
  expect(contextWindow(table, model, seen)).toBe(window as number),
);

test("an override gives a window, and keeps the one there is when it tells none", () => {
  const own = createPriceTable({ "claude-next-9": { input: 1, output: 1, contextWindow: 300_000 }, "claude-opus-5": { input: 1 } });
  expect(contextWindow(own, "claude-next-9")).toBe(300_000);
  expect(contextWindow(own, "claude-opus-5")).toBe(1_000_000);
});
