import { basename, dirname, join } from "node:path";
import { withLock } from "./lock.ts";
import { finishUnshare, leadsTo, move, ownPath, refuseLive, type ShareItem, storePath } from "./profile-share.ts";
import { profileDirs } from "./registry.ts";
import type { Sys } from "./sys.ts";

export type UnsharePlan =
  | { kind: "own" }
  /** The store becomes its own again: nobody else uses it. */
  | { kind: "take-back" }
  /** Others go on using the store. */
  | { kind: "copy" }
  /** What it had before it was shared. */
  | { kind: "restore"; backup: string };

export function planUnshare(sys: Sys, dir: string, item: ShareItem): UnsharePlan {
  const path = join(dir, item.entry);
  const store = storePath(sys, item);
  if (sys.entryKind(path) !== "link" || !leadsTo(sys, path, store)) return { kind: "own" };
  const backup = item.kind === "file" ? newestBackup(sys, path) : undefined;
  if (backup !== undefined) return { kind: "restore", backup };
  const mine = sys.realPath(dir) ?? dir;
  const others = profileDirs(sys).filter((other) => (sys.realPath(other.dir) ?? other.dir) !== mine);
  const isUsed = others.some(
    (other) => sys.entryKind(join(other.dir, item.entry)) === "link" && leadsTo(sys, join(other.dir, item.entry), store),
  );
  return { kind: isUsed || sys.entryKind(store) === undefined ? "copy" : "take-back" };
}

function newestBackup(sys: Sys, path: string): string | undefined {
  const prefix = `${basename(path)}.bak`;
  const numbers = sys.list(dirname(path)).flatMap((name) => {
    if (name === prefix) return [0];
    const match = name.startsWith(`${prefix}.`) ? /^\d+$/.exec(name.slice(prefix.length + 1)) : null;
    return match === null ? [] : [Number(match[0])];
  });
  if (numbers.length === 0) return undefined;
  const newest = Math.max(...numbers);
  return newest === 0 ? `${path}.bak` : `${path}.bak.${newest}`;
}

export function renderUnshare(plan: UnsharePlan): string {
  switch (plan.kind) {
    case "own":
      return "not shared";
    case "take-back":
      return "its own again; nobody else used the shared one";
    case "copy":
      return "its own again, a copy of the shared one";
    case "restore":
      return `its own again, from ${plan.backup}`;
  }
}

/** Gives the profile its own again; the store stays for the others. Ended at any point, the next run goes on from there. */
export function unshare(sys: Sys, dir: string, item: ShareItem): Promise<string> {
  return withLock(sys, "share", async () => {
    const path = join(dir, item.entry);
    if (finishUnshare(sys, path)) return "its own again, as an earlier run began";
    const plan = planUnshare(sys, dir, item);
    if (plan.kind === "own") return renderUnshare(plan);
    await refuseLive(sys, dir, item);
    // A file takes the place of the link in one step.
    if (plan.kind === "restore") move(sys, plan.backup, path);
    else {
      prepareOwn(sys, item, plan.kind, path);
      sys.removeLink(path);
      move(sys, ownPath(path), path);
    }
    return renderUnshare(plan);
  });
}

/** The store moves there, or a copy, which is whole before the link goes. */
function prepareOwn(sys: Sys, item: ShareItem, kind: "take-back" | "copy", path: string): void {
  const [own, store] = [ownPath(path), storePath(sys, item)];
  sys.remove(own);
  if (kind === "take-back") move(sys, store, own);
  else if (sys.entryKind(store) !== undefined) sys.copy(store, own);
  else if (item.kind === "folder") sys.makePrivateDir(own);
  else sys.createPrivate(own, "{}\n");
}
