import { join } from "node:path";
import { parseVersion } from "./claude-version.ts";
import type { Canary } from "./doctor-canary.ts";
import {
  absent,
  type Check,
  degraded,
  type Finding,
  judgeTmux,
  type Signal,
  signals,
  type Trust,
  toCheck,
  trusted,
  worstOf,
} from "./doctor-judge.ts";
import { rememberExamination } from "./doctor-memory.ts";
import { runProbes } from "./doctor-probes.ts";
import { exitCode, SilentExit } from "./errors.ts";
import { present } from "./json.ts";
import { findClaude } from "./launch.ts";
import { csdDir } from "./paths.ts";
import { ancestors, type Place, readPlace, readProcessTable } from "./process-table.ts";
import { createSandbox, type Sandbox } from "./sandbox.ts";
import { tryFolder } from "./state-folder.ts";
import { type RunResult, type Sys, until } from "./sys.ts";
import { createTmux } from "./tmux.ts";

/** What `csd doctor --json` prints; keys in this order. */
export interface Diagnosis {
  claude: string;
  /** Absent when claude does not tell it. */
  version?: string;
  tmux: string;
  /** In the order of `signals`. */
  checks: Check[];
  verdict: Trust;
  /** Why nothing was tried; absent when it was. */
  not_examined?: string;
}

/** Nobody waits longer for a claude that does not answer. */
const examinationMs = 60_000;

/** Examines the claude that csd would start, in a sandbox of its own. Throws where tmux or claude is missing. */
export async function runDoctor(sys: Sys, onCheck: (check: Check) => void): Promise<Diagnosis> {
  const tmux = await createTmux(sys).readVersion();
  const claude = findClaude(sys);
  const checks = new Map<Signal, Check>();
  const tell = (signal: Signal, finding: Finding) => {
    if (checks.has(signal)) return;
    const check = toCheck(signal, finding);
    checks.set(signal, check);
    onCheck(check);
  };
  tell("tmux", judgeTmux(tmux));
  tell("state_folder", checkStateFolder(sys));
  const [version, notExamined] = await Promise.all([checkVersion(sys, claude, tell), runInSandbox(sys, claude, tell)]);
  for (const signal of signals) tell(signal, absent(notExamined ?? "it was not reached"));
  const sorted = signals.flatMap((signal) => checks.get(signal) ?? []);
  return { claude, ...present({ version }), tmux, checks: sorted, verdict: worstOf(sorted), ...present({ not_examined: notExamined }) };
}

function checkStateFolder(sys: Sys): Finding {
  try {
    tryFolder(sys, csdDir(sys));
    return trusted(csdDir(sys));
  } catch (error) {
    return absent((error as Error).message);
  }
}

const versionTimeoutMs = 10_000;
const lateMs = 1_000;

type Tell = (signal: Signal, finding: Finding) => void;

async function checkVersion(sys: Sys, claude: string, tell: Tell): Promise<string | undefined> {
  // A wrapper that leaves a child with its output open would keep the run from ending, time-out or not.
  const late = sys.sleep(versionTimeoutMs + lateMs).then(() => undefined);
  const result = await Promise.race([late, sys.run([claude, "--version"], { timeoutMs: versionTimeoutMs }).catch((error: Error) => error)]);
  const version = result === undefined || result instanceof Error ? undefined : parseVersion(result.stdout);
  tell("claude", judgeVersion(claude, result, version));
  return version;
}

function judgeVersion(claude: string, result: RunResult | Error | undefined, version: string | undefined): Finding {
  if (result === undefined) return absent(`${claude} --version does not end`);
  if (result instanceof Error) return absent(`${claude} cannot be started: ${result.message}`);
  if (version === undefined) return absent(`${claude} --version tells none`);
  return result.code === 0 ? trusted(`${version}, ${claude}`) : degraded(`${version}, ${claude}; --version does not end well`);
}

/** The result says why it was not examined. */
async function runInSandbox(sys: Sys, claudePath: string, tell: Tell): Promise<string | undefined> {
  const box = await createSandbox({ claudePath, path: sys.env.PATH });
  let interruption: Promise<void> | undefined;
  const tellUnlessEnding: Tell = (signal, finding) => (interruption === undefined ? tell(signal, finding) : undefined);
  const canary: Canary = {
    box,
    execPath: sys.execPath,
    deadline: sys.now() + examinationMs,
    way: "editor",
    tell: tellUnlessEnding,
  };
  const stopListening = sys.onInterrupt(() => {
    canary.deadline = 0;
    interruption = box.close();
    return interruption;
  });
  let outside: string | undefined;
  try {
    outside = await findOutside(box, claudePath);
    if (outside === undefined) await runProbes(canary);
  } catch (error) {
    // Its sessions and its folder were taken away: what failed since means nothing.
    if (interruption === undefined) throw error;
  } finally {
    stopListening();
    await (interruption ?? box.close());
  }
  if (interruption !== undefined) throw new SilentExit(exitCode.interrupted);
  return outside;
}

const lookMs = 50;
const stillMs = 1000;
const lookTimeoutMs = 5000;

/**
 * Why this claude would work in files of the user's: a wrapper may give it another HOME. Read from the environment that it has
 * when it is to print its version, which touches nothing; a pipe that is full holds it there.
 */
async function findOutside(box: Sandbox, claudePath: string): Promise<string | undefined> {
  const { sys } = box;
  // Claude itself takes the environment as it is.
  if (/[/\\](?:@anthropic-ai[/\\]claude-code|claude[/\\]versions)/.test(sys.realPath(claudePath) ?? "")) return undefined;
  const notes = [join(box.dir, "version.pid"), join(box.dir, "reader.pid")];
  const note = `echo $$ > "$0"; exec "$@"`;
  // What fills the pipe is nobody's child: only claude is to be found below the first number. It is given time to fill it: a
  // claude that prints before that is gone before anybody looks.
  const script = `{ (head -c 4194304 /dev/zero &); sleep 0.3; exec sh -c '${note}' "$1" "$3" --version; } | sh -c '${note}' "$2" sleep 10`;
  const running = box.run(["sh", "-c", script, "sh", ...notes, claudePath], { timeoutMs: 2 * lookTimeoutMs });
  const readPid = (path: string) => Number(sys.readText(path) ?? 0);
  let last: (Place & { pid: number }) | undefined;
  let since = sys.now();
  let chain: number[] = [];
  try {
    await until(sys, sys.now() + lookTimeoutMs, lookMs, async () => {
      const table = await readProcessTable(sys);
      const first = readPid(notes[0] ?? "");
      const now = first === 0 ? [] : [...table.keys()].filter((pid) => [...ancestors(table, pid)].includes(first));
      if (now.length === 0) return last === undefined ? undefined : true;
      chain = now;
      const leaf = chain.findLast((pid) => !chain.some((other) => table.get(other)?.ppid === pid)) ?? first;
      const told = { pid: leaf, ...(await readPlace(sys, leaf)) };
      if (JSON.stringify(told) !== JSON.stringify(last)) [last, since] = [told, sys.now()];
      return sys.now() - since >= stillMs ? true : undefined;
    });
  } finally {
    for (const pid of [...chain, readPid(notes[1] ?? "")]) if (pid > 0) sys.signal(pid, "SIGKILL");
    await running.catch(() => undefined);
  }
  return judgePlace(box, last);
}

function judgePlace(box: Sandbox, place: Place | undefined): string | undefined {
  const why = "it would work outside the sandbox, so nothing was tried";
  if (place?.home === undefined) return `the claude that this wrapper starts has no HOME that can be seen: ${why}`;
  if (place.home !== box.home) return `its wrapper sets HOME=${place.home}: ${why}`;
  if (place.configDir !== undefined && !place.configDir.startsWith(`${box.dir}/`))
    return `its wrapper sets CLAUDE_CONFIG_DIR=${place.configDir}: ${why}`;
  return undefined;
}

/** Nothing is kept of a claude that was not tried, or has no version, nor where nothing can be kept. */
export async function rememberDiagnosis(sys: Sys, { claude, version, checks, not_examined }: Diagnosis): Promise<boolean> {
  if (not_examined !== undefined) return false;
  if (version === undefined || checks.some(({ signal, verdict }) => signal === "state_folder" && verdict !== "trusted")) return false;
  const untrusted = checks
    .filter(({ gates, verdict }) => gates && verdict !== "trusted")
    .map(({ signal, verdict, fallback }) => ({ signal, verdict, fallback }));
  await rememberExamination(sys, { claude, version, at: sys.now(), untrusted });
  return true;
}
