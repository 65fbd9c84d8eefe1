import { duration } from "./format.ts";
import type { Limit, LimitSettings } from "./limit.ts";
import { accountNotice, readAccount } from "./notice-hook.ts";
import { readProcess } from "./process.ts";
import type { Sys } from "./sys.ts";
import { decideWay, isMended, mayMove, openSeats, type PaidSeat, type Seats } from "./task-accounts.ts";
import { isOver, type TaskState } from "./task-condition.ts";
import { anyProfile } from "./task-expand.ts";
import { decideNext, type Task, type TaskGraph } from "./task-graph.ts";
import type { Breaker, Choice, Run, TaskQueue, TaskRow, Worker } from "./task-queue.ts";
import type { Runner } from "./task-runner.ts";
import { type Crew, leaseMs, startWork, type Work } from "./task-work.ts";

interface EngineOptions {
  sys: Sys;
  queue: TaskQueue;
  run: Run;
  limits: LimitSettings;
  runner: Runner;
  /** After each step, for who shows it. */
  onStep(): Promise<void> | void;
  /** Of a machine of the fleet, which takes what it can. */
  post?: Post;
}

/** Where a worker of the fleet stands. */
export interface Post {
  worker: Worker;
  /** May this one do it? Asked of what is not over. */
  takes(task: Task, row: TaskRow): boolean;
  /** So many more at once, of all runs. */
  room: { all: number; free: number };
  /** It goes: nothing new is started, and what runs is left to others. */
  isLeaving(): boolean;
}

export interface Engine {
  /** Until all is over, or the run is stopped, or nothing can go on by itself. */
  work(): Promise<void>;
  /** As if somebody had said so from elsewhere. */
  stop(how: "gently" | "now"): Promise<void>;
  /** What runs here, and no more: the run goes on elsewhere. */
  end(how: "gently" | "now"): void;
}

const busyTickMs = 2000;
/** Nothing runs: the next look is for who stops it, and for what resets. */
const idleTickMs = 3000;
const attendMs = 20_000;

/** This process, as others can tell whether it lives. */
export async function readWorker(sys: Sys): Promise<Worker> {
  return { host: sys.hostname(), pid: sys.pid, start: (await readProcess(sys, sys.pid))?.start ?? "" };
}

export async function isAlive(sys: Sys, worker: Worker, host = sys.hostname()): Promise<boolean> {
  return worker.host !== host || (await readProcess(sys, worker.pid))?.start === worker.start;
}

/** Tells that this process works on a run, before it does anything. */
export async function attendRun(sys: Sys, queue: TaskQueue, run: string, known?: Worker): Promise<Worker> {
  const worker = known ?? (await readWorker(sys));
  await queue.attend(run, worker, leaseMs);
  return worker;
}

/** Works on a run, beside other workers of the same run if there are. */
export function createEngine(options: EngineOptions): Engine {
  const { sys, queue, run, onStep } = options;
  const { graph } = run;
  const seats = openSeats(sys);
  const tasks = new Map(graph.tasks.map((task) => [task.id, task]));
  const works = new Map<string, Work & { fence: number }>();
  let wake = () => {};
  let rows: TaskRow[] = [];
  let breakers: ReadonlyMap<string, Breaker> = new Map();
  let spentWeeks: ReadonlySet<string> = new Set();
  let movedAt = Number.NEGATIVE_INFINITY;
  const crew: Crew = {
    ...{ sys, queue, run, seats, runner: options.runner, limits: options.limits },
    leftUsd: () => leftUsd(graph, rows),
    isBlocked: ({ account }) => breakers.has(account) || spentWeeks.has(account),
    tellAccount: (cause, seat, text, limit) => tellAccount(options, cause, seat, text, limit),
  };
  const room = options.post?.room ?? { all: Number.MAX_SAFE_INTEGER, free: Number.MAX_SAFE_INTEGER };
  const tick = () => {
    const now = sys.now();
    for (const work of works.values()) work.tick(now);
  };
  const begin = async (worker: Worker, { seatOf, whyNever }: Placing) => {
    const stale = await findStale(sys, await queue.readTasks(run.id), works, worker);
    let chosen: Choice = { start: [], skip: [] };
    let before: TaskRow[] = [];
    // Nobody else takes the same room meanwhile.
    const most = room.free;
    room.free = 0;
    const claims = await queue
      .claim(run.id, worker, leaseMs, (now) => {
        before = now;
        chosen = choose(graph, now, { stale, seatOf, whyNever, isSpent: (leftUsd(graph, now) ?? 1) <= 0 });
        return { ...chosen, most, isAlone: most === room.all };
      })
      .finally(() => {
        room.free += most;
      });
    for (const claim of claims) {
      const [task, row, seat] = [tasks.get(claim.task), before.find(({ id }) => id === claim.task), seatOf(claim.task)];
      if (task === undefined || row === undefined || seat === undefined) continue;
      if (row.facts.account !== undefined && row.facts.account !== seat.name) movedAt = sys.now();
      const work = startWork(crew, claim, task, row, seat);
      works.set(claim.task, { ...work, fence: claim.fence });
      const taken = claim.isAlone === true ? room.all : 1;
      room.free -= taken;
      void work.done.then(() => {
        works.delete(claim.task);
        room.free += taken;
        wake();
      });
    }
    return claims.length + chosen.skip.length;
  };
  const stop = async (how: "gently" | "now") => {
    await queue.changeRun(run.id, { stop: how });
    wake();
  };
  const end: Engine["end"] = (how) => {
    for (const work of works.values()) work.end(how);
    wake();
  };
  return {
    stop,
    end,
    async work() {
      const worker = options.post?.worker ?? (await readWorker(sys));
      let attendedAt = 0;
      for (;;) {
        const woken = new Promise<void>((resolve) => {
          wake = resolve;
        });
        if (sys.now() - attendedAt >= attendMs) {
          await attendRun(sys, queue, run.id, worker);
          attendedAt = sys.now();
        }
        const { stop: wanted, weeks }: Pick<Run, "stop" | "weeks"> = (await queue.readRun(run.id)) ?? { stop: "now" };
        for (const work of works.values()) if (wanted !== undefined) work.end(wanted);
        rows = await queue.readTasks(run.id);
        for (const work of works.values()) if (hasLost(work, rows, worker)) work.end("now");
        breakers = await readBreakers(sys, queue, seats);
        spentWeeks = await findSpentWeeks(options, seats, weeks);
        const isMoving = sys.now() - movedAt >= options.limits.cooldownMs;
        const isLeaving = options.post?.isLeaving() === true;
        const looked = { rows: rows.filter((row) => mayTake(options.post, tasks, row)), breakers, spentWeeks, isMoving };
        const found = wanted === undefined && !isLeaving ? await findSeats(crew, looked, options.post) : undefined;
        const begun = found === undefined ? 0 : await begin(worker, found);
        await onStep();
        if (begun > 0) continue;
        rows = await queue.readTasks(run.id);
        if (works.size === 0 && (isLeaving || isAtEnd(rows, wanted !== undefined))) break;
        tick();
        await Promise.race([woken, sys.sleep(nextLookMs(sys, works.size, rows))]);
      }
      await queue.attend(run.id, worker, 0);
    },
  };
}

interface Placing {
  /** Of a task that may start: where. */
  seatOf(id: string): PaidSeat | undefined;
  /** Of those that no waiting would help. */
  whyNever: ReadonlyMap<string, string>;
}

/** When nothing changes it is looked at again. */
function nextLookMs(sys: Sys, running: number, rows: readonly TaskRow[]): number {
  if (running > 0) return busyTickMs;
  const dues = rows.flatMap(({ state, facts }) => (state === "paused" && facts.pausedUntil !== undefined ? [facts.pausedUntil] : []));
  return Math.max(50, Math.min(idleTickMs, ...dues.map((due) => due - sys.now()).filter((ms) => ms > 0)));
}

/** Nothing more becomes of the rest by itself: its policy is to stop, or somebody has stopped the run. */
function isAtEnd(rows: readonly TaskRow[], isStopped: boolean): boolean {
  if (isStopped) return rows.every(({ state }) => state !== "running");
  if (rows.some(({ state }) => state === "running")) return false;
  const open = rows.filter(({ state }) => !isOver(state));
  return open.every(({ state, facts }) => state === "pending" || (facts.pausedUntil === undefined && facts.needsPerson !== true))
    ? open.length === 0 || open.some(({ state }) => state === "paused")
    : false;
}

const mayTake = (post: Post | undefined, tasks: ReadonlyMap<string, Task>, row: TaskRow): boolean => {
  const task = tasks.get(row.id);
  return post === undefined || isOver(row.state) || (task !== undefined && post.takes(task, row));
};

/** Tasks that nobody works on any more, though they are `running`; each with its fence, as somebody else may have it a moment later. */
async function findStale(
  sys: Sys,
  rows: readonly TaskRow[],
  works: ReadonlyMap<string, unknown>,
  self: Worker,
): Promise<Map<string, number>> {
  const stale = new Map<string, number>();
  for (const { id, state, fence, worker, leaseUntil = 0 } of rows) {
    if (state !== "running" || works.has(id) || worker === undefined) continue;
    // What this one has and does not know of was given to it by an answer that did not arrive.
    if (leaseUntil < sys.now() || isSame(worker, self) || !(await isAlive(sys, worker, self.host))) stale.set(id, fence);
  }
  return stale;
}

const isSame = (one: Worker, other: Worker): boolean => one.host === other.host && one.pid === other.pid && one.start === other.start;

/** Another machine has it by now, or nobody: what goes on here would be done twice. Whoever has it on this one goes on with its claude. */
function hasLost({ task, fence }: Work & { fence: number }, rows: readonly TaskRow[], { host }: Worker): boolean {
  const row = rows.find(({ id }) => id === task);
  return row !== undefined && row.fence !== fence && row.worker?.host !== host;
}

/** Of a run that nobody works on: ends what its workers have left, of all or of some, so that it can go on later. */
export async function endLeft(
  queue: TaskQueue,
  run: Run,
  runner: Runner,
  how: "gently" | "now",
  isMeant: (task: string) => boolean = () => true,
): Promise<void> {
  const rows = (await queue.readTasks(run.id)).filter(({ id, state }) => state === "running" && isMeant(id));
  await Promise.all(
    rows.map(async ({ id, facts }) => {
      const { sessionId = "", dir = "", configDir = "", account = "" } = facts;
      const claude = facts.process ?? (await runner.find({ sessionId, dir }));
      if (claude === undefined) return;
      const turn = { sessionId, dir, seat: { name: account, dir: configDir } };
      await runner.end(claude, how, turn);
      await runner.isOver(claude, graceMs);
      await runner.end(claude, "now", turn);
      await queue.note(run.id, { event: "paused", task: id, text: "stopped; csm tasks resume goes on" });
    }),
  );
  // What it has said is read by who goes on with it.
  const stopped = { reason: "stopped", pausedUntil: undefined };
  await queue.reset(
    run.id,
    rows.map(({ id }) => ({ id, state: "paused", facts: stopped })),
  );
}

const graceMs = 10_000;

interface Situation extends Placing {
  stale: ReadonlyMap<string, number>;
  isSpent: boolean;
}

/** Pure: what is claimed, and what is over without having run. */
function choose(graph: TaskGraph, rows: readonly TaskRow[], { stale, seatOf, whyNever, isSpent }: Situation): Choice {
  const states = new Map(rows.map((row): [string, TaskRow] => [row.id, row]));
  const isStale = (id: string): boolean => states.get(id)?.state === "running" && stale.get(id) === states.get(id)?.fence;
  const stateOf = (id: string): TaskState => (isStale(id) ? "paused" : (states.get(id)?.state ?? "pending"));
  const isDue = ({ id }: Task): boolean => {
    const row = states.get(id);
    if (isStale(id) || row === undefined || row.state === "pending") return true;
    // One that waits for a time waits for its account: there may be room before that.
    return row.facts.pausedUntil !== undefined || row.facts.needsPerson === true;
  };
  // What somebody has left spends on until it is taken over, and ended.
  const next = decideNext(graph, stateOf, (task) => (!isSpent || isStale(task.id)) && isDue(task) && seatOf(task.id) !== undefined);
  const skip = next.skip.map(({ task, why }) => ({ id: task.id, why, state: "skipped" as const }));
  const cancel = rows.flatMap(({ id, state }) => {
    const why = isSpent ? `the budget of ${graph.budgetUsd} $ is spent` : whyNever.get(id);
    const isOpen = !isStale(id) && (state === "pending" || state === "paused");
    return why === undefined || !isOpen ? [] : [{ id, why, state: "cancelled" as const }];
  });
  return { start: next.start.map(({ id }) => id), skip: isSpent ? cancel : [...skip, ...cancel] };
}

function leftUsd({ budgetUsd }: TaskGraph, rows: readonly TaskRow[]): number | undefined {
  return budgetUsd === undefined ? undefined : budgetUsd - rows.reduce((sum, { facts }) => sum + (facts.costUsd ?? 0), 0);
}

/** Those that a person has mended meanwhile are gone. */
async function readBreakers(sys: Sys, queue: TaskQueue, seats: Seats): Promise<Map<string, Breaker>> {
  const all = await queue.readBreakers();
  for (const [account, breaker] of all) {
    const known = breaker.why === "login" ? await seats.ofAccount(account) : [];
    if (!known.some((seat) => isMended(sys, seat, breaker))) continue;
    await queue.unblock(account);
    all.delete(account);
  }
  return all;
}

/** Whoever begins something may have mended a login where no file tells: in the keychain, or in the environment. */
export async function forgetLogins(queue: Pick<TaskQueue, "readBreakers" | "unblock">): Promise<void> {
  for (const [account, { why }] of await queue.readBreakers()) if (why === "login") await queue.unblock(account);
}

/** Accounts of whose week the run has used what it may. */
async function findSpentWeeks({ queue, run }: EngineOptions, seats: Seats, known: Run["weeks"] = {}): Promise<Set<string>> {
  const { budgetPercent } = run.graph;
  if (budgetPercent === undefined) return new Set();
  const now = await seats.weeks();
  // A week that has begun anew is counted from there.
  const lowest = Object.entries(now).map(([account, percent]): [string, number] => [account, Math.min(percent, known[account] ?? percent)]);
  const before: Record<string, number> = { ...known, ...Object.fromEntries(lowest) };
  if (lowest.some(([account, percent]) => percent !== known[account])) await queue.changeRun(run.id, { weeks: before });
  return new Set(
    Object.entries(now).flatMap(([account, percent]) => (percent - (before[account] ?? percent) >= budgetPercent ? [account] : [])),
  );
}

interface Looked {
  rows: readonly TaskRow[];
  breakers: ReadonlyMap<string, Breaker>;
  /** Accounts of whose week the run has used what it may. */
  spentWeeks: ReadonlySet<string>;
  /** A conversation may leave its account now. */
  isMoving: boolean;
}

/** Asked before the claim, which is one step of the database. */
async function findSeats(crew: Crew, looked: Looked, post: Post | undefined): Promise<Placing> {
  const rows = new Map(looked.rows.map((row): [string, TaskRow] => [row.id, row]));
  const found = new Map<string, PaidSeat | undefined>();
  const whyNever = new Map<string, string>();
  const placing = createPlacing(crew, looked);
  for (const task of crew.run.graph.tasks) {
    const row = rows.get(task.id);
    if (row === undefined || isOver(row.state)) continue;
    const isBegun = row.state !== "pending" && row.facts.account !== undefined;
    const seat = isBegun ? await placing.ofConversation(task, row) : await placing.ofNew(task);
    found.set(task.id, seat);
    const why =
      seat === undefined && row.state !== "running" ? await placing.whyNever(task, isBegun ? row.facts.account : undefined) : undefined;
    if (why !== undefined) whyNever.set(task.id, why);
  }
  // What no waiting would help here, another machine may do.
  return { seatOf: (id) => found.get(id), whyNever: post === undefined ? whyNever : new Map() };
}

/** Each question is asked once in a look, however many tasks have it. */
function createPlacing({ seats, limits, isBlocked, sys }: Crew, { breakers, spentWeeks, isMoving }: Looked) {
  const known = new Map<string, Promise<unknown>>();
  const once = <T>(key: string, ask: () => Promise<T>): Promise<T> => {
    const asked = (known.get(key) as Promise<T> | undefined) ?? ask();
    known.set(key, asked);
    return asked;
  };
  let hasMoved = false;
  const own = (name: string, dir = "") => once(`=${name}`, async () => (await seats.find(name)) ?? seats.paid({ name, dir }));
  return {
    ofNew: ({ profile, model }: Task) => once(`${profile} ${model ?? ""}`, () => seats.choose(profile, model, (seat) => !isBlocked(seat))),
    /** A conversation stays where it lies while it can go on there, and one that still runs, whoever watched it, in any case. */
    async ofConversation(task: Task, { state, facts }: TaskRow): Promise<PaidSeat | undefined> {
      const from = await own(facts.account ?? "", facts.configDir);
      if (state === "running" || facts.turnAt !== undefined || !isBlocked(from)) return from;
      const breaker = breakers.get(from.account);
      const isWaiting = breaker?.why !== "login" && facts.pausedUntil !== undefined;
      if (!isWaiting || !mayMove(task, limits) || !isMoving || (hasMoved && limits.cooldownMs > 0)) return undefined;
      const room = () => once(`>${from.name} ${task.model ?? ""}`, () => seats.others(from.name, task.model, (seat) => !isBlocked(seat)));
      if ((await room()).length === 0) return undefined;
      const limit: Limit = { at: breaker?.at ?? sys.now(), window: "unknown", isSelfContinuing: false };
      const way = await decideWay({ sys, limits }, task, { sessionId: facts.sessionId, limit }, room);
      if (way.do !== "move" || way.delayMs > 0) return undefined;
      hasMoved = true;
      return way.to;
    },
    /** Of one that has no seat now. */
    async whyNever({ profile, model }: Task, account: string | undefined): Promise<string | undefined> {
      const name = account ?? profile;
      const isNamed = name !== anyProfile;
      const named = isNamed ? await once(`?${name}`, () => seats.find(name)) : undefined;
      if (isNamed && account === undefined && named === undefined) return `there is no profile ${JSON.stringify(name)} any more`;
      if (spentWeeks.size === 0) return undefined;
      const isUnspent = (seat: PaidSeat) => !spentWeeks.has(seat.account);
      if (named !== undefined && isUnspent(named)) return undefined;
      const choose = (isUsable: (seat: PaidSeat) => boolean) =>
        once(`!${isUsable === isUnspent} ${profile} ${model ?? ""}`, () => seats.choose(profile, model, isUsable));
      const [other, any] = [await choose(isUnspent), await choose(() => true)];
      return other === undefined && any !== undefined ? "budget_percent of the week is spent" : undefined;
    },
  };
}

/** Once for all that meet the same. */
async function tellAccount({ sys, queue, run }: EngineOptions, cause: "limit" | "login", seat: PaidSeat, text: string, limit?: Limit) {
  const reset = limit?.resetsAt === undefined ? "" : `; it resets in ${duration(limit.resetsAt - sys.now())}`;
  await queue.note(run.id, { event: "note", account: seat.name, text: `${text}${reset}` });
  const { raiseNotice, readNotify } = await import("./notice-spool.ts");
  const settings = await readNotify(sys);
  if (settings === undefined) return;
  const said = accountNotice({
    cause,
    now: sys.now(),
    ...(await readAccount(sys, seat.dir)),
    name: seat.name,
    ...(limit && { limit }),
    wayOn: `csm tasks status ${run.id}`,
  });
  await raiseNotice(sys, settings, { cause, at: sys.now(), profile: seat.name, ...said });
}
