import { isAbsolute, join } from "node:path";
import { type OffsetAt, parseZone, renderLocalTime } from "./calendar.ts";
import { listWorktrees } from "./git.ts";
import { slugOf } from "./paths.ts";
import { profileDirs, readRegistryOrNone } from "./profiles.ts";
import { printableLine } from "./sanitize.ts";
import type { LiveOwner } from "./sessions.ts";
import type { Sys } from "./sys.ts";
import { labelOf } from "./transcript-facts.ts";
import { type Conversation, listTranscripts, openTranscriptIndex, type TranscriptFile } from "./transcripts.ts";

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

/** Every conversation of a folder, newest first; of all folders where none is given. */
export function listConversations(sys: Sys, folder: string | undefined) {
  const dirs = profileDirs(sys, readRegistryOrNone(sys));
  const configDirs = dirs.map(({ dir }) => dir);
  const files = listFolderTranscripts(sys, configDirs, folder === undefined ? undefined : realFolder(sys, folder));
  const index = openTranscriptIndex(sys);
  const { known, unread } = index.lookUp(files);
  const conversations = selectConversations([...known, ...(unread.length === 0 ? [] : index.read(unread))]);
  index.close();
  return { conversations, dirs };
}

/** A folder that has gone may still have conversations. */
function realFolder(sys: Sys, typed: string): string {
  const path = isAbsolute(typed) ? join(typed) : join(sys.cwd, typed);
  return sys.realPath(path) ?? path.replace(/(.)\/+$/, "$1");
}

/** Rows whose columns are a contract with scripts: id, epoch seconds, local time, mode, title. */
export function renderScan(sys: Sys, conversations: readonly Conversation[]): string[] {
  const offsetAt = conversations.length === 0 ? undefined : readZone(sys);
  return conversations.map(({ sessionId, modifiedAt, facts }) => {
    const seconds = Math.floor(modifiedAt / 1000);
    const mode = printableLine(facts.permissionMode ?? "?");
    return [sessionId, seconds, renderLocalTime(seconds, offsetAt), mode, labelOf(facts)].join("\t");
  });
}

const maxZoneBytes = 16_384;

function readZone(sys: Sys): OffsetAt | undefined {
  if ((sys.env.TZ ?? "") !== "") return undefined;
  const bytes = Buffer.alloc(maxZoneBytes);
  const count = sys.readInto("/etc/localtime", 0, bytes);
  // Without the file only the runtime's calendar knows what local time is.
  return count === 0 || count === maxZoneBytes ? undefined : parseZone(bytes.subarray(0, count));
}
