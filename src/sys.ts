import {
  closeSync,
  fstatSync,
  openSync,
  readdirSync,
  readSync,
  realpathSync,
  rmSync,
  type Stats,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { homedir, hostname } from "node:os";
import { present } from "./json.ts";
import {
  type Bounded,
  type BoundedRun,
  type Bounds,
  fetchBounded,
  fetchBytes,
  type Posted,
  postBounded,
  runBounded,
} from "./sys-bounded.ts";
import {
  appendPrivate,
  attempt,
  copyPrivate,
  createPrivate,
  type FileEnd,
  type FileIdentity,
  findFiles,
  identify,
  isDirectory,
  isExecutable,
  type LinkFiles,
  linkFiles,
  makePrivateDir,
  modifiedAt,
  type OpenFile,
  openFile,
  readInto,
  readTail,
  readText,
  replaceText,
  type Watch,
  watchPaths,
  writePrivate,
  writeProgram,
} from "./sys-files.ts";

export interface RunOptions {
  input?: string;
  env?: Readonly<Record<string, string | undefined>>;
  cwd?: string;
  /** The program is ended after this time, 10 s unless told. */
  timeoutMs?: number;
}

export interface RunResult {
  argv: readonly string[];
  /** `null` when a signal, such as the one of a time-out, ended it. */
  code: number | null;
  stdout: string;
  stderr: string;
}

/** `output` and `errors` are added to. */
interface FiledStart {
  env: Readonly<Record<string, string | undefined>>;
  cwd: string;
  input: string;
  output: string;
  errors: string;
}

interface Started {
  pid: number;
  /** Undefined of a signal. */
  exited: Promise<number | undefined>;
}

/**
 * Looks until there is an answer, and once more after the deadline has passed, as a busy machine may have slept through it;
 * undefined when that last look has none either. Waits `stepMs` between two looks.
 */
export async function until<T>(
  sys: Pick<Sys, "now" | "sleep">,
  deadlineAt: number,
  stepMs: number,
  look: () => T | undefined | Promise<T | undefined>,
): Promise<T | undefined> {
  let leftMs = deadlineAt - sys.now();
  for (let seenAt = sys.now(); ; ) {
    const now = sys.now();
    // A clock that is set back meanwhile must not make it wait for so much longer.
    leftMs -= Math.max(0, now - seenAt);
    seenAt = now;
    const isLast = leftMs <= 0;
    const found = await look();
    if (found !== undefined || isLast) return found;
    await sys.sleep(stepMs);
  }
}

/** So long ago, or more; what was noted in the future was noted before the clock was set back. */
export const isPast = (sys: Pick<Sys, "now">, notedAt: number, ms: number): boolean => Math.abs(sys.now() - notedAt) >= ms;

/** The one door to the operating system. */
export interface Sys extends LinkFiles {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly platform: NodeJS.Platform;
  /** The folder that the program was started in, symlinks resolved by the kernel. */
  readonly cwd: string;
  /** This executable. */
  readonly execPath: string;
  readonly pid: number;
  readonly uid: number;
  readonly cpuCount: number;
  /** Undefined when neither the environment nor the user database names one. */
  readonly homeDir: string | undefined;
  hostname(): string;
  now(): number;
  sleep(ms: number): Promise<void>;
  randomId(): string;
  /** Resolves for any exit code; rejects only when the program cannot be started. */
  run(argv: readonly string[], options?: RunOptions): Promise<RunResult>;
  /** Programs of others, in a process group of their own: neither deadline nor size is exceeded. Never rejects. */
  runBounded(argv: readonly string[], options: Omit<BoundedRun, "env"> & Partial<Pick<BoundedRun, "env">>): Promise<Bounded>;
  /** The body of a 200, in full and in time. Never rejects. */
  fetchBounded(url: string, options: Bounds & { headers?: Record<string, string> }): Promise<Bounded>;
  /** The same, as it came. */
  fetchBytes(url: string, options: Bounds): Promise<{ bytes: Uint8Array } | { failure: string }>;
  postBounded(url: string, options: { timeoutMs: number; headers: Record<string, string>; body: string }): Promise<Posted>;
  /** A program that goes on without this one, in a session of its own and without its terminal. Never throws. */
  startDetached(argv: readonly string[], options: { env: Readonly<Record<string, string | undefined>>; cwd: string }): void;
  /** The same, with files for its streams, so that neither it nor what it says depends on us. Throws when it cannot be started. */
  startFiled(argv: readonly string[], options: FiledStart): Started;
  /** Undefined when there is no such file, or it may not be read. */
  readText(path: string): string | undefined;
  readTail(path: string, maxBytes: number): FileEnd | undefined;
  /** At once, into memory of the caller's; the number of bytes, 0 when there are none. */
  readInto(path: string, offset: number, into: Uint8Array): number;
  identify(path: string): FileIdentity | undefined;
  openFile(path: string): OpenFile | undefined;
  /** Readers see the old text or the new one; the file is for this user only, and so is a folder made for it. */
  writePrivate(path: string, text: string): void;
  /** A program that everybody may start, safe on the disk when this returns; what stands there fails it. */
  writeProgram(path: string, bytes: Uint8Array): void;
  /** For a file of the user's, which keeps its mode; false when it says something else than `before` by now. */
  replaceText(path: string, before: string | undefined, text: string): boolean;
  /** Fails when the file is there already: the way to take a name. */
  createPrivate(path: string, text: string): boolean;
  /** For this user only; one that is there keeps its mode. */
  makePrivateDir(dir: string): void;
  /** Adds whole lines at the end; writers do not mix. */
  appendPrivate(path: string, text: string | Uint8Array): void;
  /** A copy for this user only that appears whole or not at all. */
  copyPrivate(from: string, to: string): void;
  /** Replaces the content of a file that stays the same file, as editors' callers expect. */
  overwrite(path: string, text: string): void;
  /** Cuts a file off behind so many bytes. */
  truncate(path: string, size: number): void;
  remove(path: string): void;
  /** Undefined while another holder has it; the lock is free when its holder ends, however that was. */
  takeLock(path: string): Promise<(() => void) | undefined>;
  /** Names in a folder; empty when there is none. */
  list(dir: string): string[];
  /** The same for who moves what lies in it: one that is there and cannot be read is an error, not empty. */
  listStrictly(dir: string): string[];
  /** Files at any depth below a folder whose names end so, sorted. */
  findFiles(dir: string, suffix: string): string[];
  realPath(path: string): string | undefined;
  isDirectory(path: string): boolean;
  isExecutable(path: string): boolean;
  modifiedAt(path: string): number | undefined;
  /** False when there is no such process. Signal 0 only asks. */
  signal(pid: number, signal: NodeJS.Signals | 0): boolean;
  isTerminal(fd: 0 | 1 | 2): boolean;
  /** stdin to its end. */
  readInput(): Promise<string>;
  /** Tells of changes in these files and folders; those that are missing are passed over. */
  watch(paths: readonly string[]): Watch;
  /** Whole text to stdout (1) or stderr (2); false when nobody reads it any more. */
  write(fd: 1 | 2, text: string): boolean;
  /** Cleans up on Ctrl-C, SIGTERM and SIGHUP, then lets the signal end the program; call the result to stop listening. */
  onInterrupt(cleanUp: () => Promise<void> | void): () => void;
  /** The same signals, which end nothing by themselves any more, each time; call the result to stop listening. */
  onEachInterrupt(told: (name: NodeJS.Signals) => void): () => void;
}

/** `env` is also what programs are started with; the demo and the tests give their sandbox's. */
export function createSys(env: Readonly<Record<string, string | undefined>> = process.env): Sys {
  return {
    env,
    platform: process.platform,
    cwd: process.cwd(),
    execPath: process.execPath,
    pid: process.pid,
    uid: process.getuid?.() ?? 0,
    get cpuCount() {
      return navigator.hardwareConcurrency;
    },
    homeDir: readHome(env),
    hostname,
    now: Date.now,
    sleep: (ms) => Bun.sleep(ms),
    randomId: () => crypto.randomUUID(),
    run: (argv, options) => run(argv, { env, ...options }),
    runBounded: (argv, options) => runBounded(argv, { env, ...options }),
    fetchBounded,
    fetchBytes,
    postBounded,
    startDetached,
    startFiled,
    readText,
    readTail,
    readInto,
    identify,
    openFile,
    writePrivate,
    writeProgram,
    replaceText,
    createPrivate,
    makePrivateDir,
    appendPrivate,
    copyPrivate,
    // SQLite is loaded where a lock is taken, which most commands never do.
    takeLock: async (path) => (await import("./database.ts")).takeLock(path),
    ...linkFiles,
    overwrite: (path, text) => writeFileSync(path, text),
    truncate: (path, size) => truncateSync(path, size),
    remove: (path) => rmSync(path, { recursive: true, force: true }),
    list: (dir) => attempt(() => readdirSync(dir)) ?? [],
    listStrictly,
    findFiles,
    realPath: (path) => attempt(() => realpathSync(path)),
    isDirectory,
    isExecutable,
    modifiedAt,
    signal,
    readInput,
    watch: watchPaths,
    isTerminal,
    write,
    onInterrupt,
    onEachInterrupt,
  };
}

/** `$HOME` first: it is what Claude Code goes by. */
function readHome(env: Readonly<Record<string, string | undefined>>): string | undefined {
  const home = env.HOME;
  if (process.platform !== "win32" && home !== undefined && home !== "") return home;
  return attempt(homedir) || undefined;
}

const openOutputMs = 2000;
/** Whoever keeps the output of a program open that had to be ended is the one that kept it waiting. */
const endedOutputMs = 50;

async function run(argv: readonly string[], options: RunOptions = {}): Promise<RunResult> {
  const child = Bun.spawn([...argv], {
    stdin: options.input === undefined ? "ignore" : new TextEncoder().encode(options.input),
    stdout: "pipe",
    stderr: "pipe",
    timeout: options.timeoutMs ?? 10_000,
    killSignal: "SIGKILL",
    ...present({ env: options.env, cwd: options.cwd }),
  });
  const texts = Promise.all([child.stdout.text(), child.stderr.text()]);
  await child.exited;
  // A grandchild may keep the output open for ever: what was to come of this program is there.
  const [stdout, stderr] = await Promise.race([
    texts,
    Bun.sleep(child.exitCode === null ? endedOutputMs : openOutputMs).then(() => ["", ""] as const),
  ]);
  return { argv, code: child.exitCode, stdout, stderr };
}

function listStrictly(dir: string): string[] {
  try {
    return readdirSync(dir);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
}

function startDetached(argv: readonly string[], options: { env: Readonly<Record<string, string | undefined>>; cwd: string }): void {
  // Whoever waits for the end of our output must not wait for its.
  const streams = { stdin: "ignore", stdout: "ignore", stderr: "ignore" } as const;
  attempt(() => Bun.spawn([...argv], { ...streams, ...options, detached: true }).unref());
}

function startFiled(argv: readonly string[], { env, cwd, input, output, errors }: FiledStart): Started {
  const files = [openSync(input, "r"), openSync(output, "a", 0o600), openSync(errors, "a", 0o600)] as const;
  try {
    const [stdin, stdout, stderr] = files;
    const child = Bun.spawn([...argv], { stdin, stdout, stderr, env: { ...env }, cwd, detached: true });
    child.unref();
    return { pid: child.pid, exited: child.exited.then(() => child.exitCode ?? undefined) };
  } finally {
    for (const file of files) closeSync(file);
  }
}

function signal(pid: number, name: NodeJS.Signals | 0): boolean {
  try {
    process.kill(pid, name);
    return true;
  } catch (error) {
    // EPERM: the process exists and belongs to someone else.
    return (error as NodeJS.ErrnoException).code === "EPERM" && name === 0;
  }
}

/** A pipe or a file is none, and is told apart without loading Bun's tty streams (+7 ms). */
function isTerminal(fd: 0 | 1 | 2): boolean {
  if (process.platform !== "win32" && attempt(() => isOtherDevice(fstatSync(fd))) !== true) return false;
  return (fd === 0 ? process.stdin : fd === 1 ? process.stdout : process.stderr).isTTY === true;
}

/** /dev/null is a device too, and no terminal. */
const isOtherDevice = (stat: Stats): boolean => stat.isCharacterDevice() && stat.rdev !== statSync("/dev/null").rdev;

const pieceBytes = 64 * 1024;

/** At once: to set up one of Bun's streams takes ten times as long as to read what a hook is told, in another thread. */
async function readInput(): Promise<string> {
  const pieces: Buffer[] = [];
  for (;;) {
    try {
      const piece = Buffer.allocUnsafe(pieceBytes);
      const count = readSync(0, piece, 0, piece.length, null);
      if (count === 0) break;
      pieces.push(piece.subarray(0, count));
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      // Nothing there yet, in non-blocking mode; a closed one, and the end of a pipe on Windows.
      if (code === "EAGAIN") await Bun.sleep(1);
      else if (code === "EBADF" || code === "EOF") break;
      else throw error;
    }
  }
  return Buffer.concat(pieces).toString("utf8");
}

function write(fd: 1 | 2, text: string): boolean {
  const bytes = Buffer.from(text);
  for (let from = 0; from < bytes.length; ) {
    try {
      from += writeSync(fd, bytes, from);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      // A pipe in non-blocking mode is full: its reader is slow, not gone.
      if (code === "EAGAIN") Bun.sleepSync(1);
      else if (code === "EPIPE" || code === "EIO" || code === "EBADF") return false;
      else throw error;
    }
  }
  return true;
}

const endingSignals: NodeJS.Signals[] = ["SIGINT", "SIGTERM", "SIGHUP"];

function onEachInterrupt(told: (name: NodeJS.Signals) => void): () => void {
  for (const name of endingSignals) process.on(name, told);
  return () => {
    for (const name of endingSignals) process.off(name, told);
  };
}

function onInterrupt(cleanUp: () => Promise<void> | void): () => void {
  const listeners = endingSignals.map((name) => {
    const listener = async () => {
      stop();
      try {
        await cleanUp();
      } finally {
        // The default action again, so that the caller sees which signal ended us.
        process.kill(process.pid, name);
      }
    };
    process.on(name, listener);
    return [name, listener] as const;
  });
  const stop = () => {
    for (const [name, listener] of listeners) process.off(name, listener);
  };
  return stop;
}
