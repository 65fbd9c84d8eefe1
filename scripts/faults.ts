/**
 * `bun run faults [--seed N] [--seconds S] [--only WORD]`: every command that writes, with a fault at each of the system calls by which
 * it does: the end of the process (SIGKILL), a full disk, a folder that may not be written, no file left to open, a broken disk; real
 * small disks and few files; and clocks that jump. Whatever happens: what was there is there, or what was to come, whole; no stack, no
 * hang; and the same command done again does what it did not. strace puts the faults in, so this is Linux alone. Build first.
 */
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { parseArgs } from "node:util";
import { createRandom, shuffle, tellProgress } from "./random.ts";

const root = join(import.meta.dir, "..");
const id = "11111111-2222-4333-8444-555555555555";

export interface Write {
  name: string;
  args: string[];
  program?: "csm" | "csd";
  input?: string;
  /** What is done before, in order. */
  first?: string[][];
}

const limitInput = JSON.stringify({ hook_event_name: "StopFailure", session_id: id, error: "rate_limit", cwd: "/" });
const lineInput = JSON.stringify({
  ...{ session_id: id, cwd: "/", model: { id: "opus", display_name: "Opus" }, version: "2.1.329" },
  rate_limits: { five_hour: { used_percentage: 40, resets_at: 4_000_000_000 } },
});

/** Every command that writes anything. */
export const writes: readonly Write[] = [
  { name: "setup", args: ["setup", "--all", "--yes"] },
  { name: "setup --undo", first: [["setup", "--all", "--yes"]], args: ["setup", "--all", "--undo", "--yes"] },
  { name: "config set", args: ["config", "set", "limit.policy", "wait"] },
  { name: "config unset", args: ["config", "unset", "limit.policy"] },
  { name: "profiles add", args: ["profiles", "add", "third", "~/.claude.third"] },
  { name: "profiles set", args: ["profiles", "set", "other", "~/.claude.else"] },
  { name: "profiles rename", args: ["profiles", "rename", "other", "another"] },
  { name: "profiles use", args: ["profiles", "use", "other"] },
  { name: "profiles rm", args: ["profiles", "rm", "other"] },
  { name: "profiles share", args: ["profiles", "share", "skills", "projects"] },
  {
    name: "profiles share --undo",
    first: [["profiles", "share", "skills", "projects"]],
    args: ["profiles", "share", "--undo", "skills", "projects"],
  },
  { name: "profiles bootstrap", args: ["profiles", "bootstrap", "--all"] },
  { name: "sidecar merge", args: ["sidecar", "merge", id, "model=sonnet"] },
  { name: "sidecar write", args: ["sidecar", "write", id, "model=sonnet"] },
  { name: "run", args: ["run", "hello"] },
  { name: "statusline", args: ["statusline"], input: lineInput },
  { name: "hook", args: ["hook"], input: limitInput },
  { name: "csd hook", program: "csd", args: ["--csd-hook"], input: limitInput },
  { name: "rules check", args: ["rules", "check"] },
  { name: "rules hook", args: ["hook"], input: limitInput.replace("StopFailure", "PreToolUse") },
  { name: "notify test", args: ["notify", "test", "--all"] },
  { name: "cost", args: ["cost", "--json"] },
  { name: "usage", args: ["usage", "--json"] },
  { name: "ls", args: ["ls", "--json"] },
  { name: "scan", args: ["scan", "--json"] },
  { name: "csd kill", program: "csd", args: ["kill", "fix"] },
];

/** Folders of the machine on which they run. */
function furnish(home: string): void {
  const write = (path: string, text: string, mode = 0o600) => {
    mkdirSync(dirname(join(home, path)), { recursive: true, mode: 0o700 });
    writeFileSync(join(home, path), text, { mode });
  };
  write(".claude/settings.json", '{ "model": "opus",\n  "n": 1.0 }\n');
  write(".claude.other/settings.json", '{"env":{"A":"b"}}');
  write(".claude.json", "{}");
  write(".bashrc", "alias l=ls\n");
  write(".config/claude-as/profiles.json", '{"work":"~/.claude","other":"~/.claude.other"}');
  write(".config/claude-as/default", "work\n");
  write(".config/claude-smart/config.json", '{"limit":{"policy":"ask"},"mine":1}');
  write(
    ".config/claude-smart/rules.toml",
    '[[rules]]\nname = "a"\nmatch_command = "rm"\naction = "deny"\n[notify]\n[[notify.channels]]\nkind = "command"\nrun = ["true"]\n',
  );
  write(`.claude.shared/smart/${id}.json`, '{"model":"opus","effort":"low"}');
  const line = { sessionId: id, cwd: home, version: "2.1.329", timestamp: "2026-11-20T10:00:00.000Z" };
  const message = { id: "m", model: "claude-opus-4-6", role: "assistant", usage: { input_tokens: 5, output_tokens: 7 }, content: [] };
  const turn = [
    { ...line, type: "user", uuid: "u", message: { role: "user", content: "hello" } },
    { ...line, type: "assistant", uuid: "a", requestId: "r", message },
  ];
  for (const dir of [".claude", ".claude.other"])
    write(
      `${dir}/projects/-home/${dir === ".claude" ? id : id.replace("1", "2")}.jsonl`,
      turn.map((one) => `${JSON.stringify(one)}\n`).join(""),
    );
  write(".claude/skills/a/SKILL.md", "# a\n");
  write(".claude.other/skills/b/SKILL.md", "# b\n");
  const driven = { name: "fix", session_id: id, cwd: home, backend: "claude", jsonl_path: join(home, "x.jsonl"), permission_mode: null };
  write(".local/state/csd/sessions/fix.json", JSON.stringify({ ...driven, backend_version: "2.1.329", created: 1, version: 1 }));
  write(".local/state/csd/run/fix/events.jsonl", `${JSON.stringify({ at: 1, event: "Stop" })}\n`);
  write("bin/claude", '#!/bin/sh\n[ "$1" = --version ] && echo "2.1.329 (Claude Code)" || echo up\n', 0o700);
  chmodSync(join(home, "bin/claude"), 0o700);
}

const envOf = (home: string) => ({
  ...{
    HOME: home,
    PATH: `${join(home, "bin")}:/usr/bin:/bin`,
    SHELL: "/bin/bash",
    TMUX_TMPDIR: home,
    CSM_USAGE_ASK: "0",
    LC_ALL: "C.UTF-8",
  },
  ...{ CSD_CHANNEL: join(home, ".local/state/csd/run/fix"), XDG_RUNTIME_DIR: home },
});

interface Ran {
  code: number | null;
  signal: string | number | null;
  out: string;
  err: string;
  isStuck: boolean;
}

const deadlineMs = 30_000;

async function run(home: string, { program = "csm", args, input }: Write, before: readonly string[] = []): Promise<Ran> {
  const child = Bun.spawn([...before, join(root, "dist", program), ...args], {
    cwd: home,
    env: envOf(home),
    stdin: input === undefined ? "ignore" : new TextEncoder().encode(input),
    stdout: "pipe",
    stderr: "pipe",
  });
  let isStuck = false;
  const timer = setTimeout(() => {
    isStuck = true;
    child.kill("SIGKILL");
  }, deadlineMs);
  const [out, err] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
  await child.exited;
  clearTimeout(timer);
  return { code: child.exitCode, signal: child.signalCode, out, err, isStuck };
}

// --- what is on the disk --------------------------------------------------------------------------------------------

const filesBelow = (dir: string): string[] =>
  readdirSync(dir, { withFileTypes: true }).flatMap((entry) =>
    entry.isDirectory() ? filesBelow(join(dir, entry.name)) : entry.isFile() ? [join(dir, entry.name)] : [],
  );

/** Caches, locks and notes of a step come and go, copies and pieces of a write that was cut off are nobody's; logs grow by each try. */
const isPassing = (path: string): boolean =>
  /\.db(?:-\w+)?$|\.csm-own\/|\/told\/|\/locks\/|\.lock$|\.tmp$|\.before-csm-|shared-projects\.json$|tmux|\/claims\/|setup-told$|\/occasions\/|\/notices\/|\/launches\/|\/launch\/|\/statusline\/|\/csm\/rules\/|\.sock$/.test(
    path,
  );
const isLog = (path: string): boolean => path.endsWith(".jsonl") && path.includes("/state/");

/** Times and numbers of processes are others each time. */
const masked = (home: string, text: string): string =>
  text
    .replaceAll(home, "~")
    .replace(/\d{4}-\d\d-\d\d[T ][\d:.]+Z?/g, "TIME")
    .replace(/\b\d{4,}(?:\.\d+)?\b/g, "N");

type Contents = Map<string, string>;

const contentsOf = (home: string, isWanted: (path: string) => boolean): Contents =>
  new Map(
    filesBelow(home)
      .filter((path) => isWanted(path))
      .map((path) => [path.slice(home.length + 1), masked(home, readFileSync(path, "utf8"))]),
  );

const kept = (home: string): Contents => contentsOf(home, (path) => !isPassing(path) && !isLog(path));

/** Each file is as it was or as it was to be; in a log no whole line is lost and none mixed with another. */
function damage(home: string, before: Contents, after: Contents): string[] {
  const now = kept(home);
  const wrong = [...new Set([...now.keys(), ...before.keys()])].filter((path) => {
    const text = now.get(path);
    return text !== before.get(path) && text !== after.get(path);
  });
  const logs = filesBelow(home)
    .filter(isLog)
    .map((path): [string, string] => [path, readFileSync(path, "utf8")]);
  const torn = logs.filter(([, text]) =>
    text
      .split("\n")
      .slice(0, -1)
      .some((line) => line !== "" && !isJson(line)),
  );
  return [
    ...wrong.map((path) => `${path}: ${JSON.stringify(now.get(path)?.slice(0, 200) ?? "gone")}`),
    ...torn.map(([path, text]) => `${path} is torn: ${JSON.stringify(text.slice(-200))}`),
  ];
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

const difference = (a: Contents, b: Contents): string[] =>
  [...new Set([...a.keys(), ...b.keys()])].filter((path) => a.get(path) !== b.get(path));

// --- faults ---------------------------------------------------------------------------------------------------------

const calls = [
  "openat",
  "write",
  "pwrite64",
  "fsync",
  "fdatasync",
  "ftruncate",
  "rename",
  "renameat2",
  "unlink",
  "mkdir",
  "rmdir",
  "symlink",
  "link",
  "chmod",
  "fchmod",
  "sendfile",
  "copy_file_range",
  "ioctl",
];
const errors: Readonly<Record<string, readonly string[]>> = {
  openat: ["ENOSPC", "EACCES", "EMFILE", "EIO"],
  write: ["ENOSPC", "EIO"],
  pwrite64: ["ENOSPC", "EIO"],
  fsync: ["ENOSPC", "EIO"],
  rename: ["EACCES", "ENOSPC", "EXDEV"],
  mkdir: ["EACCES", "ENOSPC"],
  unlink: ["EACCES"],
  rmdir: ["EACCES"],
  symlink: ["EACCES", "ENOSPC"],
  link: ["EACCES", "EMLINK"],
  chmod: ["EPERM"],
  copy_file_range: ["ENOSPC"],
  sendfile: ["ENOSPC"],
};

interface Point {
  call: string;
  /** Which one of its kind, from 1. */
  index: number;
}

interface Plan {
  write: Write;
  points: Point[];
  /** Before and after it, where nothing fails. */
  before: Contents;
  after: Contents;
  clean: Ran;
  home: string;
}

/** A home that is as it is before this command. */
async function prepare(write: Write, home: string): Promise<void> {
  rmSync(home, { recursive: true, force: true });
  mkdirSync(home, { recursive: true, mode: 0o700 });
  furnish(home);
  for (const args of write.first ?? []) await run(home, { name: "", args });
}

/** The calls by which a command touches its home, in their order. */
async function observe(write: Write, dir: string): Promise<Plan> {
  const home = join(dir, "home");
  await prepare(write, home);
  const before = kept(home);
  const trace = join(dir, "trace");
  const clean = await run(home, write, ["strace", "-f", "-qq", "-y", "-o", trace, "-e", `trace=${calls.join(",")}`]);
  const counts = new Map<string, number>();
  const points = readFileSync(trace, "utf8")
    .split("\n")
    .flatMap((line): Point[] => {
      const [, thread = "", call = ""] = /^(\d+) +(\w+)\(/.exec(line) ?? [];
      if (call === "") return [];
      const index = (counts.get(`${thread} ${call}`) ?? 0) + 1;
      counts.set(`${thread} ${call}`, index);
      return line.includes(home) ? [{ call, index }] : [];
    });
  return { write, points, before, after: kept(home), clean, home };
}

type Fault = { name: string; wrap: string[]; isKill: boolean };

function faultsAt({ call, index }: Point): Fault[] {
  const inject = (what: string, when: string) => [
    "strace",
    "-f",
    "-qq",
    "-o",
    "/dev/null",
    "-e",
    `trace=${call}`,
    "-e",
    `inject=${call}:${what}:when=${when}`,
  ];
  const named = (what: string, when: string) => `${what} at ${call} ${when}`;
  return [
    { name: named("SIGKILL", `${index}`), wrap: inject("signal=KILL", `${index}`), isKill: true },
    ...(errors[call] ?? []).flatMap((error) =>
      [`${index}`, `${index}+`].map((when) => ({ name: named(error, when), wrap: inject(`error=${error}`, when), isKill: false })),
    ),
  ];
}

/** Files that this many can be open at once: fewer, and no program starts. */
const fewFiles = (count: number): Fault => ({ name: `${count} open files`, wrap: ["prlimit", `--nofile=${count}`], isKill: false });

async function suffer(plan: Plan, fault: Fault, dir: string): Promise<string[]> {
  const { write, before, after, clean } = plan;
  const home = join(dir, "home");
  await prepare(write, home);
  const ran = await run(home, write, fault.wrap);
  const wrong = damage(home, before, after);
  if (ran.isStuck) wrong.push("it never ends");
  else if (!fault.isKill && isCrash(ran) && !isOfBun(ran)) wrong.push(`ended by ${ran.signal ?? ran.code}: ${ran.err.slice(0, 500)}`);
  // What has failed is told: no success where nothing was done.
  else if (!fault.isKill && ran.code === 0 && clean.code === 0 && !isSilent(write) && difference(kept(home), after).length > 0)
    wrong.push(`code 0, and not done: ${difference(kept(home), after)}`);
  const again = await run(home, write);
  if (isCrash(again)) wrong.push(`again: ${again.signal ?? again.code}: ${again.err.slice(0, 500)}`);
  const open = difference(kept(home), after);
  if (open.length > 0) wrong.push(`again, and still not done: ${open} (${again.code} ${again.err.trim()})`);
  return wrong.map((what) => `${write.name}, ${fault.name}: ${what}`);
}

/** A hook and the status line never disturb a session: they say nothing. */
const isSilent = ({ args }: Write): boolean => /hook|statusline/.test(args[0] ?? "");

/** Bun itself gives up where it cannot open what it needs before a line of ours has run. */
const isOfBun = ({ err }: Ran): boolean => /Bun has crashed/.test(err) && /User: \d{1,2}ms/.test(err);

const isCrash = ({ code, signal, err }: Ran): boolean =>
  signal !== null || code === 70 || err.includes("this is a bug") || /^\s+at .*:\d+:\d+\)?$/m.test(err) || (code ?? 0) > 130;

// --- clocks ---------------------------------------------------------------------------------------------------------

const clockCommands: Write[] = [
  ["ls", "--json"],
  ["usage", "--json"],
  ["cost", "--json"],
  ["cost", "block"],
  ["budget", "--json"],
  ["log"],
  ["notify", "--json"],
  ["rules", "log"],
  ["scan"],
  ["pick-account", "--explain", "--include-current"],
].map((args) => ({ name: args.join(" "), args }));
const shifts = [
  "-1d",
  "+1d",
  "-400d",
  "+400d",
  "@1970-01-02 00:00:00",
  "@2038-01-19 03:14:08",
  "@2027-03-14 02:30:00",
  "@2027-11-07 01:30:00",
];
const zones = ["UTC", "America/New_York", "Europe/Berlin", "Australia/Lord_Howe", "Asia/Kathmandu", "Pacific/Apia"];

/** What one clock has noted, another one reads: set back, set on, in another zone, in the hour that is there twice or never. */
async function jump(shift: string, zone: string, dir: string): Promise<string[]> {
  const home = join(dir, "home");
  await prepare({ name: "", args: [] }, home);
  const wrong: string[] = [];
  const fake = shift.startsWith("@") ? ["faketime", shift.slice(1)] : ["faketime", "-f", shift];
  const all = [...writes.filter(({ name }) => /statusline|^hook|notify test|setup/.test(name)), ...clockCommands];
  for (const wrap of [[], ["env", `TZ=${zone}`, ...fake], []])
    for (const write of all) {
      const ran = await run(home, write, wrap);
      if (ran.isStuck || isCrash(ran))
        wrong.push(`${write.name} at ${shift} in ${zone}: ${ran.isStuck ? "it never ends" : ran.err.slice(0, 500)}`);
    }
  return wrong;
}

// --- small disks ----------------------------------------------------------------------------------------------------

/** A disk of its own, as large as told; undefined where this user may not mount one. */
async function fill(plan: Plan, kilobytes: number, dir: string): Promise<string[]> {
  const disk = join(dir, "disk");
  mkdirSync(disk, { recursive: true });
  const mounted = Bun.spawnSync(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", disk]);
  if (mounted.exitCode !== 0) return [];
  try {
    const { write } = plan;
    const home = join(disk, "home");
    await prepare(write, home);
    const before = kept(home);
    // What is left is as much as told.
    Bun.spawnSync(["sh", "-c", `head -c 4m /dev/zero > "$0" 2>/dev/null; truncate -s -${kilobytes}k "$0"`, join(disk, "ballast")]);
    const ran = await run(home, write);
    const wrong = damage(home, before, plan.after);
    if (ran.isStuck || isCrash(ran)) wrong.push(`ended by ${ran.signal ?? ran.code}: ${ran.err.slice(0, 500)}`);
    rmSync(join(disk, "ballast"));
    const again = await run(home, write);
    const open = difference(kept(home), plan.after);
    if (isCrash(again) || open.length > 0) wrong.push(`again: ${open} ${again.err.slice(0, 500)}`);
    return wrong.map((what) => `${write.name}, a disk with ${kilobytes} KB left: ${what}`);
  } finally {
    Bun.spawnSync(["umount", "-l", disk]);
  }
}

// --- all of it ------------------------------------------------------------------------------------------------------

export interface FaultOptions {
  seed: number;
  seconds: number;
  /** Of these commands alone. */
  only?: (write: Write) => boolean;
  /** Of these kinds alone. */
  kinds?: RegExp;
  tell?: (line: string) => void;
}

export interface FaultReport {
  /** That there are, and that were tried in the time. */
  faults: number;
  tried: number;
  wrong: string[];
}

export const missingTools = (): string[] => ["strace", "prlimit", "faketime"].filter((name) => Bun.which(name) === null);

export async function runFaults({
  seed,
  seconds,
  only = () => true,
  kinds = /./,
  tell = () => undefined,
}: FaultOptions): Promise<FaultReport> {
  const dir = mkdtempSync(join(existsSync("/dev/shm") ? "/dev/shm" : tmpdir(), "csm-faults-"));
  const endAt = Date.now() + seconds * 1000;
  const random = createRandom(seed);
  try {
    const plans: Plan[] = [];
    for (const write of writes.filter(only)) plans.push(await observe(write, dir));
    const faults = plans.flatMap((plan) => [
      ...plan.points
        .flatMap((point) => faultsAt(point))
        .map((fault) => ({ name: fault.name, command: plan.write.name, run: (at: string) => suffer(plan, fault, at) })),
      ...[10, 12, 14, 16, 20, 24].map((count) => ({
        name: "EMFILE",
        command: plan.write.name,
        run: (at: string) => suffer(plan, fewFiles(count), at),
      })),
      ...[0, 4, 8, 16, 32, 64].map((size) => ({ name: "disk", command: plan.write.name, run: (at: string) => fill(plan, size, at) })),
    ]);
    const jumps = shifts.flatMap((shift) =>
      zones.map((zone) => ({ name: "clock", command: "", run: (at: string) => jump(shift, zone, at) })),
    );
    const queue = shuffle(
      random,
      [...faults, ...jumps].filter(({ name }) => kinds.test(name)),
    );
    const report: FaultReport = { faults: queue.length, tried: 0, wrong: [] };
    const lane = async (number: number) => {
      const own = join(dir, `lane-${number}`);
      mkdirSync(own, { recursive: true });
      for (let next = queue.pop(); next !== undefined && Date.now() < endAt; next = queue.pop()) {
        const again = `--seed ${seed}${next.command === "" ? "" : ` --only '${next.command}'`} --kinds '^${next.name.replace("+", "\\+")}$'`;
        const wrong = (await next.run(own)).map((line) => `${line} (${again})`);
        report.tried++;
        for (const line of wrong) tell(line);
        report.wrong.push(...wrong);
      }
    };
    const stopTelling = tellProgress(seconds, () => `${report.tried} of ${report.faults} faults, ${report.wrong.length} wrong`, tell);
    await Promise.all([lane(1), lane(2)]);
    stopTelling();
    return report;
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: { seed: { type: "string" }, seconds: { type: "string" }, only: { type: "string" }, kinds: { type: "string" } },
  });
  const seed = Number(values.seed ?? Date.now() % 1_000_000);
  const missing = missingTools();
  if (missing.length > 0 || !existsSync(join(root, "dist/csm"))) {
    console.error(missing.length > 0 ? `not on PATH: ${missing.join(", ")}` : "build first: bun run build.ts");
    process.exit(1);
  }
  const report = await runFaults({
    ...{ seed, seconds: Number(values.seconds ?? 60), tell: (line: string) => console.error(line) },
    ...(values.only === undefined ? {} : { only: ({ name }: Write) => name.includes(values.only as string) }),
    ...(values.kinds === undefined ? {} : { kinds: new RegExp(values.kinds) }),
  });
  console.log(JSON.stringify({ seed, faults: report.faults, tried: report.tried, wrong: report.wrong }, null, 2));
  console.error(`faults, seed ${seed}: ${report.tried} of ${report.faults} tried, ${report.wrong.length} wrong`);
  process.exit(report.wrong.length === 0 ? 0 : 1);
}
