/** What csm does when the account of a session has reached its usage limit. */
export const limitPolicies = ["switch", "wait", "ask", "stop"] as const;
export type LimitPolicy = (typeof limitPolicies)[number];

export interface LimitSettings {
  policy: LimitPolicy;
  /** What the model is told after a switch; blanks in braces are filled in. Empty: nothing, the session waits for the user. */
  handoffPrompt: string;
  /** How many switches one conversation may make within `hopWindowMs`. */
  maxHops: number;
  /** At least this long between two switches on this machine, so that several sessions do not pile onto one account at once. */
  cooldownMs: number;
}

/** A guard that never expired would be spent for good by one bad night. */
export const hopWindowMs = 5 * 3_600_000;

/** The limit that ended a turn. */
export interface Limit {
  at: number;
  /** Claude Code's name of the window, such as `five_hour`; `unknown` where only the wording told. */
  window: string;
  /** Epoch ms; undefined where nothing says when. */
  resetsAt?: number;
  /** claude has said that it goes on by itself (2.1.329 does after a five-hour limit, not after a weekly one). */
  isSelfContinuing: boolean;
}

export interface LimitSituation {
  now: number;
  limit: Limit;
  settings: LimitSettings;
  /** Profiles that could take over, best first. */
  candidates: readonly { name: string; reason: string }[];
  /** Times of the switches that this conversation has made. */
  hops: readonly number[];
  /** The newest switch of any session on this machine. */
  lastSwitchAt?: number;
  /** Other sessions of this machine that wait for the same reset: each begins a little later. */
  waiting: number;
  /** Of the machines that use this account: their sessions take turns. */
  turn?: { place: number; of: number };
}

type LimitDecision =
  | { do: "switch"; to: string; delayMs: number; reason: string }
  /** `until` undefined: nothing is known, the user decides. `by`: claude continues by itself, or csm has to. */
  | { do: "wait"; by: "claude" | "csm"; until: number; reason: string }
  | { do: "ask"; choices: string[]; reason: string }
  | { do: "stop"; reason: string };

/** claude's own continuation comes about 60 s after the reset; csm's must never meet it. */
export const afterResetMs = 90_000;
const staggerMs = 20_000;

export function decideLimit(situation: LimitSituation): LimitDecision {
  const { settings, candidates } = situation;
  switch (settings.policy) {
    case "stop":
      return { do: "stop", reason: "the policy is stop" };
    case "wait":
      return decideWait(situation, "the policy is wait");
    case "ask":
      return { do: "ask", choices: candidates.map(({ name }) => name), reason: "the policy is ask" };
    case "switch":
      return decideSwitch(situation);
  }
}

function decideSwitch(situation: LimitSituation): LimitDecision {
  const { now, settings, candidates, hops, lastSwitchAt } = situation;
  const recent = hops.filter((at) => now - at < hopWindowMs).length;
  if (recent >= settings.maxHops) return decideWait(situation, `this conversation has switched ${recent} times in 5 hours`);
  const [best] = candidates;
  if (best === undefined) return decideWait(situation, "no other account has room");
  const delayMs = lastSwitchAt === undefined ? 0 : Math.max(0, lastSwitchAt + settings.cooldownMs - now);
  return { do: "switch", to: best.name, delayMs, reason: best.reason };
}

function decideWait({ limit, waiting, turn = { place: 0, of: 1 } }: LimitSituation, reason: string): LimitDecision {
  if (limit.resetsAt === undefined) return { do: "stop", reason: `${reason}, and nothing says when the limit resets` };
  if (limit.isSelfContinuing) return { do: "wait", by: "claude", until: limit.resetsAt, reason };
  return { do: "wait", by: "csm", until: limit.resetsAt + afterResetMs + (waiting * turn.of + turn.place) * staggerMs, reason };
}

interface Handoff {
  from: string;
  to: string;
  sessionId: string;
  hop: number;
}

/** Undefined when nothing is to be said. */
export function renderHandoff(template: string, { from, to, sessionId, hop }: Handoff): string | undefined {
  const values: Record<string, string> = { from, to, sid: sessionId, hop: String(hop) };
  const text = template.replace(/\{(from|to|sid|hop)\}/g, (_, name: string) => values[name] ?? "");
  return text.trim() === "" ? undefined : text;
}

/** What is said to the session's own hooks, so that a `csm hook` of the user's settings leaves a managed session to its csm. */
export const managedVariable = "CSM_MANAGED";
