import { verbs } from "./actions.ts";
import { printJson } from "./cmd-csd-json.ts";
import { command, sessionArgument } from "./cmd-record.ts";
import { createDriver, unknownSession } from "./driver.ts";
import { resolveProcess } from "./resolve.ts";

export const killCommand = command({
  name: "csd kill",
  summary: "End a session and forget it; the conversation stays and can be resumed. Code 1 for a name that nothing has.",
  args: { session: sessionArgument },
  examples: [
    ["csd kill fix", '`"killed": false` where it had ended by itself'],
    ["csd kill fix || true", "also where it may never have been there"],
  ],
  async run({ args, app }) {
    const driver = createDriver(app.sys);
    const { isKnown, isEnded } = await verbs.stop.run(driver, await resolveProcess(driver, args.session), {});
    printJson<"csd kill">(app, { ok: isKnown, killed: isEnded });
    if (!isKnown) throw unknownSession(args.session);
  },
});
