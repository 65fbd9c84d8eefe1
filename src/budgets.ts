import type { Calendar } from "./calendar.ts";
import { spanOf, startOfDay } from "./calendar.ts";
import { compactCount, money } from "./cost-view.ts";
import { present } from "./json.ts";
import { hitsSession } from "./rule-conditions.ts";
import type { Place } from "./rules.ts";

export const budgetPeriods = ["session", "day", "week", "month"] as const;
export const budgetActions = ["notify", "ask", "deny", "stop"] as const;

/** One `[[budgets]]`, checked. What is spent counts together for all sessions that the budget is about. */
export interface Budget {
  name: string;
  at: Place;
  isProject: boolean;
  period: (typeof budgetPeriods)[number];
  /** Of which sessions; all of them unless told. A folder is a real path. */
  project?: readonly string[];
  profile?: readonly string[];
  model?: readonly string[];
  limit: { usd: number } | { tokens: number } | { usagePercent: number };
  /** At 100 %; at `warnPercent` it notifies. */
  action: (typeof budgetActions)[number];
  warnPercent: number;
}

/** Who spends. What is not known of it is undefined, and fits no filter. */
export interface Spender {
  /** The folder it runs in, and the root of the project that this lies in. */
  folders: readonly string[];
  profile?: string | undefined;
  model?: string | undefined;
  /** Its config dir, without links. */
  dir?: string | undefined;
}

/** Is the budget about what this one spends? */
export function isAbout({ at, isProject, project, profile, model }: Budget, spender: Spender): boolean {
  if (isProject && !spender.folders.some((folder) => isBelow(folder, projectOf(at)))) return false;
  const when = present({ project, profile, model });
  const isIn = (projectDir: string | undefined) => {
    const facts = { now: 0, ...present({ projectDir, profile: spender.profile, model: spender.model }) };
    return hitsSession(when, facts) === "yes";
  };
  return spender.folders.some(isIn) || (spender.folders.length === 0 && isIn(undefined));
}

/** `.csm/rules.toml` lies in the root. */
const projectOf = ({ path }: Place): string => path.split(/[/\\]/).slice(0, -2).join("/") || "/";

const plain = (path: string): string => path.replace(/\\/g, "/").replace(/(.)\/+$/, "$1");

export const isBelow = (folder: string, root: string): boolean =>
  plain(folder) === plain(root) || plain(folder).startsWith(plain(root) === "/" ? "/" : `${plain(root)}/`);

/** One day, week or month of a budget; what was spent before it has no part in it. */
interface Period {
  /** Of all periods of its kind. */
  key: string;
  startsAt: number;
  endsAt: number;
}

export function periodAt(kind: Exclude<Budget["period"], "session">, now: number, calendar: Calendar): Period {
  const { first, next } = spanOf(kind, calendar.dayOf(now));
  return { key: first, startsAt: startOfDay(calendar, first), endsAt: startOfDay(calendar, next) };
}

/** Where a budget stands: of a period, of one session, or of the window of one account. */
export interface Standing {
  budget: Budget;
  spent: number;
  /** Of what: the day it begins with, a session's id, an account with the end of its window. */
  of: string;
  /** For people, where it is not the period: `in api`, `of the 5-hour window of work`. */
  ofName?: string;
  /** Epoch ms at which it starts over; undefined where it does not. */
  endsAt?: number;
  /** Config dirs of the account, without links. */
  dirs?: readonly string[];
  /** Ids of the sessions that have spent of it. */
  sessions: readonly string[];
  /** Models without a price, which its cost leaves out. */
  unpriced: readonly string[];
  /** More may have been spent than is known by now. */
  isPartial: boolean;
}

/** Does it count what this session spends? Whose model is not known now, but was, has spent of it already. */
export function concerns({ budget, of, dirs, sessions }: Standing, session: Spender & { id: string }): boolean {
  const { model, ...others } = budget;
  const isOfModel = session.model === undefined && model !== undefined ? sessions.includes(session.id) : isAbout(budget, session);
  if (!isOfModel || !isAbout(others, session)) return false;
  if (dirs !== undefined) return session.dir !== undefined && dirs.includes(session.dir);
  return budget.period !== "session" || of === session.id;
}

export const limitOf = ({ limit }: Budget): number => ("usd" in limit ? limit.usd : "tokens" in limit ? limit.tokens : limit.usagePercent);

/** 0 and up, of the limit. */
export const spentPercent = ({ budget, spent }: Standing): number => (limitOf(budget) > 0 ? (spent / limitOf(budget)) * 100 : 100);

export type Level = "fine" | "warning" | "over";

export function levelOf(standing: Standing): Level {
  const percent = spentPercent(standing);
  return percent >= 100 ? "over" : percent >= standing.budget.warnPercent ? "warning" : "fine";
}

/** The same as long as it is about the same crossing of the same line; another limit is another line. */
export const occasionOf = ({ budget, of }: Standing, level: Exclude<Level, "fine">): string =>
  JSON.stringify(["budget", budget.at.path, budget.name, budget.period, budget.limit, of, level]);

const amount = ({ limit }: Budget, value: number): string =>
  "usd" in limit ? money(value) : "tokens" in limit ? `${compactCount(value)} tokens` : `${Math.round(value)} %`;

const periodWords = { session: "in this session", day: "today", week: "this week", month: "this month" } as const;

/** `budget "daily": $8.12 of $10.00 today (81 %)` */
export const standingText = (standing: Standing): string => `budget "${standing.budget.name}": ${amountText(standing)}`;

export function amountText(standing: Standing): string {
  const { budget, ofName } = standing;
  const { spent, limit } = amountsOf(standing);
  const where = ofName ?? periodWords[budget.period];
  if ("usagePercent" in budget.limit) return `${spent} ${where}, and its limit is ${limit}`;
  return `${spent} of ${limit} ${where} (${Math.floor(spentPercent(standing))} %)`;
}

export const amountsOf = (standing: Standing): { spent: string; limit: string } => ({
  spent: amount(standing.budget, standing.spent),
  limit: amount(standing.budget, limitOf(standing.budget)),
});
