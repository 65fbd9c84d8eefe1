import { expect, test } from "bun:test";
import { openJournal } from "../src/journal.ts";
import { runLimitHook } from "../src/limit-hook.ts";
import { createFakeSys } from "./fake-sys.ts";

const session = "3dd65871-8441-4443-8f05-d62f49193c85";
const now = Date.parse("2026-11-20T10:54:10Z");
const path = "/home/dev/.claude/projects/-app/x.jsonl";
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
const fresh = { [path]: `${limitLine("2026-11-20T10:54:08Z")}\n` };

async function run(input: object | string, given: { files?: Record<string, string>; env?: Record<string, string>; best?: string } = {}) {
  const sys = createFakeSys({ now, files: given.files ?? {}, env: given.env ?? {} });
  const recorded: unknown[] = [];
  const parts = {
    owner: async () => "work",
    recordLimit: async (limit: unknown) => void recorded.push(limit),
    best: async () => given.best,
    sequence: async (title: string, body: string) => `${title}|${body}`,
  };
  const text = typeof input === "string" ? input : JSON.stringify({ session_id: session, transcript_path: path, ...input });
  const said = await runLimitHook(sys, text, parts);
  const again = await runLimitHook(sys, text, parts);
  return {
    said: said === undefined ? undefined : (JSON.parse(said) as { terminalSequence: string }).terminalSequence,
    again,
    recorded,
    sys,
  };
}

const limit = { window: "five_hour", resetsAt: resetsAt * 1000, isSelfContinuing: false };

test.each([
  ["StopFailure names the class", { hook_event_name: "StopFailure", error: "rate_limit" }, fresh, limit],
  ["Stop of an older version: the transcript tells", { hook_event_name: "Stop" }, fresh, limit],
  [
    "without structured fields the wording tells",
    { hook_event_name: "StopFailure", error: "rate_limit", last_assistant_message: "You've hit your weekly limit" },
    {},
    { window: "seven_day", isSelfContinuing: false },
  ],
] as [string, object, Record<string, string>, object][])("%s", async (_, input, files, expected) => {
  const { said, again, recorded, sys } = await run(input, { files, best: "home" });
  expect(said).toBe(`limit detected|[work] hit its usage limit → csm --profile home --resume ${session}`);
  expect(again).toBeUndefined();
  expect(recorded).toMatchObject([expected]);
  expect(openJournal(sys).read()).toMatchObject([{ event: "limit", session, from: "work" }]);
});

test.each([
  ["another error", { hook_event_name: "StopFailure", error: "server_error" }, fresh, {}],
  ["a passing 429", { hook_event_name: "StopFailure", error: "rate_limit", last_assistant_message: "Overloaded" }, {}, {}],
  ["an old limit", { hook_event_name: "Stop" }, { [path]: limitLine("2026-11-20T10:30:00Z") }, {}],
  ["a session that csm manages", { hook_event_name: "StopFailure", error: "rate_limit" }, fresh, { CSM_MANAGED: "1" }],
  ["switched off", { hook_event_name: "StopFailure", error: "rate_limit" }, fresh, { CLAUDE_AUTO_SWITCH: "0" }],
  ["an id that is none", { hook_event_name: "StopFailure", error: "rate_limit", session_id: "../../x" }, fresh, {}],
  ["no JSON", "{", fresh, {}],
  ["nothing", "", fresh, {}],
] as [string, object | string, Record<string, string>, Record<string, string>][])("silent for %s", async (_, input, files, env) => {
  const { said, recorded } = await run(input, { files, env });
  expect([said, recorded]).toEqual([undefined, []]);
});

test.each([
  [
    "no account with room",
    { hook_event_name: "StopFailure", error: "rate_limit" },
    undefined,
    "[work] hit its usage limit; no other account has room",
  ],
  [
    "a user who leaves",
    { hook_event_name: "SessionEnd", reason: "prompt_input_exit" },
    "home",
    "[work] hit its usage limit; the next csm chooses another account",
  ],
] as [string, object, string | undefined, string][])("what is said: %s", async (_, input, best, body) => {
  expect((await run(input, { files: fresh, ...(best === undefined ? {} : { best }) })).said).toBe(`limit detected|${body}`);
});
