import { join } from "node:path";
import { hasShape, present } from "./json.ts";
import { smartDir } from "./paths.ts";
import { isSameProcess, nearMs, type ProcessStart, readProcess, readProcesses } from "./process.ts";
import { ancestors, type Columns, type ProcessRow } from "./process-table.ts";
import type { FoundSession } from "./sessions.ts";
import { type Sys, until } from "./sys.ts";

/** What is asked of the process table. */
export const reapColumns = ["startedAt", "command", "marks"] as const satisfies (keyof Columns)[];
export type ReapRow = ProcessRow & Columns;

/** A session whose claude has died without an end: the file that it would have removed is still there. */
export interface DeadSession {
  /** Empty where no file tells it. */
  sessionId: string;
  pid: number;
  /** Epoch ms. */
  startedAt: number;
}

/** A process that has outlived the claude that started it. */
export interface Orphan {
  row: ReapRow;
  claudePid?: number;
  sessionId?: string;
  /** How we know, of a claude that is gone. */
  why: string;
  /** Its session died; false where it may have ended in order and left this process running on purpose. */
  isCrash: boolean;
}

interface ReapInput {
  table: readonly ReapRow[];
  /** This program. */
  ownPid: number;
  dead: readonly DeadSession[];
  livePids: readonly number[];
  /** Conversations that these have open. */
  liveIds?: readonly string[];
  /** Live ones that are to end with all that is theirs; none of them in `livePids`. */
  ending?: readonly DeadSession[];
}

/**
 * The orphans of dead sessions by number, and the sessions that are to end with what they have started; nothing that belongs to another
 * live one, or that somebody's work hangs on.
 */
export function planReap({ table, ownPid, dead, livePids, liveIds = [], ending = [] }: ReapInput): Orphan[] {
  const byPid = new Map(table.map((row) => [row.pid, row]));
  const kept = new Set([ownPid, ...livePids].flatMap((pid) => [...ancestors(byPid, pid)]));
  const isKept = (row: ReapRow): boolean =>
    row.pid <= 1 || kept.has(row.pid) || isServer(row) || [...ancestors(byPid, row.pid)].some((pid) => livePids.includes(pid));
  const isOther = (row: ReapRow) => agents.has(programOf(row));
  const orphans = new Map<number, Orphan>();
  for (const session of ending) {
    const row = byPid.get(session.pid);
    if (row === undefined || kept.has(row.pid) || Math.abs(row.startedAt - session.startedAt) > nearMs) continue;
    orphans.set(row.pid, orphanOf(row, session, "the session itself"));
  }
  const known: Known = { byPid, dead: [...dead, ...ending], liveIds, ending: new Set(orphans.keys()) };
  for (const row of table) {
    const isSpared = orphans.has(row.pid) || isKept(row) || isOther(row) || !isAbandoned(row, byPid);
    const orphan = isSpared ? undefined : judge(row, known);
    if (orphan !== undefined) orphans.set(row.pid, orphan);
  }
  // A claude, and what drives one, that a session has started and still holds is a part of it, as its shells are.
  addDescendants(orphans, table, (row, parent) => isKept(row) || (isOther(row) && !known.ending.has(parent.claudePid ?? 0)), known);
  return [...orphans.values()].sort((a, b) => a.row.pid - b.row.pid);
}

/** The sessions that live below one of these, and not in a server that was started there. */
export function findNested(table: readonly ReapRow[], pids: readonly number[], livePids: readonly number[]): number[] {
  const byPid = new Map(table.map((row) => [row.pid, row]));
  return livePids.filter((pid) => {
    for (const ancestor of ancestors(byPid, pid)) {
      const row = byPid.get(ancestor);
      if (row !== undefined && isServer(row)) return false;
      if (ancestor !== pid && pids.includes(ancestor)) return true;
    }
    return false;
  });
}

interface Known {
  byPid: ReadonlyMap<number, ReapRow>;
  dead: readonly DeadSession[];
  liveIds: readonly string[];
  /** Processes of sessions that are to end. */
  ending: ReadonlySet<number>;
}

/**
 * What a session may start and others then live in: a tmux server that came up inside a session carries its marks for ever, and so
 * do all its panes, which are spared as their parent lives.
 */
const servers = new Set("tmux screen SCREEN zellij dtach abduco mosh-server sshd ssh-agent gpg-agent dockerd".split(" "));
export const isServer = (row: ReapRow): boolean => servers.has(programOf(row));
/** A claude is a session of its own, or serves some. */
const agents = new Set(["claude", "csm", "csd"]);

/** Those that take in processes whose parent has died. */
const inits = new Set("init systemd launchd tini docker-init dumb-init catatonit s6-svscan runit".split(" "));

/** Its parent has died, so it belongs to nobody's terminal or script. A number that a younger process bears is not its parent's. */
function isAbandoned(row: ReapRow, byPid: ReadonlyMap<number, ReapRow>): boolean {
  const parent = byPid.get(row.ppid);
  return row.ppid <= 1 || parent === undefined || inits.has(programOf(parent)) || parent.startedAt > row.startedAt + nearMs;
}

function programOf({ command }: ReapRow): string {
  const path = command.split(" ")[0] ?? "";
  return (path.split(/[/\\]/).at(-1) ?? "").replace(/^-|:$|\.exe$/g, "");
}

function judge(row: ReapRow, known: Known): Orphan | undefined {
  const { dead, liveIds } = known;
  const { claudePid, sessionId, outputOf } = row.marks;
  if (claudePid !== undefined) {
    if (isTaken(known, claudePid, row)) return undefined;
    const session = findDead(dead, row, (one) => one.pid === claudePid);
    const id = session?.sessionId ?? sessionId;
    const why = `environment names claude ${claudePid}`;
    return { row, claudePid, ...present({ sessionId: id }), why, isCrash: session !== undefined };
  }
  const byGroup = findDead(dead, row, ({ pid }) => row.group === pid && !isTaken(known, pid, row));
  if (byGroup !== undefined) return orphanOf(row, byGroup, `process group of claude ${byGroup.pid}`);
  const byParent = findDead(dead, row, ({ pid }) => row.ppid === pid && !isTaken(known, pid, row));
  if (byParent !== undefined) return orphanOf(row, byParent, `child of claude ${byParent.pid}`);
  // A conversation that was resumed since has two claudes: which of them started it is not told.
  if (outputOf === undefined || liveIds.includes(outputOf)) return undefined;
  const byOutput = findDead(dead, row, (session) => session.sessionId === outputOf);
  if (byOutput !== undefined) return orphanOf(row, byOutput, `writes for a background task of claude ${byOutput.pid}`);
  return undefined;
}

const orphanOf = (row: ReapRow, { pid, sessionId }: DeadSession, why: string): Orphan => ({
  row,
  claudePid: pid,
  sessionId,
  why,
  isCrash: true,
});

/** The number is in use by a process that is no younger than this one, so it may well be its claude, and is not to end. */
function isTaken({ byPid, ending }: Known, pid: number, row: ReapRow): boolean {
  const owner = ending.has(pid) ? undefined : byPid.get(pid);
  return owner !== undefined && owner.startedAt <= row.startedAt + nearMs;
}

/** The newest dead session that fits and is no younger than the process. */
const findDead = (dead: readonly DeadSession[], row: ReapRow, fits: (session: DeadSession) => boolean): DeadSession | undefined =>
  dead.filter((one) => fits(one) && one.startedAt <= row.startedAt + nearMs).sort((a, b) => b.startedAt - a.startedAt)[0];

/** What orphans have started, where it carries no marks of its own. */
function addDescendants(
  orphans: Map<number, Orphan>,
  table: readonly ReapRow[],
  isKept: (row: ReapRow, parent: Orphan) => boolean,
  known: Known,
): void {
  for (let hasGrown = true; hasGrown; ) {
    hasGrown = false;
    for (const row of table) {
      const parent = orphans.get(row.ppid);
      if (parent === undefined || orphans.has(row.pid) || isKept(row, parent) || parent.row.startedAt > row.startedAt + nearMs) continue;
      const { claudePid } = row.marks;
      if (claudePid !== undefined && isTaken(known, claudePid, row)) continue;
      orphans.set(row.pid, { ...parent, row, why: whyChild(row, known) });
      hasGrown = true;
    }
  }
}

const whyChild = ({ ppid, command }: ReapRow, { ending }: Known): string =>
  ending.has(ppid)
    ? `${shellOfClaude.test(command) ? "shell" : "child"} of claude ${ppid}`
    : `child of ${ending.size > 0 ? "" : "orphan "}${ppid}`;

/** A command that claude 2.1.329 runs, for its main thread, in the background or for a sub-agent. */
const shellOfClaude = /^\S*sh -c source \S*shell-snapshots\S* .*? eval (?:'((?:[^']|'"'"'|'\\'')*)'|(\S+))/s;

/** The words that tell processes apart: no path of the program, and of a shell of claude 2.1.329 what it was to run. */
export function shortCommand({ command }: Pick<Columns, "command">): string {
  const run = shellOfClaude.exec(command);
  if (run !== null) return (run[1] ?? run[2] ?? "").replaceAll(/'"'"'|'\\''/g, "'");
  const [program = "", ...words] = command.split(" ");
  return [program.split(/[/\\]/).at(-1) ?? "", ...words].join(" ");
}

/**
 * Sessions by the files that tell of them: claude's own, and the pid files `<pid> <born>` of the older csm, where `born` is the
 * whole second before the start. Dead is one whose file stayed behind.
 */
export async function readSessionsForReap(
  sys: Sys,
  found: readonly FoundSession[],
  table: readonly ReapRow[],
): Promise<Pick<ReapInput, "dead" | "livePids"> & { liveIds: string[] }> {
  const known = new Set(found.map(({ file }) => file.pid));
  const pidFiles = readPidFiles(sys).filter(({ pid }) => !known.has(pid));
  const processes = await readProcesses(
    sys,
    pidFiles.map(({ pid }) => pid),
  );
  const rows = new Map(table.map((row) => [row.pid, row]));
  const isLive = ({ pid, startedAt }: DeadSession): boolean => {
    const row = rows.get(pid);
    return row === undefined ? processes.has(pid) : Math.abs(row.startedAt - startedAt) <= nearMs + 1000;
  };
  const gone = found.filter(({ liveness }) => liveness === "gone");
  const live = found.filter(({ liveness }) => liveness === "live");
  return {
    dead: [
      ...gone.map(({ file }) => ({ sessionId: file.sessionId, pid: file.pid, startedAt: file.startedAt ?? 0 })),
      ...pidFiles.filter((session) => !isLive(session)),
    ],
    livePids: [...live.map(({ file }) => file.pid), ...pidFiles.filter(isLive).map(({ pid }) => pid)],
    liveIds: live.map(({ file }) => file.sessionId),
  };
}

function readPidFiles(sys: Sys): DeadSession[] {
  const dir = smartDir(sys);
  return sys.list(dir).flatMap((name) => {
    const match = name.endsWith(".pid") ? /^(\d+)\s+(\d+)(?:\s|$)/.exec(sys.readText(join(dir, name)) ?? "") : null;
    if (match === null) return [];
    const session = { sessionId: name.slice(0, -".pid".length), pid: Number(match[1]), startedAt: Number(match[2]) * 1000 };
    return hasShape(session, { sessionId: "id", pid: "pid", startedAt: "time" }) ? [session] : [];
  });
}

export type Ending = "ended" | "killed" | "gone" | "running" | "failed";

const stepMs = 50;

/** SIGTERM, then after a grace SIGKILL to what is still there; each process is looked at again right before each signal. */
export async function endOrphans(
  sys: Sys,
  orphans: readonly Orphan[],
  { isTermOnly = false, graceMs = 3000 }: { isTermOnly?: boolean; graceMs?: number } = {},
): Promise<Map<number, Ending>> {
  const endings = new Map<number, Ending>();
  for (const { row } of orphans) endings.set(row.pid, await signalOnce(sys, row, "SIGTERM"));
  const running = () => orphans.filter(({ row }) => endings.get(row.pid) === "running");
  await waitForEnd(sys, graceMs, running, endings, "ended");
  if (isTermOnly) return endings;
  for (const { row } of running()) {
    const ending = await signalOnce(sys, row, "SIGKILL");
    endings.set(row.pid, ending === "gone" ? "ended" : ending);
  }
  await waitForEnd(sys, graceMs, running, endings, "killed");
  return endings;
}

/** `running` after a signal that was delivered; `gone` when this very process was not there any more. */
async function signalOnce(sys: Sys, row: ReapRow, name: "SIGTERM" | "SIGKILL"): Promise<Ending> {
  if (!(await isThere(sys, row))) return "gone";
  if (sys.signal(row.pid, name)) return "running";
  return (await isThere(sys, row)) ? "failed" : "gone";
}

export async function isThere(sys: Sys, row: ProcessStart): Promise<boolean> {
  const now = await readProcess(sys, row.pid);
  return now !== undefined && isSameProcess(now, row);
}

async function waitForEnd(
  sys: Sys,
  graceMs: number,
  running: () => readonly Orphan[],
  endings: Map<number, Ending>,
  ending: Ending,
): Promise<void> {
  await until(sys, sys.now() + graceMs, stepMs, async () => {
    for (const { row } of running()) if (!(await isThere(sys, row))) endings.set(row.pid, ending);
    return running().length === 0 ? true : undefined;
  });
}
