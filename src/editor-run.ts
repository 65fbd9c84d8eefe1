import { basename, join } from "node:path";
import { replaceProcess } from "./exec.ts";
import { channelVariable, editorVariable } from "./program.ts";
import { requireOwnFolder } from "./state-folder.ts";
import type { Sys } from "./sys.ts";

/** Names the socket of a csd that waits for its editor. It stays after that gave up: a late editor must then change nothing. */
export const requestPath = (dir: string): string => join(dir, "prompt.request");

/**
 * Runs as claude's editor in a session that csd started. When csd has just asked for it, the prompt is put into the file, byte
 * for byte; otherwise a person pressed the key, or git wants an editor, and the user's own one takes over.
 */
export async function runEditor(sys: Sys, args: readonly string[]): Promise<number> {
  const dir = sys.env[channelVariable];
  const file = args.at(-1) ?? "";
  const socket = dir === undefined ? undefined : sys.readText(requestPath(dir));
  if (dir !== undefined && socket !== undefined) {
    requireOwnFolder(sys, dir);
    // Only the draft of a prompt is ours to replace, never a plan or a commit message.
    const prompt = /^claude-prompt-/.test(basename(file)) ? await fetchOffered(sys, dir, socket) : undefined;
    if (prompt !== undefined) sys.overwrite(file, prompt);
    sys.remove(requestPath(dir));
    return 0;
  }
  const own = sys.env[editorVariable] || sys.env.EDITOR || "vi";
  const env = { ...sys.env, VISUAL: sys.env[editorVariable] };
  return replaceProcess({ path: "/bin/sh", name: "sh", args: ["-c", `exec ${own} "$@"`, "editor", ...args], env });
}

async function fetchOffered(sys: Sys, dir: string, socket: string): Promise<string | undefined> {
  const { createDrivenStore } = await import("./driven.ts");
  const driven = createDrivenStore(sys).read(basename(dir));
  if (driven?.pid === undefined) return undefined;
  return (await import("./reply.ts")).fetchPrompt(sys, { name: driven.name, claudePid: driven.pid, channelDir: dir }, socket);
}
