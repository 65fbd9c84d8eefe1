import { afterAll, describe, expect, test } from "bun:test";
import { appendFileSync, mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createGauge, createSampleReader, withSample } from "../src/monitor-gauge.ts";
import { statuslineDir } from "../src/paths.ts";
import type { Meter } from "../src/session.ts";
import { parseStatuslineInput } from "../src/statusline-sample.ts";
import { createSys } from "../src/sys.ts";
import { createFakeSys } from "./fake-sys.ts";
import { session } from "./sessions.ts";

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

describe("what one look has counted is kept for the next one", () => {
  const root = realpathSync(mkdtempSync(join(tmpdir(), "csm-gauge-")));
  afterAll(() => rmSync(root, { recursive: true, force: true }));
  const hour = 3_600_000;
  const real = createSys({ HOME: root });
  const answer = (number: number, at: number) =>
    `${JSON.stringify({
      ...{ parentUuid: null, isSidechain: false, type: "assistant", requestId: `r${number}`, timestamp: new Date(at).toISOString() },
      message: {
        ...{ id: `m${number}`, type: "message", role: "assistant", model: "claude-opus-5-5", stop_reason: "end_turn" },
        ...{ content: [{ type: "text", text: "x" }], usage: { input_tokens: 1000, output_tokens: 100 } },
      },
    })}\n`;
  /** As a program that looks once: tokens, burn, and whether the transcript was read. */
  const look = (transcript: string, now: number, prices = {}) => {
    let reads = 0;
    const openFile: typeof real.openFile = (path) => {
      reads++;
      return real.openFile(path);
    };
    const gauge = createGauge({ ...real, now: () => now, openFile }, prices, true);
    const one = session("s", { status: "idle_done" }, { transcript });
    gauge.measure(one, false);
    gauge.close();
    return { tokens: one.meter?.tokens, isBurning: one.meter?.burnUsdPerHour !== undefined, isRead: reads > 0 };
  };
  const put = (name: string, ages: number[], now: number) => {
    const path = join(root, `${name}.jsonl`);
    writeFileSync(path, ages.map((age, number) => answer(number, now - age)).join(""));
    return path;
  };

  test("as long as nothing of it has grown, its sub-agents neither", () => {
    const now = Date.now();
    const path = put("grows", [2 * hour], now);
    expect(look(path, now)).toEqual({ tokens: 1100, isBurning: false, isRead: true });
    expect(look(path, now)).toEqual({ tokens: 1100, isBurning: false, isRead: false });
    appendFileSync(path, answer(7, now - 2 * hour));
    expect(look(path, now)).toEqual({ tokens: 2200, isBurning: false, isRead: true });
    const agents = join(root, "grows/subagents");
    mkdirSync(agents, { recursive: true });
    writeFileSync(join(agents, "agent-1.jsonl"), answer(8, now - 2 * hour));
    expect(look(path, now)).toEqual({ tokens: 3300, isBurning: false, isRead: true });
    expect(look(path, now).isRead).toBe(false);
  });

  test("other prices count anew", () => {
    const now = Date.now();
    const path = put("prices", [2 * hour], now);
    look(path, now);
    expect(look(path, now, { "claude-x": { input: 1, output: 1 } }).isRead).toBe(true);
  });

  test("the burn of the last hour stands a minute, and ends with it", () => {
    const now = Date.now();
    const path = put(
      "burns",
      [30, 25, 20, 15, 10, 5].map((minutes) => minutes * 60_000),
      now,
    );
    expect(look(path, now)).toMatchObject({ isBurning: true, isRead: true });
    expect(look(path, now + 30_000)).toMatchObject({ isBurning: true, isRead: false });
    expect(look(path, now + 90_000)).toMatchObject({ isBurning: true, isRead: true });
    expect(look(path, now + 2 * hour)).toMatchObject({ isBurning: false, isRead: false });
  });
});
