import { basename, join, sep } from "node:path";
import { isTranscript, readOwner } from "./agents.ts";
import { createPriceTable, type PriceTable, pricesAt } from "./claude-prices.ts";
import type { FileOrigin } from "./cost-report.ts";
import type { FileScan } from "./cost-scan.ts";
import { projectsDir } from "./paths.ts";
import { profileDirs, type Registry } from "./profiles.ts";
import { readSettings } from "./settings.ts";
import type { Sys } from "./sys.ts";
import type { FileIdentity } from "./sys-files.ts";

/** What is counted, and at which prices. */
export interface CostSources {
  /** Config dirs; undefined for one that is no profile. */
  dirs: readonly { name: string | undefined; dir: string }[];
  table: PriceTable;
  /** Names the prices: sums that were made with others are void. */
  tableId: string;
}

/** All config dirs, at the prices of the settings. */
export function costSources(sys: Sys, registry?: Registry): CostSources {
  const overrides = readSettings(sys).prices();
  return {
    dirs: profileDirs(sys, registry),
    table: createPriceTable(overrides),
    tableId: JSON.stringify([pricesAt, overrides]),
  };
}

export interface Transcript {
  path: string;
  state: FileIdentity;
  profile: string | undefined;
  projectsPath: string;
  /** The session whose sub-agent wrote it, where an older version put it beside that session's; read when somebody asks. */
  readonly owner: string | undefined;
}

/** Config dirs may share their projects by a link: each file counts once. */
export function findTranscripts(sys: Sys, dirs: CostSources["dirs"]): Transcript[] {
  const seen = new Set<string>();
  const found: Transcript[] = [];
  // Plain steps: a hook takes them for each file there is, before anything is compiled.
  for (const { name, dir } of dirs) {
    const projectsPath = projectsDir(dir);
    for (const path of sys.findFiles(projectsPath, ".jsonl")) {
      if (!isTranscript(path.slice(projectsPath.length + 1).split(sep))) continue;
      const state = sys.identify(path);
      if (state === undefined || !state.isFile || seen.has(state.id)) continue;
      seen.add(state.id);
      found.push(createTranscript(sys, { path, state, profile: name, projectsPath }));
    }
  }
  return found;
}

function createTranscript(sys: Sys, file: Omit<Transcript, "owner">): Transcript {
  let known: { owner: string | undefined } | undefined;
  return {
    ...file,
    get owner() {
      known ??= { owner: readOwner(sys, file.path) };
      return known.owner;
    },
  };
}

/** Nothing was written since. */
export const isSame = ({ state }: Transcript, known: Pick<FileScan, "id" | "size" | "modifiedAt"> | undefined): boolean =>
  known !== undefined && known.id === state.id && known.size === state.size && known.modifiedAt === state.modifiedAt;

/** `<slug>/<session>.jsonl`, and `<slug>/<session>/subagents/agent-….jsonl` or one beside it, which belongs where its session ran. */
export function originsOf(files: readonly Transcript[], cwds: readonly string[]): FileOrigin[] {
  const parts = files.map(partsOf);
  const stem = (of: readonly string[], index: number) => join(files[index]?.projectsPath ?? "", ...of.slice(0, 2)).replace(/\.jsonl$/, "");
  const cwdOf = new Map(parts.flatMap((of, index) => (of.length === 2 ? [[stem(of, index), cwds[index] ?? ""] as const] : [])));
  return parts.map((of, index) => ({
    profile: files[index]?.profile,
    sessionId: sessionOf(of),
    project: cwdOf.get(stem(of, index)) || cwds[index] || of[0] || "",
  }));
}

/** Below `projects`; asked of every file at every call of a hook. */
const partsOf = (file: Transcript): string[] => {
  const parts = file.path.slice(file.projectsPath.length + 1).split(sep);
  const owner = parts.length === 2 ? file.owner : undefined;
  return owner === undefined ? parts : [parts[0] ?? "", owner, ...parts.slice(1)];
};
const sessionOf = (parts: readonly string[]): string => basename(parts[1] ?? parts[0] ?? "", ".jsonl");
export const sessionIdOf = (file: Transcript): string => sessionOf(partsOf(file));
