import { afterEach, beforeEach, expect, test } from "bun:test";
import { appendFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { type GivenUsage, promptLine, usageLine } from "../scripts/usage-lines.ts";
import { judgeBudgets, readStandings, tellStandings } from "../src/budget-spend.ts";
import { type Budget, levelOf, type Standing } from "../src/budgets.ts";
import { readUsage } from "../src/cost.ts";
import { costSources } from "../src/cost-files.ts";
import { defaultNotify } from "../src/notices.ts";
import { createSys, type Sys } from "../src/sys.ts";
import { openLedger, readingsOf } from "../src/usage-ledger.ts";

let home = "";
let started: (readonly string[])[] = [];
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), "csm-spend-"));
  started = [];
  mkdirSync(join(home, ".claude"), { recursive: true });
});
afterEach(() => rmSync(home, { recursive: true, force: true }));

/** Noon, so that no zone that a test runs in has another day. */
const noon = new Date(2026, 10, 20, 12).getTime();
const hour = 3_600_000;
const sysAt = (now: number): Sys => ({
  ...createSys({ HOME: home, XDG_STATE_HOME: join(home, "state") }),
  now: () => now,
  startDetached: (argv) => void started.push(argv),
});
const pathOf = (name: string) => join(home, ".claude/projects", name);
function add(name: string, ...lines: GivenUsage[]): void {
  mkdirSync(dirname(pathOf(name)), { recursive: true });
  if (!existsSync(pathOf(name))) writeFileSync(pathOf(name), promptLine());
  appendFileSync(pathOf(name), lines.map(usageLine).join(""));
}
/** A million tokens of input cost $5. */
const dollars = (id: string, usd: number, at: number, more: GivenUsage = {}): GivenUsage => ({
  ...{ id, input: usd * 200_000, at: new Date(at).toISOString(), cwd: join(home, "app") },
  ...more,
});
const count = (now: number) => readUsage(sysAt(now), costSources(sysAt(now)));

const budget = (more: Partial<Budget> = {}): Budget => ({
  ...{ name: "b", at: { path: "/r.toml", line: 1 }, isProject: false, period: "day", limit: { usd: 10 }, action: "deny", warnPercent: 80 },
  ...more,
});
const brief = (standings: Standing[]) => standings.map((one) => [one.budget.name, Math.round(one.spent * 100) / 100, levelOf(one)]);
const session = (id: string) => ({ id, folders: [join(home, "app")], model: "claude-opus-4-8" });

test("what was spent before the period, or lies in another project, profile or model, does not count (D23)", async () => {
  add("-app/s1.jsonl", dollars("old", 100, noon - 48 * hour), dollars("m1", 3, noon - hour));
  add("-app/s2.jsonl", dollars("m2", 4, noon - 2 * hour, { model: "claude-sonnet-5", cwd: join(home, "app") }));
  add("-api/s3.jsonl", dollars("m3", 2, noon - hour, { cwd: join(home, "api") }));
  await count(noon);
  const budgets = [
    budget(),
    budget({ name: "app", project: ["app"] }),
    budget({ name: "folder", project: [join(home, "api")] }),
    budget({ name: "opus", model: ["opus"] }),
    budget({ name: "none", profile: ["work"] }),
    budget({ name: "month", period: "month" }),
    budget({ name: "tokens", limit: { tokens: 1_000_000 } }),
    budget({ name: "s", period: "session" }),
  ];
  const sonnet = 4 * (2 / 5);
  expect(brief(await readStandings(sysAt(noon), budgets, [session("s1")]))).toEqual([
    ["s", 103, "over"],
    ["b", 5 + sonnet, "fine"],
    ["app", 3 + sonnet, "fine"],
    ["folder", 2, "fine"],
    ["opus", 5, "fine"],
    ["none", 0, "fine"],
    ["month", 105 + sonnet, "over"],
    ["tokens", 1_800_000, "over"],
  ]);
});

test("two sessions share it, what comes counts at once, nothing is forgotten, and the next day begins at nothing", async () => {
  add("-app/s1.jsonl", dollars("m1", 6, noon - hour));
  await count(noon);
  const spent = async (now: number) => (await readStandings(sysAt(now), [budget()], []))[0];
  expect((await spent(noon))?.spent).toBeCloseTo(6);
  add("-app/s2.jsonl", dollars("m2", 3, noon + 60_000));
  expect(await spent(noon + 120_000)).toMatchObject({ sessions: ["s1", "s2"] });
  expect((await spent(noon + 120_000))?.spent).toBeCloseTo(9);
  expect((await spent(noon + 13 * hour))?.spent).toBe(0);
});

const call = (now: number) => ({
  tool: "Bash",
  input: { command: "ls" },
  cwd: join(home, "app"),
  home,
  projectDir: join(home, "app"),
  now,
});
const judge = async (now: number, budgets: Budget[], id = "s1") =>
  (await judgeBudgets(sysAt(now), { budgets, notify }, call(now), { now, id, model: "claude-opus-4-8" })).judgement;
const notify = defaultNotify;

test.each<[action: Budget["action"], decision: string | undefined]>([
  ["notify", undefined],
  ["ask", "ask"],
  ["deny", "deny"],
  // Nobody may be there who stops it.
  ["stop", "deny"],
])("a call under a budget that is used up, and that is to %s: %p", async (action, decision) => {
  add("-app/s1.jsonl", dollars("m1", 11, noon - hour));
  await count(noon);
  const said = await judge(noon, [budget({ action })]);
  expect(said?.decision).toBe(decision as never);
  if (decision !== undefined) {
    expect(said?.reason).toMatch(
      /^budget "b" is used up: \$11\.00 of \$10\.00 today \(110 %\); no tool may be used until 2026-11-21 00:00\. Say so/,
    );
    expect(said?.rule).toMatchObject({ name: "b", at: { path: "/r.toml", line: 1 } });
  }
});

test("deny beats ask, one that is not used up says nothing, and neither does one of others", async () => {
  add("-app/s1.jsonl", dollars("m1", 11, noon - hour));
  await count(noon);
  const ask = budget({ name: "ask", action: "ask" });
  expect((await judge(noon, [ask, budget()]))?.rule?.name).toBe("b");
  expect(await judge(noon, [budget({ limit: { usd: 12 } })])).toBeUndefined();
  expect(await judge(noon, [budget({ project: ["api"] })])).toBeUndefined();
  expect(await judge(noon, [budget({ model: ["haiku"] })])).toBeUndefined();
  expect(await judge(noon, [])).toBeUndefined();
});

test("of a session only its own counts", async () => {
  add("-app/s1.jsonl", dollars("m1", 11, noon - hour));
  add("-app/s2.jsonl", dollars("m2", 1, noon - hour));
  const budgets = [budget({ period: "session" })];
  expect((await judge(noon, budgets, "s1"))?.decision).toBe("deny");
  expect(await judge(noon, budgets, "s2")).toBeUndefined();
});

test("nothing is said while nothing is known; a count is started once, beside the call, and the next call has it", async () => {
  add("-app/s1.jsonl", dollars("m1", 11, noon - hour));
  const now = Date.now();
  expect(await judgeBudgets(sysAt(now), { budgets: [budget({ period: "month" })], notify }, call(now), { now, id: "s1" })).toEqual({});
  expect(started).toEqual([[process.execPath, "csd", "--csd-count"]]);
  await judgeBudgets(sysAt(now), { budgets: [budget({ period: "month" })], notify }, call(now), { now, id: "s1" });
  expect(started).toHaveLength(1);
  await count(noon);
  expect((await judge(noon, [budget({ period: "month" })]))?.decision).toBe("deny");
});

test("each line is told of once for each period, 100 % also after 80 % (D23), and by one of all processes", async () => {
  const tell = async (now: number, spent: number, of = "2026-11-20") =>
    (
      await tellStandings(
        sysAt(now),
        [{ budget: budget(), spent, of, sessions: [], unpriced: [], isPartial: false }],
        [],
        async () => undefined,
      )
    ).length;
  expect([await tell(noon, 7.9), await tell(noon, 8), await tell(noon, 9), await tell(noon, 10), await tell(noon, 12)]).toEqual([
    0, 1, 0, 1, 0,
  ]);
  // Another process that has seen less of it.
  expect(await tell(noon, 8.5)).toBe(0);
  expect([await tell(noon + 24 * hour, 11, "2026-11-21"), await tell(noon + 24 * hour, 8, "2026-11-21")]).toEqual([1, 0]);
});

test("a share of an account's window: the five hours for a day, the week for a week, its model's own, and nothing once it has reset", async () => {
  const sys = sysAt(noon);
  const ledger = openLedger(sys);
  const windows = {
    five_hour: { usedPercent: 55, resetsAt: noon + hour },
    seven_day: { usedPercent: 20, resetsAt: noon + 48 * hour },
    seven_day_opus: { usedPercent: 90, resetsAt: noon + 48 * hour },
  };
  ledger.record(readingsOf(`dir:${join(home, ".claude")}`, windows, "get_usage", noon), noon);
  ledger.close();
  const of = (more: Partial<Budget>) => budget({ limit: { usagePercent: 50 }, ...more });
  const budgets = [of({ name: "day" }), of({ name: "week", period: "week" }), of({ name: "opus", period: "week", model: ["opus"] })];
  expect(brief(await readStandings(sys, budgets, []))).toEqual([
    ["day", 55, "over"],
    ["week", 20, "fine"],
    ["opus", 90, "over"],
  ]);
  expect((await judge(noon, [of({})]))?.reason).toStartWith(
    'budget "b" is used up: 55 % of the 5-hour window of claude, and its limit is 50 %; no tool',
  );
  expect(await judge(noon + 2 * hour, [of({})])).toBeUndefined();
});

test("who has a terminal for it is told there by the hook, once", async () => {
  add("-app/s1.jsonl", dollars("m1", 9, noon - hour));
  await count(noon);
  const settings = { ...notify, channels: [{ kind: "terminal", name: "t", how: "osc9" }] } as const;
  const say = () => judgeBudgets(sysAt(noon), { budgets: [budget()], notify: settings }, call(noon), { now: noon, id: "s1" });
  const [first, second] = [await say(), await say()];
  expect(first.sequence).toContain('budget b is nearly used up: budget "b": $9.00 of $10.00 today (90 %)');
  expect([first.judgement, second]).toEqual([undefined, {}]);
});

test("a budget costs no file of claude's a byte", async () => {
  add("-app/s1.jsonl", dollars("m1", 11, noon - hour));
  const before = readFileSync(pathOf("-app/s1.jsonl"), "utf8");
  await count(noon);
  await judge(noon, [budget()]);
  expect(readFileSync(pathOf("-app/s1.jsonl"), "utf8")).toBe(before);
});
