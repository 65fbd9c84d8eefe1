import { command } from "./cmd-record.ts";
import { runStatusline } from "./statusline.ts";
import { defaultTemplate, placeholders } from "./statusline-template.ts";

const names = Object.keys(placeholders)
  .map((name) => `{${name}}`)
  .join(" ");

/** For its help only: main runs the status line itself, without loading any of this. */
export const statuslineCommand = command({
  name: "csm statusline",
  summary: `Print one line on this session and its account, and remember what Claude Code said of the usage limits.

As the statusLine command of Claude Code it reads the JSON on stdin; without one, as in a shell prompt, it prints
profile@host. It exits 0 whatever happens. In a template: ${names}.
The default one: ${defaultTemplate}`,
  args: {
    template: {
      type: "string",
      valueHint: "TEXT",
      description: "what to print; a part between · or | that has nothing to show is left out",
    },
    wrap: {
      type: "string",
      valueHint: "COMMAND",
      description: "after recording, run your own status line with the same stdin and print that",
    },
  },
  examples: [
    ['{"statusLine": {"type": "command", "command": "csm statusline"}}', "in settings.json"],
    ["csm statusline --template '{profile} {5h} | {7d}'", ""],
    ["csm statusline --wrap ~/.claude/statusline.sh", ""],
  ],
  run: ({ args }) =>
    runStatusline([
      ...(args.template === undefined ? [] : ["--template", args.template]),
      ...(args.wrap === undefined ? [] : ["--wrap", args.wrap]),
    ]),
});
