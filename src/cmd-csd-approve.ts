import type { Wish } from "./answer.ts";
import { printAnswer, wholeNumber } from "./cmd-csd-json.ts";
import { command } from "./cmd-record.ts";
import { createDriver, findLive } from "./driver.ts";
import { answerGate } from "./driver-reply.ts";

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
    expect: { type: "string", valueHint: "TEXT", description: "refuse unless the gate contains this text" },
  },
  examples: [
    ["csd approve fix", 'allow once; never "don\'t ask again", never another mode'],
    ["csd approve fix --expect 'npm test'", "only if that is what it asks for"],
    ["csd approve fix --option 2", "take the second option, whatever it means"],
  ],
  async run({ args, app }) {
    const wish: Wish = args.option === undefined ? { meaning: "allow-once" } : { option: wholeNumber("--option", args.option) };
    const driver = createDriver(app.sys);
    const target = await findLive(driver, args.session);
    printAnswer(app, await answerGate(driver, target, wish, args.expect === undefined ? {} : { expect: args.expect }));
  },
});
