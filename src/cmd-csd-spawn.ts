import { verbs } from "./actions.ts";
import { given, printJson, repeatableSpawnFlags, spawnFlags, spawnOptions } from "./cmd-csd-json.ts";
import { command } from "./cmd-record.ts";
import { publicDriven } from "./driven.ts";
import { createDriver, readReference, trackedTarget } from "./driver.ts";
import { timed } from "./format.ts";
import { present } from "./json.ts";

export const spawnCommand = command({
  name: "csd spawn",
  summary: "Start claude in a detached tmux session, and return when it is ready or asks something.",
  args: {
    ...spawnFlags,
    name: { type: "string", valueHint: "NAME", description: "name of the session (default: csd-<folder>-<id>)" },
    trust: { type: "boolean", description: "accept the folder trust dialog" },
    backend: { type: "string", valueHint: "NAME", description: "program to drive (default: claude)" },
  },
  repeatable: repeatableSpawnFlags,
  rest: { kind: "after-dashes", hint: "[-- CLAUDE FLAGS…]", about: "flags of claude's own, as they are" },
  examples: [
    ["csd spawn --trust --name fix --permission-mode manual", "a session that asks before it changes anything"],
    ["csd spawn --cwd ~/app | jq -r .name", "start in another folder and keep the name"],
    ["csd spawn --profile work --model opus -- --mcp-config tools.json", "another account, and flags that only claude knows"],
  ],
  async run({ args, repeated, rest, app }) {
    const driver = createDriver(app.sys);
    const { driven, warning } = await verbs.new.run(driver, undefined, {
      ...spawnOptions(args, repeated["add-dir"], rest),
      ...given("name", args.name),
      ...given("backend", args.backend),
      isTrusted: args.trust === true,
    });
    const reference = await readReference(driver, trackedTarget(app.sys, driven));
    printJson<"csd spawn">(app, {
      ...{ ...publicDriven(driven), ...reference, ...timed("created", driven.created * 1000) },
      ...present({ marker_warning: warning }),
    });
  },
});
