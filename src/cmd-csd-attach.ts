import { command, sessionArgument } from "./cmd-record.ts";
import { createDriver } from "./driver.ts";
import { SilentExit, UserError } from "./errors.ts";
import { showPane } from "./panes.ts";
import { resolveTarget } from "./resolve.ts";

export const attachCommand = command({
  name: "csd attach",
  summary: "Show a session in this terminal, to look and to type; tmux's own key (ctrl-b d) leaves it running.",
  args: {
    session: sessionArgument,
  },
  examples: [["csd attach fix", ""]],
  async run({ args, app }) {
    const { sys } = app;
    const { livePane } = await resolveTarget(createDriver(sys), args.session);
    if (livePane === undefined)
      throw new UserError(`session "${args.session}" runs in a window of its own, not in tmux`, `csm focus ${args.session} goes there`);
    if (!app.isInteractive) throw new UserError("csd attach needs a terminal", `csd tail ${args.session} prints the conversation`);
    throw new SilentExit(await showPane(sys, livePane));
  },
});
