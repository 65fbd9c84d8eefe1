import { createDrivenStore } from "./driven.ts";
import { ancestors, readProcessTable } from "./process-table.ts";
import type { LiveOwner } from "./sessions.ts";
import type { Sys } from "./sys.ts";
import { createTmux } from "./tmux.ts";

/** The call that shows a live session in this terminal. */
export interface Attach {
  program: "tmux" | "claude";
  args: string[];
  /** How a person would call the place. */
  place: string;
  /** tmux refuses to start inside itself. */
  leavesTmux: boolean;
}

/** Undefined for a session in a plain terminal, which nothing can take over. */
export async function findAttach(sys: Sys, { file }: LiveOwner): Promise<Attach | undefined> {
  // Background sessions have no terminal; claude shows them by the beginning of their id.
  if (file.kind === "bg")
    return { program: "claude", args: ["attach", file.sessionId.slice(0, 8)], place: "background", leavesTmux: false };
  const paneId = /%\d+$/.exec(file.tmux ?? "")?.[0];
  if (paneId === undefined) return undefined;
  const driven = createDrivenStore(sys)
    .list()
    .records.find(({ session_id }) => session_id === file.sessionId);
  try {
    const pane = await createTmux(sys, driven?.socket).pane(paneId);
    // Another server has a pane of the same number.
    if (pane === undefined || ![...ancestors(await readProcessTable(sys), file.pid)].includes(pane.pid)) return undefined;
    const isInside = sys.env.TMUX?.startsWith(`${pane.socketPath},`) === true;
    const target = isInside ? ["switch-client", "-t", paneId] : ["attach-session", "-t", paneId];
    const args = ["-u", "-S", pane.socketPath, ...target];
    return { program: "tmux", args, place: `tmux session ${pane.sessionName}`, leavesTmux: !isInside };
  } catch {
    // No tmux here: it runs inside one of another machine or container.
    return undefined;
  }
}
