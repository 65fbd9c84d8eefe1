import { present } from "./json.ts";
import { type ProcessStart, parseFileTime, parseStat, readBootTime } from "./process.ts";
import type { Sys } from "./sys.ts";

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
export interface Marks {
  /** `CLAUDE_PID` of shells and hooks; MCP servers have it only in the name of the messaging socket. */
  claudePid?: number;
  /** As of the child's start; `/clear` changes the id of the session since. */
  sessionId?: string;
}

/** By number. */
export type ProcessTable<C extends keyof Columns = never> = ReadonlyMap<number, ProcessRow & Pick<Columns, C>>;

type Row = ProcessRow & Partial<Columns>;
type Scan = (sys: Sys, has: (column: keyof Columns) => boolean) => Row[] | Promise<Row[]>;

const scans: Partial<Record<NodeJS.Platform, Scan>> = {
  linux: scanProc,
  darwin: (sys, has) => scanPs(sys, has, "-E"),
  win32: scanWindows,
};

/** Every process that this one may look at, in one scan. */
export async function readProcessTable<C extends keyof Columns = never>(sys: Sys, columns: readonly C[] = []): Promise<ProcessTable<C>> {
  const scan = scans[sys.platform] ?? ((other, has) => scanPs(other, has, "-e"));
  const rows = await scan(sys, (column) => (columns as readonly string[]).includes(column));
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

/** Linux counts in hundredths of a second since boot, whatever its own clock does. */
const tickMs = 10;

/** Epoch ms of a start in ticks; undefined off Linux. */
export function startTime(sys: Sys, start: string): number | undefined {
  const bootedAt = readBootTime(sys);
  return bootedAt === undefined ? undefined : bootedAt + Number(start) * tickMs;
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

function scanProc(sys: Sys, has: (column: keyof Columns) => boolean): Row[] {
  const bootedAt = has("startedAt") ? (readBootTime(sys) ?? Number.NaN) : undefined;
  const ownSpace = has("marks") ? sys.realPath("/proc/self/ns/pid") : undefined;
  return sys.list("/proc").flatMap((name): Row[] => {
    const stat = /^\d+$/.test(name) ? parseStat(sys.readText(`/proc/${name}/stat`) ?? "") : undefined;
    if (stat === undefined) return [];
    const space = ownSpace === undefined ? undefined : sys.realPath(`/proc/${name}/ns/pid`);
    // Unreadable is another user's, and so are its marks.
    if (space !== undefined && space !== ownSpace) return [];
    const { isStopped: _, ...row } = stat;
    const words = (file: string) => (sys.readText(`/proc/${name}/${file}`) ?? "").split("\0").filter((word) => word !== "");
    return [
      {
        pid: Number(name),
        ...row,
        ...present({
          startedAt: bootedAt === undefined ? undefined : bootedAt + Number(row.start) * tickMs,
          command: has("command") ? words("cmdline").join(" ") || `[${row.program}]` : undefined,
          marks: has("marks") ? parseMarks(words("environ")) : undefined,
        }),
      },
    ];
  });
}

/** `environmentFlag` makes ps append each environment to its command. */
async function scanPs(sys: Sys, has: (column: keyof Columns) => boolean, environmentFlag: string): Promise<Row[]> {
  const call = async (flags: readonly string[], names: readonly string[]) => {
    // One -o per keyword: after a `=` the rest of a list is a header to the ps of FreeBSD.
    const argv = ["ps", "-axww", ...flags, ...names.flatMap((name) => ["-o", `${name}=`])];
    return (await sys.run(argv, { env: { ...sys.env, LC_ALL: "C" } })).stdout.split("\n");
  };
  const readCommands = async (flags: readonly string[]) =>
    new Map((await call(flags, ["pid", "command"])).flatMap((line) => parsePsCommand(line) ?? []));
  // First what identifies a process: a number in new use by the next call then meets the start of its earlier owner.
  const lines = await call([], ["pid", "ppid", "pgid", "tpgid", "tty", "stat", "lstart", "comm"]);
  // Whatever may hold blanks is the last word of a line, so each needs a call of its own.
  const commands = has("command") || has("marks") ? await readCommands([]) : undefined;
  const environments = has("marks") ? await readCommands([environmentFlag]) : undefined;
  return lines.flatMap((line): Row[] => {
    const row = parsePsRow(line);
    if (row === undefined) return [];
    const command = commands?.get(row.pid) ?? `[${row.program}]`;
    const whole = environments?.get(row.pid) ?? "";
    // Only what follows the arguments is the environment; arguments may spell anything.
    const environment = whole.startsWith(command) ? whole.slice(command.length).split(" ") : [];
    return [{ ...row, ...present({ command: has("command") ? command : undefined, marks: environments && parseMarks(environment) }) }];
  });
}

function parsePsCommand(line: string): [number, string][] | undefined {
  const match = /^\s*(\d+) (.*?)\s*$/.exec(line);
  return match === null ? undefined : [[Number(match[1]), match[2] ?? ""]];
}

const psRow = /^\s*(\d+)\s+(\d+)\s+(-?\d+)\s+(-?\d+)\s+(\S+)\s+(\S+)\s+(\w{3} \w{3} [ \d]\d [\d:]{8} \d{4})\s+(.+)$/;

/** Undefined for a zombie, and for a line that is none of a process. */
export function parsePsRow(line: string): ProcessRow | undefined {
  const match = psRow.exec(line.trimEnd());
  if (match === null || match[6]?.startsWith("Z")) return undefined;
  const [, pid, ppid, group, foreground, terminal = "?", , start = "", program = ""] = match;
  return {
    ...{ pid: Number(pid), ppid: Number(ppid), group: Number(group), start, startedAt: Date.parse(start) },
    program: program.split("/").at(-1) ?? "",
    hasTerminal: !/^(?:\?+|-)$/.test(terminal),
    isForeground: foreground === group,
  };
}

async function scanWindows(sys: Sys, has: (column: keyof Columns) => boolean): Promise<Row[]> {
  const fields = [
    "$_.ProcessId",
    "$_.ParentProcessId",
    "$_.CreationDate.ToUniversalTime().ToFileTimeUtc()",
    "$_.Name",
    ...(has("command") ? ["$_.CommandLine -replace '\\s+', ' '"] : []),
  ];
  const line = fields.map((field) => `$(${field})`).join("`t");
  const script = `Get-CimInstance Win32_Process | Where-Object { $_.CreationDate } | ForEach-Object { "${line}" }`;
  const result = await sys.run(["powershell.exe", "-NoProfile", "-NonInteractive", "-Command", script], { timeoutMs: 30_000 });
  return result.stdout.split(/\r?\n/).flatMap((text): Row[] => {
    const [pid = "", ppid = "", start = "", name = "", command = ""] = text.split("\t");
    if (!/^\d+$/.test(pid) || !/^\d+$/.test(start)) return [];
    // The environment of another process is out of reach there; a parent's number stays when the parent has gone.
    return [
      {
        ...{ pid: Number(pid), ppid: Number(ppid), start, startedAt: parseFileTime(start), program: name.replace(/\.exe$/i, "") },
        ...{ hasTerminal: false, isForeground: false },
        ...present({ command: has("command") ? command : undefined, marks: has("marks") ? {} : undefined }),
      },
    ];
  });
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
