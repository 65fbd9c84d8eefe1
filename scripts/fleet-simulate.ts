/**
 * `bun run scripts/fleet-simulate.ts`: many machines with many sessions, each by connections of its own, on a real Redis on loopback.
 * `--machines N --sessions M --seconds S`; `--faults`: the server is stopped, killed and flushed on the way; `--csm FILE`: also what
 * `csm ls` of it costs; `--json`. Exit code 1 where something was lost.
 */
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { reduce } from "../src/dashboard-keys.ts";
import { createDashboardState } from "../src/dashboard-state.ts";
import { createTheme } from "../src/dashboard-theme.ts";
import { renderDashboard } from "../src/dashboard-view.ts";
import { accessLine, fleetKeys, serverConfig } from "../src/fleet-access.ts";
import { withFleet } from "../src/fleet-feed.ts";
import { openLink, type RedisLink } from "../src/fleet-redis.ts";
import { serveState } from "../src/fleet-serve.ts";
import type { FleetSession, MachineState } from "../src/fleet-state.ts";
import type { LiveSession } from "../src/session.ts";
import { createSys } from "../src/sys.ts";
import type { Feed } from "../src/watch.ts";
import { freePort, startRedis } from "../test/redis-server.ts";

const { values: args } = parseArgs({
  options: {
    machines: { type: "string", default: "1000" },
    sessions: { type: "string", default: "20" },
    seconds: { type: "string", default: "60" },
    faults: { type: "boolean", default: false },
    csm: { type: "string" },
    json: { type: "boolean", default: false },
    // Of its own processes.
    port: { type: "string" },
    from: { type: "string" },
    until: { type: "string" },
    watch: { type: "boolean", default: false },
  },
});
const password = "simulated";
const [machineCount, sessionCount, seconds] = [Number(args.machines), Number(args.sessions), Number(args.seconds)];
const nameOf = (index: number) => `m${index}`;
const target = (port: number, user: string) => ({ host: "127.0.0.1", port, isTls: false, database: 0, user, password });
const cpuMs = () => process.cpuUsage().user / 1000 + process.cpuUsage().system / 1000;
const say = (value: unknown) => process.stdout.write(`${JSON.stringify(value)}\n`);
const end = Promise.withResolvers<void>();
process.on("SIGTERM", () => end.resolve());

const nobody: Feed<LiveSession> = { read: async () => ({ sessions: [] }), next: (ms) => Bun.sleep(ms), close() {} };

const statuses = ["working", "idle_done", "blocked", "awaiting_answer", "limited"];

const sessionOf = (machine: string, at: number): FleetSession => ({
  ...{ name: `app-${at}`, session_id: crypto.randomUUID(), status: statuses[at % statuses.length] ?? "", words: "Bash", source: "hook" },
  ...{
    since_at: Date.now(),
    profile: "work",
    cwd: `/home/dev/src/project-${machine}-${at}`,
    model: "claude-opus-5-5",
    kind: "interactive",
  },
  ...{ driver: null, agents: 0, context_percent: 12.5, cost_usd: 1.25, tokens: 123_456 },
});

/** Some machines: each changes a session each second, and says when it told so. Prints what each told last. */
async function runMachines(port: number, from: number, until: number): Promise<void> {
  const last = new Map<string, number>();
  let isOver = false;
  let isStill = false;
  process.on("SIGUSR1", () => {
    isStill = true;
  });
  const run = async (index: number) => {
    const machine = nameOf(index);
    const sessions = Array.from({ length: sessionCount }, (_, at) => sessionOf(machine, at));
    const state = (): MachineState => ({ v: 1, machine, at: Date.now(), version: "0", os: "linux", role: "answer", sessions });
    const open = async (): Promise<RedisLink> => {
      const link = await openLink(target(port, machine));
      const call: RedisLink["call"] = (command, given, timeoutMs) => {
        if (command !== "SET" || given[0] !== fleetKeys.machine(machine)) return link.call(command, given, timeoutMs);
        const now = Date.now();
        last.set(machine, now);
        const text = given[1]?.replace(/"at":\d+/, `"at":${now}`).replace(/"since_at":\d+/, `"since_at":${now}`) ?? "";
        return link.call(command, [given[0], text, ...given.slice(2)], timeoutMs);
      };
      return { ...link, call };
    };
    await Bun.sleep(Math.random() * 1000);
    let turn = 0;
    await serveState(createSys({}), open, {
      machine,
      readUsage: async () => ({ v: 1, machine, at: Date.now(), accounts: [{ account: `a${index % 200}`, windows: [] }] }),
      takeUsage() {},
      inbox: { follow: async () => {}, take() {}, rest: async () => {} },
      async read(timeoutMs) {
        await Bun.sleep(timeoutMs);
        const session = sessions[0];
        if (session !== undefined && !isStill) session.words = `Bash ${turn++}`;
        return { state: state(), asks: { v: 1, machine, at: 0, asks: [] } };
      },
      onLink() {},
      isOver: () => isOver,
    });
  };
  const running = Promise.all(Array.from({ length: until - from }, (_, at) => run(from + at)));
  await end.promise;
  isOver = true;
  say({ last: Object.fromEntries(last), cpuMs: cpuMs() });
  await Promise.race([running, Bun.sleep(2000)]);
  process.exit(0);
}

/** Somebody who watches all: how late each row is, what a tick of csm top takes, and what was seen last of each machine. */
async function runWatcher(port: number): Promise<void> {
  const sys = createSys({ HOME: mkdtempSync(join(tmpdir(), "csm-simulate-home-")) });
  const feed = withFleet(sys, nobody, { machine: "watcher", open: () => openLink(target(port, "watcher")), isAll: true });
  const seen = new Map<string, number>();
  const late: number[] = [];
  let isMeasuring = false;
  process.on("SIGUSR1", () => {
    isMeasuring = !isMeasuring;
  });
  let isOver = false;
  void end.promise.then(() => {
    isOver = true;
  });
  let looks = 0;
  while (!isOver) {
    await feed.next(200);
    const { sessions } = await feed.read();
    looks++;
    const now = Date.now();

    for (const { machine = "", since } of sessions) {
      if (since <= (seen.get(machine) ?? 0)) continue;
      // What was told while nobody looked is not late by the fault of who looks.
      if (isMeasuring && seen.has(machine)) late.push(now - since);

      seen.set(machine, since);
    }
  }
  late.sort((a, b) => a - b);
  const at = (part: number) => late[Math.min(late.length - 1, Math.floor(late.length * part))] ?? 0;
  const rows = (await feed.read()).sessions.length;
  feed.close();
  say({ seen: Object.fromEntries(seen), count: late.length, looks, p50: at(0.5), p99: at(0.99), rows, cpuMs: cpuMs() });
  process.exit(0);
}

/** CPU time of ticks of csm top over all of them: look, next state, picture. */
async function measureTicks(port: number): Promise<number[]> {
  const sys = createSys({ HOME: mkdtempSync(join(tmpdir(), "csm-simulate-home-")) });
  const feed = withFleet(sys, nobody, { machine: "watcher", open: () => openLink(target(port, "watcher")) });
  let state = createDashboardState(Date.now());
  const theme = createTheme("dark");
  const ticks: number[] = [];
  for (let count = 0; count < 60; count++) {
    // As the dashboard's own look does it.
    await Promise.all([feed.next(2000), Bun.sleep(80)]);
    const startedAt = cpuMs();
    const look = await feed.read();
    state = reduce(state, { kind: "sessions", now: Date.now(), ...look }).state;
    renderDashboard(state, { columns: 160, rows: 50, theme, home: "/home/dev" });
    ticks.push(cpuMs() - startedAt);
  }
  feed.close();
  return ticks.slice(20).sort((a, b) => a - b);
}

/** Of a process, in ms: its ticks are hundredths of a second. */
function processCpuMs(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8")
    .replace(/^.*\) /, "")
    .split(" ");
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

async function measureLs(csm: string, dir: string, port: number): Promise<number[]> {
  const home = join(dir, "home");
  mkdirSync(home);
  const env = { HOME: home, PATH: process.env.PATH ?? "", LANG: "C.UTF-8", CSM_FLEET_PASSWORD: password };
  const options = { env, stdin: "ignore", stdout: "pipe", stderr: "inherit" } as const;
  const run = async (words: string[]) => {
    const child = Bun.spawn([csm, ...words], options);
    const text = await new Response(child.stdout).text();
    if ((await child.exited) !== 0) throw new Error(`${words.join(" ")}: ${text}`);
    return { text, ms: Number(child.resourceUsage()?.cpuTime.total ?? 0n) / 1000 };
  };
  await run(["fleet", "join", `redis://watcher@127.0.0.1:${port}`, "--role", "watch"]);
  const found: number[] = [];
  for (let count = 0; count < 10; count++) {
    const { text, ms } = await run(["ls", "--fleet", "--json"]);
    const { remote } = JSON.parse(text) as { remote: unknown[] };
    if (remote.length !== machineCount * sessionCount) throw new Error(`csm ls shows ${remote.length} sessions`);
    found.push(ms);
  }
  return found.sort((a, b) => a - b);
}

const until = async (what: string, isSo: () => Promise<boolean> | boolean) => {
  for (const endAt = Date.now() + 120_000; !(await isSo()); await Bun.sleep(200))
    if (Date.now() > endAt) throw new Error(`not in time: ${what}`);
};

async function main(): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), "csm-simulate-"));
  const port = await freePort();
  const hash = createHash("sha256").update(password).digest("hex");
  const users = Array.from({ length: machineCount }, (_, at) => accessLine(nameOf(at), "answer", hash));
  users.push(accessLine("watcher", "watch", hash), `user admin on #${hash} ~* &* +@all`);
  const config = join(dir, "redis.conf");
  writeFileSync(config, `${serverConfig({ port, bind: "127.0.0.1", dir, users })}\nmaxclients 20000\n`);
  let server = await startRedis([config]);
  const children: Bun.Subprocess<"ignore", "pipe", "inherit">[] = [];
  const start = (...more: string[]) => {
    const words = ["--machines", args.machines, "--sessions", args.sessions, "--port", String(port), ...more];
    const child = Bun.spawn([process.execPath, "run", import.meta.path, ...words], { stdin: "ignore", stdout: "pipe", stderr: "inherit" });
    children.push(child);
    return child;
  };
  const ask = async <T>(child: Bun.Subprocess<"ignore", "pipe", "inherit">): Promise<T> => {
    child.kill("SIGTERM");
    return JSON.parse(await new Response(child.stdout).text()) as T;
  };
  try {
    const per = 250;
    const workers = Array.from({ length: Math.ceil(machineCount / per) }, (_, at) =>
      start("--from", String(at * per), "--until", String(Math.min(machineCount, (at + 1) * per))),
    );
    const watcher = start("--watch");
    const openAdmin = () => openLink(target(port, "admin"));
    let admin = await openAdmin();
    await until("all machines tell", async () => (await admin.call("SCARD", [fleetKeys.machines])) === machineCount);
    await Bun.sleep(3000);
    watcher.kill("SIGUSR1");
    const [startedAt, startedCpu] = [Date.now(), processCpuMs(server.pid)];
    let faults = 0;
    if (args.faults) {
      const third = (seconds * 1000) / 3;
      watcher.kill("SIGUSR1");
      await Bun.sleep(third);
      server.kill("SIGSTOP");
      await Bun.sleep(4000);
      server.kill("SIGCONT");
      await Bun.sleep(third);
      server.kill("SIGKILL");
      await server.exited;
      await Bun.sleep(1000);
      server = await startRedis([config]);
      admin = await openAdmin();
      await Bun.sleep(third / 2);
      await admin.call("FLUSHALL", []);
      await Bun.sleep(third / 2);
      faults = 3;
    } else await Bun.sleep(seconds * 1000);
    const serverPercent = args.faults ? undefined : ((processCpuMs(server.pid) - startedCpu) / (Date.now() - startedAt)) * 100;
    if (!args.faults) watcher.kill("SIGUSR1");
    const info = String(await admin.call("INFO", ["memory"]));
    const ticks = await measureTicks(port);
    for (const worker of workers) worker.kill("SIGUSR1");
    // All that was told has come, and after faults everybody has found the server again.
    await Bun.sleep(args.faults ? 20_000 : 3000);
    const ls = args.csm === undefined ? undefined : await measureLs(args.csm, dir, port);
    const watched = await ask<{
      seen: Record<string, number>;
      count: number;
      looks: number;
      p50: number;
      p99: number;
      rows: number;
      cpuMs: number;
    }>(watcher);
    const told = await Promise.all(workers.map((worker) => ask<{ last: Record<string, number>; cpuMs: number }>(worker)));
    const last = Object.assign({}, ...told.map((each) => each.last)) as Record<string, number>;
    const lost =
      Object.entries(last).filter(([machine, at]) => watched.seen[machine] !== at).length + machineCount - Object.keys(last).length;
    const middle = (values: readonly number[]) => values[Math.floor(values.length / 2)];
    const result = {
      ...{ machines: machineCount, sessions: machineCount * sessionCount, seconds, faults, lost },
      ...(serverPercent === undefined ? {} : { server_percent_of_a_core: serverPercent }),
      server_memory_mb: Number(/used_memory:(\d+)/.exec(info)?.[1]) / 1e6,
      // While nobody is reached nothing comes, however late.
      ...(args.faults ? {} : { rows_seen: watched.count, hint_to_row_ms: { p50: watched.p50, p99: watched.p99 } }),
      watcher_rows: watched.rows,
      watcher_cpu_percent: (watched.cpuMs / (Date.now() - startedAt)) * 100,
      looks: watched.looks,
      top_tick_cpu_ms: { p50: middle(ticks), worst: ticks.at(-1) },
      ...(ls === undefined ? {} : { ls_cpu_ms: { min: ls[0], p50: middle(ls) } }),
    };
    if (args.json) say(result);
    else for (const [key, value] of Object.entries(result)) process.stdout.write(`${key.padEnd(26)} ${JSON.stringify(value)}\n`);
    if (lost > 0) process.exitCode = 1;
    admin.close();
  } finally {
    for (const child of children) child.kill("SIGKILL");
    server.kill("SIGKILL");
    await server.exited;
    rmSync(dir, { recursive: true, force: true });
  }
}

if (args.from !== undefined) await runMachines(Number(args.port), Number(args.from), Number(args.until));
else if (args.watch) await runWatcher(Number(args.port));
else await main();
process.exit();
