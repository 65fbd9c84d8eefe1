import { isAbsolute, join } from "node:path";
import type { HookInput, RuleHook } from "./claude-hooks.ts";
import { parseRecord, present } from "./json.ts";
import { eventsOf } from "./notices.ts";
import { tell } from "./output.ts";
import { ruleFiles } from "./paths.ts";
import type { Rule } from "./rules.ts";
import { findProjectRoot, hasRuleFile, type RuleBook, readRuleBook } from "./rules-file.ts";
import type { Sys } from "./sys.ts";

/**
 * What rules say to this call; undefined lets claude go on as without them. The common case is that there is no file: nothing is loaded
 * to find that out. The project is the one that claude was started in, as the folder of a thread moves with `cd`.
 */
export async function applyRules(sys: Sys, input: HookInput, seat: { configDir: string; name?: string }): Promise<string | undefined> {
  const own = sys.env.CLAUDE_PROJECT_DIR;
  const projectDir = findProjectRoot(sys, own !== undefined && isAbsolute(own) ? own : (input.cwd ?? sys.cwd));
  if (!hasRuleFile(sys, projectDir)) return undefined;
  return (await import("./rules-decide.ts")).judgeHook(sys, input, { ...seat, projectDir });
}

/** Tools whose input is a command: all that a rule with nothing but a command can be about. */
const shellTools = ["Bash", "PowerShell"];

/** The events that these rules need, and the tools where they name them; none without rules. */
export function planRuleHooks({ rules, problems, budgets }: Pick<RuleBook, "rules" | "problems" | "budgets">): RuleHook[] {
  const stops = rules.filter(({ action }) => action === "deny" || action === "ask");
  // Leave is given before the call where it can be, at the dialog else.
  const called = rules.filter(({ action }) => action === "allow" || action === "deny" || action === "ask");
  // A file that is broken may be mended while the session runs.
  if (problems.length > 0) return [{ event: "PreToolUse" }, { event: "PermissionRequest" }];
  // Of a state that a call can only have at its dialog.
  const asked = rules.filter(
    ({ action, when }) => action === "allow" || (stops.length > 0 && action === "deny" && when.status !== undefined),
  );
  return [
    // A budget is about every tool, and tells of itself too.
    ...(budgets.length > 0 ? [{ event: "PreToolUse" } as const] : []),
    ...(budgets.length > 0 || called.length === 0 ? [] : [{ event: "PreToolUse", ...present({ matcher: matcherOf(called) }) } as const]),
    ...(asked.length === 0 ? [] : [{ event: "PermissionRequest", ...present({ matcher: matcherOf(asked) }) } as const]),
  ];
}

/**
 * Undefined for every tool. claude's `if` would be narrower, and is not safe: it sees less in a command than `judge` does, so that a call
 * that a rule denies would get by without its hook.
 */
function matcherOf(rules: readonly Rule[]): string | undefined {
  const tools: string[] = [];
  for (const { when } of rules) {
    if (when.tool === undefined && when.command === undefined) return undefined;
    // A rule about reading or changing a file is about commands that do it, too.
    tools.push(...(when.tool ?? shellTools), ...(when.path === undefined ? [] : ["Bash"]));
  }
  const patterns = tools.map(toolPattern);
  return patterns.includes(undefined) ? undefined : `^(?:${[...new Set(patterns)].join("|")})$`;
}

/** A matcher tells cases apart, rules do not. Undefined for what is no plain name: a project could write one that takes claude for ever. */
function toolPattern(name: string): string | undefined {
  const [, word, star] = /^([\w-]+)(\*?)$/.exec(name.trim()) ?? [];
  if (word === undefined) return undefined;
  // The same tool in other versions.
  if (/^(?:task|agent)$/i.test(word)) return "(?:[Tt][Aa][Ss][Kk]|[Aa][Gg][Ee][Nn][Tt])";
  const spelled = word.replace(/[a-z]/gi, (letter) => `[${letter.toUpperCase()}${letter.toLowerCase()}]`);
  const isServer = /^mcp__(?:(?!__).)+$/i.test(word);
  return `${spelled}${star === "*" ? ".*" : isServer ? "(?:__.*)?" : ""}`;
}

/** With these events, of every tool. */
const withEvents = (hooks: readonly RuleHook[], events: readonly RuleHook["event"][]): RuleHook[] => [
  ...hooks.filter(({ event }) => !events.includes(event)),
  ...events.map((event) => ({ event })),
];

/** Where a session is to start, and the settings that it is given. */
interface Start {
  configDir: string;
  cwd: string;
  own?: string | undefined;
}

/** What to give it: no hook that its own settings have already. Says so where claude would run none of them. */
export async function prepareRules(sys: Sys, start: Start): Promise<{ rules: RuleHook[]; askedFiles: string[] }> {
  const book = await readRuleBook(sys, findProjectRoot(sys, start.cwd));
  const events = eventsOf(book.notify);
  const hooks = withEvents(planRuleHooks(book), events);
  if (hooks.length === 0) return { rules: [], askedFiles: [] };
  const [{ readHooksOff }, { hasRuleHook }] = await Promise.all([import("./hooks-off.ts"), import("./setup.ts")]);
  const off = readHooksOff(sys, start);
  if (off !== undefined)
    tell(sys, `hooks are switched off (${off}): no rule holds in this session${events.length === 0 ? "" : ", and it tells of nothing"}`);
  const settings = parseRecord(sys.readText(join(start.configDir, "settings.json"))) ?? {};
  return { rules: hooks.filter(({ event }) => !hasRuleHook(settings, event)), askedFiles: ruleFiles(sys) };
}
