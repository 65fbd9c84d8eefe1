import { expect, test } from "bun:test";
import { parsePsRow } from "../src/process-ps.ts";
import { ancestors, readProcessTable, readSeats } from "../src/process-table.ts";
import { createFakeSys } from "./fake-sys.ts";

const stat = (pid: number, program: string, state: string, ppid: number, group: number, start: number, terminal = "0 -1") =>
  `${pid} (${program}) ${state} ${ppid} ${group} ${group} ${terminal} 4194304 1 2 3 4 5 6 7 8 20 0 19 21 ${start} 123456 789\n`;

const every = ["startedAt", "command", "marks"] as const;
const behind = { hasTerminal: false, isForeground: false };

test("Linux: parent, group, start, command, and of the environment only the marks of a session", async () => {
  const files = {
    "/proc/stat": "cpu 1 2\nbtime 1000\nprocesses 5\n",
    "/proc/7/stat": stat(7, "ba) sh", "S", 1, 7, 250),
    "/proc/7/cmdline": "/bin/bash\0-c\0sleep 1\0",
    "/proc/7/environ": "HOME=/home/dev\0CLAUDE_PID=5\0CLAUDE_CODE_SESSION_ID=abc\0CLAUDE_CODE_MESSAGING_TOKEN=secret\0",
    "/proc/8/stat": stat(8, "node", "S", 7, 5, 300),
    "/proc/8/cmdline": "node\0server.js\0",
    "/proc/8/environ": "CLAUDE_CODE_SESSION_ID=abc\0CLAUDE_CODE_MESSAGING_SOCKET=/tmp/cc-socks/5.sock\0",
    "/proc/9/stat": stat(9, "gone", "Z", 7, 5, 300),
    "/proc/2/stat": stat(2, "kthreadd", "S", 0, 0, 0),
    "/proc/self/stat": "x",
  };
  expect([...(await readProcessTable(createFakeSys({ files }), every)).values()]).toEqual([
    {
      ...{ pid: 7, ppid: 1, group: 7, start: "250", startedAt: 1_002_500, program: "ba) sh", command: "/bin/bash -c sleep 1", ...behind },
      marks: { claudePid: 5, sessionId: "abc" },
    },
    {
      ...{ pid: 8, ppid: 7, group: 5, start: "300", startedAt: 1_003_000, program: "node", command: "node server.js", ...behind },
      marks: { claudePid: 5, sessionId: "abc" },
    },
    {
      ...{ pid: 2, ppid: 0, group: 0, start: "0", startedAt: 1_000_000, program: "kthreadd", command: "[kthreadd]", ...behind },
      marks: {},
    },
  ]);
});

const task = "/tmp/claude-0/-w/11111111-2222-4333-8444-555555555555/tasks/b1.output";
test.each<[rule: string, links: Record<string, string>, outputOf: string | undefined]>([
  ["stdout", { "/proc/7/fd/1": task }, "11111111-2222-4333-8444-555555555555"],
  ["stderr alone", { "/proc/7/fd/1": "/dev/null", "/proc/7/fd/2": task }, "11111111-2222-4333-8444-555555555555"],
  ["a reader of it", { "/proc/7/fd/0": task, "/proc/7/fd/1": "pipe:[5]", "/proc/7/fd/3": task }, undefined],
  ["a file beside it", { "/proc/7/fd/1": `${task}.bak` }, undefined],
])("Linux: whose background task it writes for: %s", async (_, links, outputOf) => {
  const sys = { ...createFakeSys({ files: { "/proc/7/stat": stat(7, "sh", "S", 1, 7, 1) } }), readLink: (path: string) => links[path] };
  expect((await readProcessTable(sys, ["marks"])).get(7)?.marks.outputOf).toBe(outputOf);
});

test.each<[rule: string, row: string, hasTerminal: boolean, isForeground: boolean]>([
  ["in front", stat(7, "claude", "S", 3, 7, 777, "34816 7"), true, true],
  ["behind another", stat(7, "claude", "T", 3, 7, 777, "34816 9"), true, false],
  ["without a terminal", stat(7, "claude", "S", 3, 7, 777), false, false],
])("Linux: a program %s; nothing is read but what is asked for", async (_, row, hasTerminal, isForeground) => {
  const table = await readProcessTable(createFakeSys({ files: { "/proc/7/stat": row, "/proc/stat": "btime 1000\n" } }));
  expect([...table]).toEqual([[7, { pid: 7, ppid: 3, group: 7, start: "777", program: "claude", hasTerminal, isForeground }]]);
});

test("Linux: a process of another pid namespace is left out: its marks name other numbers", async () => {
  const files = { "/proc/stat": "btime 1000\n", "/proc/7/stat": stat(7, "a", "S", 1, 7, 1), "/proc/8/stat": stat(8, "b", "S", 1, 8, 1) };
  const spaces: Record<string, string> = { "/proc/self/ns/pid": "pid:[1]", "/proc/7/ns/pid": "pid:[1]", "/proc/8/ns/pid": "pid:[2]" };
  const sys = { ...createFakeSys({ files }), realPath: (path: string) => spaces[path] };
  expect([...(await readProcessTable(sys, ["marks"])).keys()]).toEqual([7]);
  // Sessions in containers are looked for by their start.
  expect([...(await readProcessTable(sys)).keys()]).toEqual([7, 8]);
});

test.each<[platform: NodeJS.Platform, flag: string]>([
  ["darwin", "-E"],
  ["freebsd", "-e"],
])("%s: ps tells all, and environments apart; arguments that look like marks are none", async (platform, flag) => {
  const sys = createFakeSys({ platform, env: { PATH: "/bin" } });
  const options = { env: { PATH: "/bin", LC_ALL: "C" } };
  const expectPs = (flags: string[], names: string, lines: string[]) =>
    sys.expectRun(
      ["ps", "-axww", ...flags, ...names.split(" ").flatMap((name) => ["-o", `${name}=`])],
      { stdout: `${lines.join("\n")}\n` },
      options,
    );
  const rows = [
    "    7     1     7     7 ttys001 S    Fri Nov 20 12:06:01 2026 /bin/bash",
    "    8     7     7     7 ttys001 S+   Sun Nov  1 09:00:59 2026 grep",
    "    9     7     7     7 ttys001 Z    Sun Nov  1 09:00:59 2026 bash",
    "   10     1    10     0 ??      Ss   Sun Nov  1 09:00:59 2026 /sbin/late",
  ];
  expectPs([], "pid ppid pgid tpgid tty stat lstart comm", rows);
  expectPs([], "pid command", ["    7 /bin/bash -c x", "    8 grep CLAUDE_PID=5", "    9 (bash)"]);
  expectPs([flag], "pid command", [
    "    7 /bin/bash -c x HOME=/Users/dev CLAUDE_PID=5 CLAUDE_CODE_SESSION_ID=abc",
    "    8 grep CLAUDE_PID=5",
    "   10 /sbin/late CLAUDE_PID=5",
  ]);
  const friday = { start: "Fri Nov 20 12:06:01 2026", startedAt: new Date(2026, 10, 20, 12, 6, 1).getTime() };
  const sunday = { start: "Sun Nov  1 09:00:59 2026", startedAt: new Date(2026, 10, 1, 9, 0, 59).getTime() };
  expect([...(await readProcessTable(sys, every)).values()]).toEqual([
    {
      ...{ pid: 7, ppid: 1, group: 7, ...friday, program: "bash", hasTerminal: true, isForeground: true, command: "/bin/bash -c x" },
      marks: { claudePid: 5, sessionId: "abc" },
    },
    {
      ...{ pid: 8, ppid: 7, group: 7, ...sunday, program: "grep", hasTerminal: true, isForeground: true, command: "grep CLAUDE_PID=5" },
      marks: {},
    },
    // Its arguments are not known, so where its environment begins is not either.
    {
      ...{ pid: 10, ppid: 1, group: 10, ...sunday, program: "late", hasTerminal: false, isForeground: false, command: "[late]" },
      marks: {},
    },
  ]);
  sys.done();
});

test.each<[rule: string, line: string, row: unknown]>([
  ["in front", " 7 3 7 7 ttys001 S+ Fri Nov 20 12:06:01 2026 /usr/local/bin/claude", ["claude", true, true]],
  ["without a terminal", " 7 3 7 0 ?? Ss Sun Nov  1 09:00:59 2026 /bin/my prog", ["my prog", false, false]],
  ["the same, as FreeBSD writes it", " 7 3 7 0 - Ss Sun Nov  1 09:00:59 2026 prog", ["prog", false, false]],
  ["a zombie", " 7 3 7 7 ttys001 Z Fri Nov 20 12:06:01 2026 claude", undefined],
  ["no row", "PID", undefined],
])("ps: %s", (_, line, row) => {
  const found = parsePsRow(line);
  expect(found === undefined ? undefined : [found.program, found.hasTerminal, found.isForeground]).toEqual(row as never);
});

test("Windows: one PowerShell; no environment, but a parent's number stays", async () => {
  const sys = createFakeSys({ platform: "win32" });
  const base = "$($_.ProcessId)`t$($_.ParentProcessId)`t$($_.CreationDate.ToUniversalTime().ToFileTimeUtc())`t$($_.Name)";
  const expectScript = (fields: string, stdout: string) => {
    const script = `Get-CimInstance Win32_Process | Where-Object { $_.CreationDate } | ForEach-Object { "${fields}" }`;
    sys.expectRun(["powershell.exe", "-NoProfile", "-NonInteractive", "-Command", script], { stdout });
  };
  const row = {
    ...{ pid: 7, ppid: 5, start: "134396499610000000", startedAt: Date.UTC(2026, 10, 20, 12, 6, 1), program: "node", ...behind },
  };
  expectScript(
    `${base}\`t$($_.CommandLine -replace '\\s+', ' ')`,
    "7\t5\t134396499610000000\tnode.exe\tC:\\node.exe server.js\r\nwarning: x\r\n\r\n",
  );
  expect([...(await readProcessTable(sys, every)).values()]).toEqual([{ ...row, command: "C:\\node.exe server.js", marks: {} }]);
  expectScript(base, "7\t5\t134396499610000000\tnode.exe\r\n");
  expect([...(await readProcessTable(sys)).values()]).toEqual([row]);
  sys.done();
});

test.each<[rule: string, parents: [pid: number, ppid: number][], pid: number, found: number[]]>([
  [
    "up to init",
    [
      [7, 5],
      [5, 1],
      [1, 0],
    ],
    7,
    [7, 5, 1],
  ],
  ["a parent that the table lacks is the last", [[7, 5]], 7, [7, 5]],
  ["one that is not in the table", [], 7, [7]],
  [
    "a ring ends the walk (106)",
    [
      [7, 8],
      [8, 7],
    ],
    7,
    [7, 8],
  ],
  ["one that is its own parent", [[7, 7]], 7, [7]],
])("ancestors: %s", (_, parents, pid, found) => {
  expect([...ancestors(new Map(parents.map(([child, ppid]) => [child, { ppid }])), pid)]).toEqual(found);
});

test("where a process sits: ancestors, the tty of its own number, and nothing else of its environment", async () => {
  const stat = (program: string, ppid: number, device: number) => `1 (${program}) S ${ppid} 1 1 ${device} 1 ${"0 ".repeat(13)}77 0`;
  const files = {
    "/proc/30/stat": stat("claude", 20, 34817),
    "/proc/30/environ": "KITTY_WINDOW_ID=4\0ANTHROPIC_API_KEY=secret\0KITTY_WINDOW_IDS=9\0",
    "/proc/31/stat": stat("claude", 20, (136 << 8) | 11),
    "/proc/31/environ": "",
    "/proc/32/stat": stat("claude", 20, 0),
    "/proc/33/stat": stat("claude", 20, (4 << 8) | 2),
    "/proc/20/stat": stat("bash", 10, 34817),
    "/proc/10/stat": stat("kitty", 1, 0),
    "/proc/1/stat": stat("init", 0, 0),
  };
  const seats = await readSeats(createFakeSys({ files }), [30, 31, 32, 33, 34]);
  expect(seats.get(30)).toEqual({
    platform: "linux",
    line: [
      { pid: 30, program: "claude", tty: "/dev/pts/1" },
      { pid: 20, program: "bash", tty: "/dev/pts/1" },
      { pid: 10, program: "kitty" },
      { pid: 1, program: "init" },
    ],
    env: { KITTY_WINDOW_ID: "4" },
    tty: "/dev/pts/1",
    start: "77",
    isForeground: true,
  });
  expect([31, 32, 33, 34].map((pid) => seats.get(pid)?.tty)).toEqual(["/dev/pts/11", undefined, "/dev/tty2", undefined]);
});
