import { present } from "./json.ts";
import { startLaunch } from "./launch.ts";
import { rememberEnd, rememberLaunch } from "./launch-record.ts";
import type { LauncherParts, SessionStart } from "./launcher.ts";
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
async function startSession(sys: Sys, { registry, launch, seat, isSession, onLimit }: SessionStart): Promise<number> {
  if (!isSession) return startLaunch(launch);
  const cwd = launch.cwd ?? sys.cwd;
  const remember = (pid: number, profile: string | undefined, configDir: string, args: readonly string[], isEndTold: boolean) =>
    rememberLaunch(sys, { pid, cwd, configDir, args: [...args], isEndTold, ...present({ profile }) });
  // A single account has nowhere to go on; somebody may still want to be asked, or to wait for a reset that claude does not.
  const mayMove = (seat.name !== undefined && registry.profiles.length > 1) || onLimit === "wait" || onLimit === "ask";
  // Windows has no way to end claude gently; there the session ends where it is.
  if (!mayMove || sys.platform === "win32") {
    await remember(sys.pid, seat.name, seat.dir, launch.args, false);
    return startLaunch(launch);
  }
  const [{ runManaged }, { createRelaunchParts }] = await Promise.all([import("./relaunch.ts"), import("./relaunch-parts.ts")]);
  let last: number | undefined;
  const name = seat.name ?? "this account";
  const parts = createRelaunchParts(sys, registry, cwd, onLimit, (pid, at, args) => {
    last = pid;
    return remember(pid, at.dir === seat.dir ? seat.name : at.name, at.dir, args, true);
  });
  const managed = { path: launch.path, prefix: launch.prefix, args: launch.args, cwd };
  const code = await runManaged(sys, managed, { name, dir: seat.dir }, parts);
  // A closed terminal, or the machine going down: 128 and the number of the signal.
  if (last !== undefined) rememberEnd(sys, last, code > 128 ? "signal" : "exit");
  return code;
}
