import { dirname, isAbsolute, join } from "node:path";
import { UserError } from "./errors.ts";
import type { Sys } from "./sys.ts";

type Place = Pick<Sys, "env" | "homeDir" | "platform">;

export function homeDir(sys: Place): string {
  if (sys.homeDir === undefined) throw new UserError("could not resolve the home directory", "set HOME");
  return sys.homeDir;
}

/** Claude Code's own folder of the current profile: `$CLAUDE_CONFIG_DIR` or `~/.claude`. */
export function configDir(sys: Place): string {
  const dir = sys.env.CLAUDE_CONFIG_DIR;
  return dir !== undefined && dir !== "" ? dir : join(homeDir(sys), ".claude");
}

export const sessionsDir = (configDirPath: string): string => join(configDirPath, "sessions");
export const sessionFilePath = (configDirPath: string, pid: number): string => join(configDirPath, "sessions", `${pid}.json`);
export const projectsDir = (configDirPath: string): string => join(configDirPath, "projects");

/** Where Claude Code writes the transcript of a session that runs in this real directory. */
export const transcriptPath = (configDirPath: string, realCwd: string, sessionId: string): string =>
  join(projectsDir(configDirPath), slugOf(realCwd), `${sessionId}.jsonl`);

/** Where a conversation is looked for. */
interface Owner {
  configDir: string;
  /** What csd remembers of it. */
  driven?: { session_id: string; cwd: string; jsonl_path: string };
}

/**
 * The slug says where to look first; the id decides, since /clear changes it and folders can share a slug. `isSearched`: in every
 * folder, if need be.
 */
export function findTranscript(
  sys: Pick<Sys, "modifiedAt" | "list">,
  { configDir, driven }: Owner,
  session: { sessionId: string; cwd: string } | undefined,
  isSearched = true,
): string | undefined {
  const id = session?.sessionId ?? driven?.session_id;
  if (id === undefined) return undefined;
  const likely = [transcriptPath(configDir, session?.cwd ?? driven?.cwd ?? "", id)];
  if (driven !== undefined) likely.push(join(dirname(driven.jsonl_path), `${id}.jsonl`));
  const isThere = (path: string) => sys.modifiedAt(path) !== undefined;
  const known = likely.find(isThere);
  if (known !== undefined || !isSearched) return known;
  const projects = projectsDir(configDir);
  const others = sys.list(projects).map((folder) => join(projects, folder, `${id}.jsonl`));
  return others.find(isThere);
}

/** Shared with the older tool, so neither XDG nor Windows moves them. */
const registryDir = (sys: Place): string => join(homeDir(sys), ".config", "claude-as");
export const profilesPath = (sys: Place): string => join(registryDir(sys), "profiles.json");
export const defaultProfilePath = (sys: Place): string => join(registryDir(sys), "default");

/** `$XDG_STATE_HOME` where it is absolute, else `~/.local/state`; macOS has no state folder of its own, so the same there. */
function stateDir(sys: Place): string {
  const xdg = sys.env.XDG_STATE_HOME;
  if (xdg !== undefined && isAbsolute(xdg) && sys.platform !== "darwin") return xdg;
  if (sys.platform === "win32" && sys.env.LOCALAPPDATA !== undefined) return sys.env.LOCALAPPDATA;
  return join(homeDir(sys), ".local", "state");
}

/** What csm remembers: the ledger of usage, caches, locks. */
export const csmDir = (sys: Place): string => join(stateDir(sys), "csm");
export const lockDir = (sys: Place): string => join(csmDir(sys), "locks");

/** What accounts have used, from every source. */
export const usageDbPath = (sys: Place): string => join(csmDir(sys), "usage.db");
/** One small file per session: what Claude Code told its status line last. */
export const statuslineDir = (sys: Place): string => join(csmDir(sys), "statusline");

/** What is known of transcripts; safe to delete. */
export const indexPath = (sys: Place): string => join(csmDir(sys), "index.db");

/** What older versions keep for all profiles together. */
export const sharedProjectsDir = (sys: Place): string => join(homeDir(sys), ".claude.shared", "projects");
/** One JSON file per session: the flags it was started with. */
export const smartDir = (sys: Place): string => join(homeDir(sys), ".claude.shared", "smart");
export const configPath = (sys: Place): string => join(homeDir(sys), ".config", "claude-smart", "config.json");
/** What may run unasked, and who is told of what: of the user, and of a project, which only tightens. */
export const ruleFiles = (sys: Place): string[] => ruleNames.map((name) => join(homeDir(sys), ".config", "claude-smart", name));
export const projectRuleFiles = (projectDir: string): string[] => ruleNames.map((name) => join(projectDir, ".csm", name));
/** The user has a file of rules; costs a look at each, so that nothing needs to be loaded where there is none. */
export const hasUserRules = (sys: Place & Pick<Sys, "modifiedAt">): boolean =>
  sys.homeDir !== undefined && ruleFiles(sys).some((path) => sys.modifiedAt(path) !== undefined);
/** What those files have been checked to say; safe to delete. */
export const checkedRulesDir = (sys: Place): string => join(csmDir(sys), "rules");
const ruleNames = ["rules.toml", "rules.json"];
/** What a list of sessions has counted; safe to delete. */
export const meterCachePath = (sys: Place): string => join(csmDir(sys), "meter.db");
/** What rules and budgets have done: one file for each occasion, so that nothing is done twice. */
export const occasionsDir = (sys: Place): string => join(csmDir(sys), "occasions");
/** There once somebody was told of csm setup, or has run it. */
export const setupToldPath = (sys: Place): string => join(csmDir(sys), "setup-told");
/** What csm cost has read; safe to delete. */
export const costCachePath = (sys: Place): string => join(csmDir(sys), "cost.db");
/** Runs of task graphs: nothing else knows what they have done. */
export const tasksDbPath = (sys: Place): string => join(csmDir(sys), "tasks.db");
/** What the claudes of a run are given and print, while it is of use. */
export const tasksDir = (sys: Place): string => join(csmDir(sys), "tasks");
/** Working trees that csm has made for tasks. */
export const worktreesDir = (sys: Place): string => join(csmDir(sys), "worktrees");

/** That this machine belongs to a fleet. */
export const fleetPath = (sys: Place): string => join(csmDir(sys), "fleet.json");
/** What was read of the fleet last; safe to delete. */
export const fleetSeenPath = (sys: Place): string => join(csmDir(sys), "fleet-seen.json");
/** What other machines have used, as it was read last; safe to delete. */
export const fleetCostPath = (sys: Place): string => join(csmDir(sys), "fleet-cost.json");

export const csdDir = (sys: Place): string => join(stateDir(sys), "csd");
export const drivenDir = (sys: Place): string => join(csdDir(sys), "sessions");
export const launchDir = (sys: Place): string => join(csdDir(sys), "launch");
export const runDir = (sys: Place): string => join(csdDir(sys), "run");

/** Longest folder name that Claude Code uses uncut, in UTF-16 units. */
const maxLength = 200;

/**
 * The folder under `<config>/projects` that Claude Code 2.1.329 uses for a session's real working directory. Different
 * directories can share one (`a.b`, `a_b`): a hint where to look, never an identity.
 */
export function slugOf(realCwd: string): string {
  const slug = realCwd.replace(/[^A-Za-z0-9]/g, "-");
  return slug.length > maxLength ? `${slug.slice(0, maxLength)}-${hash(realCwd)}` : slug;
}

/** Java's String.hashCode over the path's UTF-16 units, absolute, in base 36. */
function hash(text: string): string {
  let value = 0;
  for (let index = 0; index < text.length; index++) value = (Math.imul(value, 31) + text.charCodeAt(index)) | 0;
  return Math.abs(value).toString(36);
}
