import { command } from "./cmd-record.ts";
import { unknownWord } from "./errors.ts";
import { forPeople } from "./output.ts";
import { shellInits } from "./shell-init.ts";

export const shellInitCommand = command({
  name: "csm shell-init",
  summary: "Print what a shell's start file is to load: the function cas, completions and, if wanted, a prompt part.",
  args: {
    shell: { type: "positional", required: true, suggestions: ["bash", "zsh", "fish", "pwsh"], description: "zsh, bash, fish or pwsh" },
    prompt: { type: "boolean", description: "show the chosen profile before the prompt" },
    completions: { type: "boolean", default: true, description: "leave the completions out" },
  },
  examples: [
    ['eval "$(csm shell-init zsh)"', "in ~/.zshrc; bash in ~/.bashrc"],
    ["csm shell-init fish --prompt | source", "in ~/.config/fish/config.fish"],
    ["Invoke-Expression (csm shell-init pwsh | Out-String)", "in $PROFILE"],
  ],
  run({ args, app }) {
    const init = shellInits[args.shell.toLowerCase()];
    if (init === undefined) throw unknownWord("no integration for", args.shell, Object.keys(shellInits));
    const completions = args.completions ? [init.completions] : [];
    app.exact(forPeople(app.sys, [init.cas, ...completions, ...(args.prompt === true ? [init.prompt] : [])].join("\n")));
  },
});
