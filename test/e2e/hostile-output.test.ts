import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { commands } from "../../src/commands.ts";
import { slugOf } from "../../src/paths.ts";
import { csdPath, csmPath } from "./harness.ts";

setDefaultTimeout(60_000);

/** Moves the cursor, clears, sets the title, turns the line around, hides. */
const hostile = "h\u001b[2J\u001b]0;t\u0007\u009b5m\u202erev\u200b\u{e0041}\u3164\rx";
/** Any of it, in what was printed; a line end and a tab are none, and neither are escapes of JSON. */
const leak = /[^\P{Cc}\n\t]|[\u200b-\u200f\u202a-\u202e\u2060-\u2069\u3164]|\udb40/u;

let home = "";
/** Stands in for a claude: commands may end it. */
let stranger: ReturnType<typeof Bun.spawn>;
const write = (path: string, content: unknown) => {
  const full = join(home, path);
  mkdirSync(dirname(full), { recursive: true, mode: 0o700 });
  writeFileSync(full, typeof content === "string" ? content : JSON.stringify(content), { mode: 0o600 });
};
const id = "11111111-2222-4333-8444-555555555555";
const line = (fields: object) => `${JSON.stringify({ sessionId: id, cwd: join(home, hostile), version: hostile, ...fields })}\n`;
const minute = (count: number) => new Date(Date.now() - count * 60_000).toISOString();

/** A machine on which every field that may be shown says something hostile. */
function furnish(): void {
  const cwd = join(home, hostile);
  mkdirSync(cwd);
  const message = { id: hostile, model: hostile, role: "assistant", usage: { input_tokens: 5, output_tokens: 7 }, stop_reason: "tool_use" };
  const tool = { type: "tool_use", id: "t1", name: hostile, input: { command: hostile, description: hostile } };
  const transcript = [
    line({ type: "user", uuid: "u1", timestamp: minute(3), message: { role: "user", content: `say ${hostile}` } }),
    line({
      type: "assistant",
      uuid: "a1",
      timestamp: minute(2),
      requestId: hostile,
      message: { ...message, content: [{ type: "text", text: hostile }, tool] },
    }),
    line({ type: "custom-title", customTitle: hostile }),
    line({ type: "summary", summary: hostile, leafUuid: "a1" }),
    "torn \u001b[2J line\n",
  ].join("");
  for (const folder of [slugOf(cwd), slugOf(home)]) write(`.claude/projects/${folder}/${id}.jsonl`, transcript);
  const procStart = readFileSync(`/proc/${stranger.pid}/stat`, "utf8").split(") ")[1]?.split(" ")[19];
  const session = {
    pid: stranger.pid,
    procStart,
    sessionId: id,
    cwd,
    name: hostile,
    version: hostile,
    status: "waiting",
    waitingFor: hostile,
  };
  write(`.claude/sessions/${stranger.pid}.json`, { ...session, startedAt: Date.now(), statusUpdatedAt: Date.now(), tmux: hostile });
  write(`.claude/sessions/99999999.json`, { ...session, pid: 99_999_999 });
  write(".claude/settings.json", { model: hostile, permissions: { deny: [hostile] }, statusLine: { type: "command", command: hostile } });
  write(".claude.json", {
    oauthAccount: { emailAddress: hostile, organizationName: hostile },
    projects: { [cwd]: { lastSessionId: hostile } },
  });
  write(".config/claude-as/profiles.json", { work: "~/.claude", other: `~/${hostile}`, [hostile]: "/tmp" });
  write(".config/claude-as/default", "work\n");
  write(".config/claude-smart/config.json", {
    launchCommand: [hostile],
    [hostile]: hostile,
    limit: { handoffPrompt: hostile },
    usage: { disabled: [hostile] },
  });
  write(`.claude.shared/smart/${id}.json`, { model: hostile, [hostile]: hostile });
  const driven = {
    session_id: id,
    cwd,
    backend: hostile,
    jsonl_path: join(home, "x.jsonl"),
    permission_mode: hostile,
    created: 1,
    version: 1,
  };
  write(".local/state/csd/sessions/fix.json", {
    name: "fix",
    ...driven,
    backend_version: hostile,
    config_dir: join(home, ".claude"),
    pid: stranger.pid,
    process_start: procStart,
    pane: "%9",
  });
  write(".local/state/csd/sessions/bad.json", `{${hostile}`);
  write(
    ".local/state/csd/run/fix/events.jsonl",
    `${JSON.stringify({ at: Date.now(), event: "Stop", text: hostile, error: hostile })}\ntorn ${hostile}\n`,
  );
  write(
    ".local/state/csm/journal.jsonl",
    `${JSON.stringify({ at: Date.now(), event: "switch", session_id: id, from: hostile, to: hostile, reason: hostile })}\n`,
  );
  write(`.local/state/csm/statusline/${id}.json`, { sessionId: id, model: hostile, account: hostile, cwd, seenAt: Date.now() });
  write(`.local/state/csm/launches/${id}.json`, { id, cwd, args: [hostile], profile: hostile, pid: 1, start: "1", at: Date.now() });
  // A file of tasks by the words that commands are called with here: one that can be drawn, and one that is wrong.
  const name = 't\u202erev\u200b\u{e0041}\u3164 "x" <b>';
  const after = { name: "b", prompt: hostile, depends_on: [name], if: `'${name}' == failed`, concurrency: hostile, model: hostile };
  write("fix", { tasks: [{ name, prompt: hostile }, after] });
  write(id, { [hostile]: 1, tasks: [{ name: hostile, prompt: `{{${hostile}}}`, [hostile]: 1, depends_on: [hostile], cwd: hostile }] });
  const remote = {
    ...{ name: hostile, session_id: hostile, status: hostile.slice(0, 40), words: hostile, source: hostile.slice(0, 60), since_at: 0 },
    ...{ profile: hostile, cwd: hostile, model: hostile.slice(0, 100), kind: hostile.slice(0, 40), driver: hostile, agents: 1 },
    ...{ gate_id: hostile, context_percent: 1, cost_usd: 1, tokens: 1, title: hostile },
  };
  const told = { version: hostile.slice(0, 40), os: hostile.slice(0, 40), role: hostile.slice(0, 20), sessions: [remote] };
  const machine = { name: "far", isLive: false, state: { v: 1, machine: "far", at: 1, ...told } };
  write(".local/state/csm/fleet-seen.json", { readAt: 1, machines: [machine], failure: hostile, failedAt: Date.now() });
  const password = { from: "none" };
  write(".local/state/csm/fleet.json", { url: "redis://127.0.0.1:1", machine: "here", role: "answer", password, joinedAt: 1 });
  write("bin/claude", '#!/bin/sh\nprintf "2.1.329 (Claude Code)\\n"\n');
}

beforeAll(() => {
  home = mkdtempSync(join(tmpdir(), "csm-hostile-"));
  stranger = Bun.spawn(["sleep", "300"]);
  furnish();
  Bun.spawnSync(["chmod", "+x", join(home, "bin/claude")]);
});
afterAll(() => {
  stranger.kill();
  Bun.spawnSync(["tmux", "kill-server"], { env: env() });
  rmSync(home, { recursive: true, force: true });
});

const env = () => ({
  HOME: home,
  PATH: `${join(home, "bin")}:${process.env.PATH}`,
  TMUX_TMPDIR: home,
  LC_ALL: "C.UTF-8",
  CSM_USAGE_ASK: "0",
  CLAUDE_SMART_CLAUDE_BIN: join(home, "bin/claude"),
});

/** Those that wait for somebody, or go on until they are stopped, have said what there is to say by then. */
const patienceMs = 2500;

async function outputOf(program: string, args: readonly string[]): Promise<string> {
  const child = Bun.spawn([program, ...args], { cwd: home, env: env(), stdin: "ignore", stdout: "pipe", stderr: "pipe" });
  const timer = setTimeout(() => child.kill("SIGINT"), patienceMs);
  const killer = setTimeout(() => child.kill("SIGKILL"), patienceMs + 3000);
  const texts = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
  clearTimeout(timer);
  clearTimeout(killer);
  return texts.join("");
}

/** What their contract says: what somebody else's program or shell reads. */
const isExact = (words: string): boolean => ["csm shell-init", "csm completions", "csm profiles dir"].includes(words);
/** The transcript's own lines: escaped on a terminal alone. */
const isOwnLines = (words: string, form: string): boolean => words === "csd tail" && form.endsWith("as JSON");

const forms: [form: string, args: string[]][] = [
  ["alone", []],
  ["as JSON", ["--json"]],
  ["with a hostile word", [hostile]],
  ["with a hostile flag", [`--${hostile}`]],
  ["of a session", ["fix"]],
  ["of a conversation, as JSON", [id, "--json"]],
];

const rows = (["csm", "csd"] as const).flatMap((program) =>
  commands[program].filter(({ load }) => load !== undefined).map(({ word }) => [program, word] as const),
);

test.each(rows)("%s %s shows hostile text without what moves or hides", async (program, word) => {
  const path = program === "csm" ? csmPath : csdPath;
  const said = await Promise.all(forms.map(async ([form, args]) => [form, await outputOf(path, [...word.split(" "), ...args])] as const));
  // A path that is a shell's word keeps its bytes.
  if (isExact(`${program} ${word}`)) return;
  for (const [form, text] of said.filter(([form]) => !isOwnLines(`${program} ${word}`, form)))
    expect([form, leak.exec(text)?.[0], leak.test(text) ? text.slice(0, 400) : ""]).toEqual([form, undefined, ""]);
  expect(said.map(([, text]) => text).join("")).not.toContain("this is a bug");
});
