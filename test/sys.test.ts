import { expect, test } from "bun:test";
import { until } from "../src/sys.ts";

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
