import { expect, test } from "bun:test";
import { createAgentFiles, createAgentReader } from "../src/agents.ts";
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

test("the files of a session's sub-agents: in its folder at any depth, and beside it where an older version put them", () => {
  const line = (session: string) => JSON.stringify({ isSidechain: true, cwd: "/w", sessionId: session });
  const sys = createFakeSys({
    files: {
      "/p/slug/s1.jsonl": line("s1"),
      "/p/slug/s1/subagents/agent-a.jsonl": line("s1"),
      "/p/slug/s1/subagents/workflows/wf_1/agent-b.jsonl": line("s1"),
      "/p/slug/agent-c.jsonl": `${line("s1").replaceAll(":", ": ")}\n`,
      "/p/slug/agent-d.jsonl": line("s2"),
      "/p/slug/agent-e.jsonl": "{torn",
      "/p/slug/s2.jsonl": line("s1"),
    },
  });
  const list = createAgentFiles(sys);
  const below = "/p/slug/s1/subagents";
  expect(list("/p/slug/s1.jsonl")).toEqual([`${below}/agent-a.jsonl`, `${below}/workflows/wf_1/agent-b.jsonl`, "/p/slug/agent-c.jsonl"]);
  expect(list("/p/slug/s2.jsonl")).toEqual(["/p/slug/agent-d.jsonl"]);
  sys.overwrite("/p/slug/agent-e.jsonl", line("s2"));
  expect(list("/p/slug/s2.jsonl")).toEqual(["/p/slug/agent-d.jsonl", "/p/slug/agent-e.jsonl"]);
});
