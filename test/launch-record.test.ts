import { expect, test } from "bun:test";
import { readBoot, readLaunches, rememberEnd, rememberLaunch } from "../src/launch-record.ts";
import { createFakeSys } from "./fake-sys.ts";

const stat = (start: string) => `7 (claude) S 1 7 7 0 -1 0 1 2 3 4 5 6 7 8 20 0 19 21 ${start} 1 2\n`;
const dir = "/home/dev/.local/state/csm/launches";
const launch = { pid: 7, cwd: "/app", configDir: "/c", args: ["--model", "opus"] };

const createPlace = () =>
  createFakeSys({ files: { "/proc/7/stat": stat("50"), "/proc/sys/kernel/random/boot_id": "boot-1\n" }, now: 1000 });

test("a launch is one private file; its session id may come later, and change", async () => {
  const sys = createPlace();
  await rememberLaunch(sys, launch);
  await rememberLaunch(sys, { ...launch, sessionId: "a" });
  await sys.sleep(500);
  await rememberLaunch(sys, { ...launch, sessionId: "b", profile: "work" });
  expect(readLaunches(sys)).toEqual([
    {
      ...{ id: "00000000-0000-4000-8000-000000000001", pid: 7, start: "50", boot: "boot-1", startedAt: 1000, sessionId: "b" },
      ...{ cwd: "/app", profile: "work", configDir: "/c", args: ["--model", "opus"] },
    },
  ]);
  expect(sys.files.get(`${dir}/00000000-0000-4000-8000-000000000001.json`)).toContain('"version": 1');
});

test("a later launch of the same conversation takes the place of the earlier one; others and other boots stay", async () => {
  const sys = createPlace();
  await rememberLaunch(sys, { ...launch, sessionId: "a" });
  sys.files.set("/proc/sys/kernel/random/boot_id", "boot-2\n");
  await rememberLaunch(sys, { ...launch, sessionId: "other" });
  expect(readLaunches(sys)).toHaveLength(2);
  sys.files.set("/proc/7/stat", stat("60"));
  await rememberLaunch(sys, { ...launch, sessionId: "a" });
  expect(
    readLaunches(sys)
      .map(({ sessionId, start, boot }) => `${sessionId} ${start} ${boot}`)
      .sort(),
  ).toEqual(["a 60 boot-2", "other 50 boot-2"]);
});

test("after 30 days a record goes", async () => {
  const sys = createPlace();
  await rememberLaunch(sys, { ...launch, sessionId: "a" });
  await sys.sleep(30 * 86_400_000 + 1);
  sys.files.set("/proc/7/stat", stat("60"));
  await rememberLaunch(sys, { ...launch, sessionId: "b" });
  expect(readLaunches(sys).map(({ sessionId }) => sessionId)).toEqual(["b"]);
});

test("an end is noted once, for the newest launch with that number", async () => {
  const sys = createPlace();
  await rememberLaunch(sys, { ...launch, sessionId: "old" });
  await sys.sleep(10);
  sys.files.set("/proc/7/stat", stat("60"));
  await rememberLaunch(sys, { ...launch, sessionId: "a" });
  rememberEnd(sys, 7, "exit");
  rememberEnd(sys, 8, "exit");
  const ends = readLaunches(sys).map(({ sessionId, ended }) => [sessionId, ended]);
  expect(ends).toEqual([
    ["old", undefined],
    ["a", { how: "exit", at: 1010 }],
  ]);
});

const id = "0f000000-0000-4000-8000-00000000000a";

test.each<[rule: string, args: string[], sessionId: string | undefined]>([
  ["--resume", ["--model", "opus", "--resume", id], id],
  ["--session-id", [`--session-id=${id}`], id],
  ["a fork has the new one", ["--resume", "0f000000-0000-4000-8000-00000000000b", "--fork-session", "--session-id", id], id],
  ["a word that is no id", ["--resume", "title"], undefined],
  ["none", [], undefined],
])("the conversation that claude was told: %s", async (_, args, sessionId) => {
  const sys = createPlace();
  await rememberLaunch(sys, { ...launch, args, isEndTold: true });
  expect(readLaunches(sys).map((record) => [record.sessionId, record.isEndTold])).toEqual([[sessionId, true]]);
});

test("the end names the conversation that was open last", async () => {
  const sys = createPlace();
  await rememberLaunch(sys, { ...launch, sessionId: "a" });
  rememberEnd(sys, 7, "signal", id);
  expect(readLaunches(sys)).toMatchObject([{ sessionId: id, ended: { how: "signal", at: 1000 } }]);
});

test("a process that has gone already, and a disk that is full, are no failure", async () => {
  const sys = createPlace();
  await rememberLaunch(sys, { ...launch, pid: 8 });
  expect(readLaunches(sys)).toEqual([]);
  const full = {
    ...sys,
    writePrivate: () => {
      throw new Error("ENOSPC");
    },
  };
  await rememberLaunch(full, launch);
  await rememberLaunch(sys, launch);
  rememberEnd(full, 7, "exit");
  expect(readLaunches(sys)).toHaveLength(1);
});

test.each(["", "{", "null", "[]", '{"pid":1}', '{"pid":1,"start":"1","boot":"1","startedAt":1,"cwd":"/","configDir":"/","args":[1]}'])(
  "a broken record is passed over: %p",
  (text) => {
    expect(readLaunches(createFakeSys({ files: { [`${dir}/x.json`]: text } }))).toEqual([]);
  },
);

test("Linux: a boot is its id and the pid namespace, as containers share the id", async () => {
  const files = { "/proc/sys/kernel/random/boot_id": "boot-1\n", "/proc/stat": "cpu 1\nbtime 1000\n" };
  const sys = { ...createFakeSys({ files }), realPath: () => "pid:[5]" };
  expect(await readBoot(sys)).toEqual({ key: "boot-1 pid:[5]", at: 1_000_000 });
  expect(await readBoot(createFakeSys())).toEqual({ key: "" });
});

const uuid = "0A1B2C3D-0000-4000-8000-0123456789AB";

test.each<[platform: NodeJS.Platform, argv: string[], stdout: string, boot: { key: string; at?: number }]>([
  [
    "darwin",
    ["sysctl", "-n", "kern.bootsessionuuid", "kern.boottime"],
    `${uuid}\n{ sec = 1000, usec = 5 } Fri Nov 20\n`,
    { key: uuid, at: 1_000_000 },
  ],
  ["freebsd", ["sysctl", "-n", "kern.boottime"], "{ sec = 1000, usec = 5 } Fri Nov 20\n", { key: "1000", at: 1_000_000 }],
  ["darwin", ["sysctl", "-n", "kern.bootsessionuuid", "kern.boottime"], "", { key: "" }],
])("%s: %p", async (platform, argv, stdout, boot) => {
  const sys = createFakeSys({ platform });
  sys.expectRun(argv, { stdout });
  expect(await readBoot(sys)).toEqual(boot);
  sys.done();
});

test("Windows tells the time of its boot; without PowerShell nothing is known", async () => {
  const script = "[DateTimeOffset]::new((Get-CimInstance Win32_OperatingSystem).LastBootUpTime).ToUnixTimeSeconds()";
  const argv = ["powershell.exe", "-NoProfile", "-NonInteractive", "-Command", script];
  const sys = createFakeSys({ platform: "win32" });
  sys.expectRun(argv, { stdout: "1000\r\n" });
  sys.expectRun(argv, new Error("ENOENT"));
  expect([await readBoot(sys), await readBoot(sys)]).toEqual([{ key: "1000", at: 1_000_000 }, { key: "" }]);
});
