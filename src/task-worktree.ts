import { join, relative } from "node:path";
import { UserError } from "./errors.ts";
import { readCheckout } from "./git.ts";
import { present } from "./json.ts";
import { worktreesDir } from "./paths.ts";
import { profileDirs } from "./profiles.ts";
import { readSessions } from "./sessions.ts";
import type { Sys } from "./sys.ts";
import type { Task } from "./task-graph.ts";
import type { TaskFacts } from "./task-queue.ts";

type Worktree = NonNullable<TaskFacts["worktree"]>;

/** A working tree of its own from what is committed now, on a branch of its own; the one that it has, where it is still there. */
export async function placeTask(
  sys: Sys,
  run: string,
  task: Task,
  known: Worktree | undefined,
): Promise<{ cwd: string; worktree: Worktree }> {
  const real = sys.realPath(task.cwd) ?? task.cwd;
  const checkout = readCheckout(sys, real);
  if (checkout === undefined) throw new UserError(`no git repository at ${task.cwd}`, "a worktree is made of one");
  const inside = relative(checkout.root, real);
  if (known !== undefined && sys.isDirectory(known.root)) return { cwd: join(known.root, inside), worktree: known };
  const word = task.id.replace(/[^\w.-]+/g, "-").replace(/^[-.]+|\.+$|\.lock$/g, "");
  // Names that differ in other signs only must not share one.
  const suffix = sys.randomId().slice(0, 4);
  // Nor is one gone on in that nobody has noted: whoever made it was killed before it was whole.
  const isFree = !sys.list(join(worktreesDir(sys), run)).includes(word);
  const name = word === task.id && isFree ? word : `${word}-${suffix}`;
  const root = join(worktreesDir(sys), run, name);
  const branch = `csm/${run}/${name}`;
  sys.makePrivateDir(join(worktreesDir(sys), run));
  const base = await git(sys, checkout.root, ["rev-parse", "--verify", "HEAD^{commit}"]);
  // A branch of the same name is left of a worktree that somebody has removed: what is on it goes on.
  const hasBranch = (await tryGit(sys, checkout.root, ["rev-parse", "--verify", "--quiet", `refs/heads/${branch}`])) !== undefined;
  await git(sys, checkout.root, ["worktree", "add", "--quiet", ...(hasBranch ? [root, branch] : ["-b", branch, root, base])]);
  return { cwd: join(root, inside), worktree: { root, repository: checkout.root, branch, base } };
}

const gitMs = 120_000;

async function tryGit(sys: Sys, cwd: string, args: readonly string[]): Promise<string | undefined> {
  const result = await sys.run(["git", "-C", cwd, ...args], { timeoutMs: gitMs });
  return result.code === 0 ? result.stdout.trim() : undefined;
}

async function git(sys: Sys, cwd: string, args: readonly string[]): Promise<string> {
  const result = await sys.run(["git", "-C", cwd, ...args], { timeoutMs: gitMs });
  if (result.code === 0) return result.stdout.trim();
  throw new UserError(`git ${args[0]} failed in ${cwd}: ${result.stderr.trim().split("\n").at(-1) ?? ""}`);
}

/** What git says of one that nobody has noted; undefined where it knows none there. Nothing on it is known to be as it was. */
export async function findWorktree(sys: Sys, root: string): Promise<Worktree | undefined> {
  const words = ["rev-parse", "--path-format=absolute", "--show-toplevel", "--git-common-dir", "--abbrev-ref", "HEAD"];
  const [top, repository, branch] = (await tryGit(sys, root, words))?.split("\n") ?? [];
  // In a folder that is none it tells of the repository around it.
  if (top === undefined || repository === undefined || branch === undefined || sys.realPath(top) !== sys.realPath(root)) return undefined;
  return { root, repository, branch, base: "" };
}

/** Why a worktree may not be removed now; undefined where nothing of it would be lost and nobody is in it. */
async function whyKept(sys: Sys, { root, repository, branch, base }: Worktree): Promise<string | undefined> {
  const user = await findUser(sys, root);
  if (user !== undefined) return `${user} works in it`;
  const status = await tryGit(sys, root, ["status", "--porcelain", "--untracked-files=all"]);
  if (status === undefined) return "git cannot read it";
  if (status !== "") return `${status.split("\n").length} files are not committed`;
  const head = await tryGit(sys, root, ["rev-parse", "HEAD"]);
  if (head === undefined) return "git cannot read it";
  if (head === base) return undefined;
  const holders = await tryGit(sys, repository, ["for-each-ref", "--format=%(refname)", "--contains", head, "refs/heads", "refs/remotes"]);
  const others = (holders ?? "").split("\n").filter((name) => name !== "" && name !== `refs/heads/${branch}`);
  return others.length > 0 ? undefined : `${branch} is neither merged nor pushed`;
}

/** A session, or any other process that stands in it; where the system tells. */
async function findUser(sys: Sys, root: string): Promise<string | undefined> {
  const isInside = (path: string | undefined) => path !== undefined && (path === root || path.startsWith(`${root}/`));
  const sessions = await readSessions(sys, profileDirs(sys));
  const session = sessions.find(({ file, liveness }) => liveness !== "gone" && isInside(file.cwd));
  if (session !== undefined) return `session ${session.file.name ?? session.file.sessionId}`;
  if (sys.platform !== "linux") return undefined;
  const pid = sys.list("/proc").find((name) => /^\d+$/.test(name) && isInside(sys.realPath(`/proc/${name}/cwd`)));
  return pid === undefined ? undefined : `process ${pid}`;
}

/** Removes it where that loses nothing, which is looked at again just before; the result says why it stays. */
export async function removeWorktree(sys: Sys, worktree: Worktree): Promise<{ removed: boolean; why?: string }> {
  const { root, repository, branch } = worktree;
  if (!sys.isDirectory(root)) {
    await tryGit(sys, repository, ["worktree", "prune"]);
    return { removed: true };
  }
  const why = await whyKept(sys, worktree);
  if (why !== undefined) return { removed: false, why };
  // Without --force, git looks once more itself.
  const result = await sys.run(["git", "-C", repository, "worktree", "remove", root], { timeoutMs: gitMs });
  if (result.code !== 0) return { removed: false, ...present({ why: result.stderr.trim().split("\n").at(-1) }) };
  // -d refuses a branch that holds what no other has, as seen from here; then it stays, and nothing is lost.
  await tryGit(sys, repository, ["branch", "--quiet", "-d", branch]);
  return { removed: true };
}
