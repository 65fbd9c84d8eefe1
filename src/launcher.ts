import { SilentExit } from "./errors.ts";
import { present } from "./json.ts";
import { findLaunchProgram, type Launch } from "./launch.ts";
import { planSession, type Seat, seatOf, withWholeId } from "./launch-plan.ts";
import type { LimitPolicy } from "./limit.ts";
import { currentDir, currentProfile, type Profile, type Registry, readRegistry, requireProfile } from "./profiles.ts";
import { choosesSession, isForClaude, isManagement, type LaunchOptions, parseRunOptions, splitOwnFlags } from "./run-options.ts";
import type { Sys } from "./sys.ts";
import type { Conversation } from "./transcripts.ts";

export interface ProfileRequest {
  registry: Registry;
  /** Of `--profile`; it is registered. */
  named: Profile | undefined;
  /** Of the environment, else the default one; undefined where neither is registered. */
  current: Profile | undefined;
  /** `-A` or `-i`: ask which. */
  wantsAccount: boolean;
  /** `--no-pick`. */
  keepsAccount: boolean;
  hasTerminal: boolean;
  /** A command of claude such as `mcp`, which is about one config dir and costs no account anything. */
  isManagement: boolean;
}

export interface SessionStart {
  registry: Registry;
  launch: Launch;
  seat: Seat;
  /** A conversation in this terminal, not a command of claude, and not handed on untouched. */
  isSession: boolean;
  onLimit?: LimitPolicy;
}

/** What other parts of csm do for it. */
export interface LauncherParts {
  /** The profile to start in; undefined leaves the environment as it is. */
  chooseProfile(request: ProfileRequest): Promise<Profile | undefined> | Profile | undefined;
  /** Makes a conversation of another profile available in this one; false when it cannot. */
  reach(conversation: Conversation, seat: Seat): Promise<boolean>;
  /** Runs claude in this terminal to its end. */
  start(start: SessionStart): Promise<number>;
}

/** `csm`, `csm run …` and `csm ANYTHING ELSE`: claude, in the right conversation of the right profile. */
export async function runLauncher(sys: Sys, form: "run" | "bare", args: readonly string[], parts: LauncherParts): Promise<void> {
  const hasTerminal = sys.isTerminal(0) && sys.isTerminal(1);
  const { own, rest } = splitOwnFlags(args);
  const isUntouched = isForClaude(rest) || (form === "bare" && (rest[0] === "--" || !hasTerminal));
  const options = parseRunOptions(isUntouched ? own : args);
  const registry = readRegistry(sys);
  if (isUntouched) options.words = rest[0] === "--" ? rest.slice(1) : isManagement(rest) ? rest : withWholeId(sys, registry, rest);
  const seat = await chooseSeat(sys, registry, options, hasTerminal, isManagement(rest), parts);
  const program = await findLaunchProgram(sys);
  const isClaudes = isUntouched || isForClaude(options.words);
  const launch =
    isClaudes || choosesSession(options.words)
      ? { ...program, args: options.words, env: seat.env, seat }
      : await planSession({ sys, registry, seat, options, hasTerminal, reach: parts.reach }, program);
  const isSession = hasTerminal && !isClaudes;
  throw new SilentExit(
    await parts.start({
      registry,
      launch,
      seat: launch.seat,
      isSession,
      ...present({ onLimit: options.onLimit }),
    }),
  );
}

async function chooseSeat(
  sys: Sys,
  registry: Registry,
  options: LaunchOptions,
  hasTerminal: boolean,
  isCommand: boolean,
  parts: LauncherParts,
): Promise<Seat> {
  const current = currentProfile(sys, registry);
  const profile = await parts.chooseProfile({
    registry,
    named: options.profile === undefined ? undefined : requireProfile(registry, options.profile),
    current,
    wantsAccount: options.wantsAccount || options.isInteractive,
    keepsAccount: options.keepsAccount && !options.wantsAccount,
    hasTerminal,
    isManagement: isCommand,
  });
  if (profile === undefined) return { name: undefined, dir: currentDir(sys, registry), env: sys.env, isChosen: false };
  return { ...seatOf(sys, profile), isChosen: options.profile !== undefined || options.wantsAccount || profile.name !== current?.name };
}
