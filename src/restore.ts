import { join } from "node:path";
import { openClaims } from "./claim.ts";
import { type FlagTable, planResume } from "./claude-program.ts";
import { parseScreen } from "./claude-screen.ts";
import type { Driven } from "./driven.ts";
import { createDriver, isRecorded } from "./driver.ts";
import { readRecord } from "./driver-names.ts";
import { spawnSession } from "./driver-spawn.ts";
import type { UserError } from "./errors.ts";
import { quotePosix } from "./format.ts";
import { createLaunch } from "./launch.ts";
import { type LaunchRecord, readBoot, readLaunches, rememberEnd, rememberLaunch } from "./launch-record.ts";
import { csmDir, findTranscript } from "./paths.ts";
import { printableLine } from "./printable.ts";
import { readProcess, readProcesses } from "./process.ts";
import { profileEnv } from "./profiles.ts";
import { channelVariable } from "./program.ts";
import { planRestore, type RestorePlan } from "./restore-plan.ts";
import { readSessions, type SessionDir } from "./sessions.ts";
import { type Sys, until } from "./sys.ts";
import { launchBeside } from "./terminal-run.ts";
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

/** Opens a conversation in a new tab of the terminal that this program runs in; returns what that is called, once the conversation is there. */
export async function openBeside(
  sys: Sys,
  session: Resumable,
  flags: FlagTable,
  title: string,
): Promise<Outcome | { outcome: "beside"; title: string }> {
  let opened: string | undefined;
  const outcome = await openOnce(sys, session, async () => {
    const launch = planLaunch(sys, session, flags);
    try {
      opened = (await launchBeside(sys, { argv: launch.argv, cwd: session.cwd, title })).title;
      const isOpen = async () => ((await findOpenPid(sys, session)) === undefined ? undefined : true);
      await until(sys, sys.now() + startMs, claimStepMs, isOpen);
      return { outcome: "failed", reason: "" };
    } finally {
      sys.remove(launch.filePath);
    }
  });
  return opened === undefined ? outcome : { outcome: "beside", title: opened };
}

/** A busy machine starts a terminal's tab and claude in it this late; a dialog of its start may be up, and no file told. */
const startMs = 15_000;

/** Opens a conversation in tmux and returns when it is ready or asks something; never a second time. */
export const openSession = (sys: Sys, session: Resumable, flags: FlagTable, place: TmuxPlace): Promise<Outcome> =>
  openOnce(sys, session, () => startSession(sys, session, flags, place));

/** A session of csd comes back under its name, so that scripts go on driving it. */
export const openDriven = (sys: Sys, session: Resumable, driven: Driven): Promise<Outcome> =>
  openOnce(sys, session, () => respawn(sys, session, driven));

/** Longer than any start is waited for. */
const claimMs = 60_000;
const claimStepMs = 100;

/** Of several csm that want to open a conversation, one does; the others then find it open. What goes wrong is told, never thrown. */
async function openOnce(sys: Sys, session: Resumable, open: () => Promise<Outcome>): Promise<Outcome> {
  const claims = openClaims(sys, join(csmDir(sys), "opening"));
  try {
    const release = await until(sys, sys.now() + claimMs, claimStepMs, () => claims.take(session.sessionId));
    if (release === undefined) return { outcome: "failed", reason: "another csm has been opening it for a minute" };
    try {
      const pid = await findOpenPid(sys, session);
      return pid === undefined ? await open() : { outcome: "open already", pid };
    } finally {
      release();
    }
  } catch (error) {
    const { message, hint } = error as Error & Pick<UserError, "hint">;
    return { outcome: "failed", reason: hint === undefined ? message : `${message}; ${hint}` };
  }
}

async function startSession(sys: Sys, session: Resumable, flags: FlagTable, place: TmuxPlace): Promise<Outcome> {
  const launch = planLaunch(sys, session, flags);
  try {
    const pane = await openPane(createTmux(sys), session, place, launch.argv);
    return await waitForStart(sys, session, createTmux(sys, pane.socketPath), pane, place);
  } finally {
    sys.remove(launch.filePath);
  }
}

function planLaunch(sys: Sys, session: Resumable, flags: FlagTable) {
  const { args, env } = planCommand(sys, session, flags);
  // What csd or csm said to a session that this one may run in is not meant for the new one.
  const own = { ...sys.env, ...env, [channelVariable]: undefined, CSM_MANAGED: undefined };
  return createLaunch({ ...sys, env: own }, sys.execPath, args, session.cwd, {});
}

/** Another csm may have given the name away since it was chosen. */
async function openPane(tmux: Tmux, { cwd, sessionId }: Resumable, { kind, name }: TmuxPlace, argv: string[]): Promise<Pane> {
  if (kind === "window") return tmux.openWindow({ name, cwd, argv });
  const wanted = { name, cwd, argv, width: 220, height: 50, isFollowing: true };
  const longer = `${name}-${sessionId.slice(0, 8)}`;
  try {
    return await tmux.create(wanted);
  } catch (error) {
    if (!(await tmux.list()).some(({ sessionName }) => sessionName === name)) throw error;
    return tmux.create({ ...wanted, name: longer });
  }
}

async function respawn(sys: Sys, session: Resumable, driven: Driven): Promise<Outcome> {
  const { env } = planCommand(sys, session, new Map());
  const mode = driven.permission_mode === null ? {} : { permissionMode: driven.permission_mode };
  const options = { name: driven.name, cwd: session.cwd, resumeId: session.sessionId, ...mode };
  const driver = createDriver({ ...sys, env: { ...sys.env, ...env } });
  // A dialog of its start may be up, and claude's own file not there yet.
  const now = readRecord(driver.store, driven.name);
  if (now?.pid !== undefined && now.session_id === session.sessionId && isRecorded(sys, await readProcess(sys, now.pid), now))
    return { outcome: "open already", pid: now.pid };
  const spawned = await spawnSession(driver, options);
  await rememberDriven(sys, session, spawned.driven);
  const pane = await createTmux(sys, spawned.driven.socket).pane(spawned.driven.pane ?? "");
  return pane === undefined ? { outcome: "failed", reason: "it ended at its start" } : { outcome: "running", pane };
}

/** So that the file of the earlier run has no say any more. How this run ends is for csd to know, whose file goes with it. */
async function rememberDriven(sys: Sys, { sessionId, cwd, configDir }: Resumable, { pid }: Driven): Promise<void> {
  if (pid === undefined) return;
  await rememberLaunch(sys, { sessionId, cwd, configDir, args: [], pid });
  rememberEnd(sys, pid, "exit");
}

/** Claude's own file tells it, or, while a dialog of its start is up, the record of its csm. */
async function findOpenPid(sys: Sys, session: Resumable): Promise<number | undefined> {
  const open = await findOpen(sys, session);
  if (open !== undefined) return open.pid;
  const { configDir, profile, sessionId } = session;
  const records = readLaunches(sys).filter((record) => record.sessionId === sessionId && record.ended === undefined);
  const runningIds = await readRunningIds(sys, records);
  // One that has gone on to another conversation says so in its file.
  const told = new Set((await readSessions(sys, [{ dir: configDir, name: profile }])).map(({ file }) => file.pid));
  return records.find(({ id, pid }) => runningIds.has(id) && !told.has(pid))?.pid;
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
      if (capture !== undefined && place.kind === "session") await tmux.kill(capture.pane.paneId);
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
