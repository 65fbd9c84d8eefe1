import { expect, test } from "bun:test";
import { GateGone } from "../src/driver-reply.ts";
import { UserError } from "../src/errors.ts";
import { fleetKeys } from "../src/fleet-access.ts";
import { createInbox, toAsks, whyNotTaken } from "../src/fleet-inbox.ts";
import { LinkError, type RedisLink } from "../src/fleet-redis.ts";
import { type FleetRequest, parseFleetOutcome, parseMachineAsks } from "../src/fleet-schema.ts";
import { csdDir } from "../src/paths.ts";
import { createFakeLink, live } from "./fake-link.ts";
import { createFakeSys } from "./fake-sys.ts";

const idOf = (number: number) => `00000000-0000-4000-9000-${String(number).padStart(12, "0")}`;
const request = (number: number, more: Partial<FleetRequest> = {}): FleetRequest => ({
  ...{ v: 1, id: idOf(number), verb: "allow", session: "s1", from: { machine: "far", sessions: [] }, expires_at: 1_010_000, gate_id: "g1" },
  ...more,
});

/** The server's clock is ten minutes ahead of the machine's. */
function open(
  given: { act?: (request: FleetRequest) => Promise<string>; sys?: ReturnType<typeof createFakeSys>; link?: Partial<RedisLink> } = {},
) {
  const sys = given.sys ?? createFakeSys({ now: 400_000 });
  const server = createFakeLink(undefined, () => sys.now() + 600_000);
  const acted: string[] = [];
  const inbox = createInbox(sys, {
    machine: "near",
    whyNot: (each) => whyNotTaken(each, "near", "gates"),
    async act(each) {
      acted.push(each.id);
      return (await given.act?.(each)) ?? "app: Yes";
    },
  });
  const outcome = (number: number) =>
    parseFleetOutcome(JSON.parse(String(server.keys.get(fleetKeys.outcome("near", idOf(number))) ?? "null")));
  const give = (...requests: unknown[]) => {
    for (const [at, each] of requests.entries()) inbox.take(String(at), typeof each === "string" ? each : JSON.stringify(each));
    return inbox.rest();
  };
  return { sys, inbox, acted, outcome, give, ...server, link: { ...server.link, ...given.link } };
}

test("what is asked is done once, and told as taken before it is done", async () => {
  const seen: unknown[] = [];
  const box = open({ act: async () => (seen.push(box.outcome(1)) > 0 ? "app: Yes" : "") });
  await box.inbox.follow(box.link);
  await box.give(request(1), request(1));
  expect(seen).toEqual([{ is: "taken" }]);
  expect(box.outcome(1)).toEqual({ is: "applied", words: "app: Yes" });
  expect(box.calls.filter((call) => call.startsWith("XDEL"))).toHaveLength(2);
});

test.each<[string, Partial<FleetRequest>, string, RegExp]>([
  ["its time was over", { expires_at: 999_999 }, "too late", /its time was over/],
  ["it would wait for a day", { expires_at: 90_000_000 }, "refused", /an hour at most/],
  ["it names no gate", { gate_id: undefined as unknown as string }, "refused", /which gate/],
  ["it is a prompt", { verb: "send", prompt: "x" }, "refused", /takes no prompts/],
  ["it is no answer", { verb: "answer" }, "refused", /no answer/],
])("nothing is done where %s", async (_, more, is, why) => {
  const box = open();
  await box.inbox.follow(box.link);
  await box.give(JSON.stringify(request(1, more)));
  expect([box.acted, box.outcome(1)?.is, box.outcome(1)?.why]).toEqual([[], is, expect.stringMatching(why)] as never);
  expect(box.sys.files.get(`${csdDir(box.sys)}/audit.jsonl`)).toContain(`"why":"fleet/far: ${is}`);
});

test.each<[string, Error, string]>([
  ["the gate is gone", new GateGone("gate g1 is not up", "up: g2"), "too late"],
  ["the rules refuse", new UserError("the gate is not for npm test; nothing was chosen"), "refused"],
  ["a bug stands in the way", new TypeError("undefined is no object"), "unknown"],
])("it says which where %s", async (_, error, is) => {
  const box = open({ act: () => Promise.reject(error) });
  await box.inbox.follow(box.link);
  await box.give(request(1), request(2));
  expect([box.outcome(1)?.is, box.outcome(2)?.is]).toEqual([is, is] as never);
  expect(box.outcome(1)?.why).toContain(error.message);
});

test.each([
  ["the server is full", "SET", new UserError("the server of the fleet is full")],
  ["the connection ends", "SET", new LinkError("gone")],
  ["the server does not tell the time", "TIME", new LinkError("gone")],
])("where %s before it is told, nothing is done, and that is told later", async (_, broken, error) => {
  const sys = createFakeSys({ now: 400_000 });
  const box = open({ sys });
  const failing: RedisLink = {
    ...box.link,
    call: (command, args) => (command === broken ? Promise.reject(error) : box.link.call(command, args)),
  };
  await box.inbox.follow(failing);
  await box.give(request(1));
  expect(box.acted).toEqual([]);
  await box.inbox.follow(box.link);
  expect(box.outcome(1)).toMatchObject({ is: "refused", why: expect.stringContaining("nothing was done") });
});

test("what was done is told by the next connection, where the first has ended meanwhile", async () => {
  let isBroken = false;
  const box = open({
    async act() {
      isBroken = true;
      return "app: Yes";
    },
  });
  const failing: RedisLink = {
    ...box.link,
    call: (command, args) => (isBroken ? Promise.reject(new LinkError("gone")) : box.link.call(command, args)),
  };
  await box.inbox.follow(failing);
  await box.give(request(1));
  expect(box.outcome(1)).toEqual({ is: "taken" });
  await box.inbox.follow(box.link);
  expect(box.outcome(1)).toEqual({ is: "applied", words: "app: Yes" });
});

test("after a crash in the middle nothing is done twice: it is not known, and what is known stays", async () => {
  const sys = createFakeSys({ now: 400_000 });
  const first = open({ sys, act: () => new Promise(() => {}) });
  await first.inbox.follow(first.link);
  void first.give(request(1), request(2, { session: "s2" }));
  await Bun.sleep(5);
  expect(first.acted).toEqual([idOf(1), idOf(2)]);
  const second = open({ sys });
  second.keys.set(fleetKeys.outcome("near", idOf(2)), JSON.stringify({ is: "applied" }));
  await second.inbox.follow(second.link);
  await second.give(request(1), request(2, { session: "s2" }));
  expect([second.acted, second.outcome(1)?.is, second.outcome(2)?.is]).toEqual([[], "unknown", "applied"]);
});

test("a session has its requests in their order, another one does not wait, and only so many wait", async () => {
  const order: string[] = [];
  const { promise, resolve } = Promise.withResolvers<void>();
  const box = open({
    async act({ id, session }) {
      if (session === "s1" && order.length < 2) await promise;
      order.push(`${session} ${Number(id.slice(-4))}`);
      return "";
    },
  });
  await box.inbox.follow(box.link);
  const done = box.give(...Array.from({ length: 30 }, (_, at) => request(at)), request(99, { session: "s2" }));
  await Bun.sleep(5);
  expect(order).toEqual(["s2 99"]);
  expect(box.outcome(29)).toMatchObject({ is: "refused", why: expect.stringContaining("too many") });
  resolve();
  await done;
  expect(order.slice(1)).toEqual(Array.from({ length: 16 }, (_, at) => `s1 ${at}`));
});

test("what is no request is taken away, and costs nothing", async () => {
  const box = open();
  await box.inbox.follow(box.link);
  const bad = [
    "",
    "{",
    "[]",
    { ...request(1), v: 2 },
    { ...request(1), id: "../../x" },
    { ...request(1), verb: "stop" },
    { ...request(1), session: "x".repeat(201) },
  ];
  await box.give(...bad);
  box.inbox.take("9", undefined);
  expect([box.acted, [...box.keys.keys()]]).toEqual([[], []]);
  expect(box.calls.filter((call) => call.startsWith("XDEL"))).toHaveLength(bad.length + 1);
});

test("what gates ask is told with its options, without secrets, and in no more than others take", () => {
  const sys = createFakeSys({ now: 1000 });
  const gate = { gate_id: "g1", gate: "permission", agent: null, agent_id: null, tool: "Bash", shown: true, held: false };
  const blocked = (input: unknown, more: object = {}) =>
    live({
      verdict: {
        status: "blocked",
        gate: "permission",
        prompt: "Run?",
        choices: [
          { option: 1, label: "Yes", meaning: "allow-once" },
          { option: 2, label: "Yes, and curl -u me:secret always", meaning: "allow-always" },
        ],
        gates: [{ ...gate, input, ...more }],
      },
    });
  const questions = [{ question: "Which?", header: "H", options: [{ label: "a" }, { label: "b" }] }];
  const told = toAsks(sys, "near", [
    live({}),
    blocked({ command: "curl -u me:secret http://h", description: "x".repeat(9000) }),
    blocked({ command: "x".repeat(9000) }),
    blocked({ questions }, { tool: "AskUserQuestion", gate: "question" }),
    blocked(null, { tool: null }),
    blocked(
      { questions: [{ question: "Is it curl -u me:secret http://h?", options: [{ label: "no, curl -u me:other http://h" }] }] },
      { tool: "AskUserQuestion", gate: "question" },
    ),
  ]);
  expect(JSON.stringify(told)).not.toMatch(/me:secret|me:other/);
  expect(parseMachineAsks(JSON.parse(JSON.stringify(told)))).toEqual(told);
  expect(told.asks.map(({ request: text }) => text.slice(0, 40))).toEqual([
    "curl -u me:*** http://h",
    "x".repeat(40),
    "Which? (1 a · 2 b)",
    "Run?",
    "Is it curl -u me:*** http://h? (1 no, cu",
  ]);
  expect(told.asks[0]?.options).toEqual([{ option: 1, label: "Yes", meaning: "allow-once" }]);
});
