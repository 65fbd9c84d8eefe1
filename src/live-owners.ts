import { join } from "node:path";
import { parseSessionFile, type SessionFile } from "./claude-session.ts";
import { sessionsDir } from "./paths.ts";
import { isOwner, readProcesses } from "./process.ts";
import type { Sys } from "./sys.ts";

/** The process that has a conversation open, and the config dir it runs under. */
export interface LiveOwner {
  file: SessionFile;
  configDir: string;
}

/** By session id; what dead processes left behind is passed over, and so is a number in new use. */
export async function readLiveOwners(sys: Sys, configDirs: readonly string[]): Promise<Map<string, LiveOwner>> {
  const found = configDirs.flatMap((configDir) => readSessionFiles(sys, configDir).map((file) => ({ file, configDir })));
  const processes = await readProcesses(
    sys,
    found.map(({ file }) => file.pid),
  );
  const live = found.filter(({ file }) => isOwner(processes.get(file.pid), file));
  return new Map(live.map((owner) => [owner.file.sessionId, owner]));
}

const readSessionFiles = (sys: Sys, configDir: string): SessionFile[] => {
  const dir = sessionsDir(configDir);
  return sys.list(dir).flatMap((name) => (/^\d+\.json$/.test(name) ? (parseSessionFile(sys.readText(join(dir, name)) ?? "") ?? []) : []));
};
