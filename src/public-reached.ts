import { z } from "zod/mini";
import { count, described, sessionId, text, textOrNull } from "./public-pieces.ts";

/** What became of what was asked of a session, here and on other machines. */

const ok = z.boolean();

export const answer = z.object({
  ok,
  option: z.optional(count),
  gate: text,
  gate_id: text,
  chosen: text,
  meaning: text,
  channel: z.enum(["hook", "keys"]),
});

export const sent = z.object({
  ok,
  attempts: count,
  receipt: text,
  prompt_id: z.optional(text),
  ...z.partial(z.omit(answer, { ok: true })).shape,
});

const farOutcome = z.object({
  ok: described(ok, "it was applied"),
  machine: text,
  session: text,
  session_id: sessionId,
  gate_id: described(textOrNull, "null for a prompt"),
  request: described(text, "its id, as the audits of both machines have it"),
  outcome: described(z.enum(["applied", "too late", "refused", "expired", "unknown"]), "expired: nobody took it, and nothing was done"),
  words: described(textOrNull, "what was chosen"),
  why: described(textOrNull, "why it was not applied"),
});

export const reached = z.union([answer, farOutcome]);
export const typed = z.union([sent, farOutcome]);

const option = z.object({ option: count, label: text, meaning: text });
const fleetAsk = z.object({
  machine: text,
  live: described(z.boolean(), "it is heard of now"),
  session: text,
  session_id: sessionId,
  gate_id: text,
  gate: text,
  tool: textOrNull,
  agent: described(textOrNull, "type of the sub-agent that asks; null for the main thread"),
  request: described(text, "what would run, or what is asked, without secrets"),
  options: described(z.array(option), "of the dialog that is on its screen"),
});

export const fleetAsks = z.object({ asks: z.array(fleetAsk) });
