import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { FleetQueue } from "../src/fleet-queue.ts";
import { createFollower, fetchNews, whyNobody } from "../src/fleet-run.ts";
import type { FleetWorker } from "../src/fleet-task-schema.ts";
import { createSys } from "../src/sys.ts";
import type { Task, TaskGraph } from "../src/task-graph.ts";
import type { NewEvent, Run, RunEvent, TaskRow } from "../src/task-queue.ts";
import { openTaskStore } from "../src/task-store.ts";

const dir = mkdtempSync(join(tmpdir(), "csm-fleet-run-"));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const task = (id: string, more: Partial<Task> = {}): Task => ({ id, dependsOn: [], ...more }) as unknown as Task;
const run = (...tasks: Task[]): Run => ({
  ...{ id: "r", isInteractive: false, startedAt: 1, isFleet: true },
  graph: { file: "/f", tasks, jobs: 1, maxTasks: 9 } as TaskGraph,
});
const row = (id: string, state: TaskRow["state"], more: Partial<TaskRow> = {}): TaskRow => ({ id, state, fence: 0, facts: {}, ...more });
const worker = (machine: string, labels: string[], refusals: FleetWorker["refusals"] = []): FleetWorker => ({
  ...{ v: 1, machine, at: 1, jobs: 1, labels, refusals },
});

test("nobody takes what no worker has the labels or the folder for; what waits for others, runs or is over is nobody's matter", () => {
  const given = run(
    task("gpu", { needs: ["gpu"] }),
    task("web", { needs: ["repo:web"] }),
    task("after", { dependsOn: ["gpu"], needs: ["x"] }),
    task("runs", { needs: ["x"] }),
    task("any"),
  );
  const rows = [row("gpu", "pending"), row("web", "paused"), row("after", "pending"), row("runs", "running"), row("any", "pending")];
  const told = (workers: FleetWorker[]) => Object.fromEntries(whyNobody(given, rows, workers));
  const nobody = "no machine works: csm fleet work";
  expect(told([])).toEqual({ gpu: nobody, web: nobody, any: nobody });
  const why = "there is no folder /x";
  expect(
    told([
      worker("a", ["gpu"]),
      worker(
        "b",
        [],
        [
          { run: "r", task: "any", why },
          { run: "s", task: "gpu", why },
        ],
      ),
    ]),
  ).toEqual({
    web: "no worker can: a has no repo:web; b has no repo:web",
  });
  expect(told([worker("b", ["gpu", "repo:web"], [{ run: "r", task: "any", why }])])).toEqual({ any: `no worker can: b: ${why}` });
});

/** What the server has of a run, as a list of looks. */
function createFakeQueue(looks: (Partial<TaskRow>[] | undefined)[], told: NewEvent[] = []) {
  const calls: string[] = [];
  const events: RunEvent[] = [];
  const queue = {
    async readChanges() {
      const rows = looks.length > 1 ? looks.shift() : looks[0];
      return rows === undefined ? undefined : { rows, isAnew: false };
    },
    putBack: async ({ rows }: { rows: TaskRow[] }) => {
      calls.push(`put back ${rows.length}`);
      looks.shift();
      return rows.length;
    },
    readOutput: async (_: string, id: string) => ({ stdout: id, result: id }),
    readEvents: async (_: string, after: number) => events.filter(({ number }) => number > after),
    readRun: async () => ({}),
    readWorkers: async () => [{ host: "a", pid: 1, start: "1" }],
    readMachines: async () => [],
    async note(_: string, event: NewEvent) {
      told.push(event);
      events.push({ number: events.length + 2, at: 1, ...event });
    },
    changeRun: async (_: string, change: object) => void calls.push(`change ${JSON.stringify(change)}`),
    removeRun: async () => void calls.push("remove"),
    close: () => void calls.push("close"),
  } as unknown as FleetQueue;
  return { queue, calls, told };
}

let count = 0;
async function follow(given: Run, looks: Parameters<typeof createFakeQueue>[0]) {
  const home = join(dir, String(count++));
  const real = createSys({ HOME: home, XDG_STATE_HOME: home });
  let now = 1000;
  const sys = {
    ...real,
    now: () => now,
    sleep: async (ms: number) => {
      now += ms;
    },
  };
  const store = openTaskStore(sys);
  await store.create(
    given,
    given.graph.tasks.map(({ id }) => id),
    { event: "run", text: "begun" },
  );
  const fake = createFakeQueue(looks);
  return { ...fake, store, sys, followed: { run: given, store, queue: fake.queue } };
}

test("what the fleet tells is kept here, with the answers, and taken off the server once all is over", async () => {
  const { followed, store, sys, calls } = await follow(run(task("t"), task("u")), [
    [row("t", "running", { fence: 3, worker: { host: "a", pid: 1, start: "1" }, facts: { machine: "a" } })],
    [row("t", "succeeded", { fence: 3, facts: { machine: "a", costUsd: 2 } })],
    [row("u", "skipped")],
  ]);
  const seen: string[] = [];
  await createFollower(sys, followed, async () => {
    seen.push((await store.readTasks("r")).map(({ state }) => state).join(" "));
  }).work();
  expect(seen).toEqual(["running pending", "succeeded pending", "succeeded skipped"]);
  expect(await store.readOutput("r", "t")).toEqual({ stdout: "t", result: "t" });
  expect(await store.readTasks("r")).toMatchObject([{ fence: 3, facts: { machine: "a", costUsd: 2 } }, { state: "skipped" }]);
  expect(calls).toEqual(["remove", "close"]);
});

test("what the server has forgotten is put back, and said", async () => {
  const { followed, store, calls, told } = await follow(run(task("t")), [undefined, [row("t", "pending")]]);
  expect(await fetchNews(followed, 1)).toBe(2);
  expect([calls, told.map(({ text }) => text)]).toEqual([["put back 1"], ["the server had forgotten 1 tasks: they are put back"]]);
  expect((await store.readEvents("r", 1)).map(({ text }) => text)).toEqual(["the server had forgotten 1 tasks: they are put back"]);
});

test("that nobody takes a task is told once, after a while", async () => {
  const looks = Array.from({ length: 30 }, () => [row("t", "pending")]);
  const { followed, sys, store, told, calls } = await follow(run(task("t")), [...looks, [row("t", "failed")]]);
  const seen = new Set<string>();
  await createFollower(sys, followed, async () => {
    const [only] = await store.readTasks("r");
    if (only?.state === "pending") seen.add(only.facts.reason ?? "");
  }).work();
  expect(told).toEqual([{ event: "note", task: "t", text: "no machine works: csm fleet work" }]);
  expect([...seen]).toEqual(["no machine works: csm fleet work"]);
  expect(calls.at(-1)).toBe("close");
});

test("of many that nobody takes for one reason it is said in one line", async () => {
  const ids = ["a", "b", "c", "d", "e", "f", "g"];
  const rows = (state: TaskRow["state"]) => ids.map((id) => row(id, state));
  const looks = Array.from({ length: 30 }, () => rows("pending"));
  const { followed, sys, told } = await follow(run(...ids.map((id) => task(id))), [...looks, rows("failed")]);
  await createFollower(sys, followed, () => {}).work();
  expect(told).toEqual([{ event: "note", text: "a, b, c, d, e and 2 more: no machine works: csm fleet work" }]);
});

test("who stops it tells the machines, and waits for what runs; who leaves changes nothing", async () => {
  const one = await follow(run(task("t")), [[row("t", "running")], [row("t", "running")], [row("t", "paused")]]);
  one.queue.readRun = async () => ({ stop: "gently" }) as Run;
  const follower = createFollower(one.sys, one.followed, () => follower.stop("gently"));
  await follower.work();
  expect([one.calls, (await one.store.readTasks("r"))[0]?.state]).toEqual([['change {"stop":"gently"}', "close"], "paused"]);
  const other = await follow(run(task("t")), [[row("t", "running")]]);
  const leaver = createFollower(other.sys, other.followed, () => leaver.leave());
  await leaver.work();
  expect([other.calls, (await other.store.readTasks("r"))[0]?.state, (await other.store.readWorkers("r")).length]).toEqual([
    ["close"],
    "running",
    1,
  ]);
});

test("it ends once all that is left waits for somebody who says so, and goes on while anything else does", async () => {
  const tasks = [task("a", { concurrency: "db" }), task("after", { dependsOn: ["a"] }), task("same", { concurrency: "db" }), task("b")];
  const held = row("a", "paused", { facts: { reason: "the policy is stop" } });
  const rest = [row("after", "pending"), row("same", "pending")];
  const looks = [
    [held, ...rest, row("b", "pending")],
    [row("b", "running")],
    [row("b", "paused", { facts: { pausedUntil: 5 } })],
    [row("b", "paused", { facts: { needsPerson: true } })],
    [row("b", "succeeded")],
  ];
  const { sys, store, followed } = await follow(run(...tasks), looks);
  let steps = 0;
  await createFollower(sys, followed, () => void steps++).work();
  expect([steps, (await store.readTasks("r")).map(({ state }) => state)]).toEqual([5, ["paused", "pending", "pending", "succeeded"]]);
});
