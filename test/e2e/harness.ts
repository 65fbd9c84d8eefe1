import { afterAll, beforeAll, setDefaultTimeout } from "bun:test";
import { join } from "node:path";
import { findCheckoutClaude } from "../../scripts/claude.ts";
import { createSandbox, type Sandbox, type SandboxOptions } from "../../src/sandbox.ts";
import { type ModelRequest, type Reply, type Step, say } from "../../src/stub-script.ts";
import type { RunOptions, RunResult } from "../../src/sys.ts";

export const root = join(import.meta.dir, "../..");
export const csmPath = join(root, "dist/csm");
export const csdPath = join(root, "dist/csd");

/** The real one. */
export const claudePath = findCheckoutClaude();

export type Json = Record<string, unknown>;

/** A sandbox that speaks to the compiled binary. A scenario is: spawn with a script, send, look, answer. */
export interface Box extends Sandbox {
  csm(args: readonly string[], options?: RunOptions): Promise<RunResult>;
  /** Any exit code. */
  tryCsd(args: readonly string[], options?: RunOptions): Promise<RunResult>;
  /** Its JSON; throws with stderr when it fails. */
  csd(args: readonly string[], options?: RunOptions): Promise<Json>;
  /** A session in a trusted folder of its own that asks before it acts, and what the model will say in it. */
  spawn(name: string, steps: Step[], args?: readonly string[]): Promise<Json>;
  send(name: string, prompt: string): Promise<Json>;
  state(name: string): Promise<Json>;
  /** The state, as soon as it has this status. */
  reach(name: string, status: string): Promise<Json>;
  screen(name: string): Promise<string>;
  keys(name: string, ...keys: string[]): Promise<void>;
}

export async function openBox(options: Partial<SandboxOptions> = {}): Promise<Box> {
  const box = await createSandbox({ claudePath, path: process.env.PATH, ...options });
  const csm = (args: readonly string[], runOptions?: RunOptions) => box.run([csmPath, ...args], runOptions);
  const tryCsd = (args: readonly string[], runOptions?: RunOptions) => box.run([csdPath, ...args], runOptions);
  const csd = async (args: readonly string[], runOptions?: RunOptions): Promise<Json> => {
    const result = await tryCsd(args, runOptions);
    if (result.code !== 0) throw new Error(`csd ${args.join(" ")} failed with ${result.code}: ${result.stderr}`);
    return JSON.parse(result.stdout) as Json;
  };
  const state = (name: string) => csd(["state", name]);
  const tmux = (...args: string[]) => box.run(["tmux", "-u", ...args]);
  return {
    ...box,
    csm,
    tryCsd,
    csd,
    async spawn(name, steps, args = ["--permission-mode", "manual"]) {
      const spawned = await csd(["spawn", "--name", name, "--cwd", box.folder(name), ...args]);
      box.stub.script(String(spawned.session_id), steps);
      return spawned;
    },
    send: (name, prompt) => csd(["send", name, prompt]),
    state,
    reach: (name, status) =>
      until(
        `${name} is ${status}`,
        async () => {
          // One that is started somewhere else is not there yet.
          const now = await state(name).catch(() => undefined);
          return now?.status === status ? now : undefined;
        },
        () => state(name).then((now) => JSON.stringify(now), String),
      ),
    screen: async (name) => (await tmux("capture-pane", "-p", "-t", `=${name}:`)).stdout,
    keys: async (name, ...keys) => void (await tmux("send-keys", "-t", `=${name}:`, ...keys)),
  };
}

const untilTimeoutMs = 20_000;

/** Waits for a value other than undefined and false; on the deadline, says what it saw last. */
export async function until<T>(
  what: string,
  read: () => T | undefined | false | Promise<T | undefined | false>,
  describe?: () => string | Promise<string>,
): Promise<T> {
  const deadline = Date.now() + untilTimeoutMs;
  for (;;) {
    const value = await read();
    if (value !== undefined && value !== false) return value as T;
    if (Date.now() > deadline)
      throw new Error(`not reached in ${untilTimeoutMs / 1000} s: ${what}${describe === undefined ? "" : `; now ${await describe()}`}`);
    await Bun.sleep(30);
  }
}

/** One sandbox for the tests of a file, made before the first and gone after the last. */
export function useBox(options: Partial<SandboxOptions> = {}): { readonly box: Box } {
  // Holds for the rest of the file that calls this.
  setDefaultTimeout(90_000);
  let box: Box | undefined;
  beforeAll(async () => {
    box = await openBox(options);
  });
  afterAll(() => box?.close());
  return {
    get box() {
      if (box === undefined) throw new Error("the sandbox is only there inside a test");
      return box;
    },
  };
}

/** An MCP server that does not mind when its claude goes, nor what it is told. */
export const stubbornServer = `
for (const name of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(name, () => {});
setInterval(() => {}, 1000);
require("readline").createInterface({ input: process.stdin }).on("line", (line) => {
  const { id, method, params } = JSON.parse(line);
  const answers = { initialize: { protocolVersion: params?.protocolVersion, capabilities: { tools: {} }, serverInfo: { name: "x", version: "1" } } };
  if (id !== undefined) console.log(JSON.stringify({ jsonrpc: "2.0", id, result: answers[method] ?? { tools: [] } }));
});`;

/** What each thread of a session is answered, by a word of its first prompt, and by how often it has been answered. */
export const threads = (scripts: Record<string, Reply[]>): Step[] =>
  Array.from({ length: 60 }, () => ({ body }) => {
    const messages = body.messages as { role: string }[];
    const first = JSON.stringify(messages[0]);
    const script = Object.entries(scripts).findLast(([word]) => first.includes(word))?.[1] ?? [];
    return script[messages.filter(({ role }) => role === "assistant").length] ?? say("Over.");
  });

/** What the model was asked first in this conversation; empty where that is no text. */
export const promptOf = ({ body }: ModelRequest): string =>
  (body.messages as { role: string; content: { type: string; text?: string }[] }[])
    .filter(({ role }) => role === "user")
    .flatMap(({ content }) => (Array.isArray(content) ? content : []))
    .map(({ text = "" }) => text)
    .find((text) => text !== "" && !text.startsWith("<system-reminder>")) ?? "";
