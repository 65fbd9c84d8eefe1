import { type ConsolaInstance, createConsola } from "consola/core";
import type { App } from "./cmd-record.ts";
import { createPaint, type Style } from "./format.ts";
import { allowsColor } from "./output.ts";

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
