import { expect, test } from "bun:test";
import { isInside, type Origin, openPeerReader, type Peer, readOrigin, refusePeer } from "../src/peer.ts";
import { askLine, serveLines } from "../src/socket.ts";
import { createSys } from "../src/sys.ts";
import { createFakeSys } from "./fake-sys.ts";

const session = { claudePid: 50, channelDir: "/state/run/fix" };
const from = (pids: number[], given: Partial<Origin> = {}): Origin => ({ pids, channels: [], claudePids: [], sessionIds: [], ...given });
const me: Peer = { pid: 90, uid: 1000 };

test.each<[string, Peer | undefined, Origin | undefined, string | undefined]>([
  ["a shell of the same user", me, from([90, 80, 1]), undefined],
  ["a shell inside another session", me, from([90, 51, 1], { channels: ["/state/run/other"], claudePids: [51] }), undefined],
  ["nobody that the system tells of", undefined, undefined, "the system does not tell who asks"],
  ["another user", { pid: 90, uid: 1001 }, from([90, 1]), "another user asks"],
  ["root is another user too", { pid: 90, uid: 0 }, from([90, 1]), "another user asks"],
  ["one that has ended since", me, from([]), "the process that asks has ended"],
  ["a child of claude", me, from([90, 70, 50, 1]), "a process of the session itself asks"],
  ["claude itself", { pid: 50, uid: 1000 }, from([50, 1]), "a process of the session itself asks"],
  [
    "a child whose parents have ended, by its channel",
    me,
    from([90, 1], { channels: ["/state/run/fix"] }),
    "a process of the session itself asks",
  ],
  ["a child whose parents have ended, by claude's mark", me, from([90, 1], { claudePids: [50] }), "a process of the session itself asks"],
])("%s", (_, peer, origin, expected) => {
  expect(refusePeer(peer, origin, 1000, session)).toBe(expected as string);
});

test("a session of unknown process has no inside but its channel", () => {
  expect(isInside(from([9, 1]), { claudePid: 0 })).toBe(false);
  expect(isInside(from([9, 1]), {})).toBe(false);
});

const stat = (pid: number, ppid: number) => `${pid} (sh) S ${ppid} ${pid} 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 777 0`;

test("the origin of a process holds its ancestors and what their environments name", async () => {
  const sys = createFakeSys({
    files: {
      "/proc/9/stat": stat(9, 7),
      "/proc/9/environ": "A=1\0CSD_CHANNEL=/run/a\0XCSD_CHANNEL=/run/no",
      "/proc/7/stat": stat(7, 1),
      "/proc/7/environ": "CLAUDE_PID=5\0CLAUDE_CODE_SESSION_ID=one\0",
      "/proc/1/stat": stat(1, 0),
    },
  });
  expect(await readOrigin(sys, 9)).toEqual({ pids: [9, 7, 1], channels: ["/run/a"], claudePids: [5], sessionIds: ["one"] });
  expect((await readOrigin(sys, 8)).pids).toEqual([]);
});

test("where no peer can be told, nothing is served", async () => {
  expect(await openPeerReader({ platform: "win32" })).toBeUndefined();
  expect(await serveLines(createFakeSys({ platform: "win32" }), async () => undefined)).toBeUndefined();
});

test("each end of a socket learns who the other one is, and a long line arrives whole", async () => {
  const sys = createSys({ ...process.env, XDG_RUNTIME_DIR: undefined });
  const long = "é".repeat(2_000_000);
  const server = await serveLines(sys, async (line, peer) => ({ line: JSON.stringify([line.length, peer, long]) }));
  const answer = await askLine(sys, server?.path ?? "", long, 10_000);
  const own = { pid: process.pid, uid: process.getuid?.() ?? 0 };
  if (typeof answer !== "object") throw new Error(`it is ${answer}`);
  expect(JSON.parse(answer.line)).toEqual([long.length, own, long]);
  expect(answer.peer).toEqual(own);
  server?.close();
  expect(await askLine(sys, server?.path ?? "", "x", 1000)).toBeUndefined();
  const silent = await serveLines(sys, () => new Promise(() => {}));
  expect(await askLine(sys, silent?.path ?? "", "x", 50)).toBe("silent");
  silent?.close();
  expect(sys.entryKind(server?.path ?? "")).toBeUndefined();
});
