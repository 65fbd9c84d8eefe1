import { gateOf } from "./dashboard-state.ts";
import { createDrivenStore, type Driven } from "./driven.ts";
import { createDriver, type Target, trackedTarget } from "./driver.ts";
import { killSession } from "./driver-kill.ts";
import { sendPrompt } from "./driver-prompt.ts";
import { answerGate } from "./driver-reply.ts";
import { spawnSession } from "./driver-spawn.ts";
import { UserError } from "./errors.ts";
import { runForeground } from "./exec.ts";
import { present } from "./json.ts";
import type { Monitor } from "./monitor.ts";
import { planShow, type Show } from "./panes.ts";
import { readProcess } from "./process.ts";
import { readProcessTable } from "./process-table.ts";
import type { LiveSession } from "./session.ts";
import type { Sys } from "./sys.ts";
import { createTmux, type Pane } from "./tmux.ts";

/** What the dashboard can do to a session; each returns words on what it did, and throws with why it did not. */
export interface Actions {
  /** Nothing is answered unless the gate that is up now is the one that was shown. */
  answer(session: LiveSession, wish: "allow-once" | "refuse", shownGate: string): Promise<string>;
  send(session: LiveSession, text: string): Promise<string>;
  stop(session: LiveSession): Promise<string>;
  start(cwd: string): Promise<string>;
  /** How to show its pane; `isInPlace` where this terminal's own tmux changes over to it. */
  planFocus(session: LiveSession): Promise<Show>;
  /** Unless it is in place, this terminal is used for it until its user leaves the pane. */
  focus(plan: Show): Promise<void>;
}

export function createActions(sys: Sys, monitor: Monitor): Actions {
  const driver = createDriver(sys);
  return {
    async answer(session, wish, shownGate) {
      const target = await findTarget(sys, monitor, session);
      const now = (await monitor.readSettled()).sessions.find((candidate) => candidate.key === session.key);
      if (now === undefined || gateOf(now) !== shownGate)
        throw new UserError("the gate has changed since it was shown: nothing was answered", "look at it again");
      const isHeld = ((await target.channel?.readGates())?.length ?? 0) > 0;
      const expect = isHeld && now.verdict.status === "blocked" ? mainText(now.verdict.input) : undefined;
      const answer = await answerGate(driver, target, { meaning: wish }, present({ expect }));
      return `${session.name}: ${answer.chosen}`;
    },
    async send(session, text) {
      const sent = await sendPrompt(driver, await findTarget(sys, monitor, session), text, {
        isQueued: session.verdict.status === "working",
      });
      return `${session.name} has the message (${sent.receipt})`;
    },
    async stop(session) {
      requireOwn(session);
      const driven = readDriven(sys, session);
      if (driven !== undefined) await killSession(driver, driven.name);
      else {
        const owner = await readProcess(sys, session.pid);
        if (owner === undefined || session.key !== `${owner.pid}:${owner.start}`) throw new UserError(`${session.name} has ended already`);
        // claude removes its session file and ends with 143.
        sys.signal(session.pid, "SIGTERM");
      }
      return `${session.name} is told to end`;
    },
    async start(cwd) {
      const dir = cwd.startsWith("~/") && sys.homeDir !== undefined ? `${sys.homeDir}${cwd.slice(1)}` : cwd;
      const spawned = await spawnSession(driver, { cwd: dir });
      return `started ${spawned.driven.name}`;
    },
    async planFocus(session) {
      requireOwn(session);
      const pane = await monitor.findPane(session);
      if (pane === undefined) throw new UserError(`${session.name} runs in no tmux pane of yours`, "go to its terminal by hand");
      return planShow(sys, pane);
    },
    async focus({ argv, isInPlace }) {
      if (!isInPlace) return void (await runForeground("tmux", argv, sys.env));
      const result = await sys.run(["tmux", ...argv]);
      if (result.code !== 0) throw new UserError(`tmux did not go there: ${result.stderr.trim()}`);
    },
  };
}

function requireOwn(session: LiveSession): void {
  if (session.where !== undefined) throw new UserError(`${session.name}: ${session.note ?? session.where}`, "this program leaves it alone");
}

/** How a session can be typed into: csd's record of it, or its pane, where it surely is the one that has the keyboard. */
async function findTarget(sys: Sys, monitor: Monitor, session: LiveSession): Promise<Target> {
  requireOwn(session);
  const driven = readDriven(sys, session);
  if (driven !== undefined) return trackedTarget(sys, driven);
  if (session.kind !== "interactive") throw new UserError(`${session.name} is a ${session.kind} session: nobody can type into it`);
  const pane = await monitor.findPane(session);
  if (pane === undefined || session.configDir === undefined)
    throw new UserError(`${session.name} runs in no tmux pane of yours`, "answer it in its own terminal");
  const row = (await readProcessTable(sys)).get(session.pid);
  if (row?.isForeground !== true) throw new UserError(`${session.name} has not the keyboard of its pane`, "go to its pane (enter) and see");
  return paneTarget(sys, session, pane);
}

/** csd's record of this very process: a name may have gone to another session meanwhile. */
function readDriven(sys: Sys, { driver, pid }: LiveSession): Driven | undefined {
  const driven = driver === undefined ? undefined : createDrivenStore(sys).read(driver);
  return driven?.pid === pid ? driven : undefined;
}

const paneTarget = (sys: Sys, session: LiveSession, pane: Pane): Target => ({
  name: session.name,
  tmux: createTmux(sys, pane.socketPath),
  pane: pane.paneId,
  pid: session.pid,
  configDir: session.configDir ?? "",
});

/** What the held request must still contain. */
function mainText(input: unknown): string | undefined {
  const fields = typeof input === "object" && input !== null ? (input as Record<string, unknown>) : {};
  const text = fields.command ?? fields.file_path ?? fields.url;
  return typeof text === "string" ? text : undefined;
}
