import { expect, test } from "bun:test";
import { type DeadSession, endOrphans, findNested, planReap, type ReapRow, readSessionsForReap, shortCommand } from "../src/reap.ts";
import type { FoundSession } from "../src/sessions.ts";
import { createFakeSys } from "./fake-sys.ts";

const second = 1000;
const row = (pid: number, ppid: number, at: number, more: Partial<ReapRow> = {}): ReapRow => ({
  ...{ pid, ppid, group: pid, start: String(at * 100), startedAt: at * second, command: `/bin/prog${pid}`, marks: {} },
  ...{ program: `prog${pid}`, hasTerminal: false, isForeground: false },
  ...more,
});
/** Claude 50 of session `s` started at 100 s and is dead. */
const dead: DeadSession[] = [{ sessionId: "s", pid: 50, startedAt: 100 * second }];
const init = row(1, 0, 0, { command: "/sbin/init" });
const self = row(99, 98, 500, { command: "csm reap" });
const shell = row(98, 1, 400, { command: "bash" });

test.each<[rule: string, rows: ReapRow[], livePids: number[], pids: number[]]>([
  ["a mark of the dead claude", [row(60, 1, 200, { marks: { claudePid: 50 } })], [], [60]],
  ["its process group", [row(60, 1, 200, { group: 50 })], [], [60]],
  ["its parent's number, where the system keeps it", [row(60, 50, 200)], [], [60]],
  ["a child of an orphan without marks", [row(60, 1, 200, { group: 50 }), row(61, 60, 201)], [], [60, 61]],
  ["a process older than the session, even in its group (105)", [row(60, 1, 90, { group: 50 })], [], []],
  ["two seconds of rounding are no difference", [row(60, 1, 98, { group: 50 })], [], [60]],
  ["neither mark nor group", [row(60, 1, 200)], [], []],
  ["a live claude has the number: its child", [row(50, 1, 150), row(60, 1, 200, { marks: { claudePid: 50 } })], [50], []],
  ["and if nothing but the number tells: still spared", [row(50, 1, 150), row(60, 1, 200, { marks: { claudePid: 50 } })], [], []],
  ["the number is in use again by a younger process", [row(50, 1, 900), row(60, 1, 200, { marks: { claudePid: 50 } })], [], [60]],
  ["a younger owner of the number and its own child", [row(50, 1, 900), row(60, 50, 950)], [], []],
  [
    "a live session below an orphan's marks, and its children",
    [row(60, 1, 200, { marks: { claudePid: 50 } }), row(61, 60, 201), row(62, 61, 202)],
    [61],
    [],
  ],
  [
    "a child of the orphan that belongs to a live claude",
    [row(60, 1, 200, { group: 50 }), row(70, 1, 150), row(61, 60, 201, { marks: { claudePid: 70 } })],
    [70],
    [60],
  ],
  [
    "a tmux server that came up inside it, and what runs in its panes",
    [
      row(60, 1, 200, { command: "tmux: server", marks: { claudePid: 50 } }),
      row(61, 60, 201, { command: "-bash", marks: { claudePid: 50 } }),
      row(62, 61, 202, { marks: { claudePid: 50 } }),
    ],
    [],
    [],
  ],
  ["an old claude in it", [row(60, 1, 200, { command: "/opt/claude --resume", marks: { claudePid: 50 } })], [], []],
  [
    "below a user's systemd",
    [row(40, 1, 5, { command: "/usr/lib/systemd/systemd --user" }), row(60, 40, 200, { marks: { claudePid: 50 } })],
    [],
    [60],
  ],
  ["a live shell's child is the shell's", [row(41, 1, 150, { command: "-zsh", group: 41 }), row(60, 41, 200, { group: 50 })], [], []],
  ["a cycle of parents ends the walk (106)", [row(60, 61, 200, { group: 50 }), row(61, 60, 200, { group: 50 }), row(62, 60, 200)], [], []],
])("planReap: %s", (_, rows, livePids, pids) => {
  const plan = planReap({ table: [init, shell, self, ...rows], ownPid: 99, dead, livePids });
  expect(plan.map((orphan) => orphan.row.pid)).toEqual(pids);
});

test("never itself or a process that it runs under, whatever marks they carry", () => {
  const marks = { claudePid: 50 };
  const table = [init, { ...shell, marks }, { ...self, marks }];
  expect(planReap({ table, ownPid: 99, dead, livePids: [] })).toEqual([]);
  const ending = [{ sessionId: "e", pid: 98, startedAt: 400 * second }];
  expect(planReap({ table, ownPid: 99, dead, livePids: [], ending })).toEqual([]);
});

/** Claude 70 of session `e` started at 100 s and is to end; `s` is dead as above; 80 is another live one. */
const ending: DeadSession[] = [{ sessionId: "e", pid: 70, startedAt: 100 * second }];
const claude = row(70, 40, 100, { command: "claude" });
const other = row(80, 41, 150, { command: "claude" });

test.each<[rule: string, rows: ReapRow[], pids: number[]]>([
  [
    "itself, its shells, its MCP servers and what these start",
    [row(71, 70, 110), row(72, 70, 110, { group: 70 }), row(73, 71, 111)],
    [70, 71, 72, 73],
  ],
  ["what left it, by its mark", [row(71, 1, 110, { marks: { claudePid: 70 } })], [70, 71]],
  ["what left it, by its process group", [row(71, 1, 110, { group: 70 })], [70, 71]],
  [
    "what left it with a cleared environment, by the output it writes",
    [row(71, 1, 110, { marks: { outputOf: "e" } }), row(72, 71, 111)],
    [70, 71, 72],
  ],
  ["not what writes for another session", [row(71, 1, 110, { marks: { outputOf: "x" } })], [70]],
  ["not what writes for a conversation that another claude has open too", [row(71, 1, 110, { marks: { outputOf: "open" } })], [70]],
  ["not what an older claude of this number left", [row(71, 1, 50, { marks: { claudePid: 70 } })], [70]],
  ["not the terminal or the shell that it was started in", [row(71, 40, 90, { command: "bash" })], [70]],
  ["not a child of a process that took the number of one of its own", [row(71, 70, 110), row(75, 71, 90)], [70, 71]],
  [
    "a claude -p and a csd of its own shell",
    [row(71, 70, 110), row(72, 71, 111, { command: "claude -p" }), row(73, 71, 112, { command: "csd wait" })],
    [70, 71, 72, 73],
  ],
  [
    "no tmux server, and nothing in its panes",
    [row(71, 70, 110, { command: "tmux: server" }), row(72, 71, 111, { marks: { claudePid: 70 } })],
    [70],
  ],
  [
    "no claude that lives in a server of its",
    [row(71, 1, 110, { command: "tmux", marks: { claudePid: 70 } }), row(72, 71, 111, { command: "claude" })],
    [70],
  ],
  [
    "nothing of another session, whatever its marks",
    [row(81, 80, 160, { marks: { claudePid: 70 } }), row(82, 1, 160, { group: 80 })],
    [70],
  ],
  ["nor a program of its name", [row(74, 1, 110, { command: "claude" }), row(75, 74, 111)], [70]],
])("planReap, a session that is to end: %s", (_, rows, pids) => {
  const table = [init, shell, self, row(40, 1, 5, { command: "bash" }), row(41, 1, 5, { command: "bash" }), claude, other, ...rows];
  const plan = planReap({
    table,
    ownPid: 99,
    dead: [{ sessionId: "open", pid: 50, startedAt: second }],
    livePids: [80],
    liveIds: ["open"],
    ending,
  });
  expect(plan.filter(({ isCrash }) => isCrash).map((orphan) => orphan.row.pid)).toEqual(pids);
});

test("a session that is to end: its number has gone to another process", () => {
  const plan = planReap({ table: [init, self, row(70, 1, 900), row(71, 70, 901)], ownPid: 99, dead: [], livePids: [], ending });
  expect(plan).toEqual([]);
});

test("a session that is to end: each row says whose it is", () => {
  const run = "/bin/bash -c source /h/.claude/shell-snapshots/s.sh 2>/dev/null || true && eval 'make' < /dev/null";
  const rows = [claude, row(71, 70, 110, { command: run }), row(72, 70, 110, { group: 70 }), row(73, 71, 111)];
  const plan = planReap({ table: [init, self, ...rows], ownPid: 99, dead: [], livePids: [], ending });
  expect(plan.map(({ why }) => why)).toEqual(["the session itself", "shell of claude 70", "child of claude 70", "child of 71"]);
});

test.each<[rule: string, rows: ReapRow[], found: number[]]>([
  ["below it", [row(71, 70, 110), row(72, 71, 111)], [72]],
  ["in a server that it started", [row(71, 70, 110, { command: "tmux: server" }), row(72, 71, 111)], []],
  ["beside it", [row(72, 40, 111)], []],
])("findNested: a session %s", (_, rows, found) => {
  expect(findNested([init, claude, ...rows], [70], [70, 72])).toEqual(found);
});

test("each row says why, and whether its session died", () => {
  const rows = [
    row(60, 1, 200, { marks: { claudePid: 50, sessionId: "after clear" } }),
    row(61, 1, 200, { group: 50 }),
    row(62, 60, 200),
    row(63, 1, 200, { marks: { claudePid: 51, sessionId: "other" } }),
  ];
  expect(planReap({ table: rows, ownPid: 99, dead, livePids: [] }).map(({ row: { pid }, ...rest }) => ({ pid, ...rest }))).toEqual([
    { pid: 60, claudePid: 50, sessionId: "s", why: "environment names claude 50", isCrash: true },
    { pid: 61, claudePid: 50, sessionId: "s", why: "process group of claude 50", isCrash: true },
    { pid: 62, claudePid: 50, sessionId: "s", why: "child of orphan 60", isCrash: true },
    { pid: 63, claudePid: 51, sessionId: "other", why: "environment names claude 51", isCrash: false },
  ]);
});

const found = (pid: number, liveness: FoundSession["liveness"]): FoundSession => ({
  configDir: "/c",
  liveness,
  file: { pid, sessionId: `s${pid}`, cwd: "/", startedAt: 5 },
});

test.each<[rule: string, pidFile: string, table: ReapRow[], isDead: boolean, isLive: boolean]>([
  ["gone", "50 100\n", [], true, false],
  ["live, one second apart (D8, 104)", "50 99\n", [row(50, 1, 100)], false, true],
  ["live, two seconds apart", "50 102\n", [row(50, 1, 100)], false, true],
  ["the number is another's", "50 100\n", [row(50, 1, 300)], true, false],
  ["more words are ignored (101)", "50 100 999 x\n", [], true, false],
  ["one number is no pid file", "12345", [], false, false],
  ["no number is none", "abc 1", [], false, false],
])("older csm's pid file: %s", async (_, pidFile, table, isDead, isLive) => {
  const sys = createFakeSys({ files: { "/home/dev/.claude.shared/smart/s.pid": pidFile } });
  const sessions = await readSessionsForReap(sys, [], table);
  expect(sessions.dead).toEqual(isDead ? dead : []);
  expect(sessions.livePids).toEqual(isLive ? [50] : []);
});

test("a pid file whose process is hidden from us tells of a live session", async () => {
  const sys = createFakeSys({ files: { "/home/dev/.claude.shared/smart/s.pid": "50 100\n" } });
  sys.alive.add(50);
  expect(await readSessionsForReap(sys, [], [])).toEqual({ dead: [], livePids: [50], liveIds: [] });
});

test("claude's own files: gone is dead, elsewhere is neither", async () => {
  const sessions = await readSessionsForReap(createFakeSys(), [found(1, "live"), found(2, "gone"), found(3, "elsewhere")], []);
  expect(sessions).toEqual({ dead: [{ sessionId: "s2", pid: 2, startedAt: 5 }], livePids: [1], liveIds: ["s1"] });
});

const stat = (start: string) => `60 (x) S 1 60 60 0 -1 0 1 2 3 4 5 6 7 8 20 0 19 21 ${start} 1 2\n`;

/** A process that ends at this signal, or never. */
function createTarget(endsAt: "SIGTERM" | "SIGKILL" | undefined, start = "20000") {
  const sys = createFakeSys({ files: { "/proc/60/stat": stat(start) } });
  const signals: unknown[] = [];
  return {
    signals,
    sys: {
      ...sys,
      signal(pid: number, name: NodeJS.Signals | 0) {
        if (name === 0) return false;
        signals.push([pid, name]);
        if (name === endsAt) sys.remove("/proc/60/stat");
        return endsAt !== undefined;
      },
    },
  };
}

test.each<[rule: string, endsAt: "SIGTERM" | "SIGKILL" | undefined, start: string, isTermOnly: boolean, ending: string, signals: string[]]>(
  [
    ["SIGTERM does it", "SIGTERM", "20000", false, "ended", ["SIGTERM"]],
    ["SIGKILL after the grace", "SIGKILL", "20000", false, "killed", ["SIGTERM", "SIGKILL"]],
    ["--term leaves it there", "SIGKILL", "20000", true, "running", ["SIGTERM"]],
    ["another process has the number by now", "SIGTERM", "30000", false, "gone", []],
    ["not ours to end", undefined, "20000", false, "failed", ["SIGTERM"]],
  ],
)("endOrphans: %s", async (_, endsAt, start, isTermOnly, ending, signals) => {
  const target = createTarget(endsAt, start);
  const orphan = { row: row(60, 1, 200), why: "", isCrash: true };
  expect([...(await endOrphans(target.sys, [orphan], { isTermOnly }))]).toEqual([[60, ending]] as never);
  expect(target.signals).toEqual(signals.map((name) => [60, name]));
});

test("endOrphans: a process that has ended already was gone, not failed (108)", async () => {
  expect([...(await endOrphans(createFakeSys(), [{ row: row(60, 1, 200), why: "", isCrash: true }]))]).toEqual([[60, "gone"]]);
});

const wrapped = (run: string) =>
  `/bin/bash -c source /home/dev/.claude/shell-snapshots/snapshot-bash-1-x.sh 2>/dev/null || true && shopt -u extglob && eval ${run} < /dev/null && pwd -P >| /tmp/cwd`;

test.each<[command: string, short: string]>([
  ["/usr/bin/node /srv/server.js --port 1", "node /srv/server.js --port 1"],
  ["C:\\bin\\node.exe server.js", "node.exe server.js"],
  ["[kthreadd]", "[kthreadd]"],
  [wrapped("'while :; do sleep 1; done'"), "while :; do sleep 1; done"],
  [wrapped(`'echo '"'"'a b'"'"''`), "echo 'a b'"],
  [wrapped("make"), "make"],
  ["/bin/bash -c eval 'x'", "bash -c eval 'x'"],
])("shortCommand: %s", (command, short) => {
  expect(shortCommand({ command })).toBe(short);
});
