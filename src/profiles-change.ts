import { dirname, isAbsolute, join, normalize, resolve } from "node:path";
import { UserError } from "./errors.ts";
import { isPathWord } from "./json.ts";
import { homeDir, profilesPath } from "./paths.ts";
import {
  type Files,
  findProfile,
  isPlainDir,
  openDefaultName,
  openProfiles,
  type Profile,
  pickDefault,
  plainDir,
  profileEnv,
  profileOfDir,
  profilePath,
  type Registry,
  readRegistry,
  requireProfile,
} from "./profiles.ts";
import { withLock } from "./store.ts";
import type { Sys } from "./sys.ts";

/** Words of `cas`, and those with which it answers. A profile of an older file may bear one; a new one may not. */
const takenNames = ["list", "status", "add", "set", "rm", "remove", "use", "edit", "resync", "help", "unknown", "unset"];

const maxNameLength = 100;

export function checkProfileName(name: string): void {
  if (!isPathWord(name) || name.length > maxNameLength)
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

interface RegistryStore {
  read(): Registry;
  /** Refuses a name that is there. `dir` is as `parseProfileDir` gives it. */
  add(profile: Profile): Promise<Registry>;
  /** Adds it or changes its folder; the result tells the folder it had. */
  set(profile: Profile): Promise<string | undefined>;
  /** Returns what was removed; the default one only with `isForced`, or where claude's own folder merely loses its name. */
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
  const defaultName = openDefaultName(sys);
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
        if (registry.defaultName === name && !isForced && !isPlainDir(sys, profilePath(sys, profile))) throw defaultStays(name);
        await profiles.update((all) => all.filter((known) => known.name !== name));
        if (defaultName.read() === name) defaultName.remove();
        return profile;
      }),
    rename: (from, to) =>
      locked(async (registry) => {
        const profile = { name: to, dir: requireProfile(registry, from).dir };
        checkProfileName(to);
        refuseKnownName(registry, to);
        // Both names are there while the default moves: ended in between, it still leads to the same folder.
        if (defaultName.read() === from) {
          await profiles.update((all) => [...all, profile]);
          defaultName.write(to);
        }
        await profiles.update((all) => [...all.filter(({ name }) => name !== from && name !== to), profile]);
        return profile;
      }),
    setDefault: (name) =>
      locked((registry) => {
        if (registry.profiles.length === 0) checkProfileName(name);
        else requireProfile(registry, name);
        defaultName.write(name);
      }),
    replace: (before, after) =>
      locked(async (registry) => {
        if (JSON.stringify(registry) !== JSON.stringify(before))
          throw new UserError("the profiles were changed by somebody else meanwhile", "nothing was saved; do it again");
        const { defaultName: name } = after;
        if (name !== before.defaultName) {
          // As in a rename: the old default stays until the new one is named.
          await profiles.update(() => [...after.profiles, ...before.profiles.filter(({ name }) => findProfile(after, name) === undefined)]);
          if (name === undefined) defaultName.remove();
          else defaultName.write(name);
        }
        await profiles.update(() => after.profiles);
        // Its folder may no longer be the one that needs no word of anybody.
        if (name !== undefined && pickDefault(sys, after.profiles).defaultName !== name) defaultName.write(name);
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

/** How programs that no shell starts learn of the default profile; Linux has no such place. `dir` undefined takes it away. */
const floors: Partial<Record<NodeJS.Platform, (dir: string | undefined) => { argv: string[]; env?: Record<string, string> }>> = {
  darwin: (dir) => ({ argv: ["/bin/launchctl", ...(dir === undefined ? ["unsetenv", variable] : ["setenv", variable, dir])] }),
  // Writes HKCU\Environment and tells running programs. The folder goes through the environment: nothing in it is code.
  win32: (dir) => ({
    argv: [
      "powershell.exe",
      "-NoProfile",
      "-NonInteractive",
      "-Command",
      `[Environment]::SetEnvironmentVariable('${variable}', $env:CSM_FLOOR_DIR, 'User')`,
    ],
    ...(dir === undefined ? {} : { env: { CSM_FLOOR_DIR: dir } }),
  }),
};

const variable = "CLAUDE_CONFIG_DIR";
const timeoutMs = 5000;

/** Undefined when it worked or there is nothing to do here; else what went wrong, which is no reason to stop. */
export async function writeFloor(sys: Pick<Sys, "platform" | "run" | "env">, dir: string | undefined): Promise<string | undefined> {
  const floor = floors[sys.platform]?.(dir);
  if (floor === undefined) return undefined;
  try {
    const result = await sys.run(floor.argv, { env: { ...sys.env, CSM_FLOOR_DIR: undefined, ...floor.env }, timeoutMs });
    if (result.code === 0) return undefined;
    return `programs outside the shell keep their profile: ${floor.argv[0]} failed: ${result.stderr.trim() || `code ${result.code}`}`;
  } catch (error) {
    return `programs outside the shell keep their profile: ${(error as Error).message}`;
  }
}

/** Makes the folder and enters the profile; the lines say so. */
export async function addProfile(sys: Sys, name: string, typedDir?: string): Promise<string[]> {
  checkProfileName(name);
  const dir = typedDir === undefined ? conventionalDir(sys, name) : parseProfileDir(sys, typedDir);
  const registry = openRegistry(sys);
  if (findProfile(registry.read(), name) === undefined) makeDir(sys, dir);
  return withDefault(sys, async () => {
    await registry.add({ name, dir });
    return [`added profile '${name}' → ${dir}`, ...adviseNew(sys, name)];
  });
}

/** Nobody has chosen a default yet: whoever adds a profile learns where csm starts claude, and how to change it. */
function adviseNew(sys: Sys, name: string): string[] {
  if (readRegistry(sys).defaultName !== undefined) return [];
  return [`csm goes on starting claude in ${plainDir(sys)}; to start it in '${name}': csm profiles use ${name}`];
}

/** Adds it or changes its folder; what lies in the old folder stays there. */
export async function setProfile(sys: Sys, name: string, typedDir: string): Promise<string[]> {
  const dir = parseProfileDir(sys, typedDir);
  const registry = openRegistry(sys);
  if (findProfile(registry.read(), name) === undefined) checkProfileName(name);
  makeDir(sys, dir);
  return withDefault(sys, async () => {
    const old = await registry.set({ name, dir });
    const was = old === undefined || old === dir ? "" : ` (was ${old})`;
    return [`set profile '${name}' → ${dir}${was}`, ...(old === undefined ? adviseNew(sys, name) : [])];
  });
}

export const removeProfile = (sys: Sys, name: string, isForced: boolean): Promise<string[]> =>
  withDefault(sys, async () => {
    const { dir } = await openRegistry(sys).remove(name, isForced);
    return [`removed profile '${name}' (dir retained on disk: ${dir})`];
  });

export const renameProfile = (sys: Sys, from: string, to: string): Promise<string[]> =>
  withDefault(sys, async () => {
    const { dir } = await openRegistry(sys).rename(from, to);
    return [`renamed profile '${from}' to '${to}' (same folder: ${dir})`];
  });

/** The default of new shells and of csm; the lines tell, and warn where programs outside the shell could not be told. */
export async function useProfile(sys: Sys, name: string): Promise<string[]> {
  await openRegistry(sys).setDefault(name);
  return [...(await tellDefault(sys, readRegistry(sys))), "a shell that has chosen a profile keeps it until: cas resync"];
}

/** What a change says, and what became of the default by it: that never changes in silence. */
async function withDefault(sys: Sys, change: () => Promise<string[]>): Promise<string[]> {
  const before = readRegistry(sys);
  const lines = await change();
  return [...lines, ...(await tellNewDefault(sys, before, readRegistry(sys)))];
}

/** Empty where the default is what it was, in name and folder. */
export async function tellNewDefault(sys: Sys, before: Registry, after: Registry): Promise<string[]> {
  const [old, now] = [before, after].map((registry) => ({ name: registry.defaultName, dir: defaultDirOf(sys, registry) }));
  return old?.name === now?.name && old?.dir === now?.dir ? [] : tellDefault(sys, after);
}

async function tellDefault(sys: Sys, registry: Registry): Promise<string[]> {
  const { defaultName } = registry;
  const profile = defaultName === undefined ? undefined : knownOrConventional(sys, defaultName, registry);
  const failure = await writeFloor(sys, profile === undefined ? undefined : profileEnv(sys, profile).CLAUDE_CONFIG_DIR);
  return [
    profile === undefined
      ? `global default → ${plainDir(sys)} (claude's own folder)`
      : `global default → ${profile.name} (${profilePath(sys, profile)})`,
    ...(failure === undefined ? [] : [`warning: ${failure}`]),
  ];
}

const defaultDirOf = (sys: Sys, registry: Registry): string =>
  registry.defaultName === undefined ? plainDir(sys) : profilePath(sys, knownOrConventional(sys, registry.defaultName, registry));

/** In an empty registry a name means its conventional folder, as in the older tool. */
export function knownOrConventional(sys: Sys, name: string, registry: Registry = readRegistry(sys)): Profile {
  const known = findProfile(registry, name);
  if (known !== undefined) return known;
  checkProfileName(name);
  return { name, dir: conventionalDir(sys, name) };
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

/** Changes that are tried on a copy and saved together. Each throws what is wrong with it. */
export type Change =
  | { kind: "add"; name: string; dir: string }
  | { kind: "rename"; name: string; to: string }
  | { kind: "move"; name: string; dir: string }
  | { kind: "default"; name: string }
  | { kind: "remove"; name: string };

export function applyChange(sys: Sys, draft: Registry, change: Change): Registry {
  const { profiles, defaultName } = draft;
  const swap = (next: Profile) => profiles.map((profile) => (profile.name === change.name ? next : profile));
  switch (change.kind) {
    case "add": {
      const profile = {
        name: change.name,
        dir: change.dir.trim() === "" ? conventionalDir(sys, change.name) : parseProfileDir(sys, change.dir),
      };
      checkNewName(draft, change.name);
      checkNewDir(sys, draft, profile);
      const isPlain = isPlainDir(sys, profilePath(sys, profile));
      return { profiles: sorted([...profiles, profile]), defaultName: defaultName ?? (isPlain ? change.name : undefined) };
    }
    case "rename": {
      if (change.to === change.name) return draft;
      checkNewName(draft, change.to);
      const next = swap({ name: change.to, dir: dirOf(draft, change.name) });
      return { profiles: sorted(next), defaultName: defaultName === change.name ? change.to : defaultName };
    }
    case "move": {
      // A blank folder leaves it as it is.
      if (change.dir.trim() === "") return draft;
      const profile = { name: change.name, dir: parseProfileDir(sys, change.dir) };
      checkNewDir(sys, draft, profile);
      return { profiles: swap(profile), defaultName };
    }
    case "default":
      return { profiles, defaultName: change.name };
    case "remove": {
      const isDefault = defaultName === change.name;
      if (isDefault && profiles.length > 1 && !isPlainDir(sys, profilePath(sys, { dir: dirOf(draft, change.name) })))
        throw new UserError(`'${change.name}' is the default profile`, "make another one the default first");
      return { profiles: profiles.filter(({ name }) => name !== change.name), defaultName: isDefault ? undefined : defaultName };
    }
  }
}

const dirOf = (draft: Registry, name: string): string => findProfile(draft, name)?.dir ?? "";

const sorted = (profiles: Profile[]): Profile[] => profiles.toSorted((a, b) => Buffer.compare(Buffer.from(a.name), Buffer.from(b.name)));

function checkNewName(draft: Registry, name: string): void {
  checkProfileName(name);
  if (findProfile(draft, name) !== undefined) throw new UserError(`profile '${name}' already exists`);
}

function checkNewDir(sys: Sys, draft: Registry, { name, dir }: Profile): void {
  const others = { ...draft, profiles: draft.profiles.filter((profile) => profile.name !== name) };
  const owner = profileOfDir(sys, others, profilePath(sys, { dir }));
  if (owner !== undefined) throw new UserError(`${dir} is the folder of profile '${owner.name}'`);
}

/** The result with what is new, changed and gone marked; empty when nothing is. */
export function renderChanges(before: Registry, after: Registry): string[] {
  const names = [...new Set([...before.profiles, ...after.profiles].map(({ name }) => name))].sort();
  const width = Math.max(0, ...names.map((name) => name.length));
  const rows = names.map((name) => {
    const [old, now] = [findProfile(before, name), findProfile(after, name)];
    const mark = old === undefined ? "+" : now === undefined ? "-" : old.dir === now.dir ? " " : "~";
    const was = mark === "~" ? `  (was ${old?.dir})` : "";
    const isDefault = after.defaultName === name ? "  [default]" : "";
    return `${mark} ${name.padEnd(width)}  ${(now ?? old)?.dir}${was}${isDefault}`;
  });
  const isSame = rows.every((row) => row.startsWith(" ")) && before.defaultName === after.defaultName;
  return isSame ? [] : rows;
}
