import { isAbsolute, join } from "node:path";
import { renderLocalTime } from "./calendar.ts";
import { isSessionId } from "./claude-session.ts";
import { UserError } from "./errors.ts";
import { fit, table } from "./format.ts";
import { listWorktrees } from "./git.ts";
import { slugOf } from "./paths.ts";
import { printableLine } from "./printable.ts";
import { profileDirs, readRegistryOrNone } from "./profiles.ts";
import type { LiveOwner } from "./sessions.ts";
import type { Sys } from "./sys.ts";
import { isPersonal, labelOf, noFacts, type TranscriptFacts, titleOf } from "./transcript-facts.ts";
import { type Conversation, listTranscripts, openTranscriptIndex, type TranscriptFile, type TranscriptIndex } from "./transcripts.ts";
import { readZone } from "./zone.ts";

/** The transcripts of a folder and of its git worktrees, or of every folder. */
export function listFolderTranscripts(sys: Sys, configDirs: readonly string[], folder: string | undefined): TranscriptFile[] {
  return listTranscripts(sys, folder === undefined ? { configDirs } : { configDirs, folders: listWorktrees(sys, folder) });
}

/**
 * Newest first, one per session. Folders that differ in a dot or a dash share a folder of transcripts: those that began in another
 * one of them are left out.
 */
export function selectConversations(found: readonly Conversation[]): Conversation[] {
  const newest = new Map<string, Conversation>();
  for (const conversation of found) {
    if (isOthers(conversation)) continue;
    const known = newest.get(conversation.sessionId);
    if (known === undefined || isNewer(conversation, known)) newest.set(conversation.sessionId, conversation);
  }
  return [...newest.values()].sort((a, b) => b.modifiedAt - a.modifiedAt || (a.sessionId < b.sessionId ? -1 : 1));
}

const isNewer = (one: Conversation, other: Conversation): boolean =>
  one.modifiedAt > other.modifiedAt || (one.modifiedAt === other.modifiedAt && one.configDirs.length > other.configDirs.length);

function isOthers({ folder, facts }: Conversation): boolean {
  return folder !== undefined && facts.cwd !== undefined && facts.cwd !== folder && slugOf(facts.cwd) === slugOf(folder);
}

/** A person's newest conversation that nobody has open; one that is not read yet may be any. */
export const pickNewestFree = <T extends Titled>(conversations: readonly T[], owners: ReadonlyMap<string, LiveOwner>): T | undefined =>
  conversations.find(({ sessionId, facts }) => !owners.has(sessionId) && (facts === noFacts || isPersonal(facts)));

/** Every conversation of a folder, newest first; of all folders where none is given. */
export function listConversations(sys: Sys, folder: string | undefined) {
  const dirs = profileDirs(sys, readRegistryOrNone(sys));
  const configDirs = dirs.map(({ dir }) => dir);
  const real = folder === undefined ? undefined : realFolder(sys, folder);
  const files = listFolderTranscripts(sys, configDirs, real);
  // A folder that has gone may still have conversations.
  if (files.length === 0 && real !== undefined && !sys.isDirectory(real))
    throw new UserError(`no such folder: ${real}`, "csm scan --all lists the conversations of every folder");
  const index = openTranscriptIndex(sys);
  const conversations = readConversations(index, files);
  index.close();
  return { conversations, dirs };
}

/** Newest first; what the index does not know yet is read. */
export function readConversations(index: TranscriptIndex, files: readonly TranscriptFile[]): Conversation[] {
  const { known, unread } = index.lookUp(files);
  return selectConversations([...known, ...(unread.length === 0 ? [] : index.read(unread))]);
}

/** The conversations that a word can mean, newest first: of this folder and its worktrees, else of any folder. */
export function findConversations(sys: Sys, index: TranscriptIndex, configDirs: readonly string[], word: string): Conversation[] {
  for (const folder of [sys.realPath(sys.cwd) ?? sys.cwd, undefined]) {
    const files = listFolderTranscripts(sys, configDirs, folder);
    // An id stands in the name of its file: the others need not be read.
    const wanted = isSessionId(word) ? files.filter(({ sessionId }) => sessionId.toLowerCase() === word.toLowerCase()) : files;
    const found = matchNames(readConversations(index, wanted), word);
    if (found.length > 0) return found;
  }
  return [];
}

export const unknownConversation = (word: string): UserError =>
  new UserError(`no conversation is called ${JSON.stringify(word)}`, "csm scan --all lists them");

const maxListed = 20;

/** Names the candidates, so that one of them can be told apart and given. */
export function ambiguous(word: string, found: readonly Named[], noun: "conversations" | "sessions"): UserError {
  const label = ({ facts, names = [] }: Named) =>
    [...new Set([...names.slice(0, 1), titleOf(facts).slice(0, maxLabel)].map(printableLine))].filter((text) => text !== "").join("  ");
  const listed = found.slice(0, maxListed).map((one) => {
    const words = [one.sessionId, fit(label(one), labelColumns)].filter((text) => text !== "");
    return `  ${words.join("  ")}`;
  });
  const rest = found.length > maxListed ? [`  and ${found.length - maxListed} more`] : [];
  return new UserError(`${JSON.stringify(word)} names ${found.length} ${noun}`, ["give one of", ...listed, ...rest].join("\n"));
}

const labelColumns = 60;

/** What a word is compared with. */
export interface Named {
  sessionId: string;
  /** Of the process that has it open: as lists print it, csd's, tmux's. */
  names?: readonly string[];
  facts: TranscriptFacts;
}

type Titled = Pick<Conversation, "sessionId" | "facts">;

/** Fewer characters of an id are more likely a word. */
const minPrefix = 4;
/** Nobody types more of a prompt. */
const maxLabel = 1000;

/**
 * Those of these that a word means; several where it is ambiguous. The first that applies: a whole id; a name or a title as it was
 * typed; the beginning of an id; what lists show, in any case; its beginning; a part of it. `whole` leaves the last two out, `name`
 * the titles too.
 */
export function matchNames<T extends Named>(all: readonly T[], word: string, how: "name" | "whole" | "part" = "part"): T[] {
  const lower = word.trim().toLowerCase();
  if (lower === "") return [];
  if (isSessionId(lower)) return all.filter(({ sessionId }) => sessionId.toLowerCase() === lower);
  const labels = new Map<T, string>();
  const labelFor = (one: T) => {
    const label = labels.get(one) ?? printableLine(titleOf(one.facts).slice(0, maxLabel)).toLowerCase();
    labels.set(one, label);
    return label;
  };
  const isIdLike = lower.length >= minPrefix && /^[0-9a-f-]+$/.test(lower);
  const ranks: [how: "name" | "whole" | "part", isMeant: (one: T) => boolean][] = [
    ["name", ({ names }) => names?.includes(word) === true],
    ["whole", ({ facts }) => (facts.customTitle ?? facts.agentName) === word],
    ["whole", ({ facts }) => facts.aiTitle === word],
    ["name", ({ sessionId }) => isIdLike && sessionId.toLowerCase().startsWith(lower)],
    ["whole", (one) => labelFor(one) === lower],
    ["part", (one) => labelFor(one).startsWith(lower)],
    ["part", (one) => labelFor(one).includes(lower)],
  ];
  const wanted = { name: ["name"], whole: ["name", "whole"], part: ["name", "whole", "part"] }[how];
  for (const [rank, isMeant] of ranks) {
    const found = wanted.includes(rank) ? all.filter(isMeant) : [];
    if (found.length > 0) return found;
  }
  return [];
}

function realFolder(sys: Sys, typed: string): string {
  const path = isAbsolute(typed) ? join(typed) : join(sys.cwd, typed);
  return sys.realPath(path) ?? path.replace(/(.)\/+$/, "$1");
}

/**
 * Rows whose columns are a contract with scripts: id, epoch seconds, local time, mode, title, between tabs. On a terminal of so many
 * columns a table of what a person reads, a line each; the beginning of an id is enough to name a conversation.
 */
export function renderScan(sys: Sys, conversations: readonly Conversation[], columns: number | undefined): string[] {
  if (conversations.length === 0) return [];
  const offsetAt = readZone(sys);
  const rows = conversations.map(({ sessionId, modifiedAt, facts }) => {
    const seconds = Math.floor(modifiedAt / 1000);
    const mode = printableLine(facts.permissionMode ?? "?");
    return { sessionId, seconds, time: renderLocalTime(seconds, offsetAt), mode, label: labelOf(facts) };
  });
  if (columns === undefined)
    return rows.map(({ sessionId, seconds, time, mode, label }) => [sessionId, seconds, time, mode, label].join("\t"));
  const head = [{ title: "ID" }, { title: "WRITTEN" }, { title: "MODE", minWidth: 4 }, { title: "TITLE", minWidth: 10 }];
  const cells = rows.map(({ sessionId, time, mode, label }) => [sessionId.slice(0, shortId), time, mode, label]);
  return table(head, cells, columns);
}

const shortId = 8;
