import { type Choice, planAnswers, type Wish } from "./answer.ts";
import { chooseGate, type HeldGate } from "./channel.ts";
import { gateFingerprint } from "./claude-gate.ts";
import type { GateReply } from "./claude-hooks.ts";
import { parseScreen } from "./claude-screen.ts";
import { type Driver, look, readOwnSession, type Target } from "./driver.ts";
import { type Answered, answerByKeys, fillForm, refuseByKeys, requireText } from "./driver-keys.ts";
import { UserError } from "./errors.ts";
import { present } from "./json.ts";
import { readSignals } from "./observe.ts";
import { isGateUntold, type Signals } from "./status.ts";
import type { Sys } from "./sys.ts";

/** What was answered, and how it reached claude. */
export interface Answer {
  gate: string;
  chosen: string;
  meaning: string;
  /** Number in the menu, where it was chosen there. */
  option?: number;
  channel: "hook" | "keys";
}

export interface ReplyOptions {
  /** The gate must contain this text. */
  expect?: string;
  /** Goes to the model with a refusal; the turn goes on then. */
  reason?: string;
}

/**
 * Answers the gate that is up: through the hook that holds it where there is one, which no painting delays and no other gate
 * can take, else with keys. Options that are named by number are chosen with keys: only the screen has numbers.
 */
export async function answerGate(driver: Driver, target: Target, wish: Wish, options: ReplyOptions = {}): Promise<Answer> {
  const held = "option" in wish ? undefined : await findHeld(driver, target);
  if (held !== undefined && !("option" in wish))
    return replyToHeld(driver, target, held, choiceReply(held, wish.meaning, options.reason), options);
  const { reason, ...keyOptions } = options;
  const answered =
    reason === undefined
      ? await answerByKeys(driver, target, wish, keyOptions)
      : { ...(await refuseByKeys(driver, target, reason, keyOptions.expect)), meaning: "refuse" };
  return describeKeys(answered);
}

function describeKeys({ gate, chosen, option, meaning }: Answered & { meaning?: string }): Answer {
  const number = option === 0 ? {} : { option };
  return { gate: gate.kind, chosen: chosen.label, meaning: meaning ?? chosen.meaning, ...number, channel: "keys" };
}

/** Answers the questions that claude asks; each choice is a label, its beginning, or a number. */
export async function answerQuestions(
  driver: Driver,
  target: Target,
  choices: Choice[],
  text: string | undefined,
  expect?: string,
): Promise<Answer> {
  const held = await findHeld(driver, target);
  const options = present({ expect });
  const signals = held === undefined ? await readQuestion(driver, target) : undefined;
  const input = held?.input ?? signals?.turn?.pendingTools.find((tool) => tool.name === "AskUserQuestion")?.input;
  if (input === undefined || (held !== undefined && held.tool !== "AskUserQuestion"))
    throw new UserError(`no question is up in session "${target.name}"`, `csd state ${target.name} shows what it does`);
  const { answers, single, parts } = planAnswers(input, choices, text);
  if (held !== undefined) return replyToHeld(driver, target, held, { reply: "answers", answers }, options);
  if (single === undefined) {
    const gate = await fillForm(driver, target, parts, expect);
    return { gate: gate.kind, chosen: Object.values(answers).join("; "), meaning: "choice", channel: "keys" };
  }
  const { gate, chosen, option } = await answerByKeys(
    driver,
    target,
    { option: single.option },
    { ...options, ...present({ text: single.text }) },
  );
  return { gate: gate.kind, chosen: single.text ?? chosen.label, meaning: chosen.meaning, option, channel: "keys" };
}

const questionTimeoutMs = 1500;

/** The question on the screen, with the call that the transcript holds of it, up to a moment later. */
async function readQuestion(driver: Driver, target: Target): Promise<Signals | undefined> {
  const deadline = driver.sys.now() + questionTimeoutMs;
  for (;;) {
    const signals = await readSignals(driver, target);
    const isShown = signals.session?.status === "waiting" || signals.screen?.gate?.kind === "question";
    if (!isShown) return undefined;
    if (!isGateUntold(signals) || driver.sys.now() > deadline) return signals;
    await driver.sys.sleep(stepMs);
  }
}

const findTimeoutMs = 300;
const takeTimeoutMs = 5000;
const stepMs = 15;

/** The request that is up; its hook starts a moment before the status turns `waiting`. */
async function findHeld({ sys }: Driver, target: Target): Promise<HeldGate | undefined> {
  const deadline = sys.now() + findTimeoutMs;
  while (target.channel !== undefined) {
    const held = chooseGate(await target.channel.readGates());
    if (held !== undefined) return (await import("./reply.ts")).canReply(sys, held) ? held : undefined;
    if (sys.now() > deadline) return undefined;
    await sys.sleep(stepMs);
  }
  return undefined;
}

function choiceReply(held: HeldGate, meaning: "allow-once" | "refuse", reason: string | undefined): GateReply {
  if (meaning === "refuse") return { reply: "deny", ...present({ message: reason }) };
  if (held.tool === "AskUserQuestion")
    throw new UserError('no single option of the question gate means "allow this once"', "answer it: csd answer SESSION --choice LABEL");
  return { reply: "allow" };
}

async function replyToHeld(driver: Driver, target: Target, held: HeldGate, reply: GateReply, { expect }: ReplyOptions): Promise<Answer> {
  const { sys } = driver;
  requireText(`${held.tool} ${JSON.stringify(held.input)} ${Object.values(held.input).join(" ")}`, expect);
  const before = await readOwnSession(driver, target);
  const shown = before?.status === undefined ? await readShown(driver, target) : undefined;
  await handOver(sys, target, held, reply);
  const deadline = sys.now() + takeTimeoutMs;
  // Until claude has taken the answer from its hook: its status leaves this `waiting`.
  while (before?.status === "waiting" && sys.now() < deadline) {
    const now = await readOwnSession(driver, target);
    if (now?.status !== "waiting" || now.statusUpdatedAt !== before.statusUpdatedAt) break;
    await sys.sleep(stepMs);
  }
  // Where no status is published, the dialog must go from the screen.
  while (shown !== undefined && sys.now() < deadline && (await readShown(driver, target)) === shown) await sys.sleep(stepMs);
  return describe(held, reply);
}

async function readShown(driver: Driver, target: Target): Promise<string | undefined> {
  const { capture } = await look(driver, target);
  const gate = parseScreen(capture?.text ?? "").gate;
  return gate === undefined ? undefined : gateFingerprint(gate);
}

async function handOver(sys: Sys, target: Target, held: HeldGate, reply: GateReply): Promise<void> {
  const receipt = await (await import("./reply.ts")).sendReply(sys, held, reply);
  if (receipt.is === "refused") throw new UserError(`the hook of session "${target.name}" did not take the answer: ${receipt.why}`);
  if (receipt.is === "gone")
    throw new UserError("the gate was answered at the pane before this answer arrived", `csd state ${target.name} shows what it does now`);
}

function describe(held: HeldGate, reply: GateReply): Answer {
  const gate = held.tool === "ExitPlanMode" ? "plan" : held.tool === "AskUserQuestion" ? "question" : "permission";
  if (reply.reply === "answers") return { gate, chosen: Object.values(reply.answers).join("; "), meaning: "choice", channel: "hook" };
  if (reply.reply === "deny") return { gate, chosen: "No", meaning: "refuse", channel: "hook" };
  return { gate, chosen: gate === "plan" ? "Yes, manually approve edits" : "Yes", meaning: "allow-once", channel: "hook" };
}
