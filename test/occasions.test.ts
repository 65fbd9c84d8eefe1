import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openOccasions } from "../src/occasions.ts";
import { occasionsDir } from "../src/paths.ts";
import { createSys } from "../src/sys.ts";
import { createFakeSys } from "./fake-sys.ts";

let home = "";
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), "csm-occasions-"));
});
afterEach(() => rmSync(home, { recursive: true, force: true }));
const sys = () => createSys({ HOME: home, XDG_STATE_HOME: home });

test("of twenty that see it at the same time one does it, and nobody after a restart", async () => {
  let count = 0;
  const deed = async () => {
    await Bun.sleep(5);
    count++;
  };
  const done = await Promise.all(Array.from({ length: 20 }, () => openOccasions(sys()).once("rule a", deed)));
  expect([done.filter(Boolean).length, count, await openOccasions(sys()).once("rule a", deed)]).toEqual([1, 1, false]);
  expect(await openOccasions(sys()).once("rule b", deed)).toBe(true);
});

test("processes that run at the same time", async () => {
  const script = `
    import { openOccasions } from ${JSON.stringify(join(import.meta.dir, "../src/occasions.ts"))};
    import { createSys } from ${JSON.stringify(join(import.meta.dir, "../src/sys.ts"))};
    import { appendFileSync } from "node:fs";
    for (let turn = 0; turn < 20; turn++) await openOccasions(createSys()).once("rule " + turn, () => appendFileSync(process.env.OUT, turn + "\\n"));
  `;
  const path = join(home, "process.ts");
  writeFileSync(path, script);
  const env = { ...process.env, HOME: home, XDG_STATE_HOME: home, OUT: join(home, "out") };
  const children = Array.from({ length: 3 }, () => Bun.spawn([process.execPath, path], { env, stderr: "inherit" }));
  expect(await Promise.all(children.map(({ exited }) => exited))).toEqual([0, 0, 0]);
  const lines = (await Bun.file(join(home, "out")).text()).trim().split("\n");
  expect(lines.sort((a, b) => Number(a) - Number(b))).toEqual(Array.from({ length: 20 }, (_, turn) => String(turn)));
});

test("what failed was not done, and the next one tries again", async () => {
  const occasions = openOccasions(sys());
  const failing = occasions.once("a", () => {
    throw new Error("refused");
  });
  await expect(failing).rejects.toThrow("refused");
  expect(occasions.read("a")).toBeUndefined();
  expect(await occasions.once("a", () => undefined)).toBe(true);
});

test("it is done again when it is another one, or was forgotten; what was noted is not done", async () => {
  const fake = createFakeSys({ now: 1000 });
  const occasions = openOccasions(fake);
  const once = (isDue?: (done: { at: number; what?: string }) => boolean) =>
    occasions.once("a", () => undefined, { what: "idle", ...(isDue === undefined ? {} : { isDue }) });
  expect(await once()).toBe(true);
  expect(occasions.read("a")).toMatchObject({ at: 1000, what: "idle" });
  expect([await once(() => false), await once(({ at, what }) => at === 1000 && what === "idle"), await once()]).toEqual([
    false,
    true,
    false,
  ]);
  occasions.forget("a");
  expect(await once()).toBe(true);
  occasions.note("b");
  expect(await occasions.once("b", () => undefined)).toBe(false);
});

test("a name may be any text, and none leads out of the folder", async () => {
  const occasions = openOccasions(sys());
  for (const name of ["../../x", "a/b", "\0", "ä", "x".repeat(5000)]) expect(await occasions.once(name, () => undefined)).toBe(true);
  expect(readdirSync(occasionsDir(sys())).filter((name) => name.endsWith(".json"))).toHaveLength(5);
});

test("a broken file is an error that names it, a full disk does it once all the same, and old ones leave", async () => {
  const dir = occasionsDir(sys());
  await openOccasions(sys()).once("old", () => undefined);
  const [old = ""] = readdirSync(dir).filter((name) => name.endsWith(".json"));
  utimesSync(join(dir, old), new Date(0), new Date(0));
  await openOccasions(sys()).once("new", () => undefined);
  expect(readdirSync(dir)).not.toContain(old);
  let count = 0;
  const full = {
    ...sys(),
    writePrivate: (path: string, text: string) => (path.includes("claims") ? sys().writePrivate(path, text) : fail()),
  };
  const occasions = openOccasions(full);
  for (let turn = 0; turn < 3; turn++) await occasions.once("a", () => void count++);
  expect(count).toBe(1);
});

function fail(): never {
  throw Object.assign(new Error("no space left"), { code: "ENOSPC" });
}
