import { join } from "node:path";
import { flagValue } from "./claude-program.ts";
import { isSessionId } from "./claude-session.ts";
import { hasShape, parseRecord, present, shape } from "./json.ts";
import { csmDir } from "./paths.ts";
import { readBootTime, readProcess } from "./process.ts";
import { requireOwnFolder } from "./state-folder.ts";
import { openRecords, type Records } from "./store.ts";
import type { Sys } from "./sys.ts";

/** One run of the machine, or of the container in it: what was started in another one has ended. */
export interface Boot {
  /** Equal within one run; empty where the system does not tell. */
  key: string;
  /** Epoch ms. */
  at?: number;
}

const readers: Partial<Record<NodeJS.Platform, (sys: Sys) => Promise<Boot>>> = {
  linux: async (sys) => linuxBoot(sys),
  darwin: (sys) => sysctlBoot(sys, ["kern.bootsessionuuid", "kern.boottime"]),
  win32: windowsBoot,
};

export const readBoot = (sys: Sys): Promise<Boot> => (readers[sys.platform] ?? ((other: Sys) => sysctlBoot(other, ["kern.boottime"])))(sys);

/** All containers of a machine share its boot id; a pid namespace ends with its container. */
function linuxBoot(sys: Sys): Boot {
  const id = (sys.readText("/proc/sys/kernel/random/boot_id") ?? "").trim();
  const key = id === "" ? "" : `${id} ${sys.realPath("/proc/self/ns/pid") ?? ""}`.trim();
  return { key, ...present({ at: readBootTime(sys) }) };
}

/** `kern.boottime` moves with the clock, so an id of the boot is preferred. */
async function sysctlBoot(sys: Sys, names: string[]): Promise<Boot> {
  const text = await readOutput(sys, ["sysctl", "-n", ...names]);
  const seconds = /\bsec = (\d+)/.exec(text)?.[1];
  const id = /^[0-9A-F-]{36}$/im.exec(text)?.[0];
  return { key: id ?? seconds ?? "", ...present({ at: seconds === undefined ? undefined : Number(seconds) * 1000 }) };
}

async function windowsBoot(sys: Sys): Promise<Boot> {
  const script = "[DateTimeOffset]::new((Get-CimInstance Win32_OperatingSystem).LastBootUpTime).ToUnixTimeSeconds()";
  const text = (await readOutput(sys, ["powershell.exe", "-NoProfile", "-NonInteractive", "-Command", script])).trim();
  return /^\d+$/.test(text) ? { key: text, at: Number(text) * 1000 } : { key: "" };
}

async function readOutput(sys: Sys, argv: string[]): Promise<string> {
  try {
    return (await sys.run(argv)).stdout;
  } catch {
    // The program is missing: whether the machine was restarted stays unknown.
    return "";
  }
}

/**
 * `exit`: somebody ended it. `kill`: csd did, and hard, so that claude's own file stays behind. `signal`: a closed terminal, or the
 * machine going down.
 */
const endings = ["exit", "kill", "signal"] as const;
type Ended = (typeof endings)[number];

/** A claude that csm started: what it takes to bring it back. One private file each in `<state>/csm/launches`. */
export interface LaunchRecord {
  id: string;
  pid: number;
  /** As in `ProcessStart`. */
  start: string;
  boot: string;
  /** Epoch ms. */
  startedAt: number;
  /** Undefined until it is known; claude's own file tells it by the process too. */
  sessionId?: string;
  cwd: string;
  profile?: string;
  configDir: string;
  /** Every word that claude was given. */
  args: string[];
  /** Its csm stays behind it, or a hook does, and tells how it ends; of others an end in order leaves no trace. */
  isEndTold?: boolean;
  ended?: { how: Ended; at: number };
}

type Launch = Pick<LaunchRecord, "sessionId" | "pid" | "cwd" | "profile" | "configDir" | "args" | "isEndTold">;

/** Broken ones are passed over. */
function openLaunches(sys: Sys): Records<LaunchRecord> {
  const dir = join(csmDir(sys), "launches");
  // Their words are given to claude again.
  requireOwnFolder(sys, dir);
  return openRecords<LaunchRecord>(sys, {
    dir,
    decode: parseLaunch,
    encode: (record) => JSON.stringify({ version: 1, ...record }, null, 2),
  });
}

export const readLaunches = (sys: Sys): LaunchRecord[] => openLaunches(sys).list().records;

/**
 * To be called once for each process that runs claude, and again with the same pid when its session id is known or has changed.
 * Never fails: a launch does not depend on it.
 */
export async function rememberLaunch(sys: Sys, launch: Launch): Promise<void> {
  try {
    await writeLaunch(sys, launch);
  } catch {
    // A folder that may not be written: the session will not be brought back, and runs.
  }
}

async function writeLaunch(sys: Sys, launch: Launch): Promise<void> {
  const [owner, boot] = await Promise.all([readProcess(sys, launch.pid), readBoot(sys)]);
  if (owner === undefined) return;
  const launches = openLaunches(sys);
  const { records } = launches.list();
  const before = records.find((record) => isRecordOf(record, owner, boot));
  const now = sys.now();
  const id = before?.id ?? sys.randomId();
  const sessionId = launch.sessionId ?? chosenId(launch.args);
  const known = present({ sessionId });
  const record: LaunchRecord = { ...launch, ...known, id, start: owner.start, boot: boot.key, startedAt: before?.startedAt ?? now };
  launches.write(id, record);
  for (const old of records) if (old.id !== id && isOutdated(old, record, now)) launches.remove(old.id);
}

/** The conversation that these words of claude choose. */
const chosenId = (args: readonly string[]): string | undefined => {
  const value = flagValue(args, "--session-id") ?? flagValue(args, "--resume") ?? flagValue(args, "-r");
  return value !== undefined && isSessionId(value) ? value : undefined;
};

/**
 * What became of a process that was remembered: after a restart of the machine `signal` is brought back, `exit` is not. Never
 * fails.
 */
export function rememberEnd(sys: Sys, pid: number, how: Ended, sessionId?: string): void {
  try {
    writeEnd(sys, pid, how, sessionId);
  } catch {
    // As above: at worst it is offered once more.
  }
}

function writeEnd(sys: Sys, pid: number, how: Ended, sessionId: string | undefined): void {
  const launches = openLaunches(sys);
  const running = launches.list().records.filter((record) => record.pid === pid && record.ended === undefined);
  const record = running.sort((a, b) => b.startedAt - a.startedAt)[0];
  if (record === undefined) return;
  const known = sessionId !== undefined && isSessionId(sessionId) ? { sessionId } : {};
  launches.write(record.id, { ...record, ...known, ended: { how, at: sys.now() } });
}

const isRecordOf = (record: LaunchRecord, owner: { pid: number; start: string }, boot: Boot): boolean =>
  record.pid === owner.pid && record.start === owner.start && record.boot === boot.key;

const keptMs = 30 * 86_400_000;

/** A later launch of the same conversation is what counts; ends are kept so that older files of claude stay without effect. */
const isOutdated = (old: LaunchRecord, record: LaunchRecord, now: number): boolean =>
  now - old.startedAt > keptMs || (old.sessionId !== undefined && old.sessionId === record.sessionId && old.startedAt <= record.startedAt);

const wanted = {
  pid: "pid",
  start: "string",
  boot: "string",
  startedAt: "time",
  cwd: "string",
  configDir: "string",
  args: "texts",
} as const;

function parseLaunch(text: string, id: string): LaunchRecord | undefined {
  const fields = parseRecord(text);
  if (!hasShape(fields, wanted)) return undefined;
  const { pid, start, boot, startedAt, cwd, configDir, args } = fields;
  return {
    ...{ id, pid, start, boot, startedAt, cwd, configDir, args },
    ...shape(fields, { sessionId: "id", profile: "string" }),
    ...(fields.isEndTold === true ? { isEndTold: true } : {}),
    ...present({ ended: parseEnd(fields.ended) }),
  };
}

function parseEnd(value: unknown): LaunchRecord["ended"] {
  if (!hasShape(value, { how: "string", at: "time" })) return undefined;
  const how = endings.find((ending) => ending === value.how);
  return how === undefined ? undefined : { how, at: value.at };
}
