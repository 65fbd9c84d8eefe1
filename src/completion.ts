import { drivenDir } from "./paths.ts";
import { printableLine } from "./printable.ts";
import { profileDirs, readRegistryOrNone } from "./profiles.ts";
import { openSessionFiles } from "./sessions.ts";
import type { Sys } from "./sys.ts";
import { titleOf } from "./transcript-facts.ts";

/** What can be typed at a place, as data that the build works out of the command table; a program is the word above all others. */
export interface Word {
  word: string;
  summary: string;
  flags: Flag[];
  /** Of its positionals, in their order, and of what follows them. */
  places: Values[];
  rest?: Values;
  /** From its first word of the rest on, all is a text. */
  isText?: true;
  /** What may stand behind it. */
  verbs: Word[];
}

export interface Flag {
  flag: string;
  summary: string;
  isRepeatable?: true;
  /** Undefined of a flag that takes no value. */
  values?: Values;
}

export interface Values {
  choices?: readonly string[];
  kind?: Kind;
}

/** Looked up at the moment of completing; files and folders by the shell itself. */
export type Kind = keyof typeof readers | "files" | "folders";

type Candidate = readonly [word: string, about: string];

/** As JSON in zstd in base64: a fourth of its room, and unpacked in 0.4 ms. */
declare const CSM_COMPLETIONS: string | undefined;

/** Worked out by the build, so that neither help nor a Tab waits for every command's file; undefined from source. */
export const builtPrograms = (): Word[] | undefined =>
  typeof CSM_COMPLETIONS === "undefined"
    ? undefined
    : JSON.parse(Bun.zstdDecompressSync(Buffer.from(CSM_COMPLETIONS, "base64")).toString());

interface Reply {
  candidates: Candidate[];
  kinds: Kind[];
  /** Stands before each of them: the flag of `--flag=value`. */
  head: string;
}

/** What can stand in place of `current` behind the words `typed`, of which the first is the program. */
export function planReply(programs: readonly Word[], typed: readonly string[], current: string): Reply {
  let place = programs.find(({ word }) => word === typed[0]);
  let rest = typed.slice(1);
  for (let verb = place?.verbs.find(({ word }) => word === rest[0]); verb !== undefined; ) {
    place = verb;
    rest = rest.slice(1);
    verb = place.verbs.find(({ word }) => word === rest[0]);
  }
  if (place === undefined) return { candidates: [], kinds: [], head: "" };
  const { awaited, count, isText, given } = readTyped(place, rest);
  const joined = isText ? undefined : /^(--[\w-]+=)/.exec(current)?.[1];
  if (joined !== undefined) return reply(place.flags.find(({ flag }) => `${flag}=` === joined)?.values, joined);
  if (awaited !== undefined && !current.startsWith("-")) return reply(awaited.values);
  const flags = place.flags.filter(({ flag, isRepeatable }) => isRepeatable === true || !given.has(flag));
  const flagReply: Reply = { candidates: flags.map(({ flag, summary }) => [flag, summary]), kinds: [], head: "" };
  if (current.startsWith("-") && !isText) return withVerbs(flagReply, rest.length === 0 ? place.verbs : [], current);
  const values = reply(place.places[count] ?? (rest.length === 0 && place.verbs.length > 0 ? undefined : place.rest));
  const found = withVerbs(values, rest.length === 0 ? place.verbs : []);
  const hasNothing = found.candidates.length === 0 && found.kinds.length === 0;
  const hasFlagsOnly = hasNothing && place.isText !== true && place.verbs.length === 0 && count >= place.places.length;
  return hasFlagsOnly ? flagReply : found;
}

const reply = ({ choices = [], kind }: Values = {}, head = ""): Reply => ({
  candidates: choices.map((choice) => [choice, ""]),
  kinds: kind === undefined ? [] : [kind],
  head,
});

/** Words that look like a flag, such as `-g` of cas, stand among the flags. */
const withVerbs = (given: Reply, verbs: readonly Word[], current = ""): Reply => {
  const own = verbs.filter(({ word }) => word.startsWith("-") === current.startsWith("-") || current === "");
  return { ...given, candidates: [...own.map(({ word, summary }): Candidate => [word, summary]), ...given.candidates] };
};

/** What stands behind a word so far: a flag whose value comes next, how many positionals, and whether flags are over. */
function readTyped({ flags, places, isText: takesText }: Word, words: readonly string[]) {
  const given = new Set<string>();
  let [count, isGuarded] = [0, false];
  let awaited: Flag | undefined;
  for (const word of words) {
    const isValue = awaited !== undefined && !word.startsWith("-");
    awaited = undefined;
    if (isValue) continue;
    if (isGuarded || !word.startsWith("-") || word === "-" || (takesText === true && count > places.length)) count++;
    else if (word === "--") isGuarded = true;
    else {
      const found = flags.find(({ flag }) => flag === word.split("=")[0]);
      if (found !== undefined) given.add(found.flag);
      if (found?.values !== undefined && !word.includes("=")) awaited = found;
    }
  }
  return { awaited, count, given, isText: isGuarded || (takesText === true && count > places.length) };
}

/**
 * Lines for the shell: a word, and behind a tab what it is; `:files` and `:folders` for what the shell finds itself. Only words
 * that every shell takes for one plain word, whatever a session or a folder is called.
 */
export async function renderReply(sys: Sys, programs: readonly Word[], typed: readonly string[], current: string): Promise<string[]> {
  const { candidates, kinds, head } = planReply(programs, typed, current);
  const lists = kinds.map((kind) => (isOfShell(kind) ? [] : readers[kind](sys)));
  const all = [...candidates, ...(await Promise.all(lists)).flat().filter(([word]) => isPlainWord.test(word))];
  const lines = new Map<string, string>();
  for (const [word, about] of all)
    if (`${head}${word}`.startsWith(current) && !lines.has(word))
      lines.set(word, about === "" ? "" : `\t${printableLine(about).slice(0, maxAbout)}`);
  return [...[...lines].map(([word, about]) => `${head}${word}${about}`), ...kinds.filter(isOfShell).map((kind) => `:${kind}`)];
}

const isOfShell = (kind: Kind): kind is "files" | "folders" => kind === "files" || kind === "folders";
const isPlainWord = /^[A-Za-z0-9_][A-Za-z0-9._@+-]*$/;
const maxAbout = 60;

/** All of a kind, for scripts of an older csm that a running shell has loaded. */
export async function listNames(sys: Sys, kind: string): Promise<string[]> {
  const found = Object.hasOwn(readers, kind) ? await readers[kind as keyof typeof readers](sys) : [];
  return [...new Set(found.map(([word]) => word).filter((word) => isPlainWord.test(word)))].sort();
}

const readers = {
  profiles: (sys: Sys): Candidate[] => readRegistryOrNone(sys).profiles.map(({ name, dir }) => [name, dir]),
  driven: (sys: Sys): Candidate[] => listDriven(sys),
  /** Live ones of every profile. */
  sessions: (sys: Sys): Candidate[] => [...listDriven(sys), ...listLive(sys)],
  /** Of this folder and its worktrees, newest first. */
  conversations: (sys: Sys) => listRecent(sys, "."),
  /** Of every folder; those that are open by their names too. */
  anywhere: async (sys: Sys): Promise<Candidate[]> => [...listLive(sys), ...(await listRecent(sys, undefined))],
  /** Of notifications. */
  channels: async (sys: Sys): Promise<Candidate[]> => {
    const settings = await (await import("./notice-spool.ts")).readNotify(sys);
    return (settings?.channels ?? []).map(({ name, kind }): Candidate => [name, kind]);
  },
};

const listDriven = (sys: Sys): Candidate[] =>
  sys.list(drivenDir(sys)).flatMap((file): Candidate[] => (file.endsWith(".json") ? [[file.slice(0, -".json".length), "csd"]] : []));

/** Of files whose process is there; a number in new use shows a name too many, which is no harm here. */
function listLive(sys: Sys): Candidate[] {
  const { found } = openSessionFiles(sys).list(profileDirs(sys, readRegistryOrNone(sys)));
  return found.flatMap(({ file }): Candidate[] => {
    if (!sys.signal(file.pid, 0)) return [];
    const name = file.name !== undefined && isPlainWord.test(file.name) ? file.name : shortId(file.sessionId);
    return [[name, file.cwd]];
  });
}

/** Nobody looks through more. */
const maxRecent = 100;

async function listRecent(sys: Sys, folder: string | undefined): Promise<Candidate[]> {
  const { listConversations } = await import("./conversations.ts");
  const { conversations } = listConversations(sys, folder);
  return conversations.slice(0, maxRecent).map(({ sessionId, facts }) => [shortId(sessionId), titleOf(facts)]);
}

/** So much of it names a conversation. */
const shortId = (id: string): string => id.slice(0, 8);
