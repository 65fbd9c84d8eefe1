import { z } from "zod/mini";
import { noticeCauses, noticeLevels } from "./notices.ts";
import { count, cwd, described, moment, percent, piece, profile, sessionId, text, textOrNull, times } from "./public-pieces.ts";

const cause = z.enum(noticeCauses as [(typeof noticeCauses)[number]]);
const level = z.enum(noticeLevels);
const now = described(z.enum(["tell", "quiet", "off"]), "what would happen now");
const toldCause = z.object({ cause, on: z.boolean(), level, cool_down_ms: z.number(), now });
const tried = { channel: text, kind: text, failure: described(textOrNull, "why the newest did not arrive, or has not yet") };
const notifyChannel = z.object({ ...tried, to: text, waiting: described(count, "what could not be sent yet"), ...times("last") });

const quietHours = { quiet: z.boolean(), quiet_hours: z.array(text) };
const notify = z.object({ file: text, ...quietHours, causes: z.array(toldCause), channels: z.array(notifyChannel) });

const decisions = z.enum(["allow", "ask", "deny", "none"]);
const decision = piece("decision", decisions, "none: no rule says anything, and claude does as without rules");
const ruleName = described(textOrNull, "name of the rule that decides; null where none alone does");
const ruleProblem = z.object({ path: text, line: count, message: text });
const ruleFile = z.object({ path: text, is_project: z.boolean(), rules: count });
const amounts = z.record(text, z.number());
const placed = { is_project: z.boolean(), path: text, line: count };
const rulesList = z.object({
  project: text,
  rules: z.array(z.object({ name: text, action: text, message: textOrNull, ...placed, when: z.record(text, z.unknown()) })),
  budgets: z.array(z.object({ name: text, action: text, period: text, limit: amounts, warn_percent: percent, ...placed })),
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

const standing = z.object({
  of: described(text, "the day it begins with, the id of a session, or a window of an account"),
  ...{ spent: z.number(), percent, level: z.enum(["fine", "warning", "over"]), session_ids: z.array(text), unpriced_models: z.array(text) },
  ...times("ends"),
});
const budget = z.object({
  ...{ name: text, period: z.enum(["session", "day", "week", "month"]), action: z.enum(["notify", "ask", "deny", "stop"]) },
  ...{ path: text, line: count, unit: z.enum(["usd", "tokens", "percent"]), limit: z.number(), warn_percent: percent },
  standings: z.array(standing),
});

/** What commands print that tell of rules, of budgets and of who is told. */
export const actingSchemas = {
  "csm notify": notify,
  "csm notify test": z.object({ cause, results: z.array(z.object({ ...tried, sent: z.boolean(), ms: z.number() })) }),
  "csm budget": z.object({ budgets: z.array(budget), problems: z.array(ruleProblem) }),
  "csm rules": rulesList,
  "csm rules list": rulesList,
  "csm rules check": z.object({ project: text, files: z.array(ruleFile), problems: z.array(ruleProblem), notes: z.array(ruleProblem) }),
  "csm rules explain": z.object({ decision, rule: ruleName, reason: text, parts: z.array(z.object({ text, decision, rule: ruleName })) }),
  "csm rules log": z.object({ entries: z.array(auditEntry) }),
  "csm rules import": z.object({
    entries: z.array(z.object({ source: text, name: textOrNull, action: textOrNull, toml: textOrNull, note: textOrNull })),
  }),
};
