/**
 * A loopback Messages API that plays a script per Claude Code session. Loaded only by `csm demo`, `csd doctor`, the
 * sandbox and the tests. It listens on 127.0.0.1 alone, needs no key and keeps every request for inspection.
 *
 * A script is a list of steps; each request of a session's main thread consumes one. Side requests (titles, quota
 * probes, token counts) are answered plainly and consume nothing.
 */

import { isRecord } from "./json.ts";
import { type Block, type MessageStep, type ModelRequest, type Reply, type Step, say } from "./stub-script.ts";

interface StubOptions {
  /** What a session without a script, or with an exhausted one, is answered. */
  fallback?: Step;
  newId?: () => string;
  now?: () => number;
}

export interface ModelStub {
  url: string;
  requests: ModelRequest[];
  /** Replaces the session's remaining steps. */
  script(sessionId: string, steps: Step[]): void;
  /** Steps for sessions that have no script of their own, shared in order of arrival. */
  scriptAny(steps: Step[]): void;
  /** Lets the held message of the session run to its end, or the next one that would be held. */
  release(sessionId: string): void;
  /** The texts of the user's prompts as the model received them, oldest first. */
  prompts(sessionId: string): string[];
  stop(): Promise<void>;
}

export function createModelStub(options: StubOptions = {}): ModelStub {
  const fallback = options.fallback ?? say("Done.");
  const newId = options.newId ?? (() => crypto.randomUUID().replaceAll("-", "").slice(0, 24));
  const now = options.now ?? Date.now;
  const scripts = new Map<string, Step[]>();
  const shared: Step[] = [];
  const held = new Map<string, (() => void)[]>();
  const released = new Set<string>();
  const requests: ModelRequest[] = [];

  const nextReply = (request: ModelRequest): Reply => {
    const steps = scripts.get(request.sessionId) ?? shared;
    const step = steps[0] ?? fallback;
    const reply = typeof step === "function" ? step(request) : step;
    if (reply.kind === "error" && (reply.times ?? 1) > 1) steps[0] = { ...reply, times: (reply.times ?? 1) - 1 };
    else steps.shift();
    return reply;
  };

  const waitForRelease = (sessionId: string) =>
    new Promise<void>((resolve) => {
      if (released.delete(sessionId)) resolve();
      else held.set(sessionId, [...(held.get(sessionId) ?? []), resolve]);
    });

  const answer = async (incoming: Request): Promise<Response> => {
    const path = new URL(incoming.url).pathname;
    if (incoming.method !== "POST" || !path.startsWith("/v1/messages")) return Response.json({}, { status: 404 });
    const request = readRequest(path, incoming.headers, await incoming.json().catch(() => ({})), now());
    requests.push(request);
    if (path.endsWith("/count_tokens")) return Response.json({ input_tokens: 1000 });
    const reply = request.isMainThread ? nextReply(request) : say("ok");
    return send(reply, request, { newId, waitForRelease });
  };

  const server = Bun.serve({ hostname: "127.0.0.1", port: 0, idleTimeout: 0, fetch: answer });

  const release = (sessionId: string) => {
    const waiting = held.get(sessionId) ?? [];
    // The request may still be on its way: the next message that would be held is let through.
    if (waiting.length === 0) released.add(sessionId);
    for (const resolve of waiting) resolve();
    held.delete(sessionId);
  };

  return {
    url: `http://127.0.0.1:${server.port}`,
    requests,
    script: (sessionId, steps) => void scripts.set(sessionId, [...steps]),
    scriptAny: (steps) => void shared.push(...steps),
    release,
    prompts: (sessionId) => userPrompts(requests, sessionId),
    async stop() {
      for (const sessionId of [...held.keys()]) release(sessionId);
      await server.stop(true);
    },
  };
}

interface SendContext {
  newId: () => string;
  waitForRelease: (sessionId: string) => Promise<void>;
}

function send(reply: Reply, request: ModelRequest, context: SendContext): Response {
  if (reply.kind === "error") {
    const error = { type: "error", error: { type: reply.errorType, message: reply.message } };
    return Response.json(error, { status: reply.status, headers: { "request-id": `req_${context.newId()}`, ...reply.headers } });
  }
  const message = reply.kind === "drop" ? say("This answer is cut") : reply;
  const model = message.model ?? String(request.body.model ?? "claude-opus-5-5");
  const envelope = {
    id: `msg_${context.newId()}`,
    type: "message",
    role: "assistant",
    model,
    stop_sequence: null,
    usage: { input_tokens: 1200, output_tokens: 1, cache_read_input_tokens: 5000, cache_creation_input_tokens: 300, ...message.usage },
  };
  const blocks = message.blocks.map((block) =>
    block.type === "tool_use" && block.id === "" ? { ...block, id: `toolu_${context.newId()}` } : block,
  );
  const stopReason = message.stopReason ?? (blocks.some((block) => block.type === "tool_use") ? "tool_use" : "end_turn");
  const headers = { "request-id": `req_${context.newId()}`, ...message.headers };
  if (request.body.stream !== true) return Response.json({ ...envelope, content: blocks, stop_reason: stopReason }, { headers });

  const encoder = new TextEncoder();
  const stream = new ReadableStream<Uint8Array>({
    async start(controller) {
      const event = (type: string, data: object) =>
        controller.enqueue(encoder.encode(`event: ${type}\ndata: ${JSON.stringify({ type, ...data })}\n\n`));
      try {
        event("message_start", { message: { ...envelope, content: [], stop_reason: null } });
        if (reply.kind === "drop") {
          event("content_block_start", { index: 0, content_block: { type: "text", text: "" } });
          event("content_block_delta", { index: 0, delta: { type: "text_delta", text: "This answer is c" } });
          // The client has to have the beginning first.
          await Bun.sleep(50);
          controller.error(new Error("dropped on purpose"));
          return;
        }
        for (const [index, block] of blocks.entries()) await streamBlock(event, index, block, message, request, context);
        const outputTokens = message.usage?.output_tokens ?? 42;
        event("message_delta", { delta: { stop_reason: stopReason, stop_sequence: null }, usage: { output_tokens: outputTokens } });
        event("message_stop", {});
        controller.close();
      } catch {
        // The client went away (Esc, kill): enqueue throws on a closed stream, and there is nobody left to tell.
      }
    },
  });
  return new Response(stream, { headers: { "content-type": "text/event-stream", ...headers } });
}

async function streamBlock(
  event: (type: string, data: object) => void,
  index: number,
  block: Block,
  message: MessageStep,
  request: ModelRequest,
  context: SendContext,
): Promise<void> {
  if (block.type === "tool_use") {
    event("content_block_start", { index, content_block: { ...block, input: {} } });
    event("content_block_delta", { index, delta: { type: "input_json_delta", partial_json: JSON.stringify(block.input) } });
  } else if (block.type === "thinking") {
    event("content_block_start", { index, content_block: { type: "thinking", thinking: "", signature: "" } });
    event("content_block_delta", { index, delta: { type: "thinking_delta", thinking: block.thinking } });
    event("content_block_delta", { index, delta: { type: "signature_delta", signature: block.signature } });
  } else {
    event("content_block_start", { index, content_block: { type: "text", text: "" } });
    const pieces = message.pauseMs === undefined ? [block.text] : (block.text.match(/\S+\s*/g) ?? [block.text]);
    for (const [count, text] of pieces.entries()) {
      if (count > 0 && message.pauseMs !== undefined) await Bun.sleep(message.pauseMs);
      event("content_block_delta", { index, delta: { type: "text_delta", text } });
    }
    if (message.isHeld === true) await context.waitForRelease(request.sessionId);
  }
  event("content_block_stop", { index });
}

function readRequest(path: string, headers: Headers, body: unknown, at: number): ModelRequest {
  const record = isRecord(body) ? body : {};
  return {
    at,
    path,
    body: record,
    headers: Object.fromEntries(headers.entries()),
    sessionId: headers.get("x-claude-code-session-id") ?? metadataSessionId(record) ?? "",
    // Side requests (titles, quota probes) bring no tools; the main thread and sub-agents always do.
    isMainThread: Array.isArray(record.tools) && record.tools.length > 0,
  };
}

/** Claude Code puts a JSON object with its session id into `metadata.user_id`. */
function metadataSessionId(body: Record<string, unknown>): string | undefined {
  const metadata = body.metadata;
  if (!isRecord(metadata) || typeof metadata.user_id !== "string") return undefined;
  return /"session_id":"([0-9a-f-]{36})"/.exec(metadata.user_id)?.[1] ?? /session_([0-9a-f-]{36})/.exec(metadata.user_id)?.[1];
}

function userPrompts(requests: ModelRequest[], sessionId: string): string[] {
  const last = requests.findLast((request) => request.sessionId === sessionId && request.isMainThread);
  const messages = Array.isArray(last?.body.messages) ? last.body.messages : [];
  const prompts: string[] = [];
  for (const message of messages) {
    if (!isRecord(message) || message.role !== "user") continue;
    const blocks = Array.isArray(message.content) ? message.content : [{ type: "text", text: message.content }];
    for (const block of blocks)
      if (isRecord(block) && block.type === "text" && typeof block.text === "string" && !block.text.startsWith("<system-reminder>"))
        prompts.push(block.text);
  }
  return prompts;
}
