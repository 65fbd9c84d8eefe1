import { afterEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chooseAccount, createAccountRows, pickInitial } from "../src/account-choice.ts";
import { type Candidate, scoreCandidates } from "../src/scorer.ts";
import { defaultsOf } from "../src/settings.ts";
import { createSys, type Sys } from "../src/sys.ts";
import { type ProfileUsage, recordUsage, type UsageReport } from "../src/usage.ts";

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

describe("an automatic choice on stale data says so", () => {
  const homes: string[] = [];
  afterEach(() => {
    for (const home of homes.splice(0)) rmSync(home, { recursive: true, force: true });
  });

  /** Profile b has no room for fable. */
  const windowsOf = (index: number, resetsAt: number) => ({
    seven_day: { usedPercent: 10 + index * 40, resetsAt },
    seven_day_fable: { usedPercent: index * 100, resetsAt },
  });

  /** Two profiles of which something was known so long ago; what is said on stderr, and who is chosen. */
  async function choose(ageMs: number, env: Record<string, string> = {}, model?: string) {
    const home = mkdtempSync(join(tmpdir(), "csm-choice-"));
    homes.push(home);
    let said = "";
    const sys: Sys = {
      ...createSys({ HOME: home, LANG: "C.UTF-8", ...env }),
      write: (_, text) => {
        said += text;
        return true;
      },
    };
    const profiles = ["a", "b"].map((name) => ({ name, dir: join(home, `.claude.${name}`) }));
    for (const [index, { dir }] of profiles.entries())
      recordUsage(sys, dir, windowsOf(index, sys.now() + 48 * HOUR), "limit", sys.now() - ageMs);
    const [current] = profiles;
    const registry = { profiles, defaultName: "a" };
    const chosen = await chooseAccount(sys, { registry, current, hasTerminal: false, asks: false, model });
    return [chosen?.name, said];
  }

  test.each<[model: string | undefined, name: string]>([
    [undefined, "b"],
    ["opus", "b"],
    ["fable", "a"],
    ["claude-fable-5-1", "a"],
  ])("for the model %p the account is %s", async (model, name) => expect((await choose(60_000, {}, model))[0]).toBe(name));

  test.each<[rule: string, ageMs: number, env: Record<string, string>, name: string, said: string]>([
    ["fresh data needs no word", 60_000, {}, "b", "csm: auto-pick → b (the fullest week that has room)\n"],
    [
      "too old to decide: the current one is kept, and it is said why",
      3 * HOUR,
      {},
      "a",
      "csm: warning: the newest usage data is 3h old — keeping current profile (a)\n",
    ],
    [
      "any age may decide, and is told",
      3 * HOUR,
      { CLAUDE_USAGE_MAX_AGE: "0" },
      "b",
      "csm: auto-pick → b (the fullest week that has room; by data that is 3h old)\n",
    ],
  ])("%s", async (_, ageMs, env, name, said) => {
    expect(await choose(ageMs, env)).toEqual([name, said]);
  });
});

test("stale data: the cursor stands on the recommendation where a person is asked", () => {
  const stale = [profile("a", 5, 20, { age: 3 * HOUR, isCurrent: true }), profile("b", 5, 60, { age: 3 * HOUR })];
  const rows = createAccountRows(reportOf(stale), rank(stale, "a"));
  expect(rows[0]?.label).toBe("★ b          session 5%   week 60%   (read 3h ago)");
  expect(pickInitial(rank(stale, "a"), "a")).toBe("b");
});
