import type { Paint } from "./format.ts";
import { readSeats } from "./process-table.ts";
import type { Sys } from "./sys.ts";
import type { Run, TaskRow } from "./task-queue.ts";
import { renderRunScreen, runStatus } from "./task-view.ts";
import { openTerminal } from "./tty.ts";

/** The live table of a run. */
interface RunScreen {
  show(run: Run, rows: readonly TaskRow[]): void;
  /** In place of the hints, from now on. */
  tell(text: string): void;
  /** The terminal is as it was before. */
  close(): void;
}

/** Times are counted in seconds. */
const clockMs = 1000;

/** Keys are ours: Ctrl-C is told, and ends nothing by itself. */
export function openRunScreen(sys: Sys, { paint, onInterrupt }: { paint: Paint; onInterrupt(): void }): RunScreen {
  const terminal = openTerminal();
  let known: { run: Run; rows: readonly TaskRow[] } | undefined;
  let notice: string | undefined;
  let isOpen = true;
  const draw = () => {
    if (known === undefined) return;
    const { run, rows } = known;
    const size = { columns: terminal.columns(), rows: terminal.rows() };
    terminal.draw(
      renderRunScreen(run, rows, runStatus(run, rows, true), sys.now(), { paint, ...size, ...(notice === undefined ? {} : { notice }) }),
    );
  };
  const follow = async () => {
    while (isOpen) {
      draw();
      const key = await terminal.readKey(clockMs - (sys.now() % clockMs) + 1);
      if (!isOpen) break;
      if (key?.name === "ctrl-c") onInterrupt();
      if (key?.name === "ctrl-z") await terminal.suspend();
      if (key?.name === "ctrl-l") await terminal.lend(() => undefined);
    }
  };
  const close = () => {
    isOpen = false;
    terminal.close();
    terminal.wake();
  };
  // A terminal that has gone takes the table with it, and not the run.
  void follow().catch(close);
  return {
    show(run, rows) {
      known = { run, rows };
      terminal.wake();
    },
    tell(text) {
      notice = text;
      terminal.wake();
    },
    close,
  };
}

/** A program that is behind another one would be stopped as it takes the keyboard. */
export const hasForeground = async (sys: Sys): Promise<boolean> => (await readSeats(sys, [sys.pid])).get(sys.pid)?.isForeground !== false;
