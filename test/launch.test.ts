import { expect, test } from "bun:test";
import { createLaunch, removeOldLaunches } from "../src/launch.ts";
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
