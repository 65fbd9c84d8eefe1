import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import {
  asksQuestion,
  decideTurn,
  isWholeTurn,
  parseLines,
  parseQueued,
  parseTranscriptLine,
  type TranscriptEvent,
  type Turn,
} from "../src/claude-transcript.ts";

const linesOf = (folder: string) => readFileSync(join(import.meta.dir, "fixtures", folder, "transcript.jsonl"), "utf8").split("\n");

/** The lines before the first one that holds this text. */
function before(lines: string[], text: string): string[] {
  const at = lines.findIndex((line) => line.includes(text));
  if (at < 0) throw new Error(`no line holds ${text}`);
  return lines.slice(0, at);
}

/** Without what only identifies: uuids, models, times. */
const facts = ({ prompt, end, stopReason, text, pendingTools, error }: Turn) => ({
  prompt: prompt?.text,
  end,
  stopReason,
  text,
  pending: pendingTools.map((tool) => tool.name),
  error,
});

const ended = (prompt: string, text: string) => ({ prompt, end: "finished", stopReason: "end_turn", text, pending: [], error: undefined });
const broken = (prompt: string, text: string, stopReason?: string) => ({
  prompt,
  end: "interrupted",
  stopReason,
  text,
  pending: [],
  error: undefined,
});
const open = (prompt: string, text: string, ...pending: string[]) => ({
  prompt,
  end: undefined,
  stopReason: "tool_use",
  text,
  pending,
  error: undefined,
});
const failed = (prompt: string, error: { class: string; message: string; limit?: { window: string; resetsAt?: number } }) => ({
  prompt,
  end: "failed",
  stopReason: undefined,
  text: error.message,
  pending: [],
  error,
});

const v329 = (folder: string) => linesOf(`claude-2.1.329/${folder}`);
const result = '"tool_use_id"';
const overloaded =
  "API Error: Repeated 529 Overloaded errors. The API is at capacity — this is usually temporary. Try again in a moment. If it persists, check your inference gateway (127.0.0.1:8898).";
const notification = (folder: string) => decideTurn(parseLines(v329(folder))).prompt?.text ?? "";

describe("turns of real transcripts", () => {
  test.each<[rule: string, lines: string[], turn: Record<string, unknown>]>([
    ["finished", v329("gate-bash"), ended("Create the marker file please", "Done.")],
    [
      "a gate is up: its call is open",
      before(v329("gate-bash"), result),
      open("Create the marker file please", "I will create the marker file.", "Bash"),
    ],
    ["two calls, two gates", before(v329("gate-parallel"), result), open("Create both marker files", "Creating both.", "Bash", "Bash")],
    ["refused with Esc", v329("ans-esc"), broken("Touch the gate file", "Working.", "tool_use")],
    ["refused with No", v329("ans-4"), broken("Touch the gate file", "Working.", "tool_use")],
    ["refused with words: the turn went on", v329("ans-no-amend"), ended("Touch the gate file", "Done.")],
    ["denied by a hook: the turn went on", v329("hook-deny"), ended("Touch file for hook deny", "Done.")],
    [
      "interrupted while it wrote",
      v329("interrupt-stream"),
      broken("Write a long essay please", `${"Essay sentence goes on. ".repeat(21)}Essay sentence g`),
    ],
    [
      "a question is up",
      before(v329("ask-single"), result),
      open("Which directory should I use", "I need one detail first.", "AskUserQuestion"),
    ],
    ["answered", v329("ask-single"), ended("Which directory should I use", "OK, using that.")],
    ["declined with Esc", v329("ask-escape"), broken("Touch the gate file", "Working.", "tool_use")],
    ["a plan is up", v329("plan-keep-planning"), open("Plan a health check, I will comment", "The plan is ready.", "ExitPlanMode")],
    ["sent back with words", v329("plan-feedback"), ended("Plan it and let me comment", "I will revise the plan with logging.")],
    [
      "5-hour limit",
      v329("limit-5h"),
      failed("Check the five hour window", {
        class: "rate_limit",
        message: "You've hit your 5-hour limit · resets 11:54am (UTC)",
        limit: { window: "five_hour", resetsAt: 1_795_175_648_000 },
      }),
    ],
    [
      "weekly limit",
      v329("limit-weekly"),
      failed("Check the weekly window", {
        class: "rate_limit",
        message: "You've hit your weekly limit · resets Nov 23, 10:54am (UTC)",
        limit: { window: "seven_day", resetsAt: 1_795_431_255_000 },
      }),
    ],
    [
      "limit hit again by a prompt",
      v329("limit-then-prompt"),
      failed("Another prompt now", {
        class: "rate_limit",
        message: "You've hit your 5-hour limit · resets 12:33pm (UTC)",
        limit: { window: "five_hour", resetsAt: 1_795_177_986_000 },
      }),
    ],
    [
      "limit over, continued by itself",
      v329("limit-autocontinue"),
      ended(
        "Your claude.ai usage limit has reset. Continue the task you were working on when the limit was reached; do not repeat work that is already complete.",
        "Recovered and done.",
      ),
    ],
    ["overloaded", v329("api-529"), failed("Check status overloaded", { class: "server_error", message: overloaded })],
    ["a retry leaves nothing", v329("api-500"), ended("Check status five hundred", "Recovered and done.")],
    ["compaction belongs to no turn", v329("compact"), ended("Say hello 2", "Hello there.")],
    [
      "after /clear nothing",
      before(v329("clear"), "Say hello again"),
      { prompt: undefined, end: undefined, stopReason: undefined, text: "", pending: [], error: undefined },
    ],
    ["a prompt after /clear", v329("clear"), ended("Say hello again", "Hello there.")],
    [
      "a sub-agent runs, the main turn is over",
      before(v329("subagent"), "<task-notification>"),
      ended("Search the code base for TODO comments", "The agent found no TODO."),
    ],
    ["the turn that its end began", v329("subagent"), ended(notification("subagent"), "The agent found no TODO.")],
    [
      "a background task runs",
      before(v329("bg-task"), "<task-notification>"),
      ended("Start the dev server in the background", "The server runs in the background."),
    ],
    ["a queued prompt is no turn of its own", v329("queued-prompt"), ended("Do the first long task", "Second handled.")],
    ["2.1.158 wrote the prompt behind the answer", linesOf("claude-2.1.158/permission-bash"), open("BASH run", "I will run it.", "Bash")],
    ["2.1.86", linesOf("claude-2.1.86/permission-bash"), open("BASH run", "I will run it.", "Bash")],
  ])("%s", (_, lines, turn) => {
    expect(facts(decideTurn(parseLines(lines)))).toEqual(turn as ReturnType<typeof facts>);
  });

  test("a turn that a task began says so", () => {
    expect([notification("subagent"), notification("bg-task")].map((text) => text.split("\n")[0])).toEqual([
      "<task-notification>",
      "<task-notification>",
    ]);
  });
});

const at = (second: number) => new Date(time(second)).toISOString();
const time = (second: number) => Date.UTC(2026, 10, 20, 12) + Math.round(second * 1000);
type Fields = Record<string, unknown>;
const user = (second: number, content: unknown, more: Fields = {}) =>
  JSON.stringify({ type: "user", uuid: `u${second}`, timestamp: at(second), message: { role: "user", content }, ...more });
const assistant = (second: number, id: string, content: unknown, stop: string | null = "end_turn", more: Fields = {}) =>
  JSON.stringify({
    type: "assistant",
    timestamp: at(second),
    message: { id, role: "assistant", model: "opus", content, stop_reason: stop },
    ...more,
  });
const text = (value: unknown) => ({ type: "text", text: value });
const tool = (id: string, name: unknown, input: unknown = {}) => ({ type: "tool_use", id, name, input });
const answer = (id: string, isError = false) => ({
  type: "tool_result",
  tool_use_id: id,
  ...(isError ? { is_error: true } : {}),
  content: "x",
});
const refused = "The user doesn't want to proceed with this tool use. The tool use was rejected (eg. if it was a file edit, not written).";
const apiError = (second: number, error: Fields, more: Fields = {}) =>
  JSON.stringify({
    ...{ type: "system", subtype: "api_error", level: "error", error, retryInMs: 1207.2, retryAttempt: 2, maxRetries: 10 },
    ...{ timestamp: at(second), ...more },
  });
const queue = (second: number, operation: string) =>
  JSON.stringify({ type: "queue-operation", operation, timestamp: at(second), sessionId: "s", content: "Go on" });
const done = (second: number) => JSON.stringify({ type: "system", subtype: "turn_duration", timestamp: at(second) });
const failure = (second: number, message: string, more: Fields = {}) =>
  assistant(second, `e${second}`, [text(message)], "stop_sequence", { isApiErrorMessage: true, ...more });

const prompt = (second: number, value: string): TranscriptEvent => ({ kind: "prompt", at: time(second), uuid: `u${second}`, text: value });
const said = (second: number, messageId: string, value: string, stopReason = "end_turn"): TranscriptEvent => ({
  kind: "text",
  at: time(second),
  messageId,
  text: value,
  model: "opus",
  stopReason,
});

describe("events of one line", () => {
  const huge = "word ".repeat(250_000);

  test.each<[rule: string, line: string, events: TranscriptEvent[]]>([
    ["a prompt", user(1, "fix it"), [prompt(1, "fix it")]],
    ["a prompt in blocks", user(1, [text("fix it")]), [prompt(1, "fix it")]],
    ["one with blanks behind the colons", user(1, "fix it").replaceAll('":', '": '), [prompt(1, "fix it")]],
    ["an answer", assistant(1, "m", [text("Done.")]), [said(1, "m", "Done.")]],
    ["an answer as a bare text", assistant(1, "m", "Done."), [said(1, "m", "Done.")]],
    ["a line of 1 MB", assistant(1, "m", [text(huge)]), [said(1, "m", huge)]],
    [
      "a call",
      assistant(1, "m", [tool("t", "Bash", { command: "ls" })], "tool_use"),
      [
        {
          kind: "tool",
          at: time(1),
          messageId: "m",
          toolUse: { id: "t", name: "Bash", input: { command: "ls" } },
          model: "opus",
          stopReason: "tool_use",
        },
      ],
    ],
    [
      "while it is written it has no reason to stop",
      assistant(1, "m", [text("Do")], null),
      [{ kind: "text", at: time(1), messageId: "m", text: "Do", model: "opus" }],
    ],
    ["a result", user(1, [answer("t")]), [{ kind: "result", at: time(1), toolUseId: "t", isError: false }]],
    ["a rejected one", user(1, [answer("t", true)]), [{ kind: "result", at: time(1), toolUseId: "t", isError: true, text: "x" }]],
    [
      "a refusal with its reason, however long what claude says before it",
      user(1, [{ ...answer("t", true), content: `${refused} To tell you how to proceed, the user said:\nuse mv instead` }]),
      [{ kind: "result", at: time(1), toolUseId: "t", isError: true, isRefused: true, text: "use mv instead" }],
    ],
    [
      "one without",
      user(1, [{ ...answer("t", true), content: `${refused} STOP what you are doing and wait.` }]),
      [{ kind: "result", at: time(1), toolUseId: "t", isError: true, isRefused: true, text: "refused" }],
    ],
    [
      "one by a hook",
      user(1, [answer("t", true)], { permissionDecision: { decision: "reject", source: "hook" } }),
      [{ kind: "result", at: time(1), toolUseId: "t", isError: true, isRefused: true, text: "x" }],
    ],
    [
      "a request that is sent again, in words for people (2.1.158)",
      apiError(1, { status: 529, formatted: "529 Overloaded" }),
      [{ kind: "retry", at: time(1), attempt: 2, maxAttempts: 10, waitMs: 1207, error: "529 Overloaded" }],
    ],
    [
      "and as the API said it (2.0.70, 2.1.86)",
      apiError(1, { status: 529, error: { type: "error", error: { type: "overloaded_error", message: "Overloaded" } } }),
      [{ kind: "retry", at: time(1), attempt: 2, maxAttempts: 10, waitMs: 1207, error: "529 Overloaded" }],
    ],
    [
      "an error that says nothing",
      apiError(1, {}),
      [{ kind: "retry", at: time(1), attempt: 2, maxAttempts: 10, waitMs: 1207, error: "API error" }],
    ],
    ["nothing is said of when it is sent again", apiError(1, {}, { retryInMs: null }), []],
    ["a prompt comes into the queue", queue(1, "enqueue"), [{ kind: "queue", at: time(1), change: "came" }]],
    ["an interruption", user(1, [text("[Request interrupted by user]")]), [{ kind: "interrupt", at: time(1) }]],
    ["an interruption of a tool", user(1, [text("[Request interrupted by user for tool use]")]), [{ kind: "interrupt", at: time(1) }]],
    ["the end of a turn", done(1), [{ kind: "turn-end", at: time(1) }]],
    [
      "an API error of no known class",
      failure(1, "API Error: odd"),
      [{ kind: "error", at: time(1), error: { class: "unknown", message: "API Error: odd" } }],
    ],
    [
      "a limit without a time",
      failure(1, "limit", { error: "rate_limit", quotaLimits: { status: "rejected" } }),
      [{ kind: "error", at: time(1), error: { class: "rate_limit", message: "limit", limit: { window: "unknown" } } }],
    ],
    [
      "a warning of a limit is none",
      failure(1, "API Error", {
        error: "server_error",
        quotaLimits: { status: "allowed_warning", resetsAt: 5, rateLimitType: "five_hour" },
      }),
      [{ kind: "error", at: time(1), error: { class: "server_error", message: "API Error" } }],
    ],
    [
      "an automatic prompt is one, though it is meta",
      user(1, "Continue", { isMeta: true, origin: { kind: "auto-continuation" } }),
      [prompt(1, "Continue")],
    ],
    [
      "so is the end of a task",
      user(1, "<task-notification>", { isMeta: true, origin: { kind: "task-notification" } }),
      [prompt(1, "<task-notification>")],
    ],
    ["other meta lines are none", user(1, "Caveat", { isMeta: true }), []],
    ["a local command is none", user(1, "<command-name>/clear</command-name>"), []],
    ["nor is its output", user(1, "<local-command-stdout>ok</local-command-stdout>"), []],
    ["nor a shell line of the user", user(1, "<bash-input>ls</bash-input>"), []],
    ["nor a summary", user(1, "This session is being continued from a previous conversation that ran out."), []],
    ["nor a marked summary", user(1, "Summary", { isCompactSummary: true }), []],
    ["a side chain is none", assistant(1, "m", [text("Done.")], "end_turn", { isSidechain: true }), []],
    ["thinking says nothing", assistant(1, "m", [{ type: "thinking", thinking: "hm" }]), []],
    ["other system lines neither", JSON.stringify({ type: "system", subtype: "informational", content: "x" }), []],
    ["other types neither", JSON.stringify({ type: "attachment", attachment: { type: "user" } }), []],
    ["a type inside does not count", JSON.stringify({ type: "api-request", body: { type: "user", message: { content: "x" } } }), []],
    ["nothing", "", []],
    ["a torn line", user(1, "fix it").slice(0, -5), []],
    ["garbage", '\u0000{"type":"user"', []],
    ["a list", '[{"type":"user"}]', []],
    ["a text", '"\\"type\\":\\"user\\""', []],
    ["a message that is none", '{"type":"user","message":7}', []],
    ["content that is none", '{"type":"assistant","message":{"content":{"type":"text","text":"x"}}}', []],
    [
      "blocks of wrong types are passed over",
      assistant(1, "m", [null, 7, "x", [], text(7), tool("t", 7), { type: "image" }, text("Done.")]),
      [said(1, "m", "Done.")],
    ],
    [
      "a call without id and input",
      '{"type":"assistant","message":{"content":[{"type":"tool_use","name":"Bash","input":[1]}]}}',
      [{ kind: "tool", at: 0, messageId: "", toolUse: { id: "", name: "Bash", input: {} }, model: "" }],
    ],
    ["a time that is none is 0", user(1, "fix it", { timestamp: "yesterday" }), [{ ...prompt(1, "fix it"), at: 0 } as TranscriptEvent]],
  ])("%s", (_, line, events) => {
    expect(parseTranscriptLine(line)).toEqual(events);
  });
});

describe("the newest turn", () => {
  const first = [user(1, "one"), assistant(2, "m1", [text("First.")]), done(3)];

  test.each<[rule: string, lines: string[], turn: Turn]>([
    ["nothing yet", [], { pendingTools: [], text: "", at: 0 }],
    ["only noise", ["", "{}", '{"type":"mode"}'], { pendingTools: [], text: "", at: 0 }],
    ["a prompt", [user(1, "one")], { prompt: { text: "one", uuid: "u1", at: time(1) }, pendingTools: [], text: "", at: time(1) }],
    [
      "all text of the last message, none of those before it",
      [user(1, "one"), assistant(2, "m1", [text("Old.")]), assistant(3, "m2", [text("A")]), assistant(4, "m2", [text("B")]), done(5)],
      {
        prompt: { text: "one", uuid: "u1", at: time(1) },
        model: "opus",
        stopReason: "end_turn",
        pendingTools: [],
        text: "A\nB",
        end: "finished",
        at: time(5),
      },
    ],
    [
      "a new prompt forgets the answer before it",
      [...first, user(4, "two")],
      { prompt: { text: "two", uuid: "u4", at: time(4) }, model: "opus", pendingTools: [], text: "", at: time(4) },
    ],
    [
      "and the error before it",
      [user(1, "one"), failure(2, "API Error", { error: "server_error" }), user(4, "two")],
      { prompt: { text: "two", uuid: "u4", at: time(4) }, pendingTools: [], text: "", at: time(4) },
    ],
    [
      "and the interruption before it",
      [user(1, "one"), user(2, "[Request interrupted by user]"), user(4, "two")],
      { prompt: { text: "two", uuid: "u4", at: time(4) }, pendingTools: [], text: "", at: time(4) },
    ],
    [
      "of two calls the one without a result is open",
      [
        user(1, "one"),
        assistant(2, "m1", [tool("a", "Read")], "tool_use"),
        assistant(3, "m1", [tool("b", "Bash")], "tool_use"),
        user(4, [answer("a")]),
      ],
      {
        prompt: { text: "one", uuid: "u1", at: time(1) },
        model: "opus",
        stopReason: "tool_use",
        pendingTools: [{ id: "b", name: "Bash", input: {} }],
        text: "",
        at: time(4),
      },
    ],
    [
      "a line in the wrong place is put in order of time",
      [assistant(2, "m1", [tool("a", "Read")], "tool_use"), user(3, [answer("a")]), user(1, "one"), assistant(4, "m2", [text("Done.")])],
      {
        prompt: { text: "one", uuid: "u1", at: time(1) },
        model: "opus",
        stopReason: "end_turn",
        pendingTools: [],
        text: "Done.",
        at: time(4),
      },
    ],
    [
      "a refusal and the end of its turn may stand before their prompt (2.1.204)",
      [...first, failure(5.2, "API Error", { error: "server_error" }), done(5.3), user(5, "two")],
      {
        prompt: { text: "two", uuid: "u5", at: time(5) },
        model: "opus",
        pendingTools: [],
        text: "API Error",
        error: { message: "API Error", class: "server_error" },
        end: "failed",
        at: time(5.3),
      },
    ],
    [
      "those of the turn before stay there when the clock was set back a moment",
      [user(50, "one"), failure(50.1, "API Error", { error: "server_error" }), done(50.2), user(49.9, "two")],
      { prompt: { text: "two", uuid: "u49.9", at: time(49.9) }, pendingTools: [], text: "", at: time(49.9) },
    ],
    [
      "a turn that ended after the clock was set back has ended",
      [
        user(59, "one"),
        assistant(58, "m1", [tool("a", "Read")], "tool_use"),
        user(2, [answer("a")]),
        assistant(3, "m2", [text("Done.")]),
        done(4),
      ],
      {
        prompt: { text: "one", uuid: "u59", at: time(59) },
        model: "opus",
        stopReason: "end_turn",
        pendingTools: [],
        text: "Done.",
        end: "finished",
        at: time(4),
      },
    ],
    [
      "a prompt after the clock was set back is the newest one",
      [user(50, "one"), assistant(51, "m1", [text("Old.")]), done(52), user(4, "two")],
      { prompt: { text: "two", uuid: "u4", at: time(4) }, model: "opus", pendingTools: [], text: "", at: time(4) },
    ],
    [
      "also where nothing tells the end of the turn before",
      [user(50, "one"), assistant(51, "m1", [text("Old.")]), user(50.5, "two")],
      { prompt: { text: "two", uuid: "u50.5", at: time(50.5) }, model: "opus", pendingTools: [], text: "", at: time(50.5) },
    ],
    [
      "and where the prompt of that turn was not read",
      [assistant(40, "m0", [tool("a", "Read")], "tool_use"), assistant(51, "m1", [text("Old.")]), user(4, "two")],
      { prompt: { text: "two", uuid: "u4", at: time(4) }, model: "opus", pendingTools: [], text: "", at: time(4) },
    ],
    [
      "an interruption stays one when the line of the turn's end follows",
      [user(1, "one"), user(2, "[Request interrupted by user]"), done(3)],
      { prompt: { text: "one", uuid: "u1", at: time(1) }, pendingTools: [], text: "", end: "interrupted", at: time(3) },
    ],
    [
      "a torn last line waits",
      [...first, user(4, "two").slice(0, 40)],
      {
        prompt: { text: "one", uuid: "u1", at: time(1) },
        model: "opus",
        stopReason: "end_turn",
        pendingTools: [],
        text: "First.",
        end: "finished",
        at: time(3),
      },
    ],
    [
      "a side chain does not answer for the main one",
      [...first, assistant(4, "s", [text("Side.")], "end_turn", { isSidechain: true })],
      {
        prompt: { text: "one", uuid: "u1", at: time(1) },
        model: "opus",
        stopReason: "end_turn",
        pendingTools: [],
        text: "First.",
        end: "finished",
        at: time(3),
      },
    ],
    [
      "a prompt of several texts is all of them",
      [user(1, [text("fix it"), text("and this")])],
      { prompt: { text: "fix it\nand this", uuid: "u1", at: time(1) }, pendingTools: [], text: "", at: time(1) },
    ],
  ])("%s", (_, lines, turn) => {
    expect(decideTurn(parseLines(lines))).toEqual(turn);
  });
});

test.each<[rule: string, lines: string[], queued: number | undefined]>([
  ["none", [], undefined],
  ["one waits, also when the turn has ended", [queue(4, "enqueue"), done(5)], 1],
  ["two wait", [queue(4, "enqueue"), queue(4, "enqueue")], 2],
  ["its turn is to begin, and its line is late", [queue(4, "enqueue"), done(5), queue(5, "dequeue")], 1],
  ["its line is there, and no answer", [queue(4, "enqueue"), queue(5, "dequeue"), done(5), user(6, "Go on")], 1],
  ["its turn has begun", [queue(4, "enqueue"), queue(5, "dequeue"), user(6, "Go on"), assistant(7, "m2", [text("First.")])], undefined],
  ["taken into the running turn", [queue(4, "enqueue"), queue(5, "remove")], undefined],
  ["back to its writer", [queue(4, "enqueue"), queue(4, "enqueue"), queue(5, "popAll")], 1],
  ["came before what is read of the file", [queue(4, "remove"), queue(5, "enqueue")], 1],
])("prompts in the queue: %s", (_, lines, queued) => {
  const turn = decideTurn(parseLines([user(1, "one"), assistant(2, "m1", [text("First.")]), ...lines]));
  expect(turn.queued).toEqual(queued as number);
  expect([turn.text === "First." || turn.prompt?.text === "Go on", turn.at >= time(2)]).toEqual([true, true]);
});

test("a request that is sent again is told until something comes", () => {
  const lines = [user(1, "one"), apiError(2, { formatted: "529 Overloaded" })];
  const retry = { at: time(2), attempt: 2, maxAttempts: 10, waitMs: 1207, error: "529 Overloaded" };
  expect(decideTurn(parseLines(lines))).toEqual({
    ...{ prompt: { text: "one", uuid: "u1", at: time(1) }, pendingTools: [], text: "", at: time(2), retry },
  });
  expect(decideTurn(parseLines([...lines, assistant(3, "m", [text("At last.")])])).retry).toBeUndefined();
});

test.each<[rule: string, lines: string[], isWhole: boolean]>([
  ["no lines", [], false],
  ["one message may have begun earlier", [assistant(2, "m1", [text("B")]), done(3)], false],
  ["results and ends tell nothing", [user(1, [answer("a")]), done(3)], false],
  ["two messages: the newer one is whole", [assistant(2, "m1", [text("A")]), assistant(3, "m2", [text("B")])], true],
  ["a prompt", [user(1, "one"), assistant(2, "m1", [text("A")])], true],
  ["an error", [failure(1, "API Error")], true],
  [
    "a side chain does not count",
    [assistant(2, "m1", [text("A")], "end_turn", { isSidechain: true }), assistant(3, "m2", [text("B")])],
    false,
  ],
])("the tail holds the whole turn: %s", (_, lines, isWhole) => {
  expect(isWholeTurn(parseLines(lines))).toBe(isWhole);
});

const ticks = "```";

test.each<[text: string, asks: boolean]>([
  ["Shall I go on?", true],
  ["Which folder? (src or test)", true],
  ["Which one? Tell me and I start.", true],
  ["Is `a` right?", true],
  ["Done. `git log` works, or?", true],
  ["続けますか？", true],
  ["?", true],
  ["Done.", false],
  ["", false],
  ["Use `a ? b : c` here.", false],
  ["Press `?` for help.", false],
  ["Use `x` and `y?`", false],
  ["`？` is a sign.", false],
  ["``a ` b?`` is code.", false],
  ["It`s ok? yes", true],
  ["The ` key is fine.\n\nShall I go on?\n\nPress ` again.", true],
  ["See http://x/?q=1 .", false],
  ["<https://x/?a>", false],
  ["[docs](https://x.org/?a=b)", false],
  ["(see https://x/a?b) or not?", true],
  ["Have you read https://x.org/doc?", true],
  [`${ticks}ts\nconst a = b ? c : d;\n${ticks}\nDone.`, false],
  [`${ticks}\nwhat?\n${ticks}\nShall I?`, true],
  [`Shall I?\n${ticks}\ncode\n${ticks}`, true],
  [`Here:\n${ticks}\ncut off? yes`, false],
  ["~~~\nwhat?\n~~~\nDone.", false],
  [`~~~\n${ticks}\n~~~\nShall I?`, true],
  [`\`${ticks}\n${ticks}\nwhat?\n${ticks}\n\`${ticks}\nDone.`, false],
  [`1. Run\n   ${ticks}sh\n   ls a?\n   ${ticks}\n2. Done.`, false],
  [`a ${ticks}b? c${ticks} d`, false],
])("a question: %j %p", (text, asks) => {
  expect(asksQuestion(text)).toBe(asks);
});

const queued = '{"type":"queue-operation","operation":"enqueue","timestamp":"2026-11-20T15:51:45.825Z","sessionId":"s","content":"Go on"}';

test.each<[rule: string, line: string, text: string | undefined]>([
  ["a prompt that was queued", queued, "Go on"],
  ["not one that leaves the queue", queued.replace("enqueue", "dequeue"), undefined],
  ["not a torn line", queued.slice(0, -5), undefined],
  ["not a prompt that quotes one", JSON.stringify({ type: "user", message: { content: queued } }), undefined],
])("the queue: %s", (_, line, text) => {
  expect(parseQueued(line)).toBe(text);
});
