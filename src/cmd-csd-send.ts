import { verbs } from "./actions.ts";
import { printJson, wholeNumber } from "./cmd-csd-json.ts";
import { command } from "./cmd-record.ts";
import { createDriver, findLive } from "./driver.ts";
import { usageError } from "./errors.ts";
import { present } from "./json.ts";

export const sendCommand = command({
  name: "csd send",
  summary: "Type a prompt into an idle session and submit it once. Refused while a gate is up, a turn runs or a draft stands.",
  args: {
    session: { type: "positional", required: true, description: "name of the session" },
    submit: { type: "boolean", default: true, description: "leave the text in the input row" },
    queue: { type: "boolean", description: "while a turn runs, let claude queue the prompt instead of refusing it" },
    retries: { type: "string", valueHint: "N", default: "5", description: "how often Enter is tried (default: 5)" },
  },
  rest: { kind: "prompt", hint: "PROMPT…", about: "the text; everything from its first word on belongs to it; - reads it from stdin" },
  examples: [
    ["csd send fix Run the tests and mend what fails", ""],
    ["csd send fix -- --verbose is the flag I mean", "a prompt that begins with a dash"],
  ],
  async run({ args, rest, app }) {
    if (rest.length === 0) throw usageError("csd send: PROMPT is missing", "usage: csd send SESSION PROMPT…");
    const retries = wholeNumber("--retries", args.retries);
    const driver = createDriver(app.sys);
    const target = await findLive(driver, args.session);
    const prompt = rest.length === 1 && rest[0] === "-" ? await app.sys.readInput() : rest.join(" ");
    const sent = await verbs.send.run(driver, target, {
      prompt,
      isDraft: args.submit === false,
      isQueued: args.queue === true,
      retries,
    });
    printJson(app, {
      ok: true,
      attempts: sent.attempts,
      receipt: sent.receipt,
      ...present({ prompt_id: sent.promptId }),
    });
  },
});
