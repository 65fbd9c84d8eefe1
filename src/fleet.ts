import { isAbsolute, resolve } from "node:path";
import { UserError } from "./errors.ts";
import { type FleetRole, fleetKeys, fleetRoles, isMachineName, parseFleetAddress } from "./fleet-access.ts";
import type { RedisLink, RedisTarget } from "./fleet-redis.ts";
import { type FleetSession, longestTexts, type MachineState, mostSessions, parseMachineState } from "./fleet-schema.ts";
import { hasShape, parseJson, parseRecord, present, shape } from "./json.ts";
import { fleetPath, fleetSeenPath } from "./paths.ts";
import { printableLine } from "./printable.ts";
import { buildVersion } from "./program.ts";
import { type LiveSession, subjectOf } from "./session.ts";
import { stateWords } from "./statuses.ts";
import { openStore } from "./store.ts";
import { isPast, type Sys } from "./sys.ts";
import { gateIdOf } from "./verbs.ts";

/** Where this machine's password is; it stands neither in the list of processes nor in the file of the membership. */
export type PasswordSource =
  | { from: "none" }
  | { from: "environment" }
  | { from: "file"; path: string }
  | { from: "command"; command: string[] };

/** That this machine belongs to a fleet, and how it gets there. */
export interface Membership {
  url: string;
  machine: string;
  role: FleetRole;
  password: PasswordSource;
  /** Of the authority that has signed the server's certificate, and this machine's own. Absolute. */
  caPath?: string;
  certPath?: string;
  keyPath?: string;
  /** Epoch ms. */
  joinedAt: number;
}

export const passwordVariable = "CSM_FLEET_PASSWORD";

/** Undefined where this machine has joined none. */
export const membershipStore = (sys: Sys) =>
  openStore<Membership | undefined>(sys, {
    path: fleetPath(sys),
    name: "fleet",
    empty: undefined,
    mustBeReadable: true,
    decode: decodeMembership,
  });

export function requireMembership(sys: Sys): Membership {
  const membership = membershipStore(sys).read();
  if (membership === undefined) throw new UserError("this machine has joined no fleet", "csm fleet join rediss://NAME@HOST:PORT");
  return membership;
}

function decodeMembership(text: string): Membership {
  const fields = parseRecord(text);
  if (!hasShape(fields, { url: "string", machine: "string", role: "string", joinedAt: "number" })) throw new Error("it is no membership");
  const { url, machine, role, joinedAt } = fields;
  if (!isMachineName(machine)) throw new Error(`${JSON.stringify(machine)} is no name of a machine`);
  const known = fleetRoles.find((each) => each === role);
  if (known === undefined) throw new Error(`${JSON.stringify(role)} is no role`);
  parseFleetAddress(url);
  const path = (value: unknown): string | undefined => (typeof value === "string" && isAbsolute(value) ? value : undefined);
  return {
    ...{ url, machine, role: known, joinedAt, password: decodePassword(fields.password) },
    ...present({ caPath: path(fields.caPath), certPath: path(fields.certPath), keyPath: path(fields.keyPath) }),
  };
}

function decodePassword(value: unknown): PasswordSource {
  const { from, path, command } = (value ?? {}) as Record<string, unknown>;
  if (from === "environment" || from === "none") return { from };
  if (from === "file" && typeof path === "string" && isAbsolute(path)) return { from, path };
  if (from === "command" && Array.isArray(command) && command.length > 0 && command.every((word) => typeof word === "string"))
    return { from, command };
  throw new Error("where its password is does not stand there");
}

/** Whom to speak to, with the secrets as they are now. */
export async function targetOf(sys: Sys, { url, password, caPath, certPath, keyPath }: Membership): Promise<RedisTarget> {
  const read = (path: string | undefined): string | undefined => {
    const text = path === undefined ? undefined : sys.readText(path);
    if (path !== undefined && text === undefined) throw new UserError(`csm fleet: cannot read ${path}`, "is it there, and yours?");
    return text;
  };
  return {
    ...parseFleetAddress(url),
    ...present({ password: await readPassword(sys, password), ca: read(caPath), cert: read(certPath), key: read(keyPath) }),
  };
}

const keyringTimeoutMs = 10_000;

async function readPassword(sys: Sys, source: PasswordSource): Promise<string | undefined> {
  if (source.from === "none") return undefined;
  if (source.from === "environment") {
    const password = sys.env[passwordVariable];
    if (password === undefined || password === "")
      throw new UserError(`csm fleet: ${passwordVariable} is not set`, "set it, or join again with --password-file or --password-command");
    return password;
  }
  if (source.from === "file") {
    const text = sys.readText(source.path);
    if (text === undefined) throw new UserError(`csm fleet: cannot read the password in ${source.path}`, "is it there, and yours?");
    return firstLine(text);
  }
  const [program = ""] = source.command;
  const answer = await sys.runBounded(source.command, { cwd: resolve("/"), timeoutMs: keyringTimeoutMs, maxBytes: 4096 });
  if ("failure" in answer) throw new UserError(`csm fleet: ${program} gives no password: ${printableLine(answer.failure)}`);
  return firstLine(answer.text);
}

const firstLine = (text: string): string => text.split(/\r?\n/)[0] ?? "";

/** What of sessions leaves this machine: without `titles` nothing that was typed or answered. */
type FleetShare = "states" | "titles";

export function toMachineState(
  sys: Pick<Sys, "now" | "platform">,
  { machine, role }: Pick<Membership, "machine" | "role">,
  sessions: readonly LiveSession[],
  share: FleetShare,
): MachineState {
  const now = sys.now();
  return {
    ...{ v: 1, machine, role, at: now, version: buildVersion, os: sys.platform },
    sessions: sessions.slice(0, mostSessions).map((session) => toFleetSession(session, now, share)),
  };
}

function toFleetSession(session: LiveSession, now: number, share: FleetShare): FleetSession {
  const { verdict, meter } = session;
  return withoutLong({
    name: session.name,
    session_id: session.sessionId ?? null,
    status: verdict.status,
    // Of what has failed the words may be the service's.
    words: verdict.status === "failed" ? "failed" : stateWords(verdict, now),
    source: verdict.source,
    since_at: Math.max(0, Math.round(session.since)),
    profile: session.profile ?? null,
    cwd: session.cwd,
    model: session.model ?? null,
    kind: session.kind,
    driver: session.driver ?? null,
    agents: session.agents.filter(({ isRunning }) => isRunning).length,
    context_percent: meter?.contextPercent ?? null,
    cost_usd: meter?.costUsd ?? null,
    tokens: meter?.tokens ?? null,
    ...present({ gate_id: gateIdOf(session), title: share === "titles" ? subjectOf(session) : undefined }),
  });
}

const withoutLong = (session: FleetSession): FleetSession =>
  Object.fromEntries(
    Object.entries(session).map(([key, value]) => [
      key,
      typeof value === "string" ? value.slice(0, longestTexts[key as keyof typeof longestTexts]) : value,
    ]),
  ) as FleetSession;

export interface Machine {
  name: string;
  /** It is heard of now. */
  isLive: boolean;
  /** Undefined where it has told nothing that can be read. */
  state?: MachineState;
}

/** So many keys a call: a server that is asked for all at once lets everybody else wait. */
const perCall = 200;

/** Every machine that ever told of itself, by name. */
export async function readNames(link: RedisLink): Promise<string[]> {
  const listed = await link.call("SMEMBERS", [fleetKeys.machines]);
  return (Array.isArray(listed) ? listed : []).filter((each): each is string => typeof each === "string" && isMachineName(each)).sort();
}

/** What stands under a key of each machine, in the order of the names. */
export async function readValues(
  link: RedisLink,
  names: readonly string[],
  keyOf: (name: string) => string,
): Promise<(string | undefined)[]> {
  const chunks = Array.from({ length: Math.ceil(names.length / perCall) }, (_, at) => names.slice(at * perCall, (at + 1) * perCall));
  const answers = await Promise.all(chunks.map((chunk) => link.call("MGET", chunk.map(keyOf))));
  return answers.flatMap((answer, chunk) => (chunks[chunk] ?? []).map((_, at) => valueAt(answer, at)));
}

function valueAt(answer: unknown, at: number): string | undefined {
  const value = Array.isArray(answer) ? answer[at] : undefined;
  return typeof value === "string" ? value : undefined;
}

/** By the server's clock, which is the same for all. */
export async function readTime(link: RedisLink): Promise<number> {
  const [seconds, micros] = ((await link.call("TIME", [])) ?? []) as string[];
  return Number(seconds) * 1000 + Math.floor(Number(micros) / 1000);
}

/** What one machine wrote of another is not taken. */
export const ownOf = <T extends { machine: string }>(told: T | undefined, name: string): T | undefined =>
  told?.machine === name ? told : undefined;

export async function readMachines(link: RedisLink): Promise<Machine[]> {
  const names = await readNames(link);
  const [states, lives] = await Promise.all([readValues(link, names, fleetKeys.machine), readValues(link, names, fleetKeys.live)]);
  return names.map((name, at) => ({
    name,
    isLive: lives[at] !== undefined,
    ...present({ state: ownOf(parseMachineState(parseJson(states[at])), name) }),
  }));
}

/** By a connection of its own; `timeoutMs`: to get one, where nobody has time for reasons. */
export async function askMachines(sys: Sys, membership: Membership, timeoutMs?: number): Promise<Machine[]> {
  const { openLink } = await import("./fleet-redis.ts");
  const link = await openLink(await targetOf(sys, membership), timeoutMs);
  try {
    return await readMachines(link);
  } finally {
    link.close();
  }
}

/** What was read of the fleet, and when; `failure`: why it is not of now. */
interface FleetLook {
  machines: Machine[];
  /** Epoch ms; undefined where it was never reached. */
  readAt?: number;
  failure?: string;
}

/** Local work does not wait for it longer than this, and not again for a while. */
const lookTimeoutMs = 1000;
const askAgainMs = 10_000;
/** Written anew after this time at the soonest. */
const keepSeenMs = 5000;

/** What every machine told, by the server, or, where that is not reached, as it was read last: nobody is heard of then. */
export async function lookAtFleet(sys: Sys, membership: Membership): Promise<FleetLook> {
  const seen = seenStore(sys);
  const { machines: known, readAt, failure, failedAt } = seen.read();
  const stale = (words: string): FleetLook => ({
    machines: known.map((machine) => ({ ...machine, isLive: false })),
    failure: words,
    ...present({ readAt }),
  });
  if (failure !== undefined && failedAt !== undefined && !isPast(sys, failedAt, askAgainMs)) return stale(failure);
  try {
    const machines = await askMachines(sys, membership, lookTimeoutMs);
    const now = sys.now();
    if (failure !== undefined || readAt === undefined || isPast(sys, readAt, keepSeenMs)) seen.write({ machines, readAt: now });
    return { machines, readAt: now };
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    seen.write({ machines: known, failure: error.message, failedAt: sys.now(), ...present({ readAt }) });
    return stale(error.message);
  }
}

interface Seen {
  machines: Machine[];
  /** Epoch ms. */
  readAt?: number;
  failure?: string;
  failedAt?: number;
}

const seenStore = (sys: Sys) =>
  openStore<Seen>(sys, {
    path: fleetSeenPath(sys),
    name: "fleet-seen",
    empty: { machines: [] },
    decode(text) {
      const { machines, ...fields } = parseRecord(text) ?? {};
      const states = (Array.isArray(machines) ? machines : []).flatMap(
        (each) => parseMachineState((each as { state?: unknown } | null)?.state) ?? [],
      );
      return {
        machines: states.map((state) => ({ name: state.machine, isLive: false, state })),
        ...shape(fields, { readAt: "number", failure: "string", failedAt: "number" }),
      };
    },
    encode: JSON.stringify,
  });
