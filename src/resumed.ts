import { dirname, join } from "node:path";
import { flagValue } from "./claude-program.ts";
import { isSessionId, parseSessionFile, type SessionFile } from "./claude-session.ts";
import { sessionsDir, transcriptPath } from "./paths.ts";
import { readArguments } from "./process.ts";
import type { Sys } from "./sys.ts";
import { isPersonal, readFacts } from "./transcript-facts.ts";

type ConversationSys = Pick<Sys, "readText" | "readInto" | "modifiedAt" | "list">;

/**
 * 2.1.86 names another id in the file of a session that resumed a conversation, and no transcript has it. `started`: with which
 * id it was started, where that is known. Its own arguments tell it too, but Node hides them once claude has set its title.
 */
export function withConversation(sys: ConversationSys, configDirPath: string, file: SessionFile, started?: string): SessionFile {
  if (file.procStart !== undefined) return file;
  const isThere = (id: string | undefined): id is string =>
    id !== undefined && isSessionId(id) && sys.modifiedAt(transcriptPath(configDirPath, file.cwd, id)) !== undefined;
  if (isThere(file.sessionId)) return file;
  const words = readArguments(sys, file.pid);
  const told = words.includes("--fork-session") ? [] : [started, flagValue(words, "--resume"), flagValue(words, "-r")];
  const sessionId = told.find(isThere) ?? findWritten(sys, configDirPath, file);
  return sessionId === undefined ? file : { ...file, sessionId };
}

const headBytes = 64 * 1024;

/** The only conversation of a person in its folder that was written since its start, and no other session has; it must be older. */
function findWritten(sys: ConversationSys, configDirPath: string, { pid, cwd, startedAt }: SessionFile): string | undefined {
  if (startedAt === undefined) return undefined;
  const others = sys.list(sessionsDir(configDirPath)).flatMap((name) => {
    const other = name.endsWith(".json") ? parseSessionFile(sys.readText(join(sessionsDir(configDirPath), name)) ?? "") : undefined;
    return other === undefined || other.pid === pid ? [] : [other.sessionId];
  });
  const written = sys.list(dirname(transcriptPath(configDirPath, cwd, ""))).flatMap((name) => {
    const id = name.replace(/\.jsonl$/, "");
    const path = transcriptPath(configDirPath, cwd, id);
    if (!isSessionId(id) || others.includes(id) || (sys.modifiedAt(path) ?? 0) <= startedAt) return [];
    const head = Buffer.alloc(headBytes);
    const { facts } = readFacts(head.subarray(0, sys.readInto(path, 0, head)));
    return isPersonal(facts) ? [{ id, isOlder: (facts.startedAt ?? startedAt) < startedAt }] : [];
  });
  const [one, ...more] = written;
  return one?.isOlder === true && more.length === 0 ? one.id : undefined;
}
