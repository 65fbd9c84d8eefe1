import type { Machine } from "./fleet.ts";
import type { FleetSession, MachineState } from "./fleet-state.ts";
import { type Column, duration, fitPath, table, timed } from "./format.ts";
import { present } from "./json.ts";
import { createWork, type LiveSession, roleStyles, type TableOptions } from "./session.ts";
import type { Status, Verdict } from "./status.ts";
import { type Beyond, type Rank, sourceMeanings, statuses, statusRow } from "./statuses.ts";
import { noFacts } from "./transcript-facts.ts";

/** A session anywhere, and how old the word of it is: undefined for one of this machine. */
interface FleetRow {
  machine: string;
  session: FleetSession;
  staleMs?: number;
}

/** Those of machines that are heard of are as good as new; the others have the age of what they told last. */
export const rowsOf = (machines: readonly Machine[], now: number): FleetRow[] =>
  machines.flatMap(({ name, isLive, state }) =>
    (state?.sessions ?? []).map((session) => ({
      machine: name,
      session,
      ...(isLive ? {} : { staleMs: Math.max(0, now - (state?.at ?? now)) }),
    })),
  );

/** One line where what is shown is not of now. */
export function staleWords({ failure, readAt }: { failure?: string | undefined; readAt?: number }, now: number): string | undefined {
  if (failure === undefined) return undefined;
  const known = readAt === undefined ? "nothing is known of it" : `what is known of it is ${duration(Math.max(0, now - readAt))} old`;
  return `${failure}; ${known} (csm fleet check)`;
}

const mostNamed = 5;

/** One line where machines tell what cannot be read. */
export function brokenWords(machines: readonly Machine[]): string | undefined {
  const broken = machines.filter(({ isBroken }) => isBroken === true).map(({ name }) => name);
  if (broken.length === 0) return undefined;
  const more = broken.length > mostNamed ? ` and ${broken.length - mostNamed} more` : "";
  return `what ${broken.slice(0, mostNamed).join(", ")}${more} told cannot be read: is csm there newer than here?`;
}

const statusOf = ({ status }: FleetSession): Status => statuses.find((known) => known === status) ?? "unknown";

/** What of the fleet is shown: every word of the filter stands somewhere, and what comes first by `sort` is among it. */
export interface RowOrder {
  filter: string;
  sort: "attention" | "cost" | "context" | "name" | "age";
}

const rankOrder: readonly Rank[] = ["attention", "working", "idle", "unknown", "finished"];

/** Sessions of other machines as lists show them: the first `most`, and how many more there are of each rank. */
export function pickRows(
  machines: readonly Machine[],
  { filter, sort, most, now }: RowOrder & { most: number; now: number },
): { rows: LiveSession[]; beyond: Beyond } {
  const words = filter
    .toLowerCase()
    .split(/\s+/)
    .filter((word) => word !== "");
  if (words.length === 0 && most === Number.POSITIVE_INFINITY)
    return { rows: machines.flatMap((machine) => shownOf(machine, now)), beyond: {} };
  const buckets = Object.fromEntries(rankOrder.map((rank) => [rank, [] as Found[]])) as Record<Rank, Found[]>;
  for (const machine of machines)
    for (const session of machine.state?.sessions ?? [])
      if (words.length === 0 || fits(machine.name, session, words)) buckets[rankOf(session)].push({ machine, session });
  const all = rankOrder.flatMap((rank) => buckets[rank]);
  const chosen = all.length <= most ? all : chooseFirst(all, buckets.attention.length, sort, most);
  const beyond: Beyond = Object.fromEntries(rankOrder.map((rank) => [rank, buckets[rank].length]));
  for (const { session } of chosen) {
    const rank = rankOf(session);
    beyond[rank] = (beyond[rank] ?? 0) - 1;
  }
  return { rows: chosen.map(({ machine, session }) => sessionOf(machine, session, now)), beyond };
}

interface Found {
  machine: Machine;
  session: FleetSession;
}

const rankByStatus = new Map<string, Rank>(statuses.map((status) => [status, statusRow(status).rank]));
const rankOf = ({ status }: FleetSession): Rank => rankByStatus.get(status) ?? "unknown";

/** What a filter looks through, made once for each session that a machine has told. */
const lookedThrough = new WeakMap<FleetSession, string>();

function fits(machine: string, session: FleetSession, words: readonly string[]): boolean {
  const { name, cwd, model, profile, session_id, kind, status, driver } = session;
  const text =
    lookedThrough.get(session) ?? `${machine}/${name} ${cwd} ${model} ${profile} ${session_id} ${kind} ${status} ${driver}`.toLowerCase();
  lookedThrough.set(session, text);
  return words.every((word) => text.includes(word));
}

const amounts: Partial<Record<RowOrder["sort"], (found: Found) => number>> = {
  cost: ({ session }) => session.cost_usd ?? -1,
  context: ({ session }) => session.context_percent ?? -1,
  age: ({ session }) => -session.since_at,
};

/** The first `waiting` of them need somebody: who has waited longest comes first, where not all can be shown. */
function chooseFirst(found: Found[], waiting: number, sort: RowOrder["sort"], most: number): Found[] {
  const amountOf = amounts[sort];
  if (amountOf !== undefined) return highest(found, most, amountOf);
  return waiting <= most ? found.slice(0, most) : highest(found.slice(0, waiting), most, ({ session }) => -session.since_at);
}

/** Those with the highest values, in the order given: numbers alone are sorted, as each look does it anew. */
function highest(found: Found[], most: number, amountOf: (found: Found) => number): Found[] {
  const least = Float64Array.from(found, amountOf).sort()[Math.max(0, found.length - most)] ?? 0;
  // Of those that are alike only as many as there is room for beside the higher ones.
  let room = most - found.filter((one) => amountOf(one) > least).length;
  return found.filter((one) => amountOf(one) > least || (amountOf(one) === least && room-- > 0));
}

const shownBefore = new WeakMap<FleetSession, LiveSession>();
const allShownBefore = new WeakMap<MachineState, LiveSession[]>();

function shownOf(machine: Machine, now: number): LiveSession[] {
  const { state, isLive } = machine;
  if (state === undefined) return [];
  const shown = (isLive ? allShownBefore.get(state) : undefined) ?? state.sessions.map((session) => sessionOf(machine, session, now));
  if (isLive) allShownBefore.set(state, shown);
  return shown;
}

const keysBefore = new WeakMap<MachineState, Map<FleetSession, string>>();

/** A conversation may be open twice: each of them is followed by a key of its own. */
function keysOf(machine: string, state: MachineState): Map<FleetSession, string> {
  const known = keysBefore.get(state);
  if (known !== undefined) return known;
  const counts = new Map<string, number>();
  const keys = new Map(
    state.sessions.map((session): [FleetSession, string] => {
      const id = `${machine}/${session.session_id ?? session.name}`;
      const count = (counts.get(id) ?? 0) + 1;
      counts.set(id, count);
      return [session, count === 1 ? id : `${id} ${count}`];
    }),
  );
  keysBefore.set(state, keys);
  return keys;
}

/** As a session of this machine is shown; the same one as long as its machine has told nothing new and is heard of. */
export function sessionOf({ name: machine, isLive, state }: Machine, told: FleetSession, now: number): LiveSession {
  const known = isLive ? shownBefore.get(told) : undefined;
  if (known !== undefined) return known;
  const staleMs = isLive ? undefined : Math.max(0, now - (state?.at ?? now));
  const id = `${machine}/${told.session_id ?? told.name}`;
  const session: LiveSession = {
    key: state === undefined ? id : (keysOf(machine, state).get(told) ?? id),
    name: `${machine}/${told.name}`,
    verdict: verdictOf(told, staleMs),
    since: told.since_at,
    cwd: told.cwd ?? "",
    pid: 0,
    kind: kinds.find((kind) => kind === told.kind) ?? "interactive",
    where: "elsewhere",
    note:
      staleMs !== undefined
        ? `it runs on ${machine}, which is not heard of: it told this ${duration(staleMs)} ago`
        : told.gate_id === undefined
          ? `it runs on ${machine}`
          : `it runs on ${machine}: csm allow ${id}, or deny, answer`,
    machine,
    agents: Array.from({ length: Math.min(told.agents, mostAgents) }, (_, at) => ({
      ...{ id: String(at), type: "agent", description: "", isRunning: true, transcript: "" },
    })),
    work: createWork(),
    badges: [],
    ...present({
      staleMs,
      sessionId: told.session_id ?? undefined,
      model: told.model ?? undefined,
      driver: told.driver ?? undefined,
      profile: told.profile ?? undefined,
      facts: told.title === undefined ? undefined : { ...noFacts, customTitle: told.title },
    }),
    meter: {
      source: "statusline",
      ...present({
        contextPercent: told.context_percent ?? undefined,
        costUsd: told.cost_usd ?? undefined,
        tokens: told.tokens ?? undefined,
      }),
    },
  };
  if (isLive) shownBefore.set(told, session);
  return session;
}

const mostAgents = 99;
const kinds = ["interactive", "background", "print", "sdk"] as const;

/** Its words are its machine's; of what only that machine knows nothing is made up. */
function verdictOf(told: FleetSession, staleMs = 0): Verdict {
  const evidence = {
    source: (Object.hasOwn(sourceMeanings, told.source) ? told.source : "process") as Verdict["source"],
    age_ms: staleMs,
    told: told.words,
  };
  const asked = { options: [], choices: [], ...present({ gate_id: told.gate_id }), ...evidence };
  const status = statusOf(told);
  switch (status) {
    case "working":
      return { status, tools: [], ...evidence };
    case "awaiting_answer":
      return { status, question: "", ...asked, ...(told.gate_id === undefined ? {} : { gate: "question" }) };
    case "plan_ready":
      return { status, plan_file: null, plan: null, ...asked };
    case "blocked":
      return { status, gate: "permission", prompt: "", ...asked };
    case "idle_done":
      return { status, text: "", outcome: "none", ...evidence };
    case "limited":
      return { status, text: "", window: "unknown", resets_at: null, ...evidence };
    case "failed":
      return { status, text: "", error: "unknown", ...evidence };
    default:
      return { status, ...evidence };
  }
}

const order = (row: FleetRow): number => statuses.indexOf(statusOf(row.session));

/** A table of all machines; what nobody hears of now is dim, with its age. */
export function renderFleet(rows: readonly FleetRow[], { now, paint, columns: maxWidth }: Omit<TableOptions, "home">): string[] {
  const sorted = [...rows].sort(
    (a, b) =>
      Number(a.staleMs !== undefined) - Number(b.staleMs !== undefined) || a.machine.localeCompare(b.machine) || order(a) - order(b),
  );
  const styleOf = (row: number) => {
    const shown = sorted[row];
    return shown === undefined || shown.staleMs !== undefined ? "dim" : roleStyles[statusRow(statusOf(shown.session)).role];
  };
  const hasTitles = sorted.some(({ session }) => (session.title ?? "") !== "");
  const columns: Column[] = [
    { title: "MACHINE", minWidth: 7 },
    { title: "NAME", minWidth: 10 },
    { title: "STATE", minWidth: 8, paint: (text, row) => paint(styleOf(row), text) },
    { title: "SINCE" },
    ...(hasTitles ? [{ title: "TITLE", minWidth: 20 }] : []),
    { title: "CWD", minWidth: 8, fit: fitPath },
    { title: "PROFILE", minWidth: 5 },
    { title: "SESSION", minWidth: 6 },
  ];
  const cells = sorted.map(({ machine, session, staleMs }) => [
    machine,
    session.name,
    staleMs === undefined ? session.words : `${session.words}, ${duration(staleMs)} ago`,
    duration(Math.max(0, now - session.since_at)),
    ...(hasTitles ? [session.title ?? ""] : []),
    session.cwd ?? "-",
    session.profile ?? "-",
    session.session_id?.slice(0, 8) ?? "-",
  ]);
  const [title = "", ...lines] = table(columns, cells, maxWidth);
  return [paint("bold", title), ...lines];
}

/** A session of another machine, as `csm ls --json` prints it. */
export const fleetRowJson = ({ machine, session, staleMs }: FleetRow) => ({
  id: `${machine}/${session.session_id ?? session.name}`,
  machine,
  stale_ms: staleMs ?? null,
  name: session.name,
  session_id: session.session_id,
  status: session.status,
  words: session.words,
  source: session.source,
  gate_id: session.gate_id ?? null,
  ...timed("since", session.since_at),
  cwd: session.cwd,
  profile: session.profile,
  model: session.model,
  kind: session.kind,
  driver: session.driver,
  agents: session.agents,
  title: session.title ?? null,
  context_percent: session.context_percent,
  cost_usd: session.cost_usd,
  tokens: session.tokens,
});
