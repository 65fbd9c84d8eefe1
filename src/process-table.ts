import { present } from "./json.ts";
import { parseFileTime, parseStat } from "./process.ts";
import type { Sys } from "./sys.ts";

/** One process of this machine, as far as it may be looked at. */
export interface ProcessRow {
  pid: number;
  ppid: number;
  /** Undefined on Windows. */
  group?: number;
  /** As in `ProcessStart`. */
  start: string;
  /** Epoch ms, true to a second. */
  startedAt: number;
  /** Program and arguments; hostile text. */
  command: string;
  marks: Marks;
}

/** What Claude Code 2.1.329 leaves in the environment of its children. Nothing else of an environment is kept: it holds secrets. */
export interface Marks {
  /** `CLAUDE_PID` of shells and hooks; MCP servers have it only in the name of the messaging socket. */
  claudePid?: number;
  /** As of the child's start; `/clear` changes the id of the session since. */
  sessionId?: string;
}

const readers: Partial<Record<NodeJS.Platform, (sys: Sys) => Promise<ProcessRow[]>>> = {
  linux: async (sys) => readProc(sys),
  darwin: (sys) => readPs(sys, "-E"),
  win32: readWindows,
};

/** All processes that count where this one counts; those of containers are left out, as their marks name other numbers. */
export const readProcessTable = (sys: Sys): Promise<ProcessRow[]> => (readers[sys.platform] ?? ((other: Sys) => readPs(other, "-e")))(sys);

const ticksPerSecond = 100;

function readProc(sys: Sys): ProcessRow[] {
  const bootedAt = Number(/^btime (\d+)$/m.exec(sys.readText("/proc/stat") ?? "")?.[1]) * 1000;
  const ownNamespace = sys.realPath("/proc/self/ns/pid");
  return sys.list("/proc").flatMap((name): ProcessRow[] => {
    if (!/^\d+$/.test(name)) return [];
    const stat = parseStat(sys.readText(`/proc/${name}/stat`) ?? "");
    if (stat === undefined) return [];
    // Unreadable is another user's, and so are its marks.
    const namespace = sys.realPath(`/proc/${name}/ns/pid`);
    if (namespace !== undefined && ownNamespace !== undefined && namespace !== ownNamespace) return [];
    const words = (sys.readText(`/proc/${name}/cmdline`) ?? "").split("\0").filter((word) => word !== "");
    return [
      {
        pid: Number(name),
        ppid: stat.ppid,
        group: stat.group,
        start: stat.start,
        startedAt: bootedAt + (Number(stat.start) * 1000) / ticksPerSecond,
        command: words.length === 0 ? `[${stat.command}]` : words.join(" "),
        marks: parseMarks((sys.readText(`/proc/${name}/environ`) ?? "").split("\0")),
      },
    ];
  });
}

/** `environmentFlag` makes ps append each environment to its command. */
async function readPs(sys: Sys, environmentFlag: string): Promise<ProcessRow[]> {
  const call = async (args: string[]) => (await sys.run(["ps", ...args], { env: { ...sys.env, LC_ALL: "C" } })).stdout.split("\n");
  const columns = ["pid", "ppid", "pgid", "stat", "lstart", "command"].flatMap((name) => ["-o", `${name}=`]);
  const environments = new Map<number, string>();
  for (const line of await call(["-axww", environmentFlag, "-o", "pid=", "-o", "command="])) {
    const match = /^\s*(\d+) (.*)$/.exec(line);
    if (match !== null) environments.set(Number(match[1]), match[2] ?? "");
  }
  return (await call(["-axww", ...columns])).flatMap((line): ProcessRow[] => {
    const match = /^\s*(\d+)\s+(\d+)\s+(\d+)\s+(\S+)\s+(\w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d \d{4})\s+(.*?)\s*$/.exec(line);
    if (match === null || match[4]?.startsWith("Z")) return [];
    const [, pid, ppid, group, , start = "", command = ""] = match;
    const whole = environments.get(Number(pid)) ?? "";
    // Only what follows the arguments is the environment; arguments may spell anything.
    const environment = whole.startsWith(command) ? whole.slice(command.length).split(" ") : [];
    const marks = parseMarks(environment);
    return [{ pid: Number(pid), ppid: Number(ppid), group: Number(group), start, startedAt: Date.parse(start), command, marks }];
  });
}

async function readWindows(sys: Sys): Promise<ProcessRow[]> {
  const fields = [
    "$_.ProcessId",
    "$_.ParentProcessId",
    "$_.CreationDate.ToUniversalTime().ToFileTimeUtc()",
    "$_.CommandLine -replace '\\s+', ' '",
  ];
  const line = fields.map((field) => `$(${field})`).join("`t");
  const script = `Get-CimInstance Win32_Process | Where-Object { $_.CreationDate } | ForEach-Object { "${line}" }`;
  const result = await sys.run(["powershell.exe", "-NoProfile", "-NonInteractive", "-Command", script], { timeoutMs: 30_000 });
  return result.stdout.split(/\r?\n/).flatMap((text): ProcessRow[] => {
    const [pid = "", ppid = "", start = "", command = ""] = text.split("\t");
    if (!/^\d+$/.test(pid) || !/^\d+$/.test(start)) return [];
    // The environment of another process is out of reach there; a parent's number stays when the parent has gone.
    return [{ pid: Number(pid), ppid: Number(ppid), start, startedAt: parseFileTime(start), command, marks: {} }];
  });
}

/** The words that tell processes apart: no path of the program, and of a shell of claude 2.1.329 what it was to run. */
export function shortCommand({ command }: Pick<ProcessRow, "command">): string {
  const run = /^\S*sh -c source \S*shell-snapshots\S* .*? eval (?:'((?:[^']|'"'"'|'\\'')*)'|(\S+))/s.exec(command);
  if (run !== null) return (run[1] ?? run[2] ?? "").replaceAll(/'"'"'|'\\''/g, "'");
  const [program = "", ...words] = command.split(" ");
  return [program.split(/[/\\]/).at(-1) ?? "", ...words].join(" ");
}

function parseMarks(environment: readonly string[]): Marks {
  const value = (name: string): string | undefined => {
    const entry = environment.findLast((candidate) => candidate.startsWith(`${name}=`));
    return entry?.slice(name.length + 1);
  };
  const socketPid = /(?:^|[/\\])(\d+)\.sock$/.exec(value("CLAUDE_CODE_MESSAGING_SOCKET") ?? "")?.[1];
  const claudePid = /^\d+$/.exec(value("CLAUDE_PID") ?? "")?.[0] ?? socketPid;
  const sessionId = value("CLAUDE_CODE_SESSION_ID");
  return { ...(claudePid === undefined ? {} : { claudePid: Number(claudePid) }), ...present({ sessionId }) };
}
