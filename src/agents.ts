import { join } from "node:path";
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

export const agentTranscript = (dir: string, id: string): string => join(dir, `agent-${id}.jsonl`);

const facts = { type: ["agentType", "string"], description: "string", model: "string" } as const;

/** Reads a session's sub-agents, again and again; those that have finished are not read again. */
export function createAgentReader(sys: Pick<Sys, "now" | "modifiedAt" | "list" | "readText">): (transcript: string) => AgentFile[] {
  let dir = "";
  let changedAt: number | undefined;
  let ids: string[] = [];
  const finished = new Map<string, AgentFile>();
  return (transcript) => {
    const current = agentsDir(transcript);
    if (current !== dir) {
      [dir, changedAt, ids] = [current, undefined, []];
      finished.clear();
    }
    const modifiedAt = sys.modifiedAt(dir);
    if (modifiedAt === undefined) return [];
    if (modifiedAt !== changedAt || sys.now() - modifiedAt < coarseMs) {
      changedAt = modifiedAt;
      ids = sys.list(dir).flatMap((name) => /^agent-([\w.-]+)\.meta\.json$/.exec(name)?.[1] ?? []);
    }
    return ids.flatMap((id) => {
      const known = finished.get(id);
      if (known !== undefined) return known;
      // One that is being written is whole at the next look.
      const meta = parseRecord(sys.readText(join(dir, `agent-${id}.meta.json`)));
      if (meta === undefined) return [];
      const agent = { id, ...shape(meta, facts), isRunning: meta.finished !== true, transcript: agentTranscript(dir, id) };
      if (!agent.isRunning) finished.set(id, agent);
      return agent;
    });
  };
}
