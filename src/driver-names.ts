import { join } from "node:path";
import { channelDir } from "./channel.ts";
import { type Claims, openClaims } from "./claim.ts";
import type { Driven } from "./driven.ts";
import { type Driver, isRecorded } from "./driver.ts";
import { UserError } from "./errors.ts";
import { csdDir } from "./paths.ts";
import { readProcess } from "./process.ts";
import type { Records } from "./store.ts";
import { type Sys, until } from "./sys.ts";
import { createTmux } from "./tmux.ts";

/** Names of sessions that are being started; from then on their records hold them. */
const openNames = (sys: Sys): Claims => openClaims(sys, join(csdDir(sys), "claims"));

/**
 * Takes the name for a session that is to be started, before anything of that name is touched: of several that want it, one gets
 * it. The result gives it free.
 */
export async function takeName(driver: Driver, name: string): Promise<() => void> {
  const release = await openNames(driver.sys).take(name, async () => !(await isLive(driver, name)));
  if (release !== undefined) return release;
  throw new UserError(`session "${name}" already exists`, "choose another --name, or kill it first");
}

/** The name of a session that has ended is free. */
async function isLive({ sys, store }: Driver, name: string): Promise<boolean> {
  let tracked: Driven | undefined;
  try {
    tracked = store.read(name);
  } catch {
    // The record is broken and may be replaced, unless its session lives; tmux keeps no dot in a name.
    const pane = await createTmux(sys).pane(`=${name.replaceAll(".", "_")}:`);
    return pane !== undefined && !pane.isDead;
  }
  return tracked?.pid !== undefined && isRecorded(sys, await readProcess(sys, tracked.pid), tracked);
}

const recordMs = 5000;
const stepMs = 20;

/** A csd is starting a session of this name. */
export const isStarting = (sys: Sys, name: string): Promise<boolean> => openNames(sys).isTaken(name);

/** A csd that is starting this session is about to write what it has started; returns at once when none is. */
export async function waitForRecord(driver: Driver, name: string): Promise<void> {
  const { sys } = driver;
  const names = openNames(sys);
  const isTold = async () => !(await names.isTaken(name)) || (await isLive(driver, name)) || undefined;
  await until(sys, sys.now() + recordMs, stepMs, isTold);
}

/** Forgets a session that has ended, unless its name has gone to another one meanwhile. */
export async function forgetName({ sys, store }: Driver, name: string, ended: Driven | undefined): Promise<void> {
  const names = openNames(sys);
  await names.hold(async () => {
    const now = readRecord(store, name);
    if (now !== undefined && now.pid !== ended?.pid) return;
    store.remove(name);
    // That of a session that is being started is for its csd to remove.
    if (!(await names.isTaken(name))) sys.remove(channelDir(sys, name));
  });
}

/** Undefined when there is none, and when it is broken. */
export function readRecord(store: Records<Driven>, name: string): Driven | undefined {
  try {
    return store.read(name);
  } catch {
    // It names no process and no pane.
    return undefined;
  }
}

/** Also when it is broken. */
export function hasRecord(store: Records<Driven>, name: string): boolean {
  try {
    return store.read(name) !== undefined;
  } catch {
    // There is one, and it cannot be read.
    return true;
  }
}
