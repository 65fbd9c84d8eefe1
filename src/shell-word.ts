import type { Assignment, Word, WordPart } from "unbash";
import { literalWord, type ShellWord } from "./command-pattern.ts";

/**
 * Pieces of a word that every shell reads alike; what stands before a `~` decides about it. In double quotes a backslash stays before
 * whatever it does not protect, and so does a `$` that begins nothing: `"foo\|bar"`, `"^$"`.
 * With its extended globs zsh takes `^a` and `a~b` for patterns; `HEAD^` and `HEAD~1` are no less usual there than elsewhere.
 */
const piece =
  /(?:[\w@%+,./\]-]|(?<=.)\^|[\p{L}\p{N}]|[=:](?!~)|(?<=[\w./^])~(?=\d|$|[~^:]|\.\.)|(?<=.)#|!|\{[\w-]*\}|\\[ -~]|'[^']*'|"(?:[^"\\$`]|\\[^\n!]|\$(?=["\s|)\\]))*")/uy;
const tilde = /^~(?=\/|$)/;

/** What a word says before its shell has seen it; `mayRead`: it may be the text of a here-document that is written in it. */
export function readWord(word: Word | Assignment, home: string, mayRead = false): ShellWord {
  const raw = word.text;
  if (/^[\w./:@%+,-]+$/.test(raw)) return literalWord(raw);
  if (raw === "[") return literalWord(raw);
  const { text, length } = readPieces(raw, tilde.test(raw) ? 1 : 0);
  const said = tilde.test(raw) ? `${home}${text}` : text;
  // Unquoted, zsh reads `=ls` as a path, and a brace alone is a word of the language.
  if (length === raw.length) return /^(?:=.|[{}]$)/.test(raw) ? { text: said, certainty: "odd" } : literalWord(said);
  const spelled = mayRead ? spelledOut(raw) : undefined;
  if (spelled !== undefined) return literalWord(spelled);
  const parts: readonly WordPart[] = word.type === "Word" ? (word.parts ?? []) : [];
  const value = word.type === "Word" ? word.value : raw;
  const isOpen = word.type === "Assignment" || raw.startsWith("~") || /[{]/.test(raw) || /[:=]~/.test(raw) || parts.some(isOpenPart);
  if (!isOpen) return { text: value, certainty: "odd" };
  // Of what stands in double quotes the beginning is known as well.
  const quoted = /^"([^"\\$`]*)/.exec(raw.slice(length))?.[1] ?? "";
  const isGlob = parts.length > 0 && parts.every((part) => !isOpenPart(part) || part.type === "Glob") && !/[{~]/.test(raw);
  return {
    text: value,
    certainty: "open",
    start: said + quoted,
    isSplit: word.type === "Assignment" || (!isGlob && parts.some(isSplitPart)),
    isGlob,
  };
}

function readPieces(raw: string, from: number): { text: string; length: number } {
  let text = "";
  let at = from;
  piece.lastIndex = at;
  for (let match = piece.exec(raw); match !== null; match = piece.exec(raw)) {
    const [one] = match;
    at = piece.lastIndex;
    if (one.startsWith("'")) text += one.slice(1, -1);
    else if (one.startsWith('"')) text += one.slice(1, -1).replace(/\\(["\\$`])/g, "$1");
    else text += one.startsWith("\\") ? one.slice(1) : one;
    piece.lastIndex = at;
  }
  return { text, length: at };
}

const isOpenPart = (part: WordPart): boolean =>
  part.type === "DoubleQuoted" || part.type === "LocaleString"
    ? part.parts.some(({ type }) => type !== "Literal")
    : !/^(?:Literal|SingleQuoted|AnsiCQuoted)$/.test(part.type);

/** It may become other words than one: unquoted, or a list. */
const isSplitPart = (part: WordPart): boolean =>
  part.type === "DoubleQuoted" || part.type === "LocaleString"
    ? part.parts.some(({ type, text }) => /^(?:Simple|Parameter)Expansion$/.test(type) && /[@*]/.test(text))
    : !/^(?:Literal|SingleQuoted|AnsiCQuoted|Glob)$/.test(part.type);

/**
 * `"$(cat <<'EOF' … EOF)"`, as claude writes the messages of commits, says what stands there. For an older shell (bash 3.2 of macOS)
 * brackets and quotes in it end it elsewhere, unless they stand in pairs.
 */
function spelledOut(raw: string): string | undefined {
  const [, end = "", body = ""] = /^"\$\(cat <<'(\w+)'\n(.*\n)\1\n\)"$/s.exec(raw) ?? [];
  if (end === "" || body.split("\n").includes(end)) return undefined;
  const bare = body.replace(/(?<!\$)\([\w ,./#:-]*\)/g, "");
  const count = (quote: string) => bare.split(quote).length - 1;
  const isPaired = count("'") % 2 === 0 && count('"') % 2 === 0 && (count("'") === 0 || count('"') === 0);
  return /[\\`()]|\$\{/.test(bare) || !isPaired || body.startsWith("-") ? undefined : body.replace(/\n+$/, "");
}
