import { checkName, type Driven } from "./driven.ts";
import { type Driver, trackedTarget } from "./driver.ts";
import { forgetName, readRecord, waitForRecord } from "./driver-names.ts";
import { UserError } from "./errors.ts";
import { readProcess } from "./process.ts";
import { createTmux, type Pane } from "./tmux.ts";

const endTimeoutMs = 5000;
const stepMs = 20;

/** Ends exactly this session, waits until its process is gone, and forgets it. A name that nothing has is no error. */
export async function killSession(driver: Driver, name: string): Promise<void> {
  checkName(name);
  const { sys, store } = driver;
  await waitForRecord(driver, name);
  // A broken record names no pane: only a session of exactly this name can be meant.
  const driven = readRecord(store, name);
  const tmux = createTmux(sys, driven?.socket);
  const pane = await tmux.pane(driven === undefined ? `=${name}:` : trackedTarget(sys, driven).pane);
  if (pane !== undefined && isMeant(pane, driven)) {
    await tmux.kill(pane.sessionId);
    await waitForEnd(driver, name, pane.pid);
  }
  await forgetName(driver, name, driven);
}

/** A pane id that a later server gave to somebody else is not ours to end. */
const isMeant = (pane: Pane, driven: Driven | undefined): boolean =>
  (driven?.server_pid === undefined || driven.server_pid === pane.serverPid) && (driven?.pid === undefined || driven.pid === pane.pid);

/** claude writes its last lines on SIGHUP; a process that ignores it is killed. */
async function waitForEnd({ sys }: Driver, name: string, pid: number): Promise<void> {
  const before = await readProcess(sys, pid);
  const isAlive = async () => before !== undefined && (await readProcess(sys, pid))?.start === before.start;
  for (const ending of ["SIGHUP", "SIGKILL"] as const) {
    const deadline = sys.now() + endTimeoutMs;
    while (sys.now() < deadline) {
      if (!(await isAlive())) return;
      await sys.sleep(stepMs);
    }
    if (ending === "SIGHUP") sys.signal(pid, "SIGKILL");
  }
  throw new UserError(`process ${pid} of session "${name}" does not end`, `end it by hand: kill -9 ${pid}`);
}
