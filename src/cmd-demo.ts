import { createActions } from "./actions.ts";
import { wordsOf } from "./cmd-log.ts";
import { type App, command } from "./cmd-record.ts";
import { readTheme } from "./cmd-top.ts";
import { createRecorder, type DashboardOptions, runDashboard } from "./dashboard.ts";
import { createDashboardState } from "./dashboard-state.ts";
import { createTheme, type Theme, themeNames } from "./dashboard-theme.ts";
import { renderOnce } from "./dashboard-view.ts";
import { createSimulation, simulateFleet } from "./demo-fleet.ts";
import { UserError, usageError } from "./errors.ts";
import { duration, quotePosix } from "./format.ts";
import { openJournal } from "./journal.ts";
import { findClaude } from "./launch.ts";
import { createMonitor, listSessions, type Monitor } from "./monitor.ts";
import { addAccounts, createSandbox, type Sandbox, sandboxAccounts, spareDir } from "./sandbox.ts";
import { renderSessions, type TableOptions } from "./session.ts";
import { ask, bash, hold, limit, limitHeaders, type Step, say } from "./stub-script.ts";
import { until } from "./sys.ts";
import { createTmux } from "./tmux.ts";
import { readUsage, type UsageReport, windowNow } from "./usage.ts";

export const demoCommand = command({
  name: "csm demo",
  summary: "Show the dashboard on real Claude Code sessions in a sandbox: no login, no network, nothing of yours is touched.",
  args: {
    simulated: { type: "boolean", description: "a scripted fleet instead: needs neither claude nor tmux, and is the same each time" },
    theme: { type: "string", valueHint: "NAME", values: themeNames, description: `${themeNames.join(", ")}` },
    record: { type: "string", valueHint: "FILE", description: "also write what is shown as an asciicast" },
  },
  examples: [
    ["csm demo", "live until q; a, then y, answers the gate"],
    ["csm demo --simulated", "a dozen sessions that only exist on the screen"],
    ["csm demo | cat", "one round as text, for scripts"],
  ],
  async run({ args, app }) {
    const { sys } = app;
    const theme = readTheme(sys, args.theme);
    const isLive = app.columns !== undefined && app.isInteractive;
    if (args.record !== undefined && !isLive)
      throw usageError("csm demo: --record needs a terminal", "what is shown there is what it records");
    const record = args.record === undefined ? {} : { record: createRecorder(sys, args.record) };
    if (args.simulated === true) return isLive ? playSimulation(app, theme, record) : printSimulation(app);
    const claudePath = await findPrograms(sys);
    if (isLive) app.out("Making a sandbox: real Claude Code, a loopback model, a throw-away HOME …");
    // Limits are only seen with a subscription.
    const box = await createSandbox({ claudePath, path: sys.env.PATH, ...(isLive ? { login: "subscription" } : {}) });
    const stopListening = sys.onInterrupt(() => box.close());
    try {
      await (isLive ? playLive(app, box, theme, record) : playRound(app, box));
    } finally {
      stopListening();
      await box.close();
    }
    app.out("The sandbox is gone: its sessions have ended and its folder is removed.");
  },
});

/** The path of claude; without it or tmux, there is still the other demo. */
async function findPrograms(sys: App["sys"]): Promise<string> {
  try {
    await createTmux(sys).readVersion();
    return findClaude(sys);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    throw new UserError(
      error.message,
      `${error.hint ?? "install it"}; csm demo --simulated needs neither claude nor tmux`,
      error.exitCode,
      { cause: error },
    );
  }
}

interface Part {
  name: string;
  prompt: string;
  account?: (typeof sandboxAccounts)[number];
}

const parts: Part[] = [
  { name: "writer", prompt: "Write a long report about the weather" },
  { name: "builder", prompt: "Create the marker file" },
  { name: "greeter", prompt: "Say hello" },
];
/** Only where somebody watches. */
const liveParts: Part[] = [...parts, { name: "asker", prompt: "Choose a colour for the theme", account: "spare" }];

/** One csd command in the sandbox, through this very executable. */
async function runCsd(app: App, box: Sandbox, args: string[], env: Record<string, string> = {}): Promise<Record<string, unknown>> {
  const result = await box.run([app.sys.execPath, "csd", ...args], { env: { ...box.env, ...env } });
  if (result.code !== 0) throw new UserError(`csd ${args[0] ?? ""} failed: ${result.stderr.trim()}`);
  return result.stdout.startsWith("{") ? (JSON.parse(result.stdout) as Record<string, unknown>) : {};
}

async function spawnPart(app: App, box: Sandbox, { name, account }: Part): Promise<void> {
  const env = account === "spare" ? { CLAUDE_CONFIG_DIR: spareDir(box.configDir) } : {};
  const spawned = await runCsd(app, box, ["spawn", "--name", name, "--cwd", box.folder(name), "--permission-mode", "manual"], env);
  const scripts: Record<string, Step[]> = {
    writer: [hold("The report begins: clouds came from the west …")],
    builder: [bash("touch marker.txt && ls", "Create the marker file"), say("The marker file is there.")],
    greeter: [say("Hello from the **sandbox**.\n\n- this answer is rendered\n- `m` sends the next message")],
    asker: [
      {
        ...ask({
          question: "Which colour shall the theme have?",
          header: "Colour",
          options: [
            { label: "Blue", description: "calm" },
            { label: "Green", description: "fresh" },
          ],
        }),
        headers: usageOf(app, 9),
      },
      say("So be it.", { headers: usageOf(app, 14) }),
    ],
  };
  box.stub.script(String(spawned.session_id), scripts[name] ?? []);
}

// --- without a terminal ------------------------------------------------------------------------------------------

async function playRound(app: App, box: Sandbox): Promise<void> {
  app.out(`csm demo: a sandbox in ${box.dir}. Real Claude Code, a loopback model, no login, nothing of yours is touched.`);
  const step = async (words: string, run: () => Promise<string>) => {
    const startedAt = app.sys.now();
    const result = await run();
    app.out(`$ ${words}\n${indent(result)}  (${((app.sys.now() - startedAt) / 1000).toFixed(1)} s)`);
  };
  for (const part of parts)
    await step(`csd spawn --name ${part.name} --permission-mode manual`, async () => {
      await spawnPart(app, box, part);
      return `session ${part.name} is ready`;
    });
  for (const part of parts)
    await step(
      `csd send ${part.name} ${part.prompt}`,
      async () => `taken at attempt ${(await runCsd(app, box, ["send", part.name, part.prompt])).attempts}`,
    );
  await step("csd state builder", async () => describeGate(await waitForState(app, box, "builder", "blocked")));
  await step(
    "csd state greeter",
    async () => `idle_done: ${String((await waitForState(app, box, "greeter", "idle_done")).text).split("\n")[0]}`,
  );
  await step("csm ls", async () => (await renderTable(app, box)).join("\n"));
  await step("csd approve builder", async () => `chosen: ${(await runCsd(app, box, ["approve", "builder"])).chosen}`);
  await step("csd state builder", async () => `idle_done: ${(await waitForState(app, box, "builder", "idle_done")).text}`);
  for (const part of parts)
    await step(`csd kill ${part.name}`, async () => {
      await runCsd(app, box, ["kill", part.name]);
      return "ended";
    });
}

const renderTable = async (app: App, box: Sandbox): Promise<string[]> =>
  renderSessions(await listSessions(box.sys), tableOptions(app, box, app.columns));

const tableOptions = (app: App, box: Sandbox, columns: number | undefined): TableOptions => ({
  now: app.sys.now(),
  home: box.home,
  paint: app.paint,
  columns,
});

const indent = (text: string): string =>
  text
    .split("\n")
    .map((line) => `  ${line}`)
    .join("\n");

const describeGate = (state: Record<string, unknown>): string => {
  const input = state.input as { command?: string } | undefined;
  return `blocked: ${state.tool} asks to run \`${input?.command}\`: ${(state.options as string[]).join(" | ")}`;
};

const stateTimeoutMs = 20_000;

async function waitForState(app: App, box: Sandbox, name: string, status: string): Promise<Record<string, unknown>> {
  const { sys } = app;
  let state: Record<string, unknown> = {};
  const isReached = async () => {
    state = await runCsd(app, box, ["state", name]);
    return state.status === status || undefined;
  };
  if (await until(sys, sys.now() + stateTimeoutMs, 100, isReached)) return state;
  throw new UserError(`session ${name} is ${state.status} and not ${status}`);
}

// --- in a terminal -----------------------------------------------------------------------------------------------

type Recording = Pick<DashboardOptions, "record">;

const tries = "Try: a, then y, allows · m writes to it · enter opens it, ctrl-b d returns · ? shows the keys";

async function playLive(app: App, box: Sandbox, theme: Theme, record: Recording): Promise<void> {
  addAccounts(box, quotePosix(app.sys.execPath));
  await startAll(app, box);
  const monitor = createMonitor(box.sys, { hasMeter: true });
  const accounts = createAccountLine(box);
  await runDashboard({
    sys: box.sys,
    feed: ofSandbox(monitor, box, accounts.refresh),
    actions: createActions(box.sys, monitor),
    theme,
    home: box.home,
    title: "csm demo",
    banner: () => [tries, ...accounts.lines()],
    ...record,
  });
  app.out("Ending the sessions …");
}

/** What runs on this machine beside it is nobody's business here. */
const ofSandbox = (monitor: Monitor, box: Sandbox, refresh: () => Promise<void>): Monitor => ({
  ...monitor,
  async read() {
    const look = await monitor.read();
    await refresh();
    return { ...look, hidden: 0, sessions: look.sessions.filter(({ cwd }) => cwd.startsWith(`${box.home}/`)) };
  },
});

/** All are there before the list is: an empty one says nothing. */
async function startAll(app: App, box: Sandbox): Promise<void> {
  let ready = 0;
  const show = () => app.progress(`${ready} of ${liveParts.length + 1} sessions of the real claude are ready …`);
  show();
  const start = async (run: () => Promise<unknown>) => {
    await run();
    ready++;
    show();
  };
  await Promise.all([
    ...liveParts.map((part) =>
      start(async () => {
        await spawnPart(app, box, part);
        await runCsd(app, box, ["send", part.name, part.prompt]);
      }),
    ),
    start(() => startNightly(app, box)),
  ]);
  await waitForState(app, box, "builder", "blocked");
  app.progress();
}

const hour = 3_600_000;
const usageOf = (app: App, usedPercent: number) => limitHeaders("allowed", "five_hour", app.sys.now() + 4 * hour, usedPercent);
const nightly = "nightly";

/** One that csm stays behind, as in somebody's terminal: its account is used up at once, and csm goes on under the other. */
async function startNightly(app: App, box: Sandbox): Promise<void> {
  const id = app.sys.randomId();
  const said = "The nightly checks are green. I began under the account main, and went on under spare when main was used up.";
  box.stub.script(id, [limit("five_hour", app.sys.now() + 4 * hour), say(said, { headers: usageOf(app, 12) })]);
  const [main] = sandboxAccounts;
  const words = [app.sys.execPath, "run", "--profile", main, "--session-id", id, "--permission-mode", "manual", "Run the nightly checks"];
  const size = ["-x", "120", "-y", "40"];
  await box.run(["tmux", "-u", "new-session", "-d", "-s", nightly, ...size, "-c", box.folder(nightly), words.map(quotePosix).join(" ")]);
}

/** How often the ledger is read: the dashboard draws many times a second. */
const usageEveryMs = 2000;

/** What both accounts have used, and what csm did about a limit. */
function createAccountLine(box: Sandbox) {
  let lines: string[] = [];
  let readAt = Number.NEGATIVE_INFINITY;
  return {
    lines: () => lines,
    async refresh() {
      if (box.sys.now() - readAt < usageEveryMs) return;
      readAt = box.sys.now();
      const report = await readUsage(box.sys, { fetches: false });
      const happened = openJournal(box.sys).read().at(-1);
      const accounts = report.profiles.filter(({ isRegistered }) => isRegistered).map((profile) => accountText(profile, report.now));
      lines = [`Accounts: ${accounts.join(" · ")}`, ...(happened === undefined ? [] : [`${nightly}: ${wordsOf(happened, report.now)}`])];
    },
  };
}

function accountText(profile: UsageReport["profiles"][number], now: number): string {
  const window = windowNow(profile, "five_hour", now);
  if (window === undefined) return `${profile.name} —`;
  const reset = window.resetsAt === undefined ? "" : `, resets in ${duration(window.resetsAt - now)}`;
  return `${profile.name} 5h ${Math.round(window.usedPercent)}%${reset}`;
}

// --- simulated ---------------------------------------------------------------------------------------------------

const simulatedHome = "/home/dev";

async function playSimulation({ sys }: App, theme: Theme, record: Recording): Promise<void> {
  const simulation = createSimulation(sys);
  const look = { theme, home: simulatedHome, title: "csm demo", banner: () => [tries] };
  await runDashboard({ sys, feed: simulation.feed, actions: simulation.actions, ...look, ...record });
}

/** The same text each time: the clock stands still. */
function printSimulation(app: App): void {
  const now = Date.UTC(2026, 10, 20, 14, 5);
  const look = { columns: app.columns ?? 140, rows: 1000, theme: createTheme("none"), home: simulatedHome, title: "csm demo" };
  const lines = renderOnce(simulateFleet(now - 60_000, now), createDashboardState(now), look);
  app.out(lines.map(Bun.stripANSI).join("\n"));
}
