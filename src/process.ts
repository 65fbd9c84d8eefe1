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

/** The live ones among these numbers. */
export async function readProcesses(sys: Sys, pids: readonly number[]): Promise<Map<number, ProcessStart>> {
  const starts = pids.length === 0 ? [] : await readStarts(sys, pids);
  return new Map(starts.map((start) => [start.pid, start]));
}

async function readStarts(sys: Sys, pids: readonly number[]): Promise<ProcessStart[]> {
  if (sys.platform === "linux") return pids.flatMap((pid) => linuxStart(sys, pid) ?? []);
  return (await import("./process-ps.ts")).readStarts(sys, pids);
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
interface ProcessStat {
  /** Name of the program, which may hold blanks and brackets. */
  program: string;
  isStopped: boolean;
  ppid: number;
  group: number;
  /** Number of the device that is its terminal; 0 where it has none. */
  device: number;
  hasTerminal: boolean;
  /** Its group has the keyboard of its terminal: a stopped program or one behind another has not. */
  isForeground: boolean;
  start: string;
  /** Time on a processor since its start. */
  cpuMs: number;
}

/** There are fifty, of which the start is the last that is asked for. */
const fieldsRead = 20;

/** Undefined for a zombie and a cut text. */
export function parseStat(text: string): ProcessStat | undefined {
  const end = text.lastIndexOf(")");
  const [state, ppid, group, , terminal, foreground, ...rest] = text.slice(end + 2).split(" ", fieldsRead);
  const start = rest[13];
  if (start === undefined || state === "Z" || state === "X") return undefined;
  return {
    program: text.slice(text.indexOf("(") + 1, end),
    isStopped: state === "T",
    ppid: Number(ppid),
    group: Number(group),
    device: Number(terminal),
    hasTerminal: terminal !== "0",
    isForeground: foreground === group,
    start,
    cpuMs: (Number(rest[5]) + Number(rest[6])) * tickMs,
  };
}

/** What a process takes of the machine. */
interface Load {
  /** Of one processor, so 100 and more where it uses several: the mean of the time that `overMs` tells. */
  cpuPercent: number;
  overMs: number;
  /** Over the last samples; else over its whole life. */
  isRecent: boolean;
  memoryBytes: number;
}

const sampleMs = 300;
const sampleCount = 3;

/** The time of the boot, read once; Linux only. */
export function createBootReader(sys: Sys): () => number | undefined {
  let boot: { at: number | undefined } | undefined;
  return () => {
    boot ??= { at: readBootTime(sys) };
    return boot.at;
  };
}

/** Reads the load of one process again and again; one reading alone can only tell of its whole life, three more of now. */
export function createLoadReader(sys: Sys, bootedAt = createBootReader(sys)): (pid: number) => Promise<Load | undefined> {
  let samples: { at: number; cpuMs: number }[] = [];
  return async (pid) => {
    const used = await readUsed(sys, pid, bootedAt);
    if (used === undefined) return undefined;
    const now = sys.now();
    const { cpuMs, memoryBytes, startedAt } = used;
    // Another process has the number now.
    if (cpuMs < (samples.at(-1)?.cpuMs ?? 0)) samples = [];
    if (now - (samples.at(-1)?.at ?? 0) >= sampleMs) samples = [...samples.slice(-sampleCount), { at: now, cpuMs }];
    const [first] = samples;
    const isRecent = first !== undefined && samples.length > sampleCount;
    const from = isRecent ? first : { at: startedAt, cpuMs: 0 };
    const overMs = Math.max(1, now - from.at);
    return { cpuPercent: ((cpuMs - from.cpuMs) / overMs) * 100, overMs, isRecent, memoryBytes };
  };
}

interface Used {
  cpuMs: number;
  memoryBytes: number;
  /** Epoch ms. */
  startedAt: number;
}

async function readUsed(sys: Sys, pid: number, bootedAt: () => number | undefined): Promise<Used | undefined> {
  if (sys.platform !== "linux") return (await import("./process-ps.ts")).readUsed(sys, pid);
  const stat = parseStat(sys.readText(`/proc/${pid}/stat`) ?? "");
  const kilobytes = /^VmRSS:\s+(\d+) kB$/m.exec(sys.readText(`/proc/${pid}/status`) ?? "")?.[1];
  if (stat === undefined || kilobytes === undefined) return undefined;
  const boot = bootedAt();
  const startedAt = boot === undefined ? sys.now() : boot + Number(stat.start) * tickMs;
  return { cpuMs: stat.cpuMs, memoryBytes: Number(kilobytes) * 1024, startedAt };
}

/** The words that a process of this user was called with; Linux only. */
export const readArguments = (sys: Pick<Sys, "readText">, pid: number): string[] =>
  (sys.readText(`/proc/${pid}/cmdline`) ?? "").split("\0").filter((word) => word !== "");

/** When the machine was started, epoch ms true to a second; Linux only. */
export function readBootTime(sys: Pick<Sys, "readText">): number | undefined {
  const seconds = /^btime (\d+)$/m.exec(sys.readText("/proc/stat") ?? "")?.[1];
  return seconds === undefined ? undefined : Number(seconds) * 1000;
}

/** Linux counts in hundredths of a second since boot, whatever its own clock does. */
export const tickMs = 10;

/** Epoch ms of a start in ticks; undefined off Linux. */
export function startTime(sys: Pick<Sys, "readText">, start: string): number | undefined {
  const bootedAt = readBootTime(sys);
  return bootedAt === undefined ? undefined : bootedAt + Number(start) * tickMs;
}

/** Whoever notes a process does so within seconds of its start, by another clock. */
const noteToleranceMs = 60_000;
export const isNearStart = (notedAt: number, startedAt: number): boolean => Math.abs(notedAt - startedAt) < noteToleranceMs;

/** May a note of this time be about this process? For notes that do not hold its exact start; undefined where the system tells none. */
export function hasStartedAbout(sys: Pick<Sys, "readText">, owner: ProcessStart, notedAt: number): boolean | undefined {
  const startedAt = owner.startedAt ?? startTime(sys, owner.start);
  return startedAt === undefined ? undefined : isNearStart(notedAt, startedAt);
}

/** Two readings of one process: equal where the system counts ticks, and near each other where two of its tools tell times. */
export const nearMs = 2000;
export function isSameProcess(a: ProcessStart, b: ProcessStart): boolean {
  if (a.pid !== b.pid) return false;
  if (a.startedAt !== undefined && b.startedAt !== undefined) return Math.abs(a.startedAt - b.startedAt) <= nearMs;
  return a.start === b.start;
}
