import { join } from "node:path";
import { UserError } from "./errors.ts";
import { shareConversation } from "./handoff.ts";
import { openJournal } from "./journal.ts";
import { present } from "./json.ts";
import { decideLimit, type Limit, type LimitSettings, renderHandoff } from "./limit.ts";
import { findTranscript, tasksDir } from "./paths.ts";
import { readHistory } from "./relaunch-plan.ts";
import type { Sys } from "./sys.ts";
import type { PaidSeat, Seats } from "./task-accounts.ts";
import type { Task } from "./task-graph.ts";
import { afterLimitPrompt, decideOutcome, type Ending, goOnPrompt, type Outcome, retryDelayMs, schemaPrompt } from "./task-outcome.ts";
import type { Claim, FactChange, NewEvent, Run, TaskFacts, TaskQueue, TaskRow } from "./task-queue.ts";
import type { Runner, TaskProcess, Turn } from "./task-runner.ts";
import { renderTemplate, type TaskOutput } from "./task-template.ts";
import { placeTask } from "./task-worktree.ts";

/** What all tasks of a run share. */
export interface Crew {
  sys: Sys;
  queue: TaskQueue;
  run: Run;
  runner: Runner;
  seats: Seats;
  limits: LimitSettings;
  /** What the run may still spend; absent without a bound. */
  leftUsd(): number | undefined;
  /** Nothing may be started on it now. */
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
  beatAt: number;
}

/** Works on a task that was claimed until there is no more to be done for it now. Never rejects. */
export function startWork(crew: Crew, claim: Claim, task: Task, row: TaskRow, seat: PaidSeat): Work {
  const untold = { cause: undefined, how: undefined, current: undefined, deadlineAt: undefined };
  const job: Job = { ...{ crew, claim, task, seat }, ...untold, facts: { ...row.facts }, beatAt: crew.sys.now() };
  const end = (cause: Ending["cause"], how: "gently" | "now") => {
    if (job.how === "now") return;
    job.cause ??= cause;
    job.how = how;
    if (job.current !== undefined) void crew.runner.end(job.current.claude, how, job.current.turn);
  };
  return {
    task: task.id,
    done: work(job),
    end: (how) => end("stop", how),
    tick(now) {
      if (now - job.beatAt >= beatMs) void note(job, {});
      if (job.deadlineAt === undefined || now < job.deadlineAt) return;
      end("timeout", job.cause === "timeout" ? "now" : "gently");
      job.deadlineAt = now + graceMs;
    },
  };
}

const graceMs = 10_000;

async function work(job: Job): Promise<void> {
  try {
    await workThrough(job);
  } catch (error) {
    // Whatever it is, a task that stays `running` would never be told of.
    await fail(job, error instanceof UserError ? [error.message, error.hint].filter(Boolean).join("; ") : String(error));
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
  let turn: Turn | undefined = left?.turn ?? planTurn(job, input);
  let claude = left?.claude;
  while (turn !== undefined) {
    const ended = await runTurn(job, turn, claude);
    if (ended === undefined) return;
    claude = undefined;
    turn = await conclude(job, input, turn, ended.outcome);
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

/** What a task is given, once what it depends on is over, and the mark of all that its answer comes from. */
export async function renderInput(queue: TaskQueue, run: string, task: Task): Promise<{ prompt: string; hash: string }> {
  const outputs = new Map<string, TaskOutput>();
  for (const part of task.prompt)
    if (typeof part !== "string" && !outputs.has(part.id)) {
      const output = await queue.readOutput(run, part.id);
      if (output !== undefined) outputs.set(part.id, output);
    }
  const prompt = renderTemplate(task.prompt, (id) => outputs.get(id));
  const { cwd, model, permissionMode, profile, env, outputs: schema, isWorktree } = task;
  const all = JSON.stringify([prompt, cwd, model, permissionMode, profile, env, schema, isWorktree]);
  return { prompt, hash: new Bun.CryptoHasher("sha256").update(all).digest("hex") };
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
  };
  return { claude, turn };
}

/** The next turn of its conversation, where it has one. */
function planTurn(job: Job, input: Input): Turn {
  const { crew, task, claim, facts, seat } = job;
  const isBegun = facts.sessionId !== undefined && hasBegun(crew.sys, seat.dir, facts.sessionId, input.cwd);
  const own = task.budgetUsd === undefined ? undefined : task.budgetUsd - (facts.costUsd ?? 0);
  const bounds = [own, crew.leftUsd()].filter((bound) => bound !== undefined);
  if (bounds.some((bound) => bound <= 0)) throw new UserError("its budget is spent");
  return {
    ...{ task, run: claim.run, seat, cwd: input.cwd },
    // An id is used once: claude refuses one that it has written anything for.
    sessionId: isBegun && facts.sessionId !== undefined ? facts.sessionId : crew.sys.randomId(),
    isResumed: isBegun,
    prompt: isBegun ? (facts.nextPrompt ?? goOnPrompt) : input.prompt,
    isQuoted: !isBegun && input.isQuoted,
    spentBefore: noCost,
    dir: join(tasksDir(crew.sys), claim.run, String(claim.fence).padStart(4, "0"), crew.sys.randomId().slice(0, 8)),
    ...present({ budgetUsd: bounds.length === 0 ? undefined : Math.min(...bounds) }),
  };
}

const headBytes = 1024 * 1024;

/** Claude has written the prompt down: there is a conversation that can be resumed. */
function hasBegun(sys: Sys, configDir: string, sessionId: string, cwd: string): boolean {
  const path = findTranscript(sys, { configDir }, { sessionId, cwd });
  if (path === undefined) return false;
  const head = Buffer.alloc(headBytes);
  return head.subarray(0, sys.readInto(path, 0, head)).includes('"type":"user"');
}

/** Undefined where somebody else has the task by now. */
async function runTurn(job: Job, turn: Turn, left: TaskProcess | undefined): Promise<{ outcome: Outcome } | undefined> {
  const { crew, task, claim, facts, seat } = job;
  const { sys, runner } = crew;
  if (left === undefined) {
    if (job.how !== undefined) return { outcome: { kind: "cut", reason: "it was stopped" } };
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
    await crew.queue.note(claim.run, {
      event: turn.isResumed ? "resumed" : "started",
      task: task.id,
      account: seat.name,
      text: turn.isResumed ? `goes on in its conversation on ${seat.name}` : `starts on ${seat.name}`,
    });
  }
  const claude = left ?? (await runner.start(turn));
  job.current = { claude, turn };
  if (!(await note(job, { process: claude }))) return undefined;
  if (job.how !== undefined) await runner.end(claude, job.how, turn);
  job.deadlineAt = task.timeoutMs === undefined ? undefined : (facts.turnAt ?? sys.now()) + task.timeoutMs;
  const { printed, ending } = await runner.watch(claude, turn, {
    onPrint: ({ activity, costUsd, tokens }) => {
      if (sys.now() - job.beatAt >= activityMs) void note(job, { ...spent(job, costUsd, tokens), ...present({ activity }) });
    },
    wantsEnd: () => job.cause,
  });
  job.current = undefined;
  job.deadlineAt = undefined;
  if (Object.keys(printed.windows).length > 0) await recordWindows(crew, seat, printed.windows);
  const outcome = decideOutcome(printed, ending, task);
  const denied = printed.result?.deniedTools.length ?? 0;
  // Its process stays noted until what becomes of it is: whoever takes over reads the same again.
  const said = { ...spent(job, printed.costUsd, printed.tokens), ...(denied === 0 ? {} : { denied }) };
  return (await note(job, said)) ? { outcome } : undefined;
}

const nothingLeft = { process: undefined, activity: undefined };
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
async function conclude(job: Job, input: Input, turn: Turn, outcome: Outcome): Promise<Turn | undefined> {
  switch (outcome.kind) {
    case "succeeded": {
      const miss = await findMiss(job.task, outcome.output);
      if (miss !== undefined) return conclude(job, input, turn, { kind: "missed", reason: miss });
      await succeed(job, input, outcome.output);
      return undefined;
    }
    case "missed":
      if (job.facts.isAskedAgain === true) return retry(job, input, { kind: "failed", reason: outcome.reason });
      await note(job, { ...isConcluded, isAskedAgain: true, nextPrompt: schemaPrompt(job.task.outputs ?? {}, outcome.reason) });
      await crew(job).note(job.claim.run, { event: "note", task: job.task.id, text: `asked once more: ${outcome.reason}` });
      return planTurn(job, input);
    case "failed":
      return retry(job, input, outcome);
    case "limited":
      await meetLimit(job, input, outcome);
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

/** What is wrong with an answer by its schema. */
async function findMiss({ outputs }: Task, { json }: TaskOutput): Promise<string | undefined> {
  if (outputs === undefined) return undefined;
  const { z } = await import("zod");
  const { error } = z.fromJSONSchema(outputs as Parameters<typeof z.fromJSONSchema>[0]).safeParse(json);
  const [issue] = error?.issues ?? [];
  return issue && `${issue.path.length === 0 ? "" : `${issue.path.join(".")}: `}${issue.message}`;
}

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
  await note(job, { ...isConcluded, attempt: attempt + 1, sessionId: undefined, isAskedAgain: undefined, nextPrompt: undefined });
  if (job.cause === "timeout") [job.cause, job.how] = [undefined, undefined];
  await job.crew.sys.sleep(retryDelayMs(attempt));
  return planTurn(job, input);
}

/** Whoever asks in the second of the reset may be told the same once more. */
const marginMs = 5000;
const unknownMs = 5 * 3_600_000;

async function meetLimit(job: Job, { cwd }: Input, { window, resetsAt }: Outcome & { kind: "limited" }): Promise<void> {
  const { crew, seat, facts, task } = job;
  const { sys, queue, seats } = crew;
  const now = sys.now();
  const sessionId = facts.sessionId ?? "";
  const limit: Limit = { at: now, window, isSelfContinuing: false, ...present({ resetsAt }) };
  (await import("./usage.ts")).recordLimit(sys, seat.dir, window, resetsAt, now);
  const until = (resetsAt ?? now + unknownMs) + marginMs;
  const text = `${seat.name} is at its usage limit (${window})`;
  const isNew = await queue.block(seat.account, { why: "limit", at: now, until, text });
  const log = openJournal(sys);
  const entry = { at: now, session: sessionId, cwd, from: seat.name };
  log.append({ ...entry, event: "limit", window, ...present({ resets_at: resetsAt }) });
  if (isNew) await crew.tellAccount("limit", seat, text, limit);
  const settings = { ...crew.limits, policy: crew.limits.policy === "ask" ? ("wait" as const) : crew.limits.policy };
  // Whoever has named the account of a task means that one.
  const mayMove = settings.policy === "switch" && task.profile === "auto";
  const candidates = mayMove ? await seats.others(seat.name, task.model, (other) => !crew.isBlocked(other)) : [];
  const decision = decideLimit({ now, limit, settings, candidates, ...readHistory(log.read(), sessionId, limit) });
  const to = decision.do === "switch" ? candidates.find(({ name }) => name === decision.to) : undefined;
  if (to !== undefined && decision.do === "switch") {
    const path = findTranscript(sys, { configDir: seat.dir }, { sessionId, cwd });
    if (path !== undefined) await shareConversation(sys, path, seat.dir, to.dir);
    log.append({ ...entry, event: "switch", to: to.name, reason: decision.reason });
    const prompt = renderHandoff(settings.handoffPrompt, { from: seat.name, to: to.name, sessionId, hop: 1 });
    const moved = { account: to.name, configDir: to.dir, pausedUntil: now + decision.delayMs, nextPrompt: prompt ?? goOnPrompt };
    await pause(
      job,
      { ...moved, reason: text },
      { event: "paused", text: `${text}; goes on in ${to.name}`, account: to.name, until: moved.pausedUntil },
    );
  } else if (decision.do === "stop") {
    await pause(
      job,
      { reason: `${text}; ${decision.reason}`, pausedUntil: undefined },
      { event: "paused", text: `${text}; ${decision.reason}` },
    );
  } else {
    log.append({ ...entry, event: "wait", reason: "csm tasks goes on", ...present({ resets_at: resetsAt }) });
    const waiting = { reason: text, pausedUntil: until, nextPrompt: afterLimitPrompt };
    await pause(job, waiting, { event: "paused", text: `${text}; waits for its reset`, account: seat.name, until });
  }
}

async function holdForLogin(job: Job, reason: string): Promise<void> {
  const { crew, seat } = job;
  const text = `${seat.name} is logged out: ${reason}`;
  const isNew = await crew.queue.block(seat.account, { why: "login", at: crew.sys.now(), text });
  if (isNew) await crew.tellAccount("login", seat, text);
  await pause(job, { reason: text, needsPerson: true }, { event: "paused", text: "waits for a login", account: seat.name });
}

async function pause(job: Job, facts: FactChange, event: Omit<NewEvent, "task">): Promise<void> {
  await crew(job).pause(job.claim, { ...facts, ...isConcluded }, { ...event, task: job.task.id });
}

/** False where somebody else has the task: then it is theirs, with its claude. */
async function note(job: Job, facts: FactChange): Promise<boolean> {
  Object.assign(job.facts, facts);
  job.beatAt = job.crew.sys.now();
  return crew(job).heartbeat(job.claim, leaseMs, facts);
}
