import { dirname, join } from "node:path";
import { type Driver, readState, type Target, trackedTarget } from "./driver.ts";
import { drivenDir, sessionsDir, transcriptPath } from "./paths.ts";
import type { Status, Verdict } from "./status.ts";
import type { Watch } from "./sys-files.ts";

/** Without a file event the state is read again after this time: a file system may tell nothing. */
const safetyPollMs = 2000;

/** Wakes at each sign of a session: its hooks, its status, its transcript, its record. */
function watchTarget({ sys }: Driver, target: Target): Watch {
  const { driven, channel } = target;
  const paths = [sessionsDir(target.configDir), drivenDir(sys)];
  if (channel !== undefined) paths.push(channel.dir, join(channel.dir, "gates"));
  if (driven !== undefined) paths.push(dirname(transcriptPath(target.configDir, driven.cwd, driven.session_id)));
  return sys.watch(paths);
}

/** The state as soon as it is one of these; undefined when the time is over first. `dead` always ends the wait. */
export async function waitForStatus(
  driver: Driver,
  target: Target,
  isWanted: (verdict: Verdict) => boolean,
  timeoutMs: number,
): Promise<{ verdict: Verdict; isWanted: boolean }> {
  const { sys } = driver;
  const deadline = sys.now() + timeoutMs;
  const watch = watchTarget(driver, target);
  try {
    for (;;) {
      const verdict = await readState(driver, target);
      if (isWanted(verdict)) return { verdict, isWanted: true };
      if (verdict.status === "dead" || sys.now() >= deadline) return { verdict, isWanted: false };
      await watch.next(Math.max(1, Math.min(safetyPollMs, deadline - sys.now())));
    }
  } finally {
    watch.close();
  }
}

/** One line of `csd events`. */
export type SessionEvent =
  | { event: "snapshot" | "change"; at: number; session: string; old: Status | null; new: Status; state: Verdict }
  | { event: "gone"; at: number; session: string; old: Status | null; new: null };

/**
 * Every change of the state of these sessions, or of all that are tracked, beginning with a snapshot of each. A gate that
 * follows another is a change too. Ends when `emit` returns false.
 */
export async function streamEvents(
  driver: Driver,
  names: readonly string[] | undefined,
  emit: (event: SessionEvent) => boolean,
): Promise<void> {
  const { sys, store } = driver;
  const followed = new Set<string>();
  let isOpen = true;
  const send = (event: SessionEvent): boolean => {
    isOpen = isOpen && emit(event);
    return isOpen;
  };
  sys.makePrivateDir(drivenDir(sys));
  const list = sys.watch([drivenDir(sys)]);
  try {
    while (isOpen) {
      for (const driven of store.list().records) {
        if (followed.has(driven.name) || names?.includes(driven.name) === false) continue;
        followed.add(driven.name);
        // Each on its own: one that waits for its signals to agree holds up no other.
        follow(driver, driven.name, send).finally(() => followed.delete(driven.name));
      }
      await list.next(safetyPollMs);
    }
  } finally {
    list.close();
  }
}

/** Until the session is forgotten. */
async function follow(driver: Driver, name: string, send: (event: SessionEvent) => boolean): Promise<void> {
  const { sys, store } = driver;
  let driven = store.read(name);
  if (driven === undefined) return;
  const watch = watchTarget(driver, trackedTarget(sys, driven));
  let last: { key: string; status: Status } | undefined;
  let isOpen = true;
  try {
    while (isOpen && driven !== undefined) {
      // A gate that its hook has told need not be painted to be told on.
      const verdict = await readState(driver, trackedTarget(sys, driven), true);
      const key = keyOf(verdict);
      if (key !== last?.key) {
        const common = { at: sys.now(), session: name, old: last?.status ?? null, new: verdict.status, state: verdict };
        isOpen = send({ event: last === undefined ? "snapshot" : "change", ...common });
        last = { key, status: verdict.status };
      }
      await watch.next(safetyPollMs);
      driven = store.read(name);
    }
    if (isOpen) send({ event: "gone", at: sys.now(), session: name, old: last?.status ?? null, new: null });
  } finally {
    watch.close();
  }
}

const changing = new Set(["source", "age_ms", "tools", "background", "options", "choices", "prompt", "subject"]);

/** Equal while the state is the same: what it is and what it asks, without ages and progress. */
const keyOf = (verdict: Verdict): string => JSON.stringify(Object.entries(verdict).filter(([name]) => !changing.has(name)));
