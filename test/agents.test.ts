import { expect, test } from "bun:test";
import { createAgentReader } from "../src/agents.ts";
import { createFakeSys } from "./fake-sys.ts";

test("sub-agents: at work until their file says finished; torn and foreign files are none", async () => {
  const dir = "/p/id/subagents";
  const meta = (finished: boolean) => JSON.stringify({ agentType: "Explore", description: "look", model: "m", finished });
  const sys = createFakeSys({
    files: { [`${dir}/agent-a.meta.json`]: meta(false), [`${dir}/agent-b.meta.json`]: "{", [`${dir}/agent-a.jsonl`]: "" },
  });
  const read = createAgentReader(sys);
  const running = () => read("/p/id.jsonl").map((agent) => [agent.id, agent.type, agent.isRunning]);
  expect(running()).toEqual([["a", "Explore", true]]);
  sys.overwrite(`${dir}/agent-a.meta.json`, meta(true));
  expect(running()).toEqual([["a", "Explore", false]]);
  expect(createAgentReader(sys)("/p/other.jsonl")).toEqual([]);
});
