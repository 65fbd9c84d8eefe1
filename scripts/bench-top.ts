/** What the rows about the dashboard need: ticks over fifty sessions, their memory, an hour of them. */
import { appendFileSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { createActions } from "../src/actions.ts";
import { reduce } from "../src/dashboard-keys.ts";
import { createDashboardState } from "../src/dashboard-state.ts";
import { createTheme } from "../src/dashboard-theme.ts";
import { renderDashboard } from "../src/dashboard-view.ts";
import { createMonitor } from "../src/monitor.ts";
import type { Sandbox } from "../src/sandbox.ts";

const line = (at: number, bytes: number) => {
  const usage = { input_tokens: 10, output_tokens: 20, cache_read_input_tokens: 1000, cache_creation_input_tokens: 100 };
  const message = {
    role: "assistant",
    id: `msg_t${at}`,
    model: "claude-opus-5-5",
    content: [{ type: "text", text: "z".repeat(bytes) }],
    stop_reason: "end_turn",
    usage,
  };
  return `${JSON.stringify({ type: "assistant", uuid: `t${at}`, requestId: `r${at}`, timestamp: new Date(at).toISOString(), message })}\n`;
};

/** What fifty sessions at rest keep busy: lines that are passed and are not, a state, budgets. No channel, so that nobody is told. */
const rules = `
[[rules]]
name = "dear"
action = "notify"
match_cost_above = 0.001
[[rules]]
name = "far"
action = "notify"
match_context_above = 99
[[rules]]
name = "idle"
action = "notify"
match_status = "idle_done"
[[budgets]]
name = "day"
period = "day"
limit_usd = 1000
action = "stop"
[[budgets]]
name = "each"
period = "session"
limit_usd = 1000
action = "stop"
`;

/** Look, next state, frame: all that a tick is, but for the terminal; `hasRules`: and what acts on it. */
async function createTicker(box: Sandbox, now: () => number, hasRules = false) {
  const sys = { ...box.sys, now };
  const monitor = createMonitor(sys, { hasMeter: true });
  const path = join(box.home, ".config/claude-smart/rules.toml");
  if (hasRules) sys.writePrivate(path, rules);
  else sys.remove(path);
  const actor = hasRules ? (await import("../src/act.ts")).createActor(sys, createActions(sys, monitor)) : undefined;
  const theme = createTheme("dark");
  let state = createDashboardState(now());
  let transcripts: string[] = [];
  return {
    transcripts: () => transcripts,
    async tick() {
      const { sessions } = await monitor.read();
      await actor?.look(sessions);
      transcripts = sessions.flatMap((session) => session.transcript ?? []);
      state = reduce(state, { kind: "sessions", sessions, now: now() }).state;
      renderDashboard(state, { columns: 160, rows: 50, theme, home: box.home });
      return sessions.length;
    },
  };
}

/** CPU time of each tick, while one transcript, grown to this size first, gets a line before each. */
export async function measureTicks(box: Sandbox, bytes: number, count = 100): Promise<number[]> {
  const ticker = await createTicker(box, Date.now);
  if ((await ticker.tick()) < 50) throw new Error("not fifty sessions");
  const [path = ""] = ticker.transcripts();
  while (statSync(path).size < bytes) appendFileSync(path, line(Date.now(), 100_000).repeat(20));
  for (let warm = 0; warm < 30; warm++) await ticker.tick();
  const times: number[] = [];
  while (times.length < count) {
    appendFileSync(path, line(Date.now() + times.length, 500));
    const before = process.cpuUsage();
    await ticker.tick();
    const { user, system } = process.cpuUsage(before);
    times.push((user + system) / 1000);
    await Bun.sleep(5);
  }
  return times;
}

/** By how much an hour of ticks, two seconds apart and without the waiting, has grown the memory. */
export async function measureHour(box: Sandbox, hasRules: boolean): Promise<number[]> {
  let now = Date.now();
  const ticker = await createTicker(box, () => now, hasRules);
  const run = async (count: number) => {
    for (let step = 0; step < count; step++) {
      now += 2000;
      const paths = ticker.transcripts();
      const path = paths[step % Math.max(1, paths.length)];
      if (path !== undefined) appendFileSync(path, line(now, 500));
      await ticker.tick();
    }
    Bun.gc(true);
    return process.memoryUsage.rss();
  };
  // What a collector leaves mapped swings by tens of megabytes: the floor of several looks is what stays.
  const floor = async (looks: number) => {
    let least = Number.POSITIVE_INFINITY;
    for (let look = 0; look < looks; look++) least = Math.min(least, await run(100));
    return least;
  };
  await run(1200);
  const before = await floor(6);
  await run(1200);
  return [Math.max(0, (await floor(6)) - before)];
}

const runMs = 6000;

/** Memory of the compiled `csm top` over these sessions, after some seconds in a terminal. */
export async function measureMemory(box: Sandbox, csm: string): Promise<number[]> {
  let shown = 0;
  const child = Bun.spawn([csm, "top"], {
    env: box.env,
    cwd: box.home,
    terminal: {
      cols: 160,
      rows: 50,
      data: (_, data) => {
        shown += data.length;
      },
    },
  });
  try {
    await Bun.sleep(runMs);
    if (shown < 1000) throw new Error("csm top showed nothing");
    const status = readFileSync(join("/proc", String(child.pid), "status"), "utf8");
    return [Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1]) * 1024];
  } finally {
    child.kill();
    await child.exited;
  }
}
