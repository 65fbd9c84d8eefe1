import { expect, test } from "bun:test";
import type { Condition, TaskState } from "../src/task-condition.ts";
import { decideNext, sortNodes, type Task, type TaskGraph } from "../src/task-graph.ts";

const nodes = (...rows: string[]) =>
  rows.map((row) => {
    const [id = "", on = ""] = row.split(" after ");
    return { id, dependsOn: on === "" ? [] : on.split(" ") };
  });

test.each([
  [["a", "b", "c"], "a b c"],
  [["test-web", "migrate", "test-api after migrate"], "test-web migrate test-api"],
  [["c after a b", "b", "a"], "a b c"],
  [["d after b c", "b after a", "c after a", "a"], "a b c d"],
])("%j stand in the order %s", (rows, wanted) => {
  const { sorted, cycles } = sortNodes(nodes(...rows));
  expect([sorted.map(({ id }) => id).join(" "), cycles]).toEqual([wanted, []]);
});

test.each([
  [["a after b", "b after a"], "a b a"],
  [["a after a"], "a a"],
  [["x", "a after x b", "b after c", "c after b"], "b c b"],
  [["a after b", "b after a", "c after d e", "d after c", "e after c"], "a b a, c d c, c e c"],
])("%j lead back to %s", (rows, wanted) => {
  const { sorted, cycles } = sortNodes(nodes(...rows));
  expect(cycles.map((ids) => ids.join(" ")).join(", ")).toBe(wanted);
  expect(sorted).toHaveLength(rows.length);
});

test("no chain is too long, and none is looked at twice", () => {
  let looks = 0;
  const count = 50_000;
  const chain = Array.from({ length: count }, (_, index) => ({
    id: String(index),
    get dependsOn() {
      looks++;
      return index + 1 < count ? [String(index + 1)] : [];
    },
  }));
  expect(sortNodes(chain).sorted[0]?.id).toBe(String(count - 1));
  expect(looks).toBeLessThanOrEqual(3 * count);
});

const task = (id: string, dependsOn: string[] = [], more: Partial<Task> = {}): Task => ({
  ...{
    id,
    name: id,
    matrix: {},
    cwd: "/",
    prompt: [id],
    dependsOn,
    condition: { kind: "success" } satisfies Condition,
    conditionText: "success",
  },
  ...{ profile: "auto", retries: 0, isWorktree: false, env: {}, line: 1 },
  ...more,
});
const decide = (tasks: TaskGraph["tasks"], states: Record<string, TaskState>, jobs = 9, canStart?: Parameters<typeof decideNext>[2]) => {
  const { start, skip, isOver } = decideNext({ tasks, jobs }, (id) => states[id] ?? "pending", canStart);
  return [start.map(({ id }) => id).join(" "), skip.map((each) => `${each.task.id}: ${each.why}`).join("; "), isOver];
};
const chain = [task("a"), task("b", ["a"]), task("c", ["b"])];
const on = (kind: "failure" | "always") => ({ condition: { kind } });
const grouped = { concurrency: "db" };

test.each([
  ["what nothing comes before starts", chain, {}, ["a", "", false]],
  ["the next waits", chain, { a: "running" }, ["", "", false]],
  ["and starts", chain, { a: "succeeded" }, ["b", "", false]],
  ["the end", chain, { a: "succeeded", b: "succeeded", c: "succeeded" }, ["", "", true]],
  ["all behind a failure are skipped", chain, { a: "failed" }, ["", "b: a failed; c: b was skipped", true]],
  ["behind one that was stopped too", chain, { a: "cancelled" }, ["", "b: a was cancelled; c: b was skipped", true]],
  [
    "a failure is told through those that were skipped for it",
    [...chain, task("mail", ["c"], on("failure"))],
    { a: "failed" },
    ["mail", "b: a failed; c: b was skipped", false],
  ],
  [
    "not through those that were skipped for another cause",
    [task("a"), task("b", ["a"], on("failure")), task("c", ["b"], on("failure"))],
    { a: "succeeded" },
    ["", "b: nothing before it failed; c: nothing before it failed", true],
  ],
  [
    "and is remembered once they are",
    [...chain, task("mail", ["c"], on("failure"))],
    { a: "failed", b: "skipped", c: "skipped" },
    ["mail", "", false],
  ],
  ["always", [task("a"), task("b", ["a"], on("always"))], { a: "cancelled" }, ["b", "", false]],
  ["of a group one", [task("a", [], grouped), task("b", [], grouped), task("c")], {}, ["a c", "", false]],
  ["none while one of it runs", [task("a", [], grouped), task("b", [], grouped)], { b: "running" }, ["", "", false]],
  ["none while one of it is paused", [task("a", [], grouped), task("b", [], grouped)], { b: "paused" }, ["", "", false]],
  ["paused is not over", chain, { a: "paused" }, ["", "", false]],
] as [string, Task[], Record<string, TaskState>, [string, string, boolean]][])("%s", (_, tasks, states, wanted) => {
  expect(decide(tasks, states)).toEqual(wanted);
});

test("no more than there are jobs; a paused one has none, and whom no account can take is passed over", () => {
  const four = [task("a"), task("b"), task("c"), task("d")];
  expect(decide(four, {}, 2)).toEqual(["a b", "", false]);
  expect(decide(four, { a: "running", b: "paused" }, 2)).toEqual(["c", "", false]);
  expect(decide(four, { a: "running", b: "paused" }, 2, (_, state) => state === "paused")).toEqual(["b", "", false]);
  expect(decide(four, {}, 2, ({ id }) => id > "b")).toEqual(["c d", "", false]);
  expect(decide([task("a", [], grouped), task("b", [], grouped)], { b: "paused" }, 2, () => true)).toEqual(["b", "", false]);
});
