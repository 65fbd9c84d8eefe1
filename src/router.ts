/** csm's own words; they hold at the first place only, and none may be a command of claude. */
export const reservedWords = [
  ...["run", "hook", "profiles", "config", "usage", "cas", "pick-account", "scan", "current-usage", "sidecar", "statusline"],
  ...["completions", "newuuid", "reap"],
  ...["top", "ls", "watch", "cost", "rules", "tasks", "focus", "type", "allow", "deny", "open", "restore", "log", "setup"],
  ...["shell-init", "diagnose", "hub", "demo", "csd", "self-update"],
] as const;

export type ReservedWord = (typeof reservedWords)[number];

/** Who gets the arguments, and which. */
export type Route =
  | { to: "version" }
  | { to: "help" }
  /** One of csm's commands. */
  | { to: "csm"; word: ReservedWord; args: string[] }
  /** The session driver. */
  | { to: "csd"; args: string[] }
  /** claude, perhaps in a conversation that we choose; behind a leading `--`, with these arguments as they are. */
  | { to: "claude"; args: string[] };

/** `invokedAs` is argv[0]: the file may be called csm, csd or csm-hook. */
export function decideRoute(invokedAs: string, args: readonly string[]): Route {
  const name = (invokedAs.split(/[/\\]/).at(-1) ?? "").toLowerCase().replace(/\.exe$/, "");
  // `csm csd …` must reach the driver under either name: that is how this program calls itself.
  if (name === "csd") return { to: "csd", args: args[0] === "csd" ? args.slice(1) : [...args] };
  if (name === "csm-hook") return { to: "csm", word: "hook", args: [...args] };
  const [first, ...rest] = args;
  if (first === "--version" || first === "-V") return { to: "version" };
  if (first === "--help" || first === "-h") return { to: "help" };
  if (first === "csd") return { to: "csd", args: rest };
  const word = reservedWords.find((reserved) => reserved === first);
  return word === undefined ? { to: "claude", args: [...args] } : { to: "csm", word, args: rest };
}
