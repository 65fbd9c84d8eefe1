import { afterAll, beforeEach, describe, expect, test } from "bun:test";
import {
  appendFileSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { listFolderTranscripts, selectConversations } from "../src/conversations.ts";
import { slugOf } from "../src/paths.ts";
import { createSys, type Sys } from "../src/sys.ts";
import { openTranscriptIndex } from "../src/transcripts.ts";

const root = realpathSync(mkdtempSync(join(tmpdir(), "csm-index-")));
afterAll(() => rmSync(root, { recursive: true, force: true }));

let count = 0;
let home = "";
let sys: Sys & { bytesRead: number };
beforeEach(() => {
  home = join(root, `home${++count}`);
  mkdirSync(home);
  const real = createSys({ HOME: home });
  sys = {
    ...real,
    bytesRead: 0,
    openFile(path) {
      const file = real.openFile(path);
      if (file === undefined) return undefined;
      const read = (buffer: Uint8Array, position: number) => {
        const count = file.read(buffer, position);
        sys.bytesRead += count;
        return count;
      };
      return { ...file, read };
    },
  };
});

const id = (number: number) => `00000000-0000-4000-8000-${String(number).padStart(12, "0")}`;
const prompt = (text: string, cwd = "/w") =>
  `${JSON.stringify({ type: "user", message: { role: "user", content: text }, timestamp: "2026-11-20T10:00:00Z", cwd })}\n`;
const title = (text: string) => `${JSON.stringify({ type: "ai-title", aiTitle: text })}\n`;

function put(slug: string, name: string, text: string, at = 1000, config = ".claude"): string {
  const dir = join(home, config, "projects", slug);
  mkdirSync(dir, { recursive: true });
  writeFileSync(join(dir, name), text);
  utimesSync(join(dir, name), at, at);
  return join(dir, name);
}

function scan(folder: string | undefined = "/w", configs = [".claude"]) {
  const index = openTranscriptIndex(sys);
  const files = listFolderTranscripts(
    sys,
    configs.map((name) => join(home, name)),
    folder,
  );
  const { known, unread } = index.lookUp(files);
  const found = selectConversations([...known, ...index.read(unread)]);
  index.close();
  return { found, known: known.length, unread: unread.length };
}
const titles = (folder?: string, configs?: string[]) => scan(folder, configs).found.map(({ facts }) => facts.aiTitle ?? facts.firstPrompt);

describe("where transcripts are looked for", () => {
  test("the slug of now and the one of early versions, newest first, one row per session", () => {
    put("-U-x-github-com-foo", `${id(1)}.jsonl`, prompt("new", "/U/x/github.com/foo"), 10);
    put("-U-x-github.com-foo", `${id(2)}.jsonl`, prompt("legacy", "/U/x/github.com/foo"), 20);
    put("-U-x-github.com-foo", `${id(1)}.jsonl`, prompt("the same, older", "/U/x/github.com/foo"), 5);
    expect(titles("/U/x/github.com/foo")).toEqual(["legacy", "new"]);
  });

  test("a path of more than 200 characters", () => {
    const folder = `/${"long/".repeat(50)}end`;
    put(slugOf(folder), `${id(1)}.jsonl`, prompt("long", folder));
    expect(titles(folder)).toEqual(["long"]);
  });

  test("every profile and the shared store, each file once", () => {
    put("-w", `${id(1)}.jsonl`, prompt("a"), 30, ".claude");
    put("-w", `${id(2)}.jsonl`, prompt("b"), 20, ".claude.work");
    put("-w", `${id(3)}.jsonl`, prompt("c"), 10, ".claude.shared");
    symlinkSync(join(home, ".claude.shared"), join(home, ".claude.linked"));
    const { found } = scan("/w", [".claude", ".claude.work", ".claude.linked"]);
    expect(found.map(({ facts, configDirs }) => [facts.firstPrompt, configDirs.map((dir) => dir.slice(home.length + 1))])).toEqual([
      ["a", [".claude"]],
      ["b", [".claude.work"]],
      ["c", [".claude.linked"]],
    ]);
  });

  test("a file that two profiles hold by a hard link is one, and both see it", () => {
    const path = put("-w", `${id(1)}.jsonl`, prompt("a"));
    mkdirSync(join(home, ".claude.work/projects/-w"), { recursive: true });
    linkSync(path, join(home, ".claude.work/projects/-w", `${id(1)}.jsonl`));
    expect(scan("/w", [".claude", ".claude.work"]).found.map(({ configDirs }) => configDirs.length)).toEqual([2]);
  });

  test("side chains, folders and other names are no conversations", () => {
    put("-w", "agent-1234.jsonl", prompt("side chain"));
    put("-w", "notes.txt", "x");
    put("-w", "..jsonl", prompt("x"));
    mkdirSync(join(home, ".claude/projects/-w", `${id(9)}.jsonl`));
    expect(titles()).toEqual([]);
  });

  test("a folder of the same slug is another one", () => {
    put("-w-a-b", `${id(1)}.jsonl`, prompt("dot", "/w/a.b"));
    put("-w-a-b", `${id(2)}.jsonl`, prompt("dash", "/w/a-b"));
    expect(titles("/w/a.b")).toEqual(["dot"]);
    expect(titles("/w/a-b")).toEqual(["dash"]);
  });

  test("worktrees of the repository", () => {
    mkdirSync(join(home, "main/.git/worktrees/one"), { recursive: true });
    mkdirSync(join(home, "one"));
    writeFileSync(join(home, "main/.git/worktrees/one/gitdir"), `${join(home, "one/.git")}\n`);
    put(slugOf(join(home, "one")), `${id(1)}.jsonl`, prompt("in the worktree", join(home, "one")));
    expect(scan(join(home, "main")).found.map(({ folder, facts }) => [folder, facts.firstPrompt])).toEqual([
      [join(home, "one"), "in the worktree"],
    ]);
  });

  test("all folders at once", () => {
    put("-a", `${id(1)}.jsonl`, prompt("a", "/a"), 20);
    put("-b", `${id(2)}.jsonl`, prompt("b", "/b"), 10);
    const index = openTranscriptIndex(sys);
    const found = selectConversations(index.read(listFolderTranscripts(sys, [join(home, ".claude")], undefined)));
    index.close();
    expect(found.map(({ facts }) => facts.firstPrompt)).toEqual(["a", "b"]);
  });
});

describe("the cache", () => {
  test("a second look reads nothing, and says the same", () => {
    put("-w", `${id(1)}.jsonl`, prompt("one") + title("first"));
    const before = scan();
    sys.bytesRead = 0;
    const after = scan();
    expect([after.known, after.unread, sys.bytesRead]).toEqual([1, 0, 0]);
    expect(after.found).toEqual(before.found);
  });

  test("of a file that has grown only the new bytes are read", () => {
    const path = put("-w", `${id(1)}.jsonl`, prompt("x".repeat(100_000)));
    scan();
    const added = title("second") + prompt("two");
    appendFileSync(path, added);
    sys.bytesRead = 0;
    const { found } = scan();
    expect(found[0]?.facts).toMatchObject({ aiTitle: "second", turns: 2 });
    // And twice a few before them, which show that nothing else has changed.
    expect(sys.bytesRead).toBeLessThan(added.length + 200);
  });

  test.each<[rule: string, change: (path: string) => void, expected: Record<string, unknown>]>([
    [
      "is rewritten to a longer one",
      (path) => writeFileSync(path, prompt("other") + title("new") + prompt("y".repeat(500))),
      { aiTitle: "new", turns: 2 },
    ],
    ["is cut", (path) => truncateSync(path, prompt("one").length), { turns: 1, firstPrompt: "one" }],
    [
      "is replaced",
      (path) => {
        rmSync(path);
        writeFileSync(path, title("replaced"));
      },
      { aiTitle: "replaced", turns: 0 },
    ],
    [
      "changes within the same second",
      (path) => writeFileSync(path, prompt("two") + title("name2")),
      { firstPrompt: "two", aiTitle: "name2" },
    ],
  ])("a file that %s is read anew", (_, change, expected) => {
    const path = put("-w", `${id(1)}.jsonl`, prompt("one") + title("name1"));
    scan();
    change(path);
    const facts = scan().found[0]?.facts;
    expect(facts).toMatchObject(expected);
    expect(facts?.aiTitle).toBe(expected.aiTitle as string);
  });

  test("a torn last line waits for its end; a whole one without a newline counts, once", () => {
    const path = put("-w", `${id(1)}.jsonl`, prompt("one") + prompt("two").slice(0, 20));
    expect(scan().found[0]?.facts.turns).toBe(1);
    appendFileSync(path, prompt("two").slice(20, -1));
    expect(scan().found[0]?.facts.turns).toBe(2);
    appendFileSync(path, `\n${prompt("three")}`);
    expect(scan().found[0]?.facts.turns).toBe(3);
  });

  test("a line longer than the window, and one that lies across two of them", () => {
    const filler = prompt("z".repeat(700_000));
    put("-w", `${id(1)}.jsonl`, prompt("p".repeat(3_000_000)) + filler + filler + title("at the end"));
    expect(scan().found[0]?.facts).toMatchObject({ aiTitle: "at the end", turns: 3 });
  });

  test("what has gone is forgotten", () => {
    const path = put("-w", `${id(1)}.jsonl`, prompt("one"));
    put("-w", `${id(2)}.jsonl`, prompt("two"));
    scan();
    rmSync(path);
    expect(titles()).toEqual(["two"]);
    const index = openTranscriptIndex(sys);
    expect(index.search("one").size).toBe(0);
    index.close();
  });

  test.each([
    ["no database", "hello ".repeat(2000)],
    ["torn", `SQLite format 3\0${"x".repeat(4000)}`],
    ["empty", ""],
  ])("a file that is %s is rebuilt without a word", (_, text) => {
    put("-w", `${id(1)}.jsonl`, prompt("one"));
    const path = join(home, ".local/state/csm/index.db");
    mkdirSync(join(home, ".local/state/csm"), { recursive: true });
    writeFileSync(path, text);
    expect(titles()).toEqual(["one"]);
    expect([scan().known, scan().unread]).toEqual([1, 0]);
  });

  test("pages that are torn behind a whole first one are rebuilt too", () => {
    for (let number = 1; number <= 50; number++) put("-w", `${id(number)}.jsonl`, prompt(`prompt ${number} ${"x".repeat(2000)}`));
    scan();
    const path = join(home, ".local/state/csm/index.db");
    const bytes = Buffer.from(readFileSync(path));
    bytes.fill(0x5a, 4096);
    for (const suffix of ["-wal", "-shm"]) rmSync(path + suffix, { force: true });
    writeFileSync(path, bytes);
    expect(scan().found.length).toBe(50);
    expect(scan().found.length).toBe(50);
  });

  test("prompts are searched in any case, also those that came later", () => {
    const path = put("-w", `${id(1)}.jsonl`, prompt("Fix the LOGIN form, 100%_'"));
    scan();
    appendFileSync(path, prompt("Ünïcode später"));
    scan();
    const index = openTranscriptIndex(sys);
    expect(["login", "100%_'", "ünïcode", "absent"].map((word) => index.search(word).size)).toEqual([1, 1, 1, 0]);
    index.close();
  });

  test("bytes that are not UTF-8 do no harm", () => {
    const bytes = Buffer.concat([
      Buffer.from('{"type":"ai-title","aiTitle":"a'),
      Buffer.of(0xff, 0xfe, 0x80),
      Buffer.from('b"}\n'),
      Buffer.of(0, 10, 0xc3, 10),
    ]);
    const path = put("-w", `${id(1)}.jsonl`, "");
    writeFileSync(path, bytes);
    expect(titles()).toEqual(["a\ufffd\ufffd\ufffdb"]);
  });
});
