import { expect, test } from "bun:test";
import { join } from "node:path";
import { createSampleReader, withSample } from "../src/monitor-gauge.ts";
import { statuslineDir } from "../src/paths.ts";
import type { Meter } from "../src/session.ts";
import { parseStatuslineInput } from "../src/statusline-sample.ts";
import { createFakeSys } from "./fake-sys.ts";

const sample = (more: Record<string, unknown> = {}) => ({
  sessionId: "s",
  configDir: "/c",
  seenAt: 10_000,
  limitsAt: 0,
  windows: {},
  contextPercent: 42,
  contextTokens: 84_000,
  contextSize: 200_000,
  costUsd: 1.5,
  ...more,
});

test.each<[rule: string, meter: Meter | undefined, answeredAt: number | undefined, percent: number | undefined, cost: number | undefined]>([
  ["claude's own word on the context wins", { source: "transcript", contextPercent: 8, costUsd: 2 }, 9000, 42, 2],
  ["an answer since then wins over it", { source: "transcript", contextPercent: 50, costUsd: 2 }, 14_000, 50, 2],
  ["its cost where we have no price", { source: "transcript", isPartlyUnpriced: true }, 9000, 42, 1.5],
  ["before the first count", undefined, undefined, 42, 1.5],
])("status line: %s", (_, meter, answeredAt, percent, cost) => {
  const merged = withSample(meter, sample() as never, answeredAt);
  expect([merged?.contextPercent, merged?.costUsd]).toEqual([percent, cost]);
});

test("the end of the prompt cache reaches the monitor through the status line", () => {
  const text = JSON.stringify({ session_id: "s", prompt_cache: { warm: true, expires_at: 1795172160 } });
  expect(withSample(undefined, { ...sample(), ...parseStatuslineInput(text, "/c", 10_000) } as never, undefined)?.cacheExpiresAt).toBe(
    1_795_172_160_000,
  );
});

test("a sample is read again when it has changed, and a broken one is none", () => {
  const sys = createFakeSys({ env: { XDG_STATE_HOME: "/state" } });
  const read = createSampleReader(sys);
  const at = join(statuslineDir(sys), "s.json");
  expect(read("s")).toBeUndefined();
  sys.overwrite(at, JSON.stringify(sample()));
  expect(read("s")?.contextPercent).toBe(42);
  sys.overwrite(at, '{"sessionId":"s"');
  expect(read("s")).toBeUndefined();
  expect(read("../s")).toBeUndefined();
});
