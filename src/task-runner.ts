import { join } from "node:path";
import { renderHookSettings } from "./claude-hooks.ts";
import { noPrint, type Printed, plainPromptLine, readPrinted } from "./claude-print.ts";
import { isNestedMark } from "./claude-program.ts";
import { parseRoster } from "./claude-session.ts";
import { allTokens } from "./claude-tokens.ts";
import { quotePosix } from "./format.ts";
import { findLaunchProgram, type LaunchProgram, versionForRules } from "./launch.ts";
import { readBoot } from "./launch-record.ts";
import { createMeter, type Meter } from "./meter.ts";
import { findTranscript } from "./paths.ts";
import { readProcess } from "./process.ts";
import { readProcessTable } from "./process-table.ts";
import { findProfile, profileEnv, readRegistryOrNone } from "./profiles.ts";
import { channelVariable, rulesWord, taskVariable } from "./program.ts";
import { readFlagTable } from "./relaunch-act.ts";
import { prepareRules } from "./rules-hook.ts";
import { type Sys, until } from "./sys.ts";
import { followLines } from "./tail.ts";
import type { Task } from "./task-graph.ts";
import { type Ending, withSchema } from "./task-outcome.ts";
import type { TaskFacts } from "./task-queue.ts";

/** The account that a task runs on. */
export interface TaskSeat {
  name: string;
  /** Absolute. */
  dir: string;
}

/** A turn of a task's conversation. */
export interface Turn {
  task: Task;
  run: string;
  seat: TaskSeat;
  cwd: string;
  sessionId: string;
  /** Go on with the conversation, instead of a new one. */
  isResumed: boolean;
  prompt: string;
  /** Nothing in it is meant as a command: it begins with what another task said. */
  isQuoted?: boolean;
  /** Private, for what it is given and prints. */
  dir: string;
  /** What it may cost at most; absent of one without a bound. */
  budgetUsd?: number;
  /** What its conversation had cost when it began. */
  spentBefore: Spent;
  /** Asked right before the model is: it notes that it begins, or says that it must not. */
  mayBegin(): Promise<boolean>;
}

interface Spent {
  usd: number;
  tokens: number;
}

export type TaskProcess = NonNullable<TaskFacts["process"]>;

type EndedTurn = Pick<Turn, "sessionId" | "seat" | "dir">;

/** A way to run a turn. Both keep the same promises: what they tell is judged by the same rules. */
export interface Runner {
  /** Undefined where it must not begin. */
  start(turn: Turn): Promise<TaskProcess | undefined>;
  /** Until it has ended, whoever started it. */
  watch(claude: TaskProcess, turn: Turn, watcher: Watcher): Promise<{ printed: Printed; ending: Ending }>;
  /** With `now` also what one that has ended has left. */
  end(claude: TaskProcess, how: "gently" | "now", turn: EndedTurn): Promise<void>;
  isOver(claude: TaskProcess, withinMs: number): Promise<boolean>;
  /** What a worker that was killed has left of a turn whose process it had no time to note. */
  find(turn: Pick<Turn, "sessionId" | "dir">): Promise<TaskProcess | undefined>;
}

export const createPrintRunner = (sys: Sys): Runner => ({
  start: (turn) => startPrint(sys, turn),
  watch: (claude, turn, watcher) => watchPrint(sys, claude, turn, watcher),
  end: (claude, how, turn) => endPrint(sys, claude, how, turn),
  isOver: (claude, withinMs) => isOver(sys, claude, withinMs),
  find: (turn) => findPrint(sys, turn),
});

/** Starts `claude -p` so that it goes on without us: its streams are files. */
async function startPrint(sys: Sys, turn: Turn): Promise<TaskProcess | undefined> {
  const { task, seat, cwd, dir } = turn;
  const program = await findLaunchProgram(sys);
  const { path, prefix } = program;
  const flags = task.outputs === undefined && turn.budgetUsd === undefined ? undefined : await flagsOf(sys, { path, prefix, cwd });
  const isChecked = task.outputs !== undefined && flags?.has("--json-schema") === true;
  const prompt = task.outputs === undefined || isChecked || turn.isResumed ? turn.prompt : withSchema(turn.prompt, task.outputs);
  sys.makePrivateDir(dir);
  const files = filesOf(dir);
  for (const file of [files.output, files.errors, files.exit]) sys.remove(file);
  sys.writePrivate(files.input, turn.isQuoted === true ? plainPromptLine(prompt) : prompt);
  const args = [
    ...["-p", "--output-format", "stream-json", "--verbose", turn.isResumed ? "--resume" : "--session-id", turn.sessionId],
    ...["--name", `${turn.run}/${task.id}`],
    ...(turn.isQuoted === true ? ["--input-format", "stream-json"] : []),
    // Versions before 2.1.204 know `manual` only as `default`, and all take that.
    ...(task.permissionMode === undefined ? [] : ["--permission-mode", task.permissionMode === "manual" ? "default" : task.permissionMode]),
    ...(task.model === undefined ? [] : ["--model", task.model]),
    ...(isChecked ? ["--json-schema", JSON.stringify(task.outputs)] : []),
    ...(turn.budgetUsd !== undefined && flags?.has("--max-budget-usd") === true ? ["--max-budget-usd", String(turn.budgetUsd)] : []),
    ...(await ruleFlags(sys, program, seat, cwd)),
  ];
  if (!(await turn.mayBegin())) return undefined;
  const child = sys.startFiled([path, ...prefix, ...args], { env: envOf(sys, turn), cwd, ...files });
  // A file that comes wakes who reads the others, and tells a csm that was not there.
  void child.exited.then((code) => sys.isDirectory(dir) && sys.writePrivate(files.exit, String(code ?? "")));
  const [owner, boot] = await Promise.all([readProcess(sys, child.pid), readBoot(sys)]);
  return { pid: child.pid, start: owner?.start ?? "", boot: boot.key };
}

const filesOf = (dir: string) => ({
  input: join(dir, "prompt"),
  output: join(dir, "stdout.jsonl"),
  errors: join(dir, "stderr"),
  exit: join(dir, "exit"),
});

/** Asked once for each claude. */
const knownFlags = new WeakMap<Sys, Map<string, ReturnType<typeof readFlagTable>>>();

function flagsOf(sys: Sys, program: Parameters<typeof readFlagTable>[1]): ReturnType<typeof readFlagTable> {
  const known = knownFlags.get(sys) ?? new Map<string, ReturnType<typeof readFlagTable>>();
  knownFlags.set(sys, known);
  const key = [program.path, ...program.prefix].join("\0");
  const asked = known.get(key) ?? readFlagTable(sys, program);
  known.set(key, asked);
  return asked;
}

/** The rules that hold in every session hold here. */
async function ruleFlags(sys: Sys, program: LaunchProgram, seat: TaskSeat, cwd: string): Promise<string[]> {
  const given = await prepareRules(sys, { cwd, configDir: seat.dir });
  if (given.rules.length === 0 && given.askedFiles.length === 0) return [];
  const version = await versionForRules(sys, program, given.rules);
  return ["--settings", renderHookSettings(`${quotePosix(sys.execPath)} csd ${rulesWord}`, { version, events: [], ...given })];
}

function seatEnv(sys: Sys, seat: TaskSeat, env: Readonly<Record<string, string>> = {}): Sys["env"] {
  const profile = findProfile(readRegistryOrNone(sys), seat.name);
  return { ...sys.env, ...env, ...(profile === undefined ? {} : profileEnv(sys, profile)) };
}

/** What the task says, and then whose it is: no file of tasks takes another account than the one that was chosen. */
export function envOf(sys: Sys, { task, seat, cwd, run }: Pick<Turn, "task" | "seat" | "cwd" | "run">): Record<string, string> {
  const own = {
    ...seatEnv(sys, seat, task.env),
    ...{ [channelVariable]: undefined, [taskVariable]: `${run}/${task.id}`, PWD: cwd },
  };
  return Object.fromEntries(
    Object.entries(own).filter((entry): entry is [string, string] => entry[1] !== undefined && !isNestedMark(entry[0])),
  );
}

export interface Watcher {
  /** `isAsking`: a person has to answer it. */
  onPrint(printed: Printed, isAsking?: boolean): void;
  /** Why it is to end now, if it is. */
  wantsEnd(): Ending["cause"] | undefined;
}

const errorBytes = 4096;
const codeMs = 3000;

/** Reads what it says until it has ended, whoever started it. */
async function watchPrint(sys: Sys, claude: TaskProcess, turn: Turn, { onPrint, wantsEnd }: Watcher) {
  const files = filesOf(turn.dir);
  let printed = noPrint;
  const isAlive = async () => sys.modifiedAt(files.exit) === undefined && (await isHere(sys, claude));
  const lines = followLines(sys, files.output, {
    isOver: async () => !(await isAlive()),
    read: (line) => {
      const next = readPrinted(printed, line, sys.now());
      if (next === printed) return undefined;
      printed = next;
      return true;
    },
    firstCount: Number.POSITIVE_INFINITY,
  });
  for await (const found of lines) if (found.length > 0) onPrint(printed);
  // Its end is seen before its code is there.
  const code = await until(sys, sys.now() + codeMs, 20, () => sys.readText(files.exit));
  const cause = wantsEnd() ?? (code === undefined ? "gone" : "itself");
  const errors = (sys.readTail(files.errors, errorBytes)?.lines ?? []).join("\n");
  const exitCode = code === undefined || code === "" ? undefined : Number(code);
  // One that was killed has not said what it has cost.
  if (printed.result === undefined) printed = { ...printed, ...costOf(sys, turn) };
  return { printed, ending: { cause, errors, ...(exitCode === undefined ? {} : { exitCode }) } satisfies Ending };
}

/** What a turn has cost, by its transcript. */
export function costOf(
  sys: Sys,
  { seat, sessionId, cwd, spentBefore }: Turn,
  meter: Pick<Meter, "update"> = createMeter(sys),
): { costUsd: number; tokens: number } {
  const path = findTranscript(sys, { configDir: seat.dir }, { sessionId, cwd });
  const totals = path === undefined ? undefined : meter.update(path, sys.now())?.totals;
  if (totals === undefined) return { costUsd: 0, tokens: 0 };
  return { costUsd: Math.max(0, totals.costUsd - spentBefore.usd), tokens: Math.max(0, allTokens(totals.tokens) - spentBefore.tokens) };
}

const headBytes = 1024 * 1024;

/** Claude has written the prompt down: there is a conversation that can be resumed. */
export function hasBegun(sys: Sys, configDir: string, sessionId: string, cwd: string): boolean {
  const path = findTranscript(sys, { configDir }, { sessionId, cwd });
  if (path === undefined) return false;
  const head = Buffer.alloc(headBytes);
  return head.subarray(0, sys.readInto(path, 0, head)).includes('"type":"user"');
}

/** The words that it was called with tell it; of one that has ended there are its files. */
async function findPrint(sys: Sys, { sessionId, dir }: Pick<Turn, "sessionId" | "dir">): Promise<TaskProcess | undefined> {
  const boot = (await readBoot(sys)).key;
  const rows = [...(await readProcessTable(sys, ["command"])).values()];
  const found = rows.find(({ command }) => / -p /.test(command) && command.includes(sessionId));
  if (found !== undefined) return { pid: found.pid, start: found.start, boot };
  return sys.modifiedAt(filesOf(dir).output) === undefined ? undefined : { pid: 0, start: "", boot };
}

const isRunning = async (sys: Sys, claude: Pick<TaskProcess, "pid" | "start">): Promise<boolean> =>
  (await readProcess(sys, claude.pid))?.start === claude.start;

/** Whether it has ended, or does so within this time. */
export const isOver = async (sys: Sys, claude: TaskProcess, withinMs: number): Promise<boolean> =>
  (await until(sys, sys.now() + withinMs, 50, async () => ((await isHere(sys, claude)) ? undefined : true))) === true;

/** One of which only its files were found has no process. */
const isHere = async (sys: Sys, claude: TaskProcess): Promise<boolean> =>
  claude.pid > 0 && claude.boot === (await bootOf(sys)) && (await isRunning(sys, claude));

/** This run of the machine does not change under us, and each task asks again and again. */
function bootOf(sys: Sys): Promise<string> {
  const asked = knownBoots.get(sys) ?? readBoot(sys).then(({ key }) => key);
  knownBoots.set(sys, asked);
  return asked;
}

const knownBoots = new WeakMap<Sys, Promise<string>>();

/**
 * `gently`: claude ends its turn and the shells that it has started, and keeps the conversation (SIGINT, 2.1.329: within 2 s). `now`:
 * it and all that it has started, also where it is gone. Its agents in the background end either way: they would go on without anybody.
 */
async function endPrint(sys: Sys, claude: TaskProcess, how: "gently" | "now", turn: EndedTurn): Promise<void> {
  if (how === "gently" && (await isHere(sys, claude))) sys.signal(claude.pid, "SIGINT");
  await endStarted(sys, claude, how, { ...turn, since: sys.modifiedAt(filesOf(turn.dir).input) ?? 0 });
}

/** What a claude has started: its agents, and with `now` all processes. */
export async function endStarted(sys: Sys, claude: TaskProcess, how: "gently" | "now", turn: EndedTurn & { since: number }): Promise<void> {
  if (claude.boot !== (await readBoot(sys)).key) return;
  const table = [...(await readProcessTable(sys, ["marks"])).values()];
  // Behind a wrapper it has another number, which is left in the environment of all that it starts.
  const pids = new Set([claude.pid, ...table.flatMap(({ marks }) => (marks.sessionId === turn.sessionId ? (marks.claudePid ?? []) : []))]);
  await endAgents(sys, turn);
  if (how === "gently") return;
  const { endTree } = await import("./halt.ts");
  for (const pid of pids)
    await endTree(sys, { ...(pid === claude.pid ? claude : { pid, start: "" }), sessionId: turn.sessionId }, turn.since);
}

/** `claude --bg` of one of its shells: a session that a daemon keeps, and that only claude's own word ends for good (2.1.329). */
async function endAgents(sys: Sys, { seat, sessionId }: EndedTurn): Promise<void> {
  // Whoever has started the daemon is named in the environment of all that it starts: only its own notes tell whose they are.
  const roster = parseRoster(sys.readText(join(seat.dir, "daemon", "roster.json")));
  const agents = roster.filter(({ launchedBy }) => launchedBy.includes(sessionId));
  if (agents.length === 0) return;
  const { path, prefix } = await findLaunchProgram(sys);
  const env = seatEnv(sys, seat);
  await Promise.all(
    agents.map(async ({ job, pids }) => {
      const owners = await Promise.all(pids.map((pid) => readProcess(sys, pid)));
      await sys.run([path, ...prefix, "stop", job], { env, timeoutMs: stopMs }).catch(() => undefined);
      for (const owner of owners)
        if (owner !== undefined && !(await isOver(sys, { ...owner, boot: (await readBoot(sys)).key }, agentMs)))
          sys.signal(owner.pid, "SIGTERM");
    }),
  );
}

const agentMs = 2000;
const stopMs = 10_000;
