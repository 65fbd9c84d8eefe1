/** What the rows about a fleet need: a thousand machines with twenty sessions each, as they lie on a real server. */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { reduce } from "../src/dashboard-keys.ts";
import { createDashboardState } from "../src/dashboard-state.ts";
import { createTheme } from "../src/dashboard-theme.ts";
import { renderDashboard } from "../src/dashboard-view.ts";
import { fleetKeys } from "../src/fleet-access.ts";
import { withFleet } from "../src/fleet-feed.ts";
import type { RedisLink } from "../src/fleet-redis.ts";
import { createSys } from "../src/sys.ts";
import { freePort, openPlainLink, startPlainRedis } from "../test/redis-server.ts";

const machineCount = 1000;
const statuses = ["working", "idle_done", "blocked"];

const stateOf = (machine: string) => ({
  ...{ v: 1, machine, at: Date.now(), version: "0", os: "linux", role: "answer" },
  sessions: Array.from({ length: 20 }, (_, at) => ({
    ...{ name: `app-${at}`, session_id: crypto.randomUUID(), status: statuses[at % statuses.length], words: "Bash", source: "hook" },
    ...{ since_at: Date.now() - at * 1000, profile: "work", cwd: `/home/dev/src/project-${at}`, model: "claude-opus-5-5" },
    ...{ kind: "interactive", driver: null, agents: 0, context_percent: 12.5, cost_usd: 1.25, tokens: 123_456 },
  })),
});

async function tell(link: RedisLink, machine: string): Promise<void> {
  await Promise.all([
    link.call("SADD", [fleetKeys.machines, machine]),
    link.call("SET", [fleetKeys.machine(machine), JSON.stringify(stateOf(machine))]),
    link.call("SET", [fleetKeys.live(machine), "1"]),
  ]);
  await link.call("PUBLISH", [fleetKeys.changed, machine]);
}

/** Of everybody: all tell at once, and then some of them before each look. */
async function withServer<T>(use: (port: number, link: RedisLink, dir: string) => Promise<T>): Promise<T> {
  const dir = mkdtempSync(join(tmpdir(), "csm-bench-fleet-"));
  const port = await freePort();
  const server = await startPlainRedis(port, dir);
  try {
    const link = await openPlainLink(port);
    await Promise.all(Array.from({ length: machineCount }, (_, at) => tell(link, `m${at}`)));
    const result = await use(port, link, dir);
    link.close();
    return result;
  } finally {
    server.kill("SIGKILL");
    await server.exited;
    rmSync(dir, { recursive: true, force: true });
  }
}

/** CPU time of `csm ls --fleet --json` over all of them. */
export const measureFleetList = (csm: string): Promise<number[]> =>
  withServer(async (port, _, dir) => {
    const home = join(dir, "home");
    mkdirSync(home);
    const env = { HOME: home, PATH: process.env.PATH ?? "", LANG: "C.UTF-8" };
    const run = async (...words: string[]) => {
      const child = Bun.spawn([csm, ...words], { env, stdin: "ignore", stdout: "pipe", stderr: "inherit" });
      const text = await child.stdout.text();
      if ((await child.exited) !== 0) throw new Error(`csm ${words.join(" ")}: ${text}`);
      return { text, ms: Number(child.resourceUsage()?.cpuTime.total ?? 0) / 1000 };
    };
    await run("fleet", "join", `redis://127.0.0.1:${port}`, "--machine", "eye", "--role", "watch");
    const times: number[] = [];
    for (let count = 0; count < 10; count++) {
      const { text, ms } = await run("ls", "--fleet", "--json");
      const { length } = (JSON.parse(text) as { remote: unknown[] }).remote;
      if (length !== machineCount * 20) throw new Error(`csm ls shows ${length} sessions`);
      times.push(ms);
    }
    return times;
  });

/** CPU time of each tick of csm top while eighty machines tell something before each: look, next state, picture. */
export const measureFleetTicks = (count = 100): Promise<number[]> =>
  withServer(async (port, link, dir) => {
    const sys = createSys({ HOME: dir });
    const local = { read: async () => ({ sessions: [] }), next: (ms: number) => Bun.sleep(ms), close() {} };
    const feed = withFleet(sys, local, { machine: "eye", open: () => openPlainLink(port) });
    const theme = createTheme("dark");
    let state = createDashboardState(Date.now());
    const ticks: number[] = [];
    for (let tick = 0; tick < count + 20; tick++) {
      const changed = feed.next(2000);
      if (state.sessions.length > 0)
        await Promise.all(Array.from({ length: 80 }, () => tell(link, `m${Math.floor(Math.random() * machineCount)}`)));
      await changed;
      await Bun.sleep(80);
      const startedAt = process.cpuUsage();
      const look = await feed.read();
      state = reduce(state, { kind: "sessions", now: Date.now(), ...look }).state;
      renderDashboard(state, { columns: 160, rows: 50, theme, home: dir });
      const { user, system } = process.cpuUsage(startedAt);
      if (tick >= 20) ticks.push((user + system) / 1000);
    }
    feed.close();
    if (state.sessions.length === 0) throw new Error("nobody was seen");
    return ticks;
  });
