import { command } from "./cmd-record.ts";
import { lookOnce } from "./monitor.ts";
import { homeDir } from "./paths.ts";
import { renderSessions, sessionJson } from "./session.ts";

export const lsCommand = command({
  name: "csm ls",
  summary: "List every live Claude Code session of every profile, whoever started it.",
  args: {
    json: { type: "boolean", description: "print JSON, with cost, tokens, context, and CPU and memory of the process" },
    all: {
      type: "boolean",
      description: "also session files whose process ended, and programs called claude of unknown profiles, other users and containers",
    },
  },
  examples: [
    ["csm ls", ""],
    ["csm ls --json | jq '.sessions[] | select(.state.status == \"blocked\").name'", "who waits for you"],
    ["csm ls --json | jq '.sessions[] | [.name, .usage.cost_usd]'", "what each has used"],
  ],
  async run({ args, app }) {
    const isAll = args.all === true;
    const isJson = args.json === true;
    const { sessions, hidden } = await lookOnce(app.sys, { hasDead: isAll, hasStrangers: isAll, hasMeter: isJson, hasLoad: isJson });
    if (isJson) return app.json<"csm ls">({ sessions: sessions.map(sessionJson) });
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
