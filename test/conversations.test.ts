import { afterAll, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, realpathSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ambiguous, findConversations, matchNames, pickNewestFree, renderScan } from "../src/conversations.ts";
import { slugOf } from "../src/paths.ts";
import { createSys } from "../src/sys.ts";
import type { TranscriptFacts } from "../src/transcript-facts.ts";
import { openTranscriptIndex } from "../src/transcripts.ts";
import { createFakeSys } from "./fake-sys.ts";

const id = (start: string) => `${start}${"00000000-0000-4000-8000-000000000000".slice(start.length)}`;
const conversation = (start: string, facts: Partial<TranscriptFacts>, names: string[] = []) => ({
  sessionId: id(start),
  names,
  facts: { turns: 1, ...facts },
});

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
  conversation("7777", { customTitle: "app-30" }),
  conversation("8888", { aiTitle: "Something else" }, ["app-30", "work", "work:@1.%4"]),
  conversation("9999", {}, ["work"]),
];

test.each<[rule: string, word: string, found: string[]]>([
  ["a whole id", id("abcd1234"), ["abcd1234"]],
  ["in capitals", id("abcd1234").toUpperCase(), ["abcd1234"]],
  ["an id that is not here", id("12345678"), []],
  ["a title as it was typed", "Fix login", ["3f2a1b4c"]],
  ["the same in capitals is another one", "FIX LOGIN", ["33330000"]],
  ["in other letters: both", "fix LOGIN", ["3f2a1b4c", "33330000"]],
  ["two with one title", "release", ["3f2a9999", "dddd0000"]],
  ["the name of a session before another one's title", "app-30", ["88880000"]],
  ["a tmux session with two of them", "work", ["88880000", "99990000"]],
  ["one pane of it", "work:@1.%4", ["88880000"]],
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
  expect(matchNames(all, word).map(({ sessionId }) => sessionId.slice(0, 8))).toEqual(found);
});

test.each<["name" | "whole", word: string, found: string[]]>([
  ["whole", "write tests", ["22220000"]],
  ["whole", "write", []],
  ["whole", "tests", []],
  ["name", "Write tests", []],
  ["name", "3f2a1", ["3f2a1b4c"]],
  ["name", "app-30", ["88880000"]],
])("what types or ends takes no part of a title (%s): %p", (how, word, found) => {
  expect(matchNames(all, word, how).map(({ sessionId }) => sessionId.slice(0, 8))).toEqual(found);
});

test("candidates are named with what tells them apart", () => {
  const found = [...matchNames(all, "work"), ...matchNames(all, "fix login")];
  expect(ambiguous("x\u001b[2J", found, "sessions")).toMatchObject({
    message: '"x\\u001b[2J" names 4 sessions',
    hint: [
      "give one of",
      `  ${id("8888")}  app-30  Something else`,
      `  ${id("9999")}  work`,
      `  ${id("3f2a1b4c")}  Fix login`,
      `  ${id("3333")}  FIX LOGIN`,
    ].join("\n"),
  });
});

test.each<[rule: string, facts: Partial<TranscriptFacts>, isTaken: boolean]>([
  ["a person's", { entrypoint: "cli" }, true],
  ["an early version's, which says nothing", {}, true],
  ["one of an editor", { entrypoint: "claude-vscode" }, true],
  ["a script's", { entrypoint: "sdk-cli" }, false],
  ["one of an SDK", { entrypoint: "sdk-py" }, false],
  ["titles and snapshots alone", { hasEntries: false }, false],
  ["a side chain", { isSideChain: true }, false],
  ["of a team", { teamName: "crew" }, false],
  ["gone on in the background", { isMovedOn: true }, false],
])("-c: %s", (_, facts, isTaken) => {
  const newest = { sessionId: id("aaaa"), facts: { turns: 1, hasEntries: true, ...facts } as TranscriptFacts };
  const older = { sessionId: id("bbbb"), facts: { turns: 1, hasEntries: true } };
  expect(pickNewestFree([newest, older], new Map())?.sessionId).toBe(isTaken ? newest.sessionId : older.sessionId);
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
      return findConversations(sys, index, [configDir], word).map(({ sessionId }) => sessionId.slice(0, 8));
    } finally {
      index.close();
    }
  };

  test.each([
    ["a beginning here before a whole title elsewhere", "login", ["aaaa1111"]],
    ["elsewhere where nothing here is meant", "release", ["bbbb2222"]],
    ["an id of elsewhere", id("bbbb3333"), ["bbbb3333"]],
    ["in capitals", id("bbbb3333").toUpperCase(), ["bbbb3333"]],
    ["the beginning of one", "bbbb3", ["bbbb3333"]],
    ["nothing anywhere", "nope", []],
    ["several, newest first", "tests", ["aaaa3333", "aaaa2222"]],
    ["several of elsewhere", "bbbb", ["bbbb3333", "bbbb2222", "bbbb1111"]],
  ])("%s: %p", (_, word, found) => expect(find(word)).toEqual(found));
});

test("csm scan: between tabs for scripts, one line each on a terminal", () => {
  const sys = createFakeSys({ env: { TZ: "UTC" } });
  const found = {
    ...{ sessionId: "0123abcd-0000-4000-8000-000000000001", dir: "/p", path: "/p/x.jsonl", id: "1", size: 1, configDirs: [] },
    ...{
      modifiedAt: Date.UTC(2026, 10, 2, 9, 5),
      facts: { turns: 1, permissionMode: "plan", lastPrompt: `Mend ${"the tests ".repeat(9)}` },
    },
  };
  const [line = ""] = renderScan(sys, [found], undefined);
  expect(line.split("\t").slice(0, 2)).toEqual([found.sessionId, String(found.modifiedAt / 1000)]);
  const [head, row = ""] = renderScan(sys, [found], 60);
  expect([head, row.slice(0, 8), row.length]).toEqual(["ID        WRITTEN      MODE  TITLE", "0123abcd", 60]);
  expect(renderScan(sys, [], 60)).toEqual([]);
});
