import { literalWord, openWords, programOf, type ShellWord } from "./command-pattern.ts";
import {
  changers,
  container,
  gitGlobals,
  gitSetting,
  hiddenChangers,
  interpreters,
  isLongOption,
  isRiskyName,
  noProgram,
  otherShells,
  risksOf,
  runners,
  setters,
  shells,
  type Wrapper,
  wrappers,
} from "./shell-wrappers.ts";

/** What a command runs beside itself. */
export interface Opened {
  /** Other commands, word by word. */
  commands?: ShellWord[][];
  /** Texts that a shell reads; an open one is read as far as it is spelled. */
  scripts?: ShellWord[];
  /** A shell reads its input. */
  readsStdin?: boolean;
  /** `env NAME=value`, or the name alone. */
  names?: string[];
  /** Why nobody can tell all that it does; such a command is never approved unseen. */
  doubt?: string;
  /** In the words of another language. */
  code?: string;
  /** Anything may run: a denial cannot say that it does not apply. */
  isHidden?: boolean;
  /** It does something of its own beside what it runs, and so needs an approval of its own. */
  isOwn: boolean;
  /** For somebody else, elsewhere: an approval of its own words covers what it runs, and that of the same command here does not. */
  isElsewhere?: boolean;
  /** What it runs is in another folder. */
  isMoved?: boolean;
}

/**
 * What a command runs beside itself, by the table; undefined for one that runs nothing that can be told from its words. The name
 * may be a path.
 */
export function openCommand(words: readonly ShellWord[]): Opened | undefined {
  const [name] = words;
  if (name === undefined || name.certainty === "open") return undefined;
  const full = programOf(name.text);
  const program = full.replace(/(?<=[a-z])[\d.]+$/, "");
  const rest = words.slice(1);
  const change = changers.get(full);
  if (/^(?:\.|source)$/.test(full) && rest[0] !== undefined && isStdin(rest[0]))
    return { doubt: changers.get(full) ?? "", isOwn: true, readsStdin: true };
  if (change !== undefined) return { doubt: change, isOwn: true, isHidden: hiddenChangers.has(full) || rest[0]?.certainty === "open" };
  if (full === "eval") return openText(rest[0]?.text === "--" ? rest.slice(1) : rest);
  if (full === "find") return openFind(rest);
  if (shells.has(program)) return openShell(program, rest);
  if (otherShells.has(program))
    return { doubt: `the words of ${program} are not read here`, code: spell(rest), isOwn: true, isHidden: true };
  if (full === "git") return openGit(rest);
  // As git's own folder has them.
  if (/^git-./.test(full)) return { commands: [[literalWord("git"), { ...name, text: full.slice(4) }, ...rest]], isOwn: true };
  if (setters.has(full)) {
    const set = openSetter(full, rest);
    // `declare -i n='a[$(cmd)]'`, `test -v 'a[$(cmd)]'`.
    return set?.doubt !== undefined && rest.some(({ text }) => /\$\(|`/.test(text)) ? { ...set, code: spell(rest) } : set;
  }
  if (full === "set") return openSet(rest);
  const risky = openReader(program, rest);
  // `python3 -m pip install x` is `pip install x`.
  const module = /^(?:python|pypy|py)$/.test(program) ? rest.findIndex(({ text }) => /^-[A-Za-z]*m/.test(text)) : -1;
  if (module >= 0) {
    const [flag, ...words] = rest.slice(module) as [ShellWord, ...ShellWord[]];
    const joined = flag.text.replace(/^-[A-Za-z]*?m/, "");
    return { ...risky, isOwn: true, isElsewhere: true, commands: [joined === "" ? words : [{ ...flag, text: joined }, ...words]] };
  }
  const opened = openRunner(full, rest) ?? openWrapper(full, rest);
  return opened === undefined ? risky : { ...risky, ...opened };
}

/** Their options are too many to know: an approval is for all their words, a denial for a command that begins at any of them. */
function openRunner(program: string, rest: readonly ShellWord[]): Opened | undefined {
  const runner = runners.has(program) ? rest : runnerWords(program, rest);
  if (runner === undefined) return undefined;
  return { commands: guesses(runner), scripts: runner.filter(({ text }) => /\s/.test(text)), isOwn: true, isElsewhere: true };
}

/** What stands behind the sub-command by which a program runs others: `pnpm --silent exec …`, `yarn workspace x exec …`. */
function runnerWords(program: string, rest: readonly ShellWord[]): readonly ShellWord[] | undefined {
  const at = rest.findIndex(({ text }) => runners.has(`${program} ${text}`));
  return at >= 0 ? rest.slice(at + 1) : undefined;
}

const spell = (words: readonly ShellWord[]): string => words.map(({ text }) => text).join(" ");
const unreadable = (why: string): Opened => ({ doubt: why, isOwn: true, isHidden: true });

/** As eval, watch and ssh join them. */
function openText(words: readonly ShellWord[]): Opened {
  if (words.length === 0) return { isOwn: true };
  const isLiteral = words.every(({ certainty }) => certainty === "literal");
  return { scripts: [{ text: spell(words), certainty: isLiteral ? "literal" : "open" }], isOwn: false };
}

function openWrapper(program: string, rest: readonly ShellWord[]): Opened | undefined {
  const sub = wrappers.has(program) ? undefined : subCommandOf(program, rest);
  const key = sub === undefined ? program : `${program} ${sub.name}`;
  const row = wrappers.get(key);
  if (row === undefined) return undefined;
  const read = readOptions(sub?.rest ?? rest, row);
  if (read.isPlain) return undefined;
  const { isElsewhere = false } = row;
  const isOwn = row.isOwn === true || isElsewhere;
  const names = [...read.names, ...(row.hasNames === true ? takeNames(read.rest) : [])];
  // Some take options behind their own words as well: `flock FILE -c TEXT`.
  const later = row.operands === undefined ? read : readOptions(read.rest.slice(row.operands), row);
  const unknown = read.unknown ?? later.unknown;
  if (unknown !== undefined)
    return {
      ...unreadable(`${printable(unknown)} of ${key} cannot be read`),
      commands: guesses((later.unknown === undefined ? read : later).rest),
      isElsewhere,
    };
  if (later !== read) read.scripts.push(...later.scripts);
  const words = later.rest;
  const doubt = read.isDoubtful === true ? { doubt: `${program} finds other programs of these names` } : {};
  const opened: Opened = { isOwn, isElsewhere, isMoved: read.isMoved, names, scripts: read.scripts, ...doubt };
  if (row.starts !== undefined && read.scripts.length === 0 && (words.length === 0 || row.rest === "none")) {
    const { starts } = row;
    if (starts.source === "^" || rest.some(({ text }) => starts.test(text))) return { ...opened, isOwn: true, readsStdin: true };
  }
  if (read.scripts.length > 0 || row.rest === "none") return key.includes(" ") ? withSub(key, words, opened) : opened;
  if (row.rest === "afterDashes") return { ...opened, commands: behindDashes(rest) };
  if (words.length === 0) return row.isOwn || isElsewhere ? opened : { isOwn: true };
  if (row.appends === true) return openData(words, read.replaced, row.rest === "script", opened);
  if (row.rest !== "script") return { ...opened, commands: [words] };
  if (program === "trap" && /^-?$/.test(words[0]?.text ?? "")) return { isOwn: true };
  if (/^tmux send/.test(key)) return { ...opened, scripts: typedText(words) };
  return { ...opened, scripts: openText(program === "trap" ? words.slice(0, 1) : words).scripts ?? [] };
}

/** Keys follow each other without a blank, and stand behind what was typed before: what they make of it is known only then. */
function typedText(words: readonly ShellWord[]): ShellWord[] {
  const keys = words.filter(({ text }) => !/^(?:Enter|C-m|C-j|KPEnter)$/.test(text)).map(({ text }) => (text === "Space" ? " " : text));
  return ["", " "].map((between) => ({ text: keys.join(between), certainty: "open" }));
}

/** `docker compose exec`, `git submodule foreach`: the sub-command's own words. */
function withSub(key: string, words: readonly ShellWord[], opened: Opened): Opened {
  const [first, ...rest] = words;
  if (key === "git submodule" && first?.text === "foreach")
    return { ...opened, ...openText(rest.filter(({ text }) => text !== "--recursive")), isOwn: true };
  if (key === "git bisect" && first?.text === "run") return { ...opened, commands: [rest] };
  if (/^docker (?:compose|container)$/.test(key) && /^(?:exec|run)$/.test(first?.text ?? "")) {
    const { rest: inner, unknown } = readOptions(rest, container);
    return unknown === undefined
      ? { ...opened, commands: [inner.slice(1)] }
      : { ...opened, ...unreadable(`${printable(unknown)} of ${key} cannot be read`), commands: guesses(inner), isElsewhere: true };
  }
  return opened;
}

const behindDashes = (words: readonly ShellWord[]): ShellWord[][] => {
  const at = words.findIndex(({ text }) => text === "--");
  return at < 0 ? guesses(words) : [words.slice(at + 1)];
};

/** Where a command begins is not known: at any of the words. */
const guesses = (words: readonly ShellWord[]): ShellWord[][] => words.slice(0, 8).map((_, index) => words.slice(index, index + 40));

const printable = ({ text }: ShellWord): string => text.slice(0, 40);

function subCommandOf(program: string, rest: readonly ShellWord[]): { name: string; rest: readonly ShellWord[] } | undefined {
  if (!/^(?:docker|podman|nerdctl|docker-compose|kubectl|oc|tmux|npm)$/.test(program)) return undefined;
  const global: Wrapper = {
    flags: "-2 -C -D -N -l -u -v -q --debug --tls --tlsverify --insecure-skip-tls-verify",
    values:
      "-H --host -c --context --config --log-level -n --namespace --kubeconfig --cluster -s --server --user -L -S -T -f --file -p --project-name --prefix -w --workspace",
  };
  const read = readOptions(rest, global);
  // Behind an option that nobody knows: at the first word that is one.
  const at = read.unknown === undefined ? 0 : read.rest.findIndex(({ text }) => wrappers.has(`${program} ${text}`));
  const name = read.rest[at];
  return name === undefined ? undefined : { name: name.text, rest: read.rest.slice(at + 1) };
}

interface ReadOptions {
  rest: ShellWord[];
  scripts: ShellWord[];
  names: string[];
  isDoubtful?: boolean;
  /** An option that is not in the table, or that only running tells. */
  unknown?: ShellWord;
  isPlain: boolean;
  isMoved: boolean;
  /** What xargs puts its data for. */
  replaced?: ShellWord;
}

function readOptions(words: readonly ShellWord[], row: Wrapper): ReadOptions {
  const has = (list: string | undefined, option: string) => ` ${list ?? ""} `.includes(` ${option} `);
  const read: ReadOptions = { rest: [], scripts: [], names: [], isPlain: false, isMoved: false };
  let at = 0;
  for (; at < words.length; at++) {
    const word = words[at] as ShellWord;
    const { text } = word;
    if (text === "--" && word.certainty !== "open") {
      at++;
      break;
    }
    if (word.certainty === "open" && (word.isSplit === true || (word.start ?? "") === "" || word.start?.startsWith("-")))
      return { ...read, rest: words.slice(at), unknown: word };
    if (!text.startsWith("-") || (text === "-" && !has(row.flags, "-") && !has(row.doubtful, "-"))) break;
    const { option, value } = nextOption(text, row, has);
    if (has(row.doubtful, text)) {
      read.isDoubtful = true;
      continue;
    }
    if (has(row.plain, option) || has(row.plain, text)) return { ...read, isPlain: true };
    if (has(row.hiding, option) || (!has(row.values, option) && !has(row.script, option) && !has(row.flags, option)))
      return { ...read, rest: words.slice(at + 1), unknown: word };
    if (has(row.flags, option)) continue;
    const taken = value === undefined ? words[++at] : { ...word, text: value };
    if (taken === undefined) return { ...read, unknown: word };
    if (has(row.script, option)) read.scripts.push(taken);
    if (has(row.moving, option)) read.isMoved = true;
    if (has(row.unsets, option)) read.names.push(taken.text);
    if (/^(?:-I|-J|--replace)$/.test(option)) read.replaced = taken;
  }
  return { ...read, rest: words.slice(at) };
}

/** The option that decides of a cluster: the first that takes a value or is not known; of `-nu root` that is `-u`. */
function nextOption(
  text: string,
  row: Wrapper,
  has: (list: string | undefined, option: string) => boolean,
): { option: string; value?: string } {
  const takes = (option: string) => has(row.values, option) || has(row.script, option);
  if (text.startsWith("--")) {
    const at = text.indexOf("=");
    return at < 0
      ? { option: text }
      : takes(text.slice(0, at))
        ? { option: text.slice(0, at), value: text.slice(at + 1) }
        : { option: text };
  }
  if (has(row.flags, text) || takes(text)) return { option: text };
  for (let at = 1; at < text.length; at++) {
    const option = `-${text[at]}`;
    const value = text.slice(at + 1);
    if (takes(option)) return value === "" ? { option } : { option, value };
    if (!has(row.flags, option)) return { option };
  }
  return { option: `-${text[1]}` };
}

function takeNames(words: ShellWord[]): string[] {
  const count = words.findIndex(({ text }) => !text.includes("="));
  return words.splice(0, count < 0 ? words.length : count).map(({ text }) => text);
}

/** The words with data that only running tells: behind them, or for the placeholder. */
function openData(words: readonly ShellWord[], replaced: ShellWord | undefined, isScript: boolean, opened: Opened): Opened {
  const place = replaced?.text ?? "{}";
  const filled = words.map((word) => (place !== "" && word.text.includes(place) ? openAt(word, word.text.indexOf(place)) : word));
  const command = replaced === undefined ? [...filled, openWords] : filled;
  return isScript
    ? { ...opened, commands: [command], scripts: [{ text: spell(words), certainty: "open" }] }
    : { ...opened, commands: [command] };
}

const openAt = (word: ShellWord, at: number): ShellWord => ({
  ...{ ...word, certainty: "open", start: word.text.slice(0, at) },
  ...{ isSplit: false, isData: true },
});

function openFind(words: readonly ShellWord[]): Opened {
  const opened: Opened = { commands: [], isOwn: true };
  for (let at = 0; at < words.length; at++) {
    const { text } = words[at] as ShellWord;
    if (/^-(?:delete|fprint0?|fprintf|fls|files0-from)$/.test(text)) {
      opened.doubt = `${text} changes files`;
      if (text === "-delete") opened.commands?.push([literalWord("rm"), openWords]);
    }
    if (!/^-(?:exec|execdir|ok|okdir)$/.test(text)) continue;
    const end = words.findIndex(
      (word, index) => index > at && (word.text === ";" || (word.text === "+" && words[index - 1]?.text === "{}")),
    );
    const inner = words.slice(at + 1, end < 0 ? words.length : end);
    opened.commands?.push(inner.map((word) => (word.text.includes("{}") ? openFile(word) : word)));
    at = end < 0 ? words.length : end;
  }
  return opened;
}

/** A file that find finds is none of the options: its name begins with that of a folder. */
const openFile = (word: ShellWord): ShellWord => ({ ...openAt(word, word.text.indexOf("{}")), isSplit: false });

function openShell(program: string, words: readonly ShellWord[]): Opened | undefined {
  let hasText = false;
  let readsProfile = false;
  let at = 0;
  for (; at < words.length; at++) {
    const word = words[at] as ShellWord;
    if (word.certainty === "open" && (word.isSplit === true || (word.start ?? "") === ""))
      return unreadable(`${printable(word)} of ${program} is known only when it runs`);
    if (word.text === "--" || word.text === "-") {
      at++;
      break;
    }
    if (!/^[-+]./.test(word.text)) break;
    if (/^-[a-zA-Z]*[il]|^--login$/.test(word.text)) readsProfile = true;
    if (/^--(?:login|noprofile|norc|posix|restricted|verbose)$/.test(word.text)) continue;
    if (/^--(?:version|help)$/.test(word.text)) return undefined;
    if (!/^[-+][abefhiklmnprtuvxBCEHPTDcsoO]+$/.test(word.text))
      return {
        ...unreadable(`${printable(word)} of ${program} cannot be read`),
        scripts: guesses(words.slice(at)).map(([first]) => first as ShellWord),
      };
    if (/c/.test(word.text)) hasText = true;
    if (/s/.test(word.text)) return { isOwn: true, readsStdin: true };
    if (/[oO]$/.test(word.text)) at++;
  }
  const first = words[at];
  if (!hasText) return first === undefined || isStdin(first) ? { isOwn: true, readsStdin: true } : openFileText(program, first);
  if (first === undefined) return unreadable(`${program} has no text to read`);
  const doubt = !/^(?:bash|sh|dash|ash)$/.test(program)
    ? `${program} reads some words in its own way`
    : readsProfile
      ? `a profile may lead ${program} to other programs`
      : undefined;
  return { scripts: [first], isOwn: false, ...(doubt === undefined ? {} : { doubt }) };
}

const isStdin = ({ text }: ShellWord): boolean => /^\/dev\/(?:stdin|fd\/)|^\/proc\//.test(text);

/** A script in a file is a program like any other, unless nobody can say which. */
const openFileText = (program: string, file: ShellWord): Opened =>
  file.certainty === "open" ? unreadable(`what ${program} reads is known only when it runs`) : { isOwn: true };

const getsSetting =
  /^(?:--(?:global|local|system|worktree|show-origin|show-scope|null) )*(?:--get(?:-all|-regexp)?|--list|-l|get|list)(?: |$)/;

function openGit(words: readonly ShellWord[]): Opened | undefined {
  const { rest, unknown } = readOptions(words, gitGlobals);
  // An alias runs anything.
  if (unknown !== undefined) return unreadable(`${printable(unknown)} lets git run other programs`);
  const [name, ...others] = rest;
  const key = `git ${name?.text ?? ""}`;
  const isServed = /^git (?:clone|ls-remote)$/.test(key) && others.some(({ text }) => /^-u/.test(text));
  // To ask for a setting changes none; behind another option it might be the value of that.
  const isGet = getsSetting.test(spell(others)) && !others.some(({ text }) => text === "--");
  const isSet =
    ((name?.text === "config" && !isGet) || others.some(({ text }) => /^(?:-c|--config)/.test(text))) &&
    others.some(({ text }) => gitSetting.test(text.replace(/^--config=/, "")));
  if (isSet) return { doubt: "what git starts may change", code: spell(others), isOwn: true };
  const risky = isServed ? unreadable("what -u of git starts is not read here") : openReader("git", rest);
  const row = wrappers.get(key);
  if (row === undefined) return risky;
  const read = readOptions(others, row);
  const opened = withSub(key, read.rest, { isOwn: true, scripts: read.scripts });
  // The options of most of git are plain; only those that run something count.
  const hidden = read.unknown !== undefined && others.some(({ text }) => /^(?:-[a-z]*x|--exec)/.test(text));
  return hidden ? unreadable(`${printable(read.unknown as ShellWord)} cannot be read`) : { ...risky, ...opened };
}

function openReader(program: string, words: readonly ShellWord[]): Opened | undefined {
  // Behind an option any word may be the sub-command: who knows which of them take the next one.
  const verbs = /^-/.test(words[0]?.text ?? "") ? words : words.slice(0, 1);
  for (const { fits, isAlways, isVerb, why } of risksOf(program))
    if (isAlways || (isVerb ? verbs : words).some(({ text }) => fits(text)))
      return { doubt: `${why} of ${program} is not read here`, code: spell(words), isOwn: true };
  const valued = interpreters.get(program);
  if (valued !== undefined && readsInput(words, valued.split(" "), program))
    return { doubt: `${program} reads its program from its input`, code: spell(words), isOwn: true };
  if (database.test(program) && readsScript(program, words))
    return { doubt: `${program} reads its script from its input`, code: spell(words), isOwn: true };
  if (/^make$/.test(program) && words.some(({ text }) => isRiskyName(/^([\w.]+)\s*[:+?]*=/.exec(text)?.[1] ?? "")))
    return { doubt: "a variable of make may say what it starts", code: spell(words), isOwn: true };
  if (/^[mn]?awk$/.test(program))
    return openCode(words, /^[^|>@`]*$/, /system|getline|close|ARGV|printf?\s*>|^--(?:l|ex|i|f|d|p|o)|^-[lieEfdDpoW]/, program);
  if (/^sed$/.test(program)) return openSed(words);
  return undefined;
}

const database = /^(?:sqlite|psql|mysql|mariadb)$/;

/** Without a statement among its words: `.shell` and `\\!` are words of theirs. */
const readsScript = (program: string, words: readonly ShellWord[]): boolean =>
  !words.some(({ text }) => /^-{1,2}(?:help|version|[Vl]$)|^-[A-Za-z]*[cef]|^--(?:command|execute|file|list)/.test(text)) &&
  (program !== "sqlite" || words.filter(({ text }) => !text.startsWith("-")).length < 2);

/** `python3`, `python3 -X dev`, `node -`, `perl /dev/stdin`. */
function readsInput(words: readonly ShellWord[], valued: readonly string[], program: string): boolean {
  const at = words.findIndex(({ text }, index) => !/^-./.test(text) && (index === 0 || !valued.includes(words[index - 1]?.text ?? "")));
  const file = words[at];
  if (file !== undefined) return file.text === "-" || isStdin(file) || (/^(?:deno|bun)$/.test(program) && words[at + 1]?.text === "-");
  // These two have a help in place of it.
  return !/^(?:deno|bun)$/.test(program) && !words.some(({ text }) => noProgram.test(text));
}

function openCode(words: readonly ShellWord[], plain: RegExp, risky: RegExp, program: string): Opened | undefined {
  return words.every(({ text }) => plain.test(text) && !risky.test(text))
    ? undefined
    : { doubt: `the code of ${program} is not read here`, code: spell(words), isOwn: true };
}

/** `s/a/b/g`, `1,5p`, `/x/d`: whatever else sed can, `e` and `w` among it, is not approved unseen. */
const plainSed =
  /^(?:s([/|#,:@])(?:(?!\1)[^\\\n]|\\[^\n])*\1(?:(?!\1)[^\\\n]|\\[^\n])*\1[gIip0-9]*|(?:\d+|\$|\/(?:[^/\\\n]|\\[^\n])*\/)?(?:,(?:\d+|\$|\/(?:[^/\\\n]|\\[^\n])*\/))?!?[pdq=])$/;

function openSed(words: readonly ShellWord[]): Opened | undefined {
  const scripts: ShellWord[] = [];
  let hasScript = false;
  words.forEach((word, index) => {
    const before = words[index - 1]?.text ?? "";
    const joined = /^(?:--e[a-z]*=|-[nErsuz]*e)(.+)$/s.exec(word.text)?.[1];
    // What a file says is not known.
    if (/^-[A-Za-z]*f/.test(word.text) || isLongOption(word.text, "file")) scripts.push({ ...word, certainty: "open" });
    if (joined !== undefined || /^(?:-[nErsuz]*e|--e[a-z]*)$/.test(before)) {
      scripts.push({ ...word, text: joined ?? word.text });
      hasScript = true;
    }
  });
  const first = words.find(({ text }) => !/^-./.test(text));
  if (!hasScript && first !== undefined) scripts.push(first);
  const isPlain = scripts.every(
    ({ text, certainty }) =>
      certainty === "literal" && (plainSed.test(text) || text.split(";").every((part) => plainSed.test(part.trim()))),
  );
  return isPlain ? undefined : { doubt: "the script of sed is not read here", code: spell(words), isOwn: true };
}

/** `read PATH`, `printf -v 'a[$(x)]'`, `declare -n`. */
function openSetter(program: string, words: readonly ShellWord[]): Opened | undefined {
  const isTest = program === "test" || program === "[" || program === "wait";
  const sets =
    program === "printf" ? words.some(({ text }) => text.startsWith("-v")) : isTest ? words.some(({ text }) => /^-[vRp]/.test(text)) : true;
  if (program === "printf" || isTest) {
    const isArithmetic =
      program === "[" || program === "test"
        ? words.some(({ text }) => /^-(?:eq|ne|lt|le|gt|ge)$/.test(text)) &&
          words.some(({ certainty, text }) => certainty !== "literal" || /\[.*[$`]/.test(text))
        : false;
    return sets || isArithmetic ? { doubt: `${program} may set or reckon what is not known`, isOwn: true } : undefined;
  }
  const names = words.map(({ text }) => /^([A-Za-z_]\w*)(?:\+?=|$)/.exec(text)?.[1] ?? "");
  const isOdd = words.some(({ text, certainty, start = "" }) =>
    text.startsWith("-")
      ? !/^-[rxgps]+$/.test(text)
      : certainty === "open"
        ? !/^[A-Za-z_]\w*=/.test(start)
        : !/^[A-Za-z_]\w*(?:\+?=|$)/.test(text),
  );
  // Bash reckons with what some names say (5.2).
  const isCode = words.some(({ text, certainty }) => certainty !== "open" && /=.*(?:\$\(|`)/s.test(text));
  return { names, isOwn: true, ...(isOdd || isCode ? { doubt: `${program} may set what is not known` } : {}) };
}

/** `set -euo pipefail` is what every script begins with. */
function openSet(words: readonly ShellWord[]): Opened | undefined {
  const isPlain = words.every(
    ({ text, certainty }) => certainty === "literal" && /^(?:[-+][eux]*o?|pipefail|errexit|nounset|xtrace)$/.test(text),
  );
  return isPlain ? undefined : { doubt: "how the shell reads may change", isOwn: true };
}
