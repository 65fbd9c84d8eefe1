import { matches } from "./judge.ts";
import type { Conditions, Rule, SessionFacts, ToolCall } from "./rules.ts";
import type { LiveSession } from "./session.ts";
import { gateIdOf } from "./verbs.ts";

/** Which rules act on a session now: all that notify, and of the others one. To stop it beats to send it anything; then the first counts. */
export function chooseRules(rules: readonly Rule[], facts: SessionFacts, call?: ToolCall): Rule[] {
  const found = rules.filter((rule) => isActing(rule) && matches(rule, facts, call));
  const first = (action: Rule["action"]) => found.find((rule) => rule.action === action);
  const other = first("stop") ?? first("send");
  return [...found.filter(({ action }) => action === "notify"), ...(other === undefined ? [] : [other])];
}

/** The others decide about calls of tools. */
export const isActing = ({ action }: Rule): boolean => action === "notify" || action === "send" || action === "stop";

/** What a rule acts on once: it is known by its name, and told from the next one of this name by `what`. */
export interface Occasion {
  name: string;
  /** The state of the session, where the rule is about one. */
  what: string;
  /** Is it another one than that of which this was noted? `leftAt`: when the session was seen in another state. */
  isNext(done: { at: number; what?: string }, leftAt?: number): boolean;
}

type Seen = Pick<LiveSession, "key" | "sessionId" | "verdict" | "since">;

/** Two signals tell the begin of the same state some moments apart. */
const sameStateMs = 2000;
/** Processes that look at the same session see it some moments apart. */
export const lagMs = 5000;

/**
 * A line that was passed is one occasion, until the session is below it again; a state is one for as long as it lasts. The
 * conversation is told of once, whichever process goes on with it; each process is stopped.
 */
export function occasionOf(rule: Rule, session: Seen): Occasion {
  const { verdict, since, key, sessionId } = session;
  const subject = rule.action === "stop" ? [key, sessionId] : [sessionId ?? key];
  const name = JSON.stringify(["rule", rule.at.path, rule.name, rule.action, rule.when, ...subject]);
  if (!isOfState(rule)) return { name, what: "", isNext: () => false };
  const gate = gateIdOf(session);
  const what = JSON.stringify([key, verdict.status, gate]);
  // The others tell when they were looked at, not when the state began.
  const isDated = verdict.source !== "pane" && verdict.source !== "process" && verdict.source !== "cpu";
  return {
    name,
    what,
    isNext({ at, what: before = "[]" }, leftAt = 0) {
      const [keyBefore, , gateBefore] = JSON.parse(before) as (string | null)[];
      if (keyBefore !== key || (gate !== undefined && typeof gateBefore === "string" && gate !== gateBefore)) return true;
      return (isDated && since > at + sameStateMs) || leftAt > at + lagMs;
    },
  };
}

/** Each time that a session comes into the state is an occasion, where no line has to be passed for it. */
const isOfState = ({ when }: Rule): boolean => when.status !== undefined && Object.keys(lines(when)).length === 0;

/** The session is in another state than the rule is about. */
export const hasLeft = (rule: Rule, facts: SessionFacts): boolean =>
  isOfState(rule) && !matches({ ...rule, when: { status: rule.when.status ?? [] } }, facts);

/** What can be passed and fallen below again. */
const lines = ({ costAboveUsd, contextAbovePercent, usageAbovePercent, countAbove }: Conditions): Conditions =>
  withoutAbsent({ costAboveUsd, contextAbovePercent, usageAbovePercent, countAbove });

/** What comes and goes by itself. */
const spans = ({ time, hasError, hasConflict }: Conditions): Conditions => withoutAbsent({ time, hasError, hasConflict });

const withoutAbsent = (conditions: { [K in keyof Conditions]?: Conditions[K] | undefined }): Conditions =>
  Object.fromEntries(Object.entries(conditions).filter(([, value]) => value !== undefined));

/** The session is below the line again, for certain: what was done once may be done again. What is not known says nothing. */
export function isOver(rule: Rule, facts: SessionFacts): boolean {
  const { when } = rule;
  const lasting = Object.keys(lines(when)).length > 0 ? lines(when) : when.status === undefined ? spans(when) : {};
  if (Object.keys(lasting).length === 0) return false;
  const isKnown =
    (when.costAboveUsd === undefined || facts.costUsd !== undefined) &&
    (when.contextAbovePercent === undefined || facts.contextPercent !== undefined) &&
    (when.usageAbovePercent === undefined || facts.usagePercent !== undefined) &&
    (when.countAbove === undefined || facts.agentCount !== undefined);
  return isKnown && !matches({ ...rule, when: lasting }, facts);
}
