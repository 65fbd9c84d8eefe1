import { noteRefusal } from "./audit.ts";
import { printOf } from "./channel.ts";
import { type GateReply, renderGateReply } from "./claude-hooks.ts";
import type { GateCall } from "./gates.ts";
import { hasShape, isRecord, parseRecord, present, shape } from "./json.ts";
import { type Inside, isInside, judgePeer, type Peer, readOrigin } from "./peer.ts";
import { askLine, type LineServer, serveLines, sweepSockets } from "./socket.ts";
import type { Sys } from "./sys.ts";

/** How an answer reaches the hook that holds a request, and a prompt claude's editor: by sockets, as files can be written by the model. */

/** Which request, and who asked what: the file that shows a gate may be written by others, so that the hook goes by its own. */
const requestPrint = (call: GateCall): string => `${call.request} ${printOf(call)}`;

/** The sessions that a socket serves. */
type Served = Inside & { name: string };

/** The hook's end of one request. */
interface Replies {
  socket: string;
  /** Resolves when a reply has come. */
  next(): Promise<void>;
  /** Takes the reply that has come: what claude is to be told, once the sender knows that it counts. */
  take(): Promise<string> | undefined;
  close(): void;
}

interface Pending {
  reply: GateReply;
  answer(isTaken: boolean, sent?: () => void): void;
}

/** Undefined where only keys can answer: no peer can be told, or claude is none of our own ancestors. */
export async function serveReply(sys: Sys, session: Served, call: GateCall): Promise<Replies | undefined> {
  if (!isInside(await readOrigin(sys, sys.pid), { claudePid: session.claudePid ?? 0 })) return undefined;
  let pending: Pending | undefined;
  let wake = () => {};
  const arrival = new Promise<void>((resolve) => {
    wake = resolve;
  });
  const server = await serveLines(sys, async (line, peer) => {
    const why = await judgePeer(sys, peer, session);
    if (why !== undefined) return refuse(sys, session, "reply", why, peer);
    const request = parseRequest(line);
    if (request === undefined || request.print !== requestPrint(call))
      return encode({ ok: false, why: "it holds another request than the one shown" });
    if (pending !== undefined) return encode({ ok: false, why: "another answer came first" });
    const outcome = new Promise<{ line: string; sent?(): void }>((resolve) => {
      pending = {
        reply: request.reply,
        answer: (isTaken, sent) => resolve({ ...encode({ ok: isTaken }), ...present({ sent }) }),
      };
    });
    wake();
    return outcome;
  });
  if (server === undefined) return undefined;
  void sweepSockets(sys).catch(() => undefined);
  return {
    socket: server.path,
    next: () => arrival,
    take() {
      const taken = pending;
      if (taken === undefined) return undefined;
      return new Promise((resolve) => taken.answer(true, () => resolve(renderGateReply(call.input, taken.reply))));
    },
    close: server.close,
  };
}

const encode = (fields: object) => ({ line: JSON.stringify(fields) });

async function refuse(sys: Sys, { name }: Served, verb: string, why: string, peer: Peer | undefined): Promise<{ line: string }> {
  await noteRefusal(sys, { session: name, verb, why, ...peer });
  return encode({ ok: false, why });
}

function parseRequest(line: string): { print: string; reply: GateReply } | undefined {
  const fields = parseRecord(line);
  if (!hasShape(fields, { print: "string", reply: "record" })) return undefined;
  const { print, reply } = fields;
  if (reply.reply === "allow") return { print, reply: { reply: "allow" } };
  if (reply.reply === "deny") return { print, reply: { reply: "deny", ...shape(reply, { message: "string" }) } };
  if (reply.reply !== "answers" || !isRecord(reply.answers)) return undefined;
  const answers = Object.entries(reply.answers).filter((entry): entry is [string, string] => typeof entry[1] === "string");
  return { print, reply: { reply: "answers", answers: Object.fromEntries(answers) } };
}

/** What the hook said: it took the reply, or why not; `gone` when it holds the request no more. */
export type Receipt = { is: "taken" } | { is: "gone" } | { is: "refused"; why: string };

const replyTimeoutMs = 5000;

export async function sendReply(sys: Sys, call: GateCall, reply: GateReply): Promise<Receipt> {
  const answer = await askLine(sys, call.socket ?? "", JSON.stringify({ print: requestPrint(call), reply }), replyTimeoutMs);
  if (answer === "silent") return { is: "refused", why: `it has not answered for ${replyTimeoutMs / 1000} s` };
  const fields = parseRecord(answer?.line);
  if (fields?.ok === true) return { is: "taken" };
  return typeof fields?.why === "string" ? { is: "refused", why: fields.why } : { is: "gone" };
}

/** csd's end of a prompt that claude's editor is to fetch. */
interface PromptOffer extends LineServer {
  isFetched(): boolean;
}

/** Only the session's own editor gets it. */
export async function servePrompt(sys: Sys, session: Served, prompt: string): Promise<PromptOffer | undefined> {
  let isFetched = false;
  const server = await serveLines(sys, async (_, peer) => {
    const isEditor = peer?.uid === sys.uid && isInside(await readOrigin(sys, peer.pid), session);
    if (!isEditor) return refuse(sys, session, "prompt", "it is not claude's editor", peer);
    isFetched = true;
    return encode({ prompt });
  });
  return server === undefined ? undefined : { ...server, isFetched: () => isFetched };
}

/** For the editor: the prompt that a csd outside of the session offers; undefined when there is none. */
export async function fetchPrompt(sys: Sys, session: Served, path: string): Promise<string | undefined> {
  const answer = await askLine(sys, path, "{}", replyTimeoutMs);
  if (answer === undefined || answer === "silent") return undefined;
  const why = await judgePeer(sys, answer.peer, session);
  if (why !== undefined) {
    await refuse(sys, session, "prompt", why, answer.peer);
    return undefined;
  }
  const prompt = parseRecord(answer.line)?.prompt;
  return typeof prompt === "string" ? prompt : undefined;
}
