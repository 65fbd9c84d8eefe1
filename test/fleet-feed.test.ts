import { expect, test } from "bun:test";
import { fleetKeys } from "../src/fleet-access.ts";
import { withFleet } from "../src/fleet-feed.ts";
import { LinkError, type RedisLink } from "../src/fleet-redis.ts";
import { fleetSeenPath } from "../src/paths.ts";
import type { LiveSession } from "../src/session.ts";
import type { Feed } from "../src/watch.ts";
import { createFakeLink, live, state } from "./fake-link.ts";
import { createFakeSys } from "./fake-sys.ts";

const far = (name: string, ...names: string[]) => ({
  ...state(),
  machine: name,
  sessions: names.map((each) => ({
    ...(state().sessions[0] as ReturnType<typeof state>["sessions"][number]),
    name: each,
    session_id: each,
  })),
});

/** A server whose connections can be ended, and a feed of this machine with one session. */
function createScene() {
  const listeners = new Set<(name: string) => void>();
  let isUp = true;
  const open = async (): Promise<RedisLink> => {
    if (!isUp) throw new LinkError("nobody is there");
    return {
      ...link,
      call: (command, args) => (isUp ? link.call(command, args) : Promise.reject(new LinkError("it has ended"))),
      listen: async (_, listener) => void listeners.add(listener),
    };
  };
  // A hundred times faster; a sleep that takes no time at all would turn a wait into a loop.
  const startedAt = Date.now();
  const now = () => startedAt + (Date.now() - startedAt) * 100;
  const { link, keys } = createFakeLink(undefined, now);
  const sys = { ...createFakeSys({ now: 1_000_000 }), now, sleep: (ms: number) => Bun.sleep(ms / 100) };
  const local: Feed<LiveSession> = {
    read: async () => ({ sessions: [live({ key: "own", name: "own" })] }),
    next: (ms) => Bun.sleep(ms),
    close() {},
  };
  const hint = (name: string) => {
    for (const listener of listeners) listener(name);
  };
  const tell = async (machine: ReturnType<typeof far>) => {
    keys.set(fleetKeys.machines, new Set([...((keys.get(fleetKeys.machines) as Set<string> | undefined) ?? []), machine.machine]));
    keys.set(fleetKeys.machine(machine.machine), JSON.stringify(machine));
    keys.set(fleetKeys.live(machine.machine), "1");
    hint(machine.machine);
  };
  const set = (up: boolean) => {
    isUp = up;
  };
  return { sys, open, local, tell, hint, keys, set };
}

const names = (sessions: readonly LiveSession[]) => sessions.map(({ name, staleMs }) => (staleMs === undefined ? name : `${name} stale`));

test("what another machine tells is there at once, what is not reached stays as stale, and is found again", async () => {
  const { sys, open, local, tell, hint, keys, set } = createScene();
  await tell(far("far", "one"));
  const feed = withFleet(sys, local, { machine: "near", open });
  const see = async (...wanted: string[]) => {
    for (const endAt = Date.now() + 5000; Date.now() < endAt; await feed.next(50)) {
      const seen = names((await feed.read()).sessions);
      if (Bun.deepEquals(seen, wanted)) return;
    }
    expect(names((await feed.read()).sessions)).toEqual(wanted);
  };
  // Nothing waits for the fleet.
  expect(names((await feed.read()).sessions)).toEqual(["own"]);
  await see("own", "far/one");
  await tell(far("far", "two"));
  await see("own", "far/two");
  await tell(far("near", "mine"));
  await tell(far("third", "three"));
  await see("own", "far/two", "third/three");
  keys.set(fleetKeys.machine("third"), '{"v":1');
  hint("third");
  await tell(far("other", "x"));
  await see("own", "far/two", "third/three stale", "other/x");
  set(false);
  await see("own", "far/two stale", "third/three stale", "other/x stale");
  expect(feed.failure()).toMatch(/has ended|nobody/);
  // It was stopped, and has forgotten everything.
  keys.clear();
  set(true);
  await tell(far("far", "two"));
  await see("own", "far/two", "third/three stale", "other/x stale");
  expect(feed.failure()).toBeUndefined();
  feed.close();
});

test("a thousand sessions elsewhere are counted, and those that a filter wants are listed", async () => {
  const { sys, open, local, tell } = createScene();
  await tell(far("far", ...Array.from({ length: 1000 }, (_, index) => `s${index}`)));
  const feed = withFleet(sys, local, { machine: "near", open });
  const look = async () => {
    const { sessions, beyond } = await feed.read();
    return [sessions.length, beyond?.working ?? 0];
  };
  for (let tries = 0; (await look())[0] === 1 && tries < 100; tries++) await feed.next(50);
  expect(await look()).toEqual([201, 800]);
  const woken = feed.next(10_000);
  feed.narrow({ filter: "FAR/s99", sort: "attention" });
  await woken;
  expect(await look()).toEqual([12, 0]);
  feed.close();
});

test("a look at the fleet that fails in whatever way takes no session of this machine away", async () => {
  const { sys, local } = createScene();
  const feed = withFleet(sys, local, { machine: "near", open: () => Promise.reject(new TypeError("a bug")) });
  for (let tries = 0; feed.failure() === undefined && tries < 100; tries++) await feed.next(50);
  expect(names((await feed.read()).sessions)).toEqual(["own"]);
  expect(feed.failure()).toContain("a bug");
  feed.close();
});

test("a name that tells nothing is no machine", async () => {
  const { sys, open, local, tell, keys } = createScene();
  await tell(far("far", "one"));
  keys.set(fleetKeys.machines, new Set(["far", ...Array.from({ length: 50 }, (_, at) => `empty${at}`)]));
  const feed = withFleet(sys, local, { machine: "near", open });
  for (let tries = 0; (await feed.read()).sessions.length < 2 && tries < 100; tries++) await feed.next(50);
  feed.close();
  expect(sys.readText(fleetSeenPath(sys)) ?? "").not.toContain("empty");
});
