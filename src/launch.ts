import { basename, delimiter, dirname, isAbsolute, join } from "node:path";
import { isNestedMark } from "./claude-program.ts";
import { parseVersion } from "./claude-version.ts";
import { exitCode, UserError } from "./errors.ts";
import { replaceProcess } from "./exec.ts";
import { hasShape, parseRecord, present } from "./json.ts";
import { launchDir } from "./paths.ts";
import { launchWord } from "./program.ts";
import { requireOwnFolder } from "./state-folder.ts";
import type { Sys } from "./sys.ts";

/** The claude to start: `$CLAUDE_SMART_CLAUDE_BIN`, else the first one on PATH that is not this program. */
export function findClaude(sys: Sys): string {
  const chosen = sys.env.CLAUDE_SMART_CLAUDE_BIN;
  if (chosen !== undefined && chosen !== "") {
    const path = findNamed(sys, chosen);
    if (path !== undefined) return path;
    throw new UserError(
      `claude not found: CLAUDE_SMART_CLAUDE_BIN names ${chosen}, which is not an executable file`,
      "correct or unset it",
      exitCode.notFound,
    );
  }
  const found = findProgram(sys, "claude");
  if (found !== undefined) return found;
  const looked = pathDirs(sys).length === 0 ? "PATH is empty" : `looked in ${pathDirs(sys).join(", ")}`;
  throw new UserError(`claude not found: ${looked}`, "install it with: npm install -g @anthropic-ai/claude-code", exitCode.notFound);
}

/** A program, and the words that a wrapper such as `npx happy` wants before claude's own. */
export interface LaunchProgram {
  path: string;
  /** argv[0]. */
  name: string;
  prefix: string[];
}

/** What csm starts: `$CLAUDE_SMART_CLAUDE_BIN`, else `launchCommand` of the config file, else claude. */
export async function findLaunchProgram(sys: Sys): Promise<LaunchProgram> {
  const isChosen = (sys.env.CLAUDE_SMART_CLAUDE_BIN ?? "") !== "";
  const [program, ...prefix] = isChosen ? [] : ((await import("./settings.ts")).readSettings(sys).said("launch-command") ?? []);
  if (program === undefined) return { path: findClaude(sys), name: "claude", prefix };
  const path = findNamed(sys, program);
  if (path !== undefined) return { path, name: basename(program), prefix };
  throw new UserError(
    `${program} not found: launch-command of csm config names it`,
    "correct it with: csm config set launch-command PROGRAM [WORDS…]",
    exitCode.notFound,
  );
}

function findNamed(sys: Sys, name: string): string | undefined {
  const isPath = isAbsolute(name) || name.includes("/") || (sys.platform === "win32" && name.includes("\\"));
  const path = isPath ? join(isAbsolute(name) ? "" : sys.cwd, name) : findProgram(sys, name);
  return path !== undefined && sys.isExecutable(path) ? path : undefined;
}

const pathDirs = (sys: Sys): string[] => (sys.env.PATH ?? "").split(delimiter).filter((dir) => dir !== "");

/**
 * What npm's `claude.cmd` starts (2.1.329), found without it: a .cmd is a script of cmd.exe, which would read the words of a prompt once
 * more, `&` and `%` among them.
 */
const npmClaude = join("node_modules", "@anthropic-ai", "claude-code", "bin", "claude.exe");

export function findProgram(sys: Sys, name: string): string | undefined {
  const self = sys.realPath(sys.execPath);
  const names = sys.platform === "win32" ? [`${name}.exe`, ...(name === "claude" ? [npmClaude] : []), `${name}.cmd`] : [name];
  for (const dir of pathDirs(sys))
    for (const file of names) {
      const path = join(isAbsolute(dir) ? dir : join(sys.cwd, dir), file);
      // A `claude` that is a link to csm would start itself for ever.
      if (sys.isExecutable(path) && sys.realPath(path) !== self) return path;
    }
  return undefined;
}

/** A wrapper that takes this word for a prompt must not hold a start up for ever. */
const versionTimeoutMs = 10_000;

/** What this claude says that it is; undefined where it says nothing of the kind. */
export async function readClaudeVersion(
  sys: Pick<Sys, "run">,
  { path, prefix }: { path: string; prefix: readonly string[] },
): Promise<string | undefined> {
  try {
    const { code, stdout } = await sys.run([path, ...prefix, "--version"], { timeoutMs: versionTimeoutMs });
    return code === 0 ? parseVersion(stdout) : undefined;
  } catch {
    // Not startable: the session itself will say so.
    return undefined;
  }
}

/** Most rules need nothing that some version does not know, and no start waits for its answer then. */
export const versionForRules = (
  sys: Pick<Sys, "run">,
  program: LaunchProgram,
  rules: readonly { event: string }[],
): Promise<string | undefined> =>
  rules.some(({ event }) => event === "StopFailure") ? readClaudeVersion(sys, program) : Promise.resolve(undefined);

/** Everything that a start of claude is made of. */
export interface Launch extends LaunchProgram {
  /** For claude, behind `prefix`. */
  args: readonly string[];
  env: Sys["env"];
  /** Where it is not the current folder. */
  cwd?: string;
}

/** Becomes claude in this terminal; returns its exit code only where a process cannot be replaced. */
export async function startLaunch({ path, name, prefix, args, env, cwd }: Launch): Promise<number> {
  try {
    return await replaceProcess({ path, name, args: [...prefix, ...args], env, ...present({ cwd }) });
  } catch (error) {
    throw new UserError(`cannot start ${path}: ${(error as Error).message}`, "is it a program for this machine?", exitCode.notRunnable, {
      cause: error,
    });
  }
}

/** Becomes a program found on PATH, such as tmux; returns its exit code only where a process cannot be replaced. */
export async function runProgram(sys: Sys, name: string, args: readonly string[], env: Sys["env"]): Promise<number> {
  const path = findProgram(sys, name);
  if (path === undefined) throw new UserError(`${name} is not installed or not on PATH`, undefined, exitCode.notFound);
  return replaceProcess({ path, name, args, env });
}

/** What a pane is to run, handed over in a private file: arguments and environment never stand in a process list. */
interface LaunchSpec {
  path: string;
  args: string[];
  cwd: string;
  env: Record<string, string>;
}

export function createLaunch(
  sys: Sys,
  path: string,
  args: string[],
  cwd: string,
  extraEnv: Record<string, string>,
): { argv: string[]; filePath: string } {
  const env = Object.entries(sys.env).filter((entry): entry is [string, string] => entry[1] !== undefined && !isNestedMark(entry[0]));
  const spec: LaunchSpec = { path, args, cwd, env: { ...Object.fromEntries(env), ...extraEnv } };
  const dir = launchDir(sys);
  requireOwnFolder(sys, dir);
  const filePath = join(dir, `${sys.pid}.${hostOf(sys)}.${sys.randomId()}.json`);
  sys.writePrivate(filePath, JSON.stringify(spec));
  return { argv: [sys.execPath, "csd", launchWord, filePath], filePath };
}

const hostOf = (sys: Sys): string => sys.hostname().replace(/[^\w-]/g, "_");

/** A pane reads its file within moments of its making. */
const launchMs = 60_000;

/** Removes what a csd or csm that was killed has left: its environment must not stay on disk. Never fails. */
export function removeOldLaunches(sys: Sys): void {
  try {
    const dir = launchDir(sys);
    const files = sys.list(dir);
    if (files.length > 0) requireOwnFolder(sys, dir);
    for (const file of files) if (isLeft(sys, dir, file)) sys.remove(join(dir, file));
  } catch {
    // A folder that is not ours, or may not be changed: nothing is used from it either.
  }
}

/** Its maker is gone; of one on another host that shares the folder only the time tells. */
function isLeft(sys: Sys, dir: string, file: string): boolean {
  const [, pid, host] = /^(\d+)\.([\w-]+)\./.exec(file) ?? [];
  if (pid !== undefined && host === hostOf(sys) && !sys.signal(Number(pid), 0)) return true;
  return Math.abs(sys.now() - (sys.modifiedAt(join(dir, file)) ?? 0)) > launchMs;
}

/** Names that the terminal in the pane decides, whatever the caller's were. */
const paneNames = ["TMUX", "TMUX_PANE", "TERM", "TERM_PROGRAM", "TERM_PROGRAM_VERSION", "COLORTERM"];

const launchKinds = { path: "string", args: "texts", cwd: "string", env: "record" } as const;

/** Runs in the pane: reads the launch file, removes it, and becomes claude with the caller's environment. */
export async function runLaunch(sys: Sys, filePath: string): Promise<number> {
  requireOwnFolder(sys, dirname(filePath));
  const text = sys.readText(filePath);
  if (text === undefined) throw new UserError(`no launch file ${filePath}`, "it is used once; start the session again", exitCode.usage);
  sys.remove(filePath);
  const spec = parseRecord(text);
  if (!hasShape(spec, launchKinds)) throw new UserError(`broken launch file ${filePath}`, "start the session again");
  const env: Record<string, string | undefined> = { ...(spec.env as LaunchSpec["env"]) };
  for (const name of paneNames) env[name] = sys.env[name];
  // `default-terminal` may say what tmux is not, such as dumb: claude would draw no screen that can be read.
  if (!/^(?:tmux|screen)/.test(env.TERM ?? "")) env.TERM = "screen-256color";
  const { path, args, cwd } = spec;
  return startLaunch({ path, name: "claude", prefix: [], args, cwd, env: { ...env, PWD: cwd } });
}
