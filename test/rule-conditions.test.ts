import { expect, test } from "bun:test";
import type { Likelihood } from "../src/command-pattern.ts";
import { hitsSession, isWithin } from "../src/rule-conditions.ts";
import type { Conditions, SessionFacts } from "../src/rules.ts";

/** A Wednesday, local time. */
const at = (hours: number, minutes = 0, day = 25) => new Date(2026, 10, day, hours, minutes).getTime();

test.each<[when: Conditions, facts: Partial<SessionFacts>, hit: Likelihood]>([
  [{}, {}, "yes"],
  [{ status: ["Blocked"] }, { status: "blocked" }, "yes"],
  [{ status: ["idle done"] }, { status: "idle_done" }, "yes"],
  [{ status: ["NeedsInput"] }, { status: "plan_ready" }, "yes"],
  [{ status: ["Needs Input"] }, { status: "working" }, "no"],
  [{ status: ["blocked"] }, {}, "maybe"],
  [{ project: ["app"] }, { projectDir: "/work/my-app" }, "yes"],
  [{ project: ["work"] }, { projectDir: "/work/my-app" }, "no"],
  [{ project: ["/work/"] }, { projectDir: "/work/my-app" }, "yes"],
  [{ project: ["/work/my"] }, { projectDir: "/work/my-app" }, "no"],
  [{ profile: ["Work"] }, { profile: "work" }, "yes"],
  [{ profile: ["work"] }, { profile: "work2" }, "no"],
  [{ model: ["opus"] }, { model: "claude-opus-4-5" }, "yes"],
  [{ model: ["claude-*-4"] }, { model: "claude-opus-4" }, "yes"],
  [{ model: ["haiku"] }, { model: "claude-opus-4-5" }, "no"],
  [{ session: ["0f3a"] }, { id: "0f3a-1", name: "x" }, "yes"],
  [{ session: ["fix-*"] }, { id: "1", name: "fix-bug" }, "yes"],
  [{ session: ["y"] }, { id: "1", name: "x" }, "no"],
  [{ session: ["y"] }, { id: "1" }, "maybe"],
  [{ costAboveUsd: 5 }, { costUsd: 5 }, "no"],
  [{ contextAbovePercent: 80 }, { contextPercent: 81 }, "yes"],
  [{ usageAbovePercent: 80 }, {}, "maybe"],
  [{ countAbove: 2 }, { agentCount: 3 }, "yes"],
  [{ hasError: true }, { hasError: false }, "no"],
  [{ hasConflict: true }, { hasConflict: true }, "yes"],
  [{ hasError: false }, { hasError: false }, "yes"],
  [{ costAboveUsd: 5, hasError: true }, { costUsd: 1 }, "no"],
  [{ costAboveUsd: 5, hasError: true }, { costUsd: 6 }, "maybe"],
  [{ time: ["09:00-18:00"] }, { now: at(9) }, "yes"],
  [{ time: ["09:00-12:00", "nonsense"] }, { now: at(13) }, "maybe"],
])("%j of a session with %j: %s", (when, facts, hit) => expect(hitsSession(when, { now: at(12), ...facts })).toBe(hit));

test.each<[text: string, now: number, is: Likelihood]>([
  ["09:00-18:00", at(8, 59), "no"],
  ["09:00-18:00", at(18), "no"],
  ["9:00 - 18:00", at(17, 59), "yes"],
  ["00:00-24:00", at(23, 59), "yes"],
  ["22:00-07:00", at(23), "yes"],
  ["22:00-07:00", at(6, 59), "yes"],
  ["22:00-07:00", at(7), "no"],
  ["mon-fri 09:00-18:00", at(12), "yes"],
  ["sat,sun 09:00-18:00", at(12), "no"],
  ["Sat-Mon 09:00-18:00", at(12, 0, 29), "yes"],
  ["wed 22:00-07:00", at(3, 0, 26), "yes"],
  ["wed 22:00-07:00", at(3), "no"],
  ["wednesday 10:00-13:00", at(12), "yes"],
  ["someday 10:00-13:00", at(12), "maybe"],
  ["always", at(12), "maybe"],
])("is it within %j at %p: %s", (text, now, is) => expect(isWithin(text, now)).toBe(is));
