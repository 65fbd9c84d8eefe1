import { present } from "./json.ts";
import { type Badge, type LiveSession, unknownFormat } from "./session.ts";

interface HealthThresholds {
  /** Failed calls one after another. */
  errorLoopCount: number;
  /** A turn under way, no tool running, and nothing new for so long. */
  stalledMs: number;
  contextWarnPercent: number;
  contextAlarmPercent: number;
  /** Edits further apart than this are no conflict. */
  conflictMs: number;
  /** How long before its end a prompt cache is told of. */
  cacheWarnMs: number;
}

/** One row per remark: its mark in a list, one or two columns wide, and what the mark means. */
export const badgeRows: Record<Badge["kind"], { mark: string; meaning: string }> = {
  "same-file": { mark: "⚔", meaning: "edits the same file as another" },
  "same-worktree": { mark: "⋈", meaning: "edits in the same checkout" },
  "same-conversation": { mark: "⧉", meaning: "two processes in one conversation" },
  "error-loop": { mark: "↻", meaning: "calls fail in a row" },
  stalled: { mark: "⧖", meaning: "stalled" },
  context: { mark: "◔", meaning: "context nearly full" },
  "cache-cold": { mark: "❄", meaning: "prompt cache gone" },
  "unknown-format": { mark: "?", meaning: "transcript of an unknown format" },
};

const makeBadge = (kind: Badge["kind"], isAlarm: boolean, text: string): Badge => ({ kind, isAlarm, mark: badgeRows[kind].mark, text });

type Watched = Pick<
  LiveSession,
  "key" | "name" | "verdict" | "since" | "work" | "note" | "sessionId" | "worktree" | "cwd" | "meter" | "where"
>;

/** Remarks on each session, worst first. */
export function judgeHealth(sessions: readonly Watched[], now: number, thresholds: HealthThresholds): Map<string, Badge[]> {
  const badges = new Map(sessions.map((session) => [session.key, judgeOne(session, now, thresholds)]));
  for (const [key, badge] of findConflicts(sessions, now, thresholds)) badges.get(key)?.push(badge);
  for (const list of badges.values()) list.sort((a, b) => Number(b.isAlarm) - Number(a.isAlarm));
  return badges;
}

function judgeOne({ verdict, since, work, note, meter }: Watched, now: number, limits: HealthThresholds): Badge[] {
  const badges: Badge[] = [];
  const add = (kind: Badge["kind"], isAlarm: boolean, text: string) => badges.push(makeBadge(kind, isAlarm, text));
  if (work.failedInRow >= limits.errorLoopCount)
    add("error-loop", true, `${work.failedInRow} calls failed one after another, the last of ${work.failingTool}`);
  const quietMs = now - Math.max(since, work.at);
  // A tool that runs long is no stall: builds and tests take their time.
  const isMute = verdict.status === "working" && verdict.tools.length === 0 && verdict.background === undefined;
  // Nor is an API that fails: the state says so.
  if (isMute && verdict.retry === undefined && quietMs >= limits.stalledMs)
    add("stalled", true, `works, runs no tool, and has written nothing for ${Math.floor(quietMs / 60_000)} min`);
  const used = meter?.contextPercent;
  if (used !== undefined && used >= limits.contextWarnPercent)
    add(
      "context",
      used >= limits.contextAlarmPercent,
      `context ${Math.round(used)} % full${used >= limits.contextAlarmPercent ? ": it will be compacted soon" : ""}`,
    );
  const expiresAt = meter?.cacheExpiresAt;
  if (expiresAt !== undefined && verdict.status !== "working" && verdict.status !== "dead" && expiresAt - now <= limits.cacheWarnMs)
    add(
      "cache-cold",
      false,
      expiresAt > now
        ? `its prompt cache ends in ${Math.ceil((expiresAt - now) / 1000)} s`
        : "its prompt cache has ended: the next prompt pays for the whole context again",
    );
  if (note === unknownFormat) add("unknown-format", false, note);
  return badges;
}

function findConflicts(sessions: readonly Watched[], now: number, limits: HealthThresholds): [key: string, badge: Badge][] {
  const live = sessions.filter((session) => session.verdict.status !== "dead");
  const editing = live.map((session) => ({ session, files: recentFiles(session, now, limits) })).filter(({ files }) => files.length > 0);
  const found: [string, Badge][] = [];
  const say = (group: Watched[], kind: Badge["kind"], isAlarm: boolean, text: (others: string) => string, shared?: string) => {
    for (const one of group) {
      const others = group.filter((other) => other !== one).map((other) => other.name);
      found.push([one.key, { ...makeBadge(kind, isAlarm, text(others.join(", "))), ...present({ shared }) }]);
    }
  };
  const byFile = new Map<string, Watched[]>();
  for (const { session, files } of editing) for (const file of files) byFile.set(file, [...(byFile.get(file) ?? []), session]);
  const together = new Set<string>();
  for (const [file, group] of byFile) {
    if (group.length < 2) continue;
    for (const one of group) together.add(one.key);
    say(group, "same-file", true, (others) => `edits ${file}, and so does ${others}`, file);
  }
  const withTree = editing.filter(({ session }) => session.worktree !== undefined && !together.has(session.key));
  for (const [tree, group] of Map.groupBy(withTree, ({ session }) => session.worktree))
    if (group.length > 1)
      say(
        group.map(({ session }) => session),
        "same-worktree",
        false,
        (others) => `edits files in ${tree}, and so does ${others}`,
        tree,
      );
  for (const [id, group] of Map.groupBy(
    live.filter((session) => session.sessionId !== undefined),
    (session) => session.sessionId,
  ))
    if (group.length > 1) say(group, "same-conversation", true, () => `two processes write the conversation ${id?.slice(0, 8)}`);
  return found;
}

const recentFiles = ({ work }: Watched, now: number, { conflictMs }: HealthThresholds): string[] =>
  [...work.files].flatMap(([path, { at }]) => (now - at <= conflictMs ? [path] : []));
