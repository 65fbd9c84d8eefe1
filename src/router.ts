/** Who gets the arguments, and which. */
export type Route =
  | { to: "version" }
  | { to: "help" }
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
  return first !== undefined && (await isOwnWord(first)) ? { to: "csm", word: first, args: rest } : { to: "claude", args: [...args] };
}

/** Called at every repaint and at every hook: these do not even wait for the table. */
const hotWords = ["statusline", "hook"];

/** csm's own words hold at the first place only, and none may be a command of claude. */
const isOwnWord = async (word: string): Promise<boolean> =>
  hotWords.includes(word) || (!word.startsWith("-") && (await import("./commands.ts")).findCommand("csm", word) !== undefined);
