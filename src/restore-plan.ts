import { basename } from "node:path";
import { present } from "./json.ts";
import type { Boot, LaunchRecord } from "./launch-record.ts";
import { isNearStart } from "./process.ts";
import type { FoundSession } from "./sessions.ts";

/** A conversation that was open when its claude, or the machine, went down. */
export interface Lost {
  sessionId: string;
  cwd: string;
  configDir: string;
  profile?: string;
  /** What somebody called it; hostile text. */
  name?: string;
  /** Of tmux, where it ran in one. */
  tmuxSession?: string;
  /** Every word its claude was given; undefined when csm did not start it. */
  args?: string[];
  /** Epoch ms of the last sign of life. */
  lastSeenAt: number;
  why: "restarted" | "killed";
}

/** Why a lost conversation can not or need not come back. */
export interface Skipped extends Lost {
  reason: "older" | "went on since" | "no transcript" | "folder gone";
}

export interface RestoreInput {
  found: readonly FoundSession[];
  records: readonly LaunchRecord[];
  /** Records whose process still runs. */
  runningIds: ReadonlySet<string>;
  boot: Boot;
  /** Epoch ms: what was last seen before is left alone. */
  since: number;
  /** Epoch ms of the last write; undefined when there is no transcript. */
  writtenAt(session: { sessionId: string; configDir: string; cwd: string }): number | undefined;
  hasFolder(cwd: string): boolean;
}

export interface RestorePlan {
  lost: Lost[];
  skipped: Skipped[];
  /** Sessions of another container or machine, of which nothing can be told here. */
  elsewhere: number;
}

/** One run of claude on one conversation: from its session file, its record, or both. */
interface Run extends Lost {
  startedAt: number;
  isLost: boolean;
  /** Nothing is written to its transcript after this time but by a later run. */
  quietSince: number;
}

/** Which conversations to bring back, those used last first. The newest run of each decides: had it ended in order, it stays ended. */
export function planRestore(input: RestoreInput): RestorePlan {
  const { found, records } = input;
  const here = found.filter(({ liveness, file }) => liveness !== "elsewhere" && isConversation(file));
  const recordOf = new Map(here.map((session) => [session, records.find((record) => isSameRun(record, session))]));
  const runs = [
    ...here.map((session) => runOfFile(session, recordOf.get(session), input)),
    ...records.filter((record) => ![...recordOf.values()].includes(record)).flatMap((record) => runOfRecord(record, input) ?? []),
  ];
  const newest = new Map<string, Run>();
  const args = new Map<string, string[]>();
  for (const run of runs.sort((a, b) => a.startedAt - b.startedAt)) {
    if (run.args !== undefined) args.set(run.sessionId, run.args);
    newest.set(run.sessionId, run);
  }
  const live = new Set(here.filter(({ liveness }) => liveness === "live").map(({ file }) => file.sessionId));
  const lost = [...newest.values()].filter((run) => run.isLost && !live.has(run.sessionId)).sort((a, b) => b.lastSeenAt - a.lastSeenAt);
  const judged = lost.map((run): Skipped | Lost => judge(run, args.get(run.sessionId), input));
  const isSkipped = (one: Skipped | Lost): one is Skipped => "reason" in one;
  return {
    lost: judged.filter((one) => !isSkipped(one)),
    skipped: judged.filter(isSkipped),
    elsewhere: found.filter(({ liveness, file }) => liveness === "elsewhere" && isConversation(file)).length,
  };
}

/** `claude -p` is a single question, and claude's own daemon looks after its background sessions. */
const isConversation = ({ entrypoint, kind }: FoundSession["file"]): boolean => entrypoint !== "sdk-cli" && kind !== "bg";

/** Versions before 2.1.158 tell no start of their process; times must do. */
function isSameRun(record: LaunchRecord, { file, configDir }: FoundSession): boolean {
  if (record.pid !== file.pid || record.configDir !== configDir) return false;
  if (file.procStart !== undefined && file.procStart === record.start) return true;
  return file.startedAt !== undefined && isNearStart(file.startedAt, record.startedAt);
}

function runOfFile({ file, configDir, profile, liveness }: FoundSession, record: LaunchRecord | undefined, { boot }: RestoreInput): Run {
  const startedAt = file.startedAt ?? record?.startedAt ?? 0;
  const wasRestarted = record === undefined ? startedAt < (boot.at ?? 0) : record.boot !== boot.key;
  const tmuxSession = /^(.+):@\d+\.%\d+$/.exec(file.tmux ?? "")?.[1];
  const isIdle = file.status === "idle" && file.statusUpdatedAt !== undefined;
  return {
    ...{ sessionId: file.sessionId, cwd: file.cwd, configDir, startedAt },
    isLost: liveness === "gone" && record?.ended?.how !== "kill",
    ...present({ profile, name: file.name, tmuxSession, args: record?.args }),
    lastSeenAt: Math.max(startedAt, file.statusUpdatedAt ?? 0),
    why: wasRestarted ? "restarted" : "killed",
    quietSince: quietSince(isIdle ? file.statusUpdatedAt : undefined, wasRestarted, boot),
  };
}

/** Claude removed its file, so it ended by itself or by a signal; a signal is what the end of the machine sends too. */
function runOfRecord(record: LaunchRecord, { boot, runningIds }: RestoreInput): Run | undefined {
  const { sessionId, cwd, configDir, profile, args, startedAt, ended, isEndTold } = record;
  if (sessionId === undefined) return undefined;
  const wasRestarted = record.boot !== boot.key && record.boot !== "" && boot.key !== "";
  return {
    ...{ sessionId, cwd, configDir, args, startedAt, lastSeenAt: ended?.at ?? startedAt },
    ...present({ profile }),
    isLost: wasRestarted && !runningIds.has(record.id) && (ended === undefined ? isEndTold === true : ended.how === "signal"),
    why: "restarted",
    quietSince: quietSince(undefined, wasRestarted, boot),
  };
}

/** Claude writes a title or two after its turn. */
const afterTurnMs = 60_000;

const quietSince = (idleAt: number | undefined, wasRestarted: boolean, boot: Boot): number =>
  Math.min(
    idleAt === undefined ? Number.POSITIVE_INFINITY : idleAt + afterTurnMs,
    wasRestarted ? (boot.at ?? Number.POSITIVE_INFINITY) : Number.POSITIVE_INFINITY,
  );

function judge(run: Run, args: string[] | undefined, { since, writtenAt, hasFolder }: RestoreInput): Skipped | Lost {
  const { startedAt: _, isLost: __, quietSince: quiet, ...lost } = run;
  const written = writtenAt(lost);
  const seen = { ...lost, ...present({ args }), lastSeenAt: Math.max(lost.lastSeenAt, written ?? 0) };
  if (written === undefined) return { ...seen, reason: "no transcript" };
  if (written > quiet) return { ...seen, reason: "went on since" };
  if (seen.lastSeenAt < since) return { ...seen, reason: "older" };
  return hasFolder(seen.cwd) ? seen : { ...seen, reason: "folder gone" };
}

/** What a person calls it. */
export const labelOf = ({ name, cwd, sessionId }: Pick<Lost, "name" | "cwd" | "sessionId">): string =>
  name ?? `${basename(cwd)} ${sessionId.slice(0, 8)}`;

/** A name that tmux keeps as it is and that no other session has; `taken` grows. */
export function chooseTmuxName(
  { tmuxSession, cwd, sessionId }: Pick<Lost, "tmuxSession" | "cwd" | "sessionId">,
  taken: Set<string>,
): string {
  const wanted =
    (tmuxSession ?? basename(cwd))
      .replace(/[^A-Za-z0-9_-]+/g, "-")
      .replace(/^-+/, "")
      .slice(0, 50) || "claude";
  const name = taken.has(wanted) ? `${wanted}-${sessionId.slice(0, 8)}` : wanted;
  taken.add(name);
  return name;
}
