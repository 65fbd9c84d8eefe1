import { type AnyCommand, renderHelp } from "./cmd-record.ts";
import { csdCommands, csmCommands, type Loader, loadAll } from "./commands.ts";

export async function renderCsmHelp(): Promise<string> {
  const records = new Map((await loadAll(csmCommands)).map((record) => [record.name.split(" ")[1] ?? "", record]));
  const sections = sectionsOf([...records.keys()]).map(
    ([title, words]) =>
      `${title}:\n${list(
        words.flatMap((word) => records.get(word) ?? []),
        "csm ",
      )}\n`,
  );
  return `csm starts and watches Claude Code sessions, on the account that has room; csd drives them from scripts.

usage: csm                      starts claude here, in a new conversation or one that you choose
       csm COMMAND …            one of those below
       csm ANYTHING ELSE        handed to claude as it is: csm mcp list, csm -p "hello"

${sections.join("\n")}
Flags:
  -h, --help      show this text; csm COMMAND --help tells more
  -V, --version   print the version
`;
}

const helpSections: [title: string, words: string[]][] = [
  ["Sessions", ["run", "scan", "open", "restore", "sidecar", "reap"]],
  ["Watching", ["top", "ls", "watch", "cost", "demo"]],
  ["Accounts", ["profiles", "cas", "usage", "pick-account", "current-usage", "hub", "log"]],
  ["Setting up", ["config", "setup", "shell-init", "completions", "statusline", "hook", "newuuid"]],
];

/** A command that no section names stands in the last one. */
function sectionsOf(words: readonly string[]): [title: string, words: string[]][] {
  const named = new Set(helpSections.flatMap(([, listed]) => listed));
  const rest = words.filter((word) => !named.has(word));
  return helpSections.map(([title, listed], index) => [title, index === helpSections.length - 1 ? [...listed, ...rest] : listed]);
}

/** Of a word with verbs; without one it runs by itself. */
export async function renderGroupHelp(record: AnyCommand, verbs: Readonly<Record<string, Loader>>): Promise<string> {
  return `${renderHelp(record)}\nVerbs (${record.name} VERB --help tells more):\n${list(await loadAll(verbs), `${record.name} `)}\n`;
}

export async function renderCsdHelp(): Promise<string> {
  return `csd drives an interactive claude in a detached tmux session, for scripts. Results are JSON on stdout, errors JSON on stderr.

usage: csd COMMAND …

Commands:
${list(await loadAll(csdCommands), "csd ")}

Flags:
  -h, --help      show this text; csd COMMAND --help tells more
  -V, --version   print the version

Example:
  name=$(csd spawn --trust --permission-mode manual | jq -r .name)
  csd send "$name" Create a file called hello.txt
  csd state "$name"          # blocked: a gate asks before the file is written
  csd approve "$name"
  csd kill "$name"
`;
}

/** Of each command the first sentence: its own help tells the rest. */
function list(records: AnyCommand[], prefix: string): string {
  const width = Math.max(11, ...records.map((record) => record.name.length - prefix.length));
  return records.map((record) => `  ${record.name.slice(prefix.length).padEnd(width)}  ${record.summary.split("\n")[0]}`).join("\n");
}
