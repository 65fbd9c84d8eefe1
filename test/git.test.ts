import { describe, expect, test } from "bun:test";
import { listWorktrees, readCheckout } from "../src/git.ts";
import { createFakeSys } from "./fake-sys.ts";

const repository = {
  "/r/main/.git/HEAD": "ref: refs/heads/main",
  "/r/main/src/a.ts": "",
  "/r/main/.git/worktrees/one/gitdir": "/r/one/.git\n",
  "/r/main/.git/worktrees/one/commondir": "../..\n",
  "/r/one/.git": "gitdir: /r/main/.git/worktrees/one\n",
  "/r/one/src/a.ts": "",
  "/r/main/.git/worktrees/gone/gitdir": "/r/gone/.git\n",
  "/r/main/.git/worktrees/near/gitdir": "../../../../near/.git\n",
  "/r/near/.git": "gitdir: ../main/.git/worktrees/near\n",
  "/r/main/.git/worktrees/near/commondir": "../..\n",
  "/r/near/file": "",
};

test.each<[rule: string, files: Record<string, string>, cwd: string, expected: string[]]>([
  ["no repository", { "/x/a": "" }, "/x", ["/x"]],
  ["the main tree, then those that exist", repository, "/r/main", ["/r/main", "/r/one", "/r/near"]],
  ["from a linked one", repository, "/r/one", ["/r/one", "/r/main", "/r/near"]],
  ["from one linked by a relative path", repository, "/r/near", ["/r/near", "/r/main", "/r/one"]],
  ["the same folder inside each, where it exists", repository, "/r/main/src", ["/r/main/src", "/r/one/src"]],
  ["a repository without others", { "/x/.git/HEAD": "", "/x/a": "" }, "/x", ["/x"]],
  [
    "a bare repository has no tree of its own",
    {
      "/b.git/worktrees/w/gitdir": "/w/.git",
      "/b.git/worktrees/w/commondir": "../..",
      "/w/.git": "gitdir: /b.git/worktrees/w",
      "/w/a": "",
    },
    "/w",
    ["/w"],
  ],
  ["a .git file that says nothing", { "/x/.git": "hello", "/x/a": "" }, "/x", ["/x"]],
])("%s", (_, files, cwd, expected) => {
  expect(listWorktrees(createFakeSys({ files }), cwd)).toEqual(expected);
});

describe("the checkout of a folder", () => {
  test.each<[rule: string, files: Record<string, string>, cwd: string, found: unknown]>([
    ["a branch, from a folder below", { "/r/.git/HEAD": "ref: refs/heads/feat/x\n" }, "/r/a/b", { root: "/r", branch: "feat/x" }],
    ["a detached commit", { "/r/.git/HEAD": `${"ab12".repeat(10)}\n` }, "/r", { root: "/r", branch: "ab12ab12" }],
    [
      "a worktree",
      { "/w/.git": "gitdir: /r/.git/worktrees/w\n", "/r/.git/worktrees/w/HEAD": "ref: refs/heads/w\n" },
      "/w",
      { root: "/w", branch: "w" },
    ],
    ["a broken head", { "/r/.git/HEAD": "nonsense" }, "/r", { root: "/r" }],
    ["no repository", {}, "/r/a", undefined],
    ["no folder", {}, "", undefined],
  ])("checkout: %s", (_, files, cwd, found) => {
    expect(readCheckout(createFakeSys({ files }), cwd)).toEqual(found as never);
  });
});
