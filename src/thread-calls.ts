import { basename, dirname } from "node:path";
import { type AgentSys, agentsDir, agentTranscript, createAgentFiles, createAgentReader } from "./agents.ts";
import { type Call, type Decision, parseCalls, spellCall } from "./claude-calls.ts";
import { isPlanTool } from "./claude-gate.ts";
import type { HookInput } from "./claude-hooks.ts";
import type { GateCall } from "./gates.ts";
import { isPathWord, present } from "./json.ts";
import { type Sys, until } from "./sys.ts";
import { stateOf } from "./sys-files.ts";

/** The calls that the threads of a session have made, as their transcripts tell: which are open, and how each was decided. */

const callBytes = 256 * 1024;

/** `<slug>/<session>.jsonl`, or what a sub-agent writes beside it, in whichever folder; undefined for an id that is none. */
function threadPath(sys: AgentSys, transcript: string, agentId?: string): string | undefined {
  if (agentId === undefined) return transcript;
  if (!isPathWord(agentId)) return undefined;
  const first = agentTranscript(agentsDir(transcript), agentId);
  const found = createAgentFiles(sys)(transcript).find((path) => basename(path) === basename(first));
  return found ?? first;
}

/** The last calls of a thread. */
const readCalls = (sys: Pick<Sys, "readTail">, path: string): Call[] => parseCalls(sys.readTail(path, callBytes)?.lines ?? []);

/** Left behind by a claude that was killed, sub-agents run for ever. */
const maxAgents = 20;

/**
 * Reads the calls without a result of the sub-agents that have not finished, the thread that has been still for longest first. Files
 * that stand as they stood are not read again: a gate may stand for hours.
 */
export function createAgentCallReader(sys: Sys): (transcript: string) => GateCall[] {
  const readAgents = createAgentReader(sys);
  const known = new Map<string, { state: string; calls: Call[] }>();
  const readNew = (path: string, state: string): Call[] => {
    const before = known.get(path);
    if (before?.state === state) return before.calls;
    const calls = readCalls(sys, path);
    known.set(path, { state, calls });
    return calls;
  };
  return (transcript) => {
    const running = readAgents(transcript).filter(({ isRunning }) => isRunning);
    const written = running.map((agent) => ({ agent, file: sys.identify(agent.transcript) }));
    const newest = written.sort((a, b) => (a.file?.modifiedAt ?? 0) - (b.file?.modifiedAt ?? 0)).slice(-maxAgents);
    return newest.flatMap(({ agent: { id: agentId, type, transcript: path }, file }) =>
      readNew(path, stateOf(file))
        .filter(({ isOver }) => !isOver)
        .map(
          ({ id, tool, input }): GateCall => ({ request: id, tool, input, agent: { id: agentId, ...present({ type }) }, isHeld: false }),
        ),
    );
  };
}

/** Where the thread of a request writes; undefined where a sub-agent's hook does not tell which one it is. */
export function threadOf(
  sys: AgentSys,
  { transcriptPath, agentId, agentType }: Pick<HookInput, "transcriptPath" | "agentId" | "agentType">,
): string | undefined {
  if (transcriptPath === undefined || (agentType !== undefined && agentId === undefined)) return undefined;
  return threadPath(sys, transcriptPath, agentId);
}

/** The folder to watch for it. */
export function threadDir(sys: AgentSys, input: HookInput): string[] {
  const path = threadOf(sys, input);
  return path === undefined ? [] : [dirname(path)];
}

interface Wanted {
  tool: string;
  input: Record<string, unknown>;
}

/**
 * Follows one call in the transcript of its thread: the oldest equal one without a result, since a thread asks one thing after
 * another; with `isPast` the newest one, whatever became of it. Undefined as long as its line is not written.
 */
export function createCallFollower(sys: Sys, path: string, wanted: Wanted, isPast = false): () => Call | undefined {
  // claude adds the plan to the call that its hooks see.
  const isPlan = isPlanTool(wanted.tool);
  const spelling = spellCall(wanted.tool, wanted.input);
  const isEqual = ({ tool, input }: Call): boolean => tool === wanted.tool && (isPlan || spellCall(tool, input) === spelling);
  const before = new Set(isPast ? [] : readCalls(sys, path).flatMap((call) => (isEqual(call) && call.isOver ? call.id : [])));
  let seen = "";
  let own: Call | undefined;
  return () => {
    const file = sys.identify(path);
    const state = stateOf(file);
    if (state === seen) return own;
    seen = state;
    const calls = readCalls(sys, path);
    const isOwn = (call: Call) => (own === undefined ? isEqual(call) && !before.has(call.id) : call.id === own.id);
    own = (isPast ? calls.findLast(isEqual) : calls.find(isOwn)) ?? own;
    return own;
  };
}

/** For the hook that holds a request: has claude written what came of it? */
export function createCallWatch(sys: Sys, input: HookInput): () => boolean {
  const path = threadOf(sys, input);
  if (path === undefined) return () => false;
  const follow = createCallFollower(sys, path, { tool: input.toolName ?? "", input: input.toolInput ?? {} });
  return () => follow()?.isOver === true;
}

/** What claude's transcript says of the call, once it says anything, until the time is over. */
export async function waitForDecision(sys: Sys, read: () => Call | undefined, timeoutMs: number): Promise<Decision | undefined> {
  const call = await until(sys, sys.now() + timeoutMs, stepMs, () => {
    const now = read();
    return now?.decision !== undefined || now?.isOver === true ? now : undefined;
  });
  return call?.decision;
}

const stepMs = 10;
