import { join } from "node:path";
import { UserError } from "./errors.ts";
import { shareConversation } from "./handoff.ts";
import { openJournal } from "./journal.ts";
import { present } from "./json.ts";
import { type Limit, type LimitSettings, renderHandoff } from "./limit.ts";
import { findTranscript, tasksDir } from "./paths.ts";
import type { Sys } from "./sys.ts";
import { decideWay, type PaidSeat, type Seats } from "./task-accounts.ts";
import type { Task } from "./task-graph.ts";
import { afterLimitPrompt, decideOutcome, type Ending, goOnPrompt, type Outcome, retryDelayMs, schemaPrompt } from "./task-outcome.ts";
import {
  type Claim,
  type FactChange,
  type NewEvent,
  type Run,
  renderInput,
  type TaskFacts,
  type TaskQueue,
  type TaskRow,
} from "./task-queue.ts";
import { costOf, hasBegun, type Runner, type TaskProcess, type Turn } from "./task-runner.ts";
import type { TaskOutput } from "./task-template.ts";
import { placeTask } from "./task-worktree.ts";

/** What all tasks of a run share. */
export interface Crew {
  sys: Sys;
  queue: TaskQueue;
  run: Run;
  runner: Runner;
  seats: Seats;
  limits: LimitSettings;
  /** What the run may still spend, as the last look had it; absent without a bound. */
  leftUsd(): number | undefined;
  /** Nothing may be started on it, as the last look had it. */
  isBlocked(seat: PaidSeat): boolean;
  tellAccount(cause: "limit" | "login", seat: PaidSeat, text: string, limit?: Limit): Promise<void>;
}

export interface Work {
  task: string;
  done: Promise<void>;
  end(how: "gently" | "now"): void;
  /** To be called every second or so: deadlines, and the lease. */
  tick(now: number): void;
}

export const leaseMs = 60_000;
const beatMs = 15_000;
const activityMs = 2000;

interface Job {
  crew: Crew;
  claim: Claim;
  task: Task;
  facts: TaskFacts;
  seat: PaidSeat;
  cause: Ending["cause"] | undefined;
  how: "gently" | "now" | undefined;
  current: { claude: TaskProcess; turn: Turn } | undefined;
  /** Epoch ms. */
  deadlineAt: number | undefined;
  /** Since when it waits for a person: that time is not its own. */
  askingAt: number | undefined;
  beatAt: number;
  countedAt: number;
}

/** Works on a task that was claimed until there is no more to be done for it now. Never rejects. */
export function startWork(crew: Crew, claim: Claim, task: Task, row: TaskRow, seat: PaidSeat): Work {
  const untold = { cause: undefined, how: undefined, current: undefined, deadlineAt: undefined, askingAt: undefined };
  const now = crew.sys.now();
  const job: Job = { ...{ crew, claim, task, seat }, ...untold, facts: { ...row.facts }, beatAt: now, countedAt: now };
  const end = (cause: Ending["cause"], how: "gently" | "now") => {
    if (job.how === "now" || job.how === how) return;
    job.cause ??= cause;
    job.how = how;
    job.deadlineAt = crew.sys.now() + graceMs;
    if (job.current !== undefined) void crew.runner.end(job.current.claude, how, job.current.turn);
  };
  return {
    task: task.id,
    done: work(job),
    end: (how) => end("stop", how),
    tick(at) {
      if (at - job.beatAt >= beatMs) void note(job, {});
      if (isOverBudget(job, at)) end("budget", "gently");
      const isHeldUp = job.askingAt !== undefined && job.how === undefined;
      if (job.deadlineAt !== undefined && !isHeldUp && at >= job.deadlineAt) end("timeout", job.how === undefined ? "gently" : "now");
    },
  };
}

const graceMs = 10_000;
const countMs = 5000;

/** claude is told its bound where it knows one, but not what others spend meanwhile; and it says what it has cost only at its end. */
function isOverBudget(job: Job, at: number): boolean {
  const bound = job.current?.turn.budgetUsd;
  if (bound === undefined || job.current === undefined || at - job.countedAt < countMs) return false;
  job.countedAt = at;
  const { costUsd, tokens } = costOf(job.crew.sys, job.current.turn);
  if (costUsd > 0) void note(job, spent(job, costUsd, tokens));
  return costUsd >= bound || (job.crew.leftUsd() ?? 1) <= 0;
}

async function work(job: Job): Promise<void> {
  try {
    await workThrough(job);
  } catch (error) {
    // Whatever it is, a task that stays `running` would never be told of.
    await fail(job, error instanceof UserError ? reasonOf(error) : String(error));
  }
}

interface Input {
  prompt: string;
  isQuoted: boolean;
  cwd: string;
  hash: string;
}

async function workThrough(job: Job): Promise<void> {
  const { crew, task, claim } = job;
  const input = await readInput(job);
  if (job.facts.hash === input.hash) {
    await crew.queue.finish(claim, "succeeded", {}, { event: "kept", task: task.id, text: "nothing of it has changed since it succeeded" });
    return;
  }
  const facts = { attempt: job.facts.attempt ?? 1, startedAt: job.facts.startedAt ?? crew.sys.now(), cwd: input.cwd };
  if (!(await note(job, { ...facts, pausedUntil: undefined, reason: undefined, needsPerson: undefined }))) return;
  const left = await findLeft(job, input);
  if (left === undefined) await moveIn(job, input.cwd);
  let turn: Turn | undefined = left?.turn ?? (await planTurn(job, input));
  let claude = left?.claude;
  while (turn !== undefined) {
    const ended = await runTurn(job, turn, claude);
    if (ended === undefined) return;
    claude = undefined;
    turn = await conclude(job, input, ended.outcome);
  }
}

async function readInput(job: Job): Promise<Input> {
  const { crew, task, claim, facts } = job;
  const { prompt, hash } = await renderInput(crew.queue, claim.run, task);
  if (prompt.trim() === "") throw new UserError("its prompt is empty");
  const [first] = task.prompt;
  const isOwnWord = typeof first === "string" && first.trim() !== "";
  // A place is made only for what is not done yet.
  const cwd = facts.hash === hash ? task.cwd : await placeOf(job);
  return { prompt, isQuoted: !isOwnWord && prompt.trimStart().startsWith("/"), cwd, hash };
}

async function placeOf(job: Job): Promise<string> {
  const { crew, task, claim, facts } = job;
  if (!task.isWorktree) {
    if (!crew.sys.isDirectory(task.cwd)) throw new UserError(`no folder ${task.cwd}`);
    return crew.sys.realPath(task.cwd) ?? task.cwd;
  }
  const place = await placeTask(crew.sys, claim.run, task, facts.worktree);
  await note(job, { worktree: place.worktree });
  return place.cwd;
}

/** What a worker that is gone has left: a claude that still runs, or what it has said. */
async function findLeft({ crew, facts, ...job }: Job, { cwd }: Input) {
  const { sessionId, dir } = facts;
  if (sessionId === undefined || dir === undefined || facts.turnAt === undefined) return undefined;
  const claude = facts.process ?? (await crew.runner.find({ sessionId, dir }));
  if (claude === undefined) return undefined;
  const turn: Turn = {
    task: job.task,
    run: job.claim.run,
    seat: job.seat,
    cwd,
    sessionId,
    isResumed: true,
    prompt: "",
    dir,
    spentBefore: facts.sessionBefore ?? noCost,
    mayBegin: async () => false,
    ...present({ budgetUsd: boundOf({ crew, task: job.task, facts }) }),
  };
  return { claude, turn };
}

/** A conversation that lies in another seat comes with it. */
async function moveIn(job: Job, cwd: string): Promise<void> {
  const { crew, facts, seat } = job;
  const { sessionId, configDir, account: from = "" } = facts;
  if (sessionId === undefined || configDir === undefined || configDir === seat.dir) return;
  if (!hasBegun(crew.sys, configDir, sessionId, cwd)) return;
  const path = findTranscript(crew.sys, { configDir }, { sessionId, cwd });
  if (path === undefined) return;
  await shareConversation(crew.sys, path, configDir, seat.dir);
  openJournal(crew.sys).append({ at: crew.sys.now(), event: "switch", session: sessionId, cwd, from, to: seat.name });
  const prompt = renderHandoff(crew.limits.handoffPrompt, { from, to: seat.name, sessionId, hop: 1 });
  await note(job, { account: seat.name, configDir: seat.dir, nextPrompt: prompt ?? goOnPrompt });
}

/** What may still be spent: by the task, and by the run. */
function boundOf({ crew, task, facts }: Pick<Job, "crew" | "task" | "facts">): number | undefined {
  const own = task.budgetUsd === undefined ? undefined : task.budgetUsd - (facts.costUsd ?? 0);
  const bounds = [own, crew.leftUsd()].filter((bound) => bound !== undefined);
  return bounds.length === 0 ? undefined : Math.min(...bounds);
}

/** The next turn of its conversation, where it has one; undefined where nothing may be spent on it any more, which it then says. */
async function planTurn(job: Job, input: Input): Promise<Turn | undefined> {
  const { crew, task, claim, facts, seat } = job;
  const isBegun = facts.sessionId !== undefined && hasBegun(crew.sys, seat.dir, facts.sessionId, input.cwd);
  const budgetUsd = boundOf(job);
  if (budgetUsd !== undefined && budgetUsd <= 0) {
    await endSpent(job);
    return undefined;
  }
  return {
    ...{ task, run: claim.run, seat, cwd: input.cwd },
    // An id is used once: claude refuses one that it has written anything for.
    sessionId: isBegun && facts.sessionId !== undefined ? facts.sessionId : crew.sys.randomId(),
    isResumed: isBegun,
    prompt: isBegun ? (facts.nextPrompt ?? goOnPrompt) : input.prompt,
    isQuoted: !isBegun && input.isQuoted,
    spentBefore: noCost,
    dir: join(tasksDir(crew.sys), claim.run, String(claim.fence).padStart(4, "0"), crew.sys.randomId().slice(0, 8)),
    mayBegin: () => mayBegin(job, isBegun),
    ...present({ budgetUsd }),
  };
}

/** Asked at the last moment: another run may have met the limit of the account while this one got ready. */
async function mayBegin(job: Job, isResumed: boolean): Promise<boolean> {
  const { crew, claim, task, seat } = job;
  if ((await crew.queue.readBreakers()).has(seat.account)) return false;
  // Whoever was away for longer than its lease may have it no more.
  if (job.how !== undefined || !(await note(job, {}))) return false;
  await crew.queue.note(claim.run, {
    event: isResumed ? "resumed" : "started",
    task: task.id,
    account: seat.name,
    text: isResumed ? `goes on in its conversation on ${seat.name}` : `starts on ${seat.name}`,
  });
  return true;
}

/** The account has met its limit, or lost its login, before anything was asked. */
interface Held {
  kind: "held";
}

const stopped: Outcome = { kind: "cut", reason: "it was stopped" };

/** Undefined where somebody else has the task by now. */
async function runTurn(job: Job, turn: Turn, left: TaskProcess | undefined): Promise<{ outcome: Outcome | Held } | undefined> {
  const { crew, task, facts, seat } = job;
  const { sys, runner } = crew;
  // What ended the turn before this one.
  if (job.cause !== "stop") [job.cause, job.how] = [undefined, undefined];
  if (left === undefined) {
    if (job.how !== undefined) return { outcome: stopped };
    const costBefore = { usd: facts.costUsd ?? 0, tokens: facts.tokens ?? 0 };
    const before = facts.costBefore ?? noCost;
    const inSession = facts.sessionBefore ?? noCost;
    const sessionBefore =
      turn.sessionId === facts.sessionId
        ? { usd: inSession.usd + costBefore.usd - before.usd, tokens: inSession.tokens + costBefore.tokens - before.tokens }
        : noCost;
    turn.spentBefore = sessionBefore;
    const begun = {
      sessionBefore,
      sessionId: turn.sessionId,
      account: seat.name,
      configDir: seat.dir,
      dir: turn.dir,
      turnAt: sys.now(),
      costBefore,
    };
    if (!(await note(job, { ...begun, ...nothingLeft }))) return undefined;
  }
  const claude = left ?? (await startTurn(runner, turn));
  if (claude === undefined) return (await note(job, {})) ? { outcome: job.how === undefined ? { kind: "held" } : stopped } : undefined;
  if ("kind" in claude) return { outcome: claude };
  job.current = { claude, turn };
  // Nobody else knows of one that was just started.
  if (!(await note(job, { process: claude }))) return left === undefined ? void (await runner.end(claude, "now", turn)) : undefined;
  if (job.how !== undefined) await runner.end(claude, job.how, turn);
  // One that has ended while nobody was there was not too slow.
  else if (task.timeoutMs !== undefined && (left === undefined || !(await runner.isOver(left, 0))))
    job.deadlineAt = (facts.turnAt ?? sys.now()) + task.timeoutMs;
  const { printed, ending } = await runner.watch(claude, turn, {
    onPrint: ({ activity, costUsd, tokens }, isAsking = false) => {
      if (isAsking !== (job.askingAt !== undefined)) noteAsking(job, isAsking, activity);
      else if (sys.now() - job.beatAt >= activityMs)
        void note(job, { ...(costUsd > 0 ? spent(job, costUsd, tokens) : {}), ...present({ activity }) });
    },
    wantsEnd: () => job.cause,
  });
  job.current = undefined;
  job.deadlineAt = undefined;
  job.askingAt = undefined;
  // Before the next turn, or anybody else's: what it has started in the background would work on beside them.
  if (job.how !== undefined) await runner.end(claude, "now", turn);
  if (Object.keys(printed.windows).length > 0) await recordWindows(crew, seat, printed.windows);
  const outcome = decideOutcome(printed, ending, task);
  const denied = printed.result?.deniedTools.length ?? 0;
  // Its process stays noted until what becomes of it is: whoever takes over reads the same again.
  const said = { ...spent(job, printed.costUsd, printed.tokens), ...(denied === 0 ? {} : { denied }) };
  return (await note(job, said)) ? { outcome } : undefined;
}

/** One that cannot be started has failed, as others have. */
async function startTurn(runner: Runner, turn: Turn): Promise<TaskProcess | Extract<Outcome, { kind: "failed" }> | undefined> {
  try {
    return await runner.start(turn);
  } catch (error) {
    if (error instanceof UserError) return { kind: "failed", reason: reasonOf(error) };
    throw error;
  }
}

const reasonOf = ({ message, hint }: UserError): string => [message, hint].filter(Boolean).join("; ");

/** From here on, until it says otherwise, a person has to answer it. */
function noteAsking(job: Job, isAsking: boolean, activity: string | undefined): void {
  const now = job.crew.sys.now();
  if (job.askingAt !== undefined && job.deadlineAt !== undefined) job.deadlineAt += now - job.askingAt;
  job.askingAt = isAsking ? now : undefined;
  void note(job, { needsPerson: isAsking ? true : undefined, ...present({ activity }) });
}

const nothingLeft = { process: undefined, activity: undefined, needsPerson: undefined };
const isConcluded = { ...nothingLeft, turnAt: undefined };

const noCost = { usd: 0, tokens: 0 };

const spent = ({ facts: { costBefore = noCost } }: Job, costUsd: number, tokens: number) => ({
  costUsd: costBefore.usd + costUsd,
  tokens: costBefore.tokens + tokens,
});

async function recordWindows({ sys }: Crew, seat: PaidSeat, windows: Parameters<typeof import("./usage.ts").recordUsage>[2]) {
  (await import("./usage.ts")).recordUsage(sys, seat.dir, windows, "statusline");
}

/** The next turn; undefined where there is none now. */
async function conclude(job: Job, input: Input, outcome: Outcome | Held): Promise<Turn | undefined> {
  switch (outcome.kind) {
    case "succeeded": {
      const { outputs } = job.task;
      const miss = outputs && (await import("./task-answer.ts")).findMiss(outputs, outcome.output.json);
      if (miss !== undefined) return conclude(job, input, { kind: "missed", reason: miss });
      await succeed(job, input, outcome.output);
      return undefined;
    }
    case "missed":
      if (job.facts.isAskedAgain === true) return retry(job, input, { kind: "failed", reason: outcome.reason });
      await note(job, { ...isConcluded, isAskedAgain: true, nextPrompt: schemaPrompt(job.task.outputs ?? {}, outcome.reason) });
      await crew(job).note(job.claim.run, { event: "note", task: job.task.id, text: `asked once more: ${outcome.reason}` });
      return planTurn(job, input);
    case "failed":
      if (job.cause === "budget" || outcome.isOverBudget === true) {
        await endSpent(job);
        return undefined;
      }
      return retry(job, input, outcome);
    case "limited":
      await meetLimit(job, input, outcome);
      return undefined;
    case "held":
      await hold(job, input);
      return undefined;
    case "logged out":
      await holdForLogin(job, outcome.reason);
      return undefined;
    case "cut":
      if (job.cause === "stop") {
        await pause(job, { reason: "stopped" }, { event: "paused", text: "stopped; csm tasks resume goes on" });
        return undefined;
      }
      // Its csm was killed, and it with it or soon after.
      await crew(job).note(job.claim.run, { event: "note", task: job.task.id, text: outcome.reason });
      return planTurn(job, input);
  }
}

const crew = (job: Job): TaskQueue => job.crew.queue;

async function succeed(job: Job, { hash }: Input, output: TaskOutput): Promise<void> {
  const { claim, task, facts } = job;
  const denied = facts.denied ?? 0;
  const text = `succeeded${denied === 0 ? "" : `; ${denied} calls of tools were not allowed`}`;
  const event: NewEvent = { event: "succeeded", task: task.id, text, ...present({ cost_usd: facts.costUsd, account: facts.account }) };
  await crew(job).finish(claim, "succeeded", { ...isConcluded, hash, endedAt: job.crew.sys.now(), reason: undefined }, event, output);
}

async function fail(job: Job, reason: string): Promise<void> {
  const { claim, task, facts } = job;
  const event: NewEvent = { event: "failed", task: task.id, text: reason, ...present({ cost_usd: facts.costUsd, account: facts.account }) };
  await crew(job).finish(claim, "failed", { ...isConcluded, endedAt: job.crew.sys.now(), reason }, event);
}

/** The task's own budget is its failure; the run's is nobody's. */
async function endSpent(job: Job): Promise<void> {
  const { claim, task, facts } = job;
  const { budgetUsd } = job.crew.run.graph;
  if (task.budgetUsd !== undefined && (budgetUsd === undefined || (facts.costUsd ?? 0) >= task.budgetUsd))
    return fail(job, `its budget of ${task.budgetUsd} $ is spent`);
  const reason = `the budget of ${budgetUsd} $ is spent`;
  const event: NewEvent = { event: "cancelled", task: task.id, text: reason, ...present({ cost_usd: facts.costUsd }) };
  await crew(job).finish(claim, "cancelled", { ...isConcluded, endedAt: job.crew.sys.now(), reason }, event);
}

/** A new conversation with the same prompt, as often as the task says. */
async function retry(job: Job, input: Input, { reason, isSpent }: Outcome & { kind: "failed" }): Promise<Turn | undefined> {
  const { task, facts, claim } = job;
  const attempt = facts.attempt ?? 1;
  if (isSpent === true || attempt > task.retries) {
    await fail(job, reason);
    return undefined;
  }
  const text = `attempt ${attempt} of ${task.retries + 1} failed: ${reason}`;
  await crew(job).note(claim.run, { event: "retried", task: task.id, text });
  const fresh = { sessionId: undefined, isAskedAgain: undefined, nextPrompt: undefined, denied: undefined };
  await note(job, { ...isConcluded, ...fresh, attempt: attempt + 1 });
  await job.crew.sys.sleep(retryDelayMs(attempt));
  return planTurn(job, input);
}

/** Whoever asks in the second of the reset may be told the same once more. */
const marginMs = 5000;
const unknownMs = 5 * 3_600_000;

async function meetLimit(job: Job, input: Input, { window, resetsAt }: Outcome & { kind: "limited" }): Promise<void> {
  const { crew, seat, facts } = job;
  const { sys, queue } = crew;
  const now = sys.now();
  const limit: Limit = { at: now, window, isSelfContinuing: false, ...present({ resetsAt }) };
  (await import("./usage.ts")).recordLimit(sys, seat.dir, window, resetsAt, now);
  const until = (resetsAt ?? now + unknownMs) + marginMs;
  const text = `${seat.name} is at its usage limit (${window})`;
  const isNew = await queue.block(seat.account, { why: "limit", at: now, until, text });
  const entry = { at: now, session: facts.sessionId ?? "", cwd: input.cwd, from: seat.name, ...present({ resets_at: resetsAt }) };
  openJournal(sys).append({ ...entry, event: "limit", window });
  if (isNew) await crew.tellAccount("limit", seat, text, limit);
  // Nobody knows when: it is tried when those are that the breaker holds.
  await leaveSeat(job, input, { limit: { ...limit, resetsAt: until - marginMs }, until, text });
}

/** Before anything was asked of it. */
async function hold(job: Job, input: Input): Promise<void> {
  const { crew, seat } = job;
  const breaker = (await crew.queue.readBreakers()).get(seat.account);
  const { why = "limit", at = crew.sys.now(), until = at, text = `${seat.name} is at its usage limit` } = breaker ?? {};
  if (why === "login") return waitForLogin(job, text);
  const limit: Limit = { at, window: "unknown", isSelfContinuing: false, resetsAt: until - marginMs };
  await leaveSeat(job, input, { limit, until, text });
}

/** By the limit policy: it moves as soon as it may, which `moveIn` does then, or waits here, or for somebody. */
async function leaveSeat(job: Job, { cwd }: Input, { limit, until, text }: { limit: Limit; until: number; text: string }): Promise<void> {
  const { crew, seat, facts, task } = job;
  const { sessionId } = facts;
  const room = () => crew.seats.others(seat.name, task.model, (other) => !crew.isBlocked(other));
  const way = await decideWay(crew, task, { sessionId, limit }, room);
  if (way.do === "stop") {
    const reason = `${text}; ${way.reason}`;
    return pause(job, { reason, pausedUntil: undefined }, { event: "paused", text: reason });
  }
  const waiting = { reason: text, pausedUntil: until, nextPrompt: afterLimitPrompt };
  if (way.do === "move") return pause(job, waiting, { event: "paused", text: `${text}; goes on in ${way.to.name}`, account: way.to.name });
  const entry = { at: crew.sys.now(), event: "wait", session: sessionId ?? "", cwd, from: seat.name } as const;
  openJournal(crew.sys).append({ ...entry, reason: "csm tasks goes on", ...present({ resets_at: limit.resetsAt }) });
  await pause(job, waiting, { event: "paused", text: `${text}; waits for its reset`, account: seat.name, until });
}

async function holdForLogin(job: Job, reason: string): Promise<void> {
  const { crew, seat } = job;
  const text = `${seat.name} is logged out: ${reason}`;
  const isNew = await crew.queue.block(seat.account, { why: "login", at: crew.sys.now(), text });
  if (isNew) await crew.tellAccount("login", seat, text);
  await waitForLogin(job, text);
}

const waitForLogin = (job: Job, reason: string): Promise<void> =>
  pause(job, { reason, needsPerson: true }, { event: "paused", text: "waits for a login", account: job.seat.name });

async function pause(job: Job, facts: FactChange, event: Omit<NewEvent, "task">): Promise<void> {
  await crew(job).pause(job.claim, { ...isConcluded, ...facts }, { ...event, task: job.task.id });
}

/** False where somebody else has the task: then it is theirs, with its claude. */
async function note(job: Job, facts: FactChange): Promise<boolean> {
  Object.assign(job.facts, facts);
  job.beatAt = job.crew.sys.now();
  return crew(job).heartbeat(job.claim, leaseMs, facts);
}
