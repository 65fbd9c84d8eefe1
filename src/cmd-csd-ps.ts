import { printJson, warningOf } from "./cmd-csd-json.ts";
import { command } from "./cmd-record.ts";
import { type Driven, publicDriven } from "./driven.ts";
import { createDriver, referTo, trackedTarget } from "./driver.ts";
import { type Column, fitPath, table, timed } from "./format.ts";
import { readAll } from "./observe.ts";
import { stateJson } from "./statuses.ts";

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
      const entries = sessions.map(({ driven, verdict, session }) => ({
        ...publicDriven(driven),
        ...referTo(app.sys, trackedTarget(app.sys, driven), session),
        ...timed("created", driven.created * 1000),
        alive: verdict.status !== "dead",
        state: stateJson(verdict),
        ...warning(driven),
      }));
      return printJson<"csd ps">(app, { sessions: entries });
    }
    if (sessions.length === 0) return app.out("no tracked sessions");
    const rows = sessions.map(({ driven, verdict }) => [driven.name, String(verdict.status !== "dead"), verdict.status, driven.cwd]);
    app.out(table(app.columns === undefined ? scriptColumns : columns, rows, app.columns).join("\n"));
  },
});

const columns: Column[] = [
  { title: "NAME", minWidth: 20 },
  { title: "ALIVE" },
  { title: "STATUS" },
  { title: "CWD", minWidth: 20, fit: fitPath },
];
/** At least as wide as those of the older csd, which scripts cut by. */
const scriptColumns: Column[] = [{ title: "NAME".padEnd(27) }, { title: "ALIVE" }, { title: "STATUS".padEnd(13) }, { title: "CWD" }];
