import { basename, dirname, join, relative } from "node:path";
import { UserError } from "./errors.ts";
import { projectsDir } from "./paths.ts";
import type { Sys } from "./sys.ts";

/**
 * Makes a conversation resumable under another profile: nothing to do where both share their projects folder, else a copy of
 * the transcript and of its own folder (sub-agents, task output), compared byte for byte. The original is never touched. A copy
 * that is there already, from an earlier switch, is continued by what is missing; one that differs is not overwritten.
 */
export async function shareConversation(
  sys: Sys,
  transcriptPath: string,
  fromConfigDir: string,
  toConfigDir: string,
): Promise<"shared" | "copied"> {
  const fromProjects = sys.realPath(projectsDir(fromConfigDir));
  const target = projectsDir(toConfigDir);
  if (fromProjects !== undefined && fromProjects === sys.realPath(target)) return "shared";
  const slug = basename(dirname(transcriptPath));
  const folder = join(target, slug);
  const ownFolder = transcriptPath.slice(0, -".jsonl".length);
  const files = sys.findFiles(ownFolder, "").filter((path) => sys.identify(path)?.isFile === true);
  for (const path of [...files, transcriptPath]) copyFile(sys, path, join(folder, relative(dirname(transcriptPath), path)));
  return "copied";
}

function copyFile(sys: Sys, from: string, to: string): void {
  const there = sys.modifiedAt(to) === undefined ? "missing" : compareFiles(sys, to, from);
  if (there === "equal") return;
  if (there === "differs")
    throw new UserError(
      `${to} holds another conversation`,
      "move it away, or share the projects of both profiles: csm profiles share projects",
    );
  if (there === "missing") sys.copyPrivate(from, to);
  else appendRest(sys, from, to);
  if (compareFiles(sys, to, from) !== "equal") throw new UserError(`the copy at ${to} is not equal to its original`, "is the disk full?");
}

const chunkBytes = 4 * 1024 * 1024;

function appendRest(sys: Sys, from: string, to: string): void {
  const chunk = new Uint8Array(chunkBytes);
  for (let at = sys.identify(to)?.size ?? 0; ; ) {
    const count = sys.readInto(from, at, chunk);
    if (count === 0) return;
    sys.appendPrivate(to, chunk.subarray(0, count));
    at += count;
  }
}

/** `begins`: the first file is the beginning of the second. */
function compareFiles(sys: Sys, first: string, second: string): "equal" | "begins" | "differs" {
  const [a, b] = [sys.identify(first)?.size ?? 0, sys.identify(second)?.size ?? 0];
  if (a > b) return "differs";
  const [left, right] = [new Uint8Array(chunkBytes), new Uint8Array(chunkBytes)];
  for (let from = 0; from < a; from += chunkBytes) {
    const size = Math.min(chunkBytes, a - from, sys.readInto(first, from, left), sys.readInto(second, from, right));
    if (size < Math.min(chunkBytes, a - from) || Buffer.compare(left.subarray(0, size), right.subarray(0, size)) !== 0) return "differs";
  }
  return a === b ? "equal" : "begins";
}
