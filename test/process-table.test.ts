import { expect, test } from "bun:test";
import { readProcessTable, shortCommand } from "../src/process-table.ts";
import { createFakeSys } from "./fake-sys.ts";

const stat = (pid: number, command: string, state: string, ppid: number, group: number, start: number) =>
  `${pid} (${command}) ${state} ${ppid} ${group} ${group} 0 -1 4194304 1 2 3 4 5 6 7 8 20 0 19 21 ${start} 123456 789\n`;

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
  expect(await readProcessTable(createFakeSys({ files }))).toEqual([
    {
      ...{ pid: 7, ppid: 1, group: 7, start: "250", startedAt: 1_002_500, command: "/bin/bash -c sleep 1" },
      marks: { claudePid: 5, sessionId: "abc" },
    },
    { pid: 8, ppid: 7, group: 5, start: "300", startedAt: 1_003_000, command: "node server.js", marks: { claudePid: 5, sessionId: "abc" } },
    { pid: 2, ppid: 0, group: 0, start: "0", startedAt: 1_000_000, command: "[kthreadd]", marks: {} },
  ]);
});

test("Linux: a process of another pid namespace is left out: its marks name other numbers", async () => {
  const files = { "/proc/stat": "btime 1000\n", "/proc/7/stat": stat(7, "a", "S", 1, 7, 1), "/proc/8/stat": stat(8, "b", "S", 1, 8, 1) };
  const spaces: Record<string, string> = { "/proc/self/ns/pid": "pid:[1]", "/proc/7/ns/pid": "pid:[1]", "/proc/8/ns/pid": "pid:[2]" };
  const sys = { ...createFakeSys({ files }), realPath: (path: string) => spaces[path] };
  expect((await readProcessTable(sys)).map(({ pid }) => pid)).toEqual([7]);
});

test.each<[platform: NodeJS.Platform, flag: string]>([
  ["darwin", "-E"],
  ["freebsd", "-e"],
])("%s: ps tells all, and environments apart; arguments that look like marks are none", async (platform, flag) => {
  const sys = createFakeSys({ platform, env: { PATH: "/bin" } });
  const options = { env: { PATH: "/bin", LC_ALL: "C" } };
  sys.expectRun(
    ["ps", "-axww", flag, "-o", "pid=", "-o", "command="],
    { stdout: "    7 /bin/bash -c x HOME=/Users/dev CLAUDE_PID=5 CLAUDE_CODE_SESSION_ID=abc\n    8 grep CLAUDE_PID=5\n" },
    options,
  );
  const columns = ["pid", "ppid", "pgid", "stat", "lstart", "command"].flatMap((name) => ["-o", `${name}=`]);
  const stdout = [
    "    7     1     7 S    Fri Nov 20 12:06:01 2026 /bin/bash -c x",
    "    8     7     7 S+   Sun Nov  1 09:00:59 2026 grep CLAUDE_PID=5",
    "    9     7     7 Z    Sun Nov  1 09:00:59 2026 (bash)",
  ].join("\n");
  sys.expectRun(["ps", "-axww", ...columns], { stdout }, options);
  expect(await readProcessTable(sys)).toEqual([
    {
      ...{ pid: 7, ppid: 1, group: 7, start: "Fri Nov 20 12:06:01 2026", startedAt: new Date(2026, 10, 20, 12, 6, 1).getTime() },
      ...{ command: "/bin/bash -c x", marks: { claudePid: 5, sessionId: "abc" } },
    },
    {
      ...{ pid: 8, ppid: 7, group: 7, start: "Sun Nov  1 09:00:59 2026", startedAt: new Date(2026, 10, 1, 9, 0, 59).getTime() },
      ...{ command: "grep CLAUDE_PID=5", marks: {} },
    },
  ]);
  sys.done();
});

test("Windows: one PowerShell; no environment, but a parent's number stays", async () => {
  const sys = createFakeSys({ platform: "win32" });
  const fields =
    "$($_.ProcessId)`t$($_.ParentProcessId)`t$($_.CreationDate.ToUniversalTime().ToFileTimeUtc())`t$($_.CommandLine -replace '\\s+', ' ')";
  const script = `Get-CimInstance Win32_Process | Where-Object { $_.CreationDate } | ForEach-Object { "${fields}" }`;
  sys.expectRun(["powershell.exe", "-NoProfile", "-NonInteractive", "-Command", script], {
    stdout: "7\t5\t134396499610000000\tC:\\node.exe server.js\r\nwarning: x\r\n\r\n",
  });
  expect(await readProcessTable(sys)).toEqual([
    {
      ...{ pid: 7, ppid: 5, start: "134396499610000000", startedAt: Date.UTC(2026, 10, 20, 12, 6, 1) },
      ...{ command: "C:\\node.exe server.js", marks: {} },
    },
  ]);
  sys.done();
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
