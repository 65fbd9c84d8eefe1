import { toMachineState } from "../src/fleet.ts";
import type { RedisLink } from "../src/fleet-redis.ts";
import type { MachineState } from "../src/fleet-schema.ts";
import type { LiveSession } from "../src/session.ts";
import { createFakeSys } from "./fake-sys.ts";

/** Its keys, and what was called. */
export function createFakeLink(keys = new Map<string, string | Set<string>>()) {
  const calls: string[] = [];
  const link: RedisLink = {
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

export const membership = { machine: "near", role: "answer" } as const;
export const live = (more: object): LiveSession =>
  ({
    ...{ key: "1", name: "app", since: 5, cwd: "/srv/app", pid: 1, kind: "interactive", agents: [], badges: [], sessionId: "id-1" },
    ...{ verdict: { status: "working", source: "hook", tools: ["Bash"] } },
    ...more,
  }) as unknown as LiveSession;
export const state = (sys = createFakeSys({ now: 1000 })): MachineState => toMachineState(sys, membership, [live({})], "states");
