import { startLaunch } from "./launch.ts";
import { rememberLaunch } from "./launch-record.ts";
import type { LauncherParts, SessionStart } from "./launcher.ts";
import { readRegistry } from "./registry.ts";
import type { Sys } from "./sys.ts";

/**
 * How csm chooses an account, reaches a conversation of another one, and stays behind a session that may have to move. What
 * is only needed with several accounts is only loaded then.
 */
export const createLauncherParts = (sys: Sys): LauncherParts => ({
  async chooseProfile(request) {
    const { registry, named, current } = request;
    if (named !== undefined) return named;
    const asks = request.wantsAccount && request.hasTerminal;
    // A folder that is no profile was chosen on purpose, and a single account leaves no choice.
    const isOpen = registry.profiles.length > 1 && current !== undefined && !request.keepsAccount && !request.isManagement;
    if (!isOpen && !(asks && registry.profiles.length > 0)) return current;
    return (await import("./account-choice.ts")).chooseAccount(sys, request, asks);
  },
  async reach({ path, configDirs: [from] }, seat) {
    if (from === undefined) return false;
    await (await import("./handoff.ts")).shareConversation(sys, path, from, seat.dir);
    return true;
  },
  start: (start) => startSession(sys, start),
});

/** Claude takes our place, unless its conversation may have to go on under another account. */
async function startSession(sys: Sys, { launch, seat, isSession }: SessionStart): Promise<number> {
  if (!isSession) return startLaunch(launch);
  const cwd = launch.cwd ?? sys.cwd;
  const remember = (pid: number, profile: string | undefined, configDir: string, args: readonly string[]) =>
    rememberLaunch(sys, { pid, cwd, configDir, args: [...args], ...(profile === undefined ? {} : { profile }) });
  const registry = readRegistry(sys);
  // Windows has no way to end claude gently; there the session ends where it is.
  if (seat.name === undefined || registry.profiles.length < 2 || sys.platform === "win32") {
    await remember(sys.pid, seat.name, seat.dir, launch.args);
    return startLaunch(launch);
  }
  const [{ runManaged }, { createRelaunchParts }] = await Promise.all([import("./relaunch.ts"), import("./relaunch-parts.ts")]);
  const parts = createRelaunchParts(sys, registry, (pid, at, args) => remember(pid, at.name, at.dir, args));
  return runManaged(sys, { path: launch.path, prefix: launch.prefix, args: launch.args, cwd }, { name: seat.name, dir: seat.dir }, parts);
}
