import { type GateKind, headerTools, isShown, type MenuOption, type ScreenGate, startupKinds } from "./claude-gate.ts";
import type { Screen } from "./claude-screen.ts";
import type { SessionFile } from "./claude-session.ts";
import { type ApiError, asksQuestion, type ToolUse, type Turn } from "./claude-transcript.ts";

/** What is known of one session at one moment. Absent means that the signal does not exist or could not be read. */
export interface Signals {
  now: number;
  /** The very process that was started, not a later one with its number. */
  isAlive: boolean;
  /** Start of the process, epoch ms. */
  startedAt?: number;
  session?: SessionFile;
  screen?: Screen;
  turn?: Turn;
  /** Only of a session that csd started. */
  hooks?: HookSignals;
}

/** What the hooks of a session have told, newest of each kind; times are epoch ms. */
export interface HookSignals {
  /** Which one spoke last about the main turn. */
  last?: "prompt" | "stop" | "failure";
  promptAt?: number;
  /** The turn ended; `background` names what still runs. */
  stop?: { at: number; text: string; background: string[] };
  failure?: { at: number; error: string };
  /** The request that is held open. */
  gate?: { at: number; tool: string; input: Record<string, unknown>; agent?: string };
}

export type Source = "process" | "session-file" | "hook" | "transcript" | "pane";

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
}

/** The public state of a session; keys are in the order in which they are printed. */
export type Verdict = Evidence &
  (
    | { status: "spawning" | "dead" | "unknown" }
    | { status: "working"; tools: string[]; background?: string[] }
    | { status: "awaiting_answer"; question: string; gate?: "question"; questions?: unknown; options?: string[]; choices?: Choice[] }
    | { status: "plan_ready"; plan_file: string | null; plan: string | null; options: string[]; choices: Choice[] }
    | {
        status: "blocked";
        gate: GateKind;
        prompt: string;
        options: string[];
        choices: Choice[];
        tool?: string;
        input?: unknown;
        subject?: string;
      }
    | { status: "idle_done"; text: string; outcome: Outcome; background?: string[] }
    | { status: "limited"; text: string; window: string; resets_at: number | null; options?: string[]; choices?: Choice[] }
    | { status: "failed"; text: string; error: string }
  );

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
      return workingVerdict(signals, evidence);
    case "shell":
      return turnVerdict(signals, evidence, ["shell"]);
    case "idle":
      return turnVerdict(signals, evidence);
    default:
      break;
  }
  // Versions before 2.1.158 publish no status, and no version shows a startup dialog in its session file.
  if (screen?.gate !== undefined && (session === undefined || session.version === undefined)) return gateVerdict(signals, read("pane"));
  if (session?.version === undefined && (screen?.input !== undefined || hasBegun(signals.turn))) return paneVerdict(signals);
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

const hasBegun = (turn: Turn | undefined): turn is Turn => turn !== undefined && turn.at > 0;

/** The transcript holds no end of the turn; 2.0.70 writes none of an answer that comes slowly. */
const isTurnOpen = (turn: Turn | undefined): boolean =>
  hasBegun(turn) && turn.end === undefined && (turn.stopReason === undefined || turn.stopReason === "tool_use");

/** No status is published, and screen and transcript disagree, as they do for a moment while a turn begins or ends. */
export const isPaneUnsettled = ({ isAlive, session, screen, turn }: Signals): boolean =>
  isAlive &&
  session?.status === undefined &&
  session?.version === undefined &&
  screen?.gate === undefined &&
  screen?.isBusy !== true &&
  hasBegun(turn) &&
  (screen?.input === undefined || isTurnOpen(turn));

function workingVerdict({ session, turn, hooks }: Signals, evidence: Evidence): Verdict {
  const tools = turn?.pendingTools.map((tool) => tool.name) ?? [];
  // The main turn is over and the session is busy all the same: a sub-agent runs on.
  const isTurnOver = turn?.end === "finished" && turn.at >= (session?.statusUpdatedAt ?? Number.POSITIVE_INFINITY);
  const isMainOver = hooks === undefined ? isTurnOver : hooks.last === "stop";
  const running = hooks?.stop?.background.length ? hooks.stop.background : ["subagent"];
  return { status: "working", tools, ...(isMainOver ? { background: running } : {}), ...evidence };
}

function turnVerdict(signals: Signals, evidence: Evidence, running: string[] = []): Verdict {
  const { turn, hooks, now } = signals;
  const background = running.length > 0 ? { background: hooks?.stop?.background.length ? hooks.stop.background : running } : {};
  if (hooks !== undefined && isTurnUnderWay(signals))
    return { status: "working", tools: [], ...read("hook", now - (hooks.promptAt ?? now)) };
  // The hook comes 40 ms before the status and up to 0.3 s before the transcript.
  if (hooks?.stop !== undefined && hooks.last === "stop" && isBehind(turn, hooks.stop.at))
    return endVerdict(hooks.stop.text, "finished", background, read("hook", now - hooks.stop.at));
  if (turn === undefined || turn.at === 0) return { status: "idle_done", text: "", outcome: "none", ...background, ...evidence };
  if (turn.error !== undefined) return errorVerdict(turn, turn.error, evidence);
  return endVerdict(turn.text, outcomeOf(turn), background, evidence);
}

function endVerdict(text: string, outcome: Outcome, background: { background?: string[] }, evidence: Evidence): Verdict {
  if (outcome === "finished" && asksQuestion(text)) return { status: "awaiting_answer", question: text, ...evidence };
  return { status: "idle_done", text, outcome, ...background, ...evidence };
}

function errorVerdict(turn: Turn, { limit, class: error }: ApiError, evidence: Evidence): Verdict {
  if (limit === undefined) return { status: "failed", text: turn.text, error, ...evidence };
  return { status: "limited", text: turn.text, window: limit.window, resets_at: limit.resetsAt ?? null, ...evidence };
}

/** The status follows the hook of a prompt within this time; none follows to one that was stamped by another clock, or refused. */
const beginMs = 15_000;

/** The prompt hook has run and the status still tells of the time before it: the turn begins. */
const isTurnUnderWay = ({ session, hooks, now }: Signals): boolean =>
  hooks?.promptAt !== undefined &&
  hooks.last === "prompt" &&
  Math.abs(now - hooks.promptAt) < beginMs &&
  (session?.statusUpdatedAt ?? Number.POSITIVE_INFINITY) < hooks.promptAt;

/** The hooks have told the end of a turn that the transcript does not hold yet. */
export const isTranscriptBehind = ({ turn, hooks }: Signals): boolean =>
  hooks?.stop !== undefined && hooks.last === "stop" && isBehind(turn, hooks.stop.at);

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
  const isInterrupted = turn?.end === "interrupted" && turn.at >= Math.max(since - transcriptLagMs, hooks?.promptAt ?? 0);
  return !isInterrupted && isBehind(turn, since);
}

// --- gates -------------------------------------------------------------------------------------------------------

function gateVerdict(signals: Signals, evidence: Evidence): Verdict {
  const { session, screen, turn } = signals;
  const gate = screen?.gate;
  const tool = gateTool(signals);
  const options = gate?.options.map((option) => option.label) ?? [];
  const choices = gate?.options.map(choice) ?? [];
  if (gate !== undefined && startupKinds.has(gate.kind) && session === undefined)
    return { status: "blocked", gate: gate.kind, prompt: gate.question, options, choices, subject: gate.body, ...evidence };
  // Outside tmux nobody sees the menu that a weekly limit opens.
  const isLimitMenu = gate?.kind === "limit" || (gate === undefined && session?.waitingFor === "dialog open");
  if (isLimitMenu && turn?.error?.limit !== undefined) return { ...errorVerdict(turn, turn.error, evidence), options, choices } as Verdict;
  if (tool?.name === "AskUserQuestion" || session?.waitingFor === "input needed" || gate?.kind === "question")
    return questionVerdict(tool, gate, evidence);
  if (tool?.name === "ExitPlanMode" || gate?.kind === "plan") {
    const plan = typeof tool?.input.plan === "string" ? tool.input.plan : null;
    const planFile = typeof tool?.input.planFilePath === "string" ? tool.input.planFilePath : null;
    return { status: "plan_ready", plan_file: planFile, plan, options, choices, ...evidence };
  }
  const kind = gate?.kind ?? (session?.waitingFor === "permission prompt" ? "permission" : "dialog");
  const asked = tool !== undefined && kind === "permission" ? { tool: tool.name, input: tool.input } : {};
  const subject = gate !== undefined && gate.body !== "" ? { subject: `${gate.header}\n${gate.body}` } : {};
  return { status: "blocked", gate: kind, prompt: gate?.question ?? "", options, choices, ...asked, ...subject, ...evidence };
}

function questionVerdict(tool: ToolUse | undefined, gate: ScreenGate | undefined, evidence: Evidence): Verdict {
  const questions = Array.isArray(tool?.input.questions) ? (tool.input.questions as { question?: unknown }[]) : [];
  const texts = questions.map((question) => (typeof question.question === "string" ? question.question : ""));
  return {
    status: "awaiting_answer",
    question: texts.length > 0 ? texts.join("\n") : (gate?.question ?? ""),
    gate: "question",
    ...(questions.length > 0 ? { questions } : {}),
    options: gate?.options.map((option) => option.label) ?? [],
    choices: gate?.options.map(choice) ?? [],
    ...evidence,
  };
}

const choice = (option: MenuOption, index: number): Choice => ({
  option: option.number ?? index + 1,
  label: option.label,
  meaning: option.meaning,
});

/** The call that the gate asks about: the first open one that fits the dialog; none when a sub-agent asks. */
function gateTool({ turn, screen, hooks, session, now }: Signals): ToolUse | undefined {
  if (hooks?.gate !== undefined) return { id: "", name: hooks.gate.tool, input: hooks.gate.input };
  const open = turn?.pendingTools ?? [];
  const header = screen?.gate?.header;
  if (header === undefined) return open.find((tool) => tool.name !== "Agent" && tool.name !== "Task");
  if (/· from the .* agent$/.test(header)) return undefined;
  const fitting = screen?.gate?.kind === "question" ? /^AskUserQuestion$/ : headerTools.find(([pattern]) => pattern.test(header))?.[1];
  const calls = open.filter((tool) => (fitting === undefined ? tool.name !== "Agent" && tool.name !== "Task" : fitting.test(tool.name)));
  // 2.0.70 names the file in the header.
  const shown = calls.find((tool) => isShown(tool, `${header}\n${screen?.gate?.body ?? ""}`));
  if (shown !== undefined || screen?.gate?.kind !== "permission") return shown ?? calls[0];
  // The open call may be the one before, whose result is written late; without a status nothing tells how late.
  const isCaughtUp = session?.statusUpdatedAt !== undefined && now - session.statusUpdatedAt >= resultLagMs;
  return (session?.version === undefined ? fitting === undefined : isCaughtUp) ? calls[0] : undefined;
}

/** By this time after a gate came up the transcript holds the result of the call before it. */
const resultLagMs = 1000;

/** A tool's gate is on screen and nothing tells yet which call it asks about. A sub-agent's call stands in no main transcript. */
export const isGateUntold = (signals: Signals): boolean =>
  (signals.session?.status === "waiting" || signals.session?.version === undefined) &&
  ["permission", "plan", "question"].includes(signals.screen?.gate?.kind ?? "") &&
  !/· from the .* agent$/.test(signals.screen?.gate?.header ?? "") &&
  gateTool(signals) === undefined;
