import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import {
  chmodSync,
  closeSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { hostname, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { loadCommands } from "../../src/commands.ts";
import * as paths from "../../src/paths.ts";
import { channelVariable, editorWord, hookWord, launchWord } from "../../src/program.ts";
import { csdPath, csmPath } from "./harness.ts";

/**
 * Every file that any command reads, with everything in its place that may stand there: no command hangs, none shows a stack, one
 * bad session costs no other, and nothing is written elsewhere. The inputs are all files of a furnished home and those that the
 * commands make in it, the commands those of the table; which reads what is told by the access times. `CSM_WALK=all` runs each of
 * them on each form; without it each form meets some of the readers in turn.
 */
setDefaultTimeout(300_000);

const root = mkdtempSync(join(tmpdir(), "csm-walk-"));
/** Where nothing may be written, whatever a link or an id says. */
const outside = join(root, "outside");
const first = { id: "11111111-2222-4333-8444-555555555555", name: "fix", title: "first-title" };
const second = { id: "22222222-2222-4333-8444-555555555555", name: "good", title: "second-title" };
/** What tells of the second session; what is done to the first must not cost it. */
const signsOfSecond = [second.id, second.title, "second-row"];

interface Box {
  home: string;
  /** Stand in for two claudes. */
  claudes: ReturnType<typeof Bun.spawn>[];
}

const write = (home: string, path: string, content: unknown) => {
  const full = join(home, path);
  mkdirSync(dirname(full), { recursive: true, mode: 0o700 });
  writeFileSync(full, typeof content === "string" ? content : JSON.stringify(content), { mode: 0o600 });
};

/** Its maker lives: it is not taken for one that was left behind. */
const launchFile = `.local/state/csd/launch/${process.pid}.${hostname().replace(/[^\w-]/g, "_")}.x.json`;
const now = Date.now();
const at = (minutes: number) => new Date(now - minutes * 60_000).toISOString();

/** A machine with two sessions, two profiles, and every record that csm and csd keep. */
function furnish({ home, claudes }: Box): void {
  rmSync(home, { recursive: true, force: true });
  for (const [index, { id, name, title }] of [first, second].entries()) {
    const cwd = join(home, name);
    const row = `${name === "fix" ? "first" : "second"}-row`;
    const pid = claudes[index]?.pid ?? 0;
    const start = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ")[19];
    const transcript = `.claude/projects/${paths.slugOf(cwd)}/${id}`;
    const line = (fields: object) => `${JSON.stringify({ sessionId: id, cwd, version: "2.1.329", ...fields })}\n`;
    const usage = { input_tokens: 5, output_tokens: 7, cache_read_input_tokens: 3, cache_creation_input_tokens: 2 };
    const message = { id: `m-${name}`, model: "claude-opus-4-6", role: "assistant", usage, stop_reason: "end_turn" };
    const turn = [
      line({ type: "user", uuid: "u1", timestamp: at(3), message: { role: "user", content: `say ${title}` } }),
      line({
        type: "assistant",
        uuid: "a1",
        timestamp: at(2),
        requestId: "r1",
        message: { ...message, content: [{ type: "text", text: row }] },
      }),
      line({ type: "custom-title", customTitle: title }),
      line({ type: "system", subtype: "turn_duration", timestamp: at(2) }),
    ].join("");
    write(home, `${transcript}.jsonl`, turn);
    write(home, `${transcript}/subagents/agent-a1.jsonl`, turn.replaceAll(`m-${name}`, `s-${name}`));
    write(home, `${transcript}/subagents/agent-a1.meta.json`, { agentType: "explore", description: "looks", finished: false });
    const session = { pid, procStart: start, sessionId: id, cwd, name: row, version: "2.1.329", status: index === 0 ? "busy" : "idle" };
    write(home, `.claude/sessions/${pid}.json`, { ...session, startedAt: now, statusUpdatedAt: now - 60_000, updatedAt: now - 60_000 });
    write(home, `.claude.shared/smart/${id}.json`, { sessionId: id, model: "opus", ts: now / 1000, cwd, hop: 1 });
    write(home, `.claude.shared/smart/${id}.pid`, `${pid} ${Math.floor(now / 1000)}`);
    const driven = {
      name,
      session_id: id,
      cwd,
      backend: "claude",
      jsonl_path: join(home, `${transcript}.jsonl`),
      permission_mode: null,
      backend_version: "2.1.329",
    };
    const place = { config_dir: join(home, ".claude"), pid, process_start: start, pane: "%9", server_pid: 1, socket: join(home, "tmux") };
    write(home, `.local/state/csd/sessions/${name}.json`, { ...driven, ...place, created: Math.floor(now / 1000), version: 1 });
    write(
      home,
      `.local/state/csd/run/${name}/events.jsonl`,
      ["UserPromptSubmit", "PermissionRequest", "Stop"]
        .map((event) => `${JSON.stringify({ at: now - 60_000, event, session_id: id, text: row, tool: "Bash", background: [] })}\n`)
        .join(""),
    );
    const gate = { id: `g-${name}`, at: now, pid, start, tool: "Bash", input: { command: "ls" }, agent: "explore", agent_id: "a1" };
    if (index === 0) write(home, `.local/state/csd/run/${name}/gates/g-${name}.json`, gate);
    write(home, `.local/state/csd/claims/${name}-claim.json`, { pid, start });
    const windows = { five_hour: { usedPercent: 10, resetsAt: now + 3_600_000 } };
    const sample = { version: 1, sessionId: id, configDir: join(home, ".claude"), seenAt: now, limitsAt: now, windows };
    write(home, `.local/state/csm/statusline/${id}.json`, { ...sample, contextPercent: 40, costUsd: 1, model: "claude-opus-4-6" });
    const launch = { version: 1, id, pid: 99_999_999 - index, start: "1", boot: "old", startedAt: now - 1000, cwd };
    write(home, `.local/state/csm/launches/${id}.json`, {
      ...launch,
      sessionId: id,
      configDir: join(home, ".claude"),
      args: ["--model", "opus"],
    });
    mkdirSync(cwd, { recursive: true });
  }
  write(home, "fix/.git/HEAD", "ref: refs/heads/main\n");
  write(home, "fix/.git/worktrees/good/gitdir", `${join(home, "good/.git")}\n`);
  write(home, "good/.git", `gitdir: ${join(home, "fix/.git/worktrees/good")}\n`);
  write(home, "fix/.git/worktrees/good/commondir", "../..\n");
  write(home, "fix/.git/worktrees/good/HEAD", "ref: refs/heads/side\n");
  write(home, `.claude.shared/projects/${paths.slugOf(join(home, "fix"))}/33333333-2222-4333-8444-555555555555.jsonl`, "{}\n");
  write(home, ".claude.shared/smart/.usage-cache.json", { captured_at: at(5), profiles: { work: { session: { pct: 5, resets: null } } } });
  write(home, ".claude.shared/smart/.usage-fetch-failed", String(Math.floor(now / 1000)));
  write(home, ".claude/settings.json", { model: "opus", statusLine: { type: "command", command: "csm statusline" }, hooks: {} });
  write(home, ".claude.json", {
    oauthAccount: { accountUuid: "a-1" },
    cachedUsageUtilization: { fetchedAtMs: now, utilization: {} },
    projects: {},
  });
  write(home, ".claude.other/.claude.json", { oauthAccount: { accountUuid: "a-2" }, projects: {} });
  write(home, ".config/claude-as/profiles.json", { work: "~/.claude", other: "~/.claude.other" });
  write(home, ".config/claude-as/default", "work\n");
  write(home, ".config/claude-smart/config.json", { limit: { policy: "ask" }, usage: { disabled: [] }, prices: {} });
  const rule = (name: string) => `[[rules]]\nname = "${name}"\nmatch_command = ["git push", "rm"]\naction = "deny"\n`;
  const told = `[[rules]]\nname = "told"\nmatch_status = ["working", "blocked", "idle_done"]\naction = "notify"\n`;
  write(home, ".config/claude-smart/rules.toml", rule("own") + told);
  write(home, "fix/.csm/rules.toml", rule("theirs"));
  // Nobody is at that port.
  const membership = { url: "redis://127.0.0.1:1", machine: "here", role: "answer", password: { from: "none" }, joinedAt: now };
  write(home, ".local/state/csm/fleet.json", membership);
  write(home, ".local/state/csm/fleet-seen.json", { readAt: now - 60_000, machines: [] });
  write(home, ".local/state/csd/doctor.json", { version: 1, results: [{ claude: "/c", version: "2.1.329", at: now, untrusted: [] }] });
  write(
    home,
    ".local/state/csd/audit.jsonl",
    `${JSON.stringify({ at: now, event: "refused", session: "fix", verb: "approve", why: "x" })}\n`,
  );
  write(home, ".local/state/csd/run/fix/prompt.request", join(home, "none.sock"));
  write(home, "claude-prompt-x.md", "draft");
  write(home, launchFile, {
    path: "/bin/true",
    args: [],
    cwd: "/",
    env: {},
  });
  write(
    home,
    ".local/state/csm/journal.jsonl",
    `${JSON.stringify({ at: now, event: "switch", session: first.id, from: "a", to: "b", resets_at: now })}\n`,
  );
  write(home, "claude-code-usage/cache/usage-limits.json", { captured_at: at(5), profiles: {} });
  const tasks = [
    { name: "a", prompt: "x", matrix: { os: ["l"] } },
    { name: "b", prompt: "{{a.json.x}}", depends_on: ["a"], cwd: "fix" },
  ];
  write(home, "night.json", { tasks });
  write(home, "bin/claude", '#!/bin/sh\nprintf "2.1.329 (Claude Code)\\n"\n');
  chmodSync(join(home, "bin/claude"), 0o700);
}

// --- the commands ------------------------------------------------------------------------------------------------

interface Call {
  words: string;
  program: string;
  /** `HOME` stands for the home. */
  args: string[];
  input?: string;
  env?: Record<string, string>;
}

const hookInput = (event: string) =>
  JSON.stringify({ hook_event_name: event, session_id: first.id, tool_name: "Bash", tool_input: { command: "ls" }, error: "rate_limit" });

/** What no table lists: claude's own words, and how claude, tmux and shells call this program. */
const otherCalls: Call[] = [
  { words: "csm -p", program: csmPath, args: ["-p", "hi"] },
  { words: "csm mcp list", program: csmPath, args: ["mcp", "list"] },
  { words: "csm run -c", program: csmPath, args: ["run", "-c"] },
  ...["profiles", "driven", "sessions"].map((kind) => ({
    words: `names of ${kind}`,
    program: csmPath,
    args: ["completions", "--names", kind],
  })),
  { words: "cas", program: csmPath, args: ["cas", "--eval", "--shell", "bash", "other"] },
  {
    words: "the status line",
    program: csmPath,
    args: ["statusline"],
    input: JSON.stringify({ session_id: first.id, model: { id: "opus" } }),
  },
  ...["UserPromptSubmit", "Stop", "StopFailure", "PermissionRequest"].flatMap((event) => [
    { words: `csd's hook at ${event}`, program: csdPath, args: [hookWord], input: hookInput(event) },
    { words: `csm's hook at ${event}`, program: csmPath, args: ["hook"], input: hookInput(event) },
  ]),
  { words: "a hub's file", program: csmPath, args: ["usage", "--json"], env: { CLAUDE_HUB_HOSTNAME: hostname().split(".")[0] ?? "" } },
  { words: "a hub that is down", program: csmPath, args: ["usage", "--json"], env: { CLAUDE_USAGE_URL: "http://127.0.0.1:9/" } },
  { words: "flags of before", program: csmPath, args: ["sidecar", "flags", first.id] },
  { words: "csm run --resume", program: csmPath, args: ["run", "--resume", first.id, "--fork-session"] },
  { words: "csm watch --act", program: csmPath, args: ["watch", "--act"] },
  { words: "the editor", program: csdPath, args: [editorWord, "HOME/claude-prompt-x.md"] },
  { words: "the launch in a pane", program: csdPath, args: [launchWord, `HOME/${launchFile}`] },
];

/** They act on the processes and tmux servers of others, or make a machine of their own: what they read, others read too. */
const isActing = (words: string) => ["csm demo", "csm hub", "csm hub serve", "csm fleet leave", "csd doctor", "csd kill"].includes(words);

/** Each command as it is called: with a session or a profile where it wants one, as text, and as JSON where it has that. */
async function listCalls(): Promise<Call[]> {
  const rows = await loadCommands();
  const ofTable = rows.flatMap(({ program, word, record }): Call[] => {
    const words = `${program} ${word}`;
    if (record === undefined || isActing(words)) return [];
    const args = Object.entries(record.args as Record<string, { type: string; required?: boolean }>);
    const values = args.flatMap(([name, { type, required }]) =>
      type === "positional" && required !== false ? [givenFor(program, name)] : [],
    );
    const flags = ["all", "dry-run", "once"].filter((flag) => args.some(([name]) => name === flag)).map((flag) => `--${flag}`);
    if (args.some(([name]) => name === "timeout")) flags.push("--timeout", "1");
    const isOpen = record.rest !== undefined && ["prompt", "words"].includes(record.rest.kind);
    const more = isOpen ? [wordsOf[words] ?? "hello"].filter((given) => given !== "") : [];
    const path = program === "csm" ? csmPath : csdPath;
    const plain = { words, program: path, args: [...word.split(" "), ...values, ...flags, ...more] };
    const hasJson = args.some(([name]) => name === "json");
    return hasJson ? [plain, { ...plain, args: [...word.split(" "), "--json", ...values, ...flags, ...more] }] : [plain];
  });
  return [...ofTable, ...otherCalls];
}

/** What follows, where not any word will do. */
const wordsOf: Readonly<Record<string, string>> = {
  "csm config": "check",
  "csm profiles share": "settings",
  "csm sidecar": "model=x",
  "csm halt": "",
};

const givenFor = (program: string, name: string): string =>
  name === "operation"
    ? "merge"
    : program === "csd"
      ? first.name
      : /session|id|conversation/.test(name)
        ? first.id
        : /shell/.test(name)
          ? "bash"
          : /dir|folder/.test(name)
            ? "~/.claude.x"
            : name === "file"
              ? "HOME/night.json"
              : "other";

const envOf = (home: string) => ({
  HOME: home,
  PATH: `${join(home, "bin")}:${process.env.PATH}`,
  TMUX_TMPDIR: home,
  LC_ALL: "C.UTF-8",
  CSM_USAGE_ASK: "0",
  EDITOR: "true",
  [channelVariable]: join(home, ".local/state/csd/run/fix"),
});

/** Those that wait for somebody, or go on until they are stopped, have read what there is by then. */
const patienceMs = 400;
/** On a machine that does much else; whoever reads a pipe or a device without an end never ends. */
const deadlineMs = 30_000;

interface Ran {
  text: string;
  stderr: string;
  code: number | null;
  signal: string | number | null;
  isStuck: boolean;
  maxBytes: number;
}

const isEndless = (call: Call): boolean => baselines.get(call)?.signal !== null;

async function run(home: string, call: Call): Promise<Ran> {
  const { program, input } = call;
  const args = call.args.map((word) => word.replace("HOME", home));
  const child = Bun.spawn([program, ...args], {
    cwd: join(home, "fix"),
    env: { ...envOf(home), ...call.env },
    stdin: input === undefined ? "ignore" : new TextEncoder().encode(input),
    stdout: "pipe",
    stderr: "pipe",
  });
  let isStuck = false;
  const stop = isEndless(call) ? setTimeout(() => child.kill("SIGINT"), patienceMs) : undefined;
  const kill = setTimeout(() => {
    isStuck = true;
    child.kill("SIGKILL");
  }, deadlineMs);
  const [text, stderr] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
  await child.exited;
  clearTimeout(stop);
  clearTimeout(kill);
  const maxBytes = child.resourceUsage()?.maxRSS ?? 0;
  return { text, stderr, code: child.exitCode, signal: child.signalCode, isStuck, maxBytes };
}

// --- the inputs --------------------------------------------------------------------------------------------------

function listFiles(home: string, dir = ""): string[] {
  return readdirSync(join(home, dir), { withFileTypes: true }).flatMap((entry) => {
    const path = join(dir, entry.name);
    return entry.isDirectory() ? listFiles(home, path) : [path];
  });
}

const isProgram = (path: string) => path.startsWith("bin/") || path.startsWith("tmux-");
/** The same in every home. */
const neutral = (path: string, { home, claudes }: Box) =>
  claudes.reduce((text, { pid }, index) => text.replace(`${pid}`, `PID${index + 1}`), path.replace(paths.slugOf(home), "SLUG"));
const actual = (path: string, { home, claudes }: Box) =>
  claudes.reduce((text, { pid }, index) => text.replace(`PID${index + 1}`, `${pid}`), path.replace("SLUG", paths.slugOf(home)));

/** Long ago, so that the next reading moves it, also where the file system notes only the first one since the last change. */
function forgetReading(box: Box): void {
  for (const path of listFiles(box.home)) {
    const { mtime } = statSync(join(box.home, path));
    utimesSync(join(box.home, path), new Date(0), mtime);
  }
}

/** Where the file system keeps no access times, everything may read everything. */
function isRead(box: Box, path: string): boolean {
  return !hasAccessTimes || (lstatSync(join(box.home, path), { throwIfNoEntry: false })?.atimeMs ?? 0) > 1000;
}

let hasAccessTimes = false;
function probe(): void {
  const path = join(root, "probe");
  writeFileSync(path, "x");
  utimesSync(path, new Date(0), new Date());
  readFileSync(path);
  hasAccessTimes = statSync(path).atimeMs > 1000;
}

/** Which files each call reads or makes. */
async function discover(box: Box, calls: readonly Call[], readers: Map<string, Call[]>, baselines: Map<Call, Ran>): Promise<void> {
  for (const call of calls) {
    furnish(box);
    const before = new Set(listFiles(box.home));
    forgetReading(box);
    baselines.set(call, await run(box.home, call));
    // What is gone was read, and is used once.
    for (const path of new Set([...before, ...listFiles(box.home)])) {
      if (isProgram(path) || (before.has(path) && existsSync(join(box.home, path)) && !isRead(box, path))) continue;
      const name = neutral(path, box).replace(/\.\d+\.tmp$/, ".tmp");
      readers.set(name, [...(readers.get(name) ?? []), call]);
    }
  }
}

// --- what may stand in their place -------------------------------------------------------------------------------

type Form = [name: string, place: (path: string, good: string) => boolean];

/** Root reads everything. */
function seal(path: string): boolean {
  if (process.getuid?.() === 0 || !existsSync(path)) return false;
  chmodSync(path, 0);
  return true;
}

const content = (make: (good: string) => string | Uint8Array | undefined) => (path: string, good: string) => {
  const bytes = make(good);
  if (bytes === undefined) return false;
  writeFileSync(path, bytes, { mode: 0o600 });
  return true;
};
const entry = (make: (path: string) => unknown) => (path: string) => {
  rmSync(path, { force: true, recursive: true });
  make(path);
  return true;
};

/** The same JSON, or the same lines of it, with other values; undefined for what is no JSON. */
function mutate(good: string, change: (value: unknown, key: string) => unknown): string | undefined {
  const walk = (value: unknown, key = ""): unknown => {
    if (Array.isArray(value)) return value.map((item) => walk(item, key));
    if (typeof value !== "object" || value === null) return change(value, key);
    return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, walk(inner, name)]));
  };
  try {
    const lines = good.trimEnd().split("\n");
    const texts = lines.map((line) => JSON.stringify(walk(JSON.parse(line))).replaceAll(/"~raw:([^"]*)~"/g, "$1"));
    return `${texts.join("\n")}\n`;
  } catch {
    return undefined;
  }
}

const numbersAs = (text: string) => content((good) => mutate(good, (value) => (typeof value === "number" ? `~raw:${text}~` : value)));
/** Only those that are no pid and no start: the session stays a live one. */
const timesAs = (text: string) =>
  content((good) => mutate(good, (value, key) => (typeof value === "number" && !/pid/i.test(key) ? `~raw:${text}~` : value)));
const textsAs = (text: string) => content((good) => mutate(good, (value) => (typeof value === "string" ? text : value)));
const idsAs = (text: string) =>
  content((good) => mutate(good, (value, key) => (typeof value === "string" && /id$|^name$/i.test(key) ? text : value)));
const allAs = (value: unknown) => content((good) => mutate(good, () => value));
const deep = (levels: number, open: string, close: string) => open.repeat(levels) + close.repeat(levels);

const forms: Form[] = [
  ["a pipe", entry((path) => Bun.spawnSync(["mkfifo", path]))],
  ["a device without an end", entry((path) => symlinkSync("/dev/zero", path))],
  ["a folder", entry((path) => mkdirSync(path))],
  ["a link that leads nowhere", entry((path) => symlinkSync(join(outside, "made"), path))],
  ["a link to itself", entry((path) => symlinkSync(path, path))],
  ["unreadable", seal],
  ["empty", content(() => "")],
  ["null", content(() => "null")],
  ["a list", content(() => "[]")],
  ["a text", content(() => '"x"')],
  ["a number", content(() => "0")],
  ["an empty object", content(() => "{}\n")],
  ["torn", content((good) => good.slice(0, good.length / 2))],
  ["torn in its last character", content((good) => good.trimEnd().slice(0, -1))],
  ["NUL bytes", content(() => Buffer.alloc(5000))],
  ["NUL bytes behind it", content((good) => `${good}\0\0\0`)],
  [
    "no UTF-8",
    content((good) => Buffer.concat([Buffer.from(good.slice(0, 20)), Buffer.from([0xff, 0xfe, 0xc0, 0x80]), Buffer.from(good.slice(20))])),
  ],
  ["a byte order mark", content((good) => `\ufeff${good}`)],
  ["carriage returns", content((good) => good.replaceAll("\n", "\r\n"))],
  ["lists 100,000 deep", content(() => deep(100_000, "[", "]"))],
  [
    "objects 100,000 deep in each value",
    content((good) => mutate(good, () => `~raw:0~`)?.replace("0", `${'{"a":'.repeat(100_000)}1${"}".repeat(100_000)}`)),
  ],
  ["numbers 1e400", numbersAs("1e400")],
  ["numbers -1", numbersAs("-1")],
  ["numbers 0", numbersAs("0")],
  ["numbers 1.5", numbersAs("1.5")],
  ["numbers 2^31", numbersAs("2147483648")],
  ["numbers NaN", numbersAs("NaN")],
  ["times 9e15", timesAs("9e15")],
  ["times 1e400", timesAs("1e400")],
  ["times -9e15", timesAs("-9e15")],
  ["times 1.5", timesAs("1.5")],
  ["dates of the year 999999", textsAs("+999999-01-01T00:00:00.000Z")],
  ["dates at the end of time", textsAs("+275760-09-13T00:00:00.000Z")],
  ["texts that lead elsewhere", textsAs("../../../outside/made")],
  ["ids that lead elsewhere", idsAs("../../../outside/made")],
  ["ids that are a path", idsAs(join(outside, "made"))],
  ["empty texts", textsAs("")],
  ["texts with NUL and controls", textsAs("a\u0000b\u001b[2J\n\u202e")],
  ["long texts", textsAs("x".repeat(300_000))],
  ["only null in it", allAs(null)],
  ["only lists in it", allAs([])],
  ["only objects in it", allAs({})],
  ["only true in it", allAs(true)],
  [
    "__proto__",
    content((good) => mutate(good, (value) => value)?.replaceAll("{", '{"__proto__":{"isAlive":true,"name":1},"constructor":1,')),
  ],
  ["many lines of nothing", content(() => "\n".repeat(200_000))],
  ["2 MB without an end", content((good) => `${good.trimEnd()}${"x".repeat(2_000_000)}`)],
  ["paths of ids", content(() => `gitdir: ${join(outside, "made")}\nref: refs/heads/../../${"x".repeat(5000)}`)],
];

// --- the walk ----------------------------------------------------------------------------------------------------

const boxes: Box[] = [];
const calls: Call[] = [];
const readers = new Map<string, Call[]>();
const baselines = new Map<Call, Ran>();

beforeAll(async () => {
  mkdirSync(outside);
  probe();
  for (const index of [0, 1, 2]) {
    const claudes = [1, 2].map(() => Bun.spawn(["sleep", "3000"]));
    boxes.push({ home: join(root, `home${index}`), claudes });
  }
  calls.push(...(await listCalls()));
  await Promise.all(
    boxes.map((box, index) =>
      discover(
        box,
        calls.filter((_, at) => at % boxes.length === index),
        readers,
        baselines,
      ),
    ),
  );
});
afterAll(() => {
  for (const { home, claudes } of boxes) {
    for (const claude of claudes) claude.kill();
    Bun.spawnSync(["tmux", "kill-server"], { env: envOf(home) });
  }
  rmSync(root, { recursive: true, force: true });
});

test("on a good machine every command ends in order, and both sessions are listed", () => {
  const stacks = [...baselines].filter(([, { code, stderr, isStuck }]) => isStuck || code === 70 || stderr.includes("this is a bug"));
  expect(stacks.map(([{ args }, ran]) => [args, ran])).toEqual([]);
  for (const words of ["csm ls", "csd ps", "csm scan"]) {
    const texts = [...baselines].filter(([call]) => call.words === words).map(([, { text }]) => text);
    expect([words, texts.some((text) => text.includes(second.id) || text.includes("good"))]).toEqual([words, true]);
  }
});

/** Functions of paths that name no place of this user's: those of a place that is given, and the look whether one is there. */
const noPlaces = [
  // Whether it is there is all that it says, and only to who sits at a terminal.
  "setupToldPath",
  "projectRuleFiles",
  "hasUserRules",
  // What lies in a working tree git reads.
  "worktreesDir",
  "homeDir",
  "configDir",
  "slugOf",
  "findTranscript",
  "transcriptPath",
  "sessionFilePath",
];

test("every place of paths.ts holds something that is walked", () => {
  const [{ home = "" } = {}] = boxes;
  const place = { env: {}, homeDir: home, platform: process.platform };
  const found = [...readers.keys()];
  const names = Object.entries(paths).filter(([name, value]) => typeof value === "function" && !noPlaces.includes(name));
  const missing = names.filter(([, read]) => {
    const dir = [place, join(home, ".claude")].map((given) => {
      try {
        return (read as (given: unknown) => unknown)(given);
      } catch {
        return undefined;
      }
    });
    const path = dir.flat().find((value): value is string => typeof value === "string" && value.startsWith(home));
    return path === undefined || !found.some((file) => join(home, file).startsWith(path));
  });
  expect(missing.map(([name]) => name)).toEqual([]);
});

const isOfFirst = (path: string) => path.includes(first.id) || /(?:^|\/)fix[/.]|PID1|fix-claim/.test(path);
const isRebuilt = (path: string) => path.endsWith(".db");
const walksAll = process.env.CSM_WALK === "all";
const readersPerForm = 1;

/** What is changed in passing is made anew now and then: that takes as long as most commands. */
const rowsPerHome = 8;

async function attack(box: Box, path: string, [name, place]: Form, chosen: readonly Call[], isFresh: boolean): Promise<string[]> {
  if (isFresh) furnish(box);
  const target = join(box.home, actual(path, box));
  if (!existsSync(target)) mkdirSync(dirname(target), { recursive: true, mode: 0o700 });
  const isThere = existsSync(target);
  const good = isThere ? readFileSync(target, "utf8") : "x";
  if (!place(target, good)) return [];
  const faults: string[] = [];
  const ends = await Promise.all(chosen.map(async (call) => [call, await run(box.home, call)] as const));
  for (const [call, ran] of ends) {
    const fault = faultOf(call, ran, isOfFirst(path) || isRebuilt(path));
    if (fault !== undefined) faults.push(`${path} is ${name}: ${call.words} ${call.args.slice(1).join(" ")}: ${fault}`);
    if (existsSync(outside) && readdirSync(outside).length > 0) {
      faults.push(`${path} is ${name}: ${call.words} wrote ${readdirSync(outside)}`);
      for (const made of readdirSync(outside)) rmSync(join(outside, made), { recursive: true });
    }
  }
  rmSync(target, { recursive: true, force: true });
  if (isThere) writeFileSync(target, good, { mode: 0o600 });
  return faults;
}

function faultOf(call: Call, { text, stderr, code, signal, isStuck }: Ran, isSecondWanted: boolean): string | undefined {
  const before = baselines.get(call);
  if (isStuck) return "it never ends";
  if (code === 70 || stderr.includes("this is a bug") || /^\s+at .*:\d+:\d+\)?$/m.test(stderr)) return stderr.slice(0, 700);
  if (signal !== null && signal !== "SIGINT") return `ended by ${signal}`;
  const lost =
    isSecondWanted && before?.signal === null
      ? signsOfSecond.filter((sign) => before?.text.includes(sign) === true && !text.includes(sign))
      : [];
  return lost.length === 0 ? undefined : `${lost} is not told any more: ${JSON.stringify(text.slice(0, 300))} ${stderr.slice(0, 300)}`;
}

test("every input in every form", async () => {
  let turn = 0;
  const rows = [...readers].sort().flatMap(([path, all]) =>
    forms.map((form): [string, Form, Call[]] => {
      const chosen = walksAll ? all : all.filter((_, index) => (index - turn + all.length * 1000) % all.length < readersPerForm);
      turn += readersPerForm;
      return [path, form, chosen];
    }),
  );
  expect(rows.length).toBeGreaterThan(1000);
  const faults: string[] = [];
  await Promise.all(
    boxes.map(async (box) => {
      let count = 0;
      for (let row = rows.pop(); row !== undefined; row = rows.pop()) {
        faults.push(...(await attack(box, ...row, count++ % rowsPerHome === 0)));
      }
    }),
  );
  expect(faults).toEqual([]);
});

// --- a broken registry, and broken settings -----------------------------------------------------------------------

const broken: [what: string, path: string, text: string][] = [
  ["the registry, torn", ".config/claude-as/profiles.json", '{"work":"~/.claude"'],
  ["the registry, a list", ".config/claude-as/profiles.json", "[]"],
  ["the registry, a folder that is no text", ".config/claude-as/profiles.json", '{"work":1}'],
  ["the settings, torn", ".config/claude-smart/config.json", '{"limit":{'],
  ["the settings, a program that is no list", ".config/claude-smart/config.json", '{"launchCommand":"claude"}'],
];
/** With comments, which claude 2.1.329 does not take in any of its files, and a byte order mark, which it does. */
const odd: [what: string, path: string, text: string, isRead: boolean][] = [
  ["the registry with a comment", ".config/claude-as/profiles.json", '// mine\n{"work":"~/.claude"}', false],
  ["the registry with a byte order mark", ".config/claude-as/profiles.json", '\ufeff{"work":"~/.claude"}\r\n', true],
  ["the settings with a byte order mark", ".config/claude-smart/config.json", '\ufeff{"limit":{"policy":"ask"}}\r\n', true],
];

const launch = (args: string[]): Call => ({ words: args.join(" "), program: csmPath, args });

test.each(broken)("%s: a session is not started, and it is told where", async (_, path, text) => {
  const [box] = boxes as [Box];
  furnish(box);
  write(box.home, path, text);
  const started = await run(box.home, launch(["run", "hello"]));
  expect([started.code, started.text, started.stderr.includes(join(box.home, path))]).toEqual([1, "", true]);
  expect(started.stderr.trimEnd().split("\n").length).toBe(1);
});

test.each(broken.slice(0, 3))("%s: claude's own words reach claude, and whose account works is told", async (_, path, text) => {
  const [box] = boxes as [Box];
  furnish(box);
  write(box.home, path, text);
  for (const words of [["-p", "hi"], ["mcp", "list"], ["--", "hello"], ["update"], ["--version-of-claude"]]) {
    const { code, text: out, stderr } = await run(box.home, launch(words));
    expect([words, code, out, stderr.includes(join(box.home, path))]).toEqual([words, 0, "2.1.329 (Claude Code)\n", true]);
  }
  const picked = await run(box.home, launch(["pick-account"]));
  expect([picked.code, picked.text, picked.stderr.includes(join(box.home, path))]).toEqual([1, "", true]);
});

test("an empty registry is none that is broken", async () => {
  const [box] = boxes as [Box];
  furnish(box);
  write(box.home, ".config/claude-as/profiles.json", "{}");
  const { code, stderr } = await run(box.home, launch(["pick-account"]));
  expect([code, stderr]).toEqual([0, "csm pick-account: no profiles; add one with: csm profiles add <name>\n"]);
});

test.each(odd)("%s is read as claude reads its own: %#", async (_, path, text, isRead) => {
  const [box] = boxes as [Box];
  furnish(box);
  write(box.home, path, text);
  const words = path.includes("smart") ? ["config", "get", "limit.policy"] : ["profiles", "dir", "work"];
  const { code, text: out } = await run(box.home, launch(words));
  expect([code === 0, out.trim()]).toEqual([isRead, isRead ? (words[0] === "config" ? "ask" : join(box.home, ".claude")) : ""]);
});

// --- what is large -----------------------------------------------------------------------------------------------

const megabyte = 1 << 20;
const largeBytes = 200 * megabyte;

function writeLarge(path: string, before: string, after: string): void {
  const file = openSync(path, "w", 0o600);
  const piece = "x".repeat(megabyte);
  writeSync(file, before);
  for (let size = 0; size < largeBytes; size += megabyte) writeSync(file, piece);
  writeSync(file, after);
  closeSync(file);
}

test("a line of 200 MB costs no reader more than 150 MB", async () => {
  const [box] = boxes;
  if (box === undefined) throw new Error("no box");
  furnish(box);
  const answer = `{"parentUuid":null,"isSidechain":false,"type":"assistant","message":{"id":"m9","model":"claude-opus-4-6","role":"assistant","content":[{"type":"text","text":"`;
  const usage = `"}],"stop_reason":"end_turn","usage":{"input_tokens":5,"output_tokens":7}},"uuid":"u9","timestamp":"${at(1)}","cwd":"/","sessionId":"${first.id}"}`;
  const result = `{"type":"user","uuid":"u8","timestamp":"${at(1)}","message":{"role":"user","content":[{"tool_use_id":"t1","type":"tool_result","content":"`;
  const lines = readFileSync(join(box.home, `.claude/projects/${paths.slugOf(join(box.home, "fix"))}/${first.id}.jsonl`), "utf8");
  const large: [name: string, path: string][] = [
    ["an answer among others", join(root, "among")],
    ["a result at the end", join(root, "end")],
    ["nothing but that", join(root, "alone")],
  ];
  writeLarge(large[0]?.[1] ?? "", lines + answer, `${usage}\n${lines}`);
  writeLarge(large[1]?.[1] ?? "", lines + result, `"}]}}`);
  writeLarge(large[2]?.[1] ?? "", "", "");
  // A transcript has lines of all kinds; what else is so large is nobody's, whatever stands in it.
  const rows = [...readers].flatMap(([path, all]) =>
    (path.startsWith(".claude/projects") ? large : large.slice(2)).map(([name, file]) => ({ path, all, name, file })),
  );
  const costs: [string, number][] = [];
  const measure = async (place: Box, { path, all, name, file }: (typeof rows)[number]) => {
    furnish(place);
    const target = join(place.home, actual(path, place));
    mkdirSync(dirname(target), { recursive: true, mode: 0o700 });
    rmSync(target, { force: true });
    linkSync(file, target);
    // As text or as JSON it is read by the same.
    const one = [...new Map(all.map((call) => [call.words, call])).values()];
    await Promise.all(
      one.map(async (call) => {
        const ran = await run(place.home, call);
        const cost = ran.maxBytes - (baselines.get(call)?.maxBytes ?? 0);
        const fault = faultOf(call, ran, isOfFirst(path));
        if (cost > 150 * megabyte || fault !== undefined)
          costs.push([`${path}, ${name}: ${call.words}${fault === undefined ? "" : `: ${fault}`}`, Math.round(cost / megabyte)]);
      }),
    );
  };
  await Promise.all(
    boxes.map(async (place) => {
      for (let row = rows.pop(); row !== undefined; row = rows.pop()) await measure(place, row);
    }),
  );
  for (const [, file] of large) rmSync(file);
  expect(costs).toEqual([]);
});
