import { join } from "node:path";
import { UserError } from "./errors.ts";
import { lockDir } from "./paths.ts";
import type { Sys } from "./sys.ts";

const lockTimeoutMs = 30_000;
const stepMs = 10;

/** Waits for the one place at `path`; the result gives it free. It is free too once its holder has ended, however that was. */
export async function waitForLock(sys: Sys, path: string, what: string, timeoutMs = lockTimeoutMs): Promise<() => void> {
  const deadline = sys.now() + timeoutMs;
  for (;;) {
    const release = tryLock(sys, path, what);
    if (release !== undefined) return release;
    if (sys.now() > deadline)
      throw new UserError(`another process has been busy with ${what} for ${timeoutMs / 1000} s`, `it holds ${path}`);
    await sys.sleep(stepMs);
  }
}

function tryLock(sys: Sys, path: string, what: string): (() => void) | undefined {
  try {
    return sys.takeLock(path);
  } catch (error) {
    throw new UserError(`cannot lock ${what}: ${(error as Error).message} (${path})`, "is the disk full, or the folder not yours?", 1, {
      cause: error,
    });
  }
}

/** Runs `action` while no other process does the same. The names of locks are fixed words. */
export async function withLock<T>(sys: Sys, name: string, action: () => T | Promise<T>): Promise<T> {
  const release = await waitForLock(sys, join(lockDir(sys), `${name}.lock`), name);
  try {
    return await action();
  } finally {
    release();
  }
}
