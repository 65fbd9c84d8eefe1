import { budgetActions, budgetPeriods } from "./budgets.ts";
import { runExitCodes } from "./cmd-csd-run.ts";
import { type LoadedCommand, section } from "./cmd-record.ts";
import type { RunOutcome } from "./driver-run.ts";
import { exitCode } from "./errors.ts";
import { wrap } from "./format.ts";
import type { LimitPolicy } from "./limit.ts";
import * as paths from "./paths.ts";
import { type Topic, topics } from "./program.ts";
import type { Conditions, RuleAction } from "./rules.ts";
import { type Row, settings, variables } from "./settings.ts";
import { sourceMeanings, statuses, statusRow } from "./statuses.ts";
import type { Sys } from "./sys.ts";
import { taskExitRows } from "./task-outcome.ts";

type Rows = readonly (readonly [left: string, right: string])[];
/** A paragraph, or a table with its title. */
type Part = string | readonly [title: string, rows: Rows];

interface Subject {
  sys: Sys;
  /** All commands with their records. */
  loaded: readonly LoadedCommand[];
}

/** What `csm help TOPIC` says. Lists come from the tables that the program itself goes by. */
const parts: { [T in Topic]: (subject: Subject) => readonly Part[] | Promise<readonly Part[]> } = {
  states: () => [
    "What a session does. csm ls, csm top and csm watch show it in words, csd state and --json under these names, each with its source and how old that is (csm help signals).",
    ["States", statuses.map((status) => [status, `${statusRow(status).mark} ${statusRow(status).meaning}: ${statusRow(status).about}`])],
    "Somebody is needed at awaiting_answer, plan_ready, blocked, limited and failed; csd wait returns there, and at idle_done and dead.",
  ],
  signals: () => [
    "What a state is known from. The first of these that is there and fresh decides; a weaker one never overrules it. What nothing tells is unknown.",
    ["Sources", Object.entries(sourceMeanings)],
    "csd doctor tries the installed claude in a sandbox and says which of them can be trusted.",
  ],
  rules: async () => {
    const { conditions } = await import("./rules-schema.ts");
    return [
      "[[rules]] in ~/.config/claude-smart/rules.toml say what may run without you, what never does, and what is always asked; a project's .csm/rules.toml can only deny and ask. Deny beats ask, ask beats allow, whatever the order.",
      ["Actions (action = …)", Object.entries(aboutActions)],
      [
        "Conditions, all of them; of a list one entry is enough",
        Object.entries(conditions).map(([key, [field]]) => [key, aboutConditions[field]]),
      ],
      `[[budgets]] have a period (${budgetPeriods.join(", ")}), one limit (limit_usd, limit_tokens or limit_percent) and an action (${budgetActions.join(", ")}). [notify] says who is told of what.`,
      "csm setup --rules writes a file to begin with; csm rules check says what is wrong in it.",
    ];
  },
  tasks: ({ loaded }) => [
    "A file of tasks says what is to be done and what depends on what; csm tasks check says what is wrong in it and what it would cost, csm tasks run does it, goes on after a limit, and csm tasks resume takes it up again after anything else.",
    ["Commands of csm tasks", rowsOf(loaded, "csm", ({ word }) => word.startsWith("tasks "))],
    "Work that a script gives to claude: csd starts a session, tells it something, waits for what it does, answers what it asks, and ends it. csd run does all of that for one question.",
    ["Commands", rowsOf(loaded, "csd", ({ word }) => !word.includes(" "))],
    "A loop: csd wait returns at the next state where somebody is needed; its status says what to do (csm help states), the exit code of csd run how it ended (csm help exit-codes).",
  ],
  profiles: () => [
    "A profile is a name for a config dir of claude: a login, settings and sessions of its own. An account is who pays; several profiles can have one. What is started is in the profile that the command line names, else that of this shell (cas), else the default one, else ~/.claude.",
    [
      "In a shell",
      [
        ["cas NAME", "this shell works in NAME"],
        ["cas -", "back to the one before"],
        ["cas -g NAME", "new shells too"],
        ["cas", "which one is it?"],
      ],
    ],
    "csm usage shows what each has used, csm pick-account --explain who works next. Logins, sessions/ and .claude.json are never shared.",
  ],
  limits: () => [
    "An account has an allowance for five hours and one for a week. When a turn ends at it, csm goes on by itself, in the same terminal, under the account with the most sensible room, where there are two profiles or more.",
    ["Policies (csm run --on-limit, limit.policy)", Object.entries(aboutPolicies)],
    ["Settings (csm config set KEY VALUE)", settingRows((key) => /^(?:limit|usage)\./.test(key) && !key.includes("<"))],
    "csm log says what was done at each limit, and why.",
  ],
  "exit-codes": () => [
    ["Both programs", Object.entries(exitCode).map(([name, code]) => [`${code}`, aboutCodes[name as keyof typeof exitCode]])],
    ["csd run", Object.entries(runExitCodes).map(([outcome, code]) => [`${code}`, aboutOutcomes[outcome as RunOutcome["status"]]])],
    ["csm tasks", taskExitRows()],
    "Where csm becomes claude, or csd attach tmux, the code is that program's own.",
  ],
  files: ({ sys }) => [
    "All are this user's, and private where csm or csd makes them.",
    ["Files", places.map(([read, about]) => [shown(sys, read), about])],
    ["Variables", [...ownVariables, ...variableRows()]],
  ],
  json: ({ loaded }) => [
    "With --json csm prints JSON, csd always does. The same thing has the same name, type and unit in every command; keys are only ever added. Off these, errors of csd are one line on stderr: error and hint.",
    ["Names", jsonNames],
    [
      "Commands",
      [
        ["csm … --json", wordsWithJson(loaded)],
        [
          "csd …",
          rowsOf(loaded, "csd", ({ word }) => word !== "attach")
            .map(([word]) => word)
            .join(", "),
        ],
      ],
    ],
    "test/fixtures/schema in the repository has a JSON Schema for each.",
  ],
  "coming-from": () => [
    "Their files, variables and commands go on working where csm has them at all; on the left theirs, on the right ours.",
    ["claude-smart (the older csm) and claude-as", fromSmart],
    ["csd (claude session driver)", fromDriver],
    ["claudectl", fromMonitor],
  ],
};

export async function renderTopic(topic: Topic, subject: Subject, columns?: number): Promise<string> {
  const room = Math.min(columns ?? maxColumns, maxColumns);
  const told = await parts[topic](subject);
  const others = topics.filter((other) => other !== topic).join(", ");
  // A table brings the empty line before it.
  const texts = told.map((part) => (typeof part === "string" ? `\n${wrap(part, room).join("\n")}\n` : section(part[0], part[1], room)));
  return `${texts.join("").slice(1)}\n${wrap(`Other topics (csm help TOPIC): ${others}`, room).join("\n")}`;
}

/** Wider lines than these are hard to read. */
const maxColumns = 80;

const aboutActions: Readonly<Record<RuleAction, string>> = {
  allow: "the call runs unasked (also approve)",
  deny: "it does not run; the model reads the rule's message",
  ask: "claude asks, also in a mode that would not",
  notify: "you are told of the session",
  send: "the message goes to the session as a prompt",
  stop: "the session is ended (also terminate)",
};

const aboutConditions: Readonly<Record<keyof Conditions, string>> = {
  status: "states: csm help states",
  tool: "names of tools, * for any run of characters: mcp__github__*",
  command: "the beginnings of a command's words; * is one word, a last $ means no more",
  path: "patterns as in a .gitignore, ~/ too",
  host: "of an address; *.example.com is its subdomains",
  project: "a part of the project's name, or its folder",
  profile: "the account's profile",
  model: "a part of the model's name",
  agent: "the type of the sub-agent; main is none",
  session: "a name, or the beginning of an id",
  time: "22:00-07:00, mon-fri 09:00-18:00",
  costAboveUsd: "what the session has cost, in US dollars",
  contextAbovePercent: "how full its context is",
  usageAbovePercent: "how full the account's fullest window is",
  countAbove: "agents that the session has started",
  hasError: "true: its last call failed",
  hasConflict: "true: another session changes the same file",
};

const aboutPolicies: Readonly<Record<LimitPolicy, string>> = {
  switch: "go on under another account; wait where none has room",
  wait: "go on under the same one, after the reset",
  ask: "ask which of these",
  stop: "leave the session as it is",
};

const aboutCodes: Readonly<Record<keyof typeof exitCode, string>> = {
  ok: "done",
  failure: "failed; a line on stderr says why, and what to do",
  usage: "wrong usage",
  bug: "a bug of ours; please report what is on stderr",
  timeout: "csd wait or csd run ran out of time",
  notRunnable: "claude cannot be started",
  notFound: "claude was not found",
  hangUp: "the terminal is gone",
  interrupted: "Ctrl-C, or a question that was cancelled",
};

const aboutOutcomes: Readonly<Record<RunOutcome["status"], string>> = {
  done: "the answer is on stdout",
  awaiting_answer: "it asks something",
  gated: "it stands at a gate",
  limited: "a usage limit",
  failed: "an error of the API",
  timed_out: "--timeout has passed",
};

/** Each place of `paths`, as it is on this machine. */
export const places: PlaceRows = [
  [paths.configDir, "claude's own folder of this profile: read, and changed by csm setup alone"],
  [paths.profilesPath, "the profiles, as the older tool wrote them"],
  [paths.defaultProfilePath, "the name of the default one"],
  [paths.configPath, "the settings: csm config keys"],
  [(sys) => paths.ruleFiles(sys)[0] ?? "", "rules, budgets, notifications; rules.json is read too"],
  [paths.smartDir, "the flags that each conversation is resumed with"],
  [paths.sharedProjectsDir, "conversations that the older tool shared between profiles"],
  [paths.csmDir, "what csm remembers: journal, launches, notices"],
  [paths.usageDbPath, "what accounts have used; safe to delete, as are the next ones"],
  [paths.statuslineDir, "what claude told its status line last"],
  [paths.indexPath, "the index of transcripts"],
  [paths.meterCachePath, "what a list of sessions has counted"],
  [paths.costCachePath, "what csm cost has read"],
  [paths.checkedRulesDir, "what the files of rules were checked to say"],
  [paths.occasionsDir, "what rules and budgets have done: without it they do it once more"],
  [paths.setupToldPath, "there once somebody was told of csm setup"],
  [paths.fleetPath, "that this machine belongs to a fleet"],
  [paths.fleetSeenPath, "what was read of the fleet last; safe to delete"],
  [paths.fleetCostPath, "what other machines have used, as it was read last; safe to delete"],
  [paths.tasksDbPath, "runs of task files: nothing else knows what they have done"],
  [paths.tasksDir, "what the claudes of a run are given and print"],
  [paths.worktreesDir, "working trees that were made for tasks; csm tasks clean"],
  [paths.lockDir, "locks; free when their holder ends"],
  [paths.csdDir, "what csd remembers; audit.jsonl: who decided what"],
  [paths.drivenDir, "the sessions that csd started"],
  [paths.launchDir, "how each is started; gone once it is"],
  [paths.runDir, "what the hooks of a session tell"],
];
type PlaceRows = readonly (readonly [read: (sys: Sys) => string, about: string])[];

function shown(sys: Sys, read: (sys: Sys) => string): string {
  const path = read(sys);
  const home = paths.homeDir(sys);
  return path.startsWith(`${home}/`) ? `~${path.slice(home.length)}` : path;
}

const jsonNames: Rows = [
  ["name", "of a live session; every command that takes a session takes it"],
  ["session_id", "of the conversation, as it is now"],
  ["cwd, transcript", "where it works, and the file of the conversation"],
  ["profile, config_dir", "name and folder of the account"],
  ["state", "status, what belongs to it, source and age_ms"],
  ["…_at, …_time", "each moment twice: epoch ms, and ISO 8601 in UTC"],
  ["…_ms, …_percent, …_usd", "the unit; also …_tokens, …_bytes"],
  ["null", "not known; what says nothing may be absent"],
];

const firstLine = (text = ""): string => text.split("\n")[0] ?? "";

const rowsOf = (loaded: readonly LoadedCommand[], program: string, isWanted: (row: LoadedCommand) => boolean): [string, string][] =>
  loaded.flatMap((row) =>
    row.program === program && row.record !== undefined && isWanted(row) ? [[row.word, firstLine(row.record.summary)]] : [],
  );

const wordsWithJson = (loaded: readonly LoadedCommand[]): string =>
  rowsOf(loaded, "csm", ({ record }) => record !== undefined && "json" in record.args)
    .map(([word]) => word)
    .join(", ");

const settingRows = (isWanted: (key: string) => boolean): [string, string][] =>
  Object.entries<Row>(settings).flatMap(([key, row]) => (isWanted(key) && row.about !== "" ? [[key, row.about + defaultText(row)]] : []));

function defaultText({ default: value, check }: Row): string {
  if (value === undefined || String(value).length > 20) return "";
  const unit = "unit" in check && check.unit !== undefined ? ` ${check.unit}` : "";
  return ` (${Array.isArray(value) ? value.join(" ") || "none" : `${value}${unit}`})`;
}

/** Those that stand in the place of no setting. */
const ownVariables: Rows = [
  ["CLAUDE_CONFIG_DIR", "the folder of the profile, as for claude itself"],
  ["CSM_PROFILE", "the profile of a shell that cas put into ~/.claude"],
  ["XDG_STATE_HOME", "where what csm and csd remember goes, in place of ~/.local/state"],
  ["XDG_RUNTIME_DIR", "where the sockets of csd lie, in csd/; else in the folder for temporary files"],
  ["NO_COLOR", "no colour"],
  ["VISUAL, EDITOR", "your editor, which csd leaves to you (ctrl+g)"],
  ["CSM_FLEET_PASSWORD", "this machine's password for the fleet"],
  ["CSD_VERIFIED_VERSIONS", "versions of claude that need no marker_warning, comma-separated"],
  ["CSM_HOST_REPLACE, IS_PERSONAL_MACHINE", "what csm statusline shows as the host in a shell prompt"],
];

/** What the environment may say instead. */
const variableRows = (): [string, string][] =>
  Object.entries<Row>({ ...settings, ...variables }).flatMap(([key, { about, variables: names = [] }]) =>
    names.map(({ name, unit }): [string, string] => [name, `${key}: ${about}${unit === "s" ? ", in seconds" : ""}`]),
  );

const fromSmart: Rows = [
  ["csm, csm run, csm -c, csm -r", "the same; an id may be its beginning, and --model and its like reach claude"],
  ["profile, profiles.json, cas", "the same file, the same words; cas is csm shell-init's"],
  ["sidecar", "the same: what a conversation is resumed with"],
  ["hub, CSM_USAGE_CMD, CLAUDE_USAGE_URL", "the same, and claude itself is asked"],
  ["saturated, at limit", "near-limit and at-limit in csm usage; csm pick-account --explain says why"],
  ["auto-switch, hop, handoff", "csm help limits; csm log tells what was done"],
  ["csm hook in settings.json", "csm setup; sessions of csm need none"],
  ["fzf picker", "csm, or csm -i: type to filter"],
];

const fromDriver: Rows = [
  ["csd spawn, send, state, approve, ps, kill, run", "the same words; answers have more keys"],
  ["approve --option 3 to refuse", "csd deny: options are known by what they say, never by place"],
  ["run: code 2 for a time-out", "124; 2 is wrong usage alone"],
  ["marker, marker_warning", "csd doctor says what can be trusted of this claude"],
  ["polling csd state", "csd wait, csd events"],
  ["prompt, options of a gate", "tool, input and choices of what is asked"],
  ["tmux session name", "any session: csd's name, an id, a title"],
];

const fromMonitor: Rows = [
  ["Needs Input", "blocked, awaiting_answer, plan_ready: what it needs is told"],
  ["Processing, Waiting, Idle", "working; idle_done, just now or long ago"],
  ["Finished, Unknown", "dead; unknown, never a guess"],
  ["claudectl", "csm top"],
  ["--list, --json, --watch", "csm ls, csm ls --json, csm watch --json"],
  ["--headless", "csm watch --act"],
  ["--history, --stats, --summary", "csm cost, counted from the transcripts"],
  ["--budget, --kill-on-budget, daily_limit", '[[budgets]] with action = "stop": csm budget'],
  ["--notify, --webhook, [hooks.on_…]", "[notify] with channels: csm notify"],
  ["[rules.x], policy.toml", "[[rules]]; csm rules import FILE reads theirs"],
  ["approve in a rule", "allow (approve is taken too); a command is read, not searched"],
  ["--new, --run", "csd spawn, csd run"],
  ["--clean", "nothing: csm deletes nothing of claude's"],
  ["doctor, demo, --record", "csd doctor, csm demo, csm top --record"],
];
