import { deedText, withRules } from "./act-feed.ts";
import { createActions } from "./actions.ts";
import { command } from "./cmd-record.ts";
import { createRecorder, runDashboard } from "./dashboard.ts";
import { createDashboardState } from "./dashboard-state.ts";
import { chooseTheme, createTheme, type Theme, themeNames } from "./dashboard-theme.ts";
import { renderOnce } from "./dashboard-view.ts";
import { UserError, unknownWord, usageError } from "./errors.ts";
import { chooseFleet, fleetArgs, openFleetFeed, readOthers } from "./fleet-option.ts";
import { present } from "./json.ts";
import { createMonitor } from "./monitor.ts";
import { movesCursor } from "./output.ts";
import { homeDir } from "./paths.ts";
import type { Sys } from "./sys.ts";

export const topCommand = command({
  name: "csm top",
  summary:
    "Watch every session live: who waits for you, who works, what it costs. Answer, message and stop them from here; ? shows the keys. While it is open it does what rules.toml says: notify, send, stop.",
  args: {
    ...fleetArgs,
    once: { type: "boolean", description: "print the list once and exit" },
    all: { type: "boolean", description: "also programs called claude of unknown profiles, other users and containers" },
    theme: {
      type: "string",
      valueHint: "NAME",
      values: themeNames,
      description: `${themeNames.join(", ")} (default: dark, or none under NO_COLOR)`,
    },
    mouse: { type: "boolean", description: "click to choose a session, wheel to move; the terminal's own selection then needs shift" },
    record: { type: "string", valueHint: "FILE", description: "also write what is shown as an asciicast" },
  },
  examples: [
    ["csm top", ""],
    ["csm top --once | head -20", "the list as text"],
    ["csm top --record demo.cast", "asciinema play demo.cast shows it again"],
  ],
  async run({ args, app }) {
    const { sys } = app;
    const theme = readTheme(sys, args.theme);
    const home = homeDir(sys);
    if (args.once !== true && app.columns !== undefined && !movesCursor(sys.env))
      throw new UserError("csm top needs a terminal that can move its cursor (TERM=dumb)", instead);
    const hasTerminal = app.columns !== undefined && app.isInteractive;
    if (args.record !== undefined && (args.once === true || !hasTerminal))
      throw usageError("csm top: --record needs a terminal, and no --once", "what is shown there is what it records");
    (await import("./settings-schema.ts")).checkSettings(sys);
    const membership = await chooseFleet(app, "csm top", args);
    const monitor = createMonitor(sys, { hasMeter: true, hasTasks: true, hasStrangers: args.all === true });
    if (args.once === true) {
      try {
        const [{ sessions: own, runs = [] }, others] = await Promise.all([
          monitor.readSettled(),
          membership === undefined ? [] : readOthers(app, "csm top", membership),
        ]);
        const sessions = [...own, ...others];
        const plain = app.columns === undefined ? createTheme("none") : theme;
        const look = { columns: app.columns ?? 200, rows: 1000, theme: plain, home };
        const lines = renderOnce(sessions, { ...createDashboardState(sys.now()), runs }, look);
        return app.out((app.columns === undefined ? lines.map(Bun.stripANSI) : lines).join("\n"));
      } finally {
        monitor.close();
      }
    }
    if (!hasTerminal) throw new UserError("csm top needs a terminal", instead);
    const actions = createActions(sys, monitor);
    let tell: (text: string, isError: boolean) => void = () => {};
    const acting = withRules(sys, monitor, {
      actions,
      onDeed: (deed) => tell(deedText(deed), deed.isRefused),
      onFailure: (error) => tell(`rules: ${(error as Error).message}`, true),
    });
    const fleet = membership === undefined ? undefined : await openFleetFeed(sys, acting.feed, membership);
    await runDashboard({
      sys,
      feed: fleet ?? acting.feed,
      actions,
      rules: {
        badge: acting.badge,
        onDeed: (teller) => {
          tell = teller;
        },
      },
      theme,
      home,
      hasMouse: args.mouse === true,
      ...present({ narrow: fleet?.narrow, banner: fleet === undefined ? undefined : () => [fleet.failure() ?? []].flat() }),
      ...(args.record === undefined ? {} : { record: createRecorder(sys, args.record) }),
    });
  },
});

const instead = "csm top --once prints the list, csm watch follows it";

export function readTheme(sys: Pick<Sys, "env">, flag: string | undefined): Theme {
  const name = chooseTheme(flag, sys.env.NO_COLOR);
  if (name === undefined)
    throw unknownWord("csm top: unknown theme", flag ?? "", themeNames, { otherwise: `known: ${themeNames.join(", ")}` });
  return createTheme(name);
}
