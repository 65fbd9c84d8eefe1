/** `bun run scripts/manual.ts csm|csd` prints the man page of a program; a release has both. Made of the table of commands. */
import { type AnyCommand, type Argument, flagHelp, positionalsOf, usageLines } from "../src/cmd-record.ts";
import { commands, loadCommands, type ProgramName } from "../src/commands.ts";
import { exitCode } from "../src/errors.ts";
import { settings, variables } from "../src/settings.ts";
import { product } from "./platforms.ts";

type Loaded = Awaited<ReturnType<typeof loadCommands>>[number];

const about: Readonly<
  Record<ProgramName, { summary: string; synopsis: readonly (readonly [line: string, does: string])[]; text: string }>
> = {
  csm: {
    summary: "start and watch Claude Code sessions",
    synopsis: [
      ["csm", "start claude here, in a new conversation or one that you choose"],
      ["csm COMMAND …", "one of those below"],
      ["csm ANYTHING ELSE", "handed to claude as it is"],
    ],
    text: "csm starts Claude Code on the account that has room, shows what all of its sessions do, and carries them on through a usage limit.",
  },
  csd: {
    summary: "drive Claude Code sessions from scripts",
    synopsis: [["csd COMMAND …", "one of those below"]],
    text: "csd drives an interactive claude in a detached tmux session. Results are JSON on stdout, errors JSON on stderr.",
  },
};

const codes: Readonly<Record<keyof typeof exitCode, string>> = {
  ok: "done",
  failure: "failed; what is wrong and what to do about it is on stderr",
  usage: "wrong usage",
  bug: "a bug of csm; the report is on stderr",
  timeout: "a time limit that was given has passed",
  notRunnable: "claude could not be run",
  notFound: "there is no claude",
  hangUp: "the terminal has gone",
  interrupted: "interrupted with Ctrl-C",
};

/** In roff, which `man` shows; `day` as 2026-11-28. */
export async function renderManual(program: ProgramName, version: string, day: string): Promise<string> {
  const loaded = (await loadCommands()).filter((row) => row.program === program);
  const { summary, synopsis, text } = about[program];
  const other = program === "csm" ? "csd" : "csm";
  const sections = [...new Set(commands[program].flatMap(({ section }) => section ?? []))];
  return [
    `.TH ${program.toUpperCase()} 1 "${day}" "${program} ${version}" "User Commands"`,
    ".SH NAME",
    `${program} \\- ${roff(summary)}`,
    ".SH SYNOPSIS",
    ...synopsis.flatMap(([line, does]) => item(bold(line), does)),
    ".SH DESCRIPTION",
    roff(text),
    ...sections.flatMap((section) => [
      `.SH ${section === "Commands" ? "COMMANDS" : `"${section.toUpperCase()}"`}`,
      ...loaded.filter((row) => sectionOf(program, row) === section).flatMap(renderCommand),
    ]),
    ".SH EXIT STATUS",
    ...Object.entries(codes).flatMap(([name, means]) => item(String(exitCode[name as keyof typeof exitCode]), means)),
    ".SH ENVIRONMENT",
    ...Object.values({ ...settings, ...variables }).flatMap((row) =>
      ("variables" in row ? row.variables : []).flatMap(({ name }) => item(bold(name), row.about)),
    ),
    ".SH SEE ALSO",
    `.BR ${other} (1),`,
    ".BR tmux (1)",
    "",
  ].join("\n");
}

/** A verb stands with its word. */
const sectionOf = (program: ProgramName, { word }: Loaded): string | undefined =>
  commands[program].find((row) => row.word === word.split(" ")[0])?.section;

function renderCommand({ program, word, record, summary }: Loaded): string[] {
  const heading = `.SS ${roff(`${program} ${word}`)}`;
  if (record === undefined) return summary === undefined ? [] : [heading, roff(summary)];
  // A word that is short for its one verb is told of there.
  if (record.name !== `${program} ${word}`) return [];
  const usage = usageLines(record).flatMap((line, index) => [...(index === 0 ? [] : [".br"]), bold(line)]);
  const rest: [string, string][] = record.rest === undefined ? [] : [[record.rest.hint, record.rest.about]];
  const options = [
    ...positionalsOf(record).map(([name, { description = "" }]): [string, string] => [name.toUpperCase(), description]),
    ...rest,
    ...flagsIn(record),
  ];
  return [
    heading,
    ...record.summary.split("\n\n").flatMap((part, index) => [...(index === 0 ? [] : [".PP"]), roff(part)]),
    ".PP",
    ...usage,
    ...options.flatMap(([left, right]) => item(bold(left), right)),
    ...(record.codes === undefined ? [] : [".PP", "Exit codes:", ...record.codes.flatMap(([code, about]) => item(bold(code), about))]),
    ".PP",
    "Examples:",
    ...record.examples.flatMap(([typed, effect]: [string, string]) => item(roff(typed), effect)),
  ];
}

const flagsIn = (record: AnyCommand): [string, string][] =>
  Object.entries(record.args as Record<string, Argument>).flatMap(([name, { type }]) =>
    type === "positional" ? [] : [flagHelp(record, name)],
  );

const item = (tag: string, text: string): string[] => [".TP", tag, text === "" ? "\\&" : roff(text)];
const bold = (text: string): string => `\\fB${roff(text)}\\fR`;

/** Nothing in it is roff: no request at the start of a line, no escape; dashes are those that one types. */
const roff = (text: string): string =>
  text
    .replaceAll("\\", "\\e")
    .replaceAll("-", "\\-")
    .replaceAll("\n", " ")
    .replace(/^(?=[.'])/, "\\&")
    // Of ASCII alone: an old man reads nothing else.
    .replace(/[^\x20-\x7e]/gu, (sign) => `\\[u${(sign.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, "0")}]`);

if (import.meta.main) {
  const program = process.argv[2] === "csd" ? "csd" : "csm";
  process.stdout.write(await renderManual(program, product.version, new Date().toISOString().slice(0, 10)));
}
