import { accessSync, constants, cpSync, lstatSync, readlinkSync, renameSync, rmdirSync, symlinkSync, unlinkSync } from "node:fs";
import { attempt } from "./sys-files.ts";

export type EntryKind = "file" | "folder" | "link" | "other";

/** Links, and moving what lies in a folder. What is moved is never overwritten by these alone: the caller asks first. */
export interface LinkFiles {
  /** What stands at the path itself, a link not followed; undefined when nothing does. */
  entryKind(path: string): EntryKind | undefined;
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
  entryKind: (path) => {
    const stat = attempt(() => lstatSync(path, { throwIfNoEntry: false }));
    if (stat === undefined) return undefined;
    return stat.isSymbolicLink() ? "link" : stat.isDirectory() ? "folder" : stat.isFile() ? "file" : "other";
  },
  readLink: (path) => attempt(() => readlinkSync(path)),
  createLink: (target, path) => symlinkSync(target, path),
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
