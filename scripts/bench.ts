/**
 * `bun run scripts/bench.ts` compares the built programs with the least they could cost, as ratios: A B A B … in turn.
 * `--rows NAME,NAME` only these; `--runs N` pairs of each; `--json` for programs; `--out DIR` where build.ts built to.
 * A timing decides nothing: the exit code is 1 where a row could not be measured, 2 where nothing was, 0 otherwise.
 */
import { copyFileSync, existsSync, linkSync, mkdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { compileProgram, maxAddedBytes } from "../build.ts";
import { createPaint, type Paint } from "../src/format.ts";
import { createSandbox, type Sandbox } from "../src/sandbox.ts";
import { createSys } from "../src/sys.ts";
import { createBudgetRow, createCostRows, createReplayRows } from "./bench-cost.ts";
import { measureFleetList, measureFleetTicks } from "./bench-fleet.ts";
import { measureAnswers, measureGates, measureHooks, measureRules, startCrowd } from "./bench-load.ts";
import { createScanRows } from "./bench-scan.ts";
import { createTaskRows } from "./bench-tasks.ts";
import { measureHour, measureMemory, measureTicks } from "./bench-top.ts";
import { findCheckoutClaude } from "./claude.ts";

interface Row {
  name: string;
  what: string;
  /** How many times b's wall time a may take; of a size row, how many bytes a may have more than b. */
  limit?: number;
  /** Weighs the files that a and b name and runs nothing. */
  isSize?: boolean;
  /** Measures by itself, in milliseconds; the median is held against `limit`. */
  measure?: () => Promise<number[]>;
  /** `measure` gives bytes. */
  isBytes?: boolean;
  /** Measures both sides by itself, in milliseconds, one of each for a pair. */
  measurePairs?: () => Promise<Record<"a" | "b", number[]>>;
  prepare?: () => Promise<unknown>;
  a: string[];
  b: string[];
  cleanup?: () => Promise<unknown>;
}

interface Bench {
  csm: string;
  csd: string;
  /** An empty program, compiled as csm is. */
  empty: string;
  claude: string;
  box: Sandbox;
  sessionDir: string;
  /** All programs run in the sandbox; Ctrl-C aborts the signal, which ends the running one and lets no other start. */
  spawn: { env: Record<string, string>; cwd: string; timeout: number; signal: AbortSignal; stdin: "ignore" };
}

function createRows(bench: Bench): Row[] {
  const { csm, csd, claude } = bench;
  const b = [bench.empty];
  const session = { prepare: () => startSession(bench), cleanup: () => run(bench, [csd, "kill", sessionName]) };
  const listPanes = ["sh", "-c", `'${bench.empty}'; exec tmux -u list-panes -a`];
  const call = async (args: string[], env?: Record<string, string>) =>
    (await run(env === undefined ? bench : { ...bench, spawn: { ...bench.spawn, env } }, [csd, ...args])).stdout;
  const registry = join(bench.box.home, ".config/claude-as");
  const profiles = {
    prepare: async () => {
      mkdirSync(registry, { recursive: true });
      const dirs = Array.from({ length: 50 }, (_, index) => [`p${index}`, join(bench.box.home, `.claude.p${index}`)]);
      writeFileSync(join(registry, "profiles.json"), JSON.stringify(Object.fromEntries(dirs)));
    },
    cleanup: async () => rmSync(registry, { recursive: true }),
  };
  const crowd = {
    prepare: () => startCrowd(bench.box, call, 50),
    cleanup: async () => {
      for (let index = 0; index < 50; index++) await call(["kill", `crowd${index}`]);
    },
  };
  return [
    { name: "version", what: "csm --version : empty program", limit: 1.4, a: [csm, "--version"], b },
    { name: "statusline", what: "csm statusline : empty program", limit: 1.4, a: [csm, "statusline"], b },
    {
      name: "statusline-json",
      what: "csm statusline, 20 KB on stdin : empty program with the same",
      limit: 1.8,
      a: ["sh", "-c", `exec '${csm}' statusline <'${bench.box.dir}/status.json'`],
      b: ["sh", "-c", `exec '${bench.empty}' <'${bench.box.dir}/status.json'`],
      prepare: async () => writeFileSync(join(bench.box.dir, "status.json"), statuslineInput()),
    },
    {
      name: "usage",
      what: "csm usage --no-fetch, 50 profiles : empty program",
      limit: 3,
      a: [csm, "usage", "--no-fetch"],
      b,
      prepare: async () => registerProfiles(bench, 50),
      cleanup: async () => rmSync(join(bench.box.home, ".config"), { recursive: true }),
    },
    { name: "help", what: "csm --help : empty program", limit: 3, a: [csm, "--help"], b },
    { name: "newuuid", what: "csm newuuid : empty program", limit: 3, a: [csm, "newuuid"], b },
    { name: "completions", what: "csm completions bash : empty program", limit: 3, a: [csm, "completions", "bash"], b },
    { name: "ls", what: "csm ls, no session : empty program", limit: 3, a: [csm, "ls"], b },
    { name: "profiles", what: "csm profiles, 50 of them : empty program", limit: 3, a: [csm, "profiles"], b, ...profiles },
    {
      name: "cas",
      what: "csm cas --eval, 50 profiles : empty program",
      limit: 2.5,
      a: [csm, "cas", "--eval", "--shell", "zsh", "--", "p7"],
      b,
      ...profiles,
    },
    {
      name: "names",
      what: "names for completion, 50 profiles : empty program",
      limit: 2.5,
      a: [csm, "completions", "--names", "profiles"],
      b,
      ...profiles,
    },
    { name: "shell-init", what: "csm shell-init zsh : empty program", limit: 3, a: [csm, "shell-init", "zsh"], b },
    { name: "csd-help", what: "csd --help : empty program", limit: 3, a: [csd, "--help"], b },
    { name: "ps", what: "csd ps, no session : empty program", limit: 3, a: [csd, "ps"], b },
    { name: "state", what: "csd state, one session : empty program", limit: 3, a: [csd, "state", sessionName], b, ...session },
    { name: "ls-live", what: "csm ls, one session : empty program", a: [csm, "ls"], b, ...session },
    { name: "ps-live", what: "csd ps, one session : empty program", a: [csd, "ps"], b, ...session },
    {
      name: "state-tmux",
      what: "csd state : empty program + tmux list-panes -a",
      limit: 1.5,
      a: [csd, "state", sessionName],
      b: listPanes,
      ...session,
    },
    { name: "ps-50", what: "csd ps --json, 50 sessions of 1 MB : the same", limit: 3, a: [csd, "ps", "--json"], b: listPanes, ...crowd },
    {
      name: "ls-50",
      what: "csm ls --json, 50 sessions of 1 MB : claude agents --json",
      limit: 0.2,
      a: [csm, "ls", "--json"],
      b: [claude, "agents", "--json"],
      ...crowd,
    },
    {
      name: "top-tick",
      what: "CPU of a tick of csm top, 50 sessions of 1 MB",
      limit: 5,
      measure: () => measureTicks(bench.box, 0),
      a: [],
      b: [],
      ...crowd,
    },
    {
      name: "top-tick-100mb",
      what: "the same, one of them of 100 MB",
      limit: 5,
      measure: () => measureTicks(bench.box, 100e6),
      a: [],
      b: [],
      ...crowd,
    },
    {
      name: "top-memory",
      what: "memory of csm top, 50 sessions of 1 MB",
      limit: 90e6,
      isBytes: true,
      measure: () => measureMemory(bench.box, csm),
      a: [],
      b: [],
      ...crowd,
    },
    ...[false, true].map((hasRules) => ({
      name: hasRules ? "top-hour-rules" : "top-hour",
      what: hasRules ? "the same, with rules and budgets" : "growth of its memory in an hour of ticks",
      limit: 5e6,
      isBytes: true,
      measure: () => measureHour(bench.box, hasRules),
      a: [],
      b: [],
      ...crowd,
    })),
    {
      name: "events",
      what: "gate on screen to line of csd events",
      limit: 150,
      measure: () => measureGates(bench.box, call, csd, 10),
      a: [],
      b: [],
    },
    ...(["hook", "keys"] as const).map((by) => ({
      ...{ name: `approve-${by}`, what: `csd approve by ${by} : csd state at the same gate`, limit: by === "hook" ? 2.5 : 8, a: [], b: [] },
      measurePairs: () => measureAnswers(bench.box, csd, by, 15),
    })),
    {
      ...{ name: "hook", what: "csm hook at the end of a turn, transcript of 95 MB", limit: 15, a: [], b: [] },
      measure: () => measureHooks(bench.box, csm, 30),
    },
    {
      ...{ name: "hook-rules", what: "a hook with 100 rules, more than an empty program", limit: 15, a: [], b: [] },
      measure: () => measureRules(bench.box, csd, bench.empty, 100, 30),
    },
    createBudgetRow(csm, bench.empty, join(bench.box.dir, "budget"), (argv) => run(bench, argv)),
    ...createScanRows(bench.box, csm, bench.empty),
    ...createCostRows(csm, join(bench.box.dir, "cost"), (argv) => run(bench, argv)),
    ...createTaskRows(csm, bench.empty, join(bench.box.dir, "tasks")),
    ...createReplayRows(csm, join(bench.box.dir, "replay")),
    { name: "hand-over", what: "claude --version, through csm : directly", a: [csm, "--", "--version"], b: [claude, "--version"] },
    {
      ...{ name: "ls-fleet", what: "CPU of csm ls --fleet --json, 1,000 machines with 20 sessions", limit: 400, a: [], b: [] },
      measure: () => measureFleetList(csm),
    },
    {
      ...{ name: "top-fleet", what: "CPU of a tick of csm top over them, 80 of which tell something before it", limit: 15, a: [], b: [] },
      measure: () => measureFleetTicks(),
    },
    { name: "size", what: "bytes of csm : of the empty program", limit: maxAddedBytes, isSize: true, a: [csm], b },
  ];
}

/** What claude gives a status line, with a session's worth of additional folders. */
const statuslineInput = (): string => {
  const resets_at = Math.round(Date.now() / 1000) + 7200;
  const rate_limits = { five_hour: { used_percentage: 37, resets_at }, seven_day: { used_percentage: 61, resets_at: resets_at + 200_000 } };
  const workspace = {
    current_dir: "/home/dev/app",
    added_dirs: Array.from({ length: 500 }, (_, index) => `/home/dev/some/folder/${index}/app`),
  };
  return JSON.stringify({ session_id: "bench", model: { id: "claude-opus-5-5", display_name: "Opus 5.5" }, workspace, rate_limits });
};

/** Each has a file of claude's of 100 KB and a session that its status line has told of. */
async function registerProfiles(bench: Bench, count: number): Promise<void> {
  const registry: Record<string, string> = {};
  for (let index = 0; index < count; index++) {
    const dir = join(bench.box.home, `.claude.p${index}`);
    registry[`p${index}`] = dir;
    mkdirSync(dir, { recursive: true });
    const history = Array.from({ length: 1000 }, () => "a prompt of about one hundred characters ".repeat(2));
    writeFileSync(join(dir, ".claude.json"), JSON.stringify({ history, oauthAccount: { accountUuid: `acc-${index}` } }, null, 2));
    const env = { ...bench.spawn.env, CLAUDE_CONFIG_DIR: dir };
    const input = new TextEncoder().encode(statuslineInput().replace("bench", `bench-${index}`));
    await Bun.spawn([bench.csm, "statusline"], { env, stdin: input, stdout: "ignore" }).exited;
  }
  mkdirSync(join(bench.box.home, ".config/claude-as"), { recursive: true });
  writeFileSync(join(bench.box.home, ".config/claude-as/profiles.json"), JSON.stringify(registry));
}

async function main(): Promise<void> {
  const options = readOptions();
  const stop = new AbortController();
  createSys().onInterrupt(async () => {
    stop.abort(new Error("interrupted"));
    await measuring.catch(() => undefined);
  });
  const measuring = measureAll(options, stop.signal);
  const report = await measuring;
  const paint = createPaint(process.stdout.isTTY && (process.env.NO_COLOR ?? "") === "");
  console.log(options.isJson ? JSON.stringify(report, null, 2) : renderReport(report, paint));
  if (report.rows.some((result) => result.error !== undefined)) process.exitCode = 1;
}

function readOptions() {
  const { values } = parseArgs({
    options: { rows: { type: "string" }, runs: { type: "string" }, json: { type: "boolean" }, out: { type: "string" } },
  });
  const runs = Number(values.runs ?? 40);
  if (!Number.isInteger(runs) || runs < 1) throw new Error(`--runs must be a whole number from 1: ${values.runs}`);
  const out = values.out ?? join(import.meta.dir, "..", "dist");
  if (!existsSync(join(out, `csm${exe}`))) throw new Error(`no csm in ${out}; build it first: bun run build.ts`);
  return { names: values.rows?.split(","), runs, isJson: values.json === true, out };
}

async function measureAll({ names, runs, out }: ReturnType<typeof readOptions>, signal: AbortSignal) {
  const claude = findCheckoutClaude();
  const box = await createSandbox({ claudePath: claude, path: process.env.PATH });
  try {
    const spawn = { env: box.env, cwd: box.home, timeout: 60_000, signal, stdin: "ignore" } as const;
    const bench = { ...(await installPrograms(box.dir, out)), claude, box, sessionDir: box.folder(sessionName), spawn };
    const rows = createRows(bench);
    const chosen = rows.filter((row) => names?.includes(row.name) ?? true);
    if (names !== undefined && chosen.length < names.length)
      throw new Error(`unknown row among ${names.join(",")}; known: ${rows.map((row) => row.name).join(",")}`);
    const machine = `${cpus()[0]?.model.trim() ?? "?"}, ${cpus().length} cores, ${process.platform}; bun ${Bun.version}; ${(await run(bench, [bench.csm, "--version"])).stdout.trim()}`;
    const results: Result[] = [];
    for (const row of chosen) results.push(await measureRow(bench, row, runs));
    return { machine, runs, rows: results };
  } finally {
    await box.close();
  }
}

const exe = process.platform === "win32" ? ".exe" : "";

/** Copies, side by side: a build that runs meanwhile changes nothing, and all lie on the same disk. */
async function installPrograms(dir: string, outDir: string): Promise<Pick<Bench, "csm" | "csd" | "empty">> {
  const [csm, csd, empty] = [join(dir, `csm${exe}`), join(dir, `csd${exe}`), join(dir, `empty${exe}`)];
  copyFileSync(join(outDir, `csm${exe}`), csm);
  linkSync(csm, csd);
  const source = join(dir, "empty.ts");
  writeFileSync(source, "");
  await compileProgram(source, empty);
  return { csm, csd, empty };
}

const sessionName = "bench";
const answerTimeoutMs = 20_000;
const warmUps = 3;

/** One session that has answered once: its state is read from the session file and the transcript. */
async function startSession(bench: Bench): Promise<void> {
  await run(bench, [bench.csd, "spawn", "--name", sessionName, "--cwd", bench.sessionDir]);
  await run(bench, [bench.csd, "send", sessionName, "Say hello"]);
  for (let waitedMs = 0; !(await run(bench, [bench.csd, "state", sessionName])).stdout.includes('"idle_done"'); waitedMs += 100) {
    if (waitedMs > answerTimeoutMs) throw new Error("the session did not answer");
    await Bun.sleep(100);
  }
}

interface Side {
  /** Milliseconds of wall time, or the bytes of a size row. */
  value: number;
  cpuMs?: number;
  peakBytes?: number;
}

interface Result extends Pick<Row, "name" | "what" | "limit"> {
  unit: "ms" | "bytes";
  /** Ratio and difference are medians over the pairs. */
  measured?: { a: Side; b: Side; ratio: number; difference: number; isOver: boolean };
  error?: string;
}

async function measureRow(bench: Bench, row: Row, runs: number): Promise<Result> {
  const { name, what, limit, isSize } = row;
  const isBytes = isSize === true || row.isBytes === true;
  const result = { name, what, ...(limit === undefined ? {} : { limit }), unit: isBytes ? "bytes" : "ms" } as const;
  if (process.stderr.isTTY) process.stderr.write(`measuring ${name} …`);
  try {
    await row.prepare?.();
    if (row.measure !== undefined) {
      const value = median(await row.measure());
      return {
        ...result,
        measured: {
          a: { value },
          b: { value: Number.NaN },
          ratio: Number.NaN,
          difference: Number.NaN,
          isOver: value > (limit ?? Infinity),
        },
      };
    }
    const pairs = await row.measurePairs?.();
    const measured = isSize ? compareSizes(row) : pairs === undefined ? await compareTimes(bench, row, runs) : comparePairs(pairs);
    const isOver = limit !== undefined && (isSize ? measured.difference : measured.ratio) > limit;
    return { ...result, measured: { ...measured, isOver } };
  } catch (error) {
    bench.spawn.signal.throwIfAborted();
    return { ...result, error: error instanceof Error ? error.message : String(error) };
  } finally {
    // There may be nothing to clean up yet, and what stays ends with the sandbox.
    await row.cleanup?.().catch(() => undefined);
    if (process.stderr.isTTY) process.stderr.write("\r\u001b[K");
  }
}

function compareSizes(row: Row) {
  const [a, b] = [statSync(row.a[0] ?? "").size, statSync(row.b[0] ?? "").size];
  return { a: { value: a }, b: { value: b }, ratio: a / b, difference: a - b };
}

function comparePairs({ a, b }: Record<"a" | "b", number[]>) {
  const pairs = a.map((ms, index) => [ms, b[index] ?? Number.NaN] as const);
  const [ratio, difference] = [median(pairs.map(([ours, other]) => ours / other)), median(pairs.map(([ours, other]) => ours - other))];
  return { a: { value: median(a) }, b: { value: median(b) }, ratio, difference };
}

async function compareTimes(bench: Bench, row: Row, runs: number) {
  for (let index = 0; index < warmUps; index++) for (const argv of [row.a, row.b]) await run(bench, argv);
  const pairs: Record<"a" | "b", Awaited<ReturnType<typeof run>>>[] = [];
  while (pairs.length < runs) pairs.push({ a: await run(bench, row.a, "ignore"), b: await run(bench, row.b, "ignore") });
  const side = async (name: "a" | "b"): Promise<Side> => ({
    value: median(pairs.map((pair) => pair[name].wallMs)),
    cpuMs: median(pairs.map((pair) => pair[name].cpuMs)),
    peakBytes: await readPeak(bench, row[name]),
  });
  const ratio = median(pairs.map(({ a, b }) => a.wallMs / b.wallMs));
  return { a: await side("a"), b: await side("b"), ratio, difference: median(pairs.map(({ a, b }) => a.wallMs - b.wallMs)) };
}

async function run({ spawn }: Bench, argv: string[], output: "pipe" | "ignore" = "pipe") {
  spawn.signal.throwIfAborted();
  const startedAt = Bun.nanoseconds();
  const child = Bun.spawn(argv, { ...spawn, stdout: output, stderr: output });
  const texts = Promise.all([child.stdout?.text(), child.stderr?.text()]);
  const code = await child.exited;
  const wallMs = (Bun.nanoseconds() - startedAt) / 1e6;
  const [stdout = "", stderr = ""] = await texts;
  if (code !== 0) throw new Error(`${argv.join(" ")} ended with code ${code}: ${stderr.trim()}`);
  return { stdout, wallMs, cpuMs: Number(child.resourceUsage()?.cpuTime.total ?? 0) / 1000 };
}

async function readPeak(bench: Bench, argv: string[]): Promise<number> {
  // Linux counts into a peak what the starter held at the fork. This program holds much; a bare Bun, less than any it measures.
  const script = `console.log(Bun.spawnSync(${JSON.stringify(argv)}, { stdout: "ignore", stderr: "ignore" }).resourceUsage.maxRSS)`;
  const peaks: number[] = [];
  while (peaks.length < 3) peaks.push(Number((await run(bench, [process.execPath, "-e", script])).stdout));
  return median(peaks);
}

function median(values: number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return ((sorted[(sorted.length - 1) >> 1] ?? 0) + (sorted[sorted.length >> 1] ?? 0)) / 2;
}

const titles = ["", "A", "B", "A - B", "ratio", "limit", "CPU A", "CPU B", "peak A", "peak B"];

function renderReport({ machine, runs, rows }: Awaited<ReturnType<typeof measureAll>>, paint: Paint): string {
  const lines = [titles, ...rows.map(renderCells)];
  const widths = titles.map((_, column) => Math.max(...lines.map((cells) => cells[column]?.length ?? 0)));
  const ends = ["", ...rows.map((result) => renderEnd(result, paint))];
  const align = (cell: string, column: number) => (column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0));
  const aligned = lines.map((cells, index) => `${cells.map(align).join("  ")}  ${ends[index]}`.trimEnd());
  return [`${machine}; medians of ${runs} pairs`, "", ...aligned].join("\n");
}

const milliseconds = (value?: number): string => (value === undefined || Number.isNaN(value) ? "" : `${value.toFixed(1)} ms`);
const megabytes = (value?: number): string => (value === undefined ? "" : `${(value / 1e6).toFixed(2)} MB`);

function renderCells({ name, unit, limit, measured }: Result): string[] {
  if (measured === undefined) return [name];
  const { a, b, ratio, difference } = measured;
  const text = unit === "ms" ? milliseconds : megabytes;
  const isOwn = Number.isNaN(ratio);
  const limitText = limit === undefined ? "" : isOwn ? text(limit) : unit === "ms" ? limit.toFixed(2) : `+${text(limit)}`;
  const costs = [milliseconds(a.cpuMs), milliseconds(b.cpuMs), megabytes(a.peakBytes), megabytes(b.peakBytes)];
  return [
    name,
    text(a.value),
    text(b.value),
    isOwn ? "" : `${difference < 0 ? "" : "+"}${text(difference)}`,
    isOwn ? "" : ratio.toFixed(2),
    limitText,
    ...costs,
  ];
}

function renderEnd({ what, limit, measured, error }: Result, paint: Paint): string {
  if (measured === undefined) return paint("red", `not measured: ${error}`);
  const verdict = limit === undefined ? "    " : measured.isOver ? paint("red", "over") : paint("green", "ok  ");
  return `${verdict}  ${paint("dim", what)}`;
}

await main().catch((error: Error) => {
  console.error(`bench: ${error.message}`);
  process.exitCode = 2;
});
