import { basename, dirname, join } from "node:path";
import { parseRecord, shape } from "./json.ts";
import type { Sys } from "./sys.ts";
import { coarseMs } from "./sys-files.ts";

/** A sub-agent of a session, as its own file tells (2.1.329). */
interface AgentFile {
  id: string;
  type?: string;
  description?: string;
  model?: string;
  isRunning: boolean;
  transcript: string;
}

/** The folder of a session's sub-agents, beside its transcript. */
export const agentsDir = (transcript: string): string => join(transcript.replace(/\.jsonl$/, ""), "subagents");

/** Run logs lie beside the transcripts of a workflow's agents (`workflows/wf_1/journal.jsonl`): without an answer they are none. */
export const isRunLog = (path: string): boolean => /[/\\]subagents[/\\](?:.*[/\\])?(?!agent-)[^/\\]*$/.test(path);

/** A session's own transcript, `<slug>/<session>.jsonl`, or one below its sub-agents' folder; by its parts below `projects`. */
export const isTranscript = (parts: readonly string[]): boolean => parts.length <= 2 || parts[2] === "subagents";

/** What reading the folders of sub-agents takes. */
export type AgentSys = Pick<Sys, "now" | "modifiedAt" | "list" | "isDirectory" | "realPath">;

/**
 * The files of a session's sub-agents, at any depth and through links (2.1.329 puts those of a workflow into `workflows/wf_1`), read
 * again and again: a folder is listed only when it has changed.
 */
export function createAgentFiles(sys: AgentSys): (transcript: string) => string[] {
  const known = new Map<string, { changedAt: number; place: string; files: string[]; folders: string[] }>();
  const walk = (dir: string, seen: Set<string>): string[] => {
    const changedAt = sys.modifiedAt(dir);
    if (changedAt === undefined) return [];
    let folder = known.get(dir);
    // The clock of files is coarse: a folder that changed just now may change again at the same time.
    if (folder?.changedAt !== changedAt || sys.now() - changedAt < coarseMs) {
      const names = sys.list(dir).sort();
      const folders = names.filter((name) => !/\.jsonl?$/.test(name)).map((name) => join(dir, name));
      const files = names.filter((name) => /\.jsonl?$/.test(name)).map((name) => join(dir, name));
      folder = { changedAt, place: sys.realPath(dir) ?? dir, files, folders: folders.filter((path) => sys.isDirectory(path)) };
      known.set(dir, folder);
    }
    // A link may lead back to where it stands.
    if (seen.has(folder.place)) return [];
    seen.add(folder.place);
    return [...folder.files, ...folder.folders.flatMap((path) => walk(path, seen))];
  };
  return (transcript) => walk(agentsDir(transcript), new Set());
}

export const agentTranscript = (dir: string, id: string): string => join(dir, `agent-${id}.jsonl`);

const facts = { type: ["agentType", "string"], description: "string", model: "string" } as const;

/** Reads a session's sub-agents, again and again; those that have finished are not read again. */
export function createAgentReader(sys: AgentSys & Pick<Sys, "readText">): (transcript: string) => AgentFile[] {
  let session = "";
  let listFiles = createAgentFiles(sys);
  const finished = new Map<string, AgentFile>();
  return (transcript) => {
    if (transcript !== session) {
      session = transcript;
      listFiles = createAgentFiles(sys);
      finished.clear();
    }
    return listFiles(transcript).flatMap((path) => {
      const id = /^agent-([\w.-]+)\.meta\.json$/.exec(basename(path))?.[1];
      const known = finished.get(path);
      if (id === undefined || known !== undefined) return known ?? [];
      // One that is being written is whole at the next look.
      const meta = parseRecord(sys.readText(path));
      if (meta === undefined) return [];
      const agent = { id, ...shape(meta, facts), isRunning: meta.finished !== true, transcript: agentTranscript(dirname(path), id) };
      if (!agent.isRunning) finished.set(path, agent);
      return agent;
    });
  };
}
