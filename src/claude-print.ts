import { parseLimitWording } from "./claude-reset.ts";
import { parseWindows, type Windows } from "./claude-usage.ts";
import { isRecord, parseRecord, present, shape } from "./json.ts";

/**
 * What `claude -p --output-format stream-json --verbose` says of itself (2.1.329). A result is an error by `is_error` alone: its
 * `subtype` stays `success` where the API refused, and the exit code is 0 after SIGINT.
 */
export interface Printed {
  /** The newest result; more come where background work of its own has woken claude again. */
  result?: PrintResult;
  /** The usage limit that ended it. */
  limit?: { window: string; resetsAt?: number };
  /** How much of each window is used, as the API told last. */
  windows: Windows;
  /** Of this process alone: `total_cost_usd` counts a resumed conversation's earlier ones too. */
  costUsd: number;
  tokens: number;
  /** What it does now, or did last; hostile text. */
  activity?: string;
}

interface PrintResult {
  isError: boolean;
  subtype: string;
  /** Absent of errors of claude's own. */
  text: string;
  stopReason?: string;
  terminalReason?: string;
  /** An HTTP status. */
  apiStatus?: number;
  /** No model was asked: a prompt that claude took for a command of its own. */
  turns?: number;
  structured?: unknown;
  /** Calls that nobody has allowed. */
  deniedTools: string[];
}

export const noPrint: Printed = { windows: {}, costUsd: 0, tokens: 0 };

/** Adds a line; lines of other kinds and torn ones change nothing. */
export function readPrinted(before: Printed, line: string, now: number): Printed {
  const entry = /"type":"(?:result|assistant|rate_limit_event|system)"/.test(line) ? parseRecord(line) : undefined;
  switch (entry?.type) {
    case "result":
      return readResult(before, entry, now);
    case "assistant":
      return readAssistant(before, entry);
    case "rate_limit_event":
      return readRateLimit(before, entry, now);
    case "system":
      return entry.subtype === "api_retry" ? { ...before, activity: retryText(entry) } : before;
    default:
      return before;
  }
}

const retryText = ({ error, attempt }: Record<string, unknown>): string =>
  `the API fails (${typeof error === "string" ? error : "unknown"}), try ${Number(attempt) + 1}`;

function readResult(before: Printed, entry: Record<string, unknown>, now: number): Printed {
  const told = shape(entry, {
    subtype: "string",
    text: ["result", "string"],
    stopReason: ["stop_reason", "string"],
    terminalReason: ["terminal_reason", "string"],
  });
  const errors = Array.isArray(entry.errors) ? entry.errors.filter((each) => typeof each === "string") : [];
  const denials = Array.isArray(entry.permission_denials) ? entry.permission_denials.filter(isRecord) : [];
  const text = told.text ?? errors.join("; ");
  const result: PrintResult = {
    ...present({ stopReason: told.stopReason, terminalReason: told.terminalReason }),
    isError: entry.is_error !== false,
    subtype: told.subtype ?? "",
    text,
    deniedTools: denials.map(({ tool_name: name }) => String(name)),
    ...(typeof entry.api_error_status === "number" ? { apiStatus: entry.api_error_status } : {}),
    ...(typeof entry.num_turns === "number" ? { turns: entry.num_turns } : {}),
    ...("structured_output" in entry ? { structured: entry.structured_output } : {}),
  };
  // Before the field there was none to tell a resumed conversation's own share: older versions count from zero.
  const used = Object.values(isRecord(entry.model_usage_since_last_result) ? entry.model_usage_since_last_result : modelsOf(entry)).filter(
    isRecord,
  );
  const limit = before.limit ?? (result.isError && result.apiStatus === 429 ? parseLimitWording(text, now) : undefined);
  const { limit: _, ...rest } = before;
  return {
    ...rest,
    ...present({ limit: result.isError ? limit : undefined }),
    result,
    costUsd: before.costUsd + sum(used, ["costUSD"]),
    tokens: before.tokens + sum(used, ["inputTokens", "outputTokens", "cacheReadInputTokens", "cacheCreationInputTokens"]),
  };
}

const modelsOf = (entry: Record<string, unknown>): Record<string, unknown> => (isRecord(entry.modelUsage) ? entry.modelUsage : {});

const sum = (rows: readonly Record<string, unknown>[], keys: readonly string[]): number =>
  rows.reduce((total, row) => total + keys.reduce((part, key) => part + (typeof row[key] === "number" ? row[key] : 0), 0), 0);

function readAssistant(before: Printed, entry: Record<string, unknown>): Printed {
  const message = isRecord(entry.message) ? entry.message : {};
  const info = isRecord(entry.api_error_params) ? entry.api_error_params.rate_limit_info : undefined;
  if (entry.api_error === "usage_limit_reached" && isRecord(info)) return { ...before, ...present({ limit: limitOf(info) }) };
  const blocks = Array.isArray(message.content) ? message.content.filter(isRecord) : [];
  return { ...before, ...present({ activity: activityOf(blocks) ?? before.activity }) };
}

const maxActivity = 120;

function activityOf(blocks: readonly Record<string, unknown>[]): string | undefined {
  const block = blocks.findLast(({ type }) => type === "tool_use" || type === "text");
  if (typeof block?.text === "string") return block.text.trim().slice(0, maxActivity);
  if (typeof block?.name !== "string") return undefined;
  const input = isRecord(block.input) ? Object.values(block.input).find((value) => typeof value === "string") : undefined;
  return `${block.name}${typeof input === "string" ? `: ${input}` : ""}`.slice(0, maxActivity);
}

function readRateLimit(before: Printed, entry: Record<string, unknown>, now: number): Printed {
  const info = isRecord(entry.rate_limit_info) ? entry.rate_limit_info : {};
  const shares = isRecord(info.unifiedWindows) ? info.unifiedWindows : {};
  // Shares of one here, and of a hundred everywhere else.
  const windows = parseWindows(
    Object.fromEntries(
      Object.entries(shares).flatMap(([name, value]) =>
        isRecord(value) && typeof value.utilization === "number" ? [[name, { ...value, utilization: value.utilization * 100 }]] : [],
      ),
    ),
    now,
  );
  return { ...before, windows: { ...before.windows, ...windows } };
}

function limitOf(info: Record<string, unknown>): Printed["limit"] {
  const { resetsAt } = shape({ resetsAt: Number(info.resetsAt) * 1000 }, { resetsAt: "time" });
  return { window: typeof info.rateLimitType === "string" ? info.rateLimitType : "unknown", ...present({ resetsAt }) };
}

/** One line for `--input-format stream-json`: the last block alone decides whether claude takes a prompt for a command (2.1.329). */
export const plainPromptLine = (prompt: string): string =>
  `${JSON.stringify({
    type: "user",
    message: {
      role: "user",
      content: [
        { type: "text", text: prompt },
        { type: "text", text: "\n" },
      ],
    },
  })}\n`;
