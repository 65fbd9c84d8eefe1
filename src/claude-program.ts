import { isRecord, parseRecord, shape } from "./json.ts";

/** `default` is called `manual` since 2.1.204; claude takes both. */
export const permissionModes: readonly string[] = ["plan", "acceptEdits", "auto", "bypassPermissions", "default", "dontAsk", "manual"];

/** How many words a flag of claude takes, in the terms of its own parser (commander). */
type FlagArity = "none" | "one" | "optional" | "many";

/** By every spelling, such as `-r` and `--resume`. */
export type FlagTable = ReadonlyMap<string, FlagArity>;

/** The flags that `claude --help` lists. New versions bring new flags: nothing is known of them but what they say themselves. */
export function parseFlagTable(help: string): FlagTable {
  const table = new Map<string, FlagArity>();
  for (const line of help.split("\n")) {
    // Two blanks, the spellings, the value; a description follows after two blanks more, or on the next line.
    const spec = /^ {2}(-\S.*)$/.exec(line)?.[1]?.split(/ {2,}/)[0];
    if (spec === undefined) continue;
    const value = /[<[]([^>\]]+)[>\]]$/.exec(spec);
    const arity = value === null ? "none" : value[1]?.endsWith("...") ? "many" : value[0].startsWith("[") ? "optional" : "one";
    for (const spelling of spec.match(/(?<=^|[ ,])--?[A-Za-z][\w-]*/g) ?? []) table.set(spelling, arity);
  }
  return table;
}

/** A flag with its own words, or a word that belongs to none. */
interface Argument {
  flag?: string;
  /** As they were typed, the flag included. */
  words: string[];
}

/** The words of a command line, each with the flag that it belongs to. An unknown flag is taken to own the one word behind it. */
export function splitFlags(args: readonly string[], table: FlagTable): Argument[] {
  const split: Argument[] = [];
  for (let index = 0; index < args.length; ) {
    const word = args[index] ?? "";
    if (word === "--") return [...split, ...args.slice(index).map((rest) => ({ words: [rest] }))];
    if (!word.startsWith("-") || word === "-") {
      split.push({ words: [word] });
      index++;
      continue;
    }
    const flag = word.split("=")[0] ?? word;
    const limit = word.includes("=") ? 0 : wordLimit[table.get(flag) ?? "optional"];
    let end = index + 1;
    // A value that must be there is taken even when it begins with a dash.
    if (table.get(flag) === "one" && !word.includes("=")) end = Math.min(args.length, end + 1);
    else while (end < args.length && end - index <= limit && !args[end]?.startsWith("-")) end++;
    split.push({ flag, words: args.slice(index, end) });
    index = end;
  }
  return split;
}

const wordLimit: Record<FlagArity, number> = { none: 0, one: 1, optional: 1, many: Number.POSITIVE_INFINITY };

/** They choose a conversation or make a new place for one: the conversation that goes on has both already. */
const choosingFlags = new Set([
  ...["-r", "--resume", "-c", "--continue", "--session-id", "--fork-session", "--from-pr"],
  ...["-w", "--worktree", "--tmux", "--cloud", "--teleport", "--environment"],
]);

/**
 * The user's command line again, for the same conversation: every flag of theirs stays, what chose the conversation and the
 * first prompt go. The prompt is behind `--`, as a flag that takes many words would swallow it.
 */
export function planResume(args: readonly string[], table: FlagTable, sessionId: string, prompt?: string): string[] {
  const kept = splitFlags(args, table).filter(({ flag }) => flag !== undefined && !choosingFlags.has(flag));
  return ["--resume", sessionId, ...kept.flatMap(({ words }) => words), ...(prompt === undefined ? [] : ["--", prompt])];
}

/** The value of a flag that takes one; the last one counts, as it does for claude. */
export function flagValue(args: readonly string[], flag: string): string | undefined {
  const end = args.indexOf("--");
  for (let index = (end < 0 ? args.length : end) - 1; index >= 0; index--) {
    const word = args[index] ?? "";
    if (word === flag) return args[index + 1];
    if (word.startsWith(`${flag}=`)) return word.slice(flag.length + 1);
  }
  return undefined;
}

/** Whether claude works in this folder without asking first: it trusts a folder, or one above it (`.claude.json` of 2.1.329). */
export function isTrusted(text: string, folder: string): boolean {
  // Torn, or no such file: claude will ask.
  const { projects = {} } = shape(parseRecord(text) ?? {}, { projects: "record" });
  return Object.entries(projects).some(
    ([path, project]) => isWithin(folder, path) && isRecord(project) && project.hasTrustDialogAccepted === true,
  );
}

const isWithin = (folder: string, path: string): boolean => folder === path || folder.startsWith(`${path.replace(/[/\\]$/, "")}/`);

/** Marks that a running session leaves in its children; a session started from inside one is none of its own. */
const nestedMarks = [
  "CLAUDECODE",
  "CLAUDE_PID",
  "CLAUDE_PROJECT_DIR",
  "CLAUDE_CODE_ENTRYPOINT",
  "CLAUDE_CODE_SESSION_ID",
  "CLAUDE_CODE_CHILD_SESSION",
];

export const isNestedMark = (name: string): boolean => nestedMarks.includes(name) || name.startsWith("CLAUDE_CODE_MESSAGING_");
