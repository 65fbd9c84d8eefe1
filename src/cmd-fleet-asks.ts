import { command } from "./cmd-record.ts";
import { UserError } from "./errors.ts";
import { requireMembership } from "./fleet.ts";
import { readAsks } from "./fleet-ask.ts";
import { table } from "./format.ts";
import { printableLine } from "./printable.ts";

export const fleetAsksCommand = command({
  name: "csm fleet asks",
  summary: `What sessions of the fleet ask: each gate with what would run, and what it offers.

csm allow, deny and answer take what stands in the first column; --gate names one of several, and --option one of those below it.`,
  args: { json: { type: "boolean", description: "print JSON" } },
  examples: [
    ["csm fleet asks", ""],
    ["csm fleet asks --json | jq -r '.asks[] | select(.tool == \"Bash\") | .request'", "what would run"],
  ],
  async run({ args, app }) {
    const membership = requireMembership(app.sys);
    if (membership.role === "watch")
      throw new UserError("this machine has the role watch in the fleet, and is not told what gates ask", "join again with --role answer");
    const asks = await readAsks(app.sys, membership);
    if (args.json === true)
      return app.json<"csm fleet asks">({ asks: asks.map(({ machine, isLive, ...ask }) => ({ machine, live: isLive, ...ask })) });
    if (asks.length === 0) return app.out("no session of the fleet asks for anything");
    const rows = asks.map(({ machine, session, gate_id, tool, gate, agent, isLive }) =>
      [`${machine}/${session}`, gate_id, agent ?? "main", `${tool ?? gate}${isLive ? "" : " (its machine is away)"}`].map(printableLine),
    );
    const columns = [{ title: "SESSION", minWidth: 10 }, { title: "GATE" }, { title: "BY" }, { title: "ASKS FOR", minWidth: 10 }];
    const [head = "", ...lines] = table(columns, rows, app.columns);
    const below = asks.map(({ request, options }) => [
      // Whole: what is cut off might be what matters.
      ...request.split("\n").flatMap((line) => (line.trim() === "" ? [] : `  ${printableLine(line)}`)),
      ...options.map(({ option, label }) => app.paint("dim", `  --option ${option}: ${printableLine(label)}`)),
    ]);
    app.out([app.paint("bold", head), ...lines.flatMap((line, at) => [line, ...(below[at] ?? [])])].join("\n"));
  },
});
