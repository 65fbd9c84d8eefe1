import { expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseMachineUsage } from "../src/fleet-schema.ts";
import { openMachineUsage } from "../src/fleet-usage.ts";
import { usageDbPath } from "../src/paths.ts";
import { createSys } from "../src/sys.ts";
import { openLedger } from "../src/usage-ledger.ts";

test("the ledger is opened once, and anew when somebody has deleted it", async () => {
  const home = mkdtempSync(join(tmpdir(), "csm-fleet-usage-"));
  const sys = createSys({ HOME: home });
  const opened: string[] = [];
  const usage = openMachineUsage(sys, "near", (given) => {
    opened.push(usageDbPath(given));
    return openLedger(given);
  });
  const note = (usedPercent: number) => {
    const ledger = openLedger(sys);
    ledger.record([{ account: "login", window: "five_hour", source: "limit", usedPercent, at: sys.now() }], sys.now());
    ledger.close();
  };
  try {
    note(10);
    for (let look = 0; look < 5; look++) await usage.read();
    usage.fold([]);
    expect(opened).toHaveLength(1);
    for (const suffix of ["", "-wal", "-shm"]) rmSync(usageDbPath(sys) + suffix, { force: true });
    note(20);
    expect((await usage.read()).accounts.flatMap(({ windows }) => windows.map((each) => each.used_percent))).toEqual([20]);
    expect(opened).toHaveLength(2);
  } finally {
    usage.close();
    rmSync(home, { recursive: true, force: true });
  }
});

test("a window that the service does not have is none", () => {
  const told = (window: string) => ({ window, used_percent: 1, resets_at: null, at: 1 });
  const windows = ["five_hour", "seven_day_opus", "x", "five_hour_\u001b[31m"].map(told);
  const usage = parseMachineUsage({ v: 1, machine: "far", at: 1, accounts: [{ account: "a", windows }] });
  expect(usage?.accounts[0]?.windows.map(({ window }) => window)).toEqual(["five_hour", "seven_day_opus"]);
});
