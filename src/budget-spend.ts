import { join } from "node:path";
import {
  amountText,
  type Budget,
  concerns,
  isAbout,
  levelOf,
  occasionOf,
  periodAt,
  type Spender,
  type Standing,
  standingText,
} from "./budgets.ts";
import type { Calendar } from "./calendar.ts";
import { costSources } from "./cost-files.ts";
import { type KnownReader, type KnownUsage, openKnownUsage } from "./cost-known.ts";
import { quarterMs } from "./cost-records.ts";
import { readCheckout } from "./git.ts";
import { present } from "./json.ts";
import type { Notice, NotifySettings } from "./notices.ts";
import { configDir, csmDir } from "./paths.ts";
import { realDir } from "./profiles.ts";
import { countWord } from "./program.ts";
import type { Judgement, SessionFacts, ToolCall } from "./rules.ts";
import type { LiveSession } from "./session.ts";
import type { Sys } from "./sys.ts";
import { localCalendar } from "./zone.ts";

/** A session that is asked about. */
interface SpendingSession extends Spender {
  id: string;
  name?: string | undefined;
}

/** A gigabyte takes a second: what is more than this is counted by a process of its own. */
const maxNewBytes = 8e6;

/**
 * Where budgets stand: those of a session for each of these, the others for all there are. A budget of which nothing is known yet
 * has no standing; a process of its own counts then, and the next call has it. Without waiting, and bounded in what it reads.
 */
export async function readStandings(sys: Sys, budgets: readonly Budget[], sessions: readonly SpendingSession[]): Promise<Standing[]> {
  const isOfWindow = ({ limit }: Budget) => "usagePercent" in limit;
  const spending = budgets.filter((budget) => !isOfWindow(budget));
  const windows = budgets.filter(isOfWindow);
  return [
    ...(spending.length === 0 ? [] : readSpending(sys, spending, sessions)),
    ...(windows.length === 0 ? [] : await (await import("./budget-windows.ts")).readWindows(sys, windows)),
  ];
}

function readSpending(sys: Sys, budgets: readonly Budget[], sessions: readonly SpendingSession[]): Standing[] {
  const known = openKnownUsage(sys, costSources(sys), maxNewBytes);
  try {
    const folders = createFolders(sys);
    const standings = [
      ...budgets.flatMap((budget) =>
        budget.period !== "session" ? [] : sessions.flatMap((session) => sessionStanding(known, budget, session) ?? []),
      ),
      ...periodStandings(known, budgets, { now: sys.now(), calendar: localCalendar(sys), folders }),
    ];
    if (known.isCountDue()) startCount(sys);
    return standings;
  } finally {
    known.close();
  }
}

/** Its model may have changed on the way: of a budget of some models only what those have used counts. */
function sessionStanding(known: KnownReader, budget: Budget, session: SpendingSession): Standing | undefined {
  const { model: _, ...rest } = budget;
  if (!isAbout(rest, session)) return undefined;
  const usage = known.session(session.id);
  if (usage === undefined) return undefined;
  const wanted = usage.models.map((model) => isAbout(budget, { ...session, model }));
  return { budget, of: session.id, ...sum(usage, budget, (cell) => wanted[cell.model] === true) };
}

interface PeriodView {
  now: number;
  calendar: Calendar;
  folders(project: string): readonly string[];
}

function periodStandings(known: KnownReader, budgets: readonly Budget[], { now, calendar, folders }: PeriodView): Standing[] {
  const dated = budgets.flatMap((budget) =>
    budget.period === "session" ? [] : [{ budget, period: periodAt(budget.period, now, calendar) }],
  );
  if (dated.length === 0) return [];
  const usage = known.all(Math.min(...dated.map(({ period }) => period.startsAt)));
  if (usage === undefined) return [];
  return dated.map(({ budget, period }) => {
    const isWanted = remember(usage, (file, model) => {
      const origin = usage.origins[file];
      return isAbout(budget, { folders: folders(origin?.project ?? ""), profile: origin?.profile, model: usage.models[model] });
    });
    const spent = sum(usage, budget, (cell) => {
      const at = cell.quarter * quarterMs;
      return at >= period.startsAt && at < period.endsAt && isWanted(cell.file, cell.model);
    });
    return { budget, of: period.key, endsAt: period.endsAt, ...spent };
  });
}

/** One answer for each file and model, however many quarters of an hour they have. */
function remember(usage: KnownUsage, isWanted: (file: number, model: number) => boolean): (file: number, model: number) => boolean {
  const known = new Map<number, boolean>();
  return (file, model) => {
    const key = file * usage.models.length + model;
    const found = known.get(key) ?? isWanted(file, model);
    known.set(key, found);
    return found;
  };
}

type Cell = KnownUsage["cells"][number];

function sum(usage: KnownUsage, budget: Budget, isWanted: (cell: Cell) => boolean) {
  const sessions = new Set<string>();
  const unpriced = new Set<string>();
  let spent = 0;
  for (const cell of usage.cells) {
    if (!isWanted(cell)) continue;
    const { input, output, write5m, write1h, cacheRead } = cell;
    spent += "usd" in budget.limit ? cell.costUsd : input + output + write5m + write1h + cacheRead;
    if (cell.messages > 0) sessions.add(usage.origins[cell.file]?.sessionId ?? "");
    if (cell.unpriced > 0) unpriced.add(usage.models[cell.model] ?? "");
  }
  return { spent, sessions: [...sessions], unpriced: "usd" in budget.limit ? [...unpriced] : [], isPartial: usage.isPartial };
}

/** The folder that a session ran in, and the root of its checkout. */
function createFolders(sys: Sys): (project: string) => readonly string[] {
  const known = new Map<string, readonly string[]>();
  return (project) => {
    const found = known.get(project) ?? foldersOf(sys, project);
    known.set(project, found);
    return found;
  };
}

/** A live session as one that spends; its id is empty before it has one. */
export function spenderOf(sys: Sys, { sessionId = "", name, profile, model, cwd, worktree, configDir }: LiveSession): SpendingSession {
  const folders = worktree === undefined ? foldersOf(sys, cwd) : [cwd, worktree];
  return { id: sessionId, name, profile, model, folders, dir: configDir === undefined ? undefined : realDir(sys, configDir) };
}

function foldersOf(sys: Sys, cwd: string): readonly string[] {
  const root = readCheckout(sys, cwd)?.root;
  return root === undefined || root === cwd ? [cwd] : [cwd, root];
}

const countEveryMs = 30_000;

/** Counts all transcripts in a process of its own, one at a time as far as that is easily told. */
function startCount(sys: Sys): void {
  const mark = join(csmDir(sys), "count-started");
  if (sys.now() - (sys.modifiedAt(mark) ?? 0) < countEveryMs) return;
  try {
    sys.overwrite(mark, "");
  } catch {
    // A full disk: it is started too often, not too rarely.
  }
  sys.startDetached([sys.execPath, "csd", countWord], { env: sys.env, cwd: csmDir(sys) });
}

/** What a book of rules holds of budgets. */
interface Budgets {
  budgets: readonly Budget[];
  notify: NotifySettings;
}

/** What a hook has to say of budgets. */
interface Spoken {
  /** Absent where none is used up, or not enough is known yet. */
  judgement?: Judgement;
  /** For the terminal of the session, where a budget has just passed a line. */
  sequence?: string;
}

/** What budgets say to a call of a tool; those that have just passed a line are told of, whatever the answer is. */
export async function judgeBudgets(
  sys: Sys,
  { budgets, notify }: Budgets,
  call: ToolCall,
  facts: SessionFacts,
  dir: string = configDir(sys),
): Promise<Spoken> {
  const { id = "", name, profile, model } = facts;
  const session = { id, name, profile, model, folders: [call.cwd, call.projectDir], dir: realDir(sys, dir) };
  // The model that is not known now may be known of what it has spent.
  const own = budgets.filter(({ model: _, ...budget }) => isAbout(budget, session));
  if (own.length === 0) return {};
  const standings = (await readStandings(sys, own, [session])).filter((standing) => concerns(standing, session));
  const sequences: (string | undefined)[] = [];
  await tellStandings(sys, standings, [session], async (notice) => {
    sequences.push(await (await import("./notice-spool.ts")).tellNotice(sys, notify, notice));
  });
  const sequence = sequences.join("");
  const judgement = judgeStandings(sys, standings);
  return present({ judgement, sequence: sequence === "" ? undefined : sequence });
}

function judgeStandings(sys: Sys, standings: readonly Standing[]): Judgement | undefined {
  const over = standings.filter((standing) => levelOf(standing) === "over");
  const find = (...actions: Budget["action"][]) => over.find(({ budget }) => actions.includes(budget.action));
  const denied = find("deny", "stop");
  const standing = denied ?? find("ask");
  if (standing === undefined) return undefined;
  const decision = denied === undefined ? "ask" : "deny";
  const { name, at, isProject } = standing.budget;
  const reason = overText(sys, standing);
  return { decision, rule: { name, action: decision, at, isProject, message: reason, when: {} }, reason, parts: [] };
}

function overText(sys: Sys, standing: Standing): string {
  const { dayOf, timeOf } = localCalendar(sys);
  const until = standing.endsAt === undefined ? "" : ` until ${dayOf(standing.endsAt)} ${timeOf(standing.endsAt)}`;
  return `budget "${standing.budget.name}" is used up: ${amountText(standing)}; no tool may be used${until}. Say so, and stop here`;
}

/** Tells of each line that was passed, once for each period, whoever sees it first; those that were told of now. */
export async function tellStandings(
  sys: Sys,
  standings: readonly Standing[],
  sessions: readonly SpendingSession[],
  tell: (notice: Notice) => Promise<void>,
): Promise<Standing[]> {
  const passed = standings.filter((standing) => levelOf(standing) !== "fine");
  if (passed.length === 0) return [];
  const occasions = (await import("./occasions.ts")).openOccasions(sys);
  const told: Standing[] = [];
  for (const standing of passed) {
    const level = levelOf(standing) === "over" ? "over" : "warning";
    const about = occasionOf(standing, level);
    const isTold = await occasions.once(about, () => tell(noticeOf(standing, sessions, about, sys.now()))).catch(() => false);
    // Whoever has seen less of it must not tell of less afterwards.
    if (isTold && level === "over") occasions.note(occasionOf(standing, "warning"));
    if (isTold) await noteTold(sys, standing, sessions);
    if (isTold) told.push(standing);
  }
  return told;
}

async function noteTold(sys: Sys, standing: Standing, sessions: readonly SpendingSession[]): Promise<void> {
  const { name, at, isProject, period } = standing.budget;
  const session = sessions.find(({ id }) => period === "session" && id === standing.of);
  const rule = { name, at, isProject, action: "notify", when: {} } as const;
  const whose = session === undefined ? { name: `budget ${name}` } : { sessionId: session.id, name: session.name };
  const { appendAudit } = await import("./audit.ts");
  await appendAudit(sys, { decision: "notify", channel: "rule", rule, reason: standingText(standing), ...whose }).catch(() => undefined);
}

function noticeOf(standing: Standing, sessions: readonly SpendingSession[], about: string, at: number): Notice {
  const { budget, of } = standing;
  const session = sessions.find(({ id }) => budget.period === "session" && id === of);
  const whose =
    session === undefined ? { sessions: standing.sessions } : { sessionId: session.id, session: session.name ?? session.id.slice(0, 8) };
  const title = levelOf(standing) === "over" ? `budget ${budget.name} is used up` : `budget ${budget.name} is nearly used up`;
  return { cause: "budget", about, at, title, body: standingText(standing), ...whose };
}
