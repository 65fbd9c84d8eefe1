import { type Choice, parseQuestions, type Question } from "./answer.ts";

/** The questions of a gate while they are being answered: one page each. */
export interface Form {
  questions: Question[];
  /** The page that is up. */
  at: number;
  /** The option under the cursor on each page; the one behind the last is a text. */
  cursors: number[];
  answers: Answered[];
}

interface Answered {
  /** Places of the options that are chosen, in their order. */
  options: number[];
  text?: string;
}

/** Undefined where the questions are not known. */
export function createForm(value: unknown): Form | undefined {
  const questions = parseQuestions(value);
  if (questions.length === 0) return undefined;
  return { questions, at: 0, cursors: questions.map(() => 0), answers: questions.map(() => ({ options: [] })) };
}

/** What a key leads to: another state of the form, a text to be written, the answers sent, or nothing. */
type Outcome = { form: Form } | { do: "write" | "send" } | undefined;

export function pressForm(form: Form, name: string): Outcome {
  const page = pageOf(form);
  if (/^[1-9]$/.test(name)) return pick(form, Number(name) - 1);
  switch (name) {
    case "down":
    case "j":
      return { form: moveTo(form, page.cursor + 1) };
    case "up":
    case "k":
      return { form: moveTo(form, page.cursor - 1) };
    case "tab":
    case "right":
    case "l":
      return { form: turn(form, form.at + 1) };
    case "backtab":
    case "left":
    case "h":
      return { form: turn(form, form.at - 1) };
    case " ":
      return pick(form, page.cursor);
    case "enter":
      if (!isAnswered(page.answer))
        return page.question.isMulti && page.cursor < page.question.labels.length ? pickAndGo(form) : pick(form, page.cursor);
      return isComplete(form) ? { do: "send" } : { form: turnToOpen(form) };
    default:
      return undefined;
  }
}

interface Page {
  question: Question;
  answer: Answered;
  cursor: number;
}

export const pageOf = ({ questions, answers, cursors, at }: Form): Page => ({
  question: questions[at] as Question,
  answer: answers[at] as Answered,
  cursor: cursors[at] ?? 0,
});

const isAnswered = ({ options, text }: Answered): boolean => options.length > 0 || text !== undefined;

export const isComplete = ({ answers }: Form): boolean => answers.every(isAnswered);

const replaced = <T>(list: readonly T[], at: number, value: T): T[] => list.map((old, index) => (index === at ? value : old));

const moveTo = (form: Form, cursor: number): Form => ({
  ...form,
  cursors: replaced(form.cursors, form.at, Math.min(Math.max(cursor, 0), pageOf(form).question.labels.length)),
});

const turn = (form: Form, at: number): Form => ({ ...form, at: (at + form.questions.length) % form.questions.length });

/** The next page that has no answer, else this one. */
function turnToOpen(form: Form): Form {
  const open = [...form.answers.keys()]
    .map((step) => (form.at + step) % form.answers.length)
    .find((at) => !isAnswered(form.answers[at] as Answered));
  return open === undefined ? form : turn(form, open);
}

/** One option of a page that takes one, and on to the next; a tick more or less where it takes several. */
function pick(form: Form, option: number): Outcome {
  const { question, answer } = pageOf(form);
  const moved = moveTo(form, option);
  if (option === question.labels.length) return { do: "write" };
  if (option > question.labels.length) return undefined;
  if (!question.isMulti) return { form: turnToOpen({ ...moved, answers: replaced(form.answers, form.at, { options: [option] }) }) };
  const options = answer.options.includes(option)
    ? answer.options.filter((other) => other !== option)
    : [...answer.options, option].sort((a, b) => a - b);
  return { form: { ...moved, answers: replaced(form.answers, form.at, { ...answer, options }) } };
}

function pickAndGo(form: Form): Outcome {
  const picked = pick(form, pageOf(form).cursor);
  return picked !== undefined && "form" in picked ? { form: turnToOpen(picked.form) } : picked;
}

/** A text in place of an option, or beside the ticks; an empty one takes it back. */
export function writeAnswer(form: Form, text: string): Form {
  const { question, answer } = pageOf(form);
  const { text: _, ...rest } = answer;
  const written = text.trim() === "" ? rest : { options: question.isMulti ? answer.options : [], text };
  const next = { ...moveTo(form, question.labels.length), answers: replaced(form.answers, form.at, written) };
  return text.trim() === "" ? next : turnToOpen(next);
}

/** What the verb `answer` takes. */
export const choicesOf = ({ questions, answers }: Form): Choice[] =>
  answers.map(({ options, text }, part) => ({
    part,
    labels: options.map((option) => questions[part]?.labels[option] ?? ""),
    ...(text === undefined ? {} : { text }),
  }));
