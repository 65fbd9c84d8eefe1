import type { SessionFile } from "./claude-session.ts";
import { readFoundSessions } from "./session-files.ts";
import type { Sys } from "./sys.ts";

/** The process that has a conversation open, and the config dir it runs under. */
export interface LiveOwner {
  file: SessionFile;
  configDir: string;
}

/** By session id; what dead processes left behind is passed over, and so is a number in new use. */
export async function readLiveOwners(sys: Sys, configDirs: readonly string[]): Promise<Map<string, LiveOwner>> {
  const dirs = configDirs.map((dir) => ({ dir, name: undefined }));
  const live = (await readFoundSessions(sys, dirs)).filter(({ liveness }) => liveness === "live");
  return new Map(live.map(({ file, configDir }) => [file.sessionId, { file, configDir }]));
}
