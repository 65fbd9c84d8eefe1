import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { commands } from "../../src/commands.ts";
import { slugOf } from "../../src/paths.ts";
import { csdPath, csmPath } from "./harness.ts";

setDefaultTimeout(60_000);

let home = "";
/** Stands in for a claude that waits for somebody. */
let stranger: ReturnType<typeof Bun.spawn>;
const id = "11111111-2222-4333-8444-555555555555";
const write = (path: string, content: unknown) => {
  mkdirSync(dirname(join(home, path)), { recursive: true, mode: 0o700 });
  writeFileSync(join(home, path), typeof content === "string" ? content : JSON.stringify(content), { mode: 0o600 });
};

/** Somebody's letters are in the names of their things; all else that is said is ours. */
const theirs = "naïve-日本";

function furnish(): void {
  const cwd = join(home, theirs);
  mkdirSync(cwd);
  const at = (minutes: number) => new Date(Date.now() - minutes * 60_000).toISOString();
  const lines = [
    { type: "user", uuid: "u1", timestamp: at(3), message: { role: "user", content: `look at ${theirs}` } },
    {
      ...{ type: "assistant", uuid: "a1", timestamp: at(2), requestId: "r1" },
      message: {
        ...{ id: "m1", model: "claude-opus-4-6", role: "assistant", usage: { input_tokens: 50_000, output_tokens: 700 } },
        content: [{ type: "tool_use", id: "t1", name: "Bash", input: { command: "ls" } }],
      },
    },
  ].map((fields) => JSON.stringify({ sessionId: id, cwd, version: "2.1.329", ...fields }));
  write(`.claude/projects/${slugOf(cwd)}/${id}.jsonl`, `${lines.join("\n")}\n`);
  const procStart = readFileSync(`/proc/${stranger.pid}/stat`, "utf8").split(") ")[1]?.split(" ")[19];
  const times = { startedAt: Date.now(), statusUpdatedAt: Date.now() };
  const session = { pid: stranger.pid, procStart, sessionId: id, cwd, name: "app", status: "waiting", waitingFor: "permission prompt" };
  write(`.claude/sessions/${stranger.pid}.json`, { ...session, ...times });
  write(".config/claude-as/profiles.json", { work: "~/.claude", other: `~/${theirs}`, gone: "/no/such" });
  write(".config/claude-as/default", "work\n");
  const reset = new Date(Date.now() + 3_600_000).toISOString();
  write(".claude.json", {
    oauthAccount: { emailAddress: "a@b.example" },
    cachedUsageUtilization: { five_hour: { utilization: 97, resets_at: reset } },
  });
  const journal = { at: Date.now(), event: "limit", session: id, from: "work", window: "five_hour", resets_at: Date.now() + 60_000 };
  write(
    ".local/state/csm/journal.jsonl",
    `${JSON.stringify(journal)}\n${JSON.stringify({ ...journal, event: "switch", to: "other", reason: "5h 3%" })}\n`,
  );
  write("bin/claude", '#!/bin/sh\nprintf "2.1.329 (Claude Code)\\n"\n');
  Bun.spawnSync(["chmod", "+x", join(home, "bin/claude")]);
}

beforeAll(() => {
  home = mkdtempSync(join(tmpdir(), "csm-ascii-"));
  stranger = Bun.spawn(["sleep", "300"]);
  furnish();
});
afterAll(() => {
  stranger.kill();
  Bun.spawnSync(["tmux", "kill-server"], { env: env({}) });
  rmSync(home, { recursive: true, force: true });
});

const env = (locale: Record<string, string>): Record<string, string> => ({
  ...{ HOME: home, PATH: `${join(home, "bin")}:${process.env.PATH}`, TMUX_TMPDIR: home, CSM_USAGE_ASK: "0" },
  ...{ CLAUDE_SMART_CLAUDE_BIN: join(home, "bin/claude"), TERM: "xterm-256color" },
  ...locale,
});

/** Those that wait for somebody, or go on until they are stopped, have said what there is to say by then. */
const patienceMs = 2500;

interface Said {
  code: number;
  text: string;
}

async function say(argv: string[], locale: Record<string, string>, hasTerminal = false): Promise<Said> {
  const chunks: Buffer[] = [];
  const terminal = { cols: 120, rows: 40, data: (_: unknown, bytes: Uint8Array) => void chunks.push(Buffer.from(bytes)) };
  const io = hasTerminal ? { terminal } : ({ stdin: "ignore", stdout: "pipe", stderr: "pipe" } as const);
  const child = Bun.spawn(argv, { cwd: home, env: env(locale), ...io });
  const timer = setTimeout(() => child.kill("SIGINT"), patienceMs);
  const killer = setTimeout(() => child.kill("SIGKILL"), patienceMs + 3000);
  const streams = [child.stdout, child.stderr].map((stream) => (stream instanceof ReadableStream ? new Response(stream).text() : ""));
  const texts = await Promise.all(streams);
  const code = await child.exited;
  clearTimeout(timer);
  clearTimeout(killer);
  return { code, text: hasTerminal ? Buffer.concat(chunks).toString() : texts.join("") };
}

/** What is ours of it: names of theirs are cut anywhere, so their letters are taken out one by one. */
const ours = (text: string): string => text.replace(/[ï日本]/g, "");
const beyond = (text: string): string[] => [...new Set(ours(text).match(/[^\p{ASCII}]/gu) ?? [])];

const pathOf = (program: string): string => (program === "csm" ? csmPath : csdPath);
const rows = (["csm", "csd"] as const).flatMap((program) =>
  commands[program].filter(({ load }) => load !== undefined).map(({ word }) => [program, word] as const),
);
const forms: string[][] = [[], ["--help"], ["--json"], ["app"], ["--nope"]];
const shells: Record<string, string[]> = { "shell-init": ["bash", "zsh", "fish", "pwsh"], completions: ["bash", "zsh", "fish", "pwsh"] };

test.each(rows)("%s %s says what it says in ASCII where the locale is C", async (program, word) => {
  const given = [...forms, ...(shells[word] ?? []).map((shell) => [shell])];
  const said = await Promise.all(
    given.map(async (args) => [args.join(" "), await say([pathOf(program), ...word.split(" "), ...args], { LC_ALL: "C" })] as const),
  );
  for (const [args, { text }] of said)
    expect([args, beyond(text), beyond(text).length > 0 ? text.slice(0, 600) : ""]).toEqual([args, [], ""]);
});

test.each<[locale: string, env: Record<string, string>, isPlain: boolean]>([
  ["LC_ALL=C", { LC_ALL: "C" }, true],
  ["LC_ALL=POSIX", { LC_ALL: "POSIX", LANG: "en_US.UTF-8" }, true],
  ["another encoding", { LANG: "de_DE.ISO-8859-1" }, true],
  ["nothing set", {}, true],
  ["UTF-8", { LANG: "C.UTF-8" }, false],
])("on a terminal too, tables and dashboard: %s", async (_, locale, isPlain) => {
  const screens = [
    ["top"],
    ["top", "--once"],
    ["ls"],
    ["usage"],
    ["pick-account"],
    ["log"],
    ["profiles"],
    ["--help"],
    ["demo", "--simulated"],
  ];
  const said = await Promise.all(
    screens.map(async (args) => [args.join(" "), (await say([csmPath, ...args], locale, true)).text] as const),
  );
  // People of the demo are called as people are.
  const beyondOurs = said.filter(([, text]) => beyond(text.replace(/\p{Lo}/gu, "")).length > 0).map(([args]) => args);
  if (isPlain) expect(beyondOurs).toEqual([]);
  else expect(beyondOurs).toEqual(expect.arrayContaining(["top", "usage", "demo --simulated"]));
});

test("a dumb terminal is never told to move its cursor, or to colour anything", async () => {
  const dumb = { TERM: "dumb", LC_ALL: "C.UTF-8" };
  for (const args of [["ls"], ["top", "--once"], ["usage"], ["log"], ["pick-account"], ["profiles", "doctor"], ["cost"], ["scan", "--all"]])
    expect([args, (await say([csmPath, ...args], dumb, true)).text.includes("\u001b")]).toEqual([args, false]);
  const top = await say([csmPath, "top"], dumb, true);
  const words = "csm top needs a terminal that can move its cursor (TERM=dumb); csm top --once prints the list, csm watch follows it";
  expect([top.code, top.text.trim()]).toEqual([1, words]);
  // Nothing that asks opens: as off a terminal, the word is claude's.
  const picker = await say(["sh", "-c", `cd '${theirs}' && exec '${csmPath}' -r`], dumb, true);
  expect([picker.code, picker.text.trim()]).toEqual([0, "2.1.329 (Claude Code)"]);
  const demo = await say([csmPath, "demo", "--simulated"], dumb, true);
  expect([demo.code, demo.text.includes("\u001b"), demo.text.includes("asks Bash")]).toEqual([0, false, true]);
});
