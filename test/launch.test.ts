import { expect, test } from "bun:test";
import { createLaunch, findClaude, removeOldLaunches } from "../src/launch.ts";
import { launchDir } from "../src/paths.ts";
import { createFakeSys } from "./fake-sys.ts";

const minute = 60_000;
const id = "00000000-0000-4000-8000-000000000001";

test.each<[rule: string, file: string, ageMs: number, isKept: boolean]>([
  ["its maker lives", `7.host_example.${id}.json`, 0, true],
  ["its maker lives, and is late", `7.host_example.${id}.json`, 2 * minute, false],
  ["its maker is gone", `8.host_example.${id}.json`, 0, false],
  ["its maker was killed while it wrote", `8.host_example.${id}.json.8.tmp`, 0, false],
  ["its maker may live on another host", `8.other.${id}.json`, 0, true],
  ["its maker lived on another host", `8.other.${id}.json`, 2 * minute, false],
  ["a clock was set back", `8.other.${id}.json`, -2 * minute, false],
  ["an older version's", `${id}.json`, 0, true],
  ["an old one of an older version's", `${id}.json`, 2 * minute, false],
])("a launch file: %s", (_, file, ageMs, isKept) => {
  const sys = createFakeSys({ now: 10 * minute });
  const path = `${launchDir(sys)}/${file}`;
  sys.alive.add(7);
  sys.writePrivate(path, "{}");
  removeOldLaunches({ ...sys, modifiedAt: () => sys.now() - ageMs });
  expect(sys.files.has(path)).toBe(isKept);
});

test("what a launch makes is known as its own", () => {
  const sys = createFakeSys({ now: minute });
  sys.alive.add(sys.pid);
  const { filePath } = createLaunch(sys, "/bin/true", [], "/", {});
  removeOldLaunches(sys);
  expect(sys.files.has(filePath)).toBe(true);
  sys.alive.delete(sys.pid);
  removeOldLaunches(sys);
  expect(sys.files.has(filePath)).toBe(false);
});

test("a folder that may not be changed disturbs no command", () => {
  const sys = createFakeSys({ now: minute });
  sys.writePrivate(`${launchDir(sys)}/8.host_example.${id}.json`, "{}");
  const refuse = () => {
    throw new Error("EACCES");
  };
  expect(() => removeOldLaunches({ ...sys, remove: refuse })).not.toThrow();
});

const inNpm = "/bin/node_modules/@anthropic-ai/claude-code/bin/claude.exe";

test.each<[what: string, platform: NodeJS.Platform, files: string[], found: string | undefined]>([
  ["the program", "linux", ["/bin/claude"], "/bin/claude"],
  ["a program of its own", "win32", ["/bin/claude.exe", "/bin/claude.cmd", inNpm], "/bin/claude.exe"],
  ["npm's program, not its script, which cmd.exe would read", "win32", ["/bin/claude.cmd", inNpm], inNpm],
  ["a script, where there is nothing else", "win32", ["/bin/claude.cmd"], "/bin/claude.cmd"],
  ["no file without an ending", "win32", ["/bin/claude"], undefined],
])("claude on PATH: %s (%s)", (_, platform, files, found) => {
  const sys = createFakeSys({ platform, env: { PATH: "/bin" }, files: Object.fromEntries(files.map((path) => [path, "#!"])) });
  if (found === undefined) expect(() => findClaude(sys)).toThrow("claude not found");
  else expect(findClaude(sys)).toBe(found);
});

test("a chosen claude may be a path of Windows", () => {
  const sys = createFakeSys({
    platform: "win32",
    env: { CLAUDE_SMART_CLAUDE_BIN: "tools\\claude.exe" },
    cwd: "/w",
    files: { "/w/tools\\claude.exe": "#!" },
  });
  expect(findClaude(sys)).toBe("/w/tools\\claude.exe");
});
