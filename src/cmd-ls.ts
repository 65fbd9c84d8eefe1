import { type App, command } from "./cmd-record.ts";
import { UserError } from "./errors.ts";
import { duration } from "./format.ts";
import { lookOnce } from "./monitor.ts";
import { fleetPath, homeDir } from "./paths.ts";
import { type LiveSession, renderSessions, sessionJson } from "./session.ts";
import { verbsJson } from "./verbs.ts";

export const lsCommand = command({
  name: "csm ls",
  summary: "List every live Claude Code session of every profile, whoever started it.",
  args: {
    json: { type: "boolean", description: "print JSON, with cost, tokens, context, and CPU and memory of the process" },
    all: {
      type: "boolean",
      description: "also session files whose process ended, and programs called claude of unknown profiles, other users and containers",
    },
    fleet: { type: "boolean", description: "of every machine of the fleet: what csm ls does once this machine has joined one" },
    local: { type: "boolean", description: "of this machine alone" },
  },
  examples: [
    ["csm ls", ""],
    ["csm ls --fleet --json | jq '.remote[] | select(.status == \"blocked\").id'", "who waits elsewhere"],
    ["csm ls --json | jq '.sessions[] | select(.state.status == \"blocked\").name'", "who waits for you"],
    ["csm ls --json | jq '.sessions[] | [.name, .usage.cost_usd]'", "what each has used"],
    ["csm ls --json | jq '.sessions[] | select(.run != null) | [.run, .task]'", "the tasks of runs"],
  ],
  async run({ args, app }) {
    const isAll = args.all === true;
    const isJson = args.json === true;
    const all = { hasDead: isAll, hasStrangers: isAll, hasTasks: true };
    const { sessions, hidden, runs = [] } = await lookOnce(app.sys, { ...all, hasMeter: isJson, hasLoad: isJson });
    const hasJoined = args.local !== true && app.sys.modifiedAt(fleetPath(app.sys)) !== undefined;
    const fleet = args.fleet === true || hasJoined ? await readFleet(app, sessions, args.fleet === true) : undefined;
    if (isJson)
      return app.json<"csm ls">({
        sessions: sessions.map((session) => ({ ...sessionJson(session), verbs: verbsJson(session) })),
        ...fleet?.json,
      });
    if (fleet !== undefined) return fleet.show();
    app.out(
      sessions.length === 0 && !runs.some(({ isWorkedOn }) => isWorkedOn)
        ? "no live sessions"
        : renderSessions(sessions, { ...app, now: app.sys.now(), home: homeDir(app.sys), runs })
            .join("\n")
            .trimStart(),
    );
    if (hidden > 0 && app.columns !== undefined)
      app.tell(
        `${hidden} more ${hidden === 1 ? "program is" : "programs are"} called claude, of no known profile; csm ls --all shows them`,
      );
  },
});

/** What the other machines tell; this one's sessions are as they are now. */
async function readFleet(app: App, sessions: LiveSession[], isAsked: boolean) {
  const [{ lookAtFleet, requireMembership, toMachineState }, { fleetRowJson, renderFleet, rowsOf }] = await Promise.all([
    import("./fleet.ts"),
    import("./fleet-view.ts"),
  ]);
  const { sys } = app;
  let membership: ReturnType<typeof requireMembership>;
  try {
    membership = requireMembership(sys);
  } catch (error) {
    if (isAsked || !(error instanceof UserError)) throw error;
    // What is wrong with the fleet takes nothing away here.
    app.tell(`csm ls: ${error.message}`);
    return undefined;
  }
  const { machines, failure, readAt } = await lookAtFleet(sys, membership);
  const now = sys.now();
  const others = rowsOf(
    machines.filter(({ name }) => name !== membership.machine),
    now,
  );
  const own = toMachineState(sys, membership, sessions, "titles").sessions.map((session) => ({ machine: membership.machine, session }));
  return {
    json: { machine: membership.machine, fleet_failure: failure ?? null, remote: others.map(fleetRowJson) },
    show() {
      const rows = [...own, ...others];
      app.out(rows.length === 0 ? "no live sessions" : renderFleet(rows, { ...app, now }).join("\n"));
      if (failure === undefined) return;
      const known = readAt === undefined ? "nothing is known of it" : `what is known of it is ${duration(Math.max(0, now - readAt))} old`;
      app.tell(`csm ls: ${failure}; ${known} (csm fleet check)`);
    },
  };
}
