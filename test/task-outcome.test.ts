import { expect, test } from "bun:test";
import { noPrint, type Printed } from "../src/claude-print.ts";
import { decideOutcome, type Ending } from "../src/task-outcome.ts";

type Result = NonNullable<Printed["result"]>;
const itself: Ending = { cause: "itself", exitCode: 0, errors: "" };
const said = (fields: Partial<Result> = {}): Printed => ({
  ...noPrint,
  result: { isError: false, subtype: "success", text: "Hello", stopReason: "end_turn", turns: 1, deniedTools: [], ...fields },
});
const outputs = { type: "object" };

test.each<[rule: string, printed: Printed, ending: Partial<Ending>, task: object, outcome: object]>([
  ["claude says so", said(), {}, {}, { kind: "succeeded", output: { stdout: "Hello", result: "Hello" } }],
  ["an exit code says nothing", said(), { exitCode: 1 }, {}, { kind: "succeeded" }],
  ["nor does its absence", said(), { cause: "gone" }, {}, { kind: "succeeded" }],
  ["an answer in time counts, whatever ran on behind it", said(), { cause: "timeout" }, { timeoutMs: 1 }, { kind: "succeeded" }],
  ["an empty answer", said({ text: " \n" }), {}, {}, { kind: "failed", reason: "its answer is empty" }],
  [
    "a success that is an error",
    said({ isError: true, apiStatus: 500, text: "API Error: 500" }),
    {},
    {},
    { kind: "failed", reason: "API Error: 500" },
  ],
  [
    "a prompt that is too long is so again",
    said({ isError: true, apiStatus: 400, text: "too long" }),
    {},
    {},
    { kind: "failed", isSpent: true },
  ],
  ["an answer that was cut", said({ stopReason: "max_tokens" }), {}, {}, { kind: "failed" }],
  ["a refusal", said({ stopReason: "refusal" }), {}, {}, { kind: "failed", reason: "the model refused" }],
  ["a command of claude's own", said({ turns: 0, text: "no /help here" }), {}, {}, { kind: "failed", isSpent: true }],
  ["a limit", { ...said({ isError: true }), limit: { window: "five_hour" } }, {}, {}, { kind: "limited", window: "five_hour" }],
  ["a dead login", said({ isError: true, apiStatus: 401, text: "Failed to authenticate" }), {}, {}, { kind: "logged out" }],
  ["its own budget", said({ isError: true, subtype: "error_max_budget_usd", text: "x" }), {}, {}, { kind: "failed", isSpent: true }],
  ["stopped by us", said({ isError: true, subtype: "error_during_execution" }), { cause: "stop" }, {}, { kind: "cut" }],
  ["stopped, and done before it could", said(), { cause: "stop" }, {}, { kind: "succeeded" }],
  ["a stop is no way around a limit", { ...said({ isError: true }), limit: { window: "x" } }, { cause: "stop" }, {}, { kind: "limited" }],
  [
    "no word",
    noPrint,
    { exitCode: 1, errors: "a\nno such model" },
    {},
    { kind: "failed", reason: "claude ended without an answer, with code 1: no such model" },
  ],
  [
    "killed from elsewhere",
    noPrint,
    { exitCode: undefined as never },
    {},
    { kind: "failed", reason: "claude ended without an answer, ended by a signal" },
  ],
  [
    "asked to end from elsewhere",
    noPrint,
    { exitCode: 143 },
    {},
    { kind: "failed", reason: "claude ended without an answer, ended by SIGTERM" },
  ],
  [
    "a stream that ends in the middle",
    noPrint,
    { exitCode: 0 },
    {},
    { kind: "failed", reason: "claude ended without an answer, with code 0" },
  ],
  [
    "its greatest number of turns",
    said({
      isError: true,
      subtype: "error_max_turns",
      text: "Reached maximum number of turns (2)",
      stopReason: "tool_use",
      terminalReason: "max_turns",
    }),
    { cause: "timeout" },
    { timeoutMs: 1 },
    { kind: "failed", reason: "Reached maximum number of turns (2)" },
  ],
  [
    "a refusal that claude calls an error",
    said({ isError: true, stopReason: "refusal", terminalReason: "api_error", text: "API Error: safeguards" }),
    {},
    {},
    { kind: "failed", reason: "the model refused: API Error: safeguards" },
  ],
  ["an answer that was paused", said({ stopReason: "pause_turn" }), {}, {}, { kind: "failed", reason: expect.stringContaining("paused") }],
  ["an end that nobody knows yet", said({ stopReason: "new" }), {}, {}, { kind: "failed", reason: "the answer ended with new" }],
  [
    "a hook in the middle of the work",
    said({ stopReason: "tool_use", terminalReason: "hook_stopped", text: "Let me look." }),
    {},
    {},
    { kind: "failed", reason: "a hook has stopped it" },
  ],
  ["a hook at the end of it", said({ terminalReason: "stop_hook_prevented" }), {}, {}, { kind: "succeeded" }],
  [
    "a turn that never was",
    said({ terminalReason: "turn_setup_failed" }),
    {},
    {},
    { kind: "failed", reason: "claude ended with turn_setup_failed" },
  ],
  [
    "a hook that refuses the prompt",
    said({ turns: 0, stopReason: undefined as never, text: "UserPromptSubmit operation blocked by hook: no" }),
    {},
    {},
    { kind: "failed", reason: "no model was asked: UserPromptSubmit operation blocked by hook: no", isSpent: true },
  ],
  [
    "interrupted by somebody else",
    said({ isError: true, subtype: "error_during_execution", terminalReason: "aborted_streaming", text: "[ede_diagnostic] x" }),
    {},
    {},
    { kind: "failed", reason: "it was interrupted before it had answered" },
  ],
  [
    "interrupted by us, as its time was over",
    said({ isError: true, subtype: "error_during_execution", terminalReason: "aborted_streaming", text: "[ede_diagnostic] x" }),
    { cause: "timeout" },
    { timeoutMs: 60_000 },
    { kind: "failed", reason: "no answer within 1m" },
  ],
  [
    "interrupted by us, as its budget was spent",
    said({ isError: true, subtype: "error_during_execution", terminalReason: "aborted_tools" }),
    { cause: "budget" },
    {},
    { kind: "failed", isSpent: true, isOverBudget: true },
  ],
  ["a request that is too large", said({ isError: true, apiStatus: 413, text: "too large" }), {}, {}, { kind: "failed", isSpent: true }],
  ["no csm was there", noPrint, { cause: "gone" }, {}, { kind: "cut" }],
  ["no answer in time", noPrint, { cause: "timeout" }, { timeoutMs: 60_000 }, { kind: "failed", reason: "no answer within 1m" }],
  ["checked by claude", said({ structured: { n: 1 } }), {}, { outputs }, { kind: "succeeded", output: { json: { n: 1 } } }],
  ["JSON in a block of code", said({ text: '```json\n{"n":1}\n```' }), {}, { outputs }, { kind: "succeeded", output: { json: { n: 1 } } }],
  ["no JSON", said(), {}, { outputs }, { kind: "missed", reason: "its answer is no JSON" }],
  [
    "claude gave up on the schema",
    said({ isError: true, subtype: "error_max_structured_output_retries" }),
    {},
    { outputs },
    { kind: "missed" },
  ],
])("%s", (_, printed, ending, task, outcome) => {
  expect(decideOutcome(printed, { ...itself, ...ending }, task)).toMatchObject(outcome);
});
