import { z } from "zod/mini";
import { conversation, count, cwd, described, moment, percent, piece, profile, sessionId, text, textOrNull } from "./public-pieces.ts";

const decision = piece(
  "decision",
  z.enum(["allow", "ask", "deny", "none"]),
  "none: no rule says anything, and claude does as without rules",
);
const ruleName = described(textOrNull, "name of the rule that decides; null where none alone does");
export const ruleProblem = z.object({ path: text, line: count, message: text });
const placed = { is_project: z.boolean(), path: text, line: count };
const rulesList = z.object({
  project: text,
  rules: z.array(z.object({ name: text, action: text, message: textOrNull, ...placed, when: z.record(text, z.unknown()) })),
  budgets: z.array(
    z.object({ name: text, action: text, period: text, limit: z.record(text, z.number()), warn_percent: percent, ...placed }),
  ),
  problems: z.array(ruleProblem),
});
const auditEntry = described(
  z.looseObject({
    ...{ ...moment, event: text, session: text, session_id: z.optional(sessionId), profile: z.optional(profile), cwd: z.optional(cwd) },
    ...{ tool: z.optional(text), request: z.optional(text), decision: z.optional(text), channel: z.optional(text) },
    ...{ rule: z.optional(text), rule_place: z.optional(text), reason: z.optional(text), ms: z.optional(z.number()) },
  }),
  "event decided: by a rule (channel hook) or by a person (csd, dashboard); event refused: what was not taken, with verb and why",
);

const pastCall = {
  ...{ ...conversation, ...moment, tool: text, input: z.record(text, z.unknown()) },
  agent: described(textOrNull, "the type of the sub-agent that made it; null of the main thread"),
};
const judgedCall = z.object({
  ...{ ...pastCall, decision, reason: text, rules: z.array(text) },
  outcome: described(z.enum(["ran", "refused", "blocked", "open"]), "what came of it then"),
  by: described(z.nullable(z.enum(["person", "hook", "rule"])), "who decided so; null where the transcript does not tell"),
});
const pastCounts = { calls: count, transcripts: count, unreadable_calls: count };
const contrary = described(count, "allowed what was refused, or denied what ran");
const decisionCounts = { allow: count, ask: count, deny: count };
const texts = z.optional(z.array(text));
const suggestion = {
  ...{ name: text, match_tool: texts, match_command: texts, match_path: texts, match_host: texts, action: text },
  ...{ questions: described(count, "that it would have saved"), sessions: count, newest: z.object(pastCall), toml: text },
};

/** Of `csm rules` and its verbs. */
export const rulesSchemas = {
  "csm rules replay": z.object({
    ...{ allowed_that_was_refused: z.array(judgedCall), denied_that_ran: z.array(judgedCall) },
    rules: z.array(z.object({ rule: text, action: text, path: text, line: count, ...decisionCounts, contrary })),
    totals: z.object({ ...decisionCounts, none: count }),
    ...pastCounts,
  }),
  "csm rules suggest": z.object({
    suggestions: z.array(z.object(suggestion)),
    approvals: described(count, "questions that a person said yes to"),
    covered: described(count, "of these, what the rules as they are allow"),
    saved: described(count, "of these, what the suggestions would allow"),
    untold: described(count, "calls that ran where the transcript does not tell who allowed them"),
    ...pastCounts,
  }),
  "csm rules": rulesList,
  "csm rules list": rulesList,
  "csm rules check": z.object({
    project: text,
    files: z.array(z.object({ path: text, is_project: z.boolean(), rules: count })),
    problems: z.array(ruleProblem),
    notes: z.array(ruleProblem),
  }),
  "csm rules explain": z.object({
    decision,
    rule: ruleName,
    reason: text,
    parts: z.array(z.object({ text, decision, rule: ruleName })),
  }),
  "csm rules log": z.object({ entries: z.array(auditEntry) }),
  "csm rules import": z.object({
    entries: z.array(z.object({ source: text, name: textOrNull, action: textOrNull, toml: textOrNull, note: textOrNull })),
  }),
};
