import { basename, dirname, join, relative, resolve } from "node:path";
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
  commonDir: string;
}

function findRepository(sys: Reader, realCwd: string): Repository | undefined {
  for (let root = realCwd; ; root = dirname(root)) {
    const path = join(root, ".git");
    if (sys.isDirectory(path)) return { root, commonDir: path };
    const gitDir = /^gitdir: (.+)$/m.exec(sys.readText(path) ?? "")?.[1];
    if (gitDir !== undefined) {
      const dir = resolve(root, gitDir.trim());
      const common = sys.readText(join(dir, "commondir"))?.trim();
      return { root, commonDir: common === undefined || common === "" ? dir : resolve(dir, common) };
    }
    if (dirname(root) === root) return undefined;
  }
}
