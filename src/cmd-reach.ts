import { verbs } from "./actions.ts";
import {
  allow,
  allowArgs,
  answer,
  answerArgs,
  deny,
  denyArgs,
  parseAllow,
  parseAnswer,
  parseDeny,
  repeatableAnswerFlags,
  repeatableGateFlags,
} from "./cmd-csd-answer.ts";
import { printAnswer, wholeNumber } from "./cmd-csd-json.ts";
import { printSent } from "./cmd-csd-send.ts";
import { type App, command, sessionArgument } from "./cmd-record.ts";
import { createDriver } from "./driver.ts";
import type { Answer } from "./driver-reply.ts";
import { exitCode, SilentExit, UserError, usageError } from "./errors.ts";
import type { Far, Sent, Wish } from "./fleet-ask.ts";
import { duration } from "./format.ts";
import { present } from "./json.ts";
import { showPane } from "./panes.ts";
import { printableLine } from "./printable.ts";
import { resolvePlace, resolveTarget } from "./resolve.ts";

/** csd's verbs for a person, and the way to a session's own window. */

const json = { type: "boolean", description: "print JSON" } as const;
const by = "csm";

/** Of what was asked of another machine, beside those of every command. */
const reachCode = { tooLate: 3, unknown: 4 } as const;

const timeout = {
  type: "string",
  valueHint: "SECONDS",
  default: "20",
  description: "of MACHINE/SESSION: what nobody has taken by then is not done any more (default: 20)",
} as const;

const elsewhere = `MACHINE/SESSION is one of another machine of the fleet: it says what was sent, and then what became of it. Codes: 0 applied,
1 refused, ${reachCode.tooLate} too late, ${reachCode.unknown} not known, ${exitCode.timeout} not taken within --timeout: nothing was done, and nothing will be.`;

export const allowCommand = command({
  name: "csm allow",
  summary: `Allow what a session asks, once, wherever it runs: by its hook, in its pane, or in the window of its terminal.

${elsewhere}`,
  args: { ...allowArgs, timeout, json },
  repeatable: repeatableGateFlags,
  examples: [
    ["csm allow fix", 'once; never "don\'t ask again", never another mode'],
    ["csm allow fix --expect 'npm test'", "only if that is all that it asks for"],
    ["csm allow fix --option 4", "the fourth option that stands there"],
    ["csm allow build/fix", "the session fix of the machine build"],
  ],
  async run({ args, repeated, app }) {
    const { option, isWide, ...input } = parseAllow("csm allow", args, repeated);
    const place = await readPlace(app, args.session);
    if ("far" in place) return askFar(app, place.far, { verb: "allow", ...toWire(input), ...present({ option, widen: isWide }) }, args);
    tell(app, place.word, args, await allow(createDriver(app.sys, by), "csm allow", { ...args, session: place.word }, repeated));
  },
});

export const denyReachCommand = command({
  name: "csm deny",
  summary: `Refuse what a session asks, wherever it runs. With a reason the model reads it and goes on; without one the turn ends.

${elsewhere}`,
  args: { ...denyArgs, timeout, json },
  repeatable: repeatableGateFlags,
  examples: [
    ["csm deny fix", ""],
    ["csm deny fix --reason 'use the staging database'", "the turn goes on with this"],
    ["csm deny build/fix", "the session fix of the machine build"],
  ],
  async run({ args, repeated, app }) {
    const place = await readPlace(app, args.session);
    if ("far" in place) return askFar(app, place.far, { verb: "deny", ...toWire(parseDeny(args, repeated)) }, args);
    tell(app, place.word, args, await deny(createDriver(app.sys, by), { ...args, session: place.word }, repeated));
  },
});

export const answerReachCommand = command({
  name: "csm answer",
  summary: `Answer the question that a session asks, wherever it runs: one or several, with one or several choices, or with a text.

${elsewhere}`,
  args: { ...answerArgs, timeout, json },
  repeatable: repeatableAnswerFlags,
  examples: [
    ["csm answer fix --choice test", ""],
    ["csm answer fix --choice Folder=src --text 'call it orders'", "two questions"],
    ["csm answer build/fix --choice 2", "the session fix of the machine build"],
  ],
  async run({ args, repeated, app }) {
    const { choices, text, ...input } = parseAnswer("csm answer", args, repeated);
    const place = await readPlace(app, args.session);
    if ("far" in place) return askFar(app, place.far, { verb: "answer", choices, ...toWire(input), ...present({ text }) }, args);
    tell(app, place.word, args, await answer(createDriver(app.sys, by), "csm answer", { ...args, session: place.word }, repeated));
  },
});

function tell(app: App, session: string, { json }: { json?: boolean | undefined }, given: Answer): void {
  if (json === true) printAnswer(app, given);
  else app.out(printableLine(verbs.allow.words(session, given)));
}

/** Nothing of the fleet is loaded for a word that can only be one of this machine. */
const readPlace = async ({ sys }: App, word: string) =>
  word.includes("/") ? (await import("./fleet-ask.ts")).readPlace(sys, word) : { word };

/** As other machines take it. */
const toWire = ({ gate, ...input }: { gate?: string; expect?: readonly string[]; contains?: readonly string[]; reason?: string }) => ({
  ...present({
    gate_id: gate,
    expect: input.expect && [...input.expect],
    contains: input.contains && [...input.contains],
    reason: input.reason,
  }),
});

async function askFar(app: App, far: Far, wish: Wish, args: { timeout: string; json?: boolean | undefined }): Promise<void> {
  const { askOwner } = await import("./fleet-ask.ts");
  const seconds = wholeNumber("--timeout", args.timeout);
  if (seconds < 1 || seconds > 3600) throw usageError(`csm ${wish.verb}: --timeout ${seconds} is not between 1 and 3600 seconds`);
  const onSent = ({ machine, session, isLive, toldMs, ask }: Sent): void => {
    const what = ask === undefined ? "" : `: ${ask.tool ?? ask.gate} ${ask.request}`;
    const away = isLive ? "" : `; ${machine} is away (it told something ${duration(toldMs)} ago): waiting ${seconds} s`;
    app.tell(printableLine(`sent: ${wish.verb} ${machine}/${session}${what.slice(0, longestShown)}${away}`));
  };
  const { sent, is, why, words } = await askOwner(app.sys, far, wish, { timeoutMs: seconds * 1000, onSent });
  const id = `${sent.machine}/${sent.session}`;
  const code = {
    applied: exitCode.ok,
    refused: exitCode.failure,
    "too late": reachCode.tooLate,
    unknown: reachCode.unknown,
    expired: exitCode.timeout,
  }[is];
  if (args.json === true) {
    const { machine, session, sessionId, request, gateId } = sent;
    app.json<"csm allow">({
      ...{ ok: is === "applied", machine, session, session_id: sessionId, gate_id: gateId ?? null, request },
      ...{ outcome: is, words: words ?? null, why: why ?? null },
    });
    if (code !== exitCode.ok) throw new SilentExit(code);
    return;
  }
  if (is === "applied") return app.out(printableLine(`applied: ${sent.machine}: ${words ?? ""}`));
  const lines = {
    refused: `${id}: refused: ${why}`,
    "too late": `${id}: too late: ${why}`,
    unknown: `${id}: sent, and it is not known what became of it: ${why}`,
    expired: `${id}: ${sent.machine} has not taken it within ${seconds} s: nothing was done, and nothing will be`,
  };
  throw new UserError(printableLine(lines[is]), is === "expired" ? "csm fleet machines shows who is heard of" : undefined, code);
}

/** Of what a gate asks, on the line that says what was sent. */
const longestShown = 200;

export const typeCommand = command({
  name: "csm type",
  summary: `Type a text to a session, wherever it runs, and submit it. Refused while it asks for something, works, or holds a draft of yours.

${elsewhere} Its machine takes prompts only with csm fleet serve --accept prompts.`,
  args: {
    session: sessionArgument,
    submit: { type: "boolean", default: true, description: "leave the text in the input row" },
    queue: { type: "boolean", description: "while a turn runs, let claude queue the text instead of refusing it" },
    retries: { type: "string", valueHint: "N", default: "5", description: "how often Enter is tried (default: 5)" },
    timeout,
    json,
  },
  rest: { kind: "prompt", hint: "TEXT…", about: "everything from its first word on belongs to it; - reads it from stdin" },
  examples: [
    ["csm type fix Run the tests and mend what fails", ""],
    ["git diff | csm type fix -", "from stdin"],
    ["csm type --no-submit fix /compact", "to look at it first"],
    ["csm type build/fix Go on", "the session fix of the machine build, where that takes prompts"],
  ],
  async run({ args, rest, app }) {
    if (rest.length === 0) throw usageError("csm type: TEXT is missing", "usage: csm type SESSION TEXT…");
    const retries = wholeNumber("--retries", args.retries);
    const place = await readPlace(app, args.session);
    const prompt = rest.length === 1 && rest[0] === "-" ? await app.sys.readInput() : rest.join(" ");
    if ("far" in place)
      return askFar(app, place.far, { verb: "send", prompt, draft: args.submit === false, queue: args.queue === true }, args);
    const driver = createDriver(app.sys, by);
    const target = await resolveTarget(driver, place.word);
    const options = { isDraft: args.submit === false, isQueued: args.queue === true, retries };
    const sent = await verbs.send.run(driver, target, { prompt, ...options });
    if (args.json === true) return printSent(app, sent);
    app.out(printableLine(args.submit === false ? `${target.name}: the text stands in its row` : verbs.send.words(target.name, sent)));
  },
});

export const focusCommand = command({
  name: "csm focus",
  summary: "Go where a session runs: the window of its terminal comes to the front, or its pane is shown here.",
  args: { session: sessionArgument, json },
  examples: [["csm focus fix", ""]],
  async run({ args, app }) {
    const { sys } = app;
    const { name, pane, place } = await resolvePlace(createDriver(sys, by), args.session);
    const { focusPlace, focusClient } = await import("./terminal-run.ts");
    const told = (how: "window" | "pane", terminal: string) => {
      if (args.json === true) return app.json<"csm focus">({ ok: true, name, how, terminal });
      app.out(printableLine(`${name} is in front, in ${terminal}`));
    };
    if (pane === undefined) {
      if (place === undefined) throw new UserError(`${name} has ended`);
      await focusPlace(sys, place);
      return told("window", place.title);
    }
    const isHere = sys.env.TMUX?.startsWith(`${pane.socketPath},`) === true;
    const title = isHere ? undefined : await focusClient(sys, pane);
    if (title !== undefined) return told("window", title);
    if (!isHere && (!app.isInteractive || args.json === true))
      throw new UserError(`no terminal shows the pane of ${name}`, `csm focus ${name} in a terminal shows it there`);
    if (args.json === true) told("pane", "tmux");
    throw new SilentExit(await showPane(sys, pane));
  },
});
