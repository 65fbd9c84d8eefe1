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
  // Claude Code's surface, pure
  "claude-slug",
  "claude-session",
  "claude-transcript",
  "claude-gate",
  "claude-screen",
  "claude-hooks",
  "claude-version",
  "claude-tokens",
  "claude-tokens-scan",
  "claude-prices",
  "transcript-text",
  // decisions, pure
  "status",
  "answer",
  "work",
  "statusline",
  "accounting",
  "burn",
  "model-script",
  // the operating system
  "sys-files",
  "database",
  "sys",
  "exec",
  "terminal-keys",
  "terminal",
  "paths",
  "process",
  "tail",
  "lock",
  "store",
  // parts
  "registry",
  "tmux",
  "launch",
  "sidecar",
  "doctor-memory",
  "channel",
  "hook-run",
  "editor-run",
  "driver",
  "driver-answer",
  "driver-reply",
  "driver-type",
  "driver-send",
  "driver-spawn",
  "driver-kill",
  "driver-interrupt",
  "driver-watch",
  "driver-run",
  "process-table",
  "meter",
  "monitor-git",
  "monitor-agents",
  "monitor-transcript",
  "monitor-session",
  "health",
  "monitor-roster",
  "monitor-panes",
  "monitor-tracker",
  "monitor",
  "monitor-watch",
  "session-json",
  "session-table",
  "dashboard-order",
  "dashboard-state",
  "dashboard-keys",
  "dashboard-reduce",
  "dashboard-theme",
  "dashboard-row",
  "dashboard-detail",
  "dashboard-help",
  "dashboard-view",
  "dashboard-actions",
  "dashboard-record",
  "dashboard",
  "demo-parts",
  "demo-fleet",
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
  "cmd-statusline",
  "cmd-newuuid",
  "cmd-completions",
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
  "cmd-watch",
  "cmd-top",
  "cmd-demo",
  "commands",
  "help",
  // edge
  "router",
  "app",
  "main",
];

/** Which files may touch what. */
const doors: [what: string, pattern: RegExp, allowed: RegExp][] = [
  ["the file system", /"node:(?:fs|os|child_process|net)"/, /^(?:sys|sys-files|database|exec|sandbox|main)$/],
  ["SQLite", /"bun:sqlite"/, /^database$/],
  ["Bun's processes and files", /\bBun\.(?:spawn|spawnSync|file|write|which)\b/, /^(?:sys|sys-files|exec|main)$/],
  ["a server", /\bBun\.serve\b/, /^model-stub$/],
  ["the process", /\bprocess\.(?!exit\b|ts")[a-z]/i, /^(?:sys|sys-files|exec|terminal|app|main)$/],
  ["the exit", /\bprocess\.exit\b/, /^main$/],
  ["the clock", /\bDate\.now\b|\bnew Date\(\)/, /^(?:sys|model-stub)$/],
  ["chance", /\bMath\.random\b|\bcrypto\./, /^(?:sys|model-stub)$/],
  ["citty", /from "citty"/, /^cmd-record$/],
  ["clack", /from "@clack\/prompts"/, /^prompts$/],
  ["consola", /from "consola"/, /^log$/],
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
  expect(users.filter((name) => !allowed.test(name))).toEqual([]);
});

test.each(ladder)("%s stays under 300 lines", (name) => {
  expect(textOf(name).split("\n").length).toBeLessThanOrEqual(300);
});
