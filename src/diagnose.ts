import { basename } from "node:path";
import { UserError } from "./errors.ts";
import { present } from "./json.ts";
import { currentDir, type Profile, profileDirs, type Registry, readRegistryOrNone } from "./profiles.ts";
import { findProjectRoot } from "./rules-file.ts";
import type { Sys } from "./sys.ts";

/** `degraded`: it works, and not all of it; `broken`: something that people rely on does not. */
export type Health = "ok" | "degraded" | "broken";

/** What a check has found. */
export interface Finding {
  health: Health;
  detail: string;
  /** The profile that it is about. */
  profile?: string;
  /** A command, else what to do by hand. */
  fix?: string;
  /** What `--fix` does about it, which can be undone: for a person to agree to, and the deed, or the words of `csm setup` that do it. */
  repair?: { about: string; run?(): Promise<string[]>; setup?: string[] };
}

/** One line of the page. */
export interface Line extends Finding {
  check: string;
}

/** What is looked at. */
export interface Look {
  sys: Sys;
  registry: Registry;
  /** Every profile's folder, and its name for people. */
  profiles: (Profile & { title: string; isCurrent: boolean })[];
  /** Of the folder that this is run in. */
  projectRoot: string;
  /** What must not outlive this program, whatever becomes of the probe that has started it. */
  cleanUps: Set<() => Promise<void>>;
}

/** A row of the table. Throws with what is broken; the hint of a `UserError` is its fix. */
export interface CheckRow {
  name: string;
  probe(look: Look): Promise<Finding[]> | Finding[];
}

export const ok = (detail: string): Finding => ({ health: "ok", detail });
export const degraded = (detail: string, fix?: string): Finding => ({ health: "degraded", detail, ...present({ fix }) });
export const broken = (detail: string, fix?: string): Finding => ({ health: "broken", detail, ...present({ fix }) });

export function createLook(sys: Sys): Look {
  const registry = readRegistryOrNone(sys);
  const current = sys.realPath(currentDir(sys, registry)) ?? currentDir(sys, registry);
  const profiles = profileDirs(sys, registry).map(({ name, dir }) => ({
    ...{ name: name ?? "", dir, title: name ?? basename(dir) },
    isCurrent: (sys.realPath(dir) ?? dir) === current,
  }));
  return { sys, registry, profiles, projectRoot: findProjectRoot(sys, sys.cwd), cleanUps: new Set() };
}

/** Nobody waits longer for what does not answer; on a machine in order all is said within a second. */
const deadlineMs = 6000;

/** All at once, each with a deadline; the lines in the order of the rows. */
export async function runChecks(look: Look, rows: readonly CheckRow[], onDone: () => void = () => undefined): Promise<Line[]> {
  const { sys } = look;
  const late = sys.sleep(deadlineMs).then((): Finding[] => [degraded(`no answer within ${deadlineMs / 1000} s`)]);
  const lines = rows.map(async ({ name, probe }): Promise<Line[]> => {
    const found = await Promise.race([late, attempt(() => probe(look))]);
    onDone();
    return found.map((finding) => ({ check: name, ...finding }));
  });
  const cleanUp = async () => void (await Promise.all([...look.cleanUps].map((each) => each())));
  const stopListening = sys.onInterrupt(cleanUp);
  try {
    return (await Promise.all(lines)).flat();
  } finally {
    stopListening();
    await cleanUp();
  }
}

async function attempt(probe: () => Promise<Finding[]> | Finding[]): Promise<Finding[]> {
  try {
    return await probe();
  } catch (error) {
    // What the user or the system can be blamed for; a bug is a bug.
    if (error instanceof UserError) return [broken(error.message, error.hint)];
    if (error instanceof Error && "code" in error) return [broken(error.message)];
    throw error;
  }
}

export const worstOf = (lines: readonly Line[]): Health =>
  (["broken", "degraded"] as const).find((health) => lines.some((line) => line.health === health)) ?? "ok";

/** For a report that others read: no name of a profile, user or machine, no path, and nothing that somebody has written. */
export function redact({ sys, profiles, projectRoot }: Look, lines: readonly Line[]): Line[] {
  const folders = [...profiles.map(({ dir }) => dir), projectRoot, sys.cwd, sys.homeDir ?? ""];
  const places = [...folders, ...folders.map((path) => sys.realPath(path) ?? path)].filter((path) => path.length > 1);
  places.sort((a, b) => b.length - a.length);
  const own = [...profiles.map(({ name, dir }) => name || basename(dir)), sys.env.USER ?? "", sys.hostname(), basename(sys.homeDir ?? "")];
  const names = own.filter((name) => name !== "").sort((a, b) => b.length - a.length);
  const hide = (text: string): string => {
    let hidden = text.replace(/\b\w+:\/\/[^\s"'`]+/g, "<address>");
    for (const place of places) hidden = hidden.replaceAll(place, "<path>");
    // A quoted text may be anything, and a path may have blanks: all up to the next mark goes with it.
    hidden = hidden.replace(/"[^"]*"|'[^']*'/g, "<text>").replace(/(?:<path>|(?<![\w>])(?:~|\.{1,2})?)\/[^"'`,;:()]*/g, "<path>");
    for (const name of names) hidden = hidden.replace(new RegExp(`(?<![\\w-])${RegExp.escape(name)}(?![\\w-])`, "g"), "<name>");
    return hidden;
  };
  const number = new Map(profiles.map(({ title }, index) => [title, `profile ${index + 1}`]));
  return lines.map(({ check, health, detail, profile, fix }) => ({
    ...{ check, health, detail: hide(detail) },
    ...present({
      profile: profile === undefined ? undefined : (number.get(profile) ?? "<name>"),
      fix: fix === undefined ? undefined : hide(fix),
    }),
  }));
}
