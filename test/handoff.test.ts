import { expect, test } from "bun:test";
import { shareConversation } from "../src/handoff.ts";
import { createFakeSys } from "./fake-sys.ts";

const from = "/home/dev/.claude.work";
const to = "/home/dev/.claude.home";
const transcript = `${from}/projects/-app/ID.jsonl`;
const copy = `${to}/projects/-app/ID.jsonl`;
const original = {
  [transcript]: "one\ntwo\n",
  [`${from}/projects/-app/ID/subagents/agent-1.jsonl`]: "sub\n",
  [`${from}/projects/-app/OTHER.jsonl`]: "x\n",
};

test.each([
  [
    "a first switch copies the transcript and its own folder",
    {},
    { [copy]: "one\ntwo\n", [`${to}/projects/-app/ID/subagents/agent-1.jsonl`]: "sub\n" },
  ],
  ["a copy that is there is left alone", { [copy]: "one\ntwo\n" }, { [copy]: "one\ntwo\n" }],
  ["an earlier part of the conversation is continued", { [copy]: "one\n" }, { [copy]: "one\ntwo\n" }],
] as [string, Record<string, string>, Record<string, string>][])("%s", async (_, there, expected) => {
  const sys = createFakeSys({ files: { ...original, ...there } });
  expect(await shareConversation(sys, transcript, from, to)).toBe("copied");
  expect(Object.fromEntries(sys.files)).toMatchObject({ ...original, ...expected });
  expect(sys.files.has(`${to}/projects/-app/OTHER.jsonl`)).toBe(false);
});

test.each([
  ["differs", "one\nother\n"],
  ["is longer", "one\ntwo\nthree\n"],
])("a conversation there that %s is not touched", async (_, there) => {
  const sys = createFakeSys({ files: { ...original, [copy]: there } });
  await expect(shareConversation(sys, transcript, from, to)).rejects.toThrow(`${copy} holds another conversation`);
  expect(sys.files.get(copy)).toBe(there);
});

test("profiles that share their projects need no copy", async () => {
  const sys = createFakeSys({ files: original });
  const shared = { ...sys, realPath: (path: string) => path.replace(to, from) };
  expect(await shareConversation(shared, transcript, from, to)).toBe("shared");
  expect(sys.files.has(copy)).toBe(false);
});

test("a copy that is not equal is an error", async () => {
  const sys = createFakeSys({ files: original });
  const torn = { ...sys, copyPrivate: (_: string, path: string) => sys.writePrivate(path, "one\n") };
  await expect(shareConversation(torn, transcript, from, to)).rejects.toThrow("is not equal to its original");
});
