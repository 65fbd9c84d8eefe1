import { takesEvent, tellsTurns } from "./claude-version.ts";
import { isRecord, parseRecord, present, shape } from "./json.ts";

/** One run of a hook, as Claude Code describes it on the hook's stdin (fields as of 2.1.329). */
export interface HookInput {
  event: string;
  sessionId: string;
  promptId?: string;
  /** `default` is the mode that people call manual. */
  permissionMode?: string;
  /** UserPromptSubmit: the text as the model gets it. */
  prompt?: string;
  /** PermissionRequest. */
  toolName?: string;
  toolInput?: Record<string, unknown>;
  /** Set when a sub-agent asks; older versions tell the type alone. */
  agentType?: string;
  agentId?: string;
  /** Stop and StopFailure. */
  lastText?: string;
  /** Stop: what still runs, as its types (`shell`, `agent` …). */
  background?: string[];
  /** StopFailure: the class, such as `rate_limit`. */
  error?: string;
  transcriptPath?: string;
  /** Of the thread, as it moves with `cd`. */
  cwd?: string;
  /** SessionEnd: why. */
  reason?: string;
}

/** Undefined for what is no hook input. Checked by hand: a hook runs inside claude's turn, and no schema library may slow it. */
export function parseHookInput(text: string): HookInput | undefined {
  const { event, sessionId = "", background, ...rest } = shape(parseRecord(text) ?? {}, wanted);
  if (event === undefined) return undefined;
  const running = background?.filter(isRecord).filter((task) => task.status !== "completed");
  return { event, sessionId, ...rest, ...present({ background: running?.map(({ type }) => (typeof type === "string" ? type : "task")) }) };
}

const wanted = {
  event: ["hook_event_name", "string"],
  sessionId: ["session_id", "id"],
  promptId: ["prompt_id", "string"],
  permissionMode: ["permission_mode", "string"],
  prompt: "string",
  toolName: ["tool_name", "string"],
  agentType: ["agent_type", "string"],
  agentId: ["agent_id", "id"],
  lastText: ["last_assistant_message", "string"],
  error: "string",
  transcriptPath: ["transcript_path", "string"],
  reason: "string",
  cwd: "string",
  toolInput: ["tool_input", "record"],
  background: ["background_tasks", "list"],
} as const;

/** The hooks csd wants of a session that it starts. */
const wantedEvents = ["UserPromptSubmit", "PermissionRequest", "Stop", "StopFailure"] as const;
/** A request may be held open for a day; without this its hook would be dropped after the default limit. */
const holdSeconds = 86_400;

/** What csm has to hear of a session that it may carry over to another account. */
export const limitEvents = ["UserPromptSubmit", "Stop", "StopFailure"] as const;

/** At these a call of a tool can be decided. */
type CallEvent = "PreToolUse" | "PermissionRequest";
export const isCallEvent = (event: string): event is CallEvent => event === "PreToolUse" || event === "PermissionRequest";

/**
 * Does leave given before the call answer no more than the dialog would have asked? It spares the dialog, which claude paints while the
 * hooks of PermissionRequest run (2.1.329). Seen on 2.1.86 to 2.1.329: a `deny` and an `ask` of claude's own settings, and another hook's
 * denial, beat it; the mode dontAsk does not, and plan mode only on 2.1.329. On 2.0.70 it beats them all; `prompt_id` is told from 2.1.204.
 */
export const takesLeaveEarly = ({ promptId, permissionMode: mode }: HookInput): boolean =>
  promptId !== undefined && (mode === "default" || mode === "acceptEdits");

/** A hook that rules need, or who is told. */
export interface RuleHook {
  event: CallEvent | "Stop" | "StopFailure";
  /** Pattern of the tools that it is for; every tool without one. */
  matcher?: string;
}

/** Nothing that decides takes so long, and no hook of ours may hold a call up for claude's ten minutes. */
const ruleSeconds = 30;

/** An entry of claude's settings. */
export const renderRuleHook = (command: string, { matcher }: RuleHook): object => ({
  ...present({ matcher }),
  hooks: [{ type: "command", command, timeout: ruleSeconds }],
});

interface HookSettings {
  /** Of the claude that gets them: what it does not know is left out. */
  version: string | undefined;
  events?: readonly string[];
  rules?: readonly RuleHook[];
  /** What says what may run: claude asks before its tools change these files, in every mode (2.1.329). */
  askedFiles?: readonly string[];
  /** Claude's tools are kept out of these folders, and out of its sandbox with them. */
  privateDirs?: readonly string[];
  /** For claude itself, its editor, its hooks and its tools, whatever environment a wrapper leaves it. */
  env?: Readonly<Record<string, string>>;
}

/** The value of `--settings` that runs `command` on each wanted event; the user's own hooks run beside it. */
export function renderHookSettings(
  command: string,
  { version, events = wantedEvents, rules = [], askedFiles = [], privateDirs = [], env = {} }: HookSettings,
): string {
  const entry = (event: string) => [
    { hooks: [{ type: "command", command, ...(event === "PermissionRequest" ? { timeout: holdSeconds } : {}) }] },
  ];
  // Edit is for every tool that writes files; 2.1.329 warns in each session of a rule for Write, which matches nothing.
  const deny = privateDirs.flatMap((dir) => ["Read", "Edit"].map((tool) => `${tool}(/${escapePattern(dir)}/**)`));
  const ask = askedFiles.map((path) => `Edit(/${escapePattern(path)})`);
  return JSON.stringify({
    hooks: {
      ...Object.fromEntries(
        rules.filter(({ event }) => takesEvent(version, event)).map((rule) => [rule.event, [renderRuleHook(command, rule)]]),
      ),
      // What is wanted of every tool is there for rules too.
      ...Object.fromEntries((tellsTurns(version) ? events : []).map((event) => [event, entry(event)])),
    },
    ...(deny.length + ask.length === 0 ? {} : { permissions: { ...listed("deny", deny), ...listed("ask", ask) } }),
    ...(Object.keys(env).length === 0 ? {} : { env }),
  });
}

const listed = (key: string, rules: readonly unknown[]): Record<string, readonly unknown[]> => (rules.length === 0 ? {} : { [key]: rules });

/** A rule is a pattern of gitignore, in which two slashes begin a path of the file system. */
const escapePattern = (path: string): string => path.replace(/[\\*?[\]!#]/g, "\\$&");

/** The same beside settings that the user gave on the command line, as only one `--settings` counts. Undefined when theirs are no object. */
export function addHookSettings(own: string, ours: string): string | undefined {
  const settings = parseRecord(own);
  // claude will say what is wrong with them.
  if (settings === undefined) return undefined;
  const added = JSON.parse(ours) as {
    hooks: Record<string, unknown[]>;
    permissions?: Partial<Record<"deny" | "ask", string[]>>;
    env?: Record<string, string>;
  };
  const theirs = isRecord(settings.hooks) ? settings.hooks : {};
  const hooks: Record<string, unknown> = { ...theirs };
  for (const [event, entries] of Object.entries(added.hooks)) hooks[event] = [...listOf(theirs[event]), ...entries];
  const permissions = isRecord(settings.permissions) ? settings.permissions : {};
  const both = (["deny", "ask"] as const).flatMap((key) => {
    const ours = added.permissions?.[key];
    return ours === undefined ? [] : [[key, [...listOf(permissions[key]), ...ours]]];
  });
  return JSON.stringify({
    ...settings,
    hooks,
    ...(both.length === 0 ? {} : { permissions: { ...permissions, ...Object.fromEntries(both) } }),
    ...(added.env === undefined ? {} : { env: { ...(isRecord(settings.env) ? settings.env : {}), ...added.env } }),
  });
}

const listOf = (value: unknown): unknown[] => (Array.isArray(value) ? value : []);

/** What to say to a permission request. */
export type GateReply =
  | { reply: "allow" }
  /** With a message the model reads it and goes on; without one the turn ends, as after "No". */
  | { reply: "deny"; message?: string }
  /** By question text: a label, labels joined by ", ", or free text. */
  | { reply: "answers"; answers: Record<string, string> };

/** What claude writes of a refusal without a reason. */
export const plainRefusal = "The user refused this request.";

/** This answer of ours says what becomes of the call. */
export const isDecided = (answer: string | undefined): boolean => parseRecord(answer)?.hookSpecificOutput !== undefined;

/** Two answers to one event, of which one may be none. */
export const joinAnswers = (one: string | undefined, other: string | undefined): string | undefined =>
  one === undefined || other === undefined ? (one ?? other) : JSON.stringify({ ...parseRecord(one), ...parseRecord(other) });

/** What a PreToolUse hook prints: it holds in every mode, and in sub-agents. The model reads why it was denied, a person why they are asked. */
export const renderToolReply = (permissionDecision: "allow" | "deny" | "ask", permissionDecisionReason: string): string =>
  JSON.stringify({ hookSpecificOutput: { hookEventName: "PreToolUse", permissionDecision, permissionDecisionReason } });

/** What a PermissionRequest hook prints to answer its dialog. */
export function renderGateReply(toolInput: Record<string, unknown>, reply: GateReply): string {
  const decide = (decision: object) => JSON.stringify({ hookSpecificOutput: { hookEventName: "PermissionRequest", decision } });
  if (reply.reply === "allow")
    // ExitPlanMode ignores a bare allow; the input as it was changes nothing for the others.
    return decide({ behavior: "allow", updatedInput: toolInput });
  if (reply.reply === "answers") return decide({ behavior: "allow", updatedInput: { ...toolInput, answers: reply.answers } });
  if (reply.message === undefined) return decide({ behavior: "deny", message: plainRefusal, interrupt: true });
  return decide({ behavior: "deny", message: reply.message });
}
