import { slugOf } from "./claude-slug.ts";
import { listWorktrees } from "./git-worktrees.ts";
import type { LiveOwner } from "./live-owners.ts";
import type { Sys } from "./sys.ts";
import { listTranscripts, type TranscriptFile } from "./transcript-files.ts";
import type { Conversation } from "./transcript-index.ts";

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

/** The newest conversation that nobody has open. */
export const pickNewestFree = <T extends Pick<Conversation, "sessionId">>(
  conversations: readonly T[],
  owners: ReadonlyMap<string, LiveOwner>,
): T | undefined => conversations.find(({ sessionId }) => !owners.has(sessionId));
