import { type AnyCommand, command, flagsOf } from "./cmd-record.ts";
import { usageError } from "./errors.ts";

export const completionsCommand = command({
  name: "csm completions",
  summary: "Print a completion script for csm and csd.",
  args: { shell: { type: "positional", required: true, description: "bash, zsh, fish or pwsh" } },
  examples: [
    ["csm completions bash > ~/.local/share/bash-completion/completions/csm", "and a link named csd beside it"],
    ["csm completions zsh > ~/.zfunc/_csm", ""],
    ["csm completions fish > ~/.config/fish/completions/csm.fish", ""],
  ],
  async run({ args, app }) {
    const shell = args.shell.toLowerCase();
    const render = Object.hasOwn(renderers, shell) ? renderers[shell] : undefined;
    if (render === undefined)
      throw usageError(`no completion for ${JSON.stringify(args.shell)}`, `one of: ${Object.keys(renderers).join(", ")}`);
    app.out(render(parsePrograms(await app.records())));
  },
});

interface Program {
  name: string;
  commands: { word: string; summary: string; flags: string[]; takesSession: boolean }[];
}

/** `csm ls` and `csd send` belong to two programs. */
export function parsePrograms(records: AnyCommand[]): Program[] {
  return ["csm", "csd"].map((name) => ({
    name,
    commands: records
      .filter((record) => record.name.startsWith(`${name} `))
      .map((record) => ({
        word: record.name.slice(name.length + 1),
        summary: record.summary,
        flags: [...flagsOf(record).map(([flag]) => flag), "--help"],
        takesSession: "session" in record.args,
      })),
  }));
}

/** Names of csd's sessions, from the files it keeps: no process is started for it. */
// biome-ignore lint/suspicious/noTemplateCurlyInString: the shell is to expand it
const sessionsDir = '"${XDG_STATE_HOME:-$HOME/.local/state}/csd/sessions"';

const renderers: Record<string, (programs: Program[]) => string> = {
  bash: renderBash,
  zsh: renderZsh,
  fish: renderFish,
  pwsh: renderPwsh,
  powershell: renderPwsh,
};

function renderBash(programs: Program[]): string {
  const functions = programs.map(({ name, commands }) => {
    const cases = commands.map(({ word, flags, takesSession }) => {
      const names = takesSession ? ` $(cd ${sessionsDir} 2>/dev/null && printf '%s\\n' *.json | sed 's/\\.json$//')` : "";
      return `    ${word}) words="${flags.join(" ")}${names}" ;;`;
    });
    return `_${name}() {
  local current=\${COMP_WORDS[COMP_CWORD]} words=""
  if [ "$COMP_CWORD" -eq 1 ]; then
    words="${commands.map(({ word }) => word).join(" ")} --help --version"
  else
    case "\${COMP_WORDS[1]}" in
${cases.join("\n")}
    esac
  fi
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -o default -F _${name} ${name}
`;
  });
  return functions.join("\n");
}

function renderZsh(programs: Program[]): string {
  const functions = programs.map(({ name, commands }) => {
    const described = commands.map(({ word, summary }) => `      ${quote(`${word}:${summary.replaceAll(":", "\\:")}`)}`);
    const cases = commands.map(({ word, flags, takesSession }) => {
      const names = takesSession ? `; local -a sessions; sessions=(${sessionsDir}/*.json(N:t:r)); compadd -a sessions` : "";
      return `      ${word}) compadd -- ${flags.join(" ")}${names} ;;`;
    });
    return `_${name}() {
  if (( CURRENT == 2 )); then
    local -a commands
    commands=(
${described.join("\n")}
    )
    _describe command commands
  else
    case $words[2] in
${cases.join("\n")}
    esac
  fi
}
`;
  });
  return `#compdef csm csd\n\n${functions.join("\n")}\ncase $service in\n  csd) _csd "$@" ;;\n  *) _csm "$@" ;;\nesac\n`;
}

const quote = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;

function renderFish(programs: Program[]): string {
  const lines = programs.flatMap(({ name, commands }) => [
    ...commands.map(({ word, summary }) => `complete -c ${name} -n __fish_use_subcommand -f -a ${word} -d ${quote(summary)}`),
    ...commands.flatMap(({ word, flags, takesSession }) => [
      ...flags
        .filter((flag) => flag.startsWith("--"))
        .map((flag) => `complete -c ${name} -n '__fish_seen_subcommand_from ${word}' -l ${flag.slice(2)}`),
      ...(takesSession ? [`complete -c ${name} -n '__fish_seen_subcommand_from ${word}' -f -a '(__csd_sessions)'`] : []),
    ]),
  ]);
  const sessions = `function __csd_sessions
  set -l dir $HOME/.local/state
  set -q XDG_STATE_HOME; and set dir $XDG_STATE_HOME
  for file in $dir/csd/sessions/*.json
    string replace -r '.*/(.*)\\.json$' '$1' $file
  end
end`;
  return `${sessions}\n\n${lines.join("\n")}\n`;
}

function renderPwsh(programs: Program[]): string {
  return programs
    .map(({ name, commands }) => {
      const table = commands.map(({ word, flags }) => `    ${quotePwsh(word)} = @(${flags.map(quotePwsh).join(", ")})`);
      return `Register-ArgumentCompleter -Native -CommandName ${name} -ScriptBlock {
  param($wordToComplete, $commandAst, $cursorPosition)
  $commands = [ordered]@{
${table.join("\n")}
  }
  $typed = @($commandAst.CommandElements | ForEach-Object { $_.ToString() })
  $isFirst = $typed.Count -lt 2 -or ($typed.Count -eq 2 -and $wordToComplete -ne '')
  $words = if ($isFirst) { $commands.Keys } else { $commands[$typed[1]] }
  $words | Where-Object { $_ -like "$wordToComplete*" } | ForEach-Object { [System.Management.Automation.CompletionResult]::new($_) }
}
`;
    })
    .join("\n");
}

const quotePwsh = (text: string): string => `'${text.replaceAll("'", "''")}'`;
