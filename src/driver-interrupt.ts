import type { SessionFile } from "./claude-session.ts";
import { type Driver, look, type Target } from "./driver.ts";
import { parseStyled } from "./driver-type.ts";
import { UserError } from "./errors.ts";

const reactMs = 2000;
const stepMs = 25;
const maxTries = 3;

/** Presses Esc until the turn has ended; false when none ran. The prompt that claude then puts back into its row is cleared. */
export async function interruptTurn(driver: Driver, target: Target): Promise<boolean> {
  const before = (await look(driver, target)).session;
  if (!isAtWork(before)) return false;
  for (let attempt = 0; attempt < maxTries; attempt++) {
    await target.tmux.keys(target.pane, ["Escape"]);
    if (await waitUntil(driver, target, (session) => !isAtWork(session))) {
      await clearDraft(driver, target);
      return true;
    }
  }
  throw new UserError(`session "${target.name}" does not stop`, "look at the pane");
}

const isAtWork = (session: SessionFile | undefined): boolean => session?.status === "busy" || session?.status === "waiting";

async function waitUntil(driver: Driver, target: Target, isReached: (session: SessionFile | undefined) => boolean): Promise<boolean> {
  const deadline = driver.sys.now() + reactMs;
  while (driver.sys.now() < deadline) {
    if (isReached((await look(driver, target)).session)) return true;
    await driver.sys.sleep(stepMs);
  }
  return false;
}

const settleMs = 400;

/** An Esc before the first word of the answer puts the prompt back; one Ctrl-C empties a row that is not empty (2.1.329). */
async function clearDraft(driver: Driver, target: Target): Promise<void> {
  const deadline = driver.sys.now() + settleMs;
  while (driver.sys.now() < deadline) {
    const { capture } = await look(driver, target, true);
    const input = parseStyled(capture?.text ?? "").input ?? "";
    if (input !== "") return target.tmux.keys(target.pane, ["C-c"]);
    await driver.sys.sleep(stepMs * 2);
  }
}
