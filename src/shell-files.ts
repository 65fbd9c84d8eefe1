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

/** A folder that was fetched may be a bare repository whose settings name programs: claude asks about this too (2.1.329). */
export function isStrangeGit({ words, folder, roams, isInner }: ShellPart, { cwd, projectDir }: ToolCall): boolean {
  if (isInner || programOf(words[0]?.text ?? "") !== "git") return false;
  const own = [cwd, projectDir].map((dir) => absolutePath(dir, "/", ""));
  return roams === true || folder === undefined || !own.includes(absolutePath(folder, "/", ""));
}

/** Does it change a file that decides what may run? */
export function changesGuarded({ words, folder }: ShellPart, call: ToolCall): boolean {
  const program = programOf(words[0]?.text ?? "");
  if (!changingPrograms.has(program) || (program === "sed" && !words.some(({ text }) => /^-[A-Za-z]*i|^--in/.test(text)))) return false;
  const paths = words.slice(1).flatMap(({ text }) => pathWords(text).flatMap((path) => pathsOf(path, call, folder ?? "/")));
  return paths.some((path) => isGuarded(path, call));
}
