import { basename } from "node:path";
import { type HookInput, isCallEvent, isDecided, joinAnswers } from "./claude-hooks.ts";
import { isSessionId } from "./claude-session.ts";
import { SilentExit } from "./errors.ts";
import type { JournalEntry } from "./journal.ts";
import { present } from "./json.ts";
import { type Limit, managedVariable } from "./limit.ts";
import type { NotifySettings } from "./notices.ts";
import { createOutput } from "./output.ts";
import { configDir, hasUserRules } from "./paths.ts";
import { channelVariable } from "./program.ts";
import type { Sys } from "./sys.ts";

/** A limit older than this belongs to an earlier turn. */
const maxAgeMs = 900_000;
/** These tell of the end of a turn or a session, in versions that have no `StopFailure`. */
const endEvents = new Set(["Stop", "SubagentStop", "SessionEnd"]);

/**
 * `csm hook`, as a user installs it: notes a usage limit, and says once where the conversation could go on; with `[notify]` in the
 * rules it tells of all that those name. The result is what claude is told; undefined says nothing. Without the network.
 */
export async function runLimitHook(sys: Sys, input: HookInput, dir: string): Promise<string | undefined> {
  if (!isSessionId(input.sessionId)) return undefined;
  const notify = await readNotify(sys);
  const isOurs = sys.env[managedVariable] === undefined && sys.env.CLAUDE_AUTO_SWITCH !== "0";
  const limit = isOurs || notify !== undefined ? await limitOf(sys, input) : undefined;
  const isNew = isOurs && limit !== undefined && (await noteLimit(sys, dir, input.sessionId, limit));
  if (notify !== undefined) return tell(sys, notify, input, dir, isNew, limit);
  if (!isNew) return undefined;
  const { planNotification } = await import("./notify.ts");
  const owner = await findOwner(sys, dir);
  const way = await findWayOn(sys, input, owner?.name, limit);
  const body = `[${owner?.name ?? basename(dir)}] hit its usage limit${way.startsWith("csm ") ? " → " : "; "}${way}`;
  return JSON.stringify({ terminalSequence: planNotification(sys.platform, sys.env, "limit detected", body).sequence });
}

/** The same of a session that csd drives, or csm manages, from csd's own hook. */
export async function noteFailure(sys: Sys, input: HookInput): Promise<string | undefined> {
  if (!isSessionId(input.sessionId)) return undefined;
  const notify = await readNotify(sys);
  const isManaged = sys.env[managedVariable] !== undefined;
  const isNoted = input.event === "StopFailure" && (!isManaged || notify !== undefined);
  const limit = isNoted ? await limitOf(sys, input) : undefined;
  const dir = configDir(sys);
  // A session that csm manages has the same hook.
  const isNew = !isManaged && limit !== undefined && (await noteLimit(sys, dir, input.sessionId, limit));
  return notify === undefined ? undefined : tell(sys, notify, input, dir, isNew, limit);
}

async function readNotify(sys: Sys): Promise<NotifySettings | undefined> {
  if (!hasUserRules(sys)) return undefined;
  return (await import("./notice-spool.ts")).readNotify(sys);
}

/** By what the user's rules say; a limit that another hook has told of is none of a later turn. */
async function tell(
  sys: Sys,
  notify: NotifySettings,
  input: HookInput,
  dir: string,
  isNew: boolean,
  limit?: Limit,
): Promise<string | undefined> {
  const { tellHook } = await import("./notice-hook.ts");
  const own = isNew || input.event === "StopFailure" ? limit : undefined;
  const wayOn = isNew ? await findWayOn(sys, input, (await findOwner(sys, dir))?.name, limit) : undefined;
  const sequence = await tellHook(sys, notify, input, { configDir: dir, ...present({ limit: own, wayOn }) });
  return sequence === undefined ? undefined : JSON.stringify({ terminalSequence: sequence });
}

/** In the ledger of usage and in the log, once, however many have met it; false where it stood there. */
async function noteLimit(sys: Sys, dir: string, sessionId: string, limit: Pick<Limit, "at" | "window" | "resetsAt">): Promise<boolean> {
  const [{ openJournal }, { withLock }, { recordLimit }] = await Promise.all([
    import("./journal.ts"),
    import("./store.ts"),
    import("./usage.ts"),
  ]);
  return withLock(sys, "limit-note", async () => {
    const journal = openJournal(sys);
    if (isTold(journal.read(), sessionId, limit)) return false;
    const { at, window, resetsAt } = limit;
    recordLimit(sys, dir, window, resetsAt, at);
    const from = (await findOwner(sys, dir))?.name ?? basename(dir);
    journal.append({ at, event: "limit", session: sessionId, from, window, ...present({ resets_at: resetsAt }) });
    return true;
  });
}

async function limitOf(sys: Sys, input: HookInput): Promise<Limit | undefined> {
  const { event, error, lastText, transcriptPath } = input;
  const failure = event === "StopFailure" ? { at: sys.now(), ...present({ error, text: lastText }) } : undefined;
  if (failure === undefined && !endEvents.has(event)) return undefined;
  const { findLimit, readLimit } = await import("./limit-read.ts");
  if (failure !== undefined) return readLimit(sys, () => transcriptPath, failure);
  return transcriptPath === undefined ? undefined : findLimit(sys, transcriptPath, maxAgeMs);
}

/** The same limit has been told of this session: the hooks of one turn's end are several. */
const isTold = (journal: readonly JournalEntry[], sessionId: string, limit: Pick<Limit, "at" | "resetsAt">): boolean =>
  journal.some(
    ({ event, session, at, resets_at: resetsAt }) =>
      event === "limit" &&
      session === sessionId &&
      (resetsAt === undefined ? Math.abs(limit.at - at) < maxAgeMs : resetsAt === limit.resetsAt),
  );

/** Leaving on purpose: nobody wants to be called back. */
const leavingReasons = new Set(["clear", "logout", "prompt_input_exit", "exit", "resume"]);

const isLeaving = ({ event, reason }: HookInput): boolean => event === "SessionEnd" && leavingReasons.has(reason ?? "");

/** A command, or why there is none. */
async function findWayOn(sys: Sys, input: HookInput, current: string | undefined, limit: Limit | undefined): Promise<string> {
  if (isLeaving(input)) return "the next csm chooses another account";
  const { modelInUse } = await import("./limit-read.ts");
  const target = await findBest(sys, current ?? "", modelInUse(sys, input.transcriptPath, limit?.window ?? ""));
  return target === undefined ? "no other account has room" : `csm --profile ${target} --resume ${input.sessionId}`;
}

/** Runs inside claude's turn: never fails, never waits, and loads nothing before there is something to note. */
export async function answerLimitHook(sys: Sys, args: readonly string[], input: HookInput | undefined): Promise<void> {
  const dir = ownerOf(args) ?? configDir(sys);
  if (input?.event === "SessionEnd") await noteEnd(sys, input).catch(() => undefined);
  const answer = input === undefined ? undefined : await answerEvent(sys, input, dir).catch(() => undefined);
  // A hook that fails must not disturb the turn it runs in.
  if (answer !== undefined) createOutput(sys).exact(answer);
  throw new SilentExit(0);
}

/** What claude is told of an event by rules, notifications and limits. */
export async function answerEvent(sys: Sys, input: HookInput, dir: string): Promise<string | undefined> {
  if (!isCallEvent(input.event)) return runLimitHook(sys, input, dir);
  // One that csd drives has a hook of csd's for what it asks.
  if (input.event === "PermissionRequest" && (await isDrivenHere(sys))) return undefined;
  const ruled = await (await import("./rules-hook.ts")).applyRules(sys, input, { configDir: dir });
  if (input.event === "PreToolUse" || isDecided(ruled)) return ruled;
  // The dialog stays.
  return joinAnswers(ruled, await runLimitHook(sys, input, dir));
}

/** By the record that csd keeps of this very claude: the variable alone is inherited by any claude that it starts. */
async function isDrivenHere(sys: Sys): Promise<boolean> {
  const channel = sys.env[channelVariable];
  if (channel === undefined) return false;
  const [{ recordsDir }, { createDrivenStore }] = await Promise.all([import("./channel.ts"), import("./driven.ts")]);
  const driven = createDrivenStore(sys, recordsDir(channel)).read(basename(channel));
  return driven?.pid !== undefined && driven.pid === Number(sys.env.CLAUDE_PID);
}

/** What ends and goes on in the same process. */
const goingOn = new Set(["clear", "resume"]);

/** So that a session which a restart of the machine ends is told from one that somebody ended: csm restore. */
async function noteEnd(sys: Sys, { reason = "", sessionId }: HookInput): Promise<void> {
  const pid = Number(sys.env.CLAUDE_PID);
  if (!Number.isInteger(pid) || goingOn.has(reason)) return;
  const { rememberEnd } = await import("./launch-record.ts");
  rememberEnd(sys, pid, reason === "other" ? "signal" : "exit", sessionId);
}

const ownerOf = (args: readonly string[]): string | undefined => {
  const index = args.findIndex((word) => word === "--owner" || word.startsWith("--owner="));
  return args[index]?.startsWith("--owner=") ? args[index]?.slice("--owner=".length) : index < 0 ? undefined : args[index + 1];
};

async function findOwner(sys: Sys, dir: string) {
  const { profileOfDir, readRegistryOrNone } = await import("./profiles.ts");
  return profileOfDir(sys, readRegistryOrNone(sys), dir);
}

async function findBest(sys: Sys, current: string, model: string | undefined): Promise<string | undefined> {
  const { rankAccounts, readUsage } = await import("./usage.ts");
  const report = await readUsage(sys, { fetches: false });
  return rankAccounts(sys, report, { current, includeCurrent: false, hasAgeGate: false, ...present({ model }) }).winner;
}
