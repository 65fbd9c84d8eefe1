import { expect, test } from "bun:test";
import type { Membership } from "../src/fleet.ts";
import { fleetKeys } from "../src/fleet-access.ts";
import { askOwner, readPlace, type Wish } from "../src/fleet-ask.ts";
import { LinkError, type RedisLink } from "../src/fleet-redis.ts";
import type { FleetAsk, FleetRequest } from "../src/fleet-schema.ts";
import { fleetPath } from "../src/paths.ts";
import { createFakeLink, live, state } from "./fake-link.ts";
import { createFakeSys } from "./fake-sys.ts";

const membership: Membership = { url: "redis://127.0.0.1", machine: "near", role: "answer", password: { from: "none" }, joinedAt: 1 };
const ask = (more: Partial<FleetAsk> = {}): FleetAsk => ({
  ...{ session_id: "id-1", session: "app", gate_id: "g1", gate: "permission", tool: "Bash", agent: null, request: "npm test" },
  options: [{ option: 1, label: "Yes", meaning: "allow-once" }],
  ...more,
});

/** `far` tells of its session `app`; the server's clock is ten minutes behind. `answer`: what its machine makes of a request. */
function open(
  given: {
    asks?: FleetAsk[];
    gate?: string;
    isLive?: boolean;
    answer?: (request: FleetRequest, tell: (outcome: object) => void) => void;
    files?: Record<string, string>;
  } = {},
) {
  const sys = createFakeSys({ now: 700_000, files: given.files ?? {} });
  const server = createFakeLink(undefined, () => sys.now() - 600_000);
  const sessions = [live({ driver: "app" }), live({ sessionId: "id-2", name: "other" })];
  const told = { ...state(sys), machine: "far" };
  const [app, other] = [told.sessions[0], { ...told.sessions[0], name: "other", session_id: "id-2" }];
  server.keys.set(fleetKeys.machine("far"), JSON.stringify({ ...told, sessions: [{ ...app, gate_id: given.gate }, other] }));
  if (given.isLive !== false) server.keys.set(fleetKeys.live("far"), "1");
  if (given.asks !== undefined) server.keys.set(fleetKeys.asks("far"), JSON.stringify({ v: 1, machine: "far", at: 1, asks: given.asks }));
  const requests: FleetRequest[] = [];
  const link: RedisLink = {
    ...server.link,
    async call(command, args) {
      const result = await server.link.call(command, args);
      if (command === "XADD") {
        const request = JSON.parse(args.at(-1) ?? "") as FleetRequest;
        requests.push(request);
        given.answer?.(request, (outcome) => server.keys.set(fleetKeys.outcome("far", request.id), JSON.stringify(outcome)));
      }
      return result;
    },
  };
  const sent: unknown[] = [];
  const far = (word: string, role: Membership["role"] = "answer") => ({ membership: { ...membership, role }, machine: "far", word });
  const wish = (word: string, more: Partial<Wish> = {}, opened: RedisLink = link) =>
    askOwner(
      sys,
      far(word),
      { verb: "allow", ...more },
      { timeoutMs: 5000, onSent: (each) => void sent.push(each), open: async () => opened },
    );
  return { ...server, sys, link, requests, sent, far, wish, sessions };
}

test("the gate that is shown is the one that is meant, and what becomes of it is what its machine says", async () => {
  const box = open({ asks: [ask()], answer: (_, tell) => tell({ is: "applied", words: "app: Yes" }) });
  expect(await box.wish("app", { option: 1 })).toMatchObject({ is: "applied", words: "app: Yes" });
  expect(box.requests).toEqual([
    expect.objectContaining({ session: "id-1", gate_id: "g1", label: "Yes", expires_at: 105_000, from: { machine: "near", sessions: [] } }),
  ]);
  // What nobody takes is gone in time.
  expect(box.calls).toContain(`EXPIRE ${fleetKeys.inbox("far")}`);
  expect(box.sent).toEqual([expect.objectContaining({ isLive: true, session: "app" })]);
  const audit = [...box.sys.files].find(([path]) => path.endsWith("audit.jsonl"))?.[1] ?? "";
  expect(
    audit
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as object),
  ).toEqual([
    expect.objectContaining({
      decision: "allow",
      session: "far/app",
      channel: "fleet",
      tool: "Bash",
      request: "npm test",
      reason: expect.stringContaining("sent"),
    }),
    expect.objectContaining({ decision: "allow", session: "far/app", reason: expect.stringContaining("applied") }),
  ]);
});

test.each<[string, Parameters<typeof open>[0], string, Partial<Wish>, string]>([
  ["there is no such session", {}, "nobody", {}, 'has no session "nobody"'],
  ["it asks for nothing", { asks: [] }, "app", {}, "asks for nothing"],
  ["two gates are up", { asks: [ask(), ask({ gate_id: "g2", agent: "Explore" })] }, "app", {}, "2 gates are up"],
  ["the option was not told", { asks: [ask()] }, "app", { option: 2 }, "no option 2"],
  ["its options stay where they are", { gate: "g1" }, "app", { option: 1 }, "no option 1"],
  ["a text is too long", { gate: "g1" }, "app", { reason: "x".repeat(30_000) }, "too long"],
])("nothing is sent where %s", async (_, given, word, wish, message) => {
  const box = open(given);
  expect(box.wish(word, wish)).rejects.toThrow(message);
  await Bun.sleep(1);
  expect(box.requests).toEqual([]);
});

test("the gates of another session are none of this one's, and one of several can be named", async () => {
  const box = open({
    asks: [ask({ session_id: "id-2", session: "other" }), ask({ gate_id: "g2" }), ask({ gate_id: "g3" })],
    answer: (_, tell) => tell({ is: "applied" }),
  });
  await box.wish("app", { gate_id: "g3" });
  await box.wish("other");
  expect(box.requests.map(({ session, gate_id }) => [session, gate_id])).toEqual([
    ["id-1", "g3"],
    ["id-2", "g1"],
  ]);
});

test("a machine that is away: it is sent, waited for no longer than was said, and then nothing will be done", async () => {
  const box = open({ gate: "g1", isLive: false });
  const startedAt = box.sys.now();
  expect(await box.wish("app")).toMatchObject({ is: "expired" });
  expect(box.sys.now() - startedAt).toBeLessThan(6500);
  expect(box.sent).toEqual([expect.objectContaining({ isLive: false })]);
});

test.each<[string, object, object]>([
  ["too late", { is: "too late", why: "gone" }, { is: "too late", why: "gone" }],
  ["refused", { is: "refused", why: "no" }, { is: "refused", why: "no" }],
  ["taken, and never heard of again", { is: "taken" }, { is: "unknown" }],
  ["no outcome at all", { is: "maybe" }, { is: "expired" }],
])("what its machine says is said: %s", async (_, outcome, is) => {
  const box = open({ gate: "g1", answer: (_request, tell) => tell(outcome) });
  expect(await box.wish("app")).toMatchObject(is);
});

test("a connection that ends is opened again, and a server that is gone leaves it unknown", async () => {
  const box = open({ gate: "g1", answer: (_, tell) => tell({ is: "applied" }) });
  let calls = 0;
  const torn: RedisLink = {
    ...box.link,
    call: (command, args) => (command === "GET" && calls++ < 3 ? Promise.reject(new LinkError("gone")) : box.link.call(command, args)),
  };
  expect(await box.wish("app", {}, torn)).toMatchObject({ is: "applied" });
  const dead: RedisLink = {
    ...box.link,
    call: (command, args) => (command === "GET" ? Promise.reject(new LinkError("gone")) : box.link.call(command, args)),
  };
  expect(await box.wish("app", {}, dead)).toMatchObject({ is: "unknown", why: expect.stringContaining("not reached") });
});

test("who only watches answers nothing", async () => {
  const box = open({ gate: "g1" });
  const way = { timeoutMs: 5000, onSent: () => {}, open: async () => box.link };
  expect(askOwner(box.sys, box.far("app", "watch"), { verb: "allow" }, way)).rejects.toThrow("role watch");
});

test("whoever asks from the inside of a session says so", async () => {
  const box = open({
    gate: "g1",
    files: {
      "/proc/1/stat": "1 (csm) S 0 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 777 0",
      "/proc/1/environ": "CLAUDE_CODE_SESSION_ID=inside\0",
    },
  });
  await box.wish("app");
  expect(box.requests[0]?.from).toEqual({ machine: "near", sessions: ["inside"] });
});

test("a word with a slash is a machine's session only where there is such a machine", async () => {
  const sys = createFakeSys({ now: 1000 });
  expect(await readPlace(sys, "far/app")).toEqual({ word: "far/app" });
  sys.files.set(fleetPath(sys), JSON.stringify({ ...membership, url: "redis://127.0.0.1:1" }));
  expect(await readPlace(sys, "near/app")).toEqual({ word: "app" });
  expect(await readPlace(sys, "feature/app")).toEqual({ word: "feature/app" });
  expect(await readPlace(sys, "a title/with a slash")).toEqual({ word: "a title/with a slash" });
});
