import { isAbsolute, resolve } from "node:path";
import { UserError } from "./errors.ts";
import { type FleetRole, type FleetShare, fleetKeys, fleetRoles, isMachineName, parseFleetAddress } from "./fleet-access.ts";
import type { RedisLink, RedisTarget } from "./fleet-redis.ts";
import {
  type FleetRun,
  type FleetSession,
  longestTexts,
  type MachineState,
  mostRuns,
  mostSessions,
  parseMachineState,
} from "./fleet-state.ts";
import { hasShape, parseJson, parseRecord, present } from "./json.ts";
import { fleetPath } from "./paths.ts";
import { printableLine } from "./printable.ts";
import { buildVersion } from "./program.ts";
import { type LiveSession, type RunGroup, subjectOf } from "./session.ts";
import { stateWords } from "./statuses.ts";
import { openStore } from "./store.ts";
import type { Sys } from "./sys.ts";
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

export function toMachineState(
  sys: Pick<Sys, "now" | "platform">,
  { machine, role }: Pick<Membership, "machine" | "role">,
  sessions: readonly LiveSession[],
  share: FleetShare,
  runs: readonly RunGroup[] = [],
): MachineState {
  const now = sys.now();
  return {
    ...{ v: 1, machine, role, at: now, version: buildVersion, os: sys.platform },
    sessions: sessions.slice(0, mostSessions).map((session) => toFleetSession(session, now, share)),
    ...(runs.length === 0 ? {} : { runs: runs.slice(0, mostRuns).map(toFleetRun) }),
  };
}

const toFleetRun = ({ run, total, over, failed, paused, held, isWorkedOn }: RunGroup): FleetRun => ({
  ...{ run: run.slice(0, 200), total, over, failed, paused, held, worked_on: isWorkedOn },
});

function toFleetSession(session: LiveSession, now: number, share: FleetShare): FleetSession {
  const { verdict, meter } = session;
  return withoutLong({
    name: withToldName(session, share).name,
    session_id: session.sessionId ?? null,
    status: verdict.status,
    // Of what has failed the words may be the service's.
    words: verdict.status === "failed" ? "failed" : stateWords(verdict, now),
    source: verdict.source,
    since_at: Math.max(0, Math.round(session.since)),
    profile: session.profile ?? null,
    cwd: share === "folders" || share === "titles" ? session.cwd : null,
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
/** A name that tells of the conversation stays here: the session goes by its id. */
export function withToldName(session: LiveSession, share: FleetShare): LiveSession {
  if (share === "titles" || session.isNameGiven === true) return session;
  return { ...session, name: session.sessionId?.slice(0, 8) ?? `pid ${session.pid}` };
}

export interface Machine {
  name: string;
  /** It is heard of now. */
  isLive: boolean;
  /** By the clock of this machine. Undefined where it has told nothing that can be read. */
  state?: MachineState;
  /** It has told something, which cannot be read. */
  isBroken?: true;
}

/** So many keys a call: a server that is asked for all at once lets everybody else wait. */
const perCall = 200;
/** Nobody tells more; who does would cost each reader what he likes. */
const mostBytes = 2_000_000;

/** Whoever may put a name on the list may put a million there. */
export const mostMachines = 10_000;

/** Every machine that ever told of itself, by name. */
export async function readNames(link: RedisLink): Promise<string[]> {
  const listed = await link.call("SMEMBERS", [fleetKeys.machines]);
  const names = (Array.isArray(listed) ? listed : []).filter((each): each is string => typeof each === "string" && isMachineName(each));
  return names.sort().slice(0, mostMachines);
}

/** What stands under a key of each machine, in the order of the names. */
export const readValues = (link: RedisLink, names: readonly string[], keyOf: (name: string) => string): Promise<(string | undefined)[]> =>
  Promise.all(
    names.map(async (name) => {
      try {
        const value = await link.call("GETRANGE", [keyOf(name), "0", String(mostBytes)]);
        return typeof value === "string" && value !== "" ? value : undefined;
      } catch (error) {
        // It is a list, or whatever its machine likes: that is its own affair alone.
        if (/\bWRONGTYPE\b/.test((error as Error).message)) return "no text";
        throw error;
      }
    }),
  );

/** Of the key that says that a machine is heard of: "0" is the last word of one that goes. */
export const isLife = (value: unknown): value is string => typeof value === "string" && value !== "" && value !== "0";

/** Who of them is heard of. */
export async function readLives(link: RedisLink, names: readonly string[]): Promise<Set<string>> {
  const chunks = Array.from({ length: Math.ceil(names.length / perCall) }, (_, at) => names.slice(at * perCall, (at + 1) * perCall));
  const answers = await Promise.all(chunks.map((chunk) => link.call("MGET", chunk.map(fleetKeys.live))));
  return new Set(answers.flatMap((answer, at) => (chunks[at] ?? []).filter((_, index) => Array.isArray(answer) && isLife(answer[index]))));
}

/** By the server's clock, which is the same for all. */
export async function readTime(link: RedisLink): Promise<number> {
  const [seconds, micros] = ((await link.call("TIME", [])) ?? []) as string[];
  return Number(seconds) * 1000 + Math.floor(Number(micros) / 1000);
}

/** What one machine wrote of another is not taken. */
export const ownOf = <T extends { machine: string }>(told: T | undefined, name: string): T | undefined =>
  told?.machine === name ? told : undefined;

/** How far the server's clock is ahead of this machine's. */
export async function readClock(sys: Pick<Sys, "now">, link: RedisLink): Promise<number> {
  const startedAt = sys.now();
  const clockMs = (await readTime(link)) - (startedAt + sys.now()) / 2;
  // Less than a second may be the way there.
  return Number.isFinite(clockMs) && Math.abs(clockMs) >= 1000 ? Math.round(clockMs) : 0;
}

/** What a machine told, by the clock of this one. */
export function machineOf(name: string, text: string | undefined, isLive: boolean, clockMs: number): Machine {
  const state = ownOf(parseMachineState(parseJson(text)), name);
  if (state === undefined) return { name, isLive, ...(text === undefined ? {} : { isBroken: true }) };
  const aheadMs = clockMs - (state.clock_ms ?? 0);
  if (aheadMs === 0) return { name, isLive, state };
  const sessions = state.sessions.map((session) => ({ ...session, since_at: session.since_at - aheadMs }));
  return { name, isLive, state: { ...state, at: state.at - aheadMs, sessions } };
}
