import type { Part } from "./answer.ts";
import { checkbox, gateFingerprint, type MenuOption, type ScreenGate } from "./claude-gate.ts";
import { type Driver, look, type Target } from "./driver.ts";
import { readGate, requireOneLine, requireText, waitForGate, writeText } from "./driver-answer.ts";
import { UserError } from "./errors.ts";

const stepTimeoutMs = 1500;
const stepMs = 30;
/** A page of the form that has just been painted may lose a key. */
const pageMs = 300;
const maxTries = 3;

/**
 * Fills in the form of several questions, or of one that takes several answers, by keys. Each key is sent to the page that was
 * just read, and its effect is seen before the next one. Nothing counts until the last key, which is only sent when the page
 * that sums up shows every answer as wanted.
 */
export async function fillForm(driver: Driver, target: Target, parts: readonly Part[], expect?: string): Promise<ScreenGate> {
  requireFillable(parts);
  const first = (await waitForGate(driver, target)).screen.gate;
  if (first?.kind !== "question")
    throw new UserError(`no question is up in session "${target.name}"`, `csd state ${target.name} shows what it does`);
  requireText(gateFingerprint(first), expect);
  for (const index of parts.keys()) {
    await goTo(driver, target, parts, index);
    await fillPart(driver, target, parts, index);
  }
  await goTo(driver, target, parts, parts.length);
  await submitForm(driver, target, parts);
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
const isTicked = (option: MenuOption): boolean => /^\[[^ ]\] /.test(option.label);
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
  const deadline = sys.now() + stepTimeoutMs;
  for (;;) {
    const gate = (await readGate(driver, target)).screen.gate;
    const page = pageOf(gate, parts);
    if (gate !== undefined && page !== undefined) return { gate, page };
    if (sys.now() > deadline) throw formError(target, "shows a page that csd does not know");
    await sys.sleep(stepMs);
  }
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
  const { sys } = driver;
  for (let attempt = 0; attempt < maxTries; attempt++) {
    await sys.sleep(pageMs);
    if (await isDone()) return;
    await target.tmux.keys(target.pane, [key]);
    const deadline = sys.now() + stepTimeoutMs;
    while (sys.now() < deadline) {
      if (await isDone()) return;
      await sys.sleep(stepMs);
    }
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
