import { verbs } from "./actions.ts";
import { parseQuestions } from "./answer.ts";
import { appendAudit, maskSecrets, noteRefusal, shownRequest } from "./audit.ts";
import { createDriver, readOwnSession } from "./driver.ts";
import { GateChanged } from "./driver-keys.ts";
import { GateGone } from "./driver-reply.ts";
import { UserError } from "./errors.ts";
import { readTime } from "./fleet.ts";
import { type Accepted, fleetKeys } from "./fleet-access.ts";
import type { RedisLink } from "./fleet-redis.ts";
import {
  type FleetAsk,
  type FleetOutcome,
  type FleetRequest,
  type MachineAsks,
  parseFleetOutcome,
  parseFleetRequest,
} from "./fleet-schema.ts";
import { longestTexts } from "./fleet-state.ts";
import { isRecord, parseJson, present } from "./json.ts";
import { openOccasions } from "./occasions.ts";
import { printableLine } from "./printable.ts";
import { resolveTarget } from "./resolve.ts";
import type { LiveSession } from "./session.ts";
import type { ListedGate } from "./status.ts";
import { isPast, type Sys } from "./sys.ts";

/** What others ask this machine to do: taken once, in their order for each session, by the rules that hold here. */

/** One outcome says so much. */
const longestWords = 2000;
/** Whoever asks has read it by then. */
const outcomeLifeS = 3600;
/** Nobody waits longer for an answer, and so nothing older is done. */
const longestLifeMs = 3_600_000;
/** More than people answer; each leaves a note that it was done. */
const mostAnHour = 1000;
/** So many wait for one session. */
const mostWaiting = 16;

interface InboxOptions {
  machine: string;
  /** Why this is not done at all; undefined where it may be. */
  whyNot(request: FleetRequest): string | undefined;
  /** Does it, and says what was done; throws with why not. */
  act(request: FleetRequest): Promise<string>;
}

export interface Inbox {
  /** From here on outcomes go by this connection; those that did not get through before go first. */
  follow(link: RedisLink): Promise<void>;
  /** One entry of the stream. */
  take(entry: string, text: string | undefined): void;
  /** Until all that was taken is over. */
  rest(): Promise<void>;
}

export function createInbox(sys: Sys, { machine, whyNot, act }: InboxOptions): Inbox {
  const occasions = openOccasions(sys);
  const known = new Set<string>();
  /** By session. */
  const waiting = new Map<string, { last: Promise<void>; count: number }>();
  const untold = new Map<string, { outcome: FleetOutcome; at: number }>();
  let takenAt: number[] = [];
  let link: RedisLink | undefined;

  const write = (id: string, outcome: FleetOutcome) => writeOutcome(link, fleetKeys.outcome(machine, id), outcome);
  const tellAll = async () => {
    for (const [id, told] of untold) {
      const isOld = isPast(sys, told.at, outcomeLifeS * 1000);
      if (!isOld && !(await write(id, told.outcome))) return;
      if (untold.get(id) === told) untold.delete(id);
    }
  };
  const tell = (id: string, outcome: FleetOutcome) => {
    untold.set(id, { outcome, at: sys.now() });
    return tellAll();
  };
  const carryOut = async (request: FleetRequest): Promise<FleetOutcome> => {
    const why = whyNot(request);
    if (why !== undefined) return refused(why);
    // In this order: whoever asks, and sees after the deadline that it was not taken, knows that it never will be.
    const isTold = await write(request.id, { is: "taken" });
    const now = isTold && link !== undefined ? await readTime(link).catch(() => undefined) : undefined;
    if (now === undefined) return refused("the fleet could not be told that it is taken; nothing was done");
    if (now >= request.expires_at) return { is: "too late", why: "its time was over; nothing was done" };
    if (request.expires_at - now > longestLifeMs) return refused("it may wait for an hour at most; nothing was done");
    return attempt(() => act(request));
  };
  const handle = async (request: FleetRequest) => {
    // By a note on the disk: what was taken before a crash, or is given anew by a server that forgot, is not done twice.
    const isFirst = await occasions.once(`fleet ${request.id}`, () => undefined);
    if (!isFirst && (await isDecided(link, fleetKeys.outcome(machine, request.id)))) return;
    const outcome = isFirst
      ? await carryOut(request)
      : ({ is: "unknown", why: `csm fleet serve on ${machine} has ended meanwhile` } as const);
    await noteOutcome(sys, request, outcome);
    await tell(request.id, outcome);
  };
  const enqueue = (request: FleetRequest) => {
    const line = waiting.get(request.session) ?? { last: Promise.resolve(), count: 0 };
    takenAt = takenAt.filter((at) => !isPast(sys, at, 3_600_000));
    if (line.count >= mostWaiting || takenAt.length >= mostAnHour)
      return void tell(request.id, refused("too many others wait; nothing was done"));
    takenAt.push(sys.now());
    line.count++;
    line.last = line.last
      .then(() => handle(request))
      // Those behind it have their turn all the same.
      .catch(() => undefined)
      .finally(() => --line.count === 0 && waiting.delete(request.session));
    waiting.set(request.session, line);
  };
  return {
    async follow(connection) {
      link = connection;
      await tellAll();
    },
    take(entry, text) {
      const request = parseFleetRequest(parseJson(text));
      if (request !== undefined && !known.has(request.id)) {
        known.add(request.id);
        enqueue(request);
      }
      void link?.call("XDEL", [fleetKeys.inbox(machine), entry]).catch(() => undefined);
    },
    async rest() {
      await Promise.all([...waiting.values()].map(({ last }) => last));
    },
  };
}

const refused = (why: string): FleetOutcome => ({ is: "refused", why: why.slice(0, longestWords) });

/** False where it does not stand there: the server is full, or not reached. */
async function writeOutcome(link: RedisLink | undefined, key: string, outcome: FleetOutcome): Promise<boolean> {
  try {
    await link?.call("SET", [key, JSON.stringify(outcome), "EX", String(outcomeLifeS)]);
    return link !== undefined;
  } catch {
    // It is told again, by the next connection at the latest.
    return false;
  }
}

/** What became of it stands there already, or cannot be seen. */
async function isDecided(link: RedisLink | undefined, key: string): Promise<boolean> {
  try {
    const value = await link?.call("GET", [key]);
    const outcome = parseFleetOutcome(parseJson(typeof value === "string" ? value : undefined));
    return outcome !== undefined && outcome.is !== "taken";
  } catch {
    // Nothing that stands there is lost.
    return true;
  }
}

async function attempt(act: () => Promise<string>): Promise<FleetOutcome> {
  try {
    return { is: "applied", words: printableLine(await act()).slice(0, longestWords) };
  } catch (error) {
    const { message, hint } = error as UserError;
    const why = printableLine(hint === undefined ? message : `${message}; ${hint}`).slice(0, longestWords);
    if (error instanceof GateGone || error instanceof GateChanged) return { is: "too late", why };
    return { is: error instanceof UserError ? "refused" : "unknown", why };
  }
}

// --- what is asked here ----------------------------------------------------------------------------------------------

/** What each gate that is up asks. */
export const toAsks = (sys: Pick<Sys, "now">, machine: string, sessions: readonly LiveSession[]): MachineAsks => ({
  ...{ v: 1, machine, at: sys.now() },
  asks: sessions.flatMap((session) =>
    "gates" in session.verdict ? (session.verdict.gates ?? []).map((gate) => toAsk(session, gate)) : [],
  ),
});

function toAsk({ name, sessionId, verdict }: LiveSession, { gate_id, gate, tool, agent, input, shown }: ListedGate): FleetAsk {
  const choices = shown && "choices" in verdict ? (verdict.choices ?? []) : [];
  const asked = shown && verdict.status === "blocked" ? (verdict.subject ?? verdict.prompt) : "";
  return {
    ...{ session_id: sessionId ?? null, session: name.slice(0, longestTexts.name), gate_id, gate },
    ...{ tool: tool?.slice(0, longestTool) ?? null, agent: agent?.slice(0, longestTool) ?? null },
    request: (tool !== null && isRecord(input) ? describeCall(tool, input) : maskSecrets(asked)).slice(0, longestAsk),
    // One that would be cut, or masked, could not be told from another.
    options: choices.filter(({ label }) => label.length <= longestAsk && maskSecrets(label) === label).slice(0, mostOptions),
  };
}

const longestTool = 200;
const longestAsk = 4000;
const mostOptions = 30;

/** A question with all that it offers, else what would run. */
function describeCall(tool: string, input: Record<string, unknown>): string {
  if (tool !== "AskUserQuestion") return shownRequest(tool, input);
  const asked = parseQuestions(input.questions).map(
    ({ question, labels }) => `${question} (${labels.map((label, index) => `${index + 1} ${label}`).join(" · ")})`,
  );
  return maskSecrets(asked.join("\n"));
}

// --- what is done about it ----------------------------------------------------------------------------------------------

/** As the audit calls who has decided. */
const channelOf = ({ from }: FleetRequest): string => `fleet/${from.machine}`;

/** What was answered is noted by the verbs themselves. */
async function noteOutcome(sys: Sys, request: FleetRequest, { is, why }: FleetOutcome): Promise<void> {
  const { session, verb, prompt = "" } = request;
  if (is !== "applied") return noteRefusal(sys, { session, verb, why: `${channelOf(request)}: ${is}: ${why ?? ""}` });
  if (verb !== "send") return;
  await appendAudit(sys, { decision: "send", name: session, tool: "prompt", input: { prompt }, channel: channelOf(request) }).catch(
    () => undefined,
  );
}

/** Why it is not even tried. */
export function whyNotTaken(
  { verb, gate_id, prompt, choices, text }: FleetRequest,
  machine: string,
  accepted: Accepted,
): string | undefined {
  if (accepted === "none") return `${machine} takes no answers of others (csm fleet serve --accept gates there)`;
  if (verb === "send")
    return accepted !== "prompts"
      ? `${machine} takes no prompts of others (csm fleet serve --accept prompts there)`
      : prompt === undefined
        ? "it has no prompt"
        : undefined;
  if (gate_id === undefined) return "it does not say which gate";
  return verb === "answer" && choices === undefined && text === undefined ? "it has no answer" : undefined;
}

/** By the one list of verbs, which reads the gate again right before the key. Never by somebody from the inside of the session. */
export async function actHere(sys: Sys, request: FleetRequest): Promise<string> {
  const {
    verb,
    from,
    gate_id: gate,
    expect,
    contains,
    option,
    label,
    widen,
    reason,
    choices = [],
    text,
    prompt = "",
    draft,
    queue,
  } = request;
  const driver = createDriver(sys, channelOf(request));
  const target = await resolveTarget(driver, request.session);
  const { name } = target;
  const session = await readOwnSession(driver, target);
  if ([session?.sessionId, target.driven?.session_id].some((id) => id !== undefined && from.sessions.includes(id)))
    throw new UserError(`session "${name}" may not ${verb} itself: it was asked for from inside of it; nothing was done`);
  const meant = present({ gate, expect, contains });
  if (verb === "allow")
    return verbs.allow.words(name, await verbs.allow.run(driver, target, { ...meant, ...present({ option, label, isWide: widen }) }));
  if (verb === "deny") return verbs.deny.words(name, await verbs.deny.run(driver, target, { ...meant, ...present({ reason }) }));
  if (verb === "answer")
    return verbs.answer.words(name, await verbs.answer.run(driver, target, { choices, ...meant, ...present({ text }) }));
  // A question that has come up meanwhile is not what it answers.
  const sent = await verbs.send.run(driver, target, { prompt, isNoAnswer: true, isDraft: draft === true, isQueued: queue === true });
  return verbs.send.words(name, sent);
}
