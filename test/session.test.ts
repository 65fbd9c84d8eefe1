import { expect, test } from "bun:test";
import type { TranscriptEvent } from "../src/claude-transcript.ts";
import { activity, addEvents, createWork } from "../src/session.ts";

const call = (id: string, name: string, input: Record<string, unknown> = {}, at = 1): TranscriptEvent => ({
  kind: "tool",
  at,
  messageId: "m",
  toolUse: { id, name, input },
  model: "x",
});
const result = (id: string, isError = false, text = "no"): TranscriptEvent => ({
  kind: "result",
  at: 2,
  toolUseId: id,
  isError,
  ...(isError ? { text } : {}),
});
const worked = (...events: TranscriptEvent[]) => {
  const work = createWork();
  addEvents(work, new Map(), events);
  return work;
};

test("parallel calls: each result belongs to its own call, whatever the order", () => {
  const work = worked(call("1", "Read"), call("2", "Bash"), result("2", true, "exit 1"), result("1"));
  expect([work.errors, work.failedInRow]).toEqual([[{ at: 2, tool: "Bash", text: "exit 1" }], 0]);
});

test.each<[rule: string, events: TranscriptEvent[], inRow: number]>([
  ["one after another", [call("1", "Bash"), result("1", true), call("2", "Bash"), result("2", true)], 2],
  ["a success ends it", [call("1", "Bash"), result("1", true), call("2", "Bash"), result("2")], 0],
  ["so does a person", [call("1", "Bash"), result("1", true), { kind: "prompt", at: 3, uuid: "u", text: "stop" }], 0],
  ["and an interruption", [call("1", "Bash"), result("1", true), { kind: "interrupt", at: 3 }], 0],
])("failures in a row: %s", (_, events, inRow) => {
  expect(worked(...events).failedInRow).toBe(inRow);
});

test("edits are counted by file, newest last; other tools touch none", () => {
  const work = worked(
    call("1", "Edit", { file_path: "/a" }, 1),
    call("2", "Write", { file_path: "/b" }, 2),
    call("3", "NotebookEdit", { notebook_path: "/c" }, 3),
    call("4", "Edit", { file_path: "/a" }, 4),
    call("5", "Read", { file_path: "/d" }, 5),
    call("6", "Edit", { file_path: 7 }, 6),
  );
  expect([...work.files]).toEqual([
    ["/b", { edits: 1, at: 2 }],
    ["/c", { edits: 1, at: 3 }],
    ["/a", { edits: 2, at: 4 }],
  ]);
  expect(work.tools.get("Edit")).toBe(3);
});

test("what is kept does not grow without end", () => {
  const work = createWork();
  const open = new Map<string, string>();
  for (let at = 1; at < 5000; at++) addEvents(work, open, [call(`${at}`, "Edit", { file_path: `/${at}` }, at), result(`x${at}`, true)]);
  expect([work.files.size, work.errors.length, open.size, work.times.length <= 400]).toEqual([200, 5, 200, true]);
});

test("activity counts spans back from now; what is older or yet to come is left out", () => {
  expect(activity([0, 50, 95, 99, 100, 300], 100, 3, 50)).toEqual([1, 1, 3]);
});
