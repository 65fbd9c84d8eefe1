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
  summary: `List, add and change profiles: your accounts of claude, each with a login of its own.

claude keeps login, settings and conversations of one account in one folder, ~/.claude unless told. A profile is a name for such
a folder: with a second one you have a second account beside the first. Nothing is ever deleted, and claude goes on starting in
~/.claude until you choose another default.`,
  args: list.args,
  examples: [
    ["csm profiles", "which there are, which one this shell is in, which one is the default"],
    ["csm profiles add work", "a second account, in ~/.claude.work"],
    ["csm profiles login work", "sign in there"],
    ["csm --profile work", "start claude under it, this once"],
    ["csm profiles use work", "start claude under it from now on"],
    ["csm profiles add main ~/.claude", "give the account that you had a name, so that csm can change between both"],
  ],
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
  if (isJson) app.json<"csm profiles">(profilesJson(app.sys, registry));
  else app.out(renderProfiles(app.sys, registry).join("\n"));
}
