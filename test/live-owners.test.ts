import { describe, expect, test } from "bun:test";
import { findAttach } from "../src/live-attach.ts";
import { type LiveOwner, readLiveOwners } from "../src/live-owners.ts";
import { createFakeSys } from "./fake-sys.ts";

const id = "3f2a1b4c-0000-4000-8000-000000000001";
const session = (more: Record<string, unknown> = {}) => JSON.stringify({ pid: 100, procStart: "555", sessionId: id, cwd: "/w", ...more });
/** The program's own name says nothing: a native installation is called by its version (D2). */
const stat = (pid: number, start: string, state = "S", parent = 1) =>
  `${pid} (2.1.329) ${state} ${[parent, ...Array(17).fill(0)].join(" ")} ${start} 0`;

describe("who has a conversation open", () => {
  test.each<[rule: string, files: Record<string, string>, isLive: boolean]>([
    ["a process with the number and the start (D1)", { "/c/sessions/100.json": session(), "/proc/100/stat": stat(100, "555") }, true],
    ["under another profile", { "/d/sessions/100.json": session(), "/proc/100/stat": stat(100, "555") }, true],
    ["the number is another process's by now", { "/c/sessions/100.json": session(), "/proc/100/stat": stat(100, "777") }, false],
    ["the process has gone", { "/c/sessions/100.json": session() }, false],
    ["it waits to be buried", { "/c/sessions/100.json": session(), "/proc/100/stat": stat(100, "555", "Z") }, false],
    ["a torn file", { "/c/sessions/100.json": '{"pid":100,', "/proc/100/stat": stat(100, "555") }, false],
    ["a secret beside it is not read", { "/c/sessions/100.abc.key": session(), "/proc/100/stat": stat(100, "555") }, false],
  ])("%s", async (_, files, isLive) => {
    expect((await readLiveOwners(createFakeSys({ files }), ["/c", "/d"])).has(id)).toBe(isLive);
  });
});

describe("how to get to it", () => {
  const owner = (more: Partial<LiveOwner["file"]>): LiveOwner => ({
    file: { pid: 100, sessionId: id, cwd: "/w", ...more },
    configDir: "/c",
  });
  const listing = "$1␞main␞%3␞1␞50␞0␞0␞9␞/tmp/tmux/default\n";
  const asked = (env: Record<string, string>, parents: Record<number, number>, panes = listing) => {
    const rows = Object.entries(parents).map(([pid, parent]) => [`/proc/${pid}/stat`, stat(Number(pid), "555", "S", parent)]);
    const sys = createFakeSys({ env, files: Object.fromEntries(rows) });
    const format = "session_id session_name pane_id pane_active pane_pid pane_dead pane_dead_status pid socket_path";
    const fields = format.split(" ").map((field) => `#{${field}}`);
    sys.expectRun(["tmux", "-u", "list-panes", "-t", "%3", "-F", fields.join("␞")], { stdout: panes });
    return sys;
  };

  test("a background session through claude itself", async () => {
    expect(await findAttach(createFakeSys(), owner({ kind: "bg" }))).toMatchObject({ program: "claude", args: ["attach", "3f2a1b4c"] });
  });

  test("one in a plain terminal: not at all", async () => {
    expect(await findAttach(createFakeSys(), owner({}))).toBeUndefined();
  });

  test.each<[rule: string, env: Record<string, string>, verb: string[], leaves: boolean]>([
    ["from outside tmux", {}, ["attach-session", "-t", "%3"], true],
    ["from the same server", { TMUX: "/tmp/tmux/default,9,0" }, ["switch-client", "-t", "%3"], false],
    ["from another server", { TMUX: "/tmp/tmux/other,9,0" }, ["attach-session", "-t", "%3"], true],
  ])("its pane, %s", async (_, env, verb, leavesTmux) => {
    // A shell in the pane has started it.
    const found = await findAttach(asked(env, { 50: 9, 100: 50 }), owner({ tmux: "main:@1.%3" }));
    expect(found).toEqual({ program: "tmux", args: ["-u", "-S", "/tmp/tmux/default", ...verb], place: "tmux session main", leavesTmux });
  });

  test("a pane of the same number on another server is not taken for it", async () => {
    expect(await findAttach(asked({}, { 50: 9, 100: 1 }), owner({ tmux: "main:@1.%3" }))).toBeUndefined();
    expect(await findAttach(asked({}, { 100: 101, 101: 100 }), owner({ tmux: "main:@1.%3" }))).toBeUndefined();
  });
});
