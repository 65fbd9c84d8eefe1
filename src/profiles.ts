import { join, normalize, resolve } from "node:path";
import { UserError } from "./errors.ts";
import { decodeJson, isRecord } from "./json.ts";
import { configDir, defaultProfilePath, homeDir, profilesPath } from "./paths.ts";
import { printableLine } from "./printable.ts";
import { openStore, type Store } from "./store.ts";
import type { Sys } from "./sys.ts";

/** A name for a config dir of claude: its own login, settings and sessions. */
export interface Profile {
  name: string;
  /** As it is stored; `profilePath` makes it usable. */
  dir: string;
}

export interface Registry {
  /** In byte order of their names. */
  profiles: Profile[];
  /**
   * What somebody chose, else the name of `~/.claude`; undefined where that has none: it stays the default until somebody says
   * otherwise. Registered, except in an empty registry, where the older tool lets any word stand.
   */
  defaultName: string | undefined;
}

export type Files = Pick<Sys, "env" | "homeDir" | "platform" | "readText" | "realPath">;

/** Empty when there is none; throws an error that names a broken file. */
export const readRegistry = (sys: Sys): Registry => pickDefault(sys, openProfiles(sys).read());

/** For those that must go on without profiles: a broken file counts as none. */
export function readRegistryOrNone(sys: Sys): Registry {
  try {
    return readRegistry(sys);
  } catch {
    // `csm profiles` names what is wrong with it.
    return { profiles: [], defaultName: undefined };
  }
}

export function pickDefault(sys: Sys, profiles: Profile[]): Registry {
  const token = openDefaultName(sys).read();
  const isUsable = token !== "" && (profiles.length === 0 || profiles.some(({ name }) => name === token));
  return { profiles, defaultName: isUsable ? token : profileOfDir(sys, { profiles, defaultName: undefined }, plainDir(sys))?.name };
}

export const findProfile = (registry: Registry, name: string): Profile | undefined =>
  registry.profiles.find((profile) => profile.name === name);

/** Throws with the names there are. */
export function requireProfile(registry: Registry, name: string): Profile {
  const profile = findProfile(registry, name);
  if (profile !== undefined) return profile;
  const names = registry.profiles.map((known) => printableLine(known.name));
  throw new UserError(
    `unknown profile '${printableLine(name)}'${names.length === 0 ? "" : ` — available: ${names.join(", ")}`}`,
    `add it with: csm profiles add ${printableLine(name)}`,
  );
}

/** Absolute, `~` expanded. A relative one stands below HOME: what a folder means must not depend on where one stands. */
export const profilePath = (sys: Pick<Sys, "env" | "homeDir" | "platform">, { dir }: Pick<Profile, "dir">): string =>
  resolve(homeDir(sys), dir === "~" || dir.startsWith("~/") ? join(homeDir(sys), dir.slice(1)) : dir);

/** The folder as it is on disk, so that two spellings of it compare equal. */
export const realDir = (sys: Pick<Sys, "realPath">, path: string): string => sys.realPath(path) ?? normalize(path).replace(/(.)\/+$/, "$1");

/** The profile that lives in this folder, whatever links lead to it. */
export function profileOfDir(sys: Files, registry: Registry, dir: string): Profile | undefined {
  const wanted = realDir(sys, dir);
  return registry.profiles.find((profile) => realDir(sys, profilePath(sys, profile)) === wanted);
}

/** claude's own folder, which it uses when nothing is chosen. */
export const plainDir = (sys: Pick<Sys, "env" | "homeDir" | "platform">): string => join(homeDir(sys), ".claude");

/** Names the profile of a shell where CLAUDE_CONFIG_DIR cannot: that of `~/.claude`. */
export const profileVariable = "CSM_PROFILE";

/**
 * What the environment must say for claude to run in this profile; undefined means unset. Were CLAUDE_CONFIG_DIR set to
 * `~/.claude`, claude would look for `.claude.json` inside that folder (seen on 2.1.329) and know nothing of the user's setup.
 */
export function profileEnv(
  sys: Files & Pick<Sys, "modifiedAt">,
  profile: Profile,
): { CLAUDE_CONFIG_DIR: string | undefined; [profileVariable]: string | undefined } {
  const path = profilePath(sys, profile);
  if (!needsNoVariable(sys, path)) return { CLAUDE_CONFIG_DIR: path, [profileVariable]: undefined };
  return { CLAUDE_CONFIG_DIR: undefined, [profileVariable]: profile.name };
}

/** Is it claude's own folder, which nothing may move unless the user names it? */
export const isPlainDir = (sys: Files, path: string): boolean => realDir(sys, path) === realDir(sys, plainDir(sys));

function needsNoVariable(sys: Files & Pick<Sys, "modifiedAt">, path: string): boolean {
  if (!isPlainDir(sys, path)) return false;
  // Somebody who has only ever started claude there with the variable set has the file inside.
  const isThere = (file: string) => sys.modifiedAt(file) !== undefined;
  return isThere(`${plainDir(sys)}.json`) || !isThere(join(plainDir(sys), ".claude.json"));
}

/** `.claude.json` of this profile: beside the plain folder, inside any other. */
export const claudeJsonPath = (sys: Files & Pick<Sys, "modifiedAt">, profile: Profile): string =>
  profileEnv(sys, profile).CLAUDE_CONFIG_DIR === undefined ? `${plainDir(sys)}.json` : join(profilePath(sys, profile), ".claude.json");

/** The profile of this environment, else the default one; undefined where neither is registered. */
export function currentProfile(sys: Files, registry: Registry): Profile | undefined {
  const chosen = shellProfile(sys, registry);
  if (chosen !== undefined || hasConfigDir(sys)) return chosen;
  return registry.defaultName === undefined ? undefined : findProfile(registry, registry.defaultName);
}

/** The profile that this environment chooses; undefined where it chooses none, or an unregistered folder. */
export function shellProfile(sys: Files, registry: Registry): Profile | undefined {
  if (hasConfigDir(sys)) return profileOfDir(sys, registry, configDir(sys));
  return findProfile(registry, sys.env[profileVariable] ?? "");
}

const hasConfigDir = (sys: Pick<Sys, "env">): boolean => (sys.env.CLAUDE_CONFIG_DIR ?? "") !== "";

/** The config dir in which csm starts claude unless told: of the environment, of the default profile, or claude's own. */
export function currentDir(sys: Files, registry: Registry): string {
  const profile = hasConfigDir(sys) ? undefined : currentProfile(sys, registry);
  return profile === undefined ? configDir(sys) : profilePath(sys, profile);
}

interface ProfileDir {
  /** Undefined for a folder that is not registered. */
  name: string | undefined;
  dir: string;
  /** Without links. */
  real: string;
}

/** Every config dir that sessions may live in, each once: the registered ones, the current one, and `~/.claude` where it exists. */
export function profileDirs(sys: Sys, registry: Registry = readRegistry(sys)): ProfileDir[] {
  const registered = registry.profiles.map((profile) => ({ name: profile.name, dir: profilePath(sys, profile) }));
  const plain = sys.isDirectory(plainDir(sys)) ? [plainDir(sys)] : [];
  const others = [currentDir(sys, registry), configDir(sys), ...plain].map((dir) => ({ name: undefined, dir }));
  const seen = new Set<string>();
  return [...registered, ...others].flatMap(({ name, dir }) => {
    const real = realDir(sys, dir);
    if (seen.has(real)) return [];
    seen.add(real);
    return [{ name, dir, real }];
  });
}

/** The file itself; `openRegistry` is what changes it. */
export const openProfiles = (sys: Sys): Store<Profile[]> =>
  openStore<Profile[]>(sys, {
    path: profilesPath(sys),
    name: "profiles",
    empty: [],
    mustBeReadable: true,
    decode: parseProfiles,
    encode: (profiles) => {
      const dirs = Object.fromEntries(profiles.toSorted(byName).map(({ name, dir }) => [name, dir]));
      return `${JSON.stringify(dirs, null, 2)}\n`;
    },
  });

/** Holds one word, under the lock of those who change the registry; blank where there is no default. */
export const openDefaultName = (sys: Sys): Store<string> =>
  openStore(sys, {
    path: defaultProfilePath(sys),
    name: "registry",
    empty: "",
    mustBeReadable: true,
    decode: (text) => text.trim(),
    encode: (name) => `${name}\n`,
  });

function parseProfiles(text: string): Profile[] {
  const value = decodeJson(text);
  if (!isRecord(value)) throw new Error("not an object of names and folders");
  const profiles = Object.entries(value).map(([name, dir]) => {
    if (typeof dir !== "string" || dir === "") throw new Error(`the folder of ${JSON.stringify(name)} must be a text`);
    return { name, dir };
  });
  return profiles.sort(byName);
}

/** By bytes, as the older tool does; only a hand-written file holds names that are not ASCII. */
const byName = (a: Profile, b: Profile): number =>
  /^[ -~]*$/.test(a.name + b.name)
    ? a.name < b.name
      ? -1
      : Number(a.name > b.name)
    : Buffer.compare(Buffer.from(a.name), Buffer.from(b.name));
