import { expect, test } from "bun:test";
import { listWorktrees } from "../src/git.ts";
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
