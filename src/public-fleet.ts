import { z } from "zod/mini";
import { count, cwd, described, name, numberOrNull, percent, profile, sessionId, text, textOrNull, times } from "./public-pieces.ts";

/** The JSON of what machines of a fleet tell. */

const machine = z.object({
  machine: described(text, "its name in the fleet"),
  live: described(z.boolean(), "it is heard of now"),
  ...times("told"),
  age_ms: numberOrNull,
  role: textOrNull,
  os: textOrNull,
  version: textOrNull,
  sessions: z.nullable(count),
  broken: described(z.boolean(), "what it told cannot be read"),
});

export const staleMs = described(z.nullable(z.number()), "age of what its machine told last; null while that is heard of");

const remoteSession = z.object({
  id: described(text, "machine/session: what commands take that act on other machines"),
  machine: text,
  stale_ms: staleMs,
  name,
  session_id: sessionId,
  status: described(text, "as in `state.status`; a newer csm may have others"),
  words: described(text, "the state for people"),
  source: text,
  gate_id: textOrNull,
  ...times("since"),
  cwd,
  profile,
  model: textOrNull,
  kind: text,
  driver: textOrNull,
  agents: count,
  title: described(textOrNull, "null unless its machine shares titles"),
  context_percent: percent,
  cost_usd: numberOrNull,
  tokens: numberOrNull,
});

/** Of a list that shows other machines too. */
export const fleetFields = {
  machine: z.optional(described(text, "of this machine in the fleet; only where it has joined one, as all about others")),
  fleet_failure: z.optional(described(textOrNull, "why what the others told is not of now")),
};

/** Whose figures are in it. */
export const toldMachines = z.array(z.object({ machine: text, ...times("told"), stale_ms: staleMs }));

/** Of other machines, and not over. */
export const remoteRuns = z.optional(
  z.array(
    z.object({
      ...{ id: described(text, "machine/run"), machine: text, run: text, stale_ms: staleMs },
      ...{ total: count, over: count, failed: count, paused: count, held: count, worked_on: z.boolean() },
    }),
  ),
);

export const remoteSessions = z.optional(z.array(remoteSession));

const fleetMachines = z.object({ machines: z.array(machine) });

export const fleetSchemas = {
  "csm fleet": fleetMachines,
  "csm fleet machines": fleetMachines,
  "csm fleet check": z.object({ ok: z.boolean(), checks: z.array(z.object({ check: text, ok: z.boolean(), detail: text })) }),
};
