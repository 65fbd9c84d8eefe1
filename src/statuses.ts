import { duration, timed } from "./format.ts";
import type { Outcome, Status, Verdict } from "./status.ts";

/** Where a list puts a session; `attention`: somebody has to do something. */
export type Rank = "attention" | "working" | "idle" | "unknown" | "finished";

/** What a state looks like; each theme of the dashboard, and `csm ls`, has one style for it. */
export type StateRole = "attention" | "working" | "idle" | "limited" | "failed" | "unknown" | "ended";

type VerdictOf<S extends Status> = Verdict & { status: S };

/** All that is known of a status beside how it is decided. */
interface StatusRow<S extends Status = Status> {
  /** One column wide. */
  mark: string;
  /** The status in words for people, which explain the mark. */
  meaning: string;
  role: StateRole;
  rank: Rank;
  /** Of those who need somebody: the lower, the sooner something can be done. */
  urgency?: number;
  /** Whoever waits for the session, a person or a script, goes on here. */
  isAtRest?: boolean;
  /** A turn or a dialog is open that Esc would end. */
  isAtWork?(verdict: VerdictOf<S>): boolean;
  /** As few words for people as tell what it does; `now` epoch ms. */
  words(verdict: VerdictOf<S>, now: number): string;
}

const outcomeWords: Record<Outcome, string> = {
  none: "ready",
  finished: "done",
  interrupted: "interrupted",
  truncated: "truncated",
  declined: "declined",
};

const needsYou = { mark: "▲", meaning: "needs you", role: "attention", rank: "attention", isAtRest: true } as const;

/** A new status is a row here, and a variant of the verdict. The order is that in which people are told of them. */
const rows: { [S in Status]: StatusRow<S> } = {
  spawning: { mark: "◌", meaning: "starts", role: "working", rank: "working", words: () => "starting" },
  working: {
    mark: "●",
    meaning: "works",
    role: "working",
    rank: "working",
    isAtWork: () => true,
    words: ({ tools, background, retry }) =>
      retry === undefined
        ? (background ?? tools).join(", ") || "thinking"
        : `retry ${retry.attempt}/${retry.max_attempts} in ${duration(retry.wait_ms)}`,
  },
  awaiting_answer: {
    ...needsYou,
    // A text that asks something leaves nothing open.
    isAtWork: ({ gate }) => gate !== undefined,
    words: ({ gate }) => (gate === undefined ? "asks you" : "question"),
  },
  plan_ready: { ...needsYou, isAtWork: () => true, words: () => "plan to read" },
  blocked: { ...needsYou, isAtWork: () => true, words: ({ tool, gate }) => `asks ${tool ?? gate}` },
  idle_done: {
    mark: "○",
    meaning: "idle",
    role: "idle",
    rank: "idle",
    isAtRest: true,
    words: ({ outcome, background }) => (background === undefined ? outcomeWords[outcome] : `done, ${background.join(", ")} on`),
  },
  limited: {
    mark: "◷",
    meaning: "at a limit",
    role: "limited",
    rank: "attention",
    urgency: 2,
    isAtRest: true,
    // A weekly limit opens a menu.
    isAtWork: ({ choices }) => choices !== undefined,
    words: ({ resets_at }, now) => (resets_at === null ? "limit" : `limit, ${duration(resets_at - now)} left`),
  },
  failed: {
    mark: "✖",
    meaning: "failed",
    role: "failed",
    rank: "attention",
    urgency: 1,
    isAtRest: true,
    words: ({ error }) => `failed: ${error}`,
  },
  dead: { mark: "×", meaning: "ended", role: "ended", rank: "finished", isAtRest: true, words: () => "ended" },
  unknown: { mark: "?", meaning: "not known", role: "unknown", rank: "unknown", words: () => "unknown" },
};

export const statuses = Object.keys(rows) as Status[];

/** As it is printed: its one moment has both forms. */
export const stateJson = (verdict: Verdict) =>
  verdict.status === "limited" ? { ...verdict, ...timed("resets", verdict.resets_at) } : verdict;

export const statusRow = (status: Status): StatusRow => rows[status];

export const stateWords = (verdict: Verdict, now: number): string => statusRow(verdict.status).words(verdict, now);

export const needsPerson = ({ verdict }: { verdict: Verdict }): boolean => statusRow(verdict.status).rank === "attention";

export const isAtRest = ({ status }: Verdict): boolean => statusRow(status).isAtRest === true;

export const isAtWork = (verdict: Verdict): boolean => statusRow(verdict.status).isAtWork?.(verdict) === true;
