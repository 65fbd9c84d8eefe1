import { UserError } from "./errors.ts";
import { writeFloor } from "./profile-floor.ts";
import { findProfile, isPlainDir, type Profile, plainDir, profileEnv, profilePath, readRegistry } from "./registry.ts";
import { checkProfileName, conventionalDir, openRegistry, parseProfileDir } from "./registry-change.ts";
import type { Sys } from "./sys.ts";

/** Makes the folder and enters the profile; the lines say so. */
export async function addProfile(sys: Sys, name: string, typedDir?: string): Promise<string[]> {
  checkProfileName(name);
  const dir = typedDir === undefined ? conventionalDir(sys, name) : parseProfileDir(sys, typedDir);
  const registry = openRegistry(sys);
  const before = registry.read();
  if (findProfile(before, name) === undefined) makeDir(sys, dir);
  await registry.add({ name, dir });
  return [`added profile '${name}' → ${dir}`, ...(before.profiles.length === 0 ? adviseFirst(sys, name, dir) : [])];
}

/** The first profile becomes the default: whoever worked in claude's own folder so far would seem to be logged out. */
const adviseFirst = (sys: Sys, name: string, dir: string): string[] =>
  isPlainDir(sys, dir) || !sys.isDirectory(plainDir(sys))
    ? []
    : [`csm starts claude in '${name}' from now on; what you had in ${plainDir(sys)} stays in reach with: csm profiles add main ~/.claude`];

/** Adds it or changes its folder; what lies in the old folder stays there. */
export async function setProfile(sys: Sys, name: string, typedDir: string): Promise<string> {
  const dir = parseProfileDir(sys, typedDir);
  const registry = openRegistry(sys);
  if (findProfile(registry.read(), name) === undefined) checkProfileName(name);
  makeDir(sys, dir);
  const old = await registry.set({ name, dir });
  return `set profile '${name}' → ${dir}${old === undefined || old === dir ? "" : ` (was ${old})`}`;
}

export async function removeProfile(sys: Sys, name: string, isForced: boolean): Promise<string> {
  const { dir } = await openRegistry(sys).remove(name, isForced);
  return `removed profile '${name}' (dir retained on disk: ${dir})`;
}

export async function renameProfile(sys: Sys, from: string, to: string): Promise<string> {
  const { dir } = await openRegistry(sys).rename(from, to);
  return `renamed profile '${from}' to '${to}' (same folder: ${dir})`;
}

/** The default of new shells and of csm; the lines tell, and warn where programs outside the shell could not be told. */
export async function useProfile(sys: Sys, name: string): Promise<string[]> {
  await openRegistry(sys).setDefault(name);
  const profile = knownOrConventional(sys, name);
  const failure = await writeFloor(sys, profileEnv(sys, profile).CLAUDE_CONFIG_DIR);
  return [
    `global default → ${name} (${profilePath(sys, profile)})`,
    "a shell that has chosen a profile keeps it until: cas resync",
    ...(failure === undefined ? [] : [`warning: ${failure}`]),
  ];
}

/** In an empty registry a name means its conventional folder, as in the older tool. */
export function knownOrConventional(sys: Sys, name: string): Profile {
  return findProfile(readRegistry(sys), name) ?? { name, dir: conventionalDir(sys, name) };
}

/** For this user only; a folder that is there stays as it is. */
export function makeDir(sys: Sys, dir: string): void {
  const path = profilePath(sys, { dir });
  try {
    sys.makePrivateDir(path);
  } catch (error) {
    throw new UserError(`cannot make the folder ${path}: ${(error as Error).message}`, "choose another folder", 1, { cause: error });
  }
  if (!sys.isDirectory(path)) throw new UserError(`${path} is not a folder`, "choose another one");
}
