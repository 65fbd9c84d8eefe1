import { basename } from "node:path";
import { parseQuestions } from "./answer.ts";
import { describeInput } from "./claude-calls.ts";
import { isPlanTool } from "./claude-gate.ts";
import type { HookInput } from "./claude-hooks.ts";
import type { SessionFile } from "./claude-session.ts";
import { createDrivenStore, type Driven } from "./driven.ts";
import { duration } from "./format.ts";
import { present } from "./json.ts";
import { type Limit, managedVariable } from "./limit.ts";
import { tellNotice } from "./notice-spool.ts";
import type { Notice, NoticeCause, NotifySettings } from "./notices.ts";
import { profileOfDir, readRegistryOrNone, realDir } from "./profiles.ts";
import { taskVariable } from "./program.ts";
import { readSessionFile } from "./session-file.ts";
import type { Sys } from "./sys.ts";
import { attempt } from "./sys-files.ts";

/** What a hook knows beside its input. */
interface Source {
  /** The config dir of the session. */
  configDir: string;
  /** That ended the turn. */
  limit?: Limit;
  /** How the conversation could go on. */
  wayOn?: string;
}

/** Tells of what a hook has heard of its own session; the result is what claude is to show in its terminal. Never fails. */
export async function tellHook(sys: Sys, settings: NotifySettings, input: HookInput, source: Source): Promise<string | undefined> {
  const cause = causeOf(input, source.limit !== undefined);
  // A session that csm manages is moved on, or left, by its csm, which tells of it.
  if (cause === undefined || !settings.causes[cause].isOn || (cause === "limit" && sys.env[managedVariable] !== undefined))
    return undefined;
  if (cause === "finished" && isHeadless(sys)) return undefined;
  // A run tells of its tasks itself, once for all of them; what one asks a person is told by its session.
  if (sys.env[taskVariable] !== undefined && toldByRun.has(cause)) return undefined;
  return tellNotice(sys, settings, await describe(sys, cause, input, source)).catch(() => undefined);
}

const toldByRun: ReadonlySet<NoticeCause> = new Set(["finished", "failure", "limit", "login"]);

/** `claude -p`: whoever has started it waits for its end. */
const isHeadless = (sys: Sys): boolean => sys.env.CLAUDE_CODE_ENTRYPOINT?.startsWith("sdk") ?? false;

/** Undefined for what nobody is waiting for. */
export function causeOf({ event, toolName = "", agentType, background = [], error }: HookInput, isLimit: boolean): NoticeCause | undefined {
  const isMain = agentType === undefined;
  // Versions without StopFailure end such a turn like any other.
  if (isLimit) return "limit";
  switch (event) {
    case "PermissionRequest":
      return toolName === "AskUserQuestion" ? "question" : isPlanTool(toolName) ? "plan" : "permission";
    case "Stop":
      // The turn goes on by itself when a sub-agent ends; a shell may run for ever.
      return isMain && background.every((type) => type === "shell") ? "finished" : undefined;
    case "StopFailure":
      if (error === "authentication_failed") return "login";
      // The main thread is told of a sub-agent's, and goes on.
      return isMain ? "failure" : undefined;
    default:
      return undefined;
  }
}

async function describe(sys: Sys, cause: NoticeCause, input: HookInput, source: Source): Promise<Notice> {
  const { configDir, limit, wayOn } = source;
  const pid = Number(sys.env.CLAUDE_PID);
  const file = Number.isInteger(pid) && pid > 0 ? readSessionFile(sys, configDir, pid)?.file : undefined;
  const session = file === undefined ? input.sessionId.slice(0, 8) : createNaming(sys)(file);
  const profile = profileOfDir(sys, readRegistryOrNone(sys), configDir)?.name;
  const common = {
    ...{ cause, at: sys.now(), session, sessionId: input.sessionId },
    ...present({ cwd: file?.cwd ?? sys.env.CLAUDE_PROJECT_DIR, profile }),
  };
  if (cause !== "limit" && cause !== "login") return { ...common, about: input.sessionId, ...wordsOf(cause, session, input) };
  const shared = await readAccount(sys, configDir);
  return {
    ...common,
    ...accountNotice({ cause, now: sys.now(), ...shared, ...present({ limit, wayOn }) }),
  };
}

function wordsOf(cause: NoticeCause, session: string, { toolName = "", toolInput = {}, lastText = "", error }: HookInput) {
  switch (cause) {
    case "question":
      return {
        title: `${session} has a question`,
        body: parseQuestions(toolInput.questions)
          .map(({ question }) => question)
          .join("\n"),
      };
    case "plan":
      return { title: `${session} has a plan`, body: typeof toolInput.plan === "string" ? toolInput.plan : "" };
    case "finished":
      return { title: `${session} is done`, body: lastText };
    case "failure":
      return {
        title: `${session} failed`,
        body: [error === "unknown" ? "" : error, lastText].filter((text) => text !== undefined && text !== "").join(": "),
      };
    default:
      return { title: `${session} asks: ${toolName}`, body: describeInput(toolInput) };
  }
}

interface AccountState {
  cause: "limit" | "login";
  now: number;
  /** As people know it. */
  name: string;
  account: string;
  sessions: readonly string[];
  limit?: Limit;
  wayOn?: string;
}

/** One message for all who share the account, whoever of them meets it first. */
export function accountNotice({ cause, now, name, account, sessions, limit, wayOn = "" }: AccountState) {
  const who = sessions.length === 0 ? "" : `sessions: ${sessions.join(", ")}`;
  const lines = (...parts: string[]) => parts.filter((part) => part !== "").join("\n");
  if (cause === "login")
    return { about: account, title: `${name} is logged out`, body: lines("claude /login brings it back", who), sessions };
  const { window = "", resetsAt } = limit ?? {};
  const reset = resetsAt !== undefined && resetsAt > now ? `resets in ${duration(resetsAt - now)}` : "";
  return {
    about: `${account} ${window}`,
    title: `${name} is at its usage limit`,
    body: lines(reset, who, wayOn),
    sessions,
    ...present({ until: resetsAt }),
  };
}

/** Who pays for a session, and the names of those that live on the same account. Never fails: then it is the folder's alone. */
export async function readAccount(sys: Sys, configDir: string): Promise<Shared> {
  const otherwise = { name: basename(configDir), account: `dir:${realDir(sys, configDir)}`, sessions: [] };
  return readShared(sys, configDir, otherwise).catch(() => otherwise);
}

type Shared = Pick<AccountState, "name" | "account" | "sessions">;

/** By what csm ls calls them: claude puts something behind a name that another session has, csd does not. */
function createNaming(sys: Sys): (file: SessionFile) => string {
  const driven = attempt(() => createDrivenStore(sys).list().records) ?? [];
  const isOf = (file: SessionFile) => (one: Driven) =>
    one.pid === file.pid && (one.process_start ?? file.procStart) === (file.procStart ?? one.process_start);
  return (file) => driven.find(isOf(file))?.name ?? file.name ?? file.sessionId.slice(0, 8);
}

async function readShared(sys: Sys, configDir: string, otherwise: Shared): Promise<Shared> {
  const [{ readProfiles }, { openLedger }, { readSessions }] = await Promise.all([
    import("./accounts.ts"),
    import("./usage-ledger.ts"),
    import("./sessions.ts"),
  ]);
  const real = realDir(sys, configDir);
  const ledger = openLedger(sys);
  try {
    const profiles = readProfiles(sys, ledger, readRegistryOrNone(sys));
    const { name, account } = profiles.find((profile) => profile.real === real) ?? otherwise;
    const shared = profiles.filter((profile) => profile.account === account).map(({ dir }) => ({ dir, name: undefined }));
    const found = await readSessions(sys, shared.length === 0 ? [{ dir: configDir, name: undefined }] : shared);
    const nameOf = createNaming(sys);
    const names = found.flatMap(({ file, liveness }) => (liveness === "live" ? [nameOf(file)] : []));
    return { name, account, sessions: [...new Set(names)].sort() };
  } finally {
    ledger.close();
  }
}
