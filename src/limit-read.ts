import type { ChannelEvent } from "./channel.ts";
import { isSelfContinuing, type Turn } from "./claude-transcript.ts";
import { findTranscript, readTranscriptTurn } from "./driver.ts";
import type { Limit } from "./limit.ts";
import type { Sys } from "./sys.ts";

/** Transcript lines come up to 0.35 s after their hook. */
const lateMs = 2500;
const stepMs = 50;
/** The line of the error is stamped just before its hook runs. */
const toleranceMs = 10_000;
const tailBytes = 256 * 1024;
/** In the wordings of 2.0.70 to 2.1.329; only for an error without structured fields. */
const limitWording = /\bhit your\b.*\blimit\b|usage limit|limit reached/i;

/** The usage limit that ended a turn; undefined for any other failure, such as a passing 429. */
export async function readLimit(sys: Sys, configDir: string, event: ChannelEvent): Promise<Limit | undefined> {
  if (event.error !== "rate_limit" || event.session_id === undefined) return undefined;
  const since = event.at - toleranceMs;
  const turn = await waitForError(sys, configDir, event.session_id, since);
  const limit = turn?.turn.error?.limit;
  if (limit === undefined) {
    const text = turn?.turn.text ?? event.text ?? "";
    return limitWording.test(text) ? { at: event.at, window: "unknown", isSelfContinuing: false } : undefined;
  }
  return {
    at: event.at,
    window: limit.window,
    ...(limit.resetsAt === undefined ? {} : { resetsAt: limit.resetsAt }),
    isSelfContinuing: await isContinuing(sys, turn?.path ?? "", since, limit.window),
  };
}

async function waitForError(
  sys: Sys,
  configDir: string,
  sessionId: string,
  since: number,
): Promise<{ path: string; turn: Turn } | undefined> {
  const deadline = sys.now() + lateMs;
  for (;;) {
    const path = findTranscript(sys, { configDir }, { pid: 0, sessionId, cwd: "" });
    const turn = path === undefined ? undefined : await readTranscriptTurn(sys, path);
    if (path !== undefined && turn?.error !== undefined && turn.at >= since) return { path, turn };
    if (sys.now() > deadline) return undefined;
    await sys.sleep(stepMs);
  }
}

/** The notice follows its error within 10 ms, and only in windows that claude waits out itself. */
async function isContinuing(sys: Sys, path: string, since: number, window: string): Promise<boolean> {
  const read = () => isSelfContinuing(sys.readTail(path, tailBytes)?.lines ?? [], since);
  if (read()) return true;
  if (window !== "five_hour") return false;
  await sys.sleep(stepMs * 10);
  return read();
}
