import { isRecord, parseRecord, present, shape } from "./json.ts";

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
  /**
   * `derived` from its folder, `user` of `--name` and `/rename`; `auto` is claude's own, of what the conversation is about. Absent
   * before 2.1.204.
   */
  nameSource?: string;
  /** `interactive` or `bg`. */
  kind?: string;
  /** Of a background session: by this word `claude stop` knows it. */
  jobId?: string;
  /** `cli`; `sdk-cli` for `claude -p`. */
  entrypoint?: string;
  version?: string;
  /** `<session>:@<window>.%<pane>` when it runs inside tmux. */
  tmux?: string;
  /** Where `pid` counts: machine and pid namespace. Not in early versions. */
  pidDomain?: string;
}

/** `other` is a word that this program does not know. */
type SessionStatus = "idle" | "busy" | "waiting" | "shell" | "other";

const statuses: ReadonlySet<string> = new Set(["idle", "busy", "waiting", "shell"]);

/** Undefined for anything that is not (yet) a whole session file: Claude Code rewrites it in place, so reads can be torn. */
export function parseSessionFile(text: string): SessionFile | undefined {
  const { pid, sessionId, cwd = "", status: word, updatedAt, ...rest } = shape(parseRecord(text) ?? {}, wanted);
  if (pid === undefined || sessionId === undefined) return undefined;
  const status = word === undefined || statuses.has(word) ? (word as SessionStatus | undefined) : "other";
  // 2.1.158 has only this one, and moves it with each status.
  const statusUpdatedAt = rest.statusUpdatedAt ?? updatedAt;
  return { pid, sessionId, cwd, ...rest, ...present({ status, statusUpdatedAt }) };
}

const wanted = {
  pid: "pid",
  sessionId: "id",
  cwd: "string",
  status: "string",
  procStart: "string",
  waitingFor: "string",
  name: "string",
  nameSource: "string",
  kind: "string",
  jobId: "string",
  entrypoint: "string",
  version: "string",
  tmux: "string",
  pidDomain: "string",
  startedAt: "time",
  statusUpdatedAt: "time",
  updatedAt: "time",
} as const;

/** Session ids are UUIDs; nothing else may become a part of a file name. */
export const isSessionId = (text: string): boolean => /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(text);

/** A session that claude's daemon keeps, as `<config>/daemon/roster.json` tells (2.1.329). */
interface Agent {
  /** By this word `claude stop` knows it. */
  job: string;
  sessionId: string;
  /** Itself, and who holds its terminal; they need not be in its daemon's environment, nor it in theirs. */
  pids: number[];
  /** The conversations that it was started from, the outer ones too. */
  launchedBy: string[];
}

export function parseRoster(text: string | undefined): Agent[] {
  const { workers } = parseRecord(text) ?? {};
  return Object.entries(isRecord(workers) ? workers : {}).flatMap(([job, worker]) => {
    const { sessionId, pid, replPid } = shape(isRecord(worker) ? worker : {}, { sessionId: "id", pid: "pid", replPid: "pid" });
    const dispatch = isRecord(worker) && isRecord(worker.dispatch) ? worker.dispatch : {};
    const { ids = "" } = shape(isRecord(dispatch.env) ? dispatch.env : {}, { ids: ["CLAUDE_CODE_LAUNCHED_BY_SESSION_IDS", "string"] });
    if (sessionId === undefined || !/^[\w-]+$/.test(job)) return [];
    return [
      {
        job,
        sessionId,
        pids: [replPid, pid].filter((one) => one !== undefined),
        launchedBy: ids.split(/[^0-9a-f-]+/i).filter(isSessionId),
      },
    ];
  });
}
