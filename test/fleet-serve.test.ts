import { expect, test } from "bun:test";
import { UserError } from "../src/errors.ts";
import { toMachineState } from "../src/fleet.ts";
import { fleetKeys } from "../src/fleet-access.ts";
import { LinkError, pauseMs, type RedisLink } from "../src/fleet-redis.ts";
import type { MachineUsage } from "../src/fleet-schema.ts";
import { serveState } from "../src/fleet-serve.ts";
import { asks, createFakeLink, live, membership, noInbox, state } from "./fake-link.ts";
import { createFakeSys } from "./fake-sys.ts";

const usage: MachineUsage = { v: 1, machine: "near", at: 1, accounts: [] };

test("it tells what has changed, is heard of in between, and says that it goes", async () => {
  const sys = createFakeSys({ now: 1000 });
  const { link, calls } = createFakeLink(undefined, sys.now);
  let reads = 0;
  await serveState(sys, async () => link, {
    async read() {
      reads++;
      await sys.sleep(1000);
      return { state: toMachineState(sys, membership, [live({ name: reads < 10 ? "one" : "two" })], "states"), asks };
    },
    machine: "near",
    inbox: noInbox,
    readUsage: async () => usage,
    takeUsage() {},
    onLink() {},
    isOver: () => reads >= 20,
  });
  expect(calls.filter((call) => call === `SET ${fleetKeys.machine("near")}`)).toHaveLength(2);
  const lives = calls.filter((call) => call === `SET ${fleetKeys.live("near")}`).length;
  expect(lives).toBeGreaterThan(3);
  expect(lives).toBeLessThan(10);
  const last = [fleetKeys.live("near"), fleetKeys.asks("near")].map((key) => `SET ${key}`);
  expect(calls.slice(-6)).toEqual([...last, `PUBLISH ${fleetKeys.changed}`, "close", "close", "close"]);
});

test("a fleet that goes away is tried again and again, and told all anew", async () => {
  const sys = createFakeSys({ now: 1000 });
  const { link, calls } = createFakeLink(undefined, sys.now);
  const told: (string | undefined)[] = [];
  let opens = 0;
  let isOver = false;
  const broken: RedisLink = { ...link, call: () => Promise.reject(new LinkError("gone")) };
  await serveState(
    sys,
    async () => {
      opens++;
      if (opens <= 3) return broken;
      if (opens < 7) throw new LinkError("nobody");
      return link;
    },
    {
      async read() {
        if (opens === 9) isOver = true;
        return { state: state(sys), asks };
      },
      machine: "near",
      inbox: noInbox,
      readUsage: async () => usage,
      takeUsage() {},
      onLink: (failure) => void told.push(failure?.message),
      isOver: () => isOver,
    },
  );
  expect(told).toEqual(["gone", "nobody", "nobody", "nobody", undefined]);
  expect(calls).toContain(`SET ${fleetKeys.machine("near")}`);
});

test("a server that forgets everything is told all anew, without a word from it", async () => {
  const sys = createFakeSys({ now: 1000 });
  const { link, keys } = createFakeLink();
  let reads = 0;
  await serveState(sys, async () => link, {
    ...{ machine: "near", inbox: noInbox, readUsage: async () => usage, takeUsage() {}, onLink() {}, isOver: () => reads >= 40 },
    async read() {
      if (++reads === 20) keys.clear();
      return { state: state(sys), asks };
    },
  });
  expect([...keys.keys()].sort()).toEqual(
    [fleetKeys.machines, ...[fleetKeys.machine, fleetKeys.live, fleetKeys.asks, fleetKeys.usage].map((key) => key("near"))].sort(),
  );
});

test("what others ask is given to the inbox, each entry once, and again after a new connection", async () => {
  const sys = createFakeSys({ now: 1000 });
  const { link, streams } = createFakeLink();
  const entry = (id: string, ...fields: string[]): [string, string[]] => [id, fields];
  streams.set(fleetKeys.inbox("near"), [entry("1", "request", "{}"), entry("2", "other", "x"), entry("3", "a", "b", "request", "[]")]);
  const given: [string, string | undefined][] = [];
  let reads = 0;
  const open = async (): Promise<RedisLink> => {
    let isClosed = false;
    return {
      ...link,
      close() {
        isClosed = true;
      },
      call: (...call) =>
        isClosed || (reads === 3 && call[1][0] === fleetKeys.machine("near")) ? Promise.reject(new LinkError("gone")) : link.call(...call),
    };
  };
  await serveState(sys, open, {
    ...{ machine: "near", readUsage: async () => usage, takeUsage() {}, onLink() {}, isOver: () => reads >= 6 },
    inbox: { ...noInbox, take: (id, text) => void given.push([id, text]) },
    async read() {
      reads++;
      await sys.sleep(5000);
      return { state: state(sys), asks };
    },
  });
  const once = [
    ["1", "{}"],
    ["2", undefined],
    ["3", "[]"],
  ] as [string, string | undefined][];
  expect(given).toEqual([...once, ...once]);
});

test("pauses grow, have an end, and differ", () => {
  expect(pauseMs(0, 0)).toBe(125);
  expect(pauseMs(3, 1)).toBeGreaterThan(pauseMs(0, 1));
  expect(pauseMs(1000, 1)).toBe(10_000);
  expect(pauseMs(4, 0.1)).not.toBe(pauseMs(4, 0.9));
});

test("what another machine tells of its usage is taken: all of it at first, then what it has heard of, and never its own", async () => {
  const sys = createFakeSys({ now: 1000 });
  const { link, keys } = createFakeLink(undefined, sys.now);
  const used = (machine: string, percent: number) =>
    keys.set(
      fleetKeys.usage(machine),
      JSON.stringify({
        ...{ v: 1, machine, at: 1 },
        accounts: [{ account: "a", windows: [{ window: "five_hour", used_percent: percent, resets_at: null, at: 1 }] }],
      }),
    );
  keys.set(fleetKeys.machines, new Set(["near", "far", "odd"]));
  used("near", 1);
  used("far", 10);
  keys.set(fleetKeys.usage("odd"), keys.get(fleetKeys.usage("far")) ?? "");
  let hear = (_: string) => {};
  const channels: string[] = [];
  const listen: RedisLink["listen"] = async (channel, listener) => {
    channels.push(channel);
    hear = listener;
  };
  const taken: [string, number | undefined][] = [];
  let reads = 0;
  await serveState(sys, async () => ({ ...link, listen }), {
    machine: "near",
    inbox: noInbox,
    readUsage: async () => ({ ...usage, accounts: [{ account: "a", windows: [] }] }),
    takeUsage: (usages) =>
      void taken.push(...usages.map((each): [string, number | undefined] => [each.machine, each.accounts[0]?.windows[0]?.used_percent])),
    async read() {
      reads++;
      if (reads === 3) {
        used("far", 20);
        hear("far");
        hear("near");
      }
      return { state: state(sys), asks };
    },
    onLink() {},
    isOver: () => reads >= 6,
  });
  expect(taken).toEqual([
    ["far", 10],
    ["far", 20],
  ]);
  // Of other accounts, and of sessions, it hears nothing: a thousand machines that hear of all others are a million messages.
  expect(channels).toEqual([fleetKeys.used("a")]);
});

test.each([
  ["each look brings something new", true],
  ["nothing changes", false],
])("a minute in which %s: at most one write a second, and none without a change", async (_, changes) => {
  const sys = createFakeSys({ now: 1_000_000 });
  const { link, calls, keys } = createFakeLink(undefined, sys.now);
  const endAt = sys.now() + 60_000;
  const times: number[] = [];
  const call: typeof link.call = (command, args) => {
    if (command === "SET" && args[0] === fleetKeys.machine("near")) times.push(sys.now());
    return link.call(command, args);
  };
  let looks = 0;
  await serveState(sys, async () => ({ ...link, call }), {
    machine: "near",
    inbox: noInbox,
    readUsage: async () => ({ ...usage, accounts: [{ account: "a", windows: [] }] }),
    takeUsage() {},
    async read(timeoutMs) {
      await sys.sleep(timeoutMs / 10);
      looks++;
      return { state: toMachineState(sys, membership, [live({ name: changes ? `look ${looks}` : "calm" })], "states"), asks };
    },
    onLink() {},
    isOver: () => sys.now() >= endAt,
  });
  expect(looks).toBeGreaterThan(100);
  const gaps = times.slice(1).map((at, index) => at - (times[index] ?? 0));
  expect(gaps.filter((gap) => gap < 1000)).toEqual([]);
  expect([calls.filter((each) => each.startsWith("SADD")).length, times.length > 30]).toEqual([1, changes]);
  if (!changes) {
    expect(times).toHaveLength(1);
    // Its own state and use, and that it goes.
    expect(calls.filter((each) => each.startsWith("PUBLISH"))).toEqual([
      `PUBLISH ${fleetKeys.changed}`,
      `PUBLISH ${fleetKeys.used("a")}`,
      `PUBLISH ${fleetKeys.changed}`,
    ]);
  }
  keys.clear();
});

const serving = {
  ...{ machine: "near", inbox: noInbox, readUsage: async () => usage, takeUsage() {} },
};

test("a server that answers and takes no writes is tried ever more rarely, and never said to be told", async () => {
  const sys = createFakeSys({ now: 1_000_000 });
  const { link } = createFakeLink(undefined, sys.now);
  const full = (key: string) => key === fleetKeys.machine("near");
  const told: (string | undefined)[] = [];
  const endAt = sys.now() + 120_000;
  let opens = 0;
  const open = async (): Promise<RedisLink> => {
    opens++;
    let isClosed = false;
    return {
      ...link,
      close() {
        isClosed = true;
      },
      call(command, args) {
        if (isClosed) return Promise.reject(new LinkError("it is closed"));
        return command === "SET" && full(args[0] ?? "") ? Promise.reject(new UserError("it is full")) : link.call(command, args);
      },
    };
  };
  await serveState(sys, open, {
    ...{ ...serving, onLink: (failure) => void told.push(failure?.message), isOver: () => sys.now() >= endAt },
    read: async () => ({ state: state(sys), asks }),
  });
  expect(new Set(told)).toEqual(new Set(["it is full"]));
  expect(told.length).toBeLessThan(40);
  expect(opens).toBeLessThan(120);
});

test("two under one name: the second one ends, and leaves the first one's word as it is", async () => {
  const sys = createFakeSys({ now: 1_000_000 });
  const { link, keys } = createFakeLink(undefined, sys.now);
  const key = fleetKeys.live("near");
  const other: RedisLink = {
    ...link,
    call(command, args) {
      if (command === "GET" && args[0] === key) keys.set(key, `other ${sys.now()}`);
      return link.call(command, args);
    },
  };
  const second = serveState(sys, async () => other, {
    ...{ ...serving, onLink() {}, isOver: () => false },
    read: async () => ({ state: state(sys), asks }),
  });
  expect(await second.catch((error: Error) => error.message)).toBe("another machine tells the fleet as near");
  expect(keys.get(key)).toMatch(/^other /);
});

test("one that ended without a word is waited for, and no more", async () => {
  const sys = createFakeSys({ now: 1_000_000 });
  const { link, keys, calls } = createFakeLink(undefined, sys.now);
  keys.set(fleetKeys.live("near"), "before 1");
  const goneAt = sys.now() + 15_000;
  const call: RedisLink["call"] = (command, args) => {
    if (sys.now() >= goneAt && keys.get(fleetKeys.live("near")) === "before 1") keys.delete(fleetKeys.live("near"));
    return link.call(command, args);
  };
  let reads = 0;
  await serveState(sys, async () => ({ ...link, call }), {
    ...{ ...serving, onLink() {}, isOver: () => reads > 2 },
    async read() {
      reads++;
      return { state: state(sys), asks };
    },
  });
  expect(calls).toContain(`SET ${fleetKeys.machine("near")}`);
});

test.each([false, true])(
  "what it has used stays when it ends, and is taken back when it has left (%p); outcomes go first",
  async (left) => {
    const sys = createFakeSys({ now: 1_000_000 });
    const { link, calls } = createFakeLink(undefined, sys.now);
    let reads = 0;
    await serveState(sys, async () => link, {
      ...{ ...serving, onLink() {}, isOver: () => reads > 2, hasLeft: () => left },
      inbox: { ...noInbox, rest: async () => void calls.push("rest") },
      async read() {
        reads++;
        return { state: state(sys), asks };
      },
    });
    expect(calls.includes(`SET ${fleetKeys.cost("near")}`)).toBe(left);
    expect(calls.indexOf("rest")).toBeLessThan(calls.indexOf("close"));
  },
);
