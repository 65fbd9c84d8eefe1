import { join, resolve } from "node:path";
import { channelDir } from "./channel.ts";
import type { GateKind } from "./claude-gate.ts";
import { renderHookSettings } from "./claude-hooks.ts";
import { flagValue, permissionModes } from "./claude-program.ts";
import { parseScreen } from "./claude-screen.ts";
import { isSessionId } from "./claude-session.ts";
import { rulesWarning, tellsTurns, versionWarning } from "./claude-version.ts";
import { readExamination } from "./doctor-memory.ts";
import { checkName, createDrivenStore, type Driven, defaultName } from "./driven.ts";
import { type Driver, look, paneSize, trackedTarget } from "./driver.ts";
import { answerByKeys } from "./driver-keys.ts";
import { readRecord, takeName } from "./driver-names.ts";
import { UserError, unknownWord, usageError } from "./errors.ts";
import { quotePosix } from "./format.ts";
import { present } from "./json.ts";
import { createLaunch, findClaude, findProgram, readClaudeVersion } from "./launch.ts";
import { configDir, csdDir, transcriptPath } from "./paths.ts";
import { printableLine } from "./printable.ts";
import { readProcess } from "./process.ts";
import { ancestors, readPlace, readProcessTable } from "./process-table.ts";
import { profileDirs, readRegistryOrNone } from "./profiles.ts";
import { channelVariable, editorVariable, editorWord, hookWord, rulesWord } from "./program.ts";
import { addHooks } from "./relaunch-plan.ts";
import { prepareRules } from "./rules-hook.ts";
import { choosesSession, isForClaude } from "./run-options.ts";
import { isOwner, readSessionFile } from "./session-file.ts";
import { listSessionPids, readLiveOwners } from "./sessions.ts";
import { requireOwnFolder } from "./state-folder.ts";
import type { Sys } from "./sys.ts";
import { createTmux, installHint, type Tmux } from "./tmux.ts";

export interface SpawnOptions {
  cwd?: string;
  sessionId?: string;
  /** Go on with this conversation of the folder instead of a new one. */
  resumeId?: string;
  name?: string;
  backend?: string;
  permissionMode?: string;
  isAutoAccept?: boolean;
  isBypass?: boolean;
  isYolo?: boolean;
  /** Accept the folder trust dialog, and that of a further folder. */
  isTrusted?: boolean;
  /** Name of the profile to start it under. */
  profile?: string;
  model?: string;
  effort?: string;
  /** Further folders to work in. */
  addDirs?: readonly string[];
  /** Flags of claude's own. */
  claudeArgs?: readonly string[];
}

/** A program that csd can drive; another one is another row. */
interface Backend {
  find(sys: Sys): string;
  args(conversation: Conversation, posture: Posture, own: readonly string[]): string[];
}

interface Conversation {
  id: string;
  isResumed: boolean;
}

const backends: Record<string, Backend> = {
  claude: {
    find: findDriven,
    args: ({ id, isResumed }, { mode, isYolo }, own) => [
      ...[isResumed ? "--resume" : "--session-id", id],
      // Versions before 2.1.204 know `manual` only as `default`, and all take that.
      ...(mode === null ? [] : ["--permission-mode", mode === "manual" ? "default" : mode]),
      ...(isYolo ? ["--dangerously-skip-permissions"] : []),
      ...own,
    ],
  },
};

/** Who has neither claude nor tmux is told of both at once. */
function findDriven(sys: Sys): string {
  try {
    return findClaude(sys);
  } catch (error) {
    if (!(error instanceof UserError) || findProgram(sys, "tmux") !== undefined) throw error;
    const { message, hint, exitCode } = error;
    throw new UserError(message, `${hint}; and tmux, which is not there either: ${installHint(sys.platform)}`, exitCode);
  }
}

/** What the session may do unasked. */
interface Posture {
  mode: string | null;
  isYolo: boolean;
}

function choosePosture(options: SpawnOptions): Posture {
  const given = [options.permissionMode !== undefined, options.isAutoAccept === true, options.isBypass === true, options.isYolo === true];
  if (given.filter(Boolean).length > 1)
    throw new UserError("conflicting permission flags", "give one of --permission-mode, --auto-accept, --bypass-permissions, --yolo");
  const mode = options.permissionMode ?? (options.isAutoAccept ? "acceptEdits" : options.isBypass ? "bypassPermissions" : null);
  if (mode !== null && !permissionModes.includes(mode))
    throw usageError(`invalid permission mode ${JSON.stringify(mode)}`, `one of: ${permissionModes.join(", ")}`);
  return { mode, isYolo: options.isYolo === true };
}

interface Spawned {
  driven: Driven;
  warning: string | undefined;
}

/**
 * Starts a session and returns when it is ready or shows a gate. On failure, and on Ctrl-C meanwhile, nothing of it stays.
 */
export async function spawnSession(driver: Driver, options: SpawnOptions): Promise<Spawned> {
  const { sys } = driver;
  const backendName = options.backend ?? "claude";
  const backend = findBackend(backendName);
  const posture = choosePosture(options);
  const cwd = resolveFolder(sys, options.cwd ?? sys.cwd);
  const { sessionId, name } = chooseNames(sys, options, cwd);
  const seat = await chooseSeat(sys, options.profile);
  const path = backend.find(seat);
  const config = configDir(seat);
  const jsonlPath = transcriptPath(config, cwd, sessionId);
  await checkConversation(sys, { id: sessionId, isResumed: options.resumeId !== undefined }, config, jsonlPath);
  const environment = channelEnv(sys, channelDir(sys, name));
  const given = await prepareRules(sys, { cwd, configDir: config, own: flagValue(options.claudeArgs ?? [], "--settings") });
  const version = await readClaudeVersion(sys, { path, prefix: [] });
  // One that does not tell csd how turns end is driven by its screen and transcript, and has rules all the same.
  const word = tellsTurns(version) ? hookWord : rulesWord;
  const hooks = renderHookSettings(`${quotePosix(sys.execPath)} csd ${word}`, {
    ...given,
    version,
    privateDirs: privateDirs(sys),
    env: environment,
  });
  const own = addHooks(ownFlags(sys, options), hooks, (file) => sys.readText(resolve(cwd, file)));
  const args = backend.args({ id: sessionId, isResumed: options.resumeId !== undefined }, posture, own);
  const release = await takeName(driver, name);
  try {
    const wanted = {
      ...{ name, session_id: sessionId, cwd, backend: backendName, backend_path: path, jsonl_path: jsonlPath },
      ...{ permission_mode: posture.mode, config_dir: config, has_editor: "VISUAL" in environment },
      ...present({ backend_version: version }),
    };
    const isBypass = posture.isYolo || posture.mode === "bypassPermissions";
    const accepted = acceptedGates({ ...options, isTrusted: options.isTrusted === true || posture.isYolo });
    return await startSession(driver, wanted, {
      args,
      environment,
      env: seat.env,
      isBypass,
      accepted,
      hasRules: given.askedFiles.length > 0,
    });
  } finally {
    release();
  }
}

/** The same system with the environment of the profile. */
async function chooseSeat(sys: Sys, name: string | undefined): Promise<Sys> {
  if (name === undefined) return sys;
  const { profileEnv, readRegistry, requireProfile } = await import("./profiles.ts");
  return { ...sys, env: { ...sys.env, ...profileEnv(sys, requireProfile(readRegistry(sys), name)) } };
}

/** Which conversation, what it may do and how it speaks to csd is csd's affair, and a session has no one to print to. */
function ownFlags(sys: Sys, { model, effort, addDirs = [], claudeArgs = [] }: SpawnOptions): string[] {
  const [first = "-"] = claudeArgs;
  if (!first.startsWith("-")) throw usageError(`csd: unexpected word ${JSON.stringify(first)} behind --`, "only flags of claude go there");
  const isRefused = (word: string) => isForClaude([word]) || choosesSession([word]) || choosesMode(word);
  const refused = claudeArgs.find((word) => word.startsWith("-") && isRefused(word));
  if (refused !== undefined)
    throw usageError(
      `csd: ${refused} cannot be handed to claude`,
      "csd chooses the conversation and the mode by flags of its own: see --help",
    );
  return [
    ...(model === undefined ? [] : ["--model", model]),
    ...(effort === undefined ? [] : ["--effort", effort]),
    ...addDirs.flatMap((dir) => ["--add-dir", resolveFolder(sys, resolve(sys.cwd, dir))]),
    ...claudeArgs,
  ];
}

const choosesMode = (word: string): boolean => /^--(?:permission-mode|dangerously-skip-permissions|fork-session)(?:=|$)/.test(word);

/** The startup dialogs that the caller has answered by a flag. */
const acceptedGates = ({ isTrusted, isYolo }: SpawnOptions): GateKind[] => [
  ...(isTrusted === true ? (["trust", "add-dir"] as const) : []),
  ...(isYolo === true ? (["bypass"] as const) : []),
];

type Wanted = Omit<Driven, "created"> & { backend_path: string };

/** The name is ours. */
async function startSession(driver: Driver, wanted: Wanted, options: StartOptions): Promise<Spawned> {
  const { sys, store } = driver;
  const { name, cwd, backend_path: path, backend_version: version } = wanted;
  const tmux = createTmux(sys);
  const channel = openChannelDir(sys, name);
  const launch = createLaunch({ ...sys, env: options.env }, path, options.args, cwd, options.environment);
  const undo: (() => Promise<void> | void)[] = [() => sys.remove(launch.filePath), () => sys.remove(channel)];
  const undoAll = async () => {
    for (const step of undo.reverse()) await step();
  };
  const stopListening = sys.onInterrupt(undoAll);
  try {
    const pane = await tmux.create({ name, cwd, ...paneSize, argv: launch.argv });
    undo.push(() => tmux.kill(pane.paneId));
    const owner = await readProcess(sys, pane.pid);
    const driven: Driven = {
      ...{ ...wanted, created: Math.floor(sys.now() / 1000) },
      ...{ socket: pane.socketPath, server_pid: pane.serverPid, tmux_session: pane.sessionId, pane: pane.paneId, pid: pane.pid },
      ...present({ process_start: owner?.start }),
    };
    store.write(name, driven);
    undo.push(() => store.remove(name));
    const started = await waitForStart(driver, driven, createTmux(sys, pane.socketPath), options);
    if (readRecord(store, name)?.tmux_session !== driven.tmux_session) throw new UserError(`session "${name}" was ended while it started`);
    store.write(name, started);
    await tmux.setRemain(pane.paneId, false);
    const examination = readExamination(sys, version, path);
    const ruled = options.hasRules ? rulesWarning(version) : undefined;
    return {
      driven: started,
      warning: ruled ?? versionWarning(wanted.backend, version, sys.env.CSD_VERIFIED_VERSIONS, examination),
    };
  } catch (error) {
    await undoAll();
    throw error;
  } finally {
    stopListening();
  }
}

/**
 * One conversation is never opened twice, and what claude would say of the id at its start is said here: tmux loses such words
 * (3.3a). An id counts as used where this folder has its transcript (2.1.329).
 */
async function checkConversation(sys: Sys, { id, isResumed }: Conversation, config: string, jsonlPath: string): Promise<void> {
  const isThere = sys.modifiedAt(jsonlPath) !== undefined;
  if (isResumed && !isThere)
    throw new UserError(`no transcript at ${jsonlPath}`, "a conversation is resumed in the folder it belongs to: --cwd");
  const dirs = [config, ...profileDirs(sys, readRegistryOrNone(sys)).map(({ dir }) => dir)];
  const file = (await readLiveOwners(sys, [...new Set(dirs)])).get(id)?.file;
  const driven =
    file &&
    createDrivenStore(sys)
      .list()
      .records.find(({ pid }) => pid === file.pid);
  const asks = `csd run --session ${driven?.name ?? file?.name ?? id} asks there`;
  if (isResumed && file !== undefined) throw new UserError(`conversation ${id} is open in process ${file.pid}`, asks);
  if (isResumed || (!isThere && file === undefined)) return;
  const goesOn = `csd run --resume ${id} goes on with it; without --session-id a new one is made`;
  throw new UserError(`Session ID ${id} is already in use`, file === undefined ? goesOn : asks);
}

function findBackend(name: string): Backend {
  const backend = Object.hasOwn(backends, name) ? backends[name] : undefined;
  if (backend !== undefined) return backend;
  throw unknownWord("unknown backend", name, Object.keys(backends));
}

function chooseNames(sys: Sys, options: SpawnOptions, cwd: string): { sessionId: string; name: string } {
  const sessionId = options.resumeId ?? options.sessionId ?? sys.randomId();
  if (!isSessionId(sessionId))
    throw usageError(`invalid session id ${JSON.stringify(sessionId)}`, "it must be a UUID: csm newuuid makes one");
  const name = options.name ?? defaultName(cwd, sessionId);
  checkName(name);
  return { sessionId, name };
}

/** Empty, with the folder that the hooks watch: one that came later would go unseen. */
function openChannelDir(sys: Sys, name: string): string {
  const channel = channelDir(sys, name);
  requireOwnFolder(sys, channel);
  sys.remove(channel);
  sys.makePrivateDir(join(channel, "gates"));
  return channel;
}

/** csd's own folder as it is named, and as it is behind a link: the model has no business there. */
const privateDirs = (sys: Sys): string[] => [...new Set([csdDir(sys), sys.realPath(csdDir(sys)) ?? csdDir(sys)])];

/** What the hooks and the editor of the session need to find csd. */
function channelEnv(sys: Sys, dir: string): Record<string, string> {
  // claude splits VISUAL at blanks and takes no quotes; prompts are pasted then.
  if (/[^\w./+:@-]/.test(sys.execPath)) return { [channelVariable]: dir };
  // A csd inside a session of csd must not take the outer editor for the user's own.
  const own = sys.env[channelVariable] === undefined ? sys.env.VISUAL : sys.env[editorVariable];
  return { [channelVariable]: dir, [editorVariable]: own ?? "", VISUAL: `${sys.execPath} csd ${editorWord}` };
}

function resolveFolder(sys: Sys, cwd: string): string {
  const real = sys.realPath(cwd);
  if (real === undefined || !sys.isDirectory(real)) throw new UserError(`no such folder: ${cwd}`, "give an existing one with --cwd");
  return real;
}

const startTimeoutMs = 30_000;
const startStepMs = 50;
/** An input row that stands for so long without a session file belongs to a version that writes none. */
const noFileMs = 1500;

interface StartOptions {
  args: string[];
  /** Of the profile. */
  env: Sys["env"];
  /** What the session must know of csd. */
  environment: Record<string, string>;
  isBypass: boolean;
  accepted: readonly GateKind[];
  hasRules: boolean;
}

/** Until claude is idle or asks something that is not ours to answer. A slow start is no failure: `state` tells it. */
async function waitForStart(driver: Driver, driven: Driven, tmux: Tmux, { accepted, isBypass }: StartOptions): Promise<Driven> {
  const { sys } = driver;
  let known = driven;
  const deadline = sys.now() + startTimeoutMs;
  let inputSince: number | undefined;
  while (sys.now() < deadline) {
    const target = { ...trackedTarget(sys, known), tmux };
    const { session, capture } = await look(driver, target);
    if (session?.status !== undefined) return known;
    if (capture === undefined) throw await readStartFailure(driver, tmux, driven, isBypass);
    const screen = parseScreen(capture.text);
    const wrapped = session === undefined && screen.input !== undefined && known === driven ? await findWrapped(sys, driven) : undefined;
    if (wrapped !== undefined) {
      known = { ...driven, ...wrapped };
      driver.store.write(known.name, known);
      continue;
    }
    // Versions before 2.1.158 publish no status: the input row says that they are ready. The others write their file about when
    // they paint it, on a busy machine later.
    if (screen.input === undefined) inputSince = undefined;
    else inputSince ??= sys.now();
    if (inputSince !== undefined && session?.version === undefined && sys.now() - inputSince > noFileMs) return known;
    if (screen.gate !== undefined && accepted.includes(screen.gate.kind)) {
      await answerByKeys(driver, target, { meaning: "allow-once" });
      continue;
    }
    if (screen.gate !== undefined) return known;
    await sys.sleep(startStepMs);
  }
  return known;
}

/**
 * Claude behind a wrapper: one that stays, as sudo does, is what tmux sees in the pane, and any may have chosen another config dir.
 * Claude is the process in the pane, or below it, that has our session. Undefined where nothing is otherwise than csd knows.
 */
async function findWrapped(sys: Sys, { pid, session_id, config_dir = "", cwd }: Driven): Promise<Partial<Driven> | undefined> {
  if (pid === undefined) return undefined;
  const table = await readProcessTable(sys);
  const inPane = [...table.keys()].filter((candidate) => [...ancestors(table, candidate)].includes(pid));
  const places = await Promise.all(inPane.map((candidate) => readPlace(sys, candidate)));
  const told = places.map(({ home, configDir: dir }) => dir ?? (home === undefined ? config_dir : join(home, ".claude")));
  for (const dir of new Set([config_dir, ...told]))
    for (const candidate of listSessionPids(sys, dir)) {
      const file = inPane.includes(candidate) ? readSessionFile(sys, dir, candidate)?.file : undefined;
      if (file?.sessionId !== session_id || !isOwner(sys, table.get(candidate), file)) continue;
      const claude = candidate === pid ? {} : { pid: candidate, process_start: table.get(candidate)?.start ?? "", pane_pid: pid };
      return { ...claude, ...(dir === config_dir ? {} : { config_dir: dir, jsonl_path: transcriptPath(dir, cwd, session_id) }) };
    }
  return undefined;
}

const lastWordsMs = 2000;

/** tmux 3.3a often drops what a program wrote right before it ended, so the words may be missing. */
async function readStartFailure({ sys }: Driver, tmux: Tmux, driven: Driven, isBypass: boolean): Promise<UserError> {
  const deadline = sys.now() + lastWordsMs;
  let capture = await tmux.capture(driven.pane ?? "");
  // The process is gone a moment before tmux notices, and its code is there a moment after that, or never (3.3a, 1 of 50).
  while (capture !== undefined && (!capture.pane.isDead || capture.pane.exitCode === undefined) && sys.now() < deadline) {
    await sys.sleep(startStepMs);
    capture = await tmux.capture(driven.pane ?? "");
  }
  const lines = (capture?.text ?? "").split("\n").map(printableLine);
  const words = lines.filter((line) => line !== "" && !line.startsWith("Pane is dead")).slice(-2);
  const code = capture?.pane.exitCode === undefined ? "" : ` with code ${capture.pane.exitCode}`;
  const reason = words.length === 0 ? "" : `: ${words.join(" ")}`;
  const isRefused = isBypass && sys.uid === 0;
  const hint = isRefused
    ? "claude does not skip permissions for root: use another permission mode or another user"
    : `start claude by hand in ${driven.cwd}`;
  return new UserError(`claude ended at its start${code}${reason}`, hint);
}
