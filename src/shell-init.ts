import { casVerbs } from "./cas.ts";
import { bashCompletion, fishCompletion, pwshCompletion, zshCompletion } from "./completion-scripts.ts";

/** The whole integration of one shell, to be sourced. */
interface ShellInit {
  /** `cas NAME`, `cas -`, `cas -g NAME`, `cas status` … */
  cas: string;
  completions: string;
  /** Shows the chosen profile before the prompt. */
  prompt: string;
}

/** Words that print for people: nothing of them is evaluated. */
const printing = ["status", "--help", "-h", "help", ...casVerbs];
const caseWords = ["''", ...printing].join(" | ");

/**
 * The function keeps the profile before the last switch in two variables of the shell, where an empty one means unset. What
 * csm prints is evaluated only for words that switch, and holds folders between single quotes alone.
 */
const posixCas = (shell: "zsh" | "bash"): string => `\\unalias cas 2>/dev/null || true
function cas {
${shell === "zsh" ? "  emulate -L zsh\n" : ""}  case "\${1-}" in
    ${caseWords}) command csm cas "$@"; return ;;
  esac
  local __cas_code __cas_dir="\${CLAUDE_CONFIG_DIR-}" __cas_name="\${CSM_PROFILE-}"
  if [ "$1" = - ]; then
    if [ -z "\${__cas_known-}" ]; then printf 'cas: there is no previous profile\\n' >&2; return 1; fi
    if [ -n "$__cas_previous_dir" ]; then export CLAUDE_CONFIG_DIR="$__cas_previous_dir"; else unset CLAUDE_CONFIG_DIR; fi
    if [ -n "$__cas_previous_name" ]; then export CSM_PROFILE="$__cas_previous_name"; else unset CSM_PROFILE; fi
    printf 'shell → %s\\n' "$(command csm cas status --print-current)" >&2
  else
    __cas_code=$(command csm cas --eval --shell ${shell} -- "$@") || return
    eval "$__cas_code" || return
  fi
  if [ "$__cas_dir:$__cas_name" != "\${CLAUDE_CONFIG_DIR-}:\${CSM_PROFILE-}" ]; then
    __cas_previous_dir=$__cas_dir __cas_previous_name=$__cas_name __cas_known=1
  fi
}
`;

/** Before compinit has run there is nobody to tell: the first prompt is soon enough. */
const zshRegister = `_csm_register() {
  (( \${+functions[add-zsh-hook]} )) && add-zsh-hook -d precmd _csm_register
  (( \${+functions[compdef]} )) || return 0
  compdef _csm_words csm
  compdef _csd_words csd
  compdef _cas_words cas
}
if (( \${+functions[compdef]} )); then
  _csm_register
else
  autoload -Uz add-zsh-hook && add-zsh-hook precmd _csm_register
fi
`;

/** Asks csm only when the folder has changed since the last prompt. A name of other characters is not shown: a prompt is code. */
const posixLabel = `__cas_label() {
  if [ -z "\${CLAUDE_CONFIG_DIR-}\${CSM_PROFILE-}" ]; then __cas_shown=''; return; fi
  if [ "\${__cas_seen-}" != "\${CLAUDE_CONFIG_DIR-}:\${CSM_PROFILE-}" ]; then
    __cas_seen="\${CLAUDE_CONFIG_DIR-}:\${CSM_PROFILE-}"
    __cas_shown=$(command csm cas status --print-current 2>/dev/null)
    case "$__cas_shown" in '' | *[!A-Za-z0-9._-]*) __cas_shown='?' ;; esac
  fi
}
`;

const bashPrompt = `${posixLabel}
case ";\${PROMPT_COMMAND-};" in
  *";__cas_label;"*) ;;
  *)
    PROMPT_COMMAND="__cas_label\${PROMPT_COMMAND:+;$PROMPT_COMMAND}"
    PS1='\${__cas_shown:+($__cas_shown) }'$PS1
    ;;
esac
`;

/** `psvar` is shown as it is, whatever the user's `prompt_subst` says. */
const zshPrompt = `${posixLabel}
__cas_precmd() { __cas_label; psvar[20]=\${__cas_shown:+"($__cas_shown) "} }
autoload -Uz add-zsh-hook && add-zsh-hook precmd __cas_precmd
[[ $PROMPT == *'%20v'* ]] || PROMPT='%20v'$PROMPT
`;

const fishCas = `function cas --description 'switch the profile of this shell'
  switch "$argv[1]"
    case '' ${printing.join(" ")}
      command csm cas $argv
      return
  end
  set -l dir "$CLAUDE_CONFIG_DIR"
  set -l name "$CSM_PROFILE"
  if test "$argv[1]" = -
    if not set -q __cas_known
      echo 'cas: there is no previous profile' >&2
      return 1
    end
    if test -n "$__cas_previous_dir"
      set -gx CLAUDE_CONFIG_DIR "$__cas_previous_dir"
    else
      set -e CLAUDE_CONFIG_DIR
    end
    if test -n "$__cas_previous_name"
      set -gx CSM_PROFILE "$__cas_previous_name"
    else
      set -e CSM_PROFILE
    end
    echo "shell → "(command csm cas status --print-current) >&2
  else
    command csm cas --eval --shell fish -- $argv | source
    set -l codes $pipestatus
    test "$codes" = '0 0'; or return 1
  end
  if test "$dir:$name" != "$CLAUDE_CONFIG_DIR:$CSM_PROFILE"
    set -g __cas_previous_dir "$dir"
    set -g __cas_previous_name "$name"
    set -g __cas_known 1
  end
  return 0
end
`;

const fishPrompt = `function __cas_label
  test -n "$CLAUDE_CONFIG_DIR$CSM_PROFILE"; or return
  if test "$__cas_seen" != "$CLAUDE_CONFIG_DIR:$CSM_PROFILE"
    set -g __cas_seen "$CLAUDE_CONFIG_DIR:$CSM_PROFILE"
    set -g __cas_shown (command csm cas status --print-current 2>/dev/null | string match -r '^[A-Za-z0-9._-]+$'; or echo '?')
  end
  echo -n "($__cas_shown) "
end
if functions -q fish_prompt; and not functions -q __cas_plain_prompt
  functions -c fish_prompt __cas_plain_prompt
  function fish_prompt
    __cas_label
    __cas_plain_prompt
  end
end
`;

const pwshList = (words: readonly string[]): string => `@(${words.map((word) => `'${word}'`).join(", ")})`;

const pwshCas = `function global:cas {
  $csm = (Get-Command csm -CommandType Application -ErrorAction Stop | Select-Object -First 1).Source
  $first = if ($args.Count -gt 0) { [string]$args[0] } else { '' }
  if (${pwshList(["", ...printing])} -ccontains $first) { & $csm cas @args; return }
  $dir = [string]$env:CLAUDE_CONFIG_DIR
  $name = [string]$env:CSM_PROFILE
  if ($first -eq '-') {
    if (-not $global:__cas_known) { Write-Error 'cas: there is no previous profile'; return }
    $env:CLAUDE_CONFIG_DIR = $global:__cas_previous_dir
    $env:CSM_PROFILE = $global:__cas_previous_name
    Write-Host "shell -> $(& $csm cas status --print-current)"
  } else {
    $code = & $csm cas --eval --shell pwsh -- @args | Out-String
    if ($LASTEXITCODE -ne 0 -or -not $code.Trim()) { return }
    Invoke-Expression $code
  }
  if ("\${dir}:\${name}" -cne "$($env:CLAUDE_CONFIG_DIR):$($env:CSM_PROFILE)") {
    $global:__cas_previous_dir = $dir
    $global:__cas_previous_name = $name
    $global:__cas_known = $true
  }
}
`;

const pwshPrompt = `if (-not (Test-Path Function:__cas_plain_prompt)) {
  Copy-Item Function:prompt Function:global:__cas_plain_prompt
  function global:prompt {
    $label = ''
    $now = "$($env:CLAUDE_CONFIG_DIR):$($env:CSM_PROFILE)"
    if ($now -ne ':') {
      if ($global:__cas_seen -cne $now) {
        $global:__cas_seen = $now
        $global:__cas_shown = [string](& csm cas status --print-current 2>$null)
        if ($global:__cas_shown -cnotmatch '^[A-Za-z0-9._-]+$') { $global:__cas_shown = '?' }
      }
      $label = "($global:__cas_shown) "
    }
    $label + (__cas_plain_prompt)
  }
}
`;

const pwsh: ShellInit = { cas: pwshCas, completions: pwshCompletion, prompt: pwshPrompt };

export const shellInits: Readonly<Record<string, ShellInit>> = Object.assign(Object.create(null) as Record<string, ShellInit>, {
  zsh: { cas: posixCas("zsh"), completions: `${zshCompletion}${zshRegister}`, prompt: zshPrompt },
  bash: { cas: posixCas("bash"), completions: bashCompletion, prompt: bashPrompt },
  fish: { cas: fishCas, completions: fishCompletion, prompt: fishPrompt },
  pwsh,
  powershell: pwsh,
});
