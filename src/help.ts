import type { AnyCommand } from "./cmd-record.ts";
import { type Loader, loadAll, loadRecords } from "./commands.ts";
import { builtPrograms } from "./completion-tree.ts";

export async function renderCsmHelp(): Promise<string> {
  return `csm starts and watches Claude Code sessions; csd drives them from scripts.

usage: csm [COMMAND] …
       csm ANYTHING ELSE        handed to claude as it is: csm mcp list, csm --continue, csm -p "hello"
       csm                      starts claude here

Commands:
${await listCommands("csm")}

Flags:
  -h, --help      show this text; csm COMMAND --help tells more
  -V, --version   print the version
`;
}

/** Of a word with verbs; without one it runs by itself. */
export async function renderGroupHelp(record: AnyCommand, verbs: Readonly<Record<string, Loader>>): Promise<string> {
  const { renderHelp } = await import("./cmd-record.ts");
  return `${renderHelp(record)}\nVerbs (${record.name} VERB --help tells more):\n${list((await loadAll(verbs)).map(({ name, summary }) => [name.split(" ").at(-1) ?? "", summary]))}\n`;
}

export async function renderCsdHelp(): Promise<string> {
  return `csd drives an interactive claude in a detached tmux session, for scripts. Results are JSON on stdout, errors JSON on stderr.

usage: csd COMMAND …

Commands:
${await listCommands("csd")}

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

async function listCommands(program: string): Promise<string> {
  // No command's file is read for it, but when this program runs from its source.
  const programs = builtPrograms() ?? (await import("./cmd-completions.ts")).parsePrograms(await loadRecords());
  return list((programs.find(({ name }) => name === program)?.words ?? []).map(({ word, summary }) => [word, summary]));
}

function list(rows: [word: string, summary: string][]): string {
  const width = Math.max(11, ...rows.map(([word]) => word.length));
  return rows.map(([word, summary]) => `  ${word.padEnd(width)}  ${summary}`).join("\n");
}
