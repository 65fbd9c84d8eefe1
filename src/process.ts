import type { SessionFile } from "./claude-session.ts";
import type { Sys } from "./sys.ts";

/** A live process: its number, and its start, which tells it from a later one with the same number. */
export interface ProcessStart {
  pid: number;
  /** Clock ticks since boot on Linux, text of `ps` on macOS, a file time on Windows; equal for the same process only. */
  start: string;
  /** Epoch ms where the system tells it; undefined on Linux, where `start` is compared as it is. */
  startedAt?: number;
}

type ReadStarts = (sys: Sys, pids: readonly number[]) => Promise<ProcessStart[]>;

const readers: Partial<Record<NodeJS.Platform, ReadStarts>> = {
  linux: async (sys, pids) => pids.flatMap((pid) => linuxStart(sys.readText(`/proc/${pid}/stat`), pid) ?? []),
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

/** Field 22 of /proc/<pid>/stat; the command in field 2 may hold blanks and brackets. Undefined for a zombie. */
function linuxStart(stat: string | undefined, pid: number): ProcessStart | undefined {
  const fields = stat?.slice(stat.lastIndexOf(")") + 2).split(" ");
  const start = fields?.[19];
  return fields === undefined || start === undefined || fields[0] === "Z" || fields[0] === "X" ? undefined : { pid, start };
}

async function psStarts(sys: Sys, pids: readonly number[]): Promise<ProcessStart[]> {
  const result = await sys.run(["ps", "-o", "pid=,stat=,lstart=", "-p", pids.join(",")], { env: { ...sys.env, LC_ALL: "C" } });
  return result.stdout.split("\n").flatMap((line) => {
    const match = /^\s*(\d+)\s+(\S+)\s+(.+?)\s*$/.exec(line);
    if (match === null || match[2]?.startsWith("Z")) return [];
    return [{ pid: Number(match[1]), start: match[3] ?? "", startedAt: Date.parse(match[3] ?? "") }];
  });
}

async function windowsStarts(sys: Sys, pids: readonly number[]): Promise<ProcessStart[]> {
  const script = `Get-Process -Id ${pids.join(",")} -ErrorAction SilentlyContinue | ForEach-Object { "$($_.Id) $($_.StartTime.ToUniversalTime().ToFileTimeUtc())" }`;
  const result = await sys.run(["powershell.exe", "-NoProfile", "-NonInteractive", "-Command", script]);
  return result.stdout.split(/\r?\n/).flatMap((line) => {
    const match = /^(\d+) (\d+)$/.exec(line.trim());
    if (match === null) return [];
    const start = match[2] ?? "";
    return [{ pid: Number(match[1]), start, startedAt: Number(BigInt(start) / 10_000n) - fileTimeEpoch }];
  });
}

/** Milliseconds from 1601, where Windows file times begin, to 1970. */
const fileTimeEpoch = 11_644_473_600_000;

/** A session file is written within seconds of its process's start; clocks are read a little apart. */
const startToleranceMs = 60_000;

/** Does this live process own this session file? A file that `kill -9` left behind may carry a number in new use. */
export function isOwner(owner: ProcessStart | undefined, file: SessionFile): boolean {
  if (owner === undefined || owner.pid !== file.pid) return false;
  if (owner.startedAt === undefined) return file.procStart === undefined || file.procStart === owner.start;
  return file.startedAt === undefined || Math.abs(file.startedAt - owner.startedAt) < startToleranceMs;
}
