import { command } from "./cmd-record.ts";
import { usageError } from "./errors.ts";
import { readJournal } from "./journal.ts";
import { renderEntry } from "./journal-text.ts";
import { renderLocalTime } from "./local-time.ts";

const defaultLines = 20;

export const logCommand = command({
  name: "csm log",
  summary: "What csm did about usage limits: which conversation moved where, what waits, what failed, and why.",
  args: {
    lines: { type: "string", alias: "n", valueHint: "N", description: `how many entries, the newest last (${defaultLines})` },
    session: { type: "string", valueHint: "ID", description: "only this conversation; the beginning of its id will do" },
    json: { type: "boolean", description: "print JSON" },
  },
  examples: [
    ["csm log", ""],
    ["csm log --session 3dd65871 --json", ""],
  ],
  run({ args, app }) {
    const count = args.lines === undefined ? defaultLines : Number(args.lines);
    if (!Number.isInteger(count) || count < 1)
      throw usageError(`csm log: --lines must be a whole number, not ${JSON.stringify(args.lines)}`);
    const entries = readJournal(app.sys)
      .filter(({ session }) => session.startsWith(args.session ?? ""))
      .slice(-count);
    if (args.json === true) return app.out(JSON.stringify({ entries }, null, 2));
    if (entries.length === 0) return app.out("no usage limit has been met yet");
    const now = app.sys.now();
    app.out(entries.map((entry) => renderEntry(entry, now, (at) => renderLocalTime(at / 1000, undefined))).join("\n"));
  },
});
