import { expect, test } from "bun:test";
import { fleetKeys } from "../src/fleet-access.ts";
import { machinesOf, openSeen, readTold } from "../src/fleet-look.ts";
import { fleetSeenPath } from "../src/paths.ts";
import { createFakeLink, state } from "./fake-link.ts";
import { createFakeSys } from "./fake-sys.ts";

test("what one machine tells, another reads; what is no state, or of another, is none, and harms no other", async () => {
  const { link, keys } = createFakeLink();
  keys.set(fleetKeys.machine("near"), JSON.stringify(state()));
  keys.set(fleetKeys.machines, new Set(["near", "torn", "old", "forged", "list", "bad name", "mute"]));
  keys.set(fleetKeys.live("near"), "1");
  keys.set(fleetKeys.machine("torn"), '{"v":1,"mach');
  keys.set(fleetKeys.machine("old"), JSON.stringify({ ...state(), machine: "old", v: 0 }));
  keys.set(fleetKeys.machine("forged"), JSON.stringify(state()));
  const call: typeof link.call = (command, args) =>
    args[0] === fleetKeys.machine("list") ? Promise.reject(new Error("WRONGTYPE of a key")) : link.call(command, args);
  const machines = machinesOf(await readTold(createFakeSys({ now: 1000 }), { ...link, call }));
  expect(machines.map(({ name, isLive, isBroken, state }) => [name, isLive, isBroken, state?.sessions.length])).toEqual([
    ["forged", false, true, undefined],
    ["list", false, true, undefined],
    ["mute", false, undefined, undefined],
    ["near", true, undefined, 1],
    ["old", false, true, undefined],
    ["torn", false, true, undefined],
  ]);
});

test("what was seen is kept as it came, and read whole only where the server does not answer", () => {
  const sys = createFakeSys({ now: 5000 });
  const seen = openSeen(sys);
  expect(seen.read()).toEqual({ machines: [], clockMs: 0 });
  const text = JSON.stringify(state());
  seen.keep({
    machines: [
      { name: "near", isLive: true, text: text.replace(",", ",\n") },
      { name: "mute", isLive: false },
    ],
    clockMs: 0,
  });
  expect(seen.head()).toEqual({ readAt: 5000, clockMs: 0 });
  seen.fail(`nobody ${"x".repeat(9000)}`);
  expect(seen.head()).toMatchObject({ readAt: 5000, failure: expect.stringMatching(/^nobody x+$/), failedAt: 5000 });
  expect(machinesOf(seen.read())).toMatchObject([
    { name: "near", isLive: false, state: { sessions: [{ name: expect.any(String) }] } },
    { name: "mute", isLive: false },
  ]);
  for (const torn of ["", "{", "x\ty\nz", `${JSON.stringify({ readAt: "x" })}\nnear\t{`]) {
    sys.files.set(fleetSeenPath(sys), torn);
    expect(machinesOf(seen.read()).filter(({ state }) => state !== undefined)).toEqual([]);
  }
});

test("where nothing can be written, nothing is remembered, and nobody is stopped", () => {
  const sys = {
    ...createFakeSys({ now: 5000 }),
    writePrivate() {
      throw new Error("ENOSPC");
    },
  };
  openSeen(sys).keep({ machines: [], clockMs: 0 });
  openSeen(sys).fail("nobody");
  expect(openSeen(sys).read()).toEqual({ machines: [], clockMs: 0 });
});
