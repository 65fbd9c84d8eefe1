import { dirname, resolve } from "node:path";
import { UserError } from "./errors.ts";
import { shownPath } from "./format.ts";
import { readCheckout } from "./git.ts";
import { homeDir } from "./paths.ts";
import { readRegistryOrNone } from "./profiles.ts";
import { readSettings } from "./settings.ts";
import type { Sys } from "./sys.ts";
import type { CheckedTasks } from "./task-graph.ts";
import { parseLabels } from "./task-labels.ts";

/** Enough for the longest prompts; what is larger was not meant. */
const maxBytes = 64 * 1024 * 1024;

/** A file of tasks, by its path, and all that is wrong in it; nothing of it runs. Folders are looked for where this machine runs it. */
export async function readTaskFile(sys: Sys, file: string, isForFleet = false): Promise<CheckedTasks> {
  const home = homeDir(sys);
  const path = resolve(sys.cwd, file);
  const found = sys.identify(path);
  if (found?.isFile === true && found.size > maxBytes) throw new UserError(`${file} is larger than ${maxBytes / 1024 / 1024} MB`);
  const text = found?.isFile === true ? sys.readText(path) : undefined;
  if (text === undefined)
    throw new UserError(`${found === undefined ? "no such file" : "it cannot be read"}: ${file}`, "a file of tasks: JSON, TOML or YAML");
  const { checkTasks } = await import("./task-schema.ts");
  const faults = new Map<string, string | undefined>();
  return checkTasks({
    ...{ path, text, dir: dirname(path), homeDir: home, profiles: readRegistryOrNone(sys).profiles.map(({ name }) => name) },
    labels: isForFleet ? undefined : parseLabels(readSettings(sys).said("fleet.labels") ?? []),
    faultOf(folder, isWorktree) {
      const key = `${isWorktree} ${folder}`;
      if (!faults.has(key)) faults.set(key, faultOf(sys, folder, isWorktree, home));
      return faults.get(key);
    },
  });
}

function faultOf(sys: Sys, folder: string, isWorktree: boolean, home: string): string | undefined {
  const real = sys.realPath(folder);
  const shown = shownPath(folder, home);
  if (real === undefined || !sys.isDirectory(real)) return real === undefined ? `no such folder: ${shown}` : `no folder: ${shown}`;
  return isWorktree && readCheckout(sys, real) === undefined ? `a worktree of its own needs a git repository: ${shown}` : undefined;
}
