import { UserError } from "./errors.ts";
import { type Machine, type Membership, machineOf, readClock, readLives, readNames, readValues, targetOf } from "./fleet.ts";
import { fleetKeys } from "./fleet-access.ts";
import type { RedisLink } from "./fleet-redis.ts";
import { parseRecord, present, shape } from "./json.ts";
import { fleetSeenPath } from "./paths.ts";
import { isPast, type Sys } from "./sys.ts";

/** The fleet as it lies on the server, not understood yet. */
export interface Told {
  /** In the order of names. */
  machines: { name: string; isLive: boolean; text?: string }[];
  /** What the server's clock is ahead of this machine's. */
  clockMs: number;
}

/** What lies under a key of each machine, its state unless told. */
export async function readTold(sys: Pick<Sys, "now">, link: RedisLink, keyOf: (name: string) => string = fleetKeys.machine): Promise<Told> {
  const [names, clockMs] = await Promise.all([readNames(link), readClock(sys, link)]);
  const [texts, lives] = await Promise.all([readValues(link, names, keyOf), readLives(link, names)]);
  return { machines: names.map((name, at) => ({ name, isLive: lives.has(name), ...present({ text: texts[at] }) })), clockMs };
}

export const machinesOf = ({ machines, clockMs }: Told): Machine[] =>
  machines.map(({ name, isLive, text }) => machineOf(name, text, isLive, clockMs));

/** By a connection of its own, with the reason where there is none; `timeoutMs`: to get one, where nobody has time for reasons. */
export async function askFleet(
  sys: Sys,
  membership: Membership,
  { timeoutMs, keyOf }: { timeoutMs?: number; keyOf?: ((name: string) => string) | undefined } = {},
): Promise<Told> {
  const { openLink } = await import("./fleet-redis.ts");
  const link = await openLink(await targetOf(sys, membership), timeoutMs);
  try {
    return await readTold(sys, link, keyOf);
  } finally {
    link.close();
  }
}

export const askMachines = async (sys: Sys, membership: Membership): Promise<Machine[]> => machinesOf(await askFleet(sys, membership));

/** When the fleet was read, and `failure`: why it is not of now. */
interface Freshness {
  /** Epoch ms; undefined where it was never reached. */
  readAt?: number;
  failure?: string;
}

type FleetLook = Freshness & { machines: Machine[] };

/** Local work does not wait for it longer than this, and not again for a while. */
const connectTimeoutMs = 1000;
const lookTimeoutMs = 2000;
const askAgainMs = 10_000;
/** More than this is written anew after this time at the soonest. */
const smallBytes = 256 * 1024;
const keepSeenMs = 5000;

/** What every machine told, by the server, or, where that is not reached, as it was read last: nobody is heard of then. */
export async function lookAtFleet(sys: Sys, membership: Membership): Promise<FleetLook> {
  const { told, ...freshness } = await lookAtTold(sys, membership, openSeen(sys));
  return { ...freshness, machines: machinesOf(told) };
}

/** The same of another key. */
export async function lookAtTold(
  sys: Sys,
  membership: Membership,
  seen: Seen,
  keyOf?: (name: string) => string,
): Promise<Freshness & { told: Told }> {
  const { readAt, failure, failedAt } = seen.head();
  const stale = (reason: string) => ({ told: seen.read(), failure: reason, ...present({ readAt }) });
  if (failure !== undefined && failedAt !== undefined && !isPast(sys, failedAt, askAgainMs)) return stale(failure);
  try {
    const late = sys.sleep(lookTimeoutMs).then(() => {
      throw new UserError(`the fleet does not answer (${lookTimeoutMs / 1000} s)`);
    });
    // Whoever is late has nobody to tell.
    late.catch(() => {});
    const told = await Promise.race([askFleet(sys, membership, { timeoutMs: connectTimeoutMs, keyOf }), late]);
    const bytes = told.machines.reduce((sum, { text = "" }) => sum + text.length, 0);
    if (bytes < smallBytes || failure !== undefined || readAt === undefined || isPast(sys, readAt, keepSeenMs)) seen.keep(told);
    return { told, readAt: sys.now() };
  } catch (error) {
    const { reasonOf } = await import("./fleet-redis.ts");
    const reason = reasonOf(error);
    seen.fail(reason);
    return stale(reason);
  }
}

type Seen = ReturnType<typeof openSeen>;

/**
 * What was read last: a line on how that was, and for each machine one with its name and what it told, as it came. Only the first is
 * read where the server answers.
 */
export function openSeen(sys: Sys, path = fleetSeenPath(sys)) {
  const head = () => {
    const bytes = new Uint8Array(headBytes);
    const line = new TextDecoder().decode(bytes.subarray(0, sys.readInto(path, 0, bytes))).split("\n")[0];
    return shape(parseRecord(line) ?? {}, { readAt: "number", clockMs: "number", failure: "string", failedAt: "number" });
  };
  const lines = (): string[] => (sys.readText(path) ?? "").split("\n").slice(1);
  const write = (first: ReturnType<typeof head>, machines: readonly string[]): void => {
    try {
      sys.writePrivate(path, [JSON.stringify(first), ...machines].join("\n"));
    } catch {
      // On a full disk, or where something else lies there, what was seen is not remembered, and nothing else is lost.
    }
  };
  return {
    head,
    keep({ machines, clockMs }: Told): void {
      write(
        { readAt: sys.now(), clockMs },
        machines.map(({ name, text = "" }) => `${name}\t${text.replaceAll("\n", " ")}`),
      );
    },
    fail(failure: string): void {
      write({ ...head(), failure: failure.slice(0, headBytes / 4), failedAt: sys.now() }, lines());
    },
    /** Nobody is heard of. */
    read(): Told {
      const machines = lines().flatMap((line) => {
        const end = line.indexOf("\t");
        const text = line.slice(end + 1);
        return end <= 0 ? [] : { name: line.slice(0, end), isLive: false, ...(text === "" ? {} : { text }) };
      });
      return { machines, clockMs: head().clockMs ?? 0 };
    },
  };
}

const headBytes = 4096;
