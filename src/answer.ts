import type { Meaning, MenuOption, ScreenGate } from "./claude-screen.ts";
import { UserError } from "./errors.ts";

/** What the caller wants of a gate: an option by its number, or by what it does. */
export type Wish = { option: number } | { meaning: "allow-once" | "refuse" };

/** The one option that the wish names. Never guesses: an unclear menu is an error that shows it. */
export function chooseOption(gate: ScreenGate, wish: Wish): MenuOption {
  if ("option" in wish) {
    const option = gate.options[wish.option - 1];
    if (option !== undefined && (option.number ?? wish.option) === wish.option) return option;
    throw new UserError(`the ${gate.kind} gate has no option ${wish.option}`, `it offers: ${describeOptions(gate)}`);
  }
  const fitting = gate.options.filter((option) => option.meaning === wish.meaning);
  const [only] = fitting;
  if (only !== undefined && fitting.length === 1) return only;
  throw new UserError(
    `no single option of the ${gate.kind} gate means "${wordOf(wish.meaning)}"`,
    `choose with --option N: ${describeOptions(gate)}`,
  );
}

const wordOf = (meaning: Meaning): string => (meaning === "allow-once" ? "allow this once" : meaning);

export const describeOptions = (gate: ScreenGate): string =>
  gate.options.map((option, index) => `${option.number ?? index + 1} ${option.label}`).join(" · ");

/**
 * A digit chooses at once in a numbered menu of 2.0.70 to 2.1.329. A menu without numbers, or with more than nine, wants
 * the cursor moved first. `undefined` when the cursor is nowhere to be seen.
 */
export function planKeys(gate: ScreenGate, option: MenuOption): { digit: string } | { moves: number } | undefined {
  if (option.number !== undefined && option.number <= 9) return { digit: String(option.number) };
  const from = gate.options.findIndex((candidate) => candidate.isSelected);
  return from < 0 ? undefined : { moves: gate.options.indexOf(option) - from };
}
