import { findTopic, type Topic } from "./program.ts";

/** Who gets the arguments, and which. */
export type Route =
  | { to: "version" }
  | { to: "help" }
  | { to: "topic"; topic: Topic }
  /** One of csm's commands. */
  | { to: "csm"; word: string; args: string[] }
  /** The session driver. */
  | { to: "csd"; args: string[] }
  /** claude, perhaps in a conversation that we choose; behind a leading `--`, with these arguments as they are. */
  | { to: "claude"; args: string[] };

/** `invokedAs` is argv[0]: the file may be called csm, csd or csm-hook. */
export async function decideRoute(invokedAs: string, args: readonly string[]): Promise<Route> {
  const name = (invokedAs.split(/[/\\]/).at(-1) ?? "").toLowerCase().replace(/\.exe$/, "");
  // `csm csd …` must reach the driver under either name: that is how this program calls itself.
  if (name === "csd") return { to: "csd", args: args[0] === "csd" ? args.slice(1) : [...args] };
  if (name === "csm-hook") return { to: "csm", word: "hook", args: [...args] };
  const [first, ...rest] = args;
  if (first === "--version" || first === "-V") return { to: "version" };
  if (first === "--help" || first === "-h") return { to: "help" };
  if (first === "csd") return { to: "csd", args: rest };
  if (rest.length === 0 && first === "version") return { to: "version" };
  if (first === "help" && (rest.length === 0 || (rest.length === 1 && /^(?:help|version)$/.test(rest[0] ?? "")))) return { to: "help" };
  const topic = first === "help" ? findTopic(rest) : undefined;
  if (topic !== undefined) return { to: "topic", topic };
  // `csm help mcp` is claude's.
  const [about = "", ...more] = rest;
  if (first === "help" && more.length === 0 && about === "csd") return { to: "csd", args: ["--help"] };
  if (first === "help" && more.length === 0 && (await isOwnWord(about))) return { to: "csm", word: about, args: ["--help"] };
  return first !== undefined && (await isOwnWord(first)) ? { to: "csm", word: first, args: rest } : { to: "claude", args: [...args] };
}

/** Called at every repaint and at every hook: these do not even wait for the table. */
const hotWords = ["statusline", "hook"];

/** csm's own words hold at the first place only, and none may be a command of claude. */
const isOwnWord = async (word: string): Promise<boolean> =>
  hotWords.includes(word) || (!word.startsWith("-") && (await import("./commands.ts")).findCommand("csm", word)?.load !== undefined);

/** What people call some of our words. */
const otherNames: Readonly<Record<string, string>> = Object.assign(Object.create(null) as Record<string, string>, {
  list: "ls",
  status: "ls",
  sessions: "ls",
});

/**
 * Our word that a lone word was most likely meant to be: one that is missing a letter, has one too many, another one, or two in each
 * other's place. Undefined for words of claude, and for all that may be a prompt.
 */
export async function findMeant(args: readonly string[]): Promise<string | undefined> {
  const [word = "", ...rest] = args;
  if (rest.length > 0 || !/^[a-z][a-z-]+$/i.test(word)) return undefined;
  const [{ commands }, { isManagement }, { isSlip }] = await Promise.all([
    import("./commands.ts"),
    import("./run-options.ts"),
    import("./errors.ts"),
  ]);
  const typed = word.toLowerCase();
  if (isManagement([typed])) return undefined;
  const own = commands.csm.flatMap((row) => (row.word.includes(" ") ? [] : [row.word]));
  return otherNames[typed] ?? own.find((known) => known === typed) ?? own.find((known) => isSlip(typed, known));
}
