import { command } from "./cmd-record.ts";
import { runClaude } from "./launch.ts";

export const runCommandRecord = command({
  name: "csm run",
  summary: "Start claude here, in this terminal. csm alone does the same.",
  args: {
    model: { type: "string", valueHint: "MODEL", description: "handed to claude" },
    effort: { type: "string", valueHint: "LEVEL", description: "handed to claude" },
    "permission-mode": { type: "string", valueHint: "MODE", description: "handed to claude" },
  },
  rest: { kind: "prompt", hint: "[-- CLAUDE ARGUMENTS…]", about: "handed to claude as they are" },
  examples: [
    ["csm run --model opus", ""],
    ["csm run -- --continue --verbose", "flags of claude itself"],
  ],
  run: ({ args, rest, app }) => runClaude(app.sys, [...forwarded(args), ...rest]),
});

const forwarded = (args: { model?: string | undefined; effort?: string | undefined; "permission-mode"?: string | undefined }): string[] =>
  (["model", "effort", "permission-mode"] as const).flatMap((name) => (args[name] === undefined ? [] : [`--${name}`, args[name]]));
