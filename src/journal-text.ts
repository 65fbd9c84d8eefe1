import { duration } from "./format.ts";
import type { JournalEntry } from "./journal.ts";
import { printableLine } from "./sanitize.ts";

/** One line for a person: when, which conversation, what happened and why. */
export function renderEntry(entry: JournalEntry, now: number, time: (at: number) => string): string {
  return printableLine(`${time(entry.at)}  ${entry.session.slice(0, 8)}  ${wordsOf(entry, now)}`);
}

function wordsOf(entry: JournalEntry, now: number): string {
  const { from = "?", to = "?", reason } = entry;
  const why = reason === undefined ? "" : ` (${reason})`;
  switch (entry.event) {
    case "limit":
      return `${from} reached its ${windowWords[entry.window ?? ""] ?? "usage"} limit${resetWords(entry, now)}`;
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
  }
}

const windowWords: Record<string, string> = {
  five_hour: "5-hour",
  seven_day: "weekly",
  seven_day_opus: "weekly Opus",
  seven_day_sonnet: "weekly Sonnet",
};

const resetWords = ({ resets_at: resetsAt }: JournalEntry, now: number): string =>
  resetsAt === undefined ? "" : resetsAt > now ? `, resets in ${duration(resetsAt - now)}` : ", has been reset since";
