import type { Sys } from "./sys.ts";

/** A live process: its number, and its start, which tells it from a later one with the same number. */
export interface ProcessStart {
  pid: number;
  /**
   * Clock ticks since boot on Linux, text of `ps` on macOS, a file time on Windows; equal for the same process only. Empty where
   * the system hides another user's processes: it lives, and that is all one can know.
   */
  start: string;
  /** Epoch ms where the system tells it; undefined on Linux, where `start` is compared as it is. */
  startedAt?: number;
}

type ReadStarts = (sys: Sys, pids: readonly number[]) => Promise<ProcessStart[]>;

const readers: Partial<Record<NodeJS.Platform, ReadStarts>> = {
  linux: async (sys, pids) => pids.flatMap((pid) => linuxStart(sys, pid) ?? []),
  darwin: psStarts,
  win32: windowsStarts,
};

/** The live ones among these numbers. */
export async function readProcesses(sys: Sys, pids: readonly number[]): Promise<Map<number, ProcessStart>> {
  const reader = readers[sys.platform] ?? psStarts;
  const starts = pids.length === 0 ? [] : await reader(sys, pids);
  return new Map(starts.map((start) => [start.pid, start]));
}

export const readProcess = async (sys: Sys, pid: number): Promise<ProcessStart | undefined> => (await readProcesses(sys, [pid])).get(pid);

function linuxStart(sys: Sys, pid: number): ProcessStart | undefined {
  const stat = sys.readText(`/proc/${pid}/stat`);
  // With the mount option hidepid other users' processes have no folder here; only a signal tells that they live.
  if (stat === undefined) return sys.signal(pid, 0) ? { pid, start: "" } : undefined;
  const fields = parseStat(stat);
  return fields === undefined ? undefined : { pid, start: fields.start };
}

/** What one line of /proc/<pid>/stat tells. */
export interface ProcessStat {
  /** Name of the program, which may hold blanks and brackets. */
  program: string;
  isStopped: boolean;
  ppid: number;
  group: number;
  hasTerminal: boolean;
  /** Its group has the keyboard of its terminal: a stopped program or one behind another has not. */
  isForeground: boolean;
  start: string;
}

/** Undefined for a zombie and a cut text. */
export function parseStat(text: string): ProcessStat | undefined {
  const end = text.lastIndexOf(")");
  const [state, ppid, group, , terminal, foreground, ...rest] = text.slice(end + 2).split(" ");
  const start = rest[13];
  if (start === undefined || state === "Z" || state === "X") return undefined;
  return {
    program: text.slice(text.indexOf("(") + 1, end),
    isStopped: state === "T",
    ppid: Number(ppid),
    group: Number(group),
    hasTerminal: terminal !== "0",
    isForeground: foreground === group,
    start,
  };
}

/** When the machine was started, epoch ms true to a second; Linux only. */
export function readBootTime(sys: Pick<Sys, "readText">): number | undefined {
  const seconds = /^btime (\d+)$/m.exec(sys.readText("/proc/stat") ?? "")?.[1];
  return seconds === undefined ? undefined : Number(seconds) * 1000;
}

async function psStarts(sys: Sys, pids: readonly number[]): Promise<ProcessStart[]> {
  // One -o per keyword: after a `=` the rest of a list is a header to the ps of FreeBSD.
  const argv = ["ps", "-o", "pid=", "-o", "stat=", "-o", "lstart=", "-p", pids.join(",")];
  const result = await sys.run(argv, { env: { ...sys.env, LC_ALL: "C" } });
  return result.stdout.split("\n").flatMap((line) => {
    const match = /^\s*(\d+)\s+(\S+)\s+(.+?)\s*$/.exec(line);
    if (match === null || match[2]?.startsWith("Z")) return [];
    return [{ pid: Number(match[1]), start: match[3] ?? "", startedAt: Date.parse(match[3] ?? "") }];
  });
}

async function windowsStarts(sys: Sys, pids: readonly number[]): Promise<ProcessStart[]> {
  // The start of another user's process is refused; the process lives all the same.
  const start = "try { $_.StartTime.ToUniversalTime().ToFileTimeUtc() } catch { '-' }";
  const script = `Get-Process -Id ${pids.join(",")} -ErrorAction SilentlyContinue | ForEach-Object { "$($_.Id) $(${start})" }`;
  const result = await sys.run(["powershell.exe", "-NoProfile", "-NonInteractive", "-Command", script]);
  return result.stdout.split(/\r?\n/).flatMap((line) => {
    const match = /^(\d+) (\d+|-)$/.exec(line.trim());
    if (match === null) return [];
    const [pid, start = ""] = [Number(match[1]), match[2]];
    return [start === "-" ? { pid, start: "" } : { pid, start, startedAt: parseFileTime(start) }];
  });
}

/** Milliseconds from 1601, where Windows file times begin, to 1970. */
const fileTimeEpoch = 11_644_473_600_000;
export const parseFileTime = (ticks: string): number => Number(BigInt(ticks) / 10_000n) - fileTimeEpoch;

/** Two readings of one process: equal where the system counts ticks, and near each other where two of its tools tell times. */
export const nearMs = 2000;
export function isSameProcess(a: ProcessStart, b: ProcessStart): boolean {
  if (a.pid !== b.pid) return false;
  if (a.startedAt !== undefined && b.startedAt !== undefined) return Math.abs(a.startedAt - b.startedAt) <= nearMs;
  return a.start === b.start;
}
