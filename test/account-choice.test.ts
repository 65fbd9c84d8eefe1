import { expect, test } from "bun:test";
import { createAccountRows, pickInitial } from "../src/account-choice.ts";
import { type Candidate, scoreCandidates } from "../src/scorer.ts";
import { defaultsOf } from "../src/settings.ts";
import type { ProfileUsage, UsageReport } from "../src/usage.ts";

const now = Date.parse("2026-06-01T10:00:00Z");
const HOUR = 3_600_000;

function profile(
  name: string,
  session?: number,
  week?: number,
  more: Partial<ProfileUsage> & { resetsIn?: number; age?: number } = {},
): ProfileUsage {
  const { resetsIn, age = 0, ...rest } = more;
  const reading = (window: string, usedPercent: number) => ({
    account: name,
    window,
    source: "http" as const,
    usedPercent,
    at: now - age,
    ...(resetsIn === undefined ? {} : { resetsAt: now + resetsIn }),
  });
  const windows = new Map([
    ...(session === undefined ? [] : [["five_hour", reading("five_hour", session)] as const]),
    ...(week === undefined ? [] : [["seven_day", reading("seven_day", week)] as const]),
  ]);
  return {
    name,
    dir: `/${name}`,
    account: name,
    real: "/home/dev/.claude.x",
    isRegistered: true,
    isCurrent: false,
    isDisabled: false,
    sharedWith: [],
    windows,
    ...(windows.size === 0 ? {} : { readAt: now - age }),
    ...rest,
  };
}
const reportOf = (profiles: ProfileUsage[]): UsageReport => ({ now, profiles, foreign: [], isConfigured: true });
const rank = (profiles: ProfileUsage[], current?: string) =>
  scoreCandidates(
    profiles.map((given): Candidate => ({ ...given, windows: Object.fromEntries(given.windows) })),
    { ...defaultsOf("usage"), now, includeCurrent: true, maxAgeMs: 0, ...(current === undefined ? {} : { current }) },
  );

const mixed = [
  profile("full", 5, 97),
  profile("bad", undefined, undefined, { error: "no login" }),
  profile("b", 12, 40, { resetsIn: 2.2 * HOUR, age: 180_000 }),
  profile("none", undefined, undefined, { isCurrent: true }),
  profile("late", 0, 60, { isDisabled: true }),
];

test("one with room leads with the star, the rest goes by name", () => {
  expect(createAccountRows(reportOf(mixed), rank(mixed)).map(({ label }) => label)).toEqual([
    "★ b          session 12%   week 40%   resets in 2h 12m   (read 3m ago)",
    "  bad        [error: no login]",
    "  full       session 5%   week 97%",
    "  late       session 0%   week 60%   (disabled)",
    "  none       (no usage data)   (current)",
  ]);
});

test("none with room, no star", () => {
  const full = [profile("a", 5, 97), profile("b")];
  expect(createAccountRows(reportOf(full), rank(full)).filter(({ label }) => label.startsWith("★"))).toEqual([]);
});

test.each<[rule: string, profiles: ProfileUsage[], current: string | undefined, initial: string | undefined]>([
  ["the cursor starts at the recommendation", mixed, "none", "b"],
  ["D19: without data it starts at the current one, not at the first", [profile("a"), profile("b")], "b", "b"],
  ["a current one that is not registered leaves it at the first row", [profile("a"), profile("b")], "x", undefined],
])("%s", (_, profiles, current, initial) => {
  expect(pickInitial(rank(profiles, current), current)).toBe(initial as never);
});
