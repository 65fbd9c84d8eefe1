import { UserError } from "./errors.ts";
import { withLock } from "./lock.ts";
import type { Sys } from "./sys.ts";

/** A JSON file that people and several processes write. */
export interface Store<T> {
  path: string;
  /** The empty value when there is no file; throws an error that names the file when it is broken. */
  read(): T;
  /** Reads, changes and replaces the file while nobody else does; it stays as it is when the text is the same. */
  update(change: (value: T) => T): Promise<T>;
}

export interface StoreOptions<T> {
  path: string;
  /** Names the lock. */
  name: string;
  /** Of a missing or blank file. */
  empty: T;
  /** Throws with what is wrong, in lower case. */
  parse(value: unknown): T;
  /** What is written; the whole value unless told. */
  encode?(value: T): unknown;
}

export function openStore<T>(sys: Sys, { path, name, empty, parse, encode = (value) => value }: StoreOptions<T>): Store<T> {
  const read = (): T => {
    const text = sys.readText(path) ?? "";
    if (text.trim() === "") return empty;
    try {
      return parse(JSON.parse(text));
    } catch (error) {
      throw new UserError(`failed to read ${path}: ${(error as Error).message}`, "correct the file or move it away", 1, { cause: error });
    }
  };
  return {
    path,
    read,
    update: (change) =>
      withLock(sys, name, () => {
        const value = change(read());
        const text = `${JSON.stringify(encode(value), null, 2)}\n`;
        if (text !== sys.readText(path)) sys.writePrivate(path, text);
        return value;
      }),
  };
}
