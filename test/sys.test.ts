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

test.each<[what: string, input: Uint8Array<ArrayBuffer> | "ignore"]>([
  ["nothing", "ignore"],
  ["a mark of the byte order", new TextEncoder().encode("\ufeff{}")],
  ["more than comes at once, cut inside a letter", new TextEncoder().encode(`x${"ü€".repeat(100_000)}`)],
])("stdin is read to its end: %s", async (_, stdin) => {
  const script = `process.stdout.write(await (await import("${import.meta.dir}/../src/sys.ts")).createSys().readInput())`;
  const child = Bun.spawn([process.execPath, "-e", script], { stdin, stdout: "pipe" });
  expect(await child.stdout.bytes()).toEqual(stdin === "ignore" ? new Uint8Array() : stdin);
});

test("a closed stdin says nothing", async () => {
  const script = `console.log((await (await import("${import.meta.dir}/../src/sys.ts")).createSys().readInput()).length)`;
  const child = Bun.spawn(["sh", "-c", 'exec "$0" -e "$1" <&-', process.execPath, script], { stdout: "pipe" });
  expect((await child.stdout.text()).trim()).toBe("0");
});
