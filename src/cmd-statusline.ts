import { command } from "./cmd-record.ts";
import { renderStatusline } from "./statusline.ts";

export const statuslineCommand = command({
  name: "csm statusline",
  summary: "Print profile@host, for the statusLine setting of Claude Code.",
  args: {},
  examples: [['{"statusLine": {"type": "command", "command": "csm statusline"}}', "in settings.json"]],
  run: ({ app }) => app.out(renderStatusline(app.sys.env, app.sys.hostname())),
});
