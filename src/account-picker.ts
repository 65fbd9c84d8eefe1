import { duration } from "./format.ts";
import { promptAutocomplete } from "./prompts.ts";
import { printableLine } from "./sanitize.ts";
import type { Ranking } from "./scorer.ts";
import { type UsageReport, windowNow } from "./usage.ts";

export interface AccountRow {
  value: string;
  label: string;
}

/** In the order of the scorer; the star stands only before one that has room. */
export function createAccountRows(report: UsageReport, ranking: Ranking): AccountRow[] {
  const nameWidth = Math.max(10, ...ranking.rows.map(({ name }) => name.length));
  return ranking.rows.map((row) => {
    const profile = report.profiles.find((known) => known.isRegistered && known.name === row.name);
    const mark = row.name === ranking.winner ? "★" : " ";
    return {
      value: row.name,
      label: `${mark} ${row.name.padEnd(nameWidth)} ${profile === undefined ? "" : usageText(profile, report.now)}`.trimEnd(),
    };
  });
}

function usageText(profile: UsageReport["profiles"][number], now: number): string {
  const age = profile.readAt === undefined || now - profile.readAt < 60_000 ? "" : `(read ${duration(now - profile.readAt)} ago)`;
  const [session, week] = [windowNow(profile, "five_hour", now), windowNow(profile, "seven_day", now)];
  const resetsAt = session?.resetsAt ?? week?.resetsAt;
  const facts = [
    session === undefined ? "" : `session ${Math.round(session.usedPercent)}%`,
    week === undefined ? "" : `week ${Math.round(week.usedPercent)}%`,
    resetsAt === undefined ? "" : `resets in ${duration(resetsAt - now)}`,
  ].filter((text) => text !== "");
  const known =
    profile.error !== undefined ? `[error: ${printableLine(profile.error)}]` : facts.length === 0 ? "(no usage data)" : facts.join("   ");
  return [known, profile.isDisabled ? "(disabled)" : "", profile.isCurrent ? "(current)" : "", age]
    .filter((text) => text !== "")
    .join("   ");
}

/** Where the cursor starts: at the recommendation, else where one is already. */
export const pickInitial = (ranking: Ranking, current: string | undefined): string | undefined =>
  ranking.winner ?? (ranking.rows.some(({ name }) => name === current) ? current : undefined);

/** Asks which account to use; undefined when it is cancelled, and then nothing is to be started. */
export function promptAccount(report: UsageReport, ranking: Ranking, current: string | undefined): Promise<string | undefined> {
  const initial = pickInitial(ranking, current);
  return promptAutocomplete({
    message: "account",
    choices: createAccountRows(report, ranking),
    ...(initial === undefined ? {} : { initial }),
  });
}
