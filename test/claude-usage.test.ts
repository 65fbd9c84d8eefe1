import { expect, test } from "bun:test";
import { parseConfigFacts, parseQuotaLimit, parseUsageAnswer, parseWindows } from "../src/claude-usage.ts";

const now = Date.parse("2026-11-20T10:00:00Z");
const later = now + 7_200_000;
const iso = new Date(later).toISOString();

test.each<[rule: string, limits: unknown, windows: object]>([
  [
    "stdin of a status line: used_percentage and epoch seconds",
    { five_hour: { used_percentage: 37, resets_at: later / 1000 }, seven_day: { used_percentage: 61.5, resets_at: later / 1000 } },
    { five_hour: { usedPercent: 37, resetsAt: later }, seven_day: { usedPercent: 61.5, resetsAt: later } },
  ],
  [
    "get_usage and the cache: utilization and ISO",
    { five_hour: { utilization: 37.5, resets_at: iso }, seven_day_opus: { utilization: 12, resets_at: null } },
    { five_hour: { usedPercent: 37.5, resetsAt: later }, seven_day_opus: { usedPercent: 12 } },
  ],
  [
    "limits of single models by name",
    { limits: [{ kind: "weekly_scoped", percent: 22, resets_at: iso, scope: { model: { display_name: "Fable" } } }] },
    { seven_day_fable: { usedPercent: 22, resetsAt: later } },
  ],
  ["an entry of no model is not one of a model", { limits: [{ kind: "session", percent: 3, resets_at: iso, display_name: "x" }] }, {}],
  [
    "model_scoped",
    { model_scoped: [{ display_name: "Opus 5.5", utilization: 3, resets_at: iso }] },
    { seven_day_opus_5_5: { usedPercent: 3, resetsAt: later } },
  ],
  [
    "D17: one bad window loses that window",
    { five_hour: { used_percentage: "lots" }, seven_day: { used_percentage: 5 } },
    { seven_day: { usedPercent: 5 } },
  ],
  ["D17: a bad reset loses the reset", { five_hour: { used_percentage: 5, resets_at: "soon" } }, { five_hour: { usedPercent: 5 } }],
  ["null windows are none", { five_hour: null, seven_day_sonnet: null }, {}],
  ["other programs' windows are not ours", { seven_day_oauth_apps: { utilization: 90 }, spend_limit: { used_percentage: 3 } }, {}],
  ["negative and infinite are no shares", { five_hour: { used_percentage: -1 }, seven_day: { used_percentage: 1e308 } }, {}],
  ["nothing", undefined, {}],
  ["a list", [], {}],
  ["a text", "five_hour", {}],
])("%s", (_, limits, windows) => {
  expect(parseWindows(limits, now)).toEqual(windows as never);
});

test.each<[rule: string, limit: { window: string; resetsAt?: number }, windows: object | undefined]>([
  ["a limit is a full window", { window: "five_hour", resetsAt: later }, { five_hour: { usedPercent: 100, resetsAt: later } }],
  ["of a single model", { window: "seven_day_opus" }, { seven_day_opus: { usedPercent: 100 } }],
  ["one of money is none", { window: "overage" }, undefined],
])("%s", (_, limit, windows) => {
  expect(parseQuotaLimit(limit)).toEqual(windows as never);
});

const cache = { fetchedAtMs: now, accountUuid: "acc-1", utilization: { five_hour: { utilization: 5, resets_at: iso } } };
const cached = { at: now, accountId: "acc-1", windows: { five_hour: { usedPercent: 5, resetsAt: later } } };

test.each<[rule: string, text: string, facts: object]>([
  [
    "both keys",
    JSON.stringify({ a: 1, oauthAccount: { accountUuid: "acc-1", emailAddress: "x" }, cachedUsageUtilization: cache }),
    { accountId: "acc-1", cached },
  ],
  ["as claude indents it", JSON.stringify({ oauthAccount: { accountUuid: "acc-1" } }, null, 2), { accountId: "acc-1" }],
  ["the same words in a prompt are not the key", JSON.stringify({ history: ['"oauthAccount": {"accountUuid": "evil"}'] }), {}],
  [
    "braces and quotes in a value",
    JSON.stringify({ oauthAccount: { organizationName: '}"{', accountUuid: "acc-1" } }),
    { accountId: "acc-1" },
  ],
  ["torn in the middle", JSON.stringify({ oauthAccount: { accountUuid: "acc-1" } }).slice(0, 30), {}],
  ["an id that is none", JSON.stringify({ oauthAccount: { accountUuid: "../../x" } }), {}],
  ["a cache without a time", JSON.stringify({ cachedUsageUtilization: { utilization: {} } }), {}],
  ["empty", "", {}],
])("of .claude.json: %s", (_, text, facts) => {
  expect(parseConfigFacts(text, now)).toEqual(facts as never);
});

const answer = (response: object) =>
  JSON.stringify({ type: "control_response", response: { request_id: "u1", subtype: "success", response } });

test.each<[rule: string, output: string, result: unknown]>([
  ["windows", answer({ rate_limits_available: true, rate_limits: { five_hour: { utilization: 5, resets_at: iso } } }), cached.windows],
  [
    "behind other lines",
    `{"type":"system"}\nnot JSON\n${answer({ rate_limits: { five_hour: { utilization: 5, resets_at: iso } } })}\n`,
    cached.windows,
  ],
  ["an API key has none", answer({ rate_limits_available: false, rate_limits: null }), "this login has no usage limits"],
  ["not now", answer({ rate_limits_available: true, rate_limits: null }), "claude knows no usage right now"],
  [
    "an error",
    JSON.stringify({ type: "control_response", response: { request_id: "u1", subtype: "error", error: "x" } }),
    "claude refused the request",
  ],
  ["somebody else's answer", answer({}).replace("u1", "u2"), "claude gave no answer"],
  ["nothing", "", "claude gave no answer"],
])("get_usage: %s", (_, output, result) => {
  expect(parseUsageAnswer(output, "u1", now)).toEqual(result as never);
});
