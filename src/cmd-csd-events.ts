import { command } from "./cmd-record.ts";
import { createDriver, findTracked } from "./driver.ts";
import { streamEvents } from "./driver-watch.ts";

export const eventsCommand = command({
  name: "csd events",
  summary: "Print every change of state as one line of JSON: a snapshot first, then old, new, source, age and what a gate asks.",
  args: {},
  rest: { kind: "prompt", hint: "[SESSION…]", about: "only these (default: all, also those that are started later)" },
  examples: [
    ["csd events | jq -c 'select(.new == \"blocked\") | [.session, .state.tool]'", "who waits at a gate, as it happens"],
    ["csd events fix", ""],
  ],
  async run({ rest, app }) {
    const driver = createDriver(app.sys);
    for (const name of rest) findTracked(driver, name);
    await streamEvents(driver, rest.length === 0 ? undefined : rest, (event) => app.sys.write(1, `${JSON.stringify(event)}\n`));
  },
});
