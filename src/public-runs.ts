import { z } from "zod/mini";
import { remoteRuns } from "./public-fleet.ts";
import { configDir, count, cwd, described, numberOrNull, piece, sessionId, text, textOrNull, times } from "./public-pieces.ts";
import { taskEvents } from "./task-queue.ts";
import { runStatuses } from "./task-view.ts";

/** The JSON of `csm tasks run` and of what tells of runs. */

const taskEvent = piece(
  "task_event",
  z.object({
    run: text,
    number: described(count, "from 1, within the run"),
    event: z.enum(taskEvents),
    ...{ at: z.number(), time: text },
    task: described(textOrNull, "null for what is about the run or an account"),
    text,
    account: described(textOrNull, "name of the profile that it ran on"),
    cost_usd: described(numberOrNull, "of the task until now"),
    ...times("until"),
  }),
  "a line of `csm tasks run --json`, `resume --json` and `logs --json`",
);

const taskRun = {
  ...{ run: text, file: text, status: z.enum(runStatuses), interactive: z.boolean() },
  stop: described(z.nullable(z.enum(["gently", "now"])), "somebody wants it to end"),
  ...{ cost_usd: z.number(), tokens: count },
  ...times("started"),
  ...times("ended"),
};

const runTask = z.object({
  ...{ task: text, status: z.enum(["pending", "running", "paused", "succeeded", "failed", "skipped", "cancelled"]) },
  attempt: described(count, "of those that retries count; 0 of one that has not begun"),
  reason: described(textOrNull, "why it stands so"),
  activity: described(textOrNull, "what it does now"),
  machine: z.optional(described(text, "of the fleet: where it runs; what follows is there")),
  account: described(textOrNull, "name of the profile that it runs on"),
  ...{ session_id: sessionId, config_dir: configDir, cwd, cost_usd: numberOrNull, tokens: z.nullable(count) },
  denied: described(count, "calls of tools that nobody has allowed"),
  needs_person: described(z.boolean(), "it goes on once somebody has done something"),
  ...{ worktree: textOrNull, branch: textOrNull },
  ...times("started"),
  ...times("ended"),
  ...times("until"),
});

const lostFlag = described(z.boolean(), "its worker was lost again and again; otherwise all its attempts have failed");
const worktree = { run: text, path: text, branch: text };

export const runSchemas = {
  "csm tasks run": taskEvent,
  "csm tasks resume": taskEvent,
  "csm tasks logs": taskEvent,
  "csm tasks status": z.object({ ...taskRun, tasks: z.array(runTask) }),
  "csm tasks stop": z.object({ run: text, stopped: z.boolean(), running: z.array(text) }),
  "csm tasks clean": z.object({
    removed: z.array(z.object(worktree)),
    kept: z.array(z.object({ ...worktree, why: text })),
    forgotten: described(z.array(text), "runs of which nothing is kept any more"),
  }),
  "csm tasks dead": z.object({
    tasks: z.array(
      z.object({ run: text, task: text, machine: textOrNull, attempt: count, lost: lostFlag, reason: textOrNull, ...times("ended") }),
    ),
  }),
  "csm tasks retry": z.object({ run: text, retried: z.array(text) }),
  "csm tasks list": z.object({ runs: z.array(z.object({ ...taskRun, tasks: count })), remote: remoteRuns }),
};
