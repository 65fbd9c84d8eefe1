import { exitCode, SilentExit } from "./errors.ts";
import { asciiJson, asciiWords, isPlain, needsAscii, printable, printableJson, printableJsonText, styledOnly } from "./printable.ts";
import type { Sys } from "./sys.ts";

type Streams = Pick<Sys, "write" | "isTerminal" | "env">;

/**
 * The one door to stdout and stderr. What is said may come from a transcript, a file or a model: no way of saying it moves the
 * terminal, hides something, or turns the line around. A reader of stdout that has gone, as in `| head -1`, ends the program.
 */
export interface Output {
  /** A line or a table for people, to stdout. On a terminal with colours their sequences stay, no others. */
  out(text: string): void;
  /** The same to stderr. */
  tell(text: string): void;
  /** The same value to any parser, whatever it holds; `indent` 0 for one line. */
  json(value: unknown, indent?: number): void;
  /** The same to stderr, on one line. */
  tellJson(value: unknown): void;
  /** Lines that are JSON already: the bytes as they are, on a terminal escaped. */
  jsonLines(text: string): void;
  /** Where the bytes are the contract; on a terminal as `out`. */
  exact(text: string): void;
  /** A line of stderr that the next one takes the place of, on a terminal; without a line it is gone. */
  progress(line?: string): void;
  /** In place of what stands on the screen. */
  redraw(text: string): void;
}

export function createOutput(sys: Streams): Output {
  const write = (text: string): void => {
    if (!sys.write(1, text.endsWith("\n") ? text : `${text}\n`)) throw new SilentExit(exitCode.ok);
  };
  const isShown = (text: string): boolean => !isPlain(text) && sys.isTerminal(1);
  return {
    out: (text) => write(shown(sys, 1, text)),
    tell: (text) => void sys.write(2, `${shown(sys, 2, text)}\n`),
    json: (value, indent = 2) => write(renderJson(sys, value, indent)),
    tellJson: (value) => void sys.write(2, `${renderJson(sys, value, 0)}\n`),
    jsonLines: (text) => write(isShown(text) ? printableJsonText(text) : text),
    exact: (text) => write(isShown(text) ? printable(text) : text),
    progress: (line = "") => void (movesCursor(sys.env) && sys.isTerminal(2) && sys.write(2, `\r\u001b[K${shown(sys, 2, line)}`)),
    redraw: (text) => write(`${movesCursor(sys.env) && sys.isTerminal(1) ? "\u001b[H\u001b[J" : ""}${shown(sys, 1, text)}\n`),
  };
}

/** One line for a person, from a csm that goes on. */
export const tell = (sys: Streams, line: string): void => createOutput(sys).tell(`csm: ${line}`);

/** A terminal that can is told where to write; a dumb one only gets lines. */
export const movesCursor = (env: Sys["env"]): boolean => env.TERM !== "dumb";

export const allowsColor = (env: Sys["env"]): boolean => (env.NO_COLOR ?? "") === "" && movesCursor(env);

/** What a shell is to run, and to say to people: in signs that they can see. */
export const forPeople = (sys: Pick<Sys, "env">, text: string): string => (needsAscii(sys.env) ? asciiWords(text) : text);

function renderJson(sys: Streams, value: unknown, indent: number): string {
  const json = printableJson(value, indent);
  return needsAscii(sys.env) ? asciiJson(json) : json;
}

function shown(sys: Streams, fd: 1 | 2, text: string): string {
  if (isPlain(text)) return text;
  const own = forPeople(sys, text);
  // Asking for a terminal loads Bun's tty streams: only what may be colours asks.
  return own.includes("\u001b") && sys.isTerminal(fd) && allowsColor(sys.env) ? styledOnly(own) : printable(own);
}
