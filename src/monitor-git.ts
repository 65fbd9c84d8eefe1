import { dirname, isAbsolute, join } from "node:path";
import type { Sys } from "./sys.ts";

/** The checkout that a folder lies in, read from git's own files: no git process. */
export interface Checkout {
  /** Its top folder; sessions with the same one change the same files. */
  root: string;
  /** Name of the branch, or the first 8 characters of a detached commit. */
  branch?: string;
}

/** Reads each folder's checkout once in a while, however many sessions work in it. */
export function createCheckoutReader(sys: Sys): (cwd: string) => Checkout | undefined {
  const known = new Map<string, { at: number; found: Checkout | undefined }>();
  return (cwd) => {
    const now = sys.now();
    const last = known.get(cwd);
    if (last !== undefined && now - last.at < rereadMs) return last.found;
    const found = readCheckout(sys, cwd);
    if (known.size >= maxKnown) known.clear();
    known.set(cwd, { at: now, found });
    return found;
  };
}

const rereadMs = 3000;
const maxKnown = 500;
const maxDepth = 40;

/** Undefined outside a repository. */
export function readCheckout(sys: Sys, cwd: string): Checkout | undefined {
  let dir = cwd;
  for (let depth = 0; depth < maxDepth && isAbsolute(dir); depth++) {
    const gitDir = findGitDir(sys, dir);
    if (gitDir !== undefined) {
      const branch = parseHead(sys.readText(join(gitDir, "HEAD")));
      return { root: dir, ...(branch === undefined ? {} : { branch }) };
    }
    if (dirname(dir) === dir) break;
    dir = dirname(dir);
  }
  return undefined;
}

/** `.git` is a folder, or in a worktree and a submodule a file that names one. */
function findGitDir(sys: Sys, dir: string): string | undefined {
  const path = join(dir, ".git");
  if (sys.isDirectory(path)) return path;
  const named = /^gitdir: (.+)$/m.exec(sys.readText(path) ?? "")?.[1];
  if (named === undefined) return undefined;
  return isAbsolute(named) ? named : join(dir, named);
}

function parseHead(head: string | undefined): string | undefined {
  const text = head?.trim() ?? "";
  const branch = /^ref: refs\/heads\/(.+)$/.exec(text)?.[1];
  if (branch !== undefined) return branch;
  return /^[0-9a-f]{40,64}$/.test(text) ? text.slice(0, 8) : undefined;
}
