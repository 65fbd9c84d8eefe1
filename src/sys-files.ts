import {
  accessSync,
  chmodSync,
  chownSync,
  closeSync,
  constants,
  copyFileSync,
  cpSync,
  fstatSync,
  fsyncSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  readSync,
  realpathSync,
  renameSync,
  rmdirSync,
  rmSync,
  type Stats,
  statSync,
  symlinkSync,
  unlinkSync,
  watch,
  writeFileSync,
  writeSync,
} from "node:fs";
import { dirname, normalize, sep } from "node:path";

/** The last bytes of a file, cut at a line start. */
export interface FileEnd {
  lines: string[];
  /** The lines are the whole file. */
  isWhole: boolean;
  size: number;
}

export interface Watch {
  /** Resolves at the next change, at once when there was one since the last call, or after `timeoutMs`. One call at a time. */
  next(timeoutMs: number): Promise<void>;
  close(): void;
}

export const attempt = <T>(read: () => T): T | undefined => {
  try {
    return read();
  } catch {
    // Missing and unreadable are the same to every caller: there is nothing to read.
    return undefined;
  }
};

/** Asks first: an exception for a file that is not there costs more than all the rest. */
const isThere = (path: string): boolean => attempt(() => statSync(path, { throwIfNoEntry: false })) !== undefined;

/** Of the process table only what was there a moment ago is asked for; it holds no pipes, and its files are small. */
const isOfKernel = (path: string): boolean => path.startsWith("/proc/");

/** No settings, record or answer of any program is near this; what is larger is none of them. */
const maxTextBytes = 16 * 1024 * 1024;

// A pipe must not hold us up until somebody writes to it.
const nonBlocking = constants.O_NONBLOCK ?? 0;
const reading = constants.O_RDONLY | nonBlocking;
const appending = constants.O_WRONLY | constants.O_APPEND | nonBlocking;

/** Undefined when there is no such file, it may not be read, it is a folder, a pipe or a device, or larger than `maxBytes`. */
export function readText(path: string, maxBytes = maxTextBytes): string | undefined {
  if (isOfKernel(path)) return attempt(() => readFileSync(path, "utf8"));
  const stat = attempt(() => statSync(path, { throwIfNoEntry: false }));
  if (stat === undefined || !stat.isFile() || stat.size > maxBytes) return undefined;
  // One byte more, so that the read that meets the end is the first one.
  return attempt(() => readWhole(path, stat.size + 1, maxBytes));
}

/** In pieces from `firstBytes` on, as a file may grow while it is read. */
function readWhole(path: string, firstBytes: number, maxBytes: number): string | undefined {
  const file = openSync(path, reading);
  try {
    let buffer = Buffer.allocUnsafe(firstBytes);
    let length = 0;
    for (;;) {
      const count = readSync(file, buffer, length, buffer.length - length, null);
      length += count;
      if (length > maxBytes) return undefined;
      if (count === 0) return buffer.toString("utf8", 0, length);
      if (length === buffer.length) buffer = Buffer.concat([buffer, Buffer.allocUnsafe(Math.max(buffer.length, 4096))]);
    }
  } finally {
    closeSync(file);
  }
}

export const modifiedAt = (path: string): number | undefined => attempt(() => statSync(path, { throwIfNoEntry: false })?.mtimeMs);
export const isDirectory = (path: string): boolean => attempt(() => statSync(path, { throwIfNoEntry: false })?.isDirectory()) ?? false;

/** Undefined for what `openFile` does not open. */
export const readTail = (path: string, maxBytes: number): FileEnd | undefined => attempt(() => readEnd(path, maxBytes));

function readEnd(path: string, maxBytes: number): FileEnd | undefined {
  const file = openFile(path);
  if (file === undefined) return undefined;
  try {
    const { size } = file;
    const from = Math.max(0, size - maxBytes);
    const buffer = Buffer.allocUnsafe(size - from);
    const bytes = buffer.subarray(0, file.read(buffer, from));
    const firstLine = from === 0 ? 0 : bytes.indexOf(10) + 1;
    if (from > 0 && firstLine === 0) return { lines: [], isWhole: false, size };
    const lines = bytes.toString("utf8", firstLine).split("\n");
    if (lines.at(-1) === "") lines.pop();
    return { lines: lines.includes("") ? lines.filter((line) => line !== "") : lines, isWhole: from === 0, size };
  } finally {
    file.close();
  }
}

/** Which file stands at a path, how long it is, and when it was written. */
export interface FileIdentity {
  id: string;
  size: number;
  modifiedAt: number;
  isFile: boolean;
}

/** The same as long as nothing was written: what was read of the file holds. */
export const stateOf = (file: FileIdentity | undefined): string => `${file?.id} ${file?.size} ${file?.modifiedAt}`;

/** The clock of files and folders is coarse: one that changed just now may change again at the same time. */
export const coarseMs = 100;

export const identify = (path: string): FileIdentity | undefined =>
  attempt(() => {
    const stat = statSync(path, { throwIfNoEntry: false });
    return stat === undefined ? undefined : identityOf(stat);
  });

const identityOf = (stat: Stats): FileIdentity => ({
  id: `${stat.dev}:${stat.ino}`,
  size: stat.size,
  modifiedAt: stat.mtimeMs,
  isFile: stat.isFile(),
});

/** Fills `into` with the bytes from an offset; tells how many there were, none when the file is gone. */
export function readInto(path: string, offset: number, into: Uint8Array): number {
  const file = openFile(path);
  try {
    return file?.read(into, offset) ?? 0;
  } finally {
    file?.close();
  }
}

/** A file that is read by pieces; what is read belongs to this file, whatever takes its name meanwhile. */
export interface OpenFile extends FileIdentity {
  /** How many bytes came into the buffer; 0 at the end, and where a disk fails. */
  read(buffer: Uint8Array, position: number): number;
  close(): void;
}

/** Undefined when there is no such file, or it may not be read. A folder, a pipe or a device is none. */
export function openFile(path: string): OpenFile | undefined {
  const file = isThere(path) ? attempt(() => openSync(path, reading)) : undefined;
  if (file === undefined) return undefined;
  const stat = fstatSync(file);
  if (!stat.isFile()) {
    closeSync(file);
    return undefined;
  }
  return {
    ...identityOf(stat),
    read: (buffer, position) => attempt(() => readSync(file, buffer, 0, buffer.length, position)) ?? 0,
    close: () => closeSync(file),
  };
}

/** Files below a folder whose names end so, in byte order, at any depth; a folder that links lead to is looked into once, also where one leads back. */
export function findFiles(dir: string, suffix: string): string[] {
  const found: string[] = [];
  const folders = [normalize(dir)];
  const linked = new Set<string>();
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    for (const entry of attempt(() => readdirSync(folder as string, { withFileTypes: true })) ?? []) {
      // Not `join`, which takes each path apart: a hook asks for those of all transcripts.
      const path = `${folder}${folder.endsWith(sep) ? "" : sep}${entry.name}`;
      const target = entry.isSymbolicLink() ? attempt(() => realpathSync(path)) : undefined;
      if (entry.isDirectory()) folders.push(path);
      else if (target !== undefined && attempt(() => statSync(target))?.isDirectory() === true) {
        if (!linked.has(target)) folders.push(path);
        linked.add(target);
      } else if (entry.name.endsWith(suffix)) found.push(path);
    }
  }
  return found.sort();
}

export function writePrivate(path: string, text: string): void {
  makePrivateDir(dirname(path));
  const temporary = `${path}.${process.pid}.tmp`;
  try {
    writeDurably(temporary, text, "w");
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
}

/**
 * Replaces a file of the user's, which keeps its mode; a new one is for this user only. False, and nothing is changed, when by now
 * it says something else than `before`, where undefined stands for no file.
 */
export function replaceText(path: string, before: string | undefined, text: string): boolean {
  const stat = attempt(() => statSync(path, { throwIfNoEntry: false }));
  // Neither a device nor a pipe says what it said before.
  if (stat?.isFile() === false) return false;
  const temporary = `${path}.${process.pid}.tmp`;
  try {
    rmSync(temporary, { force: true });
    writeDurably(temporary, text, "wx");
    if (stat !== undefined) keepOwner(temporary, stat);
    // Looked at last, so that between this and the new text there is only the rename.
    if (readText(path) !== before) return false;
    renameSync(temporary, path);
    return true;
  } finally {
    rmSync(temporary, { force: true });
  }
}

function keepOwner(path: string, { uid, gid, mode }: Stats): void {
  // Only root may give a file away, and only root is asked to: under sudo the user must be able to read it after.
  if (uid !== process.getuid?.()) attempt(() => chownSync(path, uid, gid));
  chmodSync(path, mode & 0o777);
}

export function createPrivate(path: string, text: string): boolean {
  makePrivateDir(dirname(path));
  try {
    writeDurably(path, text, "wx");
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    // Made, and not written: a full disk must not leave a name taken.
    rmSync(path, { force: true });
    throw error;
  }
}

/** A private copy that appears whole or not at all; the folders above it are made. */
export function copyPrivate(from: string, to: string): void {
  if (!statSync(from).isFile()) throw Object.assign(new Error(`${from} is no file`), { code: "EINVAL", syscall: "copyfile" });
  makePrivateDir(dirname(to));
  const temporary = `${to}.${process.pid}.tmp`;
  try {
    copyFileSync(from, temporary);
    chmodSync(temporary, 0o600);
    renameSync(temporary, to);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
}

export function appendPrivate(path: string, text: string | Uint8Array): void {
  makePrivateDir(dirname(path));
  const bytes = Buffer.from(text);
  const file = openToAppend(path);
  try {
    // What is no file takes the words and keeps none, or lets us wait for a reader.
    if (!fstatSync(file).isFile()) throw Object.assign(new Error(`${path} is no file`), { code: "EINVAL", syscall: "open" });
    // One write, so that writers do not mix; the rest only where the system took less.
    for (let from = 0; from < bytes.length; ) from += writeSync(file, bytes, from);
  } catch (error) {
    throw Object.assign(error as Error, { path });
  } finally {
    closeSync(file);
  }
}

/** Never makes the file that a link leads to: that would be one of another folder. */
function openToAppend(path: string): number {
  const open = (flags: number, passedOver: string) => {
    try {
      return openSync(path, flags, 0o600);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== passedOver) throw error;
      return undefined;
    }
  };
  // Another process may have made it in between.
  return open(appending, "ENOENT") ?? open(appending | constants.O_CREAT | constants.O_EXCL, "EEXIST") ?? openSync(path, appending);
}

export function writeProgram(path: string, bytes: Uint8Array): void {
  writeDurably(path, bytes, "wx");
  chmodSync(path, 0o755);
}

function writeDurably(path: string, text: string | Uint8Array, flag: "w" | "wx"): void {
  const file = openSync(path, flag, 0o600);
  try {
    writeFileSync(file, text);
    fsyncSync(file);
  } catch (error) {
    // What is written by its number names no path.
    throw Object.assign(error as Error, { path });
  } finally {
    closeSync(file);
  }
}

export function makePrivateDir(dir: string): void {
  // Only folders that this call makes become private; a folder that is there keeps its mode.
  const made = mkdirSync(dir, { recursive: true, mode: 0o700 });
  if (made !== undefined) chmodSync(dir, 0o700);
}

export const isExecutable = (path: string): boolean =>
  attempt(() => {
    const stat = statSync(path);
    return stat.isFile() && (process.platform === "win32" || (stat.mode & 0o111) !== 0);
  }) ?? false;

export function watchPaths(paths: readonly string[]): Watch {
  let hasChanged = false;
  let wake = () => {};
  const onChange = () => {
    hasChanged = true;
    wake();
  };
  const watchers = paths.flatMap((path) => attempt(() => watch(path, { persistent: true }, onChange)) ?? []);
  // A watched folder that is removed: the timeout of `next` goes on.
  for (const watcher of watchers) watcher.on("error", () => watcher.close());
  return {
    async next(timeoutMs) {
      if (!hasChanged)
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, timeoutMs);
          wake = () => {
            clearTimeout(timer);
            resolve();
          };
        });
      hasChanged = false;
    },
    close() {
      for (const watcher of watchers) watcher.close();
    },
  };
}

type EntryKind = "file" | "folder" | "link" | "other";

/** Whose an entry is and who may write it; `mode` with the sticky bit. */
export interface Owner {
  kind: EntryKind;
  uid: number;
  gid: number;
  mode: number;
}

const kindOf = (stat: Stats): EntryKind =>
  stat.isSymbolicLink() ? "link" : stat.isDirectory() ? "folder" : stat.isFile() ? "file" : "other";

/** Links, and moving what lies in a folder. What is moved is never overwritten by these alone: the caller asks first. */
export interface LinkFiles {
  /** What stands at the path itself, a link not followed; undefined when nothing does. */
  entryKind(path: string): EntryKind | undefined;
  /** Of a link itself. */
  owner(path: string): Owner | undefined;
  /** Where a link leads, as it is written; undefined when it is none. */
  readLink(path: string): string | undefined;
  /** Fails when something stands at `path`. */
  createLink(target: string, path: string): void;
  rename(from: string, to: string): void;
  removeLink(path: string): void;
  /** False when something lies in it. */
  removeEmptyDir(path: string): boolean;
  /** A file or a whole folder, with its times; links stay as they are. */
  copy(from: string, to: string): void;
  isWritable(path: string): boolean;
}

export const linkFiles: LinkFiles = {
  entryKind: (path) => linkFiles.owner(path)?.kind,
  owner: (path) => {
    const stat = attempt(() => lstatSync(path, { throwIfNoEntry: false }));
    return stat === undefined ? undefined : { kind: kindOf(stat), uid: stat.uid, gid: stat.gid, mode: stat.mode & 0o7777 };
  },
  readLink: (path) => attempt(() => readlinkSync(path)),
  // On Windows a junction: a link that needs no right there, to a folder. Elsewhere the word is passed over.
  createLink: (target, path) => symlinkSync(target, path, "junction"),
  rename: renameSync,
  removeLink: unlinkSync,
  removeEmptyDir: (path) => isDone(() => rmdirSync(path)),
  copy: (from, to) =>
    cpSync(from, to, { recursive: true, preserveTimestamps: true, verbatimSymlinks: true, errorOnExist: true, force: false }),
  isWritable: (path) => isDone(() => accessSync(path, constants.W_OK)),
};

function isDone(action: () => void): boolean {
  try {
    action();
    return true;
  } catch {
    // What stood in the way is the answer.
    return false;
  }
}
