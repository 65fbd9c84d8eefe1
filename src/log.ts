import { type ConsolaInstance, createConsola } from "consola/core";
import type { App } from "./cmd-record.ts";
import { createPaint, type Style } from "./format.ts";
import { allowsColor } from "./output.ts";
import { printableLine } from "./printable.ts";

/** What a command that runs for long tells the person who started it; nothing of it is data. */
export type Log = Pick<ConsolaInstance, "info" | "success" | "warn" | "error">;

const marks: Readonly<Record<string, [mark: string, style: Style]>> = {
  info: ["·", "dim"],
  success: ["✔", "green"],
  warn: ["⚠", "yellow"],
  error: ["✖", "red"],
};

/**
 * Every message is a line of stderr, through the one door of all commands. On a terminal it begins with a mark of its kind in the
 * place of its indentation; elsewhere it is the message and nothing else. What is said again and again within a second is counted.
 */
export function createLog({ sys, tell }: Pick<App, "sys" | "tell">): Log {
  const isTerminal = sys.isTerminal(2);
  const paint = createPaint(isTerminal && allowsColor(sys.env));
  // Of its core only: the reporters that consola brings write to the streams themselves.
  return createConsola({
    reporters: [
      {
        log({ type, args }) {
          const message = args.join(" ");
          const [mark, style] = marks[type] ?? ["·", "dim"];
          tell(isTerminal ? `${paint(style, mark)} ${message.trimStart()}` : message);
        },
      },
    ],
  });
}

/** Of a connection that comes and goes: tells `found` once it is there, where that is told at all, and each new reason why it is not. */
export function createLinkLog(log: Log, lost: (why: string) => string, found?: string): (failure: Error | undefined) => void {
  // Without a word of its own being there is what is expected.
  let told = found === undefined ? undefined : "";
  return (failure) => {
    const why = failure === undefined ? undefined : printableLine(failure.message);
    if (why === told) return;
    told = why;
    if (why !== undefined) log.warn(lost(why));
    else if (found !== undefined) log.success(found);
  };
}
