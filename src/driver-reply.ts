import { type Choice, chooseOption, planAnswers, type Wish } from "./answer.ts";
import type { Call, Decision } from "./claude-calls.ts";
import { gateFingerprint, type ScreenGate } from "./claude-gate.ts";
import type { GateReply } from "./claude-hooks.ts";
import { parseScreen } from "./claude-screen.ts";
import type { SessionFile } from "./claude-session.ts";
import { type Driver, look, readOwnSession, type Target } from "./driver.ts";
import { type Answered, answerByKeys, fillForm, GateChanged, refuseByKeys, sweepKey } from "./driver-keys.ts";
import { UserError } from "./errors.ts";
import { type Expectation, requireExpected, requireNarrow } from "./gate-expect.ts";
import { findGates, type Gate, type GateCall } from "./gates.ts";
import { present } from "./json.ts";
import { isSettled, readSignals } from "./observe.ts";
import { findTranscript } from "./paths.ts";
import { gateSignals, type Signals } from "./status.ts";
import { type Sys, until } from "./sys.ts";
import { createCallFollower, threadOf, waitForDecision } from "./thread-calls.ts";

/** What was answered, and how it reached claude. */
export interface Answer {
  gate: string;
  gate_id: string;
  chosen: string;
  meaning: string;
  /** Number in the menu, where it was chosen there. */
  option?: number;
  channel: "hook" | "keys";
}

/** Nothing was chosen: the gate that was meant is up no more, or somebody else has answered it. */
export class GateGone extends UserError {}

export interface ReplyOptions extends Expectation {
  /** The gate that is meant; without it there must be exactly one. */
  gate?: string;
  /** Goes to the model with a refusal; the turn goes on then. */
  reason?: string;
  /** An option may be taken that allows more than this one request. */
  isWide?: boolean;
  /** What the option that is named by its number was shown as. */
  label?: string;
}

/**
 * Answers one gate: through the hook that holds it where there is one, which no painting delays and no other gate can take,
 * else with keys, once its dialog is the one on the screen. Options that are named by number are chosen with keys: only the
 * screen has numbers.
 */
export async function answerGate(driver: Driver, target: Target, wish: Wish, options: ReplyOptions = {}): Promise<Answer> {
  const { reason } = options;
  /** Of the number, as it was shown, else as it was read first. */
  let { label } = options;
  return answerPicked(driver, target, options, { isShown: "option" in wish }, async ({ gate, signals }) => {
    requireExpected(gate, options);
    if (gate.call !== undefined && isByHook(driver.sys, gate) && !("option" in wish))
      return replyToHeld(driver, target, { gate, call: gate.call, signals }, choiceReply(gate.call, wish.meaning, reason));
    const dialog = requireDialog(target, gate);
    if ("option" in wish) {
      const option = chooseOption(dialog, wish);
      requireNarrow(dialog, option, options, options.isWide === true);
      label ??= option.label;
    }
    const confirm = startConfirming(driver, target, gate, signals);
    const answered =
      reason === undefined
        ? await answerByKeys(driver, target, wish, { dialog, ...present({ label }) })
        : { ...(await refuseByKeys(driver, target, reason, dialog)), meaning: "refuse" };
    const answer = describeKeys(gate, answered);
    await confirm(answer, reason !== undefined);
    return answer;
  });
}

/** How often a gate is read anew that was being painted: claude adds its counter, and some options, a moment later (2.1.329). */
const maxReadings = 3;

/** While it stays the same request, what was painted over it is no other gate: nothing has been chosen, and it is read again. */
async function answerPicked(
  driver: Driver,
  target: Target,
  wanted: { gate?: string },
  how: PickOptions,
  answer: (picked: Picked) => Promise<Answer>,
): Promise<Answer> {
  let picked = await pickGate(driver, target, wanted, how);
  for (let reading = 1; ; reading++) {
    try {
      const answered = await answer(picked);
      await note(driver, target, picked, answered);
      return answered;
    } catch (error) {
      if (!(error instanceof GateChanged) || reading === maxReadings) throw error;
      picked = await pickGate(driver, target, { gate: picked.gate.id }, how);
    }
  }
}

async function note({ sys, by }: Driver, target: Target, { gate: { call }, signals: { session } }: Picked, answer: Answer): Promise<void> {
  const { name, configDir, driven } = target;
  const { sessionId = driven?.session_id, cwd = driven?.cwd } = session ?? {};
  await (await import("./audit.ts")).noteAnswer(sys, { session: { name, configDir, sessionId, cwd }, call, answer, by });
}

function describeKeys({ id, kind }: Gate, { chosen, option, meaning }: Answered & { meaning?: string }): Answer {
  const number = option === 0 ? {} : { option };
  return { gate: kind, gate_id: id, chosen: chosen.label, meaning: meaning ?? chosen.meaning, ...number, channel: "keys" };
}

export interface QuestionOptions extends Expectation {
  gate?: string;
  text?: string;
}

/** Answers the questions that claude asks; each choice is a label, its beginning, or a number. */
export async function answerQuestions(
  driver: Driver,
  target: Target,
  choices: Choice[],
  { text, ...options }: QuestionOptions = {},
): Promise<Answer> {
  return answerPicked(driver, target, options, { noun: "question" }, async ({ gate, signals }) => {
    const { call } = gate;
    if (gate.kind !== "question") throw noneUp(target, "question", UserError);
    if (call?.tool !== "AskUserQuestion")
      throw new UserError(
        `what session "${target.name}" asks is not known; nothing was chosen`,
        `choose by number: csd approve ${target.name} --option N`,
      );
    requireExpected(gate, options);
    const planned = planAnswers(call.input, choices, text);
    if (isByHook(driver.sys, gate))
      return replyToHeld(driver, target, { gate, call, signals }, { reply: "answers", answers: planned.answers });
    const dialog = requireDialog(target, gate);
    const confirm = startConfirming(driver, target, gate, signals);
    const answer = {
      gate: "question",
      gate_id: gate.id,
      channel: "keys",
      ...(await chooseByKeys(driver, target, planned, dialog)),
    } as const;
    await confirm(answer);
    return answer;
  });
}

async function chooseByKeys(
  driver: Driver,
  target: Target,
  { answers, single, parts }: ReturnType<typeof planAnswers>,
  dialog: ScreenGate,
): Promise<Pick<Answer, "chosen" | "meaning" | "option">> {
  if (single === undefined) {
    await fillForm(driver, target, parts, dialog);
    return { chosen: Object.values(answers).join("; "), meaning: "choice" };
  }
  const label = single.text === undefined ? parts[0]?.chosen[0] : undefined;
  const wish = { option: single.option };
  const { chosen, option } = await answerByKeys(driver, target, wish, { dialog, ...present({ text: single.text, label }) });
  return { chosen: single.text ?? chosen.label, meaning: chosen.meaning, option };
}

const findTimeoutMs = 300;
const settleMs = 3000;
const takeTimeoutMs = 5000;
const stepMs = 15;

interface Picked {
  gate: Gate;
  signals: Signals;
}

interface PickOptions {
  /** Its dialog must be the one on the screen. */
  isShown?: boolean;
  noun?: string;
}

/** The one gate that is meant. Never guesses: two are named, and none is answered. */
async function pickGate(
  driver: Driver,
  target: Target,
  { gate: wanted }: { gate?: string },
  { isShown = false, noun = "gate" }: PickOptions,
): Promise<Picked> {
  const { sys } = driver;
  const startedAt = sys.now();
  for (;;) {
    const signals = await readSignals(driver, target);
    const gates = findGates(gateSignals(signals));
    const meant = wanted === undefined ? gates : gates.filter(({ id }) => id === wanted);
    const [gate] = meant;
    const isReady = meant.length === 1 && gate !== undefined && ((!isShown && isByHook(sys, gate)) || isReadable(signals, gate));
    if (isReady) return { gate, signals };
    const passedMs = sys.now() - startedAt;
    // A hook starts a moment before the status turns `waiting`, and a dialog is painted some time after it.
    const isComing =
      signals.session?.status === "waiting" || (signals.session?.status === undefined && signals.screen?.input === undefined);
    const limitMs = isComing && meant.length <= 1 ? settleMs : findTimeoutMs;
    if (signals.isAlive && passedMs <= limitMs && (meant.length <= 1 || passedMs <= findTimeoutMs)) {
      await sys.sleep(stepMs);
      continue;
    }
    if (meant.length > 1) throw severalGates(target, gates);
    if (gate !== undefined) return { gate, signals };
    if (gates.length === 0 || wanted === undefined) throw noneUp(target, noun);
    throw new GateGone(`gate ${wanted} of session "${target.name}" is not up; nothing was chosen`, `up: ${listIds(gates)}`);
  }
}

const noneUp = (target: Target, noun: string, Kind: typeof UserError = GateGone): UserError =>
  new Kind(`no ${noun} is up in session "${target.name}"`, `csd state ${target.name} shows what it does`);

/** Its hook waits for a reply, at a socket that is still there. */
const isByHook = (sys: Sys, { call }: Gate): boolean => call?.socket !== undefined && sys.entryKind(call.socket) === "other";
const isReadable = (signals: Signals, { dialog }: Gate): boolean => dialog !== undefined && isSettled(signals);

const severalGates = (target: Target, gates: readonly Gate[]): UserError =>
  new UserError(`${gates.length} gates are up in session "${target.name}"; nothing was chosen`, `name one with --gate: ${listIds(gates)}`);

const listIds = (gates: readonly Gate[]): string =>
  gates.map(({ id, kind, call }) => `${id} (${call?.agent?.type ?? "main"}: ${call?.tool ?? kind})`).join(" · ");

/** Keys go to the dialog that is up, so it must surely be this gate's. */
function requireDialog(target: Target, { id, dialog, isAlike }: Gate): ScreenGate {
  if (dialog === undefined)
    throw new UserError(`the dialog of gate ${id} is not the one on the screen; nothing was chosen`, "answer those before it first");
  if (isAlike === true)
    throw new UserError(
      `several threads of session "${target.name}" ask for the very same; nothing was chosen`,
      "answer by hook (without --option), or in the pane",
    );
  return dialog;
}

function choiceReply(call: GateCall, meaning: "allow-once" | "refuse", reason: string | undefined): GateReply {
  if (meaning === "refuse") return { reply: "deny", ...present({ message: reason }) };
  if (call.tool === "AskUserQuestion")
    throw new UserError('no single option of the question gate means "allow this once"', "answer it: csd answer SESSION --choice LABEL");
  return { reply: "allow" };
}

interface Held extends Picked {
  call: GateCall;
}

async function replyToHeld(driver: Driver, target: Target, held: Held, reply: GateReply): Promise<Answer> {
  const { gate } = held;
  const confirm = startConfirming(driver, target, gate, held.signals);
  const shown = held.signals.session?.status === undefined ? await readShown(driver, target) : undefined;
  await handOver(driver, target, held, reply);
  // Where no status is published, the dialog must go from the screen.
  if (shown !== undefined)
    await until(driver.sys, driver.sys.now() + takeTimeoutMs, stepMs, async () =>
      (await readShown(driver, target)) === shown ? undefined : true,
    );
  const answer = describeReply(gate, reply);
  await confirm(answer, reply.reply === "deny" && reply.message !== undefined);
  return answer;
}

async function readShown(driver: Driver, target: Target): Promise<string | undefined> {
  const { capture } = await look(driver, target);
  const gate = parseScreen(capture?.text ?? "").gate;
  return gate === undefined ? undefined : gateFingerprint(gate);
}

async function handOver(driver: Driver, target: Target, { gate, call, signals }: Held, reply: GateReply): Promise<void> {
  const receipt = await (await import("./reply.ts")).sendReply(driver.sys, call, reply);
  if (receipt.is === "refused")
    throw new UserError(
      `the hook of session "${target.name}" did not take the answer: ${receipt.why}; nothing was chosen`,
      gate.dialog === undefined ? `csd attach ${target.name} shows its pane` : "answer with keys: --option N, as csd state lists it",
    );
  if (receipt.is === "gone") throw answeredElsewhere(target, await readDecision(driver, target, gate, signals));
}

const answeredElsewhere = (target: Target, decision: Decision | undefined): GateGone =>
  new GateGone(
    decision === undefined
      ? "the gate was answered at the pane before this answer arrived"
      : `the gate was answered at the pane before this answer arrived: ${decision.isAllowed ? "it was allowed" : "it was refused"}`,
    `csd state ${target.name} shows what it does now`,
  );

function describeReply({ id, kind }: Gate, reply: GateReply): Answer {
  const common = { gate: kind, gate_id: id };
  if (reply.reply === "answers") return { ...common, chosen: Object.values(reply.answers).join("; "), meaning: "choice", channel: "hook" };
  if (reply.reply === "deny") return { ...common, chosen: "No", meaning: "refuse", channel: "hook" };
  return { ...common, chosen: kind === "plan" ? "Yes, manually approve edits" : "Yes", meaning: "allow-once", channel: "hook" };
}

// --- what claude says was decided --------------------------------------------------------------------------------

/** Claude writes a refusal 0.1 s after its status, what was allowed when it has run, and what a hook said at once. */
const decisionTimeoutMs = 1500;
const lateDecisionMs = 500;

/** Begin before the answer: a call that has a result by then is another one. */
function startConfirming(
  driver: Driver,
  target: Target,
  gate: Gate,
  signals: Signals,
): (answer: Answer, goesOn?: boolean) => Promise<void> {
  const { sys } = driver;
  const follow = followCall(driver, target, gate, signals);
  const isMain = gate.call !== undefined && gate.call.agent === undefined;
  return async (answer, goesOn = false) => {
    const isAllowed = allowing.has(answer.meaning);
    const now = await waitForStatus(driver, target, signals.session, gate);
    // A refusal without a word ends the turn at once; claude was never seen busy in between (2.1.329).
    if (isMain && now === (isAllowed ? "busy" : "idle") && !goesOn && answer.gate !== "question") return;
    const decision = follow === undefined ? undefined : await waitForDecision(sys, follow, decisionTimeoutMs);
    if (decision !== undefined && !isSameDecision(decision, answer, isAllowed)) {
      const { dialog } = gate;
      if (answer.channel === "keys" && dialog !== undefined)
        await sweepKey(driver, target, dialog, present({ digit: answer.option?.toString() }));
      throw answeredElsewhere(target, decision);
    }
    if (decision !== undefined || now !== "unmoved") return;
    const hint = `csd state ${target.name} shows what it does`;
    throw new UserError(`claude has not said that it took the answer to gate ${gate.id} of session "${target.name}"`, hint);
  };
}

const allowing = new Set(["allow-once", "allow-always", "mode-switch", "choice", "submit", "unknown"]);

function isSameDecision({ isAllowed, by, answers }: Decision, answer: Answer, isMeant: boolean): boolean {
  if (answer.gate === "question")
    return answers === undefined ? isAllowed === isMeant : Object.values(answers).join("; ") === answer.chosen;
  return isAllowed === isMeant && (answer.channel === "hook" || by !== "hook");
}

/** Undefined where nothing tells in which transcript its call stands. */
function followCall(
  { sys }: Driver,
  target: Target,
  { call }: Gate,
  { session }: Signals,
  isPast = false,
): (() => Call | undefined) | undefined {
  const transcriptPath = call === undefined ? undefined : findTranscript(sys, target, session);
  const path = threadOf(sys, present({ transcriptPath, agentId: call?.agent?.id, agentType: call?.agent?.type }));
  return call === undefined || path === undefined ? undefined : createCallFollower(sys, path, call, isPast);
}

async function readDecision(driver: Driver, target: Target, gate: Gate, signals: Signals): Promise<Decision | undefined> {
  const follow = followCall(driver, target, gate, signals, true);
  return follow === undefined ? undefined : waitForDecision(driver.sys, follow, lateDecisionMs);
}

/** Claude's status once it has moved on from this gate, if it does; undefined where the gate's dialog was not the one that is up. */
async function waitForStatus(driver: Driver, target: Target, before: SessionFile | undefined, gate: Gate): Promise<string | undefined> {
  const { sys } = driver;
  if (before?.status !== "waiting" || gate.dialog === undefined) return undefined;
  const shown = gateFingerprint(gate.dialog);
  let lookAt = sys.now() + rowMs;
  const moved = await until(sys, sys.now() + takeTimeoutMs, stepMs, async () => {
    const now = await readOwnSession(driver, target);
    if (now?.status !== "waiting" || now.statusUpdatedAt !== before.statusUpdatedAt) return now?.status ?? "gone";
    if (sys.now() < lookAt) return undefined;
    lookAt = sys.now() + rowMs;
    // The next of a row takes its place while the status stands still.
    const next = await readShown(driver, target);
    return next !== undefined && next !== shown ? "waiting" : undefined;
  });
  return moved ?? "unmoved";
}

const rowMs = 100;
