import { basename } from "node:path";
import {
  type Channel,
  type ChannelEvent,
  gatesDir,
  type HeldGate,
  hashPrompt,
  openChannel,
  printOf,
  recordsDir,
  toCall,
} from "./channel.ts";
import { type HookInput, isCallEvent, isDecided, joinAnswers } from "./claude-hooks.ts";
import { createDrivenStore, type Driven } from "./driven.ts";
import { present } from "./json.ts";
import { configDir, sessionsDir } from "./paths.ts";
import { readProcess } from "./process.ts";
import { channelVariable } from "./program.ts";
import { readSessionFile, readSessionOf } from "./session-file.ts";
import { isPast, type Sys } from "./sys.ts";

/**
 * Runs as a hook: notes the event, and holds a permission request open until csd answers it or its dialog is gone. The
 * result is what claude is told; undefined says nothing, so that the dialog stays. `onAsked` tells a person of a request that is left to one.
 */
export async function runHook(sys: Sys, input: HookInput, onAsked: () => Promise<string | undefined>): Promise<string | undefined> {
  const dir = sys.env[channelVariable];
  const session = dir === undefined ? undefined : openSession(sys, dir);
  const { driven } = session ?? {};
  if (isCallEvent(input.event)) {
    const seat = { configDir: driven?.config_dir ?? configDir(sys), ...present({ name: driven?.name }) };
    // What a rule cannot say now must not keep the request from being held.
    const ruled = await (await import("./rules-hook.ts")).applyRules(sys, input, seat).catch(() => undefined);
    // What rules let by is asked as ever; of a session that csd does not drive, nobody else waits to be told.
    if (input.event === "PreToolUse" || isDecided(ruled)) return ruled;
    const asked = onAsked();
    if (ruled !== undefined || driven === undefined) return joinAnswers(ruled, await asked);
  }
  if (session === undefined || dir === undefined) return undefined;
  const { channel } = session;
  if (input.event === "PermissionRequest") return holdRequest(sys, dir, channel, input, driven);
  const statusAt = input.event === "UserPromptSubmit" && driven !== undefined ? await readStatusAt(sys, driven) : undefined;
  channel.append({ ...toEvent(sys.now(), input), ...present({ status_at: statusAt }) });
  return undefined;
}

function openSession(sys: Sys, dir: string): { channel: Channel; driven: Driven | undefined } | undefined {
  try {
    return { channel: openChannel(sys, dir), driven: createDrivenStore(sys, recordsDir(dir)).read(basename(dir)) };
  } catch {
    // A folder that others can change, or a broken record: rules hold all the same, and nothing else is told or held open.
    return undefined;
  }
}

async function readStatusAt(sys: Sys, { pid = 0, config_dir: dir = configDir(sys) }: Driven): Promise<number | undefined> {
  const owner = await readProcess(sys, pid);
  return owner === undefined ? undefined : (await readSessionOf(sys, dir, owner))?.statusUpdatedAt;
}

/** A last answer longer than this is read from the transcript. */
const maxText = 64 * 1024;

const toEvent = (at: number, input: HookInput): ChannelEvent => ({
  at,
  event: input.event,
  session_id: input.sessionId,
  ...present({
    prompt_id: input.promptId,
    prompt_hash: input.prompt === undefined ? undefined : hashPrompt(input.prompt),
    text: input.lastText?.slice(0, maxText),
    background: input.background,
    error: input.error,
    tool: input.toolName,
    agent: input.agentType,
    agent_id: input.agentId,
  }),
});

const pollMs = 1000;
/** A dialog is up about 0.1 s after its hook; without one by now, somebody else has answered. */
const dialogTimeoutMs = 10_000;

async function holdRequest(
  sys: Sys,
  dir: string,
  channel: Channel,
  input: HookInput,
  driven: Driven | undefined,
): Promise<string | undefined> {
  const own = await readProcess(sys, sys.pid);
  const request = {
    id: sys.randomId(),
    at: sys.now(),
    pid: sys.pid,
    tool: input.toolName ?? "",
    input: input.toolInput ?? {},
    ...present({ start: own?.start, agent: input.agentType, agent_id: input.agentId }),
  };
  const call = toCall(request);
  channel.append({ ...toEvent(request.at, input), request: request.id, print: printOf(call) });
  if (driven?.pid === undefined) return undefined;
  const { createCallWatch, threadDir } = await import("./thread-calls.ts");
  const { serveReply } = await import("./reply.ts");
  const replies = await serveReply(sys, { name: driven.name, claudePid: driven.pid, channelDir: dir }, call);
  const gate: HeldGate = { ...request, ...present({ socket: replies?.socket }) };
  const isDecided = createCallWatch(sys, input);
  const isOver = createDialogWatch(sys, driven, channel, gate);
  const paths = [dir, gatesDir(dir), sessionsDir(driven.config_dir ?? configDir(sys)), ...threadDir(sys, input)];
  const watch = sys.watch(paths);
  const stopListening = sys.onInterrupt(() => {
    replies?.close();
    channel.release(gate.id);
  });
  try {
    for (;;) {
      if (isDecided() || (await isOver())) return undefined;
      const reply = replies?.take();
      if (reply !== undefined) {
        const { id: request, agent, agent_id } = gate;
        const noted = present({ agent, agent_id, status_at: await readStatusAt(sys, driven) });
        note(channel, { at: sys.now(), event: "csd.replied", request, ...noted });
        return await reply;
      }
      channel.hold(gate);
      await Promise.race([watch.next(pollMs), ...(replies === undefined ? [] : [replies.next()])]);
    }
  } finally {
    watch.close();
    stopListening();
    replies?.close();
    channel.release(gate.id);
  }
}

/** The sender knows by now that the answer counts: a full disk must not keep it from claude. */
function note(channel: Channel, event: ChannelEvent): void {
  try {
    channel.append(event);
  } catch {
    // The transcript tells it too, a little later.
  }
}

/** The main thread is at a gate while claude is busy only until its status has caught up. */
const busyMs = 1000;
/** So long a person at the pane waits for the dialog of a sub-agent, and so often is looked for one. */
const patienceMs = 10_000;
const attachedEveryMs = 2000;

/** True once this request cannot be up any more, by what its thread did since, by claude's status, or since it is to be shown. */
function createDialogWatch(sys: Sys, driven: Driven, channel: Channel, gate: HeldGate): () => Promise<boolean> {
  const { config_dir: dir = configDir(sys), pid = 0 } = driven;
  const isMain = gate.agent === undefined && gate.agent_id === undefined;
  let hasWaited = false;
  let askedAt = gate.at;
  let status: { stamp: number | undefined; seenAt: number; isFirst: boolean } | undefined;
  /** A thread asks one thing at a time, and a turn that has ended has no open request. */
  const isPassed = async () => {
    const events = await channel.readEvents();
    return events.slice(events.findIndex(({ request }) => request === gate.id) + 1).some((event) => {
      if (event.event === "PermissionRequest") return isMain ? isOfMain(event) : isSameAgent(event, gate);
      return isMain && isOfMain(event) && (event.event === "Stop" || event.event === "StopFailure");
    });
  };
  /** Claude shows the dialog of a sub-agent only when its hooks have ended (2.1.329): one who looks on must not wait for it. */
  const isToBeShown = async () => {
    if (isMain || !isPast(sys, gate.at, patienceMs) || !isPast(sys, askedAt, attachedEveryMs) || driven.pane === undefined) return false;
    askedAt = sys.now();
    return (await import("./tmux.ts")).createTmux(sys, driven.socket).isAttached(driven.pane);
  };
  return async () => {
    if ((await readProcess(sys, pid)) === undefined || (await isPassed()) || (await isToBeShown())) return true;
    const file = readSessionFile(sys, dir, pid)?.file;
    // A torn read says nothing; versions before 2.1.158 publish no status.
    if (file?.status === undefined) return false;
    // By what is seen here: the clock may have been set back since claude has stamped it.
    if (status === undefined || status.stamp !== file.statusUpdatedAt)
      status = { stamp: file.statusUpdatedAt, seenAt: sys.now(), isFirst: status === undefined };
    if (file.status === "waiting") hasWaited = true;
    // Nothing runs and nothing asks.
    if ((file.status === "idle" || file.status === "shell") && !status.isFirst) return true;
    if (!isMain || file.status === "waiting") return false;
    return hasWaited ? isPast(sys, status.seenAt, busyMs) : isPast(sys, gate.at, dialogTimeoutMs);
  };
}

const isOfMain = ({ agent, agent_id }: ChannelEvent): boolean => agent === undefined && agent_id === undefined;
const isSameAgent = (event: ChannelEvent, { agent_id }: HeldGate): boolean => agent_id !== undefined && event.agent_id === agent_id;
