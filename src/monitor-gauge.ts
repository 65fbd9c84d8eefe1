import { join } from "node:path";
import { createPriceTable, type PriceOverrides } from "./claude-prices.ts";
import { present } from "./json.ts";
import { createMeter, type Meter as MeterReader } from "./meter.ts";
import { statuslineDir } from "./paths.ts";
import { type LiveSession, type Meter, toMeter, unknownFormat } from "./session.ts";
import { parseSample, type StatuslineSample } from "./statusline-sample.ts";
import type { Sys } from "./sys.ts";
import { stateOf } from "./sys-files.ts";

const meterEveryMs = 5000;

/** Adds to a session what it has used: by its transcript, and by what its status line was told. */
export interface Gauge {
  measure(session: LiveSession, hasGrown: boolean): void;
  forget(key: string, transcript: string | undefined): void;
}

export function createGauge(sys: Sys, prices: PriceOverrides): Gauge {
  const meter = createMeter(sys, createPriceTable(prices));
  const readSample = createSampleReader(sys);
  const measured = new Map<string, { at: number; path: string | undefined; meter: Meter | undefined; note: string | undefined }>();
  /** Only where something can have changed; what an hour costs moves with time. */
  const addUsage = (session: LiveSession, hasGrown: boolean) => {
    const last = measured.get(session.key);
    const isRunning = session.agents.some((agent) => agent.isRunning);
    const isDue = last === undefined || last.path !== session.transcript || sys.now() - last.at >= meterEveryMs;
    if (isDue || isRunning || hasGrown) {
      addMeter(session, meter, sys.now());
      measured.set(session.key, { at: sys.now(), path: session.transcript, meter: session.meter, note: session.note });
    } else {
      if (last.meter !== undefined) session.meter = last.meter;
      if (last.note !== undefined) session.note ??= last.note;
    }
  };
  return {
    measure(session: LiveSession, hasGrown: boolean): void {
      addUsage(session, hasGrown);
      const sample = session.sessionId === undefined ? undefined : readSample(session.sessionId);
      const merged = sample === undefined ? undefined : withSample(session.meter, sample, session.meter?.answeredAt);
      if (merged !== undefined) session.meter = merged;
    },
    forget(key: string, transcript: string | undefined): void {
      measured.delete(key);
      if (transcript !== undefined) meter.forget(transcript);
    },
  };
}

/** A session whose transcript has no known form has no numbers: not zero. */
function addMeter(session: LiveSession, meter: MeterReader, now: number): void {
  if (session.transcript === undefined) return;
  const reading = meter.update(session.transcript, now);
  if (reading === undefined || reading.format === "empty") return;
  // Before the first answer there is nothing to count, in whatever format.
  if (reading.format === "unknown format") {
    if (session.model !== undefined) session.note ??= unknownFormat;
  } else session.meter = toMeter(reading);
}

/** What Claude Code has told the status line of a session, read again when it has changed. */
export function createSampleReader(sys: Sys): (sessionId: string) => StatuslineSample | undefined {
  const known = new Map<string, { state: string; sample: StatuslineSample | undefined }>();
  return (sessionId) => {
    if (!/^[\w-]+$/.test(sessionId)) return undefined;
    const path = join(statuslineDir(sys), `${sessionId}.json`);
    const file = sys.identify(path);
    if (file === undefined) return undefined;
    const state = stateOf(file);
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
          ...present({ contextTokens, contextWindow: contextSize }),
          source: "statusline" as const,
        };
  const cost = meter?.costUsd === undefined && costUsd !== undefined ? { costUsd } : {};
  const cache = isOld ? {} : present({ cacheExpiresAt });
  if (meter === undefined && Object.keys({ ...context, ...cost }).length === 0) return undefined;
  return { source: "transcript", ...meter, ...context, ...cost, ...cache };
}
