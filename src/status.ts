import { type GateKind, type MenuOption, type ScreenGate, startupKinds } from "./claude-gate.ts";
import type { Screen } from "./claude-screen.ts";
import type { SessionFile } from "./claude-session.ts";
import { type ApiError, asksQuestion, type Retry, type Turn, wordedError } from "./claude-transcript.ts";
import { findGates, type Gate, type GateCall, type GateSignals, isGateUntold as isUntold } from "./gates.ts";
import { present } from "./json.ts";

/** What is known of one session at one moment. Absent means that the signal does not exist or could not be read. */
export interface Signals {
  now: number;
  /** The very process that was started, not a later one with its number. */
  isAlive: boolean;
  /** Start of the process, epoch ms. */
  startedAt?: number;
  session?: SessionFile;
  screen?: Screen;
  /** When it was read; absent where it is not known. */
  screenAt?: number;
  turn?: Turn;
  /** Only of a session that csd started. */
  hooks?: HookSignals;
  /** Calls of the main thread without a result, under the names that hooks gave them. */
  mainCalls?: readonly GateCall[];
  /** Share of one processor, of the last three samples; only where neither a status nor a screen is there. */
  cpuPercent?: number;
  /** Calls of running sub-agents without a result; only where the gate may be one of theirs. */
  agentCalls?: readonly GateCall[];
}

/** What the hooks of a session have told, newest of each kind; times are epoch ms. */
export interface HookSignals {
  /** Which one spoke last about the main turn. */
  last?: "prompt" | "stop" | "failure";
  prompt?: Noted;
  /** The turn ended; `background` names what still runs. */
  stop?: { at: number; text: string; background: string[] };
  failure?: { at: number; error: string; text: string };
  /** Requests that are held open, oldest first. */
  gates?: readonly GateCall[];
  /** What a hook last answered for the main thread. */
  answered?: Noted & { request?: string };
}

/** Something that a hook has noted, and claude's stamp of the status that it showed then. */
interface Noted {
  at: number;
  statusAt?: number;
}

/** `cpu`: the last resort, where no status is published and no pane is seen. */
export type Source = "process" | "session-file" | "hook" | "transcript" | "pane" | "cpu";

export interface Choice {
  option: number;
  label: string;
  meaning: string;
}

interface Evidence {
  /** The signal that the status rests on. */
  source: Source;
  /** How long ago that signal changed, or was read when it carries no time. */
  age_ms: number;
  /** Of a session on another machine: what is known of its state, in the words of that machine. */
  told?: string;
}

/** Which gate a state is about. */
export interface GateIdentity {
  gate_id: string;
  /** Claude's own counter, `1 of 2`: of the gates it has put in a row, which need not be all. */
  gate_index?: number;
  gate_count?: number;
  /** The sub-agent that asks. */
  agent?: string;
  agent_id?: string;
}

type Identified = Partial<GateIdentity & { gates: ListedGate[] }>;
type Asked = Identified & Evidence;

/** The public state of a session; keys are in the order in which they are printed. */
export type Verdict = Evidence &
  (
    | { status: "spawning" | "dead" | "unknown" }
    | { status: "working"; tools: string[]; background?: string[]; retry?: RetryState }
    | ({
        status: "awaiting_answer";
        question: string;
        gate?: "question";
        questions?: unknown;
        options?: string[];
        choices?: Choice[];
      } & Identified)
    | ({ status: "plan_ready"; plan_file: string | null; plan: string | null; options: string[]; choices: Choice[] } & Identified)
    | ({
        status: "blocked";
        gate: GateKind;
        prompt: string;
        options: string[];
        choices: Choice[];
        tool?: string;
        input?: unknown;
        subject?: string;
      } & Identified)
    | { status: "idle_done"; text: string; outcome: Outcome; background?: string[] }
    | {
        status: "limited";
        text: string;
        window: string;
        resets_at: number | null;
        options?: string[];
        choices?: Choice[];
        gate_id?: string;
      }
    | { status: "failed"; text: string; error: string }
  );

/** The API has failed, and is asked again: so often, next in so long. */
interface RetryState {
  attempt: number;
  max_attempts: number;
  wait_ms: number;
  error: string;
}

export type Status = Verdict["status"];

/** How the last turn ended; `none` before the first one. */
export type Outcome = "none" | "finished" | "interrupted" | "truncated" | "declined";

/** Longest time from start to the first signal; a process that is still mute after it is `unknown`. */
const spawningMs = 60_000;

export function decideStatus(signals: Signals): Verdict {
  const { session, screen, now } = signals;
  if (!signals.isAlive) return { status: "dead", ...read("process") };
  const evidence: Evidence = { source: "session-file", age_ms: Math.max(0, now - (session?.statusUpdatedAt ?? now)) };
  switch (session?.status) {
    case "waiting":
      return gateVerdict(signals, evidence);
    case "busy":
      return isAgentWaiting(signals) ? gateVerdict(signals, evidence) : workingVerdict(signals, evidence);
    case "shell":
      if (isAgentWaiting(signals)) return gateVerdict(signals, evidence);
      return turnVerdict(signals, evidence, ["shell"]);
    case "idle":
      return turnVerdict(signals, evidence);
    default:
      break;
  }
  // Versions before 2.1.158 publish no status, and no version shows a startup dialog in its session file.
  if (screen?.gate !== undefined && (session === undefined || session.version === undefined)) return gateVerdict(signals, read("pane"));
  if (session?.version === undefined && screen === undefined && signals.cpuPercent !== undefined && hasBegun(signals.turn))
    return loadVerdict(signals, signals.turn, signals.cpuPercent);
  if (session?.version === undefined && screen !== undefined && (screen.input !== undefined || hasBegun(signals.turn)))
    return paneVerdict(signals);
  const ageMs = now - (signals.startedAt ?? now);
  return { status: ageMs < spawningMs ? "spawning" : "unknown", ...read("process", ageMs) };
}

const read = (source: Source, age_ms = 0): Evidence => ({ source, age_ms: Math.max(0, age_ms) });

/** No status is published: the screen says whether a turn runs, and the transcript what came of it. */
function paneVerdict(signals: Signals): Verdict {
  const { turn, screen, now } = signals;
  const told = hasBegun(turn) ? read("transcript", now - turn.at) : read("pane");
  if (screen?.isBusy === true) return workingVerdict(signals, read("pane"));
  if (screen?.input === undefined) return isTurnOpen(turn) ? workingVerdict(signals, told) : { status: "unknown", ...read("pane") };
  return turnVerdict(signals, isTurnOpen(turn) ? read("pane") : told);
}

/** An idle claude needs less (2.1.86: 1 to 3 %). */
const busyPercent = 5;
/** A call that has no result by then, with a process at rest, may wait at a gate as well as run. */
const callMs = 5000;
/** So long the model may take to begin its answer. */
const answerMs = 120_000;

/** Neither a status nor a screen: the end of the transcript, its age, and whether the process works. What these leave open is unknown. */
function loadVerdict(signals: Signals, turn: Turn, cpuPercent: number): Verdict {
  const ageMs = signals.now - turn.at;
  const evidence = read("cpu", ageMs);
  if (cpuPercent > busyPercent) return workingVerdict(signals, evidence);
  if (!isTurnOpen(turn)) return turnVerdict(signals, evidence);
  const isUnderWay = ageMs < (turn.pendingTools.length > 0 ? callMs : answerMs);
  return isUnderWay ? workingVerdict(signals, evidence) : { status: "unknown", ...evidence };
}

const hasBegun = (turn: Turn | undefined): turn is Turn => turn !== undefined && turn.at > 0;

/** The transcript holds no end of the turn; 2.0.70 writes none of an answer that comes slowly. */
const isTurnOpen = (turn: Turn | undefined): boolean =>
  hasBegun(turn) && turn.end === undefined && (turn.stopReason === undefined || turn.stopReason === "tool_use");

/** No status is published, and screen and transcript disagree, as they do for a moment while a turn begins or ends. */
export const isPaneUnsettled = ({ isAlive, session, screen, turn, cpuPercent }: Signals): boolean =>
  isAlive &&
  session?.status === undefined &&
  session?.version === undefined &&
  screen?.gate === undefined &&
  screen?.isBusy !== true &&
  hasBegun(turn) &&
  (screen === undefined ? cpuPercent === undefined : screen.input === undefined || isTurnOpen(turn));

function workingVerdict(signals: Signals, evidence: Evidence): Verdict {
  const { session, turn, hooks } = signals;
  const tools = turn?.pendingTools.map((tool) => tool.name) ?? [];
  // The main turn is over and the session is busy all the same: a sub-agent runs on.
  const isTurnOver = turn?.end === "finished" && turn.at >= (session?.statusUpdatedAt ?? Number.POSITIVE_INFINITY);
  const isMainOver = hooks === undefined ? isTurnOver : hooks.last === "stop";
  const running = hooks?.stop?.background.length ? hooks.stop.background : ["subagent"];
  return { status: "working", tools, ...(isMainOver ? { background: running } : {}), ...present({ retry: retryOf(signals) }), ...evidence };
}

function retryOf({ turn, screen, screenAt, now }: Signals): RetryState | undefined {
  const shown: (Retry & { at: number }) | undefined = screen?.retry && { ...screen.retry, at: screenAt ?? now };
  const retry = shown ?? turn?.retry;
  if (retry === undefined) return undefined;
  const { attempt, maxAttempts, waitMs, at, error } = retry;
  return { attempt, max_attempts: maxAttempts, wait_ms: Math.max(0, at + waitMs - now), error };
}

/** A request that is sent again is seen on the screen alone, and nothing else is written meanwhile (2.1.329). */
const quietMs = 2000;

/** The API is being asked, and has not said a word for a while. */
export const mayBeRetrying = ({ session, turn, now }: Signals): boolean =>
  session?.status === "busy" &&
  (turn?.pendingTools.length ?? 0) === 0 &&
  now - Math.max(session.statusUpdatedAt ?? 0, turn?.at ?? 0) >= quietMs;

function turnVerdict(signals: Signals, evidence: Evidence, running: string[] = []): Verdict {
  const { turn, hooks, now } = signals;
  const background = running.length > 0 ? { background: hooks?.stop?.background.length ? hooks.stop.background : running } : {};
  if (hooks !== undefined && isTurnUnderWay(signals))
    return { status: "working", tools: [], ...read("hook", now - (hooks.prompt?.at ?? now)) };
  if (isTurnQueued(signals)) return { status: "working", tools: [], ...read("transcript", now - (turn?.at ?? now)) };
  // The hook comes 40 ms before the status and up to 0.3 s before the transcript.
  if (hooks?.stop !== undefined && hooks.last === "stop" && isBehind(turn, hooks.stop.at))
    return endVerdict(hooks.stop.text, "finished", background, read("hook", now - hooks.stop.at));
  if (hooks?.failure !== undefined && isFailureUntold(signals)) {
    const { at, error, text } = hooks.failure;
    return errorVerdict(text, wordedError(error, text, at), read("hook", now - at));
  }
  if (turn === undefined || turn.at === 0) return { status: "idle_done", text: "", outcome: "none", ...background, ...evidence };
  if (turn.error !== undefined) return errorVerdict(turn.text, turn.error, evidence);
  return endVerdict(turn.text, outcomeOf(turn), background, evidence);
}

function endVerdict(text: string, outcome: Outcome, background: { background?: string[] }, evidence: Evidence): Verdict {
  if (outcome === "finished" && asksQuestion(text)) return { status: "awaiting_answer", question: text, ...evidence };
  return { status: "idle_done", text, outcome, ...background, ...evidence };
}

function errorVerdict(text: string, { limit, class: error }: ApiError, evidence: Evidence): Verdict {
  if (limit === undefined) return { status: "failed", text, error, ...evidence };
  return { status: "limited", text, window: limit.window, resets_at: limit.resetsAt ?? null, ...evidence };
}

/** The status follows the hook of a prompt within this time; none follows to one that was stamped by another clock, or refused. */
const beginMs = 15_000;

/** The prompt hook has run and the status is still the one of that time: the turn begins. */
const isTurnUnderWay = ({ session, hooks, now }: Signals): boolean =>
  hooks?.prompt !== undefined && hooks.last === "prompt" && Math.abs(now - hooks.prompt.at) < beginMs && isStill(session, hooks.prompt);

/** Claude shows the very status that it showed when this was noted. By its stamp, as the clock may have been set back since. */
const isStill = (session: SessionFile | undefined, { statusAt }: Noted): boolean =>
  statusAt !== undefined && session?.statusUpdatedAt === statusAt;

/** claude takes a prompt out of its queue within moments after the turn that held it up. */
const queuedMs = 5000;

/** A turn has ended, and a prompt waits in the queue: its turn comes next. Not after Esc, which gives it back to its writer. */
const isTurnQueued = ({ session, turn, hooks, now }: Signals): boolean =>
  turn?.queued !== undefined &&
  turn.end !== "interrupted" &&
  Math.abs(now - Math.max(turn.at, hooks?.stop?.at ?? 0, session?.statusUpdatedAt ?? 0)) < queuedMs;

/** The hooks have told the end of a turn that the transcript does not hold yet. */
export const isTranscriptBehind = (signals: Signals): boolean => {
  const { turn, hooks } = signals;
  return (hooks?.stop !== undefined && hooks.last === "stop" && isBehind(turn, hooks.stop.at)) || isFailureUntold(signals);
};

/** On a crowded machine claude was seen to write the end of a turn more than a second after its hook and its status (2.1.329). */
const failureMs = 60_000;

/** The hooks have told that the turn of the newest prompt has failed, and the transcript holds the one before, or none. */
const isFailureUntold = ({ turn, hooks, now }: Signals): boolean =>
  hooks?.failure !== undefined &&
  hooks.last === "failure" &&
  Math.abs(now - hooks.failure.at) < failureMs &&
  (turn?.end === undefined || turn.at < (hooks.prompt?.at ?? hooks.failure.at - transcriptLagMs));

const isBehind = (turn: Turn | undefined, at: number): boolean => turn?.end === undefined || turn.at < at - stampToleranceMs;

function outcomeOf(turn: Turn): Outcome {
  if (turn.end === "interrupted") return "interrupted";
  if (turn.stopReason === "max_tokens") return "truncated";
  if (turn.stopReason === "refusal") return "declined";
  if (turn.end !== undefined) return "finished";
  // Idle without an end of the turn: Esc before the first word of the answer, or a refused gate.
  return (turn.stopReason === undefined && turn.text === "") || turn.stopReason === "tool_use" ? "interrupted" : "finished";
}

/** By this time after the status turned idle the transcript holds the turn: lines come up to 0.35 s late (2.1.329). */
const transcriptLagMs = 1000;
/** The end of a turn is stamped 25 ms before to 175 ms after the status change; what is older belongs to the turn before. */
const stampToleranceMs = 150;

/** True while the session has just turned idle and nothing tells yet how its turn ended. */
export function isTranscriptLate({ session, turn, hooks, now }: Signals): boolean {
  const since = session?.statusUpdatedAt;
  if ((session?.status !== "idle" && session?.status !== "shell") || since === undefined) return false;
  // A stamp of the future is one of before the clock was set back.
  if (Math.abs(now - since) > transcriptLagMs) return false;
  // With hooks, a turn that was stopped is told whole, and one that never began is known not to be; a turn without any hook
  // means that they are switched off.
  if (hooks !== undefined && (hooks.last === "stop" || (hooks.last === undefined && !hasBegun(turn)))) return false;
  // The notice of an interruption is stamped with the key, up to 0.2 s before the status.
  const isInterrupted = turn?.end === "interrupted" && turn.at >= Math.max(since - transcriptLagMs, hooks?.prompt?.at ?? 0);
  return !isInterrupted && isBehind(turn, since);
}

// --- gates -------------------------------------------------------------------------------------------------------

/** What is known of the gates; an answer counts until claude's status has moved on from it. */
export function gateSignals({ session, screen, turn, hooks, mainCalls, agentCalls, now }: Signals): GateSignals {
  const since = session?.statusUpdatedAt ?? Number.POSITIVE_INFINITY;
  const isWaiting = session?.status === undefined || session.status === "waiting" || session.status === "other";
  // While claude works only sub-agents wait: it shows their dialogs when their hooks have ended (2.1.329).
  const held = isWaiting ? hooks?.gates : hooks?.gates?.filter(({ agent }) => agent !== undefined);
  const answered = hooks?.answered !== undefined && isStill(session, hooks.answered) ? hooks.answered.request : undefined;
  return present({ session, screen, turn, mainCalls, held, answered, agentCalls, isCaughtUp: now - since >= resultLagMs });
}

/** By this time after a gate came up the transcript holds the result of the call before it. */
const resultLagMs = 1000;

/** A gate as `gates` lists it. */
export interface ListedGate {
  gate_id: string;
  gate: GateKind;
  /** Type of the sub-agent that asks; null for the main thread, and where only a dialog is known that does not say. */
  agent: string | null;
  agent_id: string | null;
  tool: string | null;
  input: unknown;
  /** Its dialog is the one on the screen. */
  shown: boolean;
  /** A hook holds it: it can be answered whatever the screen shows. */
  held: boolean;
}

const listGate = ({ id, kind, call, dialog }: Gate): ListedGate => ({
  gate_id: id,
  gate: kind,
  agent: call?.agent?.type ?? dialog?.agent ?? null,
  agent_id: call?.agent?.id ?? null,
  tool: call?.tool ?? null,
  input: call?.input ?? null,
  shown: dialog !== undefined,
  held: call?.isHeld === true,
});

/** All of it is about one gate: the one on the screen, or the one that was asked first. */
function gateVerdict(signals: Signals, evidence: Evidence): Verdict {
  const { session, screen, turn, hooks, now } = signals;
  const gates = findGates(gateSignals(signals));
  const [gate] = gates;
  // Its hook has answered, and claude has not said yet that it goes on.
  if (gate === undefined) return { status: "working", tools: [], ...read("hook", now - (hooks?.answered?.at ?? now)) };
  const { call, dialog } = gate;
  const isTold = session?.status !== "waiting" && call?.isHeld === true;
  const common = { ...identify(gate), gates: gates.map(listGate), ...(isTold ? read("hook", now - (call.at ?? now)) : evidence) };
  const options = dialog?.options.map((option) => option.label) ?? [];
  const choices = dialog?.options.map(choice) ?? [];
  if (dialog !== undefined && startupKinds.has(dialog.kind) && session === undefined)
    return { status: "blocked", gate: dialog.kind, prompt: dialog.question, options, choices, subject: dialog.body, ...common };
  // Outside tmux nobody sees the menu that a weekly limit opens.
  const isLimitMenu = dialog?.kind === "limit" || (screen?.gate === undefined && session?.waitingFor === "dialog open");
  if (isLimitMenu && turn?.error?.limit !== undefined)
    return { ...errorVerdict(turn.text, turn.error, evidence), options, choices, gate_id: gate.id } as Verdict;
  if (gate.kind === "question") return questionVerdict(call, dialog, common);
  if (gate.kind === "plan") {
    const plan = typeof call?.input.plan === "string" ? call.input.plan : null;
    const planFile = typeof call?.input.planFilePath === "string" ? call.input.planFilePath : null;
    return { status: "plan_ready", plan_file: planFile, plan, options, choices, ...common };
  }
  const asked = call !== undefined && gate.kind === "permission" ? { tool: call.tool, input: call.input } : {};
  const subject = dialog !== undefined && dialog.body !== "" ? { subject: `${dialog.header}\n${dialog.body}` } : {};
  return { status: "blocked", gate: gate.kind, prompt: dialog?.question ?? "", options, choices, ...asked, ...subject, ...common };
}

/** The hook of a sub-agent's request keeps its dialog back, and claude's status goes on as if nothing were asked. */
const isAgentWaiting = ({ hooks }: Signals): boolean => hooks?.gates?.some(({ agent }) => agent !== undefined) === true;

const identify = ({ id, call, dialog }: Gate): GateIdentity => ({
  gate_id: id,
  ...present({
    gate_index: dialog?.position?.index,
    gate_count: dialog?.position?.count,
    agent: call?.agent?.type ?? dialog?.agent,
    agent_id: call?.agent?.id,
  }),
});

function questionVerdict(call: GateCall | undefined, dialog: ScreenGate | undefined, common: Asked): Verdict {
  const questions = Array.isArray(call?.input.questions) ? (call.input.questions as { question?: unknown }[]) : [];
  const texts = questions.map((question) => (typeof question.question === "string" ? question.question : ""));
  return {
    status: "awaiting_answer",
    question: texts.length > 0 ? texts.join("\n") : (dialog?.question ?? ""),
    gate: "question",
    ...(questions.length > 0 ? { questions } : {}),
    options: dialog?.options.map((option) => option.label) ?? [],
    choices: dialog?.options.map(choice) ?? [],
    ...common,
  };
}

const choice = (option: MenuOption, index: number): Choice => ({
  option: option.number ?? index + 1,
  label: option.label,
  meaning: option.meaning,
});

/** A gate's dialog is on the screen, and nothing tells yet which call it asks about, or the hook that will hold it is on its way. */
export function isGateUntold(signals: Signals): boolean {
  const known = gateSignals(signals);
  if (isUntold(known)) return true;
  // The menu of a limit is painted before its refusal is written (2.1.86, 2.1.204).
  if (signals.screen?.gate?.kind === "limit") return signals.turn?.error?.limit === undefined;
  const [gate] = findGates(known);
  // Hooks run in this session: one has told of a turn.
  return signals.hooks?.last !== undefined && gate?.call !== undefined && !gate.call.isHeld && gate.call.isTold !== true;
}
