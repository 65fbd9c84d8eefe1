import { checkName, type Driven } from "./driven.ts";
import { type Driver, isRecorded, panePid, trackedTarget } from "./driver.ts";
import { forgetName, hasRecord, readRecord, waitForRecord } from "./driver-names.ts";
import { UserError } from "./errors.ts";
import { rememberEnd, rememberLaunch } from "./launch-record.ts";
import { configDir } from "./paths.ts";
import { isSameProcess, type ProcessStart, readProcess } from "./process.ts";
import { type Sys, until } from "./sys.ts";
import { createTmux, type Pane } from "./tmux.ts";

const endTimeoutMs = 5000;
const stepMs = 20;

interface Killed {
  /** csd has a record of the name, or tmux a session. */
  isKnown: boolean;
  /** Something of it was still there to be ended. */
  isEnded: boolean;
}

/**
 * Ends exactly this session, waits until its process is gone, and forgets it; where that fails the record stays. A name that
 * nothing has is no error.
 */
export async function killSession(driver: Driver, name: string): Promise<Killed> {
  checkName(name);
  const { sys, store } = driver;
  await waitForRecord(driver, name);
  // A broken record names no pane: only a session of exactly this name can be meant.
  const driven = readRecord(store, name);
  const recorded = driven === undefined ? undefined : await readRecorded(sys, driven);
  const closing = closePane(sys, name, driven);
  // tmux may be gone or hang, and its socket be removed: what the record says of the process is enough.
  const shown = await (driven?.pid === undefined ? closing : closing.catch(() => undefined));
  if (recorded !== undefined && shown === undefined) sys.signal(recorded.pid, "SIGHUP");
  const ended = [shown, recorded].filter((owner) => owner !== undefined);
  for (const owner of ended) await waitForEnd(sys, name, owner, driven);
  const isKnown = ended.length > 0 || hasRecord(store, name);
  await forgetName(driver, name, driven);
  return { isKnown, isEnded: ended.length > 0 };
}

/** The process that the record means, while it lives, and no later one with its number. */
async function readRecorded(sys: Sys, driven: Driven): Promise<ProcessStart | undefined> {
  const owner = driven.pid === undefined ? undefined : await readProcess(sys, driven.pid);
  return isRecorded(sys, owner, driven) ? owner : undefined;
}

/** Claude's process, when tmux has closed the pane that it is in. */
async function closePane(sys: Sys, name: string, driven: Driven | undefined): Promise<ProcessStart | undefined> {
  const tmux = createTmux(sys, driven?.socket);
  const pane = await tmux.pane(driven === undefined ? `=${name}:` : trackedTarget(sys, driven).pane);
  if (pane === undefined || !isMeant(pane, driven)) return undefined;
  const owner = await readProcess(sys, pane.pid);
  // Somebody may have moved it into a session of theirs, or put panes of theirs beside it.
  await tmux.kill(driven === undefined ? pane.sessionId : pane.paneId);
  return owner;
}

/** A pane id that a later server gave to somebody else is not ours to end. */
const isMeant = (pane: Pane, driven: Driven | undefined): boolean =>
  (driven?.server_pid === undefined || driven.server_pid === pane.serverPid) && (driven?.pid === undefined || panePid(driven) === pane.pid);

/** claude writes its last lines on SIGHUP; a process that ignores it is killed. */
async function waitForEnd(sys: Sys, name: string, owner: ProcessStart, driven: Driven | undefined): Promise<void> {
  const { pid } = owner;
  const isGone = async () => {
    const now = await readProcess(sys, pid);
    return now === undefined || !isSameProcess(now, owner) || undefined;
  };
  const waitUntilGone = () => until(sys, sys.now() + endTimeoutMs, stepMs, isGone);
  if (await waitUntilGone()) return;
  // It leaves claude's file behind, as a crash does: csm restore must not bring back what was ended on purpose.
  if (driven?.pid === pid) await rememberKill(sys, { pid, sessionId: driven.session_id, cwd: driven.cwd, configDir: driven.config_dir });
  sys.signal(pid, "SIGKILL");
  if (await waitUntilGone()) return;
  throw new UserError(`process ${pid} of session "${name}" does not end`, `end it by hand: kill -9 ${pid}`);
}

/** Of a session that is about to be killed: what it leaves behind is no crash. */
export async function rememberKill(sys: Sys, killed: Killable): Promise<void> {
  const { pid, configDir: dir = configDir(sys) } = killed;
  await rememberLaunch(sys, { ...killed, configDir: dir, args: [] });
  rememberEnd(sys, pid, "kill");
}

interface Killable {
  pid: number;
  sessionId: string;
  cwd: string;
  configDir: string | undefined;
}
