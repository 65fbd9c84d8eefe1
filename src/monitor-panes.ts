import { join } from "node:path";
import { ancestors, type ProcessTable } from "./process-table.ts";
import type { Sys } from "./sys.ts";
import { createTmux, type Pane } from "./tmux.ts";

/**
 * The pane that each of these processes runs in, whatever server it belongs to: the one whose program is the process or an
 * ancestor of it. A pane id alone would not do, as each server counts from %0.
 */
export async function findPanes(
  sys: Sys,
  table: ProcessTable,
  pids: readonly number[],
  sockets: readonly string[] = [],
): Promise<Map<number, Pane>> {
  const panes = new Map<number, Pane>();
  for (const socket of new Set([...sockets, ...listSockets(sys)]))
    for (const pane of await listPanes(sys, socket)) panes.set(pane.pid, pane);
  const found = new Map<number, Pane>();
  for (const pid of pids) {
    for (const ancestor of ancestors(table, pid)) {
      const pane = panes.get(ancestor);
      if (pane === undefined || pane.isDead) continue;
      found.set(pid, pane);
      break;
    }
  }
  return found;
}

/** The server of this terminal, and every other one of this user. */
function listSockets(sys: Sys): string[] {
  const own = sys.env.TMUX?.split(",")[0];
  const dir = join(sys.env.TMUX_TMPDIR || "/tmp", `tmux-${sys.uid}`);
  return [...(own === undefined || own === "" ? [] : [own]), ...sys.list(dir).map((name) => join(dir, name))];
}

async function listPanes(sys: Sys, socket: string): Promise<Pane[]> {
  try {
    return await createTmux(sys, socket).list();
  } catch {
    // No tmux on this machine, or something else at this place: the session is shown without its pane.
    return [];
  }
}
