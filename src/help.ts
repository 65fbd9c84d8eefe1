import { type AnyCommand, renderHelp, section } from "./cmd-record.ts";
import { type CommandRow, commands, type ProgramName, readPrograms } from "./commands.ts";
import { wrap } from "./format.ts";
import { topics } from "./program.ts";

/** Also of a terminal that is wider: longer lines are hard to read. */
const maxColumns = 80;

export async function renderCsmHelp(columns = maxColumns): Promise<string> {
  const room = Math.min(columns, maxColumns);
  return `${fill("csm starts and watches Claude Code sessions; csd drives them from scripts.", room)}

${csmUsages.flatMap(([typed, does], index) => usageLines(typed, does, index === 0, room)).join("\n")}
${await renderSections("csm", room)}${section("Flags", [...topFlags, ["-c, -r, --profile, …", "of a start of claude: csm run --help lists them"]], room)}`;
}

const csmUsages = [
  ["csm", "starts claude here, in a new conversation or one that you choose"],
  ["csm COMMAND …", "one of those below"],
  ["csm help TOPIC", `explains ${topics.join(", ")}`],
  ["csm ANYTHING ELSE", 'handed to claude as it is: csm mcp list, csm -p "hello"'],
] as const;

const typedWidth = 18;

function usageLines(typed: string, does: string, isFirst: boolean, room: number): string[] {
  const head = `${isFirst ? "usage: " : "       "}${typed.padEnd(typedWidth)}`;
  return wrap(does, room - head.length).map((line, index) => (index === 0 ? head : " ".repeat(head.length)) + line);
}

const topFlags = [
  ["-h, --help", "show this text; csm help COMMAND tells more"],
  ["-V, --version", "print the version"],
] as const;

/** Of a word with verbs; without one it runs by itself. */
export async function renderGroupHelp(record: AnyCommand, rowsOfVerbs: ReadonlyMap<string, CommandRow>, columns?: number): Promise<string> {
  const verbs = await Promise.all([...rowsOfVerbs].map(async ([verb, { load }]) => ({ verb, record: await load?.() })));
  // A word that is short for its one verb.
  if (verbs.some((verb) => verb.record === record)) return renderHelp(record, { columns });
  const rows = verbs.map(({ verb, record }): [string, string] => [verb, firstLine(record?.summary)]);
  return renderHelp(record, { columns, verbs: rows });
}

export async function renderCsdHelp(columns = maxColumns): Promise<string> {
  const room = Math.min(columns, maxColumns);
  const intro =
    "csd drives an interactive claude in a detached tmux session, for scripts. Results are JSON on stdout, errors JSON on stderr.";
  return `${fill(intro, room)}

usage: csd COMMAND …
${await renderSections("csd", room)}${section("Flags", csdFlags, room)}
Example:
  name=$(csd spawn --trust --permission-mode manual | jq -r .name)
  csd send "$name" Create a file called hello.txt
  csd state "$name"          # blocked: a gate asks before the file is written
  csd approve "$name"
  csd kill "$name"
`;
}

const csdFlags = [["-h, --help", "show this text; csd COMMAND --help tells more"], topFlags[1]] as const;

const fill = (text: string, room: number): string => wrap(text, room).join("\n");

/** No command's file is read for it, but when this program runs from its source. */
async function renderSections(program: ProgramName, room: number): Promise<string> {
  const words = (await readPrograms()).find(({ word }) => word === program)?.verbs ?? [];
  const listed = commands[program].flatMap(({ word, section }): { section: string; row: [string, string] }[] => {
    const summary = words.find((known) => known.word === word)?.summary;
    return summary === undefined || section === undefined ? [] : [{ section, row: [word, summary] }];
  });
  const sections = Map.groupBy(listed, ({ section }) => section);
  return [...sections]
    .map(([title, own]) =>
      section(
        title,
        own.map(({ row }) => row),
        room,
      ),
    )
    .join("");
}

const firstLine = (text = ""): string => text.split("\n")[0] ?? "";
