import { expect, test } from "bun:test";
import { afterResetMs, decideLimit, hopWindowMs, type LimitSituation, renderHandoff } from "../src/limit.ts";
import { defaultsOf } from "../src/settings.ts";

const now = 1_800_000_000_000;
const hour = 3_600_000;
const situation = (changes: Partial<LimitSituation> & { policy?: "switch" | "wait" | "ask" | "stop" } = {}): LimitSituation => ({
  now,
  limit: { at: now, window: "five_hour", resetsAt: now + hour, isSelfContinuing: true },
  settings: { ...defaultsOf("limit"), policy: changes.policy ?? "switch" },
  candidates: [
    { name: "home", reason: "12 % used" },
    { name: "spare", reason: "40 % used" },
  ],
  hops: [],
  waiting: 0,
  ...changes,
});
const weekly = { at: now, window: "seven_day", resetsAt: now + hour, isSelfContinuing: false };
const hops = (count: number, at: number) => Array.from({ length: count }, () => at);

test.each([
  ["the best other account", situation(), { do: "switch", to: "home", delayMs: 0, reason: "12 % used" }],
  [
    "not right after another switch of this machine",
    situation({ lastSwitchAt: now - 1000 }),
    { do: "switch", to: "home", delayMs: defaultsOf("limit").cooldownMs - 1000, reason: "12 % used" },
  ],
  [
    "after a long cool-down at once",
    situation({ lastSwitchAt: now - hour }),
    { do: "switch", to: "home", delayMs: 0, reason: "12 % used" },
  ],
  [
    "no other account: claude waits by itself",
    situation({ candidates: [] }),
    { do: "wait", by: "claude", until: now + hour, reason: "no other account has room" },
  ],
  [
    "no other account and a weekly limit: csm waits",
    situation({ candidates: [], limit: weekly }),
    { do: "wait", by: "csm", until: now + hour + afterResetMs, reason: "no other account has room" },
  ],
  [
    "several wait for one reset: one after the other",
    situation({ candidates: [], limit: weekly, waiting: 2 }),
    { do: "wait", by: "csm", until: now + hour + afterResetMs + 40_000, reason: "no other account has room" },
  ],
  [
    "they take turns with those of other machines",
    situation({ candidates: [], limit: weekly, waiting: 2, turn: { place: 1, of: 3 } }),
    { do: "wait", by: "csm", until: now + hour + afterResetMs + 140_000, reason: "no other account has room" },
  ],
  [
    "no other account and no reset time",
    situation({ candidates: [], limit: { at: now, window: "unknown", isSelfContinuing: false } }),
    { do: "stop", reason: "no other account has room, and nothing says when the limit resets" },
  ],
  [
    "too many switches of late",
    situation({ hops: hops(6, now - hour) }),
    { do: "wait", by: "claude", until: now + hour, reason: "this conversation has switched 6 times in 5 hours" },
  ],
  [
    "switches of last week do not count",
    situation({ hops: hops(60, now - hopWindowMs) }),
    { do: "switch", to: "home", delayMs: 0, reason: "12 % used" },
  ],
  ["the policy wait", situation({ policy: "wait" }), { do: "wait", by: "claude", until: now + hour, reason: "the policy is wait" }],
  ["the policy ask", situation({ policy: "ask" }), { do: "ask", choices: ["home", "spare"], reason: "the policy is ask" }],
  ["the policy stop", situation({ policy: "stop" }), { do: "stop", reason: "the policy is stop" }],
] as [string, LimitSituation, object][])("%s", (_, given, expected) => {
  expect(decideLimit(given)).toEqual(expected as never);
});

test.each([
  ["from {from} to {to}: {sid} {hop}", "from work to home: ID 2"],
  ["{other} stays", "{other} stays"],
  ["", undefined],
  ["  ", undefined],
])("the handoff prompt %j", (template, expected) => {
  expect(renderHandoff(template, { from: "work", to: "home", sessionId: "ID", hop: 2 })).toBe(expected as string);
});
