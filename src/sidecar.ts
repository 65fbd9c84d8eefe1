import { join } from "node:path";
import { isSessionId } from "./claude-session.ts";
import { usageError } from "./errors.ts";
import { smartDir } from "./paths.ts";
import { withLock } from "./store.ts";
import type { Sys } from "./sys.ts";

/**
 * What csm remembers of a conversation, in `~/.claude.shared/smart/<id>.json`, in the form of the older tool. Keys that it does
 * not know stay.
 */
export interface SessionSidecar {
  sessionId?: string;
  /** Unix seconds, with a fraction. */
  ts?: number;
  permissionMode?: string;
  effort?: string;
  model?: string;
  cwd?: string;
  profile?: string;
  /** How often it was taken to another account. */
  hop?: number;
}

/** The order in the file. */
const textKeys = ["permissionMode", "effort", "model", "cwd", "profile"] as const;
const flags: [key: "permissionMode" | "effort" | "model", flag: string][] = [
  ["permissionMode", "--permission-mode"],
  ["effort", "--effort"],
  ["model", "--model"],
];

/** Empty for a file that is missing or broken: what was remembered is lost, the conversation is not. */
export function parseSessionSidecar(text: string | undefined): SessionSidecar & Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text ?? "");
  } catch {
    // Torn by an older version's crash, or empty.
    return {};
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) return {};
  const { sessionId, ts, hop, ...rest } = value as Record<string, unknown>;
  const texts = textKeys.filter((key) => typeof rest[key] === "string");
  const others = Object.entries(rest).filter(([key]) => !textKeys.some((known) => known === key));
  return {
    ...(typeof sessionId === "string" ? { sessionId } : {}),
    ...(typeof ts === "number" ? { ts } : {}),
    ...Object.fromEntries(texts.map((key) => [key, rest[key]])),
    ...(hop === undefined ? {} : { hop: parseHop(hop) }),
    ...Object.fromEntries(others),
  };
}

/** Older versions wrote it as a text. */
function parseHop(value: unknown): number {
  const number = typeof value === "string" && value.trim() !== "" ? Number(value) : value;
  return typeof number === "number" && Number.isInteger(number) && number >= 0 ? number : 0;
}

/** The flags that a conversation is resumed with, without those that are given anew. */
export const sidecarFlags = (
  sidecar: SessionSidecar,
  given: Pick<SessionSidecar, "permissionMode" | "effort" | "model"> = {},
): string[][] => flags.flatMap(([key, flag]) => (isSet(sidecar[key]) && given[key] === undefined ? [[flag, sidecar[key]]] : []));

const isSet = (value: string | undefined): value is string => value !== undefined && value !== "" && !value.startsWith("-");

export function readSessionSidecar(sys: Sys, sessionId: string): SessionSidecar & Record<string, unknown> {
  return parseSessionSidecar(sys.readText(sidecarPath(sys, sessionId)));
}

/** Puts these over what is there, while nobody else does; the result is what then stands in the file. */
export const mergeSessionSidecar = (sys: Sys, sessionId: string, changes: SessionSidecar): Promise<SessionSidecar> => {
  const path = sidecarPath(sys, sessionId);
  return withLock(sys, "session-sidecar", () => {
    // Through the parser, so that the keys stand in their order.
    const merged = parseSessionSidecar(JSON.stringify({ ...parseSessionSidecar(sys.readText(path)), ...changes }));
    sys.writePrivate(path, JSON.stringify(merged));
    return merged;
  });
};

function sidecarPath(sys: Sys, sessionId: string): string {
  if (!isSessionId(sessionId))
    throw usageError(`invalid session id ${JSON.stringify(sessionId)}`, "it must be a UUID; csm scan lists them");
  return join(smartDir(sys), `${sessionId.toLowerCase()}.json`);
}

const keyNames: Readonly<Record<string, keyof SessionSidecar>> = {
  session_id: "sessionId",
  sessionId: "sessionId",
  permission_mode: "permissionMode",
  permissionMode: "permissionMode",
  effort: "effort",
  model: "model",
  cwd: "cwd",
  profile: "profile",
  hop: "hop",
};

/** `key=value` words of the command line. */
export function parseSidecarPairs(pairs: readonly string[]): SessionSidecar {
  const changes: Record<string, unknown> = {};
  for (const pair of pairs) {
    const at = pair.indexOf("=");
    const name = pair.slice(0, Math.max(at, 0));
    const key = Object.hasOwn(keyNames, name) ? keyNames[name] : undefined;
    if (at < 0) throw new TypeError(`${JSON.stringify(pair)} is no key=value`);
    if (key === undefined) throw new TypeError(`unknown key ${JSON.stringify(name)}`);
    const value = pair.slice(at + 1);
    if (key === "hop" && !/^\d+$/.test(value)) throw new TypeError(`hop must be a whole number, not ${JSON.stringify(value)}`);
    changes[key] = key === "hop" ? Number(value) : value;
  }
  return changes;
}

export const sidecarKeys: readonly string[] = ["session_id", "permission_mode", "effort", "model", "cwd", "profile", "hop"];
