import { join } from "node:path";
import { UserError } from "./errors.ts";
import { present } from "./json.ts";
import { csdDir } from "./paths.ts";
import { isInside, readOrigin } from "./peer.ts";
import { channelVariable } from "./program.ts";
import { openLog } from "./store.ts";
import type { Sys } from "./sys.ts";

/** An answer that was not taken, and from whom it came. */
interface AuditEntry {
  at: number;
  event: "refused";
  session: string;
  /** What was wanted: a verb of csd, or `reply` and `prompt` at a socket. */
  verb: string;
  why: string;
  pid?: number;
  uid?: number;
}

const readBytes = 256 * 1024;
const maxBytes = 1024 * 1024;

/** `<state>/csd/audit.jsonl`, for this user only. */
const openAudit = (sys: Sys) =>
  openLog<AuditEntry>(sys, {
    path: join(csdDir(sys), "audit.jsonl"),
    readBytes,
    maxBytes,
    required: { at: "time", event: "string", session: "string" },
    optional: { verb: "string", why: "string", pid: "pid", uid: "number" },
  });

export function noteRefusal(sys: Sys, entry: Omit<AuditEntry, "at" | "event">): void {
  try {
    openAudit(sys).append({ at: sys.now(), event: "refused", ...entry });
  } catch {
    // A full disk: it is refused all the same.
  }
}

/** A session must not answer its own gates, nor tell itself what to do. */
export async function refuseOwnSession(
  sys: Sys,
  target: { name: string; pid: number; channel?: { dir: string } },
  verb: string,
): Promise<void> {
  const inside = { claudePid: target.pid, ...present({ channelDir: target.channel?.dir }) };
  const origin = await readOrigin(sys, sys.pid);
  const own = sys.env[channelVariable];
  if (!isInside({ ...origin, channels: own === undefined ? origin.channels : [...origin.channels, own] }, inside)) return;
  const why = "a process of the session itself asks";
  noteRefusal(sys, { session: target.name, verb, why, pid: sys.pid, uid: sys.uid });
  throw new UserError(`session "${target.name}" may not ${verb} itself: this csd was started inside it; nothing was done`);
}
