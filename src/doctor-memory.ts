import { join } from "node:path";
import type { Examination } from "./claude-version.ts";
import { csdDir } from "./paths.ts";
import type { Sys } from "./sys.ts";

/** What `csd doctor` found out about one claude, kept in `<state>/csd/doctor.json`. */
export interface Remembered extends Examination {
  /** The path that was examined. */
  claude: string;
  version: string;
  /** Epoch ms. */
  at: number;
}

/** Who installs a new claude every week for half a year is still remembered whole. */
const maxRemembered = 30;

export const memoryPath = (sys: Sys): string => join(csdDir(sys), "doctor.json");

/** The newest result for this version, of this very path where it is known; undefined when it was never examined. */
export function readExamination(sys: Sys, version: string | undefined, claude: string | undefined): Remembered | undefined {
  if (version === undefined) return undefined;
  return parseMemory(sys.readText(memoryPath(sys))).findLast(
    (entry) => entry.version === version && (claude === undefined || entry.claude === claude),
  );
}

export function rememberExamination(sys: Sys, examination: Remembered): void {
  const others = parseMemory(sys.readText(memoryPath(sys))).filter(
    ({ claude, version }) => claude !== examination.claude || version !== examination.version,
  );
  const results = [...others, examination].slice(-maxRemembered);
  sys.writePrivate(memoryPath(sys), `${JSON.stringify({ version: 1, results }, null, 2)}\n`);
}

/** Oldest first. Checked by hand, as `csd state` reads it; what is broken was never examined. */
export function parseMemory(text: string | undefined): Remembered[] {
  if (text === undefined) return [];
  try {
    const { results } = JSON.parse(text) as { results: unknown };
    return Array.isArray(results) ? results.filter(isRemembered) : [];
  } catch {
    // Not ours: `csd doctor` writes it anew.
    return [];
  }
}

function isRemembered(value: unknown): value is Remembered {
  if (typeof value !== "object" || value === null) return false;
  const { claude, version, at, untrusted } = value as Record<string, unknown>;
  const isNamed = typeof claude === "string" && typeof version === "string" && typeof at === "number";
  return isNamed && Array.isArray(untrusted) && untrusted.every(isUntrusted);
}

const isUntrusted = (value: unknown): boolean =>
  typeof value === "object" &&
  value !== null &&
  ["signal", "verdict", "fallback"].every((key) => typeof (value as Record<string, unknown>)[key] === "string");
