import { leads, listsTargets, singleDashed, subCommandsOf, synonymsOf, valuedOf } from "./command-tables.ts";

/** What can be told of a thing before it runs. */
export type Likelihood = "yes" | "maybe" | "no";

/** Of all conditions; `some`: of alternatives. */
export const every = (all: Iterable<Likelihood>): Likelihood => {
  let worst: Likelihood = "yes";
  for (const each of all) {
    if (each === "no") return "no";
    if (each === "maybe") worst = "maybe";
  }
  return worst;
};
export const some = (all: Iterable<Likelihood>): Likelihood => {
  let best: Likelihood = "no";
  for (const each of all) {
    if (each === "yes") return "yes";
    if (each === "maybe") best = "maybe";
  }
  return best;
};

/** A word of a command before its shell has seen it. */
export interface ShellWord {
  /** What it says; of an open one as it is spelled. */
  text: string;
  /**
   * `literal`: this text in every shell. `odd`: so in bash as we read it, and not surely so elsewhere: a denial believes it, an
   * approval does not. `open`: only running tells.
   */
  certainty: "literal" | "odd" | "open";
  /** Of an open one: what it begins with in any case. */
  start?: string;
  /** Of an open one: it may become several words, or none. */
  isSplit?: boolean;
  /** Of an open one: names of files, or itself where there are none. */
  isGlob?: boolean;
  /** Of an open one: what xargs reads or find finds stands there. */
  isData?: boolean;
}

export const literalWord = (text: string): ShellWord => ({ text, certainty: "literal" });
/** As many words as its data has. */
export const openWords: ShellWord = { text: "…", certainty: "open", start: "", isSplit: true, isData: true };

interface Pattern {
  words: string[];
  /** Of the first of them. */
  program: string;
  isWhole: boolean;
  /** What must come behind the name, for this home. */
  wanted?: Wanted;
}

const parsed = new Map<string, Pattern>();

/** Words as people write them; in quotes where one holds a blank. */
function parsePattern(text: string): Pattern {
  const known = parsed.get(text);
  if (known !== undefined) return known;
  const words: string[] = text.match(/'[^']*'|"[^"]*"|\S+/g) ?? [];
  if (/['"]/.test(text)) for (const [index, word] of words.entries()) words[index] = word.replace(/^(['"])(.*)\1$/s, "$2");
  const last = words.pop() ?? "";
  const isWhole = last.endsWith("$");
  const rest = isWhole ? last.slice(0, -1) : last;
  if (rest !== "") words.push(rest);
  const pattern = { words, isWhole, program: programOf(words[0] ?? "") };
  parsed.set(text, pattern);
  return pattern;
}

const programs = new Map<string, string>();

/** The program that a pattern names, by its first word alone; empty where it leaves that open, or writes it in a way of its own. */
export function namedProgram(text: string): string {
  const known = programs.get(text);
  if (known !== undefined) return known;
  const program = programOf(/^[\w./-]+(?= |$)/.exec(text)?.[0] ?? "");
  programs.set(text, program);
  return program;
}

/** For an approval: the very words, from the first on, and none that only running tells; what leads elsewhere is among them. */
export function allowsCommand(patternText: string, words: readonly ShellWord[]): boolean {
  const { words: wanted, isWhole } = parsePattern(patternText);
  if (wanted.length === 0 || words.length < wanted.length || (isWhole && words.length > wanted.length)) return false;
  if (leadingWord(words, wanted.length) !== undefined) return false;
  return wanted.every((want, index) => {
    const word = words[index];
    return word?.certainty === "literal" && (want === "*" || want === word.text);
  });
}

/** For a denial: whatever does the same by other spellings hits too; `maybe` where an open word may say it. */
export function hitsCommand(patternText: string, words: readonly ShellWord[], home: string): Likelihood {
  const [name] = words;
  const named = namedProgram(patternText);
  if (name === undefined || (named !== "" && name.certainty === "literal" && !isSameProgram(named, programOf(name.text)))) return "no";
  const pattern = parsePattern(patternText);
  const { words: wanted, isWhole, program } = pattern;
  const [wantedName] = wanted;
  if (wantedName === undefined) return "no";
  const isNamed = sameWord(name, (text) => wantedName === "*" || isSameProgram(program, programOf(text)), wantedName);
  if (isNamed === "no") return "no";
  // The very words, whatever is known of the program.
  if (wanted.length > 1 && wanted.every((want, at) => at === 0 || isWord(want, words[at])) && (!isWhole || words.length === wanted.length))
    return isNamed;
  // An open name may bring words of its own.
  const as = wantedName === "*" ? programOf(name.text) : program;
  const said = once(words, as, () => wordsOf([...(name.isSplit === true ? [openWords] : []), ...words.slice(1)], as));
  if (pattern.wanted?.home !== home) pattern.wanted = splitPattern(wanted.slice(1), home, program);
  return every([isNamed, hitsWords(pattern.wanted, said, isWhole)]);
}

const isWord = (want: string, word: ShellWord | undefined): boolean =>
  word !== undefined && word.certainty !== "open" && (want === "*" || want === word.text);

/** A hundred patterns look at the same few commands. */
const saidBy = new WeakMap<object, Map<string, Said>>();

function once(words: readonly ShellWord[], program: string, make: () => Said): Said {
  const known = saidBy.get(words)?.get(program);
  if (known !== undefined) return known;
  const made = make();
  saidBy.set(words, new Map([...(saidBy.get(words) ?? []), [program, made]]));
  return made;
}

/** `/bin/rm`, `RM` where files are found so, `rm.exe`, `C:\npm.cmd`, `npm@10`, `=rm` of zsh, `grm` where GNU's programs are named so. */
export function programOf(text: string): string {
  if (/^[a-fh-z\d_-][a-z\d_-]*$/.test(text)) return text;
  const name = text
    .slice(Math.max(text.lastIndexOf("/"), text.lastIndexOf("\\")) + 1)
    .replace(/^=/, "")
    .toLowerCase()
    .replace(/\.(?:exe|cmd|bat|com)$/, "")
    .replace(/(?<=[a-z])@[\w.^~-]+$/, "");
  return name.startsWith("g") && gnuPrograms.has(name.slice(1)) ? name.slice(1) : name;
}

const versioned = /^(python|pip|pypy|ruby|perl|php|lua|node|gem|gcc|clang)((?:[.\d]*\d)?)$/;

/** The name that a program has in all of its versions: `python3.11`, `mkfs.ext4`. */
export const familyOf = (program: string): string => versioned.exec(program)?.[1] ?? program.replace(/^(mkfs|fsck)\..*/, "$1");

/** `python3` is `python3.11`, and `python` is either; `python2` is another one. */
function isSameProgram(wanted: string, program: string): boolean {
  if (wanted === program) return true;
  if (familyOf(wanted) !== familyOf(program)) return false;
  const [one = "", other = ""] = [wanted, program].map((name) => versioned.exec(name)?.[2] ?? name.slice(familyOf(name).length));
  return one.startsWith(other) || other.startsWith(one);
}

/** By their names on systems that have others of their own. */
const gnuPrograms: ReadonlySet<string> = new Set(
  "rm cp mv ln dd cat tac head tail tee touch truncate chmod chown chgrp install mkdir rmdir unlink shred sort uniq cut wc od env timeout nice nohup stdbuf chroot find xargs sed awk tar make".split(
    " ",
  ),
);

function sameWord(word: ShellWord, fits: (text: string) => boolean, want: string): Likelihood {
  if (fits(word.text)) return word.certainty === "open" && want === "*" ? "maybe" : "yes";
  if (word.certainty === "literal") return "no";
  const { start = "", isSplit, certainty } = word;
  return certainty === "odd" || isSplit === true || start === "" || want.startsWith(start) || programOf(start) === "" || start.includes("/")
    ? "maybe"
    : "no";
}

/** The first of the words from `from` on that leads elsewhere. */
export function leadingWord(words: readonly ShellWord[], from: number): ShellWord | undefined {
  const [program = "", second = ""] = [programOf(words[0]?.text ?? ""), words[1]?.text];
  const options = leads(program.replace(/w$/, "")) ?? leads(`${program} ${second}`);
  if (options === undefined) return undefined;
  // `git diff -C` looks for copies.
  const end = program === "git" ? words.findIndex(({ text }, index) => index > 0 && !text.startsWith("-")) : words.length;
  return words.slice(0, end < 0 ? words.length : end).find(({ text }, index) => {
    if (index < from || !text.startsWith("-")) return false;
    const name = /^--[^=]+/.exec(text)?.[0];
    if (name !== undefined) return name.length > 3 && [...options].some((option) => option.startsWith(name));
    return [...options].some(
      (option) => text.startsWith(option) || (program === "make" && new RegExp(`^-[a-zA-Z]*${option[1]}`).test(text)),
    );
  });
}

interface Operand {
  word: ShellWord;
  /** It may be the value of the option before it; `true`: it is one for certain. */
  isValue: boolean | "maybe";
}

interface Said {
  program: string;
  options: ShellWord[];
  operands: Operand[];
  /** Those that stand by themselves. */
  plain: Operand[];
  /** May bring options, and operands before the ones that follow. */
  hasOpen: boolean;
}

function wordsOf(words: readonly ShellWord[], program: string): Said {
  const said: Said = { program, options: [], operands: [], plain: [], hasOpen: false };
  let isOver = false;
  let before: string | undefined;
  for (const word of program === "kill" ? namedSignals(words) : words) {
    const key = subCommand(said);
    const isValue = before === undefined ? false : takesValue(program, key, before);
    if (isOpenOption(word) && isValue !== true) said.hasOpen = true;
    const isOption = !isOver && word.certainty !== "open" && /^-./.test(word.text) && isValue !== true;
    before = undefined;
    if (isOption && word.text === "--") isOver = true;
    else if (!isOption) noteOperand(said, word, isValue);
    else {
      said.options.push(word);
      const value = /^--?[\w-]+=(.*)$/s.exec(word.text)?.[1];
      if (value === undefined) before = word.text;
      else said.operands.push({ word: literalWord(value), isValue: "maybe" });
    }
  }
  return said;
}

const signals = ["", "HUP", "INT", "QUIT", "", "", "", "", "", "KILL", "", "", "", "", "", "TERM"];

/** `-KILL`, `-SIGKILL`, `-s KILL` and `-n 9` are `-9`. */
const namedSignals = (words: readonly ShellWord[]): ShellWord[] =>
  words.map((word, at) => {
    const isNamed = at > 0 && /^-(?:s|n|-signal)$/.test(words[at - 1]?.text ?? "");
    const name = /^-?(?:-signal=)?(?:SIG)?([A-Z]+|\d+)$/i.exec(word.text)?.[1] ?? "";
    const number = /^\d+$/.test(name) ? Number(name) : signals.indexOf(name.toUpperCase());
    return number > 0 && (isNamed || word.text.startsWith("-")) ? { ...word, text: `-${number}` } : word;
  });

/** `+main` and `:main` are what `--force` and `--delete` say of one branch. */
function noteOperand(said: Said, word: ShellWord, isValue: Operand["isValue"]): void {
  if (said.program === "git" && subCommand(said) === "git push" && /^[+:]/.test(word.text))
    said.options.push({ ...word, text: word.text.startsWith("+") ? "-f" : "-d" });
  // `docker container rm` is `docker rm`, `chmod 0777` is `chmod 777`.
  if (/^(?:docker|podman)$/.test(said.program) && word.text === "container" && said.plain.length === 0) return;
  const text = said.program === "chmod" ? word.text.replace(/^0+(?=\d{3}$)/, "") : word.text;
  const operand = { word: text === word.text ? word : { ...word, text }, isValue };
  said.operands.push(operand);
  said.plain.push(operand);
}

const subCommand = ({ program, operands }: Said): string =>
  `${program} ${operands.find(({ isValue }) => isValue === false)?.word.text ?? ""}`;

function takesValue(program: string, key: string, option: string): Operand["isValue"] {
  const known = valuedOf(program);
  if (known?.has(option) === true || valuedOf(key)?.has(option) === true) return true;
  if (program === "git" && /^-[a-zA-Z]*m$/.test(option) && key === "git commit") return true;
  // Too many to know: `npm --otp 1 publish`.
  if (key === `${program} ` && known !== undefined && program !== "git") return option.startsWith("--") ? "maybe" : false;
  return synonymsOf(program) !== undefined || known !== undefined ? false : "maybe";
}

/** It may be an option, or several words: what is missing may be in it. */
const isOpenOption = ({ certainty, isSplit, start = "" }: ShellWord): boolean =>
  certainty === "open" && (isSplit === true || start === "" || start.startsWith("-"));

interface Wanted {
  home: string;
  /** Plain words directly behind the name: the sub-command and what it is about. */
  path: string[];
  options: string[];
  /** Anywhere. */
  loose: string[];
}

function splitPattern(words: readonly string[], home: string, program: string): Wanted {
  const wanted: Wanted = { home, path: [], options: [], loose: [] };
  const isPath = (word: string) =>
    !listsTargets.has(program) && wanted.loose.length === 0 && wanted.options.length === 0 && /^(?:[A-Za-z][\w:-]*|\*)$/.test(word);
  for (const word of program === "kill" ? namedSignals(words.map(literalWord)).map(({ text }) => text) : words) {
    if (word === "container" && /^(?:docker|podman)$/.test(program) && wanted.path.length === 0) continue;
    if (/^-./.test(word) && word !== "--") wanted.options.push(word);
    else if (word === "--") continue;
    else if (isPath(word)) wanted.path.push(word);
    else wanted.loose.push(word.replace(/^~(?=\/|$)/, home));
  }
  return wanted;
}

function hitsWords(wanted: Wanted, said: Said, isWhole: boolean): Likelihood {
  const path = hitsPath(said, wanted.path);
  if (path === "no") return "no";
  const missing = said.hasOpen ? "maybe" : "no";
  const options = wanted.options.map((option) => some([missing, ...hitsOption(option, said)]));
  const loose = wanted.loose.map((want) => some([missing, ...said.operands.map(({ word }) => hitsOperand(want, word))]));
  const isMore =
    isWhole &&
    (said.plain.length > wanted.path.length + wanted.loose.length || said.options.some((option) => !isSaid(option.text, wanted.options)));
  return every([path, ...options, ...loose, ...(isMore ? [missing] : [])] as Likelihood[]);
}

const isSaid = (option: string, wanted: readonly string[]): boolean =>
  wanted.some((want) => option.startsWith(want) || want.startsWith(option) || !option.startsWith("--"));

function isSubCommand(program: string, want: string, { text }: ShellWord): boolean {
  if (program === "npm" && text.length > 2 && want.startsWith(text)) return true;
  return subCommandsOf(program)?.some((group) => group.includes(want) && group.includes(text)) === true;
}

function hitsPath({ program, hasOpen, plain }: Said, wanted: readonly string[]): Likelihood {
  let at = 0;
  let told: Likelihood = "yes";
  for (const [index, want] of wanted.entries()) {
    for (; ; at++) {
      const operand = plain[at];
      if (operand === undefined) return hasOpen ? "maybe" : "no";
      if (operand.isValue === true) continue;
      const hit = index === 0 && isSubCommand(program, want, operand.word) ? "yes" : hitsOperand(want, operand.word);
      if (hit !== "no") {
        if (hit === "maybe") told = "maybe";
        at++;
        break;
      }
      // Words behind the sub-command may have others between them; open ones before this may have been any.
      if (operand.isValue === "maybe" || index > 0 || plain.slice(0, at).some(({ word }) => word.isSplit === true)) told = "maybe";
      else return "no";
    }
  }
  return told;
}

function hitsOperand(want: string, word: ShellWord): Likelihood {
  if (want === "*" || plainPath(want) === plainPath(word.text)) return word.certainty === "open" && want === "*" ? "maybe" : "yes";
  if (word.certainty === "literal") return "no";
  return word.certainty === "odd" || word.isSplit === true || want.startsWith(word.start ?? "") ? "maybe" : "no";
}

/** `//x/./y/` is `/x/y`; a path that leads back is resolved where that is meant: by a rule about paths. */
const plainPath = (text: string): string =>
  text.includes("/") ? text.replace(/\/(?:\.?\/)+/g, "/").replace(/^\.\/(?=.)|(?<=.)\/\.?$/g, "") : text;

const longName = (option: string): string | undefined => /^--([^=]+)/.exec(option)?.[1];

function* hitsOption(want: string, said: Said): Generator<Likelihood> {
  for (const { text, certainty } of said.options) {
    if (text === want || text.startsWith(`${want}=`)) yield "yes";
    else if (certainty === "odd") yield "maybe";
  }
  const wantedLong = longName(want);
  if (wantedLong !== undefined) {
    yield hitsLong(wantedLong, want.includes("="), said);
    return;
  }
  if (singleDashed.has(said.program)) return;
  yield every([...want.slice(1)].map((letter) => hitsLetter(letter, said)));
}

const groupOf = ({ program, ...said }: Said, name: string): readonly string[] | undefined =>
  (synonymsOf(subCommand({ program, ...said })) ?? synonymsOf(program))?.find((group) => group.includes(name));

const isCluster = (text: string): boolean => /^-[^-]/.test(text);

/** Long options may be cut short; the short one of the same name says the same. */
function hitsLong(name: string, hasValue: boolean, said: Said): Likelihood {
  if (hasValue) return "no";
  const group = groupOf(said, name);
  return some(
    said.options.map(({ text }) => {
      const other = longName(text);
      if (other !== undefined)
        return name.startsWith(other) || group?.some((same) => same.length > 1 && same.startsWith(other)) ? "yes" : "no";
      if (!isCluster(text) || singleDashed.has(said.program)) return text === `-${name}` ? "yes" : "no";
      if (group === undefined) return text.slice(1).includes(name[0] ?? "") ? "maybe" : "no";
      return group.some((same) => same.length === 1 && text.includes(same)) ? "yes" : "no";
    }),
  );
}

function hitsLetter(letter: string, said: Said): Likelihood {
  const group = groupOf(said, letter);
  return some(
    said.options.map(({ text }) => {
      const long = longName(text);
      if (long === undefined)
        return isCluster(text) && (group ?? [letter]).some((same) => same.length === 1 && text.includes(same)) ? "yes" : "no";
      if (group !== undefined) return group.some((same) => same.length > 1 && same.startsWith(long)) ? "yes" : "no";
      return long.startsWith(letter.toLowerCase()) ? "maybe" : "no";
    }),
  );
}
