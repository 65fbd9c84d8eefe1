import { afterEach, expect, test } from "bun:test";
import type { Look } from "../src/diagnose.ts";
import { checks as rows } from "../src/diagnose-checks.ts";
import type { Membership } from "../src/fleet.ts";
import { checkFleet } from "../src/fleet-check.ts";
import { fleetPath } from "../src/paths.ts";
import { createFakeSys } from "./fake-sys.ts";

const servers: { stop(isNow: boolean): void }[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.stop(true);
});

const bulk = (text: string) => `$${text.length}\r\n${text}\r\n`;
const now = 1_800_000_000_000;

/** As much of a Redis server as is asked here; `says`: in place of what one in order says, or "silent". */
function startServer(says: Record<string, string> = {}): Membership {
  const time = `*2\r\n${bulk(String(now / 1000))}${bulk("0")}`;
  const hello = `%2\r\n${bulk("server")}${bulk("redis")}${bulk("version")}${bulk(says.version ?? "7.0.15")}`;
  const inOrder: Record<string, string> = { HELLO: hello, TIME: time, MGET: "*2\r\n_\r\n_\r\n", SMEMBERS: "*0\r\n" };
  const answerTo = (words: string[]): string => {
    const [command = "", key = ""] = words;
    const isOwn = key.includes(":near:");
    return says[command] ?? inOrder[command] ?? (command === "SET" && !isOwn ? "-NOPERM no permissions\r\n" : "+OK\r\n");
  };
  const server = Bun.listen({
    hostname: "127.0.0.1",
    port: 0,
    socket: {
      data(socket, chunk) {
        for (const [, body = ""] of chunk.toString().matchAll(/\*\d+\r\n((?:\$\d+\r\n.*\r\n)+)/g)) {
          const answer = answerTo([...body.matchAll(/\$\d+\r\n(.*)\r\n/g)].map(([, word = ""]) => word));
          if (answer !== "silent") socket.write(answer);
        }
      },
    },
  });
  servers.push(server);
  return { url: `redis://127.0.0.1:${server.port}`, machine: "near", role: "answer", password: { from: "none" }, joinedAt: 1 };
}

const check = async (membership: Membership, at = now) => {
  const { checks } = await checkFleet(createFakeSys({ now: at }), membership, 900);
  return checks.map(({ what, isOk, detail }) => `${isOk ? "ok" : "broken"} ${what}: ${detail}`);
};

test("a server in order, and a machine with rights of its own", async () => {
  expect(await check(startServer())).toEqual([
    expect.stringMatching(/^ok connection: redis:\/\/127\.0\.0\.1:\d+, without TLS$/),
    "ok version: redis 7.0.15; 7.0 or newer is needed",
    "ok clock: 0s behind the server's",
    "ok reading: what the others tell",
    "ok telling: of near",
    "ok rights: only its own keys",
  ]);
});

test("who is to work must have the right to", async () => {
  const tasks = async (says: Record<string, string>) => (await check({ ...startServer(says), role: "work" })).at(-1);
  expect(await tasks({ ZCARD: ":0\r\n" })).toBe("ok tasks: gives and takes them");
  expect(await tasks({ ZCARD: "-NOPERM no permissions\r\n" })).toMatch(/^broken tasks: .*refuses ZCARD/);
});

test.each<[string, Record<string, string>, number, string | RegExp]>([
  ["an old version", { version: "6.2.14" }, now, "broken version: redis 6.2.14; 7.0 or newer is needed"],
  ["a name that moves the cursor", { version: `9\x1b[2J${"x".repeat(500)}` }, now, /^ok version: redis 9\P{C}{1,80}; 7\.0 or newer/u],
  ["a clock ahead", {}, now + 600_000, "broken clock: 10m ahead of the server's"],
  ["a clock behind", {}, now - 600_000, "broken clock: 10m behind the server's"],
  ["nothing may be read", { MGET: "-NOPERM no\r\n" }, now, /^broken reading: the server of the fleet refuses MGET to this machine/],
  ["nothing may be told", { SET: "-NOPERM no\r\n" }, now, /^broken telling: the server of the fleet refuses SET to this machine/],
  ["a full server", { SET: "-OOM full\r\n" }, now, "broken telling: the server of the fleet is full"],
  ["everything may be told", { SET: "+OK\r\n" }, now, /^ok rights: this user may write everywhere/],
])("%s is said", async (_, says, at, line) => {
  const lines = await check(startServer(says), at);
  expect(lines).toEqual(expect.arrayContaining([typeof line === "string" ? line : expect.stringMatching(line)]));
});

test.each([
  ["says nothing at all", { HELLO: "silent" }, /^broken connection: the fleet does not answer/],
  ["stops in the middle", { TIME: "silent" }, /^broken connection: the fleet does not answer/],
])("a server that %s is waited for no longer than that", async (_, says, line) => {
  expect((await check(startServer(says)))[0]).toMatch(line);
});

test("nobody at its address", async () => {
  const membership = startServer();
  for (const server of servers.splice(0)) server.stop(true);
  const { checks } = await checkFleet(createFakeSys({ now }), membership, 900);
  expect(checks).toEqual([expect.objectContaining({ what: "connection", isOk: false, fix: expect.any(String) })]);
});

const row = async (membership: Membership, files: Record<string, string> = {}) => {
  const sys = createFakeSys({ now, files });
  sys.files.set(fleetPath(sys), JSON.stringify(membership));
  const fleet = rows.find(({ name }) => name === "fleet");
  return fleet?.probe({ sys } as unknown as Look);
};

test("csm diagnose says how the fleet is, and what mends it", async () => {
  const state = { v: 1, machine: "near", at: now - 2000, version: "1", os: "linux", role: "answer", sessions: [] };
  const told = bulk(JSON.stringify(state));
  const live = { SMEMBERS: `*1\r\n${bulk("near")}`, MGET: `*1\r\n${told}`, GETRANGE: told };
  expect(await row(startServer(live))).toEqual([
    {
      health: "ok",
      detail: "redis 7.0.15, 0s behind the server's, as answer, 1 of 1 machines are heard of, this one told something 2s ago",
    },
  ]);
  expect(await row(startServer())).toEqual([expect.objectContaining({ health: "degraded", fix: "csm fleet serve" })]);
  expect(await row(startServer({ version: "6.0.16" }))).toEqual([
    expect.objectContaining({ health: "broken", fix: expect.stringContaining("7.0") }),
  ]);
});

test("of a server that does not answer it says so within a second, and how old is what was seen", async () => {
  const seen = { "/home/dev/.local/state/csm/fleet-seen.json": JSON.stringify({ readAt: now - 3_600_000 }) };
  expect(await row(startServer({ HELLO: "silent" }), seen)).toEqual([
    {
      health: "broken",
      detail: expect.stringMatching(/^its server is not reached: ".*, 0\.9 s\)"; what the others told is 1h old$/),
      fix: "csm fleet check",
    },
  ]);
});
