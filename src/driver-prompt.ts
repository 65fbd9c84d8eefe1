import { join } from "node:path";
import { type ChannelEvent, hashPrompt } from "./channel.ts";
import { parseScreen, type Screen } from "./claude-screen.ts";
import type { SessionFile } from "./claude-session.ts";
import { parseQueued, readNewestTurn } from "./claude-transcript.ts";
import { type Driver, look, readOwnSession, requireUsablePane, type Target } from "./driver.ts";
import { readRecord } from "./driver-names.ts";
import { draftName, failedRequest, requestPath } from "./editor-run.ts";
import { UserError } from "./errors.ts";
import { present } from "./json.ts";
import { readSignals } from "./observe.ts";
import { findTranscript } from "./paths.ts";
import { printable } from "./printable.ts";
import { type ProcessStart, readProcess } from "./process.ts";
import { ancestors, readProcessTable } from "./process-table.ts";
import { editorWord } from "./program.ts";
import { pasteable, typeable, withoutDim } from "./sanitize.ts";
import { decideStatus } from "./status.ts";
import { isAtWork } from "./statuses.ts";
import { waitForLock } from "./store.ts";
import { isPast, type Sys, until } from "./sys.ts";

const editorTimeoutMs = 10_000;
const slowEditorMs = 30_000;
const echoTimeoutMs = 20_000;

/**
 * Puts a prompt into the empty input row. Claude fetches it through its editor key where csd is its editor: byte for byte, of
 * any size, and a leading `!` stays text. Elsewhere it is pasted, which turns tabs into blanks and wraps long texts.
 */
async function typePrompt(driver: Driver, target: Target, prompt: string): Promise<void> {
  const isTyped =
    target.driven?.has_editor === true && target.channel !== undefined && (await typeByEditor(driver, target, prompt, target.channel.dir));
  if (!isTyped) await typeByPaste(driver, target, prompt);
}

/** Claude, or tmux with the pane, has gone. */
const notAlive = ({ name }: Target): UserError => new UserError(`session "${name}" is not alive`, `csd kill ${name} forgets it`);

/** False where claude's editor key does not lead to csd, and a paste loses nothing of the text; or where no socket can be had. */
async function typeByEditor(driver: Driver, target: Target, prompt: string, dir: string): Promise<boolean> {
  const { sys } = driver;
  const { servePrompt } = await import("./reply.ts");
  const offer = await servePrompt(sys, { name: target.name, claudePid: target.pid, channelDir: dir }, prompt);
  if (offer === undefined) return false;
  const pressedAt = sys.now();
  let lookedAt = pressedAt;
  let sightings = 0;
  const readOutcome = async () => {
    const request = sys.readText(requestPath(dir));
    if (offer.isFetched() && request === undefined) return "fetched";
    if (request === failedRequest) return "failed";
    if ((await readProcess(sys, target.pid)) === undefined) throw notAlive(target);
    if (offer.isFetched() || sys.now() - lookedAt < otherEditorMs) return undefined;
    lookedAt = sys.now();
    // What is seen once may be a screen between two paintings, on which the hint of an empty row is not yet dim.
    sightings = (await isOtherEditor(driver, target)) ? sightings + 1 : 0;
    return sightings === 2 ? "other" : undefined;
  };
  try {
    sys.writePrivate(requestPath(dir), offer.path);
    await target.keyboard.keys(target.pane, ["C-g"]);
    let outcome = await until(sys, pressedAt + editorTimeoutMs, stepMs, readOutcome);
    // On a crowded machine claude has taken the key and is not yet through with it: its row has gone.
    if (outcome === undefined && (offer.isFetched() || !(await readsEmptyRow(driver, target))))
      outcome = await until(sys, sys.now() + slowEditorMs, stepMs, readOutcome);
    // The request stays: an editor that comes late then changes nothing.
    if (outcome !== "fetched") {
      if (outcome === "other") await leaveEditor(driver, target);
      forgetEditor(driver, target);
      const isUnused = outcome === "failed" || !offer.isFetched();
      if (isUnused && isWholeAsPaste(prompt) && (await isRowEmpty(driver, target))) return false;
      throw new UserError(
        `session "${target.name}" did not fetch the prompt with its editor key${offer.isFetched() ? " to the end" : ""}`,
        `${isWholeAsPaste(prompt) ? whyNotPasted(outcome) : "a paste would change this one"}; nothing was submitted`,
      );
    }
  } finally {
    offer.close();
  }
  await waitForEcho(driver, target, prompt);
  return true;
}

const whyNotPasted = (outcome: string | undefined): string =>
  outcome === "other" ? "another editor has written into its row: look at the pane" : "its row is not empty: look at the pane";

/** A busy machine takes this long to start csd as the editor. */
const otherEditorMs = 700;

/** The user's settings, or a wrapper, have the key open another program; or one has written into the row that was empty. */
async function isOtherEditor(driver: Driver, target: Target): Promise<boolean> {
  if ((await listEditors(driver.sys, target)).length > 0) return true;
  const { capture } = await look(driver, target, true);
  return (parseStyled(capture?.text ?? "").input ?? "") !== "";
}

/** What claude runs on the draft of its row, and is not csd. */
async function listEditors(sys: Sys, { pid }: Target): Promise<ProcessStart[]> {
  const table = await readProcessTable(sys, ["command"]);
  const isEditor = ({ pid: candidate, command }: { pid: number; command: string }) =>
    command.includes(draftName) && !command.includes(editorWord) && candidate !== pid && [...ancestors(table, candidate)].includes(pid);
  return [...table.values()].filter(isEditor);
}

const leaveTimeoutMs = 5000;

/** Ends the editor that our key has opened, and takes away what it has left in the row. */
async function leaveEditor(driver: Driver, target: Target): Promise<void> {
  const { sys } = driver;
  for (const name of ["SIGTERM", "SIGKILL"] as const) {
    for (const { pid } of await listEditors(sys, target)) sys.signal(pid, name);
    const isLeft = async () => ((await listEditors(sys, target)).length === 0 ? true : undefined);
    if (await until(sys, sys.now() + leaveTimeoutMs, stepMs * 2, isLeft)) break;
  }
  await until(sys, sys.now() + leaveTimeoutMs, stepMs * 2, async () => {
    const { capture } = await look(driver, target, true);
    return parseStyled(capture?.text ?? "").input === undefined ? undefined : true;
  });
  await clearDraft(driver, target);
}

/** From here on prompts are pasted. */
function forgetEditor({ store }: Driver, { name, pid }: Target): void {
  const driven = readRecord(store, name);
  if (driven?.pid === pid) store.write(name, { ...driven, has_editor: false });
}

/** A paste turns tabs into blanks, drops what a terminal would take for a key, and runs what begins with `!`. */
const isWholeAsPaste = (prompt: string): boolean => pasteable(prompt) === prompt && !/^\s*!|\t|\n$/.test(prompt);

/** Claude paints its row again some moments after an editor has ended. */
async function isRowEmpty(driver: Driver, target: Target): Promise<boolean> {
  const { sys } = driver;
  const isEmpty = async () => (await readsEmptyRow(driver, target)) || undefined;
  return (await until(sys, sys.now() + leaveTimeoutMs, stepMs * 2, isEmpty)) === true;
}

async function readsEmptyRow(driver: Driver, target: Target): Promise<boolean> {
  const { capture, session } = await look(driver, target, true);
  return session?.status !== "waiting" && parseStyled(capture?.text ?? "").input === "";
}

async function typeByPaste(driver: Driver, target: Target, prompt: string): Promise<void> {
  const text = pasteable(prompt).replace(/\n+$/, "");
  if (/^[!]/.test(text))
    throw new UserError('a prompt that begins with "!" would run in the shell of this session', "put a blank in front of it");
  await target.keyboard.paste(target.pane, text);
  await waitForEcho(driver, target, text);
}

/** The input row holds the text, its end where it is longer than the screen, or the placeholder of a long paste. */
async function waitForEcho(driver: Driver, target: Target, text: string): Promise<void> {
  const { sys } = driver;
  const [start, end] = [squeeze(text).slice(0, 40), squeeze(text).slice(-20)];
  const isShown = async () => {
    const { capture, session } = await look(driver, target, true);
    if (capture === undefined) throw notAlive(target);
    const { input } = parseStyled(capture.text);
    const shown = squeeze(input ?? "");
    if (shown !== "" && (isStartOf(shown, start) || shown.endsWith(end) || /\[Pastedtext#\d+/.test(shown))) return true;
    if (session?.status === "waiting")
      throw new UserError(`a gate came up in session "${target.name}"; nothing was submitted`, "look at the pane");
    return undefined;
  };
  if (await until(sys, sys.now() + echoTimeoutMs, stepMs, isShown)) return;
  throw new UserError(`the prompt did not appear in the input row of session "${target.name}"`, "look at the pane; nothing was submitted");
}

/** Terminals paint some joined emoji in part only: the first characters decide, as far as they are plain. */
const isStartOf = (input: string, start: string): boolean =>
  input.startsWith(start) || input.startsWith(start.replace(/\P{ASCII}.*$/su, "")) || start.startsWith(input);

/** The screen of a capture with styles. */
const parseStyled = (styled: string): Screen => parseScreen(printable(styled), withoutDim(styled));

const squeeze = (text: string): string => text.replace(/(?:\s|\p{C}|\u00a0|\ufe0f)+/gu, "");

const lockTimeoutMs = 60_000;

/** One sender at a time: two would mix their texts in one input row. The result gives the row free. */
async function takeSendLock({ sys }: Driver, target: Target): Promise<() => void> {
  if (target.channel === undefined) return () => {};
  return waitForLock(sys, join(target.channel.dir, "input.lock"), `a prompt for session "${target.name}"`, lockTimeoutMs);
}

export interface SendOptions {
  /** Leave the text in the input row. */
  isDraft?: boolean;
  /** While a turn runs, let claude queue the prompt instead of refusing it. */
  isQueued?: boolean;
  /** How often Enter is tried. */
  retries?: number;
  /** Never the answer to a question that came up meanwhile. */
  isNoAnswer?: boolean;
}

/**
 * What is known of the prompt: it stands in the input row or was taken without a turn (`typed`), claude has it (`accepted`), its
 * turn has begun (`turn_started`). The last two come from a hook or the transcript, never from the screen.
 */
type Receipt = "typed" | "accepted" | "turn_started";

interface Sent {
  /** How often Enter was pressed; 1 when only a draft was wanted. */
  attempts: number;
  receipt: Receipt;
  promptId?: string;
}

const readyTimeoutMs = 30_000;
const submitTimeoutMs = 30_000;
/** A long prompt takes claude some seconds to draw and to read; a megabyte took seven (2.1.329). */
const slowCharacters = 50_000;
const slowTimeoutMs = 60_000;
const repaintMs = 700;
/** So long may a busy machine take to empty the row after the hook of a prompt has told that it was taken. */
const slowRepaintMs = 10_000;
const stepMs = 25;

/**
 * Types a prompt into an idle session and submits it once. Refuses, typing nothing, while a gate is up, a turn runs, or
 * somebody's draft stands in the input row. Returns when claude has told that it took the prompt.
 */
export async function sendPrompt(driver: Driver, target: Target, given: string, options: SendOptions = {}): Promise<Sent> {
  const prompt = typeable(given);
  if (prompt.trim() === "") throw new UserError("empty prompt", "give the text to send");
  const releaseLock = await takeSendLock(driver, target);
  try {
    await requireUsablePane(driver, target);
    await waitUntilReady(driver, target, options.isQueued === true);
    await typePrompt(driver, target, prompt);
    if (options.isDraft === true) return { attempts: 1, receipt: "typed" };
    return await submitRow(driver, target, options, prompt);
  } finally {
    releaseLock();
  }
}

/** Submits the draft that stands in the input row, whoever wrote it. */
export async function submitDraft(driver: Driver, target: Target, options: Omit<SendOptions, "isDraft"> = {}): Promise<Sent> {
  const releaseLock = await takeSendLock(driver, target);
  try {
    const view = await readView(driver, target);
    requireIdle(target, view, options.isQueued === true);
    if ((view.input ?? "") === "") throw new UserError(`session "${target.name}" holds no draft`, `csd send ${target.name} types a prompt`);
    return await submitRow(driver, target, options);
  } finally {
    releaseLock();
  }
}

/** Takes the draft out of the input row, whoever wrote it; false when there is none. */
export async function removeDraft(driver: Driver, target: Target): Promise<boolean> {
  const releaseLock = await takeSendLock(driver, target);
  try {
    const view = await readView(driver, target);
    requireIdle(target, view, true);
    if (view.input === undefined) throw noInputRow(target);
    if (view.input === "") return false;
    await clearDraft(driver, target);
    return true;
  } finally {
    releaseLock();
  }
}

/** Presses Enter until claude has told that it took what stands in the row: this prompt, or whatever it is. */
async function submitRow(driver: Driver, target: Target, { retries = 5, isQueued = false }: SendOptions, prompt?: string): Promise<Sent> {
  const before = await readView(driver, target);
  const readNew = target.channel?.followEvents();
  const text = prompt ?? before.input ?? "";
  for (let attempt = 1; attempt <= retries; attempt++) {
    // A gate that came up meanwhile would take the Enter for its own.
    requireIdle(target, await readView(driver, target), isQueued);
    // Enter after a backslash makes a line break instead of submitting; from the start of the line it does not (2.1.329).
    if (text.trimEnd().endsWith("\\")) await target.keyboard.keys(target.pane, ["C-a"]);
    await target.keyboard.keys(target.pane, ["Enter"]);
    const receipt = await waitForReceipt(driver, target, before, { text, isExact: prompt !== undefined }, readNew);
    if (receipt === undefined) continue;
    if (receipt.receipt === "turn_started") await waitUntilBusy(driver, target, before);
    return { attempts: attempt, ...receipt };
  }
  throw new UserError(
    `prompt not accepted by the TUI after ${retries} attempts`,
    `the text stands in the input row of session "${target.name}"`,
  );
}

const noInputRow = ({ name }: Target): UserError =>
  new UserError(`session "${name}" shows no input row`, `csd state ${name} shows what it does`);

/** What the session shows of its input. */
interface View {
  /** Bytes of the transcript: what it tells from there on is news. */
  size: number;
  session: SessionFile | undefined;
  /** Undefined when there is no input row. */
  input: string | undefined;
  hasGate: boolean;
  /** A turn runs: by the status, or by the screen where none is published. */
  isBusy: boolean;
  /** Of the newest prompt in the transcript. */
  promptId: string | undefined;
}

async function readView(driver: Driver, target: Target): Promise<View> {
  const { session, capture } = await look(driver, target, true);
  if (capture === undefined) throw notAlive(target);
  const screen = parseStyled(capture.text);
  const path = findTranscript(driver.sys, target, session);
  const turn = path === undefined ? undefined : readNewestTurn((bytes) => driver.sys.readTail(path, bytes));
  const isBusy = session?.status === undefined ? screen.isBusy === true : session.status === "busy";
  const size = path === undefined ? 0 : (driver.sys.identify(path)?.size ?? 0);
  return { size, session, input: screen.input, hasGate: screen.gate !== undefined, isBusy, promptId: turn?.prompt?.uuid };
}

async function waitUntilReady(driver: Driver, target: Target, isQueued: boolean): Promise<void> {
  const { sys } = driver;
  const deadline = sys.now() + readyTimeoutMs;
  let draftSince: number | undefined;
  for (;;) {
    const view = await readView(driver, target);
    requireIdle(target, view, isQueued);
    if (hasStarted(view.session) && view.input !== undefined) {
      if (view.input === "") return;
      draftSince ??= sys.now();
      const draft = JSON.stringify(view.input.slice(0, 60));
      // What was just submitted stands there for a moment more.
      const hasJustTaken = !isPast(sys, await lastPromptAt(target), slowRepaintMs);
      if (sys.now() - draftSince > (hasJustTaken ? slowRepaintMs : repaintMs))
        throw new UserError(`session "${target.name}" holds a draft: ${draft}; nothing was typed`, draftHint(target));
    }
    if (sys.now() > deadline) throw noInputRow(target);
    await sys.sleep(stepMs * 2);
  }
}

const draftHint = ({ name }: Target): string => `csd submit ${name} sends it, csd clear ${name} takes it away`;

/** Versions before 2.1.158 publish no status: there the input row alone says that claude is ready. */
const hasStarted = (session: SessionFile | undefined): boolean => session?.status !== undefined || session?.version === undefined;

function requireIdle(target: Target, { session, hasGate, isBusy }: View, isQueued: boolean): void {
  if (session?.status === "waiting" || (session?.status === undefined && hasGate))
    throw new UserError(
      `a gate is up in session "${target.name}" (${session?.waitingFor ?? "waiting"}); nothing was submitted`,
      `csd state ${target.name} shows it`,
    );
  if (isBusy && !isQueued)
    throw new UserError(`session "${target.name}" is working; nothing was submitted`, "send again when it is idle, or with --queue");
}

/** After this time an emptied row without a new status means a local slash command: nothing more will follow. */
const localCommandMs = 1000;
/** Any other prompt that left the row has been taken: a busy machine may run its hook this much later. */
const takenMs = 15_000;
const slashCommand = /^\s*\/[A-Za-z][\w:-]*(?:\s|$)/;
/** An Enter that did nothing for so long was lost. Not sooner: a second one could meet the gate that the first has led to. */
const lostEnterMs = 5000;

interface Submitted {
  /** As it is known: of a draft of others only what the row shows. */
  text: string;
  isExact: boolean;
}

/** Undefined when the text still stands in the input row. */
async function waitForReceipt(
  driver: Driver,
  target: Target,
  before: View,
  submitted: Submitted,
  readNew: () => ChannelEvent[] = () => [],
): Promise<Omit<Sent, "attempts"> | undefined> {
  const { sys } = driver;
  const pressedAt = sys.now();
  const isLong = submitted.text.length > slowCharacters;
  const timeoutMs = isLong ? slowTimeoutMs : submitTimeoutMs;
  const wasBusy = before.isBusy;
  const hash = hashPrompt(submitted.text);
  const untoldMs = slashCommand.test(submitted.text) ? localCommandMs : takenMs;
  while (sys.now() - pressedAt < timeoutMs) {
    const isTold = ({ event, prompt_hash }: ChannelEvent) => event === "UserPromptSubmit" && (!submitted.isExact || prompt_hash === hash);
    const told = readNew().findLast(isTold);
    if (told !== undefined && wasBusy) await waitUntilQueued(driver, target, before, submitted);
    if (told !== undefined) return { receipt: wasBusy ? "accepted" : "turn_started", ...present({ promptId: told.prompt_id }) };
    if (wasBusy && isQueuedIn(driver, target, before, submitted)) return { receipt: "accepted" };
    const now = await readView(driver, target);
    if (now.promptId !== undefined && now.promptId !== before.promptId) return { receipt: wasBusy ? "accepted" : "turn_started" };
    const waitedMs = sys.now() - pressedAt;
    const isStill = now.session?.status === before.session?.status && now.session?.statusUpdatedAt === before.session?.statusUpdatedAt;
    const isEmpty = now.input === "" || now.input === undefined;
    // At rest, or in a panel that it opened: a slash command. A status that says busy will be followed by the prompt's hook.
    if (isEmpty && waitedMs > untoldMs && (isStill || now.session?.status === "waiting")) return { receipt: "typed" };
    if (isEmpty && waitedMs > 2 * untoldMs && now.session?.status === "idle") return { receipt: "typed" };
    if (!isEmpty && isStill && waitedMs > lostEnterMs && !isLong) return undefined;
    await sys.sleep(stepMs);
  }
  return undefined;
}

/** The transcript tells that claude has put this very prompt into its queue: the receipt where no hook runs. */
function isQueuedIn({ sys }: Driver, target: Target, before: View, { text, isExact }: Submitted): boolean {
  const path = findTranscript(sys, target, before.session);
  const size = path === undefined ? 0 : (sys.identify(path)?.size ?? 0);
  // One byte more, which ends the line before.
  const lines = path === undefined || size <= before.size ? [] : (sys.readTail(path, size - before.size + 1)?.lines ?? []);
  return lines.some((line) => {
    const queued = parseQueued(line);
    return queued !== undefined && (!isExact || queued.includes(text.trim()));
  });
}

/** A line of the transcript comes up to 0.35 s after the hook (2.1.329). */
const queueLineMs = 1000;

/** Whoever waits for the session's rest must find the prompt in the queue, or its turn begun. */
async function waitUntilQueued(driver: Driver, target: Target, before: View, submitted: Submitted): Promise<void> {
  const { sys } = driver;
  await until(sys, sys.now() + queueLineMs, stepMs, async () => {
    if (isQueuedIn(driver, target, before, submitted)) return true;
    return (await readView(driver, target)).promptId === before.promptId ? undefined : true;
  });
}

/** The hook tells 25 ms before the status does, longer on a busy machine; a prompt that the user's own hook refused never gets one. */
const busyTimeoutMs = 3000;

/** The next sender, and `state`, must not meet the idle of before. */
async function waitUntilBusy(driver: Driver, target: Target, before: View): Promise<void> {
  const { sys } = driver;
  const hasMoved = async () =>
    (await readOwnSession(driver, target))?.statusUpdatedAt !== before.session?.statusUpdatedAt ? true : undefined;
  await until(sys, sys.now() + busyTimeoutMs, stepMs / 5, hasMoved);
}

/** When the newest prompt was taken; 0 when none was told. */
const lastPromptAt = async (target: Target): Promise<number> =>
  (await target.channel?.readEvents())?.findLast(({ event }) => event === "UserPromptSubmit")?.at ?? 0;

const reactMs = 2000;
const maxTries = 3;

/** Presses Esc until the turn has ended; false when none ran. The prompt that claude then puts back into its row is cleared. */
export async function interruptTurn(driver: Driver, target: Target): Promise<boolean> {
  if (!(await hasWork(driver, target))) return false;
  await requireUsablePane(driver, target);
  for (let attempt = 0; attempt < maxTries; attempt++) {
    await target.keyboard.keys(target.pane, ["Escape"]);
    if (await waitUntilStopped(driver, target)) {
      await clearDraft(driver, target);
      return true;
    }
  }
  throw new UserError(`session "${target.name}" does not stop`, "look at the pane");
}

const hasWork = async (driver: Driver, target: Target): Promise<boolean> => isAtWork(decideStatus(await readSignals(driver, target)));

async function waitUntilStopped(driver: Driver, target: Target): Promise<boolean> {
  const { sys } = driver;
  const hasStopped = async () => ((await hasWork(driver, target)) ? undefined : true);
  return (await until(sys, sys.now() + reactMs, stepMs, hasStopped)) === true;
}

const settleMs = 400;

/** A press takes a line or a line break away; several that claude reads at once count as one. */
const killTimeoutMs = 15_000;

/**
 * An Esc before the first word of the answer puts the prompt back. One Ctrl-C empties a row that is not empty; while a turn runs it
 * would end that, and Ctrl-U takes the lines one by one (2.1.329).
 */
async function clearDraft(driver: Driver, target: Target): Promise<void> {
  const { sys } = driver;
  const readDraft = async () => parseStyled((await look(driver, target, true)).capture?.text ?? "").input ?? "";
  if (!(await until(sys, sys.now() + settleMs, stepMs * 2, async () => ((await readDraft()) === "" ? undefined : true)))) return;
  const { isBusy } = await readView(driver, target);
  if (!isBusy) await target.keyboard.keys(target.pane, ["C-c"]);
  const isGone = async () => {
    if ((await readDraft()) === "") return true;
    if (isBusy) await target.keyboard.keys(target.pane, ["C-u"]);
    return undefined;
  };
  if (await until(sys, sys.now() + (isBusy ? killTimeoutMs : reactMs), stepMs * 2, isGone)) return;
  throw new UserError(`the draft in session "${target.name}" did not go`, "look at the pane");
}
