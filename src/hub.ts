import { timingSafeEqual } from "node:crypto";
import type { Windows } from "./claude-usage.ts";
import { UserError, usageError } from "./errors.ts";
import { present } from "./json.ts";
import { printableLine } from "./printable.ts";
import type { Sys } from "./sys.ts";
import { readUsage, type UsageReport, windowNow } from "./usage.ts";
import { type BlobProfile, encodeBlob } from "./usage-blob.ts";

interface HubOptions {
  host: string;
  port: number;
  token?: string;
  tls?: { cert: string; key: string };
  /** Called once for each request, with words of one line; `error` where an answer could not be made. */
  onAnswer?(line: string, status: number, error?: Error): void;
}

/** This machine's ledger in the form that hubs speak. It asks no other hub: two that ask each other would go round for ever. */
export async function createHubBlob(sys: Sys): Promise<string> {
  return `${encodeReport(await readUsage(sys, { fetches: false, looks: true }))}\n`;
}

function encodeReport(report: UsageReport): string {
  const known = report.profiles.filter(({ windows }) => windows.size > 0);
  const times = known.flatMap(({ readAt }) => readAt ?? []);
  const errors = report.profiles.flatMap(({ name, error }): [string, string][] => (error === undefined ? [] : [[name, error]]));
  return encodeBlob({
    ...(times.length === 0 ? {} : { capturedAt: Math.max(...times) }),
    profiles: new Map(known.map((profile) => [profile.name, blobProfile(profile, report.now)])),
    errors: new Map(errors),
  });
}

function blobProfile(profile: UsageReport["profiles"][number], now: number): BlobProfile {
  const windows: Windows = {};
  for (const name of profile.windows.keys()) {
    const window = windowNow(profile, name, now);
    if (window !== undefined) windows[name] = { usedPercent: window.usedPercent, ...present({ resetsAt: window.resetsAt }) };
  }
  return { windows, ...present({ capturedAt: profile.readAt }) };
}

const loopback = ["127.0.0.1", "localhost", "::1"];

/** Listens until `stop` is called; the address says where. */
export function serveHub(sys: Sys, options: HubOptions): { url: string; stop(): Promise<void> } {
  const { host, port, token, tls } = options;
  if (!loopback.includes(host) && token === undefined)
    throw usageError(`csm hub serve: --host ${host} lets others in`, "give a token that they must know: CSM_HUB_TOKEN or --token");
  try {
    const server = Bun.serve({
      hostname: host,
      port,
      maxRequestBodySize: 1024,
      idleTimeout: 10,
      // Bun's own page of an error shows sources and paths.
      development: false,
      fetch: (request, from) => answerAndTell(sys, options, request, from.requestIP(request)?.address ?? "?"),
      error: () => textAnswer("failed", 500),
      ...present({ tls }),
    });
    return { url: server.url.href, stop: () => server.stop(true) };
  } catch (error) {
    throw new UserError(`csm hub serve: cannot listen on ${host}:${port}: ${(error as Error).message}`, "choose another --port", 1, {
      cause: error,
    });
  }
}

async function answerAndTell(sys: Sys, { token, onAnswer }: HubOptions, request: Request, from: string): Promise<Response> {
  // Of two names one could be what we look at, and the other what a server before us did.
  const isReadable = URL.canParse(request.url) && request.headers.get("host")?.includes(",") !== true;
  const path = isReadable ? printableLine(new URL(request.url).pathname).slice(0, 80) : "?";
  const line = `${request.method} ${path} from ${from}`;
  try {
    const answer = isReadable ? await answerHub(sys, token, request) : textAnswer("not a request", 400);
    onAnswer?.(line, answer.status);
    return answer;
  } catch (error) {
    onAnswer?.(line, 500, error as Error);
    return textAnswer("failed", 500);
  }
}

async function answerHub(sys: Sys, token: string | undefined, request: Request): Promise<Response> {
  if (token === undefined ? !isLocalName(request) : !isAllowed(request, token))
    return textAnswer("not allowed", token === undefined ? 403 : 401);
  if (request.method !== "GET" && request.method !== "HEAD") return textAnswer("only GET", 405);
  if (new URL(request.url).pathname === "/health") return textAnswer("ok", 200);
  const headers = { "content-type": "application/json", "cache-control": "no-store" };
  return new Response(await createHubBlob(sys), { headers });
}

const textAnswer = (text: string, status: number): Response => new Response(`${text}\n`, { status });

/** A page in a browser could otherwise read this under a name of its own that leads here. */
function isLocalName(request: Request): boolean {
  return [...loopback, "[::1]"].includes(new URL(request.url).hostname);
}

function isAllowed(request: Request, token: string): boolean {
  const given = Buffer.from(request.headers.get("authorization") ?? "");
  const wanted = Buffer.from(`Bearer ${token}`);
  return given.length === wanted.length && timingSafeEqual(given, wanted);
}
