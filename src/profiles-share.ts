import { basename, dirname, join, resolve } from "node:path";
import { UserError } from "./errors.ts";
import { isRecord } from "./json.ts";
import { csmDir, homeDir, sessionFilePath } from "./paths.ts";
import { profileDirs, realDir } from "./profiles.ts";
import { readSessions } from "./sessions.ts";
import { openStore, type Store, withLock } from "./store.ts";
import type { Sys } from "./sys.ts";

/** A part of a config dir that profiles may share. Whatever is not in the table (logins, `.claude.json`, `sessions/` …) never is. */
export interface ShareItem {
  word: string;
  /** Its name inside a config dir and in the store. */
  entry: string;
  kind: "file" | "folder";
  /** A folder that meets a store keeps its entries in view: those the store lacks move into it. */
  merges?: boolean;
  /** Running sessions write into it. */
  isLive?: boolean;
}

export const shareItems: ShareItem[] = [
  { word: "settings", entry: "settings.json", kind: "file" },
  { word: "skills", entry: "skills", kind: "folder", merges: true },
  { word: "agents", entry: "agents", kind: "folder", merges: true },
  { word: "commands", entry: "commands", kind: "folder", merges: true },
  { word: "projects", entry: "projects", kind: "folder", merges: true, isLive: true },
];

/** Shared by `bootstrap`, not by `share`: moved aside as a whole, as the older tool does. */
export const plugins: ShareItem = { word: "plugins", entry: "plugins", kind: "folder" };

const sharedDir = (sys: Pick<Sys, "env" | "homeDir" | "platform">): string => join(homeDir(sys), ".claude.shared");
export const storePath = (sys: Pick<Sys, "env" | "homeDir" | "platform">, item: ShareItem): string => join(sharedDir(sys), item.entry);

type SharePlan =
  | { kind: "linked" }
  /** Nothing of its own, or a link elsewhere. */
  | { kind: "link"; was?: string }
  /** Its own becomes the store. */
  | { kind: "seed" }
  /** Its entries move into the store; what both have stays in the backup. */
  | { kind: "merge"; backup: string }
  | { kind: "back-up"; backup: string };

/** What sharing would do; reads only. `willHaveStore`: another profile's turn comes before and makes the store. */
export function planShare(sys: Sys, dir: string, item: ShareItem, willHaveStore = false): SharePlan {
  const path = join(dir, item.entry);
  const store = storePath(sys, item);
  const found = sys.entryKind(path);
  if (found === "link") return leadsTo(sys, path, store) ? { kind: "linked" } : { kind: "link", was: sys.readLink(path) ?? "?" };
  if (found === undefined) return { kind: "link" };
  const isRight = found === item.kind;
  if (isRight && !willHaveStore && sys.entryKind(store) === undefined) return { kind: "seed" };
  return { kind: isRight && item.merges === true ? "merge" : "back-up", backup: freeBackup(sys, path) };
}

/** Both real, or, where either is not there, the same path as written. */
function leadsTo(sys: Sys, link: string, store: string): boolean {
  const [real, wanted] = [sys.realPath(link), sys.realPath(store)];
  if (real !== undefined && wanted !== undefined) return real === wanted;
  return resolve(dirname(link), sys.readLink(link) ?? "") === store;
}

const maxBackups = 999;

function freeBackup(sys: Sys, path: string): string {
  for (let count = 0; count <= maxBackups; count++) {
    const backup = count === 0 ? `${path}.bak` : `${path}.bak.${count}`;
    // Also a link that leads nowhere takes the name.
    if (sys.entryKind(backup) === undefined) return backup;
  }
  throw new UserError(`${path} has ${maxBackups} backups already`, "remove some of them");
}

/** For a person who reads one of these phrases. */
export const ssotText = "(shared SSOT, single source of truth: the one folder in ~/.claude.shared that all of these profiles use)";

/** In the words of the older tool. */
export function renderPlan(plan: SharePlan): string {
  switch (plan.kind) {
    case "linked":
      return "already linked to shared SSOT";
    case "link":
      return `linked to shared SSOT${plan.was === undefined ? "" : ` (was a link to ${plan.was})`}`;
    case "seed":
      return "seeded shared SSOT and linked";
    case "merge":
      return "merged into shared SSOT and linked";
    case "back-up":
      return `backed up to ${plan.backup} and linked`;
  }
}

const maxAttempts = 3;

/** Does it; the result is what was done. Ended at any point, the next run goes on from there: nothing is ever overwritten. */
export async function share(sys: Sys, dir: string, item: ShareItem): Promise<string> {
  if (sys.platform === "win32" && item.kind === "file")
    throw new UserError(`profiles cannot share ${item.word} on Windows`, "a link to a file needs a right there; folders can be shared");
  return withLock(sys, "share", async () => {
    for (let attempt = 1; ; attempt++) {
      try {
        return await shareOnce(sys, dir, item);
      } catch (error) {
        // A claude that was starting or ending made it anew between the move and the link: that is shared as well.
        if ((error as NodeJS.ErrnoException).code !== "EEXIST" || attempt === maxAttempts) throw error;
      }
    }
  });
}

async function shareOnce(sys: Sys, dir: string, item: ShareItem): Promise<string> {
  finishUnshare(sys, join(dir, item.entry));
  const plan = planShare(sys, dir, item);
  if (plan.kind === "linked") return renderPlan(plan);
  if (plan.kind === "seed" || plan.kind === "merge") await noteOwner(sys, dir, item, plan);
  if (plan.kind !== "link") await refuseLive(sys, dir, item);
  const path = join(dir, item.entry);
  const store = storePath(sys, item);
  sys.makePrivateDir(dir);
  sys.makePrivateDir(sharedDir(sys));
  if (plan.kind === "seed") move(sys, path, store);
  else createStore(sys, item, store);
  let kept: string[] = [];
  if (plan.kind === "link" && plan.was !== undefined) sys.removeLink(path);
  if (plan.kind === "merge") kept = mergeInto(sys, path, store);
  if (plan.kind === "back-up" || (plan.kind === "merge" && !sys.removeEmptyDir(path))) move(sys, path, plan.backup);
  sys.createLink(store, path);
  const rest =
    kept.length === 0 || plan.kind !== "merge" ? "" : `; the store has its own ${listSome(kept)}, so yours went to ${plan.backup}`;
  return `${renderPlan(plan)}${rest}`;
}

/** Where what is shared came from, by real config dir: what a profile brought goes back to it, and to nobody else. */
interface Origin {
  /** Below the store. */
  entries: string[];
  /** Of its own folder, with what the store had as well. */
  backups: string[];
}

const openOrigins = (sys: Sys, item: ShareItem): Store<Record<string, Origin>> =>
  openStore<Record<string, Origin>>(sys, {
    path: join(csmDir(sys), `shared-${item.entry}.json`),
    name: `shared-${item.entry}`,
    empty: {},
    // Taken for none, an undo would give nobody back what is theirs.
    mustBeReadable: true,
    decode: (text) => {
      const value: unknown = JSON.parse(text);
      if (!isRecord(value)) throw new Error("not an object of folders");
      return value as Record<string, Origin>;
    },
  });

/** Before anything moves: ended in between, an undo still knows. */
async function noteOwner(sys: Sys, dir: string, item: ShareItem, plan: SharePlan): Promise<void> {
  if (item.isLive !== true) return;
  const [own, store] = [join(dir, item.entry), storePath(sys, item)];
  // A store that is not there yet takes the whole folder, and so each conversation of each project.
  const moving = plan.kind === "seed" ? listBelow(sys, own) : listMoving(sys, own, store);
  const backup = plan.kind === "merge" ? [plan.backup] : [];
  const key = realDir(sys, dir);
  await openOrigins(sys, item).update((all) => {
    const { entries = [], backups = [] } = all[key] ?? {};
    return { ...all, [key]: { entries: [...new Set([...entries, ...moving])], backups: [...new Set([...backups, ...backup])] } };
  });
}

const listBelow = (sys: Sys, dir: string): string[] =>
  sys.listStrictly(dir).flatMap((name) => {
    const inner = sys.entryKind(join(dir, name)) === "folder" ? sys.listStrictly(join(dir, name)) : [];
    return inner.length === 0 ? [name] : inner.map((entry) => join(name, entry));
  });

/** What `mergeInto` would move. */
function listMoving(sys: Sys, from: string, store: string, below = ""): string[] {
  return sys.listStrictly(from).flatMap((name) => {
    const [own, shared, shown] = [join(from, name), join(store, name), join(below, name)];
    const there = sys.entryKind(shared);
    if (there === undefined)
      return below === "" && sys.entryKind(own) === "folder" ? listBelow(sys, own).map((entry) => join(name, entry)) : [shown];
    return there === "folder" && sys.entryKind(own) === "folder" ? listMoving(sys, own, shared, shown) : [];
  });
}

/** Gives a folder that is no link any more what it brought, and what it had set aside for sharing. Once more does nothing. */
async function giveBack(sys: Sys, dir: string, item: ShareItem): Promise<void> {
  const origins = openOrigins(sys, item);
  const key = realDir(sys, dir);
  const origin = origins.read()[key];
  const path = join(dir, item.entry);
  if (origin === undefined || sys.entryKind(path) === "link") return;
  const store = storePath(sys, item);
  for (const entry of origin.entries) {
    if (sys.entryKind(join(store, entry)) === undefined || sys.entryKind(join(path, entry)) !== undefined) continue;
    sys.makePrivateDir(dirname(join(path, entry)));
    move(sys, join(store, entry), join(path, entry));
    sys.removeEmptyDir(dirname(join(store, entry)));
  }
  for (const backup of origin.backups) {
    if (sys.entryKind(backup) !== "folder") continue;
    mergeInto(sys, backup, path);
    sys.removeEmptyDir(backup);
  }
  await origins.update(({ [key]: _, ...others }) => others);
}

const listSome = (names: string[]): string =>
  names.length <= 3 ? names.join(", ") : `${names.slice(0, 3).join(", ")} … (${names.length})`;

function createStore(sys: Sys, item: ShareItem, store: string): void {
  if (item.kind === "folder") sys.makePrivateDir(store);
  else if (sys.entryKind(store) === undefined) sys.createPrivate(store, "{}\n");
}

/** Moves the entries that the store lacks; what both have stays, and is named. */
function mergeInto(sys: Sys, from: string, store: string, below = ""): string[] {
  return sys.listStrictly(from).flatMap((name) => {
    const [own, shared, shown] = [join(from, name), join(store, name), join(below, name)];
    const there = sys.entryKind(shared);
    if (there === undefined) {
      move(sys, own, shared);
      return [];
    }
    if (there !== "folder" || sys.entryKind(own) !== "folder") return [shown];
    const kept = mergeInto(sys, own, shared, shown);
    sys.removeEmptyDir(own);
    return kept;
  });
}

function move(sys: Sys, from: string, to: string): void {
  try {
    sys.rename(from, to);
  } catch (error) {
    const isFar = (error as NodeJS.ErrnoException).code === "EXDEV";
    throw new UserError(
      `cannot move ${from} to ${to}: ${isFar ? "they are on different file systems" : (error as Error).message}`,
      "nothing was lost; move it by hand and try again",
      1,
      { cause: error },
    );
  }
}

/** Where a profile's own waits until the link has gone. */
const ownPath = (path: string): string => `${path}.csm-own`;

/** An undo that was ended: the link has gone or leads nowhere. While it still leads somewhere, a copy may be torn. */
function finishUnshare(sys: Sys, path: string): boolean {
  const kind = sys.entryKind(path);
  const isLost = kind === undefined || (kind === "link" && sys.realPath(path) === undefined);
  if (!isLost || sys.entryKind(ownPath(path)) === undefined) return false;
  if (kind === "link") sys.removeLink(path);
  move(sys, ownPath(path), path);
  return true;
}

/**
 * A session that runs holds no file open but names its transcript by path: it must not move under it. Of one in another container
 * or machine nobody here can tell that it has ended.
 */
async function refuseLive(sys: Sys, dir: string, item: ShareItem): Promise<void> {
  if (item.isLive !== true) return;
  const found = await readSessions(sys, [{ dir, name: undefined }]);
  const live = found.filter(({ liveness }) => liveness === "live");
  const [away, ...more] = found.filter(({ liveness }) => liveness === "elsewhere");
  const count = (sessions: number, word: string) => `${dir} has ${sessions} ${word}${sessions === 1 ? "" : "s"}`;
  if (live.length > 0)
    throw new UserError(`${count(live.length, "live session")}, which write into ${item.entry}`, "end them first, then try again");
  if (away !== undefined)
    throw new UserError(
      `${count(more.length + 1, "session")} in another container or machine, which may write into ${item.entry}`,
      `end them there; one that was killed leaves its file behind: ${sessionFilePath(dir, away.file.pid)}`,
    );
}

type UnsharePlan =
  | { kind: "own" }
  /** The store becomes its own again: nobody else uses it. */
  | { kind: "take-back" }
  /** Others go on using the store, in which everything is as much its own as theirs. */
  | { kind: "copy" }
  /** The same, where each profile takes with it what it brought. */
  | { kind: "part" }
  /** What it had before it was shared. */
  | { kind: "restore"; backup: string };

export function planUnshare(sys: Sys, dir: string, item: ShareItem): UnsharePlan {
  const path = join(dir, item.entry);
  const store = storePath(sys, item);
  if (sys.entryKind(path) !== "link" || !leadsTo(sys, path, store)) return { kind: "own" };
  const backup = item.kind === "file" ? newestBackup(sys, path) : undefined;
  if (backup !== undefined) return { kind: "restore", backup };
  const isUsed = sharersOf(sys, item).some((other) => realDir(sys, other) !== realDir(sys, dir));
  if (!isUsed && sys.entryKind(store) !== undefined) return { kind: "take-back" };
  return { kind: item.isLive === true && Object.hasOwn(openOrigins(sys, item).read(), realDir(sys, dir)) ? "part" : "copy" };
}

/** Config dirs whose own one is a link to the store. */
const sharersOf = (sys: Sys, item: ShareItem): string[] =>
  profileDirs(sys).flatMap(({ dir }) => {
    const link = join(dir, item.entry);
    return sys.entryKind(link) === "link" && leadsTo(sys, link, storePath(sys, item)) ? [dir] : [];
  });

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
    case "part":
      return "its own again, with what it brought; what began since stays with those that go on sharing";
    case "restore":
      return `its own again, from ${plan.backup}`;
  }
}

/** Gives the profile its own again; the store stays for the others. Ended at any point, the next run goes on from there. */
export function unshare(sys: Sys, dir: string, item: ShareItem): Promise<string> {
  return withLock(sys, "share", async () => {
    const done = await unshareOnce(sys, dir, item);
    if (item.isLive === true) await giveBack(sys, dir, item);
    return done;
  });
}

async function unshareOnce(sys: Sys, dir: string, item: ShareItem): Promise<string> {
  const path = join(dir, item.entry);
  if (finishUnshare(sys, path)) return "its own again, as an earlier run began";
  const plan = planUnshare(sys, dir, item);
  if (plan.kind === "own") return renderUnshare(plan);
  // What leaves the store must not be open in a session of those that go on sharing.
  for (const sharer of plan.kind === "part" ? sharersOf(sys, item) : [dir]) await refuseLive(sys, sharer, item);
  // The rest of the store moves as a whole: whoever could not be given all that it brought comes first.
  if (plan.kind === "take-back" && item.isLive === true)
    for (const other of profileDirs(sys)) if (realDir(sys, other.dir) !== realDir(sys, dir)) await giveBack(sys, other.dir, item);
  // A file takes the place of the link in one step.
  if (plan.kind === "restore") move(sys, plan.backup, path);
  else {
    prepareOwn(sys, item, plan.kind, path);
    sys.removeLink(path);
    move(sys, ownPath(path), path);
  }
  return renderUnshare(plan);
}

/** The store moves there, or a copy, which is whole before the link goes, or a folder for what it brought. */
function prepareOwn(sys: Sys, item: ShareItem, kind: "take-back" | "copy" | "part", path: string): void {
  const [own, store] = [ownPath(path), storePath(sys, item)];
  sys.remove(own);
  if (kind === "part") sys.makePrivateDir(own);
  else if (kind === "take-back") move(sys, store, own);
  else if (sys.entryKind(store) !== undefined) sys.copy(store, own);
  else if (item.kind === "folder") sys.makePrivateDir(own);
  else sys.createPrivate(own, "{}\n");
}
