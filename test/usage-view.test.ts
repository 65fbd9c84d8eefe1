import { expect, test } from "bun:test";
import { createPaint, width } from "../src/format.ts";
import type { ProfileUsage, UsageReport } from "../src/usage.ts";
import type { Source } from "../src/usage-sources.ts";
import { renderUsage, usageJson, type ViewOptions } from "../src/usage-view.ts";

const now = Date.parse("2026-06-01T10:00:00Z");
const MINUTE = 60_000;

type Given = [
  name: string,
  five: number | undefined,
  week: number | undefined,
  more?: Partial<ProfileUsage> & { source?: Source; ageMs?: number; models?: Record<string, number>; resetsIn?: number },
];

function profile([
  name,
  five,
  week,
  { source = "statusline", ageMs = 2 * MINUTE, models = {}, resetsIn = 130, ...more } = {},
]: Given): ProfileUsage {
  const windows = new Map(
    Object.entries({
      ...(five === undefined ? {} : { five_hour: five }),
      ...(week === undefined ? {} : { seven_day: week }),
      ...models,
    }).map(([window, usedPercent]) => {
      const resetsAt = now + (window === "five_hour" ? resetsIn : 3 * 1440 + 60) * MINUTE;
      return [window, { account: name, window, source, usedPercent, resetsAt, at: now - ageMs }];
    }),
  );
  const base = {
    name,
    dir: `/home/dev/.claude.${name}`,
    account: name,
    real: "/home/dev/.claude.x",
    isRegistered: true,
    isCurrent: false,
    isDisabled: false,
    sharedWith: [],
  };
  return { ...base, windows, ...(windows.size === 0 ? {} : { readAt: now - ageMs }), ...more };
}
const reportOf = (given: Given[], more: Partial<UsageReport> = {}): UsageReport => ({
  now,
  profiles: given.map(profile),
  foreign: [],
  isConfigured: false,
  ...more,
});
const render = (report: UsageReport, more: Partial<ViewOptions> = {}) =>
  renderUsage(report, { paint: createPaint(false), columns: undefined, hasRegistry: true, ...more });

const three = reportOf([
  ["home", 12, 97, { isCurrent: true, models: { seven_day_opus: 30 } }],
  ["old", 88, 3, { resetsIn: -5, source: "http", sharedWith: ["home"] }],
  ["work", 72.4, 61],
]);

test("piped: as wide as it needs", () => {
  expect(render(three, { recommended: "work" })).toEqual([
    "  PROFILE  5 HOURS                    WEEK                      STATUS        READ",
    "* home     █▎░░░░░░░░  12% in 2h 10m  █████████▊  97% in 3d 1h  ⚠ near-limit  2m ago, status line",
    "    opus week 30% in 3d 1h",
    "  old      ░░░░░░░░░░   0% reset      ▎░░░░░░░░░   3% in 3d 1h  ok            2m ago, hub (http)",
    "    same account as home",
    "★ work     ███████▎░░  72% in 2h 10m  ██████▏░░░  61% in 3d 1h  ok            2m ago, status line",
  ]);
});

test("in 60 columns", () => {
  expect(render(three, { recommended: "work", columns: 60 })).toMatchInlineSnapshot(`
    [
      "  PROFILE  5 HOURS        WEEK          STATUS",
      "* home     12% in 2h 10m  97% in 3d 1h  ⚠ near-limit",
      "    opus week 30% in 3d 1h",
      "  old      0% reset       3% in 3d 1h   ok",
      "    same account as home",
      "★ work     72% in 2h 10m  61% in 3d 1h  ok",
    ]
  `);
});

test.each([20, 30, 40, 60, 80, 100, 120])("no line is wider than %p columns", (columns) => {
  const long = reportOf([
    ["a-profile-with-a-rather-long-name", 5, 6, { error: "x".repeat(300) }],
    ["日本語", 100, 100],
  ]);
  expect(Math.max(...render(long, { columns }).map(width))).toBeLessThanOrEqual(columns);
});

test("colour changes nothing but colour", () => {
  const painted = render(three, { paint: createPaint(true), recommended: "work", columns: 100 });
  // biome-ignore lint/suspicious/noControlCharactersInRegex: colours begin with ESC
  expect(painted.map((line) => line.replace(/\u001b\[\d+m/g, ""))).toEqual(render(three, { recommended: "work", columns: 100 }));
  expect(painted.join("")).toContain("\u001b[31m");
});

test("hostile names and errors cannot reach the terminal", () => {
  const report = reportOf([["a", 5, 5, { error: "\u001b]0;x\u0007bad\nline" }]], {
    foreign: [{ name: "\u001b[2Jghost", windows: {}, at: now }],
  });
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
  expect(render(report).join("")).not.toMatch(/[\u0000-\u001f]/);
});

test.each<[rule: string, report: UsageReport, hasRegistry: boolean, lines: string[]]>([
  [
    "no registry and nothing known",
    reportOf([]),
    false,
    [
      "usage metering disabled — csm setup turns it on; or set CSM_USAGE_CMD or CLAUDE_USAGE_URL",
      "(no profiles configured — `csm profiles add <name>`)",
    ],
  ],
  [
    "a source that has never answered",
    reportOf([], { isConfigured: true, failure: "http: status 500" }),
    true,
    ["usage metering unavailable — no source has answered: http: status 500"],
  ],
])("%s", (_, report, hasRegistry, lines) => {
  expect(render(report, { hasRegistry })).toEqual(lines);
});

test.each<[rule: string, source: Source, ageMs: number, first: string]>([
  ["a hub's data of 7 minutes is called old", "http", 7 * MINUTE + 20_000, "⚠ hub data is 7m old (showing last-known cache)"],
  ["of 5 seconds it is not", "http", 5000, "  PROFILE"],
  ["what this machine saw shows its age in its row", "statusline", 7 * MINUTE, "  PROFILE"],
  ["hours", "cache", 200 * MINUTE, "⚠ hub data is 3h old (showing last-known cache)"],
])("%s", (_, source, ageMs, first) => {
  expect(render(reportOf([["a", 1, 2, { source, ageMs }]]))[0]).toStartWith(first);
});

test("JSON has the keys of the older tool, and more", () => {
  const report = reportOf(
    [
      ["home", 12.4, 97, { isCurrent: true }],
      ["none", undefined, undefined, { error: "no login" }],
    ],
    {
      isConfigured: true,
      foreign: [{ name: "ghost", windows: { seven_day: { usedPercent: 3 } }, at: now - MINUTE }],
    },
  );
  expect(usageJson(report, "home")).toMatchObject({
    captured_at: "2026-06-01T09:58:00.000Z",
    stale_secs: 120,
    configured: true,
    recommended: "home",
    profiles: {
      ghost: { registered: false, session_pct: null, week_all_pct: 3, status: "ok" },
      home: {
        registered: true,
        session_pct: 12,
        week_all_pct: 97,
        week_sonnet_pct: null,
        resets: "2026-06-01T12:10:00.000Z",
        status: "near_limit",
        error: null,
        windows: { five_hour: { used_percent: 12.4, source: "statusline", age_secs: 120, is_reset: false } },
      },
      none: { session_pct: null, status: "errored", error: "no login" },
    },
  });
  expect(Object.keys(usageJson(report, "home").profiles)).toEqual(["ghost", "home", "none"]);
});
