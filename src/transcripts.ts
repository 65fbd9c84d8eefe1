import { join } from "node:path";
import { isSessionId } from "./claude-session.ts";
import { type Database, openCache } from "./database.ts";
import { present } from "./json.ts";
import { indexPath, projectsDir, sharedProjectsDir, slugOf } from "./paths.ts";
import type { Sys } from "./sys.ts";
import type { OpenFile } from "./sys-files.ts";
import { createLineBuffer, isContinued, type LineBuffer, type Mark, readLines } from "./tail.ts";
import { noFacts, readFacts, type TranscriptFacts } from "./transcript-facts.ts";

/** A transcript on disk, not yet read. */
export interface TranscriptFile {
  sessionId: string;
  /** Its real folder. */
  dir: string;
  path: string;
  /** Tells it from a file that takes its place. */
  id: string;
  size: number;
  /** Epoch ms. */
  modifiedAt: number;
  /** The folder whose sessions were asked for; undefined when all were. */
  folder?: string;
  /** Config dirs under which claude finds it in that folder; none when it lies where no profile looks. */
  configDirs: string[];
}

interface TranscriptScope {
  configDirs: readonly string[];
  /** Real paths; undefined for every folder there is. */
  folders?: readonly string[];
}

/** Every transcript of these folders, each file once however many profiles lead to it. Side chains of sub-agents are none. */
export function listTranscripts(sys: Sys, scope: TranscriptScope): TranscriptFile[] {
  const files = new Map<string, TranscriptFile>();
  for (const { dir, folder, configDirs } of listProjectDirs(sys, scope))
    for (const name of sys.list(dir)) {
      const sessionId = name.slice(0, -".jsonl".length);
      if (!name.endsWith(".jsonl") || !isSessionId(sessionId)) continue;
      const path = `${dir}/${name}`;
      const found = sys.identify(path);
      if (found === undefined || !found.isFile) continue;
      const known = files.get(found.id);
      if (known !== undefined) known.configDirs = [...new Set([...known.configDirs, ...configDirs])];
      else {
        const { id, size, modifiedAt } = found;
        files.set(id, { sessionId, dir, path, id, size, modifiedAt, ...present({ folder }), configDirs });
      }
    }
  return [...files.values()];
}

interface ProjectDir {
  dir: string;
  folder?: string;
  configDirs: string[];
}

function listProjectDirs(sys: Sys, scope: TranscriptScope): ProjectDir[] {
  const found = new Map<string, ProjectDir>();
  const add = (base: string, slug: string, configDir: string | undefined, folder: string | undefined, isReachable: boolean) => {
    const dir = sys.realPath(join(base, slug));
    if (dir === undefined) return;
    const known = found.get(dir) ?? { dir, ...present({ folder }), configDirs: [] };
    if (configDir !== undefined && isReachable && !known.configDirs.includes(configDir)) known.configDirs.push(configDir);
    found.set(dir, known);
  };
  const bases = [...scope.configDirs.map((dir) => ({ base: projectsDir(dir), dir })), { base: sharedProjectsDir(sys), dir: undefined }];
  for (const { base, dir } of bases) {
    if (scope.folders === undefined) for (const slug of sys.list(base)) add(base, slug, dir, undefined, true);
    else for (const folder of scope.folders) for (const slug of slugsOf(folder)) add(base, slug, dir, folder, slug === slugOf(folder));
  }
  return [...found.values()];
}

/** What Claude Code uses, and what early versions did; claude itself looks in the first one only. */
const slugsOf = (folder: string): string[] => [...new Set([slugOf(folder), folder.replaceAll("/", "-")])];

/** A conversation: its file, and what it says of itself. */
export interface Conversation extends TranscriptFile {
  facts: TranscriptFacts;
}

/** What is known of transcripts, in a cache that many processes share. */
export interface TranscriptIndex {
  /** Those whose entry is as new as their file, without reading them; the others. */
  lookUp(files: readonly TranscriptFile[]): { known: Conversation[]; unread: TranscriptFile[] };
  /** Reads what is new in these, and remembers it. */
  read(files: readonly TranscriptFile[]): Conversation[];
  /** Files among those read or known whose prompts hold this text, in any case; by `path`. */
  search(text: string): Set<string>;
  close(): void;
}

/** `parsed` and `seam` are the position and the print of a mark. */
const schema = {
  version: 2,
  tables: `CREATE TABLE transcript (
    path TEXT PRIMARY KEY, dir TEXT NOT NULL, id TEXT NOT NULL, size INTEGER NOT NULL, modified REAL NOT NULL,
    parsed INTEGER NOT NULL, seam TEXT NOT NULL, facts TEXT NOT NULL) WITHOUT ROWID;
  CREATE INDEX transcript_dir ON transcript (dir);
  CREATE TABLE prompt (path TEXT PRIMARY KEY, text TEXT NOT NULL) WITHOUT ROWID;`,
};

interface Entry {
  path: string;
  dir: string;
  id: string;
  size: number;
  modified: number;
  parsed: number;
  seam: string;
  facts: string;
}

export function openTranscriptIndex(sys: Sys): TranscriptIndex {
  const cache = openCache(indexPath(sys), schema);
  const entries = new Map<string, Entry>();
  const buffer = createLineBuffer(true);
  return {
    lookUp(files) {
      let isAgain = false;
      return cache.use((from) => {
        // What the broken file said is void.
        if (isAgain) entries.clear();
        isAgain = true;
        for (const entry of loadEntries(from, files)) entries.set(entry.path, entry);
        forgetGone(from, entries, files);
        return sortOut(files, entries);
      });
    },
    read(files) {
      const readings = files.map((file) => readTranscript(sys, file, entries.get(file.path), buffer));
      try {
        cache.use((to) => save(to, readings));
      } catch {
        // A full disk: what was read still counts, and is read again the next time.
      }
      return readings.map(({ file, facts }) => ({ ...file, facts }));
    },
    search(text) {
      const find = (from: Database) => from.query("SELECT path FROM prompt WHERE instr(text, ?) > 0").all(text.toLowerCase());
      return new Set((cache.use(find) as { path: string }[]).map(({ path }) => path));
    },
    close: cache.close,
  };
}

function loadEntries(cache: Database, files: readonly TranscriptFile[]): Entry[] {
  const query = cache.query("SELECT path, dir, id, size, modified, parsed, seam, facts FROM transcript WHERE dir = ?");
  return [...new Set(files.map((file) => file.dir))].flatMap((dir) => query.all(dir) as Entry[]);
}

function forgetGone(cache: Database, entries: Map<string, Entry>, files: readonly TranscriptFile[]): void {
  const dirs = new Set(files.map((file) => file.dir));
  const paths = new Set(files.map((file) => file.path));
  for (const { path, dir } of [...entries.values()]) {
    if (!dirs.has(dir) || paths.has(path)) continue;
    entries.delete(path);
    for (const table of ["transcript", "prompt"]) cache.query(`DELETE FROM ${table} WHERE path = ?`).run(path);
  }
}

function sortOut(files: readonly TranscriptFile[], entries: ReadonlyMap<string, Entry>) {
  const known: Conversation[] = [];
  const unread: TranscriptFile[] = [];
  for (const file of files) {
    const entry = entries.get(file.path);
    const isCurrent = entry?.id === file.id && entry.size === file.size && entry.modified === file.modifiedAt;
    if (isCurrent) known.push({ ...file, facts: JSON.parse(entry.facts) as TranscriptFacts });
    else unread.push(file);
  }
  return { known, unread };
}

function save(cache: Database, readings: readonly Reading[]): void {
  const put = cache.query(
    "INSERT OR REPLACE INTO transcript (path, dir, id, size, modified, parsed, seam, facts) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
  );
  const putPrompts = cache.query("INSERT OR REPLACE INTO prompt (path, text) VALUES (?, ?)");
  const addPrompts = cache.query("UPDATE prompt SET text = text || ? WHERE path = ?");
  cache
    .transaction(() => {
      for (const { file, facts, mark, isFromStart, prompts } of readings) {
        put.run(
          file.path,
          file.dir,
          file.id,
          file.size,
          file.modifiedAt,
          mark.position,
          mark.print.toString("latin1"),
          JSON.stringify(facts),
        );
        if (isFromStart) putPrompts.run(file.path, prompts);
        else if (prompts !== "") addPrompts.run(prompts, file.path);
      }
    })
    .immediate();
}

interface Reading {
  file: TranscriptFile;
  facts: TranscriptFacts;
  /** Those that were added, in lower case. */
  prompts: string;
  isFromStart: boolean;
  mark: Mark;
}

function readTranscript(sys: Sys, file: TranscriptFile, before: Entry | undefined, buffer: LineBuffer): Reading {
  const opened = sys.openFile(file.path);
  try {
    const start = before !== undefined && opened !== undefined && isContinued(opened, markOf(before)) ? before : undefined;
    const reading: Reading = {
      file,
      facts: start === undefined ? noFacts : (JSON.parse(start.facts) as TranscriptFacts),
      prompts: "",
      isFromStart: start === undefined,
      mark: start === undefined ? { id: file.id, position: 0, print: Buffer.alloc(0) } : markOf(start),
    };
    return opened === undefined ? reading : addLines(reading, opened, buffer);
  } finally {
    opened?.close();
  }
}

/** As the cache keeps it. */
const markOf = ({ id, parsed, seam }: Entry): Mark => ({ id, position: parsed, print: Buffer.from(seam, "latin1") });

function addLines(reading: Reading, file: OpenFile, buffer: LineBuffer): Reading {
  let at = reading.mark.position;
  const add = (lines: Buffer) => {
    const { facts, prompts } = readFacts(lines, reading.facts, at);
    at += lines.length;
    reading.facts = facts;
    for (const prompt of prompts) reading.prompts += `${prompt.toLowerCase()}\n`;
  };
  reading.mark = readLines(file, buffer, reading.mark.position, add).mark;
  return reading;
}
