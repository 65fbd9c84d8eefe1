import { z } from "zod/mini";

/** What the public JSON of all commands is made of: one name, type and unit for one thing. */

export function described<T extends z.ZodMiniType>(schema: T, description: string, id?: string): T {
  // A copy: what is said of one key is not said of all of its kind.
  const own = z.clone(schema);
  z.globalRegistry.add(own, { ...(id === undefined ? {} : { id }), description });
  return own;
}
export const piece = <T extends z.ZodMiniType>(id: string, schema: T, description: string): T => described(schema, description, id);

export const text = z.string();
export const count = z.int();
export const textOrNull = z.nullable(text);
export const numberOrNull = z.nullable(z.number());
export const at = piece("at", z.nullable(count), "epoch ms; null where not known");
export const time = piece("time", textOrNull, "the `_at` beside it in ISO 8601, UTC");
export const percent = piece("percent", numberOrNull, "0 to 100; above where more was used; null where not known");
export const sessionId = piece("session_id", textOrNull, "id of the conversation, a UUID; null before it is known");
export const name = piece("name", text, "of a live session, as `csm ls` shows it; every command that takes a session takes it");
export const cwd = piece("cwd", textOrNull, "the folder it works in, absolute");
export const transcript = piece("transcript", textOrNull, "path of the conversation's file; null as long as there is none");
export const profile = piece("profile", textOrNull, "name of the profile; null for a config dir without one");
export const configDir = piece("config_dir", textOrNull, "folder of the profile, claude's CLAUDE_CONFIG_DIR");

/** The one rule for a moment: `<what>_at` and `<what>_time`. */
export const times = <W extends string>(what: W) =>
  ({ [`${what}_at`]: at, [`${what}_time`]: time }) as { [K in `${W}_at`]: typeof at } & { [K in `${W}_time`]: typeof time };
export const moment = { at, time };

export const conversation = { session_id: sessionId, cwd, transcript, profile };
export const reference = { name, ...conversation, config_dir: configDir };

export const agent = z.object({ id: text, type: text, description: text, model: textOrNull, running: z.boolean() });
export const meter = z.object({
  source: text,
  context_percent: percent,
  context_tokens: numberOrNull,
  context_window: numberOrNull,
  tokens: numberOrNull,
  cost_usd: numberOrNull,
  partly_unpriced: z.boolean(),
  burn_usd_per_hour: numberOrNull,
});
