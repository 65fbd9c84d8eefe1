import { expect, test } from "bun:test";
import { createCalendar } from "../src/calendar.ts";
import type { Cell } from "../src/cost-records.ts";
import { createReport } from "../src/cost-report.ts";
import { addToReport, parseMachineCost, toMachineCost } from "../src/fleet-cost.ts";

const calendar = createCalendar("UTC");
const at = Date.UTC(2026, 10, 20, 12);
const cell = (daysAgo: number, file: number, costUsd: number, more: Partial<Cell> = {}): Cell => ({
  ...{ file, model: 0, quarter: Math.floor(at / 900_000) - daysAgo * 96, input: 1, output: 2, write5m: 0, write1h: 0, cacheRead: 4 },
  ...{ webSearches: 0, costUsd, unpriced: 0, messages: 1, lastAt: at - daysAgo * 86_400_000, ...more },
});
const origins = ["work", "home", "work"].map((profile) => ({ profile, sessionId: "s", project: "/SECRET/project" }));
const costOf = (machine: string, cells: Cell[]) =>
  toMachineCost({ models: ["claude-opus-5-5"], cells }, origins, {
    ...{ machine, at, dayOf: calendar.dayOf },
    accountOf: (profile) => `hash of ${profile}`,
  });
const options = { grouping: "daily", calendar, now: at } as const;

test("what was used is told by account and day, without what for", () => {
  const cost = costOf("near", [cell(0, 0, 0.1), cell(0, 2, 0.2), cell(1, 1, 1), cell(500, 0, 9)]);
  expect(JSON.stringify(cost)).not.toContain("SECRET");
  expect(cost.accounts).toEqual([
    {
      ...{ account: "hash of work", profile: "work", source: "transcripts", models: ["claude-opus-5-5"] },
      days: [["2026-11-20", 2, 4, 0, 0, 8, 0, 0.3, 0, 2, at]],
    },
    {
      ...{ account: "hash of home", profile: "home", source: "transcripts", models: ["claude-opus-5-5"] },
      days: [["2026-11-19", 1, 2, 0, 0, 4, 0, 1, 0, 1, at - 86_400_000]],
    },
  ]);
  expect(parseMachineCost(JSON.parse(JSON.stringify(cost)))).toEqual(cost);
});

test("what others told is added to what is known here, by day, machine and account", () => {
  const sums = (grouping: "daily" | "weekly" | "monthly" | "machine" | "account", more: object = {}) => {
    const all = { ...options, grouping, ...more };
    const own = createReport({ models: ["claude-opus-5-5"], cells: [cell(0, 0, 1), cell(1, 1, 2)], spends: [] } as never, origins, all);
    const { rows, totals } = addToReport(own, [costOf("far", [cell(0, 0, 4), cell(40, 1, 8)])], all, (account) =>
      account === "hash of work" ? ["work", "second"] : [],
    );
    return [...rows.map(({ key, costUsd }) => [key, costUsd]), totals.costUsd];
  };
  expect(sums("daily")).toEqual([["2026-10-11", 8], ["2026-11-19", 2], ["2026-11-20", 5], 15]);
  expect(sums("monthly")).toEqual([["2026-10", 8], ["2026-11", 7], 15]);
  expect(sums("weekly")).toEqual([["2026-10-05", 8], ["2026-11-16", 7], 15]);
  expect(sums("machine")).toEqual([["this machine", 3], ["far", 12], 15]);
  expect(sums("account")).toEqual([["home", 2], ["work", 5], ["far/home", 8], 15]);
  expect(sums("machine", { since: "2026-11-20" })).toEqual([["this machine", 1], ["far", 4], 5]);
  // Of two profiles with one login each sees its own, and what others used of the login.
  expect(sums("daily", { profile: "work" })).toEqual([["2026-11-20", 5], 5]);
  expect(sums("daily", { profile: "second" })).toEqual([["2026-11-20", 4], 4]);
});

test("this machine's own figures are those of --local: of any age, and with the models of each day", () => {
  const cells = [cell(0, 0, 1), cell(500, 0, 2, { model: 1 })];
  const make = () => createReport({ models: ["claude-opus-5-5", "claude-haiku-5"], cells, spends: [] } as never, origins, options);
  expect(addToReport(make(), [], options, () => [])).toEqual(make());
  expect(addToReport(make(), [costOf("far", [cell(0, 1, 4)])], options, () => []).rows.map(({ models }) => models)).toEqual([
    ["claude-haiku-5"],
    ["claude-opus-5-5"],
  ]);
});

test.each([
  ["no object", [], undefined],
  ["another version", { v: 2, machine: "m", at: 1, accounts: [] }, undefined],
  ["no accounts", { v: 1, machine: "m", at: 1, accounts: "x" }, []],
  ["an account that is none", { v: 1, machine: "m", at: 1, accounts: [null, { account: 1 }] }, []],
  [
    "days that are none",
    {
      ...{ v: 1, machine: "m", at: 1 },
      accounts: [
        {
          ...{ account: "a", profile: "p", models: [] },
          days: [
            ["x"],
            ["2026-11-20", 1],
            ...["2026-13-45", "2026-02-30", "2026-00-01", "2026-11-00"].map((day) => [day, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
            ["2026-11-20", -1, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            ["2026-11-20", "1", 0, 0, 0, 0, 0, 0, 0, 0, 0],
            null,
          ],
        },
      ],
    },
    [{ account: "a", profile: "p", source: "transcripts", models: [], days: [] }],
  ],
])("%s costs nothing", (_, value, accounts) => expect(parseMachineCost(value)?.accounts).toEqual(accounts as never));
