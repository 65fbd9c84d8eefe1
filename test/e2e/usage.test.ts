import { afterAll, expect, test } from "bun:test";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { limit, limitHeaders, say } from "../../src/stub-script.ts";
import { openFakeApi } from "./fake-api.ts";
import { claudePath, csmPath, type Json, until, useBox } from "./harness.ts";

const given = useBox({ login: "subscription" });
const HOUR = 3_600_000;
const settings = JSON.stringify({ statusLine: { type: "command", command: `${csmPath} statusline` } });

const addProfile = async (name: string, dir: string): Promise<void> => {
  const { box } = given;
  const path = join(box.home, ".config/claude-as/profiles.json");
  mkdirSync(join(box.home, ".config/claude-as"), { recursive: true });
  const known = JSON.parse(box.sys.readText(path) ?? "{}");
  writeFileSync(path, JSON.stringify({ ...known, [name]: dir }));
};
const usage = async (args: string[] = ["--no-fetch"]): Promise<Record<string, Json>> =>
  JSON.parse((await given.box.csm(["usage", "--json", ...args])).stdout).profiles;

/** 37 % of the 5 hours and 61 % of the week, in the headers of a reply. */
const replyHeaders = (fiveHour: number, week: number, now = Date.now()) => ({
  ...limitHeaders("allowed", "seven_day", now + 72 * HOUR, week),
  ...limitHeaders("allowed", "five_hour", now + 2 * HOUR, fiveHour),
});

test("the status line of a real session fills the ledger within a second of the reply", async () => {
  const { box } = given;
  await addProfile("main", box.configDir);
  const id = crypto.randomUUID();
  box.stub.script(id, [say("Hello.", { headers: replyHeaders(37, 61) })]);
  // csd passes no flags on: as a user would, in a pane of one's own.
  const argv = [claudePath, "--session-id", id, "--permission-mode", "manual", "--settings", settings];
  await box.run(["tmux", "-u", "new-session", "-d", "-s", "metered", "-x", "150", "-y", "40", "-c", box.folder("metered"), ...argv]);
  await until(
    "claude is ready",
    async () => (await box.screen("metered")).includes("❯\u00a0"),
    () => box.screen("metered"),
  );
  await box.keys("metered", "Say hello");
  await until("the prompt is typed", async () => (await box.screen("metered")).includes("Say hello"));
  await box.keys("metered", "Enter");
  const main = await until("37 and 61 are in the ledger", async () => {
    const { main } = await usage();
    return main?.session_pct === 37 && main.week_all_pct === 61 ? main : undefined;
  });
  const windows = main.windows as Record<string, Json>;
  expect(windows.five_hour).toMatchObject({ used_percent: 37, source: "statusline", is_reset: false });
  const repliedAt = box.stub.requests.filter((request) => request.isMainThread).at(-1)?.at ?? 0;
  const tookMs = Number(windows.five_hour?.read_at) - repliedAt;
  console.log(`from the request to the ledger: ${tookMs} ms`);
  expect(tookMs).toBeLessThan(20_000);
  // What a person sees, and the line in claude's own footer.
  expect((await box.csm(["usage", "--no-fetch"])).stdout).toMatch(/★ main .* 37% in 1h 59m .* 61% in 2d 23h .* ok/);
  expect(await until("the footer", async () => /5h 37% \(\d+h \d+m\) · 7d 61%/.exec(await box.screen("metered"))?.[0])).toBeTruthy();
  expect((await box.csm(["pick-account"])).stdout).toBe("main\n");
  expect((await box.csm(["current-usage", "main"])).stdout).toBe("37 61\n");
});

test("a 429 marks the account as limited until its reset, and transcripts tell of it too", async () => {
  const { box } = given;
  const resetsAt = Math.round(Date.now() / 1000) * 1000 + HOUR;
  await box.spawn("limited", [limit("five_hour", resetsAt)]);
  await box.send("limited", "Say hello");
  await box.reach("limited", "limited");
  const main = await until("the limit is in the ledger", async () => {
    const { main } = await usage([]);
    return main?.session_pct === 100 ? main : undefined;
  });
  expect(main.status).toBe("near_limit");
  expect((main.windows as Record<string, Json>).five_hour).toMatchObject({
    source: expect.stringMatching(/^(?:limit|transcript)$/),
    resets_at: resetsAt,
    resets_time: new Date(resetsAt).toISOString(),
  });
  const picked = await box.csm(["pick-account"]);
  expect([picked.stdout, picked.stderr, picked.code]).toEqual(["", "csm pick-account: all accounts saturated\n", 0]);
});

const api = openFakeApi();
afterAll(() => api.then((opened) => opened.close()));

test("get_usage is asked of the profile's own claude, parsed, and not asked again within five minutes", async () => {
  const { box } = given;
  const opened = await api;
  const dir = join(box.home, ".claude.asked");
  mkdirSync(dir, { recursive: true });
  writeFileSync(
    join(dir, ".claude.json"),
    JSON.stringify({
      hasCompletedOnboarding: true,
      oauthAccount: { accountUuid: "acc-1", organizationUuid: "org-1", emailAddress: "a@b.c" },
    }),
  );
  const login = {
    accessToken: "sk-ant-oat01-dummy",
    refreshToken: "sk-ant-ort01-dummy",
    expiresAt: Date.now() + 8 * HOUR,
    scopes: ["user:inference", "user:profile"],
    subscriptionType: "max",
  };
  writeFileSync(join(dir, ".credentials.json"), JSON.stringify({ claudeAiOauth: login }), { mode: 0o600 });
  await addProfile("asked", dir);
  const env = { ...box.env, ...opened.env, CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: undefined, ANTHROPIC_BASE_URL: undefined };
  const run = async () => JSON.parse((await box.csm(["usage", "--json"], { env })).stdout).profiles.asked;
  const asked = await run();
  expect(asked).toMatchObject({ session_pct: 38, week_all_pct: 61, status: "ok" });
  expect(asked.windows).toMatchObject({
    five_hour: { used_percent: 37.5, source: "get_usage" },
    seven_day_opus: { used_percent: 12 },
    seven_day_fable: { used_percent: 22 },
  });
  const asks = () => opened.paths.filter((path) => path === "/api/oauth/usage").length;
  const before = asks();
  expect(before).toBeGreaterThan(0);
  await run();
  expect(asks()).toBe(before);
  // The same account in a second profile is known without a question, from the file that claude itself keeps.
  const twin = join(box.home, ".claude.twin");
  mkdirSync(twin);
  writeFileSync(join(twin, ".claude.json"), JSON.stringify({ oauthAccount: { accountUuid: "acc-1" } }));
  await addProfile("twin", twin);
  expect((await usage()).twin).toMatchObject({ session_pct: 38, shares_with: ["asked"] });
  rmSync(join(box.home, ".local/state/csm/usage.db"));
  expect(await usage()).toMatchObject({ asked: { windows: { five_hour: { used_percent: 37.5, source: "claude-cache" } } } });
});

test("`--watch` shows a change at once, in a terminal as narrow as 60 columns, and ends with Ctrl-C", async () => {
  const { box } = given;
  await box.run(["tmux", "-u", "new-session", "-d", "-s", "watch", "-x", "60", "-y", "20", csmPath, "usage", "--watch", "--no-fetch"]);
  await until(
    "the table",
    async () => (await box.screen("watch")).includes("PROFILE"),
    () => box.screen("watch"),
  );
  const input = {
    session_id: "watched",
    rate_limits: { seven_day: { used_percentage: 83, resets_at: Math.round(Date.now() / 1000) + 90_000 } },
  };
  await box.csm(["statusline"], { env: { ...box.env, CLAUDE_CONFIG_DIR: join(box.home, ".claude.twin") }, input: JSON.stringify(input) });
  await until(
    "the new value",
    async () => /twin .* 83% in 1d/.test(await box.screen("watch")),
    () => box.screen("watch"),
  );
  await box.keys("watch", "C-c");
  await until("it has ended", async () => (await box.run(["tmux", "-u", "has-session", "-t", "=watch"])).code !== 0);
  const refused = await box.csm(["usage", "--watch"]);
  expect([refused.code, refused.stderr]).toEqual([2, "csm usage: --watch needs a terminal and no --json\n"]);
});
