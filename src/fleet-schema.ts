import { z } from "zod/mini";
import { windowName } from "./claude-usage.ts";
import { isMachineName } from "./fleet-access.ts";
import { longestTexts } from "./fleet-state.ts";

/** What machines tell each other. Others may be older, newer or hostile: a value that does not fit is none. */

const text = (max: number) => z.string().check(z.maxLength(max));
const moment = z.int().check(z.gte(0), z.lte(8.64e15));
/** A row that does not fit costs no other one. */
const rows = <T extends z.ZodMiniType>(row: T, most: number) =>
  z.pipe(
    z.array(z.unknown()),
    z.transform((list): z.output<T>[] =>
      list.slice(0, most).flatMap((each) => {
        const parsed = z.safeParse(row, each);
        return parsed.success ? [parsed.data] : [];
      }),
    ),
  );

const told = (field: keyof typeof longestTexts) => text(longestTexts[field]);

const usageWindow = z.object({
  ...{
    window: text(60).check(z.regex(windowName)),
    used_percent: z.number().check(z.gte(0), z.lte(1000)),
    resets_at: z.nullable(moment),
    at: moment,
  },
});

const usage = z.object({
  v: z.literal(1),
  machine: text(63).check(z.refine(isMachineName)),
  at: moment,
  /** What the server's clock is ahead of its own. */
  clock_ms: z.optional(z.number()),
  /** By a hash: who has the same login makes the same of it. */
  accounts: rows(z.object({ account: text(64), windows: rows(usageWindow, 50) }), 200),
});

export type MachineUsage = z.infer<typeof usage>;

export function parseMachineUsage(value: unknown): MachineUsage | undefined {
  const parsed = z.safeParse(usage, value);
  return parsed.success ? parsed.data : undefined;
}

const id = text(36).check(z.regex(/^[0-9a-f-]{36}$/));
const texts = z.array(text(4000)).check(z.maxLength(50));

/** What somebody asks another machine to do to a session of it: what `csm allow`, `deny`, `answer` and `type` take. */
const request = z.object({
  v: z.literal(1),
  id,
  verb: z.enum(["allow", "deny", "answer", "send"]),
  /** Its id, or its name where it has none yet. */
  session: text(200),
  /** Who asks, and the sessions that it asks from the inside of. */
  from: z.object({ machine: text(63).check(z.refine(isMachineName)), sessions: z.array(text(100)).check(z.maxLength(20)) }),
  /** By the server's clock. */
  expires_at: moment,
  /** The one that was shown to whoever asks; of a verb that answers. */
  gate_id: z.optional(told("gate_id")),
  expect: z.optional(texts),
  contains: z.optional(texts),
  option: z.optional(z.int()),
  /** What that option was shown as. */
  label: z.optional(text(4000)),
  widen: z.optional(z.boolean()),
  reason: z.optional(text(20_000)),
  choices: z.optional(texts),
  text: z.optional(text(20_000)),
  prompt: z.optional(text(100_000)),
  draft: z.optional(z.boolean()),
  queue: z.optional(z.boolean()),
});

export type FleetRequest = z.infer<typeof request>;

export function parseFleetRequest(value: unknown): FleetRequest | undefined {
  const parsed = z.safeParse(request, value);
  return parsed.success ? parsed.data : undefined;
}

/** What became of a request; `taken` until that is known. */
const outcome = z.object({
  is: z.enum(["taken", "applied", "too late", "refused", "unknown"]),
  why: z.optional(text(2000)),
  /** What was chosen, in words. */
  words: z.optional(text(2000)),
});

export type FleetOutcome = z.infer<typeof outcome>;

export function parseFleetOutcome(value: unknown): FleetOutcome | undefined {
  const parsed = z.safeParse(outcome, value);
  return parsed.success ? parsed.data : undefined;
}

const ask = z.object({
  session_id: z.nullable(told("session_id")),
  session: told("name"),
  gate_id: told("gate_id"),
  gate: text(40),
  tool: z.nullable(text(200)),
  agent: z.nullable(text(200)),
  /** What would run, or what is asked; without secrets. */
  request: text(4000),
  options: rows(z.object({ option: z.int(), label: text(4000), meaning: text(40) }), 30),
});

const asks = z.object({
  v: z.literal(1),
  machine: text(63).check(z.refine(isMachineName)),
  at: moment,
  asks: rows(ask, 500),
});

export type FleetAsk = z.infer<typeof ask>;
export type MachineAsks = z.infer<typeof asks>;

export function parseMachineAsks(value: unknown): MachineAsks | undefined {
  const parsed = z.safeParse(asks, value);
  return parsed.success ? parsed.data : undefined;
}
