import { basename, dirname, isAbsolute, join, relative, resolve } from "node:path";
import { present } from "./json.ts";
import type { Sys } from "./sys.ts";

type Reader = Pick<Sys, "readText" | "list" | "realPath" | "isDirectory">;

/**
 * The same folder in every working tree of its repository, this one first; only itself outside a repository. Read from git's own
 * files, as starting git would take longer than all the rest.
 */
export function listWorktrees(sys: Reader, realCwd: string): string[] {
  const repository = findRepository(sys, realCwd);
  if (repository === undefined) return [realCwd];
  const inside = relative(repository.root, realCwd);
  const linked = sys.list(join(repository.commonDir, "worktrees")).flatMap((name) => {
    const file = sys.readText(join(repository.commonDir, "worktrees", name, "gitdir"))?.trim();
    return file === undefined || file === "" ? [] : [dirname(resolve(repository.commonDir, "worktrees", name, file))];
  });
  // A bare repository has no tree of its own.
  const main = basename(repository.commonDir) === ".git" ? [dirname(repository.commonDir)] : [];
  const folders = [...main, ...linked].flatMap((root) => sys.realPath(join(root, inside)) ?? []);
  return [...new Set([realCwd, ...folders])];
}

interface Repository {
  /** Of the working tree that holds the folder. */
  root: string;
  /** Of that tree: its HEAD stands there. */
  gitDir: string;
  commonDir: string;
}

/** Undefined outside a repository. */
function findRepository(sys: Reader, realCwd: string): Repository | undefined {
  for (let root = realCwd; ; root = dirname(root)) {
    const path = join(root, ".git");
    if (sys.isDirectory(path)) return { root, gitDir: path, commonDir: path };
    const gitDir = /^gitdir: (.+)$/m.exec(sys.readText(path) ?? "")?.[1];
    if (gitDir !== undefined) {
      const dir = resolve(root, gitDir.trim());
      const common = sys.readText(join(dir, "commondir"))?.trim();
      return { root, gitDir: dir, commonDir: common === undefined || common === "" ? dir : resolve(dir, common) };
    }
    if (dirname(root) === root) return undefined;
  }
}

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

/** Undefined outside a repository. */
export function readCheckout(sys: Sys, cwd: string): Checkout | undefined {
  const repository = isAbsolute(cwd) ? findRepository(sys, cwd) : undefined;
  if (repository === undefined) return undefined;
  const branch = parseHead(sys.readText(join(repository.gitDir, "HEAD")));
  return { root: repository.root, ...present({ branch }) };
}

function parseHead(head: string | undefined): string | undefined {
  const text = head?.trim() ?? "";
  const branch = /^ref: refs\/heads\/(.+)$/.exec(text)?.[1];
  if (branch !== undefined) return branch;
  return /^[0-9a-f]{40,64}$/.test(text) ? text.slice(0, 8) : undefined;
}
