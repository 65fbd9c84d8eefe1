import { command } from "./cmd-record.ts";
import { lookOnce } from "./monitor.ts";
import { homeDir } from "./paths.ts";
import { renderSessions, sessionJson } from "./session.ts";

export const lsCommand = command({
  name: "csm ls",
  summary: "List every live Claude Code session of every profile, whoever started it.",
  args: {
    json: { type: "boolean", description: "print JSON" },
    all: {
      type: "boolean",
      description: "also session files whose process ended, and programs called claude of unknown profiles, other users and containers",
    },
  },
  examples: [
    ["csm ls", ""],
    ["csm ls --json | jq '.sessions[] | select(.state.status == \"blocked\").name'", "who waits for you"],
  ],
  async run({ args, app }) {
    const isAll = args.all === true;
    const { sessions, hidden } = await lookOnce(app.sys, { hasDead: isAll, hasStrangers: isAll });
    if (args.json === true) return app.json({ sessions: sessions.map(sessionJson) });
    app.out(
      sessions.length === 0
        ? "no live sessions"
        : renderSessions(sessions, { ...app, now: app.sys.now(), home: homeDir(app.sys) }).join("\n"),
    );
    if (hidden > 0 && app.columns !== undefined)
      app.tell(
        `${hidden} more ${hidden === 1 ? "program is" : "programs are"} called claude, of no known profile; csm ls --all shows them`,
      );
  },
});
