/** A short run of `bun run soak` with few sessions; longer ones with twenty are done by hand. */
import { expect, setDefaultTimeout, test } from "bun:test";
import { countSteps, runSoak } from "../../scripts/soak.ts";
import { claudePath } from "./harness.ts";

setDefaultTimeout(240_000);

test("three real sessions, one random thing after the other: nothing is lost, nothing runs that nobody allowed", async () => {
  const report = await runSoak({ seed: 1, seconds: 25, sessions: 3, claudePath });
  expect([report.lost, report.wrong]).toEqual([[], []]);
  // A run in which hardly anything happens would show nothing.
  expect(countSteps(report)).toBeGreaterThan(6);
  expect(report.changes).toBeGreaterThan(10);
});
