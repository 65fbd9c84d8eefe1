import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openClaims } from "../src/claim.ts";
import { readProcess } from "../src/process.ts";
import { createSys } from "../src/sys.ts";

let home = "";
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), "csm-claim-"));
});
afterEach(() => rmSync(home, { recursive: true, force: true }));

const openAll = () => {
  const sys = createSys({ HOME: home, XDG_STATE_HOME: home });
  return { sys, claims: openClaims(sys, join(home, "claims")), path: join(home, "claims/a.json") };
};

test("of many that want a name one gets it, until it gives it free", async () => {
  const taken = await Promise.all(Array.from({ length: 20 }, () => openAll().claims.take("a")));
  const [release, ...more] = taken.filter((one) => one !== undefined);
  expect(more).toEqual([]);
  expect(await openAll().claims.isTaken("a")).toBe(true);
  expect(await openAll().claims.take("b")).toBeDefined();
  release?.();
  expect(await openAll().claims.take("a")).toBeDefined();
});

test("a name that is not free by other signs stays untaken", async () => {
  const { claims } = openAll();
  expect(await claims.take("a", async () => false)).toBeUndefined();
  expect(await claims.isTaken("a")).toBe(false);
});

test.each<[holder: string, text: (own: string) => string, isTaken: boolean]>([
  ["this process", (start) => JSON.stringify({ pid: process.pid, start }), true],
  ["one that has ended", () => JSON.stringify({ pid: 999_999_999, start: "1" }), false],
  ["one whose number another has now", () => JSON.stringify({ pid: process.pid, start: "1" }), false],
  ["nobody: torn", () => "{", false],
  ["nobody: of another form", () => "null", false],
])("a name that is held by %s", async (_, text, isTaken) => {
  const { sys, claims, path } = openAll();
  sys.writePrivate(path, text((await readProcess(sys, process.pid))?.start ?? ""));
  expect(await claims.isTaken("a")).toBe(isTaken);
  expect((await claims.take("a")) === undefined).toBe(isTaken);
});
