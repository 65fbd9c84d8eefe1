import { expect, test } from "bun:test";
import type { SessionFile } from "../src/claude-session.ts";
import { type Attach, findAttach } from "../src/launch-picker.ts";
import { findPanes, planShow } from "../src/panes.ts";
import { createFakeSys } from "./fake-sys.ts";

const format = [
  ...["#{session_id}", "#{session_name}", "#{pane_id}", "#{pane_active}", "#{pane_pid}", "#{pane_dead}", "#{pane_dead_status}", "#{pid}"],
  ...["#{socket_path}", "#{pane_width}", "#{pane_height}", "#{window_panes}", "#{pane_input_off}"],
].join("␞");
const pane = (id: string, pid: number, socket: string) => `$1␞main␞${id}␞1␞${pid}␞0␞0␞5␞${socket}␞220␞50␞1␞0\n`;

test("a session is in the pane of its nearest ancestor, on the server that has it: an id alone would not do", async () => {
  const dir = "/tmp/tmux-1000";
  const sys = createFakeSys({ files: { [`${dir}/default`]: "", [`${dir}/other`]: "" }, env: {} });
  sys.expectRun(["tmux", "-u", "-S", `${dir}/default`, "list-pane", "-a", "-F", format], { stdout: pane("%0", 50, `${dir}/default`) });
  sys.expectRun(["tmux", "-u", "-S", `${dir}/other`, "list-pane", "-a", "-F", format], { stdout: pane("%0", 60, `${dir}/other`) });
  const row = (pid: number, ppid: number) => [pid, { pid, ppid, start: "1", program: "x", hasTerminal: true, isForeground: true }] as const;
  const table = new Map([row(50, 1), row(60, 1), row(61, 60), row(70, 61), row(80, 1)]);
  const found = await findPanes(sys, table, [70, 80]);
  expect([...found].map(([pid, { paneId, socketPath }]) => [pid, paneId, socketPath])).toEqual([[70, "%0", `${dir}/other`]]);
  sys.done();
});

test.each([
  ["a terminal that was opened from a pane: what runs in it is in no pane", ["claude", "bash", "kitty", "bash"], 53, undefined],
  ["a pane whose program is another terminal", ["claude", "bash", "xterm"], 52, undefined],
  ["a wrapper between it and the pane", ["claude", "node", "npx happy", "bash"], 53, "%0"],
  ["a session that has a terminal's name itself", ["kitty", "bash"], 51, "%0"],
])("%s", async (_, programs, panePid, found) => {
  const sys = createFakeSys({ files: { "/tmp/tmux-1000/default": "" }, env: {} });
  const argv = ["tmux", "-u", "-S", "/tmp/tmux-1000/default", "list-pane", "-a", "-F", format];
  sys.expectRun(argv, { stdout: pane("%0", panePid, "/tmp/tmux-1000/default") });
  const rows = [...programs, "tmux: server"].map((program, index) => ({ pid: 50 + index, ppid: 51 + index, program }));
  const table = new Map(rows.map((row) => [row.pid, { ...row, start: "1", hasTerminal: true, isForeground: true }]));
  expect((await findPanes(sys, table, [50])).get(50)?.paneId).toBe(found);
});

test("a pane is shown by the client of its own server, or by a tmux of this terminal; always as UTF-8", () => {
  const shown = {
    ...{ sessionId: "$1", sessionName: "m", paneId: "%3", isActive: true, pid: 1, isDead: false, serverPid: 5, socketPath: "/s" },
    ...{ width: 220, height: 50, isAlone: true, isLocked: false },
  };
  const follow = ["if-shel", "-F", "-t", "%3", "#{@csd}", "set-optio -w -t %3 window-size latest", ";"];
  const choose = ["-u", "-S", "/s", ...follow, "select-windo", "-t", "%3", ";", "select-pan", "-t", "%3", ";"];
  const inside = { argv: [...choose, "switch-clien", "-t", "$1"], isInPlace: true, leaveKey: "L" as const };
  const outside = { argv: [...choose, "attach-sessio", "-t", "$1"], isInPlace: false, leaveKey: "d" as const };
  expect(planShow({ env: { TMUX: "/s,5,0" } }, shown)).toEqual(inside);
  expect(planShow({ env: { TMUX: "/s,5,1" } }, shown)).toEqual({ argv: inside.argv, isInPlace: true, leaveKey: "l" });
  expect(planShow({ env: { TMUX: "/other,5,0" } }, shown)).toEqual(outside);
  expect(planShow({ env: { TMUX: "" } }, shown)).toEqual(outside);
  expect(planShow({ env: {} }, shown)).toEqual(outside);
});

const file = (more: Partial<SessionFile>): SessionFile => ({
  pid: 100,
  sessionId: "3f2a1b4c-0000-4000-8000-000000000001",
  cwd: "/w",
  ...more,
});
/** The program's own name says nothing: a native installation is called by its version. */
const stat = (pid: number, ppid: number) => `${pid} (2.1.329) S ${[ppid, ...Array(17).fill(0)].join(" ")} 555 0`;

test("a live background session is shown by claude itself, one in a plain terminal not at all", async () => {
  const background: Attach = { kind: "background", args: ["attach", "3f2a1b4c"], place: "background" };
  expect(await findAttach(createFakeSys(), file({ kind: "bg" }))).toEqual(background);
  expect(await findAttach(createFakeSys(), file({}))).toBeUndefined();
});

test.each<[rule: string, parents: Record<number, number>, answers: string[], place: string | undefined]>([
  ["started by a shell in the pane", { 50: 9, 100: 50 }, ["%3 50", ""], "tmux session main, /tmp/tmux-1000/default %3"],
  ["on the server that csd started it on", { 50: 9, 100: 50 }, ["", "%3 50"], "tmux session main, /far %3"],
  ["a pane of the same number on another server is not taken for it", { 50: 9, 100: 1 }, ["%3 50", ""], undefined],
  ["a ring of parents ends the search", { 100: 101, 101: 100 }, ["%3 50", ""], undefined],
])("a live session in a pane: %s", async (_, parents, [near = "", far = ""], place) => {
  const rows = Object.entries(parents).map(([pid, ppid]) => [`/proc/${pid}/stat`, stat(Number(pid), ppid)]);
  const sidecar = { name: "n", session_id: file({}).sessionId, cwd: "/w", backend: "claude", jsonl_path: "/t", created: 1, socket: "/far" };
  const sys = createFakeSys({
    files: {
      ...Object.fromEntries(rows),
      "/tmp/tmux-1000/default": "",
      "/home/dev/.local/state/csd/sessions/n.json": JSON.stringify(sidecar),
    },
  });
  const answer = (socket: string, text: string) => {
    const [id = "", pid = ""] = text.split(" ");
    const stdout = text === "" ? "" : pane(id, Number(pid), socket);
    sys.expectRun(["tmux", "-u", "-S", socket, "list-pane", "-a", "-F", format], { stdout });
  };
  answer("/far", far);
  answer("/tmp/tmux-1000/default", near);
  const found = await findAttach(sys, file({ tmux: "main:@1.%3" }));
  const shown = found?.kind === "pane" ? `${found.place}, ${found.pane.socketPath} ${found.pane.paneId}` : undefined;
  expect(shown).toBe(place);
  sys.done();
});
