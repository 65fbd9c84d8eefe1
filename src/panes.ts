import { join } from "node:path";
import { runProgram } from "./launch.ts";
import { ancestors, type ProcessTable, readProcessTable } from "./process-table.ts";
import type { Sys } from "./sys.ts";
import { terminalOf } from "./terminals.ts";
import { type Ask, createAsk, ownMark, type Pane, unaliased } from "./tmux.ts";

/**
 * The pane that each of these processes runs in, whatever server it belongs to: the one whose program is the process or an
 * ancestor of it. A pane id alone would not do, as each server counts from %0.
 */
export async function findPanes(
  sys: Sys,
  table: ProcessTable,
  pids: readonly number[],
  sockets: readonly string[] = [],
  ask: Ask = createAsk(sys),
): Promise<Map<number, Pane>> {
  // Nothing comes where tmux is missing, or something else stands at such a place: the session is shown without its pane.
  const lists = await Promise.all([...new Set([...sockets, ...listSockets(sys)])].map((socket) => ask(socket, (tmux) => tmux.list())));
  const panes = new Map(lists.flatMap((list = []) => list.flatMap((pane) => (pane.isDead ? [] : [[pane.pid, pane]]))));
  return new Map(
    pids.flatMap((pid) => {
      const holder =
        panes.size === 0 ? undefined : ancestors(table, pid).find((each) => panes.has(each) || isOtherTerminal(table, pid, each));
      const pane = holder === undefined || isOtherTerminal(table, pid, holder) ? undefined : panes.get(holder);
      return pane === undefined ? [] : [[pid, pane]];
    }),
  );
}

/** A terminal that was opened from a pane, as by its shell: what runs in there is in its window, and not in the pane. */
const isOtherTerminal = (table: ProcessTable, pid: number, each: number): boolean =>
  each !== pid && (terminalOf(table.get(each)?.program ?? "") ?? "tmux") !== "tmux";

/** The same for one process, which may be younger than any scan; `socket` where a server outside the usual folder is known of. */
export async function findPane(sys: Sys, pid: number, socket?: string): Promise<Pane | undefined> {
  return (await findPanes(sys, await readProcessTable(sys), [pid], socket === undefined ? [] : [socket])).get(pid);
}

/** The server of this terminal, and every other one of this user. */
function listSockets(sys: Sys): string[] {
  const own = sys.env.TMUX?.split(",")[0];
  const dir = join(sys.env.TMUX_TMPDIR || "/tmp", `tmux-${sys.uid}`);
  return [...(own === undefined || own === "" ? [] : [own]), ...sys.list(dir).map((name) => join(dir, name))];
}

/** A call of tmux that shows a pane in this terminal. */
export interface Show {
  argv: string[];
  /** This terminal's own tmux changes over to it; else tmux uses the terminal until its user leaves, and must not find itself inside one. */
  isInPlace: boolean;
  /** What tmux's prefix and this key do is to come back from there. */
  leaveKey: "d" | "l" | "L";
}

export function planShow(sys: Pick<Sys, "env">, pane: Pane): Show {
  const isInPlace = sys.env.TMUX?.startsWith(`${pane.socketPath},`) === true;
  // A window of csd's keeps its size until somebody looks who has come to see all of it.
  const follow = ["if-shell", "-F", "-t", pane.paneId, `#{${ownMark}}`, `set-optio -w -t ${pane.paneId} window-size latest`, ";"];
  const choose = ["select-window", "-t", pane.paneId, ";", "select-pane", "-t", pane.paneId, ";"];
  // `$TMUX` is socket, server and number of the session that this program runs in.
  const isSameSession = isInPlace && `$${sys.env.TMUX?.split(",")[2]}` === pane.sessionId;
  const leaveKey = isSameSession ? "l" : isInPlace ? "L" : "d";
  const show = [isInPlace ? "switch-client" : "attach-session", "-t", pane.sessionId];
  return { argv: ["-u", "-S", pane.socketPath, ...unaliased([...follow, ...choose, ...show])], isInPlace, leaveKey };
}

/** Becomes the tmux that shows the pane; returns its exit code only where a process cannot be replaced. */
export function showPane(sys: Sys, pane: Pane): Promise<number> {
  const { argv, isInPlace } = planShow(sys, pane);
  const { TMUX: _, ...outside } = sys.env;
  return runProgram(sys, "tmux", argv, isInPlace ? sys.env : outside);
}
