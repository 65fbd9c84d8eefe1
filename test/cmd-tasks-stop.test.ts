import { afterAll, expect, test } from "bun:test";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { App } from "../src/cmd-record.ts";
import { tasksCleanCommand } from "../src/cmd-tasks-stop.ts";
import { worktreesDir } from "../src/paths.ts";
import { createSys } from "../src/sys.ts";
import type { Task, TaskGraph } from "../src/task-graph.ts";
import { openTaskStore } from "../src/task-store.ts";
import { placeTask } from "../src/task-worktree.ts";

const home = mkdtempSync(join(tmpdir(), "csm-tasks-clean-"));
const sys = createSys({ ...process.env, HOME: home, XDG_STATE_HOME: join(home, "state"), XDG_CONFIG_HOME: join(home, "config") });
afterAll(() => rmSync(home, { recursive: true, force: true }));

const git = (...args: string[]) =>
  Bun.spawnSync(["git", "-C", join(home, "repository"), "-c", "user.name=a", "-c", "user.email=a@b", ...args]);

async function clean() {
  let said: unknown;
  const app = { sys, json: (value: unknown) => (said = value) } as unknown as App;
  await tasksCleanCommand.run({ args: { json: true }, app } as unknown as Parameters<typeof tasksCleanCommand.run>[0]);
  return said as { removed: { path: string }[]; kept: { path: string; why: string }[]; forgotten: string[] };
}

test("what no task tells of any more stays while anything of it would be lost, and its run with it", async () => {
  mkdirSync(join(home, "repository"));
  git("init", "-q", "-b", "main");
  git("commit", "-q", "--allow-empty", "-m", "first");
  const queue = openTaskStore(sys);
  const task = (id: string) => ({ id, cwd: join(home, "repository"), dependsOn: [], isWorktree: true }) as unknown as Task;
  const graph: TaskGraph = { file: "/night.json", tasks: [task("a")], jobs: 1, maxTasks: 10 };
  await queue.create({ id: "r", graph, isInteractive: false, startedAt: 1000 }, ["a"], { event: "run", text: "begun" });
  const [dirty, same] = [await placeTask(sys, "r", task("dirty"), undefined), await placeTask(sys, "r", task("same"), undefined)];
  writeFileSync(join(dirty.cwd, "work.txt"), "worth something");
  const foreign = join(worktreesDir(sys), "r", "foreign");
  mkdirSync(foreign);
  writeFileSync(join(foreign, "work.txt"), "worth something");
  // While the run is not over, somebody may just have made them.
  expect((await clean()).kept.map(({ path }) => path).toSorted()).toEqual([dirty.cwd, foreign, same.cwd].toSorted());
  await queue.reset("r", [{ id: "a", state: "succeeded" }]);
  const first = await clean();
  expect(first.removed.map(({ path }) => path)).toEqual([same.cwd]);
  expect(Object.fromEntries(first.kept.map(({ path, why }) => [path, why]))).toEqual({
    [dirty.cwd]: "1 files are not committed",
    [foreign]: "no task has it, and git knows no worktree there",
  });
  expect([first.forgotten, existsSync(join(dirty.cwd, "work.txt")), existsSync(join(foreign, "work.txt"))]).toEqual([[], true, true]);
  rmSync(foreign, { recursive: true });
  Bun.spawnSync(["git", "-C", dirty.cwd, "add", "."]);
  Bun.spawnSync(["git", "-C", dirty.cwd, "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "second"]);
  expect((await clean()).kept.map(({ why }) => why)).toEqual(["csm/r/dirty is neither merged nor pushed"]);
  git("merge", "-q", "csm/r/dirty");
  expect(await clean()).toMatchObject({ removed: [{ path: dirty.cwd }], kept: [], forgotten: ["r"] });
  queue.close();
});
