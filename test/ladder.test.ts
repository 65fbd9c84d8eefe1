import { expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** The order of the files: each imports only files above it. CONTRIBUTING.md says what each rung is for. */
const ladder = [
  // values, pure
  "errors",
  "sanitize",
  "format",
  "version",
  "session-id",
  // Claude Code's surface, pure
  "claude-slug",
  "claude-session",
  "claude-transcript",
  "claude-reset",
  "claude-usage",
  "claude-gate",
  "claude-screen",
  "claude-hooks",
  "claude-version",
  "claude-flags",
  "transcript-text",
  "transcript-facts",
  // decisions, pure
  "status",
  "answer",
  "limit",
  "setup",
  "usage-blob",
  "scorer",
  "statusline",
  "statusline-sample",
  "statusline-template",
  "model-script",
  "run-options",
  "session-choice",
  // the operating system
  "sys-files",
  "sys-bounded",
  "sys-links",
  "database",
  "sys",
  "exec",
  "foreground",
  "terminal-keys",
  "terminal",
  "paths",
  "statusline-record",
  "statusline-run",
  "process",
  "process-table",
  "tail",
  "lock",
  "store",
  // parts
  "registry",
  "profile-floor",
  "profile-change",
  "profile-view",
  "profile-draft",
  "profile-share",
  "profile-doctor",
  "cas-shell",
  "cas",
  "completion-tree",
  "completion-scripts",
  "names",
  "shell-init",
  "prompts",
  "config",
  "session-sidecar",
  "tmux",
  "launch",
  "sidecar",
  "doctor-memory",
  "channel",
  "hook-run",
  "editor-run",
  "driver",
  "journal",
  "handoff",
  "managed-launch",
  "limit-read",
  "relaunch-act",
  "relaunch",
  "limit-hook",
  "limit-settings",
  "journal-text",
  "driver-answer",
  "driver-reply",
  "driver-type",
  "driver-send",
  "driver-spawn",
  "driver-kill",
  "driver-interrupt",
  "driver-watch",
  "driver-run",
  "git-worktrees",
  "transcript-files",
  "transcript-index",
  "live-owners",
  "conversations",
  "live-attach",
  "picker-state",
  "picker-view",
  "picker",
  "session-picker",
  "profile-picker",
  "session-plan",
  "launcher",
  "sessions",
  "session-table",
  "usage-settings",
  "usage-ledger",
  "usage-profiles",
  "usage-transcripts",
  "usage-fetch",
  "usage-ask",
  "usage",
  "usage-view",
  "account-picker",
  "hub",
  "boot",
  "notify",
  "session-files",
  "reap",
  "launch-record",
  "restore-plan",
  "restore",
  "open-target",
  "relaunch-parts",
  "account-choice",
  "launcher-parts",
  "model-stub",
  "sandbox",
  "doctor-judge",
  "doctor-canary",
  "doctor-parts",
  "doctor",
  // commands
  "cmd-record",
  "cmd-run",
  "cmd-ls",
  "cmd-scan",
  "cmd-sidecar",
  "cmd-config",
  "cmd-statusline",
  "cmd-usage",
  "cmd-current-usage",
  "cmd-pick-account",
  "cmd-hub",
  "cmd-newuuid",
  "cmd-completions",
  "cmd-log",
  "cmd-hook",
  "cmd-setup",
  "cmd-profiles",
  "cmd-profiles-change",
  "cmd-profiles-edit",
  "cmd-profiles-login",
  "cmd-profiles-share",
  "cmd-profiles-doctor",
  "cmd-cas",
  "cmd-shell-init",
  "cmd-csd-json",
  "cmd-csd-spawn",
  "cmd-csd-send",
  "cmd-csd-state",
  "cmd-csd-approve",
  "cmd-csd-deny",
  "cmd-csd-answer",
  "cmd-csd-interrupt",
  "cmd-csd-wait",
  "cmd-csd-events",
  "cmd-csd-run",
  "cmd-csd-tail",
  "cmd-csd-logs",
  "cmd-csd-attach",
  "cmd-csd-ps",
  "cmd-csd-kill",
  "cmd-csd-doctor",
  "cmd-reap",
  "cmd-restore",
  "cmd-demo",
  "commands",
  "help",
  // edge
  "router",
  "app",
  "main",
];

/** Which files may touch what. */
const doors: [what: string, pattern: RegExp, files: string][] = [
  [
    "the file system",
    /"node:(?:fs|os|child_process|net)"/,
    "sys sys-files database exec foreground sandbox main sys-links statusline-record statusline-run",
  ],
  ["SQLite", /"bun:sqlite"/, "database"],
  [
    "Bun's processes and files",
    /\bBun\.(?:spawn|spawnSync|file|write|which)\b/,
    "sys sys-files exec foreground main sys-bounded statusline-record statusline-run",
  ],
  ["a server", /\bBun\.serve\b/, "model-stub hub"],
  [
    "the process",
    /\bprocess\.(?!exit\b|ts")[a-z]/i,
    "sys sys-files exec foreground terminal app main sys-bounded statusline-record statusline-run",
  ],
  ["the exit", /\bprocess\.exit\b/, "main"],
  ["the clock", /\bDate\.now\b|\bnew Date\(\)/, "sys statusline-record statusline-run model-stub"],
  ["chance", /\bMath\.random\b|\bcrypto\./, "sys model-stub"],
  ["citty", /from "citty"/, "cmd-record"],
  ["clack", /from "@clack\/prompts"/, "prompts"],
  ["consola", /from "consola"/, "log"],
];

const src = join(import.meta.dir, "../src");
const files = readdirSync(src).sort();
const textOf = (name: string) => readFileSync(join(src, `${name}.ts`), "utf8");
/** Code without comments and string contents, which may name anything. */
const codeOf = (name: string) =>
  textOf(name)
    .replace(/\/\*[\s\S]*?\*\//g, "")
    .replace(/^\s*\/\/.*$/gm, "");

test("src is flat and the ladder names each of its files", () => {
  expect(files).toEqual(ladder.map((name) => `${name}.ts`).sort());
});

test.each(ladder)("%s imports only files above it", (name) => {
  const above = new Set(ladder.slice(0, ladder.indexOf(name)));
  const imported = [...codeOf(name).matchAll(/(?:from|import\() ?"\.\/([\w-]+)\.ts"/g)].map((match) => match[1] ?? "");
  expect(imported.filter((file) => !above.has(file))).toEqual([]);
});

test.each(doors)("only its own files use %s", (_, pattern, allowed) => {
  const users = ladder.filter((name) => pattern.test(codeOf(name)));
  expect(users.filter((name) => !allowed.split(" ").includes(name))).toEqual([]);
});

test.each(ladder)("%s stays under 300 lines", (name) => {
  expect(textOf(name).split("\n").length).toBeLessThanOrEqual(300);
});
