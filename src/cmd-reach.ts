import { verbs } from "./actions.ts";
import { allow, allowArgs, deny, denyArgs, repeatableGateFlags } from "./cmd-csd-answer.ts";
import { printAnswer, wholeNumber } from "./cmd-csd-json.ts";
import { printSent } from "./cmd-csd-send.ts";
import { type App, command, sessionArgument } from "./cmd-record.ts";
import { createDriver } from "./driver.ts";
import type { Answer } from "./driver-reply.ts";
import { SilentExit, UserError, usageError } from "./errors.ts";
import { showPane } from "./panes.ts";
import { printableLine } from "./printable.ts";
import { resolvePlace, resolveTarget } from "./resolve.ts";

/** csd's verbs for a person, and the way to a session's own window. */

const json = { type: "boolean", description: "print JSON" } as const;
const by = "csm";

export const allowCommand = command({
  name: "csm allow",
  summary: "Allow what a session asks, once, wherever it runs: by its hook, in its pane, or in the window of its terminal.",
  args: { ...allowArgs, json },
  repeatable: repeatableGateFlags,
  examples: [
    ["csm allow fix", 'once; never "don\'t ask again", never another mode'],
    ["csm allow fix --expect 'npm test'", "only if that is all that it asks for"],
    ["csm allow fix --option 4", "the fourth option that stands there"],
  ],
  run: async ({ args, repeated, app }) => tell(app, args, await allow(createDriver(app.sys, by), "csm allow", args, repeated)),
});

export const denyReachCommand = command({
  name: "csm deny",
  summary: "Refuse what a session asks, wherever it runs. With a reason the model reads it and goes on; without one the turn ends.",
  args: { ...denyArgs, json },
  repeatable: repeatableGateFlags,
  examples: [
    ["csm deny fix", ""],
    ["csm deny fix --reason 'use the staging database'", "the turn goes on with this"],
  ],
  run: async ({ args, repeated, app }) => tell(app, args, await deny(createDriver(app.sys, by), args, repeated)),
});

function tell(app: App, { session, json }: { session: string; json?: boolean | undefined }, answer: Answer): void {
  if (json === true) printAnswer(app, answer);
  else app.out(printableLine(verbs.allow.words(session, answer)));
}

export const typeCommand = command({
  name: "csm type",
  summary:
    "Type a text to a session, wherever it runs, and submit it. Refused while it asks for something, works, or holds a draft of yours.",
  args: {
    session: sessionArgument,
    submit: { type: "boolean", default: true, description: "leave the text in the input row" },
    queue: { type: "boolean", description: "while a turn runs, let claude queue the text instead of refusing it" },
    retries: { type: "string", valueHint: "N", default: "5", description: "how often Enter is tried (default: 5)" },
    json,
  },
  rest: { kind: "prompt", hint: "TEXT…", about: "everything from its first word on belongs to it; - reads it from stdin" },
  examples: [
    ["csm type fix Run the tests and mend what fails", ""],
    ["git diff | csm type fix -", "from stdin"],
    ["csm type --no-submit fix /compact", "to look at it first"],
  ],
  async run({ args, rest, app }) {
    if (rest.length === 0) throw usageError("csm type: TEXT is missing", "usage: csm type SESSION TEXT…");
    const retries = wholeNumber("--retries", args.retries);
    const driver = createDriver(app.sys, by);
    const target = await resolveTarget(driver, args.session);
    const prompt = rest.length === 1 && rest[0] === "-" ? await app.sys.readInput() : rest.join(" ");
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
