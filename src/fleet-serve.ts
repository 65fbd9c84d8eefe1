import { ownOf, readNames, readValues } from "./fleet.ts";
import { fleetKeys } from "./fleet-access.ts";
import type { RedisLink } from "./fleet-redis.ts";
import { type MachineState, type MachineUsage, parseMachineUsage } from "./fleet-schema.ts";
import { parseJson } from "./json.ts";
import type { Sys } from "./sys.ts";

/** Heard of within this time; it is told anew three times within it. */
const liveMs = 15_000;
/** What was told last stays so long. */
const keptS = 7 * 24 * 3600;

export async function tellState(link: RedisLink, state: MachineState): Promise<void> {
  const { machine } = state;
  await Promise.all([
    link.call("SADD", [fleetKeys.machines, machine]),
    link.call("SET", [fleetKeys.machine(machine), JSON.stringify(state), "EX", String(keptS)]),
  ]);
}

const tellLife = (link: RedisLink, machine: string): Promise<unknown> =>
  link.call("SET", [fleetKeys.live(machine), "1", "PX", String(liveMs)]);

/** It has gone, and says so. What it told stays, with its age. */
async function tellEnd(link: RedisLink, machine: string): Promise<void> {
  await link.call("SET", [fleetKeys.live(machine), "0", "PX", "1"]);
  await link.call("PUBLISH", [fleetKeys.changed, machine]);
}

/** Between two tries to reach the fleet: longer after each failure, and never the same for two machines. `chance`: 0 to 1. */
export const pauseMs = (failures: number, chance: number): number =>
  Math.min(10_000, 250 * 2 ** Math.min(failures, 10)) * (0.5 + chance / 2);

/** States change many times a second; the others are told once, and what they told is looked at twice. */
const tellEveryMs = 1000;
const lookEveryMs = 450;

interface Serving {
  machine: string;
  /** What this machine's accounts have used. */
  readUsage(): Promise<MachineUsage>;
  /** What those of other machines have. */
  takeUsage(usages: readonly MachineUsage[]): void;
  /** What there is to tell; `timeoutMs`: how long to wait for a change at most. */
  read(timeoutMs: number): Promise<MachineState>;
  /** Once connected, and once it is not: with the reason. */
  onLink(failure: Error | undefined): void;
  isOver(): boolean;
}

/** Tells the fleet of this machine until it is over; where it cannot be reached it tries on, and tells all anew. */
export async function serveState(sys: Sys, open: () => Promise<RedisLink>, serving: Serving): Promise<void> {
  for (let failures = 0; !serving.isOver(); ) {
    const links: RedisLink[] = [];
    try {
      const [link, ears] = [await open(), await open()];
      links.push(link, ears);
      // What was told before, and while nobody listened, is read whole.
      const heard: Heard = { all: true, machines: new Set() };
      await ears.listen(fleetKeys.changed, (machine) => void heard.machines.add(machine));
      serving.onLink(undefined);
      failures = 0;
      await tellUntilEnd(sys, { link, ears, heard }, serving);
    } catch (error) {
      serving.onLink(error as Error);
      const chance = Number.parseInt(sys.randomId().slice(0, 4), 16) / 0xffff;
      await sys.sleep(pauseMs(failures++, chance));
    } finally {
      for (const link of links) link.close();
    }
  }
}

/** Who has told something since it was read last. */
interface Heard {
  all: boolean;
  machines: Set<string>;
}

interface Lines {
  link: RedisLink;
  ears: RedisLink;
  heard: Heard;
}

async function tellUntilEnd(sys: Sys, { link, ears, heard }: Lines, serving: Serving): Promise<void> {
  const { machine } = serving;
  const told = { state: "", usage: "", at: 0 };
  for (let livedAt = 0; !serving.isOver(); ) {
    const state = await serving.read(lookEveryMs);
    const usage = await serving.readUsage();
    const now = { state: JSON.stringify({ ...state, at: 0 }), usage: JSON.stringify({ ...usage, at: 0 }), at: sys.now() };
    if ((now.state !== told.state || now.usage !== told.usage) && Math.abs(now.at - told.at) >= tellEveryMs) {
      await Promise.all([now.state !== told.state && tellState(link, state), now.usage !== told.usage && tellUsage(link, usage)]);
      await link.call("PUBLISH", [fleetKeys.changed, machine]);
      Object.assign(told, now);
    }
    if (Math.abs(sys.now() - livedAt) >= liveMs / 3) {
      // A connection that only listens does not notice that nobody is there any more.
      await Promise.all([tellLife(link, machine), ears.call("PING", [])]);
      livedAt = sys.now();
    }
    heard.machines.delete(machine);
    if (heard.all || heard.machines.size > 0) {
      const names = heard.all ? undefined : [...heard.machines];
      heard.all = false;
      heard.machines.clear();
      serving.takeUsage((await readUsages(link, names)).filter((each) => each.machine !== machine));
    }
    await sys.sleep(lookEveryMs);
  }
  await tellEnd(link, machine);
}

const tellUsage = (link: RedisLink, usage: MachineUsage): Promise<unknown> =>
  link.call("SET", [fleetKeys.usage(usage.machine), JSON.stringify(usage), "EX", String(keptS)]);

/** Of these machines, or of all; what is no usage is none. */
async function readUsages(link: RedisLink, given: readonly string[] | undefined): Promise<MachineUsage[]> {
  const names = given ?? (await readNames(link));
  const values = await readValues(link, names, fleetKeys.usage);
  return names.flatMap((name, at) => ownOf(parseMachineUsage(parseJson(values[at])), name) ?? []);
}
