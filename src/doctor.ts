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
import { createSandbox } from "./sandbox.ts";
import type { RunResult, Sys } from "./sys.ts";
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
  const [version] = await Promise.all([checkVersion(sys, claude, tell), runInSandbox(sys, claude, tell)]);
  for (const signal of signals) tell(signal, absent("it was not reached"));
  const sorted = signals.flatMap((signal) => checks.get(signal) ?? []);
  return { claude, ...present({ version }), tmux, checks: sorted, verdict: worstOf(sorted) };
}

function checkStateFolder(sys: Sys): Finding {
  const path = join(csdDir(sys), `doctor-${sys.pid}.tmp`);
  try {
    sys.writePrivate(path, "");
    sys.remove(path);
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

async function runInSandbox(sys: Sys, claudePath: string, tell: Tell): Promise<void> {
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
  try {
    await runProbes(canary);
  } catch (error) {
    // Its sessions and its folder were taken away: what failed since means nothing.
    if (interruption === undefined) throw error;
  } finally {
    stopListening();
    await (interruption ?? box.close());
  }
  if (interruption !== undefined) throw new SilentExit(exitCode.interrupted);
}

/** Nothing is kept of a claude without a version, nor where nothing can be kept. */
export async function rememberDiagnosis(sys: Sys, { claude, version, checks }: Diagnosis): Promise<boolean> {
  if (version === undefined || checks.some(({ signal, verdict }) => signal === "state_folder" && verdict !== "trusted")) return false;
  const untrusted = checks
    .filter(({ gates, verdict }) => gates && verdict !== "trusted")
    .map(({ signal, verdict, fallback }) => ({ signal, verdict, fallback }));
  await rememberExamination(sys, { claude, version, at: sys.now(), untrusted });
  return true;
}
