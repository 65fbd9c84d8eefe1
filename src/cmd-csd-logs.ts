import type { ChannelEvent } from "./channel.ts";
import { command } from "./cmd-record.ts";
import { createDriver, findTracked } from "./driver.ts";
import { printableLine } from "./sanitize.ts";

export const logsCommand = command({
  name: "csd logs",
  summary: "Print what the hooks of a session have told csd, and what csd answered.",
  args: {
    session: { type: "positional", required: true, description: "name of the session" },
    json: { type: "boolean", description: "print the events as JSON lines" },
  },
  examples: [["csd logs fix", ""]],
  async run({ args, app }) {
    const target = findTracked(createDriver(app.sys), args.session);
    const events = (await target.channel?.readEvents()) ?? [];
    const lines = events.map((event) => (args.json === true ? JSON.stringify(event) : renderEvent(event)));
    app.out(lines.length === 0 ? "no events yet" : lines.join("\n"));
  },
});

function renderEvent({ at, event, tool, error, text, prompt_id }: ChannelEvent): string {
  const about = [tool, error, prompt_id, text].filter((part) => part !== undefined).map((part) => printableLine(part).slice(0, 120));
  return [new Date(at).toISOString(), event, ...about].join("  ");
}
