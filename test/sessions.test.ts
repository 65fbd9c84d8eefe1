import { describe, expect, test } from "bun:test";
import type { SessionFile } from "../src/claude-session.ts";
import type { ProcessStart } from "../src/process.ts";
import { withConversation } from "../src/resumed.ts";
import { isOwner, readSessionFile, readSessionOf } from "../src/session-file.ts";
import { isElsewhere, openSessionFiles, readLiveOwners, readSessions } from "../src/sessions.ts";
import { createFakeSys } from "./fake-sys.ts";

const id = "3f2a1b4c-0000-4000-8000-000000000001";
const session = (more: Record<string, unknown> = {}) => JSON.stringify({ pid: 100, procStart: "555", sessionId: id, cwd: "/w", ...more });
/** The program's own name says nothing: a native installation is called by its version. */
const stat = (pid: number, start: string, state = "S", parent = 1) =>
  `${pid} (2.1.329) ${state} ${[parent, ...Array(17).fill(0)].join(" ")} ${start} 0`;

describe("who has a conversation open", () => {
  test.each<[rule: string, files: Record<string, string>, isLive: boolean]>([
    ["a process with the number and the start", { "/c/sessions/100.json": session(), "/proc/100/stat": stat(100, "555") }, true],
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

const file: SessionFile = { pid: 7, sessionId: "a", cwd: "/app", procStart: "84997", startedAt: 1_000_000 };
const oldFile: SessionFile = { pid: 7, sessionId: "a", cwd: "/app" };

test.each<[rule: string, owner: ProcessStart | undefined, file: SessionFile, isOwned: boolean]>([
  ["the same number and start", { pid: 7, start: "84997" }, file, true],
  ["no process", undefined, file, false],
  ["another number", { pid: 8, start: "84997" }, file, false],
  ["a reused number", { pid: 7, start: "99999" }, file, false],
  ["before 2.1.158 the file has no start, but a time: it fits", { pid: 7, start: "84997" }, { ...oldFile, startedAt: 850_000 }, true],
  ["a process that began later has the number of an old file", { pid: 7, start: "84997" }, { ...oldFile, startedAt: 780_000 }, false],
  ["neither start nor time: the number alone is nobody's", { pid: 7, start: "84997" }, oldFile, false],
  ["where the system tells times, they are compared: the same", { pid: 7, start: "Fri", startedAt: 1_000_000 }, file, true],
  ["the file is some seconds younger", { pid: 7, start: "Fri", startedAt: 1_000_000 - 59_999 }, file, true],
  ["a minute is too much", { pid: 7, start: "Fri", startedAt: 1_000_000 - 60_000 }, file, false],
  ["a process younger than the file by more is another", { pid: 7, start: "Fri", startedAt: 1_000_000 + 60_000 }, file, false],
  ["where the system hides the start, it lives, and that must do", { pid: 7, start: "" }, file, true],
  ["a file without time", { pid: 7, start: "Fri", startedAt: 5 }, oldFile, false],
])("owner: %s", (_, owner, session, isOwned) => {
  expect(isOwner(createFakeSys({ files: { "/proc/stat": "cpu 1\nbtime 0\n" } }), owner, session)).toBe(isOwned);
});

const machine = "0123456789abcdef0123456789abcdef";
const own = { "/etc/machine-id": `${machine}\n`, "/proc/self/ns/pid": "" };

test.each<[rule: string, pidDomain: string | undefined, platform: NodeJS.Platform, isAway: boolean]>([
  ["our own", `linux:${machine}:pid:[1]`, "linux", false],
  ["a container on this machine", `linux:${machine}:pid:[4026532200]`, "linux", true],
  ["another machine that shares the folder", "linux:ffffffffffffffffffffffffffffffff:pid:[1]", "linux", true],
  ["a machine without an id", "linux::pid:[1]", "linux", false],
  ["a container seen from macOS", `linux:${machine}:pid:[1]`, "darwin", true],
  ["older versions do not say", undefined, "linux", false],
  ["another form is not judged", "darwin:x", "darwin", false],
  ["our own on macOS", "darwin", "darwin", false],
  ["macOS seen from Linux", "darwin", "linux", true],
  ["Windows seen from WSL", "win32:desktop", "linux", true],
  ["WSL seen from Windows", `linux:${machine}:pid:[1]`, "win32", true],
  ["our own on Windows", "win32:host.example", "win32", false],
  ["another Windows that shares the folder", "win32:desktop", "win32", true],
])("elsewhere: %s", (_, pidDomain, platform, isAway) => {
  const sys = {
    ...createFakeSys({ platform, files: own }),
    realPath: (path: string) => (path === "/proc/self/ns/pid" ? "pid:[1]" : undefined),
  };
  expect(isElsewhere(sys, pidDomain === undefined ? {} : { pidDomain })).toBe(isAway);
});

test.each<[cwd: string, platform: NodeJS.Platform, isAway: boolean]>([
  ["C:\\Users\\me\\app", "linux", true],
  ["c:/Users/me", "linux", true],
  ["\\\\wsl.localhost\\Debian\\home\\me", "linux", true],
  ["C:\\Users\\me\\app", "win32", false],
  ["\\\\server\\share", "win32", false],
  ["/home/me", "win32", true],
  ["/mnt/c/Users/me", "linux", false],
  ["/home/me/C:\\x", "linux", false],
  ["/Users/me", "darwin", false],
])("a session in %s is none of a %s here: %p", (cwd, platform, isAway) =>
  expect(isElsewhere(createFakeSys({ platform, files: own }), { cwd })).toBe(isAway),
);

describe("the file of one process", () => {
  const path = "/c/sessions/100.json";

  test.each<[rule: string, text: string | undefined, read: unknown]>([
    ["whole", session(), { text: session(), file: { pid: 100, procStart: "555", sessionId: id, cwd: "/w" } }],
    ["torn", '{"pid":100,', { text: '{"pid":100,' }],
    ["none", undefined, undefined],
  ])("%s", (_, text, read) => {
    expect(readSessionFile(createFakeSys({ files: text === undefined ? {} : { [path]: text } }), "/c", 100)).toEqual(read as never);
  });

  const resumed = "99999999-0000-4000-8000-000000000009";
  const third = "77777777-0000-4000-8000-000000000007";
  const began = Date.UTC(2026, 10, 20, 12);
  /** A conversation that began so long before the process, and was written to so long after its start. */
  const said = (beforeMs: number) => `${JSON.stringify({ type: "user", timestamp: new Date(began - beforeMs).toISOString() })}\n`;
  type Case = { words?: string; started?: string; old?: string[]; written?: string[]; young?: string[]; others?: string[] };

  test.each<[rule: string, given: Case, found: string]>([
    ["the conversation that it resumed", { words: `claude --resume ${resumed}`, old: [resumed] }, resumed],
    ["the same, joined", { words: `node cli.js --resume=${resumed} --verbose`, old: [resumed] }, resumed],
    ["the same, short", { words: `claude -r ${resumed}`, old: [resumed] }, resumed],
    ["a copy has its own", { words: `claude --resume ${resumed} --fork-session`, old: [resumed] }, id],
    ["one that it has begun since", { words: `claude --resume ${resumed}`, old: [resumed, id] }, id],
    ["a conversation that is not there", { words: `claude --resume ${resumed}` }, id],
    ["a title", { words: "claude --resume login", old: [resumed] }, id],
    ["csd knows with which it was started", { words: "claude", started: resumed, old: [resumed] }, resumed],
    ["its title hides the arguments: what was written since its start", { words: "claude", old: [third], written: [resumed] }, resumed],
    ["not one that began since", { words: "claude", young: [resumed] }, id],
    ["not one that another session has", { words: "claude", written: [resumed], others: [resumed] }, id],
    ["not one of two", { words: "claude", written: [resumed, third] }, id],
    ["not where another one has begun since, as after /clear", { words: "claude", written: [resumed], young: [third] }, id],
    ["nothing was written", { words: "claude", old: [resumed] }, id],
  ])(
    "2.1.86 names another id than the transcript: %s",
    async (_, { words = "", started, old = [], written = [], young = [], others = [] }, found) => {
      const sys = createFakeSys({ now: began - 1000 });
      const put = (of: string, text: string) => sys.overwrite(`/c/projects/-w/${of}.jsonl`, text);
      for (const of of old) put(of, said(5000));
      await sys.sleep(3000);
      for (const of of written) put(of, said(5000));
      for (const of of young) put(of, said(-500));
      for (const [index, sessionId] of others.entries())
        sys.overwrite(`/c/sessions/20${index}.json`, JSON.stringify({ pid: 200 + index, sessionId }));
      sys.overwrite("/proc/100/cmdline", words.replaceAll(" ", "\0"));
      const file = { pid: 100, sessionId: id, cwd: "/w", startedAt: began };
      expect(withConversation(sys, "/c", file, started).sessionId).toBe(found);
      // Later versions say it themselves.
      expect(withConversation(sys, "/c", { ...file, procStart: "1" }, started).sessionId).toBe(id);
    },
  );

  test.each<[rule: string, texts: (string | undefined)[], found: string | undefined]>([
    ["whole at once", [session()], id],
    ["torn at first", ["{", "", session()], id],
    ["torn for good", ["{"], undefined],
    ["another process's", [session({ procStart: "777" })], undefined],
    ["gone meanwhile", ["{", undefined], undefined],
  ])("waits until it is whole: %s", async (_, texts, found) => {
    let reads = 0;
    const sys = { ...createFakeSys(), readText: () => texts[Math.min(reads++, texts.length - 1)] };
    expect((await readSessionOf(sys, "/c", { pid: 100, start: "555" }))?.sessionId).toBe(found);
  });
});

test("the files of config dirs, again and again: what has not changed is not parsed again, a torn one stays as it was", () => {
  const path = "/c/sessions/100.json";
  const sys = createFakeSys({ files: { [path]: session(), "/d/sessions/101.json": session({ pid: 101 }) }, now: 1000 });
  let reads = 0;
  const readText = (of: string) => {
    reads++;
    return sys.readText(of);
  };
  const files = openSessionFiles({ ...sys, readText });
  const list = () => {
    const { found, hasTorn } = files.list([{ dir: "/c" }, { dir: "/d" }]);
    return [found.map(({ file, dir }) => `${dir.dir} ${file.pid} ${file.name ?? "-"}`), hasTorn];
  };
  expect(list()).toEqual([["/c 100 -", "/d 101 -"], false]);
  expect([list(), reads]).toEqual([[["/c 100 -", "/d 101 -"], false], 2]);
  sys.overwrite(path, session({ name: "harbour" }));
  expect(list()[0]).toEqual(["/c 100 harbour", "/d 101 -"]);
  sys.overwrite(path, '{"pid":1');
  expect(list()).toEqual([["/c 100 harbour", "/d 101 -"], true]);
  sys.remove(path);
  expect(list()).toEqual([["/d 101 -"], false]);
  // Another process may get the number: nothing of the earlier one is kept.
  sys.overwrite(path, "{");
  expect(list()).toEqual([["/d 101 -"], true]);
});

test("each session with its profile, and whether that still holds", async () => {
  const away = `linux:${machine}:pid:[4026532200]`;
  const files = {
    ...own,
    "/c/sessions/100.json": session(),
    "/proc/100/stat": stat(100, "555"),
    "/c/sessions/101.json": session({ pid: 101 }),
    "/d/sessions/102.json": session({ pid: 102, pidDomain: away }),
    "/proc/102/stat": stat(102, "555"),
  };
  const sys = { ...createFakeSys({ files }), realPath: () => "pid:[1]" };
  const dirs = [
    { dir: "/c", name: undefined },
    { dir: "/d", name: "work" },
  ];
  const found = await readSessions(sys, dirs);
  expect(found.map(({ file, configDir, profile, liveness }) => [file.pid, configDir, profile, liveness])).toEqual([
    [100, "/c", undefined, "live"],
    [101, "/c", undefined, "gone"],
    [102, "/d", "work", "elsewhere"],
  ]);
});

test("a file that was being written is read once more before it is passed over", async () => {
  const sys = createFakeSys({ files: { "/c/sessions/100.json": '{"pid":1', "/proc/100/stat": stat(100, "555") } });
  const settling = { ...sys, sleep: async () => sys.overwrite("/c/sessions/100.json", session()) };
  expect((await readSessions(settling, [{ dir: "/c", name: undefined }])).map(({ liveness }) => liveness)).toEqual(["live"]);
});
