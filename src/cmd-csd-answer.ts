import { printAnswer } from "./cmd-csd-json.ts";
import { command } from "./cmd-record.ts";
import { createDriver, findLive } from "./driver.ts";
import { answerQuestions } from "./driver-reply.ts";
import { usageError } from "./errors.ts";

export const answerCommand = command({
  name: "csd answer",
  summary: "Answer the question that claude asks: one or several, with one or several choices, or with a text.",
  args: {
    session: { type: "positional", required: true, description: "name of the session" },
    choice: {
      type: "string",
      valueHint: "CHOICE",
      description: "a label, its beginning or its number; once for each question, in order, or HEADER=CHOICE",
    },
    text: { type: "string", valueHint: "TEXT", description: "an answer in your own words, for the question left" },
    expect: { type: "string", valueHint: "TEXT", description: "refuse unless the question contains this text" },
  },
  repeatable: ["choice"],
  examples: [
    ["csd answer fix --choice test", ""],
    ["csd answer fix --choice lint --choice e2e", "two choices of a question that takes several"],
    ["csd answer fix --choice Folder=src --text 'call it orders'", "two questions"],
  ],
  async run({ args, repeated, app }) {
    const choices = repeated.choice ?? [];
    if (choices.length === 0 && args.text === undefined) throw usageError("csd answer: nothing to answer with", "give --choice or --text");
    const driver = createDriver(app.sys);
    printAnswer(app, await answerQuestions(driver, await findLive(driver, args.session), choices, args.text, args.expect));
  },
});
