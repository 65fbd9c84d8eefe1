import { parseSessionFile, type SessionFile } from "./claude-session.ts";
import { present } from "./json.ts";
import { sessionFilePath } from "./paths.ts";
import { hasStartedAbout, type ProcessStart } from "./process.ts";
import type { Sys } from "./sys.ts";

/** What stands in the file of this process; undefined without one, and no `file` while it is torn: claude rewrites it in place. */
export function readSessionFile(
  sys: Pick<Sys, "readText">,
  configDirPath: string,
  pid: number,
): { text: string; file?: SessionFile } | undefined {
  const text = sys.readText(sessionFilePath(configDirPath, pid));
  return text === undefined ? undefined : { text, ...present({ file: parseSessionFile(text) }) };
}

/** A torn file is whole a moment later. */
export const tornReads = 5;
export const tornReadMs = 3;

/** Claude's own statement about this very process (`started`: as for `withConversation`); undefined while a startup dialog is up, and before 2.1.86. */
export async function readSessionOf(
  sys: Sys,
  configDirPath: string,
  owner: ProcessStart,
  started?: string,
): Promise<SessionFile | undefined> {
  for (let attempt = 0; attempt < tornReads; attempt++) {
    if (attempt > 0) await sys.sleep(tornReadMs);
    const found = readSessionFile(sys, configDirPath, owner.pid);
    if (found === undefined) return undefined;
    if (found.file === undefined) continue;
    if (!isOwner(sys, owner, found.file)) return undefined;
    // Versions that name their conversation themselves are spared what finds it for the others.
    if (found.file.procStart !== undefined) return found.file;
    return (await import("./resumed.ts")).withConversation(sys, configDirPath, found.file, started);
  }
  return undefined;
}

/** Does this live process own this session file? A file that `kill -9` left behind may carry a number in new use. */
export function isOwner(sys: Pick<Sys, "readText">, owner: ProcessStart | undefined, file: SessionFile): boolean {
  if (owner === undefined || owner.pid !== file.pid) return false;
  if (owner.start === "") return true;
  if (owner.startedAt === undefined && file.procStart !== undefined) return file.procStart === owner.start;
  return file.startedAt !== undefined && hasStartedAbout(sys, owner, file.startedAt) !== false;
}
