import { type App, command } from "./cmd-record.ts";
import type { Membership } from "./fleet.ts";
import { chooseFleet, fleetArgs } from "./fleet-option.ts";
import { lookOnce } from "./monitor.ts";
import { homeDir } from "./paths.ts";
import { type LiveSession, type RunGroup, renderSessions, runHead, sessionJson } from "./session.ts";
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
    ...fleetArgs,
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
    const membership = await chooseFleet(app, "csm ls", args);
    // The fleet answers while this machine is looked at.
    const [{ sessions, hidden, runs = [] }, fleet] = await Promise.all([
      lookOnce(app.sys, { ...all, hasMeter: isJson, hasLoad: isJson }),
      membership === undefined ? undefined : readFleet(app, membership),
    ]);
    if (isJson)
      return app.json<"csm ls">({
        sessions: sessions.map((session) => ({ ...sessionJson(session), verbs: verbsJson(session) })),
        ...fleet?.json,
      });
    if (fleet !== undefined) fleet.show(sessions, runs);
    else
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
async function readFleet({ sys, out, tell, paint, columns }: App, membership: Membership) {
  const [{ toMachineState }, { lookAtFleet }, { brokenWords, fleetRowJson, renderFleet, rowsOf, staleWords }] = await Promise.all([
    import("./fleet.ts"),
    import("./fleet-look.ts"),
    import("./fleet-view.ts"),
  ]);
  const look = await lookAtFleet(sys, membership);
  const now = sys.now();
  const machines = look.machines.filter(({ name }) => name !== membership.machine);
  const others = rowsOf(machines, now);
  return {
    json: { machine: membership.machine, fleet_failure: look.failure ?? null, remote: others.map(fleetRowJson) },
    show(sessions: LiveSession[], runs: readonly RunGroup[]) {
      const { machine } = membership;
      const own = toMachineState(sys, membership, sessions, "titles").sessions.map((session) => ({ machine, session }));
      const rows = [...own, ...others];
      out(rows.length === 0 ? "no live sessions" : renderFleet(rows, { paint, columns, now }).join("\n"));
      for (const run of runs) {
        const tasks = sessions.filter(({ task }) => task?.run === run.run);
        if (tasks.length > 0 || run.isWorkedOn) out(runHead(run, tasks, columns));
      }
      for (const words of [staleWords(look, now), brokenWords(machines)]) if (words !== undefined) tell(`csm ls: ${words}`);
    },
  };
}
