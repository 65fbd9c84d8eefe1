import { basename, join } from "node:path";
import { recordsDir } from "./channel.ts";
import { replaceProcess } from "./exec.ts";
import { isRecord, parseRecord } from "./json.ts";
import { configDir } from "./paths.ts";
import { channelVariable, editorVariable } from "./program.ts";
import { requireOwnFolder } from "./state-folder.ts";
import type { Sys } from "./sys.ts";

/** Names the socket of a csd that waits for its editor. It stays after that gave up: a late editor must then change nothing. */
export const requestPath = (dir: string): string => join(dir, "prompt.request");
/** How claude names the file with the draft of its input row. */
export const draftName = "claude-prompt-";
/** What a request says once the editor has come and could not get the prompt, as in a container. */
export const failedRequest = "";

/**
 * Runs as claude's editor in a session that csd started. When csd has just asked for it, the prompt is put into the file, byte
 * for byte; otherwise a person pressed the key, or git wants an editor, and the user's own one takes over.
 */
export async function runEditor(sys: Sys, args: readonly string[]): Promise<number> {
  const dir = sys.env[channelVariable];
  const file = args.at(-1) ?? "";
  const socket = dir === undefined ? undefined : sys.readText(requestPath(dir));
  if (dir !== undefined && socket !== undefined && socket !== failedRequest) {
    requireOwnFolder(sys, dir);
    // Only the draft of a prompt is ours to replace, never a plan or a commit message.
    const prompt = basename(file).startsWith(draftName) ? await fetchOffered(sys, dir, socket) : undefined;
    if (prompt === undefined) sys.writePrivate(requestPath(dir), failedRequest);
    else {
      sys.overwrite(file, prompt);
      sys.remove(requestPath(dir));
    }
    return 0;
  }
  const visual = readOwnVisual(sys) || sys.env[editorVariable];
  const own = visual || sys.env.EDITOR || "vi";
  const env = { ...sys.env, VISUAL: visual };
  return replaceProcess({ path: "/bin/sh", name: "sh", args: ["-c", `exec ${own} "$@"`, "editor", ...args], env });
}

async function fetchOffered(sys: Sys, dir: string, socket: string): Promise<string | undefined> {
  const { createDrivenStore } = await import("./driven.ts");
  const driven = createDrivenStore(sys, recordsDir(dir)).read(basename(dir));
  if (driven?.pid === undefined) return undefined;
  return (await import("./reply.ts")).fetchPrompt(sys, { name: driven.name, claudePid: driven.pid, channelDir: dir }, socket);
}

/** Of the user's own claude settings, which would count if csd's had not come before them. */
function readOwnVisual(sys: Sys): string | undefined {
  const env = parseRecord(sys.readText(join(configDir(sys), "settings.json")) ?? "")?.env;
  return isRecord(env) && typeof env.VISUAL === "string" ? env.VISUAL : undefined;
}
