import { expect, test } from "bun:test";
import { runRounds } from "../../scripts/gate-rounds.ts";
import { claudePath, csdPath } from "./harness.ts";

const roundsMs = 600_000;

test(
  "30 random rounds of main thread and sub-agents at gates: no call runs that nobody allowed, none is told that was not chosen",
  async () => {
    const report = await runRounds({ rounds: 30, seed: 1, claudePath, csdPath });
    expect(report.wrong.join("\n\n")).toBe("");
    // A test in which nothing is answered or refused would show nothing.
    expect([report.rounds, report.answers > 30, report.refusals > 5]).toEqual([30, true, true]);
  },
  roundsMs,
);
