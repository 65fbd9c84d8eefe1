import { join } from "node:path";
import { verbs } from "./actions.ts";
import { isBelow } from "./budgets.ts";
import { resolveSessionId } from "./candidates.ts";
import { type Driver, unknownSession } from "./driver.ts";
import { rememberKill } from "./driver-kill.ts";
import { UserError } from "./errors.ts";
import { present } from "./json.ts";
import { findClaude } from "./launch.ts";
import { awayNote, createRoster, type Entry, nameOf } from "./monitor-roster.ts";
import { isSameProcess, type ProcessStart, readProcesses } from "./process.ts";
import { ancestors, readPlace, readProcessTable } from "./process-table.ts";
import { profileDirs } from "./profiles.ts";
import {
  type DeadSession,
  type Ending,
  endOrphans,
  findNested,
  isServer,
  isThere,
  type Orphan,
  planReap,
  type ReapRow,
  readSessionsForReap,
  reapColumns,
} from "./reap.ts";
import { resolveProcess } from "./resolve.ts";
import { readSessions } from "./sessions.ts";
import { type Sys, until } from "./sys.ts";

/** A session that is to end, alive or left behind by a claude that died; `startedAt` of its process. */
interface Halted extends DeadSession {
  name: string;
  cwd: string;
  isAlive: boolean;
  /** Undefined for one that has ended: `dead` holds the file's word for its process. */
  key?: string;
  profile?: string;
  configDir?: string;
  /** csd's name for it. */
  driven?: string;
}

/** What would end, looked at once; `readHalt` makes it and `runHalt` carries it out. */
export interface Halt {
  sessions: Halted[];
  /** Theirs, and themselves. */
  processes: Orphan[];
  /** Started by them, and left, as others may live in it. */
  servers: ReapRow[];
  /** Asked for, and out of reach. */
  away: { name: string; why: string; isOwn: boolean }[];
  others: { livePids: number[]; liveIds: string[] };
}

interface HaltWish {
  /** Words for sessions; all of them without one. */
  words: readonly string[];
  /** A profile's name. */
  profile?: string | undefined;
  /** A real path: sessions in it and below. */
  cwd?: string | undefined;
}

/** Throws for a word that means none, or one that cannot be ended from here. */
export async function readHalt(driver: Driver, wish: HaltWish): Promise<Halt> {
  const { sys } = driver;
  const dirs = profileDirs(sys);
  const entries: Entry[] = [];
  for (const entry of await createRoster(sys, () => dirs).read())
    if (wish.words.length > 0 || (await isKnown(sys, entry, dirs))) entries.push(entry);
  const table = await readTable(sys);
  const found = await readSessionsForReap(sys, await readSessions(sys, dirs), table);
  const all = [...listLive(entries, table), ...listDead(driver, entries, found.dead)];
  const isNamed = wish.words.length > 0;
  const asked = isNamed ? await pick(driver, all, wish.words) : all.filter((one) => isWanted(one, wish));
  const above = new Set(ancestors(new Map(table.map((row) => [row.pid, row])), sys.pid));
  const own = asked.filter(({ pid, isAlive }) => isAlive && above.has(pid));
  if (isNamed && own[0] !== undefined)
    throw new UserError(`${own[0].name}: this csm was started inside it; nothing was ended`, "halt it from another terminal");
  const away = [
    ...own.map(({ name }) => ({ name, why: "this csm was started inside it", isOwn: true })),
    ...(isNamed ? [] : listAway(entries)),
  ];
  const chosen = new Set(asked.filter((one) => !own.includes(one)));
  const livePids = [...new Set([...found.livePids, ...all.flatMap(({ pid, isAlive }) => (isAlive ? pid : []))])];
  const nested = findNested(table, livePidsOf(chosen), livePids);
  for (const one of all) if (one.isAlive && nested.includes(one.pid)) chosen.add(one);
  const ending = livePidsOf(chosen);
  const others = {
    livePids: livePids.filter((pid) => !ending.includes(pid)),
    liveIds: all.flatMap((one) => (one.isAlive && !chosen.has(one) ? one.sessionId : [])),
  };
  const processes = planProcesses(sys, table, [...chosen], others);
  return { sessions: [...chosen], processes, servers: listServers(table, processes), away, others };
}

const livePidsOf = (sessions: Iterable<Halted>): number[] => [...sessions].flatMap(({ pid, isAlive }) => (isAlive ? pid : []));

const readTable = async (sys: Sys): Promise<ReapRow[]> => [...(await readProcessTable(sys, reapColumns)).values()];

/**
 * One that no file tells of, as while a startup dialog is up, may be another home's, or only bear the name: unless a word names it, its
 * program has to be the claude that csm starts, or lie where claude is installed (2.1.329), and work in a known folder.
 */
async function isKnown(sys: Sys, { isStranger, pid }: Entry, dirs: readonly { dir: string }[]): Promise<boolean> {
  if (isStranger !== true) return true;
  const program = sys.realPath(`/proc/${pid}/exe`) ?? "";
  if (!/[/\\](?:@anthropic-ai[/\\]claude-code|claude[/\\]versions[/\\])/.test(program) && program !== findOwn(sys)) return false;
  const { configDir: own, home } = await readPlace(sys, pid);
  const dir = own ?? (home === undefined ? undefined : join(home, ".claude"));
  return dir !== undefined && dirs.some((known) => known.dir === dir || (sys.realPath(dir) ?? dir) === sys.realPath(known.dir));
}

function findOwn(sys: Sys): string | undefined {
  try {
    return sys.realPath(findClaude(sys));
  } catch {
    // None is installed: what runs is not it.
    return undefined;
  }
}

function listLive(entries: readonly Entry[], table: readonly ReapRow[]): Halted[] {
  const rows = new Map(table.map((row) => [row.pid, row]));
  return entries.flatMap((entry): Halted[] => {
    const { pid, key, file, driven, profile, where, isAlive } = entry;
    if (isAlive !== true || where !== undefined) return [];
    const sessionId = file?.sessionId ?? driven?.session_id ?? "";
    const cwd = file?.cwd ?? driven?.cwd ?? entry.cwd ?? "";
    const startedAt = rows.get(pid)?.startedAt ?? 0;
    const known = present({ profile: profile?.name, configDir: profile?.dir, driven: driven?.name });
    return [{ name: nameOf(entry), pid, key, sessionId, cwd, startedAt, isAlive, ...known }];
  });
}

/** csd's record of one outlives it, and so does its pane. */
function listDead({ store }: Driver, entries: readonly Entry[], dead: readonly DeadSession[]): Halted[] {
  const records = store.list().records;
  return dead.map((session) => {
    const entry = entries.find(
      ({ pid, isAlive, file }) => pid === session.pid && isAlive === false && file?.sessionId === session.sessionId,
    );
    const driven = records.find(({ pid, session_id: id }) => pid === session.pid && id === session.sessionId)?.name;
    const profile = present({ profile: entry?.profile?.name, configDir: entry?.profile?.dir, driven });
    const name = driven ?? (entry === undefined ? session.sessionId.slice(0, 8) : nameOf(entry));
    return { ...session, name, cwd: entry?.file?.cwd ?? "", isAlive: false, ...profile };
  });
}

const isWanted = ({ profile, cwd }: Halted, wish: HaltWish): boolean =>
  (wish.profile === undefined || profile === wish.profile) && (wish.cwd === undefined || isBelow(cwd, wish.cwd));

async function pick(driver: Driver, all: readonly Halted[], words: readonly string[]): Promise<Halted[]> {
  const picked: Halted[] = [];
  for (const word of words) {
    const { name, stranger } = await resolveProcess(driver, word);
    const found = all.filter((one) => (stranger === undefined ? one.driven === name : one.key === stranger.key));
    if (found.length === 0) {
      const id = await resolveSessionId(
        driver.sys,
        word,
        all.map(({ sessionId }) => sessionId),
      );
      found.push(...all.filter(({ sessionId }) => sessionId === id));
    }
    if (found.length === 0) throw unknownSession(word);
    picked.push(...found);
  }
  return picked;
}

/** Of another user's nothing is expected. */
const listAway = (entries: readonly Entry[]): Halt["away"] =>
  entries.flatMap((entry) => {
    const why = entry.where === "other-user" ? undefined : awayNote(entry);
    return why === undefined ? [] : [{ name: nameOf(entry), why, isOwn: false }];
  });

/** Session by session. What may be of another claude with the same number is none of theirs. */
function planProcesses(sys: Sys, table: readonly ReapRow[], sessions: readonly Halted[], others: Halt["others"]): Orphan[] {
  const ending = sessions.filter(({ isAlive }) => isAlive);
  const dead = sessions.filter(({ isAlive }) => !isAlive);
  const order = new Map(sessions.map(({ pid }, index) => [pid, index]));
  const place = ({ claudePid = 0, row }: Orphan) => [order.get(claudePid) ?? sessions.length, row.pid === claudePid ? 0 : row.pid] as const;
  return planReap({ table, ownPid: sys.pid, dead, ending, ...others })
    .filter(({ isCrash }) => isCrash)
    .sort((a, b) => place(a)[0] - place(b)[0] || place(a)[1] - place(b)[1]);
}

function listServers(table: readonly ReapRow[], processes: readonly Orphan[]): ReapRow[] {
  const pids = new Set(processes.map(({ row }) => row.pid));
  const started = ({ ppid, marks }: ReapRow) => pids.has(ppid) || (marks.claudePid !== undefined && pids.has(marks.claudePid));
  return table.filter((row) => isServer(row) && started(row));
}

// --- the end ----------------------------------------------------------------------------------------------------------

/** What became of each; `processes` with those that were started since they were shown. */
export interface HaltResult {
  processes: Orphan[];
  endings: Map<number, Ending>;
  /** Sessions that could not be told to end, or csd's own that could not be forgotten. */
  failures: { name: string; why: string }[];
}

/** claude gives its MCP servers 1 s, and was gone 2.1 s after a SIGTERM with one that would not go (2.1.329). */
const claudeMs = 5000;
const graceMs = 2000;
const stepMs = 50;
const maxRounds = 3;

/** Asks each claude first; what is still there of what was shown, and what that has started since, is ended after it. */
export async function runHalt(driver: Driver, { sessions, processes, others }: Halt): Promise<HaltResult> {
  const { sys } = driver;
  const shown = new Map(processes.map((one) => [one.row.pid, one]));
  const look = async () => {
    for (const one of planProcesses(sys, await readTable(sys), sessions, others)) {
      const before = shown.get(one.row.pid);
      if (before === undefined || !isSameProcess(before.row, one.row)) shown.set(one.row.pid, { ...one, why: `${one.why}, started since` });
    }
  };
  // A child loses its parent when claude ends, and with a cleared environment all that tells whose it is.
  await look();
  const failures = await tellAll(driver, sessions);
  const claudes = sessions.flatMap(({ pid, isAlive }) => (isAlive ? (shown.get(pid) ?? []) : []));
  await until(sys, sys.now() + claudeMs, stepMs, async () => (await listRunning(sys, claudes)).length === 0 || undefined);
  const stubborn = new Set((await listRunning(sys, claudes)).map(({ row }) => row.pid));
  for (const { pid, sessionId, cwd, configDir } of sessions)
    if (stubborn.has(pid)) await rememberKill(sys, { pid, sessionId, cwd, configDir });
  const endings = new Map<number, Ending>();
  for (let round = 0; round < maxRounds; round++) {
    await look();
    const left = (await listRunning(sys, [...shown.values()])).filter(({ row }) => !endings.has(row.pid));
    if (left.length === 0) break;
    for (const [pid, ending] of await endOrphans(sys, left, { graceMs })) endings.set(pid, ending);
  }
  for (const pid of shown.keys()) if (!endings.has(pid)) endings.set(pid, "ended");
  return { processes: [...shown.values()], endings, failures };
}

/**
 * What a claude that is known by its process alone has started, and itself where it is still there; no session of another one. `since`:
 * epoch ms, when it cannot have been there yet.
 */
export async function endTree(sys: Sys, claude: ProcessStart & { sessionId: string }, since: number): Promise<void> {
  const { pid, sessionId } = claude;
  const dirs = profileDirs(sys);
  for (let round = 0; round < maxRounds; round++) {
    const table = await readTable(sys);
    const row = table.find((one) => one.pid === pid && isSameProcess(one, claude));
    const found = await readSessionsForReap(sys, await readSessions(sys, dirs), table);
    const nested = findNested(table, [pid], found.livePids);
    const livePids = found.livePids.filter((live) => live !== pid && !nested.includes(live));
    const liveIds = found.liveIds.filter((id) => id !== sessionId);
    const session = { pid, sessionId, startedAt: row?.startedAt ?? since };
    const given = row === undefined ? { dead: [session] } : { dead: [], ending: [session] };
    const left = planReap({ table, ownPid: sys.pid, livePids, liveIds, ...given }).filter(({ isCrash }) => isCrash);
    if (left.length === 0) return;
    // Before its shells: it would take their end for an answer, and go on with it.
    if (row !== undefined && sys.signal(pid, "SIGKILL"))
      await until(sys, sys.now() + graceMs, stepMs, async () => ((await isThere(sys, row)) ? undefined : true));
    await endOrphans(sys, left, { graceMs });
  }
}

/** csd's own are ended with their pane and their record; one whose claude has died has these left. */
async function tellAll(driver: Driver, sessions: readonly Halted[]): Promise<HaltResult["failures"]> {
  const tellOne = async ({ name, driven, isAlive, pid, key, configDir }: Halted) => {
    if (driven !== undefined) return verbs.stop.run(driver, { name: driven }, {});
    if (!isAlive || key === undefined) return undefined;
    const stranger = { pid, key, ...present({ configDir }) };
    return (await isThere(driver.sys, { pid, start: key.slice(key.indexOf(":") + 1) }))
      ? verbs.stop.run(driver, { name, stranger }, {})
      : undefined;
  };
  const results = await Promise.all(
    sessions.map(async (session) => {
      try {
        await tellOne(session);
        return [];
      } catch (error) {
        if (!(error instanceof Error)) throw error;
        return [{ name: session.name, why: error.message }];
      }
    }),
  );
  return results.flat();
}

/** By one look at all of them. */
async function listRunning(sys: Sys, processes: readonly Orphan[]): Promise<Orphan[]> {
  const now = await readProcesses(
    sys,
    processes.map(({ row }) => row.pid),
  );
  return processes.filter(({ row }) => {
    const found = now.get(row.pid);
    return found !== undefined && isSameProcess(found, row);
  });
}
