import type { Place } from "./rules.ts";

export const budgetPeriods = ["session", "day", "week", "month"] as const;
export const budgetActions = ["notify", "ask", "deny", "stop"] as const;

/** One `[[budgets]]`, checked. What is spent counts together for all sessions that the budget is about. */
export interface Budget {
  name: string;
  at: Place;
  isProject: boolean;
  period: (typeof budgetPeriods)[number];
  /** Of which sessions; all of them unless told. */
  project?: readonly string[];
  profile?: readonly string[];
  model?: readonly string[];
  limit: { usd: number } | { tokens: number } | { usagePercent: number };
  /** At 100 %; at `warnPercent` it notifies. */
  action: (typeof budgetActions)[number];
  warnPercent: number;
}
