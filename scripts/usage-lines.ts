/** Transcript lines as Claude Code 2.1.329 writes them, for tests and the bench. */
export interface GivenUsage {
  id?: string;
  request?: string | null;
  model?: string;
  requestedModel?: string;
  at?: string;
  input?: number;
  output?: number;
  write?: number;
  write1h?: number;
  cacheRead?: number;
  searches?: number;
  speed?: string;
  geo?: string;
  isSidechain?: boolean;
  content?: unknown[];
  cwd?: string;
  sessionId?: string;
}

export function usageLine(given: GivenUsage = {}): string {
  const { write = 0, write1h = 0, id = "msg_1", request = `req_${id}`, at = "2026-11-01T10:00:00.000Z" } = given;
  const model = given.model ?? "claude-opus-4-8";
  const usage = {
    input_tokens: given.input ?? 0,
    cache_creation_input_tokens: write,
    cache_read_input_tokens: given.cacheRead ?? 0,
    output_tokens: given.output ?? 0,
    output_tokens_details: { thinking_tokens: 0 },
    server_tool_use: { web_search_requests: given.searches ?? 0, web_fetch_requests: 0 },
    service_tier: "standard",
    cache_creation: { ephemeral_1h_input_tokens: write1h, ephemeral_5m_input_tokens: write - write1h },
    inference_geo: given.geo ?? "",
    iterations: [],
    speed: given.speed ?? "standard",
  };
  const content = given.content ?? [{ type: "text", text: 'It says "usage":{ and "type":"assistant".' }];
  return `${JSON.stringify({
    parentUuid: null,
    isSidechain: given.isSidechain ?? false,
    message: { id, type: "message", role: "assistant", model, content, stop_reason: null, stop_sequence: null, usage, stop_details: null },
    apiBlockIndex: 0,
    ...(request === null ? {} : { requestId: request }),
    requestedModel: given.requestedModel ?? model,
    type: "assistant",
    uuid: `uuid-${id}`,
    timestamp: at,
    cwd: given.cwd ?? "/home/dev/app",
    sessionId: given.sessionId ?? "s1",
    version: "2.1.329",
  })}\n`;
}

export const promptLine = (text = "go"): string =>
  `${JSON.stringify({ parentUuid: null, isSidechain: false, type: "user", message: { role: "user", content: text }, uuid: "u1", timestamp: "2026-11-01T09:59:00.000Z", sessionId: "s1" })}\n`;

export const toolResultLine = (text = "done"): string =>
  `${JSON.stringify({ type: "user", message: { role: "user", content: [{ type: "tool_result", tool_use_id: "t1", content: text }] }, toolUseResult: { usage: { input_tokens: 999, output_tokens: 999 } }, timestamp: "2026-11-01T09:59:30.000Z" })}\n`;

/** A call of a tool, as the last block of an answer. */
export const callLine = (given: GivenUsage, id: string, name: string, input: Record<string, unknown>): string =>
  usageLine({ ...given, content: [{ type: "tool_use", id, name, input }] });

const refusal =
  "The user doesn't want to proceed with this tool use. The tool use was rejected (eg. if it was a file edit, the new_string was NOT written to the file). STOP what you are doing and wait for the user to tell you how to proceed.";

/** What came of it: somebody was asked and said yes or no, or nobody was. */
export function callResultLine(id: string, text: string, decision: "ask" | "config" | "reject"): string {
  const isRefused = decision === "reject";
  const block = isRefused
    ? { type: "tool_result", content: refusal, is_error: true, tool_use_id: id }
    : { tool_use_id: id, type: "tool_result", content: text, is_error: false };
  return `${JSON.stringify({
    parentUuid: `uuid-${id}`,
    isSidechain: false,
    type: "user",
    message: { role: "user", content: [block] },
    uuid: `uuid-result-${id}`,
    timestamp: "2026-11-01T10:00:01.000Z",
    ...(isRefused
      ? { toolUseResult: "User rejected tool use", toolDenialKind: "user-rejected", toolDenialBeforeRun: true }
      : {
          toolUseResult: { stdout: text, stderr: "", interrupted: false, isImage: false },
          permissionDecision:
            decision === "ask"
              ? { decision: "accept", source: "user_temporary", grantScope: "once", reasonCode: "unknown" }
              : { decision: "accept", source: "config", reasonType: "mode" },
        }),
    userType: "external",
    cwd: "/home/dev/app",
    sessionId: "s1",
    version: "2.1.329",
  })}\n`;
}
