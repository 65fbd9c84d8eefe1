import { join } from "node:path";
import { slugOf } from "./claude-slug.ts";
import { projectsDir, sharedProjectsDir } from "./paths.ts";
import { isSessionId } from "./session-id.ts";
import type { Sys } from "./sys.ts";

/** A transcript on disk, not yet read. */
export interface TranscriptFile {
  sessionId: string;
  /** Its real folder. */
  dir: string;
  path: string;
  /** Tells it from a file that takes its place. */
  id: string;
  size: number;
  /** Epoch ms. */
  modifiedAt: number;
  /** The folder whose sessions were asked for; undefined when all were. */
  folder?: string;
  /** Config dirs under which claude finds it in that folder; none when it lies where no profile looks. */
  configDirs: string[];
}

export interface TranscriptScope {
  configDirs: readonly string[];
  /** Real paths; undefined for every folder there is. */
  folders?: readonly string[];
}

/** Every transcript of these folders, each file once however many profiles lead to it. Side chains of sub-agents are none. */
export function listTranscripts(sys: Sys, scope: TranscriptScope): TranscriptFile[] {
  const files = new Map<string, TranscriptFile>();
  for (const { dir, folder, configDirs } of listProjectDirs(sys, scope))
    for (const name of sys.list(dir)) {
      const sessionId = name.slice(0, -".jsonl".length);
      if (!name.endsWith(".jsonl") || !isSessionId(sessionId)) continue;
      const path = `${dir}/${name}`;
      const found = sys.identify(path);
      if (found === undefined || !found.isFile) continue;
      const known = files.get(found.id);
      if (known !== undefined) known.configDirs = [...new Set([...known.configDirs, ...configDirs])];
      else {
        const { id, size, modifiedAt } = found;
        files.set(id, { sessionId, dir, path, id, size, modifiedAt, ...(folder === undefined ? {} : { folder }), configDirs });
      }
    }
  return [...files.values()];
}

interface ProjectDir {
  dir: string;
  folder?: string;
  configDirs: string[];
}

function listProjectDirs(sys: Sys, scope: TranscriptScope): ProjectDir[] {
  const found = new Map<string, ProjectDir>();
  const add = (base: string, slug: string, configDir: string | undefined, folder: string | undefined, isReachable: boolean) => {
    const dir = sys.realPath(join(base, slug));
    if (dir === undefined) return;
    const known = found.get(dir) ?? { dir, ...(folder === undefined ? {} : { folder }), configDirs: [] };
    if (configDir !== undefined && isReachable && !known.configDirs.includes(configDir)) known.configDirs.push(configDir);
    found.set(dir, known);
  };
  const bases = [...scope.configDirs.map((dir) => ({ base: projectsDir(dir), dir })), { base: sharedProjectsDir(sys), dir: undefined }];
  for (const { base, dir } of bases) {
    if (scope.folders === undefined) for (const slug of sys.list(base)) add(base, slug, dir, undefined, true);
    else for (const folder of scope.folders) for (const slug of slugsOf(folder)) add(base, slug, dir, folder, slug === slugOf(folder));
  }
  return [...found.values()];
}

/** What Claude Code uses, and what early versions did; claude itself looks in the first one only. */
const slugsOf = (folder: string): string[] => [...new Set([slugOf(folder), folder.replaceAll("/", "-")])];
