import { afterAll, afterEach, beforeEach, expect, test } from "bun:test";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readProcesses } from "../src/process.ts";
import { readSettings } from "../src/settings.ts";
import { createSys } from "../src/sys.ts";
import { fetchBounded, runBounded } from "../src/sys-bounded.ts";
import {
  blobCachePath,
  type Fetched,
  failureMarkerPath,
  fetchBlob,
  isConfigured,
  newestReadings,
  sourceOf,
  sources,
  turnAfterReset,
} from "../src/usage-sources.ts";

let home = "";
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), "csm-fetch-"));
});
afterEach(() => rmSync(home, { recursive: true, force: true }));

const blob = (percent: number) => JSON.stringify({ profiles: { a: { week_all: { pct: percent } } } });
const warnings: string[] = [];
const host = createSys().hostname().split(".")[0] ?? "";

async function run(env: Record<string, string>, now = Date.now()): Promise<string> {
  warnings.length = 0;
  const sys = { ...createSys({ HOME: home, PATH: process.env.PATH, ...env }), now: () => now };
  return describe(await fetchBlob(sys, readSettings(sys).part("fetch"), (text) => warnings.push(text)));
}
const describe = (fetched: Fetched) =>
  "failure" in fetched
    ? fetched.failure
    : `${fetched.source} ${fetched.blob.profiles.get("a")?.windows.seven_day?.usedPercent ?? "nobody"}`;

const sysOf = (env: Record<string, string> = {}) => createSys({ HOME: home, ...env });
const put = (path: string, text: string, ageSeconds = 0) => {
  mkdirSync(join(path, ".."), { recursive: true });
  writeFileSync(path, text);
  const at = Date.now() / 1000 - ageSeconds;
  utimesSync(path, at, at);
};
const cache = (text: string, ageSeconds = 0) => put(blobCachePath(sysOf()), text, ageSeconds);

/** What a server may do to us, by path. */
const server = Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  idleTimeout: 0,
  fetch(request) {
    const endless = () =>
      new ReadableStream({
        async pull(controller) {
          controller.enqueue(new Uint8Array(1_000_000));
          await Bun.sleep(0);
        },
      });
    switch (new URL(request.url).pathname) {
      case "/good":
        return new Response(blob(40));
      case "/token":
        return request.headers.get("authorization") === "Bearer s3cret" ? new Response(blob(41)) : new Response("no", { status: 401 });
      case "/types":
        return Response.json({ captured_at: 5, profiles: { a: { week_all: { pct: "x" } }, b: 7 }, errors: [] });
      case "/html":
        return new Response("<html>login</html>");
      case "/latin":
        return new Response(new Uint8Array([0x7b, 0xff, 0xfe, 0x7d]));
      case "/empty":
        return new Response("");
      case "/slow":
        return new Promise<Response>(() => {});
      case "/drip":
        return new Response(
          new ReadableStream({
            async pull(controller) {
              controller.enqueue(new TextEncoder().encode(" "));
              await Bun.sleep(20);
            },
          }),
        );
      case "/endless":
        return new Response(endless());
      case "/gigabyte":
        return new Response(endless(), { headers: { "content-length": "1000000000" } });
      case "/bomb":
        return new Response(Bun.gzipSync(new Uint8Array(200_000_000)), { headers: { "content-encoding": "gzip" } });
      case "/round":
        return Response.redirect("/round");
      default:
        return new Response("broken", { status: 500 });
    }
  },
});
afterAll(() => server.stop(true));
const url = (path: string) => `http://127.0.0.1:${server.port}${path}`;

test.each<[rule: string, path: string, result: string | RegExp]>([
  ["a good answer", "/good", "http 40"],
  ["D17: wrong types lose what they stand in", "/types", "http nobody"],
  ["a login page", "/html", "http: the answer is no usage data"],
  ["no UTF-8", "/latin", "http: the answer is not UTF-8"],
  ["nothing", "/empty", "http: an empty answer"],
  ["an error", "/error", "http: status 500"],
  ["round and round", "/round", /^http: ./],
  ["a token that is missing", "/token", "http: status 401"],
])("over HTTP: %s", async (_, path, result) => {
  expect(await run({ CLAUDE_USAGE_URL: url(path) })).toMatch(result);
});

test.each<[rule: string, path: string, result: RegExp]>([
  ["a server that never answers", "/slow", /no answer within 0.5 s/],
  ["a body that drips", "/drip", /no answer within 0.5 s/],
  ["a body without an end", "/endless", /more than 4000000 bytes/],
  ["a body of 1 GB", "/gigabyte", /more than 4000000 bytes/],
  ["a bomb", "/bomb", /more than 4000000 bytes/],
])("over HTTP, %s costs neither time nor memory, and leaves the cache as it was", async (_, path, result) => {
  cache(blob(7), 300);
  const before = process.memoryUsage.rss();
  const startedAt = performance.now();
  expect(await run({ CLAUDE_USAGE_URL: url(path), CLAUDE_USAGE_HTTP_TIMEOUT: path === "/bomb" ? "20" : "0.5" })).toMatch(result);
  expect(performance.now() - startedAt).toBeLessThan(5000);
  // The server of this test makes the bodies in the same process.
  expect(process.memoryUsage.rss() - before).toBeLessThan(400_000_000);
  expect(readFileSync(blobCachePath(sysOf()), "utf8")).toBe(blob(7));
});

test("a hub gets the token that it asks for", async () => {
  expect(await run({ CLAUDE_USAGE_URL: url("/token"), CSM_HUB_TOKEN: "s3cret" })).toBe("http 41");
});

test.each<[rule: string, env: Record<string, string>, result: string, warning: string]>([
  ["a command", { CSM_USAGE_CMD: `printf '%s' '${blob(50)}'` }, "command 50", ""],
  ["exit code 3: the next source", { CSM_USAGE_CMD: "exit 3", CLAUDE_USAGE_URL: url("/good") }, "http 40", "exit code 3"],
  [
    "a csm in a command asks nobody, so that it cannot wait for itself",
    { CSM_USAGE_CMD: `printf '{"profiles":{"a":{"week_all":{"pct":%s}}}}' "$CSM_USAGE_NESTED"` },
    "command 1",
    "",
  ],
  ["empty", { CSM_USAGE_CMD: "true" }, "CSM_USAGE_CMD failed", "an empty answer"],
  ["no JSON", { CSM_USAGE_CMD: "echo hello" }, "CSM_USAGE_CMD failed", "the answer is no usage data"],
  ["no UTF-8", { CSM_USAGE_CMD: "printf '{\\377}'" }, "CSM_USAGE_CMD failed", "the answer is not UTF-8"],
  ["no end", { CSM_USAGE_CMD: "cat /dev/zero" }, "CSM_USAGE_CMD failed", "it says more than 4000000 bytes"],
  ["341 KB, more than a pipe holds", { CSM_USAGE_CMD: `printf '%s%341000s' '${blob(50)}' ''` }, "command 50", ""],
  ["nothing is configured", {}, "no source is configured", ""],
  ["an address that is none", { CLAUDE_USAGE_URL: "file:///etc/passwd" }, "http: not a web address: file:///etc/passwd", ""],
  [
    "a host that is an option of ssh",
    { CLAUDE_HUB_HOSTNAME: "-oProxyCommand=touch x" },
    "ssh: not a host name: -oProxyCommand=touch x",
    "",
  ],
])("%s", async (_, env, result, warning) => {
  expect(await run(env)).toBe(result);
  expect(warnings).toEqual(warning === "" ? [] : [`csm: warning: CSM_USAGE_CMD failed: ${warning}`]);
});

test("at the deadline the whole group of a command ends, also what it has put behind a pipe", async () => {
  const mark = join(home, "pids");
  const startedAt = performance.now();
  const command = `sh -c 'echo $$ >> ${mark}; exec sleep 30' | (echo $$ >> ${mark}; cat)`;
  expect(await run({ CSM_USAGE_CMD: command, CSM_USAGE_CMD_TIMEOUT: "0.5" })).toBe("CSM_USAGE_CMD failed");
  expect(warnings[0]).toContain("no answer within 0.5 s");
  expect(performance.now() - startedAt).toBeLessThan(5000);
  const pids = readFileSync(mark, "utf8").trim().split("\n").map(Number);
  expect(pids.length).toBe(2);
  const alive = async () => (await readProcesses(createSys(), pids)).size > 0;
  for (let tries = 0; tries < 100 && (await alive()); tries++) await Bun.sleep(20);
  expect(await alive()).toBe(false);
});

test("a fresh cache spares every source, an old one does not; both names of the age count, the older first", async () => {
  const env = { CLAUDE_USAGE_URL: url("/good") };
  cache(blob(7), 30);
  expect(await run(env)).toBe("cache 7");
  expect(await run({ ...env, CLAUDE_USAGE_TTL: "20", CSM_USAGE_TTL_SECS: "90" })).toBe("http 40");
  cache(blob(7), 30);
  expect(await run({ ...env, CLAUDE_USAGE_TTL: "soon", CSM_USAGE_TTL_SECS: "20" })).toBe("http 40");
});

test("D16: a fresh cache that is broken counts as none", async () => {
  cache("{ torn");
  expect(await run({ CLAUDE_USAGE_URL: url("/good") })).toBe("http 40");
});

test("after a failure the network rests, a command does not", async () => {
  expect(await run({ CLAUDE_USAGE_URL: url("/error") })).toBe("http: status 500");
  expect(readFileSync(failureMarkerPath(sysOf()), "utf8")).toMatch(/^\d{10}$/);
  expect(await run({ CLAUDE_USAGE_URL: url("/good") })).toMatch(/^the last attempt failed \d s ago$/);
  expect(await run({ CLAUDE_USAGE_URL: url("/good"), CLAUDE_USAGE_FAIL_COOLDOWN: "0" })).toBe("http 40");
  rmSync(blobCachePath(sysOf()));
  writeFileSync(failureMarkerPath(sysOf()), String(Math.floor(Date.now() / 1000)));
  expect(await run({ CLAUDE_USAGE_URL: url("/good"), CSM_USAGE_CMD: `echo '${blob(3)}'` })).toBe("command 3");
  expect(existsSync(failureMarkerPath(sysOf()))).toBe(false);
});

test("the hub reads its own file, and primes the cache; without the file it asks nobody", async () => {
  const env = { CLAUDE_HUB_HOSTNAME: host.toUpperCase(), CSM_USAGE_CMD: `echo '${blob(3)}'` };
  expect(await run(env)).toMatch(/usage-limits.json is missing or empty$/);
  put(join(home, "claude-code-usage/cache/usage-limits.json"), blob(77));
  expect(await run(env)).toBe("hub-file 77");
  expect(JSON.parse(readFileSync(blobCachePath(sysOf()), "utf8")).profiles.a.week_all.pct).toBe(77);
});

test("of many that fetch at once one asks, and the others take what it found", async () => {
  const mark = join(home, "runs");
  const env = { CSM_USAGE_CMD: `echo x >> ${mark}; sleep 0.2; echo '${blob(9)}'` };
  const results = await Promise.all(Array.from({ length: 8 }, () => run(env)));
  expect(new Set(results)).toEqual(new Set(["command 9", "cache 9"]));
  expect(readFileSync(mark, "utf8")).toBe("x\n");
});

test("inside a command no source is configured", () => {
  const env = { CSM_USAGE_CMD: "x", CLAUDE_USAGE_URL: "http://x/", CLAUDE_HUB_HOSTNAME: "x" };
  const isConfiguredWith = (more: object) => {
    const sys = createSys({ HOME: home, ...env, ...more });
    return isConfigured(sys, readSettings(sys).part("fetch"));
  };
  expect([isConfiguredWith({}), isConfiguredWith({ CSM_USAGE_NESTED: "1" })]).toEqual([true, false]);
});

test("a program that is not there is a failure, not an exception", async () => {
  expect(await runBounded(["/nowhere/x"], { timeoutMs: 100, maxBytes: 10, env: {} })).toMatchObject({
    failure: expect.stringContaining("could not be started"),
  });
  expect(await fetchBounded("http://127.0.0.1:1/", { timeoutMs: 500, maxBytes: 10 })).toMatchObject({ failure: expect.any(String) });
});

test("each source has a row of its own, with words of its own", () => {
  const names = sources.map(({ name }) => name);
  expect(names).toEqual([...new Set(names)]);
  const words = sources.map((row) => row.words);
  expect(words).toEqual([...new Set(words)]);
  expect(sources.flatMap(({ name, isHub }) => (isHub === true ? [name] : []))).toEqual([
    "command",
    "hub-file",
    "http",
    "ssh",
    "cache",
    "fleet",
  ]);
});

test.each<[rule: string, readings: [source: string, at: number][], newest: string]>([
  [
    "the newer reading counts, whatever its source",
    [
      ["limit", 1],
      ["cache", 2],
    ],
    "cache",
  ],
  [
    "of equally old ones the higher row",
    [
      ["http", 1],
      ["get_usage", 1],
      ["statusline", 1],
    ],
    "get_usage",
  ],
  [
    "in whatever order they come",
    [
      ["get_usage", 1],
      ["http", 1],
    ],
    "get_usage",
  ],
  [
    "one of a later version stands below all",
    [
      ["oracle", 1],
      ["cache", 1],
    ],
    "cache",
  ],
  ["and is shown where there is no other", [["oracle", 1]], "oracle"],
])("%s", (_, given, newest) => {
  const readings = given.map(([source, at]) => ({ account: "a", window: "five_hour", usedPercent: 1, source, at }));
  expect(newestReadings(readings).get("a")?.get("five_hour")?.source).toBe(newest);
});

test("a source of a later version is called by its name", () => {
  expect(sourceOf("oracle")).toEqual({ name: "oracle", words: "oracle" });
  expect(sourceOf("toString").words).toBe("toString");
});

test("machines that have used one account since its reset take turns, and each finds the same order", () => {
  const at = 1_800_000_000_000;
  const told = (machine: string, account: string, resetsAt: number) => ({
    account,
    window: "five_hour",
    source: `fleet/${machine}`,
    usedPercent: 1,
    at,
    resetsAt,
  });
  const ofB = [told("a", "x", at), told("c", "x", at + 60_000), told("d", "y", at), told("e", "x", at + 5 * 3_600_000)];
  expect(turnAfterReset(ofB, "x", at, "b")).toEqual({ place: 1, of: 3 });
  expect(turnAfterReset([told("b", "x", at), told("c", "x", at)], "x", at, "a")).toEqual({ place: 0, of: 3 });
  expect(turnAfterReset([], "x", at, "a")).toEqual({ place: 0, of: 1 });
});
