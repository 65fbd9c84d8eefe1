import { expect, test } from "bun:test";
import { isPast, until } from "../src/sys.ts";

test.each([
  ["at once", 0, 100, "found", 0],
  ["at a later look", 3, 100, "found", 30],
  ["at the look after the deadline", 4, 35, "found", 40],
  ["not any more", 5, 35, undefined, 40],
] as const)("until answers %s", async (_, looks, deadlineAt, answer, endsAt) => {
  let [clock, looked] = [0, 0];
  const sys = {
    now: () => clock,
    sleep: async (ms: number) => {
      clock += ms;
    },
  };
  expect(await until(sys, deadlineAt, 10, () => (looked++ < looks ? undefined : ("found" as const)))).toBe(answer);
  expect(clock).toBe(endsAt);
});

test("a clock that is set back by an hour meanwhile holds until up for no longer, and its jump forward ends it", async () => {
  for (const [jumpMs, looks] of [
    [-3_600_000, 5],
    [3_600_000, 2],
  ] as const) {
    let [clock, looked] = [0, 0];
    const sys = {
      now: () => clock,
      sleep: async (ms: number) => {
        clock += looked === 1 ? jumpMs : ms;
      },
    };
    expect(
      await until(sys, 25, 10, () => {
        looked++;
        return undefined;
      }),
    ).toBeUndefined();
    expect(looked).toBe(looks);
  }
});

test.each([
  [50, 50, true],
  [49, 50, false],
  // Noted before the clock was set back.
  [-3_600_000, 50, true],
  [Number.POSITIVE_INFINITY, 50, true],
])("%p ms after it was noted, %p ms are past: %p", (ageMs, ms, past) => {
  expect(isPast({ now: () => 0 }, -ageMs, ms)).toBe(past);
});
