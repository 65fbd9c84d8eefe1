/** What Claude Code says of its own process in `<config>/sessions/<pid>.json` (fields as of 2.1.329). */
export interface SessionFile {
  pid: number;
  /** Start of the process: field 22 of /proc/<pid>/stat on Linux. Absent before 2.1.158. */
  procStart?: string;
  sessionId: string;
  cwd: string;
  startedAt?: number;
  /** Absent for the first ~150 ms, while the resume picker is shown, and before 2.1.158. */
  status?: SessionStatus;
  waitingFor?: string;
  statusUpdatedAt?: number;
  name?: string;
  /** `interactive` or `bg`. */
  kind?: string;
  /** `cli`; `sdk-cli` for `claude -p`. */
  entrypoint?: string;
  version?: string;
  /** `<session>:@<window>.%<pane>` when it runs inside tmux. */
  tmux?: string;
  /** Where `pid` counts: machine and pid namespace. Not in early versions. */
  pidDomain?: string;
}

/** `other` is a word that this program does not know. */
export type SessionStatus = "idle" | "busy" | "waiting" | "shell" | "other";

const statuses: ReadonlySet<string> = new Set(["idle", "busy", "waiting", "shell"]);

/** Undefined for anything that is not (yet) a whole session file: Claude Code rewrites it in place, so reads can be torn. */
export function parseSessionFile(text: string): SessionFile | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // Torn or empty: the next read brings the whole file.
    return undefined;
  }
  if (typeof value !== "object" || value === null) return undefined;
  const fields = value as Record<string, unknown>;
  if (typeof fields.pid !== "number" || typeof fields.sessionId !== "string") return undefined;
  const file: SessionFile = { pid: fields.pid, sessionId: fields.sessionId, cwd: typeof fields.cwd === "string" ? fields.cwd : "" };
  if (typeof fields.status === "string") file.status = statuses.has(fields.status) ? (fields.status as SessionStatus) : "other";
  for (const key of ["procStart", "waitingFor", "name", "kind", "entrypoint", "version", "tmux", "pidDomain"] as const) {
    const text = fields[key];
    if (typeof text === "string") file[key] = text;
  }
  for (const key of ["startedAt", "statusUpdatedAt"] as const) {
    const time = fields[key];
    if (typeof time === "number") file[key] = time;
  }
  // 2.1.158 has only this one, and moves it with each status.
  if (file.statusUpdatedAt === undefined && typeof fields.updatedAt === "number") file.statusUpdatedAt = fields.updatedAt;
  return file;
}

/** Session ids are UUIDs; nothing else may become a part of a file name. */
export const isSessionId = (text: string): boolean => /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(text);
