/** One session of one version under test, seen through the compiled csd, and what is kept for the report when it goes wrong. */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { findUnknownFields } from "../src/claude-fields.ts";
import { createSandbox, type Sandbox, type SandboxOptions } from "../src/sandbox.ts";
import type { ModelRequest, Step } from "../src/stub-script.ts";
import type { RunResult } from "../src/sys.ts";

export type Json = Record<string, unknown>;

/**
 * `not read`: the state is not what the screen shows. `not answered`: csd left a gate that it was to answer. `wrong answer`:
 * something happened that nobody chose. `failed`: anything else, such as a session that does not start.
 */
export type Fault = "not read" | "not answered" | "wrong answer" | "failed";

export class Mismatch extends Error {
  constructor(
    readonly fault: Fault,
    /** Three words for the table. */
    readonly words: string,
    readonly detail = "",
  ) {
    super(`${fault}: ${words}${detail === "" ? "" : `\n${detail}`}`);
  }
}

/** What a field has to be: a value, a pattern, or a question that it answers with true. */
export type Right = Record<string, unknown>;

export interface Stage {
  version: string;
  /** Of the session and of its folder. */
  name: string;
  box: Sandbox;
  /** Trusted, and there. */
  folder: string;
  sessionId: string;
  /** Starts the session in its folder, where it asks before it acts, with what the model will say in it. */
  spawn(steps: Step[], args?: readonly string[]): Promise<void>;
  send(prompt: string): Promise<void>;
  /** The state as soon as it has this status. Its fields have to be right at once, and no other rest may be claimed before it. */
  reach(status: string, right?: Right): Promise<Json>;
  /** Answers the gate; what was chosen is not right by itself, `right` says what has to be. */
  approve(args?: readonly string[], right?: Right): Promise<Json>;
  /** Any exit code. */
  tryCsd(args: readonly string[]): Promise<RunResult>;
  /** Past csd, which does not wait for their effect: the state that was reached last may show for a moment longer. */
  keys(...keys: string[]): Promise<void>;
  /** Goes into the table beside "ok": what this version or machine does not have. */
  remark(words: string): void;
  remarks: string[];
  /** The newest request of the conversation, as the model got it. */
  lastRequest(): ModelRequest | undefined;
  evidence(): Promise<Evidence>;
  close(): Promise<void>;
}

export interface Evidence {
  /** Every csd call with its answer, oldest first. */
  calls: string[];
  /** One for each state that was reached, and the last one. */
  screens: string[];
  sessionFile: string;
  transcriptTail: string[];
  /** Of all lines: fields that this version does not know. */
  unknownFields: string[];
}

/** 2.0.70 and 2.1.86 ask npm for a newer version and GitHub for the change log whatever they are told: nobody answers. */
const offline = { HTTPS_PROXY: "http://127.0.0.1:9", NO_PROXY: "127.0.0.1", npm_config_registry: "http://127.0.0.1:9" };

export type Login = NonNullable<SandboxOptions["login"]>;

/** The sandboxes of one version, by how they log in: each is made when it is first asked for. */
export interface Boxes {
  of(login: Login | undefined): Promise<Sandbox>;
  close(): Promise<void>;
}

export function createBoxes(claudePath: string): Boxes {
  const opened = new Map<Login, Promise<Sandbox>>();
  return {
    of(login = "api-key") {
      const box = opened.get(login) ?? openBox(claudePath, login);
      opened.set(login, box);
      return box;
    },
    close: async () => void (await Promise.all([...opened.values()].map(async (box) => (await box).close()))),
  };
}

/** A sandbox for one version. Project MCP servers need no approval there, and WebFetch asks no server about its address. */
async function openBox(claudePath: string, login: Login): Promise<Sandbox> {
  const box = await createSandbox({ claudePath, path: process.env.PATH, env: offline, login });
  mkdirSync(box.configDir, { recursive: true });
  const settings = { enableAllProjectMcpServers: true, skipWebFetchPreflight: true };
  writeFileSync(join(box.configDir, "settings.json"), JSON.stringify(settings));
  let closing: Promise<void> | undefined;
  return {
    ...box,
    // After Ctrl-C a scenario may run on for a moment: nothing may make parts of a removed sandbox anew.
    run: (argv, options) => (closing === undefined ? box.run(argv, options) : Promise.reject(new Error("the sandbox is closed"))),
    close: () => (closing ??= box.close()),
  };
}

const reachTimeoutMs = 15_000;
const lateMs = 3000;
const stepMs = 40;
/** What a session may be on its way to the state that is waited for. */
const onTheWay: ReadonlySet<unknown> = new Set(["working", "spawning"]);

const gateStatuses: ReadonlySet<unknown> = new Set(["blocked", "plan_ready"]);
const isId = (id: unknown): boolean => typeof id === "string" && /^[0-9a-f]{10}$/.test(id);
/** One gate, and all of the state is about it. */
const isOneGate =
  ({ gate_id, tool, input }: Json) =>
  (gates: unknown): boolean => {
    const [gate, ...others] = (Array.isArray(gates) ? gates : []) as Json[];
    const isTold = tool === undefined || (gate?.tool === tool && Bun.deepEquals(gate.input, input));
    return gate?.gate_id === gate_id && gate?.shown === true && isTold && others.length === 0;
  };

export interface StageOptions {
  version: string;
  box: Sandbox;
  csdPath: string;
  name: string;
}

export function createStage({ version, box, csdPath, name }: StageOptions): Stage {
  const calls: string[] = [];
  const screens: string[] = [];
  let reached: unknown;
  let gateId: unknown;
  let isLeaving = false;
  const tmux = (...args: string[]) => box.run(["tmux", "-u", ...args]);

  const tryCsd = async (args: readonly string[]): Promise<RunResult> => {
    const result = await box.run([csdPath, ...args]);
    calls.push(`csd ${args.join(" ")} → ${result.code} ${oneLine(result.stdout)}${oneLine(result.stderr)}`);
    return result;
  };
  const csd = async (args: readonly string[], fault: Fault = "failed"): Promise<Json> => {
    const result = await tryCsd(args);
    if (result.code !== 0) throw new Mismatch(fault, `${args[0]} fails`, result.stderr.trim());
    return JSON.parse(result.stdout) as Json;
  };
  /** A field that comes right later is wrong all the same: a caller acts on what it is told first. */
  const requireRead = async (state: Json, right: Right): Promise<void> => {
    const wrong = findWrong(state, right);
    if (wrong === undefined) return;
    const seenAt = Date.now();
    let later = state;
    while (later.status === state.status && findWrong(later, right) !== undefined && Date.now() - seenAt < lateMs)
      later = await csd(["state", name], "not read");
    const isLate = later.status === state.status && findWrong(later, right) === undefined;
    const words = isLate ? `${wrong.field} is late` : `${wrong.field} is wrong`;
    throw new Mismatch("not read", words, `${wrong.text}${isLate ? `; right after ${Date.now() - seenAt} ms` : ""}`);
  };
  const screen = async () => (await tmux("capture-pane", "-p", "-t", `=${name}:`)).stdout;

  const stage: Stage = {
    version,
    name,
    box,
    folder: box.folder(name),
    sessionId: crypto.randomUUID(),
    async spawn(steps, args = ["--permission-mode", "default"]) {
      box.stub.script(stage.sessionId, steps);
      const cwd = args.includes("--cwd") ? [] : ["--cwd", stage.folder];
      await csd(["spawn", "--name", name, "--session-id", stage.sessionId, ...cwd, ...args]);
    },
    send: async (prompt) => void (await csd(["send", name, prompt])),
    async reach(status, right = {}) {
      const deadline = Date.now() + reachTimeoutMs;
      const claimed: Json[] = [];
      for (;;) {
        const state = await csd(["state", name], "not read");
        if (state.status === status) {
          screens.push(await screen());
          [reached, isLeaving, gateId] = [status, false, state.gate_id];
          requireOnTheWay(claimed, status);
          await requireRead(state, gateStatuses.has(status) ? { gate_id: isId, gates: isOneGate(state), ...right } : right);
          return state;
        }
        if (!onTheWay.has(state.status) && !(isLeaving && state.status === reached)) claimed.push(state);
        if (Date.now() > deadline) throw new Mismatch("not read", `says ${state.status}`, `not ${status}: ${JSON.stringify(state)}`);
        await Bun.sleep(stepMs);
      }
    },
    async approve(args = [], right = {}) {
      const answered = await csd(["approve", name, ...args], "not answered");
      requireRight("wrong answer", answered, { gate_id: gateId, ...right });
      return answered;
    },
    tryCsd,
    async keys(...keys) {
      isLeaving = true;
      await tmux("send-keys", "-t", `=${name}:`, ...keys);
    },
    remark: (words) => void stage.remarks.push(words),
    remarks: [],
    lastRequest: () => box.stub.requests.findLast((request) => request.sessionId === stage.sessionId && request.isMainThread),
    async evidence() {
      return { calls, screens: [...screens, await screen()], ...(await readFiles(box, name, stage.sessionId)) };
    },
    close: async () => void (await box.run([csdPath, "kill", name])),
  };
  return stage;
}

const oneLine = (text: string): string => text.trim().replace(/\s*\n\s*/g, " ");

function requireOnTheWay(claimed: Json[], status: string): void {
  const [first] = claimed;
  if (first !== undefined) throw new Mismatch("not read", `${first.status} first`, `before ${status}: ${JSON.stringify(first)}`);
}

export function requireRight(fault: Fault, found: Json, right: Right): void {
  const wrong = findWrong(found, right);
  if (wrong !== undefined) throw new Mismatch(fault, `${wrong.field} is wrong`, wrong.text);
}

function findWrong(found: Json, right: Right): { field: string; text: string } | undefined {
  const wrong = Object.entries(right).filter(([field, wanted]) => !isRight(found[field], wanted));
  const [first] = wrong;
  if (first === undefined) return undefined;
  const text = wrong.map(([field, wanted]) => `${field} is ${JSON.stringify(found[field])}, not ${describe(wanted)}`).join("\n");
  return { field: first[0], text };
}

function isRight(found: unknown, wanted: unknown): boolean {
  if (typeof wanted === "function") return wanted(found) === true;
  if (wanted instanceof RegExp) return typeof found === "string" && wanted.test(found);
  return Bun.deepEquals(found, wanted);
}

const describe = (wanted: unknown): string =>
  typeof wanted === "function" || wanted instanceof RegExp ? String(wanted) : JSON.stringify(wanted);

async function readFiles(
  box: Sandbox,
  name: string,
  sessionId: string,
): Promise<Pick<Evidence, "sessionFile" | "transcriptTail" | "unknownFields">> {
  const panes = await box.run(["tmux", "-u", "list-panes", "-t", `=${name}:`, "-F", "#{pane_pid}"]);
  const sessionPath = join(box.configDir, "sessions", `${panes.stdout.trim()}.json`);
  const projects = join(box.configDir, "projects");
  const slugs = existsSync(projects) ? readdirSync(projects) : [];
  const transcript = slugs.map((slug) => join(projects, slug, `${sessionId}.jsonl`)).find((path) => existsSync(path));
  const lines = transcript === undefined ? [] : readFileSync(transcript, "utf8").split("\n");
  return {
    sessionFile: existsSync(sessionPath) ? readFileSync(sessionPath, "utf8") : "",
    transcriptTail: lines.filter(isTurnLine).slice(-12),
    unknownFields: [...new Set(lines.flatMap(findUnknownFields))],
  };
}

const isTurnLine = (line: string): boolean => /"type":"(?:user|assistant|system)"/.test(line) && !line.includes('"type":"attachment"');
