import type { SessionFile } from "./claude-session.ts";
import { present } from "./json.ts";
import { isWindowsPath } from "./path-pattern.ts";
import { sessionFilePath, sessionsDir } from "./paths.ts";
import { readProcesses } from "./process.ts";
import { withConversation } from "./resumed.ts";
import { isOwner, readSessionFile, tornReadMs, tornReads } from "./session-file.ts";
import type { Sys } from "./sys.ts";
import { coarseMs, stateOf } from "./sys-files.ts";

/** A folder that sessions live in, and the profile it belongs to. */
export interface SessionDir {
  dir: string;
  name: string | undefined;
}

/** `elsewhere`: in another container or on another machine, where nobody here can tell. */
type Liveness = "live" | "gone" | "elsewhere";

/** What Claude Code says of one of its processes, and whether that still holds. It removes the file at every end but SIGKILL. */
export interface FoundSession {
  configDir: string;
  profile?: string;
  file: SessionFile;
  liveness: Liveness;
}

/** Every session of these config dirs. */
export async function readSessions(sys: Sys, dirs: readonly SessionDir[]): Promise<FoundSession[]> {
  const files = openSessionFiles(sys);
  let { found, hasTorn } = files.list(dirs);
  for (let attempt = 1; attempt < tornReads && hasTorn; attempt++) {
    await sys.sleep(tornReadMs);
    ({ found, hasTorn } = files.list(dirs));
  }
  const here = found.filter(({ file }) => !files.isElsewhere(file));
  const processes = await readProcesses(
    sys,
    here.map(({ file }) => file.pid),
  );
  const judge = (file: SessionFile): Liveness => {
    if (files.isElsewhere(file)) return "elsewhere";
    return isOwner(sys, processes.get(file.pid), file) ? "live" : "gone";
  };
  return found.map(({ file, dir }) => ({ configDir: dir.dir, ...present({ profile: dir.name }), file, liveness: judge(file) }));
}

/** The process that has a conversation open, and the config dir it runs under. */
export type LiveOwner = Pick<FoundSession, "file" | "configDir">;

/** By session id; what dead processes left behind is passed over, and so is a number in new use. */
export async function readLiveOwners(sys: Sys, configDirs: readonly string[]): Promise<Map<string, LiveOwner>> {
  const dirs = configDirs.map((dir) => ({ dir, name: undefined }));
  const live = (await readSessions(sys, dirs)).filter(({ liveness }) => liveness === "live");
  return new Map(live.map(({ file, configDir }) => [file.sessionId, { file, configDir }]));
}

/** The files of config dirs, to be read once or again and again: what has not changed is not parsed again. */
interface SessionFiles {
  /** A file that is being written is found as it was before; `hasTorn` when there is one, also where nothing is known of it. */
  list<D extends { dir: string }>(dirs: readonly D[]): { found: { file: SessionFile; dir: D }[]; hasTorn: boolean };
  /** As the function of this name; asked again and again, it reads nothing. */
  isElsewhere(file: SessionFile): boolean;
}

export function openSessionFiles(sys: Sys): SessionFiles {
  const known = new Map<string, { state: string; file: SessionFile }>();
  const domains = new Map<string, boolean>();
  const read = (path: string, configDir: string, pid: number): { file?: SessionFile; isTorn: boolean } => {
    const stat = sys.identify(path);
    if (stat === undefined) return { isTorn: false };
    const last = known.get(path);
    const state = stateOf(stat);
    if (last?.state === state && sys.now() - stat.modifiedAt > coarseMs) return { file: last.file, isTorn: false };
    const file = readSessionFile(sys, configDir, pid)?.file;
    if (file !== undefined) known.set(path, { state, file });
    return { ...present({ file: file ?? last?.file }), isTorn: file === undefined };
  };
  return {
    list<D extends { dir: string }>(dirs: readonly D[]) {
      const found: { file: SessionFile; dir: D }[] = [];
      const paths = new Set<string>();
      let hasTorn = false;
      for (const dir of dirs)
        for (const pid of listSessionPids(sys, dir.dir)) {
          const path = sessionFilePath(dir.dir, pid);
          const { file, isTorn } = read(path, dir.dir, pid);
          if (file !== undefined) found.push({ file: withConversation(sys, dir.dir, file), dir });
          hasTorn ||= isTorn;
          paths.add(path);
        }
      for (const path of known.keys()) if (!paths.has(path)) known.delete(path);
      return { found, hasTorn };
    },
    isElsewhere(file) {
      const { pidDomain = "", cwd } = file;
      const isAway = domains.get(pidDomain) ?? isElsewhere(sys, { pidDomain });
      domains.set(pidDomain, isAway);
      return isAway || isElsewhere(sys, { cwd });
    },
  };
}

/** Of the processes that have a file, torn ones among them; secrets lie beside these files. */
export const listSessionPids = (sys: Pick<Sys, "list">, configDir: string): number[] =>
  sys.list(sessionsDir(configDir)).flatMap((name) => (/^\d+\.json$/.test(name) ? [Number.parseInt(name, 10)] : []));

/**
 * Is this session file about a process that is counted elsewhere: in another container, on the other side of WSL, or on another machine
 * that shares the folder? Its number says nothing about a process here. Claude Code 2.1.329 writes `linux:<machine-id>:pid:[<namespace>]`,
 * `darwin` and `win32:<host>`; older versions nothing, so that the spelling of the folder must do.
 */
export function isElsewhere(sys: Sys, { pidDomain = "", cwd = "" }: Partial<Pick<SessionFile, "pidDomain" | "cwd">>): boolean {
  if (cwd !== "" && isWindowsPath(cwd) !== (sys.platform === "win32")) return true;
  const [platform = "", place = ""] = pidDomain.split(":");
  if (["linux", "darwin", "win32"].includes(platform) && platform !== sys.platform) return true;
  if (platform === "win32") return place !== "" && place !== sys.hostname().toLowerCase();
  const match = /^linux:(.*):(pid:\[\d+\])$/.exec(pidDomain);
  if (match === null) return false;
  const [, machine = "", namespace] = match;
  const ownNamespace = sys.realPath("/proc/self/ns/pid");
  const ownMachine = sys.readText("/etc/machine-id")?.trim();
  const isOtherMachine = /^[0-9a-f]{32}$/.test(machine) && ownMachine !== undefined && ownMachine !== "" && machine !== ownMachine;
  return isOtherMachine || (ownNamespace !== undefined && ownNamespace !== namespace);
}
