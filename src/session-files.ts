import { join } from "node:path";
import { parseSessionFile, type SessionFile } from "./claude-session.ts";
import { present } from "./json.ts";
import { sessionsDir } from "./paths.ts";
import { isElsewhere, isOwner, readProcesses } from "./process.ts";
import type { Sys } from "./sys.ts";

/** A folder that sessions live in, and the profile it belongs to. */
export interface SessionDir {
  dir: string;
  name: string | undefined;
}

/** `elsewhere`: in another container or on another machine, where nobody here can tell. */
export type Liveness = "live" | "gone" | "elsewhere";

/** What Claude Code says of one of its processes, and whether that still holds. It removes the file at every end but SIGKILL. */
export interface FoundSession {
  configDir: string;
  profile?: string;
  file: SessionFile;
  liveness: Liveness;
}

/** Every session file of these config dirs. */
export async function readFoundSessions(sys: Sys, dirs: readonly SessionDir[]): Promise<FoundSession[]> {
  const found = dirs.flatMap(({ dir, name }) =>
    listFiles(sys, sessionsDir(dir)).map((file) => ({ configDir: dir, ...present({ profile: name }), file })),
  );
  const here = found.filter(({ file }) => !isElsewhere(sys, file));
  const processes = await readProcesses(
    sys,
    here.map(({ file }) => file.pid),
  );
  return found.map((session) => {
    if (!here.includes(session)) return { ...session, liveness: "elsewhere" };
    return { ...session, liveness: isOwner(processes.get(session.file.pid), session.file) ? "live" : "gone" };
  });
}

const listFiles = (sys: Sys, dir: string): SessionFile[] =>
  sys.list(dir).flatMap((name) => (/^\d+\.json$/.test(name) ? (parseSessionFile(sys.readText(join(dir, name)) ?? "") ?? []) : []));
