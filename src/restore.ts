import { type FlagTable, planResume } from "./claude-program.ts";
import { parseScreen } from "./claude-screen.ts";
import type { Driven } from "./driven.ts";
import { createDriver } from "./driver.ts";
import { spawnSession } from "./driver-spawn.ts";
import { UserError } from "./errors.ts";
import { quotePosix } from "./format.ts";
import { createLaunch } from "./launch.ts";
import { type LaunchRecord, readBoot, readLaunches, rememberEnd, rememberLaunch } from "./launch-record.ts";
import { findTranscript } from "./paths.ts";
import { readProcesses } from "./process.ts";
import { profileEnv } from "./profiles.ts";
import { channelVariable } from "./program.ts";
import { planRestore, type RestorePlan } from "./restore-plan.ts";
import { printableLine } from "./sanitize.ts";
import { readSessions, type SessionDir } from "./sessions.ts";
import { type Sys, until } from "./sys.ts";
import { createTmux, type Pane, type Tmux } from "./tmux.ts";

/** A conversation and where it goes on. */
export interface Resumable {
  sessionId: string;
  cwd: string;
  configDir: string;
  profile?: string;
  /** Every word its claude was given last time. */
  args?: string[];
}

/** Which conversations were open when they, or the machine, went down. */
export async function readRestorePlan(sys: Sys, dirs: readonly SessionDir[], since: number): Promise<RestorePlan> {
  const records = readLaunches(sys);
  const [found, boot, runningIds] = await Promise.all([readSessions(sys, dirs), readBoot(sys), readRunningIds(sys, records)]);
  return planRestore({
    found,
    records,
    runningIds,
    boot,
    since,
    writtenAt: ({ configDir, cwd, sessionId }) => {
      const path = findTranscript(sys, { configDir }, { sessionId, cwd });
      return path === undefined || !hasTurns(sys, path) ? undefined : sys.modifiedAt(path);
    },
    hasFolder: (cwd) => sys.isDirectory(cwd),
  });
}

const tailBytes = 256 * 1024;

/** A title alone, as `--name` leaves it, is no conversation: claude would not find it. */
function hasTurns(sys: Sys, path: string): boolean {
  const tail = sys.readTail(path, tailBytes);
  return tail !== undefined && (!tail.isWhole || tail.lines.some((line) => /"type":"(?:user|assistant)"/.test(line)));
}

async function readRunningIds(sys: Sys, records: readonly LaunchRecord[]): Promise<Set<string>> {
  const processes = await readProcesses(
    sys,
    records.map(({ pid }) => pid),
  );
  return new Set(records.filter((record) => processes.get(record.pid)?.start === record.start).map(({ id }) => id));
}

/** What csm is called with for this conversation, and what its environment says of the profile. */
function planCommand(sys: Sys, { sessionId, configDir, profile, args = [] }: Resumable, flags: FlagTable) {
  const env = profileEnv(sys, { name: profile ?? "", dir: configDir });
  return { args: planResume(args, flags, sessionId), env: { ...env, CSM_PROFILE: profile === undefined ? undefined : env.CSM_PROFILE } };
}

/** For a person to type, or a script to run. */
export function renderCommand(sys: Sys, session: Resumable, flags: FlagTable): string {
  const { args, env } = planCommand(sys, session, flags);
  const set = Object.entries(env).flatMap(([name, value]) => (value === undefined ? [] : [`${name}=${quote(value)}`]));
  return [`cd ${quote(session.cwd)} &&`, ...set, "csm", ...args.map(quote)].join(" ");
}

/** For sh; control characters, which could disturb a terminal, in the form that bash and zsh read. */
function quote(text: string): string {
  if (/^[\w@%+=:,./-]+$/.test(text)) return text;
  if (!unsafe.test(text)) return quotePosix(text);
  const escaped = [...text].map((char) => (unsafe.test(char) ? escapeControl(char) : /['\\]/.test(char) ? `\\${char}` : char));
  return `$'${escaped.join("")}'`;
}

/** Control and direction characters. */
const unsafe = /[\p{Cc}\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/u;

function escapeControl(char: string): string {
  const code = char.charCodeAt(0);
  // \x80 to \x9f would be a byte of no character.
  return code < 0x80 ? `\\x${code.toString(16).padStart(2, "0")}` : `\\u${code.toString(16).padStart(4, "0")}`;
}

export type Outcome =
  | { outcome: "running"; pane: Pane }
  /** A dialog of its start is up. */
  | { outcome: "asks"; pane: Pane }
  | { outcome: "open already"; pid: number }
  | { outcome: "failed"; reason: string };

/** Where a conversation is opened: in a tmux session of its own, or in a window beside this one. */
export type TmuxPlace = { kind: "session" | "window"; name: string };

/** Opens a conversation in tmux and returns when it is ready or asks something; never a second time. */
export async function openSession(sys: Sys, session: Resumable, flags: FlagTable, place: TmuxPlace): Promise<Outcome> {
  const open = await findOpen(sys, session);
  if (open !== undefined) return { outcome: "open already", pid: open.pid };
  const { args, env } = planCommand(sys, session, flags);
  // What csd or csm said to a session that this one may run in is not meant for the new one.
  const own = { ...sys.env, ...env, [channelVariable]: undefined, CSM_MANAGED: undefined };
  const launch = createLaunch({ ...sys, env: own }, sys.execPath, args, session.cwd, {});
  const tmux = createTmux(sys);
  const size = { width: 220, height: 50 };
  const wanted = { name: place.name, cwd: session.cwd, argv: launch.argv };
  try {
    const pane = place.kind === "window" ? await tmux.openWindow(wanted) : await tmux.create({ ...wanted, ...size });
    return await waitForStart(sys, session, createTmux(sys, pane.socketPath), pane, place);
  } finally {
    sys.remove(launch.filePath);
  }
}

/** A session of csd comes back under its name, so that scripts go on driving it. */
export async function openDriven(sys: Sys, session: Resumable, driven: Driven): Promise<Outcome> {
  const open = await findOpen(sys, session);
  if (open !== undefined) return { outcome: "open already", pid: open.pid };
  const { env } = planCommand(sys, session, new Map());
  const mode = driven.permission_mode === null ? {} : { permissionMode: driven.permission_mode };
  try {
    const options = { name: driven.name, cwd: session.cwd, resumeId: session.sessionId, ...mode };
    const spawned = await spawnSession(createDriver({ ...sys, env: { ...sys.env, ...env } }), options);
    await rememberDriven(sys, session, spawned.driven);
    const pane = await createTmux(sys, spawned.driven.socket).pane(spawned.driven.pane ?? "");
    return pane === undefined ? { outcome: "failed", reason: "it ended at its start" } : { outcome: "running", pane };
  } catch (error) {
    if (error instanceof UserError) return { outcome: "failed", reason: error.message };
    throw error;
  }
}

/** So that the file of the earlier run has no say any more. How this run ends is for csd to know, whose file goes with it. */
async function rememberDriven(sys: Sys, { sessionId, cwd, configDir }: Resumable, { pid }: Driven): Promise<void> {
  if (pid === undefined) return;
  await rememberLaunch(sys, { sessionId, cwd, configDir, args: [], pid });
  rememberEnd(sys, pid, "exit");
}

const findOpen = async (sys: Sys, { configDir, profile, sessionId }: Resumable) =>
  (await readSessions(sys, [{ dir: configDir, name: profile }])).find(
    ({ liveness, file }) => liveness === "live" && file.sessionId === sessionId,
  )?.file;

const startTimeoutMs = 20_000;
const stepMs = 50;

async function waitForStart(sys: Sys, session: Resumable, tmux: Tmux, pane: Pane, place: TmuxPlace): Promise<Outcome> {
  const outcome = await until(sys, sys.now() + startTimeoutMs, stepMs, async (): Promise<Outcome | undefined> => {
    const open = await findOpen(sys, session);
    if (open?.status !== undefined) return { outcome: "running", pane };
    const capture = await tmux.capture(pane.paneId);
    if (capture === undefined || capture.pane.isDead) {
      const words = lastWords(capture?.text ?? "");
      // A window stands in the user's own session, which must stay.
      if (capture !== undefined && place.kind === "session") await tmux.kill(capture.pane.sessionId);
      return { outcome: "failed", reason: words === "" ? "it ended at its start" : words };
    }
    return open === undefined && parseScreen(capture.text).gate !== undefined ? { outcome: "asks", pane } : undefined;
  });
  if (outcome?.outcome !== "failed") await tmux.setRemain(pane.paneId, false);
  return outcome ?? { outcome: "asks", pane };
}

/** What claude said before it ended, without its farewell and the mark of tmux. */
function lastWords(screen: string): string {
  const [words = ""] = screen.split(/^Resume this session with/m);
  const lines = words.split("\n").map(printableLine);
  return lines
    .filter((line) => line !== "" && !line.startsWith("Pane is dead"))
    .slice(-2)
    .join(" ");
}
