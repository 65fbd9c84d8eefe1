import { UserError } from "./errors.ts";
import { decodeJson, hasShape, isPathWord, isRecord, present } from "./json.ts";
import { drivenDir } from "./paths.ts";
import { requireOwnFolder } from "./state-folder.ts";
import { openRecords, type Records } from "./store.ts";
import type { Sys } from "./sys.ts";

/**
 * What csd remembers of a session it started, in `<state>/csd/sessions/<name>.json`. The keys up to `created` are those
 * of the older csd, which ignores the rest, so both tools can read one another's files; the rest is absent in its files.
 */
export interface Driven {
  name: string;
  session_id: string;
  /** Real path. */
  cwd: string;
  backend: string;
  jsonl_path: string;
  permission_mode: string | null;
  backend_version?: string;
  /** The program that was started. */
  backend_path?: string;
  /** Unix seconds. */
  created: number;
  version?: 1;
  config_dir?: string;
  socket?: string;
  server_pid?: number;
  tmux_session?: string;
  pane?: string;
  /** Of claude itself: it replaces the launcher in the pane. */
  pid?: number;
  /** Of what runs in the pane, where that is a wrapper which stays around claude. */
  pane_pid?: number;
  process_start?: string;
  /** Claude's editor key calls csd. */
  has_editor?: boolean;
}

const texts = ["name", "session_id", "cwd", "backend", "jsonl_path"] as const;
const optionalTexts = ["backend_version", "backend_path", "config_dir", "socket", "tmux_session", "pane", "process_start"] as const;
const optionalPids = ["server_pid", "pid", "pane_pid"] as const;
const words = ["name", "session_id"] as const;
const tmuxIds = { tmux_session: /^\$\d{1,10}$/, pane: /^%\d{1,10}$/ };

/** Checked by hand: `csd state` runs in loops, and loading a schema library would double its start. Throws with the key that is wrong. */
export function parseDriven(text: string, fileName?: string): Driven {
  const fields = decodeJson(text);
  if (!isRecord(fields)) throw new Error("not an object");
  const wrong = (key: string, wanted: string) => new Error(`${key} must be ${wanted}`);
  for (const key of texts) if (typeof fields[key] !== "string") throw wrong(key, "a string");
  // They become parts of paths, and the name is what the session is removed by.
  for (const key of words) if (!hasShape(fields, { [key]: "id" })) throw wrong(key, "one plain word");
  if (fileName !== undefined && fields.name !== fileName) throw wrong("name", `that of its file, ${fileName}`);
  const { created, permission_mode: mode } = fields;
  if (!Number.isSafeInteger(created) || !hasShape({ at: Number(created) * 1000 }, { at: "time" }))
    throw wrong("created", "a whole number of seconds");
  if (mode !== undefined && mode !== null && typeof mode !== "string") throw wrong("permission_mode", "a string or null");
  for (const key of optionalTexts)
    if (fields[key] !== undefined && fields[key] !== null && typeof fields[key] !== "string") throw wrong(key, "a string");
  for (const key of optionalPids)
    if (fields[key] !== undefined && !hasShape(fields, { [key]: "pid" })) throw wrong(key, "the number of a process");
  for (const [key, pattern] of Object.entries(tmuxIds))
    if (typeof fields[key] === "string" && !pattern.test(fields[key])) throw wrong(key, "an id of tmux");
  for (const key of optionalTexts) if (fields[key] === null) delete fields[key];
  fields.permission_mode = mode ?? null;
  return fields as unknown as Driven;
}

/** The older csd's keys, in its order: what `spawn` and `ps` print. */
export function publicDriven(driven: Driven) {
  const { name, session_id, cwd, backend, jsonl_path, permission_mode, backend_version, created } = driven;
  const version = present({ backend_version });
  return { name, session_id, cwd, backend, jsonl_path, permission_mode, ...version, created };
}

/** File systems take 255 bytes for `<name>.json` and the suffix of its temporary twin. */
const maxNameLength = 200;

export function checkName(name: string): void {
  if (isPathWord(name)) return;
  const hint = `use up to ${maxNameLength} of the characters A-Z a-z 0-9 . _ -, starting with a letter, a digit or _`;
  throw new UserError(`invalid session name ${JSON.stringify(name)}`, hint);
}

/** `csd-<folder>-<first 8 of the id>`: unique enough to type, valid as a tmux name. */
export function defaultName(cwd: string, sessionId: string): string {
  const folder =
    cwd
      .split(/[/\\]/)
      .filter((part) => part !== "")
      .at(-1) ?? "";
  const base = folder
    .replace(/[^A-Za-z0-9_]/g, "-")
    .replace(/^-+|-+$/g, "")
    .slice(0, 100);
  return `csd-${base === "" ? "agent" : base}-${sessionId.slice(0, 8)}`;
}

/** By the session's name; broken ones are named, not fatal. */
export function createDrivenStore(sys: Sys, dir: string = drivenDir(sys)): Records<Driven> {
  // Who uses no csd is not told of a folder that it would not use.
  if (sys.isDirectory(dir)) requireOwnFolder(sys, dir);
  return openRecords<Driven>(sys, {
    dir,
    decode: parseDriven,
    encode: (driven) => JSON.stringify({ ...driven, version: 1 }, null, 2),
    hint: (name) => `remove it with: csd kill ${name}`,
  });
}
