import { isSessionId } from "./claude-session.ts";
import type { LaunchOptions } from "./run-options.ts";

/** What is known of a conversation when one is to be chosen. */
export interface Candidate {
  sessionId: string;
  modifiedAt: number;
  /** Somebody has it open. */
  isLive: boolean;
  /** Given by a person. */
  title?: string;
  /** Made up by Claude Code. */
  aiTitle?: string;
  /** What lists show: a title, or a prompt where there is none. */
  label?: string;
}

export type Choice =
  | { kind: "new" }
  | { kind: "create"; sessionId: string }
  | { kind: "resume"; sessionId: string }
  /** It is open in another terminal: to be attached to or copied, never opened twice. */
  | { kind: "live"; sessionId: string }
  | { kind: "pick" }
  /** Nothing here has that name; conversations of other folders may. */
  | { kind: "unknown"; named: string }
  | { kind: "error"; message: string; hint: string };

/** Newest first; the first rule that applies. */
export function chooseSession(options: LaunchOptions, sessions: readonly Candidate[], hasTerminal: boolean): Choice {
  if (options.sessionId !== undefined) return chooseById(options.sessionId, sessions);
  if (typeof options.resume === "object") return findSession(options.resume.named, sessions);
  const isAsked = options.resume === "picker" || options.isInteractive;
  if (options.isContinue && !isAsked) {
    const free = sessions.find(({ isLive }) => !isLive);
    return free === undefined ? { kind: "new" } : { kind: "resume", sessionId: free.sessionId };
  }
  return sessions.length > 0 && hasTerminal ? { kind: "pick" } : { kind: "new" };
}

/** claude refuses `--session-id` for an id that exists. */
function chooseById(sessionId: string, sessions: readonly Candidate[]): Choice {
  if (!isSessionId(sessionId))
    return { kind: "error", message: `invalid session id ${JSON.stringify(sessionId)}`, hint: "use a UUID, such as csm newuuid prints" };
  const known = sessions.find((session) => session.sessionId === sessionId.toLowerCase());
  return known === undefined ? { kind: "create", sessionId } : open(known);
}

const open = ({ sessionId, isLive }: Candidate): Choice => ({ kind: isLive ? "live" : "resume", sessionId });

/** Fewer characters of an id are more likely a word. */
const minPrefix = 4;

/** By id, by title (the newest of those that share it), by the beginning of an id, by what lists show in any case, by its beginning. */
export function findSession(named: string, sessions: readonly Candidate[]): Choice {
  if (named.trim() === "")
    return { kind: "error", message: "--resume names nothing", hint: "csm -r alone lists the conversations of this folder" };
  const lower = named.toLowerCase();
  const byTitle = (match: (title: string) => boolean) => (session: Candidate) =>
    match(session.label ?? session.title ?? session.aiTitle ?? "");
  if (isSessionId(named)) {
    const known = sessions.find(({ sessionId }) => sessionId === lower);
    return known === undefined ? { kind: "unknown", named } : open(known);
  }
  const exact = newest(sessions.filter(({ title }) => title === named)) ?? newest(sessions.filter(({ aiTitle }) => aiTitle === named));
  if (exact !== undefined) return open(exact);
  const isIdLike = named.length >= minPrefix && /^[0-9a-f-]+$/.test(lower);
  const steps = [
    isIdLike ? ({ sessionId }: Candidate) => sessionId.startsWith(lower) : () => false,
    byTitle((title) => title.toLowerCase() === lower),
    byTitle((title) => title.toLowerCase().startsWith(lower)),
  ];
  for (const matches of steps) {
    const found = sessions.filter(matches);
    if (found.length === 1 && found[0] !== undefined) return open(found[0]);
    if (found.length > 1) return ambiguous(named, found);
  }
  return { kind: "unknown", named };
}

const newest = (sessions: readonly Candidate[]): Candidate | undefined => sessions.toSorted((a, b) => b.modifiedAt - a.modifiedAt)[0];

const maxListed = 5;

function ambiguous(named: string, found: readonly Candidate[]): Choice {
  const listed = found.slice(0, maxListed).map(({ sessionId }) => sessionId);
  const rest = found.length > maxListed ? ` and ${found.length - maxListed} more` : "";
  return {
    kind: "error",
    message: `${JSON.stringify(named)} names ${found.length} conversations`,
    hint: `give one of ${listed.join(" ")}${rest}`,
  };
}

/** What claude is called with, before the user's own words. */
export function sessionWords(choice: { kind: "new" | "create" | "resume" | "copy"; sessionId?: string }): string[] {
  if (choice.sessionId === undefined) return [];
  if (choice.kind === "create") return ["--session-id", choice.sessionId];
  if (choice.kind === "resume") return ["--resume", choice.sessionId];
  return choice.kind === "copy" ? ["--resume", choice.sessionId, "--fork-session"] : [];
}
