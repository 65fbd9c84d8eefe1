import { isSessionId } from "./claude-session.ts";
import {
  ambiguous,
  findConversations,
  listFolderTranscripts,
  matchNames,
  type Named,
  readConversations,
  unknownConversation,
} from "./conversations.ts";
import type { Driven } from "./driven.ts";
import { createDriver, type Driver } from "./driver.ts";
import { present } from "./json.ts";
import { awayNote, createRoster, type Entry, nameOf } from "./monitor-roster.ts";
import { findPanes } from "./panes.ts";
import { configDir, findTranscript } from "./paths.ts";
import { profileDirs, readRegistryOrNone } from "./profiles.ts";
import { kindOfSession, type LiveSession } from "./session.ts";
import type { Sys } from "./sys.ts";
import { createLineBuffer, readEnds } from "./tail.ts";
import type { Pane } from "./tmux.ts";
import { noFacts, subjectOfEnds } from "./transcript-facts.ts";
import { type Conversation, openTranscriptIndex, type TranscriptIndex } from "./transcripts.ts";

/** What there is to know of a session before it is typed into. */
export type Whom = Pick<LiveSession, "name" | "pid" | "kind" | "configDir" | "where" | "note">;

/** A session that runs, or that csd knows, and by what it can be called. */
export interface Candidate extends Named {
  driven?: Driven;
  /** Undefined for one that has ended. */
  live?: Whom & { key: string };
  pane?: Pane;
}

/**
 * The session that a word means: by the name that `csm ls` shows, that of its tmux session, an id or its beginning, its title.
 * Undefined where it means none; an error lists those that it could mean. `name`: by no title.
 */
export async function findCandidate(driver: Driver, word: string, how: "name" | "whole" = "whole"): Promise<Candidate | undefined> {
  const found = matchNames(await listCandidates(driver), word, how);
  if (found.length > 1) throw ambiguous(word, found, "sessions");
  return found[0];
}

/** What a person means to open: a session that runs and has no conversation yet, or conversations, newest first. */
export async function resolveConversations(
  sys: Sys,
  index: TranscriptIndex,
  configDirs: readonly string[],
  word: string,
): Promise<{ open?: Whom; conversations: Conversation[] }> {
  const named = isSessionId(word) ? [] : (await listCandidates(createDriver(sys))).filter(({ names }) => names?.includes(word));
  if (named.length === 0) return { conversations: findConversations(sys, index, configDirs, word) };
  const ids = new Set(named.map(({ sessionId }) => sessionId));
  const files = listFolderTranscripts(sys, configDirs, undefined).filter(({ sessionId }) => ids.has(sessionId));
  const conversations = readConversations(index, files);
  return { conversations, ...present({ open: conversations.length === 0 ? named[0]?.live : undefined }) };
}

/**
 * The one conversation that is meant; nothing is read for a whole id. `known`: ids to choose from, of sessions that may have left
 * nothing else; what looks like the beginning of an id is then taken for one.
 */
export async function resolveSessionId(sys: Sys, word: string, known?: readonly string[]): Promise<string> {
  if (isSessionId(word)) return word;
  const index = openTranscriptIndex(sys);
  try {
    const configDirs = profileDirs(sys, readRegistryOrNone(sys)).map(({ dir }) => dir);
    const others = () =>
      matchNames(
        [...new Set(known)].map((sessionId): Named => ({ sessionId, facts: noFacts })),
        word,
        "name",
      );
    const sessions = matchNames(await listCandidates(createDriver(sys)), word, "whole");
    const found: Named[] = sessions.length > 0 ? sessions : findConversations(sys, index, configDirs, word);
    const [one, ...more] = found.length > 0 ? found : others();
    if (one === undefined && known !== undefined && /^[0-9a-f-]{4,}$/i.test(word)) return word;
    if (one === undefined) throw unknownConversation(word);
    if (more.length > 0) throw ambiguous(word, [one, ...more], "conversations");
    return one.sessionId;
  } finally {
    index.close();
  }
}

/** Those that run, each with its pane, and those of csd that have ended. */
async function listCandidates({ sys, store }: Driver): Promise<Candidate[]> {
  const roster = createRoster(sys, () => profileDirs(sys, readRegistryOrNone(sys)));
  const entries = (await roster.read()).filter(({ isAlive }) => isAlive !== false);
  const sockets = entries.flatMap(({ driven }) => driven?.socket ?? []);
  const pids = entries.map(({ pid }) => pid);
  const panes = await findPanes(sys, await roster.table(), pids, sockets);
  const running = new Set(entries.flatMap(({ driven }) => driven?.name ?? []));
  const ended = store.list((name) => !running.has(name)).records;
  return [
    ...entries.map((entry) => fromEntry(sys, entry, panes.get(entry.pid))),
    ...ended.map((driven) => ({ driven, names: [driven.name], ...readNamed(sys, driven.config_dir, driven, undefined) })),
  ];
}

function fromEntry(sys: Sys, entry: Entry, pane: Pane | undefined): Candidate {
  const { file, profile, driven, pid, key, where } = entry;
  const name = nameOf(entry);
  const names = [name, file?.name, pane?.sessionName, file?.tmux].filter((text) => text !== undefined);
  const live = { name, pid, key, kind: kindOfSession(file ?? {}), configDir: profile?.dir ?? configDir(sys) };
  const away = present({ where, note: awayNote(entry) });
  return { names, live: { ...live, ...away }, ...readNamed(sys, profile?.dir, driven, file), ...present({ driven, pane }) };
}

function readNamed(sys: Sys, dir: string | undefined, driven: Driven | undefined, file: Entry["file"]): Pick<Named, "sessionId" | "facts"> {
  const path = dir === undefined ? undefined : findTranscript(sys, { configDir: dir, ...present({ driven }) }, file);
  const facts = path === undefined ? noFacts : subjectOfEnds(readEnds(sys, path, createLineBuffer()));
  return { sessionId: file?.sessionId ?? driven?.session_id ?? "", facts };
}
