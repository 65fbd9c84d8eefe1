import { expect, test } from "bun:test";
import type { ScreenGate } from "../src/claude-gate.ts";
import type { SessionFile } from "../src/claude-session.ts";
import { findGates, type GateCall } from "../src/gates.ts";

const session = { pid: 7, sessionId: "s", cwd: "/w", version: "2.1.329", status: "waiting", statusUpdatedAt: 1 } as SessionFile;
const call = (tool: string, input: Record<string, unknown>, agent?: GateCall["agent"]): GateCall => ({
  ...{ request: JSON.stringify(input), tool, input, isHeld: false },
  ...(agent === undefined ? {} : { agent }),
});
const dialog = (header: string, body: string, question = "Do you want to proceed?", agent?: string): ScreenGate => ({
  ...{ kind: "permission", header, body, question, options: [] },
  ...(agent === undefined ? {} : { agent }),
});
const write = (file_path: string, content = "x") => call("Write", { file_path, content });
const ticket = (title: string, priority: string) => call("mcp__demo__create_ticket", { title, priority });
const fetch = (url: string, prompt: string) => call("WebFetch", { url, prompt });
const edit = (old_string: string, new_string: string) => call("Edit", { file_path: "/w/a.ts", old_string, new_string });

/** Which of the open calls of the main thread the dialog is about; the first may have been allowed and still run. */
test.each<[rule: string, calls: GateCall[], shown: ScreenGate, wanted: number]>([
  ["one name in two folders", [write("/w/src/a/index.ts"), write("/w/src/b/index.ts")], dialog("Create file", "src/b/index.ts\n1 x"), 1],
  ["one name, in a folder and above it", [write("/w/a/index.ts"), write("/w/index.ts")], dialog("Create file", "a/index.ts\n1 x"), 0],
  ["two edits of one file", [edit("one", "eins"), edit("two", "zwei")], dialog("Edit file", "a.ts\n2 - two\n2 + zwei"), 1],
  [
    "one title, two priorities",
    [ticket("Flaky", "high"), ticket("Flaky", "low")],
    dialog("Tool use", 'title: "Flaky"\npriority: "low"'),
    1,
  ],
  [
    "one page, two questions",
    [fetch("http://x/p", "Sum up"), fetch("http://x/p", "Translate")],
    dialog("Fetch", "url: http://x/p\nprompt: Translate"),
    1,
  ],
  [
    "one question, two pages",
    [fetch("http://x/a", "Sum up"), fetch("http://x/b", "Sum up")],
    dialog("Fetch", "url: http://x/b\nprompt: Sum up"),
    1,
  ],
  [
    "equal ones: that which was asked first",
    [ticket("Flaky", "low"), ticket("Flaky", "low")],
    dialog("Tool use", 'title: "Flaky"\npriority: "low"'),
    0,
  ],
])("%s", (_, calls, gate, wanted) => {
  const [shown, ...others] = findGates({ session, screen: { gate }, mainCalls: calls });
  expect([shown?.call, others]).toEqual([calls[wanted], []]);
});

test("of two sub-agents of one type the one that the dialog shows is meant; where both fit, nobody can tell", () => {
  const agents = ["a1", "a2"].map((id) => ({ id, type: "Explore" }));
  const calls = agents.map((agent, index) => call("mcp__demo__create_ticket", { title: "Flaky", priority: ["high", "low"][index] }, agent));
  const gate = (body: string) => dialog("Tool use · from the Explore agent", body, undefined, "Explore");
  const find = (body: string) => findGates({ session, screen: { gate: gate(body) }, agentCalls: calls });
  expect(find('title: "Flaky"\npriority: "low"')).toMatchObject([{ call: { agent: { id: "a2" } } }]);
  expect(find('title: "Flaky"\npriority: "low"')[0]?.isAlike).toBeUndefined();
  expect(find('title: "Flaky"')[0]?.isAlike).toBe(true);
});
