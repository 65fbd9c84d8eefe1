import type { Actions } from "./actions.ts";
import { readStandings, spenderOf, tellStandings } from "./budget-spend.ts";
import {
  type Budget,
  concerns,
  isAbout,
  type Level,
  levelOf,
  occasionOf as lineOf,
  type Standing,
  spentPercent,
  standingText,
} from "./budgets.ts";
import { UserError } from "./errors.ts";
import { isRecord, present } from "./json.ts";
import type { Notice } from "./notices.ts";
import { type Done, type Occasions, openOccasions } from "./occasions.ts";
import { ruleFiles } from "./paths.ts";
import type { Origin } from "./peer.ts";
import { realDir } from "./profiles.ts";
import { chooseRules, hasLeft, isActing, isOver, lagMs, type Occasion, occasionOf } from "./rule-occasions.ts";
import type { Rule, SessionFacts, ToolCall } from "./rules.ts";
import { toCall } from "./rules-decide.ts";
import type { RuleBook } from "./rules-file.ts";
import type { LiveSession } from "./session.ts";
import { isAtWork, stateWords } from "./statuses.ts";
import { isPast, type Sys } from "./sys.ts";
import { stateOf } from "./sys-files.ts";
import { gateIdOf, whyNot } from "./verbs.ts";
import { gone } from "./watch.ts";

/** Something that a rule or a budget did, or wanted to do. */
export interface Deed {
  action: "notify" | "send" | "stop";
  /** Name of the rule or the budget. */
  rule: string;
  /** Undefined for a budget of several sessions. */
  session?: LiveSession;
  /** What was done, or why it was not. */
  text: string;
  isRefused: boolean;
}

/** How the files stand: one of them is broken, a budget is nearly or all used up, or nothing is the matter. */
export interface RulesBadge {
  level: "broken" | Level;
  text: string;
}

/** Acts on sessions as the user's rules and budgets say, once for each occasion, whoever else does it too. */
export interface Actor {
  /** What a look has seen; resolves when all that it brings about is done. A deed that takes long keeps no later look waiting. */
  look(sessions: readonly LiveSession[]): Promise<void>;
  /** Undefined where there are no files. */
  badge(): RulesBadge | undefined;
  /** A rule acts on sessions, or there is a budget. */
  isNeeded(): Promise<boolean>;
  /** When nothing is being done any more. */
  rest(): Promise<void>;
}

export interface ActorOptions {
  onDeed?: (deed: Deed) => void;
  /** The others are left alone. */
  isMeant?: (session: LiveSession) => boolean;
}

const budgetsEveryMs = 5000;
const usageEveryMs = 10_000;

/** Acts on sessions as the user's rules and budgets say, once for each occasion, whoever else does it too. */
export function createActor(
  sys: Sys,
  actions: Pick<Actions, "act">,
  { onDeed = () => {}, isMeant = () => true }: ActorOptions = {},
): Actor {
  const occasions = openOccasions(sys);
  const book = createBookReader(sys);
  const usage = createUsageReader(sys);
  const budgets = createBudgetReader(sys);
  const hands: Hands = {
    sys,
    actions,
    occasions,
    onDeed,
    isOwn: createOwnReader(sys),
    isBusy: new Set(),
    settled: new Map(),
    leftAt: new Map(),
    askedAt: new Map(),
  };
  const running = new Set<Promise<unknown>>();
  let before = new Map<string, LiveSession>();
  let conflicts: ReadonlySet<string> = new Set();
  let isLooking = false;

  const start = (deed: Promise<unknown>) => {
    const watched = deed.finally(() => running.delete(watched));
    running.add(watched);
    return watched;
  };
  const actByRules = async ({ rules, notify }: RuleBook, sessions: readonly LiveSession[]) => {
    const acting = rules.filter(isActing);
    if (acting.length === 0) return;
    const needsUsage = acting.some(({ when }) => when.usageAbovePercent !== undefined);
    const percents = needsUsage ? await usage() : undefined;
    for (const session of sessions) {
      const facts = factsOf(sys, session, percents);
      for (const rule of acting) {
        if (isOver(rule, facts)) rearm(hands, rule, session);
        else if (hasLeft(rule, facts)) hands.leftAt.set(occasionOf(rule, session).name, { key: session.key, at: sys.now() });
      }
      const chosen = chooseRules(acting, facts, callOf(sys, session)).filter(
        (rule) => rule.action === "notify" || session.verdict.status !== "dead",
      );
      for (const rule of chosen) void start(carryOut(hands, { rule, session, occasion: occasionOf(rule, session), settings: notify }));
    }
  };
  const raise = async (settings: RuleBook["notify"], notice: Notice) =>
    (await import("./notice-spool.ts")).raiseNotice(sys, settings, notice);
  /** Who has been told of it is told again when it begins anew. */
  const tellConflicts = ({ notify }: RuleBook, sessions: readonly LiveSession[]) => {
    const found = conflictsOf(sessions, sys.now());
    for (const [about, notice] of found) if (!conflicts.has(about)) void start(raise(notify, notice).catch(() => undefined));
    conflicts = new Set(found.keys());
  };
  const look = async (seen: readonly LiveSession[]) => {
    const found = await book.read();
    if (found === undefined) return;
    const meant = seen.filter((session) => session.where === undefined && isMeant(session));
    const left = [...before.values()].filter(({ key }) => !meant.some((session) => session.key === key));
    before = new Map(meant.map((session) => [session.key, session]));
    forgetGone(hands, seen);
    await actByRules(found, [...meant, ...left.map((session) => ({ ...session, verdict: gone, since: sys.now() }))]);
    if (found.notify.channels.length > 0) tellConflicts(found, meant);
    if (found.budgets.length === 0) return;
    const standings = await budgets.read(found, meant);
    await tellOfBudgets(hands, standings, meant, (notice) => raise(found.notify, notice));
    for (const task of stopsOf(sys, standings, meant)) void start(carryOut(hands, { ...task, settings: found.notify }));
  };
  return {
    async look(sessions) {
      // The next one sees it, too.
      if (isLooking) return;
      isLooking = true;
      try {
        await look(sessions);
      } catch (error) {
        if (!(error instanceof UserError)) throw error;
        // A file that cannot be read now: the badge says so, and the next look tries again.
      } finally {
        isLooking = false;
      }
      await Promise.all(running);
    },
    async isNeeded() {
      const found = await book.read();
      return found !== undefined && (found.rules.some(isActing) || found.budgets.length > 0 || found.notify.channels.length > 0);
    },
    badge: () => badgeOf(book.last(), budgets.last()),
    async rest() {
      await Promise.all(running);
    },
  };
}

// --- what is known -----------------------------------------------------------------------------------------------

/** The user's own files, read again when they have changed; undefined where there is none. */
function createBookReader(sys: Sys) {
  let known: { state: string; book: RuleBook | undefined } | undefined;
  return {
    last: () => known?.book,
    async read(): Promise<RuleBook | undefined> {
      const files = ruleFiles(sys).map((path) => sys.identify(path));
      const state = files.map(stateOf).join(" ");
      if (known?.state !== state) {
        const isThere = files.some((file) => file !== undefined);
        known = { state, book: isThere ? await (await import("./rules-file.ts")).readRuleBook(sys) : undefined };
      }
      return known.book;
    },
  };
}

/** How full the fullest window of each account is, by the config dirs that it pays for. */
function createUsageReader(sys: Sys) {
  let known: { at: number; percents: ReadonlyMap<string, number> } | undefined;
  return async (): Promise<ReadonlyMap<string, number>> => {
    if (known === undefined || isPast(sys, known.at, usageEveryMs)) {
      const [{ readUsage, windowNow }, at] = [await import("./usage.ts"), sys.now()];
      const { profiles } = await readUsage(sys, { fetches: false });
      const percents = profiles.flatMap((profile): [string, number][] => {
        const used = [...profile.windows.keys()].flatMap((name) => windowNow(profile, name, at)?.usedPercent ?? []);
        return used.length === 0 ? [] : [[profile.real, Math.max(...used)]];
      });
      known = { at, percents: new Map(percents) };
    }
    return known.percents;
  };
}

function createBudgetReader(sys: Sys) {
  let known: { at: number; of: readonly Budget[]; standings: Standing[] } | undefined;
  let all: Standing[] = [];
  return {
    last: () => all,
    async read({ budgets }: RuleBook, sessions: readonly LiveSession[]): Promise<Standing[]> {
      // What a session of the list has used is counted already.
      const isCounted = (budget: Budget) => budget.period === "session" && budget.model === undefined && !("usagePercent" in budget.limit);
      const own = budgets.filter(isCounted).flatMap((budget) => sessions.flatMap((session) => standingOf(sys, budget, session) ?? []));
      if (known === undefined || known.of !== budgets || isPast(sys, known.at, budgetsEveryMs)) {
        const rest = budgets.filter((budget) => !isCounted(budget));
        const at = sys.now();
        known = {
          at,
          of: budgets,
          standings:
            rest.length === 0
              ? []
              : await readStandings(
                  sys,
                  rest,
                  sessions.map((session) => spenderOf(sys, session)),
                ),
        };
      }
      all = [...own, ...known.standings];
      return all;
    },
  };
}

function standingOf(sys: Sys, budget: Budget, session: LiveSession): Standing | undefined {
  const { meter, sessionId, name } = session;
  const spent = "usd" in budget.limit ? meter?.costUsd : meter?.tokens;
  if (sessionId === undefined || spent === undefined || !isAbout(budget, spenderOf(sys, session))) return undefined;
  return {
    budget,
    spent,
    of: sessionId,
    ofName: `in ${name}`,
    sessions: [sessionId],
    unpriced: [],
    isPartial: meter?.isPartlyUnpriced === true,
  };
}

function factsOf(sys: Sys, session: LiveSession, percents: ReadonlyMap<string, number> | undefined): SessionFacts {
  const { sessionId, name, profile, model, verdict, meter, agents, work, badges, configDir, worktree, cwd } = session;
  return {
    now: sys.now(),
    ...{ name, status: verdict.status, projectDir: worktree ?? cwd, agentCount: agents.length },
    hasError: verdict.status === "failed" || work.failedInRow > 0,
    hasConflict: badges.some(({ kind }) => kind === "same-file" || kind === "same-worktree"),
    ...present({
      ...{ id: sessionId, profile, model, costUsd: meter?.costUsd, contextPercent: meter?.contextPercent },
      usagePercent: configDir === undefined ? undefined : percents?.get(realDir(sys, configDir)),
    }),
  };
}

/** A notice for each file or checkout that several sessions change, by what it is about. */
function conflictsOf(sessions: readonly LiveSession[], at: number): Map<string, Notice> {
  const shared = sessions.flatMap(({ name, badges }) =>
    badges.flatMap((badge) => (badge.shared === undefined ? [] : [{ name, shared: badge.shared }])),
  );
  return new Map(
    [...Map.groupBy(shared, (one) => one.shared)].map(([path, group]) => {
      const names = [...new Set(group.map(({ name }) => name))].sort();
      const about = JSON.stringify([path, ...names]);
      const body = `${names.join(" and ")} change it at the same time`;
      return [about, { cause: "conflict", about, at, title: `conflict in ${path}`, body, sessions: names }];
    }),
  );
}

/** The call that it asks leave for. */
function callOf(sys: Sys, { verdict, cwd, worktree }: LiveSession): ToolCall | undefined {
  if (verdict.status !== "blocked" || verdict.tool === undefined) return undefined;
  const input = isRecord(verdict.input) ? verdict.input : {};
  return toCall(sys, { tool: verdict.tool, input, cwd, projectDir: worktree ?? cwd });
}

function badgeOf(book: RuleBook | undefined, standings: readonly Standing[]): RulesBadge | undefined {
  if (book === undefined) return undefined;
  const count = book.problems.length;
  if (count > 0) return { level: "broken", text: `rules: ${count} ${count === 1 ? "fault" : "faults"}, csm diagnose` };
  const [worst] = standings.filter((standing) => levelOf(standing) !== "fine").sort((a, b) => spentPercent(b) - spentPercent(a));
  if (worst === undefined) return { level: "fine", text: "rules ok" };
  return { level: levelOf(worst), text: `budget ${worst.budget.name} ${Math.floor(spentPercent(worst))}%` };
}

// --- what is done ------------------------------------------------------------------------------------------------

interface Hands {
  sys: Sys;
  actions: Pick<Actions, "act">;
  occasions: Occasions;
  onDeed(deed: Deed): void;
  /** This program runs inside the session. */
  isOwn(session: LiveSession): Promise<boolean>;
  /** Occasions that are being acted on. */
  isBusy: Set<string>;
  /** By occasion, the state of its session in which nothing more is to be tried: it is done, or was refused. */
  settled: Map<string, { key: string; state: string }>;
  /** By occasion, when its session was seen in another state last. */
  leftAt: Map<string, { key: string; at: number }>;
  /** By occasion, when it was asked for last whether it is noted. */
  askedAt: Map<string, { key: string; at: number }>;
}

interface Task {
  rule: Rule;
  session: LiveSession;
  occasion: Occasion;
  settings: RuleBook["notify"];
}

async function tellOfBudgets(
  { sys, onDeed }: Hands,
  standings: readonly Standing[],
  sessions: readonly LiveSession[],
  raise: (notice: Notice) => Promise<void>,
): Promise<void> {
  const spenders = sessions.map((session) => spenderOf(sys, session));
  for (const standing of await tellStandings(sys, standings, spenders, raise)) {
    const session = sessions.find(({ sessionId }) => standing.budget.period === "session" && sessionId === standing.of);
    onDeed({ action: "notify", rule: standing.budget.name, text: standingText(standing), isRefused: false, ...present({ session }) });
  }
}

/** Those who are at work under a budget that is used up: who rests spends nothing. */
const stopsOf = (sys: Sys, standings: readonly Standing[], sessions: readonly LiveSession[]): Omit<Task, "settings">[] =>
  standings
    .filter((standing) => standing.budget.action === "stop" && levelOf(standing) === "over")
    .flatMap((standing) =>
      sessions
        .filter((session) => isAtWork(session.verdict) && concerns(standing, spenderOf(sys, session)))
        .map((session) => ({ ...stopFor(standing, session), session })),
    );

/** A session is stopped once for each time that its budget was used up; a later process of it is another. */
function stopFor(standing: Standing, session: LiveSession): Pick<Task, "rule" | "occasion"> {
  const { name, at, isProject } = standing.budget;
  const rule: Rule = { name, action: "stop", at, isProject, when: {}, message: standingText(standing) };
  const occasion = { name: JSON.stringify([lineOf(standing, "over"), "stop", session.key]), what: "", isNext: () => false };
  return { rule, occasion };
}

/** A look that comes too early for another process's must not make it act again. */
function rearm({ sys, occasions, settled, isBusy, askedAt }: Hands, rule: Rule, session: LiveSession): void {
  const { name } = occasionOf(rule, session);
  // What is below a line is so at nearly every look.
  if (isBusy.has(name) || !isPast(sys, askedAt.get(name)?.at ?? 0, lagMs)) return;
  askedAt.set(name, { key: session.key, at: sys.now() });
  const done = occasions.read(name);
  if (done === undefined) return void settled.delete(name);
  if (!isPast(sys, done.at, lagMs)) return;
  occasions.forget(name);
  settled.delete(name);
}

function forgetGone({ settled, leftAt, askedAt }: Hands, sessions: readonly LiveSession[]): void {
  const keys = new Set(sessions.map(({ key }) => key));
  for (const known of [settled, leftAt, askedAt]) for (const [name, { key }] of known) if (!keys.has(key)) known.delete(name);
}

const stateOfSession = (session: LiveSession): string => JSON.stringify([session.verdict.status, session.since, gateIdOf(session)]);

async function carryOut(hands: Hands, task: Task): Promise<void> {
  const { session, occasion } = task;
  const { occasions, isBusy, settled, leftAt } = hands;
  const { key } = session;
  const state = stateOfSession(session);
  if (isBusy.has(occasion.name) || settled.get(occasion.name)?.state === state) return;
  isBusy.add(occasion.name);
  try {
    const isDue = (done: Done) => occasion.isNext(done, leftAt.get(occasion.name)?.at);
    await occasions.once(occasion.name, () => act(hands, task), { what: occasion.what, isDue });
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    // In this state it would be refused again.
    await report(hands, task, { text: error.message, isRefused: true });
  } finally {
    settled.set(occasion.name, { key, state });
    isBusy.delete(occasion.name);
  }
}

/** Throws with why it was not done. */
async function act(hands: Hands, task: Task): Promise<void> {
  const { sys, actions } = hands;
  const { rule, session } = task;
  if (rule.action === "notify")
    return report(hands, task, { text: rule.message ?? stateWords(session.verdict, sys.now()), isRefused: false });
  if (await hands.isOwn(session)) throw new UserError(`${session.name} is the session that this program runs in`);
  const verb = rule.action === "stop" ? "stop" : "send";
  const why = whyNot(session, verb);
  if (why !== undefined) throw new UserError(why);
  const prompt = rule.message ?? "continue";
  const text =
    verb === "stop"
      ? await actions.act("stop", session, {})
      : await actions.act("send", session, { prompt, isQueued: isAtWork(session.verdict), isNoAnswer: true });
  await report(hands, task, { text: verb === "send" || rule.message === undefined ? text : `${text}: ${rule.message}`, isRefused: false });
}

/** It has been done, or was refused: what cannot be noted or told must not make it be done again. */
async function report(
  { sys, onDeed }: Hands,
  { rule, session, occasion, settings }: Task,
  { text, isRefused }: { text: string; isRefused: boolean },
): Promise<void> {
  const action = rule.action === "stop" || rule.action === "send" ? rule.action : "notify";
  const { name, sessionId, configDir, cwd, profile } = session;
  onDeed({ action, rule: rule.name, session, text, isRefused });
  const { appendAudit, noteRefusal } = await import("./audit.ts");
  const channel = "rule";
  if (isRefused) return void (await noteRefusal(sys, { session: name, verb: action, why: `rule ${rule.name}: ${text}` }));
  await appendAudit(sys, { decision: action, channel, sessionId, name, configDir, cwd, rule, reason: text }).catch(() => undefined);
  const { raiseNotice } = await import("./notice-spool.ts");
  const notice = {
    cause: "rule",
    about: `${sessionId ?? session.key} ${occasion.name}`,
    at: sys.now(),
    title: `${name}: ${rule.name}`,
    body: text,
  } as const;
  await raiseNotice(sys, settings, { ...notice, session: name, cwd, ...present({ sessionId, profile }) }).catch(() => undefined);
}

function createOwnReader(sys: Sys): (session: LiveSession) => Promise<boolean> {
  let origin: Promise<Origin> | undefined;
  return async (session) => {
    const { isInside, readOrigin } = await import("./peer.ts");
    origin ??= readOrigin(sys, sys.pid);
    return isInside(await origin, { claudePid: session.pid });
  };
}
