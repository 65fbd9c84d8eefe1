import { z } from "zod/mini";
import { isMachineName } from "./fleet-access.ts";
import { parseJson, present } from "./json.ts";
import type { TaskFacts } from "./task-queue.ts";

/** What machines tell each other of tasks. A value that does not fit is none. */

const text = (max: number) => z.string().check(z.maxLength(max));
const moment = z.int().check(z.gte(0), z.lte(8.64e15));

/** It becomes the name of a folder. */
const runId = text(80).check(z.regex(/^[A-Za-z0-9_][\w.-]*$/));
const taskId = text(1000);
const absolute = text(4096).check(z.refine((path) => path.startsWith("/") && !path.includes("\0")));
const condition: z.ZodMiniType = z.lazy(() =>
  z.union([
    z.object({ kind: z.enum(["success", "failure", "always"]) }),
    z.object({ kind: z.enum(["is", "is not"]), ids: z.array(taskId), state: text(20) }),
    z.object({ kind: z.literal("not"), of: condition }),
    z.object({ kind: z.enum(["and", "or"]), of: z.array(condition) }),
  ]),
);
const reference = z.object({ id: taskId, part: z.enum(["stdout", "result", "json"]), path: z.array(z.string()), text: z.string() });
const task = z.object({
  ...{ id: taskId, name: taskId, matrix: z.record(z.string(), z.string()), cwd: absolute, folder: z.optional(text(4096)) },
  ...{ prompt: z.array(z.union([z.string(), reference])), dependsOn: z.array(taskId), condition, conditionText: z.string() },
  ...{ model: z.optional(text(200)), permissionMode: z.optional(text(40)), profile: text(200), timeoutMs: z.optional(z.number()) },
  ...{ retries: z.int(), budgetUsd: z.optional(z.number()), isWorktree: z.boolean(), env: z.record(z.string(), z.string()) },
  ...{ outputs: z.optional(z.record(z.string(), z.unknown())), concurrency: z.optional(z.string()), line: z.int() },
  needs: z.optional(z.array(text(200))),
});
const run = z.object({
  ...{ id: runId, isInteractive: z.boolean(), onLimit: z.optional(text(20)), startedAt: z.number() },
  graph: z.object({
    ...{ file: text(4096), tasks: z.array(task).check(z.maxLength(10_000)), jobs: z.int(), maxTasks: z.int() },
    ...{ budgetUsd: z.optional(z.number()), budgetPercent: z.optional(z.number()) },
  }),
});

export type FleetRun = z.infer<typeof run>;

export function parseFleetRun(value: unknown): FleetRun | undefined {
  const parsed = z.safeParse(run, value);
  return parsed.success ? parsed.data : undefined;
}

const short = z.optional(text(300_000));
const number = z.optional(z.number());
const costs = z.optional(z.object({ usd: z.number(), tokens: z.number() }));
const facts = z.object({
  ...{ attempt: number, hash: short, machine: short, isDead: z.optional(z.boolean()), sessionId: short, account: short, configDir: short },
  ...{ cwd: short, startedAt: number, endedAt: number, pausedUntil: number, reason: short, needsPerson: z.optional(z.boolean()) },
  worktree: z.optional(z.object({ root: z.string(), repository: z.string(), branch: z.string(), base: z.string() })),
  ...{ activity: short, costUsd: number, tokens: number, dir: short, isAskedAgain: z.optional(z.boolean()), denied: number },
  process: z.optional(z.object({ pid: z.int(), start: z.string(), boot: z.string() })),
  ...{ nextPrompt: short, turnAt: number, costBefore: costs, sessionBefore: costs },
});

/** None where they do not fit. */
export function parseTaskFacts(value: string | undefined): TaskFacts {
  const parsed = z.safeParse(facts, parseJson(value));
  return parsed.success ? (present(parsed.data) as TaskFacts) : {};
}

const worker = z.object({
  v: z.literal(1),
  machine: text(63).check(z.refine(isMachineName)),
  ...{ at: moment, jobs: z.int(), labels: z.array(text(300)).check(z.maxLength(100)) },
  /** Tasks that it does not take, and why. */
  refusals: z.array(z.object({ run: text(80), task: taskId, why: text(500) })).check(z.maxLength(200)),
});

/** What a machine that works tells of itself. */
export type FleetWorker = z.infer<typeof worker>;

export function parseFleetWorker(value: unknown): FleetWorker | undefined {
  const parsed = z.safeParse(worker, value);
  return parsed.success ? parsed.data : undefined;
}
