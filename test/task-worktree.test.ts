import { afterAll, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { worktreesDir } from "../src/paths.ts";
import { createSys } from "../src/sys.ts";
import type { Task } from "../src/task-graph.ts";
import { placeTask } from "../src/task-worktree.ts";

const home = mkdtempSync(join(tmpdir(), "csm-task-worktree-"));
const sys = createSys({ ...process.env, HOME: home, XDG_STATE_HOME: join(home, "state") });
afterAll(() => rmSync(home, { recursive: true, force: true }));

test("a worktree whose making was killed is left as it is, and the task has one beside it", async () => {
  const repository = join(home, "repository");
  mkdirSync(repository);
  const git = (...args: string[]) => Bun.spawnSync(["git", "-C", repository, "-c", "user.name=a", "-c", "user.email=a@b", ...args]);
  git("init", "-q", "-b", "main");
  git("commit", "-q", "--allow-empty", "-m", "first");
  const root = join(worktreesDir(sys), "r", "a");
  mkdirSync(root, { recursive: true, mode: 0o700 });
  writeFileSync(join(root, "half.txt"), "");
  git("branch", "csm/r/a");
  const { worktree } = await placeTask(sys, "r", { id: "a", cwd: repository } as Task, undefined);
  expect([worktree.root.startsWith(`${root}-`), worktree.branch.startsWith("csm/r/a-"), sys.isDirectory(worktree.root)]).toEqual([
    true,
    true,
    true,
  ]);
  // One that is noted is gone on in.
  expect((await placeTask(sys, "r", { id: "a", cwd: repository } as Task, worktree)).worktree).toEqual(worktree);
});
