import type { Wish } from "./answer.ts";
import { printJson, wholeNumber } from "./cmd-csd-json.ts";
import { command } from "./cmd-record.ts";
import { createDriver, findLive } from "./driver.ts";
import { answerGate } from "./driver-answer.ts";

export const approveCommand = command({
  name: "csd approve",
  summary: "Answer the gate that is up: allow this one request, or take the option that is named.",
  args: {
    session: { type: "positional", required: true, description: "name of the session" },
    option: {
      type: "string",
      valueHint: "N",
      description: "take option N as `csd state` lists it (default: the one that allows this once)",
    },
  },
  examples: [
    ["csd approve fix", 'allow once; never "don\'t ask again", never another mode'],
    ["csd approve fix --option 2", "take the second option, whatever it means"],
  ],
  async run({ args, app }) {
    const wish: Wish = args.option === undefined ? { meaning: "allow-once" } : { option: wholeNumber("--option", args.option) };
    const driver = createDriver(app.sys);
    const { gate, chosen, option } = await answerGate(driver, await findLive(driver, args.session), wish);
    printJson(app, { ok: true, option, gate: gate.kind, chosen: chosen.label, meaning: chosen.meaning });
  },
});
