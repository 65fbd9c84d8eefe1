import { actWhile } from "./act-feed.ts";
import { printState, wholeNumber } from "./cmd-csd-json.ts";
import { command, sessionArgument } from "./cmd-record.ts";
import { createDriver } from "./driver.ts";
import { exitCode, UserError, unknownWord } from "./errors.ts";
import { resolveAddress } from "./resolve.ts";
import type { Status } from "./status.ts";
import { statuses, statusRow } from "./statuses.ts";
import { streamEvents, waitForStatus } from "./watch.ts";

const restStatuses = statuses.filter((status) => statusRow(status).isAtRest);

export const waitCommand = command({
  name: "csd wait",
  summary: "Wait until a session is in one of these states, and print it. Reacts to claude's own signals; it does not poll.",
  args: {
    session: sessionArgument,
    until: {
      type: "string",
      valueHint: "STATE[,STATE]",
      description: `of ${statuses.join(", ")} (default: ${restStatuses.join(", ")})`,
    },
    timeout: {
      type: "string",
      valueHint: "SECONDS",
      description: `give up after this time, with code ${exitCode.timeout} (default: never)`,
    },
  },
  examples: [
    ["csd send fix Run the tests && csd wait fix", "until it needs you or is done"],
    ["csd wait fix --until idle_done --timeout 600", ""],
  ],
  async run({ args, app }) {
    const wanted = args.until === undefined ? restStatuses : parseStates(args.until);
    const seconds = args.timeout === undefined ? Number.POSITIVE_INFINITY : wholeNumber("--timeout", args.timeout);
    const driver = createDriver(app.sys);
    const target = await resolveAddress(driver, args.session);
    const { verdict, isWanted } = await actWhile(
      app.sys,
      ({ pid }) => pid === target.pid,
      () => waitForStatus(driver, target, ({ status }) => wanted.includes(status), seconds * 1000),
    );
    if (isWanted) return printState(app, driver, target, verdict);
    if (verdict.status === "dead") throw new UserError(`session "${args.session}" is not alive`, `csd kill ${args.session} forgets it`);
    throw new UserError(
      `session "${args.session}" is still ${verdict.status} after ${seconds} s`,
      "wait longer, or look at it",
      exitCode.timeout,
    );
  },
});

function parseStates(text: string): Status[] {
  const words = text.split(",").map((word) => word.trim());
  for (const word of words) {
    if (statuses.some((status) => status === word)) continue;
    throw unknownWord("csd wait: unknown state", word, statuses);
  }
  return words as Status[];
}

export const eventsCommand = command({
  name: "csd events",
  summary: "Print every change of state as one line of JSON: a snapshot first, then old, new, source, age and what a gate asks.",
  args: {},
  rest: { kind: "prompt", hint: "[SESSION…]", complete: "sessions", about: "only these (default: all, also those that are started later)" },
  examples: [
    ["csd events | jq -c 'select(.new == \"blocked\") | [.session, .state.tool]'", "who waits at a gate, as it happens"],
    ["csd events fix", ""],
  ],
  async run({ rest, app }) {
    const driver = createDriver(app.sys);
    const chosen = [];
    for (const word of rest) chosen.push(await resolveAddress(driver, word));
    await streamEvents(driver, rest.length === 0 ? undefined : chosen, (event) => {
      app.json<"csd events">(event, 0);
      return true;
    });
  },
});
