import { z } from "zod/mini";
import { isMachineName } from "./fleet-access.ts";

/** What machines tell each other. Others may be older, newer or hostile: a value that does not fit is none. */

const text = (max: number) => z.string().check(z.maxLength(max));
const moment = z.int().check(z.gte(0), z.lte(8.64e15));
const numberOrNull = z.nullable(z.number());
const textOrNull = (max: number) => z.nullable(text(max));

const session = z.object({
  name: text(200),
  session_id: textOrNull(100),
  status: text(40),
  /** For people, as `csm ls` says it. */
  words: text(200),
  source: text(60),
  since_at: moment,
  profile: textOrNull(200),
  cwd: textOrNull(4096),
  model: textOrNull(100),
  kind: text(40),
  driver: textOrNull(200),
  /** How many run. */
  agents: z.int(),
  gate_id: z.optional(text(200)),
  context_percent: numberOrNull,
  cost_usd: numberOrNull,
  tokens: numberOrNull,
  /** Only where `fleet.share` lets it out. */
  title: z.optional(text(300)),
});

const machine = z.object({
  v: z.literal(1),
  machine: text(63).check(z.refine(isMachineName)),
  at: moment,
  version: text(40),
  os: text(40),
  role: text(20),
  sessions: z.array(session).check(z.maxLength(2000)),
});

export type FleetSession = z.infer<typeof session>;
export type MachineState = z.infer<typeof machine>;

export const parseMachineState = (value: unknown): MachineState | undefined => {
  const parsed = z.safeParse(machine, value);
  return parsed.success ? parsed.data : undefined;
};
