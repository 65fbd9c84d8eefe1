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
export type AgentSys = Pick<Sys, "now" | "modifiedAt" | "list" | "isDirectory" | "realPath" | "readInto">;

interface Folder {
  /** Epoch ms. */
  changedAt: number;
  /** Without links. */
  place: string;
  files: string[];
  /** Those of its files that belong to a session beside them. */
  besides: string[];
  others: string[];
  /** Those of the others that are folders, once somebody has asked. */
  folders?: string[];
}

const noFolder: Folder = { changedAt: 0, place: "", files: [], besides: [], others: [], folders: [] };
const isFile = (path: string): boolean => /\.jsonl?$/.test(path);

/** Versions before the folder put the transcript of a sub-agent beside that of its session (2.0.70). */
const isBesideSession = (path: string): boolean => /^agent-[\w.-]+\.jsonl$/.test(basename(path));
/** Its first line holds the prompt. */
const ownerBytes = 64 * 1024;

/** The session that a sub-agent's transcript beside it belongs to, as its first line names it; undefined for every other file. */
export function readOwner(sys: Pick<Sys, "readInto">, path: string): string | undefined {
  if (!isBesideSession(path)) return undefined;
  const bytes = Buffer.alloc(ownerBytes);
  const head = bytes.toString("utf8", 0, sys.readInto(path, 0, bytes));
  return /"sessionId"\s*:\s*"([\w-]+)"/.exec(head)?.[1];
}

/**
 * The files of a session's sub-agents, at any depth and through links (2.1.329 puts those of a workflow into `workflows/wf_1`), or
 * beside its transcript, read again and again: a folder is listed only when it has changed.
 */
export function createAgentFiles(sys: AgentSys): (transcript: string) => string[] {
  const known = new Map<string, Folder>();
  const listFolder = (dir: string): Folder => {
    const changedAt = sys.modifiedAt(dir);
    if (changedAt === undefined) return noFolder;
    const before = known.get(dir);
    // The clock of files is coarse: a folder that changed just now may change again at the same time.
    if (before?.changedAt === changedAt && sys.now() - changedAt >= coarseMs) return before;
    const paths = sys
      .list(dir)
      .sort()
      .map((name) => join(dir, name));
    const folder = {
      changedAt,
      place: sys.realPath(dir) ?? dir,
      files: paths.filter(isFile),
      besides: paths.filter(isBesideSession),
      others: paths.filter((path) => !isFile(path)),
    };
    known.set(dir, folder);
    return folder;
  };
  const walk = (dir: string, seen: Set<string>): string[] => {
    const folder = listFolder(dir);
    // A link may lead back to where it stands.
    if (seen.has(folder.place)) return [];
    seen.add(folder.place);
    folder.folders ??= folder.others.filter((path) => sys.isDirectory(path));
    return [...folder.files, ...folder.folders.flatMap((path) => walk(path, seen))];
  };
  const owners = new Map<string, string | undefined>();
  const ownerOf = (path: string): string | undefined => {
    const owner = owners.get(path) ?? readOwner(sys, path);
    owners.set(path, owner);
    return owner;
  };
  return (transcript) => {
    const session = basename(transcript, ".jsonl");
    const beside = listFolder(dirname(transcript)).besides.filter((path) => ownerOf(path) === session);
    return [...walk(agentsDir(transcript), new Set()), ...beside];
  };
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
