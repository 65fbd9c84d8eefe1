import { describeOptions } from "./answer.ts";
import { gateFingerprint } from "./claude-gate.ts";
import type { Driver, Target } from "./driver.ts";
import {
  type Answered,
  answerByKeys,
  moveCursor,
  type Reading,
  readGate,
  requireGate,
  requireOneLine,
  requireSame,
  requireText,
  submitText,
  waitForGate,
  writeText,
} from "./driver-answer.ts";
import { UserError } from "./errors.ts";

const fieldTimeoutMs = 3000;
const stepMs = 30;

/**
 * Refuses with a reason by keys: in the option that is a text field, or in the one that refuses, once Tab has made it a field.
 * A menu that offers neither is left alone.
 */
export async function refuseByKeys(driver: Driver, target: Target, reason: string, expect?: string): Promise<Answered> {
  requireOneLine(reason);
  const first = await waitForGate(driver, target);
  const gate = requireGate(target, first);
  requireText(gateFingerprint(gate), expect);
  const field = gate.options.find((option) => option.meaning === "free-text");
  const refusal = gate.options.filter((option) => option.meaning === "refuse");
  const isAsked = gate.kind === "permission" || gate.kind === "plan";
  if (isAsked && field?.number !== undefined)
    return answerByKeys(driver, target, { option: field.number }, { text: reason, ...(expect === undefined ? {} : { expect }) });
  const [chosen] = refusal;
  if (!isAsked || gate.canAmend !== true || chosen === undefined || refusal.length > 1)
    throw new UserError(
      `the ${gate.kind} gate takes no reason at the keys; nothing was chosen`,
      `refuse without one, or write it in the pane: ${describeOptions(gate)}`,
    );
  requireSame(first, await readGate(driver, target));
  await moveCursor(driver, target, first, chosen);
  await target.tmux.keys(target.pane, ["Tab"]);
  await waitForField(driver, target, first);
  await writeText(driver, target, reason);
  await submitText(driver, target, first);
  return { gate, chosen, option: gate.options.indexOf(chosen) + 1 };
}

/** The refusal under the cursor has become a field. */
async function waitForField(driver: Driver, target: Target, first: Reading): Promise<void> {
  const { sys } = driver;
  const deadline = sys.now() + fieldTimeoutMs;
  while (sys.now() < deadline) {
    const reading = await readGate(driver, target);
    requireSame(first, reading);
    if (reading.screen.gate?.options.some(({ isSelected, label }) => isSelected && /^No, and tell Claude/.test(label))) return;
    await sys.sleep(stepMs);
  }
  throw new UserError(`the refusal of session "${target.name}" did not become a field; nothing was chosen`, "look at the pane");
}
