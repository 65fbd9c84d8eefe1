import { join } from "node:path";
import type { Examination } from "./claude-version.ts";
import { hasShape, parseRecord } from "./json.ts";
import { csdDir } from "./paths.ts";
import { openStore, type Store } from "./store.ts";
import type { Sys } from "./sys.ts";

/** What `csd doctor` found out about one claude, kept in `<state>/csd/doctor.json`. */
interface Remembered extends Examination {
  /** The path that was examined. */
  claude: string;
  version: string;
  /** Epoch ms. */
  at: number;
}

/** Who installs a new claude every week for half a year is still remembered whole. */
const maxRemembered = 30;

export const memoryPath = (sys: Sys): string => join(csdDir(sys), "doctor.json");

/** Oldest first. Narrow, as `csd state` reads it; what is broken was never examined, and is written anew. */
const openMemory = (sys: Sys): Store<Remembered[]> =>
  openStore<Remembered[]>(sys, {
    path: memoryPath(sys),
    name: "doctor",
    empty: [],
    decode: parseMemory,
    encode: (results) => `${JSON.stringify({ version: 1, results }, null, 2)}\n`,
  });

/** The newest result for this version, of this very path where it is known; undefined when it was never examined. */
export const readExamination = (sys: Sys, version: string | undefined, claude: string | undefined): Remembered | undefined =>
  version === undefined
    ? undefined
    : openMemory(sys)
        .read()
        .findLast((entry) => entry.version === version && (claude === undefined || entry.claude === claude));

export async function rememberExamination(sys: Sys, examination: Remembered): Promise<void> {
  const { claude, version } = examination;
  await openMemory(sys).update((known) =>
    [...known.filter((entry) => entry.claude !== claude || entry.version !== version), examination].slice(-maxRemembered),
  );
}

export function parseMemory(text: string | undefined): Remembered[] {
  const results = parseRecord(text)?.results;
  return Array.isArray(results) ? results.filter(isRemembered) : [];
}

const isRemembered = (value: unknown): value is Remembered =>
  hasShape(value, { claude: "string", version: "string", at: "time", untrusted: "list" }) &&
  value.untrusted.every((entry) => hasShape(entry, { signal: "string", verdict: "string", fallback: "string" }));
