import { join } from "node:path";
import type { Channel, ChannelEvent, HeldGate } from "./channel.ts";
import type { SessionFile } from "./claude-session.ts";
import { readNewestTurn } from "./claude-transcript.ts";
import { absent, type Finding, type Signal, type TranscriptReading } from "./doctor-judge.ts";
import { createDrivenStore } from "./driven.ts";
import { createDriver, findTracked, type Target } from "./driver.ts";
import { UserError } from "./errors.ts";
import { parseRecord, shape } from "./json.ts";
import { findTranscript } from "./paths.ts";
import type { Sandbox } from "./sandbox.ts";
import { readSessionFile } from "./session-file.ts";
import type { Choice } from "./status.ts";
import { openRecords } from "./store.ts";
import type { ModelRequest, Step } from "./stub-script.ts";

/** The sandbox in which an examination runs, and what it may use up. */
export interface Canary {
  box: Sandbox;
  /** csd, as this very executable. */
  execPath: string;
  /** Epoch ms: no step lasts longer. */
  deadline: number;
  /** How prompts are sent: once the editor key has failed, as pastes. */
  way: "editor" | "paste";
  /** The first finding of a signal counts. */
  tell(signal: Signal, finding: Finding): void;
}

/** One session of the claude under examination. */
export interface Probe {
  canary: Canary;
  id: string;
  name: string;
  folder: string;
  target: Target;
  channel: Channel;
}

export type Json = Record<string, unknown>;

/** Generous: only what does not come is waited for so long, and a machine may be busy. */
export const startTimeoutMs = 20_000;
const commandTimeoutMs = 30_000;
const statusTimeoutMs = 10_000;
const settleMs = 3_000;
/** A hook that missed the end of its dialog leaves by itself after 10 s. */
const releaseMs = 12_000;
const stepMs = 25;

/** Runs a part of the examination. What it was to tell and could not is absent, with the reason; the next part goes on. */
export async function examine(canary: Canary, signals: readonly Signal[], run: () => Promise<unknown>): Promise<void> {
  try {
    await run();
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    for (const signal of signals) canary.tell(signal, absent(error.message));
  }
}

export async function startProbe(canary: Canary, name: string, folder: string, mode: string): Promise<Probe> {
  const args = ["spawn", "--name", name, "--cwd", folder, "--permission-mode", mode];
  const { session_id: id } = await runCsd(canary, args, startTimeoutMs, "claude showed neither an input row nor a dialog");
  const target = findTracked(createDriver(canary.box.sys), name);
  if (target.channel === undefined) throw new UserError(`session "${name}" has no folder for its hooks`);
  return { canary, id: String(id), name, folder, target, channel: target.channel };
}

/** One csd command about the session; its JSON. */
export const act = (probe: Probe, command: string, ...args: string[]): Promise<Json> =>
  runCsd(probe.canary, [command, probe.name, ...args]);

/** The state, once it is one of these, separated by commas. */
export const reach = (probe: Probe, statuses: string, timeoutMs = statusTimeoutMs): Promise<Json> =>
  act(probe, "wait", "--until", statuses, "--timeout", String(timeoutMs / 1000));

async function runCsd(
  { box, execPath, deadline }: Canary,
  args: readonly string[],
  timeoutMs = commandTimeoutMs,
  unfinished = `csd ${args[0]} did not end`,
): Promise<Json> {
  const leftMs = Math.min(timeoutMs, deadline - box.sys.now());
  if (leftMs <= 0) throw new UserError("no time was left for it");
  const result = await box.run([execPath, "csd", ...args], { timeoutMs: leftMs });
  if (result.code === 0) return JSON.parse(result.stdout) as Json;
  throw new UserError(result.code === null ? `${unfinished} within ${Math.round(leftMs / 1000)} s` : readError(result.stderr));
}

function readError(stderr: string): string {
  try {
    return String((JSON.parse(stderr) as { error?: unknown }).error);
  } catch {
    // A crash: its last line says most.
    return stderr.trim().split("\n").at(-1) ?? "";
  }
}

// --- prompts -------------------------------------------------------------------------------------------------------

/** Has the model say this next and sends the prompt. Where the editor key fails, the prompt is pasted. */
export async function prompt(probe: Probe, text: string, steps: Step[]): Promise<void> {
  const { way } = probe.canary;
  try {
    await sendBy(probe, way, text, steps);
  } catch (error) {
    if (!(error instanceof UserError) || way === "paste") throw error;
    await giveUpEditor(probe);
    await sendBy(probe, "paste", text, steps);
  }
}

/** From here on prompts are pasted, in every session. */
export async function giveUpEditor(probe: Probe): Promise<void> {
  probe.canary.way = "paste";
  // A failed prompt may stand in the input row.
  await probe.target.keyboard.keys(probe.target.pane, ["C-c"]);
}

/** The result is the newest prompt as it reached the model; undefined when none did. */
export async function sendBy(probe: Probe, way: "editor" | "paste", text: string, steps: Step[]): Promise<string | undefined> {
  const { box } = probe.canary;
  const store = createDrivenStore(box.sys);
  const driven = store.read(probe.name);
  if (driven !== undefined) store.write(driven.name, { ...driven, has_editor: way === "editor" });
  box.stub.script(probe.id, steps);
  const before = findRequests(probe).length;
  await act(probe, "send", text);
  return poll(probe, () => (findRequests(probe).length > before ? box.stub.prompts(probe.id).at(-1) : undefined));
}

const findRequests = ({ canary, id }: Probe): ModelRequest[] =>
  canary.box.stub.requests.filter(({ sessionId, isMainThread }) => sessionId === id && isMainThread);

/** The text stands in the newest request of the conversation. */
export const hasReceived = (probe: Probe, text: string): boolean =>
  JSON.stringify(findRequests(probe).at(-1)?.body.messages ?? []).includes(text);

// --- signals -------------------------------------------------------------------------------------------------------

interface SessionReading {
  text: string | undefined;
  file: SessionFile | undefined;
  /** Also one that csd does not know. */
  word: string | undefined;
}

/** The session file as soon as its status is this word; else as it is in the end. */
export const pollSession = (probe: Probe, word: string): Promise<SessionReading> =>
  pollUntil(
    probe,
    async () => readStatement(probe),
    (reading) => reading.word === word,
  );

function readStatement({ canary, target }: Probe): SessionReading {
  const { text, file } = readSessionFile(canary.box.sys, canary.box.configDir, target.pid) ?? {};
  return { text, file, word: file === undefined ? undefined : shape(parseRecord(text) ?? {}, { status: "string" }).status };
}

/** The transcript as soon as its last answer is this one: lines come late. */
export function pollTranscript(probe: Probe, answer: string): Promise<TranscriptReading> {
  const { canary, target } = probe;
  const read = async () => {
    const path = findTranscript(canary.box.sys, target, readStatement(probe).file);
    const text = path === undefined ? undefined : readNewestTurn((bytes) => canary.box.sys.readTail(path, bytes))?.text;
    return { path, expectedPath: target.driven?.jsonl_path ?? "", text };
  };
  return pollUntil(probe, read, ({ text }) => text === answer);
}

const statuslineDir = ({ box }: Canary): string => join(box.dir, "statusline");

/**
 * The user's settings of the sandbox: its statusLine keeps what it is given, one file for each run, and a claude behind a wrapper
 * that clears the environment gets the sandbox's.
 */
export function installSettings(canary: Canary): void {
  const { sys, configDir, env } = canary.box;
  sys.makePrivateDir(statuslineDir(canary));
  const command = `cat > '${statuslineDir(canary)}'/$$.json`;
  const own = Object.fromEntries(Object.entries(env).filter(([name]) => /^(?:ANTHROPIC|CLAUDE|DISABLE)_/.test(name)));
  sys.writePrivate(join(configDir, "settings.json"), JSON.stringify({ statusLine: { type: "command", command }, env: own }));
}

/** The fullest input of the session's statusLine, as soon as it is `isRight`; of another session where there is none. */
export async function pollStatusline(probe: Probe, isRight: (input: Json) => boolean): Promise<Json | undefined> {
  const read = async () => {
    const inputs = readStatuslines(probe.canary);
    const own = inputs.filter((input) => input.session_id === probe.id);
    return own.find(isRight) ?? own.at(-1) ?? inputs.at(-1);
  };
  return pollUntil(probe, read, (input) => input?.session_id === probe.id && isRight(input));
}

function readStatuslines(canary: Canary): Json[] {
  // One that is still written is passed over.
  return openRecords<Json>(canary.box.sys, { dir: statuslineDir(canary), decode: parseRecord }).list().records;
}

/** What the hook of this name has told last. */
export const pollEvent = (probe: Probe, name: string): Promise<ChannelEvent | undefined> =>
  poll(probe, async () => (await probe.channel.readEvents()).findLast(({ event }) => event === name));

/** The permission request that waits for csd. */
export const pollHeld = (probe: Probe): Promise<HeldGate | undefined> => poll(probe, async () => (await probe.channel.readGates())[0]);

/** The options of a gate that the state names, each with its meaning. */
export const choicesOf = (state: Json): Choice[] => (Array.isArray(state.choices) ? (state.choices as Choice[]) : []);

export const hasFile = ({ canary, folder }: Probe, name: string): boolean => canary.box.sys.modifiedAt(`${folder}/${name}`) !== undefined;

/** Ends whatever runs, so that the next part finds an empty input row and no hook that waits for a gate of before. */
export async function leave(probe: Probe): Promise<void> {
  await examine(probe.canary, [], () => act(probe, "interrupt"));
  await poll(probe, async () => ((await probe.channel.readGates()).length === 0 ? true : undefined), releaseMs);
}

const poll = <T>(probe: Probe, read: () => Promise<T | undefined> | T | undefined, timeoutMs = settleMs): Promise<T | undefined> =>
  pollUntil(
    probe,
    async () => read(),
    (value) => value !== undefined,
    timeoutMs,
  );

/** The first reading that is right, else the last one. */
async function pollUntil<T>({ canary }: Probe, read: () => Promise<T>, isRight: (value: T) => boolean, timeoutMs = settleMs): Promise<T> {
  const { sys } = canary.box;
  const until = Math.min(sys.now() + timeoutMs, canary.deadline);
  for (;;) {
    const value = await read();
    if (isRight(value) || sys.now() > until) return value;
    await sys.sleep(stepMs);
  }
}
