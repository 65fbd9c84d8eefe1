import { join } from "node:path";
import type { ChannelEvent } from "./channel.ts";
import { addHookSettings, limitEvents, renderHookSettings } from "./claude-hooks.ts";
import { type FlagTable, flagValue, parseFlagTable, planResume, splitFlags } from "./claude-program.ts";
import { UserError } from "./errors.ts";
import type { Foreground } from "./foreground.ts";
import { quotePosix } from "./format.ts";
import { shareConversation } from "./handoff.ts";
import { type JournalEntry, openJournal } from "./journal.ts";
import { present } from "./json.ts";
import { channelVariable, hookWord } from "./launch.ts";
import { afterResetMs, decideLimit, type Limit, type LimitSettings, managedVariable, renderHandoff } from "./limit.ts";
import { readLimit, readWording } from "./limit-read.ts";
import { findTranscript, lockDir } from "./paths.ts";
import { waitForLock } from "./store.ts";
import type { Sys } from "./sys.ts";

/** A claude that csm starts and stays behind. */
export interface ManagedLaunch {
  /** The program, and the words that a wrapper wants before claude's own. */
  path: string;
  prefix: readonly string[];
  /** Every word for claude, as the user or the choice of a session gave it. */
  args: readonly string[];
  cwd: string;
}

/** The same launch with our hooks in it; without them when the user's own `--settings` cannot be read together with ours. */
export function planManaged(
  sys: Sys,
  launch: ManagedLaunch,
  channelDir: string,
): { name: string; path: string; args: string[]; cwd: string; env: Sys["env"] } {
  const hooks = renderHookSettings(`${quotePosix(sys.execPath)} csd ${hookWord}`, limitEvents);
  const own = flagValue(launch.args, "--settings");
  const settings = own === undefined ? hooks : addHookSettings(readSettings(sys, launch.cwd, own) ?? "", hooks);
  const args = settings === undefined ? [...launch.args] : ["--settings", settings, ...withoutSettings(launch.args)];
  return {
    name: "claude",
    path: launch.path,
    args: [...launch.prefix, ...args],
    cwd: launch.cwd,
    env: { ...sys.env, [channelVariable]: channelDir, [managedVariable]: String(sys.pid) },
  };
}

/** `--settings` takes JSON or the path of a file. */
const readSettings = (sys: Sys, cwd: string, value: string): string | undefined =>
  value.trimStart().startsWith("{") ? value : sys.readText(value.startsWith("/") ? value : `${cwd}/${value}`);

/** Only this flag has to be known to take one away. */
const settingsTable: FlagTable = new Map([["--settings", "one"]]);

function withoutSettings(args: readonly string[]): string[] {
  const end = args.indexOf("--");
  const flags = end < 0 ? args : args.slice(0, end);
  return [
    ...splitFlags(flags, settingsTable).flatMap(({ flag, words }) => (flag === "--settings" ? [] : words)),
    ...(end < 0 ? [] : args.slice(end)),
  ];
}

const helpTimeoutMs = 10_000;

/** The flags of this very claude. Empty when it does not tell: then a flag keeps the one word behind it. */
export async function readFlagTable(sys: Sys, launch: ManagedLaunch): Promise<FlagTable> {
  try {
    return parseFlagTable((await sys.run([launch.path, ...launch.prefix, "--help"], { cwd: launch.cwd, timeoutMs: helpTimeoutMs })).stdout);
  } catch {
    // It has just been started and can not be now: the launch that follows will say why.
    return new Map();
  }
}

/** A profile as a session runs in it. */
export interface Seat {
  name: string;
  /** Absolute. */
  dir: string;
}

export interface Candidate extends Seat {
  reason: string;
}

/** What the loop asks of the rest of csm. */
export interface RelaunchParts {
  settings(seat: Seat): LimitSettings;
  /** Other profiles that have room, best first, each with its reason. */
  rank(current: Seat): Promise<Candidate[]>;
  recordLimit(seat: Seat, limit: Limit): Promise<void>;
  env(seat: Seat): Record<string, string | undefined>;
  /** The terminal is ours while it asks. */
  ask(limit: Limit, seat: Seat, choices: string[]): Promise<string | "wait" | "stay" | "end">;
  /** One line for a person; never throws. */
  tell(line: string): void;
  /** The same while claude has the screen; never throws. */
  notify(line: string): Promise<void>;
  /** Called for each process that is started. */
  remember(pid: number, seat: Seat, args: readonly string[]): Promise<void>;
}

/** One claude of the loop. */
export interface Managed {
  sys: Sys;
  launch: ManagedLaunch;
  seat: Seat;
  parts: RelaunchParts;
  child: Foreground;
  /** What was told while claude had the screen: it stands there again when claude has gone. */
  notes: string[];
}

/** The claude to start next. */
export interface Next {
  seat: Seat;
  args: string[];
  pending?: Pending;
}

/** csm has to make this conversation go on at a time, as claude will not. */
export interface Pending {
  sessionId: string;
  at: number;
}

export type Step = { next: Next } | { pending: Pending } | { exitCode: number } | "stay";

const switchLockMs = 600_000;
const graceMs = 5000;
const resetPrompt = "The usage limit has been reset. Continue where you left off.";

/** A sub-agent has met the limit: the main thread goes on, and says so itself when it meets it too. */
export async function noteAgentLimit(managed: Managed, { session_id: sessionId = "", text = "", at }: ChannelEvent): Promise<void> {
  const limit = readWording(text, at);
  if (limit !== undefined) await noteLimit(managed, limit, createNote(managed, sessionId));
}

async function noteLimit({ seat, parts }: Managed, limit: Limit, note: Note): Promise<void> {
  await parts.recordLimit(seat, limit);
  note({ event: "limit", window: limit.window, ...present({ resets_at: limit.resetsAt }) });
}

type Note = (entry: Omit<JournalEntry, "at" | "session">) => void;

const createNote =
  ({ sys, seat, launch }: Managed, sessionId: string): Note =>
  (entry) =>
    openJournal(sys).append({ at: sys.now(), session: sessionId, cwd: launch.cwd, from: seat.name, ...entry });

/** A turn has ended with an error that may be the usage limit: what is to become of the conversation. */
export async function answerLimit(managed: Managed, event: ChannelEvent): Promise<Step> {
  const { sys, seat, parts } = managed;
  const sessionId = event.session_id ?? "";
  const limit = await readLimit(sys, () => transcriptOf(managed, sessionId), event);
  if (limit === undefined) return "stay";
  const note = createNote(managed, sessionId);
  await noteLimit(managed, limit, note);
  const settings = parts.settings(seat);
  // One session of this machine after the other: each sees what the ones before it have done. Somebody who is asked takes a while.
  const lockPath = join(lockDir(sys), "switch.lock");
  const release = settings.policy === "ask" ? undefined : await waitForLock(sys, lockPath, "a switch of accounts", switchLockMs);
  try {
    return await decideAndAct(managed, limit, settings, sessionId, note);
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    note({ event: "failed", reason: error.message });
    await notify(managed, `stayed in ${seat.name}: ${error.message}`);
    return "stay";
  } finally {
    release?.();
  }
}

/** Claude has the screen: a notification now, and the line again at the end. */
async function notify({ parts, notes }: Managed, line: string): Promise<void> {
  notes.push(line);
  await parts.notify(line);
}

async function decideAndAct(managed: Managed, limit: Limit, settings: LimitSettings, sessionId: string, note: Note): Promise<Step> {
  const { sys, seat, parts } = managed;
  const candidates = settings.policy === "switch" ? await firstReachable(managed, await parts.rank(seat), sessionId, note) : [];
  const journal = openJournal(sys).read();
  const switches = journal.filter(({ event }) => event === "switch");
  const lastSwitchAt = switches.at(-1)?.at;
  const own = switches.filter(({ session }) => session === sessionId).map(({ at }) => at);
  const decision = decideLimit({
    now: sys.now(),
    limit,
    settings,
    candidates,
    hops: own,
    ...present({ lastSwitchAt }),
    waiting: countWaiting(journal, sessionId, limit),
  });
  switch (decision.do) {
    case "switch": {
      await sys.sleep(decision.delayMs);
      const target = candidates.find(({ name }) => name === decision.to);
      if (target === undefined) return "stay";
      const exitCode = await endClaude(managed);
      return exitCode === undefined ? moveOn(managed, target, sessionId, settings, own.length, decision.reason, note) : { exitCode };
    }
    case "wait":
      note({ event: "wait", resets_at: limit.resetsAt ?? decision.until, reason: `${decision.reason}; ${decision.by} goes on` });
      await notify(managed, `${seat.name} is at its limit; ${decision.by} goes on after the reset (${decision.reason})`);
      return decision.by === "claude" ? "stay" : { pending: { sessionId, at: decision.until } };
    case "ask":
      return askUser(managed, limit, settings, sessionId, note);
    case "stop":
      note({ event: "stop", reason: decision.reason });
      await notify(managed, `${seat.name} is at its limit (${decision.reason})`);
      return "stay";
  }
}

/** Sessions of this machine that wait for the same reset, one entry each. */
const countWaiting = (journal: readonly JournalEntry[], sessionId: string, limit: Limit): number =>
  new Set(
    journal
      .filter((entry) => entry.event === "wait" && entry.session !== sessionId && entry.resets_at === limit.resetsAt)
      .map(({ session }) => session),
  ).size;

/** The best profile in which this conversation can go on; why better ones cannot is noted. Claude still runs. */
async function firstReachable(managed: Managed, ranked: readonly Candidate[], sessionId: string, note: Note): Promise<Candidate[]> {
  for (const candidate of ranked) {
    try {
      await share(managed, candidate, sessionId);
      return [candidate];
    } catch (error) {
      note({ event: "refused", to: candidate.name, reason: (error as Error).message });
    }
  }
  return [];
}

const transcriptOf = ({ sys, seat, launch }: Managed, sessionId: string): string | undefined =>
  findTranscript(sys, { configDir: seat.dir }, { sessionId, cwd: launch.cwd });

async function share(managed: Managed, target: Seat, sessionId: string): Promise<void> {
  const { sys, seat } = managed;
  const path = transcriptOf(managed, sessionId);
  if (path === undefined) throw new UserError(`no transcript of ${sessionId} below ${seat.dir}`);
  await shareConversation(sys, path, seat.dir, target.dir);
}

/** The exit code of a claude that somebody has ended meanwhile: then nothing goes on. */
async function endClaude({ child }: Managed): Promise<number | undefined> {
  const exitCode = child.exitCode();
  if (exitCode === undefined) await child.end(graceMs);
  return exitCode;
}

/** Claude has ended. */
async function moveOn(
  managed: Managed,
  target: Seat,
  sessionId: string,
  settings: LimitSettings,
  hop: number,
  reason: string,
  note: Note,
): Promise<Step> {
  const { seat, parts } = managed;
  try {
    // Its last words, which came since the first copy.
    await share(managed, target, sessionId);
  } catch (error) {
    note({ event: "failed", to: target.name, reason: (error as Error).message });
    parts.tell(`stayed in ${seat.name}: ${(error as Error).message}`);
    return resume(managed, seat, sessionId);
  }
  note({ event: "switch", to: target.name, reason });
  parts.tell(`${seat.name} is at its usage limit; going on in ${target.name} (${reason})`);
  const prompt = renderHandoff(settings.handoffPrompt, { from: seat.name, to: target.name, sessionId, hop: hop + 1 });
  return resume(managed, target, sessionId, prompt);
}

async function resume(managed: Managed, seat: Seat, sessionId: string, prompt?: string): Promise<{ next: Next }> {
  const table = await readFlagTable(managed.sys, managed.launch);
  return { next: { seat, args: planResume(managed.launch.args, table, sessionId, prompt) } };
}

/** The reset has come and nobody has gone on. */
export async function goOn(managed: Managed, sessionId: string): Promise<Step> {
  const { seat, parts } = managed;
  const exitCode = await endClaude(managed);
  if (exitCode !== undefined) return { exitCode };
  createNote(managed, sessionId)({ event: "continue", reason: "the limit has been reset" });
  parts.tell(`the usage limit of ${seat.name} has been reset; going on`);
  return resume(managed, seat, sessionId, resetPrompt);
}

async function askUser(managed: Managed, limit: Limit, settings: LimitSettings, sessionId: string, note: Note): Promise<Step> {
  const { sys, seat, parts } = managed;
  const candidates = await parts.rank(seat);
  const exitCode = await endClaude(managed);
  if (exitCode !== undefined) return { exitCode };
  const choice = await parts.ask(
    limit,
    seat,
    candidates.map(({ name }) => name),
  );
  note({ event: "ask", reason: `chosen: ${choice}` });
  if (choice === "end") return { exitCode: 0 };
  const target = candidates.find(({ name }) => name === choice);
  if (target !== undefined) return moveOn(managed, target, sessionId, settings, 0, "chosen", note);
  const { next } = await resume(managed, seat, sessionId);
  const isWaiting = choice === "wait" && limit.resetsAt !== undefined;
  return { next: isWaiting ? { ...next, pending: { sessionId, at: Math.max(sys.now(), limit.resetsAt ?? 0) + afterResetMs } } : next };
}
