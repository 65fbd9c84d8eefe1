import { readUsage as readCost } from "./cost.ts";
import { costSources } from "./cost-files.ts";
import { quarterMs } from "./cost-records.ts";
import { present } from "./json.ts";
import { findProjectRoot } from "./rules-file.ts";
import { effectiveWindow } from "./scorer.ts";
import type { Sys } from "./sys.ts";
import { createAverages, type Estimate, estimateRun, listPast, type PayingAccount } from "./task-estimate.ts";
import type { TaskGraph } from "./task-graph.ts";
import { type ProfileUsage, rankAccounts, readUsage } from "./usage.ts";

/** What a run of this graph would take, by the past sessions and the windows that are known here; nobody is asked. */
export async function forecastRun(
  sys: Sys,
  graph: TaskGraph,
  onProgress?: (doneBytes: number, allBytes: number) => void,
): Promise<Estimate> {
  const { sums, origins } = await readCost(sys, { ...costSources(sys), ...present({ onProgress }) });
  const roots = new Map<string, string>();
  const rootOf = (folder: string): string => {
    const known = roots.get(folder) ?? findProjectRoot(sys, folder);
    roots.set(folder, known);
    return known;
  };
  const averageOf = createAverages(listPast(sums, origins, rootOf));
  const report = await readUsage(sys, { fetches: false });
  const order = rankAccounts(sys, report, {}).rows.map(({ name }) => name);
  const registered = report.profiles.filter(({ isRegistered, isDisabled }) => isRegistered && !isDisabled);
  const paying =
    registered.length > 0
      ? registered.toSorted((a, b) => order.indexOf(a.name) - order.indexOf(b.name))
      : report.profiles.filter(({ isCurrent }, _, { length }) => isCurrent || length === 1);
  const spends = sums.cells.map(({ file, quarter, costUsd }) => ({ at: quarter * quarterMs, costUsd, profile: origins[file]?.profile }));
  const accounts = [...Map.groupBy(paying, ({ account }) => account).values()].map((profiles) =>
    payingAccount(profiles, spends, sys.now()),
  );
  return estimateRun(graph, ({ cwd, model }) => averageOf(rootOf(cwd), model), accounts);
}

interface Spend {
  /** Of a quarter of an hour. */
  at: number;
  costUsd: number;
  /** Undefined for a config dir that is no profile. */
  profile: string | undefined;
}

const lengthMs = { five_hour: 5 * 3_600_000, seven_day: 7 * 86_400_000 } as const;
/** Below, what a hundredth of a window costs is lost in rounding. */
const leastPercent = 1;

function payingAccount(profiles: readonly ProfileUsage[], spends: readonly Spend[], now: number): PayingAccount {
  const isOwn = ({ profile }: Spend) =>
    profiles.some(({ isRegistered, name }) => (isRegistered ? name === profile : profile === undefined));
  const windows = (["five_hour", "seven_day"] as const).flatMap((name) => {
    const reading = profiles[0]?.windows.get(name);
    if (reading === undefined) return [];
    const { usedPercent, at, resetsAt = at + lengthMs[name] } = reading;
    const startAt = resetsAt - lengthMs[name];
    const spent = spends.reduce(
      (sum, spend) => (spend.at + quarterMs > startAt && spend.at <= at && isOwn(spend) ? sum + spend.costUsd : sum),
      0,
    );
    const usdPerPercent = usedPercent >= leastPercent && spent > 0 ? spent / usedPercent : undefined;
    return [{ name, usedPercent: effectiveWindow(reading, now)?.usedPercent ?? 0, ...present({ usdPerPercent }) }];
  });
  return { profiles: profiles.map(({ name }) => name), windows };
}
