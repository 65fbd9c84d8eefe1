import { runCas } from "./cas.ts";
import { command } from "./cmd-record.ts";

/** For help and completion; `app` runs `csm cas` without a record, as shells call it often. */
export const casCommand = command({
  name: "csm cas",
  summary: `Switch the account that this shell works in: cas work, cas - for the one before, cas to see which.

A command cannot change the shell that calls it, so cas is a function of the shell. One line in its start file brings it:

eval "$(csm shell-init zsh)", with bash in place of zsh there

csm shell-init fish | source`,
  usage: ["cas [status]", "cas NAME|-|-g NAME|resync", "cas list|add|set|rm|use|edit …", "csm cas --eval --shell SHELL -- WORDS…"],
  args: {
    eval: { type: "boolean", description: "for the function: print what the shell is to evaluate" },
    shell: {
      type: "string",
      valueHint: "SHELL",
      suggestions: ["zsh", "bash", "sh", "fish", "pwsh"],
      description: "of --eval: zsh, bash, sh, fish, pwsh or powershell",
    },
    "print-default-dir": { type: "boolean", description: "print the folder of the default profile; nothing where there is none" },
  },
  rest: { kind: "prompt", hint: "[-- WORDS…]", about: "a profile's name, or one of the words above" },
  examples: [
    ["cas", "the profiles, and which one this shell is in"],
    ["cas work", "what is started in this shell from now on works in the profile work"],
    ["cas -", "back to the one before"],
    ["cas -g work", "the default of csm and of new shells too"],
    ["cas resync", "take the default again"],
    ["csm cas status --print-current", "one word, for a prompt or a script"],
  ],
  run: async ({ rest, app }) => void (await runCas(app.sys, rest, app.out)),
});
