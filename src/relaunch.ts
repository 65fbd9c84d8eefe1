import { join } from "node:path";
import { openChannel } from "./channel.ts";
import { startForeground } from "./foreground.ts";
import { csmDir } from "./paths.ts";
import {
  answerLimit,
  goOn,
  type Managed,
  type ManagedLaunch,
  type Next,
  noteAgentLimit,
  type Pending,
  planManaged,
  type RelaunchParts,
  type Seat,
  type Step,
} from "./relaunch-act.ts";
import type { Sys } from "./sys.ts";

const safetyPollMs = 5000;

/**
 * Runs claude in this terminal and stays behind it: when the usage limit of the account ends a turn, the conversation goes on
 * under another account or waits, as the policy says. Returns the exit code of the last claude.
 */
export async function runManaged(sys: Sys, launch: ManagedLaunch, seat: Seat, parts: RelaunchParts): Promise<number> {
  const channelDir = join(csmDir(sys), "run", sys.randomId());
  sys.makePrivateDir(channelDir);
  const notes: string[] = [];
  try {
    for (let next: Next = { seat, args: [...launch.args] }; ; ) {
      const plan = planManaged(sys, { ...launch, args: next.args }, channelDir);
      const child = startForeground({ ...plan, env: { ...plan.env, ...parts.env(next.seat) } });
      await parts.remember(child.pid, next.seat, next.args);
      const step = await watchSession({ sys, launch, seat: next.seat, parts, child, notes }, channelDir, next.pending);
      if ("exitCode" in step) {
        for (const line of notes) parts.tell(line);
        return step.exitCode;
      }
      next = step.next;
    }
  } finally {
    sys.remove(channelDir);
  }
}

/** Until claude ends by itself, or has been ended to go on elsewhere. */
async function watchSession(managed: Managed, channelDir: string, first?: Pending): Promise<{ next: Next } | { exitCode: number }> {
  const { sys, child } = managed;
  const channel = openChannel(sys, channelDir);
  const watch = sys.watch([channelDir]);
  let seenAt = sys.now() - 1;
  let pending = first;
  let exitCode: number | undefined;
  const exited = child.exited.then((code) => {
    exitCode = code;
  });
  try {
    for (;;) {
      await Promise.race([exited, watch.next(Math.max(1, Math.min(safetyPollMs, (pending?.at ?? Number.POSITIVE_INFINITY) - sys.now())))]);
      if (exitCode !== undefined) return { exitCode };
      const events = (await channel.readEvents()).filter(({ at }) => at > seenAt);
      seenAt = events.at(-1)?.at ?? seenAt;
      // A turn since the limit: somebody, or claude itself, has gone on.
      if (events.some(({ event }) => event !== "StopFailure")) pending = undefined;
      const failures = events.filter(({ event, error }) => event === "StopFailure" && error === "rate_limit");
      const failure = failures.findLast(({ agent }) => agent === undefined);
      for (const other of failures) if (other.agent !== undefined) await noteAgentLimit(managed, other);
      const isDue = pending !== undefined && sys.now() >= pending.at;
      const step: Step =
        failure !== undefined
          ? await answerLimit(managed, failure)
          : isDue && pending !== undefined
            ? await goOn(managed, pending.sessionId)
            : "stay";
      if (step === "stay") continue;
      if (!("pending" in step)) return step;
      ({ pending } = step);
    }
  } finally {
    watch.close();
  }
}
