import { exitCode, SilentExit } from "./errors.ts";
import { duration } from "./format.ts";
import { present } from "./json.ts";
import { tell } from "./output.ts";
import { printableLine } from "./printable.ts";
import { findProfile, type Profile, type Registry } from "./profiles.ts";
import type { Ranking } from "./scorer.ts";
import type { Sys } from "./sys.ts";
import { rankAccounts, readUsage, type UsageReport, windowNow } from "./usage.ts";

interface AccountQuestion {
  registry: Registry;
  current: Profile | undefined;
  hasTerminal: boolean;
  asks: boolean;
  /** Its own week counts too. */
  model: string | undefined;
}

/** The profile with room, as the scorer sees it; asked for where the user wants to be asked, or where nothing is known. */
export async function chooseAccount(
  sys: Sys,
  { registry, current, hasTerminal, asks, model }: AccountQuestion,
): Promise<Profile | undefined> {
  // Looking through all transcripts takes longer the more there are; a launch does not wait for that.
  const report = await readUsage(sys, { registry, fetches: true, looks: false, warn: (text) => tell(sys, text) });
  const options = present({ current: current?.name, model });
  const ranking = rankAccounts(sys, report, options);
  // A person is shown what would be recommended by what is known, however old that is, and its age.
  if (asks || (ranking.outcome === "no-data" && report.isConfigured && hasTerminal))
    return promptProfile(sys, registry, report, rankAccounts(sys, report, { ...options, hasAgeGate: false }), current);
  return followRanking(sys, registry, report, ranking, current);
}

function followRanking(
  sys: Sys,
  registry: Registry,
  report: UsageReport,
  ranking: Ranking,
  current: Profile | undefined,
): Profile | undefined {
  const kept = current === undefined ? "" : ` — keeping current profile (${current.name})`;
  if (ranking.outcome === "all-saturated") tell(sys, `warning: all accounts at session/week limit${kept}`);
  // Something is known, and too old to decide: to stay is a choice as well.
  if (ranking.outcome === "no-data" && newestAge(report.profiles, report.now) !== undefined)
    tell(sys, `warning: ${ranking.why}${report.failure === undefined ? "" : ` (${report.failure})`}${kept}`);
  const winner = ranking.outcome === "winner" ? findProfile(registry, ranking.winner ?? "") : undefined;
  if (winner === undefined || winner.name === current?.name) return current;
  tell(sys, `auto-pick → ${winner.name} (${ranking.why}${staleText(report, winner.name)})`);
  return winner;
}

/** Older than this it is told with a choice: claude says it anew with every answer. */
const freshMs = 1_800_000;

function staleText({ profiles, now, failure }: UsageReport, name: string): string {
  const age = newestAge(
    profiles.filter((profile) => profile.name === name),
    now,
  );
  if (age === undefined || (age <= freshMs && failure === undefined)) return "";
  return `; by data that is ${duration(age)} old${failure === undefined ? "" : `, as ${failure}`}`;
}

function newestAge(profiles: UsageReport["profiles"], now: number): number | undefined {
  const times = profiles.flatMap(({ isRegistered, readAt }) => (isRegistered && readAt !== undefined ? [readAt] : []));
  return times.length === 0 ? undefined : now - Math.max(...times);
}

async function promptProfile(
  sys: Sys,
  registry: Registry,
  report: UsageReport,
  ranking: Ranking,
  current: Profile | undefined,
): Promise<Profile | undefined> {
  const name = await promptAccount(report, ranking, current?.name);
  if (name === undefined) {
    tell(sys, "cancelled.");
    throw new SilentExit(exitCode.ok);
  }
  return findProfile(registry, name);
}

interface AccountRow {
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
async function promptAccount(report: UsageReport, ranking: Ranking, current: string | undefined): Promise<string | undefined> {
  const initial = pickInitial(ranking, current);
  return (await import("./prompts.ts")).promptAutocomplete({
    message: "account",
    choices: createAccountRows(report, ranking),
    ...present({ initial }),
  });
}
