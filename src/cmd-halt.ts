import { resolve } from "node:path";
import { isFailed, processJson, renderProcesses } from "./cmd-reap.ts";
import { type App, command } from "./cmd-record.ts";
import { createDriver } from "./driver.ts";
import { exitCode, SilentExit, usageError } from "./errors.ts";
import { type Halt, type HaltResult, readHalt, runHalt } from "./halt.ts";
import { printableLine } from "./printable.ts";
import { readRegistry, requireProfile } from "./profiles.ts";

export const haltCommand = command({
  name: "csm halt",
  acts: true,
  summary: `End sessions for real: claude is asked first, then what it has started and left is ended.

Everything that would end is shown first: each claude, its shells (those of sub-agents too), its MCP servers, and what these have
started. claude gets 5 s to write its last lines and to end its own; what is still there then gets SIGTERM, and SIGKILL after 2 s.
A session whose claude has died is ended as well, by what it left. Nothing is ended by its name, and conversations can be resumed.`,
  usage: ["csm halt [flags] SESSION…", "csm halt [flags] --all"],
  args: {
    all: { type: "boolean", description: "every session, but the one that this is run in" },
    profile: { type: "string", valueHint: "NAME", description: "with --all: only those of this profile" },
    cwd: { type: "string", valueHint: "DIR", description: "with --all: only those in this folder, and below it" },
    yes: { type: "boolean", alias: "y", description: "do not ask" },
    "dry-run": { type: "boolean", description: "show what would end, and end nothing" },
    json: { type: "boolean", description: "print JSON; with --yes or --dry-run" },
  },
  rest: {
    kind: "words",
    hint: "SESSION…",
    about: "names as csm ls shows them, ids or the beginnings of them, or titles",
    complete: "sessions",
  },
  examples: [
    ["csm halt fix", "shows what would end, and asks"],
    ["csm halt --all --dry-run", "what runs in all sessions, and whose it is"],
    ["csm halt --all --cwd . --yes", "ends all sessions of this folder"],
  ],
  async run({ args, rest, app }) {
    checkFlags(args, rest);
    const { sys } = app;
    const profile = args.profile === undefined ? undefined : requireProfile(readRegistry(sys), args.profile).name;
    const driver = createDriver(sys);
    const halt = await readHalt(driver, { words: rest, profile, cwd: args.cwd === undefined ? undefined : requireFolder(app, args.cwd) });
    const isShown = args.json !== true;
    if (isShown) app.out(renderHalt(app, halt));
    if (isShown) tellLeft(app, halt);
    const isGo = halt.sessions.length > 0 && args["dry-run"] !== true && (args.yes === true || (await isConfirmed(app, args, halt)));
    const result = isGo ? await runHalt(driver, halt) : undefined;
    if (!isShown) app.json<"csm halt">(haltJson(halt, result));
    else if (result !== undefined) reportEnd(app, halt, result);
    else if (halt.sessions.length > 0) app.tell("nothing was ended");
    const hasFailed = result !== undefined && (result.failures.length > 0 || [...result.endings.values()].some(isFailed));
    if (hasFailed || (args["dry-run"] !== true && halt.away.some(({ isOwn }) => !isOwn))) throw new SilentExit(exitCode.failure);
  },
});

interface Flags {
  all?: boolean | undefined;
  profile?: string | undefined;
  cwd?: string | undefined;
  yes?: boolean | undefined;
  "dry-run"?: boolean | undefined;
  json?: boolean | undefined;
}

function checkFlags(args: Flags, words: readonly string[]): void {
  if (words.length === 0 && args.all !== true) throw usageError("csm halt: which session?", "name it, or give --all; csm ls lists them");
  if (words.length > 0 && args.all === true) throw usageError("csm halt: --all and the names of sessions exclude each other");
  if (words.length > 0 && (args.profile ?? args.cwd) !== undefined)
    throw usageError("csm halt: --profile and --cwd narrow --all down", "a session that is named needs neither");
  if (args.yes === true && args["dry-run"] === true) throw usageError("csm halt: --yes and --dry-run contradict each other");
}

function requireFolder({ sys }: App, path: string): string {
  const real = sys.realPath(resolve(sys.cwd, path));
  if (real !== undefined && sys.isDirectory(real)) return real;
  throw usageError(`csm halt: --cwd ${path} is no folder`, "csm ls shows the folders of sessions");
}

async function isConfirmed(app: App, { json }: Flags, { sessions, processes }: Halt): Promise<boolean> {
  if (json === true || !app.isInteractive || !app.sys.isTerminal(1))
    throw usageError("csm halt: there is nobody to ask; nothing was ended", "add --yes, or look first with --dry-run");
  const { promptConfirm } = await import("./prompts.ts");
  const answer = await promptConfirm(`End ${counted(sessions.length, "session")}, ${counted(processes.length, "process", "es")}?`, false);
  if (answer === undefined) throw new SilentExit(exitCode.interrupted);
  return answer;
}

const counted = (number: number, word: string, ending = "s"): string => `${number} ${word}${number === 1 ? "" : ending}`;

/** Each process with the name of its session. */
function withNames({ sessions }: Halt, processes: Halt["processes"]) {
  const names = new Map(sessions.map(({ pid, name }) => [pid, name]));
  return processes.map((one) => ({ ...one, session: names.get(one.claudePid ?? 0) ?? "-" }));
}

function renderHalt(app: App, halt: Halt): string {
  if (halt.sessions.length === 0) return "no session to end";
  return halt.processes.length === 0
    ? `nothing of ${listNames(halt)} runs any more`
    : renderProcesses(app, withNames(halt, halt.processes), undefined);
}

const listNames = ({ sessions }: Halt): string => sessions.map(({ name }) => printableLine(name)).join(", ");

/** What is not ended, and why. */
function tellLeft(app: App, { away, servers }: Halt): void {
  for (const { name, why } of away) app.tell(printableLine(`csm halt: ${name} is left alone: ${why}`));
  for (const { pid, program, marks } of servers)
    app.tell(
      printableLine(`csm halt: ${program} ${pid} is left: it was started in claude ${marks.claudePid ?? "?"}, and others may live in it`),
    );
}

function reportEnd(app: App, halt: Halt, { processes, endings, failures }: HaltResult): void {
  if (processes.length > 0) app.out(renderProcesses(app, withNames(halt, processes), endings));
  for (const { name, why } of failures) app.tell(printableLine(`csm halt: ${name}: ${why}`));
  const left = processes.filter(({ row }) => isFailed(endings.get(row.pid))).length;
  app.tell(left === 0 ? `ended ${counted(halt.sessions.length, "session")}` : `${counted(left, "process", "es")} could not be ended`);
}

const haltJson = (halt: Halt, result: HaltResult | undefined) => ({
  sessions: halt.sessions.map(({ name, sessionId, pid, profile, cwd, isAlive }) => ({
    ...{ name, session_id: sessionId === "" ? null : sessionId, pid, profile: profile ?? null, cwd, alive: isAlive },
    ...(result === undefined ? {} : sessionResult(name, pid, result)),
  })),
  processes: (result ?? halt).processes.map((one) => processJson(one, result?.endings)),
  left: [
    ...halt.away.map(({ name, why }) => ({ name, pid: null, why })),
    ...halt.servers.map(({ program, pid }) => ({ name: program, pid, why: "others may live in it" })),
  ],
});

function sessionResult(name: string, pid: number, { endings, failures }: HaltResult) {
  const failure = failures.find((one) => one.name === name)?.why;
  return { result: failure === undefined ? (endings.get(pid) ?? "gone") : "failed", ...(failure === undefined ? {} : { error: failure }) };
}
