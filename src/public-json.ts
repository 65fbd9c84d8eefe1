import { z } from "zod/mini";
import { noticeCauses, noticeLevels } from "./notices.ts";
import { fleetFields, fleetSchemas, remoteSessions, staleMs, toldMachines } from "./public-fleet.ts";
import {
  agent,
  at,
  configDir,
  conversation,
  count,
  cwd,
  described,
  meter,
  moment,
  name,
  numberOrNull,
  percent,
  piece,
  profile,
  reference,
  sessionId,
  text,
  textOrNull,
  time,
  times,
  transcript,
} from "./public-pieces.ts";
import { diagnosed, halted, orphan } from "./public-processes.ts";
import { answer, fleetAsks, reached, sent, typed } from "./public-reached.ts";
import { ruleProblem, rulesSchemas } from "./public-rules.ts";
import { runSchemas } from "./public-runs.ts";
import { tasksSchemas } from "./public-tasks.ts";
import { statuses } from "./statuses.ts";

/**
 * The public JSON of every command, made of common pieces: what this file says, the compiler holds each command to (`app.json`),
 * the tests hold its output to, and `test/fixtures/schema/` shows to others. Commands take its types alone, so that none of them loads zod.
 */

// --- states ---------------------------------------------------------------------------------------------------------

const choices = z.array(z.object({ option: count, label: text, meaning: text }));
const gateIdentity = {
  gate_id: z.optional(text),
  gate_index: z.optional(count),
  gate_count: z.optional(count),
  agent: z.optional(text),
  agent_id: z.optional(text),
};

const listedGate = z.object({
  gate_id: text,
  gate: text,
  agent: textOrNull,
  agent_id: textOrNull,
  tool: textOrNull,
  input: z.unknown(),
  shown: z.boolean(),
  held: z.boolean(),
});

const stateFields = {
  status: z.enum(statuses as [(typeof statuses)[number]]),
  tools: z.optional(z.array(text)),
  background: z.optional(z.array(text)),
  retry: z.optional(z.object({ attempt: count, max_attempts: count, wait_ms: z.number(), error: text })),
  question: z.optional(text),
  gate: z.optional(text),
  questions: z.optional(z.unknown()),
  plan_file: z.optional(textOrNull),
  plan: z.optional(textOrNull),
  prompt: z.optional(text),
  options: z.optional(z.array(text)),
  choices: z.optional(choices),
  tool: z.optional(text),
  input: z.optional(z.unknown()),
  subject: z.optional(text),
  ...gateIdentity,
  gates: z.optional(z.array(listedGate)),
  text: z.optional(text),
  outcome: z.optional(text),
  window: z.optional(text),
  resets_at: z.optional(at),
  resets_time: z.optional(time),
  error: z.optional(text),
  told: z.optional(described(text, "of a session elsewhere, for people")),
  source: z.enum(["process", "session-file", "hook", "transcript", "pane", "cpu"]),
  age_ms: described(z.number(), "how long ago the source changed, or was read when it carries no time"),
};
const state = piece("state", z.object(stateFields), "what a session does, from which signal that is known, and how old that is");

// --- sessions ------------------------------------------------------------------------------------------------------

const sessionFields = {
  ...reference,
  state,
  since: described(z.number(), "the earlier name of `since_at`"),
  ...times("since"),
  model: textOrNull,
  pid: count,
  entrypoint: textOrNull,
  version: textOrNull,
  driver: textOrNull,
  ...{ run: described(textOrNull, "of csm tasks, whose task it is"), task: textOrNull },
  key: text,
  kind: text,
  where: text,
  note: textOrNull,
  ...times("started"),
  tmux: textOrNull,
  terminal: described(textOrNull, "what its process runs in: `kitty`, `tmux`"),
  verbs: z.optional(described(z.record(text, textOrNull), "what can be done to it: null, or why it cannot")),
  worktree: textOrNull,
  branch: textOrNull,
  title: textOrNull,
  last_prompt: textOrNull,
  agents: z.array(agent),
  badges: z.array(z.object({ kind: text, alarm: z.boolean(), text })),
  files: z.array(z.object({ path: text, edits: count, ...moment })),
  usage: z.optional(meter),
  process: z.optional(z.object({ cpu_percent: percent, cpu_over_ms: z.number(), memory_bytes: z.number() })),
};
const listed = piece("session", z.object(sessionFields), "a live session");

const status = z.nullable(stateFields.status);
/** One schema for both: `csd events` looks at less, and leaves the rest of a session out. */
const event = piece(
  "event",
  z.extend(z.partial(z.object(sessionFields)), {
    event: described(
      z.enum(["initial", "snapshot", "change", "gone", "heartbeat", "acted"]),
      "`initial` (`snapshot` in csd events): it was there; `heartbeat`: nothing changed, and names no session; `acted`: a rule or a budget did something (`csm watch --act`)",
    ),
    id: described(count, "counts from 1"),
    at: z.number(),
    time: text,
    session: z.optional(described(text, "the name")),
    old: z.optional(described(status, "the status before; null for one that was not there")),
    new: z.optional(described(status, "the status now; null for one that is gone")),
    old_state: z.optional(z.nullable(state)),
    ...{ machine: z.optional(described(text, "only of a session elsewhere, as `stale_ms`")), stale_ms: z.optional(staleMs) },
    rule: z.optional(described(text, "of `acted`: the name of the rule or the budget")),
    action: z.optional(z.enum(["notify", "send", "stop"])),
    refused: z.optional(described(z.boolean(), "it was not done; `text` says why")),
    text: z.optional(described(text, "of `acted`: what was done")),
  }),
  "a line of `csm watch --json` and of `csd events`",
);

const driven = {
  ...reference,
  backend: text,
  jsonl_path: text,
  permission_mode: textOrNull,
  backend_version: z.optional(text),
  created: described(count, "Unix seconds, as the older csd prints it"),
  ...times("created"),
  marker_warning: z.optional(text),
};

/** The older csd's state, flat, and what every command says of a session beside it. */
const stateReply = z.object({ ...stateFields, ...reference, state, marker_warning: z.optional(text) });

const ok = z.boolean();

const runResult = z.object({
  status: z.enum(["done", "awaiting_answer", "gated", "timed_out", "limited", "failed"]),
  text: z.optional(text),
  question: z.optional(text),
  questions: z.optional(z.unknown()),
  gate: z.optional(text),
  prompt: z.optional(text),
  options: z.optional(z.array(text)),
  waited_secs: z.optional(z.number()),
  window: z.optional(text),
  resets_at: z.optional(at),
  resets_time: z.optional(time),
  error: z.optional(text),
  session: z.optional(described(text, "the name, as long as the session is there")),
  outcome: z.optional(text),
  tool: z.optional(text),
  input: z.optional(z.unknown()),
  ...reference,
  name: z.optional(name),
});

// --- conversations -------------------------------------------------------------------------------------------------

const scanned = z.object({
  ...conversation,
  title: text,
  custom_title: textOrNull,
  ai_title: textOrNull,
  first_prompt: textOrNull,
  last_prompt: textOrNull,
  ...times("started"),
  ...times("modified"),
  permission_mode: textOrNull,
  model: textOrNull,
  turns: count,
  bytes: z.number(),
  path: described(text, "the earlier name of `transcript`"),
  profiles: z.array(text),
  config_dirs: z.array(text),
  live: z.nullable(z.object({ pid: count, status: textOrNull, tmux: textOrNull })),
});

const lost = {
  ...conversation,
  name: described(textOrNull, "as csm ls showed it, where that is known"),
  config_dir: configDir,
  args: z.nullable(z.array(text)),
  ...times("last_seen"),
  why: text,
  title: textOrNull,
};

const journalEntry = z.object({
  ...moment,
  event: text,
  session: described(text, "the earlier name of `session_id`"),
  session_id: sessionId,
  cwd: z.optional(cwd),
  from: z.optional(text),
  to: z.optional(text),
  window: z.optional(text),
  resets_at: z.optional(at),
  resets_time: z.optional(time),
  reason: z.optional(text),
});

// --- accounts ------------------------------------------------------------------------------------------------------

const usageWindow = z.object({
  used_percent: percent,
  ...times("resets"),
  is_reset: z.boolean(),
  source: text,
  machine: described(textOrNull, "of the fleet whose word it is; null for this one"),
  ...times("read"),
  age_ms: z.number(),
  age_secs: z.number(),
});
const account = z.object({
  registered: z.boolean(),
  session_pct: numberOrNull,
  week_all_pct: numberOrNull,
  week_sonnet_pct: numberOrNull,
  resets: textOrNull,
  status: z.enum(["ok", "near_limit", "errored", "no_data"]),
  at_limit: z.boolean(),
  error: textOrNull,
  current: z.boolean(),
  disabled: z.boolean(),
  dir: textOrNull,
  shares_with: z.array(text),
  windows: z.record(text, usageWindow),
  profile,
  config_dir: configDir,
  session_percent: percent,
  week_percent: percent,
  ...times("resets"),
});

const profileRow = { name: text, dir: text, profile, config_dir: configDir };
const problem = z.object({ code: text, text, fixable: z.boolean() });

const figure = z.number();
const figures = {
  ...{ input_tokens: figure, output_tokens: figure, cache_write_5m_tokens: figure, cache_write_1h_tokens: figure },
  ...{ cache_read_tokens: figure, total_tokens: figure, web_searches: figure, messages: figure, cost_usd: figure },
  unpriced_messages: figure,
};
const costRow = z.object({
  key: text,
  ...figures,
  models: z.array(text),
  ...times("last"),
  title: z.optional(text),
  session_id: z.optional(sessionId),
  project: z.optional(described(text, "the folder it ran in, or what is known of it")),
  cwd: z.optional(cwd),
  transcript: z.optional(transcript),
  profile: z.optional(profile),
  start: z.optional(textOrNull),
  end: z.optional(textOrNull),
  ...z.partial(z.object({ ...times("start"), ...times("end") })).shape,
  is_active: z.optional(z.boolean()),
  burn_usd_per_hour: z.optional(z.nullable(z.object({ expected: z.number(), low: z.number(), high: z.number() }))),
  forecast_usd: z.optional(z.unknown()),
});

const cause = z.enum(noticeCauses as [(typeof noticeCauses)[number]]);
const level = z.enum(noticeLevels);
const now = described(z.enum(["tell", "quiet", "off"]), "what would happen now");
const toldCause = z.object({ cause, on: z.boolean(), level, cool_down_ms: z.number(), now });
const tried = { channel: text, kind: text, failure: described(textOrNull, "why the newest did not arrive, or has not yet") };
const notifyChannel = z.object({ ...tried, to: text, waiting: described(count, "what could not be sent yet"), ...times("last") });

const quietHours = { quiet: z.boolean(), quiet_hours: z.array(text) };
const notify = z.object({ file: text, ...quietHours, causes: z.array(toldCause), channels: z.array(notifyChannel) });

const standing = z.object({
  ...{ of: described(text, "the day it begins with, the id of a session, or a window of an account"), spent: z.number(), percent },
  ...{ level: z.enum(["fine", "warning", "over"]), ...times("ends"), session_ids: z.array(text), unpriced_models: z.array(text) },
});
const budget = z.object({
  ...{ name: text, period: z.enum(["session", "day", "week", "month"]), action: z.enum(["notify", "ask", "deny", "stop"]) },
  ...{ path: text, line: count, unit: z.enum(["usd", "tokens", "percent"]), limit: z.number(), warn_percent: percent },
  standings: z.array(standing),
});

// --- by command ----------------------------------------------------------------------------------------------------

const profilesList = z.object({
  current: profile,
  current_dir: configDir,
  default: profile,
  profiles: z.array(z.object({ ...profileRow, exists: z.boolean(), is_current: z.boolean(), is_default: z.boolean() })),
});
const restored = z.object({
  lost: z.array(z.object({ ...lost, outcome: z.optional(text), tmux_session: z.optional(text), error: z.optional(text) })),
  skipped: z.array(z.object({ ...lost, reason: text })),
  elsewhere: count,
});

/** Each command that prints JSON, by its name in the table of commands. */
const schemas = {
  "csm scan": z.object({ sessions: z.array(scanned) }),
  "csm open": z.union([z.object({ ...conversation, config_dir: configDir, tmux_session: text }), restored]),
  "csm restore": restored,
  "csm sidecar": z.looseObject({ ...z.partial(z.object({ session_id: sessionId, ...times("saved") })).shape }),
  "csm reap": z.object({ orphans: z.array(orphan), hidden: count }),
  "csm focus": z.object({ ok, name, how: z.enum(["window", "pane"]), terminal: text }),
  "csm type": typed,
  "csm allow": reached,
  "csm deny": reached,
  "csm answer": reached,
  "csm halt": halted,
  "csm diagnose": diagnosed,
  "csm ls": z.object({
    sessions: z.array(listed),
    ...fleetFields,
    remote: remoteSessions,
  }),
  "csm watch": event,
  "csm notify": notify,
  "csm notify test": z.object({ cause, results: z.array(z.object({ ...tried, sent: z.boolean(), ms: z.number() })) }),
  "csm budget": z.object({ budgets: z.array(budget), problems: z.array(ruleProblem) }),
  "csm setup": z.object({
    claude: z.nullable(z.object({ path: text, version: textOrNull })),
    ...{ profiles: z.array(z.object({ profile, config_dir: configDir })), dry_run: z.boolean(), undo: z.boolean() },
    changes: z.array(
      z.object({
        ...{ path: text, parts: z.array(text) },
        ...{ change: z.enum(["create", "edit", "remove", "none"]), done: z.boolean() },
        ...{ kept: z.optional(described(text, "why it is left as it is")) },
        diff: z.optional(described(z.array(text), "its lines, with what has changed behind + and -")),
        backup: z.optional(described(text, "the copy of the file as it was")),
      }),
    ),
  }),
  "csm cost": z.object({
    report: text,
    timezone: text,
    since: described(textOrNull, "a day, as is `until`"),
    until: textOrNull,
    profile,
    prices: z.object({ day: text, source: text }),
    rows: z.array(costRow),
    totals: z.object(figures),
    ...fleetFields,
    machines: z.optional(toldMachines),
    ...{ unpriced_models: z.array(text), unreadable_lines: count, unknown_format: z.array(text) },
  }),
  "csm profiles": profilesList,
  "csm profiles list": profilesList,
  "csm profiles share": z.object({
    dry_run: z.boolean(),
    outcomes: z.array(z.object({ profile, what: text, action: text, result: text, error: z.optional(text) })),
  }),
  "csm profiles doctor": z.object({
    healthy: z.boolean(),
    problems: z.array(problem),
    profiles: z.array(z.object({ ...profileRow, healthy: z.boolean(), problems: z.array(problem), fixed: z.array(text) })),
  }),
  "csm usage": z.object({
    captured_at: described(textOrNull, "ISO 8601, as the older csm prints it"),
    stale_secs: numberOrNull,
    configured: z.boolean(),
    recommended: textOrNull,
    failure: textOrNull,
    ...moment,
    profiles: z.record(text, account),
  }),
  "csm pick-account": z.object({
    outcome: text,
    winner: textOrNull,
    why: text,
    policy: text,
    candidates: z.array(
      z.object({
        ...{ name: text, profile, state: text, session_percent: percent, week_percent: percent, ...times("resets") },
        reasons: z.array(text),
      }),
    ),
  }),
  "csm log": z.object({
    entries: z.array(journalEntry),
    hooks_off: z.optional(described(text, "why limits of sessions that csm did not start are not noted")),
  }),
  ...rulesSchemas,
  ...tasksSchemas,
  ...runSchemas,
  "csm config": described(z.record(text, z.unknown()), "the config file as it stands; csm config keys lists what may be in it"),
  ...fleetSchemas,
  "csm fleet asks": fleetAsks,
  "csm self-update": z.object({
    action: z.enum(["current", "available", "updated", "rolled-back"]),
    installed: described(text, "the version that stands there now"),
    path: text,
    available: z.optional(text),
    from: z.optional(text),
    previous: z.optional(described(text, "where the other one is kept")),
  }),
  "csd spawn": z.object(driven),
  "csd send": sent,
  "csd submit": sent,
  "csd clear": z.object({ ok, cleared: z.boolean() }),
  "csd state": stateReply,
  "csd approve": answer,
  "csd deny": answer,
  "csd answer": answer,
  "csd interrupt": z.object({ ok, interrupted: z.boolean() }),
  "csd wait": stateReply,
  "csd events": event,
  "csd run": runResult,
  "csd tail": described(z.record(text, z.unknown()), "a line of the transcript, as claude wrote it"),
  "csd logs": z.looseObject({ at: z.number(), event: text, time, session_id: z.optional(sessionId) }),
  "csd ps": z.object({ sessions: z.array(z.object({ ...driven, alive: z.boolean(), state })) }),
  "csd kill": z.object({ ok, killed: z.boolean() }),
  "csd doctor": z.object({
    claude: text,
    version: z.optional(text),
    tmux: text,
    checks: z.array(z.object({ signal: text, verdict: text, detail: text, fallback: text, gates: z.boolean() })),
    verdict: text,
    not_examined: z.optional(text),
  }),
};

export const publicJson: Readonly<Record<string, z.ZodMiniType>> = schemas;

export type PublicJson = { [C in keyof typeof schemas]: z.infer<(typeof schemas)[C]> };
