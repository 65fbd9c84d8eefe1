import type { Printed } from "./claude-print.ts";
import { exitCode } from "./errors.ts";
import { duration } from "./format.ts";
import { parseJson, present } from "./json.ts";
import type { Task } from "./task-graph.ts";
import type { TaskOutput } from "./task-template.ts";

/** How an attempt ended: what claude says of it, never its exit code. */
export type Outcome =
  | { kind: "succeeded"; output: TaskOutput }
  /** `isSpent`: another attempt would end the same way. */
  | { kind: "failed"; reason: string; isSpent?: true; isOverBudget?: true }
  /** The answer does not meet the schema. */
  | { kind: "missed"; reason: string }
  | { kind: "limited"; window: string; resetsAt?: number }
  | { kind: "logged out"; reason: string }
  /** It had not said its last word: its conversation can go on. */
  | { kind: "cut"; reason: string };

/** How its process ended, and why we ended it, if we did. */
export interface Ending {
  cause: "itself" | "stop" | "timeout" | "budget" | "gone";
  exitCode?: number;
  /** The end of what it said to stderr. */
  errors: string;
}

/**
 * What cuts an answer off, though claude may call it a success: 2.1.329 does so of `pause_turn`. It goes on by itself after the first
 * three `max_tokens`.
 */
const cutReasons: Readonly<Record<string, string>> = {
  max_tokens: "the answer was cut off at its greatest length",
  model_context_window_exceeded: "the context window is full",
  refusal: "the model refused",
  pause_turn: "the answer was paused, and nobody went on with it",
};
const wholeReasons = ["end_turn", "stop_sequence", "tool_use"];

/** Why claude itself has ended the turn, where that is no end of the work (2.1.329 calls `hook_stopped` a success, with what there was). */
const brokenReasons: Readonly<Record<string, string>> = {
  hook_stopped: "a hook has stopped it",
  aborted_streaming: "it was interrupted before it had answered",
  aborted_tools: "it was interrupted at a call of a tool",
};
/** A hook that keeps it from going on has seen the whole answer. */
const doneReasons = ["completed", "stop_hook_prevented"];
/** No other attempt would be any shorter. */
const tooLongReasons = ["prompt_too_long", "blocking_limit", "image_error"];

/** What claude ends with by itself, whatever else happens at that moment. */
const ownErrors = ["error_max_turns", "error_max_budget_usd", "error_max_structured_output_retries"];

export function decideOutcome(printed: Printed, ending: Ending, task: Pick<Task, "outputs" | "timeoutMs">): Outcome {
  const { result, limit } = printed;
  if (limit !== undefined) return { kind: "limited", ...limit };
  if (result === undefined) return decideSilence(ending, task);
  const { isError, subtype, text, apiStatus, stopReason, terminalReason = "completed", turns } = result;
  // What claude says of its own end tells nothing where we have asked for it.
  if (isError && ending.cause !== "itself" && apiStatus === undefined && !ownErrors.includes(subtype)) return decideSilence(ending, task);
  if (isError && (apiStatus === 401 || apiStatus === 403)) return { kind: "logged out", reason: text };
  if (subtype === "error_max_structured_output_retries") return { kind: "missed", reason: text };
  if (subtype === "error_max_budget_usd")
    return { kind: "failed", reason: `its budget is spent: ${text}`, isSpent: true, isOverBudget: true };
  // The window or the prompt does not get larger by asking again.
  const isTooLong = apiStatus === 400 || apiStatus === 413 || tooLongReasons.includes(terminalReason);
  const broken = brokenReasons[terminalReason];
  if (isError && stopReason === "refusal") return { kind: "failed", reason: `${cutReasons.refusal}: ${text}` };
  if (isError) return { kind: "failed", reason: broken ?? (text === "" ? subtype : text), ...(isTooLong ? { isSpent: true } : {}) };
  if (subtype !== "success") return { kind: "failed", reason: subtype };
  if (stopReason !== undefined && !wholeReasons.includes(stopReason) && broken === undefined)
    return { kind: "failed", reason: cutReasons[stopReason] ?? `the answer ended with ${stopReason}` };
  if (turns === 0) return { kind: "failed", reason: `no model was asked: ${text}`, isSpent: true };
  if (!doneReasons.includes(terminalReason)) return { kind: "failed", reason: broken ?? `claude ended with ${terminalReason}` };
  return decideAnswer(text, result.structured, task);
}

/** An answer that claude calls a success. `structured`: what it has checked by the schema itself. */
function decideAnswer(text: string, structured: unknown, { outputs }: Pick<Task, "outputs">): Outcome {
  if (text.trim() === "" && structured === undefined) return { kind: "failed", reason: "its answer is empty" };
  const json = structured ?? parseJson(unfenced(text));
  if (outputs !== undefined && json === undefined) return { kind: "missed", reason: "its answer is no JSON" };
  return { kind: "succeeded", output: { stdout: text.trim(), result: text, ...present({ json }) } };
}

/** Models put JSON into a block of code. */
const unfenced = (text: string): string => /^\s*```(?:json)?\n([\s\S]*)\n```\s*$/.exec(text)?.[1] ?? text;

/** As shells count them; claude ends with 143 itself after a SIGTERM. */
const signals: Readonly<Record<number, string>> = {
  ...{ 129: "SIGHUP", 130: "SIGINT", 131: "SIGQUIT", 134: "SIGABRT", 135: "SIGBUS" },
  ...{ 137: "SIGKILL", 139: "SIGSEGV", 141: "SIGPIPE", 143: "SIGTERM" },
};

function decideSilence({ cause, exitCode, errors }: Ending, { timeoutMs }: Pick<Task, "timeoutMs">): Outcome {
  if (cause === "timeout") return { kind: "failed", reason: `no answer within ${duration(timeoutMs ?? 0)}` };
  if (cause === "budget") return { kind: "failed", reason: "its budget is spent", isSpent: true, isOverBudget: true };
  if (cause !== "itself") return { kind: "cut", reason: cause === "stop" ? "it was stopped" : "it ended while no csm was there" };
  const signal = exitCode === undefined ? "a signal" : signals[exitCode];
  const how = signal === undefined ? `with code ${exitCode}` : `ended by ${signal}`;
  const said = errors.trim().split("\n").at(-1) ?? "";
  return { kind: "failed", reason: `claude ended without an answer, ${how}${said === "" ? "" : `: ${said}`}` };
}

/** After a first failure so long, and then longer each time. */
export const retryDelayMs = (attempt: number): number => Math.min(attempt, 3) * 1000;

/** What a conversation that was cut off is told. */
export const goOnPrompt = "You were interrupted before you had finished. Continue where you left off.";
export const afterLimitPrompt = "The usage limit has been reset. Continue where you left off.";

export const schemaPrompt = (outputs: object, reason: string): string =>
  `Your answer does not meet the required JSON schema (${reason}). Answer again, with nothing but JSON that meets this schema:\n${JSON.stringify(outputs)}`;

/** For a claude that does not check its answer itself. */
export const withSchema = (prompt: string, outputs: object): string =>
  `${prompt}\n\nAnswer with nothing but JSON that meets this schema:\n${JSON.stringify(outputs)}`;

/** What the verbs of `csm tasks` end with; a code means the same in each of them. */
export const taskExits = {
  succeeded: { code: exitCode.ok, about: "every task that should run has succeeded, or the file may be run" },
  failed: { code: exitCode.failure, about: "a task failed or was cancelled" },
  wrong: { code: exitCode.usage, about: "wrong usage, or something is wrong in the file; nothing was begun" },
  refused: { code: 3, about: "above max_tasks, budget_usd or budget_percent; nothing was begun" },
  limited: { code: 5, about: "a task waits for a usage limit to reset, and nothing goes on by itself" },
  stopped: { code: exitCode.interrupted, about: "stopped; csm tasks resume goes on" },
} as const;

/** For the help of a verb that can end so; of all of them without one. */
export const taskExitRows = (ways = Object.keys(taskExits) as (keyof typeof taskExits)[]): [code: string, about: string][] =>
  ways.map((way) => [`${taskExits[way].code}`, taskExits[way].about]);
