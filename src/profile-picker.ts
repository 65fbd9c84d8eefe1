import { exitCode, SilentExit } from "./errors.ts";
import { createPaint } from "./format.ts";
import { runPicker } from "./picker.ts";
import type { Profile } from "./registry.ts";
import { printableLine } from "./sanitize.ts";
import type { Sys } from "./sys.ts";

/** Asks which profile; Enter keeps the current one. */
export async function pickFromProfiles(sys: Sys, profiles: readonly Profile[], current: Profile | undefined): Promise<Profile | undefined> {
  const rows = profiles.map(({ name, dir }) => {
    const title = `${printableLine(dir)}${name === current?.name ? "  (current)" : ""}`;
    return { id: name, cells: [name], title, search: `${name} ${title}`.toLowerCase() };
  });
  const defaults = current === undefined ? {} : { defaultId: current.name };
  const source = { title: "csm  which profile?", hint: "type to filter", rows: () => ({ rows, ...defaults }) };
  const outcome = await runPicker(source, createPaint((sys.env.NO_COLOR ?? "") === ""));
  if (outcome.kind === "chosen") return profiles.find(({ name }) => name === outcome.rowId);
  sys.write(2, "csm: cancelled.\n");
  throw new SilentExit(exitCode.ok);
}
