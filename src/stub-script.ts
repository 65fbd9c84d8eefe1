import { isRecord } from "./json.ts";

/**
 * Scripts for the loopback model: what it answers to each request of a session, as plain values. A test scenario is a list
 * of these.
 */

interface Usage {
  input_tokens: number;
  output_tokens: number;
  cache_read_input_tokens: number;
  cache_creation_input_tokens: number;
}

export type Block =
  | { type: "text"; text: string }
  | { type: "thinking"; thinking: string; signature: string }
  | { type: "tool_use"; id: string; name: string; input: unknown };

export interface MessageStep {
  kind: "message";
  blocks: Block[];
  stopReason?: string;
  model?: string;
  usage?: Partial<Usage>;
  headers?: Record<string, string>;
  /** Milliseconds between streamed pieces of text. */
  pauseMs?: number;
  /** Stop after the first piece of text until `release` is called. */
  isHeld?: boolean;
}

interface ErrorStep {
  kind: "error";
  status: number;
  errorType: string;
  message: string;
  headers?: Record<string, string>;
  /** Answer this many requests with the error before the next step (claude retries some classes). */
  times?: number;
}

/** The connection ends in the middle of the stream. */
interface DropStep {
  kind: "drop";
}

export type Reply = MessageStep | ErrorStep | DropStep;
/** A step may look at the request first, as the plan step does to find the file that claude named. */
export type Step = Reply | ((request: ModelRequest) => Reply);

export interface ModelRequest {
  at: number;
  sessionId: string;
  path: string;
  isMainThread: boolean;
  headers: Record<string, string>;
  body: Record<string, unknown>;
}

export const say = (text: string, options: Partial<MessageStep> = {}): MessageStep => ({
  kind: "message",
  blocks: [{ type: "text", text }],
  ...options,
});

export const hold = (text: string): MessageStep => say(text, { isHeld: true });

export type ToolCall = [name: string, input: unknown];

/** One assistant message with one or several tool calls, after an optional sentence. */
export const useTools = (calls: ToolCall[], text = "", options: Partial<MessageStep> = {}): MessageStep => ({
  kind: "message",
  blocks: [
    ...(text === "" ? [] : [{ type: "text" as const, text }]),
    ...calls.map(([name, input]) => ({ type: "tool_use" as const, id: "", name, input })),
  ],
  ...options,
});

export const useTool = (name: string, input: unknown, text = ""): MessageStep => useTools([[name, input]], text);
export const bash = (command: string, description = "Run a command"): MessageStep => useTool("Bash", { command, description });

export interface Question {
  question: string;
  header: string;
  multiSelect?: boolean;
  options: { label: string; description: string }[];
}

export const ask = (...questions: Question[]): MessageStep =>
  useTool("AskUserQuestion", { questions: questions.map((question) => ({ multiSelect: false, ...question })) });

/** Two steps: write the plan file that claude named in its plan-mode reminder, then ask to leave plan mode. */
export const plan = (markdown: string): Step[] => [
  (request) => {
    const filePath = planFilePath(request.body);
    if (filePath === undefined) return say("The request names no plan file: is the session in plan mode?");
    return useTool("Write", { file_path: filePath, content: markdown });
  },
  useTool("ExitPlanMode", {}, "The plan is ready."),
];

export const fail = (status: number, message = `stub error ${status}`, times = 1): ErrorStep => ({
  kind: "error",
  status,
  errorType: errorTypes[status] ?? "api_error",
  message,
  times,
});

export const drop = (): DropStep => ({ kind: "drop" });

const errorTypes: Record<number, string> = {
  400: "invalid_request_error",
  401: "authentication_error",
  429: "rate_limit_error",
  500: "api_error",
  529: "overloaded_error",
};

type LimitWindow = "five_hour" | "seven_day";

/** A subscription limit as the API reports it: 429 with the unified headers. Only seen as a limit in OAuth mode. */
export const limit = (window: LimitWindow, resetsAt: number): ErrorStep => ({
  kind: "error",
  status: 429,
  errorType: "rate_limit_error",
  message: "This request would exceed your account's rate limit. Please try again later.",
  headers: limitHeaders("rejected", window, resetsAt, 100),
});

/** Headers that accompany a reply; `usedPercent` is 0–100, `resetsAt` epoch ms. */
export function limitHeaders(
  status: "allowed" | "allowed_warning" | "rejected",
  window: LimitWindow,
  resetsAt: number,
  usedPercent: number,
): Record<string, string> {
  const seconds = String(Math.round(resetsAt / 1000));
  const short = window === "five_hour" ? "5h" : "7d";
  return {
    "anthropic-ratelimit-unified-status": status,
    "anthropic-ratelimit-unified-reset": seconds,
    "anthropic-ratelimit-unified-representative-claim": window,
    [`anthropic-ratelimit-unified-${short}-status`]: status,
    [`anthropic-ratelimit-unified-${short}-reset`]: seconds,
    [`anthropic-ratelimit-unified-${short}-utilization`]: String(usedPercent / 100),
  };
}

/** The last `…/plans/<name>.md` that the request mentions. */
function planFilePath(body: Record<string, unknown>): string | undefined {
  const text = requestTexts(body).join("\n");
  return [...text.matchAll(/(\/[^\n`"]*?\/plans\/[\w.-]+\.md)/g)].at(-1)?.[1];
}

function requestTexts(body: Record<string, unknown>): string[] {
  const texts: string[] = [];
  const collect = (content: unknown) => {
    if (typeof content === "string") texts.push(content);
    else if (Array.isArray(content)) for (const block of content) if (isRecord(block)) collect(block.text ?? block.content);
  };
  collect(body.system);
  if (Array.isArray(body.messages)) for (const message of body.messages) if (isRecord(message)) collect(message.content);
  return texts;
}
