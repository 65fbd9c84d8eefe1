/**
 * What a shell loads. All of them ask `csm completions --complete =CURRENT WORDS…` at each Tab, so they stay true when csm is
 * replaced, and what they are told is text and nothing else. The `=` keeps an empty word a word in every PowerShell.
 */

/**
 * readline takes `--profile=work` for three words. What a word is shows in the list alone, which Tab Tab asks for: elsewhere it
 * would be typed.
 */
export const bashCompletion = `__csm_paths() {
  local path
  compopt -o filenames 2>/dev/null
  while IFS= read -r path; do COMPREPLY+=("$path"); done < <(compgen "$1" -- "$2")
}
__csm_complete() {
  local word line current value tab=$'\\t' count=0
  local -a words=("$1") lines=()
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD}"; do
    if [[ $count -gt 0 && ( $word == '=' || \${words[count]} == --*= ) ]]; then
      words[count]+=$word
    else
      count=$((count + 1))
      words[count]=$word
    fi
  done
  current=\${words[count]} value=$current
  if [[ $current != "\${COMP_WORDS[COMP_CWORD]}" ]]; then value=\${current#*=}; fi
  unset 'words[count]'
  COMPREPLY=()
  while IFS= read -r line; do
    case $line in
      :files) __csm_paths -f "$value" ;;
      :folders) __csm_paths -d "$value" ;;
      *) lines+=("\${line:\${#current}-\${#value}}") ;;
    esac
  done < <(command csm completions --complete "=$current" "\${words[@]}" 2>/dev/null)
  for line in \${lines[@]+"\${lines[@]}"}; do
    word=\${line%%"$tab"*}
    if [[ \${COMP_TYPE-} == 63 && \${#lines[@]} -gt 1 && $line == *"$tab"* ]]; then
      printf -v word '%-24s  %s' "$word" "\${line#*"$tab"}"
      word=\${word:0:\${COLUMNS:-80}-4}
    fi
    COMPREPLY+=("$word")
  done
}
_csm() { __csm_complete csm; }
_csd() { __csm_complete csd; }
_cas() { __csm_complete cas; }
for __csm_program in csm csd cas; do
  complete -o nosort -F "_$__csm_program" "$__csm_program" 2>/dev/null || complete -F "_$__csm_program" "$__csm_program"
done
unset __csm_program
`;

export const zshCompletion = `_csm_complete() {
  local line word tab=$'\\t'
  local -a found shown
  for line in "\${(@f)$(command csm completions --complete "=$PREFIX" $1 "\${(@Q)words[2,CURRENT-1]}" 2>/dev/null)}"; do
    case $line in
      '') ;;
      :files) _files ;;
      :folders) _files -/ ;;
      *)
        word=\${line%%$tab*}
        found+=("$word")
        if (( $#word < 24 )) && [[ $line == *$tab* ]]; then word=\${(r:24:)word}; fi
        if [[ $line == *$tab* ]]; then word+="  \${line#*$tab}"; fi
        shown+=("\${word[1,COLUMNS-1]}") ;;
    esac
  done
  if (( $#found )); then
    if [[ "$found" == "$shown" ]]; then compadd -V csm -a found; else compadd -V csm -l -d shown -a found; fi
  fi
}
_csm_words() { _csm_complete csm }
_csd_words() { _csm_complete csd }
_cas_words() { _csm_complete cas }
`;

/** The file that zsh finds in its `fpath` as `_csm`. */
const zshFile = `#compdef csm csd\n\n${zshCompletion}\n_csm_complete $service\n`;

export const fishCompletion = `function __csm_complete
  set -l typed (commandline -opc)
  set -l current (commandline -ct)
  for line in (command csm completions --complete "=$current" $argv[1] $typed[2..-1] 2>/dev/null)
    switch $line
      case ':files'
        __fish_complete_path $current
      case ':folders'
        __fish_complete_directories $current ''
      case '*'
        echo $line
    end
  end
end
${["csm", "csd", "cas"].map((program) => `complete -c ${program} -f -k -a '(__csm_complete ${program})'`).join("\n")}
`;

export const pwshCompletion = ["csm", "csd", "cas"]
  .map(
    (program) => `Register-ArgumentCompleter ${program === "cas" ? "" : "-Native "}-CommandName ${program} -ScriptBlock {
  ${program === "cas" ? "param($commandName, $parameterName, $wordToComplete, $commandAst)" : "param($wordToComplete, $commandAst, $cursorPosition)"}
  $typed = @($commandAst.CommandElements | Select-Object -Skip 1 | ForEach-Object { $_.ToString() })
  if ($wordToComplete -ne '' -and $typed.Count -gt 0) { $typed = @($typed | Select-Object -SkipLast 1) }
  foreach ($line in @(& csm completions --complete "=$wordToComplete" ${program} @typed 2>$null)) {
    if ($line -eq ':files' -or $line -eq ':folders') {
      [System.Management.Automation.CompletionCompleters]::CompleteFilename($wordToComplete)
    } elseif ($line) {
      $word, $about = $line -split "\`t", 2
      if (-not $about) { $about = $word }
      [System.Management.Automation.CompletionResult]::new($word, $word, 'ParameterValue', $about)
    }
  }
}
`,
  )
  .join("\n");

export const completionShells: Readonly<Record<string, string>> = Object.assign(Object.create(null) as Record<string, string>, {
  bash: bashCompletion,
  zsh: zshFile,
  fish: fishCompletion,
  pwsh: pwshCompletion,
  powershell: pwshCompletion,
});
