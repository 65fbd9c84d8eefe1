import type { Sys } from "./sys.ts";
import type { Run } from "./task-queue.ts";
import { createPrintRunner, type Runner } from "./task-runner.ts";

/** The way that a run was begun in. */
export const createRunner = (sys: Sys, { isInteractive }: Pick<Run, "isInteractive">): Runner =>
  isInteractive ? createPrintRunner(sys) : createPrintRunner(sys);
