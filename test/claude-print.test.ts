import { expect, test } from "bun:test";
import { noPrint, type Printed, plainPromptLine, readPrinted } from "../src/claude-print.ts";

const now = Date.UTC(2026, 10, 28);
const read = (...lines: (object | string)[]) =>
  lines.reduce<Printed>((printed, line) => readPrinted(printed, typeof line === "string" ? line : JSON.stringify(line), now), noPrint);
const usage = (costUSD: number) => ({
  m: { inputTokens: 1200, outputTokens: 42, cacheReadInputTokens: 5000, cacheCreationInputTokens: 300, costUSD },
});
const result = (fields: object) => ({ type: "result", subtype: "success", is_error: false, result: "Hello", num_turns: 1, ...fields });

test("an answer, what it cost in this process alone, and what was not allowed", () => {
  const line = result({
    ...{ total_cost_usd: 0.9, modelUsage: usage(0.9), model_usage_since_last_result: usage(0.1), stop_reason: "end_turn" },
    permission_denials: [{ tool_name: "Bash" }],
  });
  expect(read(line)).toMatchObject({
    ...{ costUsd: 0.1, tokens: 6542 },
    result: { isError: false, text: "Hello", stopReason: "end_turn", deniedTools: ["Bash"], turns: 1 },
  });
  // Background work of its own wakes it again: each result adds its part.
  expect(read(line, { ...line, result: "More" })).toMatchObject({ costUsd: 0.2, result: { text: "More" } });
});

test("a limit by its fields, and by its words where there are none", () => {
  const info = { status: "rejected", resetsAt: now / 1000 + 60, rateLimitType: "seven_day" };
  const refused = result({ is_error: true, api_error_status: 429, result: "You've hit your 5-hour limit · resets 3am (UTC)" });
  const told = { type: "assistant", api_error: "usage_limit_reached", api_error_params: { rate_limit_info: info } };
  expect(read(told, refused).limit).toEqual({ window: "seven_day", resetsAt: now + 60_000 });
  expect(read(refused).limit).toEqual({ window: "five_hour", resetsAt: now + 3 * 3_600_000 });
  // It went on after all.
  expect(read(told, result({})).limit).toBeUndefined();
  expect(read(result({ is_error: true, api_error_status: 429, result: "Too many requests" })).limit).toBeUndefined();
});

test("shares of the windows are told as percents", () => {
  const windows = { five_hour: { utilization: 0.4, resetsAt: now / 1000 + 60 }, nonsense: { utilization: 1 } };
  const printed = read({ type: "rate_limit_event", rate_limit_info: { status: "allowed", unifiedWindows: windows } });
  expect(printed.windows).toEqual({ five_hour: { usedPercent: 40, resetsAt: now + 60_000 } });
});

test.each([
  ["a tool with its first word", [{ type: "tool_use", name: "Bash", input: { command: "npm test" } }], "Bash: npm test"],
  ["a text", [{ type: "text", text: " I look. " }], "I look."],
  ["nothing of a thought", [{ type: "thinking", thinking: "x" }], undefined],
])("what it does now: %s", (_, content, activity) => {
  expect(read({ type: "assistant", message: { content } }).activity).toBe(activity as never);
});

test.each(["", "no json", '{"type":"result"', "[1]", '{"type":"user","is_error":true}'])("%j changes nothing", (line) => {
  expect(read(line)).toBe(noPrint);
});

test("a prompt that is no command stands in front, byte for byte", () => {
  const prompt = "/compact $(id) `id`\n\"'\\ é";
  expect(JSON.parse(plainPromptLine(prompt)).message.content[0]).toEqual({ type: "text", text: prompt });
});
