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

/** A JSON file that people and several processes write. */
export interface Store<T> {
  path: string;
  /** The empty value when there is no file; throws an error that names the file when it is broken. */
  read(): T;
  /** Reads, changes and replaces the file while nobody else does; it stays as it is when the text is the same. */
  update(change: (value: T) => T): Promise<T>;
}

export interface StoreOptions<T> {
  path: string;
  /** Names the lock. */
  name: string;
  /** Of a missing or blank file. */
  empty: T;
  /** Throws with what is wrong, in lower case. */
  parse(value: unknown): T;
  /** What is written; the whole value unless told. */
  encode?(value: T): unknown;
}

export function openStore<T>(sys: Sys, { path, name, empty, parse, encode = (value) => value }: StoreOptions<T>): Store<T> {
  const read = (): T => {
    const text = sys.readText(path) ?? "";
    if (text.trim() === "") return empty;
    try {
      return parse(JSON.parse(text));
    } catch (error) {
      throw new UserError(`failed to read ${path}: ${(error as Error).message}`, "correct the file or move it away", 1, { cause: error });
    }
  };
  return {
    path,
    read,
    update: (change) =>
      withLock(sys, name, () => {
        const value = change(read());
        const text = `${JSON.stringify(encode(value), null, 2)}\n`;
        if (text !== sys.readText(path)) sys.writePrivate(path, text);
        return value;
      }),
  };
}
