import { unknownWord, usageError } from "./errors.ts";

/** Of a task that nothing more becomes of. */
const endStates = ["succeeded", "failed", "skipped", "cancelled"] as const;
type EndState = (typeof endStates)[number];
/** `paused`: begun, and waiting for a reset, a login or a person; it goes on in its own conversation. */
export type TaskState = "pending" | "running" | "paused" | EndState;

export const isOver = (state: TaskState): state is EndState => (endStates as readonly string[]).includes(state);

const plainConditions = ["success", "failure", "always"] as const;

/** `if` of a task, which is asked once all that it depends on are over. */
export type Condition =
  | { kind: (typeof plainConditions)[number] }
  /** The state of all these together, which are one name in the file, is (not) this one. */
  | { kind: "is" | "is not"; ids: readonly string[]; state: EndState }
  | { kind: "not"; of: Condition }
  | { kind: "and" | "or"; of: readonly Condition[] };

/** What a condition is asked about. */
interface Outcomes {
  dependsOn: readonly string[];
  stateOf(id: string): TaskState;
  /** It failed, or was skipped because one before it did. */
  hasFailed(id: string): boolean;
}

export function isMet(condition: Condition, outcomes: Outcomes): boolean {
  switch (condition.kind) {
    case "success":
      return outcomes.dependsOn.every((id) => outcomes.stateOf(id) === "succeeded");
    case "failure":
      return outcomes.dependsOn.some(outcomes.hasFailed);
    case "always":
      return true;
    case "not":
      return !isMet(condition.of, outcomes);
    case "and":
      return condition.of.every((each) => isMet(each, outcomes));
    case "or":
      return condition.of.some((each) => isMet(each, outcomes));
    default:
      return (worstOf(condition.ids.map(outcomes.stateOf)) === condition.state) === (condition.kind === "is");
  }
}

/** Of several that one name stands for: they succeeded if all of them did. */
const worstOf = (states: readonly TaskState[]): TaskState | undefined =>
  (["failed", "cancelled", "skipped", "succeeded"] as const).find((state) => states.includes(state));

const maxLength = 1000;
const maxDepth = 20;

/**
 * `success`, `failure`, `always`, or an expression: `build == failed && !("end to end" == skipped || failure)`. `resolve`: the ids of
 * a name; it throws for one that may not stand here.
 */
export function parseCondition(text: string, resolve: (name: string) => readonly string[]): Condition {
  if (text.length > maxLength) throw usageError(`a condition of ${text.length} characters`, `it may have ${maxLength}`);
  const words = splitWords(text);
  let at = 0;
  const take = (...signs: string[]) => signs.includes(words[at]?.sign ?? "") && ++at > 0;
  const joined = (kind: "and" | "or", signs: string[], part: (depth: number) => Condition, depth: number): Condition => {
    const first = part(depth);
    const of = [first];
    while (take(...signs)) of.push(part(depth));
    return of.length === 1 ? first : { kind, of };
  };
  const any = (depth: number): Condition => joined("or", ["||", "or"], all, depth);
  const all = (depth: number): Condition => joined("and", ["&&", "and"], one, depth);
  const one = (depth: number): Condition => {
    if (depth > maxDepth) throw usageError("a condition within too many others", `${maxDepth} levels at most`);
    if (take("!", "not")) return { kind: "not", of: one(depth + 1) };
    if (take("(")) {
      const inner = any(depth + 1);
      if (!take(")")) throw wrongWord(words[at], '")"');
      return inner;
    }
    return comparison();
  };
  const comparison = (): Condition => {
    const word = words[at++];
    if (word?.name === undefined) throw wrongWord(word, "a task or a condition");
    const isEqual = take("==");
    if (!isEqual && !take("!=")) {
      const plain = plainConditions.find((each) => each === word.sign);
      if (plain !== undefined) return { kind: plain };
      if (words[at] === undefined && words.length === 1 && !isQuoted(word))
        throw unknownWord("unknown condition", word.name, plainConditions, expression);
      throw wrongWord(words[at], "== or !=");
    }
    const state = words[at++];
    const known = endStates.find((each) => each === state?.name);
    if (known !== undefined) return { kind: isEqual ? "is" : "is not", ids: resolve(word.name), state: known };
    if (state?.name === undefined) throw wrongWord(state, "a state");
    throw unknownWord("unknown state", state.name, endStates);
  };
  const condition = any(0);
  if (at < words.length) throw wrongWord(words[at], "&& or ||");
  return condition;
}

const expression = { otherwise: "one of: success, failure, always, or an expression such as build == failed && lint != skipped" };

interface Word {
  /** What it means where it is no name; of a quoted one nothing. */
  sign?: string;
  /** Absent of signs. */
  name?: string;
  text: string;
}

const isQuoted = ({ sign }: Word): boolean => sign === undefined;

const wrongWord = (word: Word | undefined, wanted: string): Error =>
  usageError(`${word === undefined ? "the condition ends" : JSON.stringify(word.text)} where ${wanted} should be`, expression.otherwise);

const wordPattern = /\s*(?:(&&|\|\||==|!=|!|\(|\))|"([^"]*)"|'([^']*)'|((?:\[[^\]]*\]|[^\s&|=!()"'[])+))/y;

function splitWords(text: string): Word[] {
  const words: Word[] = [];
  const end = text.trimEnd().length;
  wordPattern.lastIndex = 0;
  for (let at = 0; at < end; at = wordPattern.lastIndex) {
    wordPattern.lastIndex = at;
    const match = wordPattern.exec(text);
    if (match === null) throw usageError(`${JSON.stringify(text.slice(at).trim())} is no part of a condition`, expression.otherwise);
    const [whole, sign, double, single, bare] = match;
    const name = double ?? single ?? bare;
    const meant = sign ?? bare;
    words.push({ text: whole.trim(), ...(meant === undefined ? {} : { sign: meant }), ...(name === undefined ? {} : { name }) });
  }
  return words;
}
