import { drivenDir } from "./paths.ts";
import { profileDirs, readRegistryOrNone } from "./profiles.ts";
import { openSessionFiles } from "./sessions.ts";
import type { Sys } from "./sys.ts";

/** What can be typed, as data for the completion scripts; the command table makes it. */
export interface Program {
  name: string;
  words: Word[];
}

export interface Word {
  word: string;
  summary: string;
  flags: Flag[];
  /** Kinds of names that its positionals take. */
  names: NameKind[];
  /** Words that a positional takes. */
  choices: string[];
  verbs: Word[];
}

export interface Flag {
  flag: string;
  summary: string;
  takesValue: boolean;
  /** Of its value. */
  names?: NameKind;
}

/** Asked of `csm completions --names KIND` at the moment of completing: registered profiles, csd's sessions, all live ones. */
const nameKinds = ["profiles", "driven", "sessions"] as const;
export type NameKind = (typeof nameKinds)[number];

declare const CSM_COMPLETIONS: Program[] | undefined;

/** Worked out by the build, so that neither help nor a shell's start waits for every command's file; undefined from source. */
export const builtPrograms = (): Program[] | undefined => (typeof CSM_COMPLETIONS === "undefined" ? undefined : CSM_COMPLETIONS);

interface Place {
  /** The words that lead here: `profiles`, `add`. */
  path: string[];
  word: Word;
}

/** Every place of a program, groups before their verbs. */
export const placesOf = (program: Program): Place[] =>
  program.words.flatMap((word) => [
    { path: [word.word], word },
    ...word.verbs.map((verb) => ({ path: [word.word, verb.word], word: verb })),
  ]);

export const groupsOf = (program: Program): string[] => program.words.filter(({ verbs }) => verbs.length > 0).map(({ word }) => word);

/** What may follow at a place, apart from names. */
export const repliesOf = ({ verbs, choices, flags }: Word): string[] => [
  ...verbs.map(({ word }) => word),
  ...choices,
  ...flags.map(({ flag }) => flag),
];

const readers: Readonly<Record<NameKind, (sys: Sys) => string[]>> = {
  profiles: (sys) => readRegistryOrNone(sys).profiles.map(({ name }) => name),
  driven: (sys) => sys.list(drivenDir(sys)).flatMap((file) => (file.endsWith(".json") ? [file.slice(0, -".json".length)] : [])),
  sessions: readSessionNames,
};

/** Names to complete, cheaply; only those that every shell takes for one plain word. */
export function listNames(sys: Sys, kind: string): string[] {
  const read = Object.hasOwn(readers, kind) ? readers[kind as NameKind] : undefined;
  const names = read === undefined ? [] : read(sys).filter((name) => /^[A-Za-z0-9_][A-Za-z0-9._@+-]*$/.test(name));
  return [...new Set(names)].sort();
}

/** Of files whose process is there; a number in new use shows a name too many, which is no harm here. */
function readSessionNames(sys: Sys): string[] {
  const { found } = openSessionFiles(sys).list(profileDirs(sys, readRegistryOrNone(sys)));
  return found.flatMap(({ file }) => (sys.signal(file.pid, 0) ? [file.name ?? file.sessionId] : []));
}
