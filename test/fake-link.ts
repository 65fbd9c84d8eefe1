import { toMachineState } from "../src/fleet.ts";
import type { Inbox } from "../src/fleet-inbox.ts";
import type { RedisLink } from "../src/fleet-redis.ts";
import type { MachineAsks } from "../src/fleet-schema.ts";
import type { MachineState } from "../src/fleet-state.ts";
import type { LiveSession } from "../src/session.ts";
import { createFakeSys } from "./fake-sys.ts";

/** Its keys, its streams, and what was called. `now` is the server's clock. */
export function createFakeLink(keys = new Map<string, string | Set<string>>(), now: () => number = () => 1000) {
  const calls: string[] = [];
  const streams = new Map<string, [id: string, fields: string[]][]>();
  let entries = 0;
  const link: RedisLink = {
    close: () => void calls.push("close"),
    listen: async () => {},
    async call(command, args) {
      const [key = "", value = ""] = args;
      if (command === "XREAD") {
        const [name = "", last = ""] = args.slice(-2);
        const news = (streams.get(name) ?? []).filter(([id]) => Number(id) > Number(last));
        return news.length === 0 ? null : { [name]: news };
      }
      calls.push(`${command} ${key}`);
      const before = keys.get(key) ?? null;
      if (command === "SET" && !(args.includes("NX") && before !== null)) keys.set(key, value);
      if (command === "SET" && args.includes("GET")) return before;
      if (command === "SADD") keys.set(key, new Set([...((keys.get(key) as Set<string> | undefined) ?? []), value]));
      if (command === "SMEMBERS") return [...((keys.get(key) as Set<string> | undefined) ?? [])];
      if (command === "GETRANGE") return keys.get(key) ?? "";
      if (command === "MGET") return args.map((each) => keys.get(each) ?? null);
      if (command === "GET") return before;
      if (command === "TIME") return [String(Math.floor(now() / 1000)), String((now() % 1000) * 1000)];
      if (command === "XADD") {
        const id = String(++entries);
        streams.set(key, [...(streams.get(key) ?? []), [id, args.slice(args.indexOf("*") + 1)]]);
        return id;
      }
      if (command === "XDEL")
        streams.set(
          key,
          (streams.get(key) ?? []).filter(([id]) => id !== value),
        );
      return "OK";
    },
  };
  return { link, calls, keys, streams };
}

/** Takes nothing. */
export const noInbox: Inbox = { follow: async () => {}, take() {}, rest: async () => {} };

export const membership = { machine: "near", role: "answer" } as const;
export const live = (more: object): LiveSession =>
  ({
    ...{
      key: "1",
      name: "app",
      since: 5,
      cwd: "/srv/app",
      pid: 1,
      kind: "interactive",
      agents: [],
      badges: [],
      sessionId: "id-1",
      isNameGiven: true,
    },
    ...{ verdict: { status: "working", source: "hook", tools: ["Bash"] } },
    ...more,
  }) as unknown as LiveSession;
export const state = (sys = createFakeSys({ now: 1000 })): MachineState => toMachineState(sys, membership, [live({})], "states");
export const asks: MachineAsks = { v: 1, machine: "near", at: 1, asks: [] };
