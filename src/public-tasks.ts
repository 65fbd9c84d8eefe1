import { z } from "zod/mini";
import { count, cwd, described, numberOrNull, percent, profile, text, textOrNull } from "./public-pieces.ts";
import { ruleProblem } from "./public-rules.ts";

const taskId = described(text, "its name, with its values of the matrix: build[os=linux]");
const listedTask = z.object({
  ...{ id: taskId, name: text, matrix: z.record(text, text), line: count, cwd },
  depends_on: z.array(taskId),
  if: described(text, "success, failure, always, or an expression over states"),
  ...{ model: textOrNull, permission_mode: textOrNull },
  /** Null: whoever the scorer picks as it starts. */
  profile,
  ...{ timeout_ms: numberOrNull, retries: count, budget_usd: numberOrNull, worktree: z.boolean() },
  needs: described(z.array(text), "labels that a machine of the fleet must have"),
  ...{ concurrency: textOrNull, outputs: z.nullable(z.record(text, z.unknown())) },
});
const limits = { jobs: count, max_tasks: count, budget_usd: numberOrNull, budget_percent: percent };

const estimate = z.object({
  tasks: described(count, "that run if none fails"),
  unknown_tasks: described(count, "of these, those of which no past session says anything"),
  cost_usd: described(numberOrNull, "null where nothing is known of any"),
  work_ms: described(numberOrNull, "of all tasks"),
  wall_ms: described(numberOrNull, "with as many at once as jobs says"),
  averages: z.array(
    z.object({
      of: z.enum(["project and model", "project", "model", "all sessions"]),
      ...{ sessions: count, cost_usd: z.number(), work_ms: z.number() },
    }),
  ),
  accounts: z.array(
    z.object({
      profiles: z.array(profile),
      ...{ tasks: count, cost_usd: z.number() },
      five_hour_windows: described(numberOrNull, "1 is a whole one; null where it is not known what one costs"),
      weekly_windows: numberOrNull,
    }),
  ),
});

/** Of `csm tasks` and its verbs. */
export const tasksSchemas = {
  "csm tasks check": z.object({
    ...{ file: text, tasks: count, ...limits },
    problems: z.array(ruleProblem),
    estimate: described(z.nullable(estimate), "null where something is wrong"),
    refusals: described(z.array(text), "why it may not start"),
  }),
  "csm tasks graph": z.object({ file: text, ...limits, tasks: described(z.array(listedTask), "each after those that it depends on") }),
};
