import { addHookSettings } from "./claude-hooks.ts";
import { type FlagTable, flagValue, splitFlags } from "./claude-program.ts";
import type { Turn } from "./claude-transcript.ts";
import { duration } from "./format.ts";
import { present } from "./json.ts";
import { afterResetMs, type Limit } from "./limit.ts";
import type { Ranked } from "./scorer.ts";

/** csm has to make this conversation go on at a time, as claude will not. */
export interface Pending {
  sessionId: string;
  /** Epoch ms. */
  at: number;
}

/** What a hook has told, as far as it matters here. */
interface Told {
  event: string;
  /** The class of an error, such as `rate_limit`. */
  error?: string;
  /** The sub-agent that it is about. */
  agent?: string;
}

interface WatchDecision<E> {
  /** `answer`: the usage limit may have ended a turn. `continue`: the reset has come, and nobody has gone on. */
  step: { do: "answer"; failure: E } | { do: "continue"; sessionId: string } | { do: "stay" };
  pending: Pending | undefined;
  /** A sub-agent has met the limit: the main thread goes on, and says so itself when it meets it too. */
  ofAgents: E[];
}

/** What is to be done after a look at what is new, oldest first. */
export function decideWatch<E extends Told>(events: readonly E[], before: Pending | undefined, now: number): WatchDecision<E> {
  // A turn since the limit: somebody, or claude itself, has gone on.
  const pending = events.some(({ event }) => event !== "StopFailure") ? undefined : before;
  const failures = events.filter(({ event, error }) => event === "StopFailure" && error === "rate_limit");
  const ofAgents = failures.filter(({ agent }) => agent !== undefined);
  const failure = failures.findLast(({ agent }) => agent === undefined);
  if (failure !== undefined) return { step: { do: "answer", failure }, pending, ofAgents };
  const isDue = pending !== undefined && now >= pending.at;
  return { step: isDue ? { do: "continue", sessionId: pending.sessionId } : { do: "stay" }, pending, ofAgents };
}

/** How far the hooks have told of a session, and the newest time of what its transcript told instead. Epoch ms. */
export interface Heard {
  hookAt: number;
  transcriptAt: number;
}

/** The hook of a prompt comes up to this long before its line is stamped. */
const promptToleranceMs = 2000;

/**
 * What the newest turn says that no hook has: hooks may be switched off, or not run. A turn of which one has told is theirs alone. The
 * newest turn of a conversation that is taken up is older than `heard`.
 */
export function decideUntold(
  turn: Pick<Turn, "at" | "text" | "prompt" | "error">,
  heard: Heard,
): (Told & { at: number; text: string }) | undefined {
  const startedAt = turn.prompt?.at ?? turn.at;
  if (turn.at <= heard.transcriptAt || heard.hookAt >= startedAt - promptToleranceMs) return undefined;
  const { at, text, error } = turn;
  if (error === undefined) return { at, text, event: "UserPromptSubmit" };
  return { at, text, event: "StopFailure", error: error.limit === undefined ? error.class : "rate_limit" };
}

/** What the journal says of earlier limits: when this conversation has switched, when any has, and who waits for the same reset. */
export function readHistory(
  journal: readonly { at: number; event: string; session: string; resets_at?: number }[],
  sessionId: string,
  limit: Limit,
): { hops: number[]; lastSwitchAt?: number; waiting: number } {
  const switches = journal.filter(({ event }) => event === "switch");
  const waiting = journal.filter((entry) => entry.event === "wait" && entry.session !== sessionId && entry.resets_at === limit.resetsAt);
  return {
    hops: switches.filter(({ session }) => session === sessionId).map(({ at }) => at),
    ...present({ lastSwitchAt: switches.at(-1)?.at }),
    // Each waits once, however often it was noted.
    waiting: new Set(waiting.map(({ session }) => session)).size,
  };
}

/** Profiles of other accounts that have room, best first, each with its reason. */
export function pickRoom(
  rows: readonly Ranked[],
  current: string,
  accountOf: (name: string) => string | undefined,
  limitPercent: number,
): { name: string; reason: string }[] {
  const usable = rows.filter(({ name }) => name !== current && accountOf(name) !== accountOf(current));
  return [
    ...usable.filter(({ state }) => state === "viable").map(({ name, reasons }) => ({ name, reason: reasons.join(", ") })),
    // Never used since anybody looked: more likely to have room than to be worth a night of waiting.
    ...usable
      .filter(({ state, sessionPercent = 0 }) => state === "no-data" && sessionPercent < limitPercent)
      .map(({ name }) => ({ name, reason: "nothing is known of its usage" })),
  ];
}

/** A profile in which claude would first ask whether it may work here cannot go on by itself. */
export function trustedFirst<T extends { reason: string }>(candidates: readonly T[], isTrusted: (candidate: T) => boolean): T[] {
  const judged = candidates.map((candidate) => ({ candidate, isFine: isTrusted(candidate) }));
  return [
    ...judged.filter(({ isFine }) => isFine).map(({ candidate }) => candidate),
    ...judged
      .filter(({ isFine }) => !isFine)
      .map(({ candidate }) => ({ ...candidate, reason: `${candidate.reason}; it will ask whether this folder is trusted` })),
  ];
}

/** What a person is asked where the policy says so. */
export function planQuestion(limit: Limit, current: string, others: readonly string[], now: number) {
  const left = limit.resetsAt === undefined ? "" : ` (resets in ${duration(limit.resetsAt - now)})`;
  return {
    message: `${current} has reached its usage limit${left}; how is this conversation to go on?`,
    choices: [
      ...others.map((name) => ({ value: name, label: `in ${name}` })),
      ...(limit.resetsAt === undefined ? [] : [{ value: "wait", label: "here, after the reset" }]),
      { value: "stay", label: "here, as it is" },
      { value: "end", label: "not now" },
    ],
  };
}

/** `resumeAt`: when csm has to make the conversation go on. */
type AnswerDecision = { do: "end" } | { do: "move"; to: string } | { do: "resume"; resumeAt?: number };

export function decideAnswer(answer: string, others: readonly string[], limit: Limit, now: number): AnswerDecision {
  if (answer === "end") return { do: "end" };
  if (others.includes(answer)) return { do: "move", to: answer };
  if (answer !== "wait" || limit.resetsAt === undefined) return { do: "resume" };
  return { do: "resume", resumeAt: Math.max(now, limit.resetsAt) + afterResetMs };
}

/**
 * The same words with our settings in them, beside the user's own `--settings`, which are JSON or the path of a file; without
 * ours when the two cannot be read together.
 */
export function addHooks(args: readonly string[], hooks: string, readFile: (path: string) => string | undefined): string[] {
  const own = flagValue(args, "--settings");
  const text = own?.trimStart().startsWith("{") === false ? readFile(own) : own;
  const settings = own === undefined ? hooks : addHookSettings(text ?? "", hooks);
  return settings === undefined ? [...args] : ["--settings", settings, ...withoutSettings(args)];
}

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
