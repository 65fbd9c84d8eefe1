/** Every command that writes, with a fault at a call of the system. A short run of `bun run faults`; longer ones are done by hand. */
import { expect, setDefaultTimeout, test } from "bun:test";
import { missingTools, runFaults } from "../../scripts/faults.ts";

setDefaultTimeout(180_000);

const missing = process.platform === "linux" ? missingTools() : ["Linux"];
const where = missing.length === 0 ? test : test.skip;
const why = missing.length === 0 ? "" : ` (needs ${missing.join(", ")})`;

where(`csm setup and its undo end at any step: each file of the user is as it was, or as it was to be${why}`, async () => {
  const report = await runFaults({ seed: 1, seconds: 120, only: ({ name }) => name.startsWith("setup"), kinds: /^SIGKILL/ });
  expect(report.wrong).toEqual([]);
  expect([report.tried > 150, report.tried]).toEqual([true, report.faults]);
});

where(`20 seconds of faults in what writes: nothing is torn, and what was not done can be done again${why}`, async () => {
  const report = await runFaults({ seed: 7, seconds: 20 });
  expect(report.wrong).toEqual([]);
  expect(report.tried).toBeGreaterThan(5);
});
