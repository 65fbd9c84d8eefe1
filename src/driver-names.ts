import { join } from "node:path";
import { channelDir } from "./channel.ts";
import type { Driven } from "./driven.ts";
import { type Driver, isRecorded } from "./driver.ts";
import { UserError } from "./errors.ts";
import { hasShape, parseRecord } from "./json.ts";
import { csdDir } from "./paths.ts";
import { type ProcessStart, readProcess } from "./process.ts";
import { openRecords, type Records, withLock } from "./store.ts";
import { type Sys, until } from "./sys.ts";
import { createTmux } from "./tmux.ts";

/** The csd that starts a session, under the name of that, until its record says all. */
type Claim = Pick<ProcessStart, "pid" | "start">;

const openClaims = (sys: Sys): Records<Claim> =>
  openRecords<Claim>(sys, {
    dir: join(csdDir(sys), "claims"),
    decode: (text) => {
      const fields = parseRecord(text);
      return hasShape(fields, { pid: "number", start: "string" }) ? fields : undefined;
    },
    encode: JSON.stringify,
  });

/** A csd that lives is starting a session of this name. */
async function isNameClaimed(sys: Sys, name: string): Promise<boolean> {
  const claim = openClaims(sys).read(name);
  return claim !== undefined && (await readProcess(sys, claim.pid))?.start === claim.start;
}

/**
 * Takes the name for a session that is to be started, before anything of that name is touched: of several that want it, one gets
 * it. The result gives it free; so does the end of this process.
 */
export async function takeName(driver: Driver, name: string): Promise<() => void> {
  const { sys } = driver;
  const claims = openClaims(sys);
  await withLock(sys, "names", async () => {
    if ((await isNameClaimed(sys, name)) || (await isTaken(driver, name)))
      throw new UserError(`session "${name}" already exists`, "choose another --name, or kill it first");
    const { pid, start } = (await readProcess(sys, sys.pid)) ?? { pid: sys.pid, start: "" };
    claims.write(name, { pid, start });
  });
  return () => claims.remove(name);
}

/** The name of a session that has ended is free. */
async function isTaken({ sys, store }: Driver, name: string): Promise<boolean> {
  let tracked: Driven | undefined;
  try {
    tracked = store.read(name);
  } catch {
    // The record is broken and may be replaced, unless its session lives; tmux keeps no dot in a name.
    const pane = await createTmux(sys).pane(`=${name.replaceAll(".", "_")}:`);
    return pane !== undefined && !pane.isDead;
  }
  return tracked?.pid !== undefined && isRecorded(await readProcess(sys, tracked.pid), tracked);
}

const recordMs = 5000;
const stepMs = 20;

/** A csd that is starting this session is about to write what it has started; returns at once when none is. */
export async function waitForRecord(driver: Driver, name: string): Promise<void> {
  const { sys } = driver;
  const isTold = async () => !(await isNameClaimed(sys, name)) || (await isTaken(driver, name)) || undefined;
  await until(sys, sys.now() + recordMs, stepMs, isTold);
}

/** Forgets a session that has ended, unless its name has gone to another one meanwhile. */
export const forgetName = ({ sys, store }: Driver, name: string, ended: Driven | undefined): Promise<void> =>
  withLock(sys, "names", async () => {
    const isClaimed = await isNameClaimed(sys, name);
    const now = readRecord(store, name);
    if (now !== undefined && now.pid !== ended?.pid) return;
    store.remove(name);
    // That of a session that is being started is for its csd to remove.
    if (!isClaimed) sys.remove(channelDir(sys, name));
  });

/** Undefined when there is none, and when it is broken. */
export function readRecord(store: Records<Driven>, name: string): Driven | undefined {
  try {
    return store.read(name);
  } catch {
    // It names no process and no pane.
    return undefined;
  }
}
