import { basename } from "node:path";
import { type Channel, type ChannelEvent, gatesDir, hashPrompt, openChannel } from "./channel.ts";
import { type HookInput, parseHookInput } from "./claude-hooks.ts";
import { createDrivenStore, type Driven } from "./driven.ts";
import { present } from "./json.ts";
import { configDir, sessionsDir } from "./paths.ts";
import { readProcess } from "./process.ts";
import { channelVariable } from "./program.ts";
import { readSessionFile } from "./session-file.ts";
import type { Sys } from "./sys.ts";

/**
 * Runs as a hook: notes the event, and holds a permission request open until csd answers it or its dialog is gone. The
 * result is what claude is told; undefined says nothing, so that the dialog stays.
 */
export async function runHook(sys: Sys): Promise<string | undefined> {
  const dir = sys.env[channelVariable];
  const input = parseHookInput(await sys.readInput());
  if (dir === undefined || input === undefined) return undefined;
  openChannel(sys, dir).append(toEvent(sys.now(), input));
  return input.event === "PermissionRequest" ? holdRequest(sys, dir, input) : undefined;
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
  }),
});

const pollMs = 1000;
/** A dialog is up about 0.1 s after its hook; without one by now, somebody else has answered. */
const dialogTimeoutMs = 10_000;

async function holdRequest(sys: Sys, dir: string, input: HookInput): Promise<string | undefined> {
  const driven = createDrivenStore(sys).read(basename(dir));
  if (driven?.pid === undefined) return undefined;
  const channel = openChannel(sys, dir);
  const id = sys.randomId();
  const own = await readProcess(sys, sys.pid);
  const request = {
    id,
    at: sys.now(),
    pid: sys.pid,
    ...(own === undefined ? {} : { start: own.start }),
    tool: input.toolName ?? "",
    input: input.toolInput ?? {},
    ...present({ agent: input.agentType }),
  };
  const { serveReply } = await import("./reply.ts");
  const replies = await serveReply(sys, { name: driven.name, claudePid: driven.pid, channelDir: dir }, request);
  const gate = { ...request, ...present({ socket: replies?.socket }) };
  const isOver = createDialogWatch(sys, driven, channel, input.agentType);
  const watch = sys.watch([dir, gatesDir(dir), sessionsDir(driven.config_dir ?? configDir(sys))]);
  const stopListening = sys.onInterrupt(() => {
    replies?.close();
    channel.release(id);
  });
  try {
    channel.hold(gate);
    for (;;) {
      if (await isOver()) return undefined;
      const reply = replies?.take();
      if (reply !== undefined) {
        channel.append({ at: sys.now(), event: "csd.replied", text: id });
        return await reply;
      }
      await Promise.race([watch.next(pollMs), ...(replies === undefined ? [] : [replies.next()])]);
    }
  } finally {
    watch.close();
    stopListening();
    replies?.close();
    channel.release(id);
  }
}

/** A stamp this much older than the hook belongs to a dialog that was up before, such as another sub-agent's. */
const foreignMs = 1500;
const turnEvents = ["UserPromptSubmit", "Stop", "StopFailure"];

/** True once the dialog of this request has come and gone: by a key at the pane, with its turn, or with claude itself. */
function createDialogWatch(sys: Sys, driven: Driven, channel: Channel, agent: string | undefined): () => Promise<boolean> {
  const startedAt = sys.now();
  const { config_dir: dir = configDir(sys), pid = 0 } = driven;
  let own: number | undefined;
  /** The same thread asks one thing at a time, and a turn that ends or begins has no open request. */
  const isPassed = async () =>
    (await channel.readEvents()).some(
      ({ at, event, agent: other }) =>
        at > startedAt && ((event === "PermissionRequest" && other === agent) || (agent === undefined && turnEvents.includes(event))),
    );
  return async () => {
    if ((await readProcess(sys, pid)) === undefined || (await isPassed())) return true;
    const file = readSessionFile(sys, dir, pid)?.file;
    // A torn read says nothing; versions before 2.1.158 publish no status.
    if (file?.status === undefined) return false;
    const stamp = file.status === "waiting" ? file.statusUpdatedAt : undefined;
    if (own !== undefined) return stamp !== own;
    if (stamp !== undefined && stamp > startedAt - foreignMs) own = stamp;
    return own === undefined && sys.now() - startedAt > dialogTimeoutMs;
  };
}
