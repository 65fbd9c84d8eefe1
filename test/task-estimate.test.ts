import { expect, test } from "bun:test";
import type { Cell } from "../src/cost-records.ts";
import { createAverages, estimateRun, listPast, type PayingAccount, refusalsOf } from "../src/task-estimate.ts";
import type { Task, TaskGraph } from "../src/task-graph.ts";

const minute = 60_000;
const quarterMs = 15 * minute;
const origin = (sessionId: string, project = "/p/app") => ({ profile: "work", sessionId, project });
const cell = (file: number, quarter: number, costUsd: number, more: Partial<Cell> = {}): Cell => ({
  ...{ file, quarter, model: 0, input: 0, output: 0, write5m: 0, write1h: 0, cacheRead: 0, webSearches: 0, costUsd, unpriced: 0 },
  ...{ messages: 3, lastAt: quarter * quarterMs + 10 * minute },
  ...more,
});

test("a past session has its sub-agents' files, its dearest model, and only the time it worked", () => {
  const cells = [
    cell(0, 100, 1),
    cell(1, 101, 2, { model: 1 }),
    // Two hours later.
    cell(0, 109, 0.5, { messages: 100 }),
    cell(2, 100, 1, { unpriced: 1 }),
  ];
  const origins = [origin("s", "/p/app/sub"), origin("s"), origin("unpriced")];
  expect(listPast({ models: ["sonnet", "opus"], cells }, origins, () => "/p/app")).toEqual([
    { project: "/p/app", model: "opus", costUsd: 3.5, workMs: minute + 15 * minute + 10 * minute, lastAt: 109 * quarterMs + 10 * minute },
  ]);
});

const past = (project: string, model: string, costUsd: number, count: number) =>
  Array.from({ length: count }, (_, index) => ({ project, model, costUsd, workMs: costUsd * minute, lastAt: index }));
const history = [
  ...past("/a", "claude-opus-5", 10, 3),
  ...past("/a", "claude-sonnet-5", 1, 9),
  ...past("/b", "claude-opus-5", 4, 2),
  ...past("/c", "haiku", 2, 200),
];

test.each([
  ["/a", "opus", "project and model", 10, 3],
  ["/a", undefined, "project", 3.25, 12],
  ["/b", "opus", "model", 7.6, 5],
  ["/a", "fable", "project", 3.25, 12],
  ["/x", "opus", "model", 7.6, 5],
  ["/x", "claude-sonnet-5", "model", 1, 9],
  ["/x", undefined, "all sessions", 2, 100],
])("a task in %s with %s costs the average of its %s", (project, model, of, costUsd, sessions) => {
  expect(createAverages(history.toSorted((a, b) => Number(a.project === "/c") - Number(b.project === "/c")))(project, model)).toMatchObject(
    { of, sessions, costUsd: expect.closeTo(costUsd, 5) },
  );
});

test("where nothing is known, nothing is said", () => {
  expect(createAverages([])("/a", "opus")).toBeUndefined();
});

const task = (id: string, dependsOn: string[] = [], more: Partial<Task> = {}): Task => ({
  ...{ id, name: id, matrix: {}, cwd: "/", prompt: [id], dependsOn, condition: { kind: "success" }, conditionText: "success" },
  ...{ profile: "auto", retries: 0, isWorktree: false, env: {}, line: 1 },
  ...more,
});
const graph = (tasks: Task[], more: Partial<TaskGraph> = {}): TaskGraph => ({ file: "/t", tasks, jobs: 2, maxTasks: 9, ...more });
const each = () => ({ of: "project" as const, sessions: 3, costUsd: 2, workMs: 10 * minute });
const account = (name: string, fiveHour: number, week: number): PayingAccount => ({
  profiles: [name],
  windows: [
    { name: "five_hour", usedPercent: fiveHour, usdPerPercent: 0.1 },
    { name: "seven_day", usedPercent: week, usdPerPercent: 1 },
  ],
});
const diamond = [
  task("a"),
  task("b", ["a"]),
  task("c", ["a"]),
  task("d", ["b", "c"], { budgetUsd: 0.5 }),
  task("mail", ["d"], { condition: { kind: "failure" } }),
];

test("what a run takes: no task more than its budget, and none that waits for a failure", () => {
  expect(estimateRun(graph(diamond), each, [])).toMatchObject({
    tasks: 4,
    unknownTasks: 0,
    costUsd: 6.5,
    workMs: 40 * minute,
    wallMs: 30 * minute,
  });
  expect(estimateRun(graph(diamond), each, []).averages).toEqual([each()]);
  expect(estimateRun(graph(diamond, { jobs: 1 }), each, []).wallMs).toBe(40 * minute);
  const group = ["a", "b", "c", "d"].map((id) => task(id, [], id === "d" ? {} : { concurrency: "db" }));
  expect(estimateRun(graph(group, { jobs: 9 }), each, []).wallMs).toBe(30 * minute);
  expect(estimateRun(graph(diamond), () => undefined, [])).toMatchObject({ tasks: 4, unknownTasks: 4, costUsd: 0, averages: [] });
});

test("a task goes to the first account that holds it, and to its own where it names one", () => {
  const tasks = [...Array.from({ length: 6 }, (_, index) => task(`t${index}`)), task("own", [], { profile: "home" })];
  // 40 % of five hours are left to work: two tasks; home has room for five.
  expect(estimateRun(graph(tasks), each, [account("work", 60, 10), account("home", 0, 0)]).accounts).toEqual([
    { profiles: ["work"], tasks: 2, costUsd: 4, fiveHourPercent: 40, weekPercent: 4 },
    { profiles: ["home"], tasks: 5, costUsd: 10, fiveHourPercent: 100, weekPercent: 10 },
  ]);
  expect(estimateRun(graph(tasks), each, []).accounts).toEqual([{ profiles: [], tasks: 7, costUsd: 14 }]);
});

test("a run above a cap is refused, one of which that is not known is not", () => {
  const one = estimateRun(graph([task("a")]), each, [account("work", 0, 0)]);
  expect(refusalsOf(graph([], { budgetUsd: 2, budgetPercent: 2 }), one)).toEqual([]);
  expect(refusalsOf(graph([], { budgetUsd: 1.5, budgetPercent: 1.5 }), one)).toEqual([
    "about $2.00, and budget_usd is $1.50",
    "about 2 % of the week of work, and budget_percent is 1.5",
  ]);
  expect(refusalsOf(graph([], { budgetPercent: 0.1 }), estimateRun(graph([task("a")]), each, []))).toEqual([]);
});
