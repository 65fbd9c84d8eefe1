import { type KeyRow, keyRows } from "./dashboard-keys.ts";
import { sourceMarks } from "./dashboard-row.ts";
import type { DashboardState } from "./dashboard-state.ts";
import type { Theme } from "./dashboard-theme.ts";
import { fold, width } from "./format.ts";
import { badgeRows } from "./health.ts";
import { printableLine } from "./printable.ts";
import type { LiveSession } from "./session.ts";
import { statuses, statusRow } from "./statuses.ts";
import { listVerbs } from "./verbs.ts";

interface Look {
  columns: number;
  theme: Theme;
}

const parts: Record<KeyRow["part"], string> = {
  move: "move",
  act: "act on the session under the cursor",
  arrange: "arrange",
  leave: "help, leave",
};

const labelOf = ({ label, keys }: KeyRow): string => label ?? keys[0] ?? "";

/** What can be done to the session under the cursor, and what each key and each mark means. */
export function renderHelp({ theme, columns }: Look, session?: LiveSession): string[] {
  const sections = [
    ...(session === undefined ? [] : [{ title: placeTitle(session), rows: verbLines(session) }]),
    ...Object.entries(parts).map(([part, title]) => ({ title: title.toUpperCase(), rows: linesOf(part) })),
    { title: "MARKS", rows: legend() },
  ];
  const keyWidth = Math.max(...sections.flatMap(({ rows }) => rows.map(([key]) => width(key))));
  return sections.flatMap(({ title, rows }, index) => [
    ...(index === 0 ? [] : [""]),
    ` ${theme.paint("section", title)}`,
    ...rows.flatMap(([key, text]) =>
      fold(text, Math.max(10, columns - keyWidth - 5)).map((line, part) => {
        const shown = part === 0 ? key : "";
        return `  ${theme.paint("key", shown + " ".repeat(keyWidth - width(shown)))}  ${line.trimEnd()}`;
      }),
    ),
  ]);
}

type HelpLine = [key: string, text: string];

const placeTitle = ({ name, terminal, driver }: LiveSession): string =>
  printableLine(driver !== undefined ? `${name}, in a pane of csd` : terminal === undefined ? name : `${name}, in ${terminal.title}`);

/** Those that can be had stand together; the others each with what is in the way. */
function verbLines(session: LiveSession): HelpLine[] {
  const told = listVerbs(session);
  const can = told.flatMap(([verb, why]) => (why === undefined ? verb : []));
  const cannot = [...Map.groupBy(told, ([, why]) => why)].flatMap(([why, verbs]): HelpLine[] =>
    why === undefined ? [] : [[verbs.map(([verb]) => verb).join(" "), `no: ${printableLine(why)}`]],
  );
  return can.length === 0 ? cannot : [[can.join(" "), "can be done now"], ...cannot];
}

const linesOf = (part: string): HelpLine[] =>
  [
    ...Map.groupBy(
      keyRows.filter((row) => row.part === part),
      ({ note }) => note,
    ),
  ].map(([note, rows]) => [rows.map(labelOf).join(" "), note]);

function legend(): HelpLine[] {
  const states = new Map(statuses.map((status) => [statusRow(status).mark, statusRow(status).meaning]));
  const badges = Object.values(badgeRows).map(({ mark, meaning }): HelpLine => [mark, meaning]);
  return [
    ...inLines([...states], 4),
    [Object.values(sourceMarks).join(" "), `said by: ${Object.keys(sourceMarks).join(", ")}`],
    ...inLines(badges, 2),
    ["2▸ in SUB", "two sub-agents at work"],
  ];
}

/** Several marks, and what they mean, on a line. */
function inLines(marks: readonly HelpLine[], perLine: number): HelpLine[] {
  if (marks.length === 0) return [];
  const line = marks.slice(0, perLine);
  const text: HelpLine = [line.map(([mark]) => mark).join(" "), line.map(([, meaning]) => meaning).join(", ")];
  return [text, ...inLines(marks.slice(perLine), perLine)];
}

/** The keys that a person needs, as many as fit; dim what can do nothing here and now. */
export function renderFooter(state: DashboardState, { theme, columns }: Look): string {
  let line = "";
  let used = 0;
  for (const row of keyRows) {
    const word = typeof row.word === "function" ? row.word(state) : row.word;
    if (word === undefined) continue;
    const key = labelOf(row);
    const length = width(key) + width(word) + 3;
    if (used + length > columns) break;
    const isOff = row.why?.(state) !== undefined;
    line += ` ${theme.paint(isOff ? "off" : "key", key)} ${theme.paint(isOff ? "off" : "text", word)} `;
    used += length;
  }
  return line;
}
