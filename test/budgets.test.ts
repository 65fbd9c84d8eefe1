import { expect, test } from "bun:test";
import {
  amountsOf,
  type Budget,
  concerns,
  isAbout,
  levelOf,
  occasionOf,
  periodAt,
  type Spender,
  type Standing,
  standingText,
} from "../src/budgets.ts";
import { createCalendar } from "../src/calendar.ts";

const home = "/home/dev";
const budget = (more: Partial<Budget> = {}): Budget => ({
  name: "b",
  at: { path: `${home}/.config/claude-smart/rules.toml`, line: 3 },
  isProject: false,
  period: "day",
  limit: { usd: 10 },
  action: "deny",
  warnPercent: 80,
  ...more,
});
const standing = (spent: number, more: Partial<Standing> = {}): Standing => ({
  ...{ budget: budget(), spent, of: "2026-11-20", sessions: [], unpriced: [], isPartial: false },
  ...more,
});
const iso = (at: number) => new Date(at).toISOString();

test.each<[kind: "day" | "week" | "month", zone: string, now: string, key: string, starts: string, ends: string]>([
  ["day", "UTC", "2026-11-20T23:59:59.999Z", "2026-11-20", "2026-11-20T00:00:00.000Z", "2026-11-21T00:00:00.000Z"],
  ["day", "UTC", "2026-11-21T00:00:00.000Z", "2026-11-21", "2026-11-21T00:00:00.000Z", "2026-11-22T00:00:00.000Z"],
  ["day", "Europe/Berlin", "2026-11-20T23:30:00.000Z", "2026-11-21", "2026-11-20T23:00:00.000Z", "2026-11-21T23:00:00.000Z"],
  ["day", "America/Los_Angeles", "2026-11-20T07:59:00.000Z", "2026-11-19", "2026-11-19T08:00:00.000Z", "2026-11-20T08:00:00.000Z"],
  ["day", "Asia/Kathmandu", "2026-11-20T18:15:00.000Z", "2026-11-21", "2026-11-20T18:15:00.000Z", "2026-11-21T18:15:00.000Z"],
  ["day", "Pacific/Kiritimati", "2026-11-20T10:00:00.000Z", "2026-11-21", "2026-11-20T10:00:00.000Z", "2026-11-21T10:00:00.000Z"],
  // 25 hours, and 23.
  ["day", "Europe/Berlin", "2026-10-25T12:00:00.000Z", "2026-10-25", "2026-10-24T22:00:00.000Z", "2026-10-25T23:00:00.000Z"],
  ["day", "Europe/Berlin", "2026-03-29T12:00:00.000Z", "2026-03-29", "2026-03-28T23:00:00.000Z", "2026-03-29T22:00:00.000Z"],
  ["week", "UTC", "2026-11-22T23:00:00.000Z", "2026-11-16", "2026-11-16T00:00:00.000Z", "2026-11-23T00:00:00.000Z"],
  ["week", "UTC", "2026-11-23T00:00:00.000Z", "2026-11-23", "2026-11-23T00:00:00.000Z", "2026-11-30T00:00:00.000Z"],
  ["week", "Europe/Berlin", "2026-10-25T12:00:00.000Z", "2026-10-19", "2026-10-18T22:00:00.000Z", "2026-10-25T23:00:00.000Z"],
  ["month", "UTC", "2026-02-28T12:00:00.000Z", "2026-02-01", "2026-02-01T00:00:00.000Z", "2026-03-01T00:00:00.000Z"],
  ["month", "UTC", "2026-12-31T23:59:00.000Z", "2026-12-01", "2026-12-01T00:00:00.000Z", "2027-01-01T00:00:00.000Z"],
  ["month", "Europe/Berlin", "2026-10-31T23:30:00.000Z", "2026-11-01", "2026-10-31T23:00:00.000Z", "2026-11-30T23:00:00.000Z"],
])("a %s in %s at %s begins and ends by the clock on the wall", (kind, zone, now, key, starts, ends) => {
  const period = periodAt(kind, Date.parse(now), createCalendar(zone));
  expect([period.key, iso(period.startsAt), iso(period.endsAt)]).toEqual([key, starts, ends]);
});

const app: Spender = { folders: ["/home/dev/app/src", "/home/dev/app"], profile: "Work", model: "claude-opus-5-5" };
test.each<[rule: string, filter: Partial<Budget>, spender: Spender, isIts: boolean]>([
  ["without a filter everybody", {}, { folders: ["/x"] }, true],
  ["a part of the project's name", { project: ["AP"] }, app, true],
  ["of the root, when it runs below it", { project: ["app"] }, app, true],
  ["another project", { project: ["api"] }, app, false],
  ["one of several", { project: ["api", "app"] }, app, true],
  ["a folder", { project: ["/home/dev/app"] }, app, true],
  ["a folder above", { project: ["/home/dev/"] }, app, true],
  ["a folder that only begins so", { project: ["/home/dev/ap"] }, { folders: ["/home/dev/app"] }, false],
  ["a profile, whatever its case", { profile: ["work"] }, app, true],
  ["another profile", { profile: ["home"] }, app, false],
  ["a profile where none is known", { profile: ["work"] }, { folders: ["/x"] }, false],
  ["a part of a model's name", { model: ["opus"] }, app, true],
  ["a pattern of it", { model: ["claude-opus*"] }, app, true],
  ["another model", { model: ["haiku"] }, app, false],
  ["all of them must fit", { model: ["opus"], profile: ["home"] }, app, false],
  ["a project's own file", { isProject: true, at: { path: "/home/dev/app/.csm/rules.toml", line: 1 } }, app, true],
  ["and no other project", { isProject: true, at: { path: "/home/dev/api/.csm/rules.toml", line: 1 } }, app, false],
])("a budget is about %s", (_, filter, spender, isIts) => {
  expect(isAbout(budget(filter), spender)).toBe(isIts);
});

test.each<[spent: number, limit: Budget["limit"], level: string]>([
  [0, { usd: 10 }, "fine"],
  [7.99, { usd: 10 }, "fine"],
  [8, { usd: 10 }, "warning"],
  [9.999, { usd: 10 }, "warning"],
  [10, { usd: 10 }, "over"],
  [1e9, { usd: 10 }, "over"],
  [799_999, { tokens: 1e6 }, "fine"],
  [1e6, { tokens: 1e6 }, "over"],
  [40, { usagePercent: 50 }, "warning"],
  [0, { usagePercent: 0 }, "over"],
])("%p of %p is %s", (spent, limit, level) => {
  expect(levelOf(standing(spent, { budget: budget({ limit }) }))).toBe(level as never);
});

test("a line is told of once for each period, each of the two by itself, and another limit is another line", () => {
  const of = (more: Partial<Standing>, level: "warning" | "over" = "warning") => occasionOf(standing(8, more), level);
  const all = [
    of({}),
    of({}, "over"),
    of({ of: "2026-11-21" }),
    of({ budget: budget({ limit: { usd: 20 } }) }),
    of({ budget: budget({ period: "week" }) }),
    of({ budget: budget({ name: "c" }) }),
  ];
  expect(new Set(all).size).toBe(all.length);
  expect(of({ spent: 9, endsAt: 5, sessions: ["a"], budget: budget({ at: { ...budget().at, line: 9 }, action: "stop" }) })).toBe(of({}));
});

test.each<[rule: string, more: Partial<Standing>, session: Spender & { id: string }, isIts: boolean]>([
  ["of a day everybody that it is about", {}, { ...app, id: "s1" }, true],
  ["of a session that one", { budget: budget({ period: "session" }), of: "s1" }, { ...app, id: "s1" }, true],
  ["and no other", { budget: budget({ period: "session" }), of: "s1" }, { ...app, id: "s2" }, false],
  ["of an account those that it pays for", { dirs: ["/home/dev/.claude"] }, { ...app, id: "s1", dir: "/home/dev/.claude" }, true],
  ["and no others", { dirs: ["/home/dev/.claude"] }, { ...app, id: "s1", dir: "/home/dev/.work" }, false],
  ["of a model who has it", { budget: budget({ model: ["opus"] }) }, { ...app, id: "s1" }, true],
  ["whose model is not known, but was", { budget: budget({ model: ["opus"] }), sessions: ["s1"] }, { folders: [], id: "s1" }, true],
  ["and not who never had it", { budget: budget({ model: ["opus"] }), sessions: ["s2"] }, { folders: [], id: "s1" }, false],
])("a standing concerns %s", (_, more, session, isIts) => {
  expect(concerns(standing(10, more), session)).toBe(isIts);
});

test.each<[given: Standing, text: string]>([
  [standing(8.124), 'budget "b": $8.12 of $10.00 today (81 %)'],
  [standing(9.999), 'budget "b": $10.00 of $10.00 today (99 %)'],
  [
    standing(1.2e6, { budget: budget({ limit: { tokens: 2e6 }, period: "week" }) }),
    'budget "b": 1.2M tokens of 2M tokens this week (60 %)',
  ],
  [standing(3, { budget: budget({ period: "session" }), ofName: "in api" }), 'budget "b": $3.00 of $10.00 in api (30 %)'],
  [
    standing(62, { budget: budget({ limit: { usagePercent: 60 } }), ofName: "of the weekly window of work" }),
    'budget "b": 62 % of the weekly window of work, and its limit is 60 %',
  ],
])("in words: %#", (given, text) => {
  expect(standingText(given)).toBe(text);
  expect(amountsOf(standing(8.124))).toEqual({ spent: "$8.12", limit: "$10.00" });
});
