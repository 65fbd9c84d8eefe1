import { dirname, join } from "node:path";
import { spellCall } from "./claude-calls.ts";
import { isPlanTool } from "./claude-gate.ts";
import type { GateCall } from "./gates.ts";
import { hasShape, parseRecord, present, shape } from "./json.ts";
import { runDir } from "./paths.ts";
import { readProcess } from "./process.ts";
import { requireOwnFolder } from "./state-folder.ts";
import type { HookSignals } from "./status.ts";
import { openLog, openRecords } from "./store.ts";
import type { Sys } from "./sys.ts";

/**
 * The private folder through which csd and the hooks of one session talk: what happened, the permission requests that are
 * held open, and the prompt that claude's editor key is to fetch.
 */
export interface Channel {
  dir: string;
  /** Times are epoch ms; the newest last. Bounded: only the end of the file is read. */
  readEvents(): Promise<ChannelEvent[]>;
  /** What hooks tell from now on, by its place: a clock can be set back. */
  followEvents(): () => ChannelEvent[];
  append(event: ChannelEvent): void;
  /** Requests whose hook still waits, oldest first. */
  readGates(): Promise<HeldGate[]>;
  /** For the hook: shows that it waits, and for what, whoever has changed or removed its file meanwhile. */
  hold(gate: HeldGate): void;
  release(id: string): void;
}

export interface ChannelEvent {
  at: number;
  event: string;
  session_id?: string;
  prompt_id?: string;
  /** SHA-256 of the trimmed prompt, so that no prompt is kept twice. */
  prompt_hash?: string;
  text?: string;
  background?: string[];
  error?: string;
  tool?: string;
  /** Type of the sub-agent that asks. */
  agent?: string;
  agent_id?: string;
  /** The id under which a hook holds a request; what it asks, in one word, beside a PermissionRequest. */
  request?: string;
  print?: string;
  /** Claude's own stamp of the status that it showed at that time: what it shows under another one came after. */
  status_at?: number;
}

/** A permission request whose hook waits for an answer while the dialog is on screen. */
export interface HeldGate {
  id: string;
  at: number;
  /** Of the waiting hook. */
  pid: number;
  start?: string;
  tool: string;
  input: Record<string, unknown>;
  agent?: string;
  agent_id?: string;
  /** Where the hook takes a reply; without one only keys can answer. */
  socket?: string;
}

const eventKinds = {
  ...({ session_id: "string", prompt_id: "string", prompt_hash: "string", text: "string", background: "texts", error: "string" } as const),
  ...({ tool: "string", agent: "string", agent_id: "id", request: "id", print: "string", status_at: "time" } as const),
};

const tailBytes = 256 * 1024;

export const channelDir = (sys: Sys, name: string): string => join(runDir(sys), name);
/** Where the record of a channel's session stands, whatever HOME a wrapper has given the hooks: `<csd>/run/<name>`, `<csd>/sessions`. */
export const recordsDir = (dir: string): string => join(dirname(dirname(dir)), "sessions");
export const gatesDir = (dir: string): string => join(dir, "gates");
/** Where a change tells that something has happened, or that a request is held. */
export const channelFolders = (channel: Channel | undefined): string[] =>
  channel === undefined ? [] : [channel.dir, gatesDir(channel.dir)];

export function openChannel(sys: Sys, dir: string): Channel {
  requireOwnFolder(sys, dir);
  const events = openLog<ChannelEvent>(sys, {
    path: join(dir, "events.jsonl"),
    readBytes: tailBytes,
    required: { at: "time", event: "string" },
    optional: eventKinds,
  });
  const gates = openRecords<HeldGate>(sys, {
    dir: gatesDir(dir),
    decode: readHeld,
    encode: JSON.stringify,
  });
  return {
    dir,
    readEvents: async () => events.read(),
    followEvents: events.follow,
    append: events.append,
    async readGates() {
      const alive: HeldGate[] = [];
      for (const gate of gates.list().records) {
        const owner = await readProcess(sys, gate.pid);
        if (owner !== undefined && (gate.start === undefined || gate.start === owner.start)) alive.push(gate);
      }
      return alive.sort((a, b) => a.at - b.at);
    },
    hold(gate) {
      if (sys.readText(join(gatesDir(dir), `${gate.id}.json`)) !== JSON.stringify(gate)) gates.write(gate.id, gate);
    },
    release: (id) => gates.remove(id),
  };
}

const told: Readonly<Record<string, HookSignals["last"]>> = { UserPromptSubmit: "prompt", Stop: "stop", StopFailure: "failure" };

/** The newest of each kind, for the verdict: by its place, as a clock can be set back. */
export function toSignals(events: readonly ChannelEvent[], gates: readonly HeldGate[]): HookSignals {
  const newest = (name: string) => events.findLast((event) => event.event === name);
  const [prompt, stop, failure] = [newest("UserPromptSubmit"), newest("Stop"), newest("StopFailure")];
  const answered = events.findLast(({ event, agent, agent_id }) => event === "csd.replied" && (agent ?? agent_id) === undefined);
  return {
    ...present({
      last: told[events.findLast(({ event }) => Object.hasOwn(told, event))?.event ?? ""],
      prompt: prompt === undefined ? undefined : { at: prompt.at, ...present({ statusAt: prompt.status_at }) },
      answered:
        answered === undefined ? undefined : { at: answered.at, ...present({ statusAt: answered.status_at, request: answered.request }) },
    }),
    gates: listHeld(events, gates),
    ...(stop === undefined ? {} : { stop: { at: stop.at, text: stop.text ?? "", background: stop.background ?? [] } }),
    ...(failure === undefined ? {} : { failure: { at: failure.at, error: failure.error ?? "unknown", text: failure.text ?? "" } }),
  };
}

/**
 * Those that say what their hooks asked, by the place of the asking. A file that says something else by now was changed by somebody:
 * its hook writes it anew, and refuses an answer to another request than its own.
 */
function listHeld(events: readonly ChannelEvent[], gates: readonly HeldGate[]): GateCall[] {
  const placeOf = ({ id }: HeldGate): number =>
    events.findLastIndex(({ event, request }) => event === "PermissionRequest" && request === id);
  return gates
    .map((gate) => ({ call: toCall(gate), place: placeOf(gate) }))
    .filter(({ call, place }) => (events[place]?.print ?? printOf(call)) === printOf(call))
    .sort((a, b) => a.place - b.place)
    .map(({ call }) => call);
}

/** Thread, tool and input of a request in one word: equal whether a hook tells them or a transcript. */
export const printOf = ({ tool, input, agent }: Pick<GateCall, "tool" | "input" | "agent">): string =>
  new Bun.CryptoHasher("sha256").update(`${agent?.id ?? agent?.type ?? ""} ${spellCall(tool, input)}`).digest("hex");

/** Once its hook has let go, or is dead, a request is told by the transcript of its thread: it stays the same gate. */
export function nameCalls(calls: readonly GateCall[], events: readonly ChannelEvent[]): GateCall[] {
  const asked = events.filter(({ event }) => event === "PermissionRequest");
  if (asked.length === 0) return [...calls];
  return calls.map((call) => {
    // Claude adds the plan to the call that its hooks see.
    const own = isPlanTool(call.tool) ? undefined : printOf(call);
    const isOwn = ({ tool, agent_id, print }: ChannelEvent) =>
      own === undefined ? tool === call.tool && agent_id === call.agent?.id : print === own;
    const request = asked.findLast(isOwn)?.request;
    return request === undefined ? call : { ...call, request, isTold: true };
  });
}

export const toCall = ({ id, at, tool, input, agent, agent_id, socket }: HeldGate): GateCall => {
  const asker = present({ id: agent_id, type: agent });
  return { request: id, at, tool, input, isHeld: true, ...present({ socket, agent: Object.keys(asker).length === 0 ? undefined : asker }) };
};

/** Undefined for what is no held request, or not the one of its file. */
function readHeld(text: string, name: string): HeldGate | undefined {
  const fields = parseRecord(text);
  const isHeld = hasShape(fields, { id: "id", at: "time", pid: "pid", tool: "string", input: "record" });
  if (!isHeld || fields.id !== name) return undefined;
  const { id, at, pid, tool, input } = fields;
  return { id, at, pid, tool, input, ...shape(fields, { start: "string", agent: "string", agent_id: "id", socket: "string" }) };
}

export const hashPrompt = (text: string): string => new Bun.CryptoHasher("sha256").update(text.trim()).digest("hex");
