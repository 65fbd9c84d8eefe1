import { exitCode, SilentExit } from "./errors.ts";
import type { ProfileRequest } from "./launcher.ts";
import { findProfile, type Profile, type Registry } from "./registry.ts";
import type { Ranking } from "./scorer.ts";
import { type Sys, tell } from "./sys.ts";
import { rankAccounts, readUsage, type UsageReport } from "./usage.ts";

/** The profile with room, as the scorer sees it; asked for where the user wants to be asked, or where nothing is known. */
export async function chooseAccount(sys: Sys, request: ProfileRequest, asks: boolean): Promise<Profile | undefined> {
  const { registry, current } = request;
  // Looking through all transcripts takes longer the more there are; a launch does not wait for that.
  const report = await readUsage(sys, { registry, fetches: true, looks: false, warn: (text) => tell(sys, text) });
  const ranking = rankAccounts(sys, report, current === undefined ? {} : { current: current.name });
  if (asks || (ranking.outcome === "no-data" && report.isConfigured && request.hasTerminal))
    return promptProfile(sys, registry, report, ranking, current);
  return followRanking(sys, registry, ranking, current);
}

function followRanking(sys: Sys, registry: Registry, ranking: Ranking, current: Profile | undefined): Profile | undefined {
  if (ranking.outcome === "all-saturated")
    tell(sys, `warning: all accounts at session/week limit${current === undefined ? "" : ` — keeping current profile (${current.name})`}`);
  const winner = ranking.outcome === "winner" ? findProfile(registry, ranking.winner ?? "") : undefined;
  if (winner === undefined || winner.name === current?.name) return current;
  tell(sys, `auto-pick → ${winner.name} (${ranking.why})`);
  return winner;
}

async function promptProfile(
  sys: Sys,
  registry: Registry,
  report: UsageReport,
  ranking: Ranking,
  current: Profile | undefined,
): Promise<Profile | undefined> {
  const { promptAccount } = await import("./account-picker.ts");
  const name = await promptAccount(report, ranking, current?.name);
  if (name === undefined) {
    tell(sys, "cancelled.");
    throw new SilentExit(exitCode.ok);
  }
  return findProfile(registry, name);
}
