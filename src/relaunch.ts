import { join } from "node:path";
import { type ChannelEvent, openChannel } from "./channel.ts";
import { startForeground } from "./foreground.ts";
import { present } from "./json.ts";
import { rememberEnd, rememberLaunch } from "./launch-record.ts";
import { tell } from "./output.ts";
import { csmDir, sessionsDir } from "./paths.ts";
import { findProfile, profileEnv } from "./profiles.ts";
import {
  answerLimit,
  goOn,
  type Managed,
  type ManagedLaunch,
  type Next,
  noteAgentLimit,
  planManaged,
  readUntold,
  type Seat,
} from "./relaunch-act.ts";
import { decideWatch, type Heard, type Pending } from "./relaunch-plan.ts";
import type { Sys } from "./sys.ts";

const safetyPollMs = 5000;

/**
 * Runs claude in this terminal and stays behind it: when the usage limit of the account ends a turn, the conversation goes on
 * under another account or waits, as the policy says. Returns the exit code of the last claude.
 */
export async function runManaged(sys: Sys, launch: ManagedLaunch, seat: Seat): Promise<number> {
  const channelDir = join(csmDir(sys), "run", sys.randomId());
  sys.makePrivateDir(channelDir);
  const notes: string[] = [];
  try {
    for (let next: Next = { seat, args: [...launch.args] }; ; ) {
      const plan = await planManaged(sys, { ...launch, args: next.args }, channelDir, next.seat.dir);
      const readNew = openChannel(sys, channelDir).followEvents();
      const child = startForeground({ ...plan, env: { ...plan.env, ...envOf(sys, launch, next.seat) } });
      await remember(sys, launch, child.pid, next);
      const step = await watchSession({ sys, launch, seat: next.seat, child, notes }, { dir: channelDir, readNew }, next.pending);
      if ("next" in step) {
        next = step.next;
        continue;
      }
      for (const line of notes) tell(sys, line);
      // A closed terminal, or the machine going down: 128 and the number of the signal.
      rememberEnd(sys, child.pid, step.exitCode > 128 ? "signal" : "exit");
      return step.exitCode;
    }
  } finally {
    sys.remove(channelDir);
  }
}

/** What the environment said holds for a folder that is no profile. */
const envOf = (sys: Sys, { registry }: ManagedLaunch, seat: Seat) =>
  findProfile(registry, seat.name) === undefined ? {} : profileEnv(sys, seat);

function remember(sys: Sys, { registry, cwd }: ManagedLaunch, pid: number, { seat, args }: Next): Promise<void> {
  const profile = findProfile(registry, seat.name)?.name;
  return rememberLaunch(sys, { pid, cwd, configDir: seat.dir, args, isEndTold: true, ...present({ profile }) });
}

/** Until claude ends by itself, or has been ended to go on elsewhere. */
async function watchSession(
  managed: Managed,
  told: { dir: string; readNew: () => ChannelEvent[] },
  first?: Pending,
): Promise<{ next: Next } | { exitCode: number }> {
  const { sys, child } = managed;
  // Its status changes in the moment in which a turn ends.
  const watch = sys.watch([told.dir, sessionsDir(managed.seat.dir)]);
  const heard: Heard = { hookAt: 0, transcriptAt: sys.now() };
  let pending = first;
  let exitCode: number | undefined;
  const exited = child.exited.then((code) => {
    exitCode = code;
  });
  try {
    for (;;) {
      await Promise.race([exited, watch.next(Math.max(1, Math.min(safetyPollMs, (pending?.at ?? Number.POSITIVE_INFINITY) - sys.now())))]);
      if (exitCode !== undefined) return { exitCode };
      const decision = decideWatch(await readTold(managed, told.readNew(), heard), pending, sys.now());
      pending = decision.pending;
      for (const failure of decision.ofAgents) await noteAgentLimit(managed, failure);
      const { step } = decision;
      if (step.do === "stay") continue;
      const outcome = step.do === "answer" ? await answerLimit(managed, step.failure) : await goOn(managed, step.sessionId);
      if (outcome === "stay") continue;
      if (!("pending" in outcome)) return outcome;
      ({ pending } = outcome);
    }
  } finally {
    watch.close();
  }
}

/** What hooks have told; where they tell nothing of a turn, what its transcript does. */
async function readTold(managed: Managed, events: ChannelEvent[], heard: Heard): Promise<ChannelEvent[]> {
  heard.hookAt = events.reduce((newest, { at }) => Math.max(newest, at), heard.hookAt);
  const untold = await readUntold(managed, heard);
  if (untold === undefined) return events;
  heard.transcriptAt = untold.at;
  return [...events, untold];
}
