import { join } from "node:path";
import { openClaims } from "./claim.ts";
import { hasShape, parseRecord, present } from "./json.ts";
import { occasionsDir } from "./paths.ts";
import { openRecords } from "./store.ts";
import type { Sys } from "./sys.ts";

/** That something was done about an occasion. */
export interface Done {
  /** Epoch ms. */
  at: number;
  /** What the occasion was, where its name alone does not tell it from the next one. */
  what?: string;
}

/**
 * What was done once and must not be done again, by whichever of several processes looks at the same time, and after a restart.
 * Occasions are named by any text.
 */
export interface Occasions {
  read(name: string): Done | undefined;
  /**
   * Does it, unless it was done or somebody does it now; false then. `isDue` is asked while nobody else can begin. One that
   * throws, or whose process ends in the middle, was not done.
   */
  once(name: string, deed: () => Promise<void> | void, options?: { what?: string; isDue?: (done: Done) => boolean }): Promise<boolean>;
  /** Without doing anything. */
  note(name: string): void;
  /** It can be done again. */
  forget(name: string): void;
}

export function openOccasions(sys: Sys): Occasions {
  const dir = occasionsDir(sys);
  const claims = openClaims(sys, join(dir, "claims"));
  const records = openRecords<Done>(sys, {
    dir,
    decode: (text) => {
      const fields = parseRecord(text);
      return hasShape(fields, { at: "time" }) ? (fields as unknown as Done) : undefined;
    },
    encode: (done) => `${JSON.stringify(done)}\n`,
  });
  let last: Promise<unknown> = Promise.resolve();
  /** One after another: each would wait for the lock of the others. */
  const take = (name: string, isFree: () => boolean) => {
    const taking = last.then(() => claims.take(fileOf(name), async () => isFree()));
    last = taking.catch(() => undefined);
    return taking;
  };
  /** What a full disk did not take. */
  const unwritten = new Map<string, Done>();
  const read = (name: string) => unwritten.get(name) ?? records.read(fileOf(name));
  const write = (name: string, at: number, what?: string) => {
    const done = { at, ...present({ what }) };
    try {
      removeOld(sys, dir);
      records.write(fileOf(name), { ...done, name } as Done);
    } catch {
      // It is done all the same, and must not be done again by this process.
      unwritten.set(name, done);
    }
  };
  return {
    read,
    async once(name, deed, { what, isDue = () => false } = {}) {
      const isFree = () => {
        const done = read(name);
        return done === undefined || isDue(done);
      };
      if (!isFree()) return false;
      const release = await take(name, isFree);
      if (release === undefined) return false;
      // What begins while it is done is another occasion.
      const at = sys.now();
      try {
        await deed();
        write(name, at, what);
        return true;
      } finally {
        release();
      }
    },
    note: (name) => {
      if (read(name) === undefined) write(name, sys.now());
    },
    forget(name) {
      unwritten.delete(name);
      records.remove(fileOf(name));
    },
  };
}

/** Longer than any period of a budget. */
const lifeMs = 60 * 86_400_000;

/** Something is done rarely enough to look at all that was done. */
function removeOld(sys: Sys, dir: string): void {
  for (const file of sys.list(dir).filter((name) => name.endsWith(".json")))
    if (sys.now() - (sys.modifiedAt(join(dir, file)) ?? sys.now()) > lifeMs) sys.remove(join(dir, file));
}

/** Names hold paths and words of users. */
const fileOf = (name: string): string => Bun.hash(name).toString(16).padStart(16, "0");
