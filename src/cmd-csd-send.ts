import { verbs } from "./actions.ts";
import { printJson, wholeNumber } from "./cmd-csd-json.ts";
import { type App, command, sessionArgument } from "./cmd-record.ts";
import { createDriver } from "./driver.ts";
import { usageError } from "./errors.ts";
import { present } from "./json.ts";
import { resolveTarget } from "./resolve.ts";

export const sendCommand = command({
  name: "csd send",
  summary:
    "Type a prompt into an idle session and submit it once; at a question form of one part it is the answer. Refused at other gates, while a turn runs or a draft stands.",
  args: {
    session: sessionArgument,
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
    const target = await resolveTarget(driver, args.session);
    const prompt = rest.length === 1 && rest[0] === "-" ? await app.sys.readInput() : rest.join(" ");
    const sent = await verbs.send.run(driver, target, {
      prompt,
      isDraft: args.submit === false,
      isQueued: args.queue === true,
      retries,
    });
    printSent(app, sent);
  },
});

export const submitCommand = command({
  name: "csd submit",
  summary: "Submit the draft that stands in the input row, as `csd send --no-submit` or somebody at the pane has left it.",
  args: {
    session: sessionArgument,
    queue: { type: "boolean", description: "while a turn runs, let claude queue it instead of refusing it" },
    retries: { type: "string", valueHint: "N", default: "5", description: "how often Enter is tried (default: 5)" },
  },
  examples: [["csd send fix --no-submit Look at this && csd attach fix && csd submit fix", "after a look at it"]],
  async run({ args, app }) {
    const driver = createDriver(app.sys);
    const retries = wholeNumber("--retries", args.retries);
    printSent(app, await verbs.submit.run(driver, await resolveTarget(driver, args.session), { isQueued: args.queue === true, retries }));
  },
});

export const clearCommand = command({
  name: "csd clear",
  summary: "Take away the draft that stands in the input row. Fine when there is none; the conversation stays.",
  args: { session: sessionArgument },
  examples: [["csd clear fix", ""]],
  async run({ args, app }) {
    const driver = createDriver(app.sys);
    printJson<"csd clear">(app, { ok: true, cleared: await verbs.clear.run(driver, await resolveTarget(driver, args.session), {}) });
  },
});

type Sent = Awaited<ReturnType<typeof verbs.submit.run>> & Partial<Awaited<ReturnType<typeof verbs.send.run>>>;

export function printSent(app: App, { attempts, receipt, promptId, answer }: Sent): void {
  printJson<"csd send">(app, { ok: true, attempts, receipt, ...present({ prompt_id: promptId }), ...answer });
}
