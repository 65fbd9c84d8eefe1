import { afterAll, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createPaint } from "../src/format.ts";
import { tasksDbPath } from "../src/paths.ts";
import { type LiveSession, renderSessions } from "../src/session.ts";
import { createSys } from "../src/sys.ts";
import type { TaskGraph } from "../src/task-graph.ts";
import type { FactChange, Worker } from "../src/task-queue.ts";
import { openTaskSessions } from "../src/task-sessions.ts";
import { openTaskStore } from "../src/task-store.ts";
import { blocked, session, testNow } from "./sessions.ts";

const dir = mkdtempSync(join(tmpdir(), "csm-task-sessions-"));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

let count = 0;
function createPlace() {
  const home = join(dir, String(count++));
  mkdirSync(home, { mode: 0o700 });
  return createSys({ HOME: home, XDG_STATE_HOME: join(home, "state") });
}
const worker: Worker = { host: "here", pid: 1, start: "1" };
const begun = { event: "run", text: "begun" } as const;

async function addRun(queue: ReturnType<typeof openTaskStore>, id: string, names: string[], startedAt: number, facts: FactChange[]) {
  const graph = { file: "/night.json", tasks: names.map((name) => ({ id: name })), jobs: 2, maxTasks: 10 } as unknown as TaskGraph;
  await queue.create({ id, graph, isInteractive: false, startedAt }, names, begun);
  const claims = await queue.claim(id, worker, 60_000, () => ({ start: names.slice(0, facts.length), skip: [] }));
  for (const [index, claim] of claims.entries()) await queue.heartbeat(claim, 60_000, facts[index]);
  return claims;
}

const a = session("a", { status: "working" }, { sessionId: "id-a", pid: 1 });
const b = session("b", { status: "working" }, { sessionId: "id-b", pid: 2 });
const cleared = session("c", { status: "working" }, { sessionId: "another", pid: 3 });
const other = session("d", { status: "working" }, { sessionId: "id-d", pid: 4 });
const tasksOf = (sessions: LiveSession[]) => sessions.map(({ task }) => task);

test("a session is of a run by its conversation, or by its process where a person has cleared that; never by its folder", async () => {
  const sys = createPlace();
  const known = openTaskSessions(sys);
  expect(known.mark([a])).toEqual([]);
  const queue = openTaskStore(sys);
  await queue.attend("night", worker, 60_000);
  const claims = await addRun(queue, "night", ["x", "y", "z", "rest"], 2, [
    { sessionId: "id-a", cwd: other.cwd },
    { sessionId: "id-c", process: { pid: 3, start: "1", boot: "" }, account: "work" },
    {},
  ]);
  await addRun(queue, "older", ["x"], 1, [{ sessionId: "id-b" }]);
  const look = () => [a, b, cleared, other].map((one) => ({ ...one }));
  const first = look();
  const night = { run: "night", total: 4, over: 0, failed: 0, paused: 0, held: 0, isWorkedOn: true };
  expect(known.mark(first)).toEqual([{ ...night, run: "older", total: 1, isWorkedOn: false }, night]);
  expect(tasksOf(first)).toEqual([{ run: "night", id: "x" }, { run: "older", id: "x" }, { run: "night", id: "y" }, undefined]);
  const [x, y, z] = claims as [(typeof claims)[0], (typeof claims)[0], (typeof claims)[0]];
  await queue.finish(x, "failed", {}, { event: "failed", text: "" });
  await queue.pause(y, { process: undefined }, { event: "paused", text: "" });
  await queue.pause(z, { needsPerson: true }, { event: "paused", text: "" });
  const second = look();
  expect(known.mark(second)[1]).toEqual({ ...night, over: 1, failed: 1, paused: 2, held: 1 });
  expect(tasksOf(second)[2]).toBeUndefined();
  await queue.attend("night", worker, 0);
  await queue.changeRun("older", { endedAt: 5 });
  const third = look();
  expect(known.mark(third).map(({ run, isWorkedOn }) => [run, isWorkedOn])).toEqual([["night", false]]);
  expect(tasksOf(third)[1]).toBeUndefined();
  queue.close();
  known.close();
});

test("a database that cannot be read takes nothing from a list, and one that was put aside is not read on", async () => {
  const sys = createPlace();
  const known = openTaskSessions(sys);
  const queue = openTaskStore(sys);
  await addRun(queue, "night", ["x"], 1, [{ sessionId: "id-a" }]);
  expect(known.mark([{ ...a }])).toHaveLength(1);
  queue.close();
  for (const suffix of ["", "-wal", "-shm"]) rmSync(tasksDbPath(sys) + suffix, { force: true });
  expect(known.mark([{ ...a }])).toEqual([]);
  writeFileSync(tasksDbPath(sys), "no database");
  expect(known.mark([{ ...a }])).toEqual([]);
  known.close();
});

test("csm ls has those of a run below its name, behind all others", () => {
  const run = { run: "night-3f2a", total: 8, over: 3, failed: 1, paused: 0, held: 0, isWorkedOn: true };
  const task = (one: LiveSession): LiveSession => ({ ...one, task: { run: "night-3f2a", id: one.name } });
  const table = { now: testNow, home: "/home/dev", paint: createPaint(false) };
  const lines = (sessions: LiveSession[], columns: number, runs = [run]) =>
    renderSessions(sessions, { ...table, columns, runs }).map((line) => line.trimEnd().slice(0, 46));
  expect(lines([task(blocked("build", "ls")), other, task(a)], 90)).toEqual([
    "NAME   STATE      SINCE   CWD      MODEL     S",
    "d      thinking   5s      ~/d      opus-5-5  0".replace("0", "i"),
    "",
    "night-3f2a, 3 of 8 over, 1 failed, 1 waits for",
    "build  asks Bash  2m 10s  ~/build  opus-5-5  0",
    "a      thinking   5s      ~/a      opus-5-5  i",
  ]);
  expect(lines([other], 30, [{ ...run, run: "a-run-with-a-long-name-of-its-own-1234" }]).at(-1)).toBe("a-run-with-a-long-name-of-its…");
  expect(lines([], 40)).toEqual(["", "night-3f2a, 3 of 8 over, 1 failed"]);
});
