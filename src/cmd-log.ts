import { renderLocalTime } from "./calendar.ts";
import { resolveSessionId } from "./candidates.ts";
import { command } from "./cmd-record.ts";
import { usageError } from "./errors.ts";
import { duration, hang, isoTime, timed } from "./format.ts";
import { readHooksOff } from "./hooks-off.ts";
import { type JournalEntry, openJournal } from "./journal.ts";
import { present } from "./json.ts";
import { printableLine } from "./printable.ts";
import { currentDir, readRegistryOrNone } from "./profiles.ts";

const defaultLines = 20;

export const logCommand = command({
  name: "csm log",
  summary: "What csm did about usage limits: which conversation moved where, what waits, what failed, and why.",
  args: {
    lines: { type: "string", alias: "n", valueHint: "N", description: `how many entries, the newest last (${defaultLines})` },
    session: {
      type: "string",
      valueHint: "WHICH",
      kind: "anywhere",
      description: "only this conversation: its id or the beginning of it, its title or its name",
    },
    json: { type: "boolean", description: "print JSON" },
  },
  examples: [
    ["csm log", ""],
    ["csm log --session 3dd65871 --json", ""],
  ],
  async run({ args, app }) {
    const count = args.lines === undefined ? defaultLines : Number(args.lines);
    if (!Number.isInteger(count) || count < 1)
      throw usageError(`csm log: --lines must be a whole number, not ${JSON.stringify(args.lines)}`);
    const all = openJournal(app.sys).read();
    const known = all.map(({ session }) => session);
    const wanted = args.session === undefined ? undefined : await resolveSessionId(app.sys, args.session, known);
    const entries = all.filter(({ session }) => wanted === undefined || session === wanted).slice(-count);
    const off = readHooksOff(app.sys, { configDir: currentDir(app.sys, readRegistryOrNone(app.sys)), cwd: app.sys.cwd });
    if (args.json === true) return app.json<"csm log">({ entries: entries.map(entryJson), ...present({ hooks_off: off }) });
    if (off !== undefined) app.tell(`csm log: hooks are switched off (${off}): limits of sessions that csm did not start are not noted`);
    if (entries.length === 0)
      return app.out(
        args.session === undefined
          ? "no usage limit has been met yet"
          : `no usage limit of session ${printableLine(args.session)} is known`,
      );
    const now = app.sys.now();
    app.out(entries.flatMap((entry) => renderEntry(entry, now, app.columns)).join("\n"));
  },
});

/** `session` is the earlier name of `session_id`. */
const entryJson = (entry: JournalEntry) => ({
  ...entry,
  ...{ session_id: entry.session, time: isoTime(entry.at) },
  ...(entry.resets_at === undefined ? {} : timed("resets", entry.resets_at)),
});

/** When, which conversation, what happened and why: one line, and more of them where the terminal is narrow. */
function renderEntry(entry: JournalEntry, now: number, columns: number | undefined): string[] {
  const head = `${renderLocalTime(entry.at / 1000, undefined)}  ${printableLine(entry.session.slice(0, 8))}  `;
  return hang(head, printableLine(wordsOf(entry, now)), columns);
}

/** What happened and why. */
export function wordsOf(entry: JournalEntry, now: number): string {
  const { from = "?", to = "?", reason } = entry;
  const word: string = entry.event;
  const why = reason === undefined ? "" : ` (${reason})`;
  switch (entry.event) {
    case "limit":
      return `${from} reached its ${windowWords.get(entry.window ?? "") ?? "usage"} limit${resetWords(entry, now)}`;
    case "switch":
      return `went on in ${to} instead of ${from}${why}`;
    case "wait":
      return `waits in ${from}${resetWords(entry, now)}${why}`;
    case "continue":
      return `went on in ${from}${why}`;
    case "ask":
      return `asked in ${from}${why}`;
    case "stop":
      return `left as it is in ${from}${why}`;
    case "refused":
      return `could not go on in ${to}${why}`;
    case "failed":
      return `stayed in ${from}${why}`;
    default:
      // Of a later version, or of nobody's.
      return word;
  }
}

const windowWords: ReadonlyMap<string, string> = new Map([
  ["five_hour", "5-hour"],
  ["seven_day", "weekly"],
  ["seven_day_opus", "weekly Opus"],
  ["seven_day_sonnet", "weekly Sonnet"],
]);

const resetWords = ({ resets_at: resetsAt }: JournalEntry, now: number): string =>
  resetsAt === undefined ? "" : resetsAt > now ? `, resets in ${duration(resetsAt - now)}` : ", has been reset since";
