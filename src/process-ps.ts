import { present } from "./json.ts";
import type { Sys } from "./sys.ts";

interface Start {
  pid: number;
  /** Empty where the system hides it. */
  start: string;
  /** Epoch ms. */
  startedAt?: number;
}

interface Row {
  pid: number;
  ppid: number;
  group?: number;
  start: string;
  startedAt: number;
  program: string;
  hasTerminal: boolean;
  /** `/dev/ttys003`; undefined on Windows. */
  tty?: string;
  isForeground: boolean;
  command?: string;
  /** `NAME=value`; values with blanks are cut into several. */
  environment?: string[];
}

/** What costs a call more. */
interface Wish {
  hasCommand: boolean;
  hasEnvironment: boolean;
}

/** The live ones among these processes, where there is no /proc: by PowerShell on Windows, else by ps. */
export const readStarts = (sys: Sys, pids: readonly number[]): Promise<Start[]> =>
  sys.platform === "win32" ? askPowerShell(sys, pids) : askPs(sys, pids);

/** All processes, where there is no /proc. */
export const readRows = (sys: Sys, wish: Wish): Promise<Row[]> => (sys.platform === "win32" ? scanWindows(sys, wish) : scanPs(sys, wish));

/** One -o per keyword: after a `=` the rest of a list is a header to the ps of FreeBSD. */
async function runPs(sys: Sys, flags: readonly string[], names: readonly string[], rest: readonly string[] = []): Promise<string[]> {
  const argv = ["ps", ...flags, ...names.flatMap((name) => ["-o", `${name}=`]), ...rest];
  return (await sys.run(argv, { env: { ...sys.env, LC_ALL: "C" } })).stdout.split("\n");
}

async function askPs(sys: Sys, pids: readonly number[]): Promise<Start[]> {
  const lines = await runPs(sys, [], ["pid", "stat", "lstart"], ["-p", pids.join(",")]);
  return lines.flatMap((line) => {
    const match = /^\s*(\d+)\s+(\S+)\s+(.+?)\s*$/.exec(line);
    if (match === null || match[2]?.startsWith("Z")) return [];
    return [{ pid: Number(match[1]), start: match[3] ?? "", startedAt: Date.parse(match[3] ?? "") }];
  });
}

/** What one process has used so far; undefined on Windows, and where it has ended. */
export async function readUsed(sys: Sys, pid: number): Promise<{ cpuMs: number; memoryBytes: number; startedAt: number } | undefined> {
  if (sys.platform === "win32") return undefined;
  const [line = ""] = await runPs(sys, [], ["time", "rss", "lstart"], ["-p", String(pid)]);
  const match = /^\s*(?:(\d+)-)?(?:(\d+):)?(\d+):([\d.]+)\s+(\d+)\s+(.+?)\s*$/.exec(line);
  if (match === null) return undefined;
  const [, days = "0", hours = "0", minutes = "0", seconds = "0", kilobytes, start = ""] = match;
  const cpuMs = (((Number(days) * 24 + Number(hours)) * 60 + Number(minutes)) * 60 + Number(seconds)) * 1000;
  return { cpuMs, memoryBytes: Number(kilobytes) * 1024, startedAt: Date.parse(start) };
}

async function scanPs(sys: Sys, { hasCommand, hasEnvironment }: Wish): Promise<Row[]> {
  // First what identifies a process: a number in new use by the next call then meets the start of its earlier owner.
  const lines = await runPs(sys, ["-axww"], ["pid", "ppid", "pgid", "tpgid", "tty", "stat", "lstart", "comm"]);
  // Whatever may hold blanks is the last word of a line, so each needs a call of its own.
  const readWords = async (flags: readonly string[]) =>
    new Map((await runPs(sys, flags, ["pid", "command"])).flatMap((line) => parsePsCommand(line) ?? []));
  const commands = hasCommand || hasEnvironment ? await readWords(["-axww"]) : undefined;
  // The flag makes ps append each environment to its command.
  const environments = hasEnvironment ? await readWords(["-axww", sys.platform === "darwin" ? "-E" : "-e"]) : undefined;
  return lines.flatMap((line): Row[] => {
    const row = parsePsRow(line);
    if (row === undefined) return [];
    const command = commands?.get(row.pid) ?? `[${row.program}]`;
    const whole = environments?.get(row.pid) ?? "";
    // Only what follows the arguments is the environment; arguments may spell anything.
    const environment = whole.startsWith(command) ? whole.slice(command.length).split(" ") : [];
    return [{ ...row, ...present({ command: hasCommand ? command : undefined, environment: hasEnvironment ? environment : undefined }) }];
  });
}

function parsePsCommand(line: string): [number, string][] | undefined {
  const match = /^\s*(\d+) (.*?)\s*$/.exec(line);
  return match === null ? undefined : [[Number(match[1]), match[2] ?? ""]];
}

const psRow = /^\s*(\d+)\s+(\d+)\s+(-?\d+)\s+(-?\d+)\s+(\S+)\s+(\S+)\s+(\w{3} \w{3} [ \d]\d [\d:]{8} \d{4})\s+(.+)$/;

/** Undefined for a zombie, and for a line that is none of a process. */
export function parsePsRow(line: string): Row | undefined {
  const match = psRow.exec(line.trimEnd());
  if (match === null || match[6]?.startsWith("Z")) return undefined;
  const [, pid, ppid, group, foreground, terminal = "?", , start = "", program = ""] = match;
  return {
    ...{ pid: Number(pid), ppid: Number(ppid), group: Number(group), start, startedAt: Date.parse(start) },
    program: program.split("/").at(-1) ?? "",
    ...(/^(?:\?+|-)$/.test(terminal) ? { hasTerminal: false } : { hasTerminal: true, tty: `/dev/${terminal}` }),
    isForeground: foreground === group,
  };
}

async function runPowerShell(sys: Sys, script: string, timeoutMs?: number): Promise<string[]> {
  const argv = ["powershell.exe", "-NoProfile", "-NonInteractive", "-Command", script];
  return (await sys.run(argv, present({ timeoutMs }))).stdout.split(/\r?\n/);
}

async function askPowerShell(sys: Sys, pids: readonly number[]): Promise<Start[]> {
  // The start of another user's process is refused; the process lives all the same.
  const start = "try { $_.StartTime.ToUniversalTime().ToFileTimeUtc() } catch { '-' }";
  const script = `Get-Process -Id ${pids.join(",")} -ErrorAction SilentlyContinue | ForEach-Object { "$($_.Id) $(${start})" }`;
  return (await runPowerShell(sys, script)).flatMap((line) => {
    const match = /^(\d+) (\d+|-)$/.exec(line.trim());
    if (match === null) return [];
    const [pid, start = ""] = [Number(match[1]), match[2]];
    return [start === "-" ? { pid, start: "" } : { pid, start, startedAt: parseFileTime(start) }];
  });
}

const scanTimeoutMs = 30_000;

async function scanWindows(sys: Sys, { hasCommand, hasEnvironment }: Wish): Promise<Row[]> {
  const fields = [
    "$_.ProcessId",
    "$_.ParentProcessId",
    "$_.CreationDate.ToUniversalTime().ToFileTimeUtc()",
    "$_.Name",
    ...(hasCommand ? ["$_.CommandLine -replace '\\s+', ' '"] : []),
  ];
  const line = fields.map((field) => `$(${field})`).join("`t");
  const script = `Get-CimInstance Win32_Process | Where-Object { $_.CreationDate } | ForEach-Object { "${line}" }`;
  return (await runPowerShell(sys, script, scanTimeoutMs)).flatMap((text): Row[] => {
    const [pid = "", ppid = "", start = "", name = "", command = ""] = text.split("\t");
    if (!/^\d+$/.test(pid) || !/^\d+$/.test(start)) return [];
    // The environment of another process is out of reach there; a parent's number stays when the parent has gone.
    return [
      {
        ...{ pid: Number(pid), ppid: Number(ppid), start, startedAt: parseFileTime(start), program: name.replace(/\.exe$/i, "") },
        ...{ hasTerminal: false, isForeground: false },
        ...present({ command: hasCommand ? command : undefined, environment: hasEnvironment ? [] : undefined }),
      },
    ];
  });
}

/** Milliseconds from 1601, where Windows file times begin, to 1970. */
const fileTimeEpoch = 11_644_473_600_000;
const parseFileTime = (ticks: string): number => Number(BigInt(ticks) / 10_000n) - fileTimeEpoch;
