import { usageError } from "./errors.ts";
import { type LimitPolicy, limitPolicies } from "./limit.ts";

/** What stands on the command line of `csm` and `csm run`: our flags, and what goes to claude in its order. */
export interface LaunchOptions {
  /** Ask for the account and for the session. */
  isInteractive: boolean;
  /** The newest conversation that nobody has open. */
  isContinue: boolean;
  /** Ask for the account. */
  wantsAccount: boolean;
  /** Keep the current account. */
  keepsAccount: boolean;
  /** What `--resume` named; `picker` where it named nothing. */
  resume?: { named: string } | "picker";
  sessionId?: string;
  profile?: string;
  /** `--on-limit`: what to do at a usage limit, instead of what the settings say. */
  onLimit?: LimitPolicy;
  /** What a session is to be resumed with; they stand among `words` too. */
  remembered: RememberedFlags;
  /** For claude: words that are not ours, and its flags that we remember, as they were typed. */
  words: string[];
}

interface RememberedFlags {
  permissionMode?: string;
  effort?: string;
  model?: string;
}

const switches: Readonly<Record<string, "isInteractive" | "isContinue" | "wantsAccount" | "keepsAccount">> = {
  "-i": "isInteractive",
  "--interactive": "isInteractive",
  "-c": "isContinue",
  "--continue": "isContinue",
  "-A": "wantsAccount",
  "--pick-account": "wantsAccount",
  "--no-pick": "keepsAccount",
};

const forwarded: Readonly<Record<string, keyof RememberedFlags>> = {
  "--permission-mode": "permissionMode",
  "--effort": "effort",
  "--model": "model",
};

/** Left to right, our flags among claude's. A flag whose value is missing counts as absent when another flag follows. */
export function parseRunOptions(args: readonly string[]): LaunchOptions {
  const options: LaunchOptions = {
    ...{ isInteractive: false, isContinue: false, wantsAccount: false, keepsAccount: false },
    ...{ remembered: {}, words: [] },
  };
  for (let index = 0; index < args.length; index++) {
    const word = args[index] ?? "";
    if (word === "--") {
      const rest = args.slice(index + 1);
      // A flag of claude's that takes many words would swallow the prompt behind it.
      const isPrompt = options.words.some((own) => own.startsWith("-") && !(own in forwarded)) && rest[0]?.startsWith("-") === false;
      options.words.push(...(isPrompt ? ["--"] : []), ...rest);
      break;
    }
    const { flag, joined } = splitFlag(word);
    const next = args[index + 1];
    const separate = next !== undefined && !next.startsWith("-") ? next : undefined;
    const value = joined ?? separate;
    const kind = joined === undefined ? switches[flag] : undefined;
    if (kind !== undefined) options[kind] = true;
    else if (!takesValue(flag)) options.words.push(word);
    else {
      if (joined === undefined && separate !== undefined) index++;
      else if (joined === undefined && next === undefined && !isResume(flag))
        throw usageError(`csm run: ${flag} needs a value`, `for example ${flag} ${examples[flag] ?? "VALUE"}`);
      putValue(options, flag, value);
    }
  }
  return options;
}

const examples: Readonly<Record<string, string>> = {
  "--permission-mode": "plan",
  "--effort": "high",
  "--model": "MODEL",
  "--session-id": "$(csm newuuid)",
  "--profile": "work",
  "--on-limit": "wait",
};

const isResume = (flag: string): boolean => flag === "-r" || flag === "--resume";
const takesValue = (flag: string): boolean => isResume(flag) || flag in examples;

/** `--flag=V`; short flags take no joined value. */
function splitFlag(word: string): { flag: string; joined?: string } {
  const at = word.startsWith("--") ? word.indexOf("=") : -1;
  return at < 0 ? { flag: word } : { flag: word.slice(0, at), joined: word.slice(at + 1) };
}

function putValue(options: LaunchOptions, flag: string, value: string | undefined): void {
  const key = forwarded[flag];
  if (isResume(flag)) options.resume = value === undefined ? "picker" : { named: value };
  else if (value === undefined) return;
  else if (flag === "--session-id") options.sessionId = value;
  else if (flag === "--profile") options.profile = value;
  else if (flag === "--on-limit") options.onLimit = parsePolicy(value);
  else if (key !== undefined) {
    options.remembered[key] = value;
    options.words.push(flag, value);
  }
}

function parsePolicy(value: string): LimitPolicy {
  const policy = limitPolicies.find((known) => known === value);
  if (policy === undefined) throw usageError(`csm run: --on-limit takes ${limitPolicies.join(", ")}, not ${JSON.stringify(value)}`);
  return policy;
}

/** Words of claude 2.1.329 that are no conversations, and some of older and newer versions. */
const commandWords: ReadonlySet<string> = new Set(
  (
    "agents attach auth auto-mode config daemon doctor gateway help import install kill logs mcp migrate-installer plugin plugins " +
    "project purge remote-control respawn rm self-hosted-runner setup-token stop ultrareview update upgrade"
  ).split(" "),
);

/** Flags with which claude opens no conversation of this folder in this terminal, or chooses it by itself. */
const ownWay: ReadonlySet<string> = new Set(
  (
    "-p --print -v --version -h --help --bg --background --cloud --desktop --from-pr --teleport --environment -w --worktree " +
    "--init-only --maintenance"
  ).split(" "),
);

/** Flags of claude that take no value, so that the word behind them is a prompt or a command. */
const plainFlags: ReadonlySet<string> = new Set(
  (
    "--allow-dangerously-skip-permissions --ax-screen-reader --bare --brief --chrome --dangerously-skip-permissions " +
    "--disable-slash-commands --exclude-dynamic-system-prompt-sections --fork-session --forward-subagent-text --ide " +
    "--include-hook-events --include-partial-messages --no-chrome --no-session-persistence --replay-user-messages --restricted " +
    "--safe-mode --strict-mcp-config --tmux --verbose"
  ).split(" "),
);

/** A call that has nothing to do with choosing a conversation: claude gets its words as they are. */
export function isForClaude(words: readonly string[]): boolean {
  const end = words.indexOf("--");
  const before = end < 0 ? words : words.slice(0, end);
  if (before.some((word) => ownWay.has(word.split("=")[0] ?? word) || isPrintCluster(word))) return true;
  return isManagement(before);
}

/** A command of claude, such as `mcp list`. */
export const isManagement = (words: readonly string[]): boolean => commandWords.has(positionals(words)[0] ?? "");

/** `-cp`: short flags may be written as one word. */
const isPrintCluster = (word: string): boolean => /^-[cdhprvw]{2,}$/.test(word) && /[phvw]/.test(word);

/** Words behind a flag that may take a value are left out. */
export const positionals = (words: readonly string[]): string[] =>
  words.filter((word, index) => {
    const before = words[index - 1] ?? "";
    return !word.startsWith("-") && (!before.startsWith("-") || before.includes("=") || plainFlags.has(before));
  });

/** Flags of claude 2.1.329 that take every bare word behind them. */
const manyValues: ReadonlySet<string> = new Set(
  "--add-dir --allowedTools --allowed-tools --betas --disallowedTools --disallowed-tools --file --mcp-config --tools".split(" "),
);

/** Where words of a prompt stand: bare ones that are no value of a flag. */
function promptPlaces(words: readonly string[]): number[] {
  const end = words.indexOf("--");
  const places: number[] = [];
  let values = 0;
  for (const [index, word] of words.entries()) {
    if (end >= 0 && index >= end) break;
    if (!word.startsWith("-")) {
      if (values === 0) places.push(index);
      else values--;
    } else if (manyValues.has(word)) values = Number.POSITIVE_INFINITY;
    else values = plainFlags.has(word) || word.includes("=") ? 0 : 1;
  }
  return end < 0 ? places : [...places, ...words.keys().filter((index) => index > end)];
}

export const hasPrompt = (words: readonly string[]): boolean => promptPlaces(words).length > 0;

/** Several bare words are one prompt: claude would take the first alone. */
export function joinPrompt(words: readonly string[]): string[] {
  const places = promptPlaces(words);
  const [first] = places;
  if (first === undefined) return [...words];
  const prompt = places.map((at) => words[at]).join(" ");
  return words.flatMap((word, index) => (index === first ? prompt : places.includes(index) ? [] : word));
}

/** claude chooses the session by these; ours would contradict it. */
export const choosesSession = (words: readonly string[]): boolean =>
  words.some((word) => /^(?:-[cr]|--continue|--resume|--session-id)(?:=|$)/.test(word));

/** The model that these words ask claude for, else what the environment says; undefined where claude's own default counts. */
export function modelOf(words: readonly string[], env: Readonly<Record<string, string | undefined>>): string | undefined {
  const end = words.indexOf("--");
  let model = env.ANTHROPIC_MODEL;
  for (const [index, word] of (end < 0 ? words : words.slice(0, end)).entries()) {
    if (word.startsWith("--model=")) model = word.slice("--model=".length);
    else if (word === "--model") model = words[index + 1] ?? model;
  }
  return model === "" ? undefined : model;
}

/**
 * What says for whom claude is to run, taken out of words that are claude's for the rest: at their beginning, and `--profile`
 * wherever it stands before a `--`, unless a command of claude takes the words.
 */
export function splitOwnFlags(args: readonly string[]): { own: string[]; rest: string[] } {
  let count = 0;
  for (;;) {
    const word = args[count] ?? "";
    if ((word === "--profile" || word === "--on-limit") && args[count + 1] !== undefined) count += 2;
    else if (/^(?:-A|--pick-account|--no-pick|--(?:profile|on-limit)=.*)$/s.test(word)) count += 1;
    else break;
  }
  const own = args.slice(0, count);
  const rest = args.slice(count);
  const end = rest.indexOf("--");
  const at = isManagement(end < 0 ? rest : rest.slice(0, end)) ? -1 : rest.findIndex((word) => /^--profile(?:=|$)/.test(word));
  const length = rest[at] === "--profile" ? 2 : 1;
  if (at < 0 || (end >= 0 && at > end) || at + length > rest.length) return { own, rest };
  return { own: [...own, ...rest.splice(at, length)], rest };
}

/** Where a name of a conversation stands among claude's words; undefined where none does, or a whole id. */
export function findNamedSession(words: readonly string[]): { index: number; prefix: string; named: string } | undefined {
  const end = words.indexOf("--");
  for (const [index, word] of (end < 0 ? words : words.slice(0, end)).entries()) {
    const joined = /^--resume=(.+)$/s.exec(word)?.[1];
    if (joined !== undefined) return { index, prefix: "--resume=", named: joined };
    const next = words[index + 1];
    if ((word === "-r" || word === "--resume") && next !== undefined && !next.startsWith("-"))
      return { index: index + 1, prefix: "", named: next };
  }
  return undefined;
}
