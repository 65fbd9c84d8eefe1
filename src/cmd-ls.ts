import { command } from "./cmd-record.ts";
import { listSessions } from "./monitor.ts";
import type { LiveSession } from "./monitor-session.ts";
import { homeDir } from "./paths.ts";
import { renderSessions } from "./session-table.ts";

export const lsCommand = command({
  name: "csm ls",
  summary: "List every live Claude Code session of this config dir, whoever started it.",
  args: { json: { type: "boolean", description: "print JSON" } },
  examples: [
    ["csm ls", ""],
    ["csm ls --json | jq -r '.sessions[] | select(.state.status == \"blocked\") | .name'", "who waits for you"],
  ],
  async run({ args, app }) {
    const sessions = await listSessions(app.sys);
    if (args.json === true) return app.out(JSON.stringify({ sessions: sessions.map(toJson) }, null, 2));
    app.out(
      sessions.length === 0
        ? "no live sessions"
        : renderSessions(sessions, { ...app, now: app.sys.now(), home: homeDir(app.sys) }).join("\n"),
    );
  },
});

const toJson = ({ verdict, sessionId, ...session }: LiveSession) => ({
  name: session.name,
  state: verdict,
  since: session.since,
  cwd: session.cwd,
  model: session.model ?? null,
  session_id: sessionId ?? null,
  pid: session.pid,
  entrypoint: session.entrypoint ?? null,
  version: session.version ?? null,
  driver: session.driver ?? null,
});
