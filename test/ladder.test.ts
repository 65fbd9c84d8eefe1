import { expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** The order of the files, rung by rung: each imports only files before it. CONTRIBUTING.md says what each rung is for. */
const rungs: [name: string, files: string][] = [
  ["values", "errors program json printable sanitize format"],
  [
    "Claude Code's surface",
    `claude-session claude-reset claude-transcript claude-usage claude-calls claude-version claude-hooks
     claude-print claude-program claude-tokens claude-tokens-scan claude-prices claude-fields transcript-facts`,
  ],
  [
    "decisions",
    `rules key-lines command-tables command-pattern path-pattern rule-conditions notices shell-wrappers shell-open shell-word shell-parts shell-files judge rules-import claude-gate claude-screen
     answer accounting limit statusline-sample cost-records calendar cost-report
     stub-script run-options launch-choice fleet-access tty-keys picker-state json-edit setup usage-blob scorer relaunch-plan
     statusline-template cost-view releases budgets rules-check cas-shell picker-view terminal-scripts terminal-row terminal-multiplexers terminals gates status statuses session verbs rule-occasions health task-condition task-template task-graph task-labels task-expand task-drawing task-estimate task-outcome task-queue task-view dashboard-editor dashboard-form dashboard-state
     dashboard-theme dashboard-row dashboard-detail dashboard-keys dashboard-help dashboard-view gate-expect`,
  ],
  [
    "the operating system",
    `sys-bounded sys-files database sys exec process-ps process process-table peer socket foreground tty paths
     resumed session-file sessions tail store tmux git zone claim occasions state-folder terminal-run statusline-record statusline output agents`,
  ],
  [
    "profiles and settings",
    `prompts profiles profiles-view profiles-change profiles-share profiles-doctor settings settings-schema written-file notify-schema hooks-off cas rules-schema rules-file task-answer task-schema task-file`,
  ],
  [
    "sessions",
    `sidecar launch-record doctor-memory driven transcripts conversations picker launch panes launch-picker channel meter driver
     driver-names driver-kill driver-keys audit`,
  ],
  ["usage", "usage-ledger accounts usage-sources usage usage-view hub cost-scan cost-files cost-cache cost-known"],
  ["acting", "notify notice-spool budget-windows budget-spend rules-decide rules-hook"],
  [
    "driving",
    `driver-spawn reply editor-run thread-calls observe watch hook-run driver-prompt driver-reply driver-run monitor-roster
     candidates resolve`,
  ],
  [
    "limits and life",
    `journal handoff limit-read reap restore-plan notice-hook launch-plan account-choice limit-hook
     restore relaunch-act relaunch launcher`,
  ],
  [
    "watching",
    "call-scan threads cost task-forecast rules-replay rules-suggest monitor-gauge monitor-follow task-sessions monitor actions halt act act-feed dashboard demo-fleet",
  ],
  ["tasks", "task-store task-worktree task-runner task-session task-accounts task-work task-engine task-screen"],
  [
    "fleet",
    `fleet-redis fleet-state fleet-schema fleet fleet-look fleet-usage fleet-inbox fleet-serve fleet-ask fleet-check fleet-view fleet-cost fleet-feed
     fleet-task-schema fleet-scripts fleet-line fleet-mirror fleet-queue fleet-run fleet-work`,
  ],
  ["the sandbox and the doctor", "stub sandbox doctor-judge doctor-canary doctor-probes doctor diagnose diagnose-checks"],
  [
    "commands",
    `completion completion-scripts shell-init public-pieces public-reached public-fleet public-rules public-processes public-tasks public-runs public-json cmd-record fleet-option log cmd-scan cmd-sidecar cmd-config cmd-statusline cmd-newuuid cmd-completions cmd-log cmd-profiles
     cmd-profiles-edit cmd-profiles-share cmd-profiles-doctor cmd-cas cmd-shell-init cmd-reap cmd-halt cmd-cost cmd-budget cmd-usage
     cmd-current-usage cmd-pick-account cmd-hub cmd-hook setup-parts cmd-setup cmd-diagnose cmd-profiles-change cmd-run cmd-notify cmd-csd-attach
     cmd-restore cmd-ls cmd-watch cmd-csd-json cmd-csd-spawn cmd-csd-send cmd-csd-state cmd-csd-answer cmd-csd-wait
     cmd-csd-run cmd-reach cmd-csd-tail cmd-csd-ps cmd-csd-kill cmd-csd-doctor cmd-top cmd-demo cmd-rules cmd-rules-replay cmd-tasks cmd-tasks-run cmd-tasks-show cmd-tasks-stop cmd-tasks-dead cmd-fleet cmd-fleet-asks cmd-fleet-work cmd-self-update help-topics commands help`,
  ],
  ["the edge", "router app main"],
];
const filesOf = (files: string) => files.split(/\s+/);
const ladder = rungs.flatMap(([, files]) => filesOf(files));
/** They know no operating system: no `Sys`, no process, no file, no clock. */
const pureRungs = ["values", "Claude Code's surface", "decisions"];

/** Which files may touch what. */
const doors: [what: string, pattern: RegExp, files: string][] = [
  [
    "the file system",
    /"node:(?:fs|os|child_process|net)"/,
    "sys sys-files database exec foreground sandbox main statusline-record statusline",
  ],
  ["SQLite", /"bun:sqlite"/, "database"],
  [
    "Bun's processes and files",
    /\bBun\.(?:spawn|spawnSync|file|write|which)\b/,
    "sys sys-files exec foreground main sys-bounded statusline-record statusline",
  ],
  ["sockets", /\bBun\.(?:listen|connect)\b/, "socket fleet-redis"],
  ["foreign functions", /"bun:ffi"/, "exec peer"],
  ["a server", /\bBun\.serve\b/, "stub hub"],
  ["the process", /\bprocess\.(?!exit\b|ts")[a-z]/i, "sys sys-files exec foreground tty app main sys-bounded statusline-record statusline"],
  ["the exit", /\bprocess\.exit\b/, "main"],
  ["the clock", /\bDate\.now\b|\bnew Date\(\)/, "sys statusline-record statusline stub"],
  ["chance", /\bMath\.random\b|\bcrypto\./, "sys stub"],
  ["writing to stdout and stderr", /\bsys\.write\(/, "output notify"],
  ["the process table", /\["ps",|\/proc\/(?:\$\{\w+\}\/)?stat\b/, "process-ps process process-table foreground"],
  ["session files", /\bparseSessionFile\(/, "claude-session session-file resumed"],
  [
    "a session by the word for it",
    /\b(?:findTracked|findLive|findConversations)\(/,
    "resolve candidates conversations driver driver-run doctor-canary",
  ],
  ["the ways to show a pane", /"(?:attach-session|switch-client)"|"attach", "-t"/, "panes"],
  ["Redis", /\bRedisClient\b/, "fleet-redis"],
  [
    "zod",
    /from "zod/,
    "public-processes settings-schema written-file rules-schema task-schema notify-schema public-pieces public-reached public-fleet public-rules public-tasks public-runs public-json fleet-schema fleet-task-schema task-answer",
  ],
  ["the schemas of settings, rules and tasks other than by import()", /from "\.\/(?:settings|rules|task)-schema\.ts"/, ""],
  ["the schema of notifications other than by import()", /from "\.\/notify-schema\.ts"/, "rules-schema"],
  ["the schemas of the public JSON other than by type", /\bimport(?:\(| (?!type ))[^;]*"\.\/public-json\.ts"/, ""],
  ["citty", /from "citty"/, "cmd-record"],
  ["clack", /from "@clack\/prompts"/, "prompts"],
  ["consola", /from "consola[/"]/, "log"],
  ["unbash", /from "unbash["/]/, "shell-word shell-parts"],
  ["what loads unbash, other than by import()", /from "\.\/shell-parts\.ts"/, "shell-files judge"],
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

/** Parts of Bun that compute: they read nothing and know no time. */
const pureBun = /\bBun\.(?!(?:stringWidth|stripANSI|wrapAnsi|sliceAnsi|markdown|hash|CryptoHasher|semver)\b)/;

test.each(rungs.filter(([name]) => pureRungs.includes(name)).flatMap(([, files]) => filesOf(files)))("%s is pure", (name) => {
  const code = codeOf(name);
  expect(code).not.toMatch(/\bSys\b/);
  expect(code).not.toMatch(pureBun);
  // A parser that reads nothing but its argument.
  const isPure = (from: string | undefined) => from === "node:path" || (from === "unbash" && /^shell-(?:word|parts)$/.test(name));
  expect([...code.matchAll(/from "([^."][^"]*)"/g)].map((match) => match[1]).filter((from) => !isPure(from))).toEqual([]);
});
