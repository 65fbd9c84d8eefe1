import { command } from "./cmd-record.ts";
import { listSessions } from "./monitor.ts";
import { homeDir } from "./paths.ts";
import { sessionJson } from "./session-json.ts";
import { renderSessions } from "./session-table.ts";

export const lsCommand = command({
  name: "csm ls",
  summary: "List every live Claude Code session of every profile, whoever started it.",
  args: {
    json: { type: "boolean", description: "print JSON" },
    all: { type: "boolean", description: "also those whose process ended and left its session file behind" },
  },
  examples: [
    ["csm ls", ""],
    ["csm ls --json | jq -r '.sessions[] | select(.state.status == \"blocked\") | .name'", "who waits for you"],
  ],
  async run({ args, app }) {
    const sessions = await listSessions(app.sys, { hasDead: args.all === true });
    if (args.json === true) return app.out(JSON.stringify({ sessions: sessions.map(sessionJson) }, null, 2));
    app.out(
      sessions.length === 0
        ? "no live sessions"
        : renderSessions(sessions, { ...app, now: app.sys.now(), home: homeDir(app.sys) }).join("\n"),
    );
  },
});
