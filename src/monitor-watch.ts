import { present } from "./json.ts";
import type { Feed } from "./monitor.ts";
import type { LiveSession } from "./session.ts";
import type { Verdict } from "./status.ts";

/** What `csm watch` tells; `id` counts from 1 and `at` is epoch ms. */
export interface FleetEvent {
  event: "initial" | "change" | "gone" | "heartbeat";
  id: number;
  at: number;
  session?: LiveSession;
  /** The state before; undefined for one that was not there. */
  old?: Verdict;
}

/** The changes from one look to the next; the first look tells of everything. */
export interface Comparison {
  compare(sessions: readonly LiveSession[], at: number): FleetEvent[];
  heartbeat(at: number): FleetEvent;
}

export function createComparison(): Comparison {
  let known: Map<string, { session: LiveSession; words: string }> | undefined;
  let id = 0;
  const tell = (event: FleetEvent["event"], at: number, session?: LiveSession, old?: Verdict): FleetEvent => ({
    event,
    id: ++id,
    at,
    ...present({ session, old }),
  });
  return {
    compare(sessions, at) {
      const events: FleetEvent[] = [];
      const before = known;
      known = new Map(sessions.map((session) => [session.key, { session, words: describeState(session) }]));
      for (const [key, { session, words }] of known) {
        const old = before?.get(key);
        if (old === undefined) events.push(tell(before === undefined ? "initial" : "change", at, session));
        else if (old.words !== words) events.push(tell("change", at, session, old.session.verdict));
      }
      for (const [key, { session }] of before ?? [])
        if (!known.has(key))
          events.push(
            tell("gone", at, { ...session, verdict: { status: "dead", source: "process", age_ms: 0 }, since: at }, session.verdict),
          );
      return events;
    },
    heartbeat: (at) => tell("heartbeat", at),
  };
}

/** What does not change while a state stays what it is. */
const progress = new Set(["source", "age_ms", "tools", "background", "options", "choices", "prompt", "subject"]);

/** Another conversation in the same process, and another name, are changes too. */
const describeState = ({ verdict, sessionId, name }: LiveSession): string =>
  JSON.stringify([sessionId, name, Object.entries(verdict).filter(([key]) => !progress.has(key))]);

/** Without a file event everything is looked at again after this time. */
const safetyPollMs = 2000;

/** Tells every change until `emit` returns false. */
export async function watchFleet(feed: Feed, now: () => number, heartbeatMs: number, emit: (event: FleetEvent) => boolean): Promise<void> {
  const comparison = createComparison();
  let toldAt = now();
  for (;;) {
    const { sessions } = await feed.read();
    for (const event of comparison.compare(sessions, now())) {
      if (!emit(event)) return;
      toldAt = now();
    }
    if (now() - toldAt >= heartbeatMs) {
      if (!emit(comparison.heartbeat(now()))) return;
      toldAt = now();
    }
    await feed.next(Math.max(1, Math.min(safetyPollMs, toldAt + heartbeatMs - now())));
  }
}
