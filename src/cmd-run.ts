import { command } from "./cmd-record.ts";
import { runLauncher } from "./launcher.ts";
import { limitPolicies } from "./limit.ts";

/** For the help and the completion: `app` hands the words of `csm run` to the launcher as they are. */
export const runCommandRecord = command({
  name: "csm run",
  summary: "Start claude here, in this terminal, in a new conversation or one that you choose. csm alone does the same.",
  args: {
    continue: { type: "boolean", alias: "c", description: "your newest conversation that nobody has open; no script's" },
    resume: {
      type: "string",
      alias: "r",
      valueHint: "[WHICH]",
      description: "by id, beginning of an id, title, or name as csm ls shows it; alone: choose from a list",
    },
    "session-id": { type: "string", valueHint: "UUID", description: "a new conversation with this id" },
    interactive: { type: "boolean", alias: "i", description: "choose the profile and the conversation" },
    profile: { type: "string", valueHint: "NAME", description: "under this profile" },
    "pick-account": { type: "boolean", alias: "A", description: "choose the profile" },
    "no-pick": { type: "boolean", description: "keep the current profile" },
    "on-limit": {
      type: "string",
      valueHint: "POLICY",
      values: limitPolicies,
      description: "at a usage limit: switch to another account, wait for the reset, ask, or stop (csm config: limit.policy)",
    },
    model: { type: "string", valueHint: "MODEL", description: "handed to claude, and remembered for this conversation" },
    effort: { type: "string", valueHint: "LEVEL", description: "the same" },
    "permission-mode": { type: "string", valueHint: "MODE", description: "the same" },
  },
  rest: { kind: "words", hint: "[CLAUDE ARGUMENTS…]", about: "everything else is handed to claude, in its order" },
  examples: [
    ["csm run", "a list, when this folder has conversations"],
    ["csm run -c", "go on where you were"],
    ["csm run -r 3f2a1b4c", "by the beginning of an id; a title does too"],
    ["csm run --profile work --model opus fix the tests", ""],
    ["csm run -- --continue", "flags of claude itself go behind --"],
  ],
  run: ({ rest, app }) => runLauncher(app.sys, "run", rest),
});
