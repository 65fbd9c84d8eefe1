import type { LiveSession } from "./monitor-session.ts";

/** Which sessions stand where: order, groups and filter of the list. */
export const sorts = ["attention", "cost", "context", "name", "age"] as const;
export type Sort = (typeof sorts)[number];
export const groups = ["none", "project", "profile"] as const;
export type Group = (typeof groups)[number];

export interface Section {
  title: string;
  kind: Rank | "group";
  sessions: LiveSession[];
}

export type Rank = "attention" | "working" | "idle" | "finished";
const ranks: [rank: Rank, title: string][] = [
  ["attention", "needs you"],
  ["working", "working"],
  ["idle", "idle"],
  ["finished", "finished"],
];

const rankByStatus: Record<string, Rank> = {
  blocked: "attention",
  plan_ready: "attention",
  awaiting_answer: "attention",
  limited: "attention",
  failed: "attention",
  working: "working",
  spawning: "working",
  idle_done: "idle",
  unknown: "idle",
  dead: "finished",
};

export const rankOf = ({ verdict }: Pick<LiveSession, "verdict">): Rank => rankByStatus[verdict.status] ?? "idle";

const projectOf = (session: Pick<LiveSession, "worktree" | "cwd">): string =>
  (session.worktree ?? session.cwd).split(/[/\\]/).findLast((part) => part !== "") ?? "/";

interface Order {
  filter: string;
  sort: Sort;
  group: Group;
}

export function orderSessions(sessions: readonly LiveSession[], { filter, sort, group }: Order): Section[] {
  const shown = sessions.filter((session) => fitsFilter(session, filter)).sort(comparators[sort]);
  if (group !== "none") {
    const keyOf = (session: LiveSession) => (group === "project" ? projectOf(session) : (session.profile ?? "no profile"));
    const sections = [...Map.groupBy(shown, keyOf)].map(([title, group]): Section => ({ title, kind: "group", sessions: group }));
    return sections.sort((a, b) => a.title.localeCompare(b.title));
  }
  if (sort !== "attention") return shown.length === 0 ? [] : [{ title: `by ${sort}`, kind: "group", sessions: shown }];
  return ranks
    .map(([kind, title]): Section => ({ title, kind, sessions: shown.filter((session) => rankOf(session) === kind) }))
    .filter((section) => section.sessions.length > 0);
}

const rankIndex = (session: LiveSession): number => ranks.findIndex(([rank]) => rank === rankOf(session));
/** A stable last word, so that rows do not jump. */
const byKey = (a: LiveSession, b: LiveSession): number => a.pid - b.pid || a.key.localeCompare(b.key);

const comparators: Record<Sort, (a: LiveSession, b: LiveSession) => number> = {
  attention: (a, b) => rankIndex(a) - rankIndex(b) || compareWithin(a, b) || byKey(a, b),
  cost: (a, b) => (b.meter?.costUsd ?? -1) - (a.meter?.costUsd ?? -1) || byKey(a, b),
  context: (a, b) => (b.meter?.contextPercent ?? -1) - (a.meter?.contextPercent ?? -1) || byKey(a, b),
  name: (a, b) => a.name.localeCompare(b.name) || byKey(a, b),
  age: (a, b) => a.since - b.since || byKey(a, b),
};

/** Somebody can do something now, after that, or only time can. */
const urgency = ({ verdict }: LiveSession): number => (verdict.status === "limited" ? 2 : verdict.status === "failed" ? 1 : 0);

/** Who has waited longest comes first; of the rest, whoever moved last. */
const compareWithin = (a: LiveSession, b: LiveSession): number =>
  rankOf(a) === "attention"
    ? urgency(a) - urgency(b) || a.since - b.since
    : rankOf(a) === "working"
      ? a.name.localeCompare(b.name)
      : b.since - a.since;

/** Every word of the filter must stand somewhere. */
function fitsFilter(session: LiveSession, filter: string): boolean {
  const words = filter
    .toLowerCase()
    .split(/\s+/)
    .filter((word) => word !== "");
  if (words.length === 0) return true;
  const { name, cwd, model, branch, profile, sessionId, kind, verdict, driver } = session;
  const text = [name, cwd, model, branch, profile, sessionId, kind, verdict.status, driver, projectOf(session)].join(" ").toLowerCase();
  return words.every((word) => text.includes(word));
}
