import { isAbsolute, join } from "node:path";
import { parseRecord } from "./json.ts";
import type { Sys } from "./sys.ts";

/** Where a session starts: what csm knows of it before claude does. */
interface Start {
  configDir: string;
  cwd: string;
  /** The value of `--settings`: JSON, or the path of a file. */
  own?: string | undefined;
}

/** Where whoever administers the machine puts settings that no user can change. */
const managedDirs: Partial<Record<NodeJS.Platform, string>> = {
  linux: "/etc/claude-code",
  darwin: "/Library/Application Support/ClaudeCode",
  win32: "C:\\Program Files\\ClaudeCode",
};

/**
 * Why claude runs neither hooks nor a status line, with the place; undefined where it does. The strongest settings that say anything about `disableAllHooks` decide, managed ones before `--settings`,
 * the project's local ones, the project's and the user's; `allowManagedHooksOnly` counts in managed ones alone (2.1.329, each seen).
 */
export function readHooksOff(sys: Pick<Sys, "readText" | "list" | "platform">, start: Start): string | undefined {
  const { configDir, cwd, own } = start;
  const read = (path: string): Source[] => toSource(path, sys.readText(path));
  const dir = managedDirs[sys.platform] ?? "/etc/claude-code";
  const dropIns = join(dir, "managed-settings.d");
  const parts = sys.list(dropIns).filter((name) => name.endsWith(".json"));
  // The last of them by name is the strongest.
  const managed = [
    ...parts
      .toSorted()
      .reverse()
      .map((name) => join(dropIns, name)),
    join(dir, "managed-settings.json"),
  ].flatMap(read);
  const isJson = own?.trimStart().startsWith("{") === true;
  const given = own === undefined ? [] : isJson ? toSource("--settings", own) : read(isAbsolute(own) ? own : join(cwd, own));
  const local = [join(cwd, ".claude", "settings.local.json"), join(cwd, ".claude", "settings.json"), join(configDir, "settings.json")];
  const deciding = [...managed, ...given, ...local.flatMap(read)].find(({ settings }) => typeof settings.disableAllHooks === "boolean");
  if (deciding?.settings.disableAllHooks === true) return `disableAllHooks in ${deciding.path}`;
  const only = managed.find(({ settings }) => settings.allowManagedHooksOnly === true);
  return only === undefined ? undefined : `allowManagedHooksOnly in ${only.path}`;
}

interface Source {
  path: string;
  settings: Record<string, unknown>;
}

function toSource(path: string, text: string | undefined): Source[] {
  const settings = parseRecord(text);
  return settings === undefined ? [] : [{ path, settings }];
}
