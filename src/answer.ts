import type { Meaning, MenuOption, ScreenGate } from "./claude-gate.ts";
import { UserError } from "./errors.ts";
import { isRecord, present } from "./json.ts";

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

/** A choice as it is typed: `lint`, `2`, or `Header=lint` to name its question; or all that is answered to one question, by its place. */
export type Choice = string | { part: number; labels: readonly string[]; text?: string };

export interface Question {
  question: string;
  header: string;
  isMulti: boolean;
  labels: string[];
  /** What stands beside each label; empty where nothing does. */
  details: string[];
}

/**
 * The answers by question text, from the input of AskUserQuestion. Choices go to the questions in order, all to the only one
 * when it takes several; the text goes to the one question left. `single` is set when one key could answer it all.
 */
export function planAnswers(
  input: Record<string, unknown>,
  choices: readonly Choice[],
  text: string | undefined,
): { answers: Record<string, string>; parts: Part[]; single?: { option: number; text?: string } } {
  const questions = parseQuestions(input.questions);
  const chosen = new Map<Question, string[]>(questions.map((question) => [question, []]));
  const texts = new Map<Question, string>();
  for (const choice of choices) {
    const given = typeof choice === "string" ? undefined : takeGiven(questions, choice);
    const [question, wish] = given === undefined ? addressChoice(questions, chosen, String(choice)) : [given.question, ""];
    chosen.get(question)?.push(...(given?.labels ?? matchLabels(question, wish)));
    if (given?.text !== undefined) texts.set(question, given.text);
  }
  const open = questions.filter((question) => chosen.get(question)?.length === 0 && !texts.has(question));
  const [first] = open;
  if (text !== undefined && first !== undefined && open.length === 1) texts.set(first, text);
  else if (open.length > 0 || text !== undefined) throw new UserError(countError(questions, open, text), describeQuestions(questions));
  const parts = questions.map(
    (question): Part => ({ ...question, chosen: chosen.get(question) ?? [], ...present({ text: texts.get(question) }) }),
  );
  const answers = Object.fromEntries(
    parts.map((part) => [part.question, [...part.chosen, ...(part.text === undefined ? [] : [part.text])].join(", ")]),
  );
  const [only] = parts;
  if (only === undefined || parts.length > 1 || only.isMulti) return { answers, parts };
  const option = only.text === undefined ? only.labels.indexOf(only.chosen[0] ?? "") : only.labels.length;
  return { answers, parts, single: { option: option + 1, ...present({ text: only.text }) } };
}

/** One question of a form, and what is to be answered. */
export interface Part extends Question {
  chosen: string[];
  /** In place of a choice, or beside those of a question that takes several. */
  text?: string;
}

function takeGiven(questions: Question[], { part, labels, text }: Exclude<Choice, string>) {
  const question = questions[part];
  if (question === undefined || !labels.every((label) => question.labels.includes(label)))
    throw new UserError(`question ${part + 1} does not offer ${JSON.stringify(labels)}`, describeQuestions(questions));
  return { question, labels, text };
}

/** `questions` of the input of AskUserQuestion, whatever a model made of it. */
export function parseQuestions(value: unknown): Question[] {
  const records = (list: unknown): Record<string, unknown>[] => (Array.isArray(list) ? list.filter(isRecord) : []);
  const textOf = (field: unknown): string => (typeof field === "string" ? field : "");
  return records(value).map((entry) => ({
    question: textOf(entry.question),
    header: textOf(entry.header),
    isMulti: entry.multiSelect === true,
    labels: records(entry.options).map(({ label }) => textOf(label)),
    details: records(entry.options).map(({ description }) => textOf(description)),
  }));
}

/** By name where one is given, else the only question that takes several, else the next without an answer. */
function addressChoice(questions: Question[], chosen: Map<Question, string[]>, choice: string): [Question, string] {
  const named = questions.find((question) => choice.startsWith(`${question.header}=`) || choice.startsWith(`${question.question}=`));
  if (named !== undefined)
    return [named, choice.slice(choice.startsWith(`${named.header}=`) ? named.header.length + 1 : named.question.length + 1)];
  const [only] = questions;
  const next = questions.length === 1 && only?.isMulti ? only : questions.find((question) => chosen.get(question)?.length === 0);
  if (next === undefined) throw new UserError(`more choices than questions: ${JSON.stringify(choice)}`, describeQuestions(questions));
  return [next, choice];
}

/** One label, or several separated by commas where the question takes several. */
function matchLabels(question: Question, wish: string): string[] {
  const whole = matchLabel(question, wish);
  if (whole !== undefined) return [whole];
  const parts = question.isMulti ? wish.split(",").map((part) => matchLabel(question, part.trim())) : [];
  if (parts.length > 1 && parts.every((part) => part !== undefined)) return parts as string[];
  throw new UserError(`no option ${JSON.stringify(wish)} in ${JSON.stringify(question.question)}`, describeQuestions([question]));
}

function matchLabel({ labels }: Question, wish: string): string | undefined {
  const lower = wish.toLowerCase();
  const exact = labels.find((label) => label === wish) ?? labels.find((label) => label.toLowerCase() === lower);
  if (exact !== undefined || lower === "") return exact;
  if (/^\d+$/.test(wish)) return labels[Number(wish) - 1];
  const beginning = labels.filter((label) => label.toLowerCase().startsWith(lower));
  return beginning.length === 1 ? beginning[0] : undefined;
}

const countError = (questions: Question[], open: Question[], text: string | undefined): string =>
  open.length === 0
    ? `every question has a choice; ${JSON.stringify(text)} answers none`
    : `${open.length} of ${questions.length} question${questions.length === 1 ? "" : "s"} would stay without an answer`;

const describeQuestions = (questions: Question[]): string =>
  questions.map(({ header, labels }) => `${header}: ${labels.map((label, index) => `${index + 1} ${label}`).join(" · ")}`).join("; ");
