import { type AnyCommand, renderHelp } from "./cmd-record.ts";
import { csdCommands, csmCommands, type Loader, loadAll } from "./commands.ts";

export async function renderCsmHelp(): Promise<string> {
  return `csm starts and watches Claude Code sessions; csd drives them from scripts.

usage: csm [COMMAND] …
       csm ANYTHING ELSE        handed to claude as it is: csm mcp list, csm --continue, csm -p "hello"
       csm                      starts claude here

Commands:
${list(await loadAll(csmCommands), "csm ")}
  csd          the session driver: csm csd --help

Flags:
  -h, --help      show this text; csm COMMAND --help tells more
  -V, --version   print the version
`;
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

const list = (records: AnyCommand[], prefix: string): string =>
  records.map((record) => `  ${record.name.slice(prefix.length).padEnd(11)}  ${record.summary}`).join("\n");
