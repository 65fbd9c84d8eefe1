import { expect, test } from "bun:test";
import { createAgentCallReader, createCallWatch, threadOf } from "../src/thread-calls.ts";
import { createFakeSys } from "./fake-sys.ts";

const dir = "/p/s1/subagents";
const line = (fields: object) => `${JSON.stringify(fields)}\n`;
const call = (id: string, command: string) =>
  line({ type: "assistant", message: { content: [{ type: "tool_use", id, name: "Bash", input: { command } }] } });
const result = (id: string) => line({ type: "user", message: { content: [{ type: "tool_result", tool_use_id: id, content: "ok" }] } });
const meta = (fields: object = {}) => JSON.stringify({ agentType: "Explore", ...fields });

function open(files: Record<string, string>) {
  const sys = createFakeSys({ files: Object.fromEntries(Object.entries(files).map(([name, text]) => [`${dir}/${name}`, text])) });
  const reads: string[] = [];
  const counting = {
    ...sys,
    readTail: (path: string, bytes: number) => {
      reads.push(path);
      return sys.readTail(path, bytes);
    },
  };
  const read = createAgentCallReader(counting);
  return { sys, reads, commands: () => read("/p/s1.jsonl").map(({ input, agent }) => [agent?.id, agent?.type, input.command]) };
}

test("the open calls of the sub-agents that run; finished, torn and foreign files are none", () => {
  const { commands } = open({
    "agent-a1.meta.json": meta(),
    "agent-a1.jsonl": call("t1", "ls") + result("t1") + call("t2", "make"),
    "agent-b2.meta.json": meta({ finished: true }),
    "agent-b2.jsonl": call("t3", "rm x"),
    "agent-c3.meta.json": "{torn",
    "agent-c3.jsonl": call("t4", "rm y"),
    "notes.meta.json": meta(),
  });
  expect(commands()).toEqual([["a1", "Explore", "make"]]);
});

test("a file that stands as it stood is not read again, one that has grown is", () => {
  const { sys, reads, commands } = open({ "agent-a1.meta.json": meta(), "agent-a1.jsonl": call("t1", "ls") });
  expect([commands(), commands()]).toEqual([[["a1", "Explore", "ls"]], [["a1", "Explore", "ls"]]]);
  expect(reads).toHaveLength(1);
  sys.files.set(`${dir}/agent-a1.jsonl`, call("t1", "ls") + result("t1"));
  expect(commands()).toEqual([]);
  expect(reads).toHaveLength(2);
});

test("a sub-agent that has finished meanwhile asks nothing any more", () => {
  const { sys, commands } = open({ "agent-a1.meta.json": meta(), "agent-a1.jsonl": call("t1", "ls") });
  expect(commands()).toHaveLength(1);
  sys.files.set(`${dir}/agent-a1.meta.json`, meta({ finished: true }));
  expect(commands()).toEqual([]);
});

test.each([
  ["the main thread", {}, "/p/s1.jsonl"],
  ["a sub-agent", { agentId: "a1", agentType: "Explore" }, `${dir}/agent-a1.jsonl`],
  ["one of a workflow, a folder deeper", { agentId: "w1" }, `${dir}/workflows/wf_1/agent-w1.jsonl`],
  ["one that has written nothing yet", { agentId: "new1" }, `${dir}/agent-new1.jsonl`],
  ["a sub-agent without an id", { agentType: "Explore" }, undefined],
  ["an id that is a path", { agentId: "../x" }, undefined],
])("where %s writes", (_, thread, path) => {
  const { sys } = open({ "agent-a1.jsonl": call("t1", "ls"), "workflows/wf_1/agent-w1.jsonl": call("t2", "make") });
  expect(threadOf(sys, { transcriptPath: "/p/s1.jsonl", ...thread })).toBe(path);
});

test("the call of a workflow's agent is seen to be over", () => {
  const path = `${dir}/workflows/wf_1/agent-w1.jsonl`;
  const { sys } = open({ "workflows/wf_1/agent-w1.jsonl": call("t2", "make") });
  const input = { event: "PermissionRequest", sessionId: "s1", transcriptPath: "/p/s1.jsonl", agentId: "w1" };
  const isOver = createCallWatch(sys, { ...input, toolName: "Bash", toolInput: { command: "make" } });
  expect(isOver()).toBe(false);
  sys.files.set(path, call("t2", "make") + result("t2"));
  expect(isOver()).toBe(true);
});
