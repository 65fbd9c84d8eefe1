import { type Channel, channelDir, openChannel, toSignals } from "./channel.ts";
import { parseScreen } from "./claude-screen.ts";
import type { SessionFile } from "./claude-session.ts";
import { readNewestTurn, type Turn } from "./claude-transcript.ts";
import { checkName, createDrivenStore, type Driven } from "./driven.ts";
import { UserError } from "./errors.ts";
import { present } from "./json.ts";
import { configDir, findTranscript } from "./paths.ts";
import { type ProcessStart, readProcess, readProcesses } from "./process.ts";
import { readSessionOf } from "./session-file.ts";
import { decideStatus, isGateUntold, isPaneUnsettled, isTranscriptBehind, isTranscriptLate, type Signals, type Verdict } from "./status.ts";
import type { Records } from "./store.ts";
import type { Sys } from "./sys.ts";
import { createTmux, type Pane, type Tmux } from "./tmux.ts";

/** A session as it is addressed: by its pane, never by a bare name. */
export interface Target {
  name: string;
  /** Undefined for a tmux session that csd did not start. */
  driven?: Driven;
  tmux: Tmux;
  /** Pane id, or `=name:` where only the name is known. */
  pane: string;
  pid: number;
  configDir: string;
  /** Only of a session that this csd started. */
  channel?: Channel;
}

export interface Driver {
  sys: Sys;
  store: Records<Driven>;
}

export const createDriver = (sys: Sys): Driver => ({ sys, store: createDrivenStore(sys) });

const unknownSession = (name: string): UserError => new UserError(`session "${name}" does not exist`, "csd ps lists the sessions");

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
    tmux: createTmux(sys, driven.socket),
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
  const target: Target =
    driven === undefined
      ? { name, tmux: createTmux(sys), pane: `=${name}:`, pid: 0, configDir: configDir(sys) }
      : trackedTarget(sys, driven);
  const pane = await target.tmux.pane(target.pane);
  if (pane === undefined || !isPaneOf(pane, driven)) {
    if (driven === undefined) throw unknownSession(name);
    throw new UserError(`session "${name}" is not alive`, `csd kill ${name} forgets it`);
  }
  return { ...target, pane: pane.paneId, pid: pane.pid, livePane: pane };
}

/** A restarted server hands out the same pane ids again. */
const isPaneOf = (pane: Pane, driven: Driven | undefined): boolean =>
  !pane.isDead &&
  (driven?.pid === undefined || pane.pid === driven.pid) &&
  (driven?.server_pid === undefined || pane.serverPid === driven.server_pid);

/** What a caller that reads many sessions has read already. */
interface Known {
  owner?: ProcessStart;
  session?: SessionFile;
  captured?: { pane: Pane; text: string };
}

/** Everything known of a session now. The screen is only captured where no cheaper signal settles the state. */
export async function readSignals(driver: Driver, target: Target, known: Known = {}): Promise<Signals> {
  const { sys } = driver;
  const { driven } = target;
  const { captured } = known;
  const startedAt = (driven?.created ?? 0) * 1000;
  const owner = known.owner ?? (await findProcess(driver, target, captured?.pane));
  if (owner === undefined) return { now: sys.now(), isAlive: false };
  const session = known.session ?? (await readSessionOf(sys, target.configDir, owner));
  const turn = await readSessionTurn(sys, target, session);
  const hooks = target.channel === undefined ? undefined : await readHooks(target.channel, needsScreen(session));
  const base: Signals = {
    now: sys.now(),
    isAlive: true,
    startedAt,
    ...present({ session, turn, hooks }),
  };
  if (!needsScreen(session)) return base;
  const capture = captured ?? (await target.tmux.capture(target.pane));
  if (capture === undefined || !isPaneOf(capture.pane, driven)) return { now: sys.now(), isAlive: false };
  return { ...base, screen: parseScreen(capture.text) };
}

/** A request is only held while its dialog is up. */
const readHooks = async (channel: Channel, isGated: boolean) =>
  toSignals(await channel.readEvents(), isGated ? await channel.readGates() : []);

/** The screen is the only source of startup dialogs and of the options of a gate. */
export const needsScreen = (session: SessionFile | undefined): boolean =>
  session?.status === undefined || session.status === "waiting" || session.status === "other";

/** Undefined when the process is gone, or another one has its number. */
async function findProcess({ sys }: Driver, target: Target, pane: Pane | undefined): Promise<ProcessStart | undefined> {
  const { driven } = target;
  let pid = target.pid;
  if (pid === 0) {
    // The file of the older csd knows no pid: tmux does.
    const found = pane ?? (await target.tmux.pane(target.pane));
    if (found === undefined || found.isDead) return undefined;
    pid = found.pid;
  }
  const owner = await readProcess(sys, pid);
  return isRecorded(owner, driven) ? owner : undefined;
}

/** The process that csd remembers, not a later one with its number. */
export const isRecorded = (owner: ProcessStart | undefined, driven: Driven | undefined): boolean =>
  owner !== undefined && (driven?.process_start === undefined || owner.start === driven.process_start);

export async function readOwnSession({ sys }: Driver, target: Target): Promise<SessionFile | undefined> {
  const owner = await readProcess(sys, target.pid);
  return owner === undefined ? undefined : readSessionOf(sys, target.configDir, owner);
}

/** One look at a live session: claude's own statement, and the screen. Undefined parts are not there, or not any more. */
export async function look(
  { sys }: Driver,
  target: Target,
  hasStyle = false,
): Promise<{ session?: SessionFile; capture?: { pane: Pane; text: string } }> {
  const owner = await readProcess(sys, target.pid);
  const session = owner === undefined ? undefined : await readSessionOf(sys, target.configDir, owner);
  const capture = owner === undefined ? undefined : await target.tmux.capture(target.pane, hasStyle);
  return {
    ...present({ session }),
    ...(capture === undefined || capture.pane.isDead ? {} : { capture }),
  };
}

async function readSessionTurn(sys: Sys, target: Target, session: SessionFile | undefined): Promise<Turn | undefined> {
  const path = findTranscript(sys, target, session);
  return path === undefined ? undefined : readNewestTurn((bytes) => sys.readTail(path, bytes));
}

/** Claude paints a dialog up to 0.5 s after its status says `waiting`, and writes a transcript line up to 0.1 s late. */
export const settleMs = 1500;
/** Without a status nothing but transcript and screen can agree, and a busy machine writes and paints late. */
const slowSettleMs = 4000;
export const settleStepMs = 40;

/** The verdict, once the signals agree: waits out the moments in which a dialog or a line is known to be on its way. */
async function settle(sys: Sys, read: () => Promise<Signals>, isHeldEnough = false): Promise<Verdict> {
  const startedAt = sys.now();
  for (;;) {
    const signals = await read();
    const deadline = startedAt + (signals.isAlive && signals.session?.version === undefined ? slowSettleMs : settleMs);
    const isTold = isHeldEnough && signals.session?.status === "waiting" && signals.hooks?.gate !== undefined;
    if (isTold || isSettled(signals) || sys.now() > deadline) return decideStatus(signals);
    await sys.sleep(settleStepMs);
  }
}

/** Nothing that is known to come is outstanding. */
export const isSettled = (signals: Signals): boolean => {
  const { session, screen, now } = signals;
  const isUnpainted = session?.status === "waiting" && screen?.gate === undefined && now - (session.statusUpdatedAt ?? 0) < settleMs;
  // The dialog can be painted before its hook has started, and before the transcript has the call.
  const isUntold = !isUnpainted && isGateUntold(signals) && now - (session?.statusUpdatedAt ?? now) < settleMs;
  return !isUnpainted && !isUntold && !isTranscriptLate(signals) && !isPaneUnsettled(signals);
};

/** `isHeldEnough`: do not wait for a dialog to be painted when its hook has told what it asks; its options are missing then. */
export const readState = (driver: Driver, target: Target, isHeldEnough = false): Promise<Verdict> =>
  settle(driver.sys, () => readSignals(driver, target), isHeldEnough);

/** Until the transcript holds what the hooks have told; at most a moment. */
export async function settleTranscript(driver: Driver, target: Target): Promise<void> {
  const deadline = driver.sys.now() + settleMs;
  while (driver.sys.now() < deadline && isTranscriptBehind(await readSignals(driver, target))) await driver.sys.sleep(settleStepMs);
}

export interface ListedSession {
  driven: Driven;
  verdict: Verdict;
}

/** All tracked sessions, with one tmux call per server that has screens to read. */
export async function readAll(driver: Driver): Promise<{ sessions: ListedSession[]; broken: string[] }> {
  const { sys, store } = driver;
  const { records: tracked, broken } = store.list();
  const processes = await readProcesses(
    sys,
    tracked.flatMap((driven) => driven.pid ?? []),
  );
  const known = new Map<Driven, Known>();
  for (const driven of tracked) known.set(driven, await readKnown(sys, driven, processes));
  const shown = tracked.filter((driven) => driven.pid === undefined || isShownOnly(known.get(driven)));
  for (const [socket, group] of Map.groupBy(shown, (driven) => driven.socket)) {
    const found = await createTmux(sys, socket).captureAll(group.map((driven) => trackedTarget(sys, driven).pane));
    for (const driven of group) {
      const captured = found.get(trackedTarget(sys, driven).pane);
      if (captured !== undefined) known.set(driven, { ...known.get(driven), captured });
    }
  }
  const readOne = async (driven: Driven): Promise<ListedSession> => {
    const target = trackedTarget(sys, driven);
    if (driven.pid !== undefined && known.get(driven)?.owner === undefined)
      return { driven, verdict: decideStatus({ now: sys.now(), isAlive: false }) };
    const signals = await readSignals(driver, target, known.get(driven));
    return { driven, verdict: isSettled(signals) ? decideStatus(signals) : await readState(driver, target) };
  };
  const sessions = await Promise.all(tracked.map(readOne));
  return { sessions, broken };
}

async function readKnown(sys: Sys, driven: Driven, processes: Map<number, ProcessStart>): Promise<Known> {
  const owner = processes.get(driven.pid ?? 0);
  if (owner === undefined || !isRecorded(owner, driven)) return {};
  const session = await readSessionOf(sys, driven.config_dir ?? configDir(sys), owner);
  return session === undefined ? { owner } : { owner, session };
}

const isShownOnly = (known: Known | undefined): boolean => known?.owner !== undefined && needsScreen(known.session);
