import { printAnswer } from "./cmd-csd-json.ts";
import { command } from "./cmd-record.ts";
import { createDriver, findLive } from "./driver.ts";
import { answerGate } from "./driver-reply.ts";

export const denyCommand = command({
  name: "csd deny",
  summary: "Refuse the request of the gate that is up. With a reason the model reads it and goes on; without one the turn ends.",
  args: {
    session: { type: "positional", required: true, description: "name of the session" },
    reason: { type: "string", valueHint: "TEXT", description: "what the model is told" },
    expect: { type: "string", valueHint: "TEXT", description: "refuse to answer unless the gate contains this text" },
  },
  examples: [
    ["csd deny fix", ""],
    ["csd deny fix --reason 'use the staging database'", "the turn goes on with this"],
  ],
  async run({ args, app }) {
    const driver = createDriver(app.sys);
    const target = await findLive(driver, args.session);
    const options = {
      ...(args.reason === undefined ? {} : { reason: args.reason }),
      ...(args.expect === undefined ? {} : { expect: args.expect }),
    };
    printAnswer(app, await answerGate(driver, target, { meaning: "refuse" }, options));
  },
});
