import { join } from "node:path";
import { burnWindowMs } from "./accounting.ts";
import { createAgentFiles } from "./agents.ts";
import { createPriceTable, type PriceOverrides, pricesAt } from "./claude-prices.ts";
import { openCache } from "./database.ts";
import { present } from "./json.ts";
import { createMeter, type Meter as MeterReader } from "./meter.ts";
import { meterCachePath, statuslineDir } from "./paths.ts";
import { type LiveSession, type Meter, toMeter, unknownFormat } from "./session.ts";
import { parseSample, type StatuslineSample } from "./statusline-sample.ts";
import type { Sys } from "./sys.ts";
import { stateOf } from "./sys-files.ts";

const meterEveryMs = 5000;

/** Adds to a session what it has used: by its transcript, and by what its status line was told. */
export interface Gauge {
  measure(session: LiveSession, hasGrown: boolean): void;
  forget(key: string, transcript: string | undefined): void;
  close(): void;
}

/** `isKept`: what is counted is kept for the next look, of a program that looks once. */
export function createGauge(sys: Sys, prices: PriceOverrides, isKept = false): Gauge {
  const meter = createMeter(sys, createPriceTable(prices));
  const cache = isKept ? openMeterCache(sys, JSON.stringify([pricesAt, prices])) : undefined;
  const readSample = createSampleReader(sys);
  const measured = new Map<string, { at: number; path: string | undefined; session: LiveSession }>();
  /** Only where something can have changed; what an hour costs moves with time. */
  const addUsage = (session: LiveSession, hasGrown: boolean) => {
    const last = measured.get(session.key);
    const isRunning = session.agents.some((agent) => agent.isRunning);
    const isDue = last === undefined || last.path !== session.transcript || sys.now() - last.at >= meterEveryMs;
    if (isDue || isRunning || hasGrown) {
      if (cache?.fill(session) !== true) addMeter(session, meter, sys.now());
      measured.set(session.key, { at: sys.now(), path: session.transcript, session });
    } else copyCounted(last.session, session);
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
    close: () => cache?.close([...measured.values()].map(({ session }) => session)),
  };
}

type Counted = Pick<LiveSession, "meter" | "note" | "facts">;

function copyCounted({ meter, note, facts }: Counted, session: LiveSession): void {
  if (meter !== undefined) session.meter = meter;
  if (facts !== undefined) session.facts = facts;
  if (note !== undefined) session.note ??= note;
}

const cacheSchema = {
  version: 1,
  isExpendable: true,
  tables: "CREATE TABLE meter (path TEXT PRIMARY KEY, state TEXT NOT NULL, at REAL NOT NULL, counted TEXT NOT NULL) WITHOUT ROWID;",
} as const;

/** The burn of the last hour changes by itself: so long it stands. */
const burnMs = 60_000;
const forgetMs = 30 * 86_400_000;

/** What was counted of transcripts that have not changed since: one of a megabyte takes 10 ms to count. */
function openMeterCache(sys: Sys, prices: string) {
  const cache = openCache(meterCachePath(sys), cacheSchema);
  const agentFiles = createAgentFiles(sys);
  const stateOfAll = (transcript: string): string =>
    [transcript, ...agentFiles(transcript)].map((path) => stateOf(sys.identify(path))).join(" ") + prices;
  /** Taken before they were counted: what is written meanwhile is counted again. */
  const states = new Map<string, string>();
  const find = (transcript: string) =>
    cache.use((database) => database.query("SELECT state, at, counted FROM meter WHERE path = ?").get(transcript)) as {
      state: string;
      at: number;
      counted: string;
    } | null;
  const keep = (sessions: readonly LiveSession[]) =>
    cache.use((database) => {
      const put = database.query("INSERT OR REPLACE INTO meter (path, state, at, counted) VALUES (?, ?, ?, ?)");
      const putAll = () => {
        for (const { transcript = "", meter, note, facts } of sessions) {
          const counted: Counted = present({ meter, facts, note: note === unknownFormat ? note : undefined });
          put.run(transcript, states.get(transcript) ?? "", sys.now(), JSON.stringify(counted));
        }
        database.query("DELETE FROM meter WHERE at < ?").run(sys.now() - forgetMs);
      };
      database.transaction(putAll).immediate();
    });
  return {
    /** True where what is known still holds. */
    fill(session: LiveSession): boolean {
      if (session.transcript === undefined) return false;
      const row = find(session.transcript);
      const state = stateOfAll(session.transcript);
      states.set(session.transcript, state);
      if (row?.state !== state) return false;
      const { meter, ...rest } = JSON.parse(row.counted) as Counted;
      const isBurning = meter?.answeredAt !== undefined && sys.now() - meter.answeredAt < burnWindowMs;
      if (isBurning && Math.abs(sys.now() - row.at) > burnMs) return false;
      const { burnUsdPerHour: _, ...atRest } = meter ?? { source: "transcript" as const };
      copyCounted({ ...rest, ...present({ meter: isBurning || meter === undefined ? meter : atRest }) }, session);
      states.delete(session.transcript);
      return true;
    },
    close(counted: readonly LiveSession[]): void {
      try {
        keep(counted.filter(({ transcript }) => transcript !== undefined && states.has(transcript)));
      } catch {
        // A full disk, or a busy file: it is counted again the next time.
      }
      cache.close();
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
