import { programOf, type ShellWord } from "./command-pattern.ts";
import { absolutePath, isAbove, spelledPath } from "./path-pattern.ts";
import type { ToolCall } from "./rules.ts";
import type { ShellPart } from "./shell-parts.ts";
import { startsFile } from "./shell-wrappers.ts";

/** Commands that read or change the files that they are given. */
export const readingPrograms = new Set(
  "cat tac head tail less more bat nl grep egrep fgrep rg ag sed awk cut sort uniq wc od xxd hexdump strings base64 cp mv scp rsync diff cmp jq yq tar zip gzip dd source . ln install curl".split(
    " ",
  ),
);
export const writingPrograms = new Set(
  "tee cp mv rm rmdir unlink touch truncate dd ln install rsync sed chmod chown shred mkdir curl wget patch".split(" "),
);

/** Those of them by which what is written there is somebody else's. */
const changingPrograms = new Set("tee cp mv ln dd install rsync sed curl wget patch truncate touch".split(" "));

/** Where a link leads that nobody could follow. */
export const nowhere = "\0";
/** The same file in whatever folder. */
export const isFixed = (path = ""): boolean => /^[/~]/.test(path);

/** As it is written, and wherever links lead from there. */
export function pathsOf(path: string, call: ToolCall, folder: string): string[] {
  const absolute = absolutePath(path, folder, call.home);
  if (call.resolve === undefined) return [absolute];
  return [...new Set([absolute, ...[absolute, spelledPath(path, folder, call.home)].map((each) => call.resolve?.(each) ?? nowhere)])];
}

/** What decides about permissions, and what starts programs of itself: nobody approves a change of these unseen. */
const guarded =
  /\/(?:\.git|\.claude|\.csm|claude-smart)(?:\/|$)|\/\.(?:bash|zsh|profile|gitconfig|npmrc|envrc|ssh)[^/]*(?:\/|$)|powershell\/[^/]*profile\.ps1$/i;

/** A worktree may itself lie in such a folder. */
export const isGuarded = (path: string, { projectDir }: ToolCall): boolean =>
  guarded.test(path.startsWith(`${projectDir}/`) ? path.slice(projectDir.length) : path);

/** `.env`, `--file=.env`, `if=.env`, `@.env`, `host:.env`. */
export const pathWords = (text: string): string[] =>
  [text, ...[...text.matchAll(/[=@:]/g)].map(({ index }) => text.slice(index + 1))].filter((path) => path !== "");

/** Where relative paths of a command count from: `tar -C DIR` has one of its own. */
export function foldersOf({ words, folder }: ShellPart): string[] {
  if (folder === undefined) return [];
  const moved = words.flatMap(
    ({ text }, at) =>
      /^--(?:directory|cwd|chdir|prefix)=(.+)$/.exec(text)?.[1] ??
      (/^-[A-Za-z]*C$|^--directory$/.test(text) ? (words[at + 1]?.text ?? []) : []),
  );
  return [folder, ...moved.map((each) => absolutePath(each, folder, "~"))];
}

/** They take all that is in a folder. */
export const walksFolders = (words: readonly ShellWord[]): boolean =>
  /^(?:rg|ag|tar|rsync|zip|7z)$/.test(programOf(words[0]?.text ?? "")) ||
  (/^(?:grep|egrep|fgrep|cp|scp|diff)$/.test(programOf(words[0]?.text ?? "")) &&
    words.some(({ text }) => /^-[A-Za-z]*[rRa]|^--(?:rec|der|arch)/.test(text)));

/** Is what is denied by its whole path below a folder outside of the project? Within it, searches are too many to ask about. */
export function holds(patterns: readonly string[], text: string, base: string, call: ToolCall): boolean {
  const folder = absolutePath(text, base, call.home);
  return !`${folder}/`.startsWith(`${call.projectDir}/`) && patterns.some((pattern) => isAbove(folder, pattern, call));
}

const inFolder = ({ text }: ShellWord, { folder }: ShellPart, { home }: ToolCall): string => absolutePath(text, folder ?? "/", home);

/** Those that run a file which stands among what others of them write: `echo 'rm -rf x' > a; sh a` says nowhere what it runs. */
export function runWritten(parts: readonly ShellPart[], call: ToolCall): ReadonlySet<ShellPart> {
  const written = new Set(
    parts.flatMap((part) => {
      if (part.file !== undefined) return part.file.isWritten ? [inFolder(part.file.word, part, call)] : [];
      return writingPrograms.has(programOf(part.words[0]?.text ?? "")) ? part.words.slice(1).map((word) => inFolder(word, part, call)) : [];
    }),
  );
  return new Set(written.size === 0 ? [] : parts.filter((part) => runFiles(part, call).some((path) => written.has(path))));
}

/** The files that it runs as programs: `./a`, `sh a`, `python3 a`. */
function runFiles(part: ShellPart, call: ToolCall): string[] {
  const [name, ...rest] = part.words;
  if (name === undefined) return [];
  const file = startsFile(programOf(name.text)) ? rest.find(({ text }) => !/^[-+]/.test(text)) : undefined;
  return [...(name.text.includes("/") ? [name] : []), ...(file === undefined ? [] : [file])].map((word) => inFolder(word, part, call));
}

/** It may run again, or beside what stands behind it. */
const repeats = /\b(?:for|while|until|select|repeat|trap|function)\b|\(\s*\)|(?<![&>|])&(?![&>\d-])/;

/** What surely runs before a part, or may. */
export const partsBefore = (parts: readonly ShellPart[], part: ShellPart, text: string): readonly ShellPart[] =>
  repeats.test(text) ? parts : parts.slice(0, parts.indexOf(part));

/** They make no file in a folder of the project, whatever they are given; git keeps its own in `.git`, with hooks that are trusted. */
const stillPrograms = new Set("cd pwd echo true ls cat tac head tail nl grep egrep fgrep rg wc cut diff cmp jq".split(" "));
const stillGit = /^(?:status|diff|log|show|add|commit|push|branch|rev-parse|ls-files|blame|describe|remote|tag)$/;

function isStill({ file, words: [name, verb] }: ShellPart): boolean {
  if (file !== undefined) return !file.isWritten;
  const program = programOf(name?.text ?? "");
  return stillPrograms.has(program) || (program === "git" && stillGit.test(verb?.text ?? ""));
}

/**
 * A folder that was fetched may be a bare repository whose settings name programs: claude asks about this too (2.1.329). One of the
 * project is none as long as nothing of a repository is in it, or between it and the project's root, and nothing before puts it there.
 */
export function isStrangeGit(part: ShellPart, before: readonly ShellPart[], call: ToolCall): boolean {
  const { words, folder, roams, isInner } = part;
  if (isInner || programOf(words[0]?.text ?? "") !== "git") return false;
  if (roams === true || folder === undefined) return true;
  const { isThere, resolve } = call;
  const [cwd, root, dir] = [call.cwd, call.projectDir, folder].map((path) => absolutePath(path, "/", "")) as [string, string, string];
  if (dir === cwd || dir === root) return false;
  // `cd -P x/..` leads elsewhere where x is a link.
  const isPlain = dir.startsWith(`${root}/`) && !folder.split("/").includes("..") && resolve?.(dir) === dir;
  if (!isPlain || isThere?.(dir) !== true || !isThere(`${root}/.git`) || !before.every(isStill)) return true;
  for (let at = dir; at !== root; at = at.slice(0, at.lastIndexOf("/"))) if (isThere(`${at}/.git`) || isThere(`${at}/HEAD`)) return true;
  return false;
}

/** Does it change a file that decides what may run? */
export function changesGuarded({ words, folder }: ShellPart, call: ToolCall): boolean {
  const program = programOf(words[0]?.text ?? "");
  if (!changingPrograms.has(program) || (program === "sed" && !words.some(({ text }) => /^-[A-Za-z]*i|^--in/.test(text)))) return false;
  const paths = words.slice(1).flatMap(({ text }) => pathWords(text).flatMap((path) => pathsOf(path, call, folder ?? "/")));
  return paths.some((path) => isGuarded(path, call));
}

interface Placed {
  maker: ShellPart;
  /** Undefined: anywhere. */
  paths: readonly string[] | undefined;
  isLink: boolean;
}

/** Of what is known before it runs: of `out/*` the folder. */
const surePlace = ({ text, certainty, start = "" }: ShellWord): string =>
  certainty === "open" ? `${start.slice(0, start.lastIndexOf("/") + 1)}.` : text;

/** Where it may put a link, so that what lies there or below is not what was looked at: a folder that is moved or copied holds some. */
function placeLinks(maker: ShellPart, call: ToolCall): Placed[] {
  const { words, folder, roams } = maker;
  const program = programOf(words[0]?.text ?? "");
  const isCopy =
    /^(?:cp|rsync)$/.test(program) && words.some(({ text }) => /^-[A-Za-z]*[aRrdPls]|^--(?:ar|rec|no-d|links?|pres|sym)/.test(text));
  if (!/^(?:ln|link|mv)$/.test(program) && !isCopy) return [];
  const isLink = /^ln|^link/.test(program);
  if (folder === undefined || roams === true) return [{ maker, paths: undefined, isLink }];
  const operands = words.slice(1).filter(({ text }) => !/^-./.test(text));
  const last = operands.at(-1);
  if (last === undefined) return [];
  // `-t DIR` stands anywhere; with one name the link is made here.
  const isTargeted = words.some(({ text }) => /^-[A-Za-z]*t|^--t/.test(text));
  const joined = words.flatMap(({ text }) => /^(?:-[A-Za-z]*?t|--t[a-z-]*=)(.+)$/.exec(text)?.[1] ?? []);
  const places = isTargeted
    ? [...operands.map(surePlace), ...joined]
    : [operands.length > 1 ? surePlace(last) : surePlace(last).replace(/.*\/(?=.)/, "")];
  return [{ maker, paths: places.flatMap((place) => pathsOf(place, call, folder)), isLink }];
}

/** They tell of a link, or take it away, and follow none. */
const besideLinks = /^(?:ls|echo|test|\[|stat|readlink|realpath|file|git|cd|pwd|ln|link)$/;

/** Those that use a file which another of them may have made a link: `ln -s /etc out/m && echo x > out/m/f`. */
export function useLinked(parts: readonly ShellPart[], call: ToolCall): ReadonlySet<ShellPart> {
  const placed = parts.flatMap((part) => placeLinks(part, call));
  const isBelow = (path: string, above: string) => `${path}/`.startsWith(above === "/" ? "/" : `${above}/`);
  const isUsing = (part: ShellPart): boolean => {
    const program = programOf(part.words[0]?.text ?? "");
    const isWriting = part.file?.isWritten ?? writingPrograms.has(program);
    const words = part.file === undefined ? part.words.slice(1) : [part.file.word];
    const used = words.flatMap((word) =>
      pathWords(surePlace(word)).flatMap((text) => pathsOf(text, call, part.folder ?? "/").map((path) => ({ path, word }))),
    );
    return placed.some(({ maker, paths, isLink }) => {
      if (maker === part || (!isWriting && (!isLink || (part.file === undefined && besideLinks.test(program))))) return false;
      if (paths === undefined) return used.length > 0;
      const isRemoved = /^(?:rm|unlink)$/.test(program);
      return used.some(({ path, word }) =>
        paths.some((link) => (isBelow(path, link) && !(isRemoved && path === link)) || (word.certainty === "open" && isBelow(link, path))),
      );
    });
  };
  return new Set(placed.length === 0 ? [] : parts.filter(isUsing));
}
