import { verbs } from "./actions.ts";
import { printJson } from "./cmd-csd-json.ts";
import { command } from "./cmd-record.ts";
import { createDriver } from "./driver.ts";

export const killCommand = command({
  name: "csd kill",
  summary: "End a session and forget it; the conversation stays and can be resumed. Fine when it is gone already.",
  args: { session: { type: "positional", required: true, description: "name of the session" } },
  examples: [["csd kill fix", ""]],
  async run({ args, app }) {
    await verbs.stop.run(createDriver(app.sys), { name: args.session }, {});
    printJson(app, { ok: true });
  },
});
