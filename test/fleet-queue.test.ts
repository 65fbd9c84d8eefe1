import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type FleetQueue, openFleetQueue } from "../src/fleet-queue.ts";
import { tasksDir } from "../src/paths.ts";
import { createSys } from "../src/sys.ts";
import type { TaskGraph } from "../src/task-graph.ts";
import type { Claim, Run, TaskRow, Worker } from "../src/task-queue.ts";
import { freePort, openPlainLink, redisServer, startPlainRedis } from "./redis-server.ts";

const dir = mkdtempSync(join(tmpdir(), "csm-fleet-queue-"));
const sys = createSys({ HOME: dir, XDG_STATE_HOME: dir });
const queues: FleetQueue[] = [];
let port = 0;
let redis: Bun.Subprocess;

function open(machine: string, isWorker = true, accounts: string[] = []): FleetQueue {
  const queue = openFleetQueue(sys, {
    ...{ open: () => openPlainLink(port), machine, isWorker, onLink() {} },
    accounts: async () => accounts,
  });
  queues.push(queue);
  return queue;
}

const task = (id: string, more: object = {}) => ({
  ...{ id, name: id, matrix: {}, cwd: "/srv", prompt: ["x"], dependsOn: [], condition: { kind: "success" }, conditionText: "success" },
  ...{ profile: "auto", retries: 0, isWorktree: false, env: {}, line: 1, ...more },
});
const graph = (tasks: object[], jobs = 10) => ({ file: "/night.json", tasks, jobs, maxTasks: 10 }) as unknown as TaskGraph;
const run = (tasks: object[], jobs?: number): Run => ({
  id: "r",
  graph: graph(tasks, jobs),
  isInteractive: false,
  startedAt: 1000,
  isFleet: true,
});
const worker = (host: string, pid = 1): Worker => ({ host, pid, start: "1" });
const begun = { event: "run", text: "begun" } as const;
const take =
  (...start: string[]) =>
  () => ({ start, skip: [] });
const leaseMs = 60_000;
const over = (id: string) => ({ event: "succeeded", task: id, text: "" }) as const;
const claimed = (claims: Claim[]) => claims.map(({ task: id }) => id);
async function claimOne(queue: FleetQueue, id: string, host: string, ms = leaseMs): Promise<Claim> {
  const [claim] = await queue.claim("r", worker(host), ms, take(id));
  if (claim === undefined) throw new Error(`${id} was not claimed`);
  return claim;
}
const rowOf = async (queue: FleetQueue, id: string): Promise<TaskRow | undefined> =>
  (await queue.readTasks("r")).find((row) => row.id === id);

describe.skipIf(redisServer === null)(`the queue of the fleet${redisServer === null ? " (skipped: no redis-server)" : ""}`, () => {
  beforeAll(async () => {
    port = await freePort();
    redis = await startPlainRedis(port, dir);
  });
  beforeEach(async () => {
    const link = await openPlainLink(port);
    await link.call("FLUSHALL", []);
    link.close();
  });
  afterAll(async () => {
    for (const queue of queues) queue.close();
    redis.kill("SIGKILL");
    await redis.exited;
    rmSync(dir, { recursive: true, force: true });
  });

  test("a worker has a task once, and what it says of it counts with its own fence alone", async () => {
    const [a, b] = [open("a"), open("b")];
    await a.create(run([task("t")]), ["t"], begun);
    const old = await claimOne(a, "t", "a", 1);
    await Bun.sleep(5);
    const now = await claimOne(b, "t", "b");
    expect(now.fence).toBeGreaterThan(old.fence);
    expect(await a.heartbeat(old, leaseMs, { activity: "late" })).toBe(false);
    expect(await a.finish(old, "succeeded", {}, over("t"), { stdout: "old", result: "old" })).toBe(false);
    expect(await a.readOutput("r", "t")).toBeUndefined();
    expect(await b.finish(now, "succeeded", { costUsd: 1 }, over("t"), { stdout: "new", result: "new", json: [1] })).toBe(true);
    // An answer that was lost on its way is asked for again.
    expect(await b.finish(now, "succeeded", { costUsd: 1 }, over("t"))).toBe(true);
    expect(await b.finish(now, "failed", {}, over("t"))).toBe(false);
    expect(await a.readOutput("r", "t")).toEqual({ stdout: "new", result: "new", json: [1] });
    expect(await a.claim("r", worker("a"), leaseMs, take("t"))).toEqual([]);
    expect((await a.readEvents("r", 0)).map(({ number, event }) => [number, event])).toEqual([
      [1, "run"],
      [2, "succeeded"],
    ]);
    expect(await rowOf(a, "t")).toMatchObject({ state: "succeeded", fence: now.fence, facts: { costUsd: 1 } });
  });

  test("no more at once than jobs says or the worker has room for, one of a group, and none before what it depends on", async () => {
    const queue = open("a");
    const tasks = [
      task("one", { concurrency: "db" }),
      task("two", { concurrency: "db" }),
      task("free"),
      task("more"),
      task("after", { dependsOn: ["free"] }),
    ];
    await queue.create(run(tasks, 2), [], begun);
    const all = take("after", "one", "two", "free", "more");
    expect(claimed(await queue.claim("r", worker("a"), leaseMs, () => ({ ...all(), most: 1 })))).toEqual(["one"]);
    const others = take("after", "two", "free", "more");
    const [free] = await queue.claim("r", worker("b"), leaseMs, others);
    expect([free?.task, claimed(await queue.claim("r", worker("c"), leaseMs, take("after", "two", "more")))]).toEqual(["free", []]);
    if (free !== undefined) await queue.finish(free, "succeeded", {}, over("free"));
    // The first one is paused, and keeps its group.
    await queue.pause({ run: "r", task: "one", fence: 1 }, { pausedUntil: 5 }, { event: "paused", task: "one", text: "" });
    expect(claimed(await queue.claim("r", worker("c"), leaseMs, take("two", "after")))).toEqual(["after"]);
    const one = await claimOne(queue, "one", "a");
    await queue.finish(one, "failed", {}, { event: "failed", task: "one", text: "" });
    expect(claimed(await queue.claim("r", worker("c"), leaseMs, take("two")))).toEqual(["two"]);
  });

  test("what is skipped is skipped once, and told once", async () => {
    const [a, b] = [open("a"), open("b")];
    await a.create(run([task("t"), task("u")]), [], begun);
    const skip = () => ({ start: [], skip: [{ id: "t", why: "u failed", state: "skipped" as const }] });
    await a.readTasks("r");
    await b.claim("r", worker("b"), leaseMs, skip);
    await a.claim("r", worker("a"), leaseMs, skip);
    expect((await a.readEvents("r", 1)).map(({ event, text }) => [event, text])).toEqual([["skipped", "u failed"]]);
    expect(await rowOf(a, "t")).toMatchObject({ state: "skipped", facts: { reason: "u failed" } });
  });

  test("a conversation and its places are for its own machine alone; another one begins anew", async () => {
    const [a, b] = [open("a"), open("b")];
    await a.create(run([task("t")]), [], begun);
    const claim = await claimOne(a, "t", "a");
    const sessionId = crypto.randomUUID();
    const facts = {
      attempt: 1,
      cwd: "/srv",
      sessionId,
      account: "work",
      dir: join(tasksDir(sys), "r"),
      turnAt: 3,
      process: { pid: 1, start: "", boot: "" },
    };
    await a.heartbeat(claim, leaseMs, facts);
    await a.pause(claim, { pausedUntil: 9, costUsd: 2 }, { event: "paused", task: "t", text: "" });
    expect((await rowOf(a, "t"))?.facts).toMatchObject({ sessionId, account: "work", machine: "a", pausedUntil: 9 });
    expect((await rowOf(b, "t"))?.facts).toEqual({ attempt: 1, machine: "a", pausedUntil: 0, costUsd: 2 });
    const other = await claimOne(b, "t", "b");
    expect((await b.readEvents("r", 2)).map(({ text }) => text)).toEqual([
      `starts anew on b: its conversation ${sessionId} stays on a, in /srv`,
    ]);
    await b.heartbeat(other, leaseMs, { sessionId: "x" });
    expect((await rowOf(open("b", false), "t"))?.facts).toEqual({ attempt: 1, machine: "b", pausedUntil: 0, costUsd: 2, sessionId: "x" });
  });

  test("the process of a task is known on its own machine, by what that has noted itself", async () => {
    const [a, b] = [open("a"), open("b")];
    await a.create(run([task("t")]), [], begun);
    const claim = await claimOne(a, "t", "a");
    const [process, place] = [{ pid: 5, start: "6", boot: "7" }, join(tasksDir(sys), "r", "1")];
    mkdirSync(place, { recursive: true });
    await a.heartbeat(claim, leaseMs, { dir: place, turnAt: 1 });
    await a.heartbeat(claim, leaseMs, { process });
    expect([(await rowOf(a, "t"))?.facts.process, (await rowOf(b, "t"))?.facts.process]).toEqual([process, undefined]);
    await a.heartbeat(claim, leaseMs, { turnAt: undefined, process: undefined });
    expect((await rowOf(a, "t"))?.facts.process).toBeUndefined();
    await a.heartbeat(claim, leaseMs, { turnAt: 1, dir: join(place, "other") });
    const link = await openPlainLink(port);
    await link.call("HSET", [
      "csm:run:r:facts",
      "t",
      JSON.stringify({ machine: "a", turnAt: 1, process: { pid: 1, start: "", boot: "" } }),
    ]);
    link.close();
    expect((await rowOf(open("a"), "t"))?.facts.process).toBeUndefined();
  });

  test.each([
    [{ dir: "/etc" }],
    [{ worktree: { root: "/home/me", repository: "/", branch: "x", base: "x" } }],
    [{ sessionId: "claude" }],
    [{ dir: join(tasksDir(sys), "../..") }],
  ])("places that csm has not made are none, whoever wrote them: %j", async (facts) => {
    const a = open("a");
    await a.create(run([task("t")]), [], begun);
    const claim = await claimOne(a, "t", "a");
    await a.pause(claim, facts, { event: "paused", task: "t", text: "" });
    expect((await rowOf(a, "t"))?.facts).toEqual({ machine: "a" });
  });

  test("a task that loses its worker again and again goes to the dead letters, and comes back when somebody says so", async () => {
    const queue = open("a");
    await queue.create(run([task("t"), task("other")]), [], begun);
    const alone = () => ({ ...take("t", "other")(), isAlone: true });
    for (const pid of [1, 2]) {
      expect((await queue.claim("r", worker("a", pid), 1, take("t")))[0]?.isAlone).toBeUndefined();
      await Bun.sleep(5);
    }
    // What may be its last time it has by itself, as others may have ended its workers.
    expect(await queue.claim("r", worker("a", 3), 1, take("t"))).toEqual([]);
    expect(await queue.claim("r", worker("a", 3), 1, alone)).toMatchObject([{ task: "t", isAlone: true }]);
    await Bun.sleep(5);
    expect(await queue.claim("r", worker("a", 4), 1, take("t"))).toEqual([]);
    expect(await rowOf(queue, "t")).toMatchObject({ state: "failed", facts: { isDead: true, reason: "its worker was lost 3 times" } });
    expect((await queue.readEvents("r", 1)).map(({ event }) => event)).toEqual(["failed"]);
    await queue.reset("r", [{ id: "t", state: "pending", facts: { reason: undefined } }]);
    expect((await rowOf(queue, "t"))?.facts.isDead).toBeUndefined();
    expect(await queue.claim("r", worker("a", 5), leaseMs, take("t"))).toHaveLength(1);
  });

  test("a machine knows that its own process is dead, and does not wait for the lease; of others it does", async () => {
    const [a, b] = [open("a"), open("b")];
    await a.create(run([task("t")]), [], begun);
    await claimOne(a, "t", "a");
    expect(await b.claim("r", worker("b"), leaseMs, take("t"))).toEqual([]);
    expect(await a.claim("r", worker("a", 2), leaseMs, take("t"))).toHaveLength(1);
    // The same worker again: an answer was lost, and no worker.
    for (let count = 0; count < 4; count++) expect(await a.claim("r", worker("a", 2), leaseMs, take("t"))).toHaveLength(1);
  });

  test("what the server forgets is put back: who works goes on, who is not known is fenced off, nothing is done again", async () => {
    const [a, b, own] = [open("a"), open("b"), open("own", false)];
    const given = run([task("done"), task("works"), task("late")]);
    await own.create(given, [], begun);
    const done = await claimOne(a, "done", "a");
    await a.finish(done, "succeeded", {}, over("done"), { stdout: "x", result: "x" });
    const works = await claimOne(a, "works", "a");
    const copy = { run: given, rows: await own.readTasks("r"), outputOf: async () => ({ stdout: "x", result: "x" }), lastEvent: 7 };
    const late = await claimOne(b, "late", "b");
    const link = await openPlainLink(port);
    await link.call("FLUSHALL", []);
    expect(await own.readChanges("r")).toBeUndefined();
    // Nothing is lost yet.
    expect(await a.heartbeat(works, leaseMs)).toBe(true);
    const finished = a.finish(works, "succeeded", {}, over("works"));
    expect(await own.putBack(copy)).toBe(3);
    expect(await finished).toBe(true);
    expect(await b.heartbeat(late, leaseMs)).toBe(false);
    const again = await claimOne(a, "late", "a");
    expect(again.fence).toBeGreaterThan(late.fence + 1000);
    expect(await b.finish(late, "succeeded", {}, over("late"))).toBe(false);
    expect(await a.claim("r", worker("a"), leaseMs, take("done"))).toEqual([]);
    expect(await a.readOutput("r", "done")).toEqual({ stdout: "x", result: "x" });
    expect((await own.readEvents("r", 7)).map(({ number, event }) => [number, event])).toEqual([[8, "succeeded"]]);
    // Only what is older there.
    expect(await own.putBack({ ...copy, rows: await own.readTasks("r") })).toBe(0);
    link.close();
  });

  test("the answer of a task that was begun anew is none any more", async () => {
    const queue = open("a");
    await queue.create(run([task("t")]), ["t"], begun);
    await queue.finish(await claimOne(queue, "t", "a"), "succeeded", { hash: "h" }, over("t"), { stdout: "old", result: "old" });
    await queue.reset("r", [{ id: "t", state: "succeeded", facts: { reason: "x" } }]);
    expect(await queue.readOutput("r", "t")).toEqual({ stdout: "old", result: "old" });
    await queue.reset("r", [{ id: "t", state: "pending", facts: { hash: undefined } }]);
    await queue.finish(await claimOne(queue, "t", "a"), "failed", {}, { event: "failed", task: "t", text: "" });
    expect(await queue.readOutput("r", "t")).toBeUndefined();
  });

  test("a run that the server has forgotten and somebody has stopped meanwhile is put back whole", async () => {
    const [giver, other] = [open("giver", false), open("a")];
    await giver.create(run([task("t"), task("u")]), ["t", "u"], begun);
    const rows = await giver.readTasks("r");
    const link = await openPlainLink(port);
    await link.call("FLUSHALL", []);
    link.close();
    await giver.changeRun("r", { stop: "now" });
    expect(await giver.readChanges("r")).toBeUndefined();
    expect(await giver.putBack({ run: run([task("t"), task("u")]), rows, outputOf: async () => undefined, lastEvent: 1 })).toBe(2);
    expect(await other.readRun("r")).toMatchObject({ stop: "now", graph: { tasks: [{ id: "t" }, { id: "u" }] } });
    await giver.changeRun("r", { stop: null });
    expect(claimed(await other.claim("r", worker("a"), leaseMs, take("t", "u")))).toEqual(["t", "u"]);
  });

  test("changes are told once, all of them after the server has forgotten some", async () => {
    const [a, own] = [open("a"), open("own", false)];
    await own.create(run([task("t"), task("u")]), [], begun);
    expect(await own.readChanges("r")).toMatchObject({ isAnew: true, rows: [{ id: "t" }, { id: "u" }] });
    expect(await own.readChanges("r")).toEqual({ isAnew: false, rows: [] });
    await claimOne(a, "u", "a");
    expect(await own.readChanges("r")).toMatchObject({ isAnew: false, rows: [{ id: "u", state: "running" }] });
    const rows = await own.readTasks("r");
    expect(rows.map(({ id }) => id)).toEqual(["t", "u"]);
    const link = await openPlainLink(port);
    await link.call("HSET", ["csm:run:r", "epoch", "another"]);
    link.close();
    expect(await own.readChanges("r")).toMatchObject({ isAnew: true, rows: [{ id: "t" }, { id: "u" }] });
  });

  test("the log of a task is bounded, and tells what it does once", async () => {
    const a = open("a");
    await a.create(run([task("t")]), [], begun);
    const claim = await claimOne(a, "t", "a");
    for (let count = 0; count < 300; count++) {
      await a.heartbeat(claim, leaseMs, { activity: `line ${count} ${"x".repeat(1000)}` });
      await a.heartbeat(claim, leaseMs, { activity: `line ${count} ${"x".repeat(1000)}` });
    }
    const log = await a.readLog("r", "t");
    expect(log.length).toBeGreaterThanOrEqual(100);
    expect(log.length).toBeLessThan(250);
    expect(log.at(-1)).toStartWith("line 299 ");
    expect(new Set(log).size).toBe(log.length);
    expect(Math.max(...log.map(({ length }) => length))).toBeLessThanOrEqual(300);
    await a.removeRun("r");
    const link = await openPlainLink(port);
    expect(await link.call("KEYS", ["csm:run*"])).toEqual([]);
    link.close();
  });

  test("a limit of an account is one on every machine that has the account, a dead login on one", async () => {
    const [a, b, c] = [open("a", true, ["uuid"]), open("b", true, ["uuid"]), open("c", true, ["other"])];
    const at = Date.now();
    const limit = { why: "limit", at, until: at + 60_000, text: "full" } as const;
    expect([await a.block("uuid", limit), await b.block("uuid", limit)]).toEqual([true, false]);
    expect([await b.readBreakers(), await c.readBreakers()]).toEqual([new Map([["uuid", limit]]), new Map()]);
    await b.unblock("uuid");
    await a.block("uuid", { why: "login", at, text: "out" });
    expect([[...(await a.readBreakers()).keys()], (await b.readBreakers()).size]).toEqual([["uuid"], 0]);
    await a.block("uuid", { ...limit, until: at - 1 });
    await a.unblock("uuid");
    expect((await a.readBreakers()).size).toBe(0);
  });

  test("hostile values on the server are none", async () => {
    const a = open("a");
    await a.create(run([task("t")]), [], begun);
    const link = await openPlainLink(port);
    for (const [id, facts] of [
      ["../../x", "{}"],
      ["ok", "[]"],
      ["worse", "{"],
    ] as const) {
      await link.call("HSET", [`csm:run:${id}`, "facts", facts, "epoch", "1"]);
      await link.call("SET", [`csm:run:${id}:graph`, JSON.stringify(graph([task("t", { cwd: "relative" })]))]);
      await link.call("ZADD", ["csm:runs", "1", id]);
    }
    await link.call("SADD", ["csm:machines", "evil"]);
    await link.call("SET", ["csm:worker:evil", JSON.stringify({ v: 1, machine: "a", at: 1, jobs: 1, labels: [], refusals: [] })]);
    await link.call("HSET", ["csm:run:r:facts", "t", '{"sessionId":5}']);
    await link.call("XADD", ["csm:run:r:events", "900-1", "at", "x", "value", "{}"]);
    expect((await open("b").listRuns()).map(({ id }) => id)).toEqual(["r"]);
    expect(await open("b").readMachines()).toEqual([]);
    expect((await open("b").readTasks("r")).map(({ facts }) => facts)).toEqual([{}]);
    expect((await a.readEvents("r", 0)).map(({ number }) => number)).toEqual([1]);
    link.close();
  });

  test("a server that is started anew is found again: who calls meanwhile waits, and has its answer", async () => {
    const a = open("a");
    await a.create(run([task("t")]), [], begun);
    const claim = await claimOne(a, "t", "a");
    redis.kill("SIGTERM");
    await redis.exited;
    const finished = a.finish(claim, "succeeded", {}, over("t"));
    redis = await startPlainRedis(port, dir);
    expect(await finished).toBe(true);
    expect(await rowOf(a, "t")).toMatchObject({ state: "succeeded" });
    expect(a.silentMs()).toBeLessThan(5000);
    // One that never was there is told of at once.
    const nobody = openFleetQueue(sys, {
      ...{ machine: "a", isWorker: true, onLink() {}, accounts: async () => [] },
      open: () => Promise.reject(new Error("nobody")),
    });
    await expect(nobody.listRuns()).rejects.toThrow("nobody");
  });
});
