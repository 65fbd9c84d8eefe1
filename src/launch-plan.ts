import { resolveConversations } from "./candidates.ts";
import { isSessionId } from "./claude-session.ts";
import { ambiguous, listFolderTranscripts, matchNames, pickNewestFree, readConversations, unknownConversation } from "./conversations.ts";
import { exitCode, SilentExit, UserError } from "./errors.ts";
import { createPaint } from "./format.ts";
import { present } from "./json.ts";
import { findClaude, type Launch, type LaunchProgram, startLaunch } from "./launch.ts";
import { chooseOpening, chooseSession, sessionArgs } from "./launch-choice.ts";
import { type Attach, askAboutLive, pickSession, type SessionPick } from "./launch-picker.ts";
import { tell } from "./output.ts";
import { showPane } from "./panes.ts";
import { homeDir } from "./paths.ts";
import { type Profile, profileDirs, profileEnv, profilePath, type Registry } from "./profiles.ts";
import { findNamedSession, hasPrompt, type LaunchOptions } from "./run-options.ts";
import { readLiveOwners } from "./sessions.ts";
import { mergeSidecar, readSidecar, sidecarFlags } from "./sidecar.ts";
import type { Sys } from "./sys.ts";
import { type Conversation, openTranscriptIndex } from "./transcripts.ts";

/** The profile that a session runs in; `name` undefined for a config dir that is not registered. */
export interface LaunchSeat {
  name: string | undefined;
  /** Absolute. */
  dir: string;
  env: Sys["env"];
  /** By the user or by what is left of the accounts, rather than kept because nothing was chosen. */
  isChosen: boolean;
}

export const seatOf = (sys: Sys, profile: Profile): LaunchSeat => ({
  name: profile.name,
  dir: profilePath(sys, profile),
  env: { ...sys.env, ...profileEnv(sys, profile) },
  isChosen: false,
});

interface Desk {
  sys: Sys;
  registry: Registry;
  seat: LaunchSeat;
  options: LaunchOptions;
  hasTerminal: boolean;
}

export type SessionLaunch = Launch & { seat: LaunchSeat };

/** Which conversation, asked where it must be, and the call that opens it. */
export async function planSession(desk: Desk, program: LaunchProgram): Promise<SessionLaunch> {
  const opening = await resolveSession(desk);
  switch (opening.kind) {
    case "cancelled":
      tell(desk.sys, "cancelled.");
      throw new SilentExit(exitCode.ok);
    case "attach":
      throw new SilentExit(await runAttach(desk, opening.attach));
    case "new":
      return planNew(desk, program, undefined);
    case "create":
      return planNew(desk, program, opening.sessionId);
    // Not among the transcripts that csm sees: claude says whether there is such a session.
    case "unseen":
      return launch(desk, program, desk.seat, sessionArgs({ kind: "resume", sessionId: opening.sessionId }));
    case "resume":
    case "copy":
      return planExisting(desk, program, opening.kind, opening.conversation);
  }
}

/**
 * The words of a call that claude gets untouched, with the whole id where the beginning of one or a title stood. What names
 * nothing here stays: claude has its own ways to find a conversation.
 */
export async function withWholeId(sys: Sys, registry: Registry, words: readonly string[]): Promise<string[]> {
  const found = findNamedSession(words);
  if (found === undefined || isSessionId(found.named)) return [...words];
  const index = openTranscriptIndex(sys);
  try {
    const here = new Set(listHere(sys, registry).map(({ path }) => path));
    const configDirs = profileDirs(sys, registry).map(({ dir }) => dir);
    const { conversations } = await resolveConversations(sys, index, configDirs, found.named);
    // claude looks in this folder only.
    const [conversation, ...others] = conversations.filter(({ path }) => here.has(path));
    if (conversation === undefined) return [...words];
    if (others.length > 0) throw ambiguous(found.named, [conversation, ...others], "conversations");
    return words.with(found.index, found.prefix + conversation.sessionId);
  } finally {
    index.close();
  }
}

const listHere = (sys: Sys, registry: Registry) =>
  listFolderTranscripts(
    sys,
    profileDirs(sys, registry).map(({ dir }) => dir),
    sys.realPath(sys.cwd) ?? sys.cwd,
  );

/** What is to be opened. */
type Opening =
  | { kind: "new" | "cancelled" }
  | { kind: "create" | "unseen"; sessionId: string }
  | { kind: "attach"; attach: Attach }
  | { kind: "resume" | "copy"; conversation: Conversation };

async function resolveSession(desk: Desk): Promise<Opening> {
  const { sys, registry, options, hasTerminal } = desk;
  const files = listHere(sys, registry);
  const choice = chooseSession(options, files.length > 0, hasTerminal);
  if (choice.kind === "new") return choice;
  const dirs = profileDirs(sys, registry);
  const configDirs = dirs.map(({ dir }) => dir);
  const index = openTranscriptIndex(sys);
  const names = new Map(dirs.flatMap(({ dir, name }) => (name === undefined ? [] : [[dir, name]])));
  const pick: SessionPick = {
    ...{ sys, index, files, configDirs, profileNames: names, home: homeDir(sys) },
    hasPrompt: hasPrompt(options.words),
    paint: createPaint((sys.env.NO_COLOR ?? "") === "" && sys.env.TERM !== "dumb"),
  };
  try {
    if (choice.kind === "pick") return await pickSession(pick);
    const owners = await readLiveOwners(sys, configDirs);
    if (choice.kind === "newest") {
      const conversation = pickNewestFree(readConversations(index, files), owners);
      return conversation === undefined ? { kind: "new" } : { kind: "resume", conversation };
    }
    const word = choice.kind === "named" ? choice.word : choice.sessionId;
    const { conversations, open } = await findNamed(desk, pick, choice);
    const [conversation, ...others] = conversations;
    if (conversation === undefined) return openUnknown(choice, open);
    if (others.length > 0) {
      if (!hasTerminal) throw ambiguous(word, conversations, "conversations");
      return await pickSession({ ...pick, files: conversations, word });
    }
    const { sessionId } = conversation;
    const owner = owners.get(sessionId);
    const way = chooseOpening(owner !== undefined, options.words.includes("--fork-session"), hasTerminal);
    if (way === "resume") return { kind: "resume", conversation };
    if (way === "ask") return await askAboutLive(pick, conversation);
    throw new UserError(
      `conversation ${sessionId} is open in process ${owner?.file.pid}`,
      `csm run --resume ${sessionId} --fork-session opens a copy`,
    );
  } finally {
    index.close();
  }
}

type NamedChoice = { kind: "id"; sessionId: string } | { kind: "named"; word: string };
type Found = Awaited<ReturnType<typeof resolveConversations>>;

/** An id that is to be new is looked for in this folder only, as claude does. */
async function findNamed({ sys }: Desk, { index, files, configDirs }: SessionPick, choice: NamedChoice): Promise<Found> {
  if (choice.kind === "named") return resolveConversations(sys, index, configDirs, choice.word);
  return { conversations: matchNames(readConversations(index, files), choice.sessionId) };
}

/** A new id is made; what else is no id names nothing. */
function openUnknown(choice: NamedChoice, open: Found["open"]): Opening {
  if (open !== undefined)
    throw new UserError(`${open.name} is open in process ${open.pid}, and has no conversation yet`, `csd attach ${open.name} shows it`);
  if (choice.kind === "id") return { kind: "create", sessionId: choice.sessionId };
  if (isSessionId(choice.word)) return { kind: "unseen", sessionId: choice.word };
  throw unknownConversation(choice.word);
}

async function planNew(desk: Desk, program: LaunchProgram, given: string | undefined): Promise<SessionLaunch> {
  const { sys, options, hasTerminal } = desk;
  const hasFlags = Object.keys(options.remembered).length > 0;
  // Flags can only be remembered for an id that is known beforehand; a script's call is handed on as it is.
  const sessionId = given ?? (hasFlags && hasTerminal ? sys.randomId() : undefined);
  if (sessionId === undefined) return launch(desk, program, desk.seat, []);
  await remember(desk, sessionId, desk.seat, sys.cwd);
  return launch(desk, program, desk.seat, sessionArgs({ kind: "create", sessionId }));
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
  return launch(desk, program, seat, [...sessionArgs({ kind, sessionId }), ...flags], cwd);
}

/**
 * claude finds a conversation only in its own config dir. One that lies elsewhere goes on where it is, unless the account was
 * chosen: then it is brought there. Nothing takes it to another account unasked.
 */
async function chooseSeatFor({ sys, registry, seat }: Desk, conversation: Conversation): Promise<LaunchSeat> {
  const { sessionId, configDirs, path } = conversation;
  const real = (dir: string) => sys.realPath(dir) ?? dir;
  if (configDirs.some((dir) => real(dir) === real(seat.dir))) return seat;
  const owner = registry.profiles.find((profile) => configDirs.some((dir) => real(profilePath(sys, profile)) === real(dir)));
  const [dir] = configDirs;
  const from = owner === undefined ? dir : `profile ${owner.name}`;
  if (seat.isChosen && (await bring(sys, conversation, seat))) {
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

/** Makes a conversation of another profile available in this one; false when no profile has it. */
async function bring(sys: Sys, { path, configDirs: [from] }: Conversation, seat: LaunchSeat): Promise<boolean> {
  if (from === undefined) return false;
  await (await import("./handoff.ts")).shareConversation(sys, path, from, seat.dir);
  return true;
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

async function remember({ sys, options }: Desk, sessionId: string, seat: LaunchSeat, cwd: string): Promise<void> {
  if (Object.keys(options.remembered).length === 0) return;
  const profile = present({ profile: seat.name });
  await mergeSidecar(sys, sessionId, { sessionId, ts: sys.now() / 1000, ...options.remembered, cwd, ...profile });
}

const launch = ({ options }: Desk, program: LaunchProgram, seat: LaunchSeat, words: string[], cwd?: string): SessionLaunch => ({
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
