import { duration, timed } from "./format.ts";
import type { Outcome, Source, Status, Verdict } from "./status.ts";

/** Where a list puts a session; `attention`: somebody has to do something. */
export type Rank = "attention" | "working" | "idle" | "unknown" | "finished";

/** Of sessions that are counted and not listed: how many there are of each rank. */
export type Beyond = Partial<Record<Rank, number>>;

/** What a state looks like; each theme of the dashboard, and `csm ls`, has one style for it. */
export type StateRole = "attention" | "working" | "idle" | "limited" | "failed" | "unknown" | "ended";

type VerdictOf<S extends Status> = Verdict & { status: S };

/** All that is known of a status beside how it is decided. */
interface StatusRow<S extends Status = Status> {
  /** One column wide. */
  mark: string;
  /** The status in words for people, which explain the mark. */
  meaning: string;
  /** When it is said, and what it carries: for the help. */
  about: string;
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
  spawning: { mark: "◌", meaning: "starts", about: "claude comes up", role: "working", rank: "working", words: () => "starting" },
  working: {
    mark: "●",
    meaning: "works",
    about: "a turn runs; tools it waits for, retry while a failed API is asked again",
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
    about: "asks a question; questions with their options, where it is a form",
    // A text that asks something leaves nothing open.
    isAtWork: ({ gate }) => gate !== undefined,
    words: ({ gate }) => (gate === undefined ? "asks you" : "question"),
  },
  plan_ready: { ...needsYou, about: "a plan waits for approval; plan", isAtWork: () => true, words: () => "plan to read" },
  blocked: {
    ...needsYou,
    about: "a gate: tool, input, and the choices that stand on the screen",
    isAtWork: () => true,
    words: ({ tool, gate }) => `asks ${tool ?? gate}`,
  },
  idle_done: {
    mark: "○",
    meaning: "idle",
    about: "a turn has ended: text, and outcome (finished, interrupted, truncated, declined, none); background is what runs on",
    role: "idle",
    rank: "idle",
    isAtRest: true,
    words: ({ outcome, background }) => (background === undefined ? outcomeWords[outcome] : `done, ${background.join(", ")} on`),
  },
  limited: {
    mark: "◷",
    meaning: "at a limit",
    about: "the account's allowance is used up; resets_at, window",
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
    about: "the turn died of an API error; error",
    role: "failed",
    rank: "attention",
    urgency: 1,
    isAtRest: true,
    words: ({ error }) => `failed: ${error}`,
  },
  dead: {
    mark: "×",
    meaning: "ended",
    about: "the process is gone",
    role: "ended",
    rank: "finished",
    isAtRest: true,
    words: () => "ended",
  },
  unknown: {
    mark: "?",
    meaning: "not known",
    about: "no signal tells; never a guess",
    role: "unknown",
    rank: "unknown",
    words: () => "unknown",
  },
};

/** What a state may be known from, as `source` says. */
export const sourceMeanings: Readonly<Record<Source, string>> = {
  process: "the process itself, by its number and start: alive or gone",
  "session-file": "sessions/<pid>.json, where claude says idle, busy or waiting (from 2.1.158 on)",
  hook: "claude's hooks in sessions that csd or csm start: which gate, tool and input; that a turn ended, and how",
  transcript: "the conversation on disk: questions, plans, the last answer, a limit with its reset",
  pane: "the screen, in tmux alone: dialogs at the start, and the options of a gate",
  cpu: "the processor time, where no status and no pane tells: the last resort",
};

export const statuses = Object.keys(rows) as Status[];

/** As it is printed: its one moment has both forms. */
export const stateJson = (verdict: Verdict) =>
  verdict.status === "limited" ? { ...verdict, ...timed("resets", verdict.resets_at) } : verdict;

export const statusRow = (status: Status): StatusRow => rows[status];

export const stateWords = (verdict: Verdict, now: number): string => verdict.told ?? statusRow(verdict.status).words(verdict, now);

export const needsPerson = ({ verdict }: { verdict: Verdict }): boolean => statusRow(verdict.status).rank === "attention";

export const isAtRest = ({ status }: Verdict): boolean => statusRow(status).isAtRest === true;

export const isAtWork = (verdict: Verdict): boolean => statusRow(verdict.status).isAtWork?.(verdict) === true;
