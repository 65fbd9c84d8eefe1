import { isTool } from "./rule-conditions.ts";
import type { Conditions, Rule, RuleProblem } from "./rules.ts";

/** Rules that never do anything, each with why: another one is always stronger, or no call and no session is what they are about. */
export function findIdle(rules: readonly Rule[], profiles: readonly string[]): RuleProblem[] {
  return rules.flatMap((rule, index) => {
    const reasons = [findStronger(rules, index), ...whyNever(rule, profiles), findNamesake(rules, index)].filter(
      (why) => why !== undefined,
    );
    return reasons.map((why) => ({ ...rule.at, message: `rule ${JSON.stringify(rule.name)} ${why}` }));
  });
}

const place = ({ at, name, action }: Rule, of: Rule): string =>
  `${action} rule ${JSON.stringify(name)} in line ${at.line}${at.path === of.at.path ? "" : ` of ${at.path}`}`;

/** Deny before ask before allow, and then the first. */
const strength: Readonly<Partial<Record<Rule["action"], number>>> = { deny: 3, ask: 2, allow: 1 };

function findStronger(rules: readonly Rule[], index: number): string | undefined {
  const rule = rules[index];
  const own = rule === undefined ? undefined : strength[rule.action];
  if (rule === undefined || own === undefined) return undefined;
  const found = rules.find((other, at) => {
    const theirs = strength[other.action];
    const isFirst = theirs !== undefined && (theirs > own || (theirs === own && at < index));
    return other !== rule && isFirst && covers(other.when, rule.when);
  });
  if (found === undefined) return undefined;
  return found.action === rule.action
    ? `is shadowed by the ${place(found, rule)}`
    : `never acts: the ${place(found, rule)} always beats it`;
}

/** Does the first hold wherever the second does? */
function covers(wide: Conditions, narrow: Conditions): boolean {
  return (Object.keys(wide) as (keyof Conditions)[]).every((key) => {
    const [a, b] = [wide[key], key === "tool" ? toolsOf(narrow) : narrow[key]];
    if (a === undefined) return true;
    if (b === undefined) return false;
    if (typeof a === "number") return typeof b === "number" && b >= a;
    if (typeof a === "boolean" || typeof b === "boolean" || typeof b === "number") return a === b;
    return b.every((each) => a.some((one) => coversWord(key, one, each)));
  });
}

/** What is about commands alone is about this tool. */
const toolsOf = ({ tool, command }: Conditions): readonly string[] | undefined => tool ?? (command === undefined ? undefined : ["Bash"]);

function coversWord(key: keyof Conditions, wide: string, narrow: string): boolean {
  if (key === "command") return coversCommand(wide, narrow);
  if (key === "tool") return wide.toLowerCase() === narrow.toLowerCase() || (!narrow.includes("*") && isTool(wide, narrow));
  if (key === "host" && wide.startsWith("*.")) return narrow.toLowerCase().endsWith(wide.slice(1).toLowerCase());
  if (key === "path") return wide === narrow || wide === "**" || (wide.endsWith("/**") && narrow.startsWith(wide.slice(0, -2)));
  return wide.toLowerCase() === narrow.toLowerCase();
}

function coversCommand(wide: string, narrow: string): boolean {
  const [a, b] = [wordsOf(wide), wordsOf(narrow)];
  if (a.isWhole && (!b.isWhole || a.words.length !== b.words.length)) return false;
  return a.words.length <= b.words.length && a.words.every((word, index) => word === "*" || word === b.words[index]);
}

function wordsOf(pattern: string): { words: string[]; isWhole: boolean } {
  const isWhole = pattern.trim().endsWith("$");
  const text = isWhole ? pattern.trim().slice(0, -1) : pattern;
  return { words: text.split(/\s+/).filter((word) => word !== ""), isWhole };
}

const shells = ["Bash", "PowerShell"];
const fetchers = ["WebFetch", ...shells];
/** What claude asks about stands at a gate. */
const gateStates = ["blocked", "awaitinganswer", "planready", "needsinput"];

function whyNever({ action, when }: Rule, profiles: readonly string[]): string[] {
  const { tool, command, host, status, profile } = when;
  const uses = (known: readonly string[]) => tool === undefined || tool.some((want) => known.some((name) => isTool(want, name)));
  const strange = profile?.find((want) => !/[*?[]/.test(want) && !profiles.includes(want));
  const joined = command?.find((pattern) => /(?:^|\s)(?:&&?|\|\|?|;)(?:\s|$)|;$|[<>]/.test(pattern.replace(/"[^"]*"|'[^']*'/g, "")));
  return [
    ...(command !== undefined && !uses(shells) ? ["never matches: none of its tools runs a command"] : []),
    ...(host !== undefined && !uses(fetchers) ? ["never matches: none of its tools goes to a host"] : []),
    ...(joined === undefined
      ? []
      : [
          `never matches by ${JSON.stringify(joined)}: a pattern is the words of one command; each command of a line is looked at by itself`,
        ]),
    ...(action === "allow" && status?.every((want) => !gateStates.includes(want.toLowerCase().replace(/[^a-z]/g, ""))) === true
      ? ["never acts: leave is given where claude asks, and then a session is blocked"]
      : []),
    ...(strange === undefined ? [] : [`is about profile ${JSON.stringify(strange)}, which is not registered`]),
  ];
}

function findNamesake(rules: readonly Rule[], index: number): string | undefined {
  const rule = rules[index];
  const found = rules.slice(0, index).find((other) => other.name === rule?.name && other.isProject === rule.isProject);
  return found === undefined || rule === undefined
    ? undefined
    : `has the name of the ${place(found, rule)}: the log cannot tell them apart`;
}
