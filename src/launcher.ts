import { resolve } from "node:path";
import { renderHookSettings } from "./claude-hooks.ts";
import { flagValue } from "./claude-program.ts";
import { isSessionId } from "./claude-session.ts";
import { SilentExit, UserError } from "./errors.ts";
import { quotePosix } from "./format.ts";
import { present } from "./json.ts";
import { findLaunchProgram, startLaunch, versionForRules } from "./launch.ts";
import { chooseAccountWay, chooseStart, type LaunchCall, parseCall } from "./launch-choice.ts";
import { type LaunchSeat, planSession, type SessionLaunch, seatOf, withWholeId } from "./launch-plan.ts";
import { rememberLaunch } from "./launch-record.ts";
import { movesCursor, tell } from "./output.ts";
import { configPath } from "./paths.ts";
import { currentDir, currentProfile, type Registry, readRegistry, requireProfile } from "./profiles.ts";
import { rulesWord } from "./program.ts";
import { addHooks } from "./relaunch-plan.ts";
import { prepareRules } from "./rules-hook.ts";
import { choosesSession, isForClaude, isManagement, modelOf } from "./run-options.ts";
import { readSidecar } from "./sidecar.ts";
import type { Sys } from "./sys.ts";

/** `csm`, `csm run …` and `csm ANYTHING ELSE`: claude, in the right conversation of the right profile. */
export async function runLauncher(sys: Sys, form: "run" | "bare", args: readonly string[]): Promise<void> {
  const hasTerminal = sys.isTerminal(0) && sys.isTerminal(1) && movesCursor(sys.env);
  const call = parseCall(form, args, hasTerminal);
  const { options } = call;
  const isClaudes = call.isUntouched || isForClaude(options.words);
  const registry = readAccounts(sys, isClaudes && options.profile === undefined);
  await checkConfig(sys, isClaudes);
  if (call.mayNameSession) options.words = await withWholeId(sys, registry, options.words);
  const seat = await chooseSeat(sys, registry, call, hasTerminal);
  const program = await findLaunchProgram(sys);
  const launch =
    isClaudes || choosesSession(options.words)
      ? { ...program, args: options.words, env: seat.env, seat }
      : await planSession({ sys, registry, seat, options, hasTerminal }, program);
  const wish = { isSession: hasTerminal && !isClaudes, onLimit: options.onLimit };
  throw new SilentExit(await startSession(sys, registry, launch, wish, !isManagement(options.words)));
}

/** What needs no profile of ours is not stopped by a broken registry, and says where it runs then. */
function readAccounts(sys: Sys, isOptional: boolean): Registry {
  try {
    return readRegistry(sys);
  } catch (error) {
    if (!isOptional || !(error instanceof UserError)) throw error;
    tell(sys, `${error.message}; claude starts without profiles`);
    return { profiles: [], defaultName: undefined };
  }
}

/** Nothing of a broken file would hold: not the program that is to stand around claude, nor what may be done at a limit. */
async function checkConfig(sys: Sys, isClaudes: boolean): Promise<void> {
  if (sys.entryKind(configPath(sys)) === undefined) return;
  (await import("./settings-schema.ts")).checkSettings(sys, isClaudes ? "launchCommand" : undefined);
}

async function chooseSeat(sys: Sys, registry: Registry, call: LaunchCall, hasTerminal: boolean): Promise<LaunchSeat> {
  const { options } = call;
  const current = currentProfile(sys, registry);
  const way = chooseAccountWay({ ...call, hasTerminal, profileCount: registry.profiles.length, isRegistered: current !== undefined });
  const profile =
    way === "named"
      ? requireProfile(registry, options.profile ?? "")
      : way === "keep"
        ? current
        : await (await import("./account-choice.ts")).chooseAccount(sys, {
            ...{ registry, current, hasTerminal, asks: way === "ask" },
            model: modelOf(options.words, {}) ?? rememberedModel(sys, options) ?? modelOf([], sys.env),
          });
  // A folder that is no profile stays the environment's own.
  if (profile === undefined) return { name: undefined, dir: currentDir(sys, registry), env: sys.env, isChosen: false };
  return { ...seatOf(sys, profile), isChosen: way === "named" || options.wantsAccount || profile.name !== current?.name };
}

/** What a conversation that is named by its id will be resumed with; which one a picker yields is not known yet. */
function rememberedModel(sys: Sys, { resume }: LaunchCall["options"]): string | undefined {
  return typeof resume === "object" && isSessionId(resume.named) ? readSidecar(sys, resume.named).model : undefined;
}

type Wish = Pick<Parameters<typeof chooseStart>[0], "isSession" | "onLimit">;

/** Runs claude in this terminal to its end; `hasTurns`: it is no word of claude's own that only sets something up. */
async function startSession(
  sys: Sys,
  registry: Registry,
  launch: SessionLaunch,
  { isSession, onLimit }: Wish,
  hasTurns: boolean,
): Promise<number> {
  const { seat, path, prefix, args, cwd = sys.cwd } = launch;
  const isRegistered = seat.name !== undefined;
  const start = chooseStart({ isSession, onLimit, isRegistered, profileCount: registry.profiles.length, platform: sys.platform });
  if (start === "manage") {
    const { runManaged } = await import("./relaunch.ts");
    return runManaged(sys, { path, prefix, args, cwd, registry, onLimit }, { name: seat.name ?? "this account", dir: seat.dir });
  }
  const { name: profile, dir: configDir } = seat;
  if (start === "note")
    await rememberLaunch(sys, { pid: sys.pid, cwd, configDir, args: [...args], isEndTold: false, ...present({ profile }) });
  return startLaunch(hasTurns ? await withRules(sys, launch) : launch);
}

/** Rules hold in every session that csm starts, also where its words go to claude as they are. */
async function withRules(sys: Sys, launch: SessionLaunch): Promise<SessionLaunch> {
  const { seat, args, cwd = sys.cwd } = launch;
  const given = await prepareRules(sys, { cwd, configDir: seat.dir, own: flagValue(args, "--settings") });
  if (given.askedFiles.length === 0) return launch;
  const version = await versionForRules(sys, launch, given.rules);
  const settings = renderHookSettings(`${quotePosix(sys.execPath)} csd ${rulesWord}`, { version, events: [], ...given });
  return { ...launch, args: addHooks(args, settings, (file) => sys.readText(resolve(cwd, file))) };
}
