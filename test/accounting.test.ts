import { describe, expect, test } from "bun:test";
import { type GivenUsage, usageLine } from "../scripts/usage-lines.ts";
import { contextPercent, createTally, estimateBurn, forecastBudget, forecastCost } from "../src/accounting.ts";
import { createPriceTable } from "../src/claude-prices.ts";
import { parseUsageLine, type UsageLine } from "../src/claude-tokens.ts";
import { createRecords, mergeRecords, pushRecord } from "../src/cost-records.ts";

const table = createPriceTable();
const usage = (given: GivenUsage) => parseUsageLine(usageLine(given)).usages[0] as UsageLine;
const at = (minute: number) => new Date(Date.UTC(2026, 10, 1, 10, minute)).toISOString();

function ledgerOf(...lines: GivenUsage[]) {
  const tally = createTally(table);
  for (const line of lines) tally.add(usage(line));
  return tally;
}

/** Input and output that count, of lines in files: what ccusage 20.0.24 makes of them, too. */
const rows: [name: string, files: GivenUsage[][], input: number, output: number][] = [
  [
    "the larger reading, whichever comes first",
    [
      [
        { id: "m", input: 10, output: 50 },
        { id: "m", input: 10, output: 5 },
      ],
    ],
    10,
    50,
  ],
  [
    "the larger reading, when it comes later",
    [
      [
        { id: "m", input: 10, output: 5 },
        { id: "m", input: 10, output: 50 },
      ],
    ],
    10,
    50,
  ],
  ["a copy in another file once", [[{ id: "m", input: 10, output: 5 }], [{ id: "m", input: 10, output: 5 }]], 10, 5],
  ["the larger of two files", [[{ id: "m", input: 10, output: 5 }], [{ id: "m", input: 10, output: 50 }]], 10, 50],
  [
    "another request of the same message apart",
    [
      [
        { id: "m", request: "a", input: 10, output: 5 },
        { id: "m", request: "b", input: 10, output: 6 },
      ],
    ],
    20,
    11,
  ],
  [
    "a message without request once",
    [
      [
        { id: "m", request: null, input: 10, output: 5 },
        { id: "m", request: null, input: 10, output: 5 },
      ],
    ],
    10,
    5,
  ],
  ["a side chain's copy not at all", [[{ id: "m", input: 10, output: 5 }], [{ id: "m", input: 10, output: 50, isSidechain: true }]], 10, 5],
  [
    "a side chain's copy not at all when it comes first",
    [[{ id: "m", input: 10, output: 50, isSidechain: true }], [{ id: "m", input: 10, output: 5 }]],
    10,
    5,
  ],
  [
    "a side chain's copy under another request neither",
    [[{ id: "m", request: "a", input: 10, output: 5 }], [{ id: "m", request: "b", input: 10, output: 50, isSidechain: true }]],
    10,
    5,
  ],
  [
    "two side chains with one message once",
    [
      [{ id: "m", request: "a", input: 10, output: 5, isSidechain: true }],
      [{ id: "m", request: "b", input: 10, output: 50, isSidechain: true }],
    ],
    10,
    50,
  ],
  ["a side chain of its own", [[{ id: "m", input: 10, output: 5 }], [{ id: "n", input: 10, output: 50, isSidechain: true }]], 20, 55],
];

test.each(rows)("counts %s", (_, files, input, output) => {
  expect(ledgerOf(...files.flat()).totals().tokens).toMatchObject({ input, output });
});

test.each(rows)("the report counts %s", (_, files, input, output) => {
  const records = files.map((lines) => {
    const ofFile = createRecords();
    for (const line of lines) pushRecord(ofFile, usage(line));
    return ofFile;
  });
  const { cells } = mergeRecords(records, table);
  expect([cells.reduce((sum, cell) => sum + cell.input, 0), cells.reduce((sum, cell) => sum + cell.output, 0)]).toEqual([input, output]);
});

test("each answer has the price of its own model, and an error line neither a price nor a say", () => {
  const tally = ledgerOf(
    { id: "a", model: "claude-sonnet-5", input: 1e6 },
    { id: "b", model: "claude-opus-5", input: 1e6 },
    { id: "c", model: "<synthetic>", input: 1e6, at: at(30) },
  );
  expect(tally.totals()).toMatchObject({ costUsd: 7, messages: 2, unpriced: [] });
  expect(tally.context()?.model).toBe("claude-opus-5");
});

test("a larger reading replaces cost and tokens of the smaller", () => {
  const tally = ledgerOf({ id: "a", model: "claude-opus-5", output: 1 }, { id: "a", model: "claude-opus-5", output: 1e6 });
  expect(tally.totals()).toMatchObject({ messages: 1, tokens: { output: 1e6 } });
  expect(tally.totals().costUsd).toBeCloseTo(25, 9);
  expect(tally.spends(0)).toHaveLength(1);
});

test("a model without a price is named, its tokens count, its cost does not", () => {
  expect(ledgerOf({ id: "a", model: "claude-next-9", input: 5 }, { id: "b", model: "claude-opus-5", input: 1e6 }).totals()).toMatchObject({
    costUsd: 5,
    unpriced: ["claude-next-9"],
    tokens: { input: 1_000_005 },
  });
});

test("subagents are counted in and told apart", () => {
  const tally = createTally(table);
  tally.add(usage({ id: "a", model: "claude-sonnet-5", input: 100_000, output: 50_000 }));
  tally.add(usage({ id: "b", model: "claude-opus-5", input: 200_000, output: 50_000 }), true);
  tally.add(usage({ id: "c", model: "claude-haiku-4-5", input: 50_000, output: 10_000, isSidechain: true }), true);
  const { tokens, subagents, costUsd } = tally.totals();
  expect([tokens.input, tokens.output]).toEqual([350_000, 110_000]);
  expect(subagents).toMatchObject({ messages: 2, tokens: { input: 250_000, output: 60_000 } });
  expect([costUsd, subagents.costUsd].map((usd) => Number(usd.toFixed(9)))).toEqual([3.05, 2.35]);
});

test("the context is that of the newest answer in the main conversation", () => {
  const tally = ledgerOf(
    { id: "b", input: 100, cacheRead: 900, write: 500, at: at(2) },
    { id: "a", input: 7, at: at(1) },
    { id: "s", input: 9999, isSidechain: true, at: at(3) },
    { id: "e", output: 3, at: at(4) },
  );
  expect(tally.context()).toEqual({ tokens: 1500, model: "claude-opus-4-8", window: 1e6, at: Date.parse(at(2)) });
});

test("a compaction makes it smaller until the next answer", () => {
  const tally = ledgerOf({ id: "a", input: 150_000, at: at(1) });
  tally.compact(Date.parse(at(2)), 3000);
  expect(tally.context()?.tokens).toBe(3000);
  tally.add(usage({ id: "b", input: 9000, at: at(3) }));
  expect(tally.context()?.tokens).toBe(9000);
});

test("the window is the one that was asked for", () => {
  const given = { model: "claude-sonnet-4-6", input: 100_000 };
  expect(ledgerOf(given).context()?.window).toBe(200_000);
  expect(ledgerOf({ ...given, requestedModel: "claude-sonnet-4-6[1m]" }).context()?.window).toBe(1e6);
  expect(ledgerOf({ ...given, model: "claude-next-9" }).context()?.window).toBeUndefined();
});

test.each<[number | undefined, number | undefined, number | undefined]>([
  [150_000, undefined, 15],
  [150_000, 42, 42],
  [2e6, undefined, 100],
  [undefined, undefined, undefined],
  [undefined, 7, 7],
  [150_000, Number.NaN, 15],
])("of %p tokens and a status line of %p, the context is %p %%", (tokens, statusLine, percent) => {
  const context = tokens === undefined ? undefined : { tokens, model: "claude-opus-5", window: 1e6, at: 0 };
  expect(contextPercent(context, statusLine)).toBe(percent as number);
});

test("without a known window there is no percentage, not 0", () => {
  expect(contextPercent({ tokens: 5, model: "x", window: undefined, at: 0 })).toBeUndefined();
});

describe("burn", () => {
  const minute = 60_000;
  const now = 100 * 60 * minute;
  const every = (minutes: number, span: number, costUsd: number) =>
    Array.from({ length: Math.floor(span / minutes) }, (_, index) => ({ at: now - index * minutes * minute - 1, costUsd }));

  test("a steady hour tells the next one, whatever the tick", () => {
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
});
