import { afterAll, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, realpathSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findConversation, matchConversations } from "../src/conversations.ts";
import { slugOf } from "../src/paths.ts";
import { createSys } from "../src/sys.ts";
import type { TranscriptFacts } from "../src/transcript-facts.ts";
import { openTranscriptIndex } from "../src/transcripts.ts";

const id = (start: string) => `${start}${"00000000-0000-4000-8000-000000000000".slice(start.length)}`;
const conversation = (start: string, facts: Partial<TranscriptFacts>) => ({ sessionId: id(start), facts: { turns: 1, ...facts } });

/** Newest first. */
const all = [
  conversation("3f2a1b4c", { customTitle: "Fix login" }),
  conversation("3f2a9999", { customTitle: "release", aiTitle: "Make a release" }),
  conversation("abcd1234", { aiTitle: "Explain the build" }),
  conversation("dddd", { customTitle: "release" }),
  conversation("1111", { customTitle: "Write docs" }),
  conversation("2222", { customTitle: "Write tests", lastPrompt: "and the docs" }),
  conversation("3333", { customTitle: "FIX LOGIN" }),
  conversation("ffff", { firstPrompt: "Why does\nthe  build fail?" }),
  conversation("4444", { agentName: "nightly", lastPrompt: "Run it" }),
  conversation("5555", { customTitle: "deadbeef" }),
  conversation("deadbeef", { customTitle: "Other" }),
  conversation("6666", {}),
];

test.each<[rule: string, word: string, found: string[]]>([
  ["a whole id", id("abcd1234"), ["abcd1234"]],
  ["in capitals", id("abcd1234").toUpperCase(), ["abcd1234"]],
  ["an id that is not here", id("12345678"), []],
  ["a title as it was typed", "Fix login", ["3f2a1b4c"]],
  ["the same in capitals is another one", "FIX LOGIN", ["33330000"]],
  ["in other letters: the newest", "fix LOGIN", ["3f2a1b4c"]],
  ["of two with one title the newest", "release", ["3f2a9999"]],
  ["a title that claude made up", "Explain the build", ["abcd1234"]],
  ["also where a person gave another", "Make a release", ["3f2a9999"]],
  ["the name of an agent", "nightly", ["44440000"]],
  ["the beginning of an id", "3f2a1", ["3f2a1b4c"]],
  ["in capitals", "3F2A1B4C", ["3f2a1b4c"]],
  ["a beginning of two", "3f2a", ["3f2a1b4c", "3f2a9999"]],
  ["three characters are no id", "3f2", []],
  ["a title before the beginning of an id", "deadbeef", ["55550000"]],
  ["what a list shows where there is no title", "why does the build fail?", ["ffff0000"]],
  ["the beginning of a title", "expl", ["abcd1234"]],
  ["the beginning of two titles", "write", ["11110000", "22220000"]],
  ["a part of a title", "tests", ["22220000"]],
  ["a part of two", "build", ["abcd1234", "ffff0000"]],
  ["a beginning before a part", "run", ["44440000"]],
  ["blanks around it", " tests ", ["22220000"]],
  ["a word that names nothing", "nothing", []],
  ["no word", " ", []],
])("%s: %p", (_, word, found) => {
  expect(matchConversations(all, word).map(({ sessionId }) => sessionId.slice(0, 8))).toEqual(found);
});

describe("this folder comes first", () => {
  const root = realpathSync(mkdtempSync(join(tmpdir(), "csm-conversations-")));
  afterAll(() => rmSync(root, { recursive: true, force: true }));
  const configDir = join(root, ".claude");
  const here = join(root, "here");
  const put = (folder: string, sessionId: string, title: string, at: number) => {
    const dir = join(configDir, "projects", slugOf(folder));
    mkdirSync(dir, { recursive: true });
    const lines = [
      { type: "custom-title", customTitle: title },
      { type: "user", cwd: folder, message: { role: "user", content: "x" } },
    ];
    writeFileSync(join(dir, `${sessionId}.jsonl`), lines.map((line) => `${JSON.stringify(line)}\n`).join(""));
    utimesSync(join(dir, `${sessionId}.jsonl`), at, at);
  };
  mkdirSync(here);
  put(here, id("aaaa1111"), "login form", 10);
  put(here, id("aaaa2222"), "tests one", 20);
  put(here, id("aaaa3333"), "tests two", 30);
  put("/elsewhere", id("bbbb1111"), "login", 40);
  put("/elsewhere", id("bbbb2222"), "release", 50);
  put("/elsewhere", id("bbbb3333"), "release notes", 60);

  const find = (word: string) => {
    const sys = { ...createSys({ HOME: root }), cwd: here };
    const index = openTranscriptIndex(sys);
    try {
      return findConversation(sys, index, [configDir], word)?.sessionId.slice(0, 8);
    } finally {
      index.close();
    }
  };

  test.each([
    ["a beginning here before a whole title elsewhere", "login", "aaaa1111"],
    ["elsewhere where nothing here is meant", "release", "bbbb2222"],
    ["an id of elsewhere", id("bbbb3333"), "bbbb3333"],
    ["the beginning of one", "bbbb3", "bbbb3333"],
    ["nothing anywhere", "nope", undefined],
  ])("%s: %p", (_, word, found) => expect(find(word)).toBe(found as string));

  test.each([
    ["tests", '"tests" names 2 conversations', `give one of ${id("aaaa3333")} ${id("aaaa2222")}`],
    ["bbbb", '"bbbb" names 3 conversations', `give one of ${id("bbbb3333")} ${id("bbbb2222")} ${id("bbbb1111")}`],
  ])("ambiguous: %p", (word, message, hint) => {
    expect(() => find(word)).toThrow(expect.objectContaining({ message, hint }));
  });
});
