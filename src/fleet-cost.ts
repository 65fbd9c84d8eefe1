import { addTokens, noTokens } from "./accounting.ts";
import { readProfiles } from "./accounts.ts";
import { createCalendar, mondayOf, monthOf } from "./calendar.ts";
import { readUsage } from "./cost.ts";
import { costSources } from "./cost-files.ts";
import { type Merged, quarterMs } from "./cost-records.ts";
import { type CostRow, emptyRow, type FileOrigin, type Report, type ReportOptions, sortRows } from "./cost-report.ts";
import { type Membership, ownOf } from "./fleet.ts";
import { fleetKeys } from "./fleet-access.ts";
import { lookAtTold, openSeen } from "./fleet-look.ts";
import { hashOf } from "./fleet-usage.ts";
import { brokenWords, staleWords } from "./fleet-view.ts";
import { timed } from "./format.ts";
import { isRecord, parseJson, present } from "./json.ts";
import { fleetCostPath } from "./paths.ts";
import { readRegistryOrNone } from "./profiles.ts";
import type { Sys } from "./sys.ts";
import { openLedger } from "./usage-ledger.ts";

/**
 * What a machine's own transcripts say was used, by account, source and day: each machine tells its own, and readers add up. Days are
 * those of its clock on the wall.
 */
interface MachineCost {
  v: 1;
  machine: string;
  at: number;
  accounts: AccountCost[];
}

interface AccountCost {
  /** A hash of the login; of a folder without one it is this machine's alone. */
  account: string;
  profile: string;
  source: "transcripts";
  models: string[];
  /** Day, then as `figures` has it. */
  days: [day: string, ...numbers: number[]][];
}

const figures = ["input", "output", "write5m", "write1h", "cacheRead", "webSearches", "costUsd", "unpriced", "messages", "lastAt"] as const;
type Figures = Record<(typeof figures)[number], number>;

/** More than a year; older ones are asked of the machine itself. */
const toldDays = 400;
const mostAccounts = 200;

/** By the accounts that the profiles have now: whose a transcript was when it was written nobody has noted. */
export function toMachineCost(
  { models, cells }: Pick<Merged, "models" | "cells">,
  origins: readonly FileOrigin[],
  {
    machine,
    at,
    dayOf,
    accountOf,
  }: { machine: string; at: number; dayOf(at: number): string; accountOf(profile: string | undefined): string },
): MachineCost {
  const first = dayOf(at - toldDays * 86_400_000);
  const accounts = new Map<string, { profile: string; models: Set<string>; days: Map<string, Figures> }>();
  for (const cell of cells) {
    const day = dayOf(cell.quarter * quarterMs);
    if (day < first) continue;
    const { profile } = origins[cell.file] ?? {};
    const key = accountOf(profile);
    const account = accounts.get(key) ?? { profile: profile ?? "claude", models: new Set(), days: new Map() };
    accounts.set(key, account);
    account.models.add(models[cell.model] ?? "");
    const sums = account.days.get(day) ?? (Object.fromEntries(figures.map((figure) => [figure, 0])) as Figures);
    account.days.set(day, sums);
    for (const figure of figures) sums[figure] = figure === "lastAt" ? Math.max(sums.lastAt, cell.lastAt) : sums[figure] + cell[figure];
  }
  return {
    ...{ v: 1, machine, at },
    accounts: [...accounts].map(([account, { profile, models: used, days }]) => ({
      ...{
        account,
        profile: profile.slice(0, 200),
        source: "transcripts",
        models: [...used].slice(0, 50).map((model) => model.slice(0, 100)),
      },
      // What a cent is made of differs by the order in which it is added.
      days: [...days].sort().map(([day, sums]) => [day, ...figures.map((figure) => Math.round(sums[figure] * 1e6) / 1e6)]),
    })),
  };
}

/** 2026-02-30 is none, however it is read. */
const isDate = (day: string): boolean => {
  const at = Date.parse(`${day}T00:00:00Z`);
  return Number.isFinite(at) && new Date(at).toISOString().startsWith(day);
};

const isDay = (value: unknown): boolean =>
  Array.isArray(value) &&
  value.length === figures.length + 1 &&
  typeof value[0] === "string" &&
  /^\d{4}-\d\d-\d\d$/.test(value[0]) &&
  isDate(value[0]) &&
  value.every((each, at) => at === 0 || (Number.isFinite(each) && each >= 0 && each <= 8.64e15));

const isTexts = (value: unknown, most: number): boolean =>
  Array.isArray(value) && value.length <= most && value.every((each) => typeof each === "string" && each.length <= 200);

/** A row that does not fit costs no other one. */
export function parseMachineCost(value: unknown): MachineCost | undefined {
  if (!isRecord(value) || value.v !== 1 || typeof value.machine !== "string" || !Number.isSafeInteger(value.at)) return undefined;
  const told: unknown[] = Array.isArray(value.accounts) ? value.accounts.slice(0, mostAccounts) : [];
  const accounts = told.flatMap((each) => {
    if (!isRecord(each) || !isTexts([each.account, each.profile], 2) || !isTexts(each.models, 50) || !Array.isArray(each.days)) return [];
    return { ...each, source: "transcripts", days: each.days.slice(0, 2 * toldDays).filter(isDay) } as unknown as AccountCost;
  });
  return { v: 1, machine: value.machine, at: value.at as number, accounts };
}

/**
 * What other machines told added to what is `own`, whatever the report is by. `namesOf`: what an account is called here. They tell
 * models by account, not by day.
 */
export function addToReport(
  own: Report,
  costs: readonly MachineCost[],
  { grouping, since = "", until = "9999", profile }: ReportOptions,
  namesOf: (account: string) => readonly string[],
): Report {
  const rows = new Map(own.rows.map((row) => [row.key, row]));
  const isByAccount = grouping === "machine" || grouping === "account";
  for (const { machine, accounts } of costs)
    for (const { account, profile: name, models, days } of accounts) {
      const names = namesOf(account);
      if (profile !== undefined && !(names.length === 0 ? [name] : names).includes(profile)) continue;
      for (const [day, ...numbers] of days) {
        if (day < since || day > until) continue;
        const key = keyOf(grouping, { day, machine, account: names[0] ?? `${machine}/${name}` });
        const row = rows.get(key) ?? emptyRow(key);
        rows.set(key, row);
        for (const each of [row, own.totals]) addDay(each, numbers, isByAccount ? models : []);
      }
    }
  return { ...own, rows: sortRows([...rows.values()], grouping) };
}

const keyOf = (
  grouping: ReportOptions["grouping"],
  { day, machine, account }: { day: string; machine: string; account: string },
): string =>
  grouping === "machine"
    ? machine
    : grouping === "account"
      ? account
      : grouping === "monthly"
        ? monthOf(day)
        : grouping === "weekly"
          ? mondayOf(day)
          : day;

function addDay(row: CostRow, numbers: readonly number[], models: readonly string[]): void {
  const sums = Object.fromEntries(figures.map((figure, at) => [figure, numbers[at] ?? 0])) as Figures;
  addTokens(row.tokens, { ...noTokens(), ...sums });
  for (const figure of ["webSearches", "costUsd", "unpriced", "messages"] as const) row[figure] += sums[figure];
  row.lastAt = Math.max(row.lastAt, sums.lastAt);
  for (const model of models) if (!row.models.includes(model)) row.models.push(model);
}

/** The accounts of this machine's profiles, as the fleet knows them, and what they are called here. */
function readAccountNames(sys: Sys, machine: string) {
  const ledger = openLedger(sys);
  try {
    const profiles = readProfiles(sys, ledger, readRegistryOrNone(sys));
    // Somebody else's folder may have the same path.
    const told = (account: string) => hashOf(account.startsWith("dir:") ? `${machine}/${account}` : account);
    const byProfile = new Map(profiles.map(({ name, account }) => [name, told(account)]));
    const names = Map.groupBy(profiles, ({ account }) => told(account));
    const accountOf = (profile: string | undefined) => byProfile.get(profile ?? "claude") ?? told(`dir:${profile ?? ""}`);
    return { accountOf, namesOf: (account: string) => (names.get(account) ?? []).map(({ name }) => name) };
  } finally {
    ledger.close();
  }
}

/** Counting takes its time: what is told is no newer than this. */
const countEveryMs = 300_000;

/** What this machine has used, counted anew now and then in the background. */
export function openMachineCost(sys: Sys, machine: string) {
  let known: MachineCost | undefined;
  let countedAt = Number.NEGATIVE_INFINITY;
  const count = async () => {
    const usage = await readUsage(sys, costSources(sys));
    const { accountOf } = readAccountNames(sys, machine);
    known = toMachineCost(usage.sums, usage.origins, { machine, at: sys.now(), dayOf: createCalendar().dayOf, accountOf });
  };
  return (): MachineCost | undefined => {
    if (Math.abs(sys.now() - countedAt) >= countEveryMs) {
      countedAt = sys.now();
      // What cannot be counted now may be the next time; `csm cost` says why.
      void count().catch(() => {});
    }
    return known;
  };
}

/** What every machine has used, added up: of this one as it is now, of the others as they told it last. */
export async function askCosts(sys: Sys, membership: Membership) {
  const { told, failure, readAt } = await lookAtTold(sys, membership, openSeen(sys, fleetCostPath(sys)), fleetKeys.cost);
  const now = sys.now();
  const others = told.machines
    .filter(({ name }) => name !== membership.machine)
    .map(({ name, isLive, text }) => ({
      name,
      isLive,
      isBroken: text !== undefined,
      cost: ownOf(parseMachineCost(parseJson(text)), name),
    }));
  return (local: Report, options: ReportOptions) => {
    const { machine } = membership;
    // What it has itself told is less than what it knows.
    const own = options.grouping === "machine" ? { ...local, rows: local.rows.map((row) => ({ ...row, key: machine })) } : local;
    const known = others.flatMap(({ cost }) => cost ?? []);
    const words = [
      staleWords({ failure, ...present({ readAt }) }, now),
      brokenWords(
        others.map(({ name, isLive, isBroken, cost }) => ({ name, isLive, ...(isBroken && cost === undefined ? { isBroken } : {}) })),
      ),
    ].filter((each) => each !== undefined);
    return {
      report: addToReport(own, known, options, readAccountNames(sys, machine).namesOf),
      ...(words.length === 0 ? {} : { words: words.join("; ") }),
      json: {
        ...{ machine, fleet_failure: failure ?? null },
        machines: [
          { machine, ...timed("told", now), stale_ms: null },
          ...others.flatMap(({ cost, isLive }) =>
            // It counts now and then, and says so: heard of, what it told is of now.
            cost === undefined
              ? []
              : { machine: cost.machine, ...timed("told", cost.at), stale_ms: isLive ? 0 : Math.max(0, now - cost.at) },
          ),
        ],
      },
    };
  };
}
