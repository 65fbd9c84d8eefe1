import { runCas } from "./cas.ts";
import { command } from "./cmd-record.ts";

/** For help and completion; `app` runs `csm cas` without a record, as shells call it often. */
export const casCommand = command({
  name: "csm cas",
  summary: "Switch the profile of a shell: the machine interface behind the function cas of csm shell-init.",
  args: {
    eval: { type: "boolean", description: "print what the shell is to evaluate" },
    shell: { type: "string", valueHint: "SHELL", description: "zsh, bash, sh, fish, pwsh or powershell" },
    "print-default-dir": { type: "boolean", description: "print the folder of the default profile; nothing where there is none" },
  },
  rest: { kind: "prompt", hint: "[-- WORDS…]", about: "NAME, -g NAME, resync, status [--print-current]; or a verb of csm profiles" },
  examples: [
    ["csm cas", "the profiles and which one this shell is in"],
    ['eval "$(csm cas --eval --shell zsh -- work)"', "what cas work does"],
    ["csm cas status --print-current", ""],
  ],
  run: async ({ rest, app }) => void (await runCas(app.sys, rest, app.out)),
});
