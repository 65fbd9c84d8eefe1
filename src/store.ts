/** What is kept on disk: a file with one value, a folder of records, a log of lines; tables are for `database`. */
import { join } from "node:path";
import { UserError } from "./errors.ts";
import { hasShape, type Kind, parseRecord, withoutWrong } from "./json.ts";
import { lockDir } from "./paths.ts";
import { type Sys, until } from "./sys.ts";
import { createLineBuffer, createTail } from "./tail.ts";

const lockTimeoutMs = 30_000;
const stepMs = 10;

/** Waits for the one place at `path`; the result gives it free. It is free too once its holder has ended, however that was. */
export async function waitForLock(sys: Sys, path: string, what: string, timeoutMs = lockTimeoutMs): Promise<() => void> {
  const release = await until(sys, sys.now() + timeoutMs, stepMs, () => tryLock(sys, path, what));
  if (release !== undefined) return release;
  throw new UserError(`another process has been busy with ${what} for ${timeoutMs / 1000} s`, `it holds ${path}`);
}

async function tryLock(sys: Sys, path: string, what: string): Promise<(() => void) | undefined> {
  try {
    return await sys.takeLock(path);
  } catch (error) {
    const message = `cannot lock ${what}: ${(error as Error).message} (${path})`;
    throw new UserError(message, "is the disk full, or the folder not yours?", 1, { cause: error });
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

/** A file that holds one value. */
export interface Store<T> {
  /** The empty value when there is no file; throws an error that names the file when it is broken. */
  read(): T;
  /** Readers see the old value or the new one. What depends on the old one is for `update`. */
  write(value: T): void;
  /** Reads, changes and replaces the file while nobody else does; it stays as it is when the text is the same. */
  update(change: (value: T) => T): Promise<T>;
  remove(): void;
}

interface StoreOptions<T> {
  path: string;
  /** Names the lock. */
  name: string;
  /** Of a missing or blank file. */
  empty: T;
  /** What stands there and cannot be read is an error; elsewhere it counts as empty. */
  mustBeReadable?: true;
  /** Throws with what is wrong, in lower case. */
  decode(text: string): T;
  /** Indented JSON unless told. */
  encode?(value: T): string;
}

export function openStore<T>(sys: Sys, options: StoreOptions<T>): Store<T> {
  const { name, empty, mustBeReadable = false, decode, encode = (value) => `${JSON.stringify(value, null, 2)}\n` } = options;
  // A link into somebody's dotfiles stays one: what it leads to is replaced, unless that is no file: root would replace a device.
  const real = sys.realPath(options.path) ?? options.path;
  const path = sys.entryKind(real) === "other" ? options.path : real;
  const parse = (text: string | undefined, isUnreadable: boolean): T => {
    // By the one reading that counts: another one may succeed, and what stands there would be taken for nothing and written over.
    if (text === undefined && isUnreadable)
      throw new UserError(`failed to read ${path}: it is no file that this user may read`, "correct it or move it away");
    return text === undefined || text.trim() === "" ? empty : named(path, "correct the file or move it away", () => decode(text));
  };
  const read = (): T => parse(sys.readText(path), mustBeReadable && sys.entryKind(path) !== undefined);
  return {
    read,
    write: (value) => sys.writePrivate(path, encode(value)),
    update: (change) =>
      withLock(sys, name, () => {
        const before = sys.readText(path);
        const kind = sys.entryKind(path);
        const value = change(parse(before, kind === "file" || (mustBeReadable && kind !== undefined)));
        const text = encode(value);
        if (text !== before) sys.writePrivate(path, text);
        return value;
      }),
    remove: () => sys.remove(options.path),
  };
}

function named<T>(path: string, hint: string, decode: () => T): T {
  try {
    return decode();
  } catch (error) {
    throw new UserError(`failed to read ${path}: ${(error as Error).message}`, hint, 1, { cause: error });
  }
}

/** A folder that holds one value in each `<name>.json`. */
export interface Records<T> {
  /** Undefined when there is none; throws an error that names the file when it is broken. */
  read(name: string): T | undefined;
  /** In byte order of their names; those that are not wanted are not opened. */
  list(isWanted?: (name: string) => boolean): { records: T[]; broken: string[] };
  write(name: string, value: T): void;
  remove(name: string): void;
}

interface RecordsOptions<T> {
  dir: string;
  /** Undefined passes a file over; an error, with what is wrong in lower case, names it as broken. */
  decode(text: string, name: string): T | undefined;
  /** Indented JSON unless told. */
  encode?(value: T): string;
  /** What to do about a broken one. */
  hint?(name: string): string;
}

export function openRecords<T>(sys: Sys, options: RecordsOptions<T>): Records<T> {
  const { dir, decode, encode = (value) => JSON.stringify(value, null, 2), hint = () => "move it away" } = options;
  const pathOf = (name: string) => {
    // Whoever asks has checked it; a name that leads elsewhere must not get past here all the same.
    if (/[/\\\0]/.test(name)) throw new UserError(`invalid name ${JSON.stringify(name)}`, "it must be one plain word");
    return join(dir, `${name}.json`);
  };
  const read = (name: string): T | undefined => {
    const text = sys.readText(pathOf(name));
    return text === undefined ? undefined : named(pathOf(name), hint(name), () => decode(text, name));
  };
  return {
    read,
    list(isWanted = () => true) {
      const records: T[] = [];
      const broken: string[] = [];
      const files = sys.list(dir).filter((file) => file.endsWith(".json"));
      for (const name of files.map((file) => file.slice(0, -".json".length)).sort()) {
        try {
          const record = isWanted(name) ? read(name) : undefined;
          if (record !== undefined) records.push(record);
        } catch {
          broken.push(name);
        }
      }
      return { records, broken };
    },
    write: (name, value) => sys.writePrivate(pathOf(name), encode(value)),
    remove: (name) => sys.remove(pathOf(name)),
  };
}

/** A file of lines, an object each, to which several processes add. */
export interface Log<T> {
  append(entry: T): void;
  /** Oldest first, of the end of the file; lines that are torn or of another kind are passed over, and so is a field of another kind. */
  read(): T[];
  /** Each call of the result reads what has come since the one before; the first, since now. */
  follow(): () => T[];
}

interface LogOptions {
  path: string;
  /** How much of its end is read. */
  readBytes: number;
  /** Beyond it the file begins anew, and the old one stays once, as `<path>.1`; it grows on, unless told. */
  maxBytes?: number;
  /** What each entry has; others are none. */
  required: Readonly<Record<string, Kind>>;
  optional: Readonly<Record<string, Kind>>;
}

export function openLog<T>(sys: Sys, { path, readBytes, maxBytes, required, optional }: LogOptions): Log<T> {
  const parse = (lines: readonly string[]): T[] =>
    lines.flatMap((line) => {
      const fields = parseRecord(line);
      return hasShape(fields, required) ? [withoutWrong(fields, optional) as T] : [];
    });
  return {
    append(entry) {
      if (maxBytes !== undefined && (sys.identify(path)?.size ?? 0) > maxBytes) setAside(sys, path);
      const size = sys.identify(path)?.size ?? 0;
      // A disk that was full has torn the line before: it must not spoil this one.
      const last = new Uint8Array(1);
      const isTorn = size > 0 && sys.readInto(path, size - 1, last) === 1 && last[0] !== newline;
      sys.appendPrivate(path, `${isTorn ? "\n" : ""}${JSON.stringify(entry)}\n`);
    },
    read: () => parse(sys.readTail(path, readBytes)?.lines ?? []),
    follow() {
      const tail = createTail(sys, path, createLineBuffer(true), sys.identify(path)?.size ?? 0);
      return () => {
        const lines: string[] = [];
        tail.poll({ onLines: (bytes) => lines.push(...bytes.toString().split("\n")), onRestart() {} });
        return parse(lines);
      };
    },
  };
}

const newline = 10;

function setAside(sys: Sys, path: string): void {
  try {
    sys.rename(path, `${path}.1`);
  } catch {
    // Another process was faster, or the folder may not be changed: the file grows on.
  }
}
