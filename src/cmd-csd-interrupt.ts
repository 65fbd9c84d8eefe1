import { printJson } from "./cmd-csd-json.ts";
import { command } from "./cmd-record.ts";
import { createDriver, findLive } from "./driver.ts";
import { interruptTurn } from "./driver-interrupt.ts";

export const interruptCommand = command({
  name: "csd interrupt",
  summary: "Stop the turn that runs, or close the gate that is up, as Esc does. Fine when nothing runs.",
  args: { session: { type: "positional", required: true, description: "name of the session" } },
  examples: [["csd interrupt fix", ""]],
  async run({ args, app }) {
    const driver = createDriver(app.sys);
    printJson(app, { ok: true, interrupted: await interruptTurn(driver, await findLive(driver, args.session)) });
  },
});
