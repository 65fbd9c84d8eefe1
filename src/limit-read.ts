import { parseLimitWording } from "./claude-reset.ts";
import { isSelfContinuing, readNewestTurn, type Turn } from "./claude-transcript.ts";
import { present } from "./json.ts";
import type { Limit } from "./limit.ts";
import { type Sys, until } from "./sys.ts";

/** Transcript lines come up to 0.35 s after their hook. */
const lateMs = 2500;
const stepMs = 50;
/** The line of the error is stamped just before its hook runs. */
const toleranceMs = 10_000;
const tailBytes = 256 * 1024;

/** What a `StopFailure` has told. */
interface Failure {
  at: number;
  /** The class, such as `rate_limit`. */
  error?: string;
  text?: string;
}

/** What is left where there is no transcript to read, as for a sub-agent. */
export function readWording(text: string, at: number): Limit | undefined {
  const worded = parseLimitWording(text, at);
  return worded === undefined ? undefined : { at, ...worded, isSelfContinuing: false };
}

/** The usage limit that ended a turn; undefined for any other failure, such as a passing 429. */
export async function readLimit(sys: Sys, findPath: () => string | undefined, failure: Failure): Promise<Limit | undefined> {
  if (failure.error !== "rate_limit") return undefined;
  const since = failure.at - toleranceMs;
  const found = await waitForError(sys, findPath, since);
  return decideFailure(sys, failure.at, since, found, failure.text ?? "");
}

/** The same from the transcript alone, for versions that fire no `StopFailure`; at most this old. Undefined without one. */
export async function findLimit(sys: Sys, path: string, maxAgeMs: number): Promise<Limit | undefined> {
  const since = sys.now() - maxAgeMs;
  const turn = readTurn(sys, path);
  if (turn?.error === undefined || turn.at < since) return undefined;
  return decideFailure(sys, turn.at, turn.at - toleranceMs, { path, turn }, "");
}

const readTurn = (sys: Sys, path: string): Turn | undefined => readNewestTurn((bytes) => sys.readTail(path, bytes), tailBytes);

/** The model that goes on elsewhere: the newest turn's, else the one whose own week is used up. */
export const modelInUse = (sys: Sys, path: string | undefined, window: string): string | undefined =>
  (path === undefined ? undefined : readTurn(sys, path)?.model) ?? /^seven_day_(.+)$/.exec(window)?.[1];

interface Found {
  path: string;
  turn: Turn;
}

async function decideFailure(sys: Sys, at: number, since: number, found: Found | undefined, said: string): Promise<Limit | undefined> {
  const limit = found?.turn.error?.limit;
  if (found === undefined || limit === undefined) return readWording(found?.turn.text ?? said, at);
  return {
    at,
    window: limit.window,
    ...present({ resetsAt: limit.resetsAt }),
    isSelfContinuing: await isContinuing(sys, found.path, since, limit.window),
  };
}

const waitForError = (sys: Sys, findPath: () => string | undefined, since: number): Promise<Found | undefined> =>
  until(sys, sys.now() + lateMs, stepMs, () => {
    const path = findPath();
    const turn = path === undefined ? undefined : readTurn(sys, path);
    return path !== undefined && turn?.error !== undefined && turn.at >= since ? { path, turn } : undefined;
  });

/** The notice follows its error within 10 ms, and only in windows that claude waits out itself. */
async function isContinuing(sys: Sys, path: string, since: number, window: string): Promise<boolean> {
  const read = () => isSelfContinuing(sys.readTail(path, tailBytes)?.lines ?? [], since);
  if (read()) return true;
  if (window !== "five_hour") return false;
  await sys.sleep(stepMs * 10);
  return read();
}
