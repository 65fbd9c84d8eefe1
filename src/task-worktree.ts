import type { Sys } from "./sys.ts";
import type { Task } from "./task-graph.ts";
import type { TaskFacts } from "./task-queue.ts";

type Worktree = NonNullable<TaskFacts["worktree"]>;

export async function placeTask(
  sys: Sys,
  run: string,
  task: Task,
  known: Worktree | undefined,
): Promise<{ cwd: string; worktree: Worktree }> {
  throw new Error(`${sys.pid} ${run} ${task.id} ${known}`);
}
