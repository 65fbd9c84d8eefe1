import { readFileSync, writeSync } from "node:fs";
import { definedOnly, type Program } from "./exec.ts";
import { present } from "./json.ts";
import { parseStat } from "./process.ts";

/** A program that uses this terminal while we wait behind it. */
export interface Foreground {
  pid: number;
  /** Its exit code; 128 and the number when a signal ended it. */
  exited: Promise<number>;
  /** Undefined while it runs. */
  exitCode(): number | undefined;
  /** Asks it to end; it is killed when it has not after `graceMs`. */
  end(graceMs: number): Promise<void>;
}

const waitingSignals: NodeJS.Signals[] = ["SIGINT", "SIGQUIT"];
const handedOn: NodeJS.Signals[] = ["SIGTERM", "SIGHUP"];

/**
 * Starts a program in this process's own group, so that keys, suspension and size changes reach it as they would without us.
 * Signals that are meant to end it are handed on.
 */
export function startForeground({ path, args, env, cwd }: Program): Foreground {
  const child = Bun.spawn([path, ...args], {
    stdin: "inherit",
    stdout: "inherit",
    stderr: "inherit",
    env: definedOnly(env),
    ...present({ cwd }),
  });
  // Ctrl-C is the program's own affair.
  const ignore = () => {};
  const handOn = (name: NodeJS.Signals) => child.kill(name);
  // A program that stops itself alone would leave the terminal to nobody: stop with it, and wake it again.
  const followStop = () => {
    if (isStopped(child.pid)) process.kill(process.pid, "SIGSTOP");
  };
  const wake = () => child.kill("SIGCONT");
  const listeners: [NodeJS.Signals, (name: NodeJS.Signals) => void][] = [
    ...waitingSignals.map((name): [NodeJS.Signals, () => void] => [name, ignore]),
    ...handedOn.map((name): [NodeJS.Signals, (name: NodeJS.Signals) => void] => [name, handOn]),
    ...(process.platform === "win32"
      ? []
      : ([
          ["SIGCHLD", followStop],
          ["SIGCONT", wake],
        ] as [NodeJS.Signals, () => void][])),
  ];
  for (const [name, listener] of listeners) process.on(name, listener);
  const codeOf = () =>
    child.exitCode ??
    (child.signalCode === null ? undefined : 128 + (signalNumbers[child.signalCode as NodeJS.Signals] ?? signalNumbers.SIGKILL));
  const exited = child.exited.then(() => {
    for (const [name, listener] of listeners) process.off(name, listener);
    return codeOf() ?? 0;
  });
  return {
    pid: child.pid,
    exited,
    exitCode: codeOf,
    async end(graceMs) {
      child.kill("SIGTERM");
      const isOver = await Promise.race([child.exited.then(() => true), Bun.sleep(graceMs).then(() => false)]);
      if (isOver) return;
      child.kill("SIGKILL");
      await child.exited;
      resetTerminal();
    },
  };
}

const signalNumbers: Partial<Record<NodeJS.Signals, number>> & { SIGKILL: number } = {
  SIGHUP: 1,
  SIGINT: 2,
  SIGQUIT: 3,
  SIGABRT: 6,
  SIGKILL: 9,
  SIGSEGV: 11,
  SIGTERM: 15,
};

/** Only Linux shows it for nothing; elsewhere programs stop their whole group, as claude does (2.1.329). */
function isStopped(pid: number): boolean {
  if (process.platform !== "linux") return false;
  try {
    return parseStat(readFileSync(`/proc/${pid}/stat`, "utf8"))?.isStopped === true;
  } catch {
    // It has ended meanwhile.
    return false;
  }
}

/** Alternate screen, hidden cursor, mouse, bracketed paste, focus events, key modes: what a killed claude leaves switched on. */
const leftOver =
  "\u001b[?1049l\u001b[?25h\u001b[?1000l\u001b[?1002l\u001b[?1003l\u001b[?1006l\u001b[?2004l\u001b[?1004l\u001b[>4;0m\u001b[<u\u001b[0m";

/** After a program that was killed in the middle of full-screen use. */
function resetTerminal(): void {
  if (!process.stdout.isTTY) return;
  writeSync(1, leftOver);
  Bun.spawnSync(["stty", "sane"], { stdin: "inherit" });
}
