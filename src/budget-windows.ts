import type { Budget, Standing } from "./budgets.ts";
import { effectiveWindow } from "./scorer.ts";
import type { Sys } from "./sys.ts";
import { type ProfileUsage, readUsage } from "./usage.ts";

/** How much of their windows the accounts have used, for budgets that are a share of one: by the ledger, without asking anybody. */
export async function readWindows(sys: Sys, budgets: readonly Budget[]): Promise<Standing[]> {
  const { profiles } = await readUsage(sys, { fetches: false });
  const accounts = [...Map.groupBy(profiles, ({ account }) => account).values()];
  return budgets.flatMap((budget) => accounts.flatMap((profiles) => windowStanding(budget, profiles, sys.now()) ?? []));
}

/** Sources tell the same end to some seconds. */
const sameEndMs = 10 * 60_000;

/** The fullest of the windows that are as long as the period; undefined where none is known. */
function windowStanding(budget: Budget, profiles: readonly ProfileUsage[], now: number): Standing | undefined {
  const known = profiles.filter(
    ({ name }) => budget.profile === undefined || budget.profile.some((word) => word.toLowerCase() === name.toLowerCase()),
  );
  const [profile] = known;
  if (profile === undefined) return undefined;
  const windows = [...profile.windows].flatMap(([name, reading]) => {
    const window = isOfPeriod(budget, name) ? effectiveWindow(reading, now) : undefined;
    return window === undefined ? [] : [{ name, ...window }];
  });
  const fullest = windows.sort((a, b) => b.usedPercent - a.usedPercent)[0];
  if (fullest === undefined) return undefined;
  const { name, usedPercent, resetsAt } = fullest;
  return {
    budget,
    spent: usedPercent,
    of: `${profile.account} ${name} ${Math.round((resetsAt ?? 0) / sameEndMs)}`,
    ofName: `of the ${name === "five_hour" ? "5-hour" : "weekly"} window of ${known.map((one) => one.name).join(", ")}`,
    dirs: known.map(({ real }) => real),
    sessions: [],
    unpriced: [],
    isPartial: false,
    ...(resetsAt === undefined ? {} : { endsAt: resetsAt }),
  };
}

/** The five hours for a session and a day, the week for a week, all of them for a month; a model's own for that model. */
function isOfPeriod({ period, model }: Budget, window: string): boolean {
  const isShort = window === "five_hour";
  if (period !== "month" && isShort !== (period === "session" || period === "day")) return false;
  const own = /^seven_day_(.+)$/.exec(window)?.[1];
  return own === undefined || model?.some((word) => own.split("_").every((part) => word.toLowerCase().includes(part))) === true;
}
