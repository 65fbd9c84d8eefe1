import { join } from "node:path";
import type { Meter } from "./monitor-session.ts";
import { statuslineDir } from "./paths.ts";
import { parseSample, type StatuslineSample } from "./statusline-sample.ts";
import type { Sys } from "./sys.ts";

/** What Claude Code has told the status line of a session, read again when it has changed. */
export function createSampleReader(sys: Sys): (sessionId: string) => StatuslineSample | undefined {
  const known = new Map<string, { state: string; sample: StatuslineSample | undefined }>();
  return (sessionId) => {
    if (!/^[\w-]+$/.test(sessionId)) return undefined;
    const path = join(statuslineDir(sys), `${sessionId}.json`);
    const file = sys.identify(path);
    if (file === undefined) return undefined;
    const state = `${file.id} ${file.size} ${file.modifiedAt}`;
    const last = known.get(sessionId);
    if (last?.state === state) return last.sample;
    const sample = parseSample(sys.readText(path) ?? "");
    if (known.size >= maxKnown) known.clear();
    known.set(sessionId, { state, sample });
    return sample;
  };
}

const maxKnown = 500;
/** An answer reaches the transcript and the status line at about the same time. */
const sameMs = 3000;

/** Claude's own word on the context wins over ours, unless an answer has come since; its cost only where we have no price. */
export function withSample(meter: Meter | undefined, sample: StatuslineSample, answeredAt: number | undefined): Meter | undefined {
  const isOld = answeredAt !== undefined && answeredAt > sample.seenAt + sameMs;
  const { contextPercent, contextTokens, contextSize, costUsd, cacheExpiresAt } = sample;
  const context =
    isOld || contextPercent === undefined
      ? {}
      : {
          contextPercent,
          ...(contextTokens === undefined ? {} : { contextTokens }),
          ...(contextSize === undefined ? {} : { contextWindow: contextSize }),
          source: "statusline" as const,
        };
  const cost = meter?.costUsd === undefined && costUsd !== undefined ? { costUsd } : {};
  const cache = isOld || cacheExpiresAt === undefined ? {} : { cacheExpiresAt };
  if (meter === undefined && Object.keys({ ...context, ...cost }).length === 0) return undefined;
  return { source: "transcript", ...meter, ...context, ...cost, ...cache };
}
