import { type FlagTable, flagValue, parseFlagTable, splitFlags } from "./claude-flags.ts";
import { addHookSettings, limitEvents, renderHookSettings } from "./claude-hooks.ts";
import { quotePosix } from "./format.ts";
import { channelVariable, hookWord } from "./launch.ts";
import { managedVariable } from "./limit.ts";
import type { Sys } from "./sys.ts";

/** A claude that csm starts and stays behind. */
export interface ManagedLaunch {
  /** The program, and the words that a wrapper wants before claude's own. */
  path: string;
  prefix: readonly string[];
  /** Every word for claude, as the user or the choice of a session gave it. */
  args: readonly string[];
  cwd: string;
}

/** The same launch with our hooks in it; without them when the user's own `--settings` cannot be read together with ours. */
export function planManaged(
  sys: Sys,
  launch: ManagedLaunch,
  channelDir: string,
): { name: string; path: string; args: string[]; cwd: string; env: Sys["env"] } {
  const hooks = renderHookSettings(`${quotePosix(sys.execPath)} csd ${hookWord}`, limitEvents);
  const own = flagValue(launch.args, "--settings");
  const settings = own === undefined ? hooks : addHookSettings(readSettings(sys, launch.cwd, own) ?? "", hooks);
  const args = settings === undefined ? [...launch.args] : ["--settings", settings, ...withoutSettings(launch.args)];
  return {
    name: "claude",
    path: launch.path,
    args: [...launch.prefix, ...args],
    cwd: launch.cwd,
    env: { ...sys.env, [channelVariable]: channelDir, [managedVariable]: String(sys.pid) },
  };
}

/** `--settings` takes JSON or the path of a file. */
const readSettings = (sys: Sys, cwd: string, value: string): string | undefined =>
  value.trimStart().startsWith("{") ? value : sys.readText(value.startsWith("/") ? value : `${cwd}/${value}`);

/** Only this flag has to be known to take one away. */
const settingsTable: FlagTable = new Map([["--settings", "one"]]);

function withoutSettings(args: readonly string[]): string[] {
  const end = args.indexOf("--");
  const flags = end < 0 ? args : args.slice(0, end);
  return [
    ...splitFlags(flags, settingsTable).flatMap(({ flag, words }) => (flag === "--settings" ? [] : words)),
    ...(end < 0 ? [] : args.slice(end)),
  ];
}

const helpTimeoutMs = 10_000;

/** The flags of this very claude. Empty when it does not tell: then a flag keeps the one word behind it. */
export async function readFlagTable(sys: Sys, launch: ManagedLaunch): Promise<FlagTable> {
  try {
    return parseFlagTable((await sys.run([launch.path, ...launch.prefix, "--help"], { cwd: launch.cwd, timeoutMs: helpTimeoutMs })).stdout);
  } catch {
    // It has just been started and can not be now: the launch that follows will say why.
    return new Map();
  }
}
