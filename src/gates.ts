import { spellCall } from "./claude-calls.ts";
import {
  countShown,
  type GateKind,
  gateFingerprint,
  isOfHeader,
  isPlanTool,
  isShown,
  type ScreenGate,
  startupKinds,
} from "./claude-gate.ts";
import type { Screen } from "./claude-screen.ts";
import type { SessionFile } from "./claude-session.ts";
import type { Turn } from "./claude-transcript.ts";
import { present } from "./json.ts";

/** A request to run something, as the hook that holds it or the transcript of its thread tells it. */
export interface GateCall {
  /** The hook's own id while one holds it, else claude's id of the call. */
  request: string;
  at?: number;
  tool: string;
  input: Record<string, unknown>;
  /** The sub-agent that asks; absent for the main thread. */
  agent?: AgentRef;
  isHeld: boolean;
  /** A hook has told of it, whatever became of the hook. */
  isTold?: boolean;
  /** Where its hook takes a reply. */
  socket?: string;
}

interface AgentRef {
  /** Unknown to versions whose hooks name the type alone. */
  id?: string;
  type?: string;
}

/** One thing that claude waits to be told: a session, a thread of it, a request, and what would run. */
export interface Gate {
  /** The same in every list, state and event, and never another gate's. */
  id: string;
  kind: GateKind;
  /** Undefined where nothing but a dialog is known. */
  call?: GateCall;
  /** Where its dialog is the one on the screen. */
  dialog?: ScreenGate;
  /** Others ask for the very same, and the dialog does not tell whose it is. */
  isAlike?: boolean;
}

export interface GateSignals {
  session?: SessionFile;
  screen?: Screen;
  turn?: Turn;
  /** Requests that hooks hold, oldest first. */
  held?: readonly GateCall[];
  /** The request of the main thread that a hook has answered under the status that is still shown. */
  answered?: string;
  /** Calls of the main thread that have no result, under the names that hooks gave them; as the turn tells them where no hook did. */
  mainCalls?: readonly GateCall[];
  /** Calls of running sub-agents that have no result, where the dialog may be one of theirs. */
  agentCalls?: readonly GateCall[];
  /** The transcript holds the result of the call before this gate. */
  isCaughtUp?: boolean;
}

/** Every gate that is known to be up; the one on the screen first, then those that were asked first. */
export function findGates(signals: GateSignals): Gate[] {
  const { held = [], screen } = signals;
  const dialog = screen?.gate;
  const shown = dialog === undefined ? findUnseen(signals) : readShown(signals, dialog);
  const others = held.filter((call) => call !== shown?.call).map((call) => describeGate(signals, call));
  return shown === undefined ? others : [shown, ...others];
}

function readShown(signals: GateSignals, dialog: ScreenGate): Gate | undefined {
  const { session, held = [] } = signals;
  const known = startupKinds.has(dialog.kind) && session === undefined ? [] : findFitting(held, dialog);
  const told = known.length > 0 ? known : findTold(signals, dialog);
  const [call] = told;
  // The screen shows the time before.
  if (dialog.agent === undefined && isAnswered(signals, call)) return undefined;
  const isAlike = told.length > 1 ? true : undefined;
  if (call !== undefined) return { ...describeGate(signals, call), kind: dialog.kind, dialog, ...present({ isAlike }) };
  const place = `${session?.statusUpdatedAt ?? ""} ${dialog.position?.index ?? 1}`;
  const id = gateId(signals, undefined, `${place}\n${gateFingerprint(dialog)}`, undefined);
  return { id, kind: dialog.kind, dialog };
}

/** Its hook has answered, and claude has not moved on yet; a call that nothing tells of by now is the one that was answered. */
const isAnswered = ({ answered }: GateSignals, call: GateCall | undefined): boolean =>
  answered !== undefined && call?.isHeld !== true && (call === undefined || call.request === answered);

/** The calls of the main thread that have no result. */
export const openCalls = (turn: Turn | undefined): GateCall[] =>
  (turn?.pendingTools ?? []).map(({ id, name, input }) => ({ request: id, tool: name, input, isHeld: false }));

/** The call that no hook holds and whose dialog is up, from the transcripts. */
function findTold({ turn, mainCalls: main = openCalls(turn), agentCalls = [], isCaughtUp }: GateSignals, dialog: ScreenGate): GateCall[] {
  const open = dialog.agent !== undefined ? agentCalls : dialog.isCut === true ? [...main, ...agentCalls] : main;
  const shown = findFitting(open, dialog);
  // Of several calls of one message the first is asked first.
  if (shown.length > 0) return dialog.agent === undefined && dialog.isCut !== true ? shown.slice(0, 1) : shown;
  // Its name is cut off, its header is not: it is the only one of its kind that the main thread can ask about.
  const isNameless = dialog.agent === undefined && dialog.isCut !== true && /^↑ \d+ more lines?$/m.test(dialog.body);
  const fitting = isNameless && isCaughtUp === true ? main.filter(({ tool }) => isOfHeader(tool, dialog)) : [];
  return fitting.length === 1 ? fitting : [];
}

/** Those that the dialog may be about: of several, the ones that it shows most of. */
function findFitting(calls: readonly GateCall[], dialog: ScreenGate): GateCall[] {
  const fitting = calls.filter((call) => fits(call, dialog));
  if (fitting.length < 2) return fitting;
  const counts = fitting.map((call) => countShown(call, dialog));
  return fitting.filter((_, index) => counts[index] === Math.max(...counts));
}

function fits(call: GateCall, dialog: ScreenGate): boolean {
  const isThread =
    dialog.isCut === true ||
    (dialog.agent === undefined ? call.agent === undefined : call.agent !== undefined && isType(call, dialog.agent));
  return isThread && isShown(call, dialog);
}

const isType = ({ agent }: GateCall, type: string): boolean => agent?.type === undefined || agent.type === type;

/** Outside tmux nobody sees a dialog: a call of the main thread is its subject only where no other thread can be the one that asks. */
function findUnseen(signals: GateSignals): Gate | undefined {
  const { session, turn, mainCalls = openCalls(turn), held = [], agentCalls = [] } = signals;
  const [first] = held;
  if (first !== undefined) return describeGate(signals, first);
  if (session?.status !== "waiting") return undefined;
  const isTool = session?.waitingFor !== "dialog open" && agentCalls.length === 0;
  const call = isTool ? mainCalls.find(({ tool }) => tool !== "Agent" && tool !== "Task") : undefined;
  if (isAnswered(signals, call)) return undefined;
  if (call !== undefined) return describeGate(signals, call);
  const kind = waitingKinds[session?.waitingFor ?? ""] ?? "dialog";
  return { id: gateId(signals, undefined, `${session?.statusUpdatedAt ?? ""}`, kind), kind };
}

const waitingKinds: Partial<Record<string, GateKind>> = { "permission prompt": "permission", "input needed": "question" };

function describeGate(signals: GateSignals, call: GateCall): Gate {
  const kind = call.tool === "AskUserQuestion" ? "question" : isPlanTool(call.tool) ? "plan" : "permission";
  // The plan is told by hooks alone; its request is enough.
  return { id: gateId(signals, call.agent, call.request, kind === "plan" ? call.tool : spellCall(call.tool, call.input)), kind, call };
}

/** Session, thread, request and what runs. */
const gateId = ({ session }: GateSignals, agent: AgentRef | undefined, request: string, runs: unknown): string =>
  digest(JSON.stringify([session?.sessionId ?? "", agent?.id ?? agent?.type ?? "", request, runs]));

/** Short enough to be typed; of the gates of one session two that are alike are both refused. */
const digest = (text: string): string => Bun.hash(text).toString(16).padStart(16, "0").slice(0, 10);

/** The dialog may be a sub-agent's, and neither a hook nor the main thread tells which call it shows: their transcripts may. */
export function needsAgentCalls(signals: GateSignals): boolean {
  const dialog = signals.screen?.gate;
  if (dialog === undefined) return signals.session?.status === "waiting" && (signals.held ?? []).length === 0;
  if (dialog.kind !== "permission" && dialog.kind !== "dialog") return false;
  return (dialog.agent !== undefined || dialog.isCut === true) && !(signals.held ?? []).some((call) => fits(call, dialog));
}

/** A tool's dialog is on the screen and nothing tells yet which call it asks about. */
export function isGateUntold(signals: GateSignals): boolean {
  const { session, screen } = signals;
  const dialog = screen?.gate;
  if (dialog === undefined || !["permission", "plan", "question"].includes(dialog.kind)) return false;
  if (session?.status !== "waiting" && session?.version !== undefined) return false;
  // Versions that publish no status keep a sub-agent's calls where nobody finds them.
  if (dialog.agent !== undefined && session?.version === undefined) return false;
  const [shown] = findGates(signals);
  return shown?.dialog === dialog && shown.call === undefined;
}
