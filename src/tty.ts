import { exitCode, SilentExit, UserError } from "./errors.ts";
import { asciiCells, needsAscii } from "./printable.ts";
import { createKeyParser, type Key } from "./tty-keys.ts";

/** The terminal in full-screen use. Whatever ends the program, the screen and the keyboard are as they were before. */
export interface Terminal {
  columns(): number;
  rows(): number;
  /** Replaces the screen; only lines that differ from those shown are sent. */
  draw(lines: readonly string[]): void;
  /** The next key; undefined after `timeoutMs`, after `wake`, and when the size has changed. */
  readKey(timeoutMs: number): Promise<Key | undefined>;
  wake(): void;
  /** Sends our own words to the terminal, such as a text for its clipboard. */
  send(text: string): void;
  /** Gives the terminal back while something else uses it, and takes it again. */
  lend(use: () => Promise<void> | void): Promise<void>;
  /** Stops this program as Ctrl-Z does; returns when it goes on. */
  suspend(): Promise<void>;
  close(): void;
}

interface TerminalOptions {
  hasMouse?: boolean;
  /** Is told all that is drawn, as for a recording. */
  onOutput?: (text: string, size: { columns: number; rows: number }) => void;
}

const enterWords = "\u001b[?1049h\u001b[?25l\u001b[?7l\u001b[?2004h";
const leaveWords = "\u001b[?2004l\u001b[?7h\u001b[?25h\u001b[?1049l";
const mouseOn = "\u001b[?1000h\u001b[?1006h";
const mouseOff = "\u001b[?1006l\u001b[?1000l";
/** Terminals that know synchronized output paint a frame at once; others ignore the words. */
const frame = (text: string) => `\u001b[?2026h${text}\u001b[?2026l`;
/** A stop signal takes effect within this. */
const unstoppedMs = 200;
/** A lone ESC is a key when nothing has followed it by then; what a slow line tears apart comes sooner. */
const escapeMs = 75;

export function openTerminal({ hasMouse = false, onOutput }: TerminalOptions = {}): Terminal {
  requireScreen();
  const { stdin, stdout } = process;
  const isAscii = needsAscii(process.env);
  const keys = createKeyQueue();
  let shown: string[] = [];
  let isOpen = false;
  const write = (text: string) => {
    stdout.write(text);
    onOutput?.(text, { columns: stdout.columns || 80, rows: stdout.rows || 24 });
  };
  const onResize = () => {
    shown = [];
    keys.wake();
  };
  const open = () => {
    isOpen = true;
    shown = [];
    takeKeyboard(stdin);
    stdin.on("data", keys.take);
    stdin.resume();
    stdout.on("resize", onResize);
    process.on("exit", close);
    write(`${enterWords}${hasMouse ? mouseOn : ""}\u001b[2J`);
  };
  const close = () => {
    if (!isOpen) return;
    isOpen = false;
    keys.pause();
    stdin.off("data", keys.take);
    stdout.off("resize", onResize);
    process.off("exit", close);
    stdin.pause();
    try {
      stdin.setRawMode(false);
      write(`${hasMouse ? mouseOff : ""}${leaveWords}`);
    } catch {
      // The terminal has gone: there is nothing to give back.
    }
  };
  open();
  return {
    columns: () => stdout.columns || 80,
    rows: () => stdout.rows || 24,
    draw(lines) {
      // Lent: the screen is somebody else's.
      if (!isOpen) return;
      const height = stdout.rows || 24;
      const next = lines.slice(0, height).map(isAscii ? asciiCells : String);
      while (next.length < height) next.push("");
      const changed = next.flatMap((line, index) =>
        line === shown[index] ? [] : [`\u001b[${index + 1};1H\u001b[0m\u001b[2K${line}\u001b[0m`],
      );
      shown = next;
      if (changed.length > 0) write(frame(changed.join("")));
    },
    readKey: keys.read,
    wake: keys.wake,
    send: (text) => void stdout.write(text),
    async lend(use) {
      close();
      try {
        await use();
      } finally {
        open();
      }
    },
    async suspend() {
      close();
      const resumed = new Promise<void>((resolve) => process.once("SIGCONT", () => resolve()));
      // As the terminal does it: all that stands in the foreground with us, such as npm, or the shell would never come back. The
      // next line runs when the shell lets it go on, or at once where nobody could (no job control).
      process.kill(0, "SIGTSTP");
      await Promise.race([resumed, new Promise((resolve) => setTimeout(resolve, unstoppedMs))]);
      open();
    },
    close,
  };
}

function requireScreen(): void {
  if (process.env.TERM === "dumb")
    throw new UserError(
      "this terminal cannot move its cursor (TERM=dumb)",
      "csm scan lists conversations and csm -r NAME opens one; or use another terminal",
    );
}

/** Where questions are asked: this terminal, in signs that its locale has. */
export function openQuestions(): NodeJS.WriteStream {
  requireScreen();
  const { stdout } = process;
  if (!needsAscii(process.env)) return stdout;
  const write = (text: string | Uint8Array, ...rest: never[]) => stdout.write(typeof text === "string" ? asciiCells(text) : text, ...rest);
  return Object.create(stdout, { write: { value: write } }) as NodeJS.WriteStream;
}

/** A terminal that has gone, as after a stop and a hang-up, is the end, and no fault of ours. */
function takeKeyboard(stdin: NodeJS.ReadStream): void {
  try {
    stdin.setRawMode(true);
  } catch {
    throw new SilentExit(exitCode.hangUp);
  }
}

interface KeyQueue {
  /** What stdin brought. */
  take(data: Buffer): void;
  read(timeoutMs: number): Promise<Key | undefined>;
  wake(): void;
  /** A lone ESC that stands waiting is dropped. */
  pause(): void;
}

function createKeyQueue(): KeyQueue {
  let parser = createKeyParser();
  // A character may come in two pieces.
  const decoder = new TextDecoder();
  const pressed: Key[] = [];
  let isAwake = false;
  let wake: (() => void) | undefined;
  let escapeTimer: ReturnType<typeof setTimeout> | undefined;
  const press = (keys: Key[]) => {
    pressed.push(...keys);
    if (keys.length > 0) wake?.();
  };
  return {
    take(data) {
      clearTimeout(escapeTimer);
      press(parser.take(decoder.decode(data, { stream: true })));
      if (parser.isPending) escapeTimer = setTimeout(() => press(parser.flush()), escapeMs);
    },
    async read(timeoutMs) {
      if (pressed.length === 0 && !isAwake)
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, timeoutMs);
          wake = () => {
            clearTimeout(timer);
            resolve();
          };
        });
      wake = undefined;
      isAwake = false;
      return pressed.shift();
    },
    wake() {
      isAwake = true;
      wake?.();
    },
    pause() {
      clearTimeout(escapeTimer);
      parser = createKeyParser();
    },
  };
}
