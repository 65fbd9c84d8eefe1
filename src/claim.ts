import { hasShape, parseRecord } from "./json.ts";
import { type ProcessStart, readProcess } from "./process.ts";
import { openRecords, withLock } from "./store.ts";
import type { Sys } from "./sys.ts";

/** Names in a folder, each of which one process at a time may have, for as long as it works on what is called so. */
export interface Claims {
  /** Undefined when a process that lives has it, or `isFree` says no; the result gives it free, and so does our end. */
  take(name: string, isFree?: () => Promise<boolean>): Promise<(() => void) | undefined>;
  isTaken(name: string): Promise<boolean>;
  /** Runs `action` while nobody can take a name. */
  hold<T>(action: () => T | Promise<T>): Promise<T>;
}

/** A lock that is held for long would leave a file behind for each name there ever was; this one is held for a moment. */
export function openClaims(sys: Sys, dir: string): Claims {
  const claims = openRecords<Pick<ProcessStart, "pid" | "start">>(sys, {
    dir,
    decode: (text) => {
      const fields = parseRecord(text);
      return hasShape(fields, { pid: "pid", start: "string" }) ? fields : undefined;
    },
    encode: JSON.stringify,
  });
  const isTaken = async (name: string): Promise<boolean> => {
    const claim = claims.read(name);
    return claim !== undefined && (await readProcess(sys, claim.pid))?.start === claim.start;
  };
  const hold = <T>(action: () => T | Promise<T>): Promise<T> => withLock(sys, "claims", action);
  return {
    take: (name, isFree = async () => true) =>
      hold(async () => {
        if ((await isTaken(name)) || !(await isFree())) return undefined;
        const { pid, start } = (await readProcess(sys, sys.pid)) ?? { pid: sys.pid, start: "" };
        claims.write(name, { pid, start });
        return () => claims.remove(name);
      }),
    isTaken,
    hold,
  };
}
