import { usageError } from "./errors.ts";
import type { Membership } from "./fleet.ts";
import type { FleetFeed } from "./fleet-feed.ts";
import { fleetPath } from "./paths.ts";
import { printableLine } from "./printable.ts";
import { type LiveSession, runWords } from "./session.ts";
import type { Sys } from "./sys.ts";
import type { Feed } from "./watch.ts";

interface Asker {
  sys: Sys;
  tell(text: string): void;
}

/** Of each command that can look at one machine or at all. */
export const fleetArgs = {
  fleet: { type: "boolean", description: "of every machine of the fleet: the default once this one has joined" },
  local: { type: "boolean", description: "of this machine alone" },
} as const;

/**
 * The fleet, where the command is to look at it. What is wrong with the membership is an error only for who asked for the fleet:
 * others are told, and see this machine.
 */
export async function chooseFleet(
  { sys, tell }: Asker,
  name: string,
  { fleet, local }: { fleet?: boolean | undefined; local?: boolean | undefined },
): Promise<Membership | undefined> {
  if (fleet === true && local === true) throw usageError(`${name}: --fleet and --local are both given`, "choose one");
  if (fleet !== true && (local === true || sys.modifiedAt(fleetPath(sys)) === undefined)) return undefined;
  const { requireMembership } = await import("./fleet.ts");
  try {
    return requireMembership(sys);
  } catch (error) {
    if (fleet === true) throw error;
    tell(`${name}: ${printableLine((error as Error).message)}`);
    return undefined;
  }
}

/** The other machines, once; what is not of now is told. */
async function readOtherMachines({ sys, tell }: Asker, name: string, membership: Membership) {
  const [{ lookAtFleet }, { brokenWords, staleWords }] = await Promise.all([import("./fleet-look.ts"), import("./fleet-view.ts")]);
  const look = await lookAtFleet(sys, membership);
  const now = sys.now();
  const machines = look.machines.filter((machine) => machine.name !== membership.machine);
  for (const words of [staleWords(look, now), brokenWords(machines)]) if (words !== undefined) tell(`${name}: ${words}`);
  return machines;
}

export async function readOthers(asker: Asker, name: string, membership: Membership): Promise<LiveSession[]> {
  const machines = await readOtherMachines(asker, name, membership);
  const { sessionOf } = await import("./fleet-view.ts");
  const now = asker.sys.now();
  return machines.flatMap((machine) => (machine.state?.sessions ?? []).map((session) => sessionOf(machine, session, now)));
}

/** Their runs of task files that are not over, as they are printed; `words` for people. */
export async function readRuns(asker: Asker, name: string, membership: Membership) {
  const machines = await readOtherMachines(asker, name, membership);
  const now = asker.sys.now();
  return machines.flatMap(({ name: machine, isLive, state }) =>
    (state?.runs ?? []).map(({ run, ...counts }) => ({
      ...{ id: `${machine}/${run}`, machine, run, ...counts },
      stale_ms: isLive ? null : Math.max(0, now - (state?.at ?? now)),
      words: printableLine(runWords({ ...counts, run, isWorkedOn: counts.worked_on }, 0)),
    })),
  );
}

/** This machine's feed with the sessions of the others in it; `isAll`: not only as many as anybody looks at. */
export async function openFleetFeed(sys: Sys, local: Feed<LiveSession>, membership: Membership, isAll = false): Promise<FleetFeed> {
  const [{ withFleet }, { openLink }, { targetOf }] = await Promise.all([
    import("./fleet-feed.ts"),
    import("./fleet-redis.ts"),
    import("./fleet.ts"),
  ]);
  return withFleet(sys, local, { machine: membership.machine, open: async () => openLink(await targetOf(sys, membership)), isAll });
}
