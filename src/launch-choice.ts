import { isSessionId } from "./claude-session.ts";
import { usageError } from "./errors.ts";
import type { LimitPolicy } from "./limit.ts";
import { hasPrompt, isForClaude, isManagement, joinPrompt, type LaunchOptions, parseRunOptions, splitOwnFlags } from "./run-options.ts";

/** How the words of `csm …` are to be taken. */
export interface LaunchCall {
  options: LaunchOptions;
  /** A call that has nothing to do with choosing a conversation, or that nobody can be asked about: claude gets its words as they are. */
  isUntouched: boolean;
  /** A command of claude such as `mcp`, which is about one config dir and costs no account anything. */
  isManagement: boolean;
  /** The beginning of an id, or a title, may stand where claude wants an id. */
  mayNameSession: boolean;
}

/** `bare`: csm and anything but a command of its own; words of `csm run` are read even where nobody can be asked. */
export function parseCall(form: "run" | "bare", args: readonly string[], hasTerminal: boolean): LaunchCall {
  const { own, rest } = splitOwnFlags(args);
  const isQuoted = rest[0] === "--";
  const isUntouched = isForClaude(rest) || (form === "bare" && (isQuoted || !hasTerminal));
  const options = parseRunOptions(isUntouched ? own : args);
  if (isUntouched) options.words = isQuoted ? rest.slice(1) : rest;
  else if (form === "run" && !isForClaude(options.words)) options.words = joinPrompt(options.words);
  return {
    options,
    isUntouched,
    isManagement: isManagement(rest),
    mayNameSession: isUntouched && !isQuoted && !isManagement(rest),
  };
}

/** Whose account pays: the one that was named, the current one, one that a person is asked for, or the one with most left. */
type AccountChoice = "named" | "keep" | "ask" | "rank";

interface AccountQuestion {
  options: Pick<LaunchOptions, "profile" | "isInteractive" | "wantsAccount" | "keepsAccount">;
  isManagement: boolean;
  hasTerminal: boolean;
  profileCount: number;
  /** The current config dir is a profile. One that is none was chosen on purpose. */
  isRegistered: boolean;
}

export function chooseAccountWay({ options, isManagement, hasTerminal, profileCount, isRegistered }: AccountQuestion): AccountChoice {
  if (options.profile !== undefined) return "named";
  if ((options.wantsAccount || options.isInteractive) && hasTerminal && profileCount > 0) return "ask";
  const isKept = options.keepsAccount && !options.wantsAccount;
  // A single account leaves no choice.
  return profileCount > 1 && isRegistered && !isKept && !isManagement ? "rank" : "keep";
}

type SessionChoice =
  | { kind: "new" }
  /** `--session-id`; it may exist. */
  | { kind: "id"; sessionId: string }
  | { kind: "named"; word: string }
  /** The newest that nobody has open. */
  | { kind: "newest" }
  | { kind: "pick" };

/** The first rule that applies; the folder's conversations need not be read for it. */
export function chooseSession(options: LaunchOptions, hasConversations: boolean, hasTerminal: boolean): SessionChoice {
  const { sessionId, resume } = options;
  if (sessionId !== undefined) {
    if (!isSessionId(sessionId))
      throw usageError(`invalid session id ${JSON.stringify(sessionId)}`, "use a UUID, such as csm newuuid prints");
    return { kind: "id", sessionId };
  }
  if (typeof resume === "object") {
    if (resume.named.trim() === "") throw usageError("--resume names nothing", "csm -r alone lists the conversations of this folder");
    return { kind: "named", word: resume.named };
  }
  if (!hasConversations) return { kind: "new" };
  const isAsked = resume === "picker" || options.isInteractive;
  if (options.isContinue && !isAsked) return { kind: "newest" };
  // A prompt that comes with no conversation begins one.
  return hasTerminal && (isAsked || !hasPrompt(options.words)) ? { kind: "pick" } : { kind: "new" };
}

/** What becomes of a conversation that was found: one that somebody has open is never opened twice. */
export function chooseOpening(isOpen: boolean, isCopyAsked: boolean, hasTerminal: boolean): "resume" | "ask" | "refuse" {
  // A copy that was asked for leaves the other process its own.
  if (!isOpen || isCopyAsked) return "resume";
  return hasTerminal ? "ask" : "refuse";
}

/** What claude is called with, before the user's own words. */
export function sessionArgs(choice: { kind: "create" | "resume" | "copy"; sessionId: string }): string[] {
  if (choice.kind === "create") return ["--session-id", choice.sessionId];
  return ["--resume", choice.sessionId, ...(choice.kind === "copy" ? ["--fork-session"] : [])];
}

interface StartQuestion {
  /** A conversation in this terminal, not a command of claude, and not handed on untouched. */
  isSession: boolean;
  isRegistered: boolean;
  profileCount: number;
  onLimit: LimitPolicy | undefined;
  platform: NodeJS.Platform;
}

/** Claude takes our place, unless its conversation may have to go on under another account; what `csm restore` may bring back is noted. */
export function chooseStart({ isSession, isRegistered, profileCount, onLimit, platform }: StartQuestion): "replace" | "note" | "manage" {
  if (!isSession) return "replace";
  // A single account has nowhere to go on; somebody may still want to be asked, or to wait for a reset that claude does not.
  const mayMove = (isRegistered && profileCount > 1) || onLimit === "wait" || onLimit === "ask";
  // Windows has no way to end claude gently; there the session ends where it is.
  return mayMove && platform !== "win32" ? "manage" : "note";
}
