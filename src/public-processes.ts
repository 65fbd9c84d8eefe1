import { z } from "zod/mini";
import { count, cwd, described, name, numberOrNull, profile, sessionId, text, textOrNull, times } from "./public-pieces.ts";

/** What `csm reap`, `csm halt` and `csm diagnose` print of this machine. */

const process = {
  pid: count,
  ppid: count,
  ...times("started"),
  command: text,
  session_id: sessionId,
  claude_pid: numberOrNull,
  why: text,
  result: described(z.optional(text), "once it was to end: `ended`, `killed`, `gone`, or, where it could not be, `running`, `failed`"),
};
export const orphan = z.object({ ...process, crashed: z.boolean() });

const health = z.enum(["ok", "degraded", "broken"]);
export const diagnosed = z.object({
  health: described(health, "the worst of them"),
  checks: z.array(z.object({ check: text, profile, health, detail: text, fix: described(textOrNull, "a command, else what to do") })),
});

export const halted = z.object({
  sessions: z.array(
    z.object({
      ...{ name, session_id: sessionId, pid: count, profile, cwd },
      alive: described(z.boolean(), "false for one whose claude died and left this behind"),
      ...{ result: z.optional(text), error: z.optional(text) },
    }),
  ),
  processes: described(z.array(z.object(process)), "what ends: the sessions themselves, and what they have started"),
  left: described(z.array(z.object({ name: text, pid: numberOrNull, why: text })), "what is left alone"),
});
