import { afterAll, beforeEach, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { parseHookInput } from "../src/claude-hooks.ts";
import { openJournal } from "../src/journal.ts";
import { present } from "../src/json.ts";
import { runLimitHook } from "../src/limit-hook.ts";
import { createSys } from "../src/sys.ts";
import { readUsage, recordUsage } from "../src/usage.ts";

const session = "3dd65871-8441-4443-8f05-d62f49193c85";
const now = Date.parse("2026-11-20T10:54:10Z");
const resetsAt = 1_795_175_648;
const limitLine = (timestamp: string, more: object = { quotaLimits: { status: "rejected", resetsAt, rateLimitType: "five_hour" } }) =>
  JSON.stringify({
    type: "assistant",
    timestamp,
    isApiErrorMessage: true,
    error: "rate_limit",
    message: { content: [{ type: "text", text: "You've hit your 5-hour limit · resets 11:54am (UTC)" }] },
    ...more,
  });
const fresh = `${limitLine("2026-11-20T10:54:08Z")}\n`;

const root = realpathSync(mkdtempSync(join(tmpdir(), "csm-limit-hook-")));
afterAll(() => rmSync(root, { recursive: true, force: true }));
let home = "";
let count = 0;
const put = (path: string, text: string) => {
  mkdirSync(dirname(join(home, path)), { recursive: true });
  writeFileSync(join(home, path), text);
};
beforeEach(() => {
  home = join(root, String(++count));
  const names = ["work", "home"];
  for (const name of names) put(`.claude.${name}/.claude.json`, JSON.stringify({ oauthAccount: { accountUuid: `account-${name}` } }));
  put(".config/claude-as/profiles.json", JSON.stringify(Object.fromEntries(names.map((name) => [name, join(home, `.claude.${name}`)]))));
});

/** In profile work; `hasRoom`: profile home is known to have some. */
async function run(input: object | string, given: { transcript?: string; env?: Record<string, string>; hasRoom?: boolean } = {}) {
  let time = now;
  const sys = {
    ...createSys({ HOME: home, ...given.env }),
    now: () => time,
    sleep: async (ms: number) => {
      time += ms;
    },
  };
  const path = join(home, "x.jsonl");
  if (given.transcript !== undefined) put("x.jsonl", given.transcript);
  const windows = { five_hour: { usedPercent: 5, resetsAt: now + 3_600_000 }, seven_day: { usedPercent: 5, resetsAt: now + 86_400_000 } };
  if (given.hasRoom === true) recordUsage(sys, join(home, ".claude.home"), windows, "statusline", now);
  const text = typeof input === "string" ? input : JSON.stringify({ session_id: session, transcript_path: path, ...input });
  const dir = join(home, ".claude.work");
  const told = parseHookInput(text);
  const runHook = async () => (told === undefined ? undefined : runLimitHook(sys, told, dir));
  const said = await runHook();
  const again = await runHook();
  const { profiles } = await readUsage(sys, { fetches: false });
  const sequence = said === undefined ? undefined : (JSON.parse(said) as { terminalSequence: string }).terminalSequence;
  return {
    said: sequence?.slice("\u001b]777;notify;".length, -1).replaceAll("\\;", ";"),
    again,
    recorded: Object.fromEntries(profiles.find(({ name }) => name === "work")?.windows ?? []),
    sys,
  };
}

const failure = { hook_event_name: "StopFailure", error: "rate_limit" };
const full = { usedPercent: 100, resetsAt: resetsAt * 1000 };

test.each<[rule: string, input: object, transcript: string | undefined, recorded: Record<string, object>]>([
  ["StopFailure names the class", failure, fresh, { five_hour: full }],
  ["Stop of an older version: the transcript tells", { hook_event_name: "Stop" }, fresh, { five_hour: full }],
  [
    "Stop of 2.1.158, which writes no quotaLimits",
    { hook_event_name: "Stop" },
    `${limitLine("2026-11-20T10:54:08Z", {})}\n`,
    { five_hour: { usedPercent: 100, resetsAt: Date.parse("2026-11-20T11:54:00Z") } },
  ],
  [
    "without structured fields the wording tells",
    { ...failure, last_assistant_message: "You've hit your weekly limit" },
    undefined,
    { seven_day: { usedPercent: 100 } },
  ],
])("%s", async (_, input, transcript, expected) => {
  const { said, again, recorded, sys } = await run(input, { hasRoom: true, ...present({ transcript }) });
  expect(said).toBe(`limit detected;[work] hit its usage limit → csm --profile home --resume ${session}`);
  expect(again).toBeUndefined();
  expect(recorded).toMatchObject(expected);
  expect(openJournal(sys).read()).toMatchObject([{ event: "limit", session, from: "work" }]);
});

test.each<[rule: string, input: object | string, transcript: string | undefined, env?: Record<string, string>]>([
  ["another error", { ...failure, error: "server_error" }, fresh],
  ["a passing 429", { ...failure, last_assistant_message: "Overloaded" }, undefined],
  ["an old limit", { hook_event_name: "Stop" }, limitLine("2026-11-20T10:30:00Z")],
  ["a session that csm manages", failure, fresh, { CSM_MANAGED: "1" }],
  ["switched off", failure, fresh, { CLAUDE_AUTO_SWITCH: "0" }],
  ["an id that is none", { ...failure, session_id: "../../x" }, fresh],
  ["no JSON", "{", fresh],
  ["nothing", "", fresh],
])("silent for %s", async (_, input, transcript, env = {}) => {
  const { said, recorded, sys } = await run(input, { env, ...present({ transcript }) });
  expect([said, recorded, openJournal(sys).read()]).toEqual([undefined, {}, []]);
});

test.each<[rule: string, model: string, target: string]>([
  ["another model's week does not count", "claude-opus-5", " → csm --profile home --resume"],
  ["the model's own week is used up elsewhere too", "claude-fable-5-1", "; no other account has room"],
])("where to go on: %s", async (_, model, target) => {
  const windows = { seven_day: { usedPercent: 5 }, seven_day_fable: { usedPercent: 100, resetsAt: now + 86_400_000 } };
  recordUsage(createSys({ HOME: home }), join(home, ".claude.home"), windows, "statusline", now);
  const answer = JSON.stringify({
    type: "assistant",
    timestamp: "2026-11-20T10:53:00Z",
    message: { id: "m", model, content: [{ type: "text", text: "ok" }] },
  });
  expect((await run(failure, { transcript: `${answer}\n${fresh}` })).said).toContain(target);
});

test.each<[rule: string, input: object, hasRoom: boolean, said: string]>([
  ["no account with room", failure, false, "[work] hit its usage limit; no other account has room"],
  [
    "a user who leaves",
    { hook_event_name: "SessionEnd", reason: "prompt_input_exit" },
    true,
    "[work] hit its usage limit; the next csm chooses another account",
  ],
])("what is said: %s", async (_, input, hasRoom, said) => {
  expect((await run(input, { transcript: fresh, hasRoom })).said).toBe(`limit detected;${said}`);
});
