import { type InputOf, verbs } from "./actions.ts";
import { printAnswer, printJson, wholeNumber } from "./cmd-csd-json.ts";
import { command, sessionArgument } from "./cmd-record.ts";
import { createDriver, type Driver } from "./driver.ts";
import type { Answer } from "./driver-reply.ts";
import { usageError } from "./errors.ts";
import { present } from "./json.ts";
import { resolveTarget } from "./resolve.ts";

const gateFlag = {
  gate: {
    type: "string",
    valueHint: "ID",
    description: "the gate that is meant, by the `gate_id` of `csd state` (default: the only one that is up)",
  },
} as const;

const expectFlags = {
  expect: {
    type: "string",
    valueHint: "TEXT",
    description: "refuse unless this runs: command, path, host, tool; once for each part of a command, or FIELD=VALUE of a tool",
  },
  contains: { type: "string", valueHint: "TEXT", description: "refuse unless this stands in it; anything may stand beside it" },
} as const;

type Repeated = Partial<Record<string, string[]>>;
const expected = (gate: string | undefined, { expect, contains }: Repeated) => present({ gate, expect, contains });

export const allowArgs = {
  session: sessionArgument,
  option: {
    type: "string",
    valueHint: "N",
    description: "take option N as `csd state` lists it (default: the one that allows this once)",
  },
  widen: { type: "boolean", description: "with --option: also one that allows more than this request (another mode, don't ask again)" },
  ...gateFlag,
  ...expectFlags,
} as const;

export const denyArgs = {
  session: sessionArgument,
  reason: { type: "string", valueHint: "TEXT", description: "what the model is told" },
  ...gateFlag,
  ...expectFlags,
} as const;

/** Of both. */
export const repeatableGateFlags = ["expect", "contains"];

interface GateArgs {
  session: string;
  gate?: string | undefined;
}

interface AllowArgs extends GateArgs {
  option?: string | undefined;
  widen?: boolean | undefined;
}

export function parseAllow(word: string, { gate, option: number, widen }: AllowArgs, repeated: Repeated): InputOf<"allow"> {
  const option = number === undefined ? undefined : wholeNumber("--option", number);
  if (widen === true && option === undefined) throw usageError(`${word}: --widen goes with --option`, "without it nothing is widened");
  return { ...expected(gate, repeated), ...present({ option, isWide: widen }) };
}

export async function allow(driver: Driver, word: string, args: AllowArgs, repeated: Repeated): Promise<Answer> {
  const input = parseAllow(word, args, repeated);
  return verbs.allow.run(driver, await resolveTarget(driver, args.session), input);
}

interface DenyArgs extends GateArgs {
  reason?: string | undefined;
}

export const parseDeny = ({ gate, reason }: DenyArgs, repeated: Repeated): InputOf<"deny"> => ({
  ...expected(gate, repeated),
  ...present({ reason }),
});

export const deny = async (driver: Driver, args: DenyArgs, repeated: Repeated): Promise<Answer> =>
  verbs.deny.run(driver, await resolveTarget(driver, args.session), parseDeny(args, repeated));

export const answerArgs = {
  session: sessionArgument,
  choice: {
    type: "string",
    valueHint: "CHOICE",
    description: "a label, its beginning or its number; once for each question, in order, or HEADER=CHOICE",
  },
  text: { type: "string", valueHint: "TEXT", description: "an answer in your own words, for the question left" },
  ...gateFlag,
  expect: { type: "string", valueHint: "TEXT", description: "refuse unless this is the question; once for each of several" },
  contains: { type: "string", valueHint: "TEXT", description: "refuse unless this stands in the question" },
} as const;

export const repeatableAnswerFlags = ["choice", "expect", "contains"];

interface AnswerArgs extends GateArgs {
  text?: string | undefined;
}

export function parseAnswer(word: string, { gate, text }: AnswerArgs, repeated: Repeated) {
  const choices = repeated.choice ?? [];
  if (choices.length === 0 && text === undefined) throw usageError(`${word}: nothing to answer with`, "give --choice or --text");
  return { choices, ...expected(gate, repeated), ...present({ text }) };
}

export async function answer(driver: Driver, word: string, args: AnswerArgs, repeated: Repeated): Promise<Answer> {
  const input = parseAnswer(word, args, repeated);
  return verbs.answer.run(driver, await resolveTarget(driver, args.session), input);
}

export const approveCommand = command({
  name: "csd approve",
  summary: "Answer the gate that is up: allow this one request, or take the option that is named.",
  args: allowArgs,
  repeatable: repeatableGateFlags,
  examples: [
    ["csd approve fix", 'allow once; never "don\'t ask again", never another mode'],
    ["csd approve fix --expect 'npm test'", "only if that is all that it asks for"],
    ["csd approve fix --gate 3f9c0a1b2d", "that one, when several are up"],
    ["csd approve fix --option 4", "the fourth option, unless it allows more than this request"],
    ["csd approve fix --option 2 --widen", "the second one, whatever it means"],
  ],
  async run({ args, repeated, app }) {
    printAnswer(app, await allow(createDriver(app.sys), "csd approve", args, repeated));
  },
});

export const denyCommand = command({
  name: "csd deny",
  summary: "Refuse the request of the gate that is up. With a reason the model reads it and goes on; without one the turn ends.",
  args: denyArgs,
  repeatable: repeatableGateFlags,
  examples: [
    ["csd deny fix", ""],
    ["csd deny fix --reason 'use the staging database'", "the turn goes on with this"],
  ],
  async run({ args, repeated, app }) {
    printAnswer(app, await deny(createDriver(app.sys), args, repeated));
  },
});

export const answerCommand = command({
  name: "csd answer",
  summary: "Answer the question that claude asks: one or several, with one or several choices, or with a text.",
  args: answerArgs,
  repeatable: repeatableAnswerFlags,
  examples: [
    ["csd answer fix --choice test", ""],
    ["csd answer fix --choice lint --choice e2e", "two choices of a question that takes several"],
    ["csd answer fix --choice Folder=src --text 'call it orders'", "two questions"],
  ],
  async run({ args, repeated, app }) {
    printAnswer(app, await answer(createDriver(app.sys), "csd answer", args, repeated));
  },
});

export const interruptCommand = command({
  name: "csd interrupt",
  summary: "Stop the turn that runs, or close the gate that is up, as Esc does. Fine when nothing runs.",
  args: {
    session: sessionArgument,
  },
  examples: [["csd interrupt fix", ""]],
  async run({ args, app }) {
    const driver = createDriver(app.sys);
    printJson<"csd interrupt">(app, {
      ok: true,
      interrupted: await verbs.interrupt.run(driver, await resolveTarget(driver, args.session), {}),
    });
  },
});
