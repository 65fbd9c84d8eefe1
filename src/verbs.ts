import type { LiveSession } from "./session.ts";
import type { TerminalAction } from "./terminal-row.ts";
import { whyNotIn } from "./terminals.ts";

/**
 * What each verb acts on: the session that has a gate up, that can be typed into, or that runs; `new` acts on none. `actions`
 * carries them out.
 */
export const verbNeeds = {
  allow: "gate",
  deny: "gate",
  answer: "gate",
  send: "keyboard",
  submit: "keyboard",
  clear: "keyboard",
  interrupt: "keyboard",
  stop: "process",
  new: "nothing",
} as const;
export type VerbName = keyof typeof verbNeeds;

/** The gate that a session's state is about. */
export const gateIdOf = ({ verdict }: Pick<LiveSession, "verdict">): string | undefined =>
  "gate_id" in verdict && verdict.status !== "limited" ? verdict.gate_id : undefined;

/** It is one of those that are up, whether the state is about it or not. */
export const isGateUp = ({ verdict }: Pick<LiveSession, "verdict">, id: string): boolean =>
  "gates" in verdict && verdict.gates?.some(({ gate_id }) => gate_id === id) === true;

/** Equal only for the same request of the same gate. */
export function gateOf(session: LiveSession): string | undefined {
  const { verdict } = session;
  const id = gateIdOf(session);
  if (id !== undefined) return id;
  if (verdict.status === "blocked")
    return JSON.stringify([session.sessionId, verdict.gate, verdict.tool, verdict.input ?? verdict.prompt, session.since]);
  if (verdict.status === "plan_ready") return JSON.stringify([session.sessionId, "plan", verdict.plan, session.since]);
  if (verdict.status === "awaiting_answer" && verdict.gate === "question")
    return JSON.stringify([session.sessionId, "question", verdict.question, session.since]);
  return undefined;
}

/** A hook holds the gate that the session's state is about: a text of any form reaches claude. */
export const isHeld = ({ verdict }: LiveSession): boolean => "gates" in verdict && verdict.gates?.[0]?.held === true;

/** Why this cannot be done to the session, as far as is known without trying; `pane` is to show where it runs. */
export function whyNot(session: LiveSession | undefined, verb: VerbName | "pane"): string | undefined {
  const need = verb === "pane" ? "pane" : verbNeeds[verb];
  if (need === "nothing") return undefined;
  if (session === undefined) return "no session is selected";
  const { name, verdict } = session;
  if (verdict.status === "dead") return `${name} has ended`;
  if (session.where !== undefined) return `${name}: ${session.note ?? session.where}`;
  if (need === "process") return undefined;
  if (need === "gate" && gateOf(session) === undefined)
    return verdict.status === "limited" && verdict.choices !== undefined
      ? `${name} shows a menu about its limit: choose in its pane (enter)`
      : `${name} asks for nothing`;
  const isDriven = session.driver !== undefined;
  if (need !== "pane" && !isDriven && session.kind !== "interactive")
    return `${name} is a ${session.kind} session: nobody can type into it`;
  const why = isDriven ? undefined : whyNotReached(session, need === "pane" ? ["focus"] : ["type", "approve", "read"]);
  if (why !== undefined) return why;
  if (need === "keyboard") return whyNotTyped(session);
  return need === "gate" ? whyNotAnswered(session, verb) : undefined;
}

/** csd's own are in its panes. */
function whyNotReached({ name, terminal, tmux, isBelowTmux }: LiveSession, actions: readonly TerminalAction[]): string | undefined {
  // One that a wrapper started without $TMUX runs in a pane all the same.
  if (terminal === undefined) return tmux === undefined && isBelowTmux === false ? `${name} runs in no tmux pane of yours` : undefined;
  const why = actions.map((action) => whyNotIn(terminal, action)).find((reason) => reason !== undefined);
  return why === undefined ? undefined : `${name} runs in ${terminal.title}: ${why}`;
}

function whyNotTyped(session: LiveSession): string | undefined {
  const { name, verdict } = session;
  if (gateOf(session) !== undefined && isInTheWay(session)) return `${name} asks for something: answer that first (a, d)`;
  return verdict.status === "limited" && verdict.choices !== undefined
    ? `${name} shows a menu about its limit: choose in its pane (enter)`
    : undefined;
}

/** While hooks hold the requests of sub-agents alone, the main thread takes what is typed. */
const isInTheWay = ({ verdict }: LiveSession): boolean =>
  !("gates" in verdict && verdict.gates !== undefined) || verdict.gates.some(({ agent, shown }) => shown || agent === null);

/** The menu on the screen must offer it; a hook takes both. */
function whyNotAnswered(session: LiveSession, verb: VerbName | "pane"): string | undefined {
  const { name, verdict } = session;
  if (verb === "answer")
    return verdict.status === "awaiting_answer" && verdict.questions !== undefined
      ? undefined
      : `what ${name} asks is not known whole: answer in its pane (enter)`;
  const meanings = "choices" in verdict ? (verdict.choices ?? []).map(({ meaning }) => meaning) : [];
  if (isHeld(session) || meanings.length === 0) return undefined;
  const count = (wanted: string) => meanings.filter((meaning) => meaning === wanted).length;
  // Esc refuses where a text field stands in the place of "No".
  const canEscape = hasField(session) && count("refuse") === 0 && count("free-text") > 0;
  const isOffered = verb === "allow" ? count("allow-once") === 1 : count("refuse") === 1 || canEscape;
  return isOffered ? undefined : `no option of ${name} means "${verb} this once": choose in its pane (enter)`;
}

const hasField = ({ verdict }: LiveSession): boolean =>
  verdict.status === "plan_ready" ||
  verdict.status === "awaiting_answer" ||
  (verdict.status === "blocked" && verdict.gate === "permission");

/** A refusal can carry a reason: through its hook, or in a field of its dialog. */
export const takesReason = (session: LiveSession): boolean =>
  isHeld(session) ||
  session.verdict.status === "plan_ready" ||
  (session.verdict.status === "blocked" && session.verdict.gate === "permission");

/** What can be done to a session as people and scripts are told of it, with the verb that decides. */
const toldVerbs = {
  focus: "pane",
  type: "send",
  allow: "allow",
  deny: "deny",
  answer: "answer",
  interrupt: "interrupt",
  stop: "stop",
} as const;

/** Each, and why it cannot be had now; undefined where it can. */
export const listVerbs = (session: LiveSession): [verb: keyof typeof toldVerbs, why: string | undefined][] =>
  Object.entries(toldVerbs).map(([told, verb]) => [told as keyof typeof toldVerbs, whyNot(session, verb)]);

export const verbsJson = (session: LiveSession): Record<string, string | null> =>
  Object.fromEntries(listVerbs(session).map(([verb, why]) => [verb, why ?? null]));
