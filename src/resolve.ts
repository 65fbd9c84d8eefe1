import type { Candidate, Whom } from "./candidates.ts";
import { type Address, type Driver, findLive, findTracked, type Target, trackedTarget, unknownSession } from "./driver.ts";
import { UserError } from "./errors.ts";
import { isPathWord, present } from "./json.ts";
import type { Sys } from "./sys.ts";
import type { Place } from "./terminal-row.ts";
import { isInsideAnother } from "./terminals.ts";
import { createTmux, type Pane } from "./tmux.ts";

/**
 * What a word for a session means to a command that looks, types or ends. csd's own name comes first and costs no look at anything
 * else, as scripts rely on it; then whatever the lists show.
 */

type Meant = Pick<Candidate, "driven" | "live" | "pane">;

/** The session that is meant, whatever becomes of it: to look, not to type. */
export async function resolveAddress(driver: Driver, word: string): Promise<Address> {
  const { driven, live, pane } = (await findSession(driver, word)) ?? {};
  if (driven !== undefined) return trackedTarget(driver.sys, driven);
  // Says what is wrong with the word.
  if (live === undefined) return findTracked(driver, refuseTitle(word));
  const { name, pid, configDir = "" } = requireOwn(live);
  return { name, pid, configDir, keyboard: createTmux(driver.sys, pane?.socketPath), ...present({ pane: pane?.paneId }) };
}

/** The session that is meant, where it can be typed into; else why it cannot. */
export async function resolveTarget(driver: Driver, word: string): Promise<Target & { livePane?: Pane }> {
  const { driven, live, pane } = (await findSession(driver, word)) ?? {};
  if (driven !== undefined) return findLive(driver, driven.name);
  // A tmux session of this name may hold a claude of which no file tells.
  return live === undefined ? findLive(driver, refuseTitle(word)) : targetOf(driver.sys, live, pane);
}

/** Where the session that is meant is shown: its pane, or its place in another terminal; neither once it has ended. */
export async function resolvePlace(driver: Driver, word: string): Promise<{ name: string; pane?: Pane; place?: Place }> {
  const { driven, live, pane } = (await findSession(driver, word)) ?? {};
  if (driven !== undefined || live === undefined) {
    const { name, livePane } = await findLive(driver, driven?.name ?? refuseTitle(word));
    return { name, pane: livePane };
  }
  const { name, pid } = requireOwn(live);
  if (pane !== undefined) return { name, pane };
  const { readPlaces } = await import("./terminal-run.ts");
  return { name, ...present({ place: (await readPlaces(driver.sys, [pid])).get(pid) }) };
}

/** The process that is to end, by a name or an id; a name that means nothing stays: it may be that of a session that has gone. */
export async function resolveProcess(driver: Driver, word: string): Promise<{ name: string; stranger?: Whom & { key: string } }> {
  const { hasRecord, isStarting } = await import("./driver-names.ts");
  // One that is being started has a pane before it has a record: it is csd's all the same.
  if (isPathWord(word) && (hasRecord(driver.store, word) || (await isStarting(driver.sys, word)))) return { name: word };
  const { driven, live } = (await findSession(driver, word, "name")) ?? {};
  if (driven !== undefined || live === undefined) return { name: driven?.name ?? word };
  return { name: live.name, stranger: requireOwn(live) };
}

async function findSession(driver: Driver, word: string, how?: "name"): Promise<Meant | undefined> {
  const readOwn = () => (isPathWord(word) ? driver.store.read(word) : undefined);
  const driven = readOwn();
  if (driven !== undefined) return { driven };
  try {
    return await (await import("./candidates.ts")).findCandidate(driver, word, how);
  } catch (error) {
    // One that was being started may have got its record meanwhile: it and its claude are no two sessions.
    const late = readOwn();
    if (late === undefined) throw error;
    return { driven: late };
  }
}

/** Several words can only be a title: no name of csd's has blanks. */
function refuseTitle(word: string): string {
  if (/\S\s+\S/.test(word)) throw unknownSession(word);
  return word;
}

export function requireOwn<T extends Pick<Whom, "name" | "where" | "note">>(session: T): T {
  if (session.where === undefined) return session;
  throw new UserError(`${session.name}: ${session.note ?? session.where}`, "this program leaves it alone");
}

/** How a session that csd did not start can be typed into: its pane or its window, where it surely is the one that has the keyboard. */
export async function targetOf(sys: Sys, session: Whom, pane: Pane | undefined): Promise<Target & { livePane?: Pane }> {
  const { name, pid, kind, configDir } = requireOwn(session);
  if (kind !== "interactive") throw new UserError(`${name} is a ${kind} session: nobody can type into it`);
  if (configDir === undefined) throw new UserError(`the config dir of ${name} is not known`, "answer it in its own terminal");
  const { readPlaces, openKeyboard } = await import("./terminal-run.ts");
  const place = (await readPlaces(sys, [pid])).get(pid);
  if (place === undefined) throw new UserError(`${name} has ended`);
  if (pane === undefined) {
    try {
      return { name, pid, configDir, ...(await openKeyboard(sys, place)) };
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      throw new UserError(`${name} runs in ${place.title}: ${error.message}`, error.hint ?? `csm focus ${name}, and answer it there`);
    }
  }
  if (isInsideAnother(place, pane.pid))
    throw new UserError(`${name} runs inside of another session, whose pane it is`, "go to its pane and see");
  if (!place.isForeground) throw new UserError(`${name} has not the keyboard of its pane`, "go to its pane and see");
  return { name, keyboard: createTmux(sys, pane.socketPath), pane: pane.paneId, pid, configDir, livePane: pane };
}
