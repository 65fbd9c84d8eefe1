import { join } from "node:path";
import { isSessionId } from "./claude-session.ts";
import { usageError } from "./errors.ts";
import { parseRecord, shape } from "./json.ts";
import { smartDir } from "./paths.ts";
import { openStore, type Store } from "./store.ts";
import type { Sys } from "./sys.ts";

/**
 * What csm remembers of a conversation, in `~/.claude.shared/smart/<id>.json`, in the form of the older tool. Keys that it does
 * not know stay.
 */
export interface Sidecar {
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

/** In their order in the file, where `hop` follows and then what is not known. */
const kinds = {
  sessionId: "string",
  ts: "number",
  permissionMode: "string",
  effort: "string",
  model: "string",
  cwd: "string",
  profile: "string",
} as const;
const flags: [key: "permissionMode" | "effort" | "model", flag: string][] = [
  ["permissionMode", "--permission-mode"],
  ["effort", "--effort"],
  ["model", "--model"],
];

/** Empty for a file that is missing or broken: what was remembered is lost, the conversation is not. */
export function parseSidecar(text: string | undefined): Sidecar & Record<string, unknown> {
  const fields = parseRecord(text) ?? {};
  const { hop } = fields;
  const others = Object.entries(fields).filter(([key]) => key !== "hop" && !Object.hasOwn(kinds, key));
  return { ...shape(fields, kinds), ...(hop === undefined ? {} : { hop: parseHop(hop) }), ...Object.fromEntries(others) };
}

/** Older versions wrote it as a text. */
function parseHop(value: unknown): number {
  const number = typeof value === "string" && value.trim() !== "" ? Number(value) : value;
  return typeof number === "number" && Number.isInteger(number) && number >= 0 ? number : 0;
}

/** The flags that a conversation is resumed with, without those that are given anew. */
export const sidecarFlags = (sidecar: Sidecar, given: Pick<Sidecar, "permissionMode" | "effort" | "model"> = {}): string[][] =>
  flags.flatMap(([key, flag]) => (isSet(sidecar[key]) && given[key] === undefined ? [[flag, sidecar[key]]] : []));

const isSet = (value: string | undefined): value is string => value !== undefined && value !== "" && !value.startsWith("-");

export const readSidecar = (sys: Sys, sessionId: string): Sidecar & Record<string, unknown> => openSidecar(sys, sessionId).read();

/** Puts these over what is there, while nobody else does; the result is what then stands in the file. */
export const mergeSidecar = (sys: Sys, sessionId: string, changes: Sidecar): Promise<Sidecar> =>
  // Through the parser, so that the keys stand in their order.
  openSidecar(sys, sessionId).update((known) => parseSidecar(JSON.stringify({ ...known, ...changes })));

function openSidecar(sys: Sys, sessionId: string): Store<Sidecar & Record<string, unknown>> {
  if (!isSessionId(sessionId))
    throw usageError(`invalid session id ${JSON.stringify(sessionId)}`, "it must be a UUID; csm scan lists them");
  return openStore(sys, {
    path: join(smartDir(sys), `${sessionId.toLowerCase()}.json`),
    name: "session-sidecar",
    empty: {},
    decode: parseSidecar,
    encode: JSON.stringify,
  });
}

const keyNames: Readonly<Record<string, keyof Sidecar>> = {
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
export function parseSidecarPairs(pairs: readonly string[]): Sidecar {
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
