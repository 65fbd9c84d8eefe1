import { expect, test } from "bun:test";
import {
  accessLine,
  fleetKeys,
  fleetUrl,
  isLoopback,
  isMachineName,
  machineNameOf,
  parseFleetAddress,
  serverConfig,
} from "../src/fleet-access.ts";

test.each([
  ["rediss://build@fleet.example:6380", "rediss://build@fleet.example:6380"],
  ["redis://127.0.0.1", "redis://127.0.0.1:6379"],
  ["redis://[::1]:7000/3", "redis://[::1]:7000/3"],
  ["rediss://a%40b@h", "rediss://a%40b@h:6379"],
])("%s is the address %s", (typed, shown) => expect(fleetUrl(parseFleetAddress(typed))).toBe(shown));

test.each([
  ["fleet.example", "is no address"],
  ["http://fleet.example", "is no address"],
  ["redis://", "is no address"],
  ["redis://h/one", "more than a host"],
  ["redis://h?x=1", "more than a host"],
  ["redis://a:secret@h", "holds a password"],
])("%s is refused, and a password is not repeated", (typed, message) => {
  expect(() => parseFleetAddress(typed)).toThrow(message);
  expect(() => parseFleetAddress(typed)).not.toThrow("secret");
});

test.each([
  ["laptop", true],
  ["a.b-c9", true],
  ["", false],
  ["-a", false],
  ["a-", false],
  ["a b", false],
  ["a*", false],
  ["a/b", false],
  ["a:b", false],
  ["a".repeat(64), false],
])("%p is a name of a machine: %p", (name, is) => expect(isMachineName(name)).toBe(is));

test.each([
  ["my-laptop.local", "my-laptop"],
  ["Jörg's Mac", "J-rg-s-Mac"],
  ["___", "machine"],
])("the host %p is called %p", (host, name) => {
  expect(machineNameOf(host)).toBe(name);
  expect(isMachineName(name)).toBe(true);
});

test.each([
  ["127.0.0.1", true],
  ["::1", true],
  ["localhost", true],
  ["127.evil.example", false],
  ["10.0.0.1", false],
])("%s is this machine: %p", (host, is) => expect(isLoopback({ host })).toBe(is));

test("a machine writes to its own keys alone, whatever its role", () => {
  for (const role of ["answer", "work"] as const) {
    // What stands in brackets has one command of its own.
    const line = accessLine("build", role, "00").replace(/\(.*?\)/g, "");
    const written = [...line.matchAll(/ ~(\S+)/g)].map(([, pattern]) => pattern);
    const { machine, live, asks, usage, cost, worker } = fleetKeys;
    const own = [machine, live, asks, usage, cost, worker].map((key) => key("build"));
    expect(
      written.filter((pattern) => pattern !== undefined && !own.includes(pattern) && !pattern.startsWith("csm:outcome:build:")),
    ).toEqual([]);
  }
  expect(accessLine("build", "watch", "00")).not.toMatch(/\+set\b|\+publish|~csm:asks| ~/);
});

test("the server is closed to whoever is not named, and writes nothing away", () => {
  const config = serverConfig({ port: 6380, bind: "127.0.0.1", dir: "/d", users: ["user a on"] });
  for (const line of ["user default off", "user a on", "maxmemory-policy noeviction", "appendonly yes", "bind 127.0.0.1", "port 6380"])
    expect(config.split("\n")).toContain(line);
  expect(serverConfig({ port: 1, bind: "::", dir: "/d", users: [], tls: { cert: "c", key: "k", ca: "a" } })).toContain(
    "port 0\ntls-port 1",
  );
});

test("a machine that works may run each command that the fleet's code calls", async () => {
  const allowed = new Set(accessLine("m", "work", "0".repeat(64)).match(/\+[a-z]+/g));
  const called = new Set<string>();
  for await (const file of new Bun.Glob("fleet*.ts").scan(`${import.meta.dir}/../src`))
    for (const [, command = ""] of (await Bun.file(`${import.meta.dir}/../src/${file}`).text()).matchAll(/\bcall\(["']([A-Z]+)["']/g))
      called.add(`+${command.toLowerCase()}`);
  expect(called.size).toBeGreaterThan(25);
  expect([...called].filter((command) => !allowed.has(command))).toEqual([]);
});
