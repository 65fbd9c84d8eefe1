import * as clack from "@clack/prompts";
import { present } from "./json.ts";
import { openQuestions } from "./tty.ts";

/** The only file that asks a person. Every question gives undefined when it is cancelled with Esc or Ctrl-C. */
export interface Choice<T> {
  value: T;
  label: string;
  hint?: string;
}

const orNothing = <T>(answer: T | typeof clack.CANCEL_SYMBOL): T | undefined =>
  answer === clack.CANCEL_SYMBOL ? undefined : (answer as T);

interface SelectOptions<T> {
  message: string;
  choices: Choice<T>[];
  initial?: T;
}

export async function promptSelect<T>({ message, choices, initial }: SelectOptions<T>): Promise<T | undefined> {
  return orNothing(
    await clack.select<T>({ output: openQuestions(), message, options: options(choices), ...present({ initialValue: initial }) }),
  );
}

/** A list that typing filters. Enter takes the row of the cursor, which starts at `initial`, else at the first one. */
export async function promptAutocomplete<T>(given: SelectOptions<T> & { placeholder?: string; maxItems?: number }): Promise<T | undefined> {
  const { message, choices, initial, placeholder = "type to filter", maxItems = 12 } = given;
  const answer = await clack.autocomplete<T>({
    output: openQuestions(),
    message,
    options: options(choices),
    placeholder,
    maxItems,
    ...present({ initialValue: initial }),
  });
  return orNothing(answer as T | typeof clack.CANCEL_SYMBOL);
}

interface TextOptions {
  message: string;
  initial?: string;
  placeholder?: string;
  /** What is wrong with the text; undefined when nothing is. */
  check?(text: string): string | undefined;
}

export async function promptText({ message, initial, placeholder, check }: TextOptions): Promise<string | undefined> {
  const answer = await clack.text({
    output: openQuestions(),
    message,
    ...present({ initialValue: initial, placeholder }),
    ...(check === undefined ? {} : { validate: (text) => check(text ?? "") }),
  });
  // An empty answer may come as undefined.
  return clack.isCancel(answer) ? undefined : ((answer as string | undefined) ?? "");
}

export async function promptConfirm(message: string, isYesFirst = true): Promise<boolean | undefined> {
  return orNothing(await clack.confirm({ output: openQuestions(), message, initialValue: isYesFirst }));
}

/** Any number of them; all are chosen at first when `isAllChosen`. */
export async function promptMany<T>(message: string, choices: Choice<T>[], isAllChosen: boolean): Promise<T[] | undefined> {
  const initialValues = isAllChosen ? choices.map(({ value }) => value) : [];
  return orNothing(
    await clack.multiselect<T>({
      output: openQuestions(),
      message,
      options: options(choices),
      initialValues,
      required: false,
      maxItems: 12,
    }),
  );
}

/** A framed text between questions. */
export const showNote = (text: string, title: string): void => clack.note(text, title, { output: openQuestions() });
export const showStart = (title: string): void => clack.intro(title, { output: openQuestions() });
export const showEnd = (text: string): void => clack.outro(text, { output: openQuestions() });
export const showProblem = (text: string): void => clack.log.error(text, { output: openQuestions() });

const options = <T>(choices: Choice<T>[]) => choices as Parameters<typeof clack.select<T>>[0]["options"];
