import { dirname, join } from "node:path";
import { channelDir } from "./channel.ts";
import { parseScreen } from "./claude-screen.ts";
import { settleMs, settleStepMs } from "./driver.ts";
import { createCheckoutReader } from "./git.ts";
import { judgeHealth } from "./health.ts";
import { present } from "./json.ts";
import type { Meter as MeterReader } from "./meter.ts";
import { createTracker, type Shared, type Tracker } from "./monitor-follow.ts";
import { findPanes } from "./monitor-panes.ts";
import { createRoster, type Entry, type Profile } from "./monitor-roster.ts";
import { sessionsDir, sidecarDir, statuslineDir } from "./paths.ts";
import { scanProcesses } from "./process-scan.ts";
import { profileDirs } from "./profiles.ts";
import { type LiveSession, type Meter, toMeter, unknownFormat } from "./session.ts";
import type { Settings } from "./settings.ts";
import { parseSample, type StatuslineSample } from "./statusline-sample.ts";
import type { Sys } from "./sys.ts";
import type { Watch } from "./sys-files.ts";
import { createLineBuffer } from "./tail.ts";
import { createTmux, type Pane } from "./tmux.ts";

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
          ...present({ contextTokens, contextWindow: contextSize }),
          source: "statusline" as const,
        };
  const cost = meter?.costUsd === undefined && costUsd !== undefined ? { costUsd } : {};
  const cache = isOld ? {} : present({ cacheExpiresAt });
  if (meter === undefined && Object.keys({ ...context, ...cost }).length === 0) return undefined;
  return { source: "transcript", ...meter, ...context, ...cost, ...cache };
}

/** Where sessions come from, again and again: the monitor, or a script. */
export interface Feed {
  read(): Promise<{ sessions: LiveSession[]; hidden?: number }>;
  /** Resolves at a sign of change, or after `timeoutMs`. */
  next(timeoutMs: number): Promise<void>;
  close(): void;
}

/** Every session of every profile, kept up to date: a look costs what is new. */
export interface Monitor extends Feed {
  /** What is known now. */
  read(): Promise<Look>;
  /** The same, once nothing that is known to come is outstanding; at most 1.5 s. */
  readSettled(): Promise<Look>;
  /** The pane of a session, on whatever server of this user it is. */
  findPane(session: Pick<LiveSession, "key" | "pid">): Promise<Pane | undefined>;
}

export interface Look {
  /** Epoch ms. */
  at: number;
  /** Longest in its state first. */
  sessions: LiveSession[];
  isSettled: boolean;
  /** Programs called claude of which nothing else is known. */
  hidden: number;
}

export interface MonitorOptions {
  profiles?: () => Profile[];
  /** Also those whose process ended without a word. */
  hasDead?: boolean;
  /** Also programs called claude, outside tmux, without a session file in a known profile: of other users, in containers … */
  hasStrangers?: boolean;
  /** Also what each session has used; the first look reads whole transcripts for it. */
  hasMeter?: boolean;
}

const profilesEveryMs = 10_000;
const unsettledMs = 60;
const shortestGapMs = 80;
const meterEveryMs = 5000;
/** A list needs the newest turn, the dashboard also what was done lately. */
const listHistoryBytes = 16 * 1024;
const topHistoryBytes = 256 * 1024;
/** A pane that was not found is looked for again after this time. */
const seekEveryMs = 5000;

export function createMonitor(sys: Sys, options: MonitorOptions = {}): Monitor {
  const readProfiles = options.profiles ?? (() => profileDirs(sys));
  let profiles: { at: number; list: Profile[] } | undefined;
  const roster = createRoster(sys, () => {
    if (profiles === undefined || sys.now() - profiles.at >= profilesEveryMs) profiles = { at: sys.now(), list: readProfiles() };
    return profiles.list;
  });
  let settings: Settings | undefined;
  let meter: MeterReader | undefined;
  const readSample = createSampleReader(sys);
  const measured = new Map<string, { at: number; path: string | undefined; meter: Meter | undefined; note: string | undefined }>();
  const shared: Shared = {
    lines: createLineBuffer(),
    checkout: createCheckoutReader(sys),
    historyBytes: options.hasMeter === true ? topHistoryBytes : listHistoryBytes,
  };
  const trackers = new Map<string, Tracker>();
  const soughtAt = new WeakMap<Tracker, number>();
  let watch: { paths: string; watch: Watch } | undefined;
  let isUnsettled = false;
  let readAt = 0;

  const follow = async (entries: Entry[]) => {
    const keys = new Set(entries.map((entry) => entry.key));
    for (const [key, tracker] of trackers) {
      if (keys.has(key)) continue;
      trackers.delete(key);
      measured.delete(key);
      const path = tracker.transcript();
      if (path !== undefined) meter?.forget(path);
    }
    for (const entry of entries) {
      const tracker = trackers.get(entry.key) ?? createTracker(sys, entry, shared);
      trackers.set(entry.key, tracker);
      await tracker.take(entry);
    }
  };
  const captureAll = async () => {
    const shown = [...trackers.values()].filter((tracker) => tracker.needsCapture);
    if (shown.length === 0) return;
    await locate(shown);
    for (const [socket, group] of Map.groupBy(
      shown.filter((tracker) => tracker.pane !== undefined),
      (tracker) => tracker.pane?.socketPath ?? "",
    )) {
      const captures = await createTmux(sys, socket)
        .captureAll(group.map((tracker) => tracker.pane?.paneId ?? ""))
        // The server went away between two looks.
        .catch(() => new Map<string, { pane: Pane; text: string }>());
      for (const tracker of group) {
        const capture = captures.get(tracker.pane?.paneId ?? "");
        const isSame = capture !== undefined && !capture.pane.isDead && capture.pane.pid === tracker.pane?.pid;
        if (!isSame) tracker.pane = undefined;
        tracker.show(isSame ? parseScreen(capture.text) : undefined);
      }
    }
  };
  /** One call per tmux server, and only when a session has a screen to read whose pane is not known yet. */
  const locate = async (wanted: Tracker[]) => {
    const isDue = (tracker: Tracker) => sys.now() - (soughtAt.get(tracker) ?? Number.NEGATIVE_INFINITY) >= seekEveryMs;
    const lost = wanted.filter((tracker) => tracker.pane === undefined && canHavePane(tracker.entry) && isDue(tracker));
    if (lost.length === 0) return;
    for (const tracker of lost) soughtAt.set(tracker, sys.now());
    const sockets = lost.flatMap((tracker) => tracker.entry.sidecar?.socket ?? []);
    const panes = await findPanes(
      sys,
      await roster.table(),
      lost.map((tracker) => tracker.entry.pid),
      sockets,
    );
    for (const tracker of lost) tracker.pane = panes.get(tracker.entry.pid);
  };
  const addSample = (session: LiveSession) => {
    const sample = session.sessionId === undefined ? undefined : readSample(session.sessionId);
    const meter = sample === undefined ? undefined : withSample(session.meter, sample, session.meter?.answeredAt);
    if (meter !== undefined) session.meter = meter;
  };
  /** Only where something can have changed; what an hour costs moves with time. */
  const measure = (session: LiveSession, reader: MeterReader) => {
    const last = measured.get(session.key);
    const isRunning = session.agents.some((agent) => agent.isRunning);
    const isDue = last === undefined || last.path !== session.transcript || sys.now() - last.at >= meterEveryMs;
    if (isDue || isRunning || trackers.get(session.key)?.hasGrown() === true) {
      addMeter(session, reader, sys.now());
      measured.set(session.key, { at: sys.now(), path: session.transcript, meter: session.meter, note: session.note });
    } else {
      if (last.meter !== undefined) session.meter = last.meter;
      if (last.note !== undefined) session.note ??= last.note;
    }
  };
  const readOnce = async (): Promise<Look> => {
    settings ??= (await import("./settings.ts")).readSettings(sys);
    if (options.hasMeter === true) meter ??= await openMeter(sys, settings);
    await follow(await roster.read());
    await captureAll();
    const live = [...trackers.values()].filter(({ entry }) => options.hasDead === true || entry.isAlive !== false);
    // A program that only bears the name is somebody's session for certain when it runs in a pane of this user.
    const shown = live.filter(({ entry, pane }) => entry.isStranger !== true || pane !== undefined || options.hasStrangers === true);
    const described = shown.map((tracker) => tracker.describe());
    readAt = sys.now();
    isUnsettled = described.some((one) => !one.isSettled);
    const sessions = described.map((one) => one.session).sort((a, b) => a.since - b.since || a.pid - b.pid);
    if (meter !== undefined)
      for (const session of sessions) {
        measure(session, meter);
        addSample(session);
      }
    const badges = judgeHealth(sessions, sys.now(), settings.part("dashboard"));
    for (const session of sessions) session.badges = badges.get(session.key) ?? [];
    return { at: sys.now(), sessions, isSettled: !isUnsettled, hidden: live.length - shown.length };
  };
  // One look at a time: two would read the same new lines twice.
  let last: Promise<unknown> = Promise.resolve();
  const read = (): Promise<Look> => {
    const look = last.then(readOnce);
    // Whoever asked for that look is told of its failure.
    last = look.catch(() => undefined);
    return look;
  };
  const watched = (): string[] => {
    const dirs = (profiles?.list ?? []).map((profile) => sessionsDir(profile.dir));
    const own = [...trackers.values()].flatMap(({ entry }) => {
      if (entry.isAlive !== true) return [];
      const channel =
        entry.sidecar === undefined ? [] : [channelDir(sys, entry.sidecar.name), join(channelDir(sys, entry.sidecar.name), "gates")];
      return channel;
    });
    const transcripts = [...trackers.values()].flatMap((tracker) => tracker.transcript() ?? []).map((path) => dirname(path));
    return [...new Set([sidecarDir(sys), ...dirs, ...own, ...transcripts])].sort();
  };
  return {
    read,
    async readSettled() {
      const deadline = sys.now() + settleMs;
      for (;;) {
        const look = await read();
        if (look.isSettled || sys.now() >= deadline) return look;
        await sys.sleep(settleStepMs);
      }
    },
    async next(timeoutMs) {
      const paths = watched();
      const key = paths.join("\n");
      if (watch?.paths !== key) {
        watch?.watch.close();
        watch = { paths: key, watch: sys.watch(paths) };
        // What changed since the last look went unseen there: look again at once.
        return;
      }
      await watch.watch.next(isUnsettled ? Math.min(unsettledMs, timeoutMs) : timeoutMs);
      // A session that streams writes many times a second: one look is for all of it.
      const restMs = shortestGapMs - (sys.now() - readAt);
      if (restMs > 0) await sys.sleep(restMs);
    },
    async findPane({ key, pid }) {
      // Not the table of the last scan: the session may be younger.
      const table = await scanProcesses(sys);
      const socket = trackers.get(key)?.entry.sidecar?.socket;
      return (await findPanes(sys, table, [pid], socket === undefined ? [] : [socket])).get(pid);
    },
    close() {
      watch?.watch.close();
      watch = undefined;
    },
  };
}

/** Only who asks what sessions have used loads what it takes to count. */
async function openMeter(sys: Sys, settings: Settings): Promise<MeterReader> {
  const [{ createMeter }, { createPriceTable }] = await Promise.all([import("./meter.ts"), import("./claude-prices.ts")]);
  return createMeter(sys, createPriceTable(settings.prices()));
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

/** One look at everything, as soon as its signals agree. */
export async function lookOnce(sys: Sys, options: MonitorOptions = {}): Promise<Look> {
  const monitor = createMonitor(sys, options);
  try {
    return await monitor.readSettled();
  } finally {
    monitor.close();
  }
}

/** Every session that surely is one, longest in its state first. */
export const listSessions = async (sys: Sys): Promise<LiveSession[]> => (await lookOnce(sys)).sessions;

/** A session that says it runs in tmux, one that csd started there, and one that says nothing yet. */
const canHavePane = ({ file, sidecar, isStranger, isBelowTmux }: Entry): boolean =>
  isStranger === true ? isBelowTmux === true : sidecar !== undefined || file?.tmux !== undefined || file?.version === undefined;
