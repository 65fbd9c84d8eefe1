/**
 * `bun run fuzz [--seed N] [--seconds S] [--only WORD] [--case N]`: broken and hostile bytes for every reader of what others write.
 * No reader throws anything but an error for the user, none takes long or much memory. The readers are the exports of `src/` that are
 * called `parse…`, `decode…`, `check…` and `import…`: one that is in no row here fails the test, so that a new reader is fuzzed too.
 * Each kind of failure is told once, with the smallest text that fails alike; `--case N` runs that case of its seed again.
 */
import { closeSync, mkdirSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { parseArgs } from "node:util";
import { parseQuestions } from "../src/answer.ts";
import { readAudit } from "../src/audit.ts";
import { parseZone } from "../src/calendar.ts";
import { channelDir, openChannel, toSignals } from "../src/channel.ts";
import { parseCalls } from "../src/claude-calls.ts";
import { parseHeader } from "../src/claude-gate.ts";
import { parseHookInput } from "../src/claude-hooks.ts";
import { isTrusted, parseFlagTable, planResume } from "../src/claude-program.ts";
import { parseLimitWording, parseReset } from "../src/claude-reset.ts";
import { parseScreen } from "../src/claude-screen.ts";
import { parseRoster, parseSessionFile } from "../src/claude-session.ts";
import { parseCompaction, parseUsageLine } from "../src/claude-tokens.ts";
import { decideTurn, parseLines, parseQueued, parseTranscriptLine } from "../src/claude-transcript.ts";
import { parseConfigFacts, parseQuotaLimit, parseUsageAnswer, parseWindow, parseWindows } from "../src/claude-usage.ts";
import { parseVersion } from "../src/claude-version.ts";
import { listConversations } from "../src/conversations.ts";
import { readUsage } from "../src/cost.ts";
import { costSources } from "../src/cost-files.ts";
import { parseSettingsErrors } from "../src/diagnose-checks.ts";
import { parseMemory, readExamination } from "../src/doctor-memory.ts";
import { createDrivenStore, parseDriven } from "../src/driven.ts";
import { UserError } from "../src/errors.ts";
import { parseFleetAddress } from "../src/fleet-access.ts";
import { parseMachineCost } from "../src/fleet-cost.ts";
import { parseFleetOutcome, parseFleetRequest, parseMachineAsks, parseMachineUsage } from "../src/fleet-schema.ts";
import { parseMachineState } from "../src/fleet-state.ts";
import { parseFleetRun, parseFleetWorker, parseTaskFacts } from "../src/fleet-task-schema.ts";
import { findGates } from "../src/gates.ts";
import { openJournal } from "../src/journal.ts";
import { parseJson, parseLine, parseRecord, parseTime } from "../src/json.ts";
import { editJson } from "../src/json-edit.ts";
import { judge } from "../src/judge.ts";
import { readLaunches } from "../src/launch-record.ts";
import { checkNotify } from "../src/notify-schema.ts";
import { parseStat } from "../src/process.ts";
import { parsePsRow } from "../src/process-ps.ts";
import { currentDir, readRegistry } from "../src/profiles.ts";
import { parseSignature } from "../src/releases.ts";
import { readRuleBook } from "../src/rules-file.ts";
import { importPermissions } from "../src/rules-import.ts";
import { checkRules, importRules } from "../src/rules-schema.ts";
import { readSessions } from "../src/sessions.ts";
import { readSettings } from "../src/settings.ts";
import { parseConfig } from "../src/settings-schema.ts";
import { planSetup, planUndo } from "../src/setup.ts";
import { parseSidecar, parseSidecarPairs, readSidecar } from "../src/sidecar.ts";
import { parseSample, parseStatuslineInput } from "../src/statusline-sample.ts";
import { createSys, type Sys } from "../src/sys.ts";
import { parseCondition } from "../src/task-condition.ts";
import { checkTasks } from "../src/task-schema.ts";
import { createTmux } from "../src/tmux.ts";
import { readFacts, renderTranscript } from "../src/transcript-facts.ts";
import { encodeBlob, parseBlob } from "../src/usage-blob.ts";
import { readCachedBlob } from "../src/usage-sources.ts";
import { createRandom, pick, type Random, shrink, tellProgress } from "./random.ts";

const root = join(import.meta.dir, "..");
const now = Date.UTC(2026, 10, 20, 12);
const id = "11111111-2222-4333-8444-555555555555";

interface Reader {
  /** The exports that it runs. */
  exports: string[];
  /** Good bytes of its kind, beside those of all; a part of their path. */
  fixtures?: RegExp;
  samples?: string[];
  read(text: string): unknown;
}

const json = (read: (value: unknown) => unknown) => (text: string) => read(parseJson(text));
const lines = (text: string): string[] => text.split("\n");

/** What is done with what was read too: a value that breaks its user is as bad as one that breaks its reader. */
export const readers: readonly Reader[] = [
  {
    exports: ["decodeJson", "parseJson", "parseLine", "parseRecord", "parseTime"],
    read: (text) => [parseJson(text), parseLine(text), parseRecord(text), parseTime(text)],
  },
  { exports: ["decodeJson"], read: (text) => parseJson(text) !== undefined && editJson(text, { a: [1], hooks: {} }) },
  {
    exports: ["parseTranscriptLine", "parseLines", "parseQueued"],
    fixtures: /\.jsonl$/,
    read: (text) => [decideTurn(parseLines(lines(text))), lines(text).map(parseQueued), lines(text).flatMap(parseTranscriptLine)],
  },
  { exports: ["parseCalls"], fixtures: /\.jsonl$/, read: (text) => parseCalls(lines(text)) },
  {
    exports: ["parseUsageLine", "parseCompaction"],
    fixtures: /\.jsonl$/,
    read: (text) => lines(text).map((line) => [parseUsageLine(line), parseCompaction(line)]),
  },
  { exports: [], fixtures: /\.jsonl$/, read: (text) => [readFacts(Buffer.from(text)), lines(text).map(renderTranscript)] },
  { exports: ["parseScreen", "parseHeader"], fixtures: /\.txt$/, read: (text) => [parseScreen(text), lines(text).map(parseHeader)] },
  { exports: ["parseHookInput"], samples: hookInputs(), read: parseHookInput },
  { exports: ["parseQuestions"], samples: hookInputs(), read: json(parseQuestions) },
  {
    exports: ["parseRoster"],
    samples: [
      `{"workers":{"374c2e23":{"pid":3077,"replPid":3169,"sessionId":"${id}","dispatch":{"env":{"CLAUDE_CODE_LAUNCHED_BY_SESSION_IDS":"${id}"}}}}}`,
    ],
    read: parseRoster,
  },
  {
    exports: ["parseSessionFile"],
    fixtures: /session/,
    samples: [JSON.stringify({ pid: 5, sessionId: id, cwd: "/", status: "busy", startedAt: now, version: "2.1.329" })],
    read: parseSessionFile,
  },
  { exports: ["parseFlagTable"], fixtures: /help/, read: (text) => planResume(lines(text), parseFlagTable(text), id, "go on") },
  {
    exports: ["parseReset", "parseLimitWording"],
    samples: ["You've hit your session limit · resets 3pm (Asia/Seoul)", "Jun 4 at 9pm (Asia/Seoul)", "1795132800"],
    read: (text) => [parseReset(text, now), parseReset(parseJson(text), now), parseLimitWording(text, now)],
  },
  {
    exports: ["parseConfigFacts"],
    samples: [
      JSON.stringify({
        oauthAccount: { accountUuid: "a" },
        cachedUsageUtilization: { fetchedAtMs: now, utilization: { five_hour: { utilization: 5, resets_at: "2026-11-20T13:00:00Z" } } },
        projects: { "/": { hasTrustDialogAccepted: true } },
      }),
    ],
    read: (text) => [parseConfigFacts(text, now), isTrusted(text, "/")],
  },
  {
    exports: ["parseWindows", "parseWindow", "parseUsageAnswer", "parseQuotaLimit"],
    samples: [JSON.stringify({ five_hour: { used_percentage: 5, resets_at: 1_795_132_800 }, seven_day: null })],
    read: (text) => [
      parseWindows(parseJson(text), now),
      parseWindow(parseJson(text), now),
      parseUsageAnswer(text, "x", now),
      parseQuotaLimit({ window: text, resetsAt: Number(text) }),
    ],
  },
  {
    exports: ["parseMemory"],
    samples: [JSON.stringify({ version: 1, results: [{ claude: "/c", version: "2.1.329", at: now, untrusted: [] }] })],
    read: parseMemory,
  },
  {
    exports: [
      "parseMachineUsage",
      "parseMachineState",
      "parseMachineCost",
      "parseFleetAddress",
      "parseFleetRun",
      "parseFleetWorker",
      "parseTaskFacts",
    ],
    samples: [JSON.stringify({ version: 1, name: "m", at: now, sessions: [], usage: [] }), "rediss://name@host:6379"],
    read: (text) => [
      ...[parseMachineUsage, parseMachineState, parseMachineCost, parseFleetRun, parseFleetWorker].map((read) => read(parseJson(text))),
      ...[parseFleetAddress(text), parseTaskFacts(text)],
    ],
  },
  {
    exports: ["parseFleetRequest", "parseFleetOutcome", "parseMachineAsks"],
    samples: [
      JSON.stringify({
        ...{ v: 1, id: "00000000-0000-4000-8000-000000000000", verb: "allow", session: "fix", from: { machine: "m", sessions: [] } },
        ...{ expires_at: now, gate_id: "g", expect: ["npm test"], option: 1, label: "Yes" },
      }),
      JSON.stringify({ is: "refused", why: "no" }),
      JSON.stringify({
        ...{ v: 1, machine: "m", at: now },
        asks: [{ session_id: null, session: "fix", gate_id: "g", gate: "plan", tool: null, agent: null, request: "", options: [] }],
      }),
    ],
    read: (text) => [parseFleetRequest(parseJson(text)), parseFleetOutcome(parseJson(text)), parseMachineAsks(parseJson(text))],
  },
  {
    exports: ["checkTasks", "parseWritten"],
    samples: taskFiles(),
    read: (text) =>
      ["/h/t.json", "/h/t.toml", "/h/t.yaml"].map((path) =>
        checkTasks({ path, text, dir: "/h", homeDir: "/h", profiles: [], labels: new Map(), faultOf: () => undefined }),
      ),
  },
  {
    exports: ["parseCondition"],
    samples: ["success && !(build.result == 'failed') || always"],
    read: (text) => parseCondition(text, (name) => [name]),
  },
  { exports: ["parseSettingsErrors"], samples: ["These settings files did not load:\n  /h/settings.json: x\n"], read: parseSettingsErrors },
  {
    exports: ["parseSignature"],
    samples: ["untrusted comment: x\nRUQ=\ntrusted comment: y\nAAAA"],
    read: (text) => parseSignature(text, text),
  },
  { exports: ["parseVersion"], samples: ["2.1.329 (Claude Code)"], read: parseVersion },
  {
    exports: ["parseDriven"],
    samples: [
      JSON.stringify({
        name: "fix",
        session_id: id,
        cwd: "/",
        backend: "claude",
        jsonl_path: "/x",
        permission_mode: null,
        backend_version: "2.1.329",
        created: 1,
        version: 1,
      }),
    ],
    read: (text) => parseDriven(text, "fix"),
  },
  {
    exports: ["checkNotify"],
    samples: [JSON.stringify({ quiet_hours: ["22:00-07:00"], channels: [{ kind: "webhook", url: "https://x.y", format: "ntfy" }] })],
    read: json(checkNotify),
  },
  {
    exports: ["checkRules", "importRules"],
    fixtures: /\.toml$/,
    samples: ruleFiles(),
    read: (text) =>
      ["/h/rules.toml", "/h/rules.json"].map((path) => [
        checkRules({ path, text, isProject: text.length % 2 === 0 }),
        importRules({ path, text }),
      ]),
  },
  {
    exports: ["importPermissions"],
    samples: [JSON.stringify({ permissions: { allow: ["Bash(ls:*)", "Read(~/x)", "WebFetch(domain:a.b)"], deny: ["Bash"] } })],
    read: (text) => importPermissions(parseJson(text), true),
  },
  {
    exports: ["parseConfig"],
    samples: [
      JSON.stringify({ limit: { policy: "ask", profiles: { a: { maxHops: 2 } } }, prices: { x: { input: 4 } }, launchCommand: ["claude"] }),
    ],
    read: json((value) => parseConfig(value)),
  },
  {
    exports: ["parseSidecar", "parseSidecarPairs"],
    samples: [JSON.stringify({ model: "opus", hop: "2", ts: 1.5 })],
    read: (text) => [parseSidecar(text), attemptPairs(lines(text))],
  },
  {
    exports: ["parseSample", "parseStatuslineInput"],
    samples: [
      JSON.stringify({
        session_id: id,
        model: { id: "opus" },
        cost: { total_cost_usd: 1 },
        rate_limits: { five_hour: { used_percentage: 4, resets_at: 1 } },
      }),
    ],
    read: (text) => [parseSample(text), parseStatuslineInput(text, "/c", now)],
  },
  {
    exports: ["parseBlob"],
    samples: [
      JSON.stringify({
        captured_at: "2026-11-20T12:00:00Z",
        profiles: { a: { session: { pct: 5, resets: "Jun 4 at 9pm (Asia/Seoul)" }, week_all: null } },
        errors: { b: "x" },
      }),
    ],
    read: (text) => [parseBlob(text, now)].flatMap((blob) => (blob === undefined ? [] : [encodeBlob(blob)])),
  },
  {
    exports: ["parseStat", "parsePsRow"],
    samples: ["7 (a) b) S 1 7 7 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 999 1 1", "  7 1 501 Fri Nov 20 12:00:00 2026 ttys000 claude --x"],
    read: (text) => [parseStat(text), lines(text).map(parsePsRow)],
  },
  {
    exports: ["parseZone"],
    samples: zoneFiles(),
    read: (text) => [0, now / 1000, 5e9].map((at) => parseZone(Buffer.from(text, "latin1"))?.(at)),
  },
  { exports: [], samples: ["fix\u2063$1\u2063%9\u2063"], read: (text) => tmuxSays(text) },
  {
    exports: [],
    samples: hookInputs(),
    read: (text) => findGates({ screen: parseScreen(text), turn: decideTurn(parseLines(lines(text))) } as never),
  },
  {
    exports: [],
    samples: ['git status && rm -rf "$HOME"', "for i in 1 2; do bash -c 'npm test | tee x'; done <<EOF\nx\nEOF"],
    read: readCommand,
  },
  {
    exports: [],
    samples: [JSON.stringify({ statusLine: { command: "x" }, hooks: { Stop: [{ hooks: [{ type: "command", command: "csm hook" }] }] } })],
    read: changeSettings,
  },
];

/** What people type, on their own command line: none of these reads what others wrote. */
export const typedOnly = [
  "parseCall",
  "parseCas",
  "parseDay",
  "parseHours",
  "parseSince",
  "parseRunOptions",
  "parseProfileDir",
  "parseSetting",
  "checkName",
  "checkProfileName",
  "checkTemplate",
  "parsePrograms",
  "checkSettings",
  "checkDefault",
  "parseAllow",
  "parseDeny",
  "parseAnswer",
  "parseLabels",
  // Asks a server, and reads what it says by the readers above.
  "checkFleet",
  // Within a file of tasks, by `checkTasks`.
  "parseTemplate",
];

function hookInputs(): string[] {
  const call = { session_id: id, transcript_path: "/x.jsonl", cwd: "/", tool_name: "Bash", tool_input: { command: "ls" } };
  const question = { question: "Which?", header: "A", multiSelect: false, options: [{ label: "x", description: "y" }] };
  return [
    ...["PreToolUse", "PermissionRequest", "Stop", "StopFailure", "UserPromptSubmit", "SessionEnd"].map((event) => ({
      ...call,
      hook_event_name: event,
    })),
    { ...call, hook_event_name: "PreToolUse", tool_name: "AskUserQuestion", tool_input: { questions: [question] } },
    [question],
  ].map((value) => JSON.stringify(value));
}

function ruleFiles(): string[] {
  return [
    '[[rules]]\nname = "a"\nmatch_command = ["git push", "rm *"]\nmatch_time = "22:00-07:00"\naction = "deny"\n[[budgets]]\nname = "b"\nperiod = "day"\nlimit_usd = 5\naction = "ask"\n[notify]\nfinished = false\n[[notify.channels]]\nkind = "command"\nrun = ["true"]\n',
    JSON.stringify({ rules: [{ name: "a", match_path: ["~/.ssh/**"], action: "ask" }] }),
  ];
}

function taskFiles(): string[] {
  const tasks = [
    { name: "a", prompt: "x", cwd: ".", matrix: { os: ["linux", "mac"] } },
    { name: "b", prompt: "{{c.stdout}}", depends_on: ["a"], if: "failure" },
  ];
  return [
    JSON.stringify({ tasks, defaults: { retries: 1, timeout: "5m" }, budget_usd: 3 }),
    '[[tasks]]\nname = "a"\nprompt = """x"""\n\n[[tasks]]\nname = "b"\nprompt = "{{a.json.x}}"\ndepends_on = ["a"]\n',
    "tasks:\n  - name: a\n    prompt: |\n      x\n  - {name: b, prompt: y, depends_on: [a]}\n",
  ];
}

function zoneFiles(): string[] {
  return ["/usr/share/zoneinfo/Europe/Berlin", "/etc/localtime"].flatMap((path) => {
    try {
      return [readFileSync(path, "latin1")];
    } catch {
      return [];
    }
  });
}

function attemptPairs(words: string[]): unknown {
  try {
    return parseSidecarPairs(words);
  } catch (error) {
    // What a person has typed is told as such.
    if (error instanceof TypeError) return undefined;
    throw error;
  }
}

/** As if tmux had printed this, whatever it is asked. */
async function tmuxSays(stdout: string): Promise<unknown> {
  const tmux = createTmux({ ...createSys({ HOME: "/nowhere" }), run: async (argv) => ({ argv, code: 0, stdout, stderr: "" }) });
  const calls = [
    () => tmux.list(),
    () => tmux.pane("%9"),
    () => tmux.capture("%9"),
    () => tmux.captureAll(["%9"]),
    () => tmux.isAttached("%9"),
  ];
  return Promise.all(
    calls.map(async (call) => {
      try {
        return await call();
      } catch (error) {
        // What tmux says is not understood: it is told in a line.
        if (!(error instanceof Error) || error instanceof TypeError || error instanceof RangeError) throw error;
        return undefined;
      }
    }),
  );
}

const judged = checkRules({ path: "/h/rules.toml", text: ruleFiles()[0] ?? "", isProject: false }).rules;

function readCommand(command: string): unknown {
  return judge(judged, { tool: "Bash", input: { command }, cwd: "/w", home: "/h", projectDir: "/w" } as never, { now } as never);
}

function changeSettings(text: string): unknown {
  const settings = parseRecord(text);
  if (settings === undefined) return undefined;
  const setup = { command: "csm", hook: true, statusline: true };
  return JSON.stringify([editJson(text, planSetup(settings, setup)), planUndo(settings, setup)]);
}

// --- whole files ----------------------------------------------------------------------------------------------------

/** Files of a home, which all of these read. */
export const homeFiles: Readonly<Record<string, string>> = {
  ".claude/settings.json": '{"model":"opus","hooks":{}}',
  ".claude.json": '{"oauthAccount":{"accountUuid":"a"},"projects":{"/w":{}}}',
  [`.claude/projects/-w/${id}.jsonl`]: "",
  ".claude/sessions/7.json": JSON.stringify({ pid: 7, sessionId: id, cwd: "/w", status: "idle", startedAt: now }),
  ".config/claude-as/profiles.json": '{"work":"~/.claude","other":"~/.claude.other"}',
  ".config/claude-as/default": "work\n",
  ".config/claude-smart/config.json": '{"limit":{"policy":"ask"},"prices":{}}',
  ".config/claude-smart/rules.toml": ruleFiles()[0] ?? "",
  [`.claude.shared/smart/${id}.json`]: '{"model":"opus","hop":1}',
  ".claude.shared/smart/.usage-cache.json": '{"captured_at":"2026-11-20T12:00:00Z","profiles":{"a":{"session":{"pct":5}}}}',
  ".local/state/csd/sessions/fix.json": JSON.stringify({
    name: "fix",
    session_id: id,
    cwd: "/w",
    backend: "claude",
    jsonl_path: "/x",
    permission_mode: null,
    created: 1,
    version: 1,
  }),
  ".local/state/csd/run/fix/events.jsonl": `${JSON.stringify({ at: now, event: "Stop", text: "x", background: [] })}\n`,
  ".local/state/csd/run/fix/gates/g.json": JSON.stringify({ id: "g", at: now, pid: 7, tool: "Bash", input: { command: "ls" } }),
  ".local/state/csd/audit.jsonl": `${JSON.stringify({ at: now, event: "refused", session: "fix", verb: "approve", why: "x" })}\n`,
  ".local/state/csd/doctor.json": JSON.stringify({ version: 1, results: [{ claude: "/c", version: "2.1.329", at: now, untrusted: [] }] }),
  ".local/state/csm/journal.jsonl": `${JSON.stringify({ at: now, event: "switch", session: id, from: "a", to: "b" })}\n`,
  [`.local/state/csm/launches/${id}.json`]: JSON.stringify({
    version: 1,
    id,
    pid: 7,
    start: "1",
    boot: "b",
    startedAt: now,
    cwd: "/w",
    args: [],
  }),
};

/** By name, what each of them reads of it. */
export const homeReaders: Readonly<Record<string, (sys: Sys) => unknown>> = {
  registry: (sys) => currentDir(sys, readRegistry(sys)),
  settings: (sys) => [readSettings(sys).part("limit", "work"), readSettings(sys).prices()],
  rules: (sys) => readRuleBook(sys, "/w"),
  sidecar: (sys) => readSidecar(sys, id),
  blob: (sys) => readCachedBlob(sys),
  sessions: (sys) => readSessions(sys, [{ dir: join(sys.homeDir ?? "", ".claude"), name: undefined }]),
  driven: (sys) => createDrivenStore(sys).list(),
  channel: async (sys) => {
    const channel = openChannel(sys, channelDir(sys, "fix"));
    return toSignals(await channel.readEvents(), await channel.readGates());
  },
  audit: readAudit,
  doctor: (sys) => readExamination(sys, "2.1.329", "/c"),
  journal: (sys) => openJournal(sys).read(),
  launches: readLaunches,
  conversations: (sys) => listConversations(sys, undefined),
  cost: (sys) => readUsage(sys, costSources(sys)),
};

// --- bytes ----------------------------------------------------------------------------------------------------------

const pieces = [
  '"',
  "{",
  "}",
  "[",
  "]",
  "\\",
  "\n",
  "\r\n",
  "\0",
  "\ufeff",
  "9".repeat(400),
  "-1",
  "1e999",
  "null",
  "[[",
  "\u001b[2J",
  "\u202e",
  "\ud800",
  "❯ 1. Yes",
  "── ",
  "\\u0000",
  '{"__proto__":{}}',
  ",",
  ":",
  "#",
  "'''",
  "=",
  "$(",
  "`",
  "&&",
  "<<EOF",
  " ".repeat(300),
];
const values: unknown[] = [
  null,
  true,
  0,
  -1,
  1.5,
  1e308,
  2 ** 53,
  "",
  "x",
  "__proto__",
  "../../x",
  "\u001b[2J",
  [],
  {},
  [null],
  { length: 3 },
  [[[]]],
  "2026-11-20T10:00:00Z",
  "9".repeat(400),
];

function mutate(random: Random, text: string): string {
  const isJsonl = random(3) === 0;
  let result = isJsonl ? mutateJson(random, text) : text;
  for (let count = random(4) + (isJsonl ? 0 : 1); count > 0; count--) {
    const at = random(result.length + 1);
    const length = random(Math.min(40, result.length - at + 1));
    const kind = random(7);
    if (kind === 0) result = result.slice(0, at) + result.slice(at + length);
    else if (kind === 1) result = result.slice(0, at) + pick(random, pieces) + result.slice(at);
    else if (kind === 2) result = result.slice(0, at) + result.slice(at, at + length).repeat(1 + random(20)) + result.slice(at);
    else if (kind === 3) result = result.slice(0, at);
    else if (kind === 4) result = result.slice(0, at) + String.fromCharCode(random(65_536)) + result.slice(at + 1);
    else if (kind === 5)
      result = result.slice(0, at) + pick(random, ["[", "{", '{"a":', "(", "$(", "'"]).repeat(random(3000)) + result.slice(at);
    else result = result.slice(0, at) + result.slice(random(result.length + 1)) + result.slice(at);
  }
  return result.slice(0, 200_000);
}

/** The same JSON, or a line of it, with other values. */
function mutateJson(random: Random, text: string): string {
  const all = text.split("\n");
  const at = random(all.length);
  const value = parseJson(all[at]) ?? parseJson(text);
  if (value === undefined) return text;
  const walk = (inner: unknown): unknown => {
    if (random(12) === 0) return pick(random, values);
    if (Array.isArray(inner)) return inner.map(walk);
    if (typeof inner !== "object" || inner === null) return inner;
    return Object.fromEntries(
      Object.entries(inner).flatMap(([key, one]) => (random(20) === 0 ? [] : [[random(30) === 0 ? "__proto__" : key, walk(one)]])),
    );
  };
  const other = JSON.stringify(walk(value));
  return parseJson(all[at]) === undefined ? other : all.with(at, other).join("\n");
}

function fixtureTexts(): [path: string, text: string][] {
  const dir = join(root, "test/fixtures");
  return readdirSync(dir, { recursive: true, encoding: "utf8" }).flatMap((path) => {
    if (path.startsWith("schema") || !/\.(?:jsonl?|txt|toml)$/.test(path)) return [];
    const text = readFileSync(join(dir, path), "utf8");
    return text.length > 60_000 ? [] : [[path, text]];
  });
}

// --- cases ----------------------------------------------------------------------------------------------------------

/** So much processor time is a hang of a small text, on any machine. */
const slowMs = 2000;
const mostGrowthBytes = 400 * 2 ** 20;

interface Case {
  name: string;
  text: string;
  run(text: string): unknown;
}

function createCases(home: string, only: string | undefined) {
  const fixtures = fixtureTexts();
  const transcripts = fixtures.filter(([path]) => path.endsWith(".jsonl"));
  const chosen = readers.filter(({ exports }) => only === undefined || exports.some((name) => name.includes(only)));
  const corpora = chosen.map(({ fixtures: wanted, samples = [] }) => [
    ...samples,
    ...fixtures.flatMap(([path, text]) => (wanted?.test(path) === true ? [text] : [])),
  ]);
  const others = fixtures.map(([, text]) => text);
  const sys = createSys({ HOME: home, PATH: "/nowhere", CSM_USAGE_ASK: "0" });
  const names = Object.keys(homeReaders);
  /** One of them all by its number alone, so that it can be done again. */
  return (seed: number, number: number): Case => {
    const random = createRandom(seed * 1_000_003 + number);
    // A file costs as much as twenty texts.
    if (only === undefined && random(25) === 0) {
      const path = pick(random, Object.keys(homeFiles));
      const good = path.endsWith(`${id}.jsonl`) ? pick(random, transcripts)[1] : (homeFiles[path] ?? "");
      const text = mutate(random, good);
      const run = async (content: string) => {
        writeFileSync(join(home, path), content, { mode: 0o600 });
        for (const name of names) await tolerant(() => homeReaders[name]?.(sys));
        writeFileSync(join(home, path), homeFiles[path] ?? "", { mode: 0o600 });
      };
      return { name: path, text, run };
    }
    const index = random(chosen.length);
    const reader = chosen[index] as Reader;
    const corpus = corpora[index] ?? [];
    const text = mutate(random, corpus.length === 0 || random(10) === 0 ? pick(random, others) : pick(random, corpus));
    return { name: reader.exports[0] ?? `reader ${readers.indexOf(reader)}`, text, run: (content) => tolerant(() => reader.read(content)) };
  };
}

/** An error that tells a person what to correct is an answer; so is one of JSON where the reader says that it throws. */
async function tolerant(read: () => unknown): Promise<void> {
  try {
    await read();
  } catch (error) {
    if (error instanceof UserError) return;
    // `named` (store) and its like make a line of the words of a decoder; what the language itself throws is a slip of ours.
    if (error instanceof SyntaxError || (error instanceof Error && error.constructor === Error)) return;
    throw error;
  }
}

/** What is wrong with a text: the words for it, and by what another text is known to fail alike. */
interface Fault {
  kind: string;
  says: string;
}

/** Runs a text; undefined where nothing is wrong. */
async function judgeRun(run: Case["run"], text: string): Promise<Fault | undefined> {
  const started = process.cpuUsage();
  try {
    await run(text);
  } catch (error) {
    const lines = error instanceof Error ? (error.stack ?? error.message).split("\n") : [String(error)];
    const frames = lines.filter((line) => line.includes("src/"));
    const kind = `${error instanceof Error ? error.name : "throw"} ${frames[0] ?? lines[0]}`;
    return { kind, says: lines.slice(0, 4).join(" | ") };
  }
  const { user, system } = process.cpuUsage(started);
  const took = Math.round((user + system) / 1000);
  return took > slowMs ? { kind: "slow", says: `${took} ms` } : undefined;
}

interface Run {
  seed: number;
  seconds: number;
  only: string | undefined;
  /** This case alone, shrunk as far as it goes. */
  one: number | undefined;
  /** The open file that whoever watches reads. */
  beat: number | undefined;
}

async function runCases({ seed, seconds, only, one, beat }: Run): Promise<FuzzReport> {
  const home = mkdtempSync(join(tmpdir(), "csm-fuzz-"));
  for (const [path, text] of Object.entries(homeFiles)) {
    mkdirSync(dirname(join(home, path)), { recursive: true, mode: 0o700 });
    writeFileSync(join(home, path), text, { mode: 0o600 });
  }
  const caseOf = createCases(home, only);
  const wrong = new Map<string, string>();
  const endAt = Date.now() + seconds * 1000;
  const before = process.memoryUsage.rss();
  let most = 0;
  let count = 0;
  for (let number = one ?? 0; one === undefined ? Date.now() < endAt && wrong.size < 20 : number === one; number++, count++) {
    const { name, text, run } = caseOf(seed, number);
    // Whoever watches sees which one never ends.
    if (beat !== undefined) writeSync(beat, `${number} ${name}`.padEnd(80), 0);
    const found = await judgeRun(run, text);
    // A second one of a kind would say nothing new.
    if (found !== undefined && !wrong.has(`${name} ${found.kind}`)) {
      const small = await shrink(text, async (part) => (await judgeRun(run, part))?.kind === found.kind, 10_000);
      wrong.set(
        `${name} ${found.kind}`,
        `${name} (${again(seed, number, only)}): ${found.says} on ${JSON.stringify(small.slice(0, 2000))}`,
      );
    }
    if (number % 500 === 0) {
      Bun.gc(true);
      most = Math.max(most, process.memoryUsage.rss() - before);
      if (most > mostGrowthBytes) wrong.set("memory", `${again(seed, number, only)}: ${Math.round(most / 2 ** 20)} MB more than at first`);
    }
  }
  rmSync(home, { recursive: true, force: true });
  return { seed, cases: count, grown_mb: Math.round(most / 2 ** 20), wrong: [...wrong.values()] };
}

const again = (seed: number, number: number | string, only: string | undefined): string =>
  `--seed ${seed} --case ${number}${only === undefined ? "" : ` --only ${only}`}`;

export interface FuzzReport {
  seed: number;
  cases: number;
  grown_mb: number;
  wrong: string[];
}

const patienceMs = 30_000;

interface FuzzOptions {
  seed: number;
  seconds: number;
  only?: string | undefined;
  tell?: (line: string) => void;
}

/** In a process of its own, which is ended when a case never does. */
export async function runFuzz({ seed, seconds, only, tell = () => undefined }: FuzzOptions): Promise<FuzzReport> {
  const dir = mkdtempSync(join(tmpdir(), "csm-fuzz-"));
  const beatPath = join(dir, "beat");
  writeFileSync(beatPath, "");
  const words = ["--child", beatPath, "--seed", `${seed}`, "--seconds", `${seconds}`, ...(only === undefined ? [] : ["--only", only])];
  const child = Bun.spawn([process.execPath, "run", import.meta.path, ...words], { stdout: "pipe", stderr: "inherit" });
  let last = "";
  let lastAt = Date.now();
  const watch = setInterval(() => {
    const beat = readFileSync(beatPath, "utf8");
    if (beat !== last) [last, lastAt] = [beat, Date.now()];
    else if (Date.now() - lastAt > patienceMs) child.kill("SIGKILL");
  }, 500);
  const stopTelling = tellProgress(seconds, () => `case ${last.trim()}`, tell);
  const text = await new Response(child.stdout).text();
  await child.exited;
  clearInterval(watch);
  stopTelling();
  const report = parseJson(text) as FuzzReport | undefined;
  rmSync(dir, { recursive: true, force: true });
  return (
    report ?? {
      seed,
      ...{ cases: 0, grown_mb: 0 },
      wrong: [
        `${last.trim()} (${again(seed, last.trim().split(" ")[0] ?? "", only)}): ended by ${child.signalCode ?? child.exitCode}: it never ends, or took all memory`,
      ],
    }
  );
}

if (import.meta.main) {
  const { values: given } = parseArgs({
    options: Object.fromEntries(["seed", "seconds", "only", "case", "child"].map((name) => [name, { type: "string" as const }])),
  });
  const seed = Number(given.seed ?? Date.now() % 1_000_000);
  const seconds = Number(given.seconds ?? 60);
  const only = given.only as string | undefined;
  const beat = given.child === undefined ? undefined : openSync(String(given.child), "r+");
  const isDirect = beat !== undefined || given.case !== undefined;
  const report = isDirect
    ? await runCases({ seed, seconds, only, one: given.case === undefined ? undefined : Number(given.case), beat })
    : await runFuzz({ seed, seconds, only, tell: (line) => console.error(line) });
  if (beat !== undefined) closeSync(beat);
  console.log(JSON.stringify(report, null, isDirect && beat !== undefined ? 0 : 2));
  if (beat === undefined) console.error(`fuzz, seed ${seed}: ${report.cases} cases, ${report.wrong.length} wrong`);
  process.exit(report.wrong.length === 0 ? 0 : 1);
}
