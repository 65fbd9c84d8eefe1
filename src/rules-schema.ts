import { basename } from "node:path";
import { en } from "zod/locales";
import { z } from "zod/mini";
import { type Budget, budgetActions, budgetPeriods } from "./budgets.ts";
import { unknownWord } from "./errors.ts";
import { isRecord, present } from "./json.ts";
import type { NotifySettings } from "./notices.ts";
import { checkNotify } from "./notify-schema.ts";
import { olderStatus, timeSpan } from "./rule-conditions.ts";
import { type Conditions, type Rule, type RuleAction, type RuleProblem, ruleActions } from "./rules.ts";
import { statuses } from "./statuses.ts";
import {
  atLeast,
  choice,
  createReader,
  type Entry,
  type Field,
  flag,
  list,
  listTables,
  parseWritten,
  percent,
  type Reader,
  readFields,
  spell,
  word,
  words,
} from "./written-file.ts";

// Apart from what reads the checked form, so that a hook does not load zod.
z.config(en());

/** What a file says, as far as it can be understood. Of a broken one all that decides about calls asks instead. */
interface CheckedRules {
  rules: Rule[];
  budgets: Budget[];
  notify?: NotifySettings;
  problems: RuleProblem[];
}

interface RuleText {
  path: string;
  text: string;
  /** It may only tighten: what else it says is told, and ignored. */
  isProject: boolean;
}

export function checkRules({ path, text, isProject }: RuleText): CheckedRules {
  const parsed = parseWritten(path, text);
  const problems: RuleProblem[] = [];
  if ("message" in parsed) return brokenRules({ path, ...parsed }, isProject);
  const reader = createReader(path, isProject, parsed.lines, problems);
  const { value } = parsed;
  const known = ["rules", "budgets", "notify"];
  for (const key of Object.keys(value)) if (!known.includes(key)) reader.wrong([key], spell(unknownWord("unknown key", key, known)));
  const rules = listTables(reader, "rules", value.rules).flatMap((entry) => readRule(reader, entry) ?? []);
  const budgets = listTables(reader, "budgets", value.budgets).flatMap((entry) => readBudget(reader, entry) ?? []);
  const notify = value.notify === undefined ? undefined : readNotify(reader, value.notify);
  const [broken] = reader.broken().toSorted((a, b) => a.line - b.line);
  return {
    rules: broken === undefined ? rules : rules.flatMap((rule) => askInstead(rule, broken) ?? []),
    budgets: broken === undefined ? budgets : budgets.map((budget) => (budget.action === "notify" ? budget : { ...budget, action: "ask" })),
    problems: problems.toSorted((a, b) => a.line - b.line),
    ...present({ notify }),
  };
}

/** The rules of the older tool's file, whose other tables are no affair of ours; what cannot be taken over is told. */
export function importRules({ path, text }: Pick<RuleText, "path" | "text">): { rules: Rule[]; problems: RuleProblem[]; others: string[] } {
  const parsed = parseWritten(path, text);
  if ("message" in parsed) return { rules: [], problems: [{ path, ...parsed }], others: [] };
  const problems: RuleProblem[] = [];
  const rules = listTables(createReader(path, false, parsed.lines, problems), "rules", parsed.value.rules).flatMap((entry) => {
    const own: RuleProblem[] = [];
    const rule = readRule(createReader(path, false, parsed.lines, own), entry);
    problems.push(...own);
    // One that is not understood whole would be another rule.
    return rule === undefined || own.length > 0 ? [] : [rule];
  });
  return { rules, problems, others: Object.keys(parsed.value).filter((key) => key !== "rules") };
}

/** Of a file of which nothing can be understood: it may say anything about each call. */
export function brokenRules(problem: RuleProblem, isProject: boolean): CheckedRules {
  const rule: Rule = { name: basename(problem.path), action: "ask", at: problem, isProject, when: {} };
  return { rules: [askInstead(rule, problem) ?? rule], budgets: [], problems: [problem] };
}

function askInstead(rule: Rule, { path, line, message }: RuleProblem): Rule | undefined {
  if (!["allow", "deny", "ask"].includes(rule.action)) return undefined;
  return { ...rule, action: "ask", message: `${basename(path)}:${line} is broken: ${message}` };
}

const times: Field = { schema: list(z.string().check(z.regex(timeSpan, 'it must be like "22:00-07:00" or "mon-fri 09:00-18:00"'))) };

// --- rules ---------------------------------------------------------------------------------------------------------

/** Public words, and the older tool's. */
const states: Field = { schema: list(word), words: [...statuses, "needs input", ...olderStatus.keys()], isLoose: true };

/** Each condition as it is written, what it is here, and what it may be. */
export const conditions: Readonly<Record<string, readonly [keyof Conditions, Field]>> = {
  match_status: ["status", states],
  match_tool: ["tool", words],
  match_command: ["command", words],
  match_path: ["path", words],
  match_host: ["host", words],
  match_project: ["project", words],
  match_profile: ["profile", words],
  match_model: ["model", words],
  match_agent: ["agent", words],
  match_session: ["session", words],
  match_time: ["time", times],
  match_cost_above: ["costAboveUsd", { schema: atLeast(0) }],
  match_context_above: ["contextAbovePercent", percent],
  match_usage_above: ["usageAbovePercent", percent],
  match_count_above: ["countAbove", { schema: z.int().check(z.minimum(0)) }],
  match_last_error: ["hasError", flag],
  match_file_conflict: ["hasConflict", flag],
};

/** The older tool's words; the others are our own. */
const actionWords: Readonly<Record<string, RuleAction>> = {
  ...(Object.fromEntries(ruleActions.map((action) => [action, action])) as Record<RuleAction, RuleAction>),
  approve: "allow",
  terminate: "stop",
  kill: "stop",
};
const ruleFields: Readonly<Record<string, Field>> = {
  name: { schema: word },
  ...Object.fromEntries(Object.entries(conditions).map(([key, [, field]]) => [key, field])),
  action: choice(Object.keys(actionWords)),
  message: { schema: word },
};

function readRule(reader: Reader, entry: Entry): Rule | undefined {
  const { path, value } = entry;
  const fields = readFields(reader, entry, ruleFields);
  const has = (key: string) => isRecord(value) && Object.hasOwn(value, key);
  const name = (fields.name ?? entry.name ?? `rule ${Number(path[1]) + 1}`) as string;
  if (isRecord(value) && !has("name") && entry.name === undefined) reader.wrong(path, "the rule has no name");
  if (isRecord(value) && !has("action"))
    reader.wrong(path, `rule ${JSON.stringify(name)} has no action; one of: ${ruleActions.join(", ")}`);
  const action = actionWords[String(fields.action)] ?? "ask";
  if (reader.isProject && action !== "deny" && action !== "ask") {
    reader.ignored([...path, "action"], `a file of a project may only deny and ask, not ${action}`);
    return undefined;
  }
  const when = Object.entries(conditions).flatMap(([key, [condition]]) => (key in fields ? [[condition, fields[key]]] : []));
  return {
    ...{ name, action, at: reader.at(path), isProject: reader.isProject },
    ...present({ message: fields.message as string | undefined }),
    when: Object.fromEntries(when) as Conditions,
  };
}

// --- budgets -------------------------------------------------------------------------------------------------------

const limits = { limit_usd: "usd", limit_tokens: "tokens", limit_percent: "usagePercent" } as const;
const isAbove = z.number().check(z.positive());
const budgetFields: Readonly<Record<string, Field>> = {
  name: { schema: word },
  period: choice(budgetPeriods),
  ...{ match_project: words, match_profile: words, match_model: words },
  ...{ limit_usd: { schema: isAbove }, limit_tokens: { schema: isAbove }, limit_percent: percent },
  action: choice([...budgetActions, "terminate", "kill"]),
  warn_percent: percent,
};
const defaultWarnPercent = 80;

function readBudget(reader: Reader, entry: Entry): Budget | undefined {
  const { path, value } = entry;
  const fields = readFields(reader, entry, budgetFields);
  if (!isRecord(value)) return undefined;
  const name = (fields.name ?? entry.name ?? `budget ${Number(path[1]) + 1}`) as string;
  const given = Object.keys(limits).filter((key) => Object.hasOwn(value, key)) as (keyof typeof limits)[];
  const missing = [...(entry.name === undefined ? ["name"] : []), "period", "action"].filter((key) => !Object.hasOwn(value, key));
  for (const key of missing) reader.wrong(path, `budget ${JSON.stringify(name)} has no ${key}`);
  if (given.length !== 1) reader.wrong(path, `budget ${JSON.stringify(name)} needs one limit: ${Object.keys(limits).join(", ")}`);
  const [limit] = given;
  const amount = limit === undefined ? undefined : fields[limit];
  const action = actionWords[String(fields.action)] ?? "ask";
  if (reader.isProject && action !== "deny" && action !== "ask") {
    reader.ignored([...path, "action"], `a budget of a project may only deny and ask, not ${action}`);
    return undefined;
  }
  if (limit === undefined || amount === undefined || fields.period === undefined) return undefined;
  return {
    ...{ name, at: reader.at(path), isProject: reader.isProject, period: fields.period as Budget["period"] },
    ...(present({ project: fields.match_project, profile: fields.match_profile, model: fields.match_model }) as Partial<Budget>),
    limit: { [limits[limit]]: amount } as Budget["limit"],
    action: action as Budget["action"],
    warnPercent: (fields.warn_percent ?? defaultWarnPercent) as number,
  };
}

// --- who is told ---------------------------------------------------------------------------------------------------

function readNotify(reader: Reader, value: unknown): NotifySettings | undefined {
  if (reader.isProject) {
    reader.ignored(["notify"], "a file of a project may not notify");
    return undefined;
  }
  const checked = checkNotify(value);
  if ("settings" in checked) return checked.settings;
  for (const { path, message } of checked.problems) reader.wrong(["notify", ...path], message);
  return undefined;
}
