import { type Channel, channelDir, openChannel } from "./channel.ts";
import type { SessionFile } from "./claude-session.ts";
import { checkName, createDrivenStore, type Driven } from "./driven.ts";
import { UserError } from "./errors.ts";
import { present } from "./json.ts";
import { configDir, findTranscript } from "./paths.ts";
import { hasStartedAbout, type ProcessStart, readProcess } from "./process.ts";
import { profileOfDir, readRegistryOrNone } from "./profiles.ts";
import { readSessionOf } from "./session-file.ts";
import type { Records } from "./store.ts";
import type { Sys } from "./sys.ts";
import { createTmux, isTmux, type Keyboard, type Pane, type PaneState } from "./tmux.ts";

/** A session as it is looked at. */
export interface Address {
  name: string;
  /** Undefined for one that csd did not start. */
  driven?: Driven;
  keyboard: Keyboard;
  /** Undefined where only its own terminal shows it. */
  pane?: string;
  pid: number;
  configDir: string;
  /** Only of a session that this csd started. */
  channel?: Channel;
}

/** A session as it is typed into: by its pane, never by a bare name. */
export interface Target extends Address {
  /** Pane id, or `=name:` where only the name is known. */
  pane: string;
}

export interface Driver {
  sys: Sys;
  store: Records<Driven>;
  /** Through what somebody decides, as the audit has it. */
  by: string;
}

export const createDriver = (sys: Sys, by = "csd"): Driver => ({ sys, by, store: createDrivenStore(sys) });

export const unknownSession = (name: string): UserError => new UserError(`session "${name}" does not exist`, "csm ls lists the sessions");

/** The tracked session of this name. */
export function findTracked({ sys, store }: Driver, name: string): Target {
  checkName(name);
  const driven = store.read(name);
  if (driven === undefined) throw unknownSession(name);
  return trackedTarget(sys, driven);
}

export function trackedTarget(sys: Sys, driven: Driven): Target {
  const dir = channelDir(sys, driven.name);
  return {
    name: driven.name,
    driven,
    keyboard: createTmux(sys, driven.socket),
    pane: driven.pane ?? `=${driven.name}:`,
    pid: driven.pid ?? 0,
    configDir: driven.config_dir ?? configDir(sys),
    ...(driven.pid !== undefined && sys.isDirectory(dir) ? { channel: openChannel(sys, dir) } : {}),
  };
}

/** A live pane to type into: of a tracked session, or of any tmux session with exactly this name. */
export async function findLive(driver: Driver, name: string): Promise<Target & { livePane: Pane }> {
  checkName(name);
  const { sys, store } = driver;
  const driven = store.read(name);
  const tmux = createTmux(sys, driven?.socket);
  const target: Target =
    driven === undefined
      ? { name, keyboard: tmux, pane: `=${name}:`, pid: 0, configDir: configDir(sys) }
      : { ...trackedTarget(sys, driven), keyboard: tmux };
  const pane = await tmux.pane(target.pane);
  if (pane === undefined || !isPaneOf(pane, driven)) {
    if (driven === undefined) throw unknownSession(name);
    const lives = driven?.pid !== undefined && isRecorded(sys, await readProcess(sys, driven.pid), driven);
    const hint = lives
      ? `tmux has lost it, and its process ${driven.pid} still runs: csd kill ${name} ends it`
      : `csd kill ${name} forgets it`;
    throw new UserError(`session "${name}" is not alive`, hint);
  }
  await restoreSize(driver, target, pane);
  return { ...target, pane: pane.paneId, pid: driven?.pid ?? pane.pid, livePane: pane };
}

/** What tmux sees in the pane: claude, or a wrapper around it. */
export const panePid = ({ pane_pid, pid }: Driven): number | undefined => pane_pid ?? pid;

/** A restarted server hands out the same pane ids again. */
export const isPaneOf = (pane: PaneState, driven: Driven | undefined): boolean =>
  !pane.isDead &&
  (driven?.pid === undefined || pane.pid === panePid(driven)) &&
  (driven?.server_pid === undefined || pane.serverPid === driven.server_pid);

/** The process that csd remembers, not a later one with its number. */
export function isRecorded(sys: Sys, owner: ProcessStart | undefined, driven: Driven | undefined): owner is ProcessStart {
  // The older csd notes no number that could have gone to another one.
  if (owner === undefined || driven?.pid === undefined) return owner !== undefined;
  if (driven.process_start !== undefined) return owner.start === driven.process_start;
  return hasStartedAbout(sys, owner, driven.created * 1000) === true;
}

/** Fixed, so that captures do not depend on who looks; wide enough that dialogs do not wrap. */
export const paneSize = { width: 220, height: 50 };
/** In less than this claude's dialogs lose their beginning (2.1.329). */
const leastSize = { width: 80, height: 24 };
const repaintMs = 500;

const isLarge = ({ width, height }: PaneState): boolean => width >= leastSize.width && height >= leastSize.height;

/** A window of csd's that somebody has made too small for its dialogs gets its size back, before anything of it is read. */
async function restoreSize({ sys }: Driver, { driven, keyboard }: Target, pane: PaneState): Promise<void> {
  if (driven === undefined || isLarge(pane) || !pane.isAlone || !isTmux(keyboard)) return;
  await keyboard.resize(pane.paneId, paneSize.width, paneSize.height);
  await sys.sleep(repaintMs);
}

/** Before the first key: the pane takes keys, and is large enough for what claude asks. */
export async function requireUsablePane(driver: Driver, target: Target): Promise<void> {
  const { name, driven } = target;
  const pane = await target.keyboard.pane(target.pane);
  if (pane === undefined) return;
  if (pane.isLocked)
    throw new UserError(
      `the pane of session "${name}" takes no input: somebody has switched it off; nothing was typed`,
      `tmux select-pane -e -t ${pane.paneId}`,
    );
  if (driven !== undefined && !isLarge(pane) && !pane.isAlone)
    throw new UserError(
      `the pane of session "${name}" is ${pane.width}x${pane.height} in a window with others, and ${leastSize.width}x${leastSize.height} is the least; nothing was typed`,
      `give it a window of its own: tmux break-pane -d -s ${pane.paneId}`,
    );
  await restoreSize(driver, target, pane);
}

export async function readOwnSession({ sys }: Driver, target: Address): Promise<SessionFile | undefined> {
  const owner = await readProcess(sys, target.pid);
  return owner === undefined ? undefined : readSessionOf(sys, target.configDir, owner, target.driven?.session_id);
}

/** What every command says of a session that it names; of claude's own file where it has one. */
export function referTo(sys: Sys, target: Address, session: SessionFile | undefined) {
  const { name, driven, configDir: dir } = target;
  return {
    name,
    session_id: session?.sessionId ?? driven?.session_id ?? null,
    cwd: session?.cwd || (driven?.cwd ?? null),
    transcript: findTranscript(sys, target, session) ?? null,
    profile: profileOfDir(sys, readRegistryOrNone(sys), dir)?.name ?? null,
    config_dir: dir === "" ? null : dir,
  };
}

/** The same, with a look at its file. */
export const readReference = async (driver: Driver, target: Address) => referTo(driver.sys, target, await readOwnSession(driver, target));

/** One look at a live session: claude's own statement, and the screen. Undefined parts are not there, or not any more. */
export async function look(
  { sys }: Driver,
  target: Target,
  hasStyle = false,
): Promise<{ session?: SessionFile; capture?: { pane: PaneState; text: string } }> {
  const owner = await readProcess(sys, target.pid);
  const session = owner === undefined ? undefined : await readSessionOf(sys, target.configDir, owner, target.driven?.session_id);
  const capture = owner === undefined ? undefined : await target.keyboard.capture(target.pane, hasStyle);
  return {
    ...present({ session }),
    ...(capture === undefined || capture.pane.isDead ? {} : { capture }),
  };
}
