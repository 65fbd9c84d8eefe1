import { printState, warningOf } from "./cmd-csd-json.ts";
import { command, sessionArgument } from "./cmd-record.ts";
import { createDriver } from "./driver.ts";
import { readState } from "./observe.ts";
import { resolveAddress } from "./resolve.ts";

export const stateCommand = command({
  name: "csd state",
  summary: "Print what a session does, from which signal that is known, and how old the signal is.",
  args: {
    session: sessionArgument,
  },
  examples: [["csd state fix | jq -r .status", "one word; csd wait --help has them all"]],
  async run({ args, app }) {
    const driver = createDriver(app.sys);
    const target = await resolveAddress(driver, args.session);
    const verdict = await readState(driver, target);
    await printState(app, driver, target, verdict, target.driven === undefined ? {} : warningOf(app, target.driven));
  },
});
