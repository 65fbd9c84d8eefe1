import { join } from "node:path";
import { createActing } from "./act-feed.ts";
import { noPrint, type Printed } from "./claude-print.ts";
import { createDriver, type Driver, type Target, trackedTarget } from "./driver.ts";
import { killSession } from "./driver-kill.ts";
import { sendPrompt } from "./driver-prompt.ts";
import { spawnSession } from "./driver-spawn.ts";
import { hasShape, parseRecord, present } from "./json.ts";
import { readBoot } from "./launch-record.ts";
import { createMeter } from "./meter.ts";
import type { Verdict } from "./status.ts";
import { stateWords } from "./statuses.ts";
import { isPast, type Sys } from "./sys.ts";
import { type Ending, withSchema } from "./task-outcome.ts";
import type { Run } from "./task-queue.ts";
import {
  costOf,
  createPrintRunner,
  endStarted,
  envOf,
  isOver,
  type Runner,
  type TaskProcess,
  type Turn,
  type Watcher,
} from "./task-runner.ts";
import { waitForStatus } from "./watch.ts";

/** The way that a run was begun in. */
export const createRunner = (sys: Sys, { isInteractive }: Pick<Run, "isInteractive">): Runner =>
  isInteractive ? createSessionRunner(sys) : createPrintRunner(sys);

/**
 * Each turn in a session of csd: a person sees it in tmux, rules decide at its gates, and what they leave open waits for the person.
 * It ends with its turn; the conversation goes on in another one.
 */
function createSessionRunner(sys: Sys): Runner {
  const acting = createActing(sys);
  return {
    start: (turn) => startSession(sys, turn),
    watch: (claude, turn, watcher) => watchSession(sys, acting, claude, turn, watcher),
    async end(claude, how, turn) {
      const record = readRecord(sys, turn.dir);
      // claude saves its conversation as its terminal closes: there is no harder way that is needed.
      if (record !== undefined) await killSession(createDriver(sys, "csm tasks"), record.name).catch(() => undefined);
      await endStarted(sys, claude, how, { ...turn, since: record?.at ?? 0 });
    },
    isOver: (claude, withinMs) => isOver(sys, claude, withinMs),
    async find({ dir }) {
      const record = readRecord(sys, dir);
      const driven = record && createDriver(sys).store.read(record.name);
      if (driven?.pid === undefined) return undefined;
      return { pid: driven.pid, start: driven.process_start ?? "", boot: (await readBoot(sys)).key };
    },
  };
}

/** What is kept of a turn: the session that it is in. */
interface Record {
  name: string;
  /** Its prompt was taken. */
  sent: boolean;
  /** Epoch ms: nothing of it is older. */
  at: number;
}

const recordPath = (dir: string): string => join(dir, "session.json");

function readRecord(sys: Sys, dir: string): Record | undefined {
  const fields = parseRecord(sys.readText(recordPath(dir)));
  return hasShape(fields, { name: "string", sent: "boolean", at: "time" }) ? fields : undefined;
}

/** A name that tmux takes: of the run and the task, and of this turn alone. */
const nameOf = (sys: Sys, { run, task }: Turn): string =>
  `${`${run}.${task.id}`
    .replace(/[^\w.-]+/g, "-")
    .replace(/\.{2,}/g, ".")
    .slice(0, 80)}-${sys.randomId().slice(0, 4)}`;

async function startSession(sys: Sys, turn: Turn): Promise<TaskProcess | undefined> {
  const { dir } = turn;
  sys.makePrivateDir(dir);
  const record = { name: nameOf(sys, turn), sent: false, at: sys.now() };
  sys.writePrivate(recordPath(dir), JSON.stringify(record));
  const driver = createDriver({ ...sys, env: envOf(sys, turn) }, "csm tasks");
  try {
    return await beginSession(driver, turn, record);
  } catch (error) {
    // Nobody would look at it.
    await killSession(driver, record.name).catch(() => undefined);
    throw error;
  }
}

async function beginSession(driver: Driver, turn: Turn, record: Record): Promise<TaskProcess | undefined> {
  const { sys } = driver;
  const { task, cwd, dir, sessionId, isResumed } = turn;
  const { driven } = await spawnSession(driver, {
    ...{ cwd, name: record.name, isTrusted: true },
    ...(isResumed ? { resumeId: sessionId } : { sessionId }),
    ...present({ permissionMode: task.permissionMode, model: task.model }),
  });
  const prompt = task.outputs === undefined || isResumed ? turn.prompt : withSchema(turn.prompt, task.outputs);
  if (!(await turn.mayBegin())) {
    await killSession(driver, record.name);
    return undefined;
  }
  // What another task has said is no command of claude's, whatever it begins with.
  await sendPrompt(driver, trackedTarget(sys, driven), turn.isQuoted === true ? `${asText}${prompt}` : prompt);
  sys.writePrivate(recordPath(dir), JSON.stringify({ ...record, sent: true }));
  return { pid: driven.pid ?? 0, start: driven.process_start ?? "", boot: (await readBoot(sys)).key };
}

/** Claude passes over blanks before a `/`, and over what is not seen (2.1.329). */
const asText = "Text:\n";

/** What only a person can answer, or a rule: the task waits for it. A question in words is an answer, as from `claude -p`. */
const asksPerson = (verdict: Verdict): boolean =>
  verdict.status === "blocked" || verdict.status === "plan_ready" || (verdict.status === "awaiting_answer" && verdict.gate !== undefined);

const isEnd = (verdict: Verdict): boolean =>
  (verdict.status === "idle_done" && verdict.outcome !== "none") ||
  ["limited", "failed", "dead"].includes(verdict.status) ||
  (verdict.status === "awaiting_answer" && !asksPerson(verdict));

const printEveryMs = 2000;
/** Files tell of all that changes while it waits for a person. */
const restMs = 10_000;
/** So long after a prompt was taken its turn has begun. */
const untouchedMs = 10_000;

async function watchSession(
  sys: Sys,
  acting: ReturnType<typeof createActing>,
  claude: TaskProcess,
  turn: Turn,
  { onPrint, wantsEnd }: Watcher,
) {
  const driver = createDriver(sys, "csm tasks");
  const record = readRecord(sys, turn.dir);
  let printed: Printed = noPrint;
  const meter = createMeter(sys);
  let [printedAt, wasAsking] = [Number.NEGATIVE_INFINITY, false];
  let idleSince: number | undefined;
  const follow = async (target: Target): Promise<Verdict> => {
    const look = (verdict: Verdict) => {
      if (isEnd(verdict)) return true;
      // It has taken the prompt for a command of its own, and there is nothing to wait for.
      idleSince = verdict.status === "idle_done" ? (idleSince ?? sys.now()) : undefined;
      if (idleSince !== undefined && isPast(sys, idleSince, untouchedMs)) return true;
      const isAsking = asksPerson(verdict);
      if (isAsking === wasAsking && !isPast(sys, printedAt, printEveryMs)) return false;
      [printedAt, wasAsking] = [sys.now(), isAsking];
      const activity = `${isAsking ? "waits for you: " : ""}${stateWords(verdict, sys.now())}`;
      printed = { ...printed, ...costOf(sys, turn, meter), activity };
      onPrint(printed, isAsking);
      return false;
    };
    return (await waitForStatus(driver, target, look, Number.POSITIVE_INFINITY, restMs)).verdict;
  };
  // One that has ended before anybody watched can go on; one that dies under our eyes has failed, and would again.
  const wasHere = !(await isOver(sys, claude, 0));
  const wasSent = record?.sent === true;
  const target = wasSent ? findTarget(driver, record.name) : undefined;
  const verdict =
    target &&
    (await acting(
      ({ pid }) => pid === claude.pid,
      () => follow(target),
    ).catch(() => undefined));
  const cause: Ending["cause"] =
    wantsEnd() ?? ((verdict === undefined || verdict.status === "dead") && !(wasSent && wasHere) ? "gone" : "itself");
  // Nobody looks at it any more, and a turn of its own would be nobody's.
  if (record !== undefined) await killSession(driver, record.name).catch(() => undefined);
  const ended = verdict === undefined ? {} : toPrinted(verdict);
  return { printed: { ...printed, ...costOf(sys, turn, meter), ...ended }, ending: { cause, errors: "" } };
}

/** Undefined where somebody has ended it, and csd has forgotten it. */
function findTarget({ sys, store }: Driver, name: string): Target | undefined {
  const driven = store.read(name);
  return driven && trackedTarget(sys, driven);
}

const stopReasons: Readonly<globalThis.Record<string, string>> = { truncated: "max_tokens", declined: "refusal" };

/** In the terms of `claude -p`, so that one rule judges both. */
function toPrinted(verdict: Verdict): Partial<Printed> {
  const plain = { isError: false, subtype: "success", deniedTools: [], turns: 1 };
  switch (verdict.status) {
    case "idle_done":
      if (verdict.outcome === "interrupted")
        return { result: { ...plain, isError: true, subtype: "interrupted", text: "somebody has interrupted it" } };
      if (verdict.outcome === "none") return { result: { ...plain, turns: 0, text: "claude took the prompt for a command of its own" } };
      return { result: { ...plain, text: verdict.text, ...present({ stopReason: stopReasons[verdict.outcome] }) } };
    case "awaiting_answer":
      return { result: { ...plain, text: verdict.question } };
    case "limited":
      return { limit: { window: verdict.window, ...present({ resetsAt: verdict.resets_at ?? undefined }) } };
    case "failed":
      return {
        result: { ...plain, isError: true, text: verdict.text, ...(verdict.error === "authentication_failed" ? { apiStatus: 401 } : {}) },
      };
    default:
      return {};
  }
}
