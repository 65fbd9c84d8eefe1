import { type Machine, machineOf, mostMachines, readClock, readLives, readNames, readValues } from "./fleet.ts";
import { fleetKeys, isMachineName } from "./fleet-access.ts";
import { machinesOf, openSeen, readTold, type Told } from "./fleet-look.ts";
import { chanceOf, createSign, pauseMs, type RedisLink, reasonOf } from "./fleet-redis.ts";
import { pickRows, type RowOrder } from "./fleet-view.ts";
import { present } from "./json.ts";
import type { LiveSession } from "./session.ts";
import { isPast, type Sys } from "./sys.ts";
import type { Feed } from "./watch.ts";

/** Hints that come together are one look. */
const gatherMs = 10;
/** Who is heard of, and whether anybody is there at all, is asked so often without a hint. */
const checkMs = 5000;
/** What was heard is kept for who cannot reach the fleet later. */
const keepMs = 60_000;
/** What is known of the other machines, from what was seen last on. */
function createKnown(sys: Sys) {
  const seen = openSeen(sys);
  const told = new Map<string, Told["machines"][number]>();
  const machines = new Map<string, Machine>(machinesOf(seen.read()).map((machine) => [machine.name, machine]));
  let keptAt = sys.now();
  return {
    machines,
    take(one: Told["machines"][number], clockMs: number): void {
      const { name, text, isLive } = one;
      const before = machines.get(name);
      // Whoever tells nothing is no more than a name, which anybody may say.
      if (before === undefined && text === undefined) return;
      // A server that has forgotten all takes no row away, and what cannot be read no better one.
      if (before !== undefined && (text === undefined || told.get(name)?.text === text))
        return void machines.set(name, { ...before, isLive });
      told.set(name, one);
      const machine = machineOf(name, text, isLive, clockMs);
      const isWorse = machine.isBroken === true && before?.state !== undefined;
      machines.set(name, isWorse ? { ...before, isBroken: true, isLive: false } : machine);
    },
    setLives(isLive: (name: string) => boolean): void {
      for (const machine of machines.values())
        machines.set(machine.name, { ...machine, isLive: machine.isBroken !== true && isLive(machine.name) });
    },
    keep(clockMs: number, afterMs = 0): void {
      if (told.size === 0 || !isPast(sys, keptAt, afterMs)) return;
      keptAt = sys.now();
      seen.keep({ machines: [...told.values()], clockMs });
    },
  };
}

/** Follows what the other machines tell; where they cannot be reached what is known of them stays, and it tries on. */
function openFollower(sys: Sys, open: () => Promise<RedisLink>) {
  const known = createKnown(sys);
  const change = createSign();
  let [clockMs, version, isOpen] = [0, 0, true];
  let failure: string | undefined;
  const changed = () => {
    version++;
    change.give();
  };
  const readSome = async (link: RedisLink, names: readonly string[]) => {
    const [texts, lives] = await Promise.all([readValues(link, names, fleetKeys.machine), readLives(link, names)]);
    for (const [at, name] of names.entries()) known.take({ name, isLive: lives.has(name), ...present({ text: texts[at] }) }, clockMs);
    changed();
  };
  const check = async (link: RedisLink, ears: RedisLink) => {
    // A connection that only listens does not notice that nobody is there any more.
    const [names, now] = await Promise.all([readNames(link), readClock(sys, link), ears.call("PING", [])]);
    clockMs = now;
    const news = names.filter((name) => !known.machines.has(name));
    if (news.length > 0) await readSome(link, news);
    const lives = await readLives(link, [...known.machines.keys()]);
    known.setLives((name) => lives.has(name));
    changed();
    known.keep(clockMs, keepMs);
  };
  const followOnce = async (links: RedisLink[]) => {
    for (let count = 0; count < 2; count++) links.push(await open());
    const [link, ears] = links as [RedisLink, RedisLink];
    const heard = new Set<string>();
    const hint = createSign();
    await ears.listen(fleetKeys.changed, (name) => {
      if (isMachineName(name) && heard.size < mostMachines) heard.add(name);
      hint.give();
    });
    const all = await readTold(sys, link);
    clockMs = all.clockMs;
    known.setLives(() => false);
    for (const one of all.machines) known.take(one, clockMs);
    failure = undefined;
    changed();
    for (let checkedAt = sys.now(); isOpen; ) {
      if (heard.size === 0) await Promise.race([hint.next(), sys.sleep(checkMs)]);
      await sys.sleep(gatherMs);
      const names = [...heard];
      heard.clear();
      if (names.length > 0) await readSome(link, names);
      if (!isPast(sys, checkedAt, checkMs)) continue;
      checkedAt = sys.now();
      await check(link, ears);
    }
  };
  const fail = (error: unknown) => {
    failure = reasonOf(error);
    known.setLives(() => false);
    changed();
  };
  const follow = async () => {
    for (let failures = 0; isOpen; ) {
      const links: RedisLink[] = [];
      try {
        await followOnce(links);
      } catch (error) {
        failures = failure === undefined ? 0 : failures + 1;
        fail(error);
      }
      for (const link of links) link.close();
      if (isOpen) await sys.sleep(pauseMs(failures, chanceOf(sys)));
    }
  };
  void follow();
  return {
    machines(): Machine[] {
      return [...known.machines.values()];
    },
    failure: () => failure,
    version: () => version,
    changed: change.next,
    close() {
      if (isOpen) known.keep(clockMs);
      isOpen = false;
    },
  };
}

/** More than a screen holds; the rest is counted, and found by a filter. */
const mostRows = 200;

/** So long it rests for each moment that it looks. */
const restPerLook = 2;
const mostRestMs = 100;

export interface FleetFeed extends Feed<LiveSession> {
  /** Which of the others' sessions are wanted, and in what order. */
  narrow(order: RowOrder): void;
  /** Why what the others told is not of now. */
  failure(): string | undefined;
}

/** The sessions of this machine, and those of the others; `isAll`: not only as many as anybody looks at. */
export function withFleet(
  sys: Sys,
  local: Feed<LiveSession>,
  { machine, open, isAll = false }: { machine: string; open: () => Promise<RedisLink>; isAll?: boolean },
): FleetFeed {
  const follower = openFollower(sys, open);
  let order: RowOrder = { filter: "", sort: "attention" };
  let seenVersion = -1;
  // One wait at a time: whoever comes back for the fleet's sake takes it up again.
  let waiting: Promise<void> | undefined;
  const asked = createSign();
  let [lookedAt, lookedMs] = [0, 0];
  return {
    async read() {
      seenVersion = follower.version();
      const startedAt = sys.now();
      const look = await local.read();
      const others = follower.machines().filter(({ name }) => name !== machine);
      const { rows, beyond } = pickRows(others, { ...order, most: isAll ? Number.POSITIVE_INFINITY : mostRows, now: sys.now() });
      lookedAt = sys.now();
      lookedMs = lookedAt - startedAt;
      return { ...look, sessions: [...look.sessions, ...rows], beyond };
    },
    async next(timeoutMs) {
      // A thousand machines tell something all the time: looks leave most of it to others.
      const restMs = Math.min(mostRestMs, lookedMs * restPerLook) - Math.abs(sys.now() - lookedAt);
      if (restMs > 0) await sys.sleep(restMs);
      if (follower.version() !== seenVersion) return;
      waiting ??= local.next(timeoutMs).finally(() => {
        waiting = undefined;
      });
      await Promise.race([waiting, follower.changed(), asked.next()]);
    },
    narrow({ filter, sort }) {
      if (filter === order.filter && sort === order.sort) return;
      order = { filter, sort };
      asked.give();
    },
    failure: follower.failure,
    close() {
      follower.close();
      local.close();
    },
  };
}
