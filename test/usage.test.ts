import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { statuslineDir } from "../src/paths.ts";
import { readSettings } from "../src/settings.ts";
import { mergeSample, parseStatuslineInput } from "../src/statusline-sample.ts";
import { createSys, type Sys } from "../src/sys.ts";
import { rankAccounts, readUsage, recordLimit, recordUsage, type UsageOptions } from "../src/usage.ts";
import { openLedger } from "../src/usage-ledger.ts";

const HOUR = 3_600_000;
const start = Math.floor(Date.now() / 1000) * 1000;
let home = "";
beforeEach(() => {
  home = realpathSync(mkdtempSync(join(tmpdir(), "csm-usage-")));
});
afterEach(() => rmSync(home, { recursive: true, force: true }));

const sysAt = (now = start, env: Record<string, string> = {}, more: Partial<Sys> = {}): Sys => ({
  ...createSys({ HOME: home, PATH: process.env.PATH, ...env }),
  now: () => now,
  ...more,
});
const put = (path: string, text: string) => {
  const whole = join(home, path);
  mkdirSync(dirname(whole), { recursive: true });
  writeFileSync(whole, text);
};
const register = (...names: string[]) => {
  for (const name of names) mkdirSync(join(home, `.claude.${name}`), { recursive: true });
  put(".config/claude-as/profiles.json", JSON.stringify(Object.fromEntries(names.map((name) => [name, join(home, `.claude.${name}`)]))));
};
const login = (name: string, accountUuid: string, more: object = {}) =>
  put(`.claude.${name}/.claude.json`, JSON.stringify({ oauthAccount: { accountUuid }, ...more }));
const dir = (name: string) => join(home, `.claude.${name}`);

/** Of each profile `name five week source`; what is unknown is a dash. */
async function view(now = start, options: Partial<UsageOptions> = {}, sys = sysAt(now)): Promise<string[]> {
  const report = await readUsage(sys, { fetches: false, ...options });
  return report.profiles
    .filter(({ isRegistered, windows }) => isRegistered || windows.size > 0)
    .map(({ name, windows }) => {
      const percent = (window: string) => {
        const reading = windows.get(window);
        return reading === undefined ? "-" : (reading.resetsAt ?? Infinity) <= now ? "reset" : reading.usedPercent;
      };
      return [name, percent("five_hour"), percent("seven_day"), windows.get("five_hour")?.source ?? "-"].join(" ");
    });
}
const five = (usedPercent: number, resetsIn = 2) => ({ five_hour: { usedPercent, resetsAt: start + resetsIn * HOUR } });
const paint = (configDir: string, sessionId: string, usedPercent: number, now: number) => {
  const text = JSON.stringify({
    session_id: sessionId,
    rate_limits: { five_hour: { used_percentage: usedPercent, resets_at: (start + 2 * HOUR) / 1000 } },
  });
  const sample = parseStatuslineInput(text, configDir, now);
  const path = join(statuslineDir(sysAt()), `${sessionId}.json`);
  const merged = sample === undefined ? undefined : mergeSample(sample, sysAt().readText(path));
  if (merged !== undefined) sysAt().writePrivate(path, merged);
};

test("what a status line was told counts for the profile of its folder", async () => {
  register("a", "b");
  paint(dir("a"), "s1", 37, start);
  expect(await view()).toEqual(["a 37 - statusline", "b - - -"]);
});

test("D23: a profile in any folder is found, also through a link, and `~/.claude` without a name is shown as itself", async () => {
  mkdirSync(join(home, "somewhere/else"), { recursive: true });
  mkdirSync(join(home, ".claude"));
  symlinkSync(join(home, "somewhere/else"), join(home, "link"));
  put(".config/claude-as/profiles.json", JSON.stringify({ odd: join(home, "somewhere/else") }));
  paint(join(home, "link"), "s1", 37, start);
  paint(join(home, ".claude"), "s2", 5, start);
  expect(await view()).toEqual(["odd 37 - statusline", "claude 5 - statusline"]);
});

test("a repaint shows again what is old, and does not outrank what another session has heard since", async () => {
  register("a");
  paint(dir("a"), "idle", 37, start);
  paint(dir("a"), "busy", 50, start + HOUR);
  paint(dir("a"), "idle", 37, start + HOUR + 60_001);
  expect(await view(start + HOUR + 120_000)).toEqual(["a 50 - statusline"]);
});

test("the newest reading of each window wins, whatever its source", async () => {
  register("a");
  recordUsage(sysAt(), dir("a"), { ...five(10), seven_day: { usedPercent: 70 } }, "http", start - 60_000);
  recordUsage(sysAt(), dir("a"), five(20), "get_usage", start - 120_000);
  expect(await view()).toEqual(["a 10 70 http"]);
  recordUsage(sysAt(), dir("a"), five(30), "command", start - 30_000);
  recordUsage(sysAt(), dir("a"), five(99), "command", start - 3_000_000);
  expect(await view()).toEqual(["a 30 70 command"]);
});

test("a reading of tomorrow is one of now, and a reset beyond the length of its window is none", async () => {
  register("a");
  recordUsage(sysAt(), dir("a"), { five_hour: { usedPercent: 10, resetsAt: start + 30 * HOUR } }, "http", start + 24 * HOUR);
  const report = await readUsage(sysAt(), { fetches: false });
  expect(report.profiles[0]?.windows.get("five_hour")).toMatchObject({ at: start, usedPercent: 10 });
  expect(report.profiles[0]?.windows.get("five_hour")?.resetsAt).toBeUndefined();
});

test("a limit holds until it resets", async () => {
  register("a");
  recordLimit(sysAt(), dir("a"), "five_hour", start + HOUR);
  recordUsage(sysAt(), dir("a"), { seven_day: { usedPercent: 40 } }, "statusline", start);
  const rank = async (now: number) => {
    const sys = sysAt(now);
    const ranking = rankAccounts(sys, await readUsage(sys, { fetches: false }), { hasAgeGate: false });
    return ranking.winner ?? ranking.outcome;
  };
  expect([await view(), await rank(start)]).toEqual([["a 100 40 limit"], "all-saturated"]);
  expect([await view(start + HOUR), await rank(start + HOUR)]).toEqual([["a reset 40 limit"], "a"]);
});

test("a window that does not say when it resets has done so after its whole length", async () => {
  register("a");
  recordUsage(sysAt(), dir("a"), { five_hour: { usedPercent: 80 }, seven_day: { usedPercent: 90 } }, "http", start);
  expect([await view(start + 4 * HOUR), await view(start + 5 * HOUR), await view(start + 7 * 24 * HOUR)]).toEqual([
    ["a 80 90 http"],
    ["a reset 90 http"],
    ["a reset reset http"],
  ]);
});

test("a limit of which nobody knows the end lasts as long as its window", async () => {
  register("a");
  recordLimit(sysAt(), dir("a"), "unknown");
  expect([await view(start + 5 * HOUR - 1), await view(start + 5 * HOUR)]).toEqual([["a 100 - limit"], ["a reset - limit"]]);
});

test("two profiles with one login share what is known of it", async () => {
  register("a", "b", "c");
  login("a", "acc-1");
  login("b", "acc-1");
  login("c", "acc-2");
  paint(dir("a"), "s1", 37, start);
  expect(await view()).toEqual(["a 37 - statusline", "b 37 - statusline", "c - - -"]);
  expect((await readUsage(sysAt(), { fetches: false })).profiles.slice(0, 3).map(({ sharedWith }) => sharedWith)).toEqual([
    ["b"],
    ["a"],
    [],
  ]);
});

test("what claude has cached counts with its own time, and not where it is another login's", async () => {
  register("a", "b");
  const cache = (accountUuid: string, at: number) => ({
    cachedUsageUtilization: {
      fetchedAtMs: at,
      accountUuid,
      utilization: { five_hour: { utilization: 12, resets_at: new Date(start + HOUR).toISOString() } },
    },
  });
  login("a", "acc-1", cache("acc-1", start - 1000));
  login("b", "acc-2", cache("acc-1", start - 1000));
  expect(await view()).toEqual(["a 12 - claude-cache", "b - - -"]);
});

const limitLine = (at: number, resetsAt: number): string =>
  `${JSON.stringify({
    type: "assistant",
    timestamp: new Date(at).toISOString(),
    isApiErrorMessage: true,
    error: "rate_limit",
    message: { role: "assistant", content: [] },
    quotaLimits: { status: "rejected", resetsAt: resetsAt / 1000, rateLimitType: "five_hour" },
  })}\n`;
const sessionId = "11111111-1111-4111-8111-111111111111";

test("a limit in a transcript marks the account that the session ran under", async () => {
  register("a", "b");
  put(`.claude.a/projects/-x/${sessionId}.jsonl`, limitLine(start - 1000, start + HOUR));
  expect(await view(start, { looks: true })).toEqual(["a 100 - transcript", "b - - -"]);
});

test("a transcript that lies under two accounts marks neither", async () => {
  register("a", "b");
  for (const name of ["a", "b"]) put(`.claude.${name}/projects/-x/${sessionId}.jsonl`, limitLine(start - 1000, start + HOUR));
  expect(await view(start, { looks: true })).toEqual(["a - - -", "b - - -"]);
});

test("disabled profiles are shown, and not chosen", async () => {
  register("a", "b");
  put(".config/claude-smart/config.json", JSON.stringify({ usage: { disabled: ["a"] } }));
  for (const [name, usedPercent] of [
    ["a", 50],
    ["b", 10],
  ] as const)
    recordUsage(sysAt(), dir(name), { seven_day: { usedPercent } }, "statusline", start);
  const report = await readUsage(sysAt(), { fetches: false });
  expect(rankAccounts(sysAt(), report, {}).winner).toBe("b");
});

test("an account is asked at most every five minutes and twenty times an hour", () => {
  const ledger = openLedger(sysAt());
  const limits = { everyMs: 60_000, perHour: 3 };
  const asked = [0, 30, 60, 120, 180, 3601].map((seconds) => ledger.tryAsk("acc-1", start + seconds * 1000, limits));
  expect(asked).toEqual([true, false, true, true, false, true]);
  expect(ledger.tryAsk("acc-2", start, limits)).toBe(true);
  ledger.close();
});

test("claude is asked in the profile's name, once, without anybody else's login, and where there is one", async () => {
  register("a", "b");
  login("a", "acc-1");
  put("bin/claude", "#!/bin/sh\n");
  const runs: { argv: readonly string[]; env: Record<string, string | undefined>; input: string }[] = [];
  const runBounded: Sys["runBounded"] = async (argv, { env = {}, input = "" }) => {
    runs.push({ argv, env, input });
    const request_id = JSON.parse(input).request_id as string;
    const rate_limits = { five_hour: { utilization: 64, resets_at: null } };
    return { text: JSON.stringify({ type: "control_response", response: { subtype: "success", request_id, response: { rate_limits } } }) };
  };
  const env = { CLAUDE_SMART_CLAUDE_BIN: "/bin/sh", ANTHROPIC_API_KEY: "x", CLAUDE_CODE_OAUTH_TOKEN: "x", CLAUDECODE: "1", KEPT: "1" };
  const sys = sysAt(start, env, { runBounded });
  expect(await view(start, { fetches: true, asks: true }, sys)).toEqual(["a 64 - get_usage", "b - - -"]);
  await view(start, { fetches: true, asks: true }, sysAt(start + 290_000, env, { runBounded }));
  expect(runs.length).toBe(1);
  expect(runs[0]?.env).toMatchObject({ CLAUDE_CONFIG_DIR: dir("a"), KEPT: "1" });
  expect(Object.keys(runs[0]?.env ?? {})).not.toContain("CLAUDE_CODE_OAUTH_TOKEN");
  expect(Object.keys(runs[0]?.env ?? {})).not.toContain("ANTHROPIC_API_KEY");
  expect(Object.keys(runs[0]?.env ?? {})).not.toContain("CLAUDECODE");
  expect(JSON.parse(runs[0]?.input ?? "")).toMatchObject({
    type: "control_request",
    request: { subtype: "get_usage", skip_behaviors: true },
  });
});

test("a ledger that is torn is made again", async () => {
  register("a");
  put(".local/state/csm/usage.db", "no database ".repeat(100));
  paint(dir("a"), "s1", 37, start);
  expect(await view()).toEqual(["a 37 - statusline"]);
});

test("where nothing can be written, what can be read is shown", async () => {
  register("a");
  login("a", "acc-1", {
    cachedUsageUtilization: { fetchedAtMs: start, accountUuid: "acc-1", utilization: { five_hour: { utilization: 12, resets_at: null } } },
  });
  put(".local/state", "a file where a folder should be");
  expect(await view()).toEqual(["a 12 - claude-cache"]);
  // Not even a lock: a source is asked all the same.
  put(".claude.shared", "a file too");
  const sys = sysAt(start + 1000, { CSM_USAGE_CMD: 'echo \'{"profiles":{"a":{"session":{"pct":13}}}}\'' });
  expect(await view(start + 1000, { fetches: true }, sys)).toEqual(["a 13 - command"]);
});

test("settings: the flag, then the environment, then the config file, then the default", () => {
  put(
    ".config/claude-smart/config.json",
    JSON.stringify({ usage: { policy: "spread", limitPercent: 80, maxAgeMs: 5000, holdPoints: "x" } }),
  );
  const config = { policy: "spread", limitPercent: 80, saturationPercent: 95, maxAgeMs: 5000, holdPoints: 5, disabled: [] } as const;
  expect(readSettings(sysAt()).part("usage")).toEqual(config);
  const env = { CSM_PICK_POLICY: "drain", CLAUDE_LIMIT_PCT: " 90 ", CLAUDE_USAGE_MAX_AGE: "7", CSM_USAGE_MAX_AGE_SECS: "9" };
  expect(readSettings(sysAt(start, env)).part("usage")).toEqual({ ...config, policy: "drain", limitPercent: 90, maxAgeMs: 7000 });
  expect(readSettings(sysAt(start, env), { "usage.policy": "consume-first" }).part("usage").policy).toBe("consume-first");
  // A broken first name falls to the default, not to the second.
  expect(readSettings(sysAt(start, { CLAUDE_USAGE_MAX_AGE: "x", CSM_USAGE_MAX_AGE_SECS: "9" })).part("usage").maxAgeMs).toBe(5000);
});

test("D18: a folder that is no profile is never chosen, however full it is", async () => {
  register("a");
  mkdirSync(join(home, ".claude"));
  recordUsage(sysAt(), dir("a"), { seven_day: { usedPercent: 10 } }, "statusline", start);
  recordUsage(sysAt(), join(home, ".claude"), { seven_day: { usedPercent: 90 } }, "statusline", start);
  expect(await view()).toEqual(["a - 10 -", "claude - 90 -"]);
  expect(rankAccounts(sysAt(), await readUsage(sysAt(), { fetches: false }), {}).rows.map(({ name }) => name)).toEqual(["a"]);
});

test("a reading of two months ago is forgotten when another one comes", () => {
  const ledger = openLedger(sysAt());
  const day = 86_400_000;
  const reading = (source: string, at: number) => ({ account: "a", window: "five_hour", source, usedPercent: 1, at });
  const now = 1_800_000_000_000;
  ledger.record([reading("old", now - 61 * day), reading("newer", now - 59 * day)], now - 59 * day);
  ledger.record([reading("new", now)], now);
  expect(
    ledger
      .readings()
      .map(({ source }) => source)
      .sort(),
  ).toEqual(["new", "newer"]);
  ledger.close();
});
