/** Exit codes that scripts may rely on; `csd run` has more of its own. */
export const exitCode = {
  ok: 0,
  failure: 1,
  usage: 2,
  bug: 70,
  timeout: 124,
  notRunnable: 126,
  notFound: 127,
  hangUp: 129,
  interrupted: 130,
} as const;

/** An error the user can act on: one lower-case line with the value in it, then what to do about it. */
export class UserError extends Error {
  constructor(
    message: string,
    readonly hint?: string,
    readonly exitCode: number = 1,
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.name = "UserError";
  }
}

export const usageError = (message: string, hint?: string): UserError => new UserError(message, hint, exitCode.usage);

/** Ends the program with a code and without a word: cancelled, broken pipe, or a child's own code passed on. */
export class SilentExit extends Error {
  constructor(readonly exitCode: number) {
    super(`exit ${exitCode}`);
    this.name = "SilentExit";
  }
}

type Hint = { otherwise?: string; also?: string; exitCode?: number };

/** "csm cost: unknown report" and the word. Hints at the known one that was meant, `otherwise` at all of them; and `also`. */
export function unknownWord(kind: string, typed: string, known: readonly string[], given: Hint = {}): UserError {
  const { otherwise = `one of: ${known.join(", ")}`, also = "", exitCode: code = exitCode.usage } = given;
  const near = nearestWord(typed, known);
  const shown = typed.startsWith("-") ? typed : JSON.stringify(typed);
  return new UserError(`${kind} ${shown}`, `${near === undefined ? otherwise : `did you mean ${near}?`}${also}`, code);
}

/** Undefined when nothing is near. */
function nearestWord(word: string, known: readonly string[]): string | undefined {
  const limit = Math.max(1, Math.floor(word.length / 3));
  let best: string | undefined;
  let bestDistance = limit + 1;
  for (const candidate of known) {
    // So many letters at least are too many or too few.
    if (Math.abs(candidate.length - word.length) >= bestDistance) continue;
    const distance = editDistance(word, candidate);
    if (distance < bestDistance) [best, bestDistance] = [candidate, distance];
  }
  return best;
}

/** One letter too many, too few or another one, or two neighbours in each other's place. */
export const isSlip = (typed: string, word: string): boolean => editDistance(typed, word) === 1;

/** Insertions, deletions, substitutions and swaps of neighbours that turn `a` into `b`. */
function editDistance(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let row = 1; row <= a.length; row++) {
    const current = [row];
    for (let column = 1; column <= b.length; column++) {
      const cost = a[row - 1] === b[column - 1] ? 0 : 1;
      let distance = Math.min(at(last, column) + 1, at(current, column - 1) + 1, at(last, column - 1) + cost);
      if (row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1])
        distance = Math.min(distance, at(beforeLast, column - 2) + 1);
      current.push(distance);
    }
    [beforeLast, last] = [last, current];
  }
  return at(last, b.length);
}

const at = (row: number[], index: number): number => row[index] ?? Number.POSITIVE_INFINITY;
