import { describe, expect, test } from "bun:test";
import { createLoadReader, isSameProcess, type ProcessStart, readArguments, readProcess, readProcesses } from "../src/process.ts";
import { createFakeSys } from "./fake-sys.ts";

/** Field 22 is the start; 20 and 21 must not be taken for it. */
const stat = (pid: number, command: string, state: string, start: string) =>
  `${pid} (${command}) ${state} 1 ${pid} ${pid} 34816 ${pid} 4194304 1 2 3 4 5 6 7 8 20 0 19 21 ${start} 123456 789 18446744073709551615\n`;

test.each<[rule: string, files: Record<string, string>, pids: number[], starts: ProcessStart[]]>([
  ["field 22 is the start", { "/proc/7/stat": stat(7, "claude", "S", "84997") }, [7], [{ pid: 7, start: "84997" }]],
  ["the command may hold blanks and brackets", { "/proc/7/stat": stat(7, "a) S (b 1", "R", "84997") }, [7], [{ pid: 7, start: "84997" }]],
  ["no such process", {}, [7], []],
  ["a zombie is gone", { "/proc/7/stat": stat(7, "claude", "Z", "84997") }, [7], []],
  ["so is a dead one", { "/proc/7/stat": stat(7, "claude", "X", "84997") }, [7], []],
  ["a stopped one is not", { "/proc/7/stat": stat(7, "claude", "T", "84997") }, [7], [{ pid: 7, start: "84997" }]],
  ["a cut file is none", { "/proc/7/stat": "7 (claude) S 1 2 3" }, [7], []],
  [
    "the live ones among several",
    { "/proc/7/stat": stat(7, "claude", "S", "1"), "/proc/9/stat": stat(9, "claude", "S", "2") },
    [7, 8, 9],
    [
      { pid: 7, start: "1" },
      { pid: 9, start: "2" },
    ],
  ],
  ["none asked for", {}, [], []],
])("Linux: %s", async (_, files, pids, starts) => {
  const sys = createFakeSys({ files });
  expect([...(await readProcesses(sys, pids))]).toEqual(starts.map((start) => [start.pid, start]));
  sys.done();
});

const local = (day: number, hour: number, minute: number, second: number) => new Date(2026, 10, day, hour, minute, second).getTime();

test.each<[rule: string, platform: NodeJS.Platform, stdout: string, code: number, starts: ProcessStart[]]>([
  [
    "one line each",
    "darwin",
    "   7 S+   Fri Nov 20 12:06:01 2026    \n12345 Ss   Sun Nov  1 09:00:59 2026\n",
    0,
    [
      { pid: 7, start: "Fri Nov 20 12:06:01 2026", startedAt: local(20, 12, 6, 1) },
      { pid: 12345, start: "Sun Nov  1 09:00:59 2026", startedAt: local(1, 9, 0, 59) },
    ],
  ],
  ["a zombie is gone", "darwin", "    7 Z    Fri Nov 20 12:06:01 2026\n", 0, []],
  ["none lives", "darwin", "", 1, []],
  [
    "a system without a row of its own",
    "freebsd",
    "7 S Fri Nov 20 12:06:01 2026\n",
    0,
    [{ pid: 7, start: "Fri Nov 20 12:06:01 2026", startedAt: local(20, 12, 6, 1) }],
  ],
])("ps: %s", async (_, platform, stdout, code, starts) => {
  const sys = createFakeSys({ platform, env: { PATH: "/bin", LC_ALL: "de_DE.UTF-8" } });
  // The names of days and months are read in English.
  sys.expectRun(
    ["ps", "-o", "pid=", "-o", "stat=", "-o", "lstart=", "-p", "7,12345"],
    { stdout, code },
    { env: { PATH: "/bin", LC_ALL: "C" } },
  );
  expect([...(await readProcesses(sys, [7, 12345])).values()]).toEqual(starts);
  sys.done();
});

test("Windows: one PowerShell for all, file times become epoch times", async () => {
  const sys = createFakeSys({ platform: "win32" });
  const script =
    "Get-Process -Id 7,8,9 -ErrorAction SilentlyContinue | ForEach-Object { \"$($_.Id) $(try { $_.StartTime.ToUniversalTime().ToFileTimeUtc() } catch { '-' })\" }";
  sys.expectRun(["powershell.exe", "-NoProfile", "-NonInteractive", "-Command", script], {
    stdout: "7 134396499610000000\r\nGet-Process : no process 8\r\n\r\n9 -\r\n",
    code: 1,
  });
  expect([...(await readProcesses(sys, [7, 8, 9])).values()]).toEqual([
    { pid: 7, start: "134396499610000000", startedAt: Date.UTC(2026, 10, 20, 12, 6, 1) },
    // Another user's: its start is refused, and it lives.
    { pid: 9, start: "" },
  ]);
  sys.done();
});

test.each<[platform: NodeJS.Platform]>([["darwin"], ["win32"]])("%s: nothing is run for no numbers", async (platform) => {
  const sys = createFakeSys({ platform });
  expect((await readProcesses(sys, [])).size).toBe(0);
  sys.done();
});

test.each<[pid: number, start: ProcessStart | undefined]>([
  [7, { pid: 7, start: "84997" }],
  [8, undefined],
])("one process: %i", async (pid, start) => {
  expect(await readProcess(createFakeSys({ files: { "/proc/7/stat": stat(7, "claude", "S", "84997") } }), pid)).toEqual(start);
});

test("Linux: a process that the system hides from us (hidepid) lives, whatever its start", async () => {
  const sys = createFakeSys();
  sys.alive.add(7);
  expect(await readProcess(sys, 7)).toEqual({ pid: 7, start: "" });
});

test.each<[rule: string, a: ProcessStart, b: ProcessStart, isSame: boolean]>([
  ["the same ticks", { pid: 7, start: "1" }, { pid: 7, start: "1" }, true],
  ["other ticks", { pid: 7, start: "1" }, { pid: 7, start: "2" }, false],
  ["another number", { pid: 7, start: "1" }, { pid: 8, start: "1" }, false],
  ["two tools' times", { pid: 7, start: "a", startedAt: 1000 }, { pid: 7, start: "b", startedAt: 3000 }, true],
  ["times too far apart", { pid: 7, start: "a", startedAt: 1000 }, { pid: 7, start: "a", startedAt: 3001 }, false],
])("same process: %s", (_, a, b, isSame) => {
  expect(isSameProcess(a, b)).toBe(isSame);
});

describe("what a process takes of the machine", () => {
  const boot = 1_000_000_000;
  /** Fields 14 and 15 are its time on a processor, in hundredths of a second. */
  const used = (ticks: number) => ({
    "/proc/stat": `btime ${boot}\n`,
    "/proc/7/stat": `7 (claude) S 1 7 7 34816 7 4194304 1 2 3 4 ${ticks - 1} 1 7 8 20 0 19 21 100 123456 789\n`,
    "/proc/7/status": "Name:\tclaude\nVmRSS:\t   2048 kB\n",
  });

  test("one reading tells of its whole life, three more of now", async () => {
    // It was started a second after the boot, 100 s ago.
    const sys = createFakeSys({ files: used(1000), now: boot * 1000 + 101_000 });
    const read = createLoadReader(sys);
    const put = (ticks: number) => {
      for (const [path, text] of Object.entries(used(ticks))) sys.files.set(path, text);
    };
    expect(await read(7)).toEqual({ cpuPercent: 10, overMs: 100_000, isRecent: false, memoryBytes: 2_097_152 });
    for (const ticks of [1003, 1006]) {
      await sys.sleep(300);
      put(ticks);
      expect((await read(7))?.isRecent).toBe(false);
    }
    await sys.sleep(400);
    put(1050);
    expect(await read(7)).toEqual({ cpuPercent: 50, overMs: 1000, isRecent: true, memoryBytes: 2_097_152 });
    // What was long ago no longer counts.
    for (let step = 0; step < 3; step++) {
      await sys.sleep(300);
      await read(7);
    }
    expect(await read(7)).toMatchObject({ cpuPercent: 0, overMs: 900, isRecent: true });
  });

  test("another process with its number begins anew", async () => {
    const sys = createFakeSys({ files: used(1000), now: boot * 1000 + 101_000 });
    const read = createLoadReader(sys);
    for (let step = 0; step < 4; step++) {
      await read(7);
      await sys.sleep(300);
    }
    for (const [path, text] of Object.entries(used(5))) sys.files.set(path, text);
    expect((await read(7))?.isRecent).toBe(false);
  });

  test("one that has ended takes nothing", async () => {
    expect(await createLoadReader(createFakeSys({}))(7)).toBeUndefined();
  });

  test.each([
    ["0:01.50   2048 Fri Nov 20 12:06:01 2026", 1500],
    ["  01:02:03   2048 Fri Nov 20 12:06:01 2026", 3_723_000],
    ["2-01:02:03 2048 Fri Nov 20 12:06:01 2026", 176_523_000],
  ])("ps: %p", async (line, cpuMs) => {
    const startedAt = new Date(2026, 10, 20, 12, 6, 1).getTime();
    const sys = createFakeSys({ platform: "darwin", now: startedAt + 10 * cpuMs });
    sys.expectRun(["ps", "-o", "time=", "-o", "rss=", "-o", "lstart=", "-p", "7"], { stdout: `${line}\n` });
    expect(await createLoadReader(sys)(7)).toEqual({ cpuPercent: 10, overMs: 10 * cpuMs, isRecent: false, memoryBytes: 2_097_152 });
  });

  test("the words it was called with", () => {
    expect(readArguments(createFakeSys({ files: { "/proc/7/cmdline": "claude\0--resume\0x y\0" } }), 7)).toEqual([
      "claude",
      "--resume",
      "x y",
    ]);
  });
});
