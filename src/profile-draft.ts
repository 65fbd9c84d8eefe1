import { UserError } from "./errors.ts";
import { findProfile, type Profile, profileOfDir, profilePath, type Registry } from "./registry.ts";
import { checkProfileName, conventionalDir, parseProfileDir } from "./registry-change.ts";
import type { Sys } from "./sys.ts";

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
      return { profiles: sorted([...profiles, profile]), defaultName: defaultName ?? change.name };
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
    case "remove":
      if (defaultName === change.name && profiles.length > 1)
        throw new UserError(`'${change.name}' is the default profile`, "make another one the default first");
      return { profiles: profiles.filter(({ name }) => name !== change.name), defaultName: profiles.length > 1 ? defaultName : undefined };
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
