import { isAbsolute, join } from "node:path";
import { listFolderTranscripts, selectConversations } from "./conversations.ts";
import { type OffsetAt, parseZone, renderLocalTime } from "./local-time.ts";
import { profileDirs, readRegistryOrNone } from "./registry.ts";
import { printableLine } from "./sanitize.ts";
import type { Sys } from "./sys.ts";
import { labelOf } from "./transcript-facts.ts";
import { type Conversation, openTranscriptIndex } from "./transcript-index.ts";

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
