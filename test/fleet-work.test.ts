import { expect, test } from "bun:test";
import type { FleetQueue } from "../src/fleet-queue.ts";
import type { FleetWorker } from "../src/fleet-task-schema.ts";
import { placeGraph, type WorkTerms, whyRefused, workForFleet } from "../src/fleet-work.ts";
import type { Post } from "../src/task-engine.ts";
import type { Task, TaskGraph } from "../src/task-graph.ts";
import type { Run, TaskFacts, TaskQueue, TaskRow } from "../src/task-queue.ts";
import { createFakeSys } from "./fake-sys.ts";

const terms: WorkTerms = {
  ...{ machine: "build", jobs: 2, env: ["CI"], mayBypass: false },
  labels: new Map([
    ["linux", ""],
    ["repo:api", "/srv/api"],
  ]),
  registry: { profiles: [{ name: "work" }] } as unknown as WorkTerms["registry"],
};
const task = (more: Partial<Task> = {}): Task =>
  ({ id: "t", name: "t", cwd: "/srv/x", dependsOn: [], profile: "auto", env: {}, ...more }) as unknown as Task;
const folders = { isDirectory: (path: string) => ["/srv/x", "/srv/api", "/srv/api/pkg"].includes(path) };
const placed = (more: Partial<Task>) => placeGraph({ tasks: [task(more)] } as unknown as TaskGraph, terms.labels).tasks[0] as Task;

test.each([
  [{}, undefined],
  [{ needs: ["linux"] }, undefined],
  [{ needs: ["gpu", "repo:web"] }, "it has no gpu, repo:web"],
  [{ needs: ["repo:api"], folder: "pkg" }, undefined],
  [{ needs: ["repo:api"], folder: "gone" }, "there is no folder /srv/api/gone"],
  // Whoever has written the run: a folder that nobody here has named is none.
  [{ needs: ["repo:api"], folder: "../../etc" }, '"../../etc" is not below repo:api'],
  [{ cwd: "/nowhere" }, "there is no folder /nowhere"],
  [{ profile: "work" }, undefined],
  [{ profile: "home" }, "there is no profile home"],
  [{ env: { CI: "1" } }, undefined],
  [{ env: { LD_PRELOAD: "x", ANTHROPIC_BASE_URL: "x" } }, "it is given no LD_PRELOAD, ANTHROPIC_BASE_URL (--env)"],
  [{ permissionMode: "plan" }, undefined],
  [{ permissionMode: "bypassPermissions" }, "nothing bypasses permissions there (--allow-bypass)"],
] as [Partial<Task>, string | undefined][])("%j: %p", (more, why) => expect(whyRefused(folders, placed(more), terms)).toBe(why));

test("bypassed permissions are taken where the machine says so", () =>
  expect(whyRefused(folders, placed({ permissionMode: "bypassPermissions" }), { ...terms, mayBypass: true })).toBeUndefined());

const breakersOf = (where: string, calls: string[]) => ({
  readBreakers: async () => new Map([[where, { why: "limit" as const, at: 1, text: where }]]),
  block: async (account: string) => calls.push(`${where} block ${account}`) > 0,
  unblock: async (account: string) => void calls.push(`${where} unblock ${account}`),
});

interface Held {
  post?: Post;
  queue?: TaskQueue;
  placed?: Run;
  ended: string[];
}

/** A worker with one run of which nothing is done, until `leaves`. */
async function work(
  tasks: Task[],
  {
    others = [],
    seconds = 5,
    silentMs = () => 0,
    leave = "gently" as const,
  }: {
    others?: Partial<FleetWorker>[];
    seconds?: number;
    silentMs?: () => number;
    leave?: "gently" | "now";
  } = {},
) {
  const fake = createFakeSys({ now: 1000 });
  const sys = { ...fake, sleep: (ms: number) => fake.sleep(ms).then(() => Bun.sleep(0)) };
  const told: (FleetWorker | null)[] = [];
  const paused: { facts: TaskFacts; text: string }[] = [];
  const held: Held = { ended: [] };
  const blocked: string[] = [];
  let engines = 0;
  let end = () => {};
  const run = { id: "r", startedAt: 1000, graph: { tasks, jobs: 1 } } as unknown as Run;
  const queue = {
    listRuns: async () => [run],
    readRun: async () => run,
    readTasks: async () => tasks.map(({ id }) => ({ id, state: "pending", fence: 0, facts: {} }) as TaskRow),
    readMachines: async () => others,
    tellMachine: async (worker: FleetWorker | null) => void told.push(worker),
    pause: async (_: unknown, facts: TaskFacts, { text }: { text: string }) => paused.push({ facts, text }) > 0,
    ...breakersOf("fleet", blocked),
    silentMs,
  } as unknown as FleetQueue;
  await workForFleet({
    ...{
      sys: { ...sys, ...folders },
      queue,
      terms,
      worker: { host: "build", pid: 1, start: "1" },
      onFailure() {},
      tell() {},
      local: breakersOf("local", blocked),
    },
    leaves: () => (sys.now() >= 1000 + seconds * 1000 ? leave : undefined),
    createEngine(placedRun, wrapped, post) {
      engines++;
      Object.assign(held, { post, queue: wrapped, placed: placedRun });
      const { promise, resolve } = Promise.withResolvers<void>();
      end = resolve;
      return {
        work: () => promise,
        stop: async () => {},
        end(how) {
          held.ended.push(how);
          end();
        },
      };
    },
  });
  return { held, told, paused, engines, blocked };
}

const row = (more: Partial<TaskRow>): TaskRow => ({ id: "t", state: "pending", fence: 0, facts: {}, ...more });

test("it works on each open run once, in its own folders, tells what it does not take, and says that it goes", async () => {
  const { held, told, engines } = await work([task({ needs: ["repo:api"] }), task({ id: "u", cwd: "/nowhere" })]);
  expect([engines, held.placed?.graph.tasks[0]?.cwd, held.ended[0]]).toEqual([1, "/srv/api", "gently"]);
  expect(told[0]).toMatchObject({
    ...{ machine: "build", jobs: 2, labels: ["linux", "repo:api"] },
    refusals: [{ run: "r", task: "u", why: "there is no folder /nowhere" }],
  });
  expect(told.at(-1)).toBeNull();
  expect([held.post?.takes(task(), row({})), held.post?.takes(task({ id: "u" }), row({ id: "u" }))]).toEqual([true, false]);
});

test("a conversation stays on its machine as long as that works", async () => {
  const { held } = await work([task()], { others: [{ machine: "mac" }] });
  const paused = (machine: string) => row({ state: "paused", facts: { machine } });
  const takes = (one: TaskRow) => held.post?.takes(task(), one);
  expect([takes(paused("mac")), takes(paused("build")), takes(paused("gone"))]).toEqual([false, true, true]);
  // What was lost there is not paused.
  expect(takes(row({ state: "running", facts: { machine: "mac" } }))).toBe(true);
});

test("what it stops as it goes is for whoever comes next, at once", async () => {
  const { held, paused } = await work([task()]);
  const claim = { run: "r", task: "t", fence: 1 };
  await held.queue?.pause(claim, { reason: "stopped" }, { event: "paused", text: "stopped" });
  await held.queue?.pause(claim, { reason: "limit", pausedUntil: 99 }, { event: "paused", text: "limit" });
  expect(paused.map(({ facts: { pausedUntil, reason }, text }) => [reason, (pausedUntil ?? 0) > 99, text])).toEqual([
    [expect.stringContaining("its worker goes"), true, expect.stringContaining("its worker goes")],
    ["limit", false, "limit"],
  ]);
});

test("where the server has not answered for as long as a lease, all here is ended: others have it by now", async () => {
  let asked = 0;
  const { held, engines } = await work([task()], { seconds: 20, silentMs: () => (asked++ === 5 ? 61_000 : 0) });
  expect(held.ended[0]).toBe("gently");
  // And begun again, once it answers.
  expect(engines).toBe(2);
});

test("a limit that this machine alone, or any other, knows of holds for all", async () => {
  const { held, blocked } = await work([task()]);
  expect([...((await held.queue?.readBreakers()) ?? new Map()).keys()]).toEqual(["local", "fleet"]);
  await held.queue?.block("a", { why: "limit", at: 1, text: "" });
  await held.queue?.unblock("a");
  expect(blocked).toEqual(["local block a", "fleet block a", "local unblock a", "fleet unblock a"]);
});
