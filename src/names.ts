import { join } from "node:path";
import { parseSessionFile } from "./claude-session.ts";
import type { NameKind } from "./completion-tree.ts";
import { sessionsDir, sidecarDir } from "./paths.ts";
import { profileDirs, readRegistryOrNone } from "./registry.ts";
import type { Sys } from "./sys.ts";

const readers: Readonly<Record<NameKind, (sys: Sys) => string[]>> = {
  profiles: (sys) => readRegistryOrNone(sys).profiles.map(({ name }) => name),
  driven: (sys) => sys.list(sidecarDir(sys)).flatMap((file) => (file.endsWith(".json") ? [file.slice(0, -".json".length)] : [])),
  sessions: readSessionNames,
};

/** Names to complete, cheaply; only those that every shell takes for one plain word. */
export function listNames(sys: Sys, kind: string): string[] {
  const read = Object.hasOwn(readers, kind) ? readers[kind as NameKind] : undefined;
  const names = read === undefined ? [] : read(sys).filter((name) => /^[A-Za-z0-9_][A-Za-z0-9._@+-]*$/.test(name));
  return [...new Set(names)].sort();
}

/** Of files whose process is there; a number in new use shows a name too many, which is no harm here. */
function readSessionNames(sys: Sys): string[] {
  return profileDirs(sys, readRegistryOrNone(sys)).flatMap(({ dir }) =>
    sys.list(sessionsDir(dir)).flatMap((file) => {
      const session = /^\d+\.json$/.test(file) ? parseSessionFile(sys.readText(join(sessionsDir(dir), file)) ?? "") : undefined;
      if (session === undefined || !sys.signal(session.pid, 0)) return [];
      return [session.name ?? session.sessionId];
    }),
  );
}
