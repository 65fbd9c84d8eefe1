import { appendAudit, noteRefusal } from "./audit.ts";
import { channelDir } from "./channel.ts";
import { ambiguous, matchNames } from "./conversations.ts";
import { createDrivenStore } from "./driven.ts";
import { UserError, usageError } from "./errors.ts";
import { isLife, type Membership, membershipStore, ownOf, readTime, targetOf } from "./fleet.ts";
import { fleetKeys, isMachineName } from "./fleet-access.ts";
import { askFleet, lookAtFleet } from "./fleet-look.ts";
import { LinkError, openLink, type RedisLink } from "./fleet-redis.ts";
import {
  type FleetAsk,
  type FleetOutcome,
  type FleetRequest,
  parseFleetOutcome,
  parseFleetRequest,
  parseMachineAsks,
} from "./fleet-schema.ts";
import { parseMachineState } from "./fleet-state.ts";
import { parseJson, present } from "./json.ts";
import { readOrigin } from "./peer.ts";
import { profileDirs, readRegistryOrNone } from "./profiles.ts";
import { readSessionFile } from "./session-file.ts";
import { type Sys, until } from "./sys.ts";
import { noFacts } from "./transcript-facts.ts";

/** Asks another machine to do something to a session of it, and waits for what it says of that. */

/** A session of another machine. */
export interface Far {
  membership: Membership;
  machine: string;
  word: string;
}

/** `machine/session`, where there is such a machine; any other word is one for a session of this machine. */
export async function readPlace(sys: Sys, word: string): Promise<{ far: Far } | { word: string }> {
  const [, machine = "", rest = ""] = /^([^/]+)\/(.+)$/s.exec(word) ?? [];
  const membership = isMachineName(machine) ? membershipStore(sys).read() : undefined;
  if (membership === undefined) return { word };
  if (machine === membership.machine) return { word: rest };
  const { machines } = await lookAtFleet(sys, membership);
  return machines.some(({ name }) => name === machine) ? { far: { membership, machine, word: rest } } : { word };
}

/** What every gate of the fleet asks, as far as its machine lets that out. */
export async function readAsks(sys: Sys, membership: Membership): Promise<(FleetAsk & { machine: string; isLive: boolean })[]> {
  const { machines } = await askFleet(sys, membership, { keyOf: fleetKeys.asks });
  return machines.flatMap(({ name, isLive, text }) =>
    (ownOf(parseMachineAsks(parseJson(text)), name)?.asks ?? []).map((ask) => ({ machine: name, isLive, ...ask })),
  );
}

/** What is wanted, without who, whom and when. */
export type Wish = Omit<FleetRequest, "v" | "id" | "session" | "from" | "expires_at">;

/** What was sent. */
export interface Sent {
  machine: string;
  /** As its machine calls it. */
  session: string;
  sessionId: string | null;
  gateId?: string;
  /** What it asks, where that is told. */
  ask?: FleetAsk;
  request: string;
  /** Its machine is heard of now. */
  isLive: boolean;
  toldMs: number;
}

/** `expired`: nobody has taken it, and nobody will any more. */
interface Asked extends Omit<FleetOutcome, "is"> {
  sent: Sent;
  is: Exclude<FleetOutcome["is"], "taken"> | "expired";
}

/** More may wait for a machine that is away; of those the oldest have expired. */
const mostInInbox = 1000;
const stepMs = 100;
/** Behind the deadline: the server's clock says that it is over. */
const graceMs = 1000;
/** What was taken is being done. */
const doneMs = 20_000;

interface Way {
  timeoutMs: number;
  onSent(sent: Sent): void;
  open?(): Promise<RedisLink>;
}

/** Throws where nothing was sent. */
export async function askOwner(
  sys: Sys,
  { membership, machine, word }: Far,
  wish: Wish,
  { timeoutMs, onSent, ...way }: Way,
): Promise<Asked> {
  if (membership.role === "watch")
    throw new UserError("this machine has the role watch in the fleet, and answers nothing", "join again with --role answer");
  const target = await targetOf(sys, membership);
  const open = way.open ?? (() => openLink(target));
  const line: Line = { link: await open(), open };
  try {
    const { sent, now } = await findMeant(sys, line.link, { machine, word, wish });
    const request: FleetRequest = {
      ...wish,
      ...{ v: 1, id: sent.request, session: sent.sessionId ?? sent.session, expires_at: now + timeoutMs },
      from: { machine: membership.machine, sessions: await readOwnSessions(sys) },
      ...present({ gate_id: sent.gateId, label: labelOf(sent, wish) }),
    };
    if (parseFleetRequest(request) === undefined) throw usageError("a text of it is too long for another machine; nothing was sent");
    await noteSent(sys, sent, wish);
    await post(line.link, fleetKeys.inbox(machine), request);
    onSent(sent);
    const outcome = await waitForOutcome(sys, line, fleetKeys.outcome(machine, request.id), request.expires_at, timeoutMs);
    await noteOutcome(sys, sent, wish, outcome);
    return { sent, ...outcome };
  } finally {
    line.link?.close();
  }
}

/** The connection, and how to get another one. */
interface Line {
  link: RedisLink | undefined;
  open(): Promise<RedisLink>;
}

/** Nothing in it is done after an hour. */
const inboxLifeS = 7200;

async function post(link: RedisLink | undefined, key: string, request: FleetRequest): Promise<void> {
  try {
    await link?.call("XADD", [key, "MAXLEN", "~", String(mostInInbox), "*", "request", JSON.stringify(request)]);
    // A server whose rights are older keeps it for longer.
    await link?.call("EXPIRE", [key, String(inboxLifeS)]).catch(() => undefined);
  } catch (error) {
    // It may have arrived all the same, and is waited for.
    if (!(error instanceof LinkError)) throw error;
  }
}

// --- who is meant ----------------------------------------------------------------------------------------------------

async function findMeant(sys: Sys, link: RedisLink | undefined, { machine, word, wish }: { machine: string; word: string; wish: Wish }) {
  const keys = [fleetKeys.machine(machine), fleetKeys.live(machine), fleetKeys.asks(machine)];
  const [now, values] = await Promise.all([link === undefined ? 0 : readTime(link), link?.call("MGET", keys)]);
  const [told, live, asked] = Array.isArray(values) ? (values as (string | null)[]) : [];
  const state = ownOf(parseMachineState(parseJson(told ?? undefined)), machine);
  if (state === undefined)
    throw new UserError(`${machine} has told nothing that can be read`, "is csm fleet serve running there, of this version?");
  const named = state.sessions.map((session) => ({
    ...{ session, sessionId: session.session_id ?? "", names: [session.name, ...(session.driver === null ? [] : [session.driver])] },
    facts: { ...noFacts, ...present({ customTitle: session.title }) },
  }));
  const [one, ...more] = matchNames(named, word, "whole");
  if (one === undefined) throw new UserError(`${machine} has no session ${JSON.stringify(word)}`, "csm ls --fleet lists them");
  if (more.length > 0) throw ambiguous(`${machine}/${word}`, [one, ...more], "sessions");
  const { session_id: sessionId, name, driver, gate_id } = one.session;
  const asks = (ownOf(parseMachineAsks(parseJson(asked ?? undefined)), machine)?.asks ?? []).filter((ask) =>
    sessionId === null ? ask.session === name : ask.session_id === sessionId,
  );
  const sent: Sent = {
    ...{
      machine,
      session: driver ?? name,
      sessionId,
      request: sys.randomId(),
      isLive: isLife(live),
      toldMs: Math.max(0, sys.now() - state.at),
    },
    ...(wish.verb === "send" ? {} : pickGate(`${machine}/${name}`, asks, gate_id, wish)),
  };
  return { sent, now };
}

/** The one that is meant. Never guesses: two are named, and none is answered. */
function pickGate(
  id: string,
  asks: readonly FleetAsk[],
  told: string | undefined,
  { gate_id: wanted }: Wish,
): Pick<Sent, "gateId" | "ask"> {
  const ids = asks.length > 0 ? asks.map((ask) => ask.gate_id) : told === undefined ? [] : [told];
  const [only] = wanted === undefined ? ids : [wanted];
  if (only === undefined)
    throw new UserError(`${id} asks for nothing, as far as its machine has told`, "csm ls --fleet shows what it does");
  if (wanted === undefined && ids.length > 1) {
    const listed = asks.map(({ gate_id, agent, tool, gate }) => `${gate_id} (${agent ?? "main"}: ${tool ?? gate})`).join(" · ");
    throw new UserError(`${ids.length} gates are up in ${id}; nothing was sent`, `name one with --gate: ${listed}`);
  }
  return { gateId: only, ...present({ ask: asks.find((ask) => ask.gate_id === only) }) };
}

/** What the option was shown as here must be what stands there. */
function labelOf({ ask, machine, session }: Sent, { option }: Wish): string | undefined {
  if (option === undefined) return undefined;
  const label = ask?.options.find((each) => each.option === option)?.label;
  if (label !== undefined) return label;
  const all = ask?.options.map((each) => `${each.option} ${each.label}`).join(" · ") ?? "";
  throw new UserError(
    `no option ${option} of ${machine}/${session} was told to this machine; nothing was sent`,
    all === "" ? "answer without --option, or over there" : `it offers: ${all}`,
  );
}

/** The conversations that this process was started from the inside of, as far as anything tells. */
async function readOwnSessions(sys: Sys): Promise<string[]> {
  const { pids, claudePids, channels, sessionIds } = await readOrigin(sys, sys.pid);
  const dirs = profileDirs(sys, readRegistryOrNone(sys)).map(({ dir }) => dir);
  const files = [...pids, ...claudePids].flatMap((pid) => dirs.flatMap((dir) => readSessionFile(sys, dir, pid)?.file?.sessionId ?? []));
  const driven = createDrivenStore(sys)
    .list()
    .records.filter(({ name }) => channels.includes(channelDir(sys, name)))
    .map(({ session_id }) => session_id);
  return [...new Set([...sessionIds, ...files, ...driven])].slice(0, mostOwn);
}

const mostOwn = 20;

// --- what becomes of it ----------------------------------------------------------------------------------------------

type Outcome = Omit<Asked, "sent">;

async function waitForOutcome(sys: Sys, line: Line, key: string, expiresAt: number, timeoutMs: number): Promise<Outcome> {
  let isTaken = false;
  const look = async (): Promise<Outcome | undefined> => {
    try {
      line.link ??= await line.open();
      // In this order: what is not taken when the time is over never is.
      const now = await readTime(line.link);
      const value = await line.link.call("GET", [key]);
      const outcome = parseFleetOutcome(parseJson(typeof value === "string" ? value : undefined));
      isTaken ||= outcome !== undefined;
      if (outcome !== undefined && outcome.is !== "taken") return { ...outcome, is: outcome.is };
      return !isTaken && now >= expiresAt ? { is: "expired" } : undefined;
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      if (error instanceof LinkError) {
        line.link?.close();
        line.link = undefined;
      }
      return undefined;
    }
  };
  const startedAt = sys.now();
  const found = await until(sys, startedAt + timeoutMs + graceMs, stepMs, look);
  if (found !== undefined) return found;
  const late = isTaken ? await until(sys, startedAt + timeoutMs + doneMs, stepMs, look) : undefined;
  return (
    late ?? {
      is: "unknown",
      why: isTaken ? "its machine has taken it, and has not said what became of it" : "the fleet is not reached any more",
    }
  );
}

// --- the audit ---------------------------------------------------------------------------------------------------------

const channel = "fleet";
const nameOf = ({ machine, session }: Sent): string => `${machine}/${session}`;

/** Before it goes, so that none goes without a trace. */
async function noteSent(sys: Sys, sent: Sent, { verb, prompt }: Wish): Promise<void> {
  const { ask, sessionId, request } = sent;
  const shown = ask === undefined ? undefined : { command: ask.request };
  await appendAudit(sys, {
    ...{ decision: verb, name: nameOf(sent), sessionId: sessionId ?? undefined, channel, reason: `sent, request ${request}` },
    ...present({ tool: ask === undefined ? undefined : (ask.tool ?? ask.gate), input: prompt === undefined ? shown : { command: prompt } }),
  }).catch(() => undefined);
}

async function noteOutcome(sys: Sys, sent: Sent, { verb }: Wish, { is, why = "" }: Outcome): Promise<void> {
  const { request, sessionId } = sent;
  if (is !== "applied") return noteRefusal(sys, { session: nameOf(sent), verb, why: `${is}, request ${request}: ${why}` });
  const applied = { decision: verb, name: nameOf(sent), sessionId: sessionId ?? undefined, channel, reason: `applied, request ${request}` };
  await appendAudit(sys, applied).catch(() => undefined);
}
