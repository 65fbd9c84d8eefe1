import { expect, test } from "bun:test";
import { writeFloor } from "../src/profiles-change.ts";
import { createFakeSys } from "./fake-sys.ts";

const setVariable = [
  "powershell.exe",
  "-NoProfile",
  "-NonInteractive",
  "-Command",
  "[Environment]::SetEnvironmentVariable('CLAUDE_CONFIG_DIR', $env:CSM_FLOOR_DIR, 'User')",
];
const dir = "/it's $x";

test.each<[NodeJS.Platform, string | undefined, string[] | undefined, string | undefined]>([
  ["linux", dir, undefined, undefined],
  ["darwin", dir, ["/bin/launchctl", "setenv", "CLAUDE_CONFIG_DIR", dir], undefined],
  ["darwin", undefined, ["/bin/launchctl", "unsetenv", "CLAUDE_CONFIG_DIR"], undefined],
  ["win32", dir, setVariable, dir],
  ["win32", undefined, setVariable, undefined],
])("on %s, %p", async (platform, value, argv, variable) => {
  const sys = createFakeSys({ platform });
  if (argv !== undefined) sys.expectRun(argv, {}, { env: { CSM_FLOOR_DIR: variable }, timeoutMs: 5000 });
  expect(await writeFloor(sys, value)).toBeUndefined();
  sys.done();
});

test.each([
  ["a failure", { code: 1, stderr: "no\n" }, "/bin/launchctl failed: no"],
  ["a silent failure", { code: 3 }, "/bin/launchctl failed: code 3"],
  ["a program that is not there", new Error("ENOENT"), "ENOENT"],
])("%s is a warning", async (_, result, message) => {
  const sys = createFakeSys({ platform: "darwin" });
  sys.expectRun(["/bin/launchctl", "setenv", "CLAUDE_CONFIG_DIR", dir], result);
  expect(await writeFloor(sys, dir)).toBe(`programs outside the shell keep their profile: ${message}`);
});
