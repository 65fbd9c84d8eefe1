import { printJson, warningOf } from "./cmd-csd-json.ts";
import { command } from "./cmd-record.ts";
import { type Driven, publicDriven } from "./driven.ts";
import { createDriver } from "./driver.ts";
import { readAll } from "./observe.ts";

export const psCommand = command({
  name: "csd ps",
  summary: "List the sessions that csd started and what they do.",
  args: { json: { type: "boolean", description: "print JSON" } },
  examples: [
    ["csd ps", ""],
    ["csd ps --json | jq '.sessions[] | select(.state.status == \"blocked\").name'", "who waits at a gate"],
  ],
  async run({ args, app }) {
    const { sessions, broken } = await readAll(createDriver(app.sys));
    for (const name of broken) app.tell(`csd: the record of session "${name}" is broken; csd kill ${name} removes it`);
    if (args.json === true) {
      const warnings = new Map<string, ReturnType<typeof warningOf>>();
      /** Many sessions run the same claude: what is remembered of it is read once. */
      const warning = (driven: Driven) => {
        const key = [driven.backend, driven.backend_version, driven.backend_path].join("\n");
        const found = warnings.get(key) ?? warningOf(app, driven);
        warnings.set(key, found);
        return found;
      };
      const entries = sessions.map(({ driven, verdict }) => ({
        ...publicDriven(driven),
        alive: verdict.status !== "dead",
        state: verdict,
        ...warning(driven),
      }));
      return printJson(app, { sessions: entries });
    }
    if (sessions.length === 0) return app.out("no tracked sessions");
    const rows = sessions.map(({ driven, verdict }) => [driven.name, String(verdict.status !== "dead"), verdict.status, driven.cwd]);
    // The widths of the older csd, which scripts cut by.
    const line = ([name = "", alive = "", status = "", cwd = ""]: string[]) =>
      `${name.padEnd(28)} ${alive.padEnd(6)} ${status.padEnd(14)} ${cwd}`;
    app.out([["NAME", "ALIVE", "STATUS", "CWD"], ...rows].map(line).join("\n"));
  },
});
