import { isDeepStrictEqual } from "node:util";
import type { RunOptions, RunResult, Sys } from "../src/sys.ts";

export interface FakeSys extends Sys {
  files: Map<string, string>;
  /** Live process numbers; a signal other than 0 ends one. */
  alive: Set<number>;
  /** What went to stdout (1) and stderr (2). */
  written: { 1: string; 2: string };
  /** The next command must be this one. An error means that the program cannot be started; options count when given. */
  expectRun(argv: readonly string[], result?: Partial<Omit<RunResult, "argv">> | Error, options?: RunOptions): void;
  /** Throws when an expected command was not run, or another one was. */
  done(): void;
}

type Given = Partial<Pick<Sys, "env" | "platform" | "cwd" | "homeDir" | "uid">> & {
  files?: Record<string, string>;
  now?: number;
  input?: string;
};

/** The operating system in memory: paths are plain strings, and only `sleep` moves the clock. */
export function createFakeSys(given: Given = {}): FakeSys {
  const files = new Map(Object.entries(given.files ?? {}));
  const alive = new Set<number>();
  const expected: { argv: readonly string[]; result: Partial<Omit<RunResult, "argv">> | Error; options: RunOptions | undefined }[] = [];
  const unexpected: string[] = [];
  const locks = new Set<string>();
  const modified = new Map<string, number>();
  let now = given.now ?? 0;
  let ids = 0;
  const put = (path: string, text: string) => {
    files.set(path, text);
    modified.set(path, now);
  };
  const isDirectory = (path: string) => [...files.keys()].some((file) => file.startsWith(`${path.replace(/\/+$/, "")}/`));
  const sys: FakeSys = {
    env: given.env ?? {},
    platform: given.platform ?? "linux",
    cwd: given.cwd ?? "/work",
    execPath: "/opt/csm",
    pid: 1,
    cpuCount: 1,
    uid: given.uid ?? 1000,
    homeDir: "homeDir" in given ? given.homeDir : "/home/dev",
    files,
    alive,
    written: { 1: "", 2: "" },
    hostname: () => "host.example",
    now: () => now,
    sleep: async (ms) => {
      now += ms;
    },
    randomId: () => `00000000-0000-4000-8000-${String(++ids).padStart(12, "0")}`,
    async run(argv, options) {
      const next = expected.shift();
      if (
        next === undefined ||
        !isDeepStrictEqual(next.argv, argv) ||
        (next.options !== undefined && !isDeepStrictEqual(next.options, options))
      ) {
        unexpected.push(JSON.stringify({ argv, options }));
        throw new Error(`unexpected command ${JSON.stringify({ argv, options })}, wanted ${JSON.stringify(next ?? "none")}`);
      }
      if (next.result instanceof Error) throw next.result;
      return { argv, code: 0, stdout: "", stderr: "", ...next.result };
    },
    runBounded: async (argv) => ({ failure: `unexpected ${argv.join(" ")}` }),
    fetchBytes: async (url) => ({ failure: `unexpected ${url}` }),
    fetchBounded: async (url) => ({ failure: `unexpected ${url}` }),
    postBounded: async (url) => ({ failure: `unexpected ${url}` }),
    startDetached: () => undefined,
    startFiled: () => ({ pid: 0, exited: Promise.resolve(0) }),
    readText: (path) => files.get(path),
    readTail(path, maxBytes) {
      const bytes = Buffer.from(files.get(path) ?? "");
      if (!files.has(path)) return undefined;
      const from = Math.max(0, bytes.length - maxBytes);
      const tail = bytes.subarray(from);
      const text = from === 0 ? tail : tail.subarray(tail.indexOf(10) + 1);
      const lines = from > 0 && !tail.includes(10) ? [] : text.toString().split("\n");
      return { lines: lines.filter((line) => line !== ""), isWhole: from === 0, size: bytes.length };
    },
    readInto: (path, offset, into) => Buffer.from(files.get(path) ?? "").copy(into, 0, offset),
    identify: (path) =>
      files.has(path)
        ? { id: path, size: Buffer.byteLength(files.get(path) ?? ""), modifiedAt: modified.get(path) ?? 0, isFile: true }
        : undefined,
    openFile(path) {
      const state = sys.identify(path);
      const bytes = Buffer.from(files.get(path) ?? "");
      const read = (buffer: Uint8Array, position: number) => bytes.copy(buffer, 0, position);
      return state === undefined ? undefined : { ...state, read, close() {} };
    },
    writeProgram: (path, bytes) => put(path, new TextDecoder().decode(bytes)),
    writePrivate: put,
    overwrite: put,
    truncate: (path, size) =>
      put(
        path,
        Buffer.from(files.get(path) ?? "")
          .subarray(0, size)
          .toString(),
      ),
    makePrivateDir: () => undefined,
    async takeLock(path) {
      if (locks.has(path)) return undefined;
      locks.add(path);
      return () => locks.delete(path);
    },
    appendPrivate: (path, text) => put(path, (files.get(path) ?? "") + Buffer.from(text).toString()),
    copyPrivate: (from, to) => put(to, files.get(from) ?? ""),
    readInput: async () => given.input ?? "",
    watch: () => ({
      async next(timeoutMs) {
        now += timeoutMs;
      },
      close() {},
    }),
    replaceText(path, before, text) {
      if (files.get(path) !== before) return false;
      put(path, text);
      return true;
    },
    createPrivate(path, text) {
      if (files.has(path)) return false;
      put(path, text);
      return true;
    },
    remove(path) {
      for (const file of [...files.keys()]) if (file === path || file.startsWith(`${path}/`)) files.delete(file);
    },
    list: (dir) => [
      ...new Set(
        [...files.keys()].filter((file) => file.startsWith(`${dir}/`)).map((file) => file.slice(dir.length + 1).split("/")[0] ?? ""),
      ),
    ],
    listStrictly: (dir) => sys.list(dir),
    findFiles: (dir, suffix) => [...files.keys()].filter((file) => file.startsWith(`${dir}/`) && file.endsWith(suffix)).sort(),
    realPath: (path) => (files.has(path) || isDirectory(path) ? path : undefined),
    isDirectory,
    // No links here: tests of what moves and links use a real folder.
    entryKind: (path) => (files.has(path) ? "file" : isDirectory(path) ? "folder" : undefined),
    owner(path) {
      const kind = sys.entryKind(path);
      return kind === undefined ? undefined : { kind, uid: sys.uid, gid: sys.uid, mode: 0o700 };
    },
    readLink: () => undefined,
    createLink: () => undefined,
    rename(from, to) {
      put(to, files.get(from) ?? "");
      files.delete(from);
    },
    removeLink: () => undefined,
    removeEmptyDir: () => false,
    copy: () => undefined,
    isWritable: () => true,
    isExecutable: (path) => files.get(path)?.startsWith("#!") ?? false,
    modifiedAt: (path) => (files.has(path) || isDirectory(path) ? (modified.get(path) ?? 0) : undefined),
    signal(pid, signal) {
      if (!alive.has(pid)) return false;
      if (signal !== 0) alive.delete(pid);
      return true;
    },
    isTerminal: () => false,
    write(fd, text) {
      sys.written[fd] += text;
      return true;
    },
    onInterrupt: () => () => {},
    onEachInterrupt: () => () => {},
    expectRun: (argv, result = {}, options) => void expected.push({ argv, result, options }),
    done() {
      const missing = expected.map(({ argv }) => JSON.stringify(argv));
      if (missing.length + unexpected.length > 0) throw new Error(`not run: ${missing.join(" ")}; not expected: ${unexpected.join(" ")}`);
    },
  };
  return sys;
}
