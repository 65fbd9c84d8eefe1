import type { Merged } from "./cost-records.ts";
import { quarterMs } from "./cost-records.ts";
import type { FileOrigin } from "./cost-report.ts";
import { present } from "./json.ts";
import { anyProfile } from "./task-expand.ts";
import type { Task, TaskGraph } from "./task-graph.ts";

/** A conversation of the past with its sub-agents. */
interface PastSession {
  /** The root of the project that it ran in. */
  project: string;
  /** The one that cost the most. */
  model: string;
  costUsd: number;
  workMs: number;
  lastAt: number;
}

/** So long an answer takes, where only the end of it is known. */
const answerMs = 20_000;

/** Those whose cost is known. `rootOf`: the project that a folder lies in. */
export function listPast(
  { models, cells }: Pick<Merged, "models" | "cells">,
  origins: readonly FileOrigin[],
  rootOf: (folder: string) => string,
): PastSession[] {
  const sessions = Map.groupBy(
    cells.filter(({ unpriced }) => unpriced === 0),
    ({ file }) => origins[file]?.sessionId ?? "",
  );
  return [...sessions].flatMap(([id, own]) => {
    const origin = own.map(({ file }) => origins[file]).find((each) => each !== undefined);
    const costUsd = own.reduce((sum, cell) => sum + cell.costUsd, 0);
    if (id === "" || origin === undefined || costUsd <= 0) return [];
    const byModel = new Map<number, number>();
    for (const cell of own) byModel.set(cell.model, (byModel.get(cell.model) ?? 0) + cell.costUsd);
    const [model] = [...byModel].reduce((most, each) => (each[1] > most[1] ? each : most));
    return {
      project: rootOf(origin.project),
      model: models[model] ?? "",
      costUsd,
      workMs: workOf(own),
      lastAt: Math.max(...own.map(({ lastAt }) => lastAt)),
    };
  });
}

/** Quarters that follow one another are one stretch of work; what lies between others is not. */
function workOf(cells: Merged["cells"]): number {
  const quarters = Map.groupBy(cells, ({ quarter }) => quarter);
  const ends = [...quarters].map(([quarter, own]) => ({
    quarter,
    lastAt: Math.max(...own.map(({ lastAt }) => lastAt)),
    messages: own.reduce((sum, { messages }) => sum + messages, 0),
  }));
  ends.sort((a, b) => a.quarter - b.quarter);
  return ends.reduce((sum, { quarter, lastAt, messages }, index) => {
    const before = ends[index - 1];
    const isOneStretch = before?.quarter === quarter - 1;
    return sum + (isOneStretch ? lastAt - before.lastAt : Math.min(lastAt - quarter * quarterMs, messages * answerMs));
  }, 0);
}

/** What a session took on average, and of which that is known. */
interface Average {
  costUsd: number;
  workMs: number;
  sessions: number;
  of: "project and model" | "project" | "model" | "all sessions";
}

/** Fewer say nothing about others of their kind. */
const leastSessions = 3;
/** The newest ones: work changes, and so do models. */
const mostSessions = 100;

/** Of the nearest kind that there are enough of; undefined where nothing is known at all. */
export function createAverages(past: readonly PastSession[]): (project: string, model: string | undefined) => Average | undefined {
  const newest = [...past].sort((a, b) => b.lastAt - a.lastAt);
  const known = new Map<string, Average | undefined>();
  const isOfModel = (own: string, wanted: string) =>
    wanted
      .toLowerCase()
      .split(/[^a-z0-9]+/)
      .every((part) => own.toLowerCase().includes(part));
  const find = (project: string, model: string | undefined): Average | undefined => {
    const ofProject = newest.filter((session) => session.project === project);
    const fitsModel = (session: PastSession) => model !== undefined && isOfModel(session.model, model);
    const kinds: [Average["of"], PastSession[]][] = [
      ["project and model", ofProject.filter(fitsModel)],
      ["project", model === undefined ? ofProject : []],
      ["model", newest.filter(fitsModel)],
      ["project", ofProject],
    ];
    const [of, sessions] = kinds.find((kind) => kind[1].length >= leastSessions) ?? ["all sessions" as const, newest];
    return averageOf(of, sessions.slice(0, mostSessions));
  };
  return (project, model) => {
    const key = JSON.stringify([project, model]);
    if (!known.has(key)) known.set(key, find(project, model));
    return known.get(key);
  };
}

function averageOf(of: Average["of"], sessions: readonly PastSession[]): Average | undefined {
  if (sessions.length === 0) return undefined;
  const mean = (key: "costUsd" | "workMs") => sessions.reduce((sum, session) => sum + session[key], 0) / sessions.length;
  return { of, costUsd: mean("costUsd"), workMs: mean("workMs"), sessions: sessions.length };
}

/** An account that may pay, as the ledger knows it. */
export interface PayingAccount {
  /** Profiles with this login. */
  profiles: readonly string[];
  windows: readonly {
    name: "five_hour" | "seven_day";
    usedPercent: number;
    /** What a hundredth of it has cost so far; undefined where that is not known. */
    usdPerPercent?: number;
  }[];
}

export interface AccountShare {
  /** Empty where no profile is registered. */
  profiles: readonly string[];
  tasks: number;
  costUsd: number;
  /** 100 is a whole window; undefined where that is not known. */
  fiveHourPercent?: number;
  weekPercent?: number;
}

export interface Estimate {
  /** That run if none fails. */
  tasks: number;
  /** Of these, those of which nothing is known. */
  unknownTasks: number;
  costUsd: number;
  /** Of all of them. */
  workMs: number;
  /** With so many at once. */
  wallMs: number;
  averages: Average[];
  accounts: AccountShare[];
}

/** What a run would take. `accounts`: the best first, as the scorer has them. */
export function estimateRun(
  { tasks, jobs }: TaskGraph,
  averageOfTask: (task: Task) => Average | undefined,
  accounts: readonly PayingAccount[],
): Estimate {
  const counted = tasks.filter(({ condition }) => condition.kind !== "failure");
  const averages = counted.map(averageOfTask);
  const costs = new Map(
    counted.map((task, index) => [
      task.id,
      {
        costUsd: Math.min(averages[index]?.costUsd ?? 0, task.budgetUsd ?? Number.POSITIVE_INFINITY),
        workMs: averages[index]?.workMs ?? 0,
      },
    ]),
  );
  const sum = (key: "costUsd" | "workMs") => [...costs.values()].reduce((total, cost) => total + cost[key], 0);
  const longest = longestWay(tasks, (id) => costs.get(id)?.workMs ?? 0);
  const ofGroups = new Map<string, number>();
  for (const { id, concurrency = "" } of counted)
    if (concurrency !== "") ofGroups.set(concurrency, (ofGroups.get(concurrency) ?? 0) + (costs.get(id)?.workMs ?? 0));
  return {
    tasks: counted.length,
    unknownTasks: averages.filter((average) => average === undefined).length,
    costUsd: sum("costUsd"),
    workMs: sum("workMs"),
    wallMs: Math.max(
      longest,
      [...ofGroups.values()].reduce((most, workMs) => Math.max(most, workMs), 0),
      sum("workMs") / jobs,
    ),
    averages: distinct(averages),
    accounts: shareOut(
      counted.map(({ id, profile }) => ({ profile, costUsd: costs.get(id)?.costUsd ?? 0 })),
      accounts,
    ),
  };
}

/** Those of two projects may be the same sessions. */
const distinct = (averages: readonly (Average | undefined)[]): Average[] => [
  ...new Map(
    [...new Set(averages)].flatMap((average) => (average === undefined ? [] : [[JSON.stringify(average), average] as const])),
  ).values(),
];

function longestWay(tasks: readonly Task[], workOfTask: (id: string) => number): number {
  const ends = new Map<string, number>();
  let longest = 0;
  for (const { id, dependsOn } of tasks) {
    let start = 0;
    for (const before of dependsOn) start = Math.max(start, ends.get(before) ?? 0);
    const end = start + workOfTask(id);
    ends.set(id, end);
    longest = Math.max(longest, end);
  }
  return longest;
}

/** A task without a profile of its own goes to the first account whose windows hold it yet, else to the one with the least of all. */
function shareOut(tasks: readonly { profile: string; costUsd: number }[], accounts: readonly PayingAccount[]): AccountShare[] {
  const shares = accounts.map((account) => ({ account, tasks: 0, costUsd: 0 }));
  const nobody = { account: { profiles: [], windows: [] } as PayingAccount, tasks: 0, costUsd: 0 };
  const isHeld = ({ account, costUsd }: (typeof shares)[number], more: number) =>
    account.windows.every(
      ({ usedPercent, usdPerPercent }) => usdPerPercent === undefined || usedPercent + (costUsd + more) / usdPerPercent <= 100,
    );
  for (const { profile, costUsd } of tasks) {
    const share =
      profile === anyProfile
        ? (shares.find((each) => isHeld(each, costUsd)) ??
          shares.reduce((least, each) => (each.costUsd < least.costUsd ? each : least), shares[0] ?? nobody))
        : (shares.find(({ account }) => account.profiles.includes(profile)) ?? nobody);
    share.tasks++;
    share.costUsd += costUsd;
  }
  return [...shares, nobody].flatMap(({ account, tasks: count, costUsd }) => {
    if (count === 0) return [];
    const percentOf = (name: string) => {
      const usdPerPercent = account.windows.find((window) => window.name === name)?.usdPerPercent;
      return usdPerPercent === undefined ? undefined : costUsd / usdPerPercent;
    };
    return {
      profiles: account.profiles,
      tasks: count,
      costUsd,
      ...present({ fiveHourPercent: percentOf("five_hour"), weekPercent: percentOf("seven_day") }),
    };
  });
}

const dollars = (value: number): string => `$${value < 0.1 ? Number(value.toPrecision(2)) : value.toFixed(2)}`;

/** Why this run may not start, one line each. */
export function refusalsOf({ budgetUsd, budgetPercent }: TaskGraph, { costUsd, accounts }: Estimate): string[] {
  return [
    ...(budgetUsd !== undefined && costUsd > budgetUsd ? [`about ${dollars(costUsd)}, and budget_usd is ${dollars(budgetUsd)}`] : []),
    ...accounts.flatMap(({ profiles, weekPercent }) =>
      budgetPercent !== undefined && weekPercent !== undefined && weekPercent > budgetPercent
        ? [`about ${Math.ceil(weekPercent)} % of the week of ${profiles.join(", ")}, and budget_percent is ${budgetPercent}`]
        : [],
    ),
  ];
}
