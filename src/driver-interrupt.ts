import { type Driver, look, readSignals, type Target } from "./driver.ts";
import { parseStyled } from "./driver-type.ts";
import { UserError } from "./errors.ts";
import { decideStatus, type Status } from "./status.ts";

const reactMs = 2000;
const stepMs = 25;
const maxTries = 3;

/** Presses Esc until the turn has ended; false when none ran. The prompt that claude then puts back into its row is cleared. */
export async function interruptTurn(driver: Driver, target: Target): Promise<boolean> {
  if (!(await isAtWork(driver, target))) return false;
  for (let attempt = 0; attempt < maxTries; attempt++) {
    await target.tmux.keys(target.pane, ["Escape"]);
    if (await waitUntilStopped(driver, target)) {
      await clearDraft(driver, target);
      return true;
    }
  }
  throw new UserError(`session "${target.name}" does not stop`, "look at the pane");
}

const workStates: Status[] = ["working", "blocked", "plan_ready", "limited"];

/** A turn or a dialog that Esc would end; a text that asks something is none. */
async function isAtWork(driver: Driver, target: Target): Promise<boolean> {
  const signals = await readSignals(driver, target);
  const verdict = decideStatus(signals);
  if (verdict.status === "limited") return signals.session?.status === "waiting";
  return workStates.includes(verdict.status) || (verdict.status === "awaiting_answer" && verdict.gate !== undefined);
}

async function waitUntilStopped(driver: Driver, target: Target): Promise<boolean> {
  const deadline = driver.sys.now() + reactMs;
  while (driver.sys.now() < deadline) {
    if (!(await isAtWork(driver, target))) return true;
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
