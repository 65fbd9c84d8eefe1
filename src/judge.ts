import {
  allowsCommand,
  every,
  familyOf,
  hitsCommand,
  type Likelihood,
  leadingWord,
  namedProgram,
  programOf,
  type ShellWord,
  some,
} from "./command-pattern.ts";
import { absolutePath, fitsGlob, fitsPath, isWindowsPath, mayFitPath, nativePath, slashPath } from "./path-pattern.ts";
import { printableLine } from "./printable.ts";
import { hitsSession, hostOf, isAgentTool, isHost, isTool, namesHost } from "./rule-conditions.ts";
import type { Conditions, Decision, JudgedPart, Judgement, Rule, SessionFacts, ToolCall } from "./rules.ts";
import {
  changesGuarded,
  foldersOf,
  holds,
  isFixed,
  isGuarded,
  isStrangeGit,
  nowhere,
  partsBefore,
  pathsOf,
  pathWords,
  readingPrograms,
  runWritten,
  useLinked,
  walksFolders,
  writingPrograms,
} from "./shell-files.ts";
import { readShell, type ShellPart } from "./shell-parts.ts";
import { setters } from "./shell-wrappers.ts";

/** Deny wins whatever the order, then ask, then the first that allows; a command is allowed when each part of it is. */
export function judge(rules: readonly Rule[], asked: ToolCall, facts: SessionFacts): Judgement {
  const call = rememberLinks(inOneSpelling(asked));
  const active = rules
    .filter(({ action, isProject }) => action === "deny" || action === "ask" || (action === "allow" && !isProject))
    .map((rule) => ({ rule, session: hitsSession(rule.when, facts, call), programs: rule.when.command?.map(namedProgram) }))
    .filter(({ rule, session }) => (rule.action === "allow" ? session === "yes" : session !== "no"));
  const judged = itemsOf(call)
    .map((item) => judgeItem(active, item, call))
    .filter(({ item, part }) => item.command?.isPassing !== true || part.rule !== undefined);
  return conclude(
    judged,
    judged.map(({ part }) => part),
  );
}

/** The parts that need an approval of their own, not that of the program which runs them elsewhere; none where a part is doubted. */
export const partsToApprove = ({ parts }: Judgement): string[] =>
  parts.some(({ doubt }) => doubt !== undefined)
    ? []
    : parts.filter(({ decision, rule }) => decision !== "allow" || rule !== undefined).map(({ text }) => text);

/** Windows' paths as everything below takes them; the system is asked in its own words. */
function inOneSpelling(call: ToolCall): ToolCall {
  if (!isWindowsPath(call.home)) return call;
  const { cwd, home, projectDir, resolve, isThere } = call;
  const here = {
    ...{ cwd: slashPath(cwd), home: slashPath(home), projectDir: slashPath(projectDir) },
    ...(isThere === undefined ? {} : { isThere: (path: string) => isThere(nativePath(path)) }),
  };
  if (resolve === undefined) return { ...call, ...here };
  const follow = (path: string) => {
    const real = resolve(nativePath(path));
    return real === undefined ? undefined : slashPath(real);
  };
  return { ...call, ...here, resolve: follow };
}

/** Each path is looked at once a call. */
function rememberLinks({ resolve, ...call }: ToolCall): ToolCall {
  if (resolve === undefined) return call;
  const known = new Map<string, string | undefined>();
  return {
    ...call,
    resolve: (path) => {
      if (!known.has(path)) known.set(path, resolve(path));
      return known.get(path);
    },
  };
}

/** Does a rule that acts on sessions hold for one now? Conditions on a call need the one it waits with. */
export function matches(rule: Rule, facts: SessionFacts, asked?: ToolCall): boolean {
  const call = asked === undefined ? undefined : inOneSpelling(asked);
  if (hitsSession(rule.when, facts, call) !== "yes") return false;
  const { tool, command, path, host, agent } = rule.when;
  if (tool === undefined && command === undefined && path === undefined && host === undefined && agent === undefined) return true;
  return call !== undefined && itemsOf(call).some((item) => hits(rule.when, item, call) === "yes");
}

/** One thing of a call that rules speak of. */
interface Item {
  text: string;
  doubts: readonly string[];
  /** It may do what nobody can read here. */
  isHidden?: boolean;
  /** It needs no approval of its own. */
  isFree?: boolean;
  command?: ShellPart;
  /** Absent in one that is no file; `paths` are undefined where they are not known. */
  file?: { isWritten: boolean; paths: readonly string[] | undefined; isWalked?: boolean };
  address?: { host: string; port: string };
}

function itemsOf(call: ToolCall): Item[] {
  const { tool, input } = call;
  const textOf = (value: unknown) => (typeof value === "string" ? value : undefined);
  if (tool === "Bash") return itemsOfBash(call, textOf(input.command));
  if (tool === "PowerShell") return [{ text: textOf(input.command) ?? tool, doubts: ["PowerShell is not read here"], isHidden: true }];
  if (writers.has(tool.toLowerCase()) || readers.has(tool.toLowerCase())) {
    const isSearch = /^(?:grep|glob|ls)$/i.test(tool);
    const path = textOf(input.file_path ?? input.notebook_path ?? input.path) ?? (isSearch ? call.cwd : undefined);
    const file = fileItem(path ?? tool, path, writers.has(tool.toLowerCase()), call, call.cwd);
    // What a search is narrowed to is below its folder, or, of Glob's, anywhere.
    const glob = isSearch ? textOf(/^glob$/i.test(tool) ? input.pattern : input.glob) : undefined;
    if (/^grep$/i.test(tool) && glob === undefined && file.file !== undefined) file.file.isWalked = true;
    return glob === undefined ? [file] : [file, fileItem(glob, glob, false, call, absolutePath(path ?? ".", call.cwd, call.home))];
  }
  if (tool === "WebFetch") {
    const url = textOf(input.url) ?? "";
    const address = hostOf(url);
    if (address === undefined) return [{ text: url, doubts: ["it is no address"], isHidden: true }];
    const doubt = address.host === "" ? "the address names no host" : `the address leads to ${address.host} and says more`;
    return [{ text: url, address, doubts: address.isPlain ? [] : [doubt] }];
  }
  return [{ text: tool, doubts: [] }];
}

/** They change neither what runs nor where (2.1.329); what is not among them may: `dangerouslyDisableSandbox`. */
const plainFields: ReadonlySet<string> = new Set(["command", "description", "timeout", "run_in_background"]);

function itemsOfBash(call: ToolCall, text: string | undefined): Item[] {
  if (text === undefined) return [{ text: call.tool, doubts: ["there is no command"], isHidden: true }];
  const { parts, doubts, isHidden } = readShell(text, call.cwd, call.home);
  const fields = Object.entries(call.input).filter(
    ([name, value]) => !plainFields.has(name) && value !== false && value !== null && value !== undefined,
  );
  const whole = [...doubts, ...fields.map(([name]) => `${name} changes how it runs`)];
  const own = runWritten(parts, call);
  const linked = useLinked(parts, call);
  const items = parts.map((part): Item => {
    const moved = linked.has(part) ? ["a link that is made here may lead it elsewhere"] : [];
    if (part.file === undefined) {
      const isOwnWork = own.has(part);
      const more = [
        ...moved,
        ...(isOwnWork ? ["it runs what is written here"] : []),
        ...(changesGuarded(part, call) ? ["it decides what may run"] : []),
        ...(isStrangeGit(part, partsBefore(parts, part, text), call) ? ["git runs what the settings of that folder name"] : []),
      ];
      return {
        text: part.text,
        doubts: [...part.doubts, ...more],
        isHidden: part.isHidden || isOwnWork,
        isFree: part.isInner,
        command: part,
      };
    }
    const { word, isWritten } = part.file;
    const isKnown = word.certainty !== "open" && (part.folder !== undefined || word.text.startsWith("/"));
    const item = fileItem(part.text, isKnown ? word.text : undefined, isWritten, call, part.folder ?? "/", part.roams);
    return { ...item, doubts: [...part.doubts, ...moved, ...item.doubts], isFree: part.isInner || !isWritten };
  });
  return whole.length === 0 && items.length > 0 ? items : [...items, { text, doubts: whole, isHidden, isFree: items.length > 0 }];
}

function fileItem(text: string, path: string | undefined, isWritten: boolean, call: ToolCall, folder: string, roams = false): Item {
  const known = path === undefined || path.includes("\0") ? undefined : pathsOf(path, call, folder);
  const paths = roams && known !== undefined && !isFixed(path) ? [...known, nowhere] : known;
  const isUnknown = paths === undefined || paths.includes(nowhere);
  const decides = isWritten && paths?.some((each) => isGuarded(each, call)) === true;
  const doubts = isUnknown ? ["which file it is is not known"] : decides ? ["it decides what may run"] : [];
  return { text, doubts, file: { isWritten, paths } };
}

interface Active {
  rule: Rule;
  session: Likelihood;
  /** That its patterns of commands name. */
  programs: readonly string[] | undefined;
}

interface JudgedItem {
  item: Item;
  part: JudgedPart;
}

function judgeItem(active: readonly Active[], item: Item, call: ToolCall): JudgedItem {
  const verdict = (decision: Decision, rule?: Rule, doubt = item.doubts[0]): JudgedItem => ({
    item,
    part: {
      text: oneLine(item.text, 400),
      decision,
      ...(rule === undefined ? {} : { rule }),
      ...(doubt === undefined ? {} : { doubt: oneLine(doubt, 200) }),
    },
  });
  const near = activeFor(active, item);
  let asking: Rule | undefined;
  for (const { rule, session } of near) {
    if (rule.action === "allow") continue;
    const hit = every([session, hits(rule.when, item, call)]);
    if (hit === "yes" && rule.action === "deny") return verdict("deny", rule);
    if (hit !== "no") asking ??= rule;
  }
  if (asking !== undefined) {
    const glob = asking.action === "deny" ? item.command?.words.find(({ isGlob }) => isGlob === true) : undefined;
    return verdict("ask", asking, item.doubts[0] ?? (glob === undefined ? undefined : `${glob.text} may name what it denies`));
  }
  const allowing = near.find(({ rule }) => rule.action === "allow" && allows(rule.when, item, call))?.rule;
  if (item.doubts.length > 0) return verdict(active.some(({ rule }) => isAbout(rule.when, call)) ? "ask" : "none");
  if (allowing !== undefined) return verdict("allow", allowing);
  const named = near.filter(({ rule }) => rule.action === "allow").map(({ rule }) => hits(rule.when, item, call));
  const leading = item.command === undefined || !named.includes("yes") ? undefined : leadingWord(item.command.words, 1);
  if (leading !== undefined) return verdict("ask", undefined, `${leading.text} leads elsewhere, and no rule that allows it says so`);
  // With the names of files in place of a `*` it may be allowed.
  if (item.isFree === true) return verdict("allow");
  return verdict(named.includes("maybe") ? "ask" : "none");
}

/**
 * Without those whose patterns name no program that stands in the item, where nothing else may run than its words: a hook may have a
 * hundred rules to look at, and most are about other programs.
 */
function activeFor(active: readonly Active[], { command, isHidden }: Item): readonly Active[] {
  const name = command?.words[0];
  if (command === undefined || name?.certainty !== "literal" || isHidden === true || command.code !== undefined) return active;
  // A program that nobody knows may run what it is given, also in a text among its words.
  const said = new Set(["", ...[...command.words, ...textsOf(command.words).flat()].map(({ text }) => familyOf(programOf(text)))]);
  return active.filter(({ programs }) => programs === undefined || programs.some((program) => said.has(familyOf(program))));
}

const isAbout = ({ tool }: Conditions, call: ToolCall): boolean => tool === undefined || tool.some((want) => isTool(want, call.tool));

function conclude(judged: readonly JudgedItem[], parts: JudgedPart[]): Judgement {
  const of = (decision: Decision) => parts.find((part) => part.decision === decision && (part.rule !== undefined || decision === "none"));
  const told = (decision: Decision, reason: string, rule?: Rule): Judgement => ({
    decision,
    reason,
    parts,
    ...(rule === undefined ? {} : { rule }),
  });
  const denied = of("deny");
  if (denied?.rule !== undefined) return told("deny", `rule ${quote(denied.rule.name)} denies ${quote(denied.text)}`, denied.rule);
  const asked = of("ask");
  if (asked?.rule !== undefined) {
    const { name, action, message } = asked.rule;
    // What a broken file says of itself is a message of its rules.
    const [how, why] = action === "ask" ? ["asks about", message ?? asked.doubt] : ["may deny", asked.doubt];
    return told("ask", `rule ${quote(name)} ${how} ${quote(asked.text)}${why === undefined ? "" : `: ${oneLine(why, 200)}`}`, asked.rule);
  }
  const open = parts.find(({ decision }) => decision === "none");
  const allowed = of("allow");
  const doubted = parts.find(({ decision }) => decision === "ask");
  if (doubted !== undefined)
    return told("ask", `${quote(doubted.text)} is not allowed unseen: ${doubted.doubt ?? "what it says is known only when it runs"}`);
  if (open !== undefined)
    return allowed === undefined ? told("none", `no rule is about ${quote(open.text)}`) : told("ask", `no rule allows ${quote(open.text)}`);
  if (allowed?.rule === undefined || judged.every(({ item }) => item.isFree === true)) return told("none", "no rule is about it");
  return told("allow", `rule ${quote(allowed.rule.name)} allows ${quote(allowed.text)}`, allowed.rule);
}

const quote = (text: string): string => JSON.stringify(oneLine(text, 120));

/** Of a text of any length. */
const oneLine = (text: string, length: number): string => printableLine(text.slice(0, length * 4)).slice(0, length);

const writers: ReadonlySet<string> = new Set(["edit", "multiedit", "write", "notebookedit"]);
const readers: ReadonlySet<string> = new Set(["read", "notebookread", "grep", "glob", "ls"]);
/** Commands that do nothing but look at the words that they are given, or that are opened by a table of their own. */
const dataPrograms: ReadonlySet<string> = new Set(
  "echo printf true false : exit return cd ls git type which whereis man apropos tldr info logger say seq expr basename dirname realpath".split(
    " ",
  ),
);
/** Of programs that have others that run what they are given: `pnpm --filter x exec`, `podman machine ssh`. */
const dataVerbs =
  /^(?:npm|pnpm|yarn|bun) (?:test|t|run|start|install|i|add|ci|remove|update|publish|version|view|ls|audit|pack)$|^(?:docker|podman|kubectl) (?:build|ps|images|logs|commit|tag|pull|push|inspect|get|describe)$/;
function takesData([name, verb]: readonly ShellWord[]): boolean {
  const program = programOf(name?.text ?? "");
  const isKnown = [dataPrograms, readingPrograms, writingPrograms, setters].some((programs) => programs.has(program));
  return isKnown || dataVerbs.test(`${program} ${verb?.text}`);
}

/** For a denial: could these conditions on the call hold for this item? */
function hits(when: Conditions, item: Item, call: ToolCall): Likelihood {
  const { tool, command, path, host, agent } = when;
  if (item.command?.isPassing === true && command === undefined) return "no";
  const isNamed = tool === undefined || tool.some((want) => isTool(want, call.tool)) || (path !== undefined && namesFile(tool, item, call));
  if (!isNamed) return "no";
  return every([
    command === undefined ? "yes" : hitsAnyCommand(command, item, call),
    path === undefined ? "yes" : hitsPath(path, item, call),
    host === undefined ? "yes" : hitsHost(host, item),
    agent === undefined ? "yes" : hitsAgent(agent, call),
  ]);
}

/** A rule about reading or changing a file is about every way of doing it. */
function namesFile(tools: readonly string[], { file, command }: Item, call: ToolCall): boolean {
  const names = tools.map((name) => name.toLowerCase());
  const program = programOf(command?.words[0]?.text ?? "");
  const isRead = file === undefined ? readingPrograms.has(program) : !file.isWritten;
  const isWritten = file === undefined ? writingPrograms.has(program) : file.isWritten;
  if (call.tool !== "Bash" && file === undefined) return false;
  return (isRead && names.some((name) => readers.has(name))) || (isWritten && names.some((name) => writers.has(name)));
}

function hitsAnyCommand(patterns: readonly string[], { command, isHidden, text }: Item, call: ToolCall): Likelihood {
  if (command === undefined) return isHidden !== true ? "no" : hitsSpelled(patterns, text, call);
  const { code } = command;
  if (command.isPassing === true) return some(patterns.map((pattern) => hitsCommand(pattern, command.words, call.home)));
  return some([
    ...patterns.map((pattern) => hitsCommand(pattern, command.words, call.home)),
    ...(takesData(command.words) ? [] : patterns.map((pattern) => mayBeRun(pattern, command.words, call.home))),
    isHidden === true || (code !== undefined && patterns.some((pattern) => mentions(code, programOf(pattern.split(" ")[0] ?? ""))))
      ? "maybe"
      : "no",
  ]);
}

/**
 * What a program that nobody knows is given may be what it runs: `newtool rm -rf x`, `newtool --on=change:'rm -rf x'`. One word says too
 * little: `brew install curl`.
 */
function mayBeRun(pattern: string, words: readonly ShellWord[], home: string): Likelihood {
  const [name, second] = pattern.split(" ");
  if (name === undefined || second === undefined) return "no";
  const program = programOf(name);
  const isIn = (given: readonly ShellWord[]) =>
    given.some(({ text }, at) => programOf(text) === program && hitsCommand(pattern, given.slice(at), home) !== "no");
  return isIn(words.slice(1)) || textsOf(words).some(isIn) ? "maybe" : "no";
}

const texts = new WeakMap<readonly ShellWord[], ShellWord[][]>();

/** The words of each argument that holds several. */
function textsOf(words: readonly ShellWord[]): ShellWord[][] {
  const found = texts.get(words);
  if (found !== undefined) return found;
  const parts = words
    .slice(1)
    .map(({ text }) => text.split(/[\s;|&(){}!=:,"'`]+/).map((part): ShellWord => ({ text: part, certainty: "literal" })));
  const several = parts.filter(({ length }) => length > 1);
  texts.set(words, several);
  return several;
}

/** In a shell that is not read here the words are at least there. */
function hitsSpelled(patterns: readonly string[], text: string, call: ToolCall): Likelihood {
  if (call.tool !== "PowerShell") return "maybe";
  const commands = text.split(/[;|&\n(){}]+/).map((part) => part.split(/\s+/).filter((word) => word !== ""));
  const words = commands.map((each) => each.map((word): ShellWord => ({ text: word, certainty: "odd" })));
  return some(["maybe", ...patterns.flatMap((pattern) => words.map((each) => hitsCommand(pattern, each, call.home)))]);
}

/** As a word's beginning: `rmtree`, also behind the letters of an option: `-Orm`; but neither `perform` nor `process.env`. */
function mentions(code: string, name: string): boolean {
  const [text, word] = [code.toLowerCase(), name.toLowerCase()];
  for (let at = text.indexOf(word); word !== "" && at >= 0; at = text.indexOf(word, at + 1))
    if (!/\w/.test(text[at - 1] ?? "") || /(?:^|[\s'"])-[a-z]{1,3}$/.test(text.slice(Math.max(0, at - 5), at))) return true;
  return false;
}

function hitsPath(patterns: readonly string[], item: Item, call: ToolCall): Likelihood {
  const { file, command, isHidden } = item;
  const fits = (paths: readonly string[] | undefined): Likelihood => {
    if (paths?.some((each) => patterns.some((pattern) => fitsPath(pattern, each, call, true)))) return "yes";
    return paths === undefined || paths.includes(nowhere) ? "maybe" : "no";
  };
  if (file !== undefined) {
    const isMet = file.isWalked === true && file.paths?.some((path) => holds(patterns, path, "/", call)) === true;
    return some([fits(file.paths), isMet ? "maybe" : "no"]);
  }
  if (command === undefined) return isHidden === true ? "maybe" : "no";
  const { words, code } = command;
  const program = programOf(words[0]?.text ?? "");
  const isFileProgram = [readingPrograms, writingPrograms].some((programs) => programs.has(program));
  const folders = foldersOf(command);
  const isLost = folders.length === 0 || command.roams === true;
  const inWord = ({ text, certainty, isGlob }: ShellWord): Likelihood => {
    if (certainty === "open" && isGlob !== true) return isFileProgram ? "maybe" : "no";
    const unknown = isLost && isFileProgram && !isFixed(text) && !text.startsWith("-") ? "maybe" : "no";
    const bases = isFixed(text) ? ["/"] : folders;
    const named = bases.flatMap((folder) => pathWords(text).map((path) => ({ path, folder })));
    if (certainty !== "open") return some([unknown, ...named.map(({ path, folder }) => fits(pathsOf(path, call, folder)))]);
    const mayFit = ({ path, folder }: { path: string; folder: string }) =>
      patterns.some((pattern) => mayFitPath(pattern, absolutePath(path, folder, call.home), call));
    return some([unknown, named.some(mayFit) ? "maybe" : "no"]);
  };
  const isTold =
    isHidden === true ||
    (code !== undefined && patterns.some((pattern) => mentions(code, lastSegment(pattern).replace(/[*?]/g, "")))) ||
    (walksFolders(words) && words.slice(1).some(({ text }) => folders.some((folder) => holds(patterns, text, folder, call))));
  return some([isTold ? "maybe" : "no", ...words.slice(1).map(inWord)]);
}

const lastSegment = (pattern: string): string =>
  pattern
    .replace(/\/(?:\*\*)?$/, "")
    .split("/")
    .at(-1) ?? "";

function hitsHost(hosts: readonly string[], { address, command, isHidden }: Item): Likelihood {
  if (address !== undefined) return hosts.some((want) => isHost(want, address)) ? "yes" : "no";
  if (command === undefined) return isHidden === true ? "maybe" : "no";
  const { code } = command;
  if (isHidden === true || (code !== undefined && hosts.some((want) => mentions(code, want.replace(/^\*\./, ""))))) return "maybe";
  const isData = takesData(command.words);
  return some(command.words.slice(1).map(({ text }) => namesHost(text, hosts, isData)));
}

function hitsAgent(agents: readonly string[], call: ToolCall): Likelihood {
  if (call.tool === "Workflow") return "maybe";
  return agents.some((want) => agentsOf(call).some((is) => fitsGlob(want.toLowerCase(), is.toLowerCase()))) ? "yes" : "no";
}

/** The one that asks, and the one that is to be started. */
const agentsOf = ({ tool, input, agent }: ToolCall): string[] => [
  ...(isAgentTool(tool) ? [typeof input.subagent_type === "string" ? input.subagent_type : "general-purpose"] : []),
  agent ?? "main",
];

/** For an approval: every condition holds for certain. */
function allows(when: Conditions, item: Item, call: ToolCall): boolean {
  const { tool, command, path, host, agent } = when;
  const { file } = item;
  if (
    tool !== undefined &&
    !tool.some((want) => isTool(want, call.tool)) &&
    !(call.tool === "Bash" && file?.isWritten === true && namesWriting(tool))
  )
    return false;
  if (agent !== undefined && !agent.some((want) => fitsGlob(want.toLowerCase(), (agentsOf(call)[0] ?? "").toLowerCase()))) return false;
  if (host !== undefined && (item.address === undefined || !hosted(host, item.address))) return false;
  const isInside = (paths: readonly string[] | undefined) =>
    paths?.every((each) => path?.some((pattern) => fitsPath(pattern, each, call, false)) === true) === true;
  if (item.command !== undefined) {
    const { words } = item.command;
    const folder = item.command.roams === true ? undefined : item.command.folder;
    // A file of this folder is another one elsewhere.
    const isHere = folder !== undefined && absolutePath(folder, "/", call.home) === absolutePath(call.cwd, "/", call.home);
    // A rule about paths alone is about files, not about what runs there.
    if (command === undefined && path !== undefined) return false;
    return (
      (command === undefined || command.some((pattern) => allowsCommand(pattern, words) && (isHere || !/[./]/.test(pattern)))) &&
      (path === undefined || areInside(words, folder, call, isInside))
    );
  }
  if (command !== undefined) return false;
  if (file === undefined) return path === undefined;
  // A command that may run may not write wherever it likes.
  return path === undefined ? call.tool !== "Bash" || !file.isWritten : isInside(file.paths);
}

const namesWriting = (tools: readonly string[]): boolean => tools.some((name) => /^(?:write|edit)$/i.test(name.trim()));
const hosted = (hosts: readonly string[], address: { host: string; port: string }): boolean => hosts.some((want) => isHost(want, address));

/** Each word behind the name that may be a file is inside, and there is one. */
function areInside(
  words: readonly ShellWord[],
  folder: string | undefined,
  call: ToolCall,
  isInside: (paths: readonly string[]) => boolean,
): boolean {
  const end = words.findIndex(({ text }) => text === "--");
  const files = words.slice(1).filter(({ text }, index) => (end >= 0 && index >= end) || !/^-[A-Za-z]+$|^--[\w-]*$/.test(text));
  return (
    files.length > 0 &&
    files.every(
      ({ text, certainty }) =>
        certainty === "literal" && (folder !== undefined || isFixed(text)) && isInside(pathsOf(text, call, folder ?? "/")),
    )
  );
}
