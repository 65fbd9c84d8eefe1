import type { AnyCommand } from "./cmd-record.ts";
import { type Loader, loadAll, loadRecords } from "./commands.ts";
import { builtPrograms } from "./completion.ts";

export async function renderCsmHelp(): Promise<string> {
  const rows = await readRows("csm");
  const sections = sectionsOf(rows.map(([word]) => word)).map(([title, words]) => {
    const own = words.flatMap((word) => rows.filter(([known]) => known === word));
    return `${title}:\n${list(own)}\n`;
  });
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
  ["Sessions", ["run", "scan", "open", "restore", "sidecar", "reap", "csd"]],
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
  const { renderHelp } = await import("./cmd-record.ts");
  const records = await loadAll(verbs);
  // A word that is short for its one verb.
  if (records.includes(record)) return renderHelp(record);
  const rows = records.map(({ name, summary }): Row => [name.split(" ").at(-1) ?? "", summary.split("\n")[0] ?? ""]);
  return `${renderHelp(record)}\nVerbs (${record.name} VERB --help tells more):\n${list(rows)}\n`;
}

export async function renderCsdHelp(): Promise<string> {
  return `csd drives an interactive claude in a detached tmux session, for scripts. Results are JSON on stdout, errors JSON on stderr.

usage: csd COMMAND …

Commands:
${list(await readRows("csd"))}

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

type Row = [word: string, summary: string];

/** No command's file is read for it, but when this program runs from its source. */
async function readRows(program: string): Promise<Row[]> {
  const programs = builtPrograms() ?? (await import("./cmd-completions.ts")).parsePrograms(await loadRecords());
  return (programs.find(({ name }) => name === program)?.words ?? []).map(({ word, summary }) => [word, summary]);
}

function list(rows: Row[]): string {
  const width = Math.max(11, ...rows.map(([word]) => word.length));
  return rows.map(([word, summary]) => `  ${word.padEnd(width)}  ${summary}`).join("\n");
}
