import { type App, command } from "./cmd-record.ts";
import { exitCode, SilentExit } from "./errors.ts";
import { chooseFleet } from "./fleet-option.ts";
import { hang, timed } from "./format.ts";
import { present } from "./json.ts";
import { type Registry, readRegistry } from "./profiles.ts";
import { policies, type Ranking } from "./scorer.ts";
import { readSettings } from "./settings.ts";
import { type RankOptions, rankAccounts, readUsage, type UsageReport } from "./usage.ts";

export const pickAccountCommand = command({
  name: "csm pick-account",
  summary: "Print the profile that should work next. Nothing when the current one should stay, or when none has room.",
  args: {
    current: { type: "positional", required: false, kind: "profiles", description: "the profile to get away from" },
    "include-current": { type: "boolean", description: "staying is a choice too" },
    policy: {
      type: "string",
      valueHint: "POLICY",
      suggestions: policies,
      description: "drain (the fullest that has room), consume-first (soonest reset) or spread (least used)",
    },
    model: { type: "string", valueHint: "MODEL", description: "count the weekly windows of this model too, such as opus" },
    json: { type: "boolean", description: "print JSON: the choice and every profile with its reasons" },
    explain: { type: "boolean", description: "say on stderr why" },
  },
  examples: [
    ["csm pick-account", ""],
    ["csm pick-account work --explain", "another one than work, and why"],
    ["csm pick-account --policy spread --json | jq -r .winner", ""],
  ],
  async run({ args, app }) {
    const registry = readRegistry(app.sys);
    const current = args.current ?? "";
    const options: RankOptions = {
      current,
      // With nobody to get away from, every profile is a choice.
      includeCurrent: args["include-current"] === true || current === "",
      ...present({ policy: args.policy, model: args.model }),
    };
    const { policy } = readSettings(app.sys, { "usage.policy": args.policy }).part("usage");
    if (registry.profiles.length === 0) return app.tell("csm pick-account: no profiles; add one with: csm profiles add <name>");
    const { report, ranking } = await rank(app, registry, options);
    const winner = ranking.winner === current ? undefined : ranking.winner;
    if (args.json === true) app.json<"csm pick-account">(rankingJson(ranking, policy));
    else if (winner !== undefined) app.out(winner);
    if (args.explain === true) for (const line of explain(ranking, policy, app.columns)) app.tell(line);
    if (ranking.outcome === "all-saturated") app.tell("csm pick-account: all accounts saturated");
    if (ranking.outcome !== "no-data") return;
    app.tell(`csm pick-account: ${report.failure === undefined ? ranking.why : `usage fetch failed: ${report.failure}`}`);
    throw new SilentExit(exitCode.failure);
  },
});

/** claude itself is asked only when nothing else knows enough. */
async function rank(app: App, registry: Registry, options: RankOptions): Promise<{ report: UsageReport; ranking: Ranking }> {
  const membership = await chooseFleet(app, "csm pick-account", {});
  if (membership !== undefined) await (await import("./fleet-usage.ts")).askUsage(app.sys, membership);
  const report = await readUsage(app.sys, { registry, fetches: true, warn: app.tell });
  const ranking = rankAccounts(app.sys, report, options);
  if (ranking.outcome !== "no-data" || readSettings(app.sys).said("fetch.ask") === "off") return { report, ranking };
  const asked = await readUsage(app.sys, { registry, fetches: false, asks: true });
  const { failure } = report;
  return { report: failure === undefined ? asked : { ...asked, failure }, ranking: rankAccounts(app.sys, asked, options) };
}

function explain({ winner, why, rows }: Ranking, policy: string, columns: number | undefined): string[] {
  const width = Math.max(...rows.map(({ name }) => name.length));
  const head = winner === undefined ? `nobody: ${why}` : `${winner}: ${why} (policy ${policy})`;
  return [
    head,
    ...rows.flatMap(({ name, state, reasons }) =>
      hang(`  ${name === winner ? "★" : " "} ${name.padEnd(width)}  ${state.padEnd(9)}  `, reasons.join("; "), columns),
    ),
  ];
}

const rankingJson = ({ outcome, winner, why, rows }: Ranking, policy: string) => ({
  outcome: outcome.replace("-", "_"),
  winner: winner ?? null,
  why,
  policy,
  candidates: rows.map((row) => ({
    name: row.name,
    profile: row.name,
    state: row.state.replace("-", "_"),
    session_percent: row.sessionPercent ?? null,
    week_percent: row.weekPercent ?? null,
    ...timed("resets", row.resetsAt),
    reasons: row.reasons,
  })),
});
