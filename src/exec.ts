import { readFileSync } from "node:fs";

type Environment = Readonly<Record<string, string | undefined>>;

export interface Program {
  path: string;
  /** What it is told it was called: argv[0]. */
  name: string;
  args: readonly string[];
  env: Environment;
  cwd?: string;
}

/**
 * Replaces this process by another program: same pid, terminal, process group and signals, and nothing of ours stays.
 * Returns only on Windows, where no program can be replaced; there it is a child whose exit code is the result.
 */
export async function replaceProcess(program: Program): Promise<number> {
  const { path, name, args, env, cwd } = program;
  if (cwd !== undefined) process.chdir(cwd);
  if (process.platform === "win32") return runChild(path, args, env);
  const libc = await openLibc();
  libc?.resetSignals();
  const raw = rawArguments(args);
  if (raw !== undefined && libc !== undefined) libc.execve(path, [Buffer.from(name), ...raw], env);
  process.execve?.(path, [name, ...args], definedOnly(env));
  return 127;
}

/** Runs a program that uses this terminal, and waits for its end. Ctrl-C is the program's then. */
export async function runForeground(name: string, args: readonly string[], env: Environment): Promise<number> {
  const ignore = () => {};
  process.on("SIGINT", ignore);
  try {
    // A tmux refuses to attach as long as it sees another around it.
    const { TMUX: _, ...outside } = env;
    const child = Bun.spawn([name, ...args], {
      stdin: "inherit",
      stdout: "inherit",
      stderr: "inherit",
      env: definedOnly(outside),
    });
    return await child.exited;
  } finally {
    process.off("SIGINT", ignore);
  }
}

export const definedOnly = (env: Environment): Record<string, string> =>
  Object.fromEntries(Object.entries(env).filter((entry): entry is [string, string] => entry[1] !== undefined));

async function runChild(path: string, args: readonly string[], env: Environment): Promise<number> {
  // Ctrl-C reaches the child by itself; this process only waits for its code.
  process.on("SIGINT", () => {});
  const child = Bun.spawn([path, ...args], { stdin: "inherit", stdout: "inherit", stderr: "inherit", env: definedOnly(env) });
  return child.exited;
}

/**
 * The same arguments as bytes, where a word was not UTF-8 and so reached us mangled; undefined when the strings are exact.
 * Only Linux shows a process its own bytes.
 */
function rawArguments(args: readonly string[]): Buffer[] | undefined {
  if (process.platform !== "linux" || !args.some(isMangled)) return undefined;
  const words = splitWords(readFileSync("/proc/self/cmdline")).map((bytes) => ({ bytes, text: bytes.toString("utf8") }));
  // Words of ours may stand before and among them: each mangled one is the next of our own that reads the same, or several as one.
  let from = 0;
  return args.map((arg) => {
    for (let at = from; isMangled(arg) && at < words.length; at++) {
      const count = countJoined(words, at, arg);
      if (count === 0) continue;
      from = at + count;
      return Buffer.concat(words.slice(at, from).flatMap(({ bytes }, index) => (index === 0 ? [bytes] : [Buffer.from(" "), bytes])));
    }
    return Buffer.from(arg);
  });
}

/** How many of these words, from this one on, read as the text with blanks between them; 0 for none. */
function countJoined(words: readonly { text: string }[], from: number, text: string): number {
  let joined = "";
  for (let at = from; at < words.length && joined.length < text.length; at++) {
    joined += `${at === from ? "" : " "}${words[at]?.text}`;
    if (joined === text) return at - from + 1;
  }
  return 0;
}

const isMangled = (word: string): boolean => word.includes("\ufffd");

function splitWords(bytes: Buffer): Buffer[] {
  const words: Buffer[] = [];
  for (let from = 0; from < bytes.length; ) {
    const end = bytes.indexOf(0, from);
    words.push(bytes.subarray(from, end));
    from = end + 1;
  }
  return words;
}

interface Libc {
  resetSignals(): void;
  execve(path: string, args: Buffer[], env: Environment): void;
}

const libcNames: Partial<Record<NodeJS.Platform, string[]>> = {
  linux: ["libc.so.6", "libc.musl-x86_64.so.1", "libc.musl-aarch64.so.1"],
  darwin: ["libSystem.B.dylib"],
};

const ignoredByBun = { SIGPIPE: 13, SIGXFSZ: 25 };

/** Undefined where no C library opens; claude then starts with SIGPIPE ignored, as Bun leaves it. */
async function openLibc(): Promise<Libc | undefined> {
  const { dlopen, ptr } = await import("bun:ffi");
  for (const name of libcNames[process.platform] ?? []) {
    try {
      const { symbols } = dlopen(name, {
        signal: { args: ["i32", "ptr"], returns: "ptr" },
        execve: { args: ["ptr", "ptr", "ptr"], returns: "i32" },
      });
      const vector = (words: Buffer[]) => {
        const strings = words.map((word) => Buffer.concat([word, Buffer.of(0)]));
        const pointers = new BigUint64Array([...strings.map((word) => BigInt(ptr(word))), 0n]);
        return { strings, pointers };
      };
      return {
        resetSignals() {
          // An ignored signal stays ignored across exec, and claude's children would inherit it.
          for (const number of Object.values(ignoredByBun)) symbols.signal(number, null);
        },
        execve(path, args, env) {
          const argv = vector(args);
          const envp = vector(Object.entries(definedOnly(env)).map(([key, value]) => Buffer.from(`${key}=${value}`)));
          symbols.execve(ptr(Buffer.from(`${path}\0`)), ptr(argv.pointers), ptr(envp.pointers));
        },
      };
    } catch {
      // Another C library: try the next name.
    }
  }
  return undefined;
}
