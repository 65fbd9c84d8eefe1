import { basename, join } from "node:path";
import { replaceProcess } from "./exec.ts";
import { channelVariable, editorVariable } from "./program.ts";
import { requireOwnFolder } from "./state-folder.ts";
import type { Sys } from "./sys.ts";

export const promptPath = (dir: string): string => join(dir, "prompt");
/** There while csd waits for its editor, also after it gave up: a late editor must then change nothing. */
export const requestPath = (dir: string): string => join(dir, "prompt.request");

/**
 * Runs as claude's editor in a session that csd started. When csd has just asked for it, the prompt is put into the file, byte
 * for byte; otherwise a person pressed the key, or git wants an editor, and the user's own one takes over.
 */
export async function runEditor(sys: Sys, args: readonly string[]): Promise<number> {
  const dir = sys.env[channelVariable];
  const file = args.at(-1) ?? "";
  if (dir !== undefined && sys.readText(requestPath(dir)) !== undefined) {
    requireOwnFolder(sys, dir);
    const prompt = sys.readText(promptPath(dir));
    // Only the draft of a prompt is ours to replace, never a plan or a commit message.
    if (prompt !== undefined && /^claude-prompt-/.test(basename(file))) {
      sys.overwrite(file, prompt);
      sys.remove(promptPath(dir));
    }
    sys.remove(requestPath(dir));
    return 0;
  }
  const own = sys.env[editorVariable] || sys.env.EDITOR || "vi";
  const env = { ...sys.env, VISUAL: sys.env[editorVariable] };
  return replaceProcess({ path: "/bin/sh", name: "sh", args: ["-c", `exec ${own} "$@"`, "editor", ...args], env });
}
