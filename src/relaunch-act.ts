import { join, resolve } from "node:path";
import type { ChannelEvent } from "./channel.ts";
import { limitEvents, renderHookSettings } from "./claude-hooks.ts";
import { type FlagTable, flagValue, isTrusted, parseFlagTable, planResume } from "./claude-program.ts";
import { readNewestTurn } from "./claude-transcript.ts";
import { rulesWarning } from "./claude-version.ts";
import { UserError } from "./errors.ts";
import type { Foreground } from "./foreground.ts";
import { quotePosix } from "./format.ts";
import { shareConversation } from "./handoff.ts";
import { type JournalEntry, openJournal } from "./journal.ts";
import { present } from "./json.ts";
import { readClaudeVersion } from "./launch.ts";
import { decideLimit, type Limit, type LimitPolicy, type LimitSettings, managedVariable, renderHandoff } from "./limit.ts";
import { modelInUse, readLimit, readWording } from "./limit-read.ts";
import { tell } from "./output.ts";
import { findTranscript, lockDir } from "./paths.ts";
import { readProcess } from "./process.ts";
import { claudeJsonPath, findProfile, profilePath, type Registry } from "./profiles.ts";
import { channelVariable, hookWord } from "./program.ts";
import {
  addHooks,
  decideAnswer,
  decideUntold,
  type Heard,
  type Pending,
  pickRoom,
  planQuestion,
  readHistory,
  trustedFirst,
} from "./relaunch-plan.ts";
import { prepareRules } from "./rules-hook.ts";
import { modelOf } from "./run-options.ts";
import { readSessionOf } from "./session-file.ts";
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
  registry: Registry;
  /** Of this call, instead of what the settings say. */
  onLimit: LimitPolicy | undefined;
}

/** The same launch with our hooks in it. */
export async function planManaged(sys: Sys, { path, prefix, args, cwd }: ManagedLaunch, channelDir: string, configDir: string) {
  const given = await prepareRules(sys, { cwd, configDir, own: flagValue(args, "--settings") });
  const version = await readClaudeVersion(sys, { path, prefix });
  const warning = given.rules.length === 0 ? undefined : rulesWarning(version);
  if (warning !== undefined) tell(sys, warning);
  const own = { [channelVariable]: channelDir, [managedVariable]: String(sys.pid) };
  const hooks = renderHookSettings(`${quotePosix(sys.execPath)} csd ${hookWord}`, { version, events: limitEvents, ...given, env: own });
  const words = addHooks(args, hooks, (file) => sys.readText(resolve(cwd, file)));
  return { name: "claude", path, args: [...prefix, ...words], cwd, env: { ...sys.env, ...own } };
}

const helpTimeoutMs = 10_000;

/** The flags of this very claude. Empty when it does not tell: then a flag keeps the one word behind it. */
export async function readFlagTable(sys: Sys, launch: Pick<ManagedLaunch, "path" | "prefix" | "cwd">): Promise<FlagTable> {
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

/** One that could take over. */
interface RankedSeat extends Seat {
  reason: string;
}

/** One claude of the loop. */
export interface Managed {
  sys: Sys;
  launch: ManagedLaunch;
  seat: Seat;
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

type Step = { next: Next } | { pending: Pending } | { exitCode: number } | "stay";

const switchLockMs = 600_000;
const graceMs = 5000;
const resetPrompt = "The usage limit has been reset. Continue where you left off.";

export async function noteAgentLimit(managed: Managed, { session_id: sessionId = "", text = "", at }: ChannelEvent): Promise<void> {
  const limit = readWording(text, at);
  if (limit !== undefined) await noteLimit(managed, limit, createNote(managed, sessionId));
}

/** What the transcript tells of this very claude and its hooks have not. */
export async function readUntold(managed: Managed, heard: Heard): Promise<ChannelEvent | undefined> {
  const { sys, seat, child } = managed;
  const owner = await readProcess(sys, child.pid);
  const session = owner === undefined ? undefined : await readSessionOf(sys, seat.dir, owner);
  const path = session === undefined ? undefined : transcriptOf(managed, session.sessionId);
  // Nothing new is written while nothing happens.
  if (session === undefined || path === undefined || (sys.modifiedAt(path) ?? 0) <= heard.transcriptAt) return undefined;
  const turn = readNewestTurn((bytes) => sys.readTail(path, bytes));
  const told = turn === undefined ? undefined : decideUntold(turn, heard);
  return told === undefined ? undefined : { ...told, session_id: session.sessionId };
}

async function noteLimit({ sys, seat }: Managed, limit: Limit, note: Note): Promise<void> {
  (await import("./usage.ts")).recordLimit(sys, seat.dir, limit.window, limit.resetsAt, limit.at);
  note({ event: "limit", window: limit.window, ...present({ resets_at: limit.resetsAt }) });
}

type Note = (entry: Omit<JournalEntry, "at" | "session">) => void;

const createNote =
  ({ sys, seat, launch }: Managed, sessionId: string): Note =>
  (entry) =>
    openJournal(sys).append({ at: sys.now(), session: sessionId, cwd: launch.cwd, from: seat.name, ...entry });

/** A turn has ended with an error that may be the usage limit: what is to become of the conversation. */
export async function answerLimit(managed: Managed, event: ChannelEvent): Promise<Step> {
  const { sys, seat } = managed;
  const sessionId = event.session_id ?? "";
  const limit = await readLimit(sys, () => transcriptOf(managed, sessionId), event);
  if (limit === undefined) return "stay";
  const note = createNote(managed, sessionId);
  await noteLimit(managed, limit, note);
  const settings = await readSettingsOf(managed);
  // One session of this machine after the other: each sees what the ones before it have done. Somebody who is asked takes a while.
  const lockPath = join(lockDir(sys), "switch.lock");
  const release = settings.policy === "ask" ? undefined : await waitForLock(sys, lockPath, "a switch of accounts", switchLockMs);
  try {
    return await decideAndAct(managed, limit, settings, sessionId, note);
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    note({ event: "failed", reason: error.message });
    await notify(managed, limit, `stayed in ${seat.name}: ${error.message}`);
    return "stay";
  } finally {
    release?.();
  }
}

async function readSettingsOf({ sys, seat, launch }: Managed): Promise<LimitSettings> {
  // A policy that nobody can read is no leave to act by another.
  (await import("./settings-schema.ts")).checkSettings(sys);
  const { readSettings } = await import("./settings.ts");
  return readSettings(sys, { "limit.policy": launch.onLimit }).part("limit", seat.name);
}

/** Claude has the screen: a notification now, and the line again at the end. */
async function notify({ sys, notes, seat }: Managed, limit: Limit, line: string): Promise<void> {
  notes.push(line);
  const { raiseNotice, readNotify } = await import("./notice-spool.ts");
  const settings = await readNotify(sys);
  if (settings === undefined) return (await import("./notify.ts")).notify(sys, "csm", line);
  const { accountNotice, readAccount } = await import("./notice-hook.ts");
  const account = await readAccount(sys, seat.dir);
  const said = accountNotice({ cause: "limit", now: sys.now(), ...account, name: seat.name, limit, wayOn: line });
  await raiseNotice(sys, settings, { cause: "limit", at: sys.now(), profile: seat.name, ...said });
}

async function decideAndAct(managed: Managed, limit: Limit, settings: LimitSettings, sessionId: string, note: Note): Promise<Step> {
  const { sys, seat } = managed;
  const candidates =
    settings.policy === "switch" ? await firstReachable(managed, await rankOthers(managed, limit, sessionId), sessionId, note) : [];
  const history = readHistory(openJournal(sys).read(), sessionId, limit);
  const turn = (await import("./usage.ts")).readTurn(sys, seat.dir, limit.resetsAt);
  const decision = decideLimit({ now: sys.now(), limit, settings, candidates, ...history, ...present({ turn }) });
  switch (decision.do) {
    case "switch": {
      await sys.sleep(decision.delayMs);
      const target = candidates.find(({ name }) => name === decision.to);
      if (target === undefined) return "stay";
      const exitCode = await endClaude(managed);
      return exitCode === undefined
        ? moveOn(managed, target, sessionId, settings, history.hops.length, decision.reason, note)
        : { exitCode };
    }
    case "wait":
      note({ event: "wait", resets_at: limit.resetsAt ?? decision.until, reason: `${decision.reason}; ${decision.by} goes on` });
      await notify(managed, limit, `${seat.name} is at its limit; ${decision.by} goes on after the reset (${decision.reason})`);
      return decision.by === "claude" ? "stay" : { pending: { sessionId, at: decision.until } };
    case "ask":
      return askUser(managed, limit, settings, sessionId, note);
    case "stop":
      note({ event: "stop", reason: decision.reason });
      await notify(managed, limit, `${seat.name} is at its limit (${decision.reason})`);
      return "stay";
  }
}

const rankTimeoutMs = 6000;

/** Other profiles that have room, best first. A dead hub must not keep a conversation waiting: then what is known decides. */
async function rankOthers(managed: Managed, limit: Limit, sessionId: string): Promise<RankedSeat[]> {
  const { sys, seat, launch } = managed;
  const { registry } = launch;
  const model = modelOf(launch.args, {}) ?? modelInUse(sys, transcriptOf(managed, sessionId), limit.window) ?? modelOf([], sys.env);
  const { rankAccounts, readUsage } = await import("./usage.ts");
  const known = () => readUsage(sys, { registry, fetches: false, looks: true });
  const asked = readUsage(sys, { registry, fetches: true, asks: true }).catch(known);
  const report = await Promise.race([asked, sys.sleep(rankTimeoutMs).then(known)]);
  const { rows } = rankAccounts(sys, report, { current: seat.name, includeCurrent: false, hasAgeGate: false, ...present({ model }) });
  const accountOf = (name: string) => report.profiles.find((profile) => profile.name === name)?.account;
  const { limitPercent } = (await import("./settings.ts")).readSettings(sys).part("usage");
  const seats = pickRoom(rows, seat.name, accountOf, limitPercent).flatMap(({ name, reason }) => {
    const profile = findProfile(registry, name);
    return profile === undefined ? [] : [{ name, dir: profilePath(sys, profile), reason }];
  });
  const folder = sys.realPath(launch.cwd) ?? launch.cwd;
  return trustedFirst(seats, (one) => isTrusted(sys.readText(claudeJsonPath(sys, one)) ?? "", folder));
}

/** The best profile in which this conversation can go on; why better ones cannot is noted. Claude still runs. */
async function firstReachable(managed: Managed, ranked: readonly RankedSeat[], sessionId: string, note: Note): Promise<RankedSeat[]> {
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
  const { sys, seat } = managed;
  try {
    // Its last words, which came since the first copy.
    await share(managed, target, sessionId);
  } catch (error) {
    note({ event: "failed", to: target.name, reason: (error as Error).message });
    tell(sys, `stayed in ${seat.name}: ${(error as Error).message}`);
    return resume(managed, seat, sessionId);
  }
  note({ event: "switch", to: target.name, reason });
  tell(sys, `${seat.name} is at its usage limit; going on in ${target.name} (${reason})`);
  const prompt = renderHandoff(settings.handoffPrompt, { from: seat.name, to: target.name, sessionId, hop: hop + 1 });
  return resume(managed, target, sessionId, prompt);
}

async function resume(managed: Managed, seat: Seat, sessionId: string, prompt?: string): Promise<{ next: Next }> {
  const table = await readFlagTable(managed.sys, managed.launch);
  return { next: { seat, args: planResume(managed.launch.args, table, sessionId, prompt) } };
}

/** The reset has come and nobody has gone on. */
export async function goOn(managed: Managed, sessionId: string): Promise<Step> {
  const { sys, seat } = managed;
  const exitCode = await endClaude(managed);
  if (exitCode !== undefined) return { exitCode };
  createNote(managed, sessionId)({ event: "continue", reason: "the limit has been reset" });
  tell(sys, `the usage limit of ${seat.name} has been reset; going on`);
  return resume(managed, seat, sessionId, resetPrompt);
}

async function askUser(managed: Managed, limit: Limit, settings: LimitSettings, sessionId: string, note: Note): Promise<Step> {
  const { sys, seat } = managed;
  const candidates = await rankOthers(managed, limit, sessionId);
  const exitCode = await endClaude(managed);
  if (exitCode !== undefined) return { exitCode };
  const names = candidates.map(({ name }) => name);
  // The terminal is ours while it asks.
  const answer = (await (await import("./prompts.ts")).promptSelect(planQuestion(limit, seat.name, names, sys.now()))) ?? "end";
  note({ event: "ask", reason: `chosen: ${answer}` });
  const decision = decideAnswer(answer, names, limit, sys.now());
  if (decision.do === "end") return { exitCode: 0 };
  const target = decision.do === "move" ? candidates.find(({ name }) => name === decision.to) : undefined;
  if (target !== undefined) return moveOn(managed, target, sessionId, settings, 0, "chosen", note);
  const { next } = await resume(managed, seat, sessionId);
  const isPending = decision.do === "resume" && decision.resumeAt !== undefined;
  return { next: isPending ? { ...next, pending: { sessionId, at: decision.resumeAt ?? 0 } } : next };
}
