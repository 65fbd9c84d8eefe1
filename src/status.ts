import { type GateKind, type MenuOption, type Screen, type ScreenGate, startupKinds } from "./claude-screen.ts";
import type { SessionFile } from "./claude-session.ts";
import { asksQuestion, type ToolUse, type Turn } from "./claude-transcript.ts";

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
}

export type Source = "process" | "session-file" | "transcript" | "pane";

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
    | { status: "limited"; text: string; window: string; resets_at: number | null }
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
  if (screen?.input !== undefined && session?.version === undefined) return paneVerdict(signals);
  const ageMs = now - (signals.startedAt ?? now);
  return { status: ageMs < spawningMs ? "spawning" : "unknown", ...read("process", ageMs) };
}

const read = (source: Source, age_ms = 0): Evidence => ({ source, age_ms: Math.max(0, age_ms) });

/** No status is published and an input row is on screen: the transcript says whether a turn is under way. */
function paneVerdict(signals: Signals): Verdict {
  const { turn } = signals;
  const isOver =
    turn === undefined || turn.at === 0 || turn.end !== undefined || (turn.stopReason !== undefined && turn.stopReason !== "tool_use");
  const evidence = turn === undefined || turn.at === 0 ? read("pane") : read("transcript", signals.now - turn.at);
  return isOver ? turnVerdict(signals, evidence) : workingVerdict(signals, evidence);
}

function workingVerdict({ turn }: Signals, evidence: Evidence): Verdict {
  const tools = turn?.pendingTools.map((tool) => tool.name) ?? [];
  // The main turn is over and the session is busy all the same: a sub-agent runs on.
  const background = turn?.end === "finished" ? { background: ["subagent"] } : {};
  return { status: "working", tools, ...background, ...evidence };
}

function turnVerdict({ turn }: Signals, evidence: Evidence, running: string[] = []): Verdict {
  const background = running.length > 0 ? { background: running } : {};
  if (turn === undefined || turn.at === 0) return { status: "idle_done", text: "", outcome: "none", ...background, ...evidence };
  if (turn.error !== undefined) {
    const { limit } = turn.error;
    if (limit !== undefined)
      return { status: "limited", text: turn.text, window: limit.window, resets_at: limit.resetsAt ?? null, ...evidence };
    return { status: "failed", text: turn.text, error: turn.error.class, ...evidence };
  }
  const outcome = outcomeOf(turn);
  if (outcome === "finished" && asksQuestion(turn.text)) return { status: "awaiting_answer", question: turn.text, ...evidence };
  return { status: "idle_done", text: turn.text, outcome, ...background, ...evidence };
}

function outcomeOf(turn: Turn): Outcome {
  if (turn.end === "interrupted") return "interrupted";
  if (turn.stopReason === "max_tokens") return "truncated";
  if (turn.stopReason === "refusal") return "declined";
  // Idle without an end of the turn: Esc before the first word of the answer, or a refused gate.
  return turn.end === undefined && (turn.stopReason === undefined || turn.stopReason === "tool_use") ? "interrupted" : "finished";
}

/** By this time after the status turned idle the transcript holds the turn: lines come up to 0.35 s late (2.1.329). */
const transcriptLagMs = 1000;
/** The end of a turn is stamped 25 ms before to 175 ms after the status change; what is older belongs to the turn before. */
const stampToleranceMs = 150;

/** True while the session has just turned idle and the transcript does not hold the end of that turn yet. */
export function isTranscriptLate({ session, turn, now }: Signals): boolean {
  const since = session?.statusUpdatedAt;
  if (session?.status !== "idle" || since === undefined || now - since > transcriptLagMs) return false;
  return turn?.end === undefined || turn.at < since - stampToleranceMs;
}

// --- gates -------------------------------------------------------------------------------------------------------

function gateVerdict(signals: Signals, evidence: Evidence): Verdict {
  const { session, screen } = signals;
  const gate = screen?.gate;
  const tool = gateTool(signals);
  const options = gate?.options.map((option) => option.label) ?? [];
  const choices = gate?.options.map(choice) ?? [];
  if (gate !== undefined && startupKinds.has(gate.kind) && session === undefined)
    return { status: "blocked", gate: gate.kind, prompt: gate.question, options, choices, subject: gate.body, ...evidence };
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

const headerTools: [header: RegExp, tool: RegExp][] = [
  [/^Bash command/, /^Bash$/],
  [/^(?:Create|Overwrite|Write) file/, /^Write$/],
  [/^Edit file/, /^(?:Edit|MultiEdit)$/],
  [/^Edit notebook/, /^NotebookEdit$/],
  [/^Read file/, /^Read$/],
  [/^Fetch/, /^WebFetch$/],
  [/^Tool use/, /^mcp__/],
];

/** The call that the gate asks about: the first open one that fits the dialog; none when a sub-agent asks. */
function gateTool({ turn, screen }: Signals): ToolUse | undefined {
  const open = turn?.pendingTools ?? [];
  const header = screen?.gate?.header;
  if (header === undefined) return open.find((tool) => tool.name !== "Agent" && tool.name !== "Task");
  if (/· from the .* agent$/.test(header)) return undefined;
  const fitting = headerTools.find(([pattern]) => pattern.test(header))?.[1];
  if (fitting !== undefined) return open.find((tool) => fitting.test(tool.name));
  return open.find((tool) => tool.name !== "Agent" && tool.name !== "Task");
}
