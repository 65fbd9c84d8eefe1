import type { ChannelEvent } from "./channel.ts";
import { wholeNumber } from "./cmd-csd-json.ts";
import { command, sessionArgument } from "./cmd-record.ts";
import { createDriver, readOwnSession } from "./driver.ts";
import { UserError } from "./errors.ts";
import { isoTime } from "./format.ts";
import { settleTranscript } from "./observe.ts";
import { findTranscript } from "./paths.ts";
import { printableLine } from "./printable.ts";
import { resolveAddress } from "./resolve.ts";
import { followLines } from "./tail.ts";
import { renderTranscript } from "./transcript-facts.ts";

export const tailCommand = command({
  name: "csd tail",
  summary: "Print the conversation of a session as text, or as its JSON lines.",
  args: {
    session: sessionArgument,
    lines: { type: "string", alias: "n", valueHint: "N", default: "20", description: "how many of the last entries (default: 20)" },
    follow: { type: "boolean", alias: "f", description: "go on as it grows, until the session ends" },
    json: { type: "boolean", description: "print the transcript's own lines" },
  },
  examples: [
    ["csd tail fix", ""],
    ["csd tail fix -f", "follow it"],
    ["csd tail fix --json -n 1 | jq .message", ""],
  ],
  async run({ args, app }) {
    const { sys } = app;
    const count = wholeNumber("--lines", args.lines);
    const driver = createDriver(sys);
    const target = await resolveAddress(driver, args.session);
    await settleTranscript(driver, target);
    const path = findTranscript(sys, target, await readOwnSession(driver, target));
    if (path === undefined) throw new UserError(`session "${args.session}" has no transcript yet`, "it is written with the first prompt");
    const render = (line: string) => (args.json === true ? line : renderTranscript(line)) || undefined;
    const isOver = async () => args.follow !== true || (await readOwnSession(driver, target)) === undefined;
    for await (const shown of followLines(sys, path, { isOver, read: render, firstCount: count }))
      if (shown.length > 0) (args.json === true ? app.jsonLines : app.out)(shown.join("\n"));
  },
});

export const logsCommand = command({
  name: "csd logs",
  summary: "Print what the hooks of a session have told csd, and what csd answered.",
  args: {
    session: sessionArgument,
    json: { type: "boolean", description: "print the events as JSON lines" },
  },
  examples: [["csd logs fix", ""]],
  async run({ args, app }) {
    const { name, driven, channel } = await resolveAddress(createDriver(app.sys), args.session);
    if (driven === undefined)
      throw new UserError(
        `session "${name}" tells csd nothing: it has no hooks of csd, which did not start it`,
        "csd tail prints its conversation",
      );
    const events = (await channel?.readEvents()) ?? [];
    if (args.json === true) {
      for (const event of events) app.json<"csd logs">({ ...event, time: isoTime(event.at) }, 0);
      return;
    }
    app.out(events.length === 0 ? "no events yet" : events.map(renderEvent).join("\n"));
  },
});

function renderEvent({ at, event, tool, error, text, prompt_id }: ChannelEvent): string {
  const about = [tool, error, prompt_id, text].filter((part) => part !== undefined).map((part) => printableLine(part).slice(0, 120));
  return [isoTime(at), printableLine(event), ...about].join("  ");
}
