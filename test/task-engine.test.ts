import { afterAll, expect, setDefaultTimeout, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { noPrint, type Printed } from "../src/claude-print.ts";
import type { LimitSettings } from "../src/limit.ts";
import { createSys, type Sys } from "../src/sys.ts";
import { createEngine, forgetLogins } from "../src/task-engine.ts";
import type { Task, TaskGraph } from "../src/task-graph.ts";
import type { Ending } from "../src/task-outcome.ts";
import type { Run, TaskFacts, TaskQueue } from "../src/task-queue.ts";
import type { Runner, Turn } from "../src/task-runner.ts";
import { openTaskStore } from "../src/task-store.ts";
import { recordUsage } from "../src/usage.ts";

const dir = mkdtempSync(join(tmpdir(), "csm-task-engine-"));
setDefaultTimeout(60_000);
afterAll(() => rmSync(dir, { recursive: true, force: true }));

/** A clock that goes on when everybody waits for it. */
function createClock(start: number) {
  let now = start;
  let waiting: { at: number; wake: () => void }[] = [];
  const sleep = (ms: number) => new Promise<void>((wake) => waiting.push({ at: now + ms, wake }));
  return {
    now: () => now,
    sleep,
    async runUntil(isOver: () => boolean) {
      for (let steps = 0; !isOver(); steps++) {
        if (steps > 20_000) throw new Error("it does not come to an end");
        // Whoever was woken goes on with what takes no time.
        for (let turn = 0; turn < 12; turn++) await new Promise((resolve) => setImmediate(resolve));
        const [next] = waiting.toSorted((a, b) => a.at - b.at);
        if (next === undefined) continue;
        waiting = waiting.filter((one) => one !== next);
        now = Math.max(now, next.at);
        next.wake();
      }
    },
  };
}

interface Spoken {
  /** How long it works. */
  ms: number;
  /** Its answer; absent: it ends without one. */
  text?: string;
  error?: string;
  apiStatus?: number;
  limit?: { window: string; resetsAt?: number };
  costUsd?: number;
  /** Since when it waits for a person, of its time, and until when. */
  asks?: [from: number, until: number];
  /** It does not end when it is asked to. */
  isStubborn?: boolean;
  /** It says what it has to when it is asked to end. */
  isLate?: boolean;
  /** Of the model, as its transcript has it while it works. */
  outputTokens?: number;
}

interface Call {
  task: string;
  account: string;
  at: number;
  session: string;
  isResumed: boolean;
  prompt: string;
  endedAt?: number;
  ends: ("gently" | "now")[];
}

const answerOf = ({ outputTokens = 1 }: Spoken, { session, at }: Call) => ({
  ...{
    type: "assistant",
    sessionId: session,
    uuid: crypto.randomUUID(),
    timestamp: new Date(at).toISOString(),
    requestId: crypto.randomUUID(),
  },
  message: {
    ...{ id: crypto.randomUUID(), role: "assistant", model: "claude-opus-5-5", content: [], stop_reason: "end_turn" },
    usage: { input_tokens: 1, output_tokens: outputTokens },
  },
});

const base = Date.UTC(2026, 0, 5, 12);
const limits: LimitSettings = { policy: "switch", handoffPrompt: "go on", maxHops: 6, cooldownMs: 0 };
let homes = 0;

function openWorld(accounts: readonly string[] = ["main", "spare"]) {
  const home = join(dir, String(homes++));
  mkdirSync(join(home, ".config/claude-as"), { recursive: true, mode: 0o700 });
  const real = createSys({ HOME: home, XDG_STATE_HOME: join(home, "state"), XDG_CONFIG_HOME: join(home, ".config"), CSM_USAGE_ASK: "0" });
  const clock = createClock(base);
  const sys: Sys = { ...real, now: clock.now, sleep: clock.sleep };
  // One of them is the folder that claude has by itself, as with most people.
  const dirOf = (name: string) => join(home, name === "main" ? ".claude" : `.claude.${name}`);
  const login = (name: string, account: string) =>
    writeFileSync(join(name === "main" ? home : dirOf(name), ".claude.json"), JSON.stringify({ oauthAccount: { accountUuid: account } }));
  const writeProfiles = (names: readonly string[]) => {
    for (const name of names) {
      mkdirSync(dirOf(name), { recursive: true });
      login(name, `id-${name}`);
    }
    writeFileSync(
      join(home, ".config/claude-as/profiles.json"),
      JSON.stringify(Object.fromEntries(names.map((name) => [name, dirOf(name)]))),
    );
  };
  writeProfiles(accounts);
  const calls: Call[] = [];
  /** What is answered to the n-th call of a task, from 0. */
  const speak: { of(task: string, turn: Turn, count: number): Spoken } = { of: () => ({ ms: 1000, text: "Done." }) };
  let pids = 100_000_000;
  const all = new Map<number, Call>();
  const running = new Map<
    number,
    { call: Call; spoken: Spoken; ask: (how: "gently" | "now") => void; ended: Promise<Ending["cause"] | undefined> }
  >();
  const runner: Runner = {
    async start(turn) {
      if (!(await turn.mayBegin())) return undefined;
      const call: Call = {
        ...{
          task: turn.task.id,
          account: turn.seat.name,
          at: clock.now(),
          session: turn.sessionId,
          isResumed: turn.isResumed,
          prompt: turn.prompt,
        },
        ends: [],
      };
      const count = calls.filter(({ task }) => task === call.task).length;
      calls.push(call);
      const spoken = speak.of(call.task, turn, count);
      // As claude does: what was asked can be resumed.
      const projects = join(turn.seat.dir, "projects", turn.cwd.replace(/[^A-Za-z0-9]/g, "-"));
      mkdirSync(projects, { recursive: true });
      writeFileSync(
        join(projects, `${turn.sessionId}.jsonl`),
        [{ type: "user", sessionId: turn.sessionId, cwd: turn.cwd }, answerOf(spoken, call)]
          .map((line) => `${JSON.stringify(line)}\n`)
          .join(""),
      );
      const pid = pids++;
      let ask = (_: "gently" | "now") => {};
      const asked = new Promise<"asked">((resolve) => {
        ask = (how) => {
          if (how === "now" || spoken.isStubborn !== true) resolve("asked");
        };
      });
      const ended = Promise.race([asked, clock.sleep(spoken.ms)]).then((how) => {
        call.endedAt = clock.now();
        return how === "asked" ? ("stop" as const) : undefined;
      });
      all.set(pid, call);
      running.set(pid, { call, spoken, ended, ask });
      return { pid, start: "1", boot: "boot" };
    },
    async watch(claude, _, { onPrint, wantsEnd }) {
      const one = running.get(claude.pid);
      if (one === undefined) throw new Error("unknown");
      const { spoken } = one;
      if (spoken.asks !== undefined) {
        const [from, until] = spoken.asks;
        void clock.sleep(from).then(() => onPrint({ ...noPrint, activity: "waits for you" }, true));
        void clock.sleep(until).then(() => onPrint({ ...noPrint, activity: "works" }, false));
      }
      const wasAsked = (await one.ended) !== undefined;
      running.delete(claude.pid);
      const isError = spoken.error !== undefined || spoken.limit !== undefined;
      const result = {
        isError,
        subtype: "success",
        text: spoken.error ?? spoken.text ?? "",
        deniedTools: [],
        turns: 1,
        stopReason: "end_turn",
      };
      const hasSaid = (!wasAsked || spoken.isLate === true) && (isError || spoken.text !== undefined);
      const printed: Printed = {
        ...noPrint,
        ...{ costUsd: spoken.costUsd ?? 0, tokens: 10, ...(spoken.limit && !wasAsked ? { limit: spoken.limit } : {}) },
        ...(hasSaid ? { result: { ...result, ...(spoken.apiStatus === undefined ? {} : { apiStatus: spoken.apiStatus }) } } : {}),
      };
      return { printed, ending: { cause: wantsEnd() ?? "itself", exitCode: 1, errors: "" } };
    },
    async end(claude, how) {
      all.get(claude.pid)?.ends.push(how);
      running.get(claude.pid)?.ask(how);
    },
    isOver: async ({ pid }) => !running.has(pid),
    find: async () => undefined,
  };
  const queue = openTaskStore(sys);
  const begin = async (
    tasks: readonly Task[],
    more: Partial<TaskGraph> = {},
    given: Partial<LimitSettings> = {},
    on: TaskQueue = queue,
  ) => {
    const graph: TaskGraph = { file: "/night.json", tasks, jobs: 4, maxTasks: 100, ...more };
    const run: Run = { id: `run-${homes}-${calls.length}-${Math.random()}`, graph, isInteractive: false, startedAt: clock.now() };
    await queue.create(
      run,
      tasks.map(({ id }) => id),
      { event: "run", text: "begun" },
    );
    const engine = createEngine({ sys, queue: on, run, limits: { ...limits, ...given }, runner, onStep: () => {} });
    let isOver = false;
    const done = engine.work().finally(() => {
      isOver = true;
    });
    return {
      run,
      engine,
      isOver: () => isOver,
      async rows() {
        return Object.fromEntries((await queue.readTasks(run.id)).map((row) => [row.id, row]));
      },
      events: () => queue.readEvents(run.id, 0),
      async finish() {
        await clock.runUntil(() => isOver);
        await done;
        return Object.fromEntries(
          (await queue.readTasks(run.id)).map(({ id, state, facts }) => [
            id,
            facts.reason === undefined ? state : `${state}: ${facts.reason}`,
          ]),
        );
      },
    };
  };
  return {
    home,
    sys,
    clock,
    calls,
    speak,
    queue,
    runner,
    begin,
    writeProfiles,
    dirOf,
    login,
    asked: (id: string) => calls.filter(({ task }) => task === id),
  };
}

const task = (id: string, more: Partial<Task> = {}): Task => ({
  ...{ id, name: id, matrix: {}, cwd: dir, prompt: [id], dependsOn: [], condition: { kind: "success" }, conditionText: "success" },
  ...{ profile: "auto", retries: 0, isWorktree: false, env: {}, line: 1 },
  ...more,
});
const seconds = (call: Call | undefined) => call && (call.at - base) / 1000;

test("a task that has no answer in time is told to end, then ended, and tried again as often as its policy says", async () => {
  const { begin, speak, asked } = openWorld();
  speak.of = (id, _, count) =>
    id === "slow" && count === 1 ? { ms: 1000, text: "in time" } : { ms: 3_600_000, isStubborn: id === "stubborn" };
  const { finish, rows } = await begin([
    task("slow", { timeoutMs: 60_000, retries: 1 }),
    task("never", { timeoutMs: 60_000, retries: 2 }),
    task("stubborn", { timeoutMs: 60_000 }),
  ]);
  expect(await finish()).toEqual({ slow: "succeeded", never: "failed: no answer within 1m", stubborn: "failed: no answer within 1m" });
  expect([asked("slow").length, asked("never").length, asked("stubborn").length]).toEqual([2, 3, 1]);
  expect(asked("stubborn")[0]?.ends).toEqual(["gently", "now", "now"]);
  // Each attempt has a conversation of its own.
  expect(new Set(asked("never").map(({ session }) => session)).size).toBe(3);
  expect((await rows()).never?.facts.attempt).toBe(3);
  // What it has left in the background is ended before the next one begins.
  expect(asked("slow").map(({ ends }) => ends)).toEqual([["gently", "now"], []]);
});

test("an answer that misses its schema as the time is over is asked for once more, with a time of its own", async () => {
  const { begin, speak, asked } = openWorld();
  speak.of = () => ({ ms: 3_600_000, text: "no JSON", isLate: true });
  const { finish } = await begin([task("a", { timeoutMs: 60_000, outputs: { type: "object" } })]);
  expect(await finish()).toEqual({ a: "failed: its answer is no JSON" });
  expect(asked("a").map(seconds)).toEqual([0, 60]);
  expect(asked("a").map(({ isResumed }) => isResumed)).toEqual([false, true]);
});

test("while a person is asked the time of a task stands still, and its run waits", async () => {
  const { begin, speak, clock } = openWorld();
  speak.of = () => ({ ms: 250_000, text: "Done.", asks: [10_000, 249_000] });
  const { finish, rows } = await begin([task("a", { timeoutMs: 60_000 })]);
  await clock.runUntil(() => clock.now() > base + 150_000);
  expect((await rows()).a).toMatchObject({ state: "running", facts: { needsPerson: true } });
  expect(await finish()).toEqual({ a: "succeeded" });
  expect((await rows()).a?.facts.needsPerson).toBeUndefined();
});

test("a task that has spent its budget is ended, and not tried again", async () => {
  const { begin, speak, asked } = openWorld();
  // 25 $ a million: it has cost 2.50 $.
  speak.of = (id) => ({ ms: 40_000, outputTokens: id === "dear" ? 100_000 : 1, costUsd: 2.5, text: "Done." });
  const { finish } = await begin([task("dear", { budgetUsd: 2, retries: 3 }), task("cheap", { budgetUsd: 3 })]);
  expect(await finish()).toEqual({ dear: "failed: its budget of 2 $ is spent", cheap: "succeeded" });
  expect([asked("dear").length, asked("dear")[0]?.ends[0]]).toEqual([1, "gently"]);
  expect(((asked("dear")[0]?.endedAt ?? 0) - base) / 1000).toBeLessThan(10);
});

test("a run that has spent its budget ends what runs and cancels the rest; a task alone may spend what is left", async () => {
  const { begin, speak, calls } = openWorld();
  speak.of = (id) =>
    id === "a" ? { ms: 1000, costUsd: 2, text: "Done." } : { ms: 60_000, outputTokens: 60_000, costUsd: 1.5, text: "Done." };
  const { finish, events } = await begin(
    [task("a"), task("b", { dependsOn: ["a"] }), task("c", { dependsOn: ["a"] }), task("d", { dependsOn: ["b"] })],
    { budgetUsd: 3 },
  );
  const cancelled = "cancelled: the budget of 3 $ is spent";
  expect(await finish()).toEqual({ a: "succeeded", b: cancelled, c: cancelled, d: cancelled });
  expect(calls.map(({ task: id }) => id)).toEqual(["a", "b", "c"]);
  expect((await events()).filter(({ event }) => event === "cancelled").length).toBe(3);
});

test("a share of the week: nothing more begins on an account that has used it, others go on, and what is left is cancelled", async () => {
  const { begin, speak, sys, dirOf, calls } = openWorld();
  const week = (name: string, usedPercent: number) =>
    recordUsage(
      sys,
      dirOf(name),
      { seven_day: { usedPercent, resetsAt: base + 5 * 86_400_000 }, five_hour: { usedPercent: 1, resetsAt: base + 3_600_000 } },
      "statusline",
      sys.now(),
    );
  week("main", 20);
  week("spare", 40);
  const used: Record<string, number> = { main: 20, spare: 40 };
  speak.of = (_, { seat }) => {
    used[seat.name] = (used[seat.name] ?? 0) + 3;
    week(seat.name, used[seat.name] ?? 0);
    return { ms: 10_000, text: "Done." };
  };
  const ids = Array.from({ length: 9 }, (_, index) => `t${index}`);
  const { finish } = await begin(
    ids.map((id) => task(id)),
    { budgetPercent: 5, jobs: 1 },
  );
  const ended = await finish();
  const count = (name: string) => calls.filter(({ account }) => account === name).length;
  expect([count("main"), count("spare")]).toEqual([2, 2]);
  expect(Object.values(ended).filter((word) => word === "succeeded").length).toBe(4);
  expect(Object.values(ended).filter((word) => word === "cancelled: budget_percent of the week is spent").length).toBe(5);
});

test("of a group one works at a time, through its retries and while it is paused", async () => {
  const { begin, speak, asked } = openWorld(["main"]);
  const resetsAt = base + 300_000;
  speak.of = (id, _, count) => {
    if (id === "a" && count === 0) return { ms: 5000, error: "no luck" };
    if (id === "b" && count === 0) return { ms: 5000, limit: { window: "five_hour", resetsAt } };
    return { ms: 5000, text: "Done." };
  };
  const { finish } = await begin([
    task("a", { concurrency: "db", retries: 1 }),
    task("b", { concurrency: "db" }),
    task("c", { concurrency: "db" }),
    task("free"),
  ]);
  expect(await finish()).toEqual({ a: "succeeded", b: "succeeded", c: "succeeded", free: "succeeded" });
  const [a, b, c] = ["a", "b", "c"].map((id) => asked(id));
  expect([a?.length, b?.length, c?.length]).toEqual([2, 2, 1]);
  expect(b?.[0]?.at ?? 0).toBeGreaterThanOrEqual(a?.[1]?.endedAt ?? Number.POSITIVE_INFINITY);
  expect(b?.[1]).toMatchObject({ isResumed: true, session: b?.[0]?.session ?? "" });
  expect(b?.[1]?.at ?? 0).toBeGreaterThan(resetsAt);
  expect(c?.[0]?.at ?? 0).toBeGreaterThanOrEqual(b?.[1]?.endedAt ?? Number.POSITIVE_INFINITY);
});

test.each<[what: string, add: (world: ReturnType<typeof openWorld>) => void]>([
  ["a profile that somebody adds", ({ writeProfiles }) => writeProfiles(["main", "spare"])],
  ["another login in its own profile", ({ login }) => login("main", "id-of-somebody-else")],
])("a task that waits takes the room that comes before its time: %s", async (_, add) => {
  const world = openWorld(["main"]);
  const { begin, speak, asked, clock } = world;
  const resetsAt = base + 1_800_000;
  speak.of = (__, ___, count) => (count === 0 ? { ms: 1000, limit: { window: "five_hour", resetsAt } } : { ms: 1000, text: "Done." });
  const { finish, rows } = await begin([task("a")]);
  await clock.runUntil(() => clock.now() > base + 120_000);
  expect((await rows()).a).toMatchObject({ state: "paused", facts: { pausedUntil: resetsAt + 5000 } });
  add(world);
  expect(await finish()).toEqual({ a: "succeeded" });
  const [first, second] = asked("a");
  expect([second?.isResumed, second?.session]).toEqual([true, first?.session as string]);
  expect(seconds(second)).toBeLessThan(140);
});

test("a task that waits moves when the window of another account resets; one that has named its account stays", async () => {
  const { begin, speak, asked, sys, dirOf } = openWorld();
  const [soon, late] = [base + 120_000, base + 400_000];
  recordUsage(sys, dirOf("spare"), { five_hour: { usedPercent: 100, resetsAt: soon } }, "statusline", base);
  speak.of = (_, { seat }, count) =>
    count === 0 && seat.name === "main" ? { ms: 1000, limit: { window: "five_hour", resetsAt: late } } : { ms: 1000, text: "Done." };
  const { finish } = await begin([task("any"), task("own", { profile: "main" })]);
  expect(await finish()).toEqual({ any: "succeeded", own: "succeeded" });
  expect(asked("any").map(({ account }) => account)).toEqual(["main", "spare"]);
  expect(asked("any")[1]).toMatchObject({ isResumed: true, prompt: "go on", session: asked("any")[0]?.session });
  expect(seconds(asked("any")[1])).toBeGreaterThanOrEqual(120);
  expect(seconds(asked("any")[1])).toBeLessThan(130);
  expect(asked("own").map(({ account }) => account)).toEqual(["main", "main"]);
  expect(seconds(asked("own")[1])).toBeGreaterThanOrEqual(400);
});

test("a policy of waiting waits, and one of stopping ends the run with what it has left open", async () => {
  for (const policy of ["wait", "ask", "stop"] as const) {
    const { begin, speak, asked } = openWorld();
    const resetsAt = base + 100_000;
    speak.of = (_, __, count) => (count === 0 ? { ms: 1000, limit: { window: "seven_day", resetsAt } } : { ms: 1000, text: "Done." });
    const { finish } = await begin([task("a")], {}, { policy });
    if (policy === "stop") expect(await finish()).toEqual({ a: "paused: main is at its usage limit (seven_day); the policy is stop" });
    else expect([await finish(), asked("a").map(({ account }) => account)]).toEqual([{ a: "succeeded" }, ["main", "main"]]);
  }
});

test("two runs at once: the limit that one meets holds in both, and the other account's tasks go on", async () => {
  const { begin, speak, calls, clock } = openWorld();
  const resetsAt = base + 200_000;
  let limitedAt = Number.POSITIVE_INFINITY;
  speak.of = (id, { seat }) => {
    if (seat.name === "main" && clock.now() < resetsAt && (limitedAt < clock.now() || calls.length > 6)) {
      limitedAt = Math.min(limitedAt, clock.now() + 2000);
      return { ms: 2000, limit: { window: "five_hour", resetsAt } };
    }
    return { ms: 20_000 + id.length, text: "Done." };
  };
  const of = (run: string) =>
    Array.from({ length: 12 }, (_, index) => task(`${run}${index}`, { profile: index % 2 === 0 ? "main" : "spare" }));
  const [one, two] = [await begin(of("one"), { jobs: 8 }), await begin(of("two"), { jobs: 8 })];
  const ended = { ...(await one.finish()), ...(await two.finish()) };
  expect([...new Set(Object.values(ended))]).toEqual(["succeeded"]);
  expect(calls.filter(({ account, at }) => account === "main" && at > limitedAt && at < resetsAt)).toEqual([]);
  const others = calls.filter(({ account }) => account === "spare");
  expect([others.length, others.every(({ at }) => at < base + 120_000)]).toEqual([12, true]);
  // Told once, in whichever run has met it.
  const notes = [...(await one.events()), ...(await two.events())].filter(({ text }) =>
    text.includes("main is at its usage limit (five_hour); it resets"),
  );
  expect(notes.length).toBe(1);
});

test("a limit that is met between the choice and the start holds the task back before anything is asked", async () => {
  const { begin, calls, queue, clock, speak } = openWorld(["main"]);
  const until = base + 60_000;
  let looks = 0;
  // Another run of this machine meets it while this one gets ready.
  const raced: TaskQueue = {
    ...queue,
    async readBreakers() {
      if (++looks === 2)
        await queue.block("id-main", { why: "limit", at: clock.now(), until, text: "main is at its usage limit (five_hour)" });
      return queue.readBreakers();
    },
  };
  speak.of = () => ({ ms: 1000, text: "Done." });
  const { finish, events } = await begin([task("a")], {}, {}, raced);
  expect(await finish()).toEqual({ a: "succeeded" });
  expect([calls.length, Math.floor((seconds(calls[0]) ?? 0) / 10)]).toEqual([1, 6]);
  expect((await events()).map(({ event }) => event)).toEqual(["run", "paused", "started", "succeeded"]);
});

test("a dead login holds the tasks of its account with one message, until somebody has logged in", async () => {
  const { begin, speak, clock, dirOf, calls, asked } = openWorld();
  let isDead = true;
  speak.of = (_, { seat }) =>
    isDead && seat.name === "spare" ? { ms: 1000, error: "expired", apiStatus: 401 } : { ms: 1000, text: "Done." };
  const tasks = ["a", "b", "c", "d"].map((id) => task(id, { profile: "spare" }));
  const { finish, events, rows } = await begin([...tasks, task("other", { profile: "main" })], { jobs: 2 });
  await clock.runUntil(() => clock.now() > base + 60_000);
  expect((await rows()).a).toMatchObject({ state: "paused", facts: { needsPerson: true } });
  expect([calls.length, asked("other").length]).toEqual([3, 1]);
  isDead = false;
  // The clock of the files is the machine's own.
  const { utimesSync } = await import("node:fs");
  writeFileSync(join(dirOf("spare"), ".credentials.json"), "{}");
  utimesSync(join(dirOf("spare"), ".credentials.json"), new Date(clock.now()), new Date(clock.now()));
  expect(new Set(Object.values(await finish()))).toEqual(new Set(["succeeded"]));
  expect((await events()).filter(({ text }) => text.includes("logged out")).length).toBe(1);
});

test("a profile that goes while tasks wait: who has named it is cancelled, the others and the run go on", async () => {
  const { begin, speak, writeProfiles, clock } = openWorld();
  speak.of = () => ({ ms: 60_000, text: "Done." });
  const { finish } = await begin([task("a"), task("b", { profile: "spare", dependsOn: ["a"] }), task("c", { dependsOn: ["a"] })]);
  await clock.runUntil(() => clock.now() > base + 10_000);
  writeProfiles(["main"]);
  expect(await finish()).toEqual({ a: "succeeded", b: 'cancelled: there is no profile "spare" any more', c: "succeeded" });
});

test("stopped: gently each is told once and ended when it does not listen; what is paused goes on later", async () => {
  const { begin, speak, clock, asked, calls } = openWorld();
  speak.of = (id) => ({ ms: 3_600_000, isStubborn: id === "stubborn" });
  const { finish, engine } = await begin([task("soft"), task("stubborn"), task("later", { dependsOn: ["soft"] })]);
  await clock.runUntil(() => clock.now() > base + 5000);
  await engine.stop("gently");
  expect(await finish()).toEqual({ soft: "paused: stopped", stubborn: "paused: stopped", later: "pending" });
  expect([asked("soft")[0]?.ends, asked("stubborn")[0]?.ends]).toEqual([
    ["gently", "now"],
    ["gently", "now", "now"],
  ]);
  expect(calls.length).toBe(2);
});

test("one that cannot be started has failed, and is tried as often as its policy says", async () => {
  const { begin, speak } = openWorld();
  const { UserError } = await import("../src/errors.ts");
  let tries = 0;
  speak.of = () => {
    tries++;
    throw new UserError("claude was not found", "install it");
  };
  const { finish } = await begin([task("a", { retries: 2 })]);
  expect([await finish(), tries]).toEqual([{ a: "failed: claude was not found; install it" }, 3]);
});

/** As a worker that is gone has left it. */
function leftBy(queue: TaskQueue, facts: TaskFacts): TaskQueue {
  let isLeft = false;
  return {
    ...queue,
    async attend(run, worker, leaseMs) {
      await queue.attend(run, worker, leaseMs);
      if (isLeft) return;
      isLeft = true;
      const [claim] = await queue.claim(run, { ...worker, pid: 99_999_999 }, 1, () => ({ start: ["a"], skip: [] }));
      if (claim !== undefined) await queue.heartbeat(claim, 1, facts);
    },
  };
}

const left: TaskFacts = {
  ...{ attempt: 1, sessionId: "5f0f3f0e-0000-4000-8000-000000000000", dir: "/gone", account: "main" },
  ...{ turnAt: base - 3_600_000, process: { pid: 4711, start: "1", boot: "boot" } },
};

test("a claim that is lost just before the start: nothing is asked", async () => {
  const { begin, calls, queue, runner } = openWorld(["main"]);
  const { start } = runner;
  runner.start = async (turn) => {
    // It was away for longer than its lease.
    await queue.reset(turn.run, [{ id: "a", state: "cancelled" }]);
    return start(turn);
  };
  const { finish, events } = await begin([task("a")]);
  expect([await finish(), calls.length, (await events()).map(({ event }) => event)]).toEqual([{ a: "cancelled" }, 0, ["run"]]);
});

test("a claim that is lost while its claude starts: that claude is ended", async () => {
  const { begin, calls, queue } = openWorld(["main"]);
  const lost: TaskQueue = {
    ...queue,
    async heartbeat(claim, leaseMs, facts) {
      if (facts?.process !== undefined) await queue.reset(claim.run, [{ id: "a", state: "cancelled" }]);
      return queue.heartbeat(claim, leaseMs, facts);
    },
  };
  const { finish } = await begin([task("a")], {}, {}, lost);
  expect([await finish(), calls.map(({ ends }) => ends)]).toEqual([{ a: "cancelled" }, [["now"]]]);
});

test("one that is stopped just before the start is stopped, and not held", async () => {
  const { begin, calls, queue, runner, clock } = openWorld(["main"]);
  const { start } = runner;
  let stop = async () => {};
  runner.start = async (turn) => {
    await stop();
    return start(turn);
  };
  const { finish, engine, run } = await begin([task("a")]);
  stop = async () => {
    await queue.changeRun(run.id, { stop: "gently" });
    engine.end("gently");
  };
  expect([await finish(), calls.length, clock.now() < base + 10_000]).toEqual([{ a: "paused: stopped" }, 0, true]);
});

test("what had ended with its csm long ago goes on, and has not taken too long", async () => {
  const { begin, runner, queue, clock, asked } = openWorld(["main"]);
  const { watch } = runner;
  runner.watch = async (claude, turn, watcher) => {
    if (claude.pid !== 4711) return watch(claude, turn, watcher);
    await clock.sleep(5000);
    return { printed: noPrint, ending: { cause: watcher.wantsEnd() ?? "gone", errors: "" } };
  };
  const { finish } = await begin([task("a", { timeoutMs: 60_000 })], {}, {}, leftBy(queue, left));
  expect([await finish(), asked("a").length]).toEqual([{ a: "succeeded" }, 1]);
});

test("a run whose budget is spent ends what was left of it, and is over", async () => {
  const { begin, runner, queue, clock } = openWorld(["main"]);
  const ends: string[] = [];
  let wake = () => {};
  const ended = new Promise<void>((resolve) => {
    wake = resolve;
  });
  runner.isOver = async () => false;
  runner.end = async (_, how) => {
    ends.push(how);
    wake();
  };
  runner.watch = async (_, __, { wantsEnd }) => {
    await Promise.race([ended, clock.sleep(3_600_000)]);
    return { printed: { ...noPrint, costUsd: 3 }, ending: { cause: wantsEnd() ?? "itself", errors: "" } };
  };
  const on = leftBy(queue, { ...left, turnAt: base, costUsd: 3, costBefore: { usd: 0, tokens: 0 } });
  const { finish } = await begin([task("a"), task("b")], { budgetUsd: 2 }, {}, on);
  const spent = "cancelled: the budget of 2 $ is spent";
  expect(await finish()).toEqual({ a: spent, b: spent });
  expect([ends[0], clock.now() < base + 60_000]).toEqual(["gently", true]);
});

test("a share of the week holds in the week that begins while it runs", async () => {
  const { begin, speak, sys, dirOf, calls } = openWorld(["main"]);
  const week = (usedPercent: number) =>
    recordUsage(sys, dirOf("main"), { seven_day: { usedPercent, resetsAt: sys.now() + 5 * 86_400_000 } }, "statusline", sys.now());
  week(90);
  const uses = [0, 3, 6, 9, 12, 15];
  speak.of = () => {
    week(uses[calls.length - 1] ?? 20);
    return { ms: 10_000, text: "Done." };
  };
  const { finish } = await begin(
    Array.from({ length: 6 }, (_, index) => task(`t${index}`)),
    { budgetPercent: 5, jobs: 1 },
  );
  expect(Object.values(await finish()).filter((state) => state === "succeeded").length).toBe(3);
});

test("a limit that names no time is waited out by the task that has met it too", async () => {
  const { begin, speak, asked, clock } = openWorld(["main"]);
  speak.of = (_, __, count) => (count === 0 ? { ms: 1000, limit: { window: "five_hour" } } : { ms: 1000, text: "Done." });
  const { rows } = await begin([task("a")], {}, { policy: "wait" });
  await clock.runUntil(() => clock.now() > base + 10_000);
  const { facts, state } = (await rows()).a ?? {};
  expect([state, (facts?.pausedUntil ?? 0) >= base + 5 * 3_600_000, asked("a").length]).toEqual(["paused", true, 1]);
});

test("of several folders of one account a login in any mends it, and whoever begins may have mended it elsewhere", async () => {
  const { queue, clock, login, dirOf, begin } = openWorld();
  login("spare", "id-main");
  const breaker = { why: "login", at: clock.now(), text: "main is logged out" } as const;
  await queue.block("id-main", breaker);
  const path = join(dirOf("spare"), ".credentials.json");
  const { utimesSync } = await import("node:fs");
  writeFileSync(path, "{}");
  utimesSync(path, new Date(clock.now() + 5000), new Date(clock.now() + 5000));
  const { finish } = await begin([task("a")]);
  expect(await finish()).toEqual({ a: "succeeded" });
  await queue.block("id-main", breaker);
  await queue.block("other", { why: "limit", at: clock.now(), until: clock.now() + 60_000, text: "full" });
  await forgetLogins(queue);
  expect([...(await queue.readBreakers()).keys()]).toEqual(["other"]);
});
