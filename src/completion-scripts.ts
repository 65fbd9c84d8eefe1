import { quoteFish, quotePwsh } from "./cas-shell.ts";
import { groupsOf, type Program, placesOf, repliesOf, type Word } from "./completion.ts";
import { quotePosix } from "./format.ts";

const topFlags = ["--help", "--version"];

export const completionShells: Readonly<Record<string, (programs: Program[]) => string>> = Object.assign(
  Object.create(null) as Record<string, (programs: Program[]) => string>,
  { bash: renderBash, zsh: renderZshFile, fish: renderFish, pwsh: renderPwsh, powershell: renderPwsh },
);

/**
 * Names never pass through `compgen -W`, which would expand them: a session may be called `$(…)`. They come one a line, and
 * `csm completions --names` leaves out those that a shell would read as more than a word.
 */
export function renderBash(programs: Program[]): string {
  return [bashNames, ...programs.map(bashFunction), ...programs.map(({ name }) => `complete -o default -F _${name} ${name}\n`)].join("\n");
}

const bashNames = `__csm_names() {
  local name
  while IFS= read -r name; do
    if [[ $name == "$2"* ]]; then COMPREPLY+=("$name"); fi
  done < <(command csm completions --names "$1" 2>/dev/null)
}
`;

function bashFunction(program: Program): string {
  const { name, words } = program;
  const places = placesOf(program);
  const cases = places.map(
    ({ path, word }) =>
      `    ${quotePosix(path.join(" "))}) words=${quotePosix(repliesOf(word).join(" "))} kinds=${quotePosix(word.names.join(" "))} ;;`,
  );
  const values = places.flatMap(({ path, word }) =>
    word.flags
      .filter(({ takesValue }) => takesValue)
      .map(({ flag, names }) => `    ${quotePosix([...path, flag].join(" "))}) words='' kinds=${quotePosix(names ?? "")} ;;`),
  );
  return `_${name}() {
  local current=\${COMP_WORDS[COMP_CWORD]} previous=\${COMP_WORDS[COMP_CWORD-1]} place="" words="" kinds="" kind
  COMPREPLY=()
  if [ "$COMP_CWORD" -gt 1 ]; then place=\${COMP_WORDS[1]}; fi
  case "$place" in
    ${bashPattern(groupsOf(program))}) if [ "$COMP_CWORD" -gt 2 ]; then place="$place \${COMP_WORDS[2]}"; fi ;;
  esac
  case "$place" in
    '') words=${quotePosix([...words.map(({ word }) => word), ...topFlags].join(" "))} ;;
${cases.join("\n")}
  esac
  case "$place $previous" in
${[...values, "    *) ;;"].join("\n")}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
  for kind in $kinds; do __csm_names "$kind" "$current"; done
}
`;
}

const bashPattern = (words: string[]): string => (words.length === 0 ? "'/'" : words.join(" | "));

/** The file that zsh finds in its `fpath` as `_csm`. */
function renderZshFile(programs: Program[]): string {
  const cases = programs.map(({ name }) => `  ${name}) _${name}_words ;;`);
  return `#compdef ${programs.map(({ name }) => name).join(" ")}\n\n${renderZsh(programs)}\ncase $service in\n${cases.join("\n")}\nesac\n`;
}

/** Functions `_<program>_words` to be given to `compdef`. */
export const renderZsh = (programs: Program[]): string => [zshNames, ...programs.map(zshFunction)].join("\n");

const zshNames = `_csm_names() {
  local -a names
  names=(\${(f)"$(command csm completions --names $1 2>/dev/null)"})
  compadd -a names
}
`;

function zshFunction(program: Program): string {
  const { name } = program;
  const cases = placesOf(program).flatMap(({ path, word }) => [
    ...word.flags
      .filter(({ takesValue }) => takesValue)
      .map(
        ({ flag, names }) =>
          `    ${quotePosix([...path, flag].join(" "))}) ${names === undefined ? "_files" : `_csm_names ${names}`}; return ;;`,
      ),
  ]);
  const places = placesOf(program).map(({ path, word }) => `    ${quotePosix(path.join(" "))}) ${zshReplies(word)} ;;`);
  return `_${name}_words() {
  local place=''
  local -a described
  if (( CURRENT == 2 )); then
    described=(
${program.words.map((word) => `      ${zshDescribed(word.word, word.summary)}`).join("\n")}
    )
    _describe command described
    return
  fi
  place=$words[2]
  case $place in
    ${bashPattern(groupsOf(program))}) if (( CURRENT > 3 )); then place="$place $words[3]"; fi ;;
  esac
  case "$place $words[CURRENT-1]" in
${[...cases, "    *) ;;"].join("\n")}
  esac
  case $place in
${places.join("\n")}
    *) _files ;;
  esac
}
`;
}

function zshReplies({ verbs, choices, flags, names }: Word): string {
  const described = [
    ...verbs.map(({ word, summary }) => zshDescribed(word, summary)),
    ...choices.map((choice) => zshDescribed(choice, "")),
  ];
  return [
    ...(described.length > 0 ? [`described=(${described.join(" ")}); _describe word described`] : []),
    ...names.map((kind) => `_csm_names ${kind}`),
    `described=(${flags.map(({ flag, summary }) => zshDescribed(flag, summary)).join(" ")}); _describe -o flag described`,
  ].join("; ");
}

const zshDescribed = (word: string, summary: string): string =>
  quotePosix(`${word.replaceAll(":", "\\:")}${summary === "" ? "" : `:${summary.replaceAll(":", "\\:")}`}`);

export function renderFish(programs: Program[]): string {
  return `${fishPlaces}\n${programs.flatMap(fishLines).join("\n")}\n`;
}

/** `__csm_at A B`: the words A B have been typed, and maybe more; `__csm_after A`: A has, and the next word is being typed. */
const fishPlaces = `function __csm_at
  set -l typed (commandline -opc)
  set -l last (math (count $argv) + 1)
  test (count $typed) -ge $last; and test "$typed[1..$last]" = "$(string join ' ' -- $typed[1] $argv)"
end
function __csm_after
  set -l typed (commandline -opc)
  set -l last (math (count $argv) + 1)
  test (count $typed) -eq $last; and test "$typed" = "$(string join ' ' -- $typed[1] $argv)"
end
`;

function fishLines(program: Program): string[] {
  const { name, words } = program;
  const line = (condition: string, rest: string) => `complete -c ${name} -n ${quoteFish(condition)} ${rest}`;
  const first = words.map(({ word, summary }) => line("__fish_use_subcommand", `-f -a ${word} -d ${quoteFish(summary)}`));
  const places = placesOf(program).flatMap(({ path, word }) => {
    const at = `__csm_at ${path.join(" ")}`;
    const hasNoVerb = word.verbs.length > 0 ? `__csm_after ${path.join(" ")}` : at;
    return [
      ...word.verbs.map((verb) => line(hasNoVerb, `-f -a ${verb.word} -d ${quoteFish(verb.summary)}`)),
      ...(word.choices.length > 0 ? [line(at, `-f -a ${quoteFish(word.choices.join(" "))}`)] : []),
      ...word.names.map((kind) => line(at, `-f -a '(command csm completions --names ${kind} 2>/dev/null)'`)),
      ...word.flags.map(({ flag, summary, takesValue, names }) => {
        const spelling = flag.startsWith("--") ? `-l ${flag.slice(2)}` : `-s ${flag.slice(1)}`;
        const value = names !== undefined ? ` -x -a '(command csm completions --names ${names} 2>/dev/null)'` : takesValue ? " -r" : "";
        return line(hasNoVerb, `${spelling}${value}${summary === "" ? "" : ` -d ${quoteFish(summary)}`}`);
      }),
    ];
  });
  return [...first, ...places];
}

export function renderPwsh(programs: Program[]): string {
  return programs
    .map((program) => {
      const places = placesOf(program);
      const list = (words: readonly string[]) => `@(${words.map(quotePwsh).join(", ")})`;
      const row = (key: string, words: readonly string[], kinds: readonly string[]) =>
        `    ${quotePwsh(key)} = @{ words = ${list(words)}; kinds = ${list(kinds)} }`;
      const rows = [
        row("", [...program.words.map(({ word }) => word), ...topFlags], []),
        ...places.map(({ path, word }) => row(path.join(" "), repliesOf(word), word.names)),
        ...places.flatMap(({ path, word }) =>
          word.flags
            .filter(({ takesValue }) => takesValue)
            .map(({ flag, names }) => row([...path, flag].join(" "), [], names === undefined ? [] : [names])),
        ),
      ];
      return `Register-ArgumentCompleter -Native -CommandName ${program.name} -ScriptBlock {
  param($wordToComplete, $commandAst, $cursorPosition)
  $places = @{
${rows.join("\n")}
  }
  $typed = @($commandAst.CommandElements | ForEach-Object { $_.ToString() })
  if ($wordToComplete -ne '' -and $typed.Count -gt 1) { $typed = @($typed[0..($typed.Count - 2)]) }
  $place = if ($typed.Count -gt 1) { $typed[1] } else { '' }
  if ($typed.Count -gt 2 -and ${list(groupsOf(program))} -ccontains $place) { $place = "$place $($typed[2])" }
  $value = "$place $($typed[-1])"
  if ($typed.Count -gt 2 -and $places.ContainsKey($value)) { $place = $value }
  $found = $places[$place]
  if ($null -eq $found) { return }
  $names = @($found.kinds | ForEach-Object { & csm completions --names $_ 2>$null })
  @($found.words) + $names | Where-Object { $_ -and $_.StartsWith($wordToComplete) } | ForEach-Object { [System.Management.Automation.CompletionResult]::new($_) }
}
`;
    })
    .join("\n");
}
