import { type App, command } from "./cmd-record.ts";
import { readRegistry } from "./profiles.ts";
import { profilesJson, renderProfiles } from "./profiles-view.ts";

const list = {
  args: { json: { type: "boolean", description: "print JSON" } },
  examples: [
    ["csm profiles", ""],
    ["csm profiles --json | jq -r '.profiles[] | select(.is_default) | .dir'", "the folder of the default profile"],
  ] as [string, string][],
} as const;

/** `csm profiles` alone lists them; its verbs are in `commands`. */
export const profilesCommand = command({
  name: "csm profiles",
  summary: "List and change profiles: config dirs of claude, each with its own login.",
  ...list,
  run: ({ args, app }) => showList(app, args.json === true),
});

export const profilesListCommand = command({
  name: "csm profiles list",
  summary: "List the profiles, the one of this shell and the default.",
  ...list,
  run: ({ args, app }) => showList(app, args.json === true),
});

function showList(app: App, isJson: boolean): void {
  const registry = readRegistry(app.sys);
  if (isJson) app.json(profilesJson(app.sys, registry));
  else app.out(renderProfiles(app.sys, registry).join("\n"));
}
