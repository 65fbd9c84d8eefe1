import { present } from "./json.ts";
import { type ProcessStart, parseStat, readBootTime, tickMs } from "./process.ts";
import type { Sys } from "./sys.ts";
import { type Seat, terminalVariables } from "./terminal-row.ts";

/** One process of this machine, as every scan tells of it. */
export interface ProcessRow extends ProcessStart {
  ppid: number;
  /** Undefined on Windows. */
  group?: number;
  /** Name of the program, without its folder. */
  program: string;
  /** False on Windows, as is `isForeground`. */
  hasTerminal: boolean;
  isForeground: boolean;
}

/** What costs more to read, for those who ask for it. */
export interface Columns {
  /** Epoch ms, true to a second; also on Linux, where it is not a number if the time of the boot is unknown. */
  startedAt: number;
  /** Program and arguments; hostile text. */
  command: string;
  /** Processes of other pid namespaces are left out, as their marks name other numbers. */
  marks: Marks;
}

/** What Claude Code 2.1.329 leaves in the environment of its children. Nothing else of an environment is kept: it holds secrets. */
interface Marks {
  /** `CLAUDE_PID` of shells and hooks; MCP servers have it only in the name of the messaging socket. */
  claudePid?: number;
  /** As of the child's start; `/clear` changes the id of the session since. */
  sessionId?: string;
  /**
   * The session whose background task it writes the output of, which outlives a cleared environment (`env -i`, `sudo`) and a parent
   * that has gone: stdout and stderr of a task of 2.1.329 are `…/<session id>/tasks/<task>.output`. Linux only.
   */
  outputOf?: string;
}

/** By number. */
export type ProcessTable<C extends keyof Columns = never> = ReadonlyMap<number, ProcessRow & Pick<Columns, C>>;

type Has = (column: keyof Columns) => boolean;

/** Every process that this one may look at, in one scan. */
export async function readProcessTable<C extends keyof Columns = never>(sys: Sys, columns: readonly C[] = []): Promise<ProcessTable<C>> {
  const has: Has = (column) => (columns as readonly string[]).includes(column);
  const rows = sys.platform === "linux" ? scanProc(sys, has) : await scanOther(sys, has);
  return new Map(rows.map((row) => [row.pid, row as ProcessRow & Pick<Columns, C>]));
}

/** The process itself, its parent, and so on; a ring, which a table read while it changes can hold, ends the walk. */
export function* ancestors(table: ReadonlyMap<number, Pick<ProcessRow, "ppid">>, pid: number): Generator<number> {
  const seen = new Set<number>();
  for (let current = pid; current > 0 && !seen.has(current); current = table.get(current)?.ppid ?? 0) {
    seen.add(current);
    yield current;
  }
}

const maxAncestors = 100;

/** The same of one process, without a scan of all; Linux only. Empty when it has ended. */
export function walkProc(sys: Pick<Sys, "readText">, pid: number): number[] {
  const pids: number[] = [];
  for (let current = pid; current > 0 && !pids.includes(current) && pids.length < maxAncestors; ) {
    const stat = parseStat(sys.readText(`/proc/${current}/stat`) ?? "");
    if (stat === undefined) break;
    pids.push(current);
    current = stat.ppid;
  }
  return pids;
}

/** Whose it is, and its number as the process itself sees it, which differs in a container; Linux only. */
export function readIdentity(sys: Sys, pid: number): { uid?: number; ownPid?: number } {
  const status = sys.readText(`/proc/${pid}/status`) ?? "";
  const number = (pattern: RegExp) => {
    const digits = pattern.exec(status)?.[1];
    return digits === undefined ? undefined : Number(digits);
  };
  return present({ uid: number(/^Uid:\s+(\d+)/m), ownPid: number(/^NSpid:.*?(\d+)\s*$/m) });
}

/** Where the environment of a process has claude keep its files. */
export interface Place {
  home?: string;
  /** `CLAUDE_CONFIG_DIR`, which counts before HOME. */
  configDir?: string;
}

/** Nothing where it cannot be seen. */
export async function readPlace(sys: Sys, pid: number): Promise<Place> {
  const environment = sys.platform === "linux" ? readEnviron(sys, pid) : (await readOther(sys)).find((row) => row.pid === pid)?.environment;
  const value = (name: string) => environment?.find((entry) => entry.startsWith(`${name}=`))?.slice(name.length + 1);
  return present({ home: value("HOME"), configDir: value("CLAUDE_CONFIG_DIR") });
}

const readEnviron = (sys: Pick<Sys, "readText">, pid: number): string[] => (sys.readText(`/proc/${pid}/environ`) ?? "").split("\0");
const readOther = async (sys: Sys) => (await import("./process-ps.ts")).readRows(sys, { hasCommand: false, hasEnvironment: true });

/** Where these processes sit: of their environments only what tells of a terminal. Those that have ended are missing. */
export async function readSeats(sys: Sys, pids: readonly number[]): Promise<Map<number, Seat>> {
  if (sys.platform === "linux")
    return new Map(pids.flatMap((pid) => procSeat(sys, pid) ?? []).map((seat) => [seat.line[0]?.pid ?? 0, seat]));
  if (pids.length === 0) return new Map();
  const rows = new Map((await readOther(sys)).map((row) => [row.pid, row]));
  return new Map(
    pids.flatMap((pid) => {
      const row = rows.get(pid);
      if (row === undefined) return [];
      const line = [...ancestors(rows, pid)].map((each) => ({
        pid: each,
        program: rows.get(each)?.program ?? "",
        ...present({ tty: rows.get(each)?.tty }),
      }));
      const { start, isForeground, tty } = row;
      return [[pid, { platform: sys.platform, line, env: terminalPart(row.environment ?? []), start, isForeground, ...present({ tty }) }]];
    }),
  );
}

function procSeat(sys: Pick<Sys, "readText">, pid: number): Seat | undefined {
  const seen = walkProc(sys, pid).map((each) => ({ pid: each, stat: parseStat(sys.readText(`/proc/${each}/stat`) ?? "") }));
  if (seen[0]?.stat === undefined) return undefined;
  const line = seen.map(({ pid: each, stat }) => ({
    pid: each,
    program: stat?.program ?? "",
    ...present({ tty: ttyOfDevice(stat?.device ?? 0) }),
  }));
  const { start, isForeground } = seen[0].stat;
  const env = terminalPart(readEnviron(sys, pid));
  return { platform: "linux", line, env, start, isForeground, ...present({ tty: line[0]?.tty }) };
}

function terminalPart(environment: readonly string[]): Seat["env"] {
  const names: ReadonlySet<string> = new Set(terminalVariables);
  return Object.fromEntries(
    environment.flatMap((entry) => {
      const at = entry.indexOf("=");
      return names.has(entry.slice(0, at)) ? [[entry.slice(0, at), entry.slice(at + 1)]] : [];
    }),
  );
}

/** Linux counts the windows of terminals from major number 136 on, and its consoles below 64 at 4. */
function ttyOfDevice(device: number): string | undefined {
  const [major, minor] = [(device >> 8) & 0xfff, (device & 0xff) | ((device >> 12) & 0xfff00)];
  if (major >= 136 && major <= 143) return `/dev/pts/${(major - 136) * 256 + minor}`;
  return major === 4 && minor < 64 ? `/dev/tty${minor}` : undefined;
}

function scanProc(sys: Sys, has: Has): ProcessRow[] {
  const bootedAt = has("startedAt") ? (readBootTime(sys) ?? Number.NaN) : undefined;
  const ownSpace = has("marks") ? sys.realPath("/proc/self/ns/pid") : undefined;
  return sys.list("/proc").flatMap((name): ProcessRow[] => {
    const stat = /^\d+$/.test(name) ? parseStat(sys.readText(`/proc/${name}/stat`) ?? "") : undefined;
    if (stat === undefined) return [];
    const space = ownSpace === undefined ? undefined : sys.realPath(`/proc/${name}/ns/pid`);
    // Unreadable is another user's, and so are its marks.
    if (space !== undefined && space !== ownSpace) return [];
    const { isStopped: _, cpuMs: __, device: ___, ...row } = stat;
    const words = (file: string) => (sys.readText(`/proc/${name}/${file}`) ?? "").split("\0").filter((word) => word !== "");
    return [
      {
        pid: Number(name),
        ...row,
        ...present({
          startedAt: bootedAt === undefined ? undefined : bootedAt + Number(row.start) * tickMs,
          command: has("command") ? words("cmdline").join(" ") || `[${row.program}]` : undefined,
          marks: has("marks") ? { ...parseMarks(words("environ")), ...present({ outputOf: readTask(sys, name) }) } : undefined,
        }),
      },
    ];
  });
}

const taskOutput = /\/([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\/tasks\/[^/]+\.output$/;

function readTask(sys: Pick<Sys, "readLink">, pid: string): string | undefined {
  for (const fd of [1, 2]) {
    const [, sessionId] = taskOutput.exec(sys.readLink(`/proc/${pid}/fd/${fd}`) ?? "") ?? [];
    if (sessionId !== undefined) return sessionId;
  }
  return undefined;
}

async function scanOther(sys: Sys, has: Has): Promise<ProcessRow[]> {
  const { readRows } = await import("./process-ps.ts");
  const rows = await readRows(sys, { hasCommand: has("command"), hasEnvironment: has("marks") });
  return rows.map(({ environment, tty: _, ...row }) => ({ ...row, ...present({ marks: environment && parseMarks(environment) }) }));
}

function parseMarks(environment: readonly string[]): Marks {
  const value = (name: string): string | undefined => {
    const entry = environment.findLast((candidate) => candidate.startsWith(`${name}=`));
    return entry?.slice(name.length + 1);
  };
  const socketPid = /(?:^|[/\\])(\d+)\.sock$/.exec(value("CLAUDE_CODE_MESSAGING_SOCKET") ?? "")?.[1];
  const claudePid = /^\d+$/.exec(value("CLAUDE_PID") ?? "")?.[0] ?? socketPid;
  return present({
    claudePid: claudePid === undefined ? undefined : Number(claudePid),
    sessionId: value("CLAUDE_CODE_SESSION_ID"),
  });
}
