import type { AnyCommand } from "./cmd-record.ts";
import { type CommandRow, commands, loadCommands, type ProgramName } from "./commands.ts";
import { builtPrograms } from "./completion.ts";

export async function renderCsmHelp(): Promise<string> {
  return `csm starts and watches Claude Code sessions, on the account that has room; csd drives them from scripts.

usage: csm                      starts claude here, in a new conversation or one that you choose
       csm COMMAND …            one of those below
       csm ANYTHING ELSE        handed to claude as it is: csm mcp list, csm -p "hello"

${await renderSections("csm")}
Flags:
  -h, --help      show this text; csm COMMAND --help tells more
  -V, --version   print the version
`;
}

/** Of a word with verbs; without one it runs by itself. */
export async function renderGroupHelp(record: AnyCommand, rowsOfVerbs: ReadonlyMap<string, CommandRow>): Promise<string> {
  const { renderHelp } = await import("./cmd-record.ts");
  const verbs = await Promise.all([...rowsOfVerbs].map(async ([verb, { load }]) => ({ verb, record: await load?.() })));
  // A word that is short for its one verb.
  if (verbs.some((verb) => verb.record === record)) return renderHelp(record);
  const rows = verbs.map(({ verb, record }): Row => [verb, record?.summary.split("\n")[0] ?? ""]);
  return `${renderHelp(record)}\nVerbs (${record.name} VERB --help tells more):\n${list(rows)}\n`;
}

export async function renderCsdHelp(): Promise<string> {
  return `csd drives an interactive claude in a detached tmux session, for scripts. Results are JSON on stdout, errors JSON on stderr.

usage: csd COMMAND …

${await renderSections("csd")}
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
async function renderSections(program: ProgramName): Promise<string> {
  const programs = builtPrograms() ?? (await import("./cmd-completions.ts")).parsePrograms(await loadCommands());
  const words = programs.find(({ name }) => name === program)?.words ?? [];
  const listed = commands[program].flatMap(({ word, section }): { section: string; row: Row }[] => {
    const summary = words.find((known) => known.word === word)?.summary;
    return summary === undefined || section === undefined ? [] : [{ section, row: [word, summary] }];
  });
  const sections = Map.groupBy(listed, ({ section }) => section);
  return [...sections].map(([title, own]) => `${title}:\n${list(own.map(({ row }) => row))}\n`).join("\n");
}

function list(rows: Row[]): string {
  const width = Math.max(11, ...rows.map(([word]) => word.length));
  return rows.map(([word, summary]) => `  ${word.padEnd(width)}  ${summary}`).join("\n");
}
