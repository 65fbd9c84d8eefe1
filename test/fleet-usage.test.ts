import { expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
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
