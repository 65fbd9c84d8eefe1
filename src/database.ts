import { Database } from "bun:sqlite";
import { chmodSync, renameSync, rmSync, statSync } from "node:fs";
import { UserError } from "./errors.ts";
import { attempt, createPrivate } from "./sys-files.ts";

export type { Database };

/** Tables of a cache; a file of another version is thrown away, so a change of the schema needs no migration. */
export interface CacheSchema {
  version: number;
  /** Statements that make the tables in an empty file. */
  tables: string;
  /** Its loss after a power cut costs less than waiting for the disk at each write. */
  isExpendable?: true;
  /** How long to wait for another writer; 5 s unless told. */
  busyTimeoutMs?: number;
}

/**
 * A cache in SQLite that many processes share and that is safe to delete at any time. A file that turns out to be broken, at the
 * opening or later, is rebuilt; where none can be written, the cache lives in memory from then on and ends with the process.
 */
interface Cache {
  /** Runs an action, and once more on the rebuilt or the copied cache where the first try met a broken file or a full disk. */
  use<T>(action: (database: Database) => T): T;
  close(): void;
}

export function openCache(path: string, schema: CacheSchema): Cache {
  let database = openOrRebuild(path, schema);
  return {
    use(action) {
      try {
        return action(database);
      } catch (error) {
        const isBroken = !/^SQLITE_(?:BUSY|LOCKED|FULL|IOERR|READONLY|CANTOPEN|PERM)/.test((error as { code?: string }).code ?? "");
        const copy = isBroken ? undefined : copyToMemory(database);
        database.close();
        // Whatever is wrong in it, all of it can be read again elsewhere.
        database = isBroken && discard(path) ? openOrRebuild(path, schema) : (copy ?? openInMemory(schema));
        return action(database);
      }
    },
    close: () => database.close(),
  };
}

/** What is known so far counts on; undefined where it cannot be read either. */
const copyToMemory = (database: Database): Database | undefined =>
  attempt(() => {
    const bytes = database.serialize();
    // The form of a file that is written by way of a second one, which memory has not.
    bytes.fill(1, 18, 20);
    return Database.deserialize(bytes);
  });

const openInMemory = (schema: CacheSchema): Database => prepare(new Database(":memory:"), schema);

function openOrRebuild(path: string, schema: CacheSchema): Database {
  for (const _ of ["as it is", "rebuilt"]) {
    try {
      return openFile(path, schema);
    } catch (error) {
      // Torn by a full disk or a crash, or no database at all: everything in it can be read again elsewhere. A busy one is whole.
      const { code = "" } = error as { code?: string };
      if (!/^SQLITE_(?:CORRUPT|NOTADB|ERROR)/.test(code) || !discard(path)) break;
    }
  }
  return openInMemory(schema);
}

/** Tables of what nobody can make again: each step takes a file of the version before it to its own. */
interface DurableSchema {
  steps: readonly string[];
}

/**
 * A database that is no cache: it is on the disk when a write returns, its schema is migrated, and what cannot be read is never
 * thrown away. A broken file is put aside under the name that `onBroken` is told, and an empty one takes its place.
 */
export function openDurable(path: string, schema: DurableSchema, onBroken: (keptPath: string, why: string) => void): Database {
  try {
    return openMigrated(path, schema);
  } catch (error) {
    const { code = "", message } = error as Error & { code?: string };
    if (!/^SQLITE_(?:CORRUPT|NOTADB)/.test(code)) throw error;
    const keptPath = `${path}.broken-${new Date(statSync(path).mtimeMs).toISOString().replace(/[:.]/g, "-")}`;
    // What SQLite has not yet put into the file belongs to it.
    for (const suffix of ["", "-wal", "-shm"]) attempt(() => renameSync(path + suffix, keptPath + suffix));
    onBroken(keptPath, message);
    return openMigrated(path, schema);
  }
}

/** One that somebody else makes and writes; throws where there is none. */
export function openToRead(path: string): Database {
  const database = new Database(path, { readonly: true });
  database.run(`PRAGMA busy_timeout = ${readTimeoutMs}`);
  return database;
}

/** Who looks again soon need not wait. */
const readTimeoutMs = 100;

function openMigrated(path: string, { steps }: DurableSchema): Database {
  const database = openPrivate(path);
  try {
    database.run(`PRAGMA busy_timeout = ${busyTimeoutMs}`);
    database.run("PRAGMA journal_mode = WAL");
    database.run("PRAGMA synchronous = FULL");
    const versionOf = () => (database.query("PRAGMA user_version").get() as { user_version: number }).user_version;
    // Reading it all shows what is torn before anything is built on it.
    database.query("SELECT count(*) FROM sqlite_master").get();
    if (versionOf() > steps.length)
      throw new UserError(
        `${path} was written by a newer csm`,
        `it has version ${versionOf()}, this csm knows ${steps.length}: update csm`,
      );
    if (versionOf() < steps.length)
      database
        .transaction(() => {
          // Another process may have been first.
          for (const step of steps.slice(versionOf())) database.run(step);
          database.run(`PRAGMA user_version = ${steps.length}`);
        })
        .immediate();
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

const busyTimeoutMs = 5000;

function openFile(path: string, schema: CacheSchema): Database {
  const database = openPrivate(path);
  try {
    database.run(`PRAGMA busy_timeout = ${schema.busyTimeoutMs ?? busyTimeoutMs}`);
    if (schema.isExpendable === true) database.run("PRAGMA synchronous = OFF");
    // Readers go on while one writes. Without a sync a power cut may lose the newest rows, never the file.
    database.run("PRAGMA journal_mode = WAL");
    if (schema.isExpendable !== true) database.run("PRAGMA synchronous = NORMAL");
    prepare(database, schema);
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

/** SQLite makes its files readable for all, and those beside the first with the mode of that. */
function openPrivate(path: string): Database {
  // Never opened where it is there: closing it again would give up the locks that this process holds on it.
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat === undefined) {
    // SQLite would make the file that a link leads to.
    if (!createPrivate(path, "") && statSync(path, { throwIfNoEntry: false }) === undefined) throw new Error("a link that leads nowhere");
  }
  // SQLite would wait for the other end of a pipe.
  else if (!stat.isFile()) throw new Error("it is no file");
  else if ((stat.mode & 0o077) !== 0) attempt(() => chmodSync(path, 0o600));
  return new Database(path, { create: true, readwrite: true });
}

function prepare(database: Database, schema: CacheSchema): Database {
  const versionOf = () => (database.query("PRAGMA user_version").get() as { user_version: number }).user_version;
  if (versionOf() === schema.version) return database;
  database
    .transaction(() => {
      // Another process may have been first.
      if (versionOf() === schema.version) return;
      const names = database.query("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'").all();
      for (const { name } of names as { name: string }[]) database.run(`DROP TABLE "${name}"`);
      database.run(schema.tables);
      database.run(`PRAGMA user_version = ${schema.version}`);
    })
    .immediate();
  return database;
}

/** False when the file can not be removed either. */
function discard(path: string): boolean {
  try {
    for (const suffix of ["", "-wal", "-shm"]) rmSync(path + suffix, { force: true });
    return true;
  } catch {
    // A folder that may not be written: the caller goes on without a file.
    return false;
  }
}

/**
 * Takes a lock that the system gives free when its holder ends, however it ends: an exclusive transaction on an empty database.
 * Undefined while somebody else holds it; throws when the file cannot be made. The result must be kept: a lock that nobody can
 * give back any more is given back by the garbage collector.
 */
export function takeLock(path: string): (() => void) | undefined {
  const database = openPrivate(path);
  try {
    database.run("BEGIN EXCLUSIVE");
  } catch (error) {
    database.close();
    if ((error as { code?: string }).code?.startsWith("SQLITE_BUSY") === true) return undefined;
    throw error;
  }
  return () => database.close();
}
