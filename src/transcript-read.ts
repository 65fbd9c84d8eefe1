import { dirname, join } from "node:path";
import type { SessionFile } from "./claude-session.ts";
import { decideTurn, isWholeTurn, parseLines, type Turn } from "./claude-transcript.ts";
import { projectsDir, transcriptPath } from "./paths.ts";
import type { Sys } from "./sys.ts";

const firstTailBytes = 16 * 1024;

/** The newest turn of a transcript, from as few bytes of its end as hold it; undefined without the file. */
export async function readTranscriptTurn(sys: Sys, path: string, maxBytes = Number.POSITIVE_INFINITY): Promise<Turn | undefined> {
  for (let bytes = firstTailBytes; ; bytes *= 4) {
    const tail = sys.readTail(path, bytes);
    if (tail === undefined) return undefined;
    const events = parseLines(tail.lines);
    if (tail.isWhole || isWholeTurn(events) || bytes * 4 > maxBytes) return decideTurn(events);
  }
}

/** Where a conversation is looked for. */
interface Place {
  configDir: string;
  /** What csd remembers of it. */
  driven?: { session_id: string; cwd: string; jsonl_path: string };
}

/**
 * The slug says where to look first; the id decides, since /clear changes it and folders can share a slug. `isSearched`: in every
 * folder, if need be.
 */
export function findTranscript(sys: Sys, target: Place, session: SessionFile | undefined, isSearched = true): string | undefined {
  const { driven } = target;
  const id = session?.sessionId ?? driven?.session_id;
  if (id === undefined) return undefined;
  const cwd = session?.cwd ?? driven?.cwd ?? "";
  const first = [
    transcriptPath(target.configDir, cwd, id),
    ...(driven === undefined ? [] : [join(dirname(driven.jsonl_path), `${id}.jsonl`)]),
  ];
  const projects = projectsDir(target.configDir);
  const known = first.find((path) => sys.modifiedAt(path) !== undefined);
  if (known !== undefined || !isSearched) return known;
  for (const folder of sys.list(projects)) {
    const path = join(projects, folder, `${id}.jsonl`);
    if (sys.modifiedAt(path) !== undefined) return path;
  }
  return undefined;
}
