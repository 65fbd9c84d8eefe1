import type { ProcessStart } from "./process.ts";
import type { Sys } from "./sys.ts";

/** One row of the process table, as far as the system tells it of processes that may be somebody else's. */
export interface ScannedProcess extends ProcessStart {
  parent: number;
  /** Name of the program, without its folder. */
  command: string;
  hasTerminal: boolean;
  /** Its group has the keyboard of its terminal: a stopped program or one behind another has not. */
  isForeground: boolean;
}

/** Every process there is, in one scan. */
export async function scanProcesses(sys: Sys): Promise<Map<number, ScannedProcess>> {
  const rows = sys.platform === "linux" ? scanProc(sys) : sys.platform === "win32" ? [] : await scanPs(sys);
  return new Map(rows.map((row) => [row.pid, row]));
}

const scanProc = (sys: Sys): ScannedProcess[] =>
  sys.list("/proc").flatMap((name) => (/^\d+$/.test(name) ? (parseScanned(Number(name), sys.readText(`/proc/${name}/stat`)) ?? []) : []));

/** Undefined for a zombie, and for a process that has gone since it was listed. */
export function parseScanned(pid: number, stat: string | undefined): ScannedProcess | undefined {
  if (stat === undefined) return undefined;
  const open = stat.indexOf("(");
  const close = stat.lastIndexOf(")");
  const fields = stat.slice(close + 2).split(" ");
  const start = fields[19];
  if (start === undefined || fields[0] === "Z" || fields[0] === "X") return undefined;
  const group = fields[2] ?? "";
  return {
    pid,
    start,
    parent: Number(fields[1]),
    command: stat.slice(open + 1, close),
    hasTerminal: fields[4] !== "0",
    isForeground: fields[5] === group,
  };
}

async function scanPs(sys: Sys): Promise<ScannedProcess[]> {
  const argv = ["ps", "-axww", "-o", "pid=,ppid=,pgid=,tpgid=,tty=,stat=,lstart=,comm="];
  const result = await sys.run(argv, { env: { ...sys.env, LC_ALL: "C" } });
  return result.stdout.split("\n").flatMap((line) => parsePsRow(line) ?? []);
}

const psRow = /^\s*(\d+)\s+(\d+)\s+(-?\d+)\s+(-?\d+)\s+(\S+)\s+(\S+)\s+(\w{3} \w{3} [ \d]\d [\d:]{8} \d{4})\s+(.+)$/;

export function parsePsRow(line: string): ScannedProcess | undefined {
  const match = psRow.exec(line.trimEnd());
  if (match === null || match[6]?.startsWith("Z")) return undefined;
  const start = match[7] ?? "";
  return {
    pid: Number(match[1]),
    start,
    startedAt: Date.parse(start),
    parent: Number(match[2]),
    command: (match[8] ?? "").split("/").at(-1) ?? "",
    hasTerminal: !/^\?+$/.test(match[5] ?? "?"),
    isForeground: match[3] === match[4],
  };
}

/** Whose it is, and its number as the process itself sees it, which differs in a container; Linux only. */
export function readIdentity(sys: Sys, pid: number): { uid?: number; ownPid?: number } {
  const status = sys.readText(`/proc/${pid}/status`) ?? "";
  const uid = /^Uid:\s+(\d+)/m.exec(status)?.[1];
  const ownPid = /^NSpid:.*?(\d+)\s*$/m.exec(status)?.[1];
  return { ...(uid === undefined ? {} : { uid: Number(uid) }), ...(ownPid === undefined ? {} : { ownPid: Number(ownPid) }) };
}

/** Linux counts in hundredths of a second since boot, whatever its own clock does. */
const tickMs = 10;

/** Epoch ms of a start in ticks; undefined off Linux. */
export function startTime(sys: Sys, start: string): number | undefined {
  const bootSeconds = /^btime (\d+)$/m.exec(sys.readText("/proc/stat") ?? "")?.[1];
  return bootSeconds === undefined ? undefined : Number(bootSeconds) * 1000 + Number(start) * tickMs;
}

/** The process itself, its parent, and so on; bounded, as a table read while it changes can hold a ring. */
export function* ancestors(table: ReadonlyMap<number, ScannedProcess>, pid: number): Generator<number> {
  for (let current = pid, depth = 0; current > 1 && depth < 64; depth++) {
    yield current;
    current = table.get(current)?.parent ?? 0;
  }
}
