import { z } from "zod/mini";
import { described, sessionId, text, textOrNull } from "./public-pieces.ts";

/** What other machines say in the public JSON. */

/** Of what was asked of a session of another machine. */
export const farOutcome = z.object({
  ok: described(z.boolean(), "it was applied"),
  machine: text,
  session: text,
  session_id: sessionId,
  gate_id: described(textOrNull, "null for a prompt"),
  request: described(text, "its id, as the audits of both machines have it"),
  outcome: described(z.enum(["applied", "too late", "refused", "expired", "unknown"]), "expired: nobody took it, and nothing was done"),
  words: described(textOrNull, "what was chosen"),
  why: described(textOrNull, "why it was not applied"),
});
