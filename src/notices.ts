export const noticeCauses = [
  "permission",
  "question",
  "plan",
  "limit",
  "login",
  "failure",
  "finished",
  "budget",
  "conflict",
  "rule",
] as const;
export type NoticeCause = (typeof noticeCauses)[number];
export const noticeLevels = ["info", "warning", "urgent"] as const;

/** `[notify]`, checked: who is told of what, and how. */
export interface NotifySettings {
  causes: Readonly<Record<NoticeCause, CauseSettings>>;
  /** Local times as in a rule's `match_time`; only urgent ones come through. */
  quietHours: readonly string[];
  channels: readonly Channel[];
}

export interface CauseSettings {
  isOn: boolean;
  level: (typeof noticeLevels)[number];
  /** The same cause of the same session or account is told once in this time. */
  coolDownMs: number;
}

export type Channel =
  | { kind: "terminal"; name: string; how: "auto" | "osc9" | "osc777" | "osc99" | "bell" }
  | { kind: "desktop"; name: string }
  /** The values are in its environment (`CSM_CAUSE` …) and as JSON on its stdin; the words are never a shell's. */
  | { kind: "command"; name: string; run: readonly string[] }
  /** JSON by POST; signed with HMAC-SHA256 where there is a secret. */
  | { kind: "webhook"; name: string; url: string; secret?: string; headers?: Readonly<Record<string, string>> };

const loud: readonly NoticeCause[] = ["login", "budget"];
const quiet: readonly NoticeCause[] = ["finished", "rule"];

/** Where no file says anything: no channel, so that nobody is told. */
export const defaultNotify: NotifySettings = {
  causes: Object.fromEntries(
    noticeCauses.map((cause) => [
      cause,
      { isOn: true, level: loud.includes(cause) ? "urgent" : quiet.includes(cause) ? "info" : "warning", coolDownMs: 30_000 },
    ]),
  ) as unknown as NotifySettings["causes"],
  quietHours: [],
  channels: [],
};
