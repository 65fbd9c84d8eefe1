import { afterAll, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createSys } from "../src/sys.ts";
import type { TaskGraph } from "../src/task-graph.ts";
import type { Claim, Run, Worker } from "../src/task-queue.ts";
import { openTaskStore } from "../src/task-store.ts";

const dir = mkdtempSync(join(tmpdir(), "csm-task-store-"));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

let count = 0;
/** A state folder of its own for each. */
function open() {
  const home = join(dir, String(count++));
  mkdirSync(home, { mode: 0o700 });
  const sys = createSys({ HOME: home, XDG_STATE_HOME: join(home, "state") });
  return { sys, home, queue: openTaskStore(sys) };
}

const task = (id: string) => ({ id, dependsOn: [] }) as unknown as TaskGraph["tasks"][number];
const graph = (...ids: string[]): TaskGraph => ({ file: "/night.json", tasks: ids.map(task), jobs: 2, maxTasks: 10 });
const run = (id: string, ...ids: string[]): Run => ({ id, graph: graph(...ids), isInteractive: false, startedAt: 1000 });
const worker = (pid: number): Worker => ({ host: "here", pid, start: "1" });
const take = (id: string) => () => ({ start: [id], skip: [] });
const first = (claims: Claim[]): Claim => {
  const [claim] = claims;
  if (claim === undefined) throw new Error("nothing was claimed");
  return claim;
};
const begun = { event: "run", text: "begun" } as const;

test("what a worker says of a task that another one has by now is refused", async () => {
  const { queue } = open();
  await queue.create(run("r", "a"), ["a"], begun);
  const old = first(await queue.claim("r", worker(1), 1000, take("a")));
  const now = first(await queue.claim("r", worker(2), 1000, take("a")));
  const event = { event: "succeeded", task: "a", text: "" } as const;
  expect(await queue.heartbeat(old, 1000, { activity: "late" })).toBe(false);
  expect(await queue.finish(old, "succeeded", {}, event, { stdout: "old", result: "old" })).toBe(false);
  expect(await queue.readOutput("r", "a")).toBeUndefined();
  expect(await queue.finish(now, "succeeded", { costUsd: 1 }, event, { stdout: "new", result: "new" })).toBe(true);
  // Once only.
  expect(await queue.finish(now, "failed", {}, event)).toBe(false);
  expect(await queue.readOutput("r", "a")).toEqual({ stdout: "new", result: "new" });
  expect(await queue.readTasks("r")).toMatchObject([{ id: "a", state: "succeeded", fence: 2, facts: { costUsd: 1 } }]);
  expect((await queue.readEvents("r", 1)).map(({ number, event: what }) => [number, what])).toEqual([[2, "succeeded"]]);
});

test("facts that are undefined go, the others stay, and nothing of a paused task is anybody's", async () => {
  const { queue } = open();
  await queue.create(run("r", "a"), ["a"], begun);
  const claim = first(await queue.claim("r", worker(1), 1000, take("a")));
  await queue.heartbeat(claim, 1000, { activity: "reads", attempt: 1, process: { pid: 1, start: "2", boot: "3" } });
  await queue.pause(claim, { process: undefined, pausedUntil: 5 }, { event: "paused", task: "a", text: "" });
  const [row] = await queue.readTasks("r");
  expect(row?.facts).toEqual({ activity: "reads", attempt: 1, pausedUntil: 5 });
  expect([row?.state, row?.worker]).toEqual(["paused", undefined]);
});

test("a graph that has changed keeps what is known of the tasks that are still in it", async () => {
  const { queue } = open();
  await queue.create(run("r", "a", "b"), ["a", "b"], begun);
  const claim = first(await queue.claim("r", worker(1), 1000, take("b")));
  await queue.finish(claim, "succeeded", {}, { event: "succeeded", task: "b", text: "" });
  await queue.changeRun("r", { graph: graph("b", "c") });
  expect((await queue.readTasks("r")).map(({ id, state }) => [id, state])).toEqual([
    ["b", "succeeded"],
    ["c", "pending"],
  ]);
});

test("a breaker is told of once, and holds until its time", async () => {
  const { queue, sys } = open();
  const at = sys.now();
  const breaker = { why: "limit", at, until: at + 60_000, text: "full" } as const;
  expect(await queue.block("one", breaker)).toBe(true);
  expect(await queue.block("one", breaker)).toBe(false);
  expect(await queue.block("two", { ...breaker, until: at - 1 })).toBe(true);
  expect([...(await queue.readBreakers()).keys()]).toEqual(["one"]);
  expect(await queue.block("one", { ...breaker, until: at + 120_000 })).toBe(true);
  await queue.unblock("one");
  expect((await queue.readBreakers()).size).toBe(0);
});

test("a file that cannot be read is told of and kept, and runs go on in a new one", async () => {
  const { queue, sys, home } = open();
  await queue.create(run("r", "a"), ["a"], begun);
  queue.close();
  const folder = join(home, "state/csm");
  writeFileSync(join(folder, "tasks.db"), "this is no database, and was not meant to be one\n".repeat(40));
  const told: string[] = [];
  const again = openTaskStore({ ...sys, write: (_, text) => told.push(text) > 0 });
  expect(await again.listRuns()).toEqual([]);
  const kept = readdirSync(folder).filter((name) => /^tasks\.db\.broken-[\dTZ-]+$/.test(name));
  expect(kept.length).toBe(1);
  expect(told.join("")).toContain(`kept as ${join(folder, kept[0] ?? "")}`);
});

test("an answer counts while its task is succeeded: of one that was begun anew and failed it is none, and one that is kept has it", async () => {
  const { queue } = open();
  await queue.create(run("r", "a"), ["a"], begun);
  const said = { stdout: "old", result: "old" };
  const end = async (state: "succeeded" | "failed", output?: typeof said) => {
    const claim = first(await queue.claim("r", worker(1), 1000, take("a")));
    await queue.finish(claim, state, {}, { event: state, task: "a", text: "" }, output);
    return queue.readOutput("r", "a");
  };
  expect(await end("succeeded", said)).toEqual(said);
  await queue.reset("r", [{ id: "a", state: "pending" }]);
  expect([await queue.readOutput("r", "a"), await end("failed")]).toEqual([undefined, undefined]);
  await queue.reset("r", [{ id: "a", state: "pending" }]);
  expect(await end("succeeded")).toEqual(said);
});
