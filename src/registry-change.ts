import { dirname, isAbsolute, join, normalize, resolve } from "node:path";
import { UserError } from "./errors.ts";
import { withLock } from "./lock.ts";
import { defaultProfilePath, homeDir, profilesPath } from "./paths.ts";
import {
  type Files,
  findProfile,
  openProfiles,
  type Profile,
  pickDefault,
  profileOfDir,
  profilePath,
  type Registry,
  readRegistry,
  requireProfile,
} from "./registry.ts";
import type { Sys } from "./sys.ts";

/** Words of `cas`, and those with which it answers. A profile of an older file may bear one; a new one may not. */
const takenNames = ["list", "status", "add", "set", "rm", "remove", "use", "edit", "resync", "help", "unknown", "unset"];

const maxNameLength = 100;

export function checkProfileName(name: string): void {
  const isValid = /^[A-Za-z0-9_][A-Za-z0-9._-]*$/.test(name) && !name.includes("..") && name.length <= maxNameLength;
  if (!isValid)
    throw new UserError(
      `invalid profile name ${JSON.stringify(name)}`,
      `use up to ${maxNameLength} of the characters A-Z a-z 0-9 . _ -, starting with a letter, a digit or _`,
    );
  if (takenNames.includes(name)) throw new UserError(`invalid profile name '${name}': it is a word of cas`, "choose another name");
}

/** The folder as it is to be stored: absolute, so that the older tool finds it too. */
export function parseProfileDir(sys: Pick<Sys, "env" | "homeDir" | "platform" | "cwd">, typed: string): string {
  const shown = JSON.stringify(typed);
  if (typed.trim() === "") throw new UserError("the folder of a profile must not be empty", "for example ~/.claude.work");
  if (/\p{Cc}|[\u2028\u2029]/u.test(typed)) throw new UserError(`invalid folder ${shown}: it has control characters`, "choose another one");
  if (/^~[^/]/.test(typed)) throw new UserError(`invalid folder ${shown}: only ~ and ~/… are expanded`, "give the whole path");
  const path = typed.startsWith("~") ? join(homeDir(sys), typed.slice(1)) : isAbsolute(typed) ? normalize(typed) : resolve(sys.cwd, typed);
  const clean = path.replace(/(.)\/+$/, "$1");
  const owned = [homeDir(sys), "/", join(homeDir(sys), ".claude.shared")];
  if (owned.includes(clean)) throw new UserError(`invalid folder ${shown}: it must be one of its own`, "for example ~/.claude.work");
  return clean;
}

/** The folder of a profile that names none. */
export const conventionalDir = (sys: Pick<Sys, "env" | "homeDir" | "platform">, name: string): string =>
  join(homeDir(sys), `.claude.${name}`);

export interface RegistryStore {
  read(): Registry;
  /** Refuses a name that is there. `dir` is as `parseProfileDir` gives it. */
  add(profile: Profile): Promise<Registry>;
  /** Adds it or changes its folder; the result tells the folder it had. */
  set(profile: Profile): Promise<string | undefined>;
  /** Returns what was removed; the default one only with `isForced`. The folder stays. */
  remove(name: string, isForced?: boolean): Promise<Profile>;
  rename(from: string, to: string): Promise<Profile>;
  /** In an empty registry any valid name may become the default, as in the older tool. */
  setDefault(name: string): Promise<void>;
  /** Puts a whole new state in place of the one that was read; refuses when somebody changed it meanwhile. */
  replace(before: Registry, after: Registry): Promise<void>;
}

/** Changes are whole or not at all, one process at a time, and never touch a profile's folder. */
export function openRegistry(sys: Sys): RegistryStore {
  const profiles = openProfiles(sys);
  const locked = <T>(action: (registry: Registry) => T | Promise<T>) =>
    // The store locks each write; a change of both files needs a lock of its own around them.
    withLock(sys, "registry", () => {
      removeLitter(sys);
      return action(pickDefault(sys, profiles.read()));
    });
  const writeDefault = (name: string) => sys.writePrivate(sys.realPath(defaultProfilePath(sys)) ?? defaultProfilePath(sys), `${name}\n`);
  const put = (profile: Profile, registry: Registry) => {
    refuseOthersDir(sys, registry, profile);
    return profiles.update((all) => [...all.filter(({ name }) => name !== profile.name), profile]);
  };
  return {
    read: () => readRegistry(sys),
    add: (profile) =>
      locked(async (registry) => {
        checkProfileName(profile.name);
        refuseKnownName(registry, profile.name);
        return pickDefault(sys, await put(profile, registry));
      }),
    set: (profile) =>
      locked(async (registry) => {
        const old = findProfile(registry, profile.name);
        if (old === undefined) checkProfileName(profile.name);
        await put(profile, registry);
        return old?.dir;
      }),
    remove: (name, isForced = false) =>
      locked(async (registry) => {
        const profile = requireProfile(registry, name);
        if (registry.defaultName === name && !isForced) throw defaultStays(name);
        await profiles.update((all) => all.filter((known) => known.name !== name));
        if ((sys.readText(defaultProfilePath(sys)) ?? "").trim() === name) sys.remove(defaultProfilePath(sys));
        return profile;
      }),
    rename: (from, to) =>
      locked(async (registry) => {
        const profile = { name: to, dir: requireProfile(registry, from).dir };
        checkProfileName(to);
        refuseKnownName(registry, to);
        // Both names are there while the default moves: ended in between, it still leads to the same folder.
        if (registry.defaultName === from) {
          await profiles.update((all) => [...all, profile]);
          writeDefault(to);
        }
        await profiles.update((all) => [...all.filter(({ name }) => name !== from && name !== to), profile]);
        return profile;
      }),
    setDefault: (name) =>
      locked((registry) => {
        if (registry.profiles.length === 0) checkProfileName(name);
        else requireProfile(registry, name);
        writeDefault(name);
      }),
    replace: (before, after) =>
      locked(async (registry) => {
        if (JSON.stringify(registry) !== JSON.stringify(before))
          throw new UserError("the profiles were changed by somebody else meanwhile", "nothing was saved; do it again");
        const { defaultName } = after;
        if (defaultName !== before.defaultName) {
          // As in a rename: the old default stays until the new one is named.
          await profiles.update(() => [...after.profiles, ...before.profiles.filter(({ name }) => findProfile(after, name) === undefined)]);
          if (defaultName === undefined) sys.remove(defaultProfilePath(sys));
          else writeDefault(defaultName);
        }
        await profiles.update(() => after.profiles);
      }),
  };
}

/** What a writer that was killed left behind. The older tool's own is named otherwise, and nobody else writes under the lock. */
function removeLitter(sys: Sys): void {
  const dir = dirname(profilesPath(sys));
  for (const name of sys.list(dir)) if (/^(?:profiles\.json|default)\.\d+\.tmp$/.test(name)) sys.remove(join(dir, name));
}

function refuseKnownName(registry: Registry, name: string): void {
  if (findProfile(registry, name) !== undefined)
    throw new UserError(`profile '${name}' already exists`, `change its folder with: csm profiles set ${name} DIR`);
}

function refuseOthersDir(sys: Files, registry: Registry, { name, dir }: Profile): void {
  const others = { ...registry, profiles: registry.profiles.filter((profile) => profile.name !== name) };
  const owner = profileOfDir(sys, others, profilePath(sys, { dir }));
  if (owner !== undefined) throw new UserError(`${dir} is the folder of profile '${owner.name}'`, "two profiles cannot share one folder");
}

const defaultStays = (name: string) =>
  new UserError(
    `'${name}' is the default profile`,
    `choose another default first: csm profiles use NAME; or remove it all the same: csm profiles rm ${name} --force`,
  );
