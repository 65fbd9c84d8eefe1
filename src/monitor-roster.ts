import type { SessionFile } from "./claude-session.ts";
import { createDrivenStore, type Driven } from "./driven.ts";
import { isRecorded } from "./driver.ts";
import { UserError } from "./errors.ts";
import { present } from "./json.ts";
import { configDir, drivenDir } from "./paths.ts";
import { type ProcessStart, readProcesses, startTime } from "./process.ts";
import { ancestors, type ProcessRow, type ProcessTable, readIdentity, readProcessTable } from "./process-table.ts";
import { withConversation } from "./resumed.ts";
import type { Whereabouts } from "./session.ts";
import { isOwner } from "./session-file.ts";
import { openSessionFiles } from "./sessions.ts";
import { isPast, type Sys } from "./sys.ts";
import { terminalOf } from "./terminals.ts";

export interface Profile {
  name: string | undefined;
  dir: string;
}

/** One session that is there, by what claude, csd and the process table say of it. */
export interface Entry {
  key: string;
  pid: number;
  /** False for a file that its process left behind; undefined where that cannot be known from here. */
  isAlive: boolean | undefined;
  file?: SessionFile;
  driven?: Driven;
  profile?: Profile;
  where?: Whereabouts;
  /** Only the process table tells of it. */
  isStranger?: boolean;
  /** A tmux server is an ancestor; undefined where no scan has the process yet. */
  isBelowTmux?: boolean;
  /** Epoch ms, where no file tells it. */
  startedAt?: number;
  cwd?: string;
}

/** The name under which lists show it. */
export function nameOf({ driven, file, pid }: Entry): string {
  return driven?.name ?? file?.name ?? (file?.sessionId ?? driven?.session_id)?.slice(0, 8) ?? `pid ${pid}`;
}

/** Its name is a person's or its folder's: a background session has its prompt as name, and `auto` is claude's own (2.1.329). */
export const isNameGiven = ({ driven, file }: Entry): boolean =>
  driven?.name !== undefined || (file?.kind !== "bg" && (file?.nameSource === "user" || file?.nameSource === "derived"));

/** What keeps this program away from it; undefined for an ordinary process of this user on this machine. */
export function awayNote({ isAlive, where, file }: Entry): string | undefined {
  const says = file?.status === undefined ? "" : `; its file says ${file.status}`;
  if (isAlive === undefined) return `its process is on another machine or in a container that cannot be seen from here${says}`;
  if (where === "container") return "runs in a container";
  return where === "other-user" ? "belongs to another user" : undefined;
}

/** Reads who is there; what has not changed since the last call is not parsed again. */
export interface Roster {
  read(): Promise<Entry[]>;
  /** The newest scan. */
  table(): Promise<ProcessTable>;
}

/** Startup dialogs come before the session file: only the table of processes shows them, and it is scanned this often. */
const scanEveryMs = 5000;
const drivenEveryMs = 5000;

export function createRoster(sys: Sys, profiles: () => Profile[]): Roster {
  const sessionFiles = openSessionFiles(sys);
  const store = createDrivenStore(sys);
  let cached: { readAt: number; modifiedAt: number | undefined; list: Driven[] } | undefined;
  let scanned: { at: number; table: ProcessTable } | undefined;
  const strangersSeen = new WeakMap<ProcessRow, Entry>();
  /** Those that claude or csd has told of: one whose file has just gone is on its way out, and no stranger. */
  const named = new Set<string>();

  const readDriven = (): Driven[] => {
    const modifiedAt = sys.modifiedAt(drivenDir(sys));
    if (cached === undefined || cached.modifiedAt !== modifiedAt || isPast(sys, cached.readAt, drivenEveryMs))
      cached = { readAt: sys.now(), modifiedAt, list: store.list().records };
    return cached.list;
  };
  /** A scan that fails says nothing about anybody: the one before stands, and serves for nothing new. */
  const scan = async (): Promise<boolean> => {
    const table = await readProcessTable(sys).catch(() => undefined);
    scanned = { at: sys.now(), table: table ?? scanned?.table ?? new Map() };
    return table !== undefined;
  };
  let lastProcesses: ReadonlyMap<number, ProcessStart> | undefined;
  /** One look that fails ends nobody. */
  const fallBack = () => {
    if (lastProcesses === undefined) throw new UserError("the list of processes cannot be read", "is ps installed and on PATH?");
    return lastProcesses;
  };
  const isScanDue = () => scanned === undefined || isPast(sys, scanned.at, scanEveryMs);

  return {
    async table() {
      if (isScanDue()) await scan();
      return scanned?.table ?? new Map();
    },
    async read() {
      const files = sessionFiles.list(profiles()).found;
      const tracked = readDriven();
      const isFresh = isScanDue() && (await scan());
      const table: ProcessTable = scanned?.table ?? new Map();
      const strangers = [...table.values()].filter((row) => isStranger(row) && !named.has(`${row.pid}:${row.start}`));
      const pids = [
        ...strangers.map((row) => row.pid),
        ...files.map(({ file }) => file.pid),
        ...tracked.flatMap((driven) => driven.pid ?? []),
      ];
      // The scan of this moment serves for all; between scans only the known ones are asked for.
      const canServe = isFresh && sys.platform !== "linux";
      const processes: ReadonlyMap<number, ProcessStart> = canServe
        ? table
        : await readProcesses(sys, [...new Set(pids)]).catch(() => fallBack());
      lastProcesses = processes;
      const drivenByPid = new Map(tracked.flatMap((driven) => (isLive(sys, processes, driven) ? [[driven.pid ?? 0, driven]] : [])));
      const entries = files.map(({ file, dir: profile }) =>
        placeFile(sys, { file, profile }, { processes, table, drivenByPid, isForeign: sessionFiles.isElsewhere }),
      );
      const seen = new Set(entries.flatMap((entry) => (entry.isAlive === true ? entry.pid : [])));
      for (const [pid, driven] of drivenByPid) if (!seen.has(pid)) entries.push(fromDriven(sys, driven, profiles(), processes));
      for (const pid of drivenByPid.keys()) seen.add(pid);
      for (const entry of entries) named.add(entry.key);
      const alive = strangers.filter((row) => processes.get(row.pid)?.start === row.start && !named.has(`${row.pid}:${row.start}`));
      return [...entries, ...fromTable(sys, table, alive, seen, strangersSeen)];
    },
  };
}

const isLive = (sys: Sys, processes: ReadonlyMap<number, ProcessStart>, driven: Driven): boolean =>
  driven.pid !== undefined && isRecorded(sys, processes.get(driven.pid), driven);

interface Known {
  processes: ReadonlyMap<number, ProcessStart>;
  table: ProcessTable;
  drivenByPid: ReadonlyMap<number, Driven>;
  isForeign(file: SessionFile): boolean;
}

/** Numbers of another pid namespace say nothing here: such a process is looked for by its start. */
function placeFile(sys: Sys, { file, profile }: { file: SessionFile; profile: Profile }, known: Known): Entry {
  const owner = known.processes.get(file.pid);
  const common = { pid: file.pid, file, profile };
  if (isOwner(sys, owner, file) && !known.isForeign(file)) {
    const driven = known.drivenByPid.get(file.pid);
    const own = withConversation(sys, profile.dir, file, driven?.session_id);
    const isBelowTmux = known.table.has(file.pid) ? isBelow(known.table, file.pid) : undefined;
    return { key: `${file.pid}:${owner?.start}`, ...common, file: own, isAlive: true, ...present({ driven, isBelowTmux }) };
  }
  const inside = findContained(sys, known.table, file);
  if (inside !== undefined) return { key: `${inside.pid}:${inside.start}`, ...common, pid: inside.pid, isAlive: true, where: "container" };
  const key = `${file.pid}:${file.procStart ?? file.startedAt}:${profile.dir}`;
  if (known.isForeign(file)) return { key, ...common, isAlive: undefined, where: "elsewhere" };
  return { key, ...common, isAlive: false };
}

/** A process of a container on this machine: the start is counted from the same boot, and it knows its own number. */
function findContained(sys: Sys, table: ProcessTable, file: SessionFile): ProcessRow | undefined {
  if (sys.platform !== "linux" || file.procStart === undefined) return undefined;
  for (const row of table.values())
    if (row.start === file.procStart && row.pid !== file.pid && readIdentity(sys, row.pid).ownPid === file.pid) return row;
  return undefined;
}

/** A startup dialog is up: claude has not written its file yet. */
function fromDriven(sys: Sys, driven: Driven, profiles: Profile[], processes: ReadonlyMap<number, ProcessStart>): Entry {
  const dir = driven.config_dir ?? configDir(sys);
  const profile = profiles.find((candidate) => candidate.dir === dir) ?? { name: undefined, dir };
  const pid = driven.pid ?? 0;
  return { key: `${pid}:${processes.get(pid)?.start}`, pid, isAlive: true, driven, profile, cwd: driven.cwd };
}

const isStranger = (row: ProcessRow): boolean => row.program === "claude" && row.hasTerminal;

/** Programs called claude at a terminal, of which no session file and no record tells. */
function fromTable(
  sys: Sys,
  table: ProcessTable,
  found: readonly ProcessRow[],
  seen: ReadonlySet<number>,
  known: WeakMap<ProcessRow, Entry>,
): Entry[] {
  // What a session starts under its own name is a part of it.
  const own = found.filter((row) => ![...ancestors(table, row.ppid)].some((pid) => seen.has(pid) || table.get(pid)?.program === "claude"));
  return own.map((row) => {
    // What is known of it is as old as the scan that has found it.
    const before = known.get(row);
    if (before !== undefined) return before;
    const { uid, ownPid } = readIdentity(sys, row.pid);
    const where: Whereabouts | undefined =
      uid !== undefined && uid !== sys.uid ? "other-user" : ownPid !== undefined && ownPid !== row.pid ? "container" : undefined;
    const startedAt = row.startedAt ?? startTime(sys, row.start);
    const cwd = where === undefined ? sys.realPath(`/proc/${row.pid}/cwd`) : undefined;
    const entry: Entry = {
      key: `${row.pid}:${row.start}`,
      pid: row.pid,
      isAlive: true,
      isStranger: true,
      isBelowTmux: isBelow(table, row.pid),
      ...present({ startedAt, where, cwd }),
    };
    known.set(row, entry);
    return entry;
  });
}

/** The nearest terminal that it runs in is one. */
const isBelow = (table: ProcessTable, pid: number): boolean =>
  ancestors(table, table.get(pid)?.ppid ?? 0)
    .map((ancestor) => terminalOf(table.get(ancestor)?.program ?? ""))
    .find((terminal) => terminal !== undefined) === "tmux";
