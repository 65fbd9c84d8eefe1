import {
  type AndOr,
  type Assignment,
  type Command,
  forEachChild,
  type HereDoc,
  type ParameterExpansionPart,
  type ParsedScript,
  parse,
  type Redirect,
  type Redirection,
  type SyntaxNode,
  type TestBinaryExpression,
  type TestUnaryExpression,
  type Word,
  type WordPart,
} from "unbash";
import { literalWord, openWords, type ShellWord } from "./command-pattern.ts";
import { spelledPath } from "./path-pattern.ts";
import { type Opened, openCommand } from "./shell-open.ts";
import { readWord } from "./shell-word.ts";
import { harmlessReaders, holdsCommand, isRiskyName } from "./shell-wrappers.ts";

/** A simple command at any depth, or a file that a redirection opens. */
export interface ShellPart {
  /** As it stands there, or the words that a wrapper would run. */
  text: string;
  /** None of a redirection. */
  words: readonly ShellWord[];
  file?: { word: ShellWord; isWritten: boolean };
  /** Where it runs; undefined where that depends on what came before. */
  folder: string | undefined;
  /** It may run once more, elsewhere: in the next round of a loop, or when a trap or a function is due. */
  roams?: boolean;
  /** Why it is never approved unseen. */
  doubts: string[];
  /** In another language, for which nobody reads here. */
  code?: string;
  /** Other words than these may run. */
  isHidden: boolean;
  /** An approval of what it stands in covers it: `sudo`, `ssh`. */
  isInner: boolean;
  /** It does nothing but run other parts: `env`, `eval`, `bash -c`. Only a rule that names it is about it. */
  isPassing?: boolean;
}

interface ShellReading {
  parts: ShellPart[];
  /** Of the whole. */
  doubts: string[];
  /** Other commands than these parts may run. */
  isHidden: boolean;
}

const maxLength = 8192;
/** Longer ones are not even looked through for what a denial names. */
const maxRead = 65_536;
const maxDepth = 12;
const maxParts = 400;
const maxOpeners = 300;
const openers = /\$[({]|[<>]\(|`/g;

/** Characters that no eye sees or that some locale takes for a blank, and what no shell gets as it stands here. */
const unseen =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
  /[\u0000-\u0008\u000b-\u001f\u007f-\u00a0\u00ad\u1680\u180e\u2000-\u200f\u2028-\u202f\u205f-\u206f\u3000\ufeff\ufff9-\ufffc]|\p{Surrogate}/u;

/** All that a text would run, as bash reads it; `folder`: where it runs, `home` for `~`. */
export function readShell(text: string, folder: string, home: string): ShellReading {
  const reading: ShellReading = { parts: [], doubts: [], isHidden: false };
  const state: State = { reading, home, origin: folder, folder, later: [], moves: 0, isMovedAnytime: false };
  if (unseen.test(text)) doubt(state, "it has characters that no eye sees", text.includes("\0"));
  if (Buffer.byteLength(text) > maxLength) doubt(state, "it is longer than 8 kB", true);
  if (text.length <= maxRead) readText(state, text, { depth: 0, isInner: false });
  if (state.moves > 0) roam(state.isMovedAnytime ? reading.parts : state.later);
  return reading;
}

interface State {
  reading: ShellReading;
  home: string;
  /** Where it all begins, and where it is. */
  origin: string;
  folder: string | undefined;
  /** What runs when something else says so. */
  later: ShellPart[];
  /** How often it goes to another folder; a trap does between any two of the others. */
  moves: number;
  isMovedAnytime: boolean;
}

interface Place {
  depth: number;
  isInner: boolean;
  /** What the command reads, where that stands there. */
  stdin?: ShellWord;
}

function doubt({ reading }: State, why: string, isHidden: boolean): void {
  if (!reading.doubts.includes(why)) reading.doubts.push(why);
  if (isHidden) reading.isHidden = true;
}

function readText(state: State, text: string, place: Place): void {
  if (place.depth > maxDepth || state.reading.parts.length > maxParts) {
    doubt(state, "it is nested too deeply", true);
    return;
  }
  // The parser's time grows with the square of these.
  if ((text.match(openers)?.length ?? 0) > maxOpeners) {
    doubt(state, "it is nested too deeply", true);
    return;
  }
  try {
    readScript(state, parse(text), text, place);
  } catch {
    // The parser has no promise for hostile texts; what it cannot read is a doubt like any other.
    doubt(state, "it cannot be read", true);
  }
}

function readScript(state: State, script: ParsedScript, outer: string, place: Place): void {
  const source = script.source ?? outer;
  if (script.errors !== undefined && script.errors.length > 0) doubt(state, `it cannot be read: ${script.errors[0]?.message ?? ""}`, true);
  else if (!isCovered(script, source)) doubt(state, "it cannot be read to the last word", true);
  for (const statement of script.commands) visit(state, statement, source, place);
}

const comment = /(?<![^\s;&|()])#[^\n]*/g;
/** What a reader steps over between the words. */
const between =
  /^(?:[ \t\n;&|(){}!]|\\\n|(?<![^\s;&|(){}])(?:if|then|elif|else|fi|for|in|do|done|while|until|case|esac|select|function|coproc|time)(?![^\s;&|(){}]))*$/;
const leaves = /^(?:Word|Assignment|Redirect|HereString|HereDoc|TestCommand|Arithmetic(?!For)\w*|Time)$/;
/** Between most words. */
const blank = " ";

/** Does each character of the text belong to a word that was read, or to what stands between words? The parser passes over some. */
function isCovered(script: ParsedScript, source: string): boolean {
  const spans: [from: number, to: number][] = [];
  // What the forms that were read open and close.
  const wanted = { "(": 0, ")": 0, "{": 0, "}": 0 };
  const expectPair = (open: "(" | "{", close: ")" | "}", count = 1) => {
    wanted[open] += count;
    wanted[close] += count;
  };
  const collect = (node: SyntaxNode): void => {
    if (node.type === "Subshell") expectPair("(", ")");
    else if (node.type === "BraceGroup") expectPair("{", "}");
    else if (node.type === "ArithmeticFor") expectPair("(", ")", 2);
    else if (node.type === "Function" && source.slice(node.name.end, node.body.pos).includes("(")) expectPair("(", ")");
    else if (node.type === "CaseItem") {
      wanted[")"]++;
      if (source[node.pos] === "(") wanted["("]++;
    }
    if (leaves.test(node.type)) spans.push([node.pos, node.end]);
    else forEachChild(node, collect);
    if (node.type !== "HereDoc") return;
    spans.push([node.body.pos, node.body.end]);
    if (node.closing !== undefined) spans.push([node.closing.pos, node.closing.end]);
  };
  for (const statement of script.commands) collect(statement);
  spans.sort(([a], [b]) => a - b);
  let at = script.pos;
  for (const [from, to] of [...spans, [script.end, script.end] as const]) {
    if (from < at && to > at) return false;
    const gap = source.slice(at, from);
    if (from > at && gap !== blank) {
      const bare = gap.replace(comment, "");
      if (!between.test(bare)) return false;
      for (const sign of bare) if (sign in wanted) wanted[sign as keyof typeof wanted]--;
    }
    at = Math.max(at, to);
  }
  return Object.values(wanted).every((count) => count === 0);
}

function visit(state: State, node: SyntaxNode, source: string, place: Place): void {
  const inside = () => forEachChild(node, (child) => visit(state, child, source, place));
  switch (node.type) {
    case "Command":
      readCommand(state, node, source, place);
      break;
    case "Script":
      apart(state, () => readScript(state, node, source, { ...place, depth: place.depth + 1 }));
      break;
    case "Statement":
      (node.background === true ? apart : inStep)(state, inside);
      break;
    case "Pipeline":
      if (node.commands.length === 1) inside();
      else for (const each of node.commands) apart(state, () => visit(state, each, source, place));
      break;
    case "AndOr":
      readList(state, node, (each) => visit(state, each, source, place));
      break;
    case "Function":
      doubt(state, `${node.name.text.slice(0, 40)} becomes another command`, false);
      state.later.push(...partsOf(state, () => apart(state, inside)));
      break;
    case "Coproc":
      doubt(state, "a coproc runs beside the rest", false);
      apart(state, inside);
      break;
    case "Subshell":
      apart(state, inside);
      break;
    case "For":
    case "While":
    case "Select":
    case "ArithmeticFor":
      noteRisks(state, node, source, place);
      inRounds(state, inside);
      break;
    default:
      noteRisks(state, node, source, place);
      inside();
  }
}

/** Where the folder that it moves to is left again. */
function apart(state: State, run: () => void): void {
  const { folder } = state;
  run();
  state.folder = folder;
}

/** The next round begins where the last one has left. */
function inRounds(state: State, run: () => void): void {
  const { folder } = state;
  const parts = partsOf(state, run);
  if (state.folder !== folder) roam(parts);
}

function partsOf(state: State, run: () => void): ShellPart[] {
  const { parts } = state.reading;
  const at = parts.length;
  run();
  return parts.slice(at);
}

function roam(parts: readonly ShellPart[]): void {
  for (const part of parts) part.roams = true;
}

/** `cd` may fail: only what follows by `&&` is surely in the new folder. */
function inStep(state: State, run: () => void): void {
  const { folder } = state;
  run();
  if (state.folder !== folder) state.folder = undefined;
}

/** Behind an `||` nobody knows what has run before. */
function readList(state: State, { commands, operators }: AndOr, read: (node: SyntaxNode) => void): void {
  const { folder } = state;
  commands.forEach((each, index) => {
    if (operators.slice(0, index).includes("||") && state.folder !== folder) state.folder = undefined;
    read(each);
  });
}

/** Forms that set variables, or reckon: an index in a variable's text may run a command. */
function noteRisks(state: State, node: SyntaxNode, source: string, place: Place): void {
  const reckons = () => doubt(state, "arithmetic may run what a variable says", /\[[^\]]*(?:\$\(|`)/.test(source));
  switch (node.type) {
    case "Redirect":
    case "HereDoc":
      readRedirect(state, node, source, place);
      break;
    case "Assignment":
      readAssignment(state, node, place);
      break;
    case "For":
    case "Select":
      if (isRiskyName(node.name.text)) doubt(state, `${node.name.text} decides what programs run`, false);
      // `for OPTIND in 'a[$(cmd)]'`: bash reckons with what it says (5.2).
      if (node.wordlist?.some(holdsCode) === true) doubt(state, `what ${node.name.text} says may be run`, true);
      break;
    case "ArithmeticExpansion":
    case "ArithmeticCommand":
      if (!/^[\s\d()+*/%<>=!&|?:^~,$-]*$/.test(source.slice(node.pos, node.end))) reckons();
      break;
    case "ArithmeticFor":
      reckons();
      break;
    case "TestUnary":
    case "TestBinary":
      if (isReckoning(node)) reckons();
      break;
    case "ParameterExpansion":
      if (isRisky(node)) reckons();
      break;
    case "FileDescriptorVariable":
      doubt(state, `${node.name} is set`, false);
  }
}

const isReckoning = (node: TestUnaryExpression | TestBinaryExpression): boolean =>
  node.type === "TestUnary"
    ? /^-[vR]$/.test(node.operator)
    : /^-(?:eq|ne|lt|le|gt|ge)$/.test(node.operator) && [node.left, node.right].some(({ text }) => !/^\d+$/.test(text));

const isRisky = ({ prefix, index, operation }: ParameterExpansionPart): boolean =>
  prefix === "!" ||
  (index !== undefined && !/^(?:\d+|[@*])$/.test(index.text)) ||
  /^(?:Slice|Transform|Unknown)$/.test(operation?.type ?? "") ||
  (operation?.type === "Default" && operation.operator.endsWith("="));

function readAssignment(state: State, { name, index, append, value }: Assignment, place: Place): void {
  const words = value.type === "Word" ? [value] : value.elements;
  const text = value.type === "Word" ? readWord(value, state.home).text : "";
  if (noteName(state, name, text, place)) doubt(state, `${name} decides what programs run`, false);
  // `x='a[$(cmd)]'`: bash runs it wherever it reckons with x.
  if (words.some(holdsCode)) doubt(state, `what ${name} says may be run`, true);
  const isIndexed = value.type !== "Word" && words.some((word) => /^\[(?!\d+\]=)/.test(word.text));
  if (isIndexed || (index !== undefined && !/^\d+$/.test(index.text)) || append === true)
    doubt(state, "arithmetic may run what a variable says", false);
}

/** A command that an expansion of the value would run. */
const holdsCode = ({ parts, value }: Word): boolean => /\$[(\0]|`/.test(parts === undefined ? value : plainText(parts));

/** What is surely no expansion; NUL for each of those. */
const plainText = (parts: readonly WordPart[]): string =>
  parts
    .map((part) => {
      if (part.type === "DoubleQuoted" || part.type === "LocaleString") return plainText(part.parts);
      return part.type === "Literal" || part.type === "SingleQuoted" || part.type === "AnsiCQuoted" ? part.value : "\0";
    })
    .join("");

/** Is it one that makes programs do something else? What it makes them run is read like the rest. */
function noteName(state: State, name: string, value: string, place: Place): boolean {
  if (holdsCommand(name) && value !== "") readText(state, value, { ...place, depth: place.depth + 1, isInner: true });
  return isRiskyName(name);
}

function readRedirect(state: State, node: Redirect | HereDoc, source: string, { isInner }: Place): void {
  if (node.type === "HereDoc") {
    if (node.closing === undefined || !/^[\w.-]+$/.test(node.delimiter?.value ?? ""))
      doubt(state, "where a here-document ends is not sure", false);
    return;
  }
  const { operator, target } = node;
  if (target === undefined) {
    doubt(state, "a redirection leads nowhere", true);
    return;
  }
  const word = readWord(target, state.home);
  const isCopy = operator === "<&" || operator === ">&";
  if (word.certainty === "literal" && (word.text === "/dev/null" || (isCopy && /^(?:\d+-?|-)$/.test(word.text)))) return;
  const doubts = word.certainty === "literal" ? [] : [`where ${show(word)} leads is known only when it runs`];
  if (/^\/dev\/(?:tcp|udp)\b/.test(word.text) || operator === "<&") doubts.push(`${show(word)} is no file`);
  state.reading.parts.push({
    ...{ text: source.slice(node.pos, node.end), words: [], doubts, isInner, isHidden: false, folder: state.folder },
    file: { word, isWritten: operator !== "<" && operator !== "<&" },
  });
}

const show = (word: ShellWord): string => word.text.replace(/\s+/g, " ").slice(0, 60);

function readCommand(state: State, node: Command, source: string, place: Place): void {
  const { parts } = state.reading;
  const at = parts.length;
  forEachChild(node, (child) => visit(state, child, source, place));
  if (node.name === undefined) {
    if (node.redirects.length > 0) doubt(state, "some shells run a command for a redirection alone", false);
    return;
  }
  // A command is told before what stands in it, and runs after.
  const inner = parts.splice(at);
  const words = [node.name, ...node.args].map((word, index) => readWord(word, state.home, index > 0));
  const stdin = readStdin(node.redirects, state.home);
  runWords(state, words, source.slice(node.pos, node.end), { ...place, ...(stdin === undefined ? {} : { stdin }) });
  parts.push(...inner);
}

/** What stands there for the command to read. */
function readStdin(redirects: readonly Redirection[], home: string): ShellWord | undefined {
  const last = redirects.findLast(({ operator }) => operator.startsWith("<"));
  if (last?.type === "HereString" && last.target !== undefined) return readWord(last.target, home);
  if (last?.type !== "HereDoc") return last === undefined ? undefined : { text: "", certainty: "open" };
  return last.delimiter?.quoted === true ? literalWord(last.body.text) : { text: last.body.text, certainty: "open" };
}

/** A command, and what it runs in turn. */
function runWords(state: State, words: readonly ShellWord[], text: string, place: Place): void {
  const [name] = words;
  if (name === undefined) return;
  if (place.depth > maxDepth || state.reading.parts.length > maxParts) {
    doubt(state, "it is nested too deeply", true);
    return;
  }
  const opened = openCommand(words);
  // What a denial of paths may be about is asked all the same.
  const isHarmless = (word: ShellWord) => word.isData === true && name.certainty === "literal" && harmlessReaders.has(name.text);
  const doubts = words.flatMap((word, index) => (index > 0 && isHarmless(word) ? [] : (doubtOf(word, index === 0) ?? [])));
  // A wrapper's own words decide where the command begins.
  const inner = new Set(opened?.commands?.flat());
  const handsOn = inner.size > 0 || (opened?.scripts?.length ?? 0) > 0;
  for (const word of handsOn ? words : []) if (word.isGlob === true && !inner.has(word)) doubts.push(`${show(word)} may be several words`);
  if (opened?.doubt !== undefined) doubts.push(opened.doubt);
  for (const said of opened?.names ?? []) {
    const [variable = "", value = ""] = said.split(/=(.*)/s);
    if (noteName(state, variable, value, place)) doubts.push(`${variable} decides what programs run`);
  }
  if (opened === undefined || opened.isOwn) addPart(state, words, text, doubts, opened, place);
  else {
    state.reading.parts.push({ text, words, doubts: [], folder: state.folder, isHidden: false, isInner: true, isPassing: true });
    for (const why of doubts) doubt(state, why, false);
  }
  if (opened?.doubt !== undefined && changesRest.test(name.text)) doubt(state, opened.doubt, opened.isHidden === true);
  if (opened !== undefined) runOpened(state, opened, name.text, { ...place, depth: place.depth + 1 });
  move(state, words);
}

/** What they change holds for all that follows. */
const changesRest =
  /^(?:\.|source|alias|unalias|enable|hash|shopt|setopt|emulate|autoload|zmodload|set|export|declare|typeset|local|readonly|integer|float|read|unset|printf)$/;

function addPart(
  state: State,
  words: readonly ShellWord[],
  text: string,
  doubts: string[],
  opened: Opened | undefined,
  place: Place,
): void {
  const [name] = words;
  const isOpen = name?.certainty !== "literal";
  if (name !== undefined && /^\.{0,2}[^/]*\//.test(name.text) && !name.text.startsWith("/") && state.folder !== state.origin)
    doubts.push(`${show(name)} is another file in another folder`);
  state.reading.parts.push({
    ...{ text, words, doubts, folder: state.folder, isInner: place.isInner, isHidden: opened?.isHidden === true || isOpen },
    ...(opened?.code === undefined ? {} : { code: `${opened.code}\n${place.stdin?.text ?? ""}` }),
  });
}

function doubtOf(word: ShellWord, isName: boolean): string | undefined {
  const { text, certainty, isSplit, start = "" } = word;
  if (certainty === "literal") return isName && text === "" ? "the name of the command is empty" : undefined;
  if (certainty === "odd") return `shells read ${JSON.stringify(show(word))} in more than one way`;
  if (word === openWords) return "what its input adds is known only when it runs";
  // The names of files in a folder that is named are no options.
  if (!isName && isSplit === false && /^[^-]/.test(start) && word.isGlob === true) return undefined;
  return `what ${show(word)} says is known only when it runs`;
}

function runOpened(state: State, opened: Opened, name: string, outer: Place): void {
  const place: Place = { ...outer, isInner: outer.isInner || opened.isElsewhere === true };
  const { folder } = state;
  if (opened.isElsewhere === true || opened.isMoved === true) state.folder = undefined;
  const { moves } = state;
  const parts = partsOf(state, () => runAll(state, opened, name, place));
  if (name === "trap") {
    state.later.push(...parts);
    state.isMovedAnytime ||= state.moves > moves;
  }
  // Only eval moves the shell itself.
  state.folder = name === "eval" && state.folder !== folder ? undefined : folder;
}

function runAll(state: State, opened: Opened, name: string, place: Place): void {
  for (const words of opened.commands ?? []) runWords(state, words, words.map(({ text }) => text).join(" "), place);
  const { stdin, ...next } = place;
  const scripts = [...(opened.scripts ?? []), ...(opened.readsStdin === true ? [stdin ?? { text: "", certainty: "open" as const }] : [])];
  for (const script of scripts) {
    if (script.certainty !== "literal") doubt(state, `what ${name.slice(0, 40)} reads is known only when it runs`, true);
    readText(state, script.text, next);
  }
}

/** Follows `cd`. */
function move(state: State, words: readonly ShellWord[]): void {
  const [name, ...rest] = words.filter(({ text }, index) => !(index === 0 && /^(?:builtin|command)$/.test(text)));
  if (name === undefined || !/^(?:cd|chdir|pushd|popd)$/.test(name.text)) return;
  const [target, ...more] = rest.filter(({ text }) => !/^-(?:[LPe@]+|-)$/.test(text));
  state.moves++;
  const isKnown =
    name.text === "cd" && more.length === 0 && (target === undefined || (target.certainty === "literal" && !/^[-+]/.test(target.text)));
  if (!isKnown) state.folder = undefined;
  else if (target === undefined) state.folder = state.home;
  else if (target.text.startsWith("/") || state.folder !== undefined)
    state.folder = spelledPath(target.text, state.folder ?? "/", state.home);
}
