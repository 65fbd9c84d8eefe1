import { join } from "node:path";
import { parseScreen, type Screen } from "./claude-screen.ts";
import { type Driver, look, type Target } from "./driver.ts";
import { promptPath, requestPath } from "./editor-run.ts";
import { UserError } from "./errors.ts";
import { waitForLock } from "./lock.ts";
import { pasteable, printable, withoutDim } from "./sanitize.ts";

const editorTimeoutMs = 10_000;
const echoTimeoutMs = 20_000;
const stepMs = 20;

/**
 * Puts a prompt into the empty input row. Claude fetches it through its editor key where csd is its editor: byte for byte, of
 * any size, and a leading `!` stays text. Elsewhere it is pasted, which turns tabs into blanks and wraps long texts.
 */
export async function typePrompt(driver: Driver, target: Target, prompt: string): Promise<void> {
  const isTyped =
    target.sidecar?.has_editor === true && target.channel !== undefined && (await typeByEditor(driver, target, prompt, target.channel.dir));
  if (!isTyped) await typeByPaste(driver, target, prompt);
}

/** False when the key did nothing, the row is empty as before, and a paste loses nothing of the text. */
async function typeByEditor(driver: Driver, target: Target, prompt: string, dir: string): Promise<boolean> {
  const { sys } = driver;
  sys.writePrivate(promptPath(dir), prompt);
  sys.writePrivate(requestPath(dir), "");
  await target.tmux.keys(target.pane, ["C-g"]);
  const deadline = sys.now() + editorTimeoutMs;
  while (sys.readText(requestPath(dir)) !== undefined) {
    if (sys.now() > deadline) {
      // The request stays: an editor that comes late then changes nothing.
      sys.remove(promptPath(dir));
      if (isWholeAsPaste(prompt) && (await isRowEmpty(driver, target))) return false;
      throw new UserError(
        `session "${target.name}" did not fetch the prompt with its editor key`,
        "look at the pane; nothing was submitted",
      );
    }
    await sys.sleep(stepMs);
  }
  await waitForEcho(driver, target, prompt);
  return true;
}

/** A paste turns tabs into blanks, drops what a terminal would take for a key, and runs what begins with `!`. */
const isWholeAsPaste = (prompt: string): boolean => pasteable(prompt) === prompt && !/^\s*!|\t|\n$/.test(prompt);

async function isRowEmpty(driver: Driver, target: Target): Promise<boolean> {
  const { capture, session } = await look(driver, target, true);
  return session?.status !== "waiting" && parseStyled(capture?.text ?? "").input === "";
}

async function typeByPaste(driver: Driver, target: Target, prompt: string): Promise<void> {
  const text = pasteable(prompt).replace(/\n+$/, "");
  if (/^[!]/.test(text))
    throw new UserError('a prompt that begins with "!" would run in the shell of this session', "put a blank in front of it");
  await target.tmux.paste(target.pane, text);
  await waitForEcho(driver, target, text);
}

/** The input row holds the text, its end where it is longer than the screen, or the placeholder of a long paste. */
async function waitForEcho(driver: Driver, target: Target, text: string): Promise<void> {
  const deadline = driver.sys.now() + echoTimeoutMs;
  const [start, end] = [squeeze(text).slice(0, 40), squeeze(text).slice(-20)];
  while (driver.sys.now() < deadline) {
    const { capture, session } = await look(driver, target, true);
    const { input } = parseStyled(capture?.text ?? "");
    const shown = squeeze(input ?? "");
    if (shown !== "" && (isStartOf(shown, start) || shown.endsWith(end) || /\[Pastedtext#\d+/.test(shown))) return;
    if (session?.status === "waiting")
      throw new UserError(`a gate came up in session "${target.name}"; nothing was submitted`, "look at the pane");
    await driver.sys.sleep(stepMs);
  }
  throw new UserError(`the prompt did not appear in the input row of session "${target.name}"`, "look at the pane; nothing was submitted");
}

/** Terminals paint some joined emoji in part only: the first characters decide, as far as they are plain. */
const isStartOf = (input: string, start: string): boolean =>
  input.startsWith(start) || input.startsWith(start.replace(/\P{ASCII}.*$/su, "")) || start.startsWith(input);

/** The screen of a capture with styles. */
export const parseStyled = (styled: string): Screen => parseScreen(printable(styled), withoutDim(styled));

const squeeze = (text: string): string => text.replace(/(?:\s|\p{C}|\u00a0|\ufe0f)+/gu, "");

const lockTimeoutMs = 60_000;

/** One sender at a time: two would mix their texts in one input row. The result gives the row free. */
export async function takeSendLock({ sys }: Driver, target: Target): Promise<() => void> {
  if (target.channel === undefined) return () => {};
  return waitForLock(sys, join(target.channel.dir, "input.lock"), `a prompt for session "${target.name}"`, lockTimeoutMs);
}
