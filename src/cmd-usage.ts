import { type App, command } from "./cmd-record.ts";
import { usageError } from "./errors.ts";
import { chooseFleet, fleetArgs } from "./fleet-option.ts";
import { present } from "./json.ts";
import { statuslineDir } from "./paths.ts";
import { type Registry, readRegistry } from "./profiles.ts";
import { policies } from "./scorer.ts";
import { readSettings } from "./settings.ts";
import { rankAccounts, readUsage } from "./usage.ts";
import { renderUsage, usageJson } from "./usage-view.ts";

export const usageCommand = command({
  name: "csm usage",
  summary: "Show what each account has used of its 5-hour and weekly allowance, how old that is, and who should work next.",
  args: {
    ...fleetArgs,
    json: { type: "boolean", description: "print JSON" },
    fetch: { type: "boolean", default: true, description: "only what is known already: ask no hub, no command and no claude" },
    watch: { type: "boolean", description: "show it again at every change, until Ctrl-C" },
    policy: {
      type: "string",
      valueHint: "POLICY",
      suggestions: policies,
      description: "how to choose the one with the star: drain, consume-first or spread",
    },
    model: { type: "string", valueHint: "MODEL", description: "count the weekly windows of this model too, such as opus" },
  },
  examples: [
    ["csm usage", "★ is the account that csm would use next, * the one you are in"],
    ["csm usage --no-fetch --json | jq '.profiles[].session_pct'", ""],
  ],
  async run({ args, app }) {
    const registry = readRegistry(app.sys);
    const read = () => readView(app, registry, args);
    if (args.json === true && args.watch !== true) {
      const { report, ranking } = await readRanked(app, registry, args);
      return app.json<"csm usage">(usageJson(report, ranking.winner));
    }
    if (args.watch !== true) return app.out(await read());
    if (args.json === true || app.columns === undefined) throw usageError("csm usage: --watch needs a terminal and no --json");
    await watch(app, read);
  },
});

interface Given {
  fleet?: boolean | undefined;
  local?: boolean | undefined;
  fetch?: boolean | undefined;
  policy?: string | undefined;
  model?: string | undefined;
}

async function readRanked(app: App, registry: Registry, { fetch = true, policy, model, ...given }: Given) {
  const membership = await chooseFleet(app, "csm usage", { fleet: given.fleet, local: given.local });
  if (membership !== undefined && fetch) await (await import("./fleet-usage.ts")).askUsage(app.sys, membership);
  const report = await readUsage(app.sys, {
    registry,
    isLocal: given.local === true,
    fetches: fetch,
    asks: fetch && readSettings(app.sys).said("fetch.ask") !== "off",
    warn: app.tell,
  });
  return { report, ranking: rankAccounts(app.sys, report, present({ policy, model })) };
}

async function readView(app: App, registry: Registry, args: Given): Promise<string> {
  const { report, ranking } = await readRanked(app, registry, args);
  const options = { paint: app.paint, columns: app.columns, hasRegistry: registry.profiles.length > 0 };
  return renderUsage(report, { ...options, ...present({ recommended: ranking.winner }) }).join("\n");
}

const redrawMs = 5000;

async function watch(app: App, read: () => Promise<string>): Promise<never> {
  // Not the ledger: reading it touches it, and that would wake us at once.
  app.sys.makePrivateDir(statuslineDir(app.sys));
  const changes = app.sys.watch([statuslineDir(app.sys)]);
  for (;;) {
    app.redraw(await read());
    await changes.next(redrawMs);
    // Several sessions that repaint at once are shown as one change.
    await app.sys.sleep(200);
  }
}
