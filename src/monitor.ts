import { createCheckoutReader } from "./git.ts";
import { judgeHealth } from "./health.ts";
import { present } from "./json.ts";
import { createTracker, type Shared, type Tracker } from "./monitor-follow.ts";
import type { Gauge } from "./monitor-gauge.ts";
import { createRoster, type Entry, type Profile, type Roster } from "./monitor-roster.ts";
import { captureScreens, settleMs, settleStepMs } from "./observe.ts";
import { findPane, findPanes } from "./panes.ts";
import { drivenDir, sessionsDir, tasksDbPath } from "./paths.ts";
import { createBootReader } from "./process.ts";
import { profileDirs } from "./profiles.ts";
import type { LiveSession, RunGroup } from "./session.ts";
import type { Settings } from "./settings.ts";
import { isPast, type Sys, until } from "./sys.ts";
import { createLineBuffer } from "./tail.ts";
import type { Place } from "./terminal-row.ts";
import { readPlaces } from "./terminal-run.ts";
import { createAsk, type Pane } from "./tmux.ts";
import type { Feed, Wakeup } from "./watch.ts";

/** Every session of every profile, kept up to date: a look costs what is new. */
export interface Monitor extends Feed<LiveSession> {
  /** What is known now. */
  read(): Promise<Look>;
  /** The same, once nothing that is known to come is outstanding; at most 1.5 s. */
  readSettled(): Promise<Look>;
  /** The pane of a session, on whatever server of this user it is. */
  findPane(session: Pick<LiveSession, "key" | "pid">): Promise<Pane | undefined>;
}

interface Look {
  /** Epoch ms. */
  at: number;
  /** Longest in its state first. */
  sessions: LiveSession[];
  isSettled: boolean;
  /** Programs called claude of which nothing else is known. */
  hidden: number;
  /** Not over, oldest first; absent where nobody has asked. */
  runs?: RunGroup[];
}

export interface MonitorOptions {
  profiles?: () => Profile[];
  /** Also those whose process ended without a word. */
  hasDead?: boolean;
  /** Also programs called claude, outside tmux, without a session file in a known profile: of other users, in containers … */
  hasStrangers?: boolean;
  /** Also what each session has used; the first look reads whole transcripts for it. */
  hasMeter?: boolean;
  /** Also what its process takes of the machine. */
  hasLoad?: boolean;
  /** Also which of them are tasks of a run. */
  hasTasks?: boolean;
  /** One look, and the program ends: what was counted is kept for the next one. */
  isOnce?: boolean;
}

const profilesEveryMs = 10_000;
const unsettledMs = 60;
const shortestGapMs = 80;
/** A list needs the newest turn, the dashboard also what was done lately. */
const listHistoryBytes = 16 * 1024;
const topHistoryBytes = 256 * 1024;
/** A pane that was not found is looked for again after this time. */
const seekEveryMs = 5000;

export function createMonitor(sys: Sys, options: MonitorOptions = {}): Monitor {
  const readProfiles = options.profiles ?? (() => profileDirs(sys));
  let profiles: { at: number; list: Profile[] } | undefined;
  const roster = createRoster(sys, () => {
    if (profiles === undefined || isPast(sys, profiles.at, profilesEveryMs)) profiles = { at: sys.now(), list: readProfiles() };
    return profiles.list;
  });
  let settings: Settings | undefined;
  let gauge: Gauge | undefined;
  let tasks: ReturnType<typeof import("./task-sessions.ts").openTaskSessions> | undefined;
  const screens = createScreenReader(sys, roster);
  const shared: Shared = {
    lines: createLineBuffer(),
    checkout: createCheckoutReader(sys),
    bootedAt: createBootReader(sys),
    historyBytes: options.hasMeter === true && options.isOnce !== true ? topHistoryBytes : listHistoryBytes,
  };
  const trackers = new Map<string, Tracker>();
  const sought = new WeakSet<Tracker>();
  let wakeup: Wakeup | undefined;
  let isUnsettled = false;
  let readAt = 0;

  const follow = async (entries: Entry[]) => {
    const keys = new Set(entries.map((entry) => entry.key));
    for (const [key, tracker] of trackers) {
      if (keys.has(key)) continue;
      trackers.delete(key);
      gauge?.forget(key, tracker.transcript());
    }
    for (const entry of entries) {
      const tracker = trackers.get(entry.key) ?? createTracker(sys, entry, shared);
      trackers.set(entry.key, tracker);
      await tracker.take(entry);
    }
  };
  const readOnce = async (): Promise<Look> => {
    settings ??= (await import("./settings.ts")).readSettings(sys);
    if (options.hasMeter === true) gauge ??= await openGauge(sys, settings, options.isOnce === true);
    await follow(await roster.read());
    await addPlaces(sys, sought, [...trackers.values()]);
    await screens.read([...trackers.values()].filter((tracker) => tracker.needsCapture));
    const live = [...trackers.values()].filter(({ entry }) => options.hasDead === true || entry.isAlive !== false);
    // A program that only bears the name is somebody's session for certain when it runs in a pane of this user.
    const shown = live.filter(({ entry, pane }) => entry.isStranger !== true || pane !== undefined || options.hasStrangers === true);
    const described = shown.map((tracker) => tracker.describe());
    readAt = sys.now();
    isUnsettled = described.some((one) => !one.isSettled);
    const sessions = described.map((one) => one.session).sort((a, b) => a.since - b.since || a.pid - b.pid);
    for (const session of sessions) gauge?.measure(session, trackers.get(session.key)?.hasGrown() === true);
    for (const session of sessions) addSubject(session, trackers.get(session.key));
    const runs = options.hasTasks === true ? await markTasks(sessions) : undefined;
    if (options.hasLoad === true) for (const session of sessions) await addLoad(session, trackers.get(session.key));
    const badges = judgeHealth(sessions, sys.now(), settings.part("dashboard"));
    for (const session of sessions) session.badges = badges.get(session.key) ?? [];
    return { at: sys.now(), sessions, isSettled: !isUnsettled, hidden: live.length - shown.length, ...present({ runs }) };
  };
  /** Nothing of it is loaded where no task was ever run. */
  const markTasks = async (sessions: LiveSession[]): Promise<RunGroup[]> => {
    if (tasks === undefined && sys.modifiedAt(tasksDbPath(sys)) === undefined) return [];
    tasks ??= (await import("./task-sessions.ts")).openTaskSessions(sys);
    return tasks.mark(sessions);
  };
  // One look at a time: two would read the same new lines twice.
  let last: Promise<unknown> = Promise.resolve();
  const read = (): Promise<Look> => {
    const look = last.then(readOnce);
    // Whoever asked for that look is told of its failure.
    last = look.catch(() => undefined);
    return look;
  };
  const folders = (): string[] => {
    const dirs = (profiles?.list ?? []).map((profile) => sessionsDir(profile.dir));
    return [drivenDir(sys), ...dirs, ...[...trackers.values()].flatMap((tracker) => tracker.folders())];
  };
  return {
    read,
    async readSettled() {
      let look: Look | undefined;
      await until(sys, sys.now() + settleMs, settleStepMs, async () => {
        look = await read();
        return look.isSettled ? true : undefined;
      });
      return look ?? read();
    },
    async next(timeoutMs) {
      wakeup ??= (await import("./watch.ts")).createWakeup(sys);
      await wakeup.next(folders(), isUnsettled ? Math.min(unsettledMs, timeoutMs) : timeoutMs);
      // A session that streams writes many times a second: one look is for all of it.
      const restMs = shortestGapMs - Math.abs(sys.now() - readAt);
      if (restMs > 0) await sys.sleep(restMs);
    },
    findPane: ({ key, pid }) => findPane(sys, pid, trackers.get(key)?.entry.driven?.socket),
    close() {
      wakeup?.close();
      gauge?.close();
      tasks?.close();
    },
  };
}

/** Once each: a list is shown without them where the processes cannot be read. */
async function addPlaces(sys: Sys, sought: WeakSet<Tracker>, trackers: readonly Tracker[]): Promise<void> {
  const isWanted = ({ entry }: Tracker) => entry.isAlive === true && entry.where === undefined;
  const wanted = trackers.filter((tracker) => !sought.has(tracker) && isWanted(tracker));
  if (wanted.length === 0) return;
  for (const tracker of wanted) sought.add(tracker);
  const pids = wanted.map(({ entry }) => entry.pid);
  const places = await readPlaces(sys, pids).catch(() => new Map<number, Place>());
  for (const tracker of wanted) tracker.place = places.get(tracker.entry.pid);
}

/** Unless it is known from the look before. */
function addSubject(session: LiveSession, tracker: Tracker | undefined): void {
  const facts = session.facts ?? tracker?.subject();
  if (facts !== undefined) session.facts = facts;
}

/** Nothing is known of one that has ended, or runs where its number means another process. */
async function addLoad(session: LiveSession, tracker: Tracker | undefined): Promise<void> {
  if (tracker === undefined || tracker.entry.isAlive !== true) return;
  const load = await tracker.readLoad(session.pid);
  if (load !== undefined) session.load = load;
}

/** Shows the trackers their screens. */
function createScreenReader(sys: Sys, roster: Pick<Roster, "table">) {
  const soughtAt = new WeakMap<Tracker, number>();
  const ask = createAsk(sys);
  /** One call per tmux server, and only when a session has a screen to read whose pane is not known yet. */
  const locate = async (wanted: Tracker[]) => {
    const isDue = (tracker: Tracker) => isPast(sys, soughtAt.get(tracker) ?? Number.NEGATIVE_INFINITY, seekEveryMs);
    const lost = wanted.filter((tracker) => tracker.pane === undefined && canHavePane(tracker.entry) && isDue(tracker));
    if (lost.length === 0) return;
    for (const tracker of lost) soughtAt.set(tracker, sys.now());
    const sockets = lost.flatMap((tracker) => tracker.entry.driven?.socket ?? []);
    const pids = lost.map((tracker) => tracker.entry.pid);
    const panes = await findPanes(sys, await roster.table(), pids, sockets, ask);
    for (const tracker of lost) tracker.pane = panes.get(tracker.entry.pid);
  };
  return {
    async read(wanted: Tracker[]): Promise<void> {
      await locate(wanted);
      const seen = wanted.flatMap((tracker) => (tracker.pane === undefined ? [] : { tracker, pane: tracker.pane }));
      if (seen.length === 0) return;
      const panes = seen.map(({ pane }) => pane);
      const { parseScreen } = await import("./claude-screen.ts");
      const captures = await captureScreens(panes, ask);
      for (const [index, { tracker, pane }] of seen.entries()) {
        const capture = captures[index];
        const isSame = typeof capture === "object" && !capture.pane.isDead && capture.pane.pid === pane.pid;
        if (!isSame) tracker.pane = undefined;
        tracker.show(isSame ? parseScreen(capture.text) : undefined);
      }
    },
  };
}

/** Only who asks what sessions have used loads what it takes to count. */
const openGauge = async (sys: Sys, settings: Settings, isOnce: boolean): Promise<Gauge> =>
  (await import("./monitor-gauge.ts")).createGauge(sys, settings.prices(), isOnce);

/** One look at everything, as soon as its signals agree. */
export async function lookOnce(sys: Sys, options: MonitorOptions = {}): Promise<Look> {
  const monitor = createMonitor(sys, { ...options, isOnce: true });
  try {
    return await monitor.readSettled();
  } finally {
    monitor.close();
  }
}

/** Every session that surely is one, longest in its state first. */
export const listSessions = async (sys: Sys): Promise<LiveSession[]> => (await lookOnce(sys)).sessions;

/** A session that says it runs in tmux or surely does, one that csd started there, and one that says nothing yet. */
const canHavePane = ({ file, driven, isStranger, isBelowTmux }: Entry): boolean =>
  isBelowTmux === true || (isStranger !== true && (driven !== undefined || file?.tmux !== undefined || file?.version === undefined));
