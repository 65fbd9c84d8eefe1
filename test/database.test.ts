import { afterAll, expect, test } from "bun:test";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type CacheSchema, openCache, takeLock } from "../src/database.ts";

const dir = mkdtempSync(join(tmpdir(), "csm-database-"));
afterAll(() => rmSync(dir, { recursive: true, force: true }));
const schema = { version: 1, tables: "CREATE TABLE item (name TEXT PRIMARY KEY)" };
const names = (path: string, given: CacheSchema = schema) => {
  const cache = openCache(path, given);
  const rows = cache.use((database) => database.query("SELECT name FROM item ORDER BY name").all() as { name: string }[]);
  cache.close();
  return rows.map(({ name }) => name);
};
const put = (path: string, name: string) => {
  const cache = openCache(path, schema);
  cache.use((database) => database.run("INSERT INTO item VALUES (?)", [name]));
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
  const run = (sql: string) => holder.use((database) => database.run(sql));
  run("PRAGMA locking_mode = EXCLUSIVE");
  run("BEGIN EXCLUSIVE");
  run("INSERT INTO item VALUES ('more')");
  expect(names(path, { ...schema, busyTimeoutMs: 10 })).toEqual([]);
  run("COMMIT");
  holder.close();
  expect(names(path)).toEqual(["kept", "more"]);
});

test("another version starts over", () => {
  const path = join(dir, "version.db");
  put(path, "old");
  expect(names(path, { version: 2, tables: schema.tables })).toEqual([]);
});

test("a file that turns out to be broken later is rebuilt, and what was to be done is done", () => {
  const path = join(dir, "later.db");
  put(path, "lost");
  const cache = openCache(path, schema);
  cache.use((database) => database.run("DROP TABLE item"));
  cache.use((database) => database.run("INSERT INTO item VALUES ('new')"));
  cache.close();
  expect(names(path)).toEqual(["new"]);
});

test.each(["SQLITE_FULL", "SQLITE_IOERR_WRITE", "SQLITE_READONLY", "SQLITE_BUSY"])(
  "%s: what is known counts on, and the file stays",
  (code) => {
    const path = join(dir, `${code}.db`);
    put(path, "kept");
    const cache = openCache(path, schema);
    const tried: number[] = [];
    cache.use((database) => {
      if (tried.push(1) === 1) throw Object.assign(new Error("no room"), { code });
      database.run("INSERT INTO item VALUES ('of this run')");
    });
    const known = cache.use((database) => database.query("SELECT name FROM item ORDER BY name").values().flat());
    cache.close();
    expect([known, names(path), tried.length]).toEqual([["kept", "of this run"], ["kept"], 2]);
  },
);

test.each([
  ["a pipe", (path: string) => Bun.spawnSync(["mkfifo", path])],
  ["a folder", (path: string) => mkdirSync(path)],
  ["a device", (path: string) => symlinkSync("/dev/zero", path)],
  ["a link that leads nowhere", (path: string) => symlinkSync(join(dir, "nowhere/else"), path)],
  ["a link to itself", (path: string) => symlinkSync(path, path)],
])("in place of the file %s: the cache lives in memory, and there is no lock", (what, make) => {
  const path = join(dir, what);
  make(path);
  expect(names(path)).toEqual([]);
  expect(() => takeLock(path)).toThrow();
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
