import { afterAll, expect, test } from "bun:test";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type CacheSchema, openCache, takeLock } from "../src/database.ts";

const dir = mkdtempSync(join(tmpdir(), "csm-database-"));
afterAll(() => rmSync(dir, { recursive: true, force: true }));
const schema = { version: 1, tables: "CREATE TABLE item (name TEXT PRIMARY KEY)" };
const names = (path: string, given: CacheSchema = schema) => {
  const cache = openCache(path, given);
  const rows = cache.query("SELECT name FROM item ORDER BY name").all() as { name: string }[];
  cache.close();
  return rows.map(({ name }) => name);
};
const put = (path: string, name: string) => {
  const cache = openCache(path, schema);
  cache.run("INSERT INTO item VALUES (?)", [name]);
  cache.close();
};

test("a cache keeps what was put in, for this user only", () => {
  const path = join(dir, "new/kept.db");
  put(path, "one");
  expect(names(path)).toEqual(["one"]);
  expect(statSync(path).mode & 0o777).toBe(0o600);
});

test.each([
  ["no database", "hello ".repeat(1000)],
  ["torn", `SQLite format 3\0${"\0".repeat(50)}`],
])("a file that is %s is rebuilt", (rule, text) => {
  const path = join(dir, `${rule}.db`);
  writeFileSync(path, text);
  expect(names(path)).toEqual([]);
  put(path, "two");
  expect(names(path)).toEqual(["two"]);
});

test("a database that somebody keeps busy is not thrown away", () => {
  const path = join(dir, "busy.db");
  put(path, "kept");
  const holder = openCache(path, schema);
  holder.run("PRAGMA locking_mode = EXCLUSIVE");
  holder.run("BEGIN EXCLUSIVE");
  holder.run("INSERT INTO item VALUES ('more')");
  expect(names(path, { ...schema, busyTimeoutMs: 10 })).toEqual([]);
  holder.run("COMMIT");
  holder.close();
  expect(names(path)).toEqual(["kept", "more"]);
});

test("another version starts over", () => {
  const path = join(dir, "version.db");
  put(path, "old");
  expect(names(path, { version: 2, tables: schema.tables })).toEqual([]);
});

test("where no file can be made, the cache lives in memory", () => {
  const path = join(dir, "a-file");
  writeFileSync(path, "");
  expect(names(join(path, "cache.db"))).toEqual([]);
  mkdirSync(join(dir, "sealed"));
  chmodSync(join(dir, "sealed"), 0o500);
  expect(names(join(dir, "sealed/cache.db"))).toEqual([]);
});

test("a lock is held by one, and free when it is given back or its holder is killed", async () => {
  const path = join(dir, "one.lock");
  const release = takeLock(path);
  expect(takeLock(path)).toBeUndefined();
  release?.();
  const holder = Bun.spawn(
    [
      process.execPath,
      "-e",
      `import { takeLock } from ${JSON.stringify(join(import.meta.dir, "../src/database.ts"))}; globalThis.release = takeLock(${JSON.stringify(path)}); console.log("held"); setInterval(() => {}, 1000)`,
    ],
    { stdout: "pipe" },
  );
  try {
    for await (const _ of holder.stdout) break;
    expect(takeLock(path)).toBeUndefined();
  } finally {
    holder.kill("SIGKILL");
    await holder.exited;
  }
  const again = takeLock(path);
  expect(again).toBeDefined();
  again?.();
});
