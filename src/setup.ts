import { type RuleHook, renderRuleHook } from "./claude-hooks.ts";
import { takesEvent } from "./claude-version.ts";
import { quotePosix } from "./format.ts";
import { isRecord, present } from "./json.ts";

/** What `csm setup` puts into the user's settings of claude. */
interface Setup {
  /** How csm is called there. */
  command: string;
  hook: boolean;
  statusline: boolean;
  /** Of the claude whose settings they are. */
  version?: string | undefined;
  /** The hooks that rules need; none without rules. */
  rules?: readonly RuleHook[];
}

type Settings = Readonly<Record<string, unknown>>;

/** The events at which a usage limit can show; `Stop` and `SessionEnd` are for versions without `StopFailure`. */
const hookEvents = ["StopFailure", "Stop", "SessionEnd"];

/** The settings with csm in them, once: a second run changes nothing. The user's own hooks and status line go on working. */
export function planSetup(settings: Settings, { command, hook, statusline, version, rules = [] }: Setup): Settings {
  const clean = planUndo(settings, { command, hook, statusline });
  const events = hookEvents.filter((event) => takesEvent(version, event));
  const withHooks = hook ? { ...clean, hooks: addHooks(recordOf(clean.hooks), `${command} hook`, { events, rules }) } : clean;
  return statusline ? { ...withHooks, statusLine: wrapStatusline(recordOf(clean.statusLine), `${command} statusline`) } : withHooks;
}

/** The settings without csm: what stood there before stands there again. */
export function planUndo(settings: Settings, { hook, statusline }: Setup): Settings {
  const { hooks, statusLine, ...rest } = settings;
  const keptHooks = hook ? removeHooks(recordOf(hooks)) : recordOf(hooks);
  const keptLine = statusline ? unwrapStatusline(recordOf(statusLine)) : recordOf(statusLine);
  return inOrder(settings, {
    ...rest,
    ...(hooks === undefined || (keptHooks !== undefined && Object.keys(keptHooks).length === 0) ? {} : { hooks: keptHooks ?? hooks }),
    ...present({ statusLine: statusLine === undefined ? undefined : keptLine }),
  });
}

/** Keys keep the places that they had. */
const inOrder = (before: Settings, after: Settings): Settings =>
  Object.fromEntries([...Object.keys(before).filter((key) => key in after), ...Object.keys(after)].map((key) => [key, after[key]]));

interface WantedHooks {
  events: readonly string[];
  rules: readonly RuleHook[];
}

function addHooks(hooks: Settings | undefined, command: string, { events, rules }: WantedHooks): Settings {
  const entries = [
    ...events.map((event) => [event, { hooks: [{ type: "command", command }] }] as const),
    ...rules.map((rule) => [rule.event, renderRuleHook(command, rule)] as const),
  ];
  return { ...hooks, ...Object.fromEntries(entries.map(([event, entry]) => [event, [...listOf(hooks?.[event]), entry]])) };
}

/** These settings have csm's hook for rules, of whatever version. */
export const hasRuleHook = ({ hooks }: Settings, event: RuleHook["event"]): boolean =>
  listOf(recordOf(hooks)?.[event]).some((entry) => listOf(recordOf(entry)?.hooks).some((one) => isOurs(recordOf(one)?.command, "hook")));

/** The commands of these settings that are csm's: of hooks, each once, and of the status line. */
export function findOwnCommands({ hooks, statusLine }: Settings): { hooks: string[]; statusline?: string } {
  const entries = Object.values(recordOf(hooks) ?? {}).flatMap((list) => listOf(list).flatMap((entry) => listOf(recordOf(entry)?.hooks)));
  const called = entries.flatMap((entry) => recordOf(entry)?.command ?? []).filter((command) => isOurs(command, "hook"));
  const line = recordOf(statusLine)?.command;
  return { hooks: [...new Set(called.map(String))], ...present({ statusline: isOurs(line, "statusline") ? String(line) : undefined }) };
}

/** Whatever path csm had when it was put there. */
const isOurs = (command: unknown, word: "hook" | "statusline"): boolean =>
  typeof command === "string" && new RegExp(`(?:^|[/'\\s])csm(?:\\.exe)?'? ${word}(?:\\s|$)`).test(command);

function removeHooks(hooks: Settings | undefined): Settings | undefined {
  if (hooks === undefined) return undefined;
  const kept = Object.entries(hooks).map(([event, entries]): [string, unknown] => {
    if (!Array.isArray(entries)) return [event, entries];
    const others = entries.filter((entry) => !listOf(recordOf(entry)?.hooks).some((one) => isOurs(recordOf(one)?.command, "hook")));
    return [event, others];
  });
  return Object.fromEntries(
    kept.filter(([event, entries]) => !Array.isArray(entries) || entries.length > 0 || listOf(hooks[event]).length === 0),
  );
}

function wrapStatusline(line: Settings | undefined, command: string): Settings {
  const own = typeof line?.command === "string" ? line.command : undefined;
  return { ...line, type: "command", command: own === undefined ? command : `${command} --wrap ${quotePosix(own)}` };
}

/** Undefined when it was csm's alone. */
function unwrapStatusline(line: Settings | undefined): Settings | undefined {
  if (line === undefined || !isOurs(line.command, "statusline")) return line;
  const wrapped = / --wrap '(.*)'$/s.exec(String(line.command))?.[1];
  return wrapped === undefined ? undefined : { ...line, command: wrapped.replaceAll("'\\''", "'") };
}

const listOf = (value: unknown): unknown[] => (Array.isArray(value) ? value : []);
const recordOf = (value: unknown): Settings | undefined => (isRecord(value) ? value : undefined);

/** What somebody begins with: it asks more than claude does, and allows nothing by itself. */
export const rulesStarter = `# What may run without you, what never does, and what is always asked: csm rules. It holds in every session and every
# permission mode. "csm rules check" names what is wrong here; "csm rules explain 'git push'" says what would be decided.

[[rules]]
name = "keys and secrets"
match_path = ["~/.ssh/**", "~/.aws/**", "~/.gnupg/**", ".env"]
action = "ask"

[[rules]]
name = "what cannot be taken back"
match_command = ["git push --force", "git push -f", "npm publish"]
action = "ask"

# [[rules]]                 # runs unasked
# name = "tests"
# match_command = ["npm test", "cargo test", "make test"]
# action = "allow"

# [[budgets]]               # csm budget
# name = "day"
# period = "day"
# limit_usd = 20
# action = "ask"
`;

/** Where the keys below `[notify]` say nothing, the terminal of the session is told. */
export const startNotify = `
[notify]                    # who is told that a session waits, is done, failed or met a limit: csm notify
# quiet_hours = ["22:00-07:00"]
# finished = false
`;

/** The lines that differ, `-` before and `+` after, each with up to two lines around it. */
export function renderDiff(before: string, after: string): string[] {
  const [a, b] = [before.split("\n"), after.split("\n")];
  const lengths = commonLengths(a, b);
  const lines: { mark: " " | "-" | "+"; text: string }[] = [];
  for (let i = 0, j = 0; i < a.length || j < b.length; ) {
    if (i < a.length && j < b.length && a[i] === b[j]) lines.push({ mark: " ", text: a[i++] ?? "" }) && j++;
    else if (j < b.length && (i === a.length || (lengths[i]?.[j + 1] ?? 0) > (lengths[i + 1]?.[j] ?? 0)))
      lines.push({ mark: "+", text: b[j++] ?? "" });
    else lines.push({ mark: "-", text: a[i++] ?? "" });
  }
  const isNear = (index: number) =>
    lines.slice(Math.max(0, index - contextLines), index + contextLines + 1).some(({ mark }) => mark !== " ");
  return lines.flatMap(({ mark, text }, index) => (isNear(index) ? [`${mark} ${text}`] : []));
}

const contextLines = 2;

/** How many lines the ends from (i, j) on have in common. */
function commonLengths(a: readonly string[], b: readonly string[]): number[][] {
  const lengths = Array.from({ length: a.length + 1 }, () => new Array<number>(b.length + 1).fill(0));
  for (let i = a.length - 1; i >= 0; i--)
    for (let j = b.length - 1; j >= 0; j--) {
      const row = lengths[i] ?? [];
      row[j] = a[i] === b[j] ? 1 + (lengths[i + 1]?.[j + 1] ?? 0) : Math.max(lengths[i + 1]?.[j] ?? 0, row[j + 1] ?? 0);
    }
  return lengths;
}
