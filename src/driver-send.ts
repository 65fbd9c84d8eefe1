import { parseScreen } from "./claude-screen.ts";
import type { SessionFile } from "./claude-session.ts";
import { type Driver, findTranscript, look, readTranscriptTurn, type Target } from "./driver.ts";
import { UserError } from "./errors.ts";
import { pasteable, withoutDim } from "./sanitize.ts";

export interface SendOptions {
  /** Leave the text in the input row. */
  isDraft?: boolean;
  /** How often Enter is tried. */
  retries?: number;
}

export interface Sent {
  /** Enter was pressed this often; 1 when only a draft was wanted. */
  attempts: number;
}

const readyTimeoutMs = 30_000;
const echoTimeoutMs = 5000;
const submitTimeoutMs = 3000;
const stepMs = 25;

/**
 * Types a prompt into an idle session and submits it once. Refuses, typing nothing, while a gate is up, a turn runs, or
 * somebody's draft stands in the input row. Returns when the session shows that it took the prompt.
 */
export async function sendPrompt(driver: Driver, target: Target, prompt: string, options: SendOptions = {}): Promise<Sent> {
  const retries = options.retries ?? 5;
  const text = pasteable(prompt).replace(/\n+$/, "");
  if (text.trim() === "") throw new UserError("empty prompt", "give the text to send");
  await waitUntilReady(driver, target);
  // Enter after a backslash makes a line break instead of submitting (2.1.329).
  await target.tmux.paste(target.pane, text.endsWith("\\") ? `${text} ` : text);
  await waitForEcho(driver, target, text);
  if (options.isDraft === true) return { attempts: 1 };
  for (let attempt = 1; attempt <= retries; attempt++) {
    const before = await readView(driver, target);
    // A gate or a turn that came up meanwhile would take the Enter for its own.
    if (attempt > 1 && isTaken(before)) return { attempts: attempt - 1 };
    requireIdle(target, before.session);
    await target.tmux.keys(target.pane, ["Enter"]);
    if (await waitForTurn(driver, target, before)) return { attempts: attempt };
  }
  throw new UserError(
    `prompt not accepted by the TUI after ${retries} attempts`,
    `the text stands in the input row of session "${target.name}"`,
  );
}

/** What the session shows of its input. */
interface View {
  session: SessionFile | undefined;
  /** Undefined when there is no input row. */
  input: string | undefined;
  hasGate: boolean;
  promptAt: number;
}

async function readView(driver: Driver, target: Target): Promise<View> {
  const { session, capture } = await look(driver, target, true);
  if (capture === undefined) throw new UserError(`session "${target.name}" is not alive`);
  const screen = parseScreen(withoutDim(capture.text));
  const path = findTranscript(driver.sys, target, session);
  const turn = path === undefined ? undefined : await readTranscriptTurn(driver.sys, path);
  return { session, input: screen.input, hasGate: screen.gate !== undefined, promptAt: turn?.prompt?.at ?? 0 };
}

async function waitUntilReady(driver: Driver, target: Target): Promise<void> {
  const { sys } = driver;
  const deadline = sys.now() + readyTimeoutMs;
  for (;;) {
    const view = await readView(driver, target);
    if (view.hasGate && view.session?.status === undefined)
      throw new UserError(`a gate is up in session "${target.name}"; nothing was typed`, `csd state ${target.name} shows it`);
    requireIdle(target, view.session);
    if (hasStarted(view.session) && view.input !== undefined) {
      if (view.input === "") return;
      const draft = JSON.stringify(view.input.slice(0, 60));
      throw new UserError(`session "${target.name}" holds a draft: ${draft}; nothing was typed`, "submit or clear it in the pane");
    }
    // A tmux session that runs no claude at all has no session file ever: its input is the terminal itself.
    if (sys.now() > deadline)
      throw new UserError(`session "${target.name}" shows no input row`, `csd state ${target.name} shows what it does`);
    await sys.sleep(stepMs * 2);
  }
}

/** Versions before 2.1.158 publish no status: there the input row alone says that claude is ready. */
const hasStarted = (session: SessionFile | undefined): boolean => session?.status !== undefined || session?.version === undefined;

function requireIdle(target: Target, session: SessionFile | undefined): void {
  if (session?.status === "waiting")
    throw new UserError(
      `a gate is up in session "${target.name}" (${session.waitingFor ?? "waiting"}); nothing was submitted`,
      `csd state ${target.name} shows it`,
    );
  if (session?.status === "busy")
    throw new UserError(`session "${target.name}" is working; nothing was submitted`, "send again when it is idle");
}

/** The first words, or the placeholder of a long paste, stand in the input row. */
async function waitForEcho(driver: Driver, target: Target, text: string): Promise<void> {
  const { sys } = driver;
  const needle = squeeze(text).slice(0, 40);
  const deadline = sys.now() + echoTimeoutMs;
  while (sys.now() < deadline) {
    const { input, session } = await readView(driver, target);
    if (input !== undefined && (squeeze(input).startsWith(needle) || /\[Pasted text #\d+/.test(input) || isShellInput(text, input))) return;
    requireIdle(target, session);
    await sys.sleep(stepMs);
  }
  throw new UserError(`the prompt did not appear in the input row of session "${target.name}"`, "look at the pane; nothing was submitted");
}

/** Blanks differ where lines wrap, and some joined emoji are painted in part. */
const squeeze = (text: string): string => text.replace(/(?:\s|\u00a0|\u200d|\ufe0f)+/g, "");

/** A leading `!` turns the input row into a shell prompt and is not echoed. */
const isShellInput = (text: string, input: string): boolean =>
  text.startsWith("!") && squeeze(input).startsWith(squeeze(text.slice(1)).slice(0, 40));

/** After this time an emptied row without a new status means a local slash command: nothing more will follow. */
const localCommandMs = 700;

async function waitForTurn(driver: Driver, target: Target, before: View): Promise<boolean> {
  const { sys } = driver;
  const pressedAt = sys.now();
  while (sys.now() - pressedAt < submitTimeoutMs) {
    const now = await readView(driver, target);
    if (hasMoved(before, now)) return true;
    if (now.input === "" && sys.now() - pressedAt > localCommandMs) return true;
    await sys.sleep(stepMs);
  }
  return false;
}

/** The status changed, or a new prompt reached the transcript: the turn is claude's from now on. */
const hasMoved = (before: View, now: View): boolean =>
  (now.session?.statusUpdatedAt ?? 0) > (before.session?.statusUpdatedAt ?? 0) || now.promptAt > before.promptAt;

const isTaken = (view: View): boolean => view.session?.status === "busy" || view.session?.status === "waiting";
