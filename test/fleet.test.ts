import { expect, test } from "bun:test";
import { membershipStore, pauseMs, readMachines, serveState, tellState, toMachineState } from "../src/fleet.ts";
import { fleetKeys } from "../src/fleet-access.ts";
import { LinkError, type RedisLink } from "../src/fleet-redis.ts";
import type { MachineState } from "../src/fleet-schema.ts";
import { fleetPath } from "../src/paths.ts";
import type { LiveSession } from "../src/session.ts";
import { createFakeSys } from "./fake-sys.ts";

/** Its keys, and what was called. */
function createFakeLink(keys = new Map<string, string | Set<string>>()) {
  const calls: string[] = [];
  const link: RedisLink = {
    ended: new Promise(() => {}),
    close: () => void calls.push("close"),
    listen: async () => {},
    async call(command, args) {
      calls.push(`${command} ${args[0]}`);
      const [key = "", value = ""] = args;
      if (command === "SET") keys.set(key, value);
      if (command === "SADD") keys.set(key, new Set([...((keys.get(key) as Set<string> | undefined) ?? []), value]));
      if (command === "SMEMBERS") return [...((keys.get(key) as Set<string> | undefined) ?? [])];
      if (command === "MGET") return args.map((each) => keys.get(each) ?? null);
      return "OK";
    },
  };
  return { link, calls, keys };
}

const membership = { machine: "near", role: "answer" } as const;
const live = (more: object): LiveSession =>
  ({
    ...{ key: "1", name: "app", since: 5, cwd: "/srv/app", pid: 1, kind: "interactive", agents: [], badges: [], sessionId: "id-1" },
    ...{ verdict: { status: "working", source: "hook", tools: ["Bash"] } },
    ...more,
  }) as unknown as LiveSession;
const state = (sys = createFakeSys({ now: 1000 })): MachineState => toMachineState(sys, membership, [live({})], "states");

test("nothing that was typed or answered leaves the machine unless it is to be shared", () => {
  const secret = "SECRET-typed-or-answered";
  const facts = { customTitle: secret, aiTitle: secret, lastPrompt: secret, firstPrompt: secret };
  const verdicts = [
    { status: "blocked", source: "hook", gate: "permission", tool: "Bash", input: { command: secret }, prompt: secret, gate_id: "g1" },
    { status: "awaiting_answer", source: "transcript", gate: "question", question: secret, text: secret },
    { status: "plan_ready", source: "transcript", plan: secret },
    { status: "failed", source: "transcript", error: secret, message: secret },
    { status: "idle_done", source: "hook", outcome: "finished", last: secret, text: secret },
  ];
  const sessions = verdicts.map((verdict) => live({ verdict, facts, agents: [{ isRunning: true, description: secret }] }));
  const sys = createFakeSys({ now: 1000 });
  expect(JSON.stringify(toMachineState(sys, membership, sessions, "states"))).not.toContain(secret);
  expect(toMachineState(sys, membership, sessions, "states").sessions[0]).toMatchObject({
    status: "blocked",
    words: "asks Bash",
    gate_id: "g1",
    agents: 1,
  });
  expect(toMachineState(sys, membership, sessions, "titles").sessions[0]?.title).toBe(secret);
});

test("what one machine tells, another reads; what is no state, or of another, is none", async () => {
  const { link, keys } = createFakeLink();
  await tellState(link, state());
  for (const name of ["torn", "old", "forged", "bad name"]) (keys.get(fleetKeys.machines) as Set<string>).add(name);
  keys.set(fleetKeys.machine("torn"), '{"v":1,"mach');
  keys.set(fleetKeys.machine("old"), JSON.stringify({ ...state(), machine: "old", v: 0 }));
  keys.set(fleetKeys.machine("forged"), JSON.stringify(state()));
  const machines = await readMachines(link);
  expect(machines.map(({ name, isLive, state }) => [name, isLive, state?.sessions.length])).toEqual([
    ["forged", false, undefined],
    ["near", true, 1],
    ["old", false, undefined],
    ["torn", false, undefined],
  ]);
});

test("it tells what has changed, is heard of in between, and says that it goes", async () => {
  const sys = createFakeSys({ now: 1000 });
  const { link, calls } = createFakeLink();
  let reads = 0;
  await serveState(sys, async () => link, {
    async read() {
      reads++;
      await sys.sleep(1000);
      return toMachineState(sys, membership, [live({ name: reads < 10 ? "one" : "two" })], "states");
    },
    onLink() {},
    isOver: () => reads >= 20,
  });
  expect(calls.filter((call) => call === `SET ${fleetKeys.machine("near")}`)).toHaveLength(2);
  const lives = calls.filter((call) => call === `SET ${fleetKeys.live("near")}`).length;
  expect(lives).toBeGreaterThan(3);
  expect(lives).toBeLessThan(10);
  expect(calls.slice(-3)).toEqual([`SET ${fleetKeys.live("near")}`, `PUBLISH ${fleetKeys.changed}`, "close"]);
});

test("a fleet that goes away is tried again and again, and told all anew", async () => {
  const sys = createFakeSys({ now: 1000 });
  const { link, calls } = createFakeLink();
  const told: (string | undefined)[] = [];
  let opens = 0;
  let isOver = false;
  const broken: RedisLink = { ...link, call: () => Promise.reject(new LinkError("lost", "gone")) };
  await serveState(
    sys,
    async () => {
      opens++;
      if (opens === 1) return broken;
      if (opens < 5) throw new LinkError("unreachable", "nobody");
      return link;
    },
    {
      async read() {
        if (opens === 5) isOver = true;
        return state(sys);
      },
      onLink: (failure) => void told.push(failure?.message),
      isOver: () => isOver,
    },
  );
  expect(told).toEqual([undefined, "gone", "nobody", "nobody", "nobody", undefined]);
  expect(calls).toContain(`SET ${fleetKeys.machine("near")}`);
});

test("pauses grow, have an end, and differ", () => {
  expect(pauseMs(0, 0)).toBe(125);
  expect(pauseMs(3, 1)).toBeGreaterThan(pauseMs(0, 1));
  expect(pauseMs(1000, 1)).toBe(10_000);
  expect(pauseMs(4, 0.1)).not.toBe(pauseMs(4, 0.9));
});

test.each([
  ["[]", "it is no membership"],
  ['{"url":"redis://h","machine":"a b","role":"watch","joinedAt":1}', "no name of a machine"],
  ['{"url":"redis://h","machine":"a","role":"king","joinedAt":1}', "no role"],
  ['{"url":"redis://h","machine":"a","role":"watch","joinedAt":1}', "where its password is"],
  ['{"url":"redis://h","machine":"a","role":"watch","joinedAt":1,"password":{"from":"command","command":[]}}', "where its password is"],
])("a membership that says %s is named with its file", (text, message) => {
  const sys = createFakeSys({ homeDir: "/home/u" });
  sys.files.set(fleetPath(sys), text);
  expect(() => membershipStore(sys).read()).toThrow(message);
  expect(() => membershipStore(sys).read()).toThrow("fleet.json");
});
