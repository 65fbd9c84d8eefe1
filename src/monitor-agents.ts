import { join } from "node:path";
import type { Sys } from "./sys.ts";

/** A sub-agent of a session, as its own file tells (2.1.329). */
export interface Agent {
  id: string;
  type: string;
  description: string;
  model?: string;
  isRunning: boolean;
  transcript: string;
}

/** Reads a session's sub-agents; those that have finished are not read again. */
export interface AgentReader {
  read(transcriptPath: string): Agent[];
}

export function createAgentReader(sys: Sys): AgentReader {
  let dir = "";
  let changedAt: number | undefined;
  let names: string[] = [];
  const finished = new Map<string, Agent>();
  return {
    read(transcriptPath) {
      const current = join(transcriptPath.replace(/\.jsonl$/, ""), "subagents");
      if (current !== dir) {
        [dir, changedAt, names] = [current, undefined, []];
        finished.clear();
      }
      const modifiedAt = sys.modifiedAt(dir);
      if (modifiedAt === undefined) return [];
      if (modifiedAt !== changedAt) {
        changedAt = modifiedAt;
        names = sys.list(dir).filter((name) => /^agent-.+\.meta\.json$/.test(name));
      }
      return names.flatMap((name) => {
        const known = finished.get(name);
        if (known !== undefined) return known;
        const agent = parseAgent(dir, name, sys.readText(join(dir, name)));
        if (agent !== undefined && !agent.isRunning) finished.set(name, agent);
        return agent ?? [];
      });
    },
  };
}

function parseAgent(dir: string, name: string, text: string | undefined): Agent | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text ?? "");
  } catch {
    // Being written: the next look brings it whole.
    return undefined;
  }
  if (typeof value !== "object" || value === null) return undefined;
  const { agentType, description, model, finished } = value as Record<string, unknown>;
  const id = name.slice("agent-".length, -".meta.json".length);
  return {
    id,
    type: typeof agentType === "string" ? agentType : "agent",
    description: typeof description === "string" ? description : "",
    ...(typeof model === "string" ? { model } : {}),
    isRunning: finished !== true,
    transcript: join(dir, `agent-${id}.jsonl`),
  };
}
