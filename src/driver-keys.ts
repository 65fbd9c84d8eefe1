import { chooseOption, describeOptions, type Part, planKeys, type Wish } from "./answer.ts";
import { checkbox, gateFingerprint, type MenuOption, type ScreenGate } from "./claude-gate.ts";
import { parseScreen, type Screen } from "./claude-screen.ts";
import type { SessionFile } from "./claude-session.ts";
import { type Driver, look, requireUsablePane, type Target } from "./driver.ts";
import { UserError } from "./errors.ts";
import { present } from "./json.ts";
import { pasteable } from "./sanitize.ts";
import { until } from "./sys.ts";

export interface Answered {
  gate: ScreenGate;
  chosen: MenuOption;
  /** Position in the menu, from 1. */
  option: number;
}

interface KeyOptions {
  /** The dialog that is meant: another one is left alone. */
  dialog?: ScreenGate;
  /** Label of the option, where the caller knows it from elsewhere than the screen. */
  label?: string;
  /** What to write into an option that is a text field. */
  text?: string;
}

/** One reading of a gate: what is on screen, and which waiting it belongs to. */
interface Reading {
  screen: Screen;
  session: SessionFile | undefined;
  hasProcess: boolean;
}

/**
 * Keys sent up to 0.48 s after the status turned `waiting` were lost in 10 of 10 tries, after 0.56 s in none of 20
 * (2.1.329).
 */
const keyDelayMs = 600;
const paintTimeoutMs = 3000;
/** A busy claude takes a key this late. Pressed again before, it would stand in the input row, or answer the next gate. */
const confirmTimeoutMs = 5000;
const stepMs = 30;
const maxTries = 3;

/**
 * Chooses one option of the gate that is up now, and returns when that gate is gone. The gate is read again right before
 * each key; one that has changed is left alone. No key follows the answer, so a second gate stays untouched.
 */
export async function answerByKeys(driver: Driver, target: Target, wish: Wish, options: KeyOptions = {}): Promise<Answered> {
  const first = await waitForGate(driver, target);
  const gate = requireMeant(requireGate(target, first), options.dialog);
  if (isLeftByEscape(gate, wish)) return leaveByEscape(driver, target, first);
  const chosen = chooseOption(gate, wish);
  if (options.label !== undefined && squeeze(labelOf(chosen)) !== squeeze(options.label)) throw new GateChanged();
  if ((chosen.meaning === "free-text") !== (options.text !== undefined))
    throw new UserError(`option "${chosen.label}" ${options.text === undefined ? "wants a text" : "takes no text"}`, describeOptions(gate));
  let digit: string | undefined;
  let pressedAt = 0;
  try {
    for (let attempt = 0; attempt < maxTries; attempt++) {
      const reading = attempt === 0 ? await readGate(driver, target) : await readAfterKey(driver, target, first);
      if (attempt === 0) requireSame(first, reading);
      else if (isAnswered(first, reading)) break;
      pressedAt = driver.sys.now();
      digit = await pressOption(driver, target, first, chosen);
      // Never again: the number would be written into the field.
      if (options.text !== undefined) {
        await waitForCursor(driver, target, gate.options.indexOf(chosen));
        await writeText(driver, target, options.text);
        await submitText(driver, target, first);
        break;
      }
      if (await waitForAnswer(driver, target, first)) break;
      if (attempt === maxTries - 1)
        throw new UserError(
          `the ${gate.kind} gate of session "${target.name}" did not react to option "${chosen.label}"`,
          "look at the pane",
        );
    }
  } finally {
    if (digit !== undefined) await sweepKey(driver, target, gate, { digit, pressedAt });
  }
  return { gate, chosen, option: gate.options.indexOf(chosen) + 1 };
}

/** 2.0.70 and the plan dialog offer a text field in place of "No": Esc refuses there, as "No" does elsewhere. */
const isLeftByEscape = (gate: ScreenGate, wish: Wish): boolean =>
  "meaning" in wish &&
  wish.meaning === "refuse" &&
  ["permission", "plan", "question"].includes(gate.kind) &&
  gate.options.some((option) => option.meaning === "free-text") &&
  gate.options.every((option) => option.meaning !== "refuse");

async function leaveByEscape(driver: Driver, target: Target, first: Reading): Promise<Answered> {
  const gate = requireGate(target, first);
  for (let attempt = 0; attempt < maxTries; attempt++) {
    const reading = attempt === 0 ? await readGate(driver, target) : await readAfterKey(driver, target, first);
    if (attempt === 0) requireSame(first, reading);
    else if (isAnswered(first, reading)) break;
    await target.keyboard.keys(target.pane, ["Escape"]);
    if (await waitForAnswer(driver, target, first)) break;
    if (attempt === maxTries - 1)
      throw new UserError(`the ${gate.kind} gate of session "${target.name}" did not react to Esc`, "look at the pane");
  }
  return { gate, chosen: { label: "Esc", meaning: "refuse", isSelected: false }, option: 0 };
}

/** Nothing was chosen. */
export class GateChanged extends UserError {
  constructor() {
    super("the gate changed while it was being answered; nothing was chosen", "read the state again");
  }
}

/** Refuses a dialog that is not the one the caller means. */
function requireMeant(gate: ScreenGate, meant: ScreenGate | undefined): ScreenGate {
  if (meant !== undefined && (gateFingerprint(gate) !== gateFingerprint(meant) || placeOf(gate) !== placeOf(meant)))
    throw new GateChanged();
  return gate;
}

/** Where it stands among those in a row; the counter only appears when a second one comes. */
const placeOf = (gate: ScreenGate | undefined): number => gate?.position?.index ?? 1;

/** A text that is pasted before the field is open goes nowhere. */
async function waitForCursor(driver: Driver, target: Target, wanted: number): Promise<void> {
  const isOpen = async () => (await readGate(driver, target)).screen.gate?.options[wanted]?.isSelected === true;
  if (await waitUntil(driver, confirmTimeoutMs, isOpen)) return;
  throw new UserError(`the field in the gate of session "${target.name}" did not open; nothing was chosen`, "look at the pane");
}

/** Into the field under the cursor; returns only once the text is seen there. */
async function writeText(driver: Driver, target: Target, text: string): Promise<void> {
  requireOneLine(text);
  await target.keyboard.paste(target.pane, text);
  const needle = text.replace(/\s+/g, "").slice(0, 30);
  const holdsText = ({ isSelected, label }: MenuOption) => isSelected && label.replace(/\s+/g, "").replace(/^No,/, "").startsWith(needle);
  const isWritten = async () => (await readGate(driver, target)).screen.gate?.options.some(holdsText) === true;
  if (await waitUntil(driver, paintTimeoutMs, isWritten)) return;
  throw new UserError(`the text did not appear in the gate of session "${target.name}"; nothing was submitted`, "look at the pane");
}

/** A field takes one line; a key that hides in a text would choose something. */
function requireOneLine(text: string): void {
  if (text === "" || pasteable(text) !== text || /[\n\t]/.test(text) || /^\s|\s$/.test(text))
    throw new UserError("a field of a dialog takes one line of text", "give one line without tabs, or answer in the pane");
}

/** Enter once more only while the text still stands in the field of the same gate. */
async function submitText(driver: Driver, target: Target, first: Reading): Promise<void> {
  for (let attempt = 0; attempt < maxTries; attempt++) {
    if (attempt > 0 && isTextTaken(first, await readGate(driver, target))) return;
    await target.keyboard.keys(target.pane, ["Enter"]);
    if (await waitForAnswer(driver, target, first, isTextTaken)) return;
  }
  throw new UserError(`the gate of session "${target.name}" did not take the text`, "look at the pane");
}

function requireGate(target: Target, { screen }: Reading): ScreenGate {
  if (screen.gate !== undefined) return screen.gate;
  throw new UserError(`no gate is up in session "${target.name}"`, `csd state ${target.name} shows what it does`);
}

/** The painted gate, old enough that keys reach it. */
async function waitForGate(driver: Driver, target: Target): Promise<Reading> {
  const { sys } = driver;
  await requireUsablePane(driver, target);
  const deadline = sys.now() + paintTimeoutMs;
  let painted = 0;
  for (;;) {
    const reading = await readGate(driver, target);
    const isExpected = reading.session === undefined || reading.session.status === "waiting" || reading.session.status === undefined;
    if (!reading.hasProcess || !isExpected) return { ...reading, screen: {} };
    if (reading.screen.gate !== undefined) {
      painted ||= sys.now();
      // A stamp of the future was made before the clock was set back.
      const since = Math.min(reading.session?.statusUpdatedAt ?? painted, painted);
      if (sys.now() - since >= keyDelayMs) return reading;
    } else if (reading.session === undefined && reading.screen.input !== undefined) return reading;
    if (sys.now() > deadline) return reading;
    await sys.sleep(stepMs);
  }
}

async function readGate(driver: Driver, target: Target): Promise<Reading> {
  const { session, capture } = await look(driver, target);
  return {
    screen: capture === undefined ? {} : parseScreen(capture.text),
    session,
    hasProcess: capture !== undefined,
  };
}

/**
 * The gate that was read is no longer up: its status moved on, another one of the same row is up, or, where no status is
 * published, its text went.
 */
function isAnswered(first: Reading, now: Reading): boolean {
  if (!now.hasProcess) return true;
  if (first.session?.status === "waiting")
    return (
      now.session?.status !== "waiting" ||
      now.session.statusUpdatedAt !== first.session.statusUpdatedAt ||
      isNextInRow(first.screen.gate, now.screen.gate)
    );
  return !isSameText(first, now);
}

/** The status stands still while claude goes from `1 of 2` to `2 of 2` (2.1.329). */
function isNextInRow(first: ScreenGate | undefined, now: ScreenGate | undefined): boolean {
  if (first === undefined || now === undefined) return false;
  const subject = ({ kind, header, question, call, body }: ScreenGate) => [kind, header, question, call ?? body].join("\n");
  return placeOf(first) !== placeOf(now) || (first.kind !== "question" && subject(first) !== subject(now));
}

/** What is written changes the option that holds it, in 2.0.70 beyond recognition: there only the dialog around it counts. */
function isTextTaken(first: Reading, now: Reading): boolean {
  if (!now.hasProcess || first.session?.status === "waiting") return isAnswered(first, now);
  const head = ({ kind, header, question, body }: ScreenGate): string => [kind, header, question, body].join("\n");
  return now.screen.gate === undefined || first.screen.gate === undefined || head(now.screen.gate) !== head(first.screen.gate);
}

const isSameText = (first: Reading, now: Reading): boolean =>
  first.screen.gate !== undefined &&
  now.screen.gate !== undefined &&
  placeOf(first.screen.gate) === placeOf(now.screen.gate) &&
  gateFingerprint(first.screen.gate) === gateFingerprint(now.screen.gate);

/** Any change is somebody else's gate. */
function requireSame(first: Reading, now: Reading): void {
  if (!isAnswered(first, now) && isSameText(first, now)) return;
  throw new GateChanged();
}

/** Once a key was sent, a screen between two paintings says nothing: waits for the answer, or for the same gate again. */
async function readAfterKey(driver: Driver, target: Target, first: Reading): Promise<Reading> {
  const { sys } = driver;
  const reading = await until(sys, sys.now() + paintTimeoutMs, stepMs, async () => {
    const now = await readGate(driver, target);
    return isAnswered(first, now) || isSameText(first, now) ? now : undefined;
  });
  if (reading !== undefined) return reading;
  throw new UserError(`a key was sent to session "${target.name}", and its gate neither went nor stayed`, "look at the pane");
}

/** The digit, where one was pressed. */
async function pressOption(driver: Driver, target: Target, first: Reading, chosen: MenuOption): Promise<string | undefined> {
  const gate = first.screen.gate as ScreenGate;
  const plan = planKeys(gate, chosen);
  if (plan === undefined) throw new UserError(`the cursor of the ${gate.kind} gate is not visible`, "answer it in the pane");
  if ("digit" in plan) {
    await target.keyboard.keys(target.pane, [plan.digit]);
    return plan.digit;
  }
  await moveCursor(driver, target, first, chosen);
  await target.keyboard.keys(target.pane, ["Enter"]);
  return undefined;
}

/** A key that has not moved the cursor after this time was lost. */
const lostKeyMs = 500;

/** Steps the cursor to the option, and returns only when it was seen there twice; each step has a time of its own, as kitty is slow. */
async function moveCursor(driver: Driver, target: Target, first: Reading, chosen: MenuOption): Promise<void> {
  const { sys } = driver;
  const wanted = first.screen.gate?.options.indexOf(chosen) ?? -1;
  let deadline = sys.now() + paintTimeoutMs;
  let sightings = 0;
  let pressed = { at: 0, from: -1 };
  while (sys.now() < deadline) {
    const reading = await readGate(driver, target);
    requireSame(first, reading);
    const at = reading.screen.gate?.options.findIndex((option) => option.isSelected) ?? -1;
    sightings = at === wanted ? sightings + 1 : 0;
    if (sightings === 2) return;
    if (at !== wanted && (at !== pressed.from || sys.now() - pressed.at > lostKeyMs)) {
      await target.keyboard.keys(target.pane, [at < wanted ? "Down" : "Up"]);
      if (at !== pressed.from) deadline = sys.now() + paintTimeoutMs;
      pressed = { at: sys.now(), from: at };
    }
    await sys.sleep(stepMs);
  }
  throw new UserError(`the cursor did not reach option "${chosen.label}"`, "look at the pane");
}

const waitForAnswer = (driver: Driver, target: Target, first: Reading, isOver = isAnswered): Promise<boolean> =>
  waitUntil(driver, confirmTimeoutMs, async () => isOver(first, await readGate(driver, target)));

/** False when it has not come true in time. */
const waitUntil = async ({ sys }: Driver, timeoutMs: number, isTrue: () => Promise<boolean>): Promise<boolean> =>
  (await until(sys, sys.now() + timeoutMs, stepMs, async () => (await isTrue()) || undefined)) === true;

const stepTimeoutMs = 1500;
/** A page of the form that has just been painted may lose a key. */
const pageMs = 300;

/**
 * Fills in the form of several questions, or of one that takes several answers, by keys. Each key is sent to the page that was
 * just read, and its effect is seen before the next one. Nothing counts until the last key, which is only sent when the page
 * that sums up shows every answer as wanted.
 */
export async function fillForm(driver: Driver, target: Target, parts: readonly Part[], dialog?: ScreenGate): Promise<ScreenGate> {
  requireFillable(parts);
  const first = (await waitForGate(driver, target)).screen.gate;
  if (first?.kind !== "question")
    throw new UserError(`no question is up in session "${target.name}"`, `csd state ${target.name} shows what it does`);
  requireMeant(first, dialog);
  try {
    for (const index of parts.keys()) {
      await goTo(driver, target, parts, index);
      await fillPart(driver, target, parts, index);
    }
    await goTo(driver, target, parts, parts.length);
    await submitForm(driver, target, parts);
  } finally {
    await sweepKey(driver, target, first, { pressedAt: driver.sys.now() });
  }
  return first;
}

function requireFillable(parts: readonly Part[]): void {
  for (const { text, isMulti, labels } of parts) {
    if (text !== undefined) requireOneLine(text);
    if ((text !== undefined && isMulti) || labels.length > 8)
      throw new UserError("a text for a question that takes several answers needs the hook; nothing was chosen", "answer it in the pane");
  }
}

const squeeze = (text: string): string => text.replace(/[\s│]+/g, "");
/** What was chosen before carries a mark: `[✔] lint`, `src ✔`. */
const labelOf = (option: MenuOption): string => option.label.replace(checkbox, "").replace(/ ✔$/, "");
const isTicked = ({ label }: MenuOption): boolean => /^\[[^ ]\] /.test(label);
const findSubmit = (gate: ScreenGate): MenuOption | undefined => gate.options.find(({ label }) => /^submit answers$/i.test(label));

/** Which question the page asks; their number for the page that sums up; undefined for what is neither. */
function pageOf(gate: ScreenGate | undefined, parts: readonly Part[]): number | undefined {
  if (gate?.kind !== "question") return undefined;
  if (findSubmit(gate) !== undefined) return parts.length;
  const isPage = ({ question, labels }: Part): boolean =>
    squeeze(question).endsWith(squeeze(gate.question)) &&
    labels.every((label, index) => squeeze(labelOf(gate.options[index] ?? noOption)) === squeeze(label));
  const pages = [...parts.keys()].filter((index) => isPage(parts[index] as Part));
  return pages.length === 1 ? pages[0] : undefined;
}

const noOption: MenuOption = { label: "", meaning: "unknown", isSelected: false };

/** The page that is up, painted for long enough to take keys. */
async function readPage(driver: Driver, target: Target, parts: readonly Part[]): Promise<{ gate: ScreenGate; page: number }> {
  const { sys } = driver;
  const found = await until(sys, sys.now() + stepTimeoutMs, stepMs, async () => {
    const gate = (await readGate(driver, target)).screen.gate;
    const page = pageOf(gate, parts);
    return gate !== undefined && page !== undefined ? { gate, page } : undefined;
  });
  if (found !== undefined) return found;
  throw formError(target, "shows a page that csd does not know");
}

const formError = (target: Target, words: string): UserError =>
  new UserError(`the form of session "${target.name}" ${words}; nothing was submitted`, "answer it in the pane");

async function goTo(driver: Driver, target: Target, parts: readonly Part[], wanted: number): Promise<void> {
  for (let step = 0; step <= 2 * parts.length; step++) {
    const { page } = await readPage(driver, target, parts);
    if (page === wanted) return;
    await press(driver, target, page < wanted ? "Tab" : "Left", async () => (await readPage(driver, target, parts)).page !== page);
  }
  throw formError(target, "does not turn its pages");
}

async function fillPart(driver: Driver, target: Target, parts: readonly Part[], index: number): Promise<void> {
  const { isMulti, labels, chosen, text } = parts[index] as Part;
  const hasLeft = async () => (await readPage(driver, target, parts)).page !== index;
  if (text !== undefined) return writeAnswer(driver, target, labels.length, text, hasLeft);
  for (const [at, label] of labels.entries()) {
    const isWanted = chosen.includes(label);
    if (!isMulti && isWanted) await press(driver, target, String(at + 1), hasLeft);
    if (!isMulti) continue;
    const isRight = async () => {
      const { gate, page } = await readPage(driver, target, parts);
      return page === index && isTicked(gate.options[at] ?? noOption) === isWanted;
    };
    if (!(await isRight())) await press(driver, target, String(at + 1), isRight);
  }
}

/** The field is the option behind the answers; its number opens it. */
async function writeAnswer(driver: Driver, target: Target, at: number, text: string, hasLeft: () => Promise<boolean>): Promise<void> {
  const isOpen = async () => {
    const option = (await readGate(driver, target)).screen.gate?.options[at];
    return option?.meaning === "free-text" && option.isSelected;
  };
  if (!(await isOpen())) await press(driver, target, String(at + 1), isOpen);
  await writeText(driver, target, text);
  await press(driver, target, "Enter", hasLeft);
}

/** One key, once more only where it had no effect at all. */
async function press(driver: Driver, target: Target, key: string, isDone: () => Promise<boolean>): Promise<void> {
  for (let attempt = 0; attempt < maxTries; attempt++) {
    await driver.sys.sleep(pageMs);
    if (await isDone()) return;
    await target.keyboard.keys(target.pane, [key]);
    if (await waitUntil(driver, stepTimeoutMs, isDone)) return;
  }
  throw formError(target, `did not react to ${key}`);
}

async function submitForm(driver: Driver, target: Target, parts: readonly Part[]): Promise<void> {
  const { gate } = await readPage(driver, target, parts);
  const shown = squeeze(`${gate.body}${gate.question}`);
  const wrong = parts.find(({ question, chosen, text }) => !shown.includes(squeeze(`${question}→${text ?? chosen.join(", ")}`)));
  if (wrong !== undefined) throw formError(target, `does not show the wanted answer to ${JSON.stringify(wrong.question)}`);
  const submit = findSubmit(gate);
  if (submit?.number === undefined) throw formError(target, "has no number to submit it with");
  await press(driver, target, String(submit.number), async () => isGone(driver, target));
}

async function isGone(driver: Driver, target: Target): Promise<boolean> {
  const { session, capture } = await look(driver, target);
  if (capture === undefined) return true;
  if (session?.status !== undefined) return session.status !== "waiting";
  const { gate } = (await readGate(driver, target)).screen;
  return gate === undefined || findSubmit(gate) === undefined;
}

const fieldTimeoutMs = 3000;

/**
 * Refuses with a reason by keys: in the option that is a text field, or in the one that refuses, once Tab has made it a field.
 * A menu that offers neither is left alone.
 */
export async function refuseByKeys(driver: Driver, target: Target, reason: string, dialog?: ScreenGate): Promise<Answered> {
  requireOneLine(reason);
  const first = await waitForGate(driver, target);
  const gate = requireMeant(requireGate(target, first), dialog);
  const field = gate.options.find((option) => option.meaning === "free-text");
  const refusal = gate.options.filter((option) => option.meaning === "refuse");
  const isAsked = gate.kind === "permission" || gate.kind === "plan";
  if (isAsked && field?.number !== undefined)
    return answerByKeys(driver, target, { option: field.number }, { text: reason, ...present({ dialog }) });
  const [chosen] = refusal;
  if (!isAsked || gate.canAmend !== true || chosen === undefined || refusal.length > 1)
    throw new UserError(
      `the ${gate.kind} gate takes no reason at the keys; nothing was chosen`,
      `refuse without one, or write it in the pane: ${describeOptions(gate)}`,
    );
  requireSame(first, await readGate(driver, target));
  await moveCursor(driver, target, first, chosen);
  await target.keyboard.keys(target.pane, ["Tab"]);
  await waitForField(driver, target, first);
  await writeText(driver, target, reason);
  await submitText(driver, target, first);
  return { gate, chosen, option: gate.options.indexOf(chosen) + 1 };
}

/** The refusal under the cursor has become a field. */
async function waitForField(driver: Driver, target: Target, first: Reading): Promise<void> {
  const isField = async () => {
    const reading = await readGate(driver, target);
    // Tab was pressed: this must not be begun anew.
    if (isAnswered(first, reading)) throw new UserError("the gate went while it was being answered; nothing was chosen");
    const field = reading.screen.gate?.options.find(({ isSelected }) => isSelected);
    return isSameText(first, reading) && field?.label.startsWith("No, and tell Claude") === true;
  };
  if (await waitUntil(driver, fieldTimeoutMs, isField)) return;
  throw new UserError(`the refusal of session "${target.name}" did not become a field; nothing was chosen`, "look at the pane");
}

/** The screen shows a dialog so long after it was answered, at most; and a digit that it has not taken at least so long after that. */
const repaintMs = 1000;
const strayMs = 90;

interface Pressed {
  /** Any, unless told. */
  digit?: string;
  /** Unknown where another answer is known to have won: then it is waited for as long as it may take. */
  pressedAt?: number;
}

/**
 * Takes back a digit that came too late, as a person was faster: alone in the input row it is nobody's draft. A busy machine paints it
 * as late as it has painted the end of the dialog.
 */
export async function sweepKey(driver: Driver, target: Target, answered: ScreenGate, { digit, pressedAt }: Pressed): Promise<void> {
  const { sys } = driver;
  const isOurs = (input: string): boolean => (digit === undefined ? /^\d$/.test(input) : input === digit);
  const isUp = ({ gate }: Screen) => gate !== undefined && gateFingerprint(gate) === gateFingerprint(answered);
  await waitUntil(driver, repaintMs, async () => !isUp((await readGate(driver, target)).screen));
  const isOver = async () => {
    const { gate, input = "" } = (await readGate(driver, target)).screen;
    return gate !== undefined ? "next" : isOurs(input) ? "stray" : undefined;
  };
  const lateMs = pressedAt === undefined ? repaintMs : Math.min(repaintMs, Math.max(strayMs, 2 * (sys.now() - pressedAt)));
  const found = await until(sys, sys.now() + lateMs, stepMs, isOver);
  if (found === "stray") await target.keyboard.keys(target.pane, ["BSpace"]);
}
