import { isSessionId } from "./claude-session.ts";
import { listFolderTranscripts, selectConversations } from "./conversations.ts";
import { exitCode, SilentExit, UserError } from "./errors.ts";
import { createPaint } from "./format.ts";
import { present } from "./json.ts";
import { findClaude, type Launch, type LaunchProgram, startLaunch } from "./launch.ts";
import { type Candidate, type Choice, chooseSession, findSession, sessionWords } from "./launch-choice.ts";
import { type Attach, askAboutLive, pickSession, type SessionPick } from "./launch-picker.ts";
import { showPane } from "./panes.ts";
import { homeDir } from "./paths.ts";
import { type Profile, profileDirs, profileEnv, profilePath, type Registry } from "./profiles.ts";
import { findNamedSession, type LaunchOptions, positionals } from "./run-options.ts";
import { printableLine } from "./sanitize.ts";
import { type LiveOwner, readLiveOwners } from "./sessions.ts";
import { mergeSidecar, readSidecar, sidecarFlags } from "./sidecar.ts";
import { type Sys, tell } from "./sys.ts";
import { titleOf } from "./transcript-facts.ts";
import type { TranscriptFile } from "./transcripts.ts";
import { type Conversation, openTranscriptIndex, type TranscriptIndex } from "./transcripts.ts";

/** The profile that a session runs in; `name` undefined for a config dir that is not registered. */
export interface Seat {
  name: string | undefined;
  /** Absolute. */
  dir: string;
  env: Sys["env"];
  /** By the user or by what is left of the accounts, rather than kept because nothing was chosen. */
  isChosen: boolean;
}

export const seatOf = (sys: Sys, profile: Profile): Seat => ({
  name: profile.name,
  dir: profilePath(sys, profile),
  env: { ...sys.env, ...profileEnv(sys, profile) },
  isChosen: false,
});

interface Desk {
  sys: Sys;
  registry: Registry;
  seat: Seat;
  options: LaunchOptions;
  hasTerminal: boolean;
  /** Makes a conversation of another profile available in this one; false when it cannot. */
  reach(conversation: Conversation, seat: Seat): Promise<boolean>;
}

export type SessionLaunch = Launch & { seat: Seat };

/** Which conversation, asked where it must be, and the call that opens it. */
export async function planSession(desk: Desk, program: LaunchProgram): Promise<SessionLaunch> {
  const choice = await resolveSession(desk);
  switch (choice.kind) {
    case "cancelled":
      desk.sys.write(2, "csm: cancelled.\n");
      throw new SilentExit(exitCode.ok);
    case "attach":
      throw new SilentExit(await runAttach(desk, choice.attach));
    case "new":
      return planNew(desk, program, undefined);
    case "create":
      return planNew(desk, program, choice.sessionId);
    // Not among the transcripts that csm sees: claude says whether there is such a session.
    case "unseen":
      return launch(desk, program, desk.seat, sessionWords({ kind: "resume", sessionId: choice.sessionId }));
    case "resume":
    case "copy":
      return planExisting(desk, program, choice.kind, choice.conversation);
  }
}

/**
 * The words of a call that claude gets untouched, with the whole id where the beginning of one or a title stood. What names
 * nothing here stays: claude has its own ways to find a conversation.
 */
export function withWholeId(sys: Sys, registry: Registry, words: readonly string[]): string[] {
  const found = findNamedSession(words);
  if (found === undefined || isSessionId(found.named)) return [...words];
  const configDirs = profileDirs(sys, registry).map(({ dir }) => dir);
  const files = listFolderTranscripts(sys, configDirs, sys.realPath(sys.cwd) ?? sys.cwd);
  const index = openTranscriptIndex(sys);
  try {
    const choice = findSession(found.named, toCandidates(readAll(index, files), new Map()));
    return choice.kind === "resume" ? words.with(found.index, found.prefix + choice.sessionId) : [...words];
  } finally {
    index.close();
  }
}

type Resolved =
  | { kind: "new" | "cancelled" }
  | { kind: "create" | "unseen"; sessionId: string }
  | { kind: "attach"; attach: Attach }
  | { kind: "resume" | "copy"; conversation: Conversation };

async function resolveSession(desk: Desk): Promise<Resolved> {
  const { sys, registry, options, hasTerminal } = desk;
  const dirs = profileDirs(sys, registry);
  const configDirs = dirs.map(({ dir }) => dir);
  const files = listFolderTranscripts(sys, configDirs, sys.realPath(sys.cwd) ?? sys.cwd);
  const isNamed = options.sessionId !== undefined || typeof options.resume === "object";
  if (!isNamed && (files.length === 0 || !(hasTerminal || options.isContinue))) return { kind: "new" };
  const index = openTranscriptIndex(sys);
  const names = new Map(dirs.flatMap(({ dir, name }) => (name === undefined ? [] : [[dir, name]])));
  const pick: SessionPick = {
    ...{ sys, index, files, configDirs, profileNames: names, home: homeDir(sys) },
    hasPrompt: positionals(options.words).length > 0,
    paint: createPaint((sys.env.NO_COLOR ?? "") === "" && sys.env.TERM !== "dumb"),
  };
  try {
    if (!isNamed && !(options.isContinue && options.resume === undefined && !options.isInteractive)) return await pickSession(pick);
    const owners = await readLiveOwners(sys, configDirs);
    const here = readAll(index, files);
    const choice = chooseSession(options, toCandidates(here, owners), hasTerminal);
    if (choice.kind !== "unknown") return await carryOut(desk, pick, choice, here, owners);
    const everywhere = readAll(index, narrow(listFolderTranscripts(sys, configDirs, undefined), choice.named));
    const found = findSession(choice.named, toCandidates(everywhere, owners));
    if (found.kind !== "unknown") return await carryOut(desk, pick, found, everywhere, owners);
    if (isSessionId(choice.named)) return { kind: "unseen", sessionId: choice.named };
    throw new UserError(`no conversation is called ${JSON.stringify(choice.named)}`, "csm scan --all lists them");
  } finally {
    index.close();
  }
}

function readAll(index: TranscriptIndex, files: readonly TranscriptFile[]): Conversation[] {
  const { known, unread } = index.lookUp(files);
  return selectConversations([...known, ...(unread.length === 0 ? [] : index.read(unread))]);
}

/** An id stands in the name of its file: the others need not be read. */
const narrow = (files: TranscriptFile[], named: string): TranscriptFile[] =>
  isSessionId(named) ? files.filter(({ sessionId }) => sessionId === named.toLowerCase()) : files;

/** Nobody types more of a prompt. */
const maxLabel = 1000;

const toCandidates = (conversations: readonly Conversation[], owners: ReadonlyMap<string, LiveOwner>): Candidate[] =>
  conversations.map(({ sessionId, modifiedAt, facts }) => {
    const title = facts.customTitle ?? facts.agentName;
    return {
      sessionId,
      modifiedAt,
      isLive: owners.has(sessionId),
      label: printableLine(titleOf(facts).slice(0, maxLabel)),
      ...present({ title, aiTitle: facts.aiTitle }),
    };
  });

async function carryOut(
  desk: Desk,
  pick: SessionPick,
  choice: Exclude<Choice, { kind: "unknown" }>,
  conversations: readonly Conversation[],
  owners: ReadonlyMap<string, LiveOwner>,
): Promise<Resolved> {
  if (choice.kind === "error") throw new UserError(choice.message, choice.hint);
  if (choice.kind === "new" || choice.kind === "create") return choice;
  if (choice.kind === "pick") return pickSession(pick);
  const conversation = conversations.find(({ sessionId }) => sessionId === choice.sessionId);
  if (conversation === undefined) return { kind: "unseen", sessionId: choice.sessionId };
  // A copy that was asked for leaves the other process its own.
  if (choice.kind === "resume" || desk.options.words.includes("--fork-session")) return { kind: "resume", conversation };
  if (desk.hasTerminal) return askAboutLive(pick, conversation);
  throw new UserError(
    `conversation ${choice.sessionId} is open in process ${owners.get(choice.sessionId)?.file.pid}`,
    `csm run --resume ${choice.sessionId} --fork-session opens a copy`,
  );
}

async function planNew(desk: Desk, program: LaunchProgram, given: string | undefined): Promise<SessionLaunch> {
  const { sys, options, hasTerminal } = desk;
  const hasFlags = Object.keys(options.remembered).length > 0;
  // Flags can only be remembered for an id that is known beforehand; a script's call is handed on as it is.
  const sessionId = given ?? (hasFlags && hasTerminal ? sys.randomId() : undefined);
  if (sessionId === undefined) return launch(desk, program, desk.seat, []);
  await remember(desk, sessionId, desk.seat, sys.cwd);
  return launch(desk, program, desk.seat, sessionWords({ kind: "create", sessionId }));
}

async function planExisting(
  desk: Desk,
  program: LaunchProgram,
  kind: "resume" | "copy",
  conversation: Conversation,
): Promise<SessionLaunch> {
  const { sys, options } = desk;
  const { sessionId } = conversation;
  const seat = await chooseSeatFor(desk, conversation);
  const cwd = chooseFolder(sys, conversation);
  const flags = sidecarFlags(readSidecar(sys, sessionId), options.remembered).flat();
  if (flags.length > 0) tell(sys, `with the flags of before: ${flags.join(" ")}`);
  if (kind === "resume") await remember(desk, sessionId, seat, cwd ?? sys.cwd);
  return launch(desk, program, seat, [...sessionWords({ kind, sessionId }), ...flags], cwd);
}

/**
 * claude finds a conversation only in its own config dir. One that lies elsewhere goes on where it is, unless the account was
 * chosen: then it is brought there. Nothing takes it to another account unasked.
 */
async function chooseSeatFor({ sys, registry, seat, reach }: Desk, conversation: Conversation): Promise<Seat> {
  const { sessionId, configDirs, path } = conversation;
  const real = (dir: string) => sys.realPath(dir) ?? dir;
  if (configDirs.some((dir) => real(dir) === real(seat.dir))) return seat;
  const owner = registry.profiles.find((profile) => configDirs.some((dir) => real(profilePath(sys, profile)) === real(dir)));
  const [dir] = configDirs;
  const from = owner === undefined ? dir : `profile ${owner.name}`;
  if (seat.isChosen && (await reach(conversation, seat))) {
    tell(sys, `this conversation was brought from ${from ?? path}`);
    return seat;
  }
  if (dir === undefined) throw new UserError(`no profile can see conversation ${sessionId}`, `it lies in ${path}`);
  if (seat.isChosen) {
    const hint = owner === undefined ? `it lies in ${path}` : `csm --profile ${owner.name} --resume ${sessionId}`;
    throw new UserError(`profile '${seat.name}' cannot see conversation ${sessionId}`, hint);
  }
  tell(sys, `this conversation belongs to ${from}`);
  if (owner !== undefined) return seatOf(sys, owner);
  return { ...seatOf(sys, { name: "", dir }), name: undefined };
}

/** Undefined for this one; a conversation of another folder or worktree is only found there. */
function chooseFolder(sys: Sys, { folder, facts }: Conversation): string | undefined {
  const wanted = folder ?? facts.cwd;
  if (wanted === undefined || wanted === (sys.realPath(sys.cwd) ?? sys.cwd)) return undefined;
  if (!sys.isDirectory(wanted))
    throw new UserError(`the folder of this conversation is gone: ${wanted}`, "csm scan lists those of this folder");
  tell(sys, `this conversation belongs to ${wanted}`);
  return wanted;
}

async function remember({ sys, options }: Desk, sessionId: string, seat: Seat, cwd: string): Promise<void> {
  if (Object.keys(options.remembered).length === 0) return;
  const profile = present({ profile: seat.name });
  await mergeSidecar(sys, sessionId, { sessionId, ts: sys.now() / 1000, ...options.remembered, cwd, ...profile });
}

const launch = ({ options }: Desk, program: LaunchProgram, seat: Seat, words: string[], cwd?: string): SessionLaunch => ({
  ...program,
  args: [...words, ...options.words],
  env: seat.env,
  seat,
  ...present({ cwd }),
});

/** The session has its own flags and folder: only the terminal is ours. */
const runAttach = ({ sys, seat }: Desk, attach: Attach): Promise<number> =>
  attach.kind === "pane"
    ? showPane(sys, attach.pane)
    : startLaunch({ path: findClaude(sys), name: "claude", prefix: [], args: attach.args, env: seat.env });
