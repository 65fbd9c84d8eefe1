/** The terminal in full-screen use. Whatever ends the program, the screen and the keyboard are as they were before. */
export interface Terminal {
  columns(): number;
  rows(): number;
  /** Replaces the whole screen; lines beyond its height are cut. */
  draw(lines: readonly string[]): void;
  /** The next key, or undefined after `timeoutMs`. Ctrl-C is `\u0003`. */
  readKey(timeoutMs: number): Promise<string | undefined>;
  close(): void;
}

const enter = "\u001b[?1049h\u001b[?25l";
const leave = "\u001b[?25h\u001b[?1049l";
/** Terminals that know synchronized output paint a frame at once; others ignore the words. */
const frame = (text: string) => `\u001b[?2026h${text}\u001b[?2026l`;

export function openTerminal(): Terminal {
  const { stdin, stdout } = process;
  const pressed: string[] = [];
  let wake: (() => void) | undefined;
  const onData = (data: Buffer) => {
    pressed.push(...data.toString("utf8"));
    wake?.();
  };
  let isOpen = true;
  const close = () => {
    if (!isOpen) return;
    isOpen = false;
    stdin.off("data", onData);
    stdin.setRawMode(false);
    stdin.pause();
    stdout.write(leave);
    process.off("exit", close);
  };
  stdin.setRawMode(true);
  stdin.on("data", onData);
  stdin.resume();
  stdout.write(enter);
  process.on("exit", close);
  return {
    columns: () => stdout.columns || 80,
    rows: () => stdout.rows || 24,
    draw(lines) {
      const shown = lines.slice(0, stdout.rows || 24);
      stdout.write(frame(`\u001b[H${shown.map((line) => `${line}\u001b[K`).join("\r\n")}\u001b[J`));
    },
    async readKey(timeoutMs) {
      if (pressed.length === 0)
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, timeoutMs);
          wake = () => {
            clearTimeout(timer);
            resolve();
          };
        });
      wake = undefined;
      return pressed.shift();
    },
    close,
  };
}
