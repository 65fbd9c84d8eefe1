import { dirname } from "node:path";
import { channelFolders } from "./channel.ts";
import type { SessionFile } from "./claude-session.ts";
import { type Address, type Driver, referTo, trackedTarget } from "./driver.ts";
import { isoTime } from "./format.ts";
import { type Followed, follow, lookAt, settleStepMs } from "./observe.ts";
import { drivenDir, sessionsDir } from "./paths.ts";
import type { RunGroup } from "./session.ts";
import type { Verdict } from "./status.ts";
import { type Beyond, needsPerson, stateJson } from "./statuses.ts";
import type { Sys } from "./sys.ts";
import type { Watch } from "./sys-files.ts";
import { createAsk } from "./tmux.ts";

/** Where sessions come from, again and again: the monitor, the sessions of csd, or a script. */
export interface Feed<S = Watched> {
  /** `hidden`: programs that may be sessions and are not shown. */
  read(): Promise<{ sessions: S[]; hidden?: number; runs?: readonly RunGroup[]; beyond?: Beyond }>;
  /** Resolves at a sign of change, or after `timeoutMs`. */
  next(timeoutMs: number): Promise<void>;
  close(): void;
}

export interface Watched {
  /** Stays while the session is the same. */
  key: string;
  name: string;
  verdict: Verdict;
  /** Another conversation in the same session is a change. */
  sessionId?: string;
  /** That nobody hears of its machine any more is one, too. */
  staleMs?: number;
}

export interface Change<S> {
  /** `first`: it was there at the first look. */
  kind: "first" | "new" | "change" | "gone";
  /** As it is now; one that is gone as it was. */
  session: S;
  /** The state before; undefined for one that was not there. */
  old?: Verdict;
}

/** What does not change while a state stays what it is: what it is and what it asks, without ages and progress. */
const progress = new Set([
  "source",
  "age_ms",
  "tools",
  "background",
  "options",
  "choices",
  "prompt",
  "subject",
  "gate_index",
  "gate_count",
]);

const describeState = ({ verdict, sessionId, name, staleMs }: Watched): string =>
  // Each try is a change, the countdown to it is none.
  JSON.stringify([sessionId, name, staleMs !== undefined, Object.entries(verdict).filter(([key]) => !progress.has(key))], (key, value) =>
    key === "wait_ms" ? undefined : value,
  );

/** Tells the changes from one look to the next; the first look tells of everything. */
export function createComparison<S extends Watched>(): (sessions: readonly S[]) => Change<S>[] {
  const known = new Map<string, { session: S; words: string; look: number }>();
  let look = 0;
  return (sessions) => {
    look++;
    const changes: Change<S>[] = [];
    for (const session of sessions) {
      const before = known.get(session.key);
      if (before === undefined) {
        known.set(session.key, { session, words: describeState(session), look });
        changes.push({ kind: look === 1 ? "first" : "new", session });
        continue;
      }
      before.look = look;
      // Of twenty thousand sessions of other machines nearly all are the very same as before.
      if (before.session === session) continue;
      const words = describeState(session);
      if (before.words !== words) changes.push({ kind: "change", session, old: before.session.verdict });
      Object.assign(before, { session, words });
    }
    for (const [key, { session, look: seen }] of known) {
      if (seen === look) continue;
      known.delete(key);
      changes.push({ kind: "gone", session, old: session.verdict });
    }
    return changes;
  };
}

/** Without a file event everything is looked at again after this time: a file system may tell nothing. */
const safetyPollMs = 2000;

/** Hands every change to `emit`, and undefined after `silenceMs` without one, until it returns false. */
export async function watchSessions<S extends Watched>(
  feed: Feed<S>,
  now: () => number,
  emit: (change: Change<S> | undefined) => boolean,
  silenceMs = Number.POSITIVE_INFINITY,
): Promise<void> {
  const compare = createComparison<S>();
  let toldAt = now();
  for (;;) {
    const changes: (Change<S> | undefined)[] = compare((await feed.read()).sessions);
    if (changes.length === 0 && now() - toldAt >= silenceMs) changes.push(undefined);
    for (const change of changes) {
      if (!emit(change)) return;
      toldAt = now();
    }
    await feed.next(Math.max(1, Math.min(safetyPollMs, toldAt + silenceMs - now())));
  }
}

/** Waits for a change below any of these folders; another list of them, or one that has come into being, is a change too. */
export interface Wakeup {
  next(folders: readonly string[], timeoutMs: number): Promise<void>;
  close(): void;
}

export function createWakeup(sys: Pick<Sys, "watch" | "isDirectory">): Wakeup {
  let watched: { key: string; watch: Watch } | undefined;
  const close = () => {
    watched?.watch.close();
    watched = undefined;
  };
  return {
    async next(folders, timeoutMs) {
      const paths = [...new Set(folders)].filter(sys.isDirectory).sort();
      const key = paths.join("\n");
      if (watched?.key === key) return watched.watch.next(timeoutMs);
      close();
      // What changed since the last look went unseen there: look again at once.
      watched = { key, watch: sys.watch(paths) };
    },
    close,
  };
}

// --- the sessions of csd -----------------------------------------------------------------------------------------

interface WatchedAddress extends Watched {
  target: Address;
  /** Claude's own; undefined where there is none. */
  readFile(): SessionFile | undefined;
}

/** These sessions of csd, each with its verdict as soon as its signals agree: one that waits for that holds up no other. */
function createDrivenFeed(driver: Driver, readTargets: () => Address[], isHeldEnough = false): Feed<WatchedAddress> {
  const { sys } = driver;
  const wakeup = createWakeup(sys);
  const ask = createAsk(sys);
  let followed = new Map<string, Followed>();
  let isUnsettled = false;
  return {
    async read() {
      const known = followed;
      followed = new Map(
        readTargets().map((target) => {
          const before = known.get(target.name);
          const isSame = before?.target.pid === target.pid;
          return [target.name, isSame && before !== undefined ? { ...before, target } : follow(driver, target)];
        }),
      );
      await lookAt(driver, [...followed.values()], ask);
      const judged = [...followed].map(([name, { target, observer }]) => ({
        ...{ name, target, readFile: () => observer.signals().session },
        ...observer.judge({ isHeldEnough, hasPane: target.pane !== undefined }),
      }));
      isUnsettled = judged.some(({ isSettled }) => !isSettled);
      const told = judged.filter(({ isProvisional }) => !isProvisional);
      return { sessions: told.map(({ name, verdict, target, readFile }) => ({ key: name, name, verdict, target, readFile })) };
    },
    async next(timeoutMs) {
      const folders = [...followed.values()].flatMap(({ target, observer }) => {
        const path = observer.transcript() ?? target.driven?.jsonl_path;
        return [sessionsDir(target.configDir), ...channelFolders(target.channel), ...(path === undefined ? [] : [dirname(path)])];
      });
      await wakeup.next([drivenDir(sys), ...folders], isUnsettled ? Math.min(settleStepMs, timeoutMs) : timeoutMs);
    },
    close: wakeup.close,
  };
}

/**
 * The state as soon as it is one of these; undefined when the time is over first. `dead` always ends the wait. `isWanted` is asked at
 * each look, of which one that waits for a person needs few: files tell what becomes of it.
 */
export async function waitForStatus(
  driver: Driver,
  target: Address,
  isWanted: (verdict: Verdict) => boolean,
  timeoutMs: number,
  restMs = safetyPollMs,
): Promise<{ verdict: Verdict; isWanted: boolean }> {
  const { sys } = driver;
  const deadline = sys.now() + timeoutMs;
  const feed = createDrivenFeed(driver, () => [target]);
  try {
    for (;;) {
      const verdict = (await feed.read()).sessions[0]?.verdict;
      if (verdict !== undefined && isWanted(verdict)) return { verdict, isWanted: true };
      if (verdict !== undefined && (verdict.status === "dead" || sys.now() >= deadline)) return { verdict, isWanted: false };
      const leftMs = verdict === undefined ? settleStepMs : Math.max(1, deadline - sys.now());
      await feed.next(Math.min(verdict !== undefined && needsPerson({ verdict }) ? restMs : safetyPollMs, leftMs));
    }
  } finally {
    feed.close();
  }
}

/** How each line of `csm watch --json` and `csd events` begins: what happened, to whom, and between which states. */
export const eventHead = <E extends string>(
  event: E,
  { id, at, name, old, verdict }: { id: number; at: number; name: string; old: Verdict | undefined; verdict: Verdict },
) => ({
  ...{ event, id, at, time: isoTime(at) ?? "", session: name, old: old?.status ?? null },
  new: event === "gone" ? null : verdict.status,
  old_state: old === undefined ? null : stateJson(old),
});

/** The last word of a session. */
export const gone = { status: "dead", source: "process", age_ms: 0 } as const satisfies Verdict;

/** One line of `csd events`. */
export type SessionEvent = ReturnType<typeof toEvent>;

/**
 * Every change of the state of these sessions, or of all that csd started, beginning with a snapshot of each. A gate that
 * follows another is a change too. Ends when `emit` returns false.
 */
export async function streamEvents(
  driver: Driver,
  chosen: readonly Address[] | undefined,
  emit: (event: SessionEvent) => boolean,
): Promise<void> {
  const { sys, store } = driver;
  sys.makePrivateDir(drivenDir(sys));
  const names = chosen?.flatMap(({ driven }) => driven?.name ?? []);
  const others = chosen?.filter(({ driven }) => driven === undefined) ?? [];
  const readTargets = () => [
    ...store
      .list()
      .records.filter(({ name }) => names?.includes(name) !== false)
      .map((driven) => trackedTarget(sys, driven)),
    ...others,
  ];
  // A gate that its hook has told need not be painted to be told on.
  const feed = createDrivenFeed(driver, readTargets, true);
  let id = 0;
  try {
    await watchSessions(feed, sys.now, (change) => change === undefined || emit(toEvent(sys, change, ++id)));
  } finally {
    feed.close();
  }
}

function toEvent(sys: Sys, { kind, session, old }: Change<WatchedAddress>, id: number) {
  const event = kind === "change" || kind === "gone" ? kind : "snapshot";
  const verdict = kind === "gone" ? gone : session.verdict;
  return {
    ...eventHead(event, { id, at: sys.now(), name: session.name, old, verdict }),
    ...referTo(sys, session.target, session.readFile()),
    state: stateJson(verdict),
  };
}
