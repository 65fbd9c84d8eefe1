import { dirname, isAbsolute, join } from "node:path";
import { UserError } from "./errors.ts";
import type { Sys } from "./sys.ts";

type Owners = Pick<Sys, "owner" | "platform" | "readLink" | "readText" | "uid">;

const maxLinks = 40;

/** What leads to folders that were found good: nobody but this user could have changed it since. */
const goodParents = new WeakMap<Owners, Set<string>>();

/**
 * What lies in this folder can run: a launch file, a channel's answer, a record with words for claude. Throws unless the folder is
 * this user's and nobody else can change it, or what leads to it. What is not there yet is judged by what it would lie in.
 */
export function requireOwnFolder(sys: Owners, dir: string): void {
  // Windows says who owns a folder by other means, and gives each user a private one.
  if (sys.platform === "win32") return;
  const good = goodParents.get(sys) ?? new Set();
  goodParents.set(sys, good);
  const found = good.has(dirname(dir)) ? sys.owner(dir) : undefined;
  if (found?.kind === "folder" && found.uid === sys.uid && !isWritableByOthers(sys, found)) return;
  if (isWholeWayGood(sys, dir)) good.add(dirname(dir));
}

/** Throws at the first folder that is not; false where the way ends before `dir`. */
function isWholeWayGood(sys: Owners, dir: string): boolean {
  const isOurs = (uid: number) => uid === sys.uid;
  const isTrusted = (uid: number) => isOurs(uid) || uid === 0 || isUnmappedRoot(sys, uid);
  const refuse = (what: string, fix: string) => {
    throw new UserError(`refused to use ${dir}: ${what}`, `${fix}, or set XDG_STATE_HOME to a folder that only you can write`);
  };
  let links = 0;
  let current = "/";
  let words = split(dir);
  for (;;) {
    const found = sys.owner(current);
    if (found === undefined) return false;
    const isLast = words.length === 0;
    if (!(isLast && found.kind === "folder" ? isOurs(found.uid) : isTrusted(found.uid)))
      refuse(`${current} belongs to another user (${found.uid})`, "give it back to yourself with chown");
    if (found.kind === "link") {
      const target = sys.readLink(current);
      if (target === undefined) return false;
      if (++links > maxLinks) refuse(`${current} leads in a circle`, "remove the link");
      words = [...split(target), ...words];
      current = isAbsolute(target) ? "/" : dirname(current);
      if (words.length > 0) current = step(current, words);
      continue;
    }
    // Under the sticky bit others can add names, and change none that is not theirs.
    const isSticky = !isLast && (found.mode & 0o1000) !== 0;
    if (isWritableByOthers(sys, found) && !isSticky) refuse(`others may write ${current}`, `chmod go-w ${current}`);
    if (isLast) return true;
    current = step(current, words);
  }
}

/** The same of a file that says what may be done: nobody but this user, or root, can have written it. Links are followed. */
export function requireOwnFile(sys: Owners & Pick<Sys, "realPath">, path: string): void {
  if (sys.platform === "win32") return;
  const real = sys.realPath(path) ?? path;
  const found = sys.owner(real);
  const refuse = (what: string, fix: string) => {
    throw new UserError(`refused to use ${path}: ${what}`, fix);
  };
  if (found === undefined) return;
  if (found.uid !== sys.uid && found.uid !== 0) refuse(`it belongs to another user (${found.uid})`, `chown ${sys.uid} ${real}`);
  if (isWritableByOthers(sys, found)) refuse("others may write it", `chmod go-w ${real}`);
  requireOwnFolder(sys, dirname(real));
}

/** Writes there, and nothing stays; when that was by the clock of the file system, epoch ms. Throws where it cannot be done. */
export function tryFolder(sys: Owners & Pick<Sys, "writePrivate" | "modifiedAt" | "remove" | "pid">, dir: string): number | undefined {
  requireOwnFolder(sys, dir);
  const path = join(dir, `try-${sys.pid}.tmp`);
  try {
    sys.writePrivate(path, "");
    return sys.modifiedAt(path);
  } finally {
    sys.remove(path);
  }
}

const split = (path: string): string[] => path.split("/").filter((word) => word !== "" && word !== ".");

/** `current` holds no links any more, so that `..` means the folder above it. */
function step(current: string, words: string[]): string {
  const word = words.shift() ?? "";
  return word === ".." ? dirname(current) : `${current === "/" ? "" : current}/${word}`;
}

/** Many systems give each user a group of his own, and let it write by default. */
const isWritableByOthers = (sys: Owners, { mode, gid }: { mode: number; gid: number }): boolean =>
  (mode & 0o002) !== 0 || ((mode & 0o020) !== 0 && !isPrivateGroup(sys, gid));

/** By its number, and nobody but its own user is a member. */
function isPrivateGroup(sys: Owners, gid: number): boolean {
  if (gid !== sys.uid) return false;
  const [name, , , members = ""] =
    (sys.readText("/etc/group") ?? "")
      .split("\n")
      .map((line) => line.split(":"))
      .find((fields) => fields[2] === String(gid)) ?? [];
  return members === "" || members === name;
}

/** In a user namespace the owner of `/` is nobody, as root has no number there. */
const isUnmappedRoot = (sys: Owners, uid: number): boolean =>
  uid === 65534 && sys.platform === "linux" && !/^\s*0\s+0\s+4294967295\s*$/.test(sys.readText("/proc/self/uid_map") ?? "0 0 4294967295");
